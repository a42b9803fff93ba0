//! An entry that is damaged, or that the driver did not write, causes an error, never a panic or a miss.

use std::num::NonZeroUsize;

use ttl_core::options::{
    DeleteOptions, Fields, GetOptions, PatchOptions, Projection, PutOptions, ScanOptions,
};
use ttl_core::{ErrorKind, Outcome, Patch, Value};

use crate::test::{LONG, key, record};
use crate::{Check, Failure, Test, case_table, ensure, ensure_eq, ensure_kind};

case_table! {
    /// V6: A get of a damaged blob fails with Corrupt.
    a_damaged_blob_is_corrupt: needs(corruption),
    /// V6: A get of a damaged record fails with Corrupt, for the whole and for fields.
    a_damaged_record_is_corrupt: needs(corruption),
    /// V6: A get of damaged data under an unused key fails with Corrupt too.
    what_another_program_wrote_is_corrupt: needs(corruption),
    /// V6: A read of nothing does not report a damaged entry as absent.
    a_damaged_entry_is_not_absent: needs(corruption),
    /// V6: A patch of a damaged entry fails with Corrupt and leaves it as it is.
    a_patch_does_not_repair: needs(corruption, patch),
    /// V6: A take of a damaged entry fails with Corrupt and returns no unreadable value.
    a_damaged_entry_cannot_be_taken: needs(conditions, corruption),
    /// C5, V6: A put that must return a damaged entry fails with Corrupt and leaves it, or fails with
    /// `OutcomeUnknown`.
    a_damaged_entry_cannot_be_handed_back: needs(conditions, corruption),
    /// V6, B1: A damaged entry in a batch fails without affecting the other items.
    a_damaged_entry_fails_alone_in_a_batch: needs(corruption),
    /// S4: A scan returns an error with the key of a damaged entry, and continues with the entries behind it.
    a_scan_goes_past_a_damaged_entry: needs(corruption, scan),
    /// V6: A delete that does not read the entry removes a damaged one, and the key is free again.
    a_damaged_entry_can_be_deleted: needs(corruption),
    /// V6: A put over a damaged entry replaces it or fails with Corrupt.
    a_put_replaces_damage_or_names_it: needs(corruption),
}

async fn a_damaged_blob_is_corrupt(t: Test) -> Check {
    t.put(&key("k"), "value", PutOptions::new(LONG)).await?;
    t.corrupt(&key("k")).await?;
    ensure_kind!(t.store.get(&key("k"), GetOptions::new()).await, Corrupt, "a get");
    Ok(())
}

async fn a_damaged_record_is_corrupt(t: Test) -> Check {
    t.put(&key("k"), record(), PutOptions::new(LONG)).await?;
    t.corrupt(&key("k")).await?;
    ensure_kind!(t.store.get(&key("k"), GetOptions::new()).await, Corrupt, "a get");
    let projection = Projection::Fields(Fields::new(["n"])?);
    let read = t.store.get(&key("k"), GetOptions::new().with_projection(projection)).await;
    ensure_kind!(read, Corrupt, "a get of a field");
    Ok(())
}

async fn what_another_program_wrote_is_corrupt(t: Test) -> Check {
    t.corrupt(&key("k")).await?;
    ensure_kind!(t.store.get(&key("k"), GetOptions::new()).await, Corrupt, "a get");
    Ok(())
}

async fn a_damaged_entry_is_not_absent(t: Test) -> Check {
    t.corrupt(&key("k")).await?;
    match t.store.get(&key("k"), GetOptions::nothing()).await {
        Ok(Some(_)) => Ok(()),
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(()),
        other => Err(Failure::new("an entry or Corrupt", format!("{other:?}"))),
    }
}

async fn a_patch_does_not_repair(t: Test) -> Check {
    t.corrupt(&key("k")).await?;
    for patch in [Patch::new().set("n", 1), Patch::new().increment("n", 1), Patch::new().append("l", 1)] {
        ensure_kind!(t.store.patch(&key("k"), &patch, PatchOptions::new()).await, Corrupt, "a patch");
    }
    ensure_kind!(t.store.get(&key("k"), GetOptions::new()).await, Corrupt, "a get after the patches");
    Ok(())
}

async fn a_damaged_entry_cannot_be_taken(t: Test) -> Check {
    t.corrupt(&key("k")).await?;
    ensure_kind!(t.store.delete(&key("k"), DeleteOptions::take()).await, Corrupt, "a take");
    Ok(())
}

