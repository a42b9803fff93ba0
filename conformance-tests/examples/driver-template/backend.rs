//! The entries in one file, and their compare-and-swap.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ttl_core::driver::{self, CasBackend, Stored};
use ttl_core::{Capabilities, Clock, Error, ErrorKind, Key, Result, async_trait};

use crate::layout::{corrupt, decode, encode, take};

pub const BACKEND: &str = "files";
pub const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// The settings of a store.
#[derive(Clone, Debug)]
pub struct Config {
    pub path: PathBuf,
    pub sweep: bool,
    pub clock: Arc<dyn Clock>,
}

/// The encoded entries by key. The order of the keys makes `list` simple.
pub type Map = BTreeMap<String, Vec<u8>>;

#[derive(Clone, Debug)]
pub struct Files(pub Arc<Config>);

impl Files {
    /// Reads the file. A driver for a database has a read transaction here.
    pub fn read(&self) -> Result<Map> {
        let bytes = match fs::read(&self.0.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read.map_err(|error| failed(ErrorKind::Unavailable, error))?,
        };
        let (mut rest, mut map) = (&*bytes, Map::new());
        let part = |rest: &mut &[u8]| {
            let length = u32::from_be_bytes(take(rest)?);
            rest.split_off(..length as usize).map(<[u8]>::to_vec).ok_or_else(corrupt)
        };
        while !rest.is_empty() {
            let key = String::from_utf8(part(&mut rest)?).map_err(|_| corrupt())?;
            map.insert(key, part(&mut rest)?);
        }
        Ok(map)
    }

    /// Changes the file, atomically, and excludes other processes. If `change` returns false, nothing is written. A
    /// driver for a database has a write transaction here.
    pub fn change(&self, change: impl FnOnce(&mut Map) -> Result<bool>) -> Result<bool> {
        let unavailable = |error| failed(ErrorKind::Unavailable, error);
        let lock = File::create(self.0.path.with_extension("lock")).map_err(unavailable)?;
        lock.lock().map_err(unavailable)?; // until the end of this method
        let mut map = self.read()?;
        if !change(&mut map)? {
            return Ok(false);
        }
        let mut bytes = Vec::new();
        for part in map.iter().flat_map(|(key, entry)| [key.as_bytes(), entry]) {
            bytes.extend((part.len() as u32).to_be_bytes()); // far below 4 GiB
            bytes.extend(part);
        }
        let next = self.0.path.with_extension("next");
        fs::write(&next, bytes).map_err(unavailable)?; // a database also waits for the disk
        // This step is the commit. Only its error leaves the outcome unknown.
        fs::rename(next, &self.0.path).map_err(|error| failed(ErrorKind::OutcomeUnknown, error))?;
        Ok(true)
    }

    /// Runs blocking work on a thread that may block. The work goes on if the caller drops its future.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let files = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&files)).await;
        done.map_err(|error| failed(ErrorKind::OutcomeUnknown, error))?
    }

    /// Removes the expired entries. Damaged ones stay.
    pub fn sweep(&self) -> Result<bool> {
        let now = self.0.clock.now();
        self.change(|map| {
            let before = map.len();
            map.retain(|_, entry| !decode(entry).is_ok_and(|stored| stored.ends().is_expired(now)));
            Ok(map.len() < before)
        })
    }
}

/// Many programs print only the text of an error, so the text contains the reason.
pub fn failed(kind: ErrorKind, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(kind, format!("the file of entries cannot be used: {error}"))
        .with_backend(BACKEND)
        .with_source(error)
}

#[async_trait]
impl CasBackend for Files {
    /// The encoded entry. It changes with value, deadline and cap. `(Version, Deadline)` is smaller.
    type Stamp = Vec<u8>;

    fn capabilities(&self) -> Capabilities {
        let all = Capabilities::new(BACKEND).with_max_value_bytes(1 << 20);
        if self.0.sweep { all.with_reclaims_within(2 * SWEEP_EVERY) } else { all }
    }

    fn now(&self) -> SystemTime {
        self.0.clock.now()
    }

    fn identity(&self) -> &str {
        self.0.path.to_str().unwrap_or_default()
    }

    async fn load(&self, key: &Key) -> Result<Option<(Stored, Vec<u8>)>> {
        let key = key.clone();
        let load = move |files: &Self| Ok(files.read()?.remove(key.as_str()));
        self.run(load).await?.map(|entry| Ok((decode(&entry)?, entry))).transpose()
    }

    async fn swap(&self, key: &Key, seen: Option<&Vec<u8>>, next: Option<&Stored>) -> Result<bool> {
        let (key, seen, next) = (key.clone().into_string(), seen.cloned(), next.map(encode));
        let swap = move |map: &mut Map| {
            if map.get(&key) != seen.as_ref() {
                return Ok(false);
            }
            match next {
                Some(entry) => map.insert(key, entry),
                None => map.remove(&key),
            };
            Ok(true)
        };
        self.run(|files| files.change(swap)).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Result<Stored>)>> {
        let map = self.run(Self::read).await?;
        let start = after.map_or(Bound::Included(prefix), |key| Bound::Excluded(key.as_str()));
        let found = map.range::<str, _>((start, Bound::Unbounded));
        let found = found.take_while(|(key, _)| key.starts_with(prefix)).take(limit);
        found.map(|(key, entry)| Ok((Key::new(key.as_str())?, decode(entry)))).collect()
    }

    async fn discard(&self, key: &Key) -> Result<bool> {
        let key = key.clone().into_string();
        let discard = move |map: &mut Map| {
            // Another writer may have replaced the damaged entry in the meantime.
            let damaged = map.get(&key).is_some_and(|entry| decode(entry).is_err());
            Ok(damaged && map.remove(&key).is_some())
        };
        self.run(|files| files.change(discard)).await
    }

    // The provided method waits as long. It needs a thread of its own, because it works without a runtime.
    async fn back_off(&self, attempt: usize) {
        tokio::time::sleep(driver::back_off(attempt)).await;
    }
}
