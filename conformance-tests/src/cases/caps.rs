//! Caps: no deadline passes them, and only a delete followed by a put replaces them.

use ttl_core::options::{
    Condition, Create, ExistingDeadline, ExpiryChange, Fields, GetOptions, Guard, PatchOptions, Projection,
    PutOptions, Returning, ScanOptions,
};
use ttl_core::{Deadline, Expiry, Key, Lifespan, Patch, Record, Ttl, Value};

use crate::test::{LONG, SHORT, applied, key, record};
use crate::{Check, Failure, Test, case_table, ensure, ensure_eq, ensure_kind};

case_table! {
    /// R4: A put whose expiry lies after the cap, as a TTL or as an instant, sets the cap as the deadline.
    the_first_deadline_stops_at_the_cap: needs(caps),
    /// R4: A deadline before the cap is set unchanged.
    a_deadline_before_the_cap_is_set: needs(caps),
    /// R4: The deadline of a persistent entry with a cap is the cap.
    a_cap_is_the_deadline_of_a_persistent_entry: needs(caps),
    /// R4, E1: A blob is visible until its cap and no longer.
    a_capped_blob_lives_until_its_cap: needs(caps),
    /// R4, E1: A record is visible until its cap and no longer: to a read of the whole, of fields and of
    /// nothing.
    a_capped_record_lives_until_its_cap: needs(caps),
    /// R4, V1: A capped blob is returned byte for byte, even an empty one.
    a_capped_blob_comes_back: needs(caps),
    /// R4, V3: A capped blob is still a blob: it has no fields and is not a record.
    a_capped_blob_is_a_blob: needs(caps),
    /// R4, V2: A capped record is returned unchanged, even an empty one, and shows no internal fields of
    /// the store.
    a_capped_record_comes_back: needs(caps),
    /// R4, B1: A batch returns capped entries.
    capped_entries_come_back_from_a_batch: needs(caps),
    /// R4, S1: A scan lists capped entries with their values and deadlines.
    a_scan_lists_capped_entries: needs(caps, scan),
    /// X6: Expire stops at the cap, whatever deadline it sets.
    expire_stops_at_the_cap: needs(caps),
    /// X6, X1: Extending by any TTL stops at the cap and is not an error.
    extending_stops_at_the_cap: needs(caps),
    /// X6, X1: A capped entry that is made persistent lives until its cap.
    persisting_stops_at_the_cap: needs(caps),
    /// X6, X7: If the deadline is already at the cap, a change to a later one changes nothing and
    /// reports this.
    at_the_cap_nothing_changes: needs(caps),
    /// X6, X2: A guard never treats a capped entry as persistent.
    a_capped_entry_is_expiring_to_guards: needs(caps),
    /// R4: A put over a capped entry keeps its cap, whatever deadline it requests.
    overwriting_keeps_the_cap: needs(caps),
    /// R4: Once set, a cap is fixed: a put with a longer or a shorter one does not move it.
    a_cap_once_set_is_fixed: needs(caps),
    /// R4: A put with a cap over a live entry that has none sets the cap, counted from that put.
    a_cap_can_start_on_a_live_entry: needs(caps),
    /// R4, E5: A put with Keep and a cap over a live entry that has none sets the cap. The kept deadline
    /// stops at it.
    a_cap_that_starts_cuts_a_kept_deadline: needs(caps),
    /// R4, E5: A put with Keep over a capped entry keeps both the deadline and the cap.
    keep_keeps_deadline_and_cap: needs(caps),
    /// R4: Conditional puts keep the cap.
    conditional_puts_keep_the_cap: needs(caps, conditions),
    /// R4: Patches keep the cap.
    patches_keep_the_cap: needs(caps, patch),
    /// R4, P2: A patch of a live record does not set a cap, because it does not use its creation options.
    a_patch_starts_no_cap_on_a_live_record: needs(caps, patch),
    /// R4, E9: An entry put after a delete does not inherit the cap.
    a_cap_is_not_inherited: needs(caps),
    /// R4, X1: Before its cap, the deadline of an entry can be moved freely, earlier and later.
    below_the_cap_deadlines_move_freely: needs(caps),
    /// R4, X5: A change of the deadline of a capped entry keeps the value and the version.
    a_capped_entry_keeps_its_value_when_extended: needs(caps),
    /// R4, E3: A capped entry can be deleted and taken like any other entry.
    a_capped_entry_can_be_taken: needs(conditions, caps),
}

