//! Blobs and records are two kinds. An operation on the wrong kind is an error and changes nothing.

use ttl_core::options::{
    Condition, DeleteOptions, ExpiryChange, Fields, GetOptions, Guard, PatchOptions, Projection, PutOptions,
    Refresh,
};
use ttl_core::{Kind, Patch, Record, Ttl, Value, Version};

use crate::test::{LONG, key, record};
use crate::{Check, Test, case_table, ensure, ensure_eq, ensure_kind};

case_table! {
    /// V3: A read that expects a record fails with `WrongKind` on a blob.
    a_blob_read_as_a_record_is_the_wrong_kind,
    /// V3: A read that expects a blob fails with `WrongKind` on a record.
    a_record_read_as_a_blob_is_the_wrong_kind,
    /// V3: A read of fields of a blob fails with `WrongKind`.
    reading_fields_of_a_blob_is_the_wrong_kind,
    /// V3: A read that expects the right kind returns the same as one that expects none.
    the_right_kind_is_read,
    /// V3: A read of an absent key is a miss, whatever kind it expects.
    an_absent_key_is_of_no_kind,
    /// V3, R1: A read that fails with `WrongKind` refreshes nothing.
    the_wrong_kind_refreshes_nothing,
    /// V3: A patch of a blob fails with `WrongKind` and changes nothing.
    patching_a_blob_is_the_wrong_kind: needs(patch),
    /// V3: A put replaces an entry of the other kind, in both directions.
    a_put_replaces_the_other_kind,
    /// V3, C3: Conditions depend on whether an entry exists, not on its kind.
    conditions_do_not_ask_for_the_kind: needs(conditions),
    /// V3: A delete that expects the other kind fails with `WrongKind`, and the entry stays.
    deleting_the_wrong_kind_leaves_it: needs(conditions),
    /// V3: A take of fields of a blob fails with `WrongKind`, and the blob stays.
    taking_fields_of_a_blob_leaves_it: needs(conditions),
    /// V3, C3: A different version is refused before the kind is checked.
    another_version_comes_before_the_wrong_kind: needs(conditions),
    /// V3, X5: Expire works on entries of both kinds and does not change the kind.
    expire_works_on_both_kinds,
}

async fn a_blob_read_as_a_record_is_the_wrong_kind(t: Test) -> Check {
    wrong_to_read(&t, "blob".into(), Kind::Record).await
}

async fn a_record_read_as_a_blob_is_the_wrong_kind(t: Test) -> Check {
    wrong_to_read(&t, record().into(), Kind::Blob).await
}

