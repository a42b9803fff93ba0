//! Versions: equal versions mean equal values, and a change of only the deadline keeps the version.

use serde_json::json;
use ttl_core::options::{
    Condition, ExistingDeadline, ExpiryChange, GetOptions, Guard, PatchOptions, PutOptions, Refresh,
    Returning,
};
use ttl_core::{Expiry, Patch, Record, Ttl, Value, Version};

use crate::test::{LONG, applied, key, record};
use crate::{Check, Failure, Test, case_table, ensure, ensure_eq};

case_table! {
    /// C2: A put of a different value changes the version.
    another_value_has_another_version,
    /// C2: Reads through either handle keep the version while the value is unchanged.
    reading_keeps_the_version,
    /// C2, X5: A changed deadline keeps the version, which a conditional put still accepts.
    a_moved_deadline_keeps_the_version: needs(conditions),
    /// C2, R2: A read with a refresh keeps the version, which a conditional put still accepts.
    a_refreshing_read_keeps_the_version: needs(conditions),
    /// C2: A patch that changes the record changes the version, and reports the new one.
    a_patch_makes_another_version: needs(patch),
    /// C2: A patch with the current version is applied. A patch with the previous version is refused.
    a_patch_can_ask_for_a_version: needs(patch, conditions),
    /// C2: A version that is printed and parsed is the same version.
    a_version_survives_text: needs(conditions),
    /// C2: A blob and a record have different versions, even if they look the same.
    kinds_have_versions_of_their_own,
    /// C2, H1: If versions are unique, a second put of the same value changes the version.
    a_unique_version_does_not_recur: needs(unique_versions),
    /// C2, H1: If versions are unique, a delete and a second put of the same value are detected.
    a_unique_version_notices_the_same_value: needs(unique_versions, conditions),
    /// C2: Increments by compare-and-swap are never lost: each reads, adds one, and writes if the version
    /// is unchanged.
    compare_and_swap_loses_nothing: needs(conditions),
}

async fn another_value_has_another_version(t: Test) -> Check {
    let mut seen: Vec<Version> = Vec::new();
    let records = [
        json!({}),
        json!({ "n": 1 }),
        json!({ "n": 2 }),
        json!({ "m": 1 }),
        json!({ "n": "1" }),
        json!({ "n": [1] }),
    ];
    let mut values: Vec<Value> = ["", "a", "b", "ab", "{}", "{\"n\":1}"].map(Value::from).to_vec();
    for fields in &records {
        values.push(Record::from_serialize(fields)?.into());
    }
    for value in values {
        let version = t.put_version(&key("k"), value.clone(), PutOptions::new(LONG)).await?;
        ensure!(!seen.contains(&version), format!("a new version for {value:?}"), "{version:?} again");
        seen.push(version);
    }
    Ok(())
}

async fn reading_keeps_the_version(t: Test) -> Check {
    for value in [Value::from("v"), record().into()] {
        let version = t.put_version(&key("k"), value, PutOptions::new(LONG)).await?;
        let peek = GetOptions::nothing().with_returning(Returning::VERSION);
        for store in [&t.store, &t.second, &t.store] {
            let entry = store
                .get(&key("k"), peek.clone())
                .await?
                .ok_or_else(|| Failure::new("an entry", "a miss"))?;
            ensure_eq!(entry.version, Some(version), "the version");
        }
    }
    Ok(())
}

async fn a_moved_deadline_keeps_the_version(t: Test) -> Check {
    for value in [Value::from("v"), record().into()] {
        let version = t.put_version(&key("k"), value, PutOptions::new(LONG)).await?;
        for change in
            [ExpiryChange::Extend(LONG), ExpiryChange::Set(Expiry::Never), ExpiryChange::Set(LONG.into())]
        {
            t.expire(&key("k"), change, Guard::Always).await?;
            ensure_eq!(t.version(&key("k")).await?, version, "the version after {change:?}");
        }
        let put = PutOptions::new(LONG).with_condition(Condition::IfVersion(version));
        t.put(&key("k"), "new", put).await?;
    }
    Ok(())
}

async fn a_refreshing_read_keeps_the_version(t: Test) -> Check {
    for value in [Value::from("v"), record().into()] {
        let version = t.put_version(&key("k"), value, PutOptions::new(LONG)).await?;
        let read = GetOptions::new()
            .with_refresh(Refresh::extend_only(Ttl::hours(2)))
            .with_returning(Returning::DEADLINE | Returning::VERSION);
        let entry = t.store.get(&key("k"), read).await?.ok_or_else(|| Failure::new("an entry", "a miss"))?;
        ensure_eq!(entry.version, Some(version), "the reported version");
        ensure_eq!(t.version(&key("k")).await?, version, "the version after the read");
        let put = PutOptions::new(LONG).with_condition(Condition::IfVersion(version));
        t.put(&key("k"), "new", put).await?;
    }
    Ok(())
}

