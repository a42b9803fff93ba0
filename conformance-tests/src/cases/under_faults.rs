//! Shared by the cases of outages: tables of all reads and writes, and the wait for the end of an outage.

use std::time::{Duration, Instant, SystemTime};

use ttl_core::options::{
    Condition, Create, DeleteOptions, ExpireOptions, ExpiryChange, Fields, GetOptions, PatchOptions,
    Projection, PutItem, PutOptions, Refresh, Returning, ScanOptions,
};
use ttl_core::{
    Capabilities, Entry, ErrorKind, Expiry, Key, Outcome, Page, Patch, Record, Result, TtlStore, Value,
    Version,
};

use super::support::LATER;
use crate::test::key;
use crate::{Check, Failure, Test, ensure};

/// The maximum time that a store may need after an outage, on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// The pause between two attempts of a failing call.
pub(super) const PAUSE: Duration = Duration::from_millis(20);

/// The number of entries in a batch.
pub(super) const BATCH: usize = 3;

/// Returns the value before a write.
pub(super) fn old() -> Value {
    Record::new().with("n", 1).with("text", "old").into()
}

fn new() -> Value {
    Record::new().with("n", 7).with("text", "new").into()
}

/// Reads until the store works again. Its connections are then open, and the next request is that of a
/// call.
pub(super) async fn ready(t: &Test, store: &dyn TtlStore) -> Check {
    let since = Instant::now();
    loop {
        match store.get(&key("nobody's"), GetOptions::nothing()).await {
            Ok(None) => return Ok(()),
            Ok(Some(_)) => return Err(Failure::new("a miss for a key that was never written", "an entry")),
            Err(error) if since.elapsed() > PATIENCE => {
                let seen = format!("{error:?}, {} connections made", t.proxy()?.connections());
                return Err(Failure::new(format!("a result within {PATIENCE:?} after an outage"), seen));
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Fails unless this is an error that a read may return in an outage.
pub(super) fn ensure_outage(error: &ttl_core::Error, about: &str) -> Check {
    ensure!(
        matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout) && error.is_retryable(),
        format!("{about}: Unavailable or Timeout, both retryable"),
        "{error:?}"
    );
    Ok(())
}

/// A way to read an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    Whole,
    Fields,
    Nothing,
    Refreshing,
    RefreshingFields,
    Many,
    ManyRefreshing,
    Page,
}

impl Read {
    pub(super) const ALL: [Self; 8] = [
        Self::Whole,
        Self::Fields,
        Self::Nothing,
        Self::Refreshing,
        Self::RefreshingFields,
        Self::Many,
        Self::ManyRefreshing,
        Self::Page,
    ];

    pub(super) const REFRESHING: [Self; 3] = [Self::Refreshing, Self::RefreshingFields, Self::ManyRefreshing];

    pub(super) fn is_offered(self, capabilities: &Capabilities) -> bool {
        self != Self::Page || capabilities.scan
    }

    fn options(self) -> Result<GetOptions> {
        let options = match self {
            Self::Nothing => GetOptions::nothing(),
            Self::Fields | Self::RefreshingFields => {
                GetOptions::new().with_projection(Projection::Fields(Fields::new(["n", "text"])?))
            }
            _ => GetOptions::new(),
        };
        let refreshes = Self::REFRESHING.contains(&self).then(|| Refresh::extend_only(LATER));
        Ok(options.with_returning(Returning::DEADLINE).with_refresh(refreshes))
    }

    /// Returns the number of entries that the read returns.
    pub(super) fn count(self) -> usize {
        if matches!(self, Self::Many | Self::ManyRefreshing) { BATCH } else { 1 }
    }

    /// Reads these keys, as many as the read takes. A page lists the entries whose keys begin with the
    /// first key.
    pub(super) async fn call(self, store: &dyn TtlStore, keys: &[Key]) -> Vec<Result<Option<Entry>>> {
        let Some(key) = keys.first() else { return Vec::new() };
        let options = match self.options() {
            Ok(options) => options,
            Err(error) => return vec![Err(error)],
        };
        match self {
            Self::Many | Self::ManyRefreshing => store.get_many(keys, options).await,
            Self::Page => {
                let page = store.scan(ScanOptions::new(key.as_str())).await.and_then(Page::into_entries);
                vec![page.map(|entries| entries.into_iter().next().map(|(_, entry)| entry))]
            }
            _ => vec![store.get(key, options).await],
        }
    }
}

/// A way to write one entry or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Write {
    Create,
    Overwrite,
    IfAbsent,
    IfVersion,
    Increment,
    Append,
    SetField,
    PatchThatCreates,
    Expire,
    Delete,
    Take,
    PutMany,
    DeleteMany,
}

/// The result of a write; for a take, with the value that it took.
pub(super) type Answer = Result<Outcome<Option<Value>>>;

impl Write {
    pub(super) const ALL: [Self; 13] = [
        Self::Create,
        Self::Overwrite,
        Self::IfAbsent,
        Self::IfVersion,
        Self::Increment,
        Self::Append,
        Self::SetField,
        Self::PatchThatCreates,
        Self::Expire,
        Self::Delete,
        Self::Take,
        Self::PutMany,
        Self::DeleteMany,
    ];

    pub(super) fn is_offered(self, capabilities: &Capabilities) -> bool {
        match self {
            Self::IfAbsent | Self::IfVersion | Self::Take => capabilities.conditions,
            Self::Increment | Self::Append | Self::SetField | Self::PatchThatCreates => capabilities.patch,
            _ => true,
        }
    }

    /// Returns whether the write creates the entry.
    pub(super) fn creates(self) -> bool {
        matches!(self, Self::Create | Self::IfAbsent | Self::PatchThatCreates)
    }

    fn patch(self) -> Patch {
        match self {
            Self::Append => Patch::new().append("list", "x"),
            Self::SetField => Patch::new().set("text", "new"),
            _ => Patch::new().increment("n", 1),
        }
    }

    /// Returns the number of entries that the write changes.
    pub(super) fn count(self) -> usize {
        if matches!(self, Self::PutMany | Self::DeleteMany) { BATCH } else { 1 }
    }

    /// Writes; the first key has this version. Deadlines are set to `until`, and the same write to
    /// another entry has the same result.
    pub(super) async fn call(
        self,
        store: &dyn TtlStore,
        keys: &[Key],
        version: Version,
        until: SystemTime,
    ) -> Vec<Answer> {
        let Some(key) = keys.first() else { return Vec::new() };
        let put = PutOptions::new(Expiry::At(until));
        let done = match self {
            Self::Create | Self::Overwrite => store.put(key, new(), put).await.map(nothing),
            Self::IfAbsent => {
                store.put(key, new(), put.with_condition(Condition::IfAbsent)).await.map(nothing)
            }
            Self::IfVersion => {
                store.put(key, new(), put.with_condition(Condition::IfVersion(version))).await.map(nothing)
            }
            Self::Increment | Self::Append | Self::SetField => {
                store.patch(key, &self.patch(), PatchOptions::new()).await.map(nothing)
            }
            Self::PatchThatCreates => {
                let create = PatchOptions::new().with_create(Create::new(Expiry::At(until)));
                store.patch(key, &self.patch(), create).await.map(nothing)
            }
            Self::Expire => {
                let change = ExpiryChange::Set(Expiry::At(until + LATER.as_duration()));
                store.expire(key, change, ExpireOptions::new()).await.map(nothing)
            }
            Self::Delete => store.delete(key, DeleteOptions::new()).await.map(nothing),
            Self::Take => store
                .delete(key, DeleteOptions::take())
                .await
                .map(|outcome| outcome.map(|entry| entry.and_then(|entry| entry.value))),
            Self::PutMany => {
                let items = keys.iter().map(|key| PutItem::new(key.clone(), new(), put.clone())).collect();
                return store.put_many(items).await.into_iter().map(|item| item.map(nothing)).collect();
            }
            Self::DeleteMany => {
                let items = store.delete_many(keys, DeleteOptions::new()).await;
                return items.into_iter().map(|item| item.map(nothing)).collect();
            }
        };
        vec![done]
    }
}

fn nothing<T>(outcome: Outcome<T>) -> Outcome<Option<Value>> {
    outcome.map(|_| None)
}