async fn reading_fields_of_a_blob_is_the_wrong_kind(t: Test) -> Check {
    t.put(&key("k"), r#"{"n":1}"#, PutOptions::new(LONG)).await?;
    for names in [&["n"][..], &[]] {
        let projection = Projection::Fields(Fields::new(names.iter().copied())?);
        let read = t.store.get(&key("k"), GetOptions::new().with_projection(projection)).await;
        ensure_kind!(read, WrongKind, "a read of the fields {names:?} of a blob");
    }
    Ok(())
}

async fn the_right_kind_is_read(t: Test) -> Check {
    for value in [Value::from("blob"), Value::from(""), record().into(), Record::new().into()] {
        let kind = value.kind();
        t.put(&key("k"), value.clone(), PutOptions::new(LONG)).await?;
        let entry = t.store.get(&key("k"), GetOptions::new().with_kind(kind)).await?;
        ensure!(entry.and_then(|entry| entry.value) == Some(value), format!("the {kind}"), "another result");
        let entry = t.store.get(&key("k"), GetOptions::nothing().with_kind(kind)).await?;
        ensure!(entry.is_some(), format!("the {kind}"), "a miss");
    }
    Ok(())
}

async fn an_absent_key_is_of_no_kind(t: Test) -> Check {
    for kind in [Kind::Blob, Kind::Record] {
        let entry = t.store.get(&key("k"), GetOptions::new().with_kind(kind)).await?;
        ensure!(entry.is_none(), format!("a miss for a read of a {kind}"), "{entry:?}");
    }
    let projection = Projection::Fields(Fields::new(["n"])?);
    let entry = t.store.get(&key("k"), GetOptions::new().with_projection(projection)).await?;
    ensure!(entry.is_none(), "a miss for a read of fields", "{entry:?}");
    Ok(())
}

async fn the_wrong_kind_refreshes_nothing(t: Test) -> Check {
    for (value, kind) in [(Value::from("blob"), Kind::Record), (record().into(), Kind::Blob)] {
        t.put(&key("k"), value, PutOptions::new(LONG)).await?;
        let before = t.state(&key("k")).await?;
        for refresh in [Refresh::extend_only(Ttl::hours(2)), Refresh::reset(Ttl::minutes(1))] {
            let read = t.store.get(&key("k"), GetOptions::new().with_kind(kind).with_refresh(refresh)).await;
            ensure_kind!(read, WrongKind, "a read as a {kind}");
        }
        ensure_eq!(t.state(&key("k")).await?, before, "the entry after the reads as a {kind}");
    }
    Ok(())
}

async fn patching_a_blob_is_the_wrong_kind(t: Test) -> Check {
    for blob in ["blob", "", r#"{"n":1}"#] {
        t.put(&key("k"), blob, PutOptions::new(LONG)).await?;
        let before = t.state(&key("k")).await?;
        for patch in
            [Patch::new().set("n", 2), Patch::new().increment("n", 1), Patch::new().unset("n"), Patch::new()]
        {
            let options = PatchOptions::new().with_refresh(Refresh::extend_only(Ttl::hours(2)));
            ensure_kind!(t.store.patch(&key("k"), &patch, options).await, WrongKind, "a patch of a blob");
        }
        ensure_eq!(t.state(&key("k")).await?, before, "the blob after the patches");
    }
    Ok(())
}

async fn a_put_replaces_the_other_kind(t: Test) -> Check {
    let values = [Value::from("a"), record().into(), Value::from(""), Record::new().into(), Value::from("b")];
    for value in values {
        t.put(&key("k"), value.clone(), PutOptions::new(LONG)).await?;
        t.expect_value(&key("k"), value, "the last value").await?;
    }
    Ok(())
}

async fn conditions_do_not_ask_for_the_kind(t: Test) -> Check {
    let if_absent = PutOptions::new(LONG).with_condition(Condition::IfAbsent);
    let if_present = PutOptions::new(LONG).with_condition(Condition::IfPresent);
    for (there, other) in [(Value::from("blob"), Value::from(record())), (record().into(), "blob".into())] {
        t.put(&key("k"), there, PutOptions::new(LONG)).await?;
        let outcome = t.store.put(&key("k"), other.clone(), if_absent.clone()).await?;
        ensure!(outcome.is_refused(), "Refused for IfAbsent over the other kind", "{outcome:?}");
        let outcome = t.store.put(&key("k"), other.clone(), if_present.clone()).await?;
        ensure!(outcome.is_applied(), "Applied for IfPresent over the other kind", "{outcome:?}");
        t.expect_value(&key("k"), other, "the value of the other kind").await?;
    }
    Ok(())
}

async fn deleting_the_wrong_kind_leaves_it(t: Test) -> Check {
    for (value, kind) in [(Value::from("blob"), Kind::Record), (record().into(), Kind::Blob)] {
        t.put(&key("k"), value, PutOptions::new(LONG)).await?;
        let before = t.state(&key("k")).await?;
        for options in [DeleteOptions::new(), DeleteOptions::take()] {
            let deleted = t.store.delete(&key("k"), options.with_kind(kind)).await;
            ensure_kind!(deleted, WrongKind, "a delete of a {kind}");
        }
        ensure_eq!(t.state(&key("k")).await?, before, "the entry after the deletes of a {kind}");
    }
    Ok(())
}

async fn taking_fields_of_a_blob_leaves_it(t: Test) -> Check {
    t.put(&key("k"), "blob", PutOptions::new(LONG)).await?;
    let take = DeleteOptions::new().with_projection(Projection::Fields(Fields::new(["n"])?));
    ensure_kind!(t.store.delete(&key("k"), take).await, WrongKind, "a take of fields of a blob");
    t.expect_value(&key("k"), "blob", "the blob").await
}

async fn another_version_comes_before_the_wrong_kind(t: Test) -> Check {
    t.put(&key("k"), "blob", PutOptions::new(LONG)).await?;
    let delete = DeleteOptions::take().with_kind(Kind::Record).with_if_version(Version::random());
    let outcome = t.store.delete(&key("k"), delete).await?;
    ensure!(outcome.is_refused(), "Refused", "{outcome:?}");
    if t.capabilities().patch {
        let options = PatchOptions::new().with_if_version(Version::random());
        let outcome = t.store.patch(&key("k"), &Patch::new().set("n", 1), options).await?;
        ensure!(outcome.is_refused(), "Refused", "{outcome:?}");
    }
    t.expect_value(&key("k"), "blob", "the blob").await
}

async fn expire_works_on_both_kinds(t: Test) -> Check {
    for value in [Value::from("blob"), Value::from(""), record().into(), Record::new().into()] {
        t.put(&key("k"), value.clone(), PutOptions::new(LONG)).await?;
        let done = t.expire(&key("k"), ExpiryChange::Extend(Ttl::hours(1)), Guard::Always).await?;
        ensure!(done.changed, "a changed deadline", "{done:?}");
        let entry = t.store.get(&key("k"), GetOptions::new().with_kind(value.kind())).await?;
        ensure!(entry.and_then(|entry| entry.value) == Some(value), "the unchanged value", "another result");
    }
    Ok(())
}

/// Puts the value and reads it as the other kind, whole and not at all. Fails if the entry changes.
async fn wrong_to_read(t: &Test, value: Value, kind: Kind) -> Check {
    t.put(&key("k"), value, PutOptions::new(LONG)).await?;
    let before = t.state(&key("k")).await?;
    for options in [GetOptions::new(), GetOptions::nothing()] {
        let read = t.store.get(&key("k"), options.clone().with_kind(kind)).await;
        ensure_kind!(read, WrongKind, "{options:?} as a {kind}");
    }
    ensure_eq!(t.state(&key("k")).await?, before, "the entry after the reads");
    Ok(())
}
