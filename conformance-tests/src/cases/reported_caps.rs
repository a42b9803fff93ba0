//! Caps as instants: set by a write, reported by a read, and so copied to another entry.

use std::time::UNIX_EPOCH;

use ttl_core::options::{
    Create, ExistingDeadline, ExpiryChange, Fields, GetOptions, Guard, PatchOptions, Projection, PutOptions,
    Refresh, Returning,
};
use ttl_core::{Deadline, Expiry, Key, Kind, Lifespan, Patch, Ttl, Value};

use crate::test::{LONG, applied, key, record};
use crate::{Check, Failure, Test, case_table, ensure, ensure_eq, ensure_kind};

case_table! {
    /// R10: A read reports the cap of a blob and of a record if it is requested, with and without value,
    /// metadata, an expected kind and a refresh.
    every_read_reports_the_cap: needs(caps),
    /// R10: A read of an entry without a cap reports that it has none, even if it has a deadline.
    an_entry_without_a_cap_reports_none: needs(caps),
    /// R10: A read that does not request the cap does not report it.
    an_unrequested_cap_is_not_reported: needs(caps),
    /// R10, B1: A batch reports the cap of each entry.
    a_batch_reports_caps: needs(caps),
    /// R10, R4: Writes to a live entry do not change the reported cap: puts, expire calls and refreshes.
    writes_leave_the_reported_cap: needs(caps),
    /// R10, R4, P2: Patches do not change the reported cap. A patch that creates a record sets it.
    patches_leave_the_reported_cap: needs(caps, patch),
    /// R10, R4, E5: A put and a patch can set the cap as an instant. No deadline passes it.
    a_cap_is_set_as_an_instant: needs(caps),
    /// R10, R4: An entry that is copied with its deadline and its cap has the same deadline and cap.
    an_entry_is_copied_with_its_cap: needs(caps),
    /// E6: An entry whose cap has passed is not stored. It replaces a live entry without a cap.
    a_cap_in_the_past_leaves_no_entry: needs(caps),
    /// E8: A cap more than 20 years away fails with `InvalidExpiry`, whatever is stored. Nothing changes.
    a_cap_too_far_away_is_invalid: needs(caps),
}

/// Returns options with a TTL of one hour and a cap of two hours.
fn capped() -> PutOptions {
    PutOptions::new(Lifespan::from(LONG).with_max_lifetime(Ttl::hours(2)))
}

/// Reads the cap of an entry that must be live.
async fn cap_of(t: &Test, key: &Key) -> Check<Deadline> {
    reported(t, key, GetOptions::nothing()).await
}

/// Reads an entry that must be live, and returns the reported cap.
async fn reported(t: &Test, key: &Key, options: GetOptions) -> Check<Deadline> {
    let about = format!("{options:?}");
    let entry = t.store.get(key, options.with_cap()).await?;
    let entry = entry.ok_or_else(|| Failure::new(format!("a live entry: {about}"), "a miss"))?;
    entry.cap.ok_or_else(|| Failure::new(format!("the requested cap: {about}"), "none reported"))
}

/// Returns reads of every form for an entry of this kind.
fn reads(kind: Kind) -> Check<Vec<GetOptions>> {
    let mut projections = vec![Projection::All, Projection::Nothing];
    if kind == Kind::Record {
        projections.push(Projection::Fields(Fields::new(["n", "missing"])?));
    }
    let refreshes = [None, Some(Refresh::extend_only(Ttl::minutes(1))), Some(Refresh::reset(Ttl::days(1)))];
    let metadata = [Returning::empty(), Returning::DEADLINE, Returning::DEADLINE | Returning::VERSION];
    let mut reads = Vec::new();
    for projection in projections {
        for returning in metadata {
            for refresh in refreshes {
                let read = GetOptions::new().with_projection(projection.clone()).with_returning(returning);
                let read = read.with_refresh(refresh);
                reads.push(read.clone().with_kind(kind));
                reads.push(read);
            }
        }
    }
    Ok(reads)
}

async fn every_read_reports_the_cap(t: Test) -> Check {
    for value in [Value::from("blob"), record().into()] {
        let kind = value.kind();
        let (put, span) = t.span(t.put(&key("k"), value, capped())).await;
        put?;
        let cap = cap_of(&t, &key("k")).await?;
        span.check(cap, Ttl::hours(2), "the cap")?;
        for read in reads(kind)? {
            let about = format!("the cap: {read:?}");
            ensure_eq!(reported(&t, &key("k"), read).await?, cap, "{about}");
        }
        t.delete(&key("k")).await?;
    }
    Ok(())
}

