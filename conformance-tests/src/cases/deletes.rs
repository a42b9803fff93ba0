//! Delete and take.

use ttl_core::options::{Condition, DeleteOptions, Fields, Projection, PutOptions};
use ttl_core::{Entry, Expiry, Kind, Outcome, Record, Value, Version};

use crate::test::{LONG, applied, key, record};
use crate::{Check, Failure, Test, case_table, ensure, ensure_eq};

case_table! {
    /// E3: A delete returns no value unless requested.
    a_delete_hands_nothing_back,
    /// C1: A take returns the value, and the entry is then absent.
    a_take_hands_the_value_back: needs(conditions),
    /// C1, E3: A taken entry cannot be taken again, not even on another handle.
    a_token_is_taken_once: needs(conditions),
    /// E3: A take of a key that never existed returns Absent.
    taking_nothing_is_absent: needs(conditions),
    /// E7: A take of fields returns those fields and deletes the whole record.
    taking_fields_takes_the_whole_record: needs(conditions),
    /// V3: A take that expects the present kind returns the value.
    the_right_kind_is_taken: needs(conditions),
    /// E9: A persistent entry can be deleted and taken.
    a_persistent_entry_can_be_deleted,
    /// C2: A delete with the present version is applied.
    the_right_version_is_deleted: needs(conditions),
    /// C2: A take with the present version returns the value.
    the_right_version_is_taken: needs(conditions),
    /// C2, C3: A delete or a take with a different version is refused, and the entry stays unchanged.
    another_version_is_not_deleted: needs(conditions),
    /// C2, C3: A delete or a take with a version on an absent key returns Absent.
    a_version_of_nothing_is_not_deleted: needs(conditions),
    /// E9, C1: After a delete, a put with `IfAbsent` is applied, and one with `IfPresent` returns Absent.
    a_deleted_entry_is_absent_to_conditions: needs(conditions),
}

async fn a_delete_hands_nothing_back(t: Test) -> Check {
    for value in [Value::from("v"), record().into()] {
        t.put(&key("k"), value, PutOptions::new(LONG)).await?;
        let outcome = t.store.delete(&key("k"), DeleteOptions::new()).await?;
        ensure!(matches!(outcome, Outcome::Applied(None)), "Applied(None)", "{outcome:?}");
    }
    Ok(())
}

async fn a_take_hands_the_value_back(t: Test) -> Check {
    for value in [Value::from("v"), "".into(), record().into(), Record::new().into()] {
        t.put(&key("k"), value.clone(), PutOptions::new(LONG)).await?;
        let taken = take(&t, DeleteOptions::take()).await?;
        ensure!(taken == Some(value.clone()), format!("{value:?}"), "{taken:?}");
        t.expect_miss(&key("k"), "after the take").await?;
    }
    Ok(())
}

async fn a_token_is_taken_once(t: Test) -> Check {
    t.put(&key("k"), "token", PutOptions::new(LONG)).await?;
    take(&t, DeleteOptions::take()).await?;
    for store in [&t.store, &t.second] {
        let outcome = store.delete(&key("k"), DeleteOptions::take()).await?;
        ensure!(outcome.is_absent(), "Absent", "{outcome:?}");
    }
    Ok(())
}

async fn taking_nothing_is_absent(t: Test) -> Check {
    let fields = Projection::Fields(Fields::new(["n"])?);
    for options in [
        DeleteOptions::take(),
        DeleteOptions::take().with_kind(Kind::Blob),
        DeleteOptions::new().with_projection(fields),
    ] {
        let outcome = t.store.delete(&key("k"), options).await?;
        ensure!(outcome.is_absent(), "Absent", "{outcome:?}");
    }
    Ok(())
}

async fn taking_fields_takes_the_whole_record(t: Test) -> Check {
    t.put(&key("k"), Record::new().with("a", 1).with("b", 2), PutOptions::new(LONG)).await?;
    let projection = Projection::Fields(Fields::new(["a", "missing"])?);
    let taken = take(&t, DeleteOptions::new().with_projection(projection)).await?;
    ensure!(taken == Some(Record::new().with("a", 1).into()), "the field a", "{taken:?}");
    t.expect_miss(&key("k"), "after the take").await
}

