//! What the driver did not write, or what was damaged, is an error: never a panic, never a miss.

use ttl_core::{
    DeleteOptions, ErrorKind, Fields, GetOptions, Outcome, Patch, PatchOptions, PutOptions, Select,
};

use crate::test::{LONG, key, record};
use crate::{Failure, cases, ensure, ensure_kind};

cases! {
    corruption, each_corruption ($);

    /// V6: reading a damaged blob is Corrupt.
    #[needs(corruption)]
    async fn a_damaged_blob_is_corrupt(t: Test) -> Check {
        t.put(&key("k"), "value", PutOptions::new(LONG)).await?;
        t.corrupt(&key("k")).await?;
        ensure_kind!(t.store.get(&key("k"), GetOptions::new()).await, Corrupt, "a get");
        Ok(())
    }

    /// V6: reading a damaged record is Corrupt, whole and field by field.
    #[needs(corruption)]
    async fn a_damaged_record_is_corrupt(t: Test) -> Check {
        t.put(&key("k"), record(), PutOptions::new(LONG)).await?;
        t.corrupt(&key("k")).await?;
        ensure_kind!(t.store.get(&key("k"), GetOptions::new()).await, Corrupt, "a get");
        let select = Select::Fields(Fields::new(["n"])?);
        let read = t.store.get(&key("k"), GetOptions::new().with_select(select)).await;
        ensure_kind!(read, Corrupt, "a get of a field");
        Ok(())
    }

    /// V6: damage where nothing was before is Corrupt too.
    #[needs(corruption)]
    async fn what_another_program_wrote_is_corrupt(t: Test) -> Check {
        t.corrupt(&key("k")).await?;
        ensure_kind!(t.store.get(&key("k"), GetOptions::new()).await, Corrupt, "a get");
        Ok(())
    }

    /// V6: looking whether a damaged entry is there does not say that it is absent.
    #[needs(corruption)]
    async fn a_damaged_entry_is_not_absent(t: Test) -> Check {
        t.corrupt(&key("k")).await?;
        match t.store.get(&key("k"), GetOptions::nothing()).await {
            Ok(Some(_)) => Ok(()),
            Err(error) if error.kind() == ErrorKind::Corrupt => Ok(()),
            other => Err(Failure::new("an entry or Corrupt", format!("{other:?}"))),
        }
    }

    /// V6: patching a damaged entry is Corrupt and leaves it.
    #[needs(corruption, patch)]
    async fn a_patch_does_not_repair(t: Test) -> Check {
        t.corrupt(&key("k")).await?;
        for patch in [Patch::new().set("n", 1), Patch::new().increment("n", 1), Patch::new().append("l", 1)] {
            ensure_kind!(t.store.patch(&key("k"), &patch, PatchOptions::new()).await, Corrupt, "a patch");
        }
        ensure_kind!(t.store.get(&key("k"), GetOptions::new()).await, Corrupt, "a get after the patches");
        Ok(())
    }

    /// V6: taking a damaged entry is Corrupt: nothing that nobody can read is handed out.
    #[needs(conditions, corruption)]
    async fn a_damaged_entry_cannot_be_taken(t: Test) -> Check {
        t.corrupt(&key("k")).await?;
        ensure_kind!(t.store.delete(&key("k"), DeleteOptions::take()).await, Corrupt, "a take");
        Ok(())
    }

    /// V6, B1: a damaged entry fails alone in a batch.
    #[needs(corruption)]
    async fn a_damaged_entry_fails_alone_in_a_batch(t: Test) -> Check {
        t.put(&key("a"), "a", PutOptions::new(LONG)).await?;
        t.corrupt(&key("b")).await?;
        t.put(&key("c"), record(), PutOptions::new(LONG)).await?;
        let mut results = t.store.get_many(&["a", "b", "c"].map(key), GetOptions::new()).await.into_iter();
        for (name, value) in [("a", Some("a".into())), ("b", None), ("c", Some(record().into()))] {
            let result = results.next().ok_or_else(|| Failure::new("three results", "fewer"))?;
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

    /// V6: a put over a damaged entry replaces it, or says that it is Corrupt.
    #[needs(corruption)]
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
}
