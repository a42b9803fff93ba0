//! `MemoryStore`: implements the trait by applying `rules` under a shard's lock.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use ttl_core::{
    Capabilities, DeleteOptions, Entry as Answer, Error, ExpireOptions, ExpireResult, ExpiryChange,
    GetOptions, Key, Now, Outcome, Page, Patch, PatchOptions, PatchResult, Projection, PutItem, PutOptions,
    PutResult, Result, ScanOptions, TtlStore, Value,
};

use crate::config::{MemoryConfig, Reclaim};
use crate::hashing::Hashing;
use crate::limits::Limits;
use crate::shard::{Shard, Verdict, select};
use crate::sweep::STEP;
use crate::sweeper::Sweeper;
use crate::table::{At, Table, Trash};
use crate::time::Time;
use crate::{scan, wheel};

/// The maximum number of due registrations that a write examines.
const PUT_STEP: usize = 16;

/// A store in the memory of this process. A clone is another handle to the same store. Dropping the last
/// handle frees the entries.
///
/// Every operation takes the lock of one of up to 64 shards. Reads and refreshes take the read lock only. No
/// call waits for I/O or a timer, so no call suspends. A scan or a long batch keeps its thread busy.
///
/// * Versions are unique: two writes in a process never create the same version, and neither do two stores.
/// * A blob is copied unless its buffer is exactly as large as the blob and not shared. Records are shared.
/// * A scan lists each key at most once. The order is random but stable. Each page walks at least one whole
///   shard, a 64th of the entries, so pages should be large.
/// * Without limits, entries are never evicted. With [`MemoryConfig::with_max_entries`] or
///   [`MemoryConfig::with_max_bytes`], an entry can be evicted before its deadline.
///
/// ```
/// use ttl_core::{GetOptions, Key, PutOptions, TtlStore, Ttl};
/// use ttl_memory::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ttl_core::Result<()> {
/// let store = MemoryStore::default();
/// let key = Key::new("greeting")?;
/// let outcome = store.put(&key, "hello".into(), PutOptions::new(Ttl::minutes(5))).await?;
/// assert!(outcome.is_applied());
/// let entry = store.get(&key, GetOptions::new()).await?.expect("five minutes have not passed");
/// assert_eq!(entry.value, Some("hello".into()));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct MemoryStore(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) shards: Box<[Shard]>,
    hashing: Hashing,
    time: Time,
    limits: Limits,
    capabilities: Capabilities,
    identity: String,
    sweeper: Sweeper,
}

impl MemoryStore {
    /// Creates an empty store.
    #[must_use]
    pub fn new(config: MemoryConfig) -> Self {
        let ((shards, limits), reclaim) = (Limits::share(&config), config.reclaim());
        let time = Time::new(config.into_clock());
        let hashing = Hashing::default();
        let number = rand::random();
        let now = time.now().as_epoch_millis();
        let shard = |at| Shard {
            table: Table::new(now, hashing.clone(), number, (at as u64, shards as u64), limits).into(),
        };
        let mut capabilities = Capabilities::new("memory").with_max_value_bytes(limits.max_value_bytes());
        if reclaim == Reclaim::Background {
            // Two ticks, and time to process the due registrations.
            capabilities = capabilities
                .with_reclaims_within(Duration::from_millis(2 * wheel::TICK_MILLIS) + Duration::from_secs(3));
        }
        Self(Arc::new(Inner {
            shards: (0..shards).map(shard).collect(),
            hashing: hashing.clone(),
            time,
            limits,
            capabilities,
            identity: format!("{number:016x}"),
            sweeper: Sweeper::new(reclaim),
        }))
    }

    /// Creates an empty store with the options of a URL, see [`MemoryConfig::from_url`].
    ///
    /// # Errors
    /// Returns [`ErrorKind::InvalidConfig`](ttl_core::ErrorKind::InvalidConfig) if the URL is invalid.
    pub fn from_url(url: &str) -> Result<Self> {
        MemoryConfig::from_url(url).map(Self::new)
    }

    /// Returns the number of entries in the store: live entries, and expired entries that are not reclaimed
    /// yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.shards.iter().map(|shard| shard.table.read().entries.len()).sum()
    }

    /// Returns whether the store holds no entries, not even expired ones.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the heap memory, in bytes, of the entries that [`len`](Self::len) counts: keys, values and the
    /// store's overhead. For blobs it is accurate to a few percent; for records it is an estimate.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.shards.iter().map(|shard| shard.table.read().bytes()).sum()
    }

    /// Reclaims all entries that have expired by now and returns their number.
    ///
    /// It processes all shards before it returns, at most 1024 entries per acquisition of a lock. Calling it
    /// is optional, see [`Reclaim`].
    #[expect(clippy::must_use_candidate, reason = "called for its effect, not for the count")]
    pub fn sweep(&self) -> usize {
        self.0.sweep()
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(MemoryConfig::new())
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("entries", &self.len()).field("bytes", &self.bytes()).finish()
    }
}

impl Inner {
    #[inline]
    pub(crate) fn now(&self) -> Now {
        self.time.now()
    }

    /// Returns an identity that separates the cursors of this store from those of other stores.
    pub(crate) fn identity(&self) -> &str {
        &self.identity
    }

