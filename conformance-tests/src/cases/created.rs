//! The creation time of an entry: which operations set it, keep it and report it.

use std::time::{Duration, SystemTime};

use ttl_core::options::{
    Condition, Create, ExistingDeadline, ExpiryChange, Fields, GetOptions, Guard, PatchOptions, Projection,
    PutItem, PutOptions, Refresh, Returning, ScanOptions,
};
use ttl_core::{Deadline, Entry, Expiry, Key, Lifespan, Outcome, Patch, Ttl, Value};

use super::elapsed::past;
use super::support::{LATER, SOONER, reported, scan_all};
use crate::test::{LONG, applied, key, record};
use crate::{Check, Failure, Test, case_table, ensure, ensure_eq, ensure_kind};

/// Longer than a millisecond, so that the next creation has a later time.
const A_WHILE: Duration = Duration::from_millis(5);

fn both_kinds() -> [Value; 2] {
    [Value::from("value"), record().into()]
}

/// Returns the options of a put that reports the creation time.
fn telling() -> PutOptions {
    PutOptions::new(LONG).with_returning(Returning::CREATED_AT)
}

/// Returns the creation time of a live entry.
async fn created_at(t: &Test, key: &Key) -> Check<SystemTime> {
    let entry = t.store.get(key, GetOptions::nothing().with_returning(Returning::CREATED_AT)).await?;
    reported(entry.ok_or_else(|| Failure::new("a live entry", "a miss"))?.created_at)
}

/// Fails unless `seen` is a whole millisecond between `started` and now.
fn ensure_since(t: &Test, seen: SystemTime, started: SystemTime, about: &str) -> Check {
    let millis =
        |instant: SystemTime| instant.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
    let (first, last) = (millis(started - t.clock_error()), millis(t.store.now() + t.clock_error()));
    ensure!(
        (first..=last).contains(&millis(seen)),
        format!("{about}: from {first} ms to {last} ms"),
        "{seen:?}"
    );
    let whole = Deadline::at(seen).to_system_time() == Some(seen);
    ensure!(whole, format!("{about}: a whole millisecond"), "{seen:?}");
    Ok(())
}

/// Puts a value, lets some time pass and returns the creation time.
async fn put_a_while_ago(t: &Test, key: &Key, value: Value, options: PutOptions) -> Check<SystemTime> {
    t.put(key, value, options).await?;
    let created = created_at(t, key).await?;
    t.pass(A_WHILE).await;
    Ok(created)
}

/// Puts over entries of both kinds with these options. Fails unless each put sets a new creation time.
async fn starts_anew(t: &Test, name: &str, options: PutOptions) -> Check {
    for (old, new) in both_kinds().into_iter().zip(both_kinds().into_iter().rev()) {
        let before = put_a_while_ago(t, &key(name), old, PutOptions::new(LONG)).await?;
        let started = t.store.now();
        let meta = t.put_meta(&key(name), new, options.clone().with_returning(Returning::CREATED_AT)).await?;
        let after = created_at(t, &key(name)).await?;
        ensure!(after > before, format!("{name}: a time after {before:?}"), "{after:?}");
        ensure_since(t, after, started, name)?;
        ensure_eq!(reported(meta.created_at)?, after, "{name}: the time that the put reports");
    }
    Ok(())
}