async fn a_patch_makes_another_version(t: Test) -> Check {
    let mut version = t.put_version(&key("k"), record(), PutOptions::new(LONG)).await?;
    for patch in [
        Patch::new().set("a", 1),
        Patch::new().increment("n", 1),
        Patch::new().append("l", 1),
        Patch::new().unset("a"),
    ] {
        let outcome =
            t.store.patch(&key("k"), &patch, PatchOptions::new().with_returning(Returning::VERSION)).await?;
        let reported = applied(outcome)?.version;
        let next = t.version(&key("k")).await?;
        ensure_eq!(reported, Some(next), "the reported version");
        ensure!(next != version, "a new version after the patch", "{next:?} again");
        version = next;
    }
    Ok(())
}

async fn a_patch_can_ask_for_a_version(t: Test) -> Check {
    let version = t.put_version(&key("k"), record(), PutOptions::new(LONG)).await?;
    let options = PatchOptions::new().with_if_version(version);
    let patch = Patch::new().increment("n", 1);
    applied(t.store.patch(&key("k"), &patch, options.clone()).await?)?;
    let before = t.state(&key("k")).await?;
    for refresh in [None, Some(Refresh::extend_only(Ttl::hours(9)))] {
        let outcome = t.store.patch(&key("k"), &patch, options.clone().with_refresh(refresh)).await?;
        ensure!(outcome.is_refused(), "Refused", "{outcome:?}");
    }
    ensure_eq!(t.state(&key("k")).await?, before, "the record after the refused patches");
    Ok(())
}

async fn a_version_survives_text(t: Test) -> Check {
    for value in [Value::from("v"), record().into()] {
        let text = t.put_version(&key("k"), value, PutOptions::new(LONG)).await?.to_string();
        let put = PutOptions::new(LONG).with_condition(Condition::IfVersion(text.parse()?));
        t.put(&key("k"), "new", put).await?;
    }
    Ok(())
}

async fn kinds_have_versions_of_their_own(t: Test) -> Check {
    let record = Record::new().with("n", 1);
    let first = t.put_version(&key("k"), record.to_json_text(), PutOptions::new(LONG)).await?;
    let second = t.put_version(&key("k"), record, PutOptions::new(LONG)).await?;
    ensure!(first != second, "a different version for the record", "{first:?} again");
    Ok(())
}

async fn a_unique_version_does_not_recur(t: Test) -> Check {
    let mut seen: Vec<Version> = Vec::new();
    for round in 0..3 {
        for value in [Value::from("v"), record().into()] {
            let put = PutOptions::new(LONG).with_existing_deadline(if round == 1 {
                ExistingDeadline::Keep
            } else {
                ExistingDeadline::Replace
            });
            let version = t.put_version(&key("k"), value, put).await?;
            ensure!(!seen.contains(&version), "a version that never occurred before", "{version:?} again");
            seen.push(version);
        }
        t.delete(&key("k")).await?;
    }
    Ok(())
}

async fn a_unique_version_notices_the_same_value(t: Test) -> Check {
    for value in [Value::from("v"), record().into()] {
        let version = t.put_version(&key("k"), value.clone(), PutOptions::new(LONG)).await?;
        t.delete(&key("k")).await?;
        t.put(&key("k"), value, PutOptions::new(LONG)).await?;
        let put = PutOptions::new(LONG).with_condition(Condition::IfVersion(version));
        let outcome = t.store.put(&key("k"), "new".into(), put).await?;
        ensure!(outcome.is_refused(), "Refused", "{outcome:?}");
    }
    Ok(())
}

async fn compare_and_swap_loses_nothing(t: Test) -> Check {
    t.put(&key("k"), Record::new().with("n", 0), PutOptions::new(LONG)).await?;
    for round in 0..10_i64 {
        // Both writers read the same entry. The second one is refused and must read again.
        let (first, second) = (t.state(&key("k")).await?, t.state(&key("k")).await?);
        let put = |version| PutOptions::new(LONG).with_condition(Condition::IfVersion(version));
        let next = Record::new().with("n", round + 1);
        t.put(&key("k"), next.clone(), put(first.version)).await?;
        let outcome =
            t.second.put(&key("k"), Record::new().with("n", -1).into(), put(second.version)).await?;
        ensure!(outcome.is_refused(), "Refused for the second writer", "{outcome:?}");
        t.expect_value(&key("k"), next, "the first writer's record").await?;
    }
    Ok(())
}
