//! `CasStore`: a complete store on top of a `CasBackend`.

use std::time::SystemTime;

use async_trait::async_trait;

use super::{CasBackend, Context, MAX_ATTEMPTS, Stored, contention};
use crate::driver::Now;
use crate::options::{
    DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutOptions, Returning, ScanOptions,
};
use crate::results::{ExpireResult, PatchResult, PutResult};
use crate::rules;
use crate::rules::perform::{self, Next, entry};
use crate::{
    Capabilities, ChangeStream, Cursor, Deadline, Entry, Error, ErrorKind, Key, Outcome, Page, PageItem,
    Patch, Result, TtlStore, Value,
};

/// A complete store on top of a [`CasBackend`]. Each operation loads the entry, applies [`rules`], and swaps.
///
/// A write takes two round trips without conflicts, and at most 64 attempts, after which it fails with
/// [`ErrorKind::Contention`]. Between attempts it waits ([`CasBackend::back_off`]). A get takes one round
/// trip, and one more if its refresh is due. Ghosts are skipped and replaced, never removed: the backend
/// reclaims them.
///
/// A driver can contain a `CasStore` and override single operations for which its backend needs fewer round
/// trips.
///
/// ```
/// use ttl_core::driver::CasStore;
/// use ttl_core::options::{GetOptions, PutOptions, Returning};
/// use ttl_core::{Key, TtlStore, Ttl};
/// # mod toy { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/toy/mod.rs")); }
/// # use toy::Toy;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> ttl_core::Result<()> {
/// // The example backend of the crate documentation.
/// let store = CasStore::new(Toy::default());
/// let key = Key::new("session:5f0c")?;
/// let _ = store.put(&key, "hello".into(), PutOptions::new(Ttl::minutes(30))).await?;
///
/// let entry = store.get(&key, GetOptions::new().with_returning(Returning::DEADLINE)).await?.expect("it is live");
/// assert_eq!(entry.value, Some("hello".into()));
/// assert!(entry.deadline.and_then(|deadline| deadline.remaining(store.now())).is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct CasStore<C>(C);

impl<C: CasBackend> CasStore<C> {
    /// Creates a store on this backend.
    pub const fn new(backend: C) -> Self {
        Self(backend)
    }

    /// Returns the backend.
    pub const fn backend(&self) -> &C {
        &self.0
    }

    fn check_size(&self, value: &Value) -> Result<()> {
        let capabilities = self.0.capabilities();
        if capabilities.max_value_bytes == u64::MAX {
            Ok(())
        } else {
            capabilities.check_size(value.size_bytes())
        }
    }

    /// Loads the stored entry and its stamp, with the instant at which expiry is evaluated.
    ///
    /// That instant is after the load, so that a slow load revives nothing. If the deadline passed during the
    /// load, another writer may have moved it in time, and the entry was never absent. The entry is then
    /// loaded again.
    async fn load(&self, key: &Key) -> Result<(Now, Option<Stored>, Option<C::Stamp>)> {
        let before = self.0.now();
        let mut loaded = self.0.load(key).await?;
        let mut now = self.0.now();
        let fell = |stored: &Stored| stored.header().is_live(before) && !stored.header().is_live(now);
        if loaded.as_ref().is_some_and(|(stored, _)| fell(stored)) {
            loaded = self.0.load(key).await?;
            now = self.0.now();
        }
        let (stored, stamp) = loaded.unzip();
        Ok((self.rounding(now), stored, stamp))
    }

    /// Returns the instant with the declared resolution of the backend.
    fn rounding(&self, now: SystemTime) -> Now {
        Now::from(now).with_resolution(self.0.capabilities().resolution)
    }

    async fn live(&self, key: &Key) -> Result<Option<Stored>> {
        let (now, stored, _) = self.with_context("scan", key, self.load(key).await)?;
        Ok(stored.filter(|stored| stored.header().is_live(now)))
    }

    /// Adds operation, backend and key to an error.
    fn with_context<T>(&self, operation: &'static str, key: &Key, result: Result<T>) -> Result<T> {
        self.context().with_key(operation, key, result)
    }

    fn context(&self) -> Context {
        Context::new(self.0.capabilities().backend)
    }

    /// Adds the error of a refresh to the entry that was read (R9).
    fn with_refresh_error(&self, key: &Key, entry: Entry, error: Error) -> Entry {
        entry.with_refresh_error(self.context().error("get", key, error))
    }

