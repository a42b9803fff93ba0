//! Storing, reading whole and in part, overwriting, deleting.

use serde_json::json;
use ttl_core::{
    DeleteOptions, Entry, Fields, GetOptions, Outcome, Projection, PutOptions, Record, Returning, Value,
};

use crate::test::{LONG, key, record};
use crate::{Check, Failure, Test, cases, ensure, ensure_eq};

cases! {
    /// E3: nothing is found in an empty store.
    an_empty_store_has_nothing,
    /// E3: deleting what never was answers Absent.
    deleting_from_an_empty_store_is_absent,
    /// V1: a blob comes back.
    a_blob_comes_back,
    /// V2: a record comes back.
    a_record_comes_back,
    /// V1: reading does not use a value up.
    a_value_can_be_read_again,
    /// E5, V1: what was put last is what comes back.
    a_put_replaces_the_value,
    /// V2: a record that is put over another one keeps no field of it.
    overwriting_a_record_leaves_no_old_field,
    /// E3: a put says that it created an entry, or that it replaced one.
    a_put_says_whether_it_created,
    /// E3: what was deleted is gone for every read.
    a_deleted_entry_is_gone,
    /// E3: deleting again what was deleted answers Absent.
    deleting_twice_is_absent_the_second_time,
    /// K2: deleting an entry leaves the others.
    deleting_one_entry_leaves_the_others,
    /// E1: reading nothing tells that an entry is there, without its value.
    reading_nothing_tells_what_is_there,
    /// V2: reading fields gives those fields and no others.
    reading_fields_gives_those_alone,
    /// V2: fields that the record does not have are left out; a record with none of them is still no miss.
    missing_fields_are_left_out,
    /// V2: reading no field at all of a record gives an empty record.
    reading_no_field_gives_an_empty_record,
    /// V2: a field that holds null is there.
    a_null_field_is_there,
    /// E2, C2: deadline and version are reported with every part of a value, where they are wanted.
    metadata_is_reported_where_it_is_wanted,
    /// E2, C2: what a put reports is what a get reports after it.
    a_put_reports_what_a_get_sees,
}

async fn an_empty_store_has_nothing(t: Test) -> Check {
    let entry = t.store.get(&key("k"), GetOptions::new()).await?;
    ensure!(entry.is_none(), "a miss", "{entry:?}");
    Ok(())
}

async fn deleting_from_an_empty_store_is_absent(t: Test) -> Check {
    let deleted = t.store.delete(&key("k"), DeleteOptions::new()).await?;
    ensure!(deleted.is_absent(), "Absent", "{deleted:?}");
    Ok(())
}

async fn a_blob_comes_back(t: Test) -> Check {
    t.put(&key("k"), "value", PutOptions::new(LONG)).await?;
    t.expect_value(&key("k"), "value", "what was put").await
}

async fn a_record_comes_back(t: Test) -> Check {
    let session = Record::new().with("user", "ada").with("visits", 3).with("cart", ["book"]);
    t.put(&key("k"), session.clone(), PutOptions::new(LONG)).await?;
    t.expect_value(&key("k"), session, "what was put").await
}

async fn a_value_can_be_read_again(t: Test) -> Check {
    t.put(&key("k"), "value", PutOptions::new(LONG)).await?;
    for _ in 0..3 {
        t.expect_value(&key("k"), "value", "what was put").await?;
    }
    Ok(())
}

async fn a_put_replaces_the_value(t: Test) -> Check {
    for value in ["first, and longer", "second", "", "fourth"] {
        t.put(&key("k"), value, PutOptions::new(LONG)).await?;
        t.expect_value(&key("k"), value, "the last value").await?;
    }
    Ok(())
}

async fn overwriting_a_record_leaves_no_old_field(t: Test) -> Check {
    t.put(&key("k"), Record::new().with("old", 1).with("both", 1), PutOptions::new(LONG)).await?;
    let new = Record::new().with("both", 2).with("new", 2);
    t.put(&key("k"), new.clone(), PutOptions::new(LONG)).await?;
    t.expect_value(&key("k"), new, "the second record alone").await
}

async fn a_put_says_whether_it_created(t: Test) -> Check {
    for (value, created) in [("a", true), ("b", false)] {
        let meta = t.put_meta(&key("k"), value, PutOptions::new(LONG)).await?;
        ensure_eq!(meta.created, created, "whether the put of {value} created");
    }
    t.delete(&key("k")).await?;
    let meta = t.put_meta(&key("k"), "c", PutOptions::new(LONG)).await?;
    ensure!(meta.created, "an entry created after the delete", "{meta:?}");
    Ok(())
}

async fn a_deleted_entry_is_gone(t: Test) -> Check {
    t.put(&key("k"), record(), PutOptions::new(LONG)).await?;
    t.delete(&key("k")).await?;
    t.expect_miss(&key("k"), "after the delete").await?;
    for projection in [Projection::Nothing, Projection::Fields(Fields::new(["n"])?)] {
        let entry = t.store.get(&key("k"), GetOptions::new().with_projection(projection.clone())).await?;
        ensure!(entry.is_none(), format!("a miss when {projection:?} is read"), "{entry:?}");
    }
    Ok(())
}

