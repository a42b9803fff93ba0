//! `Cell` and `CellStore`: three methods make a whole store.

use std::fmt::Debug;
use std::time::SystemTime;

use async_trait::async_trait;

use crate::rules::{self, DeleteStep, ExpireStep, Header, PatchStep, PutStep};
use crate::store::{ATTEMPTS, contention};
use crate::{
    Capabilities, Cursor, Deadline, DeleteOptions, Entry, ErrorKind, ExpireOptions, ExpireOutcome,
    ExpiryChange, GetOptions, Key, Meta, Outcome, Page, Patch, PatchOptions, PatchOutcome, PutOptions,
    Result, ScanOptions, Select, TtlStore, Value, Version, Want,
};

/// An entry as a [`Cell`] keeps it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Stored {
    /// The value.
    pub value: Value,
    /// When it ends; [`Deadline::NEVER`] if it is persistent.
    pub deadline: Deadline,
    /// What its deadline may never pass; [`Deadline::NEVER`] without a cap.
    pub cap: Deadline,
    /// The value's version. A swap that leaves it as it was changes the deadline and nothing else.
    pub version: Version,
}

impl Stored {
    /// An entry of these parts, for a cell that decodes what it stored.
    #[must_use]
    pub const fn new(value: Value, deadline: Deadline, cap: Deadline, version: Version) -> Self {
        Self { value, deadline, cap, version }
    }

    fn header(&self) -> Header {
        Header { kind: self.value.kind(), deadline: self.deadline, cap: self.cap, version: self.version }
    }
}

/// The smallest driver: load, compare-and-swap and list, with no idea of expiry. [`CellStore`] makes a whole
/// [`TtlStore`] of it by [`rules`].
///
/// The crate's documentation holds a complete example.
#[async_trait]
pub trait Cell: Debug + Send + Sync + 'static {
    /// What tells one state of a key from the next: whatever [`Cell::swap`] compares. It must change with every
    /// swap that changes value, deadline or cap; it may recur when the same state recurs.
    type Stamp: Send + Sync;

    /// What the store promises. It has conditions, patches and caps in any case: swap gives them.
    fn capabilities(&self) -> Capabilities;

    /// The time by the clock that decides about visibility; see [`Clock`](crate::Clock). Provided: the system's,
    /// which within this process never runs backwards.
    fn now(&self) -> SystemTime {
        crate::clock::system_now()
    }

    /// Tells this store's scan cursors from those of another one with the same backend, such as a namespace.
    fn identity(&self) -> &str {
        ""
    }

    /// What is stored under the key, ghosts included, and its stamp.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] for what cannot be decoded, and the backend's failures.
    async fn load(&self, key: &Key) -> Result<Option<(Stored, Self::Stamp)>>;

    /// Replaces what is stored, if its stamp still is `seen` (`None`: if nothing is stored), by `next` (`None`: by
    /// nothing), atomically. Answers whether it did.
    ///
    /// # Errors
    /// The backend's failures; [`ErrorKind::OutcomeUnknown`] if it may have been done.
    async fn swap(&self, key: &Key, seen: Option<&Self::Stamp>, next: Option<&Stored>) -> Result<bool>;

    /// At most `limit` entries whose keys begin with `prefix`, ghosts included, in an order of the cell's own that
    /// does not change, from the first after the key `after`. Fewer than `limit` mean that there are no more.
    ///
    /// # Errors
    /// The backend's failures.
    async fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Stored)>>;

    /// Waits before the next attempt after another writer was faster. Provided: not at all.
    async fn back_off(&self, attempt: usize) {
        let _ = attempt;
    }
}

/// A whole store on top of a [`Cell`]: each operation loads, asks [`rules`], and swaps.
///
/// A write is two round trips of the cell when nobody else writes, and at most 64 attempts
/// ([`ErrorKind::Contention`] after that). A driver can hold one and override single operations where its backend
/// saves a round trip.
#[derive(Clone, Debug)]
pub struct CellStore<C>(C);

impl<C: Cell> CellStore<C> {
    /// A store on this cell.
    pub const fn new(cell: C) -> Self {
        Self(cell)
    }

