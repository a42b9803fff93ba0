use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, PoisonError};

use ttl_core::driver::{CasBackend, Stored};
use ttl_core::{Capabilities, Deadline, Key, Result, Version, async_trait};

/// A complete store in a sorted map.
#[derive(Debug, Default)]
pub struct Toy {
    /// The name, which distinguishes its scan cursors from those of other toys.
    pub name: String,
    map: Mutex<BTreeMap<Key, Stored>>,
}

#[async_trait]
impl CasBackend for Toy {
    type Stamp = (Version, Deadline);

    fn capabilities(&self) -> Capabilities {
        Capabilities::new("toy")
    }

    fn identity(&self) -> &str {
        &self.name
    }

    async fn load(&self, key: &Key) -> Result<Option<(Stored, Self::Stamp)>> {
        let map = self.map.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(map.get(key).map(|stored| (stored.clone(), (stored.version, stored.deadline))))
    }

    async fn swap(&self, key: &Key, seen: Option<&Self::Stamp>, next: Option<&Stored>) -> Result<bool> {
        let mut map = self.map.lock().unwrap_or_else(PoisonError::into_inner);
        if map.get(key).map(|stored| (stored.version, stored.deadline)).as_ref() != seen {
            return Ok(false);
        }
        match next {
            Some(next) => map.insert(key.clone(), next.clone()),
            None => map.remove(key),
        };
        Ok(true)
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Result<Stored>)>> {
        let map = self.map.lock().unwrap_or_else(PoisonError::into_inner);
        let start = match after {
            Some(after) => Bound::Excluded(after.as_str()),
            None => Bound::Included(prefix),
        };
        let found = map.range::<str, _>((start, Bound::Unbounded));
        let found = found.take_while(|(key, _)| key.as_str().starts_with(prefix)).take(limit);
        Ok(found.map(|(key, stored)| (key.clone(), Ok(stored.clone()))).collect())
    }
}