async fn the_first_deadline_stops_at_the_cap(t: Test) -> Check {
    let later = t.instant(Ttl::hours(3));
    for expiry in [Expiry::After(Ttl::hours(2)), Expiry::At(later), Expiry::After(Ttl::MAX)] {
        for value in [Value::from("blob"), record().into()] {
            let put = PutOptions::new(Lifespan::new(expiry).with_max_lifetime(LONG))
                .with_returning(Returning::DEADLINE);
            let (meta, span) = t.span(t.put_meta(&key("k"), value, put)).await;
            span.check(meta?.deadline.unwrap_or(Deadline::NEVER), LONG, "the deadline that the put reports")?;
            span.check(t.deadline(&key("k")).await?, LONG, "the deadline that a get reports")?;
            t.delete(&key("k")).await?;
        }
    }
    Ok(())
}

async fn a_deadline_before_the_cap_is_set(t: Test) -> Check {
    let put = PutOptions::new(Lifespan::from(LONG).with_max_lifetime(Ttl::hours(2)));
    let (put, span) = t.span(t.put(&key("k"), "v", put)).await;
    put?;
    span.check(t.deadline(&key("k")).await?, LONG, "the deadline")
}

async fn a_cap_is_the_deadline_of_a_persistent_entry(t: Test) -> Check {
    let put = PutOptions::new(Lifespan::persistent().with_max_lifetime(LONG));
    let (put, span) = t.span(t.put(&key("k"), "v", put)).await;
    put?;
    span.check(t.deadline(&key("k")).await?, LONG, "the cap as the deadline")
}

async fn a_capped_blob_lives_until_its_cap(t: Test) -> Check {
    lives_until_the_cap(&t, "blob".into(), &GetOptions::new()).await
}

async fn a_capped_record_lives_until_its_cap(t: Test) -> Check {
    let part = GetOptions::new().with_projection(Projection::Fields(Fields::new(["n"])?));
    for options in [GetOptions::new(), part, GetOptions::nothing()] {
        lives_until_the_cap(&t, record().into(), &options).await?;
    }
    Ok(())
}

async fn a_capped_blob_comes_back(t: Test) -> Check {
    for blob in [&b"value"[..], b"", b"\0\xff\r\n", b"{\"ttl:version\":1}"] {
        t.put(&key("k"), blob, capped()).await?;
        t.expect_value(&key("k"), blob, "the capped blob").await?;
    }
    Ok(())
}

async fn a_capped_blob_is_a_blob(t: Test) -> Check {
    t.put(&key("k"), "blob", capped()).await?;
    let projection = Projection::Fields(Fields::new(["n"])?);
    ensure_kind!(
        t.store.get(&key("k"), GetOptions::new().with_projection(projection)).await,
        WrongKind,
        "a read of its fields"
    );
    let read = t.store.get(&key("k"), GetOptions::nothing().with_kind(ttl_core::Kind::Record)).await;
    ensure_kind!(read, WrongKind, "a get as a record");
    if t.capabilities().patch {
        let patched = t.store.patch(&key("k"), &Patch::new().set("n", 1), PatchOptions::new()).await;
        ensure_kind!(patched, WrongKind, "a patch");
    }
    t.expect_value(&key("k"), "blob", "the capped blob").await
}

async fn a_capped_record_comes_back(t: Test) -> Check {
    for record in [record(), Record::new(), Record::new().with("max", 1).with("value", "v")] {
        t.put(&key("k"), record.clone(), capped()).await?;
        t.expect_value(&key("k"), record, "the capped record").await?;
    }
    Ok(())
}

async fn capped_entries_come_back_from_a_batch(t: Test) -> Check {
    t.put(&key("blob"), "v", capped()).await?;
    t.put(&key("record"), record(), capped()).await?;
    let mut seen = Vec::new();
    for result in t.store.get_many(&["blob", "absent", "record"].map(key), GetOptions::new()).await {
        seen.push(result?.and_then(|entry| entry.value));
    }
    ensure!(
        seen == vec![Some("v".into()), None, Some(record().into())],
        "a blob, a miss and a record",
        "{seen:?}"
    );
    Ok(())
}

