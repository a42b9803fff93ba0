//! Blobs: stored byte for byte, and stored as a copy.

use serde_json::json;
use ttl_core::options::{GetOptions, PutOptions};
use ttl_core::{Kind, Record, Value};

use crate::test::{LONG, key};
use crate::{Check, Failure, Test, case_table, ensure, ensure_eq};

case_table! {
    /// V1: An empty blob is returned as an empty blob, not as a miss.
    an_empty_blob_is_not_absent,
    /// V1: An empty blob completely replaces a longer one.
    an_empty_blob_replaces_a_longer_one,
    /// V1: Every byte is returned unchanged.
    every_byte_comes_back,
    /// V1: Bytes that are not UTF-8 are returned unchanged.
    bytes_that_are_no_text_come_back,
    /// V1: A blob that looks like a record remains a blob.
    a_blob_that_looks_like_a_record_is_a_blob,
    /// V1: A blob that looks like a number is returned unchanged.
    a_blob_that_looks_like_a_number_is_kept,
    /// V1: White space around a blob is part of it.
    white_space_around_a_blob_is_kept,
    /// V1: A large blob of 1 MiB, or of the declared maximum, is returned unchanged.
    a_large_blob_comes_back,
    /// V1: Blobs of many lengths, around every power of two up to 64 KiB, are returned unchanged.
    blobs_of_many_lengths_come_back,
    /// V5: A change of a record after its put does not change the stored record.
    a_stored_record_does_not_follow_the_original,
    /// V5: A change of a record after its read does not change the stored record.
    a_stored_record_does_not_follow_what_was_read,
    /// V5: A value that was read does not change when the entry changes.
    what_was_read_does_not_follow_the_store,
}

async fn an_empty_blob_is_not_absent(t: Test) -> Check {
    t.put(&key("k"), "", PutOptions::new(LONG)).await?;
    t.expect_value(&key("k"), "", "the empty blob").await?;
    let entry = t.store.get(&key("k"), GetOptions::nothing()).await?;
    ensure!(entry.is_some(), "an entry", "{entry:?}");
    Ok(())
}

async fn an_empty_blob_replaces_a_longer_one(t: Test) -> Check {
    t.put(&key("k"), "something", PutOptions::new(LONG)).await?;
    t.put(&key("k"), "", PutOptions::new(LONG)).await?;
    t.expect_value(&key("k"), "", "the empty blob").await
}

async fn every_byte_comes_back(t: Test) -> Check {
    let bytes: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
    t.put(&key("k"), bytes.clone(), PutOptions::new(LONG)).await?;
    t.expect_value(&key("k"), bytes, "all bytes, up and down").await
}

async fn bytes_that_are_no_text_come_back(t: Test) -> Check {
    for bytes in [&b"\xff\xfe"[..], b"\xc3\x28", b"\xed\xa0\x80", b"a\0b", b"\0", b"\r\n"] {
        t.put(&key("k"), bytes, PutOptions::new(LONG)).await?;
        t.expect_value(&key("k"), bytes, "bytes that are no text").await?;
    }
    Ok(())
}

async fn a_blob_that_looks_like_a_record_is_a_blob(t: Test) -> Check {
    for text in [r#"{"a":1}"#, "{}", "[]", r#"{"ttl:version":"x"}"#] {
        t.put(&key("k"), text, PutOptions::new(LONG)).await?;
        let entry = t.store.get(&key("k"), GetOptions::new().with_kind(Kind::Blob)).await?;
        ensure!(entry.is_some(), "a blob", "{entry:?}");
        t.expect_value(&key("k"), text, "the text").await?;
    }
    Ok(())
}

async fn a_blob_that_looks_like_a_number_is_kept(t: Test) -> Check {
    for text in ["007", "1.0", "1e3", "-0", "+1", " 1", "18446744073709551616", "NaN", "nil"] {
        t.put(&key("k"), text, PutOptions::new(LONG)).await?;
        t.expect_value(&key("k"), text, "the text").await?;
    }
    Ok(())
}

async fn white_space_around_a_blob_is_kept(t: Test) -> Check {
    for text in [" a ", "\n", "a\r\n", "\ta", "\u{feff}a"] {
        t.put(&key("k"), text, PutOptions::new(LONG)).await?;
        t.expect_value(&key("k"), text, "the text").await?;
    }
    Ok(())
}

async fn a_large_blob_comes_back(t: Test) -> Check {
    let bytes = usize::try_from(t.capabilities().max_value_bytes).unwrap_or(usize::MAX).min(1 << 20);
    // A pattern without a period, so that no two pieces can be exchanged unseen.
    let blob: Vec<u8> = (0..bytes as u64).map(|at| (at * at / 251 + at) as u8).collect();
    t.put(&key("k"), blob.clone(), PutOptions::new(LONG)).await?;
    t.expect_value(&key("k"), blob, "the large blob").await
}

async fn blobs_of_many_lengths_come_back(t: Test) -> Check {
    let most = usize::try_from(t.capabilities().max_value_bytes).unwrap_or(usize::MAX).min(1 << 16);
    for power in (0..=16).map(|power| 1_usize << power) {
        for length in [power - 1, power, power + 1].map(|length| length.min(most)) {
            let blob = vec![length as u8; length];
            t.put(&key("k"), blob.clone(), PutOptions::new(LONG)).await?;
            t.expect_value(&key("k"), blob, "a blob").await?;
        }
    }
    Ok(())
}

async fn a_stored_record_does_not_follow_the_original(t: Test) -> Check {
    let mut original = Record::new().with("list", [1]);
    t.put(&key("k"), original.clone(), PutOptions::new(LONG)).await?;
    original.insert("list", [1, 2])?;
    original.insert("more", 1)?;
    t.expect_value(&key("k"), Record::new().with("list", [1]), "the record as it was put").await
}

async fn a_stored_record_does_not_follow_what_was_read(t: Test) -> Check {
    let stored = Record::new().with("list", [1]);
    t.put(&key("k"), stored.clone(), PutOptions::new(LONG)).await?;
    let Some(Value::Record(mut read)) = t.value(&key("k")).await? else {
        return Err(Failure::new("a record", "something else"));
    };
    read.insert("list", json!([]))?;
    t.expect_value(&key("k"), stored.clone(), "the record as it was put").await?;
    ensure_eq!(read.get("list"), Some(&json!([])), "the copy that was changed");
    Ok(())
}

async fn what_was_read_does_not_follow_the_store(t: Test) -> Check {
    t.put(&key("k"), "before", PutOptions::new(LONG)).await?;
    let read = t.value(&key("k")).await?;
    t.put(&key("k"), "after!", PutOptions::new(LONG)).await?;
    t.delete(&key("k")).await?;
    ensure!(read == Some("before".into()), "the value as it was read", "another one");
    Ok(())
}