case_table! {
    /// V7: A put sets the creation time to the time of the put and reports it.
    a_put_starts_it: needs(created_at),
    /// V7: A put over a live entry sets a new creation time, whatever it does to the deadline.
    an_overwriting_put_starts_it_anew: needs(created_at),
    /// V7, C1, C3, V3: A put with a condition sets a new creation time. A refused put changes nothing.
    a_put_with_a_condition_starts_it_anew: needs(created_at, conditions),
    /// V7, P7: A patch of a live record keeps the creation time and reports it, even if it is refused by
    /// its bounds.
    a_patch_keeps_it: needs(created_at, patch),
    /// V7, P2: A patch that creates an entry sets the creation time and reports it.
    a_patch_that_creates_starts_it: needs(created_at, patch),
    /// V7, X5: A change of the deadline keeps the creation time.
    an_expire_keeps_it: needs(created_at),
    /// V7, R1: A refresh by a read keeps the creation time, and the read reports it.
    a_refresh_keeps_it: needs(created_at),
    /// V7, B1: Every read reports the creation time if requested, by itself and with all other metadata.
    every_read_reports_it: needs(created_at),
    /// V7, S1: A scan reports the creation time if requested.
    a_scan_reports_it: needs(created_at, scan),
    /// V7, E3, E9: A new entry inherits no creation time from a ghost or a deleted entry.
    what_is_over_leaves_nothing_of_it: needs(created_at),
    /// V7, R4: A capped entry reports its creation time like any other entry. The cap is not counted from it.
    a_capped_entry_tells_it: needs(created_at, caps),
    /// V7, P2: The creation time is not reported unless requested.
    what_is_not_wanted_is_not_told: needs(created_at),
    /// V7, E6, P2: A write whose deadline has passed leaves nothing and reports no creation time.
    a_write_that_leaves_nothing_tells_none: needs(created_at),
    /// V7, B1: A batch of puts sets and reports the creation time of each entry.
    a_batch_starts_each: needs(created_at),
    /// V7, C1, C3, C5: A refused put reports the creation time of the entry that it found.
    a_refused_put_reports_that_of_what_is_there: needs(created_at, conditions),
    /// V7, H1: A store that denies `created_at` fails with `Unsupported` on every request for it, and
    /// nothing changes.
    a_denied_creation_is_unsupported: needs(no_created_at),
}

async fn a_put_starts_it(t: Test) -> Check {
    for (n, value) in both_kinds().into_iter().enumerate() {
        for (m, expiry) in [Expiry::from(LONG), Expiry::Never].into_iter().enumerate() {
            let key = key(&format!("k{n}-{m}"));
            let started = t.store.now();
            let options = PutOptions::new(expiry).with_returning(Returning::CREATED_AT);
            let told = reported(t.put_meta(&key, value.clone(), options).await?.created_at)?;
            ensure_since(&t, told, started, "the time that the put reports")?;
            t.pass(A_WHILE).await;
            ensure_eq!(created_at(&t, &key).await?, told, "the time that a later read reports");
        }
    }
    Ok(())
}

async fn an_overwriting_put_starts_it_anew(t: Test) -> Check {
    let put = PutOptions::new(LONG);
    starts_anew(&t, "replaced", put.clone()).await?;
    starts_anew(&t, "persistent", PutOptions::new(Expiry::Never)).await?;
    starts_anew(&t, "kept", put.clone().with_existing_deadline(ExistingDeadline::Keep)).await?;
    for refresh in [Refresh::extend_only(LATER), Refresh::extend_only(SOONER), Refresh::reset(SOONER)] {
        starts_anew(&t, "refreshed", put.clone().with_existing_deadline(ExistingDeadline::Refresh(refresh)))
            .await?;
    }
    Ok(())
}

async fn a_put_with_a_condition_starts_it_anew(t: Test) -> Check {
    starts_anew(&t, "present", PutOptions::new(LONG).with_condition(Condition::IfPresent)).await?;
    starts_anew(&t, "handed back", PutOptions::new(LONG).with_previous()).await?;
    for existing_deadline in [ExistingDeadline::Replace, ExistingDeadline::Keep] {
        let before = put_a_while_ago(&t, &key("k"), "old".into(), PutOptions::new(LONG)).await?;
        let refused = telling().with_condition(Condition::IfAbsent);
        ensure!(
            t.store.put(&key("k"), "no".into(), refused).await?.is_refused(),
            "Refused",
            "another outcome"
        );
        ensure_eq!(created_at(&t, &key("k")).await?, before, "the creation time after a refused put");
        let condition = Condition::IfVersion(t.version(&key("k")).await?);
        let put = telling().with_condition(condition).with_existing_deadline(existing_deadline);
        let told = reported(t.put_meta(&key("k"), "new", put).await?.created_at)?;
        ensure!(told > before, format!("a time after {before:?}"), "{told:?}");
        ensure_eq!(created_at(&t, &key("k")).await?, told, "the creation time after a put by version");
    }
    Ok(())
}

