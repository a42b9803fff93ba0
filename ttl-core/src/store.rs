//! The trait that every driver implements.

use std::fmt::Debug;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;

use crate::{
    Capabilities, Condition, DeleteOptions, Effect, Entry, Error, ErrorKind, ExistingDeadline, ExpireOptions,
    ExpireResult, Expiry, ExpiryChange, GetOptions, Key, Lifespan, Outcome, Page, Patch, PatchOptions,
    PatchResult, Projection, PutItem, PutOptions, PutResult, Record, Result, Returning, ScanOptions, Value,
    Version, rules,
};

/// How often the provided methods try again after another writer was faster.
pub(crate) const ATTEMPTS: usize = 64;

/// A store of entries that expire.
///
/// Three promises hold for every method on every backend, and the conformance suite checks them:
///
/// * **An expired entry is absent** (E1, E3), on every path, whether or not the backend has deleted it.
/// * **Value and deadline land together or not at all** (E4): dropping the future of a call, or losing the process,
///   leaves the entry as it was or as it was to be (C4), never without its deadline.
/// * **An outage is an error, never a miss** (H2), and a write that may have been applied says so:
///   [`ErrorKind::OutcomeUnknown`] (H3).
///
/// Every method is atomic for its key; batches and scans are not atomic across keys. All times are those of the
/// clock that decides ([`TtlStore::now`]). Dropping a call's future is safe; the write may still happen.
///
/// A driver implements four methods; the others are provided on top of them, right but with more round trips, and
/// are overridden where the backend can do it in one. A wrapper forwards all of them with
/// [`forward_ttl_store!`](crate::forward_ttl_store), so that no provided method slips in between.
///
/// What a method costs is said of it for the drivers of this project, in requests, each one round trip. CQL is ScyllaDB
/// or Cassandra in strict mode, where each write is a lightweight transaction. Drivers tell their exceptions.
///
/// Programs hold `Arc<dyn TtlStore>`; the `ttl-store` crate has the everyday forms and typed collections.
///
/// ```
/// use std::sync::Arc;
/// use ttl_core::*;
///
/// # mod toy { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/toy/mod.rs")); }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// # let any = CasStore::new(toy::Toy::default());
/// let store: Arc<dyn TtlStore> = Arc::new(any);
/// let key = Key::new("session:5f0c")?;
///
/// // A session of half an hour that slides with use, but ends after twelve hours at the latest.
/// let lifespan = Lifespan::from(Ttl::minutes(30)).with_max_lifetime(Ttl::hours(12));
/// let session = Record::new().with("user", "ada").with("hits", 0);
/// let put = store.put(&key, session.into(), PutOptions::new(lifespan)).await?;
/// assert!(put.is_applied());
///
/// // One call changes two fields and refreshes.
/// let refresh = Refresh::extend_only(Ttl::minutes(30));
/// let patch = Patch::new().set("page", "/cart").increment("hits", 1);
/// let patched = store.patch(&key, &patch, PatchOptions::new().with_refresh(refresh)).await?;
/// assert_eq!(patched.applied().map(|done| done.fields), Some(Record::new().with("hits", 1).with("page", "/cart")));
///
/// // Of many takers one gets it; afterwards it is absent, and that is an outcome, not an error.
/// let taken = store.delete(&key, DeleteOptions::take()).await?;
/// assert!(taken.is_applied());
/// assert!(store.delete(&key, DeleteOptions::take()).await?.is_absent());
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait TtlStore: Debug + Send + Sync + 'static {
    /// What this store promises (H1). It never changes, and costs nothing.
    fn capabilities(&self) -> Capabilities;

    /// Reads an entry, or a part of it, or only whether it is there; `None` is a miss.
    ///
    /// With [`GetOptions::refresh`] a hit also moves the deadline, as [`rules::get`] says: only a live entry (R3),
    /// only the one that was read (R6), never past the cap (R4). A refresh that fails does not fail the read; the
    /// entry carries its error (R9). A miss refreshes nothing (R1).
    ///
    /// Cost: memory, a lock; Redis, one request; DynamoDB, one, or two with a slack; CQL, one, and one more for a
    /// refresh that is due.
    ///
    /// # Errors
    /// [`ErrorKind::WrongKind`] for the other kind than the one asked for (V3), [`ErrorKind::Corrupt`] for what
    /// cannot be decoded (V6), and the backend's failures.
    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>>;

    /// Stores a value together with its deadline, as [`rules::put`] says.
    ///
    /// The new entry inherits nothing from a ghost or a deleted one (E3, E9), and from a live one only its cap
    /// (R4) and what [`PutOptions::existing_deadline`] says. A deadline in the past leaves nothing (E6).
    ///
    /// With [`PutOptions::previous`] the answer holds the value that the put met (C5), refusals included. What a put
    /// stores was created by it, also where it replaces a live entry (V7).
    ///
    /// Cost: memory, a lock and one allocation; Redis, one request; DynamoDB, one, two where the old deadline counts;
    /// CQL, one where nothing is stored, with `IfAbsent` and with `IfVersion`, else two, and two with `previous`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidExpiry`] for a deadline too far away (E8), [`ErrorKind::TooLarge`] (V4), both before
    /// anything is written; the backend's failures, [`ErrorKind::OutcomeUnknown`] among them.
    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>>;

    /// Changes the deadline of a live entry and nothing else (X5), as [`rules::expire`] says.
    ///
    /// An absent key is [`Outcome::Absent`], and nothing is created (X4). A guard that does not hold answers
    /// [`Outcome::Applied`] with `changed: false`; [`Outcome::Refused`] is for another version alone.
    ///
    /// Cost: memory, a lock; Redis, one request; DynamoDB, one; CQL, one, or two from the present deadline
    /// ([`ExpiryChange::Extend`]), or three where the value has to be written again to live so long.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidExpiry`] for a deadline too far away (E8); the backend's failures,
    /// [`ErrorKind::OutcomeUnknown`] among them.
    async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> Result<Outcome<ExpireResult>>;

    /// The time by the clock that decides about visibility, as well as this process knows it.
    ///
    /// Redis: this process's estimate of the server's clock. Memory, DynamoDB, CQL: the store's own clock, if it is not
    /// given another one the system's. Provided: the system's, which within this process never runs backwards.
    fn now(&self) -> SystemTime {
        crate::clock::system_now()
    }

    /// Applies operations to the fields of a live record, all or none, in order (P1), as [`rules::patch`] and
    /// [`rules::apply`] say.
    ///
    /// An absent key is [`Outcome::Absent`] unless [`PatchOptions::create`] says what to make of it (P2). An increment
    /// whose sum would leave its bounds refuses the whole patch (P7): [`Outcome::Refused`] with what the patch's fields
    /// hold, and with deadline and version as wanted, all as of one instant; without them where there is no entry.
    ///
    /// A live record keeps its creation (V7). Provided: a compare-and-swap loop of [`get`](TtlStore::get) and
    /// [`put`](TtlStore::put), two round trips when nobody else writes, so a driver without conditions has no patch either,
    /// and one with this patch no [`Capabilities::created_at`].
    ///
    /// Cost: memory, a lock; Redis, one request, except a `remove_value` on a list of more than 64 KiB; DynamoDB, one,
    /// or two for what its expressions cannot say; CQL, two, and two more for each time that another writer was faster.
    /// What bounds refuse costs the same, and one on CQL.
    ///
    /// # Errors
    /// What was wrong with the patch as it was built; [`ErrorKind::WrongKind`] on a blob,
    /// [`ErrorKind::WrongFieldType`], [`ErrorKind::Overflow`], [`ErrorKind::TooLarge`],
    /// [`ErrorKind::InvalidExpiry`]: in all of these nothing was changed (P3). [`ErrorKind::Contention`] if other
    /// writers were always faster: nothing was changed, and it is retryable (P6). The backend's failures,
    /// [`ErrorKind::OutcomeUnknown`] among them.
    async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Result<Outcome<PatchResult>> {
        self.capabilities().check_patch(patch, &options)?;
        if let Some(create) = &options.create {
            // Bad input is refused whatever is stored.
            create.lifespan.expiry.resolve(self.now())?;
        }
        for _ in 0..ATTEMPTS {
            // The kind comes last: another version is refused before it.
            let whole = GetOptions::new().with_returning(options.returning | Returning::VERSION);
            let Some(entry) = self.get(key, whole).await? else {
                let (Some(create), None) = (&options.create, options.if_version) else {
                    return Ok(Outcome::Absent);
                };
                let mut record = create.initial.clone();
                let Some(effects) = rules::apply(&mut record, patch)? else {
                    return Ok(Outcome::Refused(None));
                };
                let put = PutOptions::new(create.lifespan).with_condition(Condition::IfAbsent);
                match self.put(key, record.clone().into(), put.with_returning(options.returning)).await? {
                    Outcome::Applied(meta) => return outcome(meta, &record, effects, patch),
                    Outcome::Absent | Outcome::Refused(_) => continue,
                }
            };
            let version = reported_version(&entry)?;
            if options.if_version.is_some_and(|expected| expected != version) {
                return Ok(Outcome::Refused(None));
            }
            let (deadline, created_at) = (entry.deadline, entry.created_at);
            let mut record = reported_value(entry)?.into_record()?;
            let Some(effects) = rules::apply(&mut record, patch)? else {
                let meta = PutResult::new(false)
                    .with_created_at(created_at)
                    .with_deadline(deadline.filter(|_| options.returning.contains(Returning::DEADLINE)))
                    .with_version(options.returning.contains(Returning::VERSION).then_some(version));
                let there = PatchResult::new(meta, record.project(&patch.to_fields()?), Vec::new());
                return Ok(Outcome::Refused(Some(there)));
            };
            // The lifespan is not used: this put cannot create.
            let put = PutOptions::new(Lifespan::persistent())
                .with_condition(Condition::IfVersion(version))
                .with_existing_deadline(
                    options.refresh.map_or(ExistingDeadline::Keep, ExistingDeadline::Refresh),
                )
                .with_returning(options.returning);
            match self.put(key, record.clone().into(), put).await? {
                Outcome::Applied(meta) => return outcome(meta, &record, effects, patch),
                Outcome::Absent | Outcome::Refused(_) => {}
            }
        }
        Err(contention().with_operation("patch").with_backend(self.capabilities().backend).with_key(key))
    }

    /// Deletes a live entry; with [`DeleteOptions::select`] it is a take, which of many callers one gets.
    ///
    /// An absent key, a ghost included, is [`Outcome::Absent`] (E3). Nothing is refreshed, and what is put there
    /// next inherits nothing (E9).
    ///
    /// Provided: [`expire`](TtlStore::expire) to an instant long past; a take, or a
    /// delete that expects a kind, reads before and tries again if someone wrote in between, so a driver without
    /// conditions answers it with [`ErrorKind::Unsupported`].
    ///
    /// Cost: memory, a lock; Redis, one request; DynamoDB, one; CQL, one, two for a take or an expected kind.
    ///
    /// # Errors
    /// [`ErrorKind::WrongKind`] for the other kind than the one asked for, which stays (V3);
    /// [`ErrorKind::Contention`]; the backend's failures, [`ErrorKind::OutcomeUnknown`] among them.
    async fn delete(&self, key: &Key, options: DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        self.capabilities().check_delete(&options)?;
        let end = ExpiryChange::Set(Expiry::At(UNIX_EPOCH));
        if options.projection == Projection::Nothing && options.kind.is_none() {
            let expire = ExpireOptions { if_version: options.if_version, ..ExpireOptions::new() };
            return Ok(self.expire(key, end, expire).await?.map(|_| None));
        }
        for _ in 0..ATTEMPTS {
            // The whole, so that version and kind are of one entry: another version is refused before the kind.
            let Some(entry) = self.get(key, GetOptions::new().with_returning(Returning::VERSION)).await?
            else {
                return Ok(Outcome::Absent);
            };
            let version = reported_version(&entry)?;
            if options.if_version.is_some_and(|expected| expected != version) {
                return Ok(Outcome::Refused(None));
            }
            let value = reported_value(entry)?;
            rules::check_kind(value.kind(), options.kind, &options.projection)?;
            if self.expire(key, end, ExpireOptions::new().with_if_version(version)).await?.is_applied() {
                return Ok(Outcome::Applied(value.project(&options.projection).map(Entry::new)));
            }
        }
        Err(contention().with_operation("delete").with_backend(self.capabilities().backend).with_key(key))
    }

    /// Lists live entries whose keys begin with a prefix, page by page.
    ///
    /// Every entry that is live throughout the scan appears, no expired one does, and pages are filled although
    /// ghosts lie between (S1); the prefix is literal (S2). An entry that cannot be read appears with its error, and
    /// the scan goes on (S4). Whether a key can appear twice, and in which order, is the driver's to document. Nothing
    /// is refreshed.
    ///
    /// Provided: [`ErrorKind::Unsupported`]. Cost: proportional to what the backend has to look at, which on Redis is
    /// every key of the server, on DynamoDB and CQL every one of the table, whatever the prefix.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidCursor`] for a cursor that is not this store's and this prefix's (S3);
    /// [`ErrorKind::Unsupported`]; the backend's failures.
    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        let _ = options;
        let backend = self.capabilities().backend;
        Err(Error::new(ErrorKind::Unsupported, "this store cannot list its keys; keep an index of your own")
            .with_operation("scan")
            .with_backend(backend))
    }

    /// Gets many entries: one result for each key, in order, duplicates included (B1).
    ///
    /// A bad entry fails alone. Each hit is refreshed as a get of its own. Provided: one by one. Cost: Redis, one
    /// request; DynamoDB, one for 100 keys, with a refresh as so many gets; CQL, as so many gets, 64 at a time.
    async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Result<Option<Entry>>> {
        let mut results = Vec::with_capacity(keys.len());
        for key in keys {
            results.push(self.get(key, options.clone()).await);
        }
        results
    }

    /// Puts many entries, each with its own options: one result for each item, in order (B1).
    ///
    /// Items fail alone. Items with the same key are applied in their order. Provided: one by one. Cost: Redis,
    /// one request; DynamoDB and CQL, as so many puts, many at a time.
    async fn put_many(&self, items: Vec<PutItem>) -> Vec<Result<Outcome<PutResult>>> {
        let mut results = Vec::with_capacity(items.len());
        for item in items {
            results.push(self.put(&item.key, item.value, item.options).await);
        }
        results
    }

    /// Deletes many entries: one result for each key, in order (B1). A key that stands twice is deleted once and
    /// absent the second time.
    ///
    /// Items fail alone. Provided: one by one. Cost: Redis, one request; DynamoDB and CQL, as so many deletes, many at
    /// a time.
    async fn delete_many(&self, keys: &[Key], options: DeleteOptions) -> Vec<Result<Outcome<Option<Entry>>>> {
        let mut results = Vec::with_capacity(keys.len());
        for key in keys {
            results.push(self.delete(key, options.clone()).await);
        }
        results
    }
}

fn outcome(
    meta: PutResult,
    record: &Record,
    effects: Vec<Effect>,
    patch: &Patch,
) -> Result<Outcome<PatchResult>> {
    Ok(Outcome::Applied(PatchResult::new(meta, record.project(&patch.to_fields()?), effects)))
}

fn reported_version(entry: &Entry) -> Result<Version> {
    entry.version.ok_or_else(|| {
        Error::new(ErrorKind::Backend, "the driver reported no version although one was asked for")
    })
}

fn reported_value(entry: Entry) -> Result<Value> {
    entry.value.ok_or_else(|| {
        Error::new(ErrorKind::Backend, "the driver reported no value although one was asked for")
    })
}

/// The error of a writer that lost every race.
pub(crate) fn contention() -> Error {
    Error::new(
        ErrorKind::Contention,
        "other writers changed the entry every time; nothing was applied, try again later",
    )
}
