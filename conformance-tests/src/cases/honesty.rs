//! Capabilities are true, denied ones fail with `Unsupported`, and no secrets are printed.

use std::num::NonZeroUsize;

use ttl_core::options::{
    Condition, Create, DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutOptions,
    ScanOptions,
};
use ttl_core::{Capabilities, Error, Expiry, Kind, Lifespan, Patch, Record, Version};

use crate::test::{LONG, key, record};
use crate::{Check, Failure, Test, case_table, ensure, ensure_eq, ensure_kind};

/// Fails if an error or one of its causes shows a key or a value.
fn no_secret(error: &Error) -> Check {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(" {cause} {cause:?}"));
        source = cause.source();
    }
    ensure!(
        !text.contains("5f0c") && !text.contains("password"),
        "an error without keys and values",
        "{text}"
    );
    Ok(())
}

case_table! {
    /// H1: The capabilities of a store do not change and are the same on another handle.
    capabilities_do_not_change,
    /// H1, S3: On a store without scans, a scan fails with `Unsupported`, and the error names the backend.
    a_denied_scan_is_unsupported: needs(no_scan),
    /// H1: On a store without conditions, each of them fails with `Unsupported` and changes nothing.
    denied_conditions_are_unsupported: needs(no_conditions),
    /// H1: On a store without caps, each write with a cap fails with `Unsupported` and changes nothing.
    denied_caps_are_unsupported: needs(no_caps),
    /// H1: On a store without patches, each patch fails with `Unsupported` and changes nothing.
    denied_patches_are_unsupported: needs(no_patch),
    /// H1, E2: The time of a store does not run backwards while the store is used.
    the_time_of_a_store_goes_on,
    /// H5: Errors print neither keys nor values.
    errors_print_no_secrets,
    /// H5: Errors about unsuitable values print neither keys nor values.
    errors_of_patches_print_no_secrets: needs(patch),
    /// H5, V4: Errors about sizes and cursors print neither keys nor values.
    errors_of_sizes_and_cursors_print_no_secrets: needs(scan, size_limit),
    /// H5, H1: Errors about denied capabilities print neither keys nor values.
    errors_of_denied_calls_print_no_secrets: needs(no_conditions),
    /// H5, V6: Errors about damaged entries print neither keys nor values.
    errors_of_damage_print_no_secrets: needs(corruption),
    /// H5: The `Debug` output of a store shows no stored value.
    a_store_does_not_print_what_it_holds,
    /// H5: The `Debug` output of an entry shows no value.
    entries_do_not_print_their_values,
}

async fn capabilities_do_not_change(t: Test) -> Check {
    let before: Capabilities = t.capabilities();
    t.put(&key("k"), "v", PutOptions::new(LONG)).await?;
    t.delete(&key("k")).await?;
    ensure_eq!(t.capabilities(), before, "the capabilities");
    ensure_eq!(t.second.capabilities(), before, "the other handle's capabilities");
    ensure!(!before.backend.is_empty(), "a backend with a name", "no name");
    Ok(())
}

async fn a_denied_scan_is_unsupported(t: Test) -> Check {
    t.put(&key("k"), "v", PutOptions::new(LONG)).await?;
    let error = match t.store.scan(ScanOptions::new("")).await {
        Err(error) => error,
        Ok(page) => return Err(Failure::new("Unsupported", format!("{page:?}"))),
    };
    ensure_kind!(Err::<(), _>(error.clone()), Unsupported, "a scan");
    ensure!(error.backend() == Some(t.capabilities().backend), "an error that names the backend", "{error}");
    ensure!(!error.is_retryable(), "an error that is not retryable", "{error}");
    Ok(())
}

