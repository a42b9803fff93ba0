//! The deadline that a put sets: exact to the millisecond, and written together with the value.

use std::time::Duration;

use ttl_core::options::{
    Condition, Create, DeleteOptions, ExistingDeadline, PatchOptions, PutItem, PutOptions, Refresh, Returning,
};
use ttl_core::{Deadline, Expiry, Key, Patch, Record, Ttl, Value};

use crate::test::{LONG, applied, key, record};
use crate::{Check, Failure, Test, case_table, ensure, ensure_eq};

case_table! {
    /// E2: A TTL counts from the put, to the millisecond.
    a_life_is_counted_from_the_put,
    /// E2: An instant on a whole millisecond is set unchanged and is never truncated to a second.
    an_instant_is_set_to_the_millisecond,
    /// E2: An instant between two milliseconds is rounded up.
    an_instant_is_rounded_up,
    /// E2: A reported deadline can be set again and stays the same.
    a_reported_deadline_can_be_set_again,
    /// E5: A put without a deadline makes an entry that had one persistent.
    a_persistent_put_clears_the_deadline,
    /// E5: A put with a deadline over a persistent entry sets the deadline.
    a_put_sets_a_deadline_on_a_persistent_entry,
    /// E5: A put replaces the deadline with a later or an earlier one.
    a_put_replaces_the_deadline,
    /// E5: The same put, made later, sets a later deadline.
    the_same_put_later_starts_a_new_life,
    /// E5: A put with Keep keeps the live deadline, whatever expiry it specifies.
    keep_keeps_the_deadline,
    /// E5: A put with Keep leaves a persistent entry persistent.
    keep_keeps_an_entry_persistent,
    /// E5: A put with Keep uses its expiry if it creates the entry.
    keep_sets_the_expiry_of_what_it_creates,
    /// E4, R7: An entry that a put creates has its deadline at once.
    a_put_lands_with_its_deadline,
    /// E4, R7: An entry that a put with a refresh creates has the deadline of the put, not that of the
    /// refresh.
    a_put_with_a_refresh_lands_with_its_deadline,
    /// E4: An entry that a put with `IfAbsent` creates has its deadline at once.
    a_put_if_absent_lands_with_its_deadline: needs(conditions),
    /// E4: Entries that a batch creates have their deadlines at once.
    a_batch_lands_with_its_deadlines,
    /// E4: An entry that a patch creates has its deadline at once.
    a_patch_lands_with_its_deadline: needs(patch),
    /// E4: An entry that changes its kind has its new deadline at once.
    another_kind_lands_with_its_deadline,
    /// E9: An entry put after a delete does not inherit the deadline.
    a_deadline_is_not_inherited,
    /// E9: An entry put after a delete, even on another handle, does not inherit fields.
    fields_are_not_inherited,
}

async fn a_life_is_counted_from_the_put(t: Test) -> Check {
    for ttl in [LONG, Ttl::millis(3_600_001), Ttl::millis(3_600_500), Ttl::millis(3_600_999), Ttl::days(365)]
    {
        for value in [Value::from("blob"), record().into()] {
            let put = PutOptions::new(ttl).with_returning(Returning::DEADLINE);
            let (meta, span) = t.span(t.put_meta(&key("k"), value, put)).await;
            span.check(meta?.deadline.unwrap_or(Deadline::NEVER), ttl, "the deadline that the put reports")?;
            span.check(t.deadline(&key("k")).await?, ttl, "the deadline that a get reports")?;
        }
    }
    Ok(())
}

async fn an_instant_is_set_to_the_millisecond(t: Test) -> Check {
    let second = t.instant(LONG);
    for millis in [0, 1, 249, 499, 500, 501, 750, 998, 999, 1_000] {
        let instant = second + Duration::from_millis(millis);
        let put = PutOptions::new(Expiry::At(instant)).with_returning(Returning::DEADLINE);
        let meta = t.put_meta(&key("k"), "v", put).await?;
        t.expect_deadline(
            meta.deadline.unwrap_or(Deadline::NEVER),
            instant,
            "the deadline that the put reports",
        )?;
        t.expect_deadline(t.deadline(&key("k")).await?, instant, "the deadline that a get reports")?;
    }
    Ok(())
}