    async fn get_once(&self, key: &Key, options: &GetOptions) -> Result<Attempt<Option<Entry>>> {
        let (now, stored, stamp) = self.load(key).await?;
        let Some(hit) = rules::get(now, stored.as_ref().map(Stored::header).as_ref(), options)? else {
            return Ok(Attempt::Done(None));
        };
        let Some(mut stored) = stored else { return Ok(Attempt::Done(None)) };
        let mut entry =
            entry(&stored, &options.projection, options.returning, hit.deadline)?.with_cap(hit.cap);
        if let Some(deadline) = hit.refresh {
            stored.deadline = deadline;
            match self.0.swap(key, stamp.as_ref(), Some(&stored)).await {
                Ok(true) if options.returning.contains(Returning::DEADLINE) => {
                    entry.deadline = Some(deadline);
                }
                Ok(true) => {}
                Ok(false) => {
                    return Ok(Attempt::Stale(Some(self.with_refresh_error(key, entry, contention()))));
                }
                Err(error) => entry = self.with_refresh_error(key, entry, error),
            }
        }
        Ok(Attempt::Done(Some(entry)))
    }

    async fn put_once(
        &self,
        key: &Key,
        value: &Value,
        options: &PutOptions,
    ) -> Result<Option<Outcome<PutResult>>> {
        let (now, stored, stamp) = self.load(key).await?;
        let (next, outcome) = perform::put(now, stored.as_ref(), value, options)?;
        self.write(key, stamp, next, outcome).await
    }

    /// Writes the next state of the entry. Returns the outcome, or `None` on a conflict.
    async fn write<T>(
        &self,
        key: &Key,
        stamp: Option<C::Stamp>,
        next: Next,
        outcome: Outcome<T>,
    ) -> Result<Option<Outcome<T>>> {
        let swapped = match next {
            Next::Stays => true,
            Next::Becomes(next) => self.0.swap(key, stamp.as_ref(), Some(&next)).await?,
            Next::Goes => self.0.swap(key, stamp.as_ref(), None).await?,
        };
        Ok(swapped.then_some(outcome))
    }

    async fn patch_once(
        &self,
        key: &Key,
        patch: &Patch,
        options: &PatchOptions,
    ) -> Result<Option<Outcome<PatchResult>>> {
        let (now, stored, stamp) = self.load(key).await?;
        let (next, outcome) = perform::patch(now, stored.as_ref(), patch, options, &self.capabilities())?;
        self.write(key, stamp, next, outcome).await
    }

    async fn expire_once(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: &ExpireOptions,
    ) -> Result<Option<Outcome<ExpireResult>>> {
        let (now, stored, stamp) = match self.load(key).await {
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                // An expire that ends the entry without a condition is a delete, and need not decode it (V6).
                let Some(end) = self.unconditional_end(change, options)? else { return Err(error) };
                let ended = self.0.discard(key).await?;
                return Ok(ended.then_some(Outcome::Applied(ExpireResult::new(end, true))));
            }
            loaded => loaded?,
        };
        let (next, outcome) = perform::expire(now, stored.as_ref(), change, options)?;
        self.write(key, stamp, next, outcome).await
    }

    /// Returns the deadline of an expire that unconditionally ends any entry.
    fn unconditional_end(&self, change: ExpiryChange, options: &ExpireOptions) -> Result<Option<Deadline>> {
        let ExpiryChange::Set(expiry) = change else { return Ok(None) };
        let now = self.rounding(self.0.now());
        let deadline = expiry.resolve(now)?;
        Ok(Some(deadline).filter(|deadline| deadline.is_expired(now) && *options == ExpireOptions::new()))
    }

    async fn delete_once(
        &self,
        key: &Key,
        options: &DeleteOptions,
    ) -> Result<Option<Outcome<Option<Entry>>>> {
        let (now, stored, stamp) = match self.load(key).await {
            Err(error) if error.kind() == ErrorKind::Corrupt && *options == DeleteOptions::new() => {
                return Ok(self.0.discard(key).await?.then_some(Outcome::Applied(None)));
            }
            loaded => loaded?,
        };
        let (next, outcome) = perform::delete(now, stored.as_ref(), options)?;
        self.write(key, stamp, next, outcome).await
    }
}

/// The maximum number of entries that a scan lists at once, unless a page needs more.
const MAX_LISTED: usize = 1_000;

enum Attempt<T> {
    Done(T),
    /// There was a conflict; this is the result if no attempt is left.
    Stale(T),
}

