//! The trait that every driver implements.

use std::fmt::Debug;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;

use crate::driver::{MAX_ATTEMPTS, SyncStore, contention, unsupported_changes};

use crate::options::{
    Condition, DeleteOptions, ExistingDeadline, ExpireOptions, ExpiryChange, GetOptions, PatchOptions,
    Projection, PutItem, PutOptions, Returning, ScanOptions,
};
use crate::results::{ExpireResult, PatchResult, PutResult};
use crate::{
    Capabilities, ChangeStream, Effect, Entry, Error, ErrorKind, Expiry, Key, Lifespan, Outcome, Page, Patch,
    Record, Result, Value, Version, rules,
};

/// A store of entries that expire.
///
/// Three guarantees hold for every method on every backend. The conformance suite checks them:
///
/// * **An expired entry is absent** (E1, E3), on every path, whether or not the backend has deleted it.
/// * **Value and deadline are written together or not at all** (E4). If a call's future is dropped or the
///   process dies, the entry is either unchanged or completely written (C4), and never without its deadline.
/// * **An outage is an error, never a miss** (H2). A write that may have been applied is reported as
///   [`ErrorKind::OutcomeUnknown`] (H3).
///
/// Every method is atomic for its key; batches and scans are not atomic across keys. All times are read from
/// the clock that decides about visibility ([`TtlStore::now`]). Dropping a call's future is safe, but the
/// write may still happen.
///
/// A driver implements four methods. The others have provided implementations on top of them, which are
/// correct but need more round trips. A driver overrides them where its backend can do the work in one. A
/// wrapper forwards all methods with [`forward_ttl_store!`](crate::forward_ttl_store), so that it never falls
/// back to a provided method.
///
/// Each method lists its cost for the drivers of this project, in requests. A request is one round trip.
/// "CQL" means ScyllaDB or Cassandra in strict mode, where each write is a lightweight transaction. The
/// drivers document their exceptions.
///
/// Applications hold an `Arc<dyn TtlStore>`. The `ttl-store` crate adds convenience methods and typed
/// collections.
///
/// ```
/// use std::sync::Arc;
/// use ttl_core::options::{DeleteOptions, PatchOptions, PutOptions, Refresh};
/// use ttl_core::*;
///
/// # use ttl_core::driver::CasStore;
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
/// // One call changes two fields and refreshes the deadline.
/// let refresh = Refresh::extend_only(Ttl::minutes(30));
/// let patch = Patch::new().set("page", "/cart").increment("hits", 1);
/// let patched = store.patch(&key, &patch, PatchOptions::new().with_refresh(refresh)).await?;
/// assert_eq!(patched.applied().map(|done| done.fields), Some(Record::new().with("hits", 1).with("page", "/cart")));
///
/// // Only one of many concurrent takers gets the value. Then the entry is absent, which is not an error.
/// let taken = store.delete(&key, DeleteOptions::take()).await?;
/// assert!(taken.is_applied());
/// assert!(store.delete(&key, DeleteOptions::take()).await?.is_absent());
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait TtlStore: Debug + Send + Sync + 'static {
    /// Returns the capabilities of this store (H1). They never change, and the call is free.
    fn capabilities(&self) -> Capabilities;

    /// Reads an entry, or a part of it, or only checks that it exists. Returns `None` on a miss.
    ///
    /// With [`GetOptions::refresh`], a hit also moves the deadline, as [`rules::get`] defines. The refresh
    /// applies only to the live entry that was read (R3, R6), and never passes the cap (R4). If it fails, the
    /// read still succeeds, and the entry holds the error (R9). A miss refreshes nothing (R1).
    ///
    /// Cost:
    /// * Memory: a lock.
    /// * Redis: one request.
    /// * DynamoDB: one request, or two with a slack.
    /// * CQL: one request, and one more for a refresh that is due.
    ///
    /// # Errors
    /// * [`ErrorKind::WrongKind`] if the entry is not of the requested kind (V3)
    /// * [`ErrorKind::Corrupt`] if the entry cannot be decoded (V6)
    /// * errors of the backend
    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>>;

    /// Stores a value together with its deadline, as [`rules::put`] defines.
    ///
    /// The new entry inherits nothing from a ghost or a deleted entry (E3, E9). From a live entry it inherits
    /// only the cap (R4), and the deadline if [`PutOptions::existing_deadline`] requests it. If the deadline
    /// is in the past, no entry remains (E6).
    ///
    /// With [`PutOptions::previous`], the result contains the value of the live entry that the put found
    /// (C5), also when the put was refused. The creation time of a stored value is that of its put, even if
    /// it replaces a live entry (V7).
    ///
    /// Cost:
    /// * Memory: a lock, and at most three allocations.
    /// * Redis: one request.
    /// * DynamoDB: one request, or two if the old deadline matters.
    /// * CQL: one request for an absent key, with `IfAbsent` and with `IfVersion`; otherwise two. Two with
    ///   `previous`.
    ///
    /// # Errors
    /// * [`ErrorKind::InvalidExpiry`] if the deadline is too far away (E8); nothing was written
    /// * [`ErrorKind::TooLarge`] (V4); nothing was written
    /// * errors of the backend, including [`ErrorKind::OutcomeUnknown`]
    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>>;

    /// Changes the deadline of a live entry and nothing else (X5), as [`rules::expire`] defines.
    ///
    /// An absent key results in [`Outcome::Absent`], and nothing is created (X4). If the guard does not hold,
    /// the result is [`Outcome::Applied`] with `changed: false`. [`Outcome::Refused`] only means that the
    /// version differs.
    ///
    /// Cost:
    /// * Memory: a lock.
    /// * Redis, DynamoDB: one request.
    /// * CQL: one request, or two for a change relative to the present deadline ([`ExpiryChange::Extend`]).
    ///   Three if the value must be rewritten to live that long.
    ///
    /// # Errors
    /// * [`ErrorKind::InvalidExpiry`] if the deadline is too far away (E8)
    /// * errors of the backend, including [`ErrorKind::OutcomeUnknown`]
    async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> Result<Outcome<ExpireResult>>;

    /// Returns the time of the clock that decides about visibility, as accurately as this process knows it.
    ///
    /// Redis: this process's estimate of the server's clock. Memory, DynamoDB, CQL: the store's clock, which
    /// defaults to the system clock. Provided: the system clock, which never runs backwards within this
    /// process.
    fn now(&self) -> SystemTime {
        crate::clock::system_now()
    }

    /// Applies operations to the fields of a live record in order, all or none (P1), as [`rules::patch`] and
    /// [`rules::apply`] define.
    ///
    /// An absent key results in [`Outcome::Absent`] unless [`PatchOptions::create`] is set (P2). If the sum
    /// of an increment would leave its bounds, the whole patch is refused (P7). [`Outcome::Refused`] then
    /// holds the present values of the patch's fields, and the requested deadline and version, all as of one
    /// instant. It holds nothing if there is no entry.
    ///
    /// A live record keeps its creation time (V7). Provided: a compare-and-swap loop of
    /// [`get`](TtlStore::get) and [`put`](TtlStore::put), which takes two round trips without conflicts. A
    /// driver without conditions therefore has no patch either. A driver with the provided patch cannot offer
    /// [`Capabilities::created_at`].
    ///
    /// Cost:
    /// * Memory: a lock.
    /// * Redis: one request, except for a `remove_value` on a list of more than 64 KiB.
    /// * DynamoDB: one request, or two if its expressions cannot express the patch.
    /// * CQL: two requests, and two more for each conflict. One request if bounds refuse the patch.
    ///
    /// # Errors
    /// * [`ErrorKind::InvalidField`] or [`ErrorKind::TooLarge`] if the patch was built from invalid input;
    ///   nothing was changed (P3)
    /// * [`ErrorKind::WrongKind`] for a blob, [`ErrorKind::WrongFieldType`], [`ErrorKind::Overflow`],
    ///   [`ErrorKind::TooLarge`] or [`ErrorKind::InvalidExpiry`]; nothing was changed (P3)
    /// * [`ErrorKind::Contention`] if other writers changed the entry before every attempt; nothing was
    ///   changed, and the call can be retried (P6)
    /// * errors of the backend, including [`ErrorKind::OutcomeUnknown`]
    async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Result<Outcome<PatchResult>> {
        self.capabilities().check_patch(patch, &options)?;
        if let Some(create) = &options.create {
            // Invalid input is refused regardless of the stored entry.
            create.lifespan.resolve(self.now())?;
        }
        for _ in 0..MAX_ATTEMPTS {
            // The kind is checked last: a different version is refused before it.
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
                    Outcome::Applied(meta) => return outcome(&meta, &record, effects, patch),
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
                let there = PatchResult::new(&meta, record.project(&patch.to_fields()?), Vec::new());
                return Ok(Outcome::Refused(Some(there)));
            };
            // The lifespan is not used, because this put cannot create an entry.
            let put = PutOptions::new(Lifespan::persistent())
                .with_condition(Condition::IfVersion(version))
                .with_existing_deadline(
                    options.refresh.map_or(ExistingDeadline::Keep, ExistingDeadline::Refresh),
                )
                .with_returning(options.returning);
            match self.put(key, record.clone().into(), put).await? {
                Outcome::Applied(meta) => return outcome(&meta, &record, effects, patch),
                Outcome::Absent | Outcome::Refused(_) => {}
            }
        }
        Err(contention().with_operation("patch").with_backend(self.capabilities().backend).with_key(key))
    }

    /// Deletes a live entry. With [`DeleteOptions::projection`] it is a take: only one of many concurrent
    /// callers gets the value.
    ///
    /// An absent key, including a ghost, results in [`Outcome::Absent`] (E3). Nothing is refreshed. The next
    /// entry under this key inherits nothing (E9).
    ///
    /// Provided: an [`expire`](TtlStore::expire) to an instant in the distant past. A take, or a delete that
    /// expects a kind, reads first and retries after a conflict. A driver without conditions returns
    /// [`ErrorKind::Unsupported`] for these.
    ///
    /// Cost:
    /// * Memory: a lock.
    /// * Redis, DynamoDB: one request.
    /// * CQL: one request, or two for a take or an expected kind.
    ///
    /// # Errors
    /// * [`ErrorKind::WrongKind`] if the entry is not of the expected kind; it is not deleted (V3)
    /// * [`ErrorKind::Contention`]
    /// * errors of the backend, including [`ErrorKind::OutcomeUnknown`]
    async fn delete(&self, key: &Key, options: DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        self.capabilities().check_delete(&options)?;
        let end = ExpiryChange::Set(Expiry::At(UNIX_EPOCH));
        if options.projection == Projection::Nothing && options.kind.is_none() {
            let expire = ExpireOptions { if_version: options.if_version, ..ExpireOptions::new() };
            return Ok(self.expire(key, end, expire).await?.map(|_| None));
        }
        for _ in 0..MAX_ATTEMPTS {
            // The whole value, so that version and kind belong to the same entry: a different version is
            // refused before the kind.
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

    /// Returns the synchronous form of this store, if it has one. Its methods do the same without a future.
    ///
    /// Memory: always, because it never waits. A wrapper that changes what an operation does returns `None`, or a
    /// form that changes it, too. Provided: `None`.
    fn as_sync(&self) -> Option<&dyn SyncStore> {
        None
    }

    /// Lists live entries whose keys begin with a prefix, page by page.
    ///
    /// Every entry that is live throughout the scan is listed, and no expired entry is. Pages are filled even
    /// if ghosts are in between (S1). The prefix is literal (S2). An entry that cannot be read is listed with
    /// its error, and the scan continues (S4). Each driver documents the order, and whether a key can be
    /// listed twice. Nothing is refreshed.
    ///
    /// Provided: returns [`ErrorKind::Unsupported`]. Cost: proportional to the entries that the backend has
    /// to examine. On Redis these are all keys of the server, on DynamoDB and CQL all keys of the table,
    /// whatever the prefix.
    ///
    /// # Errors
    /// * [`ErrorKind::InvalidCursor`] if the cursor belongs to another store or prefix (S3)
    /// * [`ErrorKind::Unsupported`]
    /// * errors of the backend
    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        let _ = options;
        let backend = self.capabilities().backend;
        Err(Error::new(ErrorKind::Unsupported, "this store does not support scans; keep an index of keys")
            .with_operation("scan")
            .with_backend(backend))
    }

    /// Reads many entries. Returns one result for each key, in order, including duplicates (B1).
    ///
    /// An unreadable entry does not affect the others. Each hit is refreshed as by a separate get. Provided:
    /// one get after another.
    ///
    /// Cost:
    /// * Redis: one request.
    /// * DynamoDB: one request for 100 keys; with a refresh, one get for each key.
    /// * CQL: one get for each key, 64 at a time.
    async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Result<Option<Entry>>> {
        let mut results = Vec::with_capacity(keys.len());
        for key in keys {
            results.push(self.get(key, options.clone()).await);
        }
        results
    }

    /// Stores many entries, each with its own options. Returns one result for each item, in order (B1).
    ///
    /// Each item succeeds or fails independently. Items with the same key are applied in their order.
    /// Provided: one put after another. Cost: Redis, one request; DynamoDB and CQL, one put for each item,
    /// many at a time.
    async fn put_many(&self, items: Vec<PutItem>) -> Vec<Result<Outcome<PutResult>>> {
        let mut results = Vec::with_capacity(items.len());
        for item in items {
            results.push(self.put(&item.key, item.value, item.options).await);
        }
        results
    }

    /// Deletes many entries. Returns one result for each key, in order (B1). A key that is listed twice is
    /// deleted once and absent the second time.
    ///
    /// Each delete succeeds or fails independently. Provided: one delete after another. Cost: Redis, one
    /// request; DynamoDB and CQL, one delete for each key, many at a time.
    async fn delete_many(&self, keys: &[Key], options: DeleteOptions) -> Vec<Result<Outcome<Option<Entry>>>> {
        let mut results = Vec::with_capacity(keys.len());
        for key in keys {
            results.push(self.delete(key, options.clone()).await);
        }
        results
    }

    /// Subscribes to the changes of this store's entries by any process, this one included (N1).
    ///
    /// Every change after this call has returned is reported: puts, patches, deletes, and refreshes and expire
    /// calls that moved a deadline. The expiry of an entry need not be reported, because a reader of the entry
    /// knows its deadline. Reports arrive with the delay of the network, so a write can return before its
    /// report arrives, even in the same process.
    ///
    /// A report that was lost, or that may have been lost, is replaced by a
    /// [`Gap`](crate::StoreChange::Gap): as soon as the loss is known, repeatedly while it lasts, and once more
    /// as soon as changes are reported again (N2). Each driver documents how long a loss can remain unknown. A
    /// reader that is too slow gets a gap too.
    ///
    /// The stream does not end while the store exists. Dropping it ends the subscription (N3).
    ///
    /// Provided: returns [`ErrorKind::Unsupported`]. Cost: Redis, one connection for each stream, and one
    /// message for each change.
    ///
    /// # Errors
    /// * [`ErrorKind::Unsupported`] without [`Capabilities::changes`]
    /// * errors of the backend
    async fn changes(&self) -> Result<ChangeStream> {
        Err(unsupported_changes(&self.capabilities()))
    }
}

fn outcome(
    meta: &PutResult,
    record: &Record,
    effects: Vec<Effect>,
    patch: &Patch,
) -> Result<Outcome<PatchResult>> {
    Ok(Outcome::Applied(PatchResult::new(meta, record.project(&patch.to_fields()?), effects)))
}

fn reported_version(entry: &Entry) -> Result<Version> {
    entry.version.ok_or_else(|| {
        Error::new(ErrorKind::Backend, "the driver returned no version although it was requested")
    })
}

fn reported_value(entry: Entry) -> Result<Value> {
    entry.value.ok_or_else(|| {
        Error::new(ErrorKind::Backend, "the driver returned no value although it was requested")
    })
}
