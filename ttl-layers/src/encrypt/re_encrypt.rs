//! A walk that encrypts every entry with the key that writes.

use futures_timer::Delay;
use ttl_core::driver::{Context, MAX_ATTEMPTS, back_off, contention, each};
use ttl_core::options::{
    Condition, ExistingDeadline, GetOptions, PatchOptions, Projection, PutOptions, Returning, ScanOptions,
};
use ttl_core::{
    Cursor, Entry, Error, ErrorKind, Key, Lifespan, Outcome, PageItem, Patch, Result, TtlStore, Value,
};

use super::config::Encrypt;
use super::encryption::{Encryption, StoredForm};
use crate::translate::{Rewrite, Translation};

/// The maximum number of entries that are written at the same time.
const CONCURRENCY: usize = 16;

/// The options of [`Encrypt::re_encrypt`].
#[derive(Clone, Debug)]
pub struct ReEncrypt {
    scan: ScanOptions,
}

impl ReEncrypt {
    /// Creates options for all entries whose keys in the inner store begin with this prefix; empty for all.
    #[must_use]
    pub fn new(prefix: impl Into<String>) -> Self {
        let scan = ScanOptions::new(prefix).with_projection(Projection::All);
        Self { scan: scan.with_returning(Returning::VERSION) }
    }

    /// Sets the number of entries that are read at once; defaults to
    /// [`ScanOptions::DEFAULT_LIMIT`](ttl_core::options::ScanOptions::DEFAULT_LIMIT).
    #[must_use]
    pub fn with_limit(mut self, limit: std::num::NonZeroUsize) -> Self {
        self.scan = self.scan.with_limit(limit);
        self
    }

    /// Sets the position to continue at, [`ReEncrypted::next`] of an earlier walk; `None` starts at the
    /// beginning.
    #[must_use]
    pub fn with_cursor(mut self, cursor: impl Into<Option<Cursor>>) -> Self {
        self.scan = self.scan.with_cursor(cursor);
        self
    }
}

/// The progress and the result of [`Encrypt::re_encrypt`]. The counts are those of this walk, from its cursor
/// on.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ReEncrypted {
    /// The number of entries that were encrypted with the key that writes.
    pub rewritten: u64,
    /// The number of entries that already were.
    pub current: u64,
    /// The number of entries that were gone before they could be rewritten.
    pub gone: u64,
    /// The number of entries that cannot be decoded, or that are too large to be encrypted. They are unchanged.
    pub failed: u64,
    /// The errors of the failed entries of the last page; [`Error::key`] returns their keys in the inner store.
    pub errors: Vec<Error>,
    /// The position to continue at; `None` at the end.
    pub next: Option<Cursor>,
}

/// The result of a rewrite of an entry.
enum Step {
    Rewritten,
    Current,
    Gone,
    Failed(Error),
}

impl Encrypt {
    /// Encrypts every entry that is under another key than the one that writes, or that is plaintext if the
    /// settings accept it. `inner` is the store below this layer.
    ///
    /// Other programs can use the store at the same time. Each entry is written under the condition that its
    /// version has not changed, and is read again after a conflict. Deadlines and caps stay. The version
    /// changes, so a compare-and-swap that read before fails once. A record keeps its creation time; a blob
    /// gets a new one, as with every put.
    ///
    /// `progress` is called after each page. Continue after an error with the last `next` that it saw. After a
    /// walk without failed entries, and if all writers have used the new key since before it began, the
    /// old key can be removed from the keyring.
    ///
    /// Cost: one request for a page, one for each entry that is rewritten, and two more for each conflict.
    ///
    /// # Errors
    /// * [`ErrorKind::InvalidConfig`] if a setting is invalid
    /// * [`ErrorKind::Unsupported`] if `inner` lacks the capability `conditions` or `scan`
    /// * [`ErrorKind::InvalidCursor`] if the cursor is invalid
    /// * errors of the backend
    ///
    /// ```
    /// use std::sync::Arc;
    /// use ttl_core::TtlStore;
    /// use ttl_layers::{Encrypt, Keyring, LayerExt, ReEncrypt};
    /// use ttl_memory::MemoryStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ttl_core::Result<()> {
    /// # let (new_secret, old_secret) = ([1; 32], [2; 32]);
    /// let inner: Arc<dyn TtlStore> = Arc::new(MemoryStore::default());
    /// let keys = Keyring::new("2026", new_secret).with_read_key("2025", old_secret);
    /// let layer = Encrypt::new("sessions", keys);
    /// let store = inner.clone().layer(&layer)?;
    ///
    /// let done = layer.re_encrypt(&*inner, ReEncrypt::new(""), |page| println!("{page:?}")).await?;
    /// assert_eq!((done.rewritten, done.failed), (0, 0));
    /// # let _ = store;
    /// # Ok(()) }
    /// ```
    pub async fn re_encrypt(
        &self,
        inner: &dyn TtlStore,
        options: ReEncrypt,
        mut progress: impl FnMut(&ReEncrypted) + Send,
    ) -> Result<ReEncrypted> {
        let walk = Walk { encryption: self.encryption()?, inner };
        let capabilities = inner.capabilities();
        capabilities.check_scan(&options.scan)?;
        if !capabilities.conditions {
            let text =
                "this store does not offer conditions, which the rewrite of entries needs; let them expire";
            return Err(Error::new(ErrorKind::Unsupported, text)
                .with_operation("put")
                .with_backend(capabilities.backend));
        }
        let (mut scan, mut done) = (options.scan, ReEncrypted::default());
        loop {
            let page = inner.scan(scan.clone()).await?;
            let items = page.items.into_iter().map(|item| (item.key.clone(), item)).collect();
            let steps = each(CONCURRENCY, items, |item| walk.item(item)).await;
            done.errors.clear();
            for step in steps {
                match step? {
                    Step::Rewritten => done.rewritten += 1,
                    Step::Current => done.current += 1,
                    Step::Gone => done.gone += 1,
                    Step::Failed(error) => {
                        done.failed += 1;
                        done.errors.push(error);
                    }
                }
            }
            done.next = page.next;
            progress(&done);
            let Some(next) = done.next.clone() else { return Ok(done) };
            scan = scan.with_cursor(next);
        }
    }
}

