//! Ghosts, expired entries that the backend may not have deleted yet, are absent. One case for each path.

use serde_json::json;
use ttl_core::options::{
    Condition, Create, DeleteOptions, ExistingDeadline, ExpireOptions, ExpiryChange, Fields, GetOptions,
    Guard, PatchOptions, Projection, PutItem, PutOptions, Refresh, Returning, ScanOptions,
};
use ttl_core::{Deadline, Entry, Expiry, Kind, Lifespan, Patch, Record, Ttl, Value};

use crate::test::{LONG, SHORT, applied, key};
use crate::{Check, Test, case_table, ensure, ensure_eq};

case_table! {
    /// E3: A get of a ghost returns a miss.
    a_ghost_is_absent_to_get,
    /// E3: A get of fields of a ghost returns a miss, and not `WrongKind` for a blob.
    a_ghost_is_absent_to_a_get_of_fields,
    /// E3: A get of nothing returns a miss for a ghost.
    a_ghost_is_absent_to_a_get_of_nothing,
    /// E3: A get of deadline and version returns a miss for a ghost.
    a_ghost_has_no_metadata,
    /// E3, V3: A get that expects the other kind returns a miss for a ghost, not `WrongKind`.
    a_ghost_has_no_kind,
    /// E3, R3: A get with a refresh does not revive a ghost.
    a_refreshing_get_does_not_revive_a_ghost,
    /// E3, R3: A contains with a refresh does not revive a ghost.
    a_refreshing_contains_does_not_revive_a_ghost,
    /// E3, B1: A batch of gets returns misses for ghosts.
    a_ghost_is_absent_to_get_many,
    /// E3, S1: A scan does not list ghosts.
    a_ghost_is_absent_to_scan: needs(scan),
    /// E3: A put over a ghost creates an entry.
    a_put_over_a_ghost_creates,
    /// E3, E5: A put with Keep over a ghost sets the expiry of the put.
    a_put_with_keep_over_a_ghost_sets_its_expiry,
    /// E3, R3, R7: A put with a refresh over a ghost sets the expiry of the put, not that of the refresh.
    a_put_with_a_refresh_over_a_ghost_sets_its_expiry,
    /// E3, C1: A put with `IfAbsent` over a ghost is applied.
    a_ghost_is_absent_to_if_absent: needs(conditions),
    /// E3, C3: A put with `IfPresent` over a ghost returns Absent and leaves nothing.
    a_ghost_is_absent_to_if_present: needs(conditions),
    /// E3, C2: A put with `IfVersion` over a ghost returns Absent, even with the version that the ghost had.
    a_ghost_is_absent_to_if_version: needs(conditions),
    /// E3, X4, R3: Expire does not revive a ghost, whatever the deadline and the guard.
    a_ghost_is_absent_to_expire,
    /// E3, X8: Expire with the version that a ghost had returns Absent.
    a_ghost_is_absent_to_a_renewal: needs(conditions),
    /// E3: A delete of a ghost returns Absent.
    a_ghost_is_absent_to_delete,
    /// E3: A take of a ghost returns Absent and no value, not even fields.
    a_ghost_is_absent_to_take: needs(conditions),
    /// E3, C2: A delete with the version that a ghost had returns Absent.
    a_ghost_is_absent_to_delete_by_version: needs(conditions),
    /// E3, B1: A batch of deletes returns Absent for ghosts.
    a_ghost_is_absent_to_delete_many,
    /// E3, B1: A batch of puts over ghosts creates entries.
    a_ghost_is_absent_to_put_many,
    /// E3, P2: A patch of a ghost returns Absent and leaves nothing.
    a_ghost_is_absent_to_patch: needs(patch),
    /// E3, P2: A patch with the version that a ghost had returns Absent, even if the patch may create an
    /// entry.
    a_ghost_is_absent_to_patch_by_version: needs(patch, conditions),
    /// E3, P2: A patch that creates an entry over a ghost starts from its initial record. No field of
    /// the ghost leaks.
    no_field_of_a_ghost_leaks_into_a_patch: needs(patch),
    /// E3, P4: A counter starts again at zero after it has expired.
    a_counter_that_was_a_ghost_starts_anew: needs(patch),
    /// E3: No field of a ghost leaks into a record that replaces it.
    no_field_of_a_ghost_leaks_into_a_put,
    /// E3, R4: The cap of a ghost does not limit the entry that replaces it.
    the_cap_of_a_ghost_is_gone: needs(caps),
    /// E3: An expired entry that the backend still holds is absent to every read.
    a_planted_ghost_is_absent: needs(ghosts),
}