async fn a_patch_keeps_it(t: Test) -> Check {
    let fields = ttl_core::Record::new().with("n", 1).with("l", vec![1, 2]).with("x", "text");
    let before = put_a_while_ago(&t, &key("k"), fields.into(), PutOptions::new(LONG)).await?;
    let patches = [
        Patch::new().set("x", 1).increment("n", 1),
        Patch::new().append("l", 3).unset("x"),
        // DynamoDB's expressions cannot express this patch; another driver may need a script.
        Patch::new().remove_value("l", 1).increment("n", 0.5),
        Patch::new(),
    ];
    for (n, patch) in patches.iter().enumerate() {
        for refresh in [None, Some(Refresh::extend_only(LATER)), Some(Refresh::reset(SOONER))] {
            let options =
                PatchOptions::new().with_returning(Returning::CREATED_AT).with_create(Create::new(LONG));
            let outcome = applied(t.store.patch(&key("k"), patch, options.with_refresh(refresh)).await?)?;
            ensure_eq!(reported(outcome.created_at)?, before, "patch {n}: the time that it reports");
            ensure_eq!(created_at(&t, &key("k")).await?, before, "patch {n}: the time that a read reports");
        }
    }
    let bounded = Patch::new().increment_within("n", 1, ..=0);
    let options = PatchOptions::new().with_returning(Returning::CREATED_AT);
    match t.store.patch(&key("k"), &bounded, options).await? {
        Outcome::Refused(Some(there)) => ensure_eq!(there.created_at, Some(before), "the reported time"),
        other => return Err(Failure::new("Refused with the present values", format!("{other:?}"))),
    }
    Ok(())
}

async fn a_patch_that_creates_starts_it(t: Test) -> Check {
    let options = || PatchOptions::new().with_create(Create::new(LONG)).with_returning(Returning::CREATED_AT);
    t.ghost(&key("ghost"), record()).await?;
    t.put(&key("deleted"), record(), PutOptions::new(LONG)).await?;
    t.delete(&key("deleted")).await?;
    t.pass(A_WHILE).await;
    for name in ["never", "ghost", "deleted"] {
        for patch in [Patch::new().set("n", 1), Patch::new().increment("n", 1)] {
            let started = t.store.now();
            let outcome = applied(t.store.patch(&key(name), &patch, options()).await?)?;
            let told = reported(outcome.created_at)?;
            ensure_since(&t, told, started, name)?;
            ensure_eq!(created_at(&t, &key(name)).await?, told, "{name}: the time that a read reports");
            t.delete(&key(name)).await?;
            t.pass(A_WHILE).await;
        }
    }
    Ok(())
}

async fn an_expire_keeps_it(t: Test) -> Check {
    for value in both_kinds() {
        let before = put_a_while_ago(&t, &key("k"), value, PutOptions::new(LONG)).await?;
        // So far away that a store may have to rewrite the value.
        let far = Expiry::from(Ttl::hours(24 * 365));
        for change in [
            ExpiryChange::Set(SOONER.into()),
            ExpiryChange::Set(LATER.into()),
            ExpiryChange::Extend(LONG),
            ExpiryChange::Set(far),
            ExpiryChange::Set(Expiry::Never),
            ExpiryChange::Set(LONG.into()),
        ] {
            t.expire(&key("k"), change, Guard::Always).await?;
            ensure_eq!(created_at(&t, &key("k")).await?, before, "the creation time after {change:?}");
        }
    }
    Ok(())
}