async fn a_scan_lists_capped_entries(t: Test) -> Check {
    t.put(&key("k"), "v", capped()).await?;
    let before = t.state(&key("k")).await?;
    let scan = ScanOptions::new("").with_projection(Projection::All).with_returning(Returning::DEADLINE);
    let entries = t.store.scan(scan).await?.into_entries()?;
    let [(_, entry)] = entries.as_slice() else {
        return Err(Failure::new("one entry", format!("{entries:?}")));
    };
    ensure_eq!(entry.deadline, Some(before.deadline), "the deadline in the scan");
    ensure!(entry.value == Some(before.value), "the value in the scan", "{:?}", entry.value);
    Ok(())
}

async fn expire_stops_at_the_cap(t: Test) -> Check {
    let cap = put_capped(&t).await?;
    for expiry in [Expiry::After(Ttl::hours(9)), Expiry::At(t.instant(Ttl::days(2))), Expiry::After(Ttl::MAX)]
    {
        sooner(&t).await?;
        let done = t.expire(&key("k"), ExpiryChange::Set(expiry), Guard::Always).await?;
        ensure!(
            done.changed && done.deadline == cap,
            format!("a deadline moved to the cap, {cap:?}"),
            "{done:?}"
        );
        ensure_eq!(t.deadline(&key("k")).await?, cap, "the deadline that a get reports");
    }
    Ok(())
}

async fn extending_stops_at_the_cap(t: Test) -> Check {
    let cap = put_capped(&t).await?;
    for by in [Ttl::hours(3), Ttl::MAX] {
        sooner(&t).await?;
        let done = t.expire(&key("k"), ExpiryChange::Extend(by), Guard::Always).await?;
        ensure!(
            done.changed && done.deadline == cap,
            format!("a deadline moved to the cap, {cap:?}"),
            "{done:?}"
        );
    }
    Ok(())
}

async fn persisting_stops_at_the_cap(t: Test) -> Check {
    let cap = put_capped(&t).await?;
    sooner(&t).await?;
    let done = t.expire(&key("k"), ExpiryChange::Set(Expiry::Never), Guard::Always).await?;
    ensure!(
        done.changed && done.deadline == cap,
        format!("a deadline moved to the cap, {cap:?}"),
        "{done:?}"
    );
    ensure_eq!(t.deadline(&key("k")).await?, cap, "the deadline that a get reports");
    Ok(())
}

async fn at_the_cap_nothing_changes(t: Test) -> Check {
    let cap = put_capped(&t).await?;
    t.expire(&key("k"), ExpiryChange::Set(Expiry::Never), Guard::Always).await?;
    let later = t.instant(Ttl::days(2));
    for change in
        [ExpiryChange::Set(Expiry::Never), ExpiryChange::Set(Expiry::At(later)), ExpiryChange::Extend(LONG)]
    {
        for guard in [Guard::Always, Guard::IfLater, Guard::IfSooner, Guard::IfExpiring] {
            let done = t.expire(&key("k"), change, guard).await?;
            ensure!(
                !done.changed && done.deadline == cap,
                format!("an unchanged deadline at the cap, {cap:?}"),
                "{done:?}"
            );
        }
    }
    Ok(())
}

async fn a_capped_entry_is_expiring_to_guards(t: Test) -> Check {
    let cap = put_capped(&t).await?;
    t.expire(&key("k"), ExpiryChange::Set(Expiry::Never), Guard::Always).await?;
    let soon = ExpiryChange::Set(Expiry::At(t.instant(Ttl::minutes(10))));
    let done = t.expire(&key("k"), soon, Guard::IfPersistent).await?;
    ensure!(!done.changed && done.deadline == cap, "no change with IfPersistent", "{done:?}");
    let done = t.expire(&key("k"), soon, Guard::IfExpiring).await?;
    ensure!(done.changed && done.deadline < cap, "a sooner deadline with IfExpiring", "{done:?}");
    Ok(())
}

async fn overwriting_keeps_the_cap(t: Test) -> Check {
    let cap = put_capped(&t).await?;
    for expiry in [Expiry::Never, Expiry::After(Ttl::days(3)), Expiry::At(t.instant(Ttl::days(4)))] {
        for value in [Value::from("again"), record().into(), "".into(), Record::new().into()] {
            t.put(&key("k"), value.clone(), PutOptions::new(expiry)).await?;
            t.expect_value(&key("k"), value, "the new value").await?;
            ensure_eq!(t.deadline(&key("k")).await?, cap, "the deadline after a put with {expiry:?}");
        }
    }
    Ok(())
}