async fn a_ghost_is_absent_to_get(t: Test) -> Check {
    absent_to_get(&t, GetOptions::new()).await
}

async fn a_ghost_is_absent_to_a_get_of_fields(t: Test) -> Check {
    absent_to_get(&t, GetOptions::new().with_projection(Projection::Fields(Fields::new(["ghost"])?))).await
}

async fn a_ghost_is_absent_to_a_get_of_nothing(t: Test) -> Check {
    absent_to_get(&t, GetOptions::nothing()).await
}

async fn a_ghost_has_no_metadata(t: Test) -> Check {
    absent_to_get(&t, GetOptions::nothing().with_returning(Returning::DEADLINE | Returning::VERSION)).await
}

async fn a_ghost_has_no_kind(t: Test) -> Check {
    absent_to_get(&t, GetOptions::new().with_kind(Kind::Record)).await?;
    absent_to_get(&t, GetOptions::new().with_kind(Kind::Blob)).await
}

async fn a_refreshing_get_does_not_revive_a_ghost(t: Test) -> Check {
    absent_to_get(&t, GetOptions::new().with_refresh(Refresh::extend_only(LONG))).await?;
    absent_to_get(&t, GetOptions::new().with_refresh(Refresh::reset(LONG))).await
}

async fn a_refreshing_contains_does_not_revive_a_ghost(t: Test) -> Check {
    absent_to_get(&t, GetOptions::nothing().with_refresh(Refresh::reset(LONG))).await
}

async fn a_ghost_is_absent_to_get_many(t: Test) -> Check {
    t.put(&key("live"), "live", PutOptions::new(LONG)).await?;
    both(&t).await?;
    let keys = ["blob", "live", "record", "blob"].map(key);
    for options in [GetOptions::new(), GetOptions::new().with_refresh(Refresh::reset(LONG))] {
        let mut seen = Vec::new();
        for result in t.store.get_many(&keys, options).await {
            seen.push(result?.is_some());
        }
        ensure_eq!(seen, vec![false, true, false, false], "the hits among ghost, live entry, ghost, ghost");
    }
    Ok(())
}

async fn a_ghost_is_absent_to_scan(t: Test) -> Check {
    t.put(&key("live"), "live", PutOptions::new(LONG)).await?;
    both(&t).await?;
    for projection in [Projection::Nothing, Projection::All] {
        let page = t.store.scan(ScanOptions::new("").with_projection(projection)).await?;
        let keys: Vec<&str> = page.keys().map(ttl_core::Key::as_str).collect();
        ensure_eq!(keys, vec!["live"], "the keys of the scan");
        ensure!(page.next.is_none(), "no further page", "{:?}", page.next);
    }
    Ok(())
}

async fn a_put_over_a_ghost_creates(t: Test) -> Check {
    both(&t).await?;
    for name in ["blob", "record"] {
        let meta = t.put_meta(&key(name), "new", PutOptions::new(LONG)).await?;
        ensure!(meta.created, "a created entry", "{meta:?}");
        t.expect_value(&key(name), "new", "the new value").await?;
    }
    Ok(())
}

async fn a_put_with_keep_over_a_ghost_sets_its_expiry(t: Test) -> Check {
    created_with_its_own(&t, PutOptions::new(LONG).with_existing_deadline(ExistingDeadline::Keep)).await
}