struct Walk<'a> {
    encryption: Encryption,
    inner: &'a dyn TtlStore,
}

impl Walk<'_> {
    async fn item(&self, item: PageItem) -> Result<Step> {
        let context = Context::new(self.inner.capabilities().backend);
        let PageItem { key, entry, .. } = item;
        let step = match entry {
            Ok(entry) => self.entry(&key, entry).await,
            Err(error) => Err(error),
        };
        match step {
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::TooLarge) => {
                Ok(Step::Failed(context.error("scan", &key, error)))
            }
            step => context.with_key("put", &key, step),
        }
    }

    async fn entry(&self, key: &Key, mut entry: Entry) -> Result<Step> {
        for attempt in 0..MAX_ATTEMPTS {
            if let Some(step) = self.attempt(key, entry).await? {
                return Ok(step);
            }
            Delay::new(back_off(attempt)).await;
            let whole = GetOptions::new().with_returning(Returning::VERSION);
            match self.inner.get(key, whole).await? {
                Some(again) => entry = again,
                None => return Ok(Step::Gone),
            }
        }
        Err(contention())
    }

    /// Rewrites an entry that was read. Returns `None` on a conflict.
    async fn attempt(&self, key: &Key, entry: Entry) -> Result<Option<Step>> {
        let (Some(stored), Some(version)) = (entry.value, entry.version) else {
            let text = "the inner store returned no value or no version although both were requested";
            return Err(Error::new(ErrorKind::Backend, text));
        };
        let value = self.encryption.decode(key, stored.clone())?;
        if self.encryption.form(&stored)? == StoredForm::Current {
            return Ok(Some(Step::Current));
        }
        // The value was stored before, so it fits.
        let limits = self.inner.capabilities().with_max_value_bytes(u64::MAX);
        let rewrite = match (&stored, &value) {
            (Value::Record(stored), Value::Record(next)) if limits.patch => {
                self.encryption.rewrite(key, stored, next, &Patch::new(), &limits)?
            }
            _ => Rewrite::Put(self.encryption.encode(key, value, &limits)?),
        };
        let outcome = match rewrite {
            Rewrite::Patch(patch) => {
                let options = PatchOptions::new().with_if_version(version);
                self.inner.patch(key, &patch, options).await?.map(drop)
            }
            Rewrite::Put(encrypted) => {
                // The lifespan is not used, because this put cannot create an entry.
                let options = PutOptions::new(Lifespan::persistent())
                    .with_condition(Condition::IfVersion(version))
                    .with_existing_deadline(ExistingDeadline::Keep);
                self.inner.put(key, encrypted, options).await?.map(drop)
            }
        };
        Ok(match outcome {
            Outcome::Applied(()) => Some(Step::Rewritten),
            Outcome::Absent => Some(Step::Gone),
            Outcome::Refused(_) => None,
        })
    }
}
