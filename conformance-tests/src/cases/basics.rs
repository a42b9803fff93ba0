//! Putting, reading whole and in part, overwriting and deleting entries.

use serde_json::json;
use ttl_core::options::{DeleteOptions, Fields, GetOptions, Projection, PutOptions, Returning};
use ttl_core::{Entry, Outcome, Record, Value};

use crate::test::{LONG, key, record};
use crate::{Check, Failure, Test, case_table, ensure, ensure_eq};

case_table! {
    /// E3: An empty store returns a miss.
    an_empty_store_has_nothing,
    /// E3: A delete of a key that never existed returns Absent.
    deleting_from_an_empty_store_is_absent,
    /// V1: A blob is returned as it was put.
    a_blob_comes_back,
    /// V2: A record is returned as it was put.
    a_record_comes_back,
    /// V1: A value can be read more than once.
    a_value_can_be_read_again,
    /// E5, V1: A get returns the value that was put last.
    a_put_replaces_the_value,
    /// V2: A record that replaces another one keeps none of its fields.
    overwriting_a_record_leaves_no_old_field,
    /// E3: A put reports whether it created an entry or replaced one.
    a_put_says_whether_it_created,
    /// E3: A deleted entry is absent to every read.
    a_deleted_entry_is_gone,
    /// E3: A second delete of the same entry returns Absent.
    deleting_twice_is_absent_the_second_time,
    /// K2: A delete of one entry keeps the others.
    deleting_one_entry_leaves_the_others,
    /// E1: A read of nothing returns a live entry without its value.
    reading_nothing_tells_what_is_there,
    /// V2: A read of fields returns those fields and no others.
    reading_fields_gives_those_alone,
    /// V2: A read of fields omits those that the record does not have. If it has none of them, the
    /// result is still a hit.
    missing_fields_are_left_out,
    /// V2: A read of no fields of a record returns an empty record.
    reading_no_field_gives_an_empty_record,
    /// V2: A field that holds null exists.
    a_null_field_is_there,
    /// E2, C2: A read of any part of a value reports deadline and version if requested.
    metadata_is_reported_where_it_is_wanted,
    /// E2, C2: A get reports the deadline and the version that the put reported.
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
    t.expect_value(&key("k"), "value", "the value").await
}

async fn a_record_comes_back(t: Test) -> Check {
    let session = Record::new().with("user", "ada").with("visits", 3).with("cart", ["book"]);
    t.put(&key("k"), session.clone(), PutOptions::new(LONG)).await?;
    t.expect_value(&key("k"), session, "the value").await
}

async fn a_value_can_be_read_again(t: Test) -> Check {
    t.put(&key("k"), "value", PutOptions::new(LONG)).await?;
    for _ in 0..3 {
        t.expect_value(&key("k"), "value", "the value").await?;
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
    t.expect_value(&key("k"), new, "the second record only").await
}

async fn a_put_says_whether_it_created(t: Test) -> Check {
    for (value, created) in [("a", true), ("b", false)] {
        let meta = t.put_meta(&key("k"), value, PutOptions::new(LONG)).await?;
        ensure_eq!(meta.created, created, "whether the put of {value} created an entry");
    }
    t.delete(&key("k")).await?;
    let meta = t.put_meta(&key("k"), "c", PutOptions::new(LONG)).await?;
    ensure!(meta.created, "a created entry after the delete", "{meta:?}");
    Ok(())
}

async fn a_deleted_entry_is_gone(t: Test) -> Check {
    t.put(&key("k"), record(), PutOptions::new(LONG)).await?;
    t.delete(&key("k")).await?;
    t.expect_miss(&key("k"), "after the delete").await?;
    for projection in [Projection::Nothing, Projection::Fields(Fields::new(["n"])?)] {
        let entry = t.store.get(&key("k"), GetOptions::new().with_projection(projection.clone())).await?;
        ensure!(entry.is_none(), format!("a miss for a read of {projection:?}"), "{entry:?}");
    }
    Ok(())
}

async fn deleting_twice_is_absent_the_second_time(t: Test) -> Check {
    t.put(&key("k"), "v", PutOptions::new(LONG)).await?;
    let first = t.store.delete(&key("k"), DeleteOptions::new()).await?;
    ensure!(matches!(first, Outcome::Applied(None)), "Applied(None)", "{first:?}");
    let second = t.store.delete(&key("k"), DeleteOptions::new()).await?;
    ensure!(second.is_absent(), "Absent", "{second:?}");
    t.expect_miss(&key("k"), "after both deletes").await
}

async fn deleting_one_entry_leaves_the_others(t: Test) -> Check {
    for name in ["a", "b", "c"] {
        t.put(&key(name), name, PutOptions::new(LONG)).await?;
    }
    t.delete(&key("b")).await?;
    t.expect_value(&key("a"), "a", "the entry before").await?;
    t.expect_miss(&key("b"), "the deleted entry").await?;
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
                ensure_eq!(
                    entry.deadline,
                    Some(state.deadline),
                    "the deadline that a read of {projection:?} reports"
                );
            }
            if returning.contains(Returning::VERSION) {
                ensure_eq!(
                    entry.version,
                    Some(state.version),
                    "the version that a read of {projection:?} reports"
                );
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

/// Returns these fields of the record under `k` as JSON.
async fn part(t: &Test, names: &[&str]) -> Check<serde_json::Value> {
    let projection = Projection::Fields(Fields::new(names.iter().copied())?);
    let entry = t.store.get(&key("k"), GetOptions::new().with_projection(projection)).await?;
    match entry.map(|entry| entry.value) {
        Some(Some(Value::Record(record))) => Ok(record.deserialize()?),
        other => Err(Failure::new("a part of the record", format!("{other:?}"))),
    }
}