async fn a_cap_once_set_is_fixed(t: Test) -> Check {
    let cap = put_capped(&t).await?;
    for max in [Ttl::days(1), Ttl::minutes(5)] {
        t.put(&key("k"), "again", PutOptions::new(Lifespan::persistent().with_max_lifetime(max))).await?;
        ensure_eq!(t.deadline(&key("k")).await?, cap, "the deadline after a put with a cap of {max:?}");
    }
    Ok(())
}

async fn a_cap_can_start_on_a_live_entry(t: Test) -> Check {
    for old in [Value::from("old"), record().into()] {
        t.put(&key("k"), old, PutOptions::new(Ttl::days(1))).await?;
        let (put, span) = t.span(t.put(&key("k"), "new", capped())).await;
        put?;
        t.expire(&key("k"), ExpiryChange::Set(Expiry::Never), Guard::Always).await?;
        let cap = t.deadline(&key("k")).await?;
        span.check(cap, Ttl::hours(2), "the cap as the deadline")?;
        t.put(&key("k"), "newer", PutOptions::new(Expiry::Never)).await?;
        ensure_eq!(t.deadline(&key("k")).await?, cap, "the cap after a put without one");
        t.delete(&key("k")).await?;
    }
    Ok(())
}

async fn a_cap_that_starts_cuts_a_kept_deadline(t: Test) -> Check {
    for old in [Lifespan::persistent(), Lifespan::from(Ttl::days(1))] {
        t.put(&key("k"), "old", PutOptions::new(old)).await?;
        let (put, span) =
            t.span(t.put(&key("k"), "new", capped().with_existing_deadline(ExistingDeadline::Keep))).await;
        put?;
        span.check(t.deadline(&key("k")).await?, Ttl::hours(2), "the cap as the deadline")?;
        t.delete(&key("k")).await?;
    }
    Ok(())
}

async fn keep_keeps_deadline_and_cap(t: Test) -> Check {
    let cap = put_capped(&t).await?;
    let before = t.deadline(&key("k")).await?;
    for value in [Value::from("again"), record().into(), "blob".into()] {
        t.put(
            &key("k"),
            value,
            PutOptions::new(Expiry::Never).with_existing_deadline(ExistingDeadline::Keep),
        )
        .await?;
        ensure_eq!(t.deadline(&key("k")).await?, before, "the kept deadline");
    }
    t.expire(&key("k"), ExpiryChange::Set(Expiry::Never), Guard::Always).await?;
    ensure_eq!(t.deadline(&key("k")).await?, cap, "the cap as the deadline");
    Ok(())
}

async fn conditional_puts_keep_the_cap(t: Test) -> Check {
    let cap = put_capped(&t).await?;
    let version = t.version(&key("k")).await?;
    for (condition, value) in [(Condition::IfVersion(version), "second"), (Condition::IfPresent, "third")] {
        t.put(&key("k"), value, PutOptions::new(Expiry::Never).with_condition(condition)).await?;
        ensure_eq!(t.deadline(&key("k")).await?, cap, "the deadline after {condition:?}");
    }
    Ok(())
}

async fn patches_keep_the_cap(t: Test) -> Check {
    t.put(&key("k"), record(), capped()).await?;
    let before = t.deadline(&key("k")).await?;
    let create =
        PatchOptions::new().with_create(Create::new(Lifespan::persistent().with_max_lifetime(Ttl::days(1))));
    for patch in [Patch::new().set("n", 2), Patch::new().increment("n", 1), Patch::new().unset("n")] {
        applied(t.store.patch(&key("k"), &patch, create.clone()).await?)?;
        ensure_eq!(t.deadline(&key("k")).await?, before, "the deadline after the patch");
    }
    let far = ExpiryChange::Set(Expiry::After(Ttl::days(1)));
    let cap = t.expire(&key("k"), far, Guard::Always).await?.deadline;
    ensure!(cap < Deadline::after(t.store.now(), Ttl::hours(3)), "a cap two hours away", "{cap:?}");
    Ok(())
}

