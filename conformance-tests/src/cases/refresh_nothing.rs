//! Operations that never refresh: misses, refusals, failures, peeks, scans, and operations on other keys.

use std::time::Duration;

use serde_json::json;
use ttl_core::options::{
    Condition, DeleteOptions, ExistingDeadline, ExpireOptions, ExpiryChange, Fields, GetOptions, Guard,
    PatchOptions, Projection, PutItem, PutOptions, Refresh, Returning, ScanOptions,
};
use ttl_core::{Expiry, Key, Kind, Patch, Ttl, Value, Version};

use super::support::{LATER, SOONER, ensure_ahead, put_fields};
use crate::test::{LONG, key, record};
use crate::{Check, State, Test, case_table, ensure, ensure_eq, ensure_kind};

/// Returns two refreshes, each of which would visibly move the deadline of an entry that was put for
/// [`LONG`].
const REFRESHES: [Refresh; 2] = [Refresh::extend_only(LATER), Refresh::reset(SOONER)];

/// Returns the options of a put that would refresh.
fn refreshing(refresh: Refresh) -> PutOptions {
    PutOptions::new(LONG).with_existing_deadline(ExistingDeadline::Refresh(refresh))
}

/// Puts a record for [`LONG`]. Returns its state.
async fn entry(t: &Test, key: &Key) -> Check<State> {
    put_fields(t, key, &json!({ "n": 1, "text": "x", "max": i64::MAX })).await?;
    t.state(key).await
}

/// Creates a version that the entry `k` does not have.
async fn other_version(t: &Test) -> Check<Version> {
    t.put_version(&key("other"), "other", PutOptions::new(LONG)).await
}

case_table! {
    /// R1: Reads without a refresh (whole, of fields, of nothing, in a batch) do not move the deadline.
    peeks_refresh_nothing,
    /// R1: A miss creates no entry, whatever its refresh.
    a_miss_refreshes_nothing,
    /// R1, B1: A batch get refreshes only its hits.
    a_get_many_refreshes_hits_only,
    /// R1, V3: A read that expects the wrong kind does not refresh.
    a_read_of_the_wrong_kind_refreshes_nothing,
    /// R1, V3: A read of fields of a blob does not refresh.
    a_read_of_fields_of_a_blob_refreshes_nothing,
    /// R1, C3: A put that is refused because the entry exists does not refresh.
    a_refused_create_refreshes_nothing: needs(conditions),
    /// R1, C3: A put that is refused because of its version does not refresh.
    a_refused_swap_refreshes_nothing: needs(conditions),
    /// R1, C3: A refused put with `IfAbsent` in a batch does not refresh.
    a_refused_put_many_refreshes_nothing: needs(conditions),
    /// R1, E8: A put whose deadline is too far in the future does not refresh.
    a_put_beyond_the_maximum_refreshes_nothing,
    /// R1, V4: A put of a value that is too large does not refresh.
    a_put_that_is_too_large_refreshes_nothing: needs(size_limit),
    /// R1, P3: A patch of a field of the wrong type does not refresh.
    a_patch_of_the_wrong_type_refreshes_nothing: needs(patch),
    /// R1, P3: A patch that overflows does not refresh.
    a_patch_that_overflows_refreshes_nothing: needs(patch),
    /// R1, V3: A patch of a blob does not refresh.
    a_patch_of_a_blob_refreshes_nothing: needs(patch),
    /// R1, P3: A patch with invalid input does not refresh.
    a_patch_of_bad_input_refreshes_nothing: needs(patch),
    /// R1, C3: A patch that is refused because of its version does not refresh.
    a_refused_patch_refreshes_nothing: needs(patch, conditions),
    /// R1: A scan does not refresh, whatever its projection.
    a_scan_refreshes_nothing: needs(scan),
    /// R1, X2: An expire whose guard does not hold does not move the deadline.
    a_guarded_expire_refreshes_nothing,
    /// R1, X8: An expire that is refused because of its version does not move the deadline.
    a_refused_expire_refreshes_nothing: needs(conditions),
    /// R1, C3: A delete that is refused because of its version leaves the entry unchanged.
    a_refused_delete_refreshes_nothing: needs(conditions),
    /// R1, V3: A take that expects the wrong kind leaves the entry unchanged.
    a_take_of_the_wrong_kind_refreshes_nothing: needs(conditions),
}