async fn an_entry_without_a_cap_reports_none(t: Test) -> Check {
    for value in [Value::from("blob"), record().into()] {
        let kind = value.kind();
        for expiry in [Expiry::Never, Expiry::After(LONG)] {
            t.put(&key("k"), value.clone(), PutOptions::new(expiry)).await?;
            for read in reads(kind)? {
                let about = format!("the cap: {read:?}");
                ensure_eq!(reported(&t, &key("k"), read).await?, Deadline::NEVER, "{about}");
            }
        }
    }
    Ok(())
}

async fn an_unrequested_cap_is_not_reported(t: Test) -> Check {
    for value in [Value::from("blob"), record().into()] {
        let kind = value.kind();
        t.put(&key("k"), value, capped()).await?;
        for read in reads(kind)? {
            let about = format!("the cap: {read:?}");
            let entry = t.store.get(&key("k"), read).await?;
            ensure_eq!(entry.and_then(|entry| entry.cap), None, "{about}");
        }
    }
    Ok(())
}

async fn a_batch_reports_caps(t: Test) -> Check {
    t.put(&key("blob"), "v", capped()).await?;
    t.put(&key("record"), record(), capped()).await?;
    t.put(&key("none"), "v", PutOptions::new(LONG)).await?;
    let names = ["blob", "absent", "record", "none"];
    let (blob, record) = (cap_of(&t, &key("blob")).await?, cap_of(&t, &key("record")).await?);
    let refresh = Refresh::extend_only(Ttl::minutes(1));
    for options in [GetOptions::new(), GetOptions::nothing(), GetOptions::new().with_refresh(refresh)] {
        let mut caps = Vec::new();
        for result in t.store.get_many(&names.map(key), options.with_cap()).await {
            caps.push(result?.and_then(|entry| entry.cap));
        }
        ensure_eq!(caps, [Some(blob), None, Some(record), Some(Deadline::NEVER)], "the caps");
    }
    Ok(())
}

async fn writes_leave_the_reported_cap(t: Test) -> Check {
    let k = key("k");
    t.put(&k, "v", capped()).await?;
    let cap = cap_of(&t, &k).await?;
    let keep = PutOptions::new(LONG).with_existing_deadline(ExistingDeadline::Keep);
    let other = PutOptions::new(Lifespan::from(LONG).with_cap(t.instant(Ttl::hours(1))));
    for (value, put) in
        [(Value::from("w"), PutOptions::new(Expiry::Never)), (record().into(), keep), ("x".into(), other)]
    {
        let about = format!("the cap after a put: {put:?}");
        t.put(&k, value, put).await?;
        ensure_eq!(cap_of(&t, &k).await?, cap, "{about}");
    }
    for change in [ExpiryChange::Set(Expiry::After(Ttl::minutes(5))), ExpiryChange::Extend(Ttl::days(1))] {
        t.expire(&k, change, Guard::Always).await?;
        ensure_eq!(cap_of(&t, &k).await?, cap, "the cap after {change:?}");
    }
    let refresh = GetOptions::new().with_refresh(Refresh::reset(Ttl::minutes(3)));
    ensure!(t.store.get(&k, refresh).await?.is_some(), "a live entry", "a miss");
    ensure_eq!(cap_of(&t, &k).await?, cap, "the cap after a refresh");
    Ok(())
}

async fn patches_leave_the_reported_cap(t: Test) -> Check {
    let k = key("k");
    let create = Create::new(Lifespan::from(LONG).with_max_lifetime(Ttl::hours(2)));
    let options = PatchOptions::new().with_create(create);
    let patch = Patch::new().increment("n", 1);
    let (patched, span) = t.span(t.store.patch(&k, &patch, options.clone())).await;
    ensure!(applied(patched?)?.created, "a creation", "a change");
    let cap = cap_of(&t, &k).await?;
    span.check(cap, Ttl::hours(2), "the cap of the created record")?;
    for options in [options, PatchOptions::new(), PatchOptions::new().with_refresh(Refresh::reset(LONG))] {
        ensure!(!applied(t.store.patch(&k, &patch, options).await?)?.created, "a change", "a creation");
        ensure_eq!(cap_of(&t, &k).await?, cap, "the cap after a patch");
    }
    Ok(())
}