async fn a_refresh_keeps_it(t: Test) -> Check {
    let slack = Ttl::minutes(1);
    for value in both_kinds() {
        let before = put_a_while_ago(&t, &key("k"), value, PutOptions::new(LONG)).await?;
        for refresh in [
            Refresh::extend_only(SOONER),
            Refresh::extend_only(LATER),
            Refresh::extend_only(LATER).with_slack(slack),
            Refresh::extend_only(Ttl::hours(24)).with_slack(slack),
            Refresh::reset(SOONER),
            Refresh::reset(Ttl::hours(24 * 365)),
            Refresh::reset(LONG).with_slack(slack),
        ] {
            for projection in [Projection::Nothing, Projection::All] {
                let read = GetOptions::new()
                    .with_projection(projection)
                    .with_returning(Returning::CREATED_AT)
                    .with_refresh(refresh);
                let entry = t.store.get(&key("k"), read).await?.unwrap_or_default();
                ensure_eq!(entry.created_at, Some(before), "the time that a read with {refresh:?} reports");
                ensure_eq!(created_at(&t, &key("k")).await?, before, "the creation time after {refresh:?}");
            }
        }
    }
    Ok(())
}

async fn every_read_reports_it(t: Test) -> Check {
    let fields = Projection::Fields(Fields::new(["n", "none"])?);
    for (name, value) in ["blob", "record"].into_iter().zip(both_kinds()) {
        let created = put_a_while_ago(&t, &key(name), value, PutOptions::new(LONG)).await?;
        let state = t.state(&key(name)).await?;
        for projection in [Projection::All, Projection::Nothing, fields.clone()] {
            if name == "blob" && projection == fields {
                continue;
            }
            for returning in
                [Returning::CREATED_AT, Returning::CREATED_AT | Returning::DEADLINE, Returning::all()]
            {
                let read = GetOptions::new().with_projection(projection.clone()).with_returning(returning);
                let one = t.store.get(&key(name), read.clone()).await?;
                let many = t.store.get_many(&[key(name), key("absent"), key(name)], read).await;
                ensure_eq!(many.len(), 3, "the number of results");
                let many: Vec<Option<Entry>> = many.into_iter().collect::<Result<_, _>>()?;
                for entry in [one.as_ref(), many[0].as_ref(), many[2].as_ref()] {
                    let entry = entry.ok_or_else(|| Failure::new("a live entry", "a miss"))?;
                    ensure_eq!(
                        entry.created_at,
                        Some(created),
                        "{name}: the time that a read of {projection:?} reports"
                    );
                    let version = returning.contains(Returning::VERSION).then_some(state.version);
                    ensure_eq!(entry.version, version, "{name}: the version");
                }
            }
        }
    }
    Ok(())
}

async fn a_scan_reports_it(t: Test) -> Check {
    let mut created = Vec::new();
    for (n, value) in both_kinds().into_iter().cycle().take(6).enumerate() {
        created.push(put_a_while_ago(&t, &key(&format!("k{n}")), value, PutOptions::new(LONG)).await?);
    }
    for projection in [Projection::All, Projection::Nothing, Projection::Fields(Fields::new(["n"])?)] {
        for (returning, told) in
            [(Returning::CREATED_AT, true), (Returning::all(), true), (Returning::DEADLINE, false)]
        {
            let options = ScanOptions::new("k").with_projection(projection.clone()).with_returning(returning);
            let mut entries = scan_all(&t, options).await?;
            entries.sort_by(|one, other| one.0.cmp(&other.0));
            entries.dedup_by(|one, other| one.0 == other.0);
            let seen: Vec<_> = entries.iter().map(|(_, entry)| entry.created_at).collect();
            let expected: Vec<_> = created.iter().map(|at| Some(*at).filter(|_| told)).collect();
            ensure_eq!(seen, expected, "the times that a scan of {projection:?} with {returning:?} reports");
        }
    }
    Ok(())
}

