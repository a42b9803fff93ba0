//! The size limit: the largest declared value works, and one byte more fails and changes nothing.

use std::time::SystemTime;

use ttl_core::options::{Condition, Create, PatchOptions, PutOptions};
use ttl_core::{Expiry, Patch, Record, Value, Version};

use crate::test::{LONG, key};
use crate::{Check, Test, case_table, ensure_eq, ensure_kind};

case_table! {
    /// V4, H1: A blob of the declared size is returned unchanged.
    a_blob_of_the_declared_size_works: needs(size_limit),
    /// V4: A blob one byte above the declared size fails with `TooLarge`, and nothing is written.
    a_blob_above_the_declared_size_is_too_large: needs(size_limit),
    /// V4, H1: A record whose canonical text has the declared size is returned unchanged.
    a_record_of_the_declared_size_works: needs(size_limit),
    /// V4: A record one byte above the declared size fails with `TooLarge`, and nothing is written.
    a_record_above_the_declared_size_is_too_large: needs(size_limit),
    /// V4: A value that is too large leaves the stored value, its deadline and its version unchanged.
    a_value_too_large_leaves_the_old_one: needs(size_limit),
    /// V4, E6: A value that is too large fails with `TooLarge` even if its deadline has passed. The
    /// stored value is kept.
    a_value_too_large_erases_nothing: needs(size_limit),
    /// V4, P1: A patch that would make a record too large fails with `TooLarge` and changes nothing.
    a_patch_that_grows_too_large_changes_nothing: needs(size_limit, patch),
    /// V4, P2: A patch that would create a record that is too large fails with `TooLarge` and creates
    /// nothing.
    a_patch_that_creates_too_much_creates_nothing: needs(size_limit, patch),
    /// V4, C3: A value that is too large fails with `TooLarge`, whether or not the condition holds.
    too_large_comes_before_refused: needs(size_limit, conditions),
}

async fn a_blob_of_the_declared_size_works(t: Test) -> Check {
    let blob = vec![7_u8; limit(&t)];
    t.put(&key("k"), blob.clone(), PutOptions::new(LONG)).await?;
    t.expect_value(&key("k"), blob, "the largest blob").await
}

async fn a_blob_above_the_declared_size_is_too_large(t: Test) -> Check {
    let put = t.store.put(&key("k"), vec![7_u8; limit(&t) + 1].into(), PutOptions::new(LONG)).await;
    ensure_kind!(put, TooLarge, "a blob one byte too large");
    t.expect_miss(&key("k"), "the key after the refused put").await
}

async fn a_record_of_the_declared_size_works(t: Test) -> Check {
    let record = record_of(limit(&t));
    t.put(&key("k"), record.clone(), PutOptions::new(LONG)).await?;
    t.expect_value(&key("k"), record, "the largest record").await
}

async fn a_record_above_the_declared_size_is_too_large(t: Test) -> Check {
    let put = t.store.put(&key("k"), record_of(limit(&t) + 1).into(), PutOptions::new(LONG)).await;
    ensure_kind!(put, TooLarge, "a record one byte too large");
    t.expect_miss(&key("k"), "the key after the refused put").await
}

async fn a_value_too_large_leaves_the_old_one(t: Test) -> Check {
    let too_large = [Value::from(vec![7_u8; limit(&t) + 1]), record_of(limit(&t) + 1).into()];
    for old in [Value::from("old"), Record::new().with("old", 1).into()] {
        t.put(&key("k"), old, PutOptions::new(LONG)).await?;
        let before = t.state(&key("k")).await?;
        for value in &too_large {
            let put = t.store.put(&key("k"), value.clone(), PutOptions::new(Expiry::Never)).await;
            ensure_kind!(put, TooLarge, "a value one byte too large");
            ensure_eq!(t.state(&key("k")).await?, before, "the entry after the refused put");
        }
    }
    Ok(())
}

async fn a_value_too_large_erases_nothing(t: Test) -> Check {
    t.put(&key("k"), "old", PutOptions::new(LONG)).await?;
    let elapsed = PutOptions::new(Expiry::At(SystemTime::UNIX_EPOCH));
    let put = t.store.put(&key("k"), vec![7_u8; limit(&t) + 1].into(), elapsed).await;
    ensure_kind!(put, TooLarge, "a value one byte too large");
    t.expect_value(&key("k"), "old", "the old value").await
}

async fn a_patch_that_grows_too_large_changes_nothing(t: Test) -> Check {
    t.put(&key("k"), record_of(limit(&t) - 2), PutOptions::new(LONG)).await?;
    let before = t.state(&key("k")).await?;
    let patch = Patch::new().set("text", "short").set("more", "x".repeat(limit(&t)));
    ensure_kind!(t.store.patch(&key("k"), &patch, PatchOptions::new()).await, TooLarge, "a patch that grows");
    ensure_eq!(t.state(&key("k")).await?, before, "the record after the refused patch");
    Ok(())
}

async fn a_patch_that_creates_too_much_creates_nothing(t: Test) -> Check {
    let too_much = Patch::new().set("text", "x".repeat(limit(&t)));
    let grows = Create::new(LONG).with_initial(record_of(limit(&t) - 2));
    let whole = Create::new(LONG).with_initial(record_of(limit(&t) + 1));
    for (patch, create) in
        [(too_much, Create::new(LONG)), (Patch::new().set("more", "xx"), grows), (Patch::new(), whole)]
    {
        let patched = t.store.patch(&key("k"), &patch, PatchOptions::new().with_create(create)).await;
        ensure_kind!(patched, TooLarge, "a patch that creates a record that is too large");
        t.expect_miss(&key("k"), "the key after the refused patch").await?;
    }
    Ok(())
}

async fn too_large_comes_before_refused(t: Test) -> Check {
    let version = t.put_version(&key("k"), "old", PutOptions::new(LONG)).await?;
    let before = t.state(&key("k")).await?;
    for (name, condition) in [
        ("k", Condition::IfAbsent),
        ("k", Condition::IfVersion(Version::from_u128(7))),
        ("k", Condition::IfVersion(version)),
        ("none", Condition::IfPresent),
        ("none", Condition::IfVersion(version)),
        ("none", Condition::IfAbsent),
    ] {
        for value in [Value::from(vec![7_u8; limit(&t) + 1]), record_of(limit(&t) + 1).into()] {
            let options = PutOptions::new(LONG).with_condition(condition);
            ensure_kind!(t.store.put(&key(name), value, options).await, TooLarge, "{condition:?} of {name}");
        }
    }
    ensure_eq!(t.state(&key("k")).await?, before, "the entry after the refused puts");
    t.expect_miss(&key("none"), "the key after the refused puts").await
}

fn limit(t: &Test) -> usize {
    usize::try_from(t.capabilities().max_value_bytes).unwrap_or(usize::MAX)
}

/// Creates a record whose canonical text has this number of bytes.
fn record_of(bytes: usize) -> Record {
    let frame = Record::new().with("text", "").to_json_text().len();
    Record::new().with("text", "x".repeat(bytes.saturating_sub(frame)))
}
