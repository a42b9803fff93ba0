//! Conditions of put: `IfAbsent`, `IfPresent`, `IfVersion`. A refusal is an outcome and changes nothing.

use ttl_core::options::{Condition, DeleteOptions, ExistingDeadline, PutOptions, Refresh, Returning};
use ttl_core::{Expiry, Outcome, Record, Ttl, Value, Version};

use crate::test::{LONG, applied, key, record};
use crate::{Check, Test, case_table, ensure, ensure_eq};

case_table! {
    /// C1: A put with `IfAbsent` of an absent key is applied and reports a creation.
    if_absent_creates: needs(conditions),
    /// C1, C3: A put with `IfAbsent` over a live entry is refused and keeps the value, the deadline and
    /// the version.
    if_absent_refuses_a_live_entry: needs(conditions),
    /// C1, V1: An empty blob and an empty record count as present.
    if_absent_refuses_an_empty_value: needs(conditions),
    /// C1: A put with `IfAbsent` over a persistent entry is refused, and the entry stays persistent.
    if_absent_refuses_a_persistent_entry: needs(conditions),
    /// C1: A put with `IfAbsent` after a delete is applied.
    if_absent_creates_after_a_delete: needs(conditions),
    /// C1: If two handles put with `IfAbsent`, the second put is refused.
    if_absent_is_refused_on_another_handle: needs(conditions),
    /// C1, R1: A refused put with `IfAbsent` refreshes nothing.
    a_refused_put_refreshes_nothing: needs(conditions),
    /// C3: A put with `IfPresent` of an absent key returns Absent and creates nothing.
    if_present_does_not_create: needs(conditions),
    /// C3: A put with `IfPresent` over a live entry is applied and replaces value and deadline.
    if_present_replaces: needs(conditions),
    /// C3, E5: A put with `IfPresent` and Keep replaces only the value.
    if_present_with_keep_keeps_the_deadline: needs(conditions),
    /// C2: A put with the present version is applied and changes the version.
    the_right_version_replaces: needs(conditions),
    /// C2: A put with the present version replaces, keeps or refreshes the deadline, as requested.
    the_right_version_treats_the_deadline_as_asked: needs(conditions),
    /// C2, C3: A put with a different version is refused and changes nothing.
    another_version_is_refused: needs(conditions),
    /// C2, C3: A put with a different version of any length is refused and changes nothing.
    a_version_of_any_length_is_refused: needs(conditions),
    /// C2: A put with an outdated version is refused, because another writer was faster.
    an_old_version_is_refused: needs(conditions),
    /// C2, C3: A put with a version on an absent key returns Absent, not Refused, and creates nothing.
    a_version_of_nothing_is_absent: needs(conditions),
    /// C2, E9: A put with the version of a deleted entry returns Absent.
    the_version_of_a_deleted_entry_is_absent: needs(conditions),
    /// C3: A refused put returns the outcome Refused, whatever metadata it requests.
    a_refusal_is_an_outcome: needs(conditions),
    /// C2, E9: A lock can be taken once. It is free again after its holder has released it by version.
    a_lock_is_taken_and_released: needs(conditions),
}

async fn if_absent_creates(t: Test) -> Check {
    for (name, value) in [("blob", Value::from("v")), ("record", record().into()), ("empty", "".into())] {
        let put = PutOptions::new(LONG).with_condition(Condition::IfAbsent);
        let meta = t.put_meta(&key(name), value.clone(), put).await?;
        ensure!(meta.created, "a created entry", "{meta:?}");
        t.expect_value(&key(name), value, "the value").await?;
    }
    Ok(())
}

async fn if_absent_refuses_a_live_entry(t: Test) -> Check {
    for old in [Value::from("old"), record().into()] {
        for new in [Value::from("new"), Record::new().with("new", 1).into(), "old".into()] {
            refused(&t, old.clone(), new, PutOptions::new(Ttl::hours(2)).with_condition(Condition::IfAbsent))
                .await?;
        }
    }
    Ok(())
}

async fn if_absent_refuses_an_empty_value(t: Test) -> Check {
    for old in [Value::from(""), Record::new().into()] {
        refused(&t, old, "new".into(), PutOptions::new(LONG).with_condition(Condition::IfAbsent)).await?;
    }
    Ok(())
}

async fn if_absent_refuses_a_persistent_entry(t: Test) -> Check {
    t.put(&key("k"), "old", PutOptions::new(Expiry::Never)).await?;
    let before = t.state(&key("k")).await?;
    let put = PutOptions::new(LONG).with_condition(Condition::IfAbsent);
    let outcome = t.store.put(&key("k"), "new".into(), put).await?;
    ensure!(outcome.is_refused(), "Refused", "{outcome:?}");
    ensure_eq!(t.state(&key("k")).await?, before, "the persistent entry");
    Ok(())
}