async fn the_right_kind_is_taken(t: Test) -> Check {
    for value in [Value::from("v"), record().into()] {
        t.put(&key("k"), value.clone(), PutOptions::new(LONG)).await?;
        let taken = take(&t, DeleteOptions::take().with_kind(value.kind())).await?;
        ensure!(taken == Some(value.clone()), format!("{value:?}"), "{taken:?}");
        t.put(&key("k"), value.clone(), PutOptions::new(LONG)).await?;
        applied(t.store.delete(&key("k"), DeleteOptions::new().with_kind(value.kind())).await?)?;
        t.expect_miss(&key("k"), "after the delete").await?;
    }
    Ok(())
}

async fn a_persistent_entry_can_be_deleted(t: Test) -> Check {
    let take = t.capabilities().conditions.then(DeleteOptions::take);
    for options in [DeleteOptions::new()].into_iter().chain(take) {
        t.put(&key("k"), record(), PutOptions::new(Expiry::Never)).await?;
        applied(t.store.delete(&key("k"), options).await?)?;
        t.expect_miss(&key("k"), "after the delete").await?;
    }
    Ok(())
}

async fn the_right_version_is_deleted(t: Test) -> Check {
    for value in [Value::from("v"), record().into()] {
        let version = t.put_version(&key("k"), value, PutOptions::new(LONG)).await?;
        applied(t.store.delete(&key("k"), DeleteOptions::new().with_if_version(version)).await?)?;
        t.expect_miss(&key("k"), "after the delete").await?;
    }
    Ok(())
}

async fn the_right_version_is_taken(t: Test) -> Check {
    for value in [Value::from("v"), record().into()] {
        let version = t.put_version(&key("k"), value.clone(), PutOptions::new(LONG)).await?;
        let taken = take(&t, DeleteOptions::take().with_if_version(version)).await?;
        ensure!(taken == Some(value.clone()), format!("{value:?}"), "{taken:?}");
        t.expect_miss(&key("k"), "after the take").await?;
    }
    Ok(())
}

async fn another_version_is_not_deleted(t: Test) -> Check {
    for value in [Value::from("v"), record().into()] {
        let old = t.put_version(&key("k"), "old", PutOptions::new(LONG)).await?;
        t.put(&key("k"), value, PutOptions::new(LONG)).await?;
        let before = t.state(&key("k")).await?;
        for version in [old, Version::random()] {
            for options in [DeleteOptions::new(), DeleteOptions::take()] {
                let outcome = t.store.delete(&key("k"), options.with_if_version(version)).await?;
                ensure!(outcome.is_refused(), "Refused", "{outcome:?}");
            }
        }
        ensure_eq!(t.state(&key("k")).await?, before, "the entry after the refused deletes");
    }
    Ok(())
}

async fn a_version_of_nothing_is_not_deleted(t: Test) -> Check {
    for options in [DeleteOptions::new(), DeleteOptions::take()] {
        let outcome = t.store.delete(&key("k"), options.with_if_version(Version::random())).await?;
        ensure!(outcome.is_absent(), "Absent", "{outcome:?}");
    }
    Ok(())
}

async fn a_deleted_entry_is_absent_to_conditions(t: Test) -> Check {
    for value in [Value::from("v"), record().into()] {
        t.put(&key("k"), value, PutOptions::new(LONG)).await?;
        t.delete(&key("k")).await?;
        let if_present = PutOptions::new(LONG).with_condition(Condition::IfPresent);
        let outcome = t.store.put(&key("k"), "new".into(), if_present).await?;
        ensure!(outcome.is_absent(), "Absent", "{outcome:?}");
        t.put(&key("k"), "new", PutOptions::new(LONG).with_condition(Condition::IfAbsent)).await?;
    }
    Ok(())
}

/// Takes the entry under `k`.
async fn take(t: &Test, options: DeleteOptions) -> Check<Option<Value>> {
    match applied(t.store.delete(&key("k"), options).await?)? {
        Some(Entry { value, .. }) => Ok(value),
        None => Err(Failure::new("the taken entry", "no entry")),
    }
}