/// Retries until an attempt has no conflict, if the input has passed its checks.
macro_rules! attempts {
    ($store:ident, $operation:literal, $key:ident, $checked:expr, $once:expr) => {{
        let result = 'done: {
            if let Err(error) = $checked {
                break 'done Err(error);
            }
            for attempt in 0..MAX_ATTEMPTS {
                match $once {
                    Ok(Some(outcome)) => break 'done Ok(outcome),
                    Ok(None) => $store.0.back_off(attempt).await,
                    Err(error) => break 'done Err(error),
                }
            }
            Err(contention())
        };
        $store.with_context($operation, $key, result)
    }};
}

#[async_trait]
impl<C: CasBackend> TtlStore for CasStore<C> {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    fn now(&self) -> SystemTime {
        self.0.now()
    }

    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>> {
        self.with_context("get", key, self.capabilities().check_get(&options))?;
        let mut last = None;
        for attempt in 0..MAX_ATTEMPTS {
            match self.with_context("get", key, self.get_once(key, &options).await)? {
                Attempt::Done(entry) => return Ok(entry),
                Attempt::Stale(entry) => last = entry,
            }
            self.0.back_off(attempt).await;
        }
        // The read succeeded, but its refresh failed (R9).
        Ok(last)
    }

    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>> {
        let checked = self.capabilities().check_put(&options).and_then(|()| self.check_size(&value));
        attempts!(self, "put", key, checked, self.put_once(key, &value, &options).await)
    }

    async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        let checked = self.capabilities().check_expire(&options);
        attempts!(self, "expire", key, checked, self.expire_once(key, change, &options).await)
    }

    async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Result<Outcome<PatchResult>> {
        let checked = self.capabilities().check_patch(patch, &options);
        attempts!(self, "patch", key, checked, self.patch_once(key, patch, &options).await)
    }

    async fn delete(&self, key: &Key, options: DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        let checked = self.capabilities().check_delete(&options);
        attempts!(self, "delete", key, checked, self.delete_once(key, &options).await)
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        let capabilities = self.capabilities();
        capabilities.check_scan(&options)?;
        let scope = [capabilities.backend, self.0.identity(), &options.prefix];
        let secret = self.0.cursor_secret();
        let mut after = match &options.cursor {
            Some(cursor) => {
                let position = String::from_utf8(cursor.open(&secret, &scope)?);
                let key = position.ok().and_then(|position| Key::new(position).ok());
                Some(key.ok_or_else(|| {
                    Error::new(ErrorKind::InvalidCursor, "the cursor is invalid; start the scan again")
                })?)
            }
            None => None,
        };
        let limit = options.limit.get();
        let mut items = Vec::new();
        // One more than the page needs, so that a full last page is recognized as the last.
        let mut wanted = limit.saturating_add(1);
        loop {
            let before = self.0.now();
            let listed = self.0.list(&options.prefix, after.as_ref(), wanted).await;
            let listed = self.context().without_key("scan", listed)?;
            let (end, now) = (listed.len() < wanted, self.0.now());
            for (key, listed) in listed {
                let lives = |now| listed.as_ref().is_ok_and(|stored| stored.header().is_live(now));
                let listed = match (lives(before), lives(now)) {
                    // Its deadline passed during the listing, but another writer may have moved it in time.
                    (true, false) => match self.live(&key).await {
                        Err(error) if error.kind() != ErrorKind::Corrupt => return Err(error),
                        again => again,
                    },
                    (false, false) if listed.is_ok() => Ok(None),
                    _ => listed.map(Some),
                };
                if let Some(listed) = listed.transpose() {
                    if items.len() == limit {
                        let next = after.map(|after| Cursor::seal(&secret, &scope, after.as_bytes()));
                        return Ok(Page::new(items, next));
                    }
                    let entry = listed.and_then(|stored| {
                        entry(&stored, &options.projection, options.returning, stored.header().ends())
                    });
                    let entry = entry.map_err(|error| error.with_backend(capabilities.backend));
                    items.push(PageItem::new(key.clone(), entry));
                }
                after = Some(key);
            }
            if end {
                return Ok(Page::new(items, None));
            }
            // There were ghosts, and there may be many more: list more entries at once.
            wanted = wanted.saturating_mul(2).min(MAX_LISTED.max(wanted));
        }
    }

    async fn changes(&self) -> Result<ChangeStream> {
        self.context().without_key("changes", self.0.changes().await)
    }
}