async fn if_absent_creates_after_a_delete(t: Test) -> Check {
    for round in ["first", "second", "third"] {
        let put = PutOptions::new(LONG).with_condition(Condition::IfAbsent);
        t.put(&key("k"), round, put).await?;
        t.expect_value(&key("k"), round, "the value").await?;
        t.delete(&key("k")).await?;
    }
    Ok(())
}

async fn if_absent_is_refused_on_another_handle(t: Test) -> Check {
    let put = PutOptions::new(LONG).with_condition(Condition::IfAbsent);
    t.put(&key("k"), "first", put.clone()).await?;
    let outcome = t.second.put(&key("k"), "second".into(), put).await?;
    ensure!(outcome.is_refused(), "Refused", "{outcome:?}");
    t.expect_value(&key("k"), "first", "the first value").await
}

async fn a_refused_put_refreshes_nothing(t: Test) -> Check {
    for refresh in [Refresh::extend_only(Ttl::hours(9)), Refresh::reset(Ttl::minutes(1))] {
        for condition in [Condition::IfAbsent, Condition::IfVersion(Version::random())] {
            let put = PutOptions::new(LONG)
                .with_existing_deadline(ExistingDeadline::Refresh(refresh))
                .with_condition(condition);
            refused(&t, "old".into(), "new".into(), put).await?;
        }
    }
    Ok(())
}

async fn if_present_does_not_create(t: Test) -> Check {
    for existing_deadline in
        [ExistingDeadline::Replace, ExistingDeadline::Keep, ExistingDeadline::Refresh(Refresh::reset(LONG))]
    {
        let put = PutOptions::new(LONG)
            .with_condition(Condition::IfPresent)
            .with_existing_deadline(existing_deadline);
        for value in [Value::from("v"), record().into()] {
            let outcome = t.store.put(&key("k"), value, put.clone()).await?;
            ensure!(outcome.is_absent(), "Absent", "{outcome:?}");
            t.expect_miss(&key("k"), "after IfPresent").await?;
        }
    }
    Ok(())
}

async fn if_present_replaces(t: Test) -> Check {
    for (old, new) in [
        (Value::from("old"), Value::from("new")),
        (record().into(), Record::new().with("new", 1).into()),
        ("".into(), record().into()),
        (record().into(), "new".into()),
    ] {
        t.put(&key("k"), old, PutOptions::new(Ttl::hours(9))).await?;
        let put = PutOptions::new(LONG).with_condition(Condition::IfPresent);
        let (meta, span) = t.span(t.put_meta(&key("k"), new.clone(), put)).await;
        let meta = meta?;
        ensure!(!meta.created, "a replaced entry", "{meta:?}");
        t.expect_value(&key("k"), new, "the new value").await?;
        span.check(t.deadline(&key("k")).await?, LONG, "the new deadline")?;
    }
    Ok(())
}

async fn if_present_with_keep_keeps_the_deadline(t: Test) -> Check {
    t.put(&key("k"), "old", PutOptions::new(LONG)).await?;
    let before = t.deadline(&key("k")).await?;
    let put = PutOptions::new(Expiry::Never)
        .with_condition(Condition::IfPresent)
        .with_existing_deadline(ExistingDeadline::Keep);
    t.put(&key("k"), "new", put).await?;
    t.expect_value(&key("k"), "new", "the new value").await?;
    ensure_eq!(t.deadline(&key("k")).await?, before, "the deadline");
    Ok(())
}

async fn the_right_version_replaces(t: Test) -> Check {
    let mut version = t.put_version(&key("k"), "0", PutOptions::new(LONG)).await?;
    for value in [Value::from("1"), record().into(), Record::new().with("n", 2).into(), "".into()] {
        let put = PutOptions::new(LONG).with_condition(Condition::IfVersion(version));
        let next = t.put_version(&key("k"), value.clone(), put).await?;
        ensure!(next != version, "a new version for a new value", "{next:?}");
        t.expect_value(&key("k"), value, "the new value").await?;
        version = next;
    }
    Ok(())
}

async fn the_right_version_treats_the_deadline_as_asked(t: Test) -> Check {
    let mut version = t.put_version(&key("k"), "0", PutOptions::new(LONG)).await?;
    let before = t.deadline(&key("k")).await?;
    let put = |version| PutOptions::new(Ttl::hours(2)).with_condition(Condition::IfVersion(version));
    version =
        t.put_version(&key("k"), "1", put(version).with_existing_deadline(ExistingDeadline::Keep)).await?;
    ensure_eq!(t.deadline(&key("k")).await?, before, "the kept deadline");
    let refresh = ExistingDeadline::Refresh(Refresh::extend_only(Ttl::hours(3)));
    let (refreshed, span) =
        t.span(t.put_version(&key("k"), "2", put(version).with_existing_deadline(refresh))).await;
    version = refreshed?;
    span.check(t.deadline(&key("k")).await?, Ttl::hours(3), "the refreshed deadline")?;
    let (replaced, span) = t.span(t.put(&key("k"), "3", put(version))).await;
    replaced?;
    span.check(t.deadline(&key("k")).await?, Ttl::hours(2), "the replaced deadline")
}