async fn a_put_with_a_refresh_over_a_ghost_sets_its_expiry(t: Test) -> Check {
    let refresh = ExistingDeadline::Refresh(Refresh::extend_only(Ttl::hours(9)));
    created_with_its_own(&t, PutOptions::new(LONG).with_existing_deadline(refresh)).await
}

async fn a_ghost_is_absent_to_if_absent(t: Test) -> Check {
    created_with_its_own(&t, PutOptions::new(LONG).with_condition(Condition::IfAbsent)).await
}

async fn a_ghost_is_absent_to_if_present(t: Test) -> Check {
    both(&t).await?;
    for name in ["blob", "record"] {
        let put = PutOptions::new(LONG).with_condition(Condition::IfPresent);
        let outcome = t.store.put(&key(name), "new".into(), put).await?;
        ensure!(outcome.is_absent(), "Absent", "{outcome:?}");
        t.expect_miss(&key(name), "after IfPresent").await?;
    }
    Ok(())
}

async fn a_ghost_is_absent_to_if_version(t: Test) -> Check {
    for value in [Value::from("ghost"), Record::new().with("ghost", 1).into()] {
        let version = t.put_version(&key("k"), value, PutOptions::new(SHORT)).await?;
        t.outlive(SHORT).await;
        let put = PutOptions::new(LONG).with_condition(Condition::IfVersion(version));
        let outcome = t.store.put(&key("k"), "new".into(), put).await?;
        ensure!(outcome.is_absent(), "Absent", "{outcome:?}");
        t.expect_miss(&key("k"), "after IfVersion").await?;
    }
    Ok(())
}

async fn a_ghost_is_absent_to_expire(t: Test) -> Check {
    both(&t).await?;
    let changes = [
        ExpiryChange::Set(Expiry::After(LONG)),
        ExpiryChange::Set(Expiry::At(t.instant(LONG))),
        ExpiryChange::Set(Expiry::Never),
        ExpiryChange::Extend(LONG),
    ];
    let guards = [Guard::Always, Guard::IfLater, Guard::IfSooner, Guard::IfExpiring, Guard::IfPersistent];
    for (change, guard) in changes.iter().flat_map(|change| guards.map(|guard| (*change, guard))) {
        for name in ["blob", "record"] {
            let options = ExpireOptions::new().with_guard(guard);
            let outcome = t.store.expire(&key(name), change, options).await?;
            ensure!(outcome.is_absent(), format!("Absent for {change:?} with {guard:?}"), "{outcome:?}");
            t.expect_miss(&key(name), "after the expire").await?;
        }
    }
    Ok(())
}

async fn a_ghost_is_absent_to_a_renewal(t: Test) -> Check {
    let version = t.put_version(&key("k"), "ghost", PutOptions::new(SHORT)).await?;
    t.outlive(SHORT).await;
    let options = ExpireOptions::new().with_if_version(version);
    let outcome = t.store.expire(&key("k"), ExpiryChange::Set(Expiry::After(LONG)), options).await?;
    ensure!(outcome.is_absent(), "Absent", "{outcome:?}");
    t.expect_miss(&key("k"), "after the renewal").await
}

async fn a_ghost_is_absent_to_delete(t: Test) -> Check {
    absent_to_delete(&t, DeleteOptions::new()).await?;
    if t.capabilities().conditions {
        absent_to_delete(&t, DeleteOptions::new().with_kind(Kind::Record)).await?;
    }
    Ok(())
}

async fn a_ghost_is_absent_to_take(t: Test) -> Check {
    absent_to_delete(&t, DeleteOptions::take()).await?;
    let fields = Projection::Fields(Fields::new(["ghost"])?);
    absent_to_delete(&t, DeleteOptions::new().with_projection(fields)).await
}