    /// The cell.
    pub const fn cell(&self) -> &C {
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

    async fn load(&self, key: &Key) -> Result<(Option<Stored>, Option<C::Stamp>)> {
        Ok(self.0.load(key).await?.unzip())
    }

    async fn get_once(&self, key: &Key, options: &GetOptions) -> Result<Attempt<Option<Entry>>> {
        let now = self.0.now();
        let (stored, stamp) = self.load(key).await?;
        let Some(hit) = rules::get(now, stored.as_ref().map(Stored::header).as_ref(), options)? else {
            return Ok(Attempt::Done(None));
        };
        let Some(mut stored) = stored else { return Ok(Attempt::Done(None)) };
        let mut entry = entry(&stored, &options.select, options.want, hit.deadline);
        if let Some(deadline) = hit.refresh {
            stored.deadline = deadline;
            match self.0.swap(key, stamp.as_ref(), Some(&stored)).await {
                Ok(true) if options.want.contains(Want::DEADLINE) => entry.deadline = Some(deadline),
                Ok(true) => {}
                Ok(false) => return Ok(Attempt::Stale(Some(entry.with_refresh_error(contention())))),
                Err(error) => entry = entry.with_refresh_error(error),
            }
        }
        Ok(Attempt::Done(Some(entry)))
    }

    async fn put_once(
        &self,
        key: &Key,
        value: &Value,
        options: &PutOptions,
    ) -> Result<Option<Outcome<Meta>>> {
        let now = self.0.now();
        let (stored, stamp) = self.load(key).await?;
        let header = stored.as_ref().map(Stored::header);
        let (next, meta) = match rules::put(now, header.as_ref(), options)? {
            PutStep::Absent => return Ok(Some(Outcome::Absent)),
            PutStep::Refused => return Ok(Some(Outcome::Refused)),
            PutStep::Write { deadline, cap, created } => {
                let next = Stored::new(value.clone(), deadline, cap, Version::random());
                let meta = meta(created, options.want, deadline, Some(next.version));
                (Some(next), meta)
            }
            PutStep::Erase { deadline, created } => (None, meta(created, options.want, deadline, None)),
        };
        if next.is_none() && stored.is_none() {
            return Ok(Some(Outcome::Applied(meta)));
        }
        let swapped = self.0.swap(key, stamp.as_ref(), next.as_ref()).await?;
        Ok(swapped.then_some(Outcome::Applied(meta)))
    }

    async fn patch_once(
        &self,
        key: &Key,
        patch: &Patch,
        options: &PatchOptions,
    ) -> Result<Option<Outcome<PatchOutcome>>> {
        let now = self.0.now();
        let (stored, stamp) = self.load(key).await?;
        let header = stored.as_ref().map(Stored::header);
        let step = rules::patch(now, header.as_ref(), options)?;
        let (deadline, cap) = match step {
            PatchStep::Absent => return Ok(Some(Outcome::Absent)),
            PatchStep::Refused => return Ok(Some(Outcome::Refused)),
            PatchStep::Change { deadline } => (deadline, header.map_or(Deadline::NEVER, |header| header.cap)),
            PatchStep::Create { deadline, cap } => (deadline, cap),
            PatchStep::CreateElapsed { deadline } => (deadline, Deadline::NEVER),
        };
        let created = !matches!(step, PatchStep::Change { .. });
        let mut record = match (&options.create, stored) {
            (Some(create), _) if created => create.initial.clone(),
            (_, Some(stored)) => stored.value.into_record()?,
            (_, None) => return Ok(Some(Outcome::Absent)),
        };
        let effects = rules::apply(&mut record, patch)?;
        let fields = record.select(&patch.to_fields()?);
        if matches!(step, PatchStep::CreateElapsed { .. }) {
            let meta = meta(created, options.want, deadline, None);
            return Ok(Some(Outcome::Applied(PatchOutcome::new(meta, fields, effects))));
        }
        let next = Stored::new(record.into(), deadline, cap, Version::random());
        self.check_size(&next.value)?;
        let swapped = self.0.swap(key, stamp.as_ref(), Some(&next)).await?;
        let meta = meta(created, options.want, deadline, Some(next.version));
        Ok(swapped.then(|| Outcome::Applied(PatchOutcome::new(meta, fields, effects))))
    }

    async fn expire_once(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: &ExpireOptions,
    ) -> Result<Option<Outcome<ExpireOutcome>>> {
        let now = self.0.now();
        let (stored, stamp) = self.load(key).await?;
        let header = stored.as_ref().map(Stored::header);
        let (deadline, ends) = match rules::expire(now, header.as_ref(), change, options)? {
            ExpireStep::Absent => return Ok(Some(Outcome::Absent)),
            ExpireStep::Refused => return Ok(Some(Outcome::Refused)),
            ExpireStep::Keep(deadline) => {
                return Ok(Some(Outcome::Applied(ExpireOutcome::new(deadline, false))));
            }
            ExpireStep::Move(deadline) => (deadline, false),
            ExpireStep::End(deadline) => (deadline, true),
        };
        let next = stored.filter(|_| !ends).map(|stored| Stored { deadline, ..stored });
        let swapped = self.0.swap(key, stamp.as_ref(), next.as_ref()).await?;
        Ok(swapped.then_some(Outcome::Applied(ExpireOutcome::new(deadline, true))))
    }

    async fn delete_once(
        &self,
        key: &Key,
        options: &DeleteOptions,
    ) -> Result<Option<Outcome<Option<Entry>>>> {
        let now = self.0.now();
        let (stored, stamp) = self.load(key).await?;
        let header = stored.as_ref().map(Stored::header);
        match rules::delete(now, header.as_ref(), options)? {
            DeleteStep::Absent => return Ok(Some(Outcome::Absent)),
            DeleteStep::Refused => return Ok(Some(Outcome::Refused)),
            DeleteStep::Remove => {}
        }
        let swapped = self.0.swap(key, stamp.as_ref(), None).await?;
        let taken = stored
            .filter(|_| options.select != Select::Nothing)
            .map(|stored| entry(&stored, &options.select, Want::empty(), stored.deadline));
        Ok(swapped.then_some(Outcome::Applied(taken)))
    }
}

enum Attempt<T> {
    Done(T),
    /// Another writer was faster; this is the answer if no attempt is left.
    Stale(T),
}

/// Tries until an attempt is not stale.
macro_rules! attempts {
    ($store:ident, $once:expr) => {{
        for attempt in 0..ATTEMPTS {
            if let Some(outcome) = $once {
                return Ok(outcome);
            }
            $store.0.back_off(attempt).await;
        }
        Err(contention())
    }};
}

#[async_trait]
impl<C: Cell> TtlStore for CellStore<C> {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    fn now(&self) -> SystemTime {
        self.0.now()
    }

    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>> {
        let mut last = None;
        for attempt in 0..ATTEMPTS {
            match self.get_once(key, &options).await? {
                Attempt::Done(entry) => return Ok(entry),
                Attempt::Stale(entry) => last = entry,
            }
            self.0.back_off(attempt).await;
        }
        // The read succeeded, its refresh did not (R9).
        Ok(last)
    }

    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<Meta>> {
        self.capabilities().check_put(&options)?;
        self.check_size(&value)?;
        attempts!(self, self.put_once(key, &value, &options).await?)
    }

