//! Storing, reading, overwriting, deleting.

use ttl_core::{DeleteOptions, GetOptions, Outcome, PutOptions, Value};

use crate::test::{LONG, key};
use crate::{cases, ensure, ensure_eq};

cases! {
    basics, each_basics ($);

    /// E3: nothing is found in an empty store.
    async fn an_empty_store_has_nothing(t: Test) -> Check {
        let entry = t.store.get(&key("k"), GetOptions::new()).await?;
        ensure!(entry.is_none(), "a miss", "{entry:?}");
        let deleted = t.store.delete(&key("k"), DeleteOptions::new()).await?;
        ensure!(deleted.is_absent(), "Absent", "{deleted:?}");
        Ok(())
    }

    /// V1: an empty blob comes back as an empty blob, not as a miss.
    async fn an_empty_blob_is_not_absent(t: Test) -> Check {
        t.put(&key("k"), "", PutOptions::new(LONG)).await?;
        ensure_eq!(t.value(&key("k")).await?, Some(Value::from("")), "the empty blob");
        Ok(())
    }

    /// B1: what was deleted is gone, and deleting it again says so.
    async fn deleting_twice_is_absent_the_second_time(t: Test) -> Check {
        t.put(&key("k"), "v", PutOptions::new(LONG)).await?;
        let first = t.store.delete(&key("k"), DeleteOptions::new()).await?;
        ensure!(matches!(first, Outcome::Applied(None)), "Applied(None)", "{first:?}");
        let second = t.store.delete(&key("k"), DeleteOptions::new()).await?;
        ensure!(second.is_absent(), "Absent", "{second:?}");
        ensure_eq!(t.value(&key("k")).await?, None, "the value after the delete");
        Ok(())
    }
}