async fn a_cap_is_set_as_an_instant(t: Test) -> Check {
    let k = key("k");
    let instant = t.instant(Ttl::hours(2));
    for value in [Value::from("blob"), record().into()] {
        for expiry in [Expiry::Never, Expiry::After(Ttl::hours(9)), Expiry::At(t.instant(Ttl::days(1)))] {
            t.put(&k, value.clone(), PutOptions::new(Lifespan::new(expiry).with_cap(instant))).await?;
            t.expect_deadline(cap_of(&t, &k).await?, instant, "the cap")?;
            t.expect_deadline(t.deadline(&k).await?, instant, "the deadline")?;
            t.expire(&k, ExpiryChange::Extend(Ttl::days(1)), Guard::Always).await?;
            t.expect_deadline(t.deadline(&k).await?, instant, "the deadline after an extension")?;
            t.delete(&k).await?;
        }
    }
    // A cap that starts on a live entry.
    t.put(&k, "old", PutOptions::new(Expiry::Never)).await?;
    let keep = PutOptions::new(Lifespan::from(LONG).with_cap(instant));
    t.put(&k, "new", keep.with_existing_deadline(ExistingDeadline::Keep)).await?;
    t.expect_deadline(t.deadline(&k).await?, instant, "the kept deadline, which stops at the cap")?;
    if t.capabilities().patch {
        let create = Create::new(Lifespan::persistent().with_cap(instant));
        let options = PatchOptions::new().with_create(create);
        applied(t.store.patch(&key("new"), &Patch::new().set("n", 1), options).await?)?;
        t.expect_deadline(cap_of(&t, &key("new")).await?, instant, "the cap of a created record")?;
        t.expect_deadline(t.deadline(&key("new")).await?, instant, "its deadline")?;
    }
    Ok(())
}

async fn an_entry_is_copied_with_its_cap(t: Test) -> Check {
    let lifespans = [
        Lifespan::from(LONG).with_max_lifetime(Ttl::hours(2)),
        Lifespan::persistent().with_max_lifetime(LONG),
        Lifespan::from(LONG),
        Lifespan::persistent(),
    ];
    for lifespan in lifespans {
        for value in [Value::from("blob"), record().into()] {
            t.put(&key("from"), value.clone(), PutOptions::new(lifespan)).await?;
            let (deadline, cap) = (t.deadline(&key("from")).await?, cap_of(&t, &key("from")).await?);
            t.put(&key("to"), value, PutOptions::new(Lifespan::new(deadline).with_cap(cap))).await?;
            ensure_eq!(t.deadline(&key("to")).await?, deadline, "the deadline of the copy");
            ensure_eq!(cap_of(&t, &key("to")).await?, cap, "the cap of the copy");
            t.delete(&key("from")).await?;
            t.delete(&key("to")).await?;
        }
    }
    Ok(())
}

async fn a_cap_in_the_past_leaves_no_entry(t: Test) -> Check {
    for value in [Value::from("blob"), record().into()] {
        for expiry in [Expiry::Never, Expiry::After(LONG)] {
            let put = PutOptions::new(Lifespan::new(expiry).with_cap(UNIX_EPOCH));
            t.put(&key("k"), value.clone(), put.clone()).await?;
            t.expect_miss(&key("k"), "after a put over nothing").await?;
            t.put(&key("k"), "old", PutOptions::new(LONG)).await?;
            t.put(&key("k"), value.clone(), put).await?;
            t.expect_miss(&key("k"), "after a put over a live entry").await?;
        }
    }
    Ok(())
}

async fn a_cap_too_far_away_is_invalid(t: Test) -> Check {
    let far = t.instant(Ttl::MAX) + Ttl::days(1).as_duration();
    let lifespan = Lifespan::from(LONG).with_cap(far);
    for stored in [None, Some(Value::from("blob")), Some(record().into())] {
        let before = stored.clone();
        if let Some(value) = stored {
            t.put(&key("k"), value, PutOptions::new(LONG)).await?;
        }
        for value in [Value::from("new"), record().into()] {
            let put = t.store.put(&key("k"), value, PutOptions::new(lifespan)).await;
            ensure_kind!(put, InvalidExpiry, "a put over {before:?}");
        }
        if t.capabilities().patch {
            let options = PatchOptions::new().with_create(Create::new(lifespan));
            let patched = t.store.patch(&key("k"), &Patch::new().set("n", 9), options).await;
            ensure_kind!(patched, InvalidExpiry, "a patch over {before:?}");
        }
        match before {
            Some(value) => t.expect_value(&key("k"), value, "the value").await?,
            None => t.expect_miss(&key("k"), "after refused writes").await?,
        }
    }
    Ok(())
}
