//! The tags of the obvious cache: a marker for each tag, as a time or as a version.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use ttl_core::options::{GetOptions, PutOptions};
use ttl_core::{Key, Result, Ttl, TtlStore, Value};

use super::far::{self, Stored};
use super::habit::Habit;

pub(crate) struct Markers {
    store: Arc<dyn TtlStore>,
    prefix: String,
    ttl: Ttl,
    habit: Habit,
    /// The markers that were read before, for a cache that reads them once.
    remembered: Mutex<HashMap<String, Option<u64>>>,
}

impl Markers {
    pub(crate) fn new(store: Arc<dyn TtlStore>, name: &str, ttl: Ttl, habit: Habit) -> Self {
        Self { store, prefix: format!("{name}:tag:"), ttl, habit, remembered: Mutex::default() }
    }

    /// Invalidates a tag: notes the time, or deletes the version.
    pub(crate) async fn invalidate(&self, tag: &str) -> Result<()> {
        if self.habit == Habit::TagsByVersion {
            return far::delete(&*self.store, &self.key(tag)).await;
        }
        self.write(tag, far::millis(self.store.now())).await
    }

    /// Returns the tags of a new value. A tag without a version gets one.
    pub(crate) async fn tags(&self, tags: &[String]) -> Result<Vec<(String, u64)>> {
        let mut versions = Vec::with_capacity(tags.len());
        for tag in tags {
            let version = if self.habit == Habit::TagsByVersion { self.version(tag).await? } else { 0 };
            versions.push((tag.clone(), version));
        }
        Ok(versions)
    }

    /// Returns whether none of the tags was invalidated after the value was stored.
    pub(crate) async fn confirm<S>(&self, stored: &Stored<S>) -> Result<bool> {
        for (tag, version) in &stored.tags {
            let valid = match self.habit {
                Habit::TagsByVersion => self.version(tag).await? == *version,
                Habit::TagMarkersReadOnce => {
                    let known = self.remembered.lock().get(tag).copied();
                    let marker = match known {
                        Some(marker) => marker,
                        None => self.read(tag).await?,
                    };
                    self.remembered.lock().insert(tag.clone(), marker);
                    marker.is_none_or(|marker| stored.stamp >= marker)
                }
                _ => self.read(tag).await?.is_none_or(|marker| stored.stamp >= marker),
            };
            if !valid {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn version(&self, tag: &str) -> Result<u64> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        if let Some(version) = self.read(tag).await? {
            return Ok(version);
        }
        let version = NEXT.fetch_add(1, Ordering::SeqCst);
        self.write(tag, version).await?;
        Ok(version)
    }

    async fn read(&self, tag: &str) -> Result<Option<u64>> {
        let entry = self.store.get(&Key::new(self.key(tag))?, GetOptions::new()).await?;
        let Some(Value::Blob(bytes)) = entry.and_then(|entry| entry.value) else { return Ok(None) };
        Ok(String::from_utf8_lossy(&bytes).parse().ok())
    }

    async fn write(&self, tag: &str, marker: u64) -> Result<()> {
        let key = Key::new(self.key(tag))?;
        self.store.put(&key, marker.to_string().into(), PutOptions::new(self.ttl)).await.map(drop)
    }

    fn key(&self, tag: &str) -> String {
        format!("{}{tag}", self.prefix)
    }
}