    pub(crate) fn sweep(&self) -> usize {
        let mut removed = 0;
        for shard in &self.shards {
            let mut more = true;
            while more {
                let mut trash = Trash::default();
                let mut table = shard.table.write();
                more = table.sweep(STEP, self.time.now(), &mut trash);
                drop(table);
                removed += trash.entries.len();
            }
        }
        removed
    }

    /// Returns the shard of a key, and the key with its hash.
    #[inline]
    fn at<'a>(&self, key: &'a Key) -> (&Shard, At<'a>) {
        let hash = self.hashing.hash(key.as_bytes());
        (&self.shards[hash.shard(self.shards.len())], At { key: key.as_bytes(), hash })
    }

    #[inline]
    fn get(&self, key: &Key, options: &GetOptions) -> Result<Option<Answer>> {
        let (shard, at) = self.at(key);
        let table = shard.table.read();
        let Some(entry) = table.find(at) else { return Ok(None) };
        let answer = match table.read(entry, options, &self.time) {
            Verdict::Live(deadline) => table.answer(entry, &options.projection, options.returning, deadline),
            Verdict::Dead => return Ok(None),
            Verdict::Failed(error) => return Err(failed(error, "get", key)),
            Verdict::Write => {
                drop(table);
                return self.get_mut(key, options);
            }
        };
        drop(table);
        Ok(Some(if matches!(options.projection, Projection::Fields(_)) {
            selected(answer, options)
        } else {
            answer
        }))
    }

    #[cold]
    fn get_mut(&self, key: &Key, options: &GetOptions) -> Result<Option<Answer>> {
        let (shard, at) = self.at(key);
        let mut table = shard.table.write();
        let now = self.now();
        let answer = table.get_mut(at, options, now);
        drop(table);
        let answer = answer.map_err(|error| failed(error, "get", key))?;
        Ok(answer.map(|answer| selected(answer, options)))
    }

    /// Runs a write under the lock of the key's shard. Removed entries and values are dropped after the
    /// unlock.
    fn write<T>(
        self: &Arc<Self>,
        key: &Key,
        operation: &'static str,
        write: impl FnOnce(&mut Table, At<'_>, Now, &mut Trash) -> Result<T>,
    ) -> Result<T> {
        let (shard, at) = self.at(key);
        let mut trash = Trash::default();
        let mut table = shard.table.write();
        let now = self.now();
        let outcome = write(&mut table, at, now, &mut trash);
        if table.needs_sweep(now) {
            table.sweep(PUT_STEP, now, &mut trash);
        }
        let expires = table.wheel.registrations() != 0;
        drop(table);
        if expires {
            self.sweeper.start(self);
        }
        outcome.map_err(|error| failed(error, operation, key))
    }

    fn put(self: &Arc<Self>, key: &Key, value: Value, options: &PutOptions) -> Result<Outcome<PutResult>> {
        let value = crate::weight::own(value);
        self.limits.check(key.as_bytes().len(), &value).map_err(|error| failed(error, "put", key))?;
        self.write(key, "put", |table, at, now, trash| table.put(at, value, options, now, trash))
    }

    fn delete(self: &Arc<Self>, key: &Key, options: &DeleteOptions) -> Result<Outcome<Option<Answer>>> {
        let outcome =
            self.write(key, "delete", |table, at, now, trash| table.delete(at, options, now, trash))?;
        Ok(outcome
            .map(|taken| taken.map(|entry| Answer::new(select(entry.into_value(), &options.projection)))))
    }
}

/// Reduces the answer to the selected part of the value.
fn selected(mut answer: Answer, options: &GetOptions) -> Answer {
    answer.value = answer.value.and_then(|value| select(value, &options.projection));
    answer
}

#[cold]
fn failed(error: Error, operation: &'static str, key: &Key) -> Error {
    error.with_operation(operation).with_backend("memory").with_key(key)
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl TtlStore for MemoryStore {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities
    }

    fn now(&self) -> SystemTime {
        self.0.time.system_time()
    }

    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Answer>> {
        self.0.get(key, &options)
    }

    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>> {
        self.0.put(key, value, &options)
    }

    async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        self.0.write(key, "expire", |table, at, now, trash| table.expire(at, change, &options, now, trash))
    }

    async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Result<Outcome<PatchResult>> {
        patch.operations().map_err(|error| failed(error, "patch", key))?;
        self.0.write(key, "patch", |table, at, now, trash| table.patch(at, patch, &options, now, trash))
    }

    async fn delete(&self, key: &Key, options: DeleteOptions) -> Result<Outcome<Option<Answer>>> {
        self.0.delete(key, &options)
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        scan::scan(&self.0, &options).map_err(|error| error.with_operation("scan").with_backend("memory"))
    }

    async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Result<Option<Answer>>> {
        keys.iter().map(|key| self.0.get(key, &options)).collect()
    }

    async fn put_many(&self, items: Vec<PutItem>) -> Vec<Result<Outcome<PutResult>>> {
        items.into_iter().map(|item| self.0.put(&item.key, item.value, &item.options)).collect()
    }

    async fn delete_many(
        &self,
        keys: &[Key],
        options: DeleteOptions,
    ) -> Vec<Result<Outcome<Option<Answer>>>> {
        keys.iter().map(|key| self.0.delete(key, &options)).collect()
    }
}
