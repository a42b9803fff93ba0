//! Animals with a network and faults in the handling of outages.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ttl_core::options::{
    Condition, DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, Projection, PutItem,
    PutOptions, ScanOptions,
};
use ttl_core::results::PutResult;
use ttl_core::{
    Capabilities, ChangeStream, Deadline, Error, ErrorKind, Key, Outcome, Page, Patch, Result, TtlStore,
    Value, async_trait,
};

use super::animal::{Animal, Deleted, Expired, Got, Patched, Written};
use super::den::Right;
use super::wire::{Lost, ask};

/// The fault of a store with a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quirk {
    /// No fault.
    Healthy,
    OutagesAreMisses,
    OutagesAreAbsence,
    OutagesAreBackendErrors,
    WaitsForEver,
    NeverReconnects,
    ReplaysPatches,
    RefusesItsOwnCreation,
    LostWritesAreUnavailable,
    LostWritesAreApplied,
    WritesAgainLater,
    BatchesFailAsOne,
    TrustsRefreshes,
    KnowsNoGaps,
    KnowsGapsLater,
    KnowsOneGap,
    WaitsForSilentServers,
    NeverSubscribesAgain,
    SubscribesAgainSilently,
}

/// The correct store behind a network.
#[derive(Debug)]
pub(crate) struct Wired {
    right: Right,
    address: SocketAddr,
    quirk: Quirk,
    broken: AtomicBool,
}

fn error(kind: ErrorKind) -> Error {
    Error::new(kind, "the server does not answer")
}

impl Wired {
    pub(crate) fn new(right: Right, address: SocketAddr, quirk: Quirk) -> Self {
        Self { right, address, quirk, broken: AtomicBool::new(false) }
    }

    fn is(&self, quirk: Quirk) -> bool {
        self.quirk == quirk
    }

    /// Makes one request.
    async fn ask<T, F>(&self, work: impl FnOnce(Right) -> F + Send + 'static) -> Result<T, Lost>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        if self.broken.load(Ordering::Relaxed) {
            return Err(Lost::NotConnected);
        }
        let right = Arc::clone(&self.right);
        let answer = ask(self.address, !self.is(Quirk::WaitsForEver), move || work(right)).await;
        if answer.is_err() && self.is(Quirk::NeverReconnects) {
            self.broken.store(true, Ordering::Relaxed);
        }
        answer
    }

    fn unread(&self, lost: Lost) -> Error {
        error(match lost {
            _ if self.is(Quirk::OutagesAreBackendErrors) => ErrorKind::Backend,
            Lost::Silent => ErrorKind::Timeout,
            Lost::NotConnected | Lost::Closed => ErrorKind::Unavailable,
        })
    }

    fn unwritten(&self, lost: Lost) -> Error {
        error(match lost {
            _ if self.is(Quirk::OutagesAreBackendErrors) => ErrorKind::Backend,
            _ if self.is(Quirk::LostWritesAreUnavailable) => ErrorKind::Unavailable,
            _ if self.is(Quirk::WritesAgainLater) && lost == Lost::Closed => ErrorKind::Unavailable,
            Lost::NotConnected => ErrorKind::Unavailable,
            Lost::Silent | Lost::Closed => ErrorKind::OutcomeUnknown,
        })
    }

    async fn put_once(&self, key: &Key, value: &Value, options: &PutOptions) -> Result<Written, Lost> {
        let (key, value, options) = (key.clone(), value.clone(), options.clone());
        self.ask(move |right| async move { right.put(&key, value, options).await }).await
    }

    async fn patch_once(&self, key: &Key, patch: &Patch, options: &PatchOptions) -> Result<Patched, Lost> {
        let (key, patch, options) = (key.clone(), patch.clone(), options.clone());
        self.ask(move |right| async move { right.patch(&key, &patch, options).await }).await
    }

    async fn get_once(&self, key: &Key, options: GetOptions) -> Got {
        let key = key.clone();
        let got = self.ask(move |right| async move { right.get(&key, options).await }).await;
        match got {
            Ok(got) => got,
            Err(_) if self.is(Quirk::OutagesAreMisses) => Ok(None),
            Err(lost) => Err(self.unread(lost)),
        }
    }
}