async fn an_instant_is_rounded_up(t: Test) -> Check {
    let instant = t.instant(LONG);
    for nanos in [1_000, 499_000, 500_000, 999_000] {
        let between = instant + Duration::from_nanos(nanos);
        t.put(&key("k"), "v", PutOptions::new(Expiry::At(between))).await?;
        let up = instant + Duration::from_millis(1);
        t.expect_deadline(t.deadline(&key("k")).await?, up, "the next whole millisecond")?;
    }
    Ok(())
}

async fn a_reported_deadline_can_be_set_again(t: Test) -> Check {
    t.put(&key("a"), "v", PutOptions::new(LONG)).await?;
    let deadline = t.deadline(&key("a")).await?;
    t.put(&key("b"), "v", PutOptions::new(Expiry::from(deadline))).await?;
    ensure_eq!(t.deadline(&key("b")).await?, deadline, "the deadline of the other entry");
    t.put(&key("b"), "v", PutOptions::new(Expiry::from(Deadline::NEVER))).await?;
    ensure_eq!(t.deadline(&key("b")).await?, Deadline::NEVER, "no deadline");
    Ok(())
}

async fn a_persistent_put_clears_the_deadline(t: Test) -> Check {
    for value in [Value::from("blob"), record().into()] {
        t.put(&key("k"), value.clone(), PutOptions::new(LONG)).await?;
        let put = PutOptions::new(Expiry::Never).with_returning(Returning::DEADLINE);
        let meta = t.put_meta(&key("k"), value, put).await?;
        ensure_eq!(meta.deadline, Some(Deadline::NEVER), "the deadline that the put reports");
        ensure_eq!(t.deadline(&key("k")).await?, Deadline::NEVER, "the deadline that a get reports");
    }
    Ok(())
}

async fn a_put_sets_a_deadline_on_a_persistent_entry(t: Test) -> Check {
    for value in [Value::from("blob"), record().into()] {
        t.put(&key("k"), value.clone(), PutOptions::new(Expiry::Never)).await?;
        let (put, span) = t.span(t.put(&key("k"), value, PutOptions::new(LONG))).await;
        put?;
        span.check(t.deadline(&key("k")).await?, LONG, "the new deadline")?;
    }
    Ok(())
}

async fn a_put_replaces_the_deadline(t: Test) -> Check {
    for ttl in [Ttl::hours(2), Ttl::minutes(1), Ttl::days(9), Ttl::minutes(2)] {
        let (put, span) = t.span(t.put(&key("k"), "v", PutOptions::new(ttl))).await;
        put?;
        span.check(t.deadline(&key("k")).await?, ttl, "the new deadline")?;
    }
    Ok(())
}

async fn the_same_put_later_starts_a_new_life(t: Test) -> Check {
    t.put(&key("k"), "v", PutOptions::new(LONG)).await?;
    let first = t.deadline(&key("k")).await?;
    t.pass(t.capabilities().resolution + Duration::from_millis(20)).await;
    let (put, span) = t.span(t.put(&key("k"), "v", PutOptions::new(LONG))).await;
    put?;
    let second = t.deadline(&key("k")).await?;
    span.check(second, LONG, "the second deadline")?;
    ensure!(second > first, format!("a deadline later than {first:?}"), "{second:?}");
    Ok(())
}

async fn keep_keeps_the_deadline(t: Test) -> Check {
    t.put(&key("k"), "first", PutOptions::new(LONG)).await?;
    let before = t.deadline(&key("k")).await?;
    for (expiry, value) in [
        (Expiry::Never, Value::from("second")),
        (Expiry::After(Ttl::minutes(1)), record().into()),
        (Expiry::After(Ttl::hours(2)), "third".into()),
        (Expiry::At(t.instant(Ttl::days(1))), "fourth".into()),
    ] {
        let put = PutOptions::new(expiry)
            .with_existing_deadline(ExistingDeadline::Keep)
            .with_returning(Returning::DEADLINE);
        let meta = t.put_meta(&key("k"), value.clone(), put).await?;
        ensure_eq!(meta.deadline, Some(before), "the deadline that the put with {expiry:?} reports");
        t.expect_value(&key("k"), value, "the new value").await?;
        ensure_eq!(t.deadline(&key("k")).await?, before, "the deadline after a put with {expiry:?}");
    }
    Ok(())
}

async fn keep_keeps_an_entry_persistent(t: Test) -> Check {
    t.put(&key("k"), "first", PutOptions::new(Expiry::Never)).await?;
    for value in [Value::from("second"), record().into()] {
        t.put(&key("k"), value.clone(), PutOptions::new(LONG).with_existing_deadline(ExistingDeadline::Keep))
            .await?;
        t.expect_value(&key("k"), value, "the new value").await?;
        ensure_eq!(t.deadline(&key("k")).await?, Deadline::NEVER, "the deadline after a put with Keep");
    }
    Ok(())
}