async fn a_damaged_entry_cannot_be_handed_back(t: Test) -> Check {
    for (name, old) in [("blob", Value::from("old")), ("record", record().into())] {
        t.put(&key(name), old, PutOptions::new(LONG)).await?;
        t.corrupt(&key(name)).await?;
        let put = t.store.put(&key(name), "new".into(), PutOptions::new(LONG).with_previous()).await;
        if put.as_ref().is_err_and(|error| error.kind() == ErrorKind::OutcomeUnknown) {
            continue;
        }
        ensure_kind!(put, Corrupt, "the put");
        ensure_kind!(t.store.get(&key(name), GetOptions::new()).await, Corrupt, "a get after the put");
    }
    Ok(())
}

async fn a_damaged_entry_fails_alone_in_a_batch(t: Test) -> Check {
    t.put(&key("a"), "a", PutOptions::new(LONG)).await?;
    t.corrupt(&key("b")).await?;
    t.put(&key("c"), record(), PutOptions::new(LONG)).await?;
    let mut results = t.store.get_many(&["a", "b", "c"].map(key), GetOptions::new()).await.into_iter();
    for (name, value) in [("a", Some("a".into())), ("b", None), ("c", Some(record().into()))] {
        let result = results.next().ok_or_else(|| Failure::new("three results", "fewer results"))?;
        match value {
            None => ensure_kind!(result, Corrupt, "the damaged entry"),
            Some(value) => {
                let seen = result?.and_then(|entry| entry.value);
                ensure!(seen == Some(value), format!("the value of {name}"), "{seen:?}");
            }
        }
    }
    Ok(())
}

async fn a_scan_goes_past_a_damaged_entry(t: Test) -> Check {
    let names: Vec<String> = (0..6).map(|n| format!("k{n}")).collect();
    for name in &names {
        t.put(&key(name), record(), PutOptions::new(LONG)).await?;
    }
    let damaged = ["k1", "k4"];
    for name in damaged {
        t.corrupt(&key(name)).await?;
    }
    for limit in [1, 2, 100] {
        let limit = NonZeroUsize::new(limit).unwrap_or(NonZeroUsize::MIN);
        let scan = ScanOptions::new("k").with_limit(limit).with_projection(Projection::All);
        let (mut seen, mut cursor) = (Vec::new(), None);
        for _ in 0..=2 * names.len() {
            let page = t.store.scan(scan.clone().with_cursor(cursor)).await?;
            ensure!(page.items.len() <= limit.get(), format!("at most {limit} items"), "{page:?}");
            for item in page.items {
                let name = item.key.to_string();
                match item.entry {
                    Ok(entry) => {
                        ensure!(!damaged.contains(&&*name), "an error for the damaged entry", "{entry:?}");
                        ensure_eq!(entry.value, Some(record().into()), "the value of {name}");
                    }
                    Err(error) => {
                        ensure_eq!(error.kind(), ErrorKind::Corrupt, "the error of {name}");
                        ensure_eq!(error.key(), Some(&item.key), "the key of the error");
                        ensure!(damaged.contains(&&*name), "no error for {name}", "{error}");
                    }
                }
                seen.push(name);
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        ensure!(cursor.is_none(), "a last page", "no last page");
        seen.sort();
        seen.dedup();
        ensure_eq!(seen, names, "the keys of all pages of {limit}");
    }
    Ok(())
}

async fn a_damaged_entry_can_be_deleted(t: Test) -> Check {
    for again in ["a record", "nothing"] {
        if again == "a record" {
            t.put(&key("k"), record(), PutOptions::new(LONG)).await?;
        }
        t.corrupt(&key("k")).await?;
        let deleted = t.store.delete(&key("k"), DeleteOptions::new()).await?;
        ensure!(deleted.is_applied(), format!("Applied over {again}"), "{deleted:?}");
        t.expect_miss(&key("k"), "after the delete").await?;
        t.put(&key("k"), "new", PutOptions::new(LONG)).await?;
        t.expect_value(&key("k"), "new", "the new value").await?;
        let _ = t.store.delete_many(&[key("k")], DeleteOptions::new()).await.remove(0)?;
        t.corrupt(&key("k")).await?;
        let deleted = t.store.delete_many(&[key("k")], DeleteOptions::new()).await.remove(0)?;
        ensure!(deleted.is_applied(), "Applied in a batch", "{deleted:?}");
    }
    Ok(())
}

async fn a_put_replaces_damage_or_names_it(t: Test) -> Check {
    t.corrupt(&key("k")).await?;
    match t.store.put(&key("k"), "new".into(), PutOptions::new(LONG)).await {
        Ok(Outcome::Applied(_)) => t.expect_value(&key("k"), "new", "the new value").await,
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            ensure_kind!(t.store.get(&key("k"), GetOptions::new()).await, Corrupt, "a get after the put");
            Ok(())
        }
        other => Err(Failure::new("Applied or Corrupt", format!("{other:?}"))),
    }
}