#[async_trait]
impl TtlStore for Wired {
    fn capabilities(&self) -> Capabilities {
        self.right.capabilities()
    }

    async fn changes(&self) -> Result<ChangeStream> {
        super::gaps::stream(&self.right, self.address, self.quirk).await
    }

    fn now(&self) -> std::time::SystemTime {
        self.right.now()
    }

    /// Reads and refreshes in separate requests.
    async fn get(&self, key: &Key, mut options: GetOptions) -> Got {
        let Some(refresh) = options.refresh.take() else { return self.get_once(key, options).await };
        let returning = options.returning;
        let Some(mut entry) = self.get_once(key, options).await? else { return Ok(None) };
        let again = GetOptions::new()
            .with_projection(Projection::Nothing)
            .with_returning(returning)
            .with_refresh(refresh);
        let (name, deadline) = (key.clone(), Deadline::after(self.now(), refresh.ttl));
        match self.ask(move |right| async move { right.get(&name, again).await }).await {
            Ok(Ok(Some(refreshed))) => entry.deadline = refreshed.deadline,
            Ok(Ok(None)) => {}
            Ok(Err(error)) => entry.refresh_error = Some(error),
            Err(_) if self.is(Quirk::TrustsRefreshes) => entry.deadline = Some(deadline),
            Err(lost) => entry.refresh_error = Some(self.unwritten(lost)),
        }
        Ok(Some(entry))
    }

    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
        let mut answer = self.put_once(key, &value, &options).await;
        if self.is(Quirk::RefusesItsOwnCreation)
            && options.condition == Condition::IfAbsent
            && answer.is_err()
        {
            answer = self.put_once(key, &value, &options).await;
        }
        match answer {
            Ok(written) => written,
            Err(_) if self.is(Quirk::LostWritesAreApplied) => Ok(Outcome::Applied(PutResult::new(true))),
            Err(lost) => {
                if self.is(Quirk::WritesAgainLater) && lost == Lost::Closed {
                    let (right, key) = (Arc::clone(&self.right), key.clone());
                    tokio::spawn(async move {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        right.put(&key, value, options).await
                    });
                }
                Err(self.unwritten(lost))
            }
        }
    }

    async fn expire(&self, key: &Key, change: ExpiryChange, options: ExpireOptions) -> Expired {
        let key = key.clone();
        let answer = self.ask(move |right| async move { right.expire(&key, change, options).await }).await;
        answer.unwrap_or_else(|lost| Err(self.unwritten(lost)))
    }

    async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
        let mut answer = self.patch_once(key, patch, &options).await;
        if self.is(Quirk::ReplaysPatches) && answer.is_err() {
            answer = self.patch_once(key, patch, &options).await;
        }
        answer.unwrap_or_else(|lost| Err(self.unwritten(lost)))
    }

    async fn delete(&self, key: &Key, options: DeleteOptions) -> Deleted {
        let key = key.clone();
        let answer = self.ask(move |right| async move { right.delete(&key, options).await }).await;
        match answer {
            Ok(deleted) => deleted,
            Err(_) if self.is(Quirk::OutagesAreAbsence) => Ok(Outcome::Absent),
            Err(lost) => Err(self.unwritten(lost)),
        }
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        let answer = self.ask(move |right| async move { right.scan(options).await }).await;
        match answer {
            Ok(page) => page,
            Err(_) if self.is(Quirk::OutagesAreMisses) => Ok(Page::new(Vec::new(), None)),
            Err(lost) => Err(self.unread(lost)),
        }
    }

    async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Got> {
        let (names, count) = (keys.to_vec(), keys.len());
        let answer = self.ask(move |right| async move { right.get_many(&names, options).await }).await;
        answer.unwrap_or_else(|lost| {
            let one = || if self.is(Quirk::OutagesAreMisses) { Ok(None) } else { Err(self.unread(lost)) };
            (0..count).map(|_| one()).collect()
        })
    }

    async fn put_many(&self, items: Vec<PutItem>) -> Vec<Written> {
        let mut answers = Vec::new();
        for PutItem { key, value, options, .. } in &items {
            answers.push(self.put(key, value.clone(), options.clone()).await);
        }
        if self.is(Quirk::BatchesFailAsOne) && answers.iter().any(Result::is_err) {
            answers = items.iter().map(|_| Err(error(ErrorKind::Unavailable))).collect();
        }
        answers
    }

    async fn delete_many(&self, keys: &[Key], options: DeleteOptions) -> Vec<Deleted> {
        let (names, count) = (keys.to_vec(), keys.len());
        let answer = self.ask(move |right| async move { right.delete_many(&names, options).await }).await;
        answer.unwrap_or_else(|lost| (0..count).map(|_| Err(self.unwritten(lost))).collect())
    }
}