async fn deleting_twice_is_absent_the_second_time(t: Test) -> Check {
    t.put(&key("k"), "v", PutOptions::new(LONG)).await?;
    let first = t.store.delete(&key("k"), DeleteOptions::new()).await?;
    ensure!(matches!(first, Outcome::Applied(None)), "Applied(None)", "{first:?}");
    let second = t.store.delete(&key("k"), DeleteOptions::new()).await?;
    ensure!(second.is_absent(), "Absent", "{second:?}");
    t.expect_miss(&key("k"), "after both").await
}

async fn deleting_one_entry_leaves_the_others(t: Test) -> Check {
    for name in ["a", "b", "c"] {
        t.put(&key(name), name, PutOptions::new(LONG)).await?;
    }
    t.delete(&key("b")).await?;
    t.expect_value(&key("a"), "a", "the entry before").await?;
    t.expect_miss(&key("b"), "the deleted one").await?;
    t.expect_value(&key("c"), "c", "the entry after").await
}

async fn reading_nothing_tells_what_is_there(t: Test) -> Check {
    t.put(&key("blob"), "v", PutOptions::new(LONG)).await?;
    t.put(&key("record"), record(), PutOptions::new(LONG)).await?;
    for name in ["blob", "record"] {
        let entry = t.store.get(&key(name), GetOptions::nothing()).await?;
        ensure!(matches!(entry, Some(Entry { value: None, .. })), "an entry without a value", "{entry:?}");
    }
    let entry = t.store.get(&key("absent"), GetOptions::nothing()).await?;
    ensure!(entry.is_none(), "a miss", "{entry:?}");
    Ok(())
}

async fn reading_fields_gives_those_alone(t: Test) -> Check {
    t.put(&key("k"), Record::new().with("a", 1).with("b", [2]).with("c", "3"), PutOptions::new(LONG)).await?;
    ensure_eq!(part(&t, &["c", "a"]).await?, json!({ "a": 1, "c": "3" }), "the fields a and c");
    Ok(())
}

async fn missing_fields_are_left_out(t: Test) -> Check {
    t.put(&key("k"), Record::new().with("a", 1), PutOptions::new(LONG)).await?;
    ensure_eq!(part(&t, &["a", "b"]).await?, json!({ "a": 1 }), "the fields a and b of a record with a");
    ensure_eq!(part(&t, &["b"]).await?, json!({}), "the field b of a record with a");
    Ok(())
}

async fn reading_no_field_gives_an_empty_record(t: Test) -> Check {
    t.put(&key("k"), Record::new().with("a", 1), PutOptions::new(LONG)).await?;
    ensure_eq!(part(&t, &[]).await?, json!({}), "no field of a record with a");
    Ok(())
}

async fn a_null_field_is_there(t: Test) -> Check {
    t.put(&key("k"), Record::new().with("a", ()), PutOptions::new(LONG)).await?;
    ensure_eq!(part(&t, &["a", "b"]).await?, json!({ "a": null }), "the fields a (null) and b (missing)");
    t.expect_value(&key("k"), Record::new().with("a", ()), "a record with a null").await
}

async fn metadata_is_reported_where_it_is_wanted(t: Test) -> Check {
    t.put(&key("k"), record(), PutOptions::new(LONG)).await?;
    let state = t.state(&key("k")).await?;
    for projection in [Projection::Nothing, Projection::All, Projection::Fields(Fields::new(["n", "x"])?)] {
        for returning in [Returning::DEADLINE, Returning::VERSION, Returning::DEADLINE | Returning::VERSION] {
            let options = GetOptions::new().with_projection(projection.clone()).with_returning(returning);
            let entry = t.store.get(&key("k"), options).await?;
            let entry = entry.ok_or_else(|| Failure::new("a live entry", "a miss"))?;
            if returning.contains(Returning::DEADLINE) {
                ensure_eq!(entry.deadline, Some(state.deadline), "the deadline when {projection:?} is read");
            }
            if returning.contains(Returning::VERSION) {
                ensure_eq!(entry.version, Some(state.version), "the version when {projection:?} is read");
            }
        }
    }
    Ok(())
}

async fn a_put_reports_what_a_get_sees(t: Test) -> Check {
    for value in [Value::from("v"), Value::from(record()), Value::from("")] {
        let meta = t
            .put_meta(
                &key("k"),
                value,
                PutOptions::new(LONG).with_returning(Returning::DEADLINE | Returning::VERSION),
            )
            .await?;
        let state = t.state(&key("k")).await?;
        ensure_eq!(meta.deadline, Some(state.deadline), "the deadline that the put reports");
        ensure_eq!(meta.version, Some(state.version), "the version that the put reports");
    }
    Ok(())
}

/// These fields of the record under `k`, as JSON.
async fn part(t: &Test, names: &[&str]) -> Check<serde_json::Value> {
    let projection = Projection::Fields(Fields::new(names.iter().copied())?);
    let entry = t.store.get(&key("k"), GetOptions::new().with_projection(projection)).await?;
    match entry.map(|entry| entry.value) {
        Some(Some(Value::Record(record))) => Ok(record.deserialize()?),
        other => Err(Failure::new("a part of the record", format!("{other:?}"))),
    }
}