async fn a_ghost_is_absent_to_delete_by_version(t: Test) -> Check {
    let version = t.put_version(&key("k"), "ghost", PutOptions::new(SHORT)).await?;
    t.outlive(SHORT).await;
    let delete = DeleteOptions::take().with_if_version(version);
    let outcome = t.store.delete(&key("k"), delete).await?;
    ensure!(outcome.is_absent(), "Absent", "{outcome:?}");
    Ok(())
}

async fn a_ghost_is_absent_to_delete_many(t: Test) -> Check {
    t.put(&key("live"), "live", PutOptions::new(LONG)).await?;
    both(&t).await?;
    let mut seen = Vec::new();
    for result in t.store.delete_many(&["blob", "live", "record"].map(key), DeleteOptions::new()).await {
        seen.push(result?.is_applied());
    }
    ensure_eq!(seen, vec![false, true, false], "the deletes applied to ghost, live entry, ghost");
    Ok(())
}

async fn a_ghost_is_absent_to_put_many(t: Test) -> Check {
    both(&t).await?;
    let put = PutOptions::new(LONG)
        .with_existing_deadline(ExistingDeadline::Keep)
        .with_returning(Returning::DEADLINE);
    let items = ["blob", "record"].map(|name| PutItem::new(key(name), "new", put.clone()));
    let (results, span) = t.span(t.store.put_many(items.to_vec())).await;
    for result in results {
        let meta = applied(result?)?;
        ensure!(meta.created, "a created entry", "{meta:?}");
        span.check(meta.deadline.unwrap_or(Deadline::NEVER), LONG, "its deadline")?;
    }
    Ok(())
}

async fn a_ghost_is_absent_to_patch(t: Test) -> Check {
    both(&t).await?;
    for patch in [
        Patch::new().set("n", 1),
        Patch::new().increment("ghost", 1),
        Patch::new().unset("ghost"),
        Patch::new(),
    ] {
        for name in ["blob", "record"] {
            let options = PatchOptions::new().with_refresh(Refresh::reset(LONG));
            let outcome = t.store.patch(&key(name), &patch, options).await?;
            ensure!(outcome.is_absent(), "Absent", "{outcome:?}");
            t.expect_miss(&key(name), "after the patch").await?;
        }
    }
    Ok(())
}

async fn a_ghost_is_absent_to_patch_by_version(t: Test) -> Check {
    let version = t.put_version(&key("k"), Record::new().with("ghost", 1), PutOptions::new(SHORT)).await?;
    t.outlive(SHORT).await;
    for options in [PatchOptions::new(), PatchOptions::new().with_create(Create::new(LONG))] {
        let outcome =
            t.store.patch(&key("k"), &Patch::new().set("n", 1), options.with_if_version(version)).await?;
        ensure!(outcome.is_absent(), "Absent", "{outcome:?}");
        t.expect_miss(&key("k"), "after the patch").await?;
    }
    Ok(())
}

async fn no_field_of_a_ghost_leaks_into_a_patch(t: Test) -> Check {
    both(&t).await?;
    for name in ["blob", "record"] {
        let create = Create::new(LONG).with_initial(Record::new().with("initial", 1));
        let options = PatchOptions::new().with_create(create).with_returning(Returning::DEADLINE);
        let (outcome, span) = t.span(t.store.patch(&key(name), &Patch::new().set("set", 2), options)).await;
        let meta = applied(outcome?)?;
        ensure!(meta.created, "a created record", "{meta:?}");
        span.check(meta.deadline.unwrap_or(Deadline::NEVER), LONG, "its deadline")?;
        let expected = Record::new().with("initial", 1).with("set", 2);
        t.expect_value(&key(name), expected, "the new record only").await?;
    }
    Ok(())
}

async fn a_counter_that_was_a_ghost_starts_anew(t: Test) -> Check {
    t.ghost(&key("k"), Record::new().with("n", 41).with("l", json!([1]))).await?;
    let options = PatchOptions::new().with_create(Create::new(LONG));
    applied(t.store.patch(&key("k"), &Patch::new().increment("n", 1).append("l", 2), options).await?)?;
    t.expect_value(&key("k"), Record::new().with("n", 1).with("l", [2]), "a new counter and list").await
}