async fn denied_conditions_are_unsupported(t: Test) -> Check {
    t.put(&key("k"), record(), PutOptions::new(LONG)).await?;
    let before = t.state(&key("k")).await?;
    let version = Version::random();
    for condition in [Condition::IfAbsent, Condition::IfPresent, Condition::IfVersion(version)] {
        for name in ["k", "absent"] {
            let put = PutOptions::new(LONG).with_condition(condition);
            ensure_kind!(t.store.put(&key(name), "new".into(), put).await, Unsupported, "{condition:?}");
        }
    }
    let expire = ExpireOptions::new().with_if_version(version);
    let change = ExpiryChange::Set(Expiry::Never);
    ensure_kind!(t.store.expire(&key("k"), change, expire).await, Unsupported, "an expire with a version");
    let delete = DeleteOptions::new().with_if_version(version);
    ensure_kind!(t.store.delete(&key("k"), delete).await, Unsupported, "a delete with a version");
    for delete in [DeleteOptions::take(), DeleteOptions::new().with_kind(Kind::Record)] {
        ensure_kind!(
            t.store.delete(&key("k"), delete).await,
            Unsupported,
            "a take, or a delete with an expected kind"
        );
    }
    let patch = PatchOptions::new().with_if_version(version);
    let patched = t.store.patch(&key("k"), &Patch::new().set("n", 2), patch).await;
    ensure_kind!(patched, Unsupported, "a patch with a version");
    ensure_eq!(t.state(&key("k")).await?, before, "the entry");
    t.expect_miss(&key("absent"), "after the refused puts").await
}

async fn denied_caps_are_unsupported(t: Test) -> Check {
    t.put(&key("k"), record(), PutOptions::new(LONG)).await?;
    let before = t.state(&key("k")).await?;
    for name in ["k", "absent"] {
        let capped = Lifespan::from(LONG).with_max_lifetime(LONG);
        let put = t.store.put(&key(name), "new".into(), PutOptions::new(capped)).await;
        ensure_kind!(put, Unsupported, "a put with a cap");
        let create = PatchOptions::new().with_create(Create::new(capped));
        let patched = t.store.patch(&key(name), &Patch::new().set("n", 2), create).await;
        ensure_kind!(patched, Unsupported, "a patch with a cap");
        let read = t.store.get(&key(name), GetOptions::new().with_cap()).await;
        ensure_kind!(read, Unsupported, "a read of the cap");
    }
    ensure_eq!(t.state(&key("k")).await?, before, "the entry");
    t.expect_miss(&key("absent"), "after the refused writes").await
}

async fn denied_patches_are_unsupported(t: Test) -> Check {
    t.put(&key("k"), record(), PutOptions::new(LONG)).await?;
    let before = t.state(&key("k")).await?;
    for patch in
        [Patch::new().set("n", 2), Patch::new().increment("n", 1), Patch::new().append("l", 1), Patch::new()]
    {
        for name in ["k", "absent"] {
            let create = PatchOptions::new().with_create(Create::new(LONG));
            ensure_kind!(t.store.patch(&key(name), &patch, create).await, Unsupported, "a patch");
        }
    }
    ensure_eq!(t.state(&key("k")).await?, before, "the entry");
    t.expect_miss(&key("absent"), "after the refused patches").await
}

async fn the_time_of_a_store_goes_on(t: Test) -> Check {
    let mut last = t.store.now();
    for n in 0..20 {
        t.put(&key("k"), format!("{n}"), PutOptions::new(LONG)).await?;
        let now = t.store.now();
        ensure!(now + t.clock_error() >= last, format!("a time of {last:?} or later"), "{now:?}");
        last = now;
    }
    Ok(())
}

async fn errors_print_no_secrets(t: Test) -> Check {
    let secret = key("session-5f0c-of-ada");
    t.put(&secret, "password-of-ada", PutOptions::new(LONG)).await?;
    let read = t.store.get(&secret, GetOptions::new().with_kind(Kind::Record)).await;
    let patched =
        t.store.patch(&secret, &Patch::new().set("n", "password-of-ada"), PatchOptions::new()).await;
    let far = Expiry::At(t.instant(ttl_core::Ttl::MAX) + LONG.as_duration());
    let put = t.store.put(&secret, "password-of-ada".into(), PutOptions::new(far)).await;
    let errors = [read.err(), patched.err(), put.err()];
    for error in errors {
        no_secret(&error.ok_or_else(|| Failure::new("an error", "none"))?)?;
    }
    Ok(())
}