/// Declares animals with a network. Only the cases of outages are run on them.
macro_rules! animals {
    ($($(#[doc = $fault:literal])+ $name:ident breaks $($clause:ident)+ $(; also $($more:ident)+: $why:literal)?,)+) => {
        pub(crate) const ANIMALS: &[Animal] = &[$(Animal {
            name: stringify!($name),
            fault: concat!($($fault),+),
            breaks: &[$(stringify!($clause)),+],
            also: &[$($(stringify!($more)),+)?],
            why: concat!("", $($why)?),
            make: |right| right,
            quirk: Some(Quirk::$name),
        }),+];
    };
}

animals! {
    /// A read without a response is a miss, an empty page or a batch of misses.
    OutagesAreMisses breaks H2; also H3 H4 R9: "entries are read after outages",
    /// A delete without a response returns `Absent`.
    OutagesAreAbsence breaks H2 H3,
    /// An outage is a backend error, which is not retryable.
    OutagesAreBackendErrors breaks H2 H3; also H4 R9: "each kind of error is checked",
    /// A call waits for its response without a timeout.
    WaitsForEver breaks H2; also H3 H4: "servers are silent there",
    /// After one lost connection, every call fails.
    NeverReconnects breaks H4; also H2 H3 R9: "the store must work after each outage",
    /// A patch is repeated if its response is lost.
    ReplaysPatches breaks H3; also H4: "callers add up there",
    /// A put with `IfAbsent` is repeated if its response is lost, and is refused because of its own
    /// entry.
    RefusesItsOwnCreation breaks H3,
    /// A write whose response is lost reports that it was not applied.
    LostWritesAreUnavailable breaks H3; also H4: "callers add up there",
    /// A put whose response is lost returns `Applied`.
    LostWritesAreApplied breaks H2 H3,
    /// A put that reports that it was not applied is repeated later in the background.
    WritesAgainLater breaks H3,
    /// If one put of a batch gets no response, every put reports that it was not applied.
    BatchesFailAsOne breaks H3,
    /// A read reports the deadline of a refresh that got no response.
    TrustsRefreshes breaks R9,
    /// No gap is reported.
    KnowsNoGaps breaks N2; also N3: "outages are gaps there",
    /// An outage is reported as a gap at its end.
    KnowsGapsLater breaks N2; also N3: "outages are gaps there",
    /// An outage is reported as one gap at its begin, and one at its end.
    KnowsOneGap breaks N2,
    /// The connection is lost only if it is closed.
    WaitsForSilentServers breaks N2; also N3: "servers are silent there",
    /// After an outage, no change is reported.
    NeverSubscribesAgain breaks N2 N3,
    /// At the end of an outage, no gap is reported.
    SubscribesAgainSilently breaks N2,
}