async fn no_field_of_a_ghost_leaks_into_a_put(t: Test) -> Check {
    both(&t).await?;
    for name in ["blob", "record"] {
        let new = Record::new().with("new", 1);
        t.put(&key(name), new.clone(), PutOptions::new(LONG)).await?;
        t.expect_value(&key(name), new, "the new record only").await?;
    }
    Ok(())
}

async fn the_cap_of_a_ghost_is_gone(t: Test) -> Check {
    for name in ["put", "patch"] {
        let capped = PutOptions::new(Lifespan::persistent().with_max_lifetime(SHORT));
        t.put(&key(name), Record::new().with("ghost", 1), capped).await?;
    }
    t.outlive(SHORT).await;
    t.put(&key("put"), "new", PutOptions::new(Expiry::Never)).await?;
    ensure_eq!(t.deadline(&key("put")).await?, Deadline::NEVER, "the deadline of the put");
    if t.capabilities().patch {
        let options = PatchOptions::new().with_create(Create::new(Expiry::Never));
        applied(t.store.patch(&key("patch"), &Patch::new().set("n", 1), options).await?)?;
        ensure_eq!(t.deadline(&key("patch")).await?, Deadline::NEVER, "the deadline of the patch");
    }
    Ok(())
}

async fn a_planted_ghost_is_absent(t: Test) -> Check {
    t.planted_ghost(&key("blob"), "ghost").await?;
    t.planted_ghost(&key("record"), Record::new().with("ghost", 1)).await?;
    for name in ["blob", "record"] {
        t.expect_miss(&key(name), "a planted ghost").await?;
        let seen = t.peek(&key(name)).await?;
        ensure!(seen.is_none(), "a miss", "{seen:?}");
        let take = t.capabilities().conditions;
        let delete = if take { DeleteOptions::take() } else { DeleteOptions::new() };
        let outcome = t.store.delete(&key(name), delete).await?;
        ensure!(outcome.is_absent(), "Absent", "{outcome:?}");
    }
    Ok(())
}

/// Creates two ghosts: a blob and a record.
async fn both(t: &Test) -> Check {
    t.ghost(&key("blob"), "ghost").await?;
    t.ghost(&key("record"), Record::new().with("ghost", 1)).await
}

async fn absent_to_get(t: &Test, options: GetOptions) -> Check {
    both(t).await?;
    for name in ["blob", "record"] {
        for store in [&t.store, &t.second] {
            let seen: Option<Entry> = store.get(&key(name), options.clone()).await?;
            ensure!(seen.is_none(), format!("a miss for the ghost of a {name}"), "{seen:?}");
        }
        t.expect_miss(&key(name), "after the get").await?;
    }
    Ok(())
}

async fn absent_to_delete(t: &Test, options: DeleteOptions) -> Check {
    both(t).await?;
    for name in ["blob", "record"] {
        let outcome = t.store.delete(&key(name), options.clone()).await?;
        ensure!(outcome.is_absent(), format!("Absent for the ghost of a {name}"), "{outcome:?}");
    }
    Ok(())
}

/// Puts over ghosts. Fails unless each created entry expires `LONG` after its put.
async fn created_with_its_own(t: &Test, options: PutOptions) -> Check {
    both(t).await?;
    for name in ["blob", "record"] {
        let options = options.clone().with_returning(Returning::DEADLINE);
        let (meta, span) = t.span(t.put_meta(&key(name), "new", options)).await;
        let meta = meta?;
        ensure!(meta.created, "a created entry", "{meta:?}");
        span.check(meta.deadline.unwrap_or(Deadline::NEVER), LONG, "its deadline")?;
        t.expect_value(&key(name), "new", "the new value").await?;
    }
    Ok(())
}