async fn peeks_refresh_nothing(t: Test) -> Check {
    let before = entry(&t, &key("k")).await?;
    for projection in [Projection::All, Projection::Fields(Fields::new(["n"])?), Projection::Nothing] {
        let options = GetOptions::new().with_projection(projection).with_returning(Returning::DEADLINE);
        t.pass(Duration::from_millis(3)).await;
        ensure!(t.store.get(&key("k"), options.clone()).await?.is_some(), "a hit", "a miss");
        ensure!(t.store.get_many(&[key("k")], options).await[0].is_ok(), "a hit", "an error");
        ensure_eq!(t.state(&key("k")).await?, before, "the entry");
    }
    Ok(())
}

async fn a_miss_refreshes_nothing(t: Test) -> Check {
    for refresh in REFRESHES {
        let options = GetOptions::new().with_refresh(refresh);
        ensure!(t.store.get(&key("k"), options.clone()).await?.is_none(), "a miss", "a hit");
        ensure!(matches!(t.store.get_many(&[key("k")], options).await[..], [Ok(None)]), "a miss", "a hit");
        ensure!(t.peek(&key("k")).await?.is_none(), "no entry after the misses", "an entry");
    }
    Ok(())
}

async fn a_get_many_refreshes_hits_only(t: Test) -> Check {
    t.put(&key("hit"), "v", PutOptions::new(LONG)).await?;
    t.put(&key("again"), "v", PutOptions::new(LONG)).await?;
    let record = entry(&t, &key("record")).await?;
    let bystander = entry(&t, &key("bystander")).await?;
    t.ghost(&key("ghost"), "v").await?;
    let keys = ["hit", "missing", "ghost", "record", "again"].map(key);
    let options = GetOptions::new().with_kind(Kind::Blob).with_refresh(REFRESHES[0]);
    let started = t.store.now();
    let results = t.store.get_many(&keys, options).await;
    ensure!(
        matches!(results[..], [Ok(Some(_)), Ok(None), Ok(None), Err(_), Ok(Some(_))]),
        "two hits",
        "{results:?}"
    );
    for name in ["hit", "again"] {
        ensure_ahead(&t, t.deadline(&key(name)).await?, started, LATER, name)?;
    }
    ensure_eq!(t.state(&key("record")).await?, record, "the entry of the wrong kind");
    ensure_eq!(t.state(&key("bystander")).await?, bystander, "the entry that was not read");
    for name in ["missing", "ghost"] {
        t.expect_miss(&key(name), "the missing key").await?;
    }
    Ok(())
}

async fn a_read_of_the_wrong_kind_refreshes_nothing(t: Test) -> Check {
    let before = entry(&t, &key("k")).await?;
    for refresh in REFRESHES {
        for projection in [Projection::All, Projection::Nothing] {
            let options =
                GetOptions::new().with_projection(projection).with_kind(Kind::Blob).with_refresh(refresh);
            ensure_kind!(t.store.get(&key("k"), options).await, WrongKind, "a record read as a blob");
            ensure_eq!(t.state(&key("k")).await?, before, "the entry");
        }
    }
    Ok(())
}

async fn a_read_of_fields_of_a_blob_refreshes_nothing(t: Test) -> Check {
    t.put(&key("k"), "blob", PutOptions::new(LONG)).await?;
    let before = t.state(&key("k")).await?;
    for refresh in REFRESHES {
        let fields =
            GetOptions::new().with_projection(Projection::Fields(Fields::new(["n"])?)).with_refresh(refresh);
        ensure_kind!(t.store.get(&key("k"), fields).await, WrongKind, "fields of a blob");
        let whole = GetOptions::new().with_kind(Kind::Record).with_refresh(refresh);
        ensure_kind!(t.store.get(&key("k"), whole).await, WrongKind, "a blob read as a record");
        ensure_eq!(t.state(&key("k")).await?, before, "the entry");
    }
    Ok(())
}