async fn errors_of_patches_print_no_secrets(t: Test) -> Check {
    let secret = key("session-5f0c-of-ada");
    let record =
        Record::new().with("text", "password-of-ada").with("n", i64::MAX).with("list", ["password-of-ada"]);
    t.put(&secret, record, PutOptions::new(LONG)).await?;
    for patch in [
        Patch::new().increment("text", 1),
        Patch::new().append("text", "password-of-eve"),
        Patch::new().pop_back("text"),
        Patch::new().increment("list", 1),
        Patch::new().increment("n", 1),
        Patch::new().remove_value("text", "password-of-eve"),
    ] {
        match t.store.patch(&secret, &patch, PatchOptions::new()).await {
            Err(error) => no_secret(&error)?,
            Ok(outcome) => return Err(Failure::new("an error", format!("{outcome:?}"))),
        }
    }
    Ok(())
}

async fn errors_of_sizes_and_cursors_print_no_secrets(t: Test) -> Check {
    let secret = key("session-5f0c-of-ada");
    let limit = usize::try_from(t.capabilities().max_value_bytes).unwrap_or(usize::MAX);
    let value = "password-of-ada".repeat(limit / 15 + 1);
    for n in 0..2 {
        t.put(&key(&format!("session-5f0c-{n}")), "v", PutOptions::new(LONG)).await?;
    }
    let put = t.store.put(&secret, value.into(), PutOptions::new(LONG)).await;
    let page = t.store.scan(ScanOptions::new("session-5f0c").with_limit(NonZeroUsize::MIN)).await?;
    let other = t.store.scan(ScanOptions::new(secret.as_str()).with_cursor(page.next)).await;
    for error in [put.err(), other.err()] {
        no_secret(&error.ok_or_else(|| Failure::new("an error", "none"))?)?;
    }
    Ok(())
}

async fn errors_of_denied_calls_print_no_secrets(t: Test) -> Check {
    let secret = key("session-5f0c-of-ada");
    t.put(&secret, "password-of-ada", PutOptions::new(LONG)).await?;
    let version = Version::random();
    let swap = PutOptions::new(LONG).with_condition(Condition::IfVersion(version));
    let expire = ExpireOptions::new().with_if_version(version);
    let patch = PatchOptions::new().with_if_version(version);
    let errors = [
        t.store.put(&secret, "password-of-eve".into(), swap).await.err(),
        t.store.expire(&secret, ExpiryChange::Set(Expiry::Never), expire).await.err(),
        t.store.delete(&secret, DeleteOptions::take()).await.err(),
        t.store.patch(&secret, &Patch::new().set("n", "password-of-eve"), patch).await.err(),
    ];
    for error in errors {
        no_secret(&error.ok_or_else(|| Failure::new("an error", "none"))?)?;
    }
    Ok(())
}

async fn errors_of_damage_print_no_secrets(t: Test) -> Check {
    let secret = key("session-5f0c-of-ada");
    t.put(&secret, "password-of-ada", PutOptions::new(LONG)).await?;
    t.corrupt(&secret).await?;
    let read = t.store.get(&secret, GetOptions::new()).await.err();
    let many =
        t.store.get_many(std::slice::from_ref(&secret), GetOptions::new()).await.pop().and_then(Result::err);
    for error in [read, many] {
        no_secret(&error.ok_or_else(|| Failure::new("an error", "none"))?)?;
    }
    Ok(())
}

async fn a_store_does_not_print_what_it_holds(t: Test) -> Check {
    let secret = key("session-5f0c-of-ada");
    t.put(&secret, "password-of-ada", PutOptions::new(LONG)).await?;
    t.put(&key("r-5f0c"), Record::new().with("password", "password-of-ada"), PutOptions::new(LONG)).await?;
    let text = format!("{:?} {:#?}", t.store, t.second);
    ensure!(!text.contains("password-of-ada"), "a store that prints no value", "{text}");
    Ok(())
}

async fn entries_do_not_print_their_values(t: Test) -> Check {
    t.put(&key("blob"), "password-of-ada", PutOptions::new(LONG)).await?;
    t.put(&key("record"), Record::new().with("n", "password-of-ada"), PutOptions::new(LONG)).await?;
    for name in ["blob", "record"] {
        let text = format!("{:?}", t.store.get(&key(name), GetOptions::new()).await?);
        ensure!(!text.contains("password-of-ada"), "an entry that prints no value", "{text}");
    }
    Ok(())
}