    async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> Result<Outcome<ExpireOutcome>> {
        self.capabilities().check_expire(&options)?;
        attempts!(self, self.expire_once(key, change, &options).await?)
    }

    async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Result<Outcome<PatchOutcome>> {
        self.capabilities().check_patch(patch, &options)?;
        attempts!(self, self.patch_once(key, patch, &options).await?)
    }

    async fn delete(&self, key: &Key, options: DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        self.capabilities().check_delete(&options)?;
        attempts!(self, self.delete_once(key, &options).await?)
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        let capabilities = self.capabilities();
        capabilities.check_scan(&options)?;
        let scope = [capabilities.backend, self.0.identity(), &options.prefix];
        let mut after =
            match &options.cursor {
                Some(cursor) => {
                    let position = String::from_utf8(cursor.open(&scope)?);
                    let key = position.ok().and_then(|position| Key::new(position).ok());
                    Some(key.ok_or_else(|| {
                        crate::Error::new(ErrorKind::InvalidCursor, "the cursor holds no key")
                    })?)
                }
                None => None,
            };
        let limit = options.limit.get();
        let mut entries = Vec::new();
        loop {
            // One more than the page needs, so that a full last page knows that it is the last.
            let wanted = limit - entries.len() + 1;
            let listed = self.0.list(&options.prefix, after.as_ref(), wanted).await?;
            let (end, now) = (listed.len() < wanted, self.0.now());
            for (key, stored) in listed {
                if stored.header().is_live(now) {
                    if entries.len() == limit {
                        let next = after.map(|after| Cursor::seal(&scope, after.as_bytes()));
                        return Ok(Page::new(entries, next));
                    }
                    let ends = stored.header().ends();
                    let entry = entry(&stored, &options.select, options.want, ends);
                    entries.push((key.clone(), entry));
                }
                after = Some(key);
            }
            if end {
                return Ok(Page::new(entries, None));
            }
        }
    }
}

fn entry(stored: &Stored, select: &Select, want: Want, deadline: Deadline) -> Entry {
    let value = match (select, &stored.value) {
        (Select::All, value) => Some(value.clone()),
        (Select::Fields(names), Value::Record(record)) => Some(record.select(names).into()),
        (Select::Fields(_), Value::Blob(_)) | (Select::Nothing, _) => None,
    };
    Entry::new(value)
        .with_deadline(want.contains(Want::DEADLINE).then_some(deadline))
        .with_version(want.contains(Want::VERSION).then_some(stored.version))
}

fn meta(created: bool, want: Want, deadline: Deadline, version: Option<Version>) -> Meta {
    Meta::new(created)
        .with_deadline(want.contains(Want::DEADLINE).then_some(deadline))
        .with_version(version.filter(|_| want.contains(Want::VERSION)))
}