async fn what_is_over_leaves_nothing_of_it(t: Test) -> Check {
    for (n, value) in both_kinds().into_iter().enumerate() {
        let (ghost, deleted) = (key(&format!("ghost{n}")), key(&format!("deleted{n}")));
        t.ghost(&ghost, value.clone()).await?;
        t.put(&deleted, value.clone(), PutOptions::new(LONG)).await?;
        t.delete(&deleted).await?;
        t.pass(A_WHILE).await;
        for key in [ghost, deleted] {
            let read = GetOptions::nothing().with_returning(Returning::CREATED_AT);
            let seen = t.store.get(&key, read).await?;
            ensure!(seen.is_none(), "a miss", "{seen:?}");
            let started = t.store.now();
            t.put(&key, value.clone(), PutOptions::new(LONG).with_existing_deadline(ExistingDeadline::Keep))
                .await?;
            ensure_since(&t, created_at(&t, &key).await?, started, "the time of the new entry")?;
        }
    }
    Ok(())
}

async fn a_capped_entry_tells_it(t: Test) -> Check {
    let capped = PutOptions::new(Lifespan::from(LONG).with_max_lifetime(LATER));
    for value in both_kinds() {
        let is_record = matches!(value, Value::Record(_));
        let before = put_a_while_ago(&t, &key("k"), value.clone(), capped.clone()).await?;
        t.expire(&key("k"), ExpiryChange::Set(Expiry::Never), Guard::Always).await?;
        let cap = t.deadline(&key("k")).await?;
        if is_record && t.capabilities().patch {
            applied(t.store.patch(&key("k"), &Patch::new().set("n", 2), PatchOptions::new()).await?)?;
        }
        ensure_eq!(created_at(&t, &key("k")).await?, before, "the creation time after an expire and a patch");
        let after = put_a_while_ago(&t, &key("k"), value, PutOptions::new(Expiry::Never)).await?;
        ensure!(after > before, format!("a time after {before:?}"), "{after:?}");
        ensure_eq!(t.deadline(&key("k")).await?, cap, "the cap");
        t.delete(&key("k")).await?;
    }
    Ok(())
}

async fn what_is_not_wanted_is_not_told(t: Test) -> Check {
    let returning = Returning::DEADLINE | Returning::VERSION;
    for value in both_kinds() {
        let meta = t.put_meta(&key("k"), value, PutOptions::new(LONG).with_returning(returning)).await?;
        ensure_eq!(meta.created_at, None, "the time that a put reports");
        for read in
            [GetOptions::new(), GetOptions::nothing(), GetOptions::new().with_refresh(Refresh::reset(LONG))]
        {
            let one =
                t.store.get(&key("k"), read.clone().with_returning(returning)).await?.unwrap_or_default();
            ensure_eq!(one.created_at, None, "the time that a get reports");
            let many = t.store.get_many(&[key("k")], read).await.remove(0)?.unwrap_or_default();
            ensure_eq!(many.created_at, None, "the time that a batch reports");
        }
    }
    if t.capabilities().patch {
        let options = PatchOptions::new().with_create(Create::new(LONG)).with_returning(returning);
        for name in ["k", "created"] {
            let outcome = t.store.patch(&key(name), &Patch::new().set("n", 2), options.clone()).await?;
            ensure_eq!(applied(outcome)?.created_at, None, "the time that a patch reports");
        }
    }
    Ok(())
}