async fn a_patch_starts_no_cap_on_a_live_record(t: Test) -> Check {
    t.put(&key("k"), record(), PutOptions::new(Expiry::Never)).await?;
    let options = PatchOptions::new().with_create(Create::new(Lifespan::from(LONG).with_max_lifetime(LONG)));
    applied(t.store.patch(&key("k"), &Patch::new().set("n", 2), options).await?)?;
    ensure_eq!(t.deadline(&key("k")).await?, Deadline::NEVER, "the deadline after the patch");
    Ok(())
}

async fn a_cap_is_not_inherited(t: Test) -> Check {
    for value in [Value::from("blob"), record().into()] {
        t.put(&key("k"), value.clone(), capped()).await?;
        t.delete(&key("k")).await?;
        t.put(&key("k"), value, PutOptions::new(Expiry::Never)).await?;
        ensure_eq!(t.deadline(&key("k")).await?, Deadline::NEVER, "the deadline of the second entry");
        t.delete(&key("k")).await?;
    }
    Ok(())
}

async fn below_the_cap_deadlines_move_freely(t: Test) -> Check {
    put_capped(&t).await?;
    for ttl in [Ttl::minutes(1), Ttl::minutes(90), Ttl::minutes(5)] {
        let change = ExpiryChange::Set(Expiry::After(ttl));
        let (done, span) = t.span(t.expire(&key("k"), change, Guard::Always)).await;
        span.check(done?.deadline, ttl, "the new deadline")?;
    }
    Ok(())
}

async fn a_capped_entry_keeps_its_value_when_extended(t: Test) -> Check {
    for value in [Value::from("blob"), "".into(), record().into()] {
        t.put(&key("k"), value, capped()).await?;
        let before = t.state(&key("k")).await?;
        t.expire(&key("k"), ExpiryChange::Extend(Ttl::minutes(1)), Guard::Always).await?;
        let after = t.state(&key("k")).await?;
        ensure!(
            after.value == before.value && after.version == before.version,
            format!("{before:?} with a later deadline"),
            "{after:?}"
        );
    }
    Ok(())
}

async fn a_capped_entry_can_be_taken(t: Test) -> Check {
    for value in [Value::from("blob"), record().into()] {
        t.put(&key("k"), value.clone(), capped()).await?;
        let taken = applied(t.store.delete(&key("k"), ttl_core::options::DeleteOptions::take()).await?)?;
        ensure!(taken.and_then(|entry| entry.value) == Some(value.clone()), "the value", "another value");
        t.expect_miss(&key("k"), "after the take").await?;
        t.put(&key("k"), value, capped()).await?;
        t.delete(&key("k")).await?;
        t.expect_miss(&key("k"), "after the delete").await?;
    }
    Ok(())
}

/// Returns options with a TTL of one hour and a cap of two hours.
fn capped() -> PutOptions {
    PutOptions::new(Lifespan::from(LONG).with_max_lifetime(Ttl::hours(2)))
}

/// Puts a capped entry under `k` and returns its cap.
async fn put_capped(t: &Test) -> Check<Deadline> {
    let k: Key = key("k");
    let (put, span) = t.span(t.put(&k, "capped", capped())).await;
    put?;
    let cap = t.expire(&k, ExpiryChange::Set(Expiry::After(Ttl::days(1))), Guard::Always).await?.deadline;
    span.check(cap, Ttl::hours(2), "the cap")?;
    sooner(t).await?;
    Ok(cap)
}

/// Moves the deadline of `k` to well before the cap.
async fn sooner(t: &Test) -> Check {
    t.expire(&key("k"), ExpiryChange::Set(Expiry::After(LONG)), Guard::Always).await.map(|_| ())
}

async fn lives_until_the_cap(t: &Test, value: Value, options: &GetOptions) -> Check {
    let put =
        PutOptions::new(Lifespan::persistent().with_max_lifetime(SHORT)).with_returning(Returning::DEADLINE);
    let (meta, span) = t.span(t.put_meta(&key("k"), value, put)).await;
    let deadline = meta?.deadline.unwrap_or(Deadline::NEVER);
    span.check(deadline, SHORT, "the cap as the deadline")?;
    t.watch(deadline, || async { Ok(t.store.get(&key("k"), options.clone()).await?.is_some()) }).await
}