async fn keep_sets_the_expiry_of_what_it_creates(t: Test) -> Check {
    let put = PutOptions::new(LONG).with_existing_deadline(ExistingDeadline::Keep);
    lands(&t, t.put(&key("k"), "v", put)).await?;
    let put = PutOptions::new(Expiry::Never).with_existing_deadline(ExistingDeadline::Keep);
    t.put(&key("n"), "v", put).await?;
    ensure_eq!(t.deadline(&key("n")).await?, Deadline::NEVER, "the deadline of an entry created without one");
    Ok(())
}

async fn a_put_lands_with_its_deadline(t: Test) -> Check {
    lands(&t, t.put(&key("k"), record(), PutOptions::new(LONG))).await
}

async fn a_put_with_a_refresh_lands_with_its_deadline(t: Test) -> Check {
    for refresh in [Refresh::extend_only(Ttl::hours(9)), Refresh::reset(Ttl::minutes(1))] {
        let put = PutOptions::new(LONG).with_existing_deadline(ExistingDeadline::Refresh(refresh));
        lands(&t, t.put(&key("k"), "v", put)).await?;
        t.delete(&key("k")).await?;
    }
    Ok(())
}

async fn a_put_if_absent_lands_with_its_deadline(t: Test) -> Check {
    for value in [Value::from("lock"), record().into()] {
        let put = PutOptions::new(LONG).with_condition(Condition::IfAbsent);
        lands(&t, t.put(&key("k"), value, put)).await?;
        t.delete(&key("k")).await?;
    }
    Ok(())
}

async fn a_batch_lands_with_its_deadlines(t: Test) -> Check {
    let item = |name: &str, value: Value| PutItem::new(key(name), value, PutOptions::new(LONG));
    lands(&t, async {
        for result in t.store.put_many(vec![item("k", "v".into()), item("l", record().into())]).await {
            applied(result?)?;
        }
        Ok(())
    })
    .await?;
    ensure!(!t.deadline(&key("l")).await?.is_never(), "a deadline of the second entry", "none");
    Ok(())
}

async fn a_patch_lands_with_its_deadline(t: Test) -> Check {
    lands(&t, async {
        let create = PatchOptions::new().with_create(Create::new(LONG));
        applied(t.store.patch(&key("k"), &Patch::new().increment("n", 1), create).await?).map(|_| ())
    })
    .await
}

async fn another_kind_lands_with_its_deadline(t: Test) -> Check {
    t.put(&key("k"), "blob", PutOptions::new(Expiry::Never)).await?;
    lands(&t, t.put(&key("k"), record(), PutOptions::new(LONG))).await?;
    t.put(&key("k"), record(), PutOptions::new(Expiry::Never)).await?;
    lands(&t, t.put(&key("k"), "blob", PutOptions::new(LONG))).await
}

async fn a_deadline_is_not_inherited(t: Test) -> Check {
    t.put(&key("k"), "v", PutOptions::new(Ttl::minutes(1))).await?;
    t.delete(&key("k")).await?;
    t.put(&key("k"), "v", PutOptions::new(Expiry::Never).with_existing_deadline(ExistingDeadline::Keep))
        .await?;
    ensure_eq!(t.deadline(&key("k")).await?, Deadline::NEVER, "the deadline of the second entry");
    Ok(())
}

async fn fields_are_not_inherited(t: Test) -> Check {
    t.put(&key("k"), Record::new().with("old", 1), PutOptions::new(LONG)).await?;
    let deleted = t.second.delete(&key("k"), DeleteOptions::new()).await?;
    ensure!(deleted.is_applied(), "Applied", "{deleted:?}");
    let new = Record::new().with("new", 1);
    t.put(&key("k"), new.clone(), PutOptions::new(LONG)).await?;
    t.expect_value(&key("k"), new, "the second record only").await
}

/// Fails unless the call leaves an entry under `k` that expires `LONG` after it.
async fn lands(t: &Test, call: impl Future<Output = Check>) -> Check {
    let k: Key = key("k");
    let (made, span) = t.span(call).await;
    made?;
    let entry = t.peek(&k).await?.ok_or_else(|| Failure::new("a live entry", "a miss"))?;
    span.check(entry.deadline.unwrap_or(Deadline::NEVER), LONG, "the deadline of the created entry")
}