async fn a_write_that_leaves_nothing_tells_none(t: Test) -> Check {
    t.put(&key("k"), "old", PutOptions::new(LONG)).await?;
    for name in ["k", "absent"] {
        let options = PutOptions::new(Expiry::At(past(&t))).with_returning(Returning::CREATED_AT);
        ensure_eq!(
            t.put_meta(&key(name), "new", options).await?.created_at,
            None,
            "the time that a put reports"
        );
    }
    if t.capabilities().patch {
        let options =
            PatchOptions::new().with_create(Create::new(past(&t))).with_returning(Returning::CREATED_AT);
        let outcome = applied(t.store.patch(&key("k"), &Patch::new().set("n", 1), options).await?)?;
        ensure_eq!(outcome.created_at, None, "the time that a patch reports");
    }
    Ok(())
}

async fn a_batch_starts_each(t: Test) -> Check {
    let before = put_a_while_ago(&t, &key("a"), "old".into(), PutOptions::new(LONG)).await?;
    let started = t.store.now();
    let items = vec![
        PutItem::new(key("a"), "new", telling()),
        PutItem::new(key("b"), record(), telling()),
        PutItem::new(key("c"), "v", PutOptions::new(LONG)),
    ];
    let mut told = Vec::new();
    for outcome in t.store.put_many(items).await {
        told.push(applied(outcome?)?.created_at);
    }
    ensure_eq!(told[2], None, "the time that was not requested");
    for (name, told) in ["a", "b"].into_iter().zip(&told) {
        let told = reported(*told)?;
        ensure_since(&t, told, started, name)?;
        ensure_eq!(created_at(&t, &key(name)).await?, told, "{name}: the time that a read reports");
    }
    ensure!(told[0] > Some(before), format!("a time after {before:?}"), "{told:?}");
    Ok(())
}

async fn a_refused_put_reports_that_of_what_is_there(t: Test) -> Check {
    for value in both_kinds() {
        let before = put_a_while_ago(&t, &key("k"), value, PutOptions::new(LONG)).await?;
        let put = telling().with_condition(Condition::IfAbsent).with_previous();
        match t.store.put(&key("k"), "new".into(), put).await? {
            Outcome::Refused(Some(there)) => ensure_eq!(there.created_at, Some(before), "the reported time"),
            other => return Err(Failure::new("Refused with the present values", format!("{other:?}"))),
        }
    }
    Ok(())
}

async fn a_denied_creation_is_unsupported(t: Test) -> Check {
    t.put(&key("k"), record(), PutOptions::new(LONG)).await?;
    let before = t.state(&key("k")).await?;
    for returning in [Returning::CREATED_AT, Returning::all()] {
        for name in ["k", "absent"] {
            for read in [
                GetOptions::new(),
                GetOptions::nothing(),
                GetOptions::new().with_refresh(Refresh::reset(LATER)),
            ] {
                let read = read.with_returning(returning);
                ensure_kind!(t.store.get(&key(name), read.clone()).await, Unsupported, "a get");
                for result in t.store.get_many(&[key(name), key("k")], read).await {
                    ensure_kind!(result, Unsupported, "a get of a batch");
                }
            }
            let put = PutOptions::new(SOONER).with_returning(returning);
            ensure_kind!(t.store.put(&key(name), "new".into(), put.clone()).await, Unsupported, "a put");
            let plain = PutItem::new(key("plain"), "new", PutOptions::new(LONG));
            let many = t.store.put_many(vec![PutItem::new(key(name), "new", put), plain]).await;
            ensure_kind!(&many[0], Unsupported, "a put of a batch");
            ensure!(many[1].is_ok(), "an applied plain put", "{:?}", many[1]);
            let patch = PatchOptions::new().with_create(Create::new(SOONER)).with_returning(returning);
            let patched = t.store.patch(&key(name), &Patch::new().set("n", 2), patch).await;
            ensure_kind!(patched, Unsupported, "a patch");
        }
        ensure_kind!(
            t.store.scan(ScanOptions::new("").with_returning(returning)).await,
            Unsupported,
            "a scan"
        );
    }
    ensure_eq!(t.state(&key("k")).await?, before, "the entry");
    t.expect_miss(&key("absent"), "after the refused writes").await
}