async fn a_refused_create_refreshes_nothing(t: Test) -> Check {
    let before = entry(&t, &key("k")).await?;
    for refresh in REFRESHES {
        for value in [Value::from("new"), record().into()] {
            let options = refreshing(refresh).with_condition(Condition::IfAbsent);
            let outcome = t.store.put(&key("k"), value, options).await?;
            ensure!(outcome.is_refused(), "Refused", "{outcome:?}");
            ensure_eq!(t.state(&key("k")).await?, before, "the entry");
        }
    }
    Ok(())
}

async fn a_refused_swap_refreshes_nothing(t: Test) -> Check {
    let before = entry(&t, &key("k")).await?;
    let version = other_version(&t).await?;
    for refresh in REFRESHES {
        let options = refreshing(refresh).with_condition(Condition::IfVersion(version));
        let outcome = t.store.put(&key("k"), record().into(), options).await?;
        ensure!(outcome.is_refused(), "Refused", "{outcome:?}");
        ensure_eq!(t.state(&key("k")).await?, before, "the entry");
    }
    Ok(())
}

async fn a_refused_put_many_refreshes_nothing(t: Test) -> Check {
    let before = entry(&t, &key("k")).await?;
    let options = refreshing(REFRESHES[0]).with_condition(Condition::IfAbsent);
    let results = t.store.put_many(vec![PutItem::new(key("k"), "new", options)]).await;
    ensure!(matches!(&results[..], [Ok(outcome)] if outcome.is_refused()), "Refused", "{results:?}");
    ensure_eq!(t.state(&key("k")).await?, before, "the entry");
    Ok(())
}

async fn a_put_beyond_the_maximum_refreshes_nothing(t: Test) -> Check {
    let before = entry(&t, &key("k")).await?;
    let far = t.store.now() + Ttl::MAX.as_duration() + Duration::from_secs(3_600);
    for refresh in REFRESHES {
        let options = PutOptions::new(far).with_existing_deadline(ExistingDeadline::Refresh(refresh));
        ensure_kind!(
            t.store.put(&key("k"), record().into(), options).await,
            InvalidExpiry,
            "a put with a deadline too far in the future"
        );
        ensure_eq!(t.state(&key("k")).await?, before, "the entry");
    }
    Ok(())
}

async fn a_put_that_is_too_large_refreshes_nothing(t: Test) -> Check {
    let before = entry(&t, &key("k")).await?;
    let size = usize::try_from(t.capabilities().max_value_bytes).unwrap_or(usize::MAX - 1) + 1;
    let put = t.store.put(&key("k"), vec![b'x'; size].into(), refreshing(REFRESHES[0])).await;
    ensure_kind!(put, TooLarge, "a put of one byte above the limit");
    ensure_eq!(t.state(&key("k")).await?, before, "the entry");
    Ok(())
}

async fn a_patch_of_the_wrong_type_refreshes_nothing(t: Test) -> Check {
    let before = entry(&t, &key("k")).await?;
    for refresh in REFRESHES {
        for change in [Patch::new().append("n", 1), Patch::new().set("n", 2).increment("text", 1)] {
            let options = PatchOptions::new().with_refresh(refresh);
            ensure_kind!(
                t.store.patch(&key("k"), &change, options).await,
                WrongFieldType,
                "a patch of a field of the wrong type"
            );
            ensure_eq!(t.state(&key("k")).await?, before, "the entry");
        }
    }
    Ok(())
}

async fn a_patch_that_overflows_refreshes_nothing(t: Test) -> Check {
    let before = entry(&t, &key("k")).await?;
    for refresh in REFRESHES {
        let options = PatchOptions::new().with_refresh(refresh);
        let change = Patch::new().increment("n", 1).increment("max", 1);
        ensure_kind!(t.store.patch(&key("k"), &change, options).await, Overflow, "a patch that overflows");
        ensure_eq!(t.state(&key("k")).await?, before, "the entry");
    }
    Ok(())
}

async fn a_patch_of_a_blob_refreshes_nothing(t: Test) -> Check {
    t.put(&key("k"), "blob", PutOptions::new(LONG)).await?;
    let before = t.state(&key("k")).await?;
    for refresh in REFRESHES {
        let options = PatchOptions::new().with_refresh(refresh);
        let result = t.store.patch(&key("k"), &Patch::new().set("n", 1), options).await;
        ensure_kind!(result, WrongKind, "a patch of a blob");
        ensure_eq!(t.state(&key("k")).await?, before, "the entry");
    }
    Ok(())
}