async fn another_version_is_refused(t: Test) -> Check {
    for old in [Value::from("old"), record().into()] {
        let put = PutOptions::new(LONG).with_condition(Condition::IfVersion(Version::random()));
        refused(&t, old, "new".into(), put).await?;
    }
    Ok(())
}

async fn a_version_of_any_length_is_refused(t: Test) -> Check {
    for length in [1, 2, 15, 16, 17, 20, 21, Version::MAX_BYTES] {
        for byte in [0, b'b', b'r', 0xff] {
            let version = Version::from_bytes(&vec![byte; length])?;
            let put = PutOptions::new(LONG).with_condition(Condition::IfVersion(version));
            refused(&t, "old".into(), "new".into(), put).await?;
        }
    }
    Ok(())
}

async fn an_old_version_is_refused(t: Test) -> Check {
    for (old, new) in
        [(Value::from("a"), Value::from("b")), (record().into(), Record::new().with("n", 2).into())]
    {
        let version = t.put_version(&key("k"), old, PutOptions::new(LONG)).await?;
        t.put(&key("k"), new, PutOptions::new(LONG)).await?;
        let before = t.state(&key("k")).await?;
        let put = PutOptions::new(LONG).with_condition(Condition::IfVersion(version));
        let outcome = t.store.put(&key("k"), "mine".into(), put).await?;
        ensure!(outcome.is_refused(), "Refused", "{outcome:?}");
        ensure_eq!(t.state(&key("k")).await?, before, "the entry of the faster writer");
    }
    Ok(())
}

async fn a_version_of_nothing_is_absent(t: Test) -> Check {
    let put = PutOptions::new(LONG).with_condition(Condition::IfVersion(Version::random()));
    for value in [Value::from("v"), record().into()] {
        let outcome = t.store.put(&key("k"), value, put.clone()).await?;
        ensure!(outcome.is_absent(), "Absent", "{outcome:?}");
    }
    t.expect_miss(&key("k"), "after the put").await
}

async fn the_version_of_a_deleted_entry_is_absent(t: Test) -> Check {
    for value in [Value::from("v"), record().into()] {
        let version = t.put_version(&key("k"), value, PutOptions::new(LONG)).await?;
        t.delete(&key("k")).await?;
        let put = PutOptions::new(LONG).with_condition(Condition::IfVersion(version));
        let outcome = t.store.put(&key("k"), "new".into(), put).await?;
        ensure!(outcome.is_absent(), "Absent", "{outcome:?}");
        t.expect_miss(&key("k"), "after the put").await?;
    }
    Ok(())
}

async fn a_refusal_is_an_outcome(t: Test) -> Check {
    t.put(&key("k"), "v", PutOptions::new(LONG)).await?;
    let put = PutOptions::new(LONG)
        .with_condition(Condition::IfAbsent)
        .with_returning(Returning::DEADLINE | Returning::VERSION);
    let outcome = t.store.put(&key("k"), "new".into(), put).await;
    ensure!(matches!(outcome, Ok(Outcome::Refused(_))), "Ok(Refused)", "{outcome:?}");
    Ok(())
}

async fn a_lock_is_taken_and_released(t: Test) -> Check {
    let take = PutOptions::new(LONG).with_condition(Condition::IfAbsent);
    let mine = t.put_version(&key("lock"), "holder 1", take.clone()).await?;
    let outcome = t.second.put(&key("lock"), "holder 2".into(), take.clone()).await?;
    ensure!(outcome.is_refused(), "Refused while the lock is held", "{outcome:?}");
    applied(t.store.delete(&key("lock"), DeleteOptions::new().with_if_version(mine)).await?)?;
    applied(t.second.put(&key("lock"), "holder 2".into(), take).await?)?;
    let outcome = t.store.delete(&key("lock"), DeleteOptions::new().with_if_version(mine)).await?;
    ensure!(outcome.is_refused(), "Refused, because another holder has the lock", "{outcome:?}");
    t.expect_value(&key("lock"), "holder 2", "the second holder").await
}

/// Puts the old value, then the new one. Fails unless the second put is refused and changes nothing.
async fn refused(t: &Test, old: Value, new: Value, options: PutOptions) -> Check {
    t.put(&key("k"), old, PutOptions::new(LONG)).await?;
    let before = t.state(&key("k")).await?;
    let condition = options.condition;
    let outcome = t.store.put(&key("k"), new, options).await?;
    ensure!(outcome.is_refused(), format!("Refused for {condition:?}"), "{outcome:?}");
    ensure_eq!(t.state(&key("k")).await?, before, "the entry after the refused put");
    Ok(())
}