async fn a_patch_of_bad_input_refreshes_nothing(t: Test) -> Check {
    let before = entry(&t, &key("k")).await?;
    let options = PatchOptions::new().with_refresh(REFRESHES[0]);
    let result = t.store.patch(&key("k"), &Patch::new().set("ttl:n", 1), options).await;
    ensure_kind!(result, InvalidField, "a patch with a reserved name");
    ensure_eq!(t.state(&key("k")).await?, before, "the entry");
    Ok(())
}

async fn a_refused_patch_refreshes_nothing(t: Test) -> Check {
    let before = entry(&t, &key("k")).await?;
    let version = other_version(&t).await?;
    for refresh in REFRESHES {
        let options = PatchOptions::new().with_refresh(refresh).with_if_version(version);
        let outcome = t.store.patch(&key("k"), &Patch::new().set("n", 2), options).await?;
        ensure!(outcome.is_refused(), "Refused", "{outcome:?}");
        ensure_eq!(t.state(&key("k")).await?, before, "the entry");
    }
    Ok(())
}

async fn a_scan_refreshes_nothing(t: Test) -> Check {
    let record = entry(&t, &key("record")).await?;
    t.put(&key("blob"), "v", PutOptions::new(LONG)).await?;
    let blob = t.state(&key("blob")).await?;
    for projection in [Projection::All, Projection::Fields(Fields::new(["n"])?), Projection::Nothing] {
        t.pass(Duration::from_millis(3)).await;
        let options = ScanOptions::new("")
            .with_projection(projection)
            .with_returning(Returning::DEADLINE | Returning::VERSION);
        ensure_eq!(t.store.scan(options).await?.items.len(), 2, "the number of entries");
        ensure_eq!(t.state(&key("record")).await?, record, "the record");
        ensure_eq!(t.state(&key("blob")).await?, blob, "the blob");
    }
    Ok(())
}

async fn a_guarded_expire_refreshes_nothing(t: Test) -> Check {
    let before = entry(&t, &key("k")).await?;
    let guarded = [(SOONER, Guard::IfLater), (LATER, Guard::IfSooner), (LATER, Guard::IfPersistent)];
    for (ttl, guard) in guarded {
        let outcome = t.expire(&key("k"), ExpiryChange::Set(Expiry::After(ttl)), guard).await?;
        ensure!(!outcome.changed, "no change", "{outcome:?}");
        ensure_eq!(t.state(&key("k")).await?, before, "the entry after {guard:?} to {ttl}");
    }
    Ok(())
}

async fn a_refused_expire_refreshes_nothing(t: Test) -> Check {
    let before = entry(&t, &key("k")).await?;
    let options = ExpireOptions::new().with_if_version(other_version(&t).await?);
    for ttl in [SOONER, LATER] {
        let outcome =
            t.store.expire(&key("k"), ExpiryChange::Set(Expiry::After(ttl)), options.clone()).await?;
        ensure!(outcome.is_refused(), "Refused", "{outcome:?}");
        ensure_eq!(t.state(&key("k")).await?, before, "the entry");
    }
    Ok(())
}

async fn a_refused_delete_refreshes_nothing(t: Test) -> Check {
    let before = entry(&t, &key("k")).await?;
    let version = other_version(&t).await?;
    for options in [DeleteOptions::new(), DeleteOptions::take()] {
        let outcome = t.store.delete(&key("k"), options.with_if_version(version)).await?;
        ensure!(outcome.is_refused(), "Refused", "{outcome:?}");
        ensure_eq!(t.state(&key("k")).await?, before, "the entry");
    }
    Ok(())
}

async fn a_take_of_the_wrong_kind_refreshes_nothing(t: Test) -> Check {
    let before = entry(&t, &key("k")).await?;
    for options in [DeleteOptions::new(), DeleteOptions::take()] {
        let result = t.store.delete(&key("k"), options.with_kind(Kind::Blob)).await;
        ensure_kind!(result, WrongKind, "a record taken as a blob");
        ensure_eq!(t.state(&key("k")).await?, before, "the entry");
    }
    Ok(())
}
