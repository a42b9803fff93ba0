//! A memory store that records the calls that reach it, and that fails on request.

use std::collections::VecDeque;
use std::future::pending;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use ttl_core::driver::{ChangeSender, change_buffer};
use ttl_core::options::{
    DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutItem, PutOptions, ScanOptions,
};
use ttl_core::results::{ExpireResult, PatchResult, PutResult};
use ttl_core::{
    Capabilities, ChangeStream, Entry, Error, ErrorKind, Key, ManualClock, Outcome, Page, Patch, Result,
    StoreChange, TtlStore, Value, async_trait, forward_ttl_store,
};
use ttl_memory::{MemoryConfig, MemoryStore, Reclaim};

/// The fault of one call.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Nothing is applied, and the call or each item fails.
    Fails(ErrorKind),
    /// The call is applied, and fails nevertheless.
    AppliedAndFails(ErrorKind),
    /// The items with an error fail and are not applied. The others are.
    Items(Vec<Option<ErrorKind>>),
    /// The call never ends.
    Hangs,
    /// The call works after the gate is opened.
    Waits(Arc<Notify>),
}

/// A call that reached the recorder: the method, and the keys or the prefix.
pub(crate) type Call = (&'static str, Vec<String>);

#[derive(Debug)]
pub(crate) struct Recorder {
    memory: MemoryStore,
    clock: Arc<ManualClock>,
    calls: Mutex<Vec<Call>>,
    faults: Mutex<VecDeque<Option<Fault>>>,
    /// The streams of changes.
    streams: Mutex<Vec<ChangeSender>>,
}

impl Recorder {
    pub(crate) fn new() -> Arc<Self> {
        let clock = Arc::new(ManualClock::new());
        let config = MemoryConfig::new().with_clock(clock.clone()).with_reclaim(Reclaim::Manual);
        let (calls, faults, streams) = Default::default();
        Arc::new(Self { memory: MemoryStore::new(&config), clock, calls, faults, streams })
    }

    /// Reports a change to every stream.
    pub(crate) fn report(&self, change: &StoreChange) {
        self.streams.lock().unwrap().retain(|stream| stream.send(change.clone()));
    }

    /// Returns the store without record and faults.
    pub(crate) fn memory(&self) -> &MemoryStore {
        &self.memory
    }

    pub(crate) fn clock(&self) -> Arc<ManualClock> {
        Arc::clone(&self.clock)
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Sets the faults of the next calls; `None` for a call that works.
    pub(crate) fn script(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        *self.faults.lock().unwrap() = faults.into_iter().collect();
    }

    /// Sets the same error for the next calls.
    pub(crate) fn fail(&self, calls: usize, kind: ErrorKind) {
        self.script(vec![Some(Fault::Fails(kind)); calls]);
    }

    /// Returns the calls since the last time, and forgets them.
    pub(crate) fn calls(&self) -> Vec<Call> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    /// Returns the methods of [`Recorder::calls`].
    pub(crate) fn methods(&self) -> Vec<&'static str> {
        self.calls().into_iter().map(|(method, _)| method).collect()
    }

    fn begin(&self, method: &'static str, keys: impl IntoIterator<Item = String>) -> Option<Fault> {
        self.calls.lock().unwrap().push((method, keys.into_iter().collect()));
        self.faults.lock().unwrap().pop_front().flatten()
    }

    async fn one<T>(
        &self,
        method: &'static str,
        key: &str,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        match self.begin(method, [key.to_owned()]) {
            None | Some(Fault::Items(_)) => call.await,
            Some(Fault::Fails(kind)) => Err(error(kind)),
            Some(Fault::AppliedAndFails(kind)) => {
                let _ = call.await?;
                Err(error(kind))
            }
            Some(Fault::Hangs) => pending().await,
            Some(Fault::Waits(gate)) => {
                gate.notified().await;
                call.await
            }
        }
    }

    /// `call` makes the batch of the items at these positions.
    async fn many<T, F: Future<Output = Vec<Result<T>>>>(
        &self,
        method: &'static str,
        keys: Vec<String>,
        call: impl FnOnce(Vec<usize>) -> F,
    ) -> Vec<Result<T>> {
        let all = 0..keys.len();
        match self.begin(method, keys) {
            None => call(all.collect()).await,
            Some(Fault::Fails(kind)) => all.map(|_| Err(error(kind))).collect(),
            Some(Fault::AppliedAndFails(kind)) => {
                call(all.clone().collect()).await;
                all.map(|_| Err(error(kind))).collect()
            }
            Some(Fault::Items(kinds)) => {
                let passed = all.clone().filter(|at| kinds[*at].is_none()).collect();
                let mut results = call(passed).await.into_iter();
                all.map(|at| kinds[at].map_or_else(|| results.next().unwrap(), |kind| Err(error(kind))))
                    .collect()
            }
            Some(Fault::Hangs) => pending().await,
            Some(Fault::Waits(gate)) => {
                gate.notified().await;
                call(all.collect()).await
            }
        }
    }
}

fn error(kind: ErrorKind) -> Error {
    Error::new(kind, "a fault of the test")
}

fn at<T: Clone>(items: &[T], positions: Vec<usize>) -> Vec<T> {
    positions.into_iter().map(|at| items[at].clone()).collect()
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl TtlStore for Recorder {
    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>> {
        let result = self.one("get", key.as_str(), self.memory.get(key, options)).await;
        result.map_err(|error| error.with_key(key))
    }

    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>> {
        let result = self.one("put", key.as_str(), self.memory.put(key, value, options)).await;
        result.map_err(|error| error.with_key(key))
    }

    async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        let result = self.one("expire", key.as_str(), self.memory.expire(key, change, options)).await;
        result.map_err(|error| error.with_key(key))
    }

    async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Result<Outcome<PatchResult>> {
        let result = self.one("patch", key.as_str(), self.memory.patch(key, patch, options)).await;
        result.map_err(|error| error.with_key(key))
    }

    async fn delete(&self, key: &Key, options: DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        let result = self.one("delete", key.as_str(), self.memory.delete(key, options)).await;
        result.map_err(|error| error.with_key(key))
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        let prefix = options.prefix.clone();
        self.one("scan", &prefix, self.memory.scan(options)).await
    }

    async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Result<Option<Entry>>> {
        let call = async |passed| self.memory.get_many(&at(keys, passed), options).await;
        self.many("get_many", keys.iter().map(Key::to_string).collect(), call).await
    }

    async fn put_many(&self, items: Vec<PutItem>) -> Vec<Result<Outcome<PutResult>>> {
        let keys = items.iter().map(|item| item.key.to_string()).collect();
        self.many("put_many", keys, async |passed| self.memory.put_many(at(&items, passed)).await).await
    }

    async fn delete_many(&self, keys: &[Key], options: DeleteOptions) -> Vec<Result<Outcome<Option<Entry>>>> {
        let call = async |passed| self.memory.delete_many(&at(keys, passed), options).await;
        self.many("delete_many", keys.iter().map(Key::to_string).collect(), call).await
    }

    async fn changes(&self) -> Result<ChangeStream> {
        let subscribe = async {
            let (sender, receiver) = change_buffer(NonZeroUsize::new(100).unwrap());
            self.streams.lock().unwrap().push(sender);
            Ok(Box::pin(receiver) as ChangeStream)
        };
        self.one("changes", "", subscribe).await
    }

    fn capabilities(&self) -> Capabilities {
        self.memory.capabilities().with_changes(true)
    }

    forward_ttl_store!(self, self.memory => no_sync now);
}

pub(crate) fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

pub(crate) fn keys<const N: usize>(texts: [&str; N]) -> Vec<Key> {
    texts.map(key).into()
}

pub(crate) fn items<const N: usize>(texts: [(&str, &'static str); N]) -> Vec<PutItem> {
    texts.map(|(name, value)| PutItem::new(key(name), value, lasting())).into()
}

/// The options of a put for one hour.
pub(crate) fn lasting() -> PutOptions {
    PutOptions::new(ttl_core::Ttl::hours(1))
}

/// Returns the kind of the error, or panics.
#[track_caller]
pub(crate) fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

/// Returns the kinds of the errors of a batch; `None` for an item that succeeded.
pub(crate) fn kinds<T>(results: &[Result<T>]) -> Vec<Option<ErrorKind>> {
    results.iter().map(|result| result.as_ref().err().map(Error::kind)).collect()
}

/// Returns the blob under a key, as text.
pub(crate) async fn text(store: &dyn TtlStore, name: &str) -> Option<String> {
    let entry = store.get(&key(name), GetOptions::new()).await.unwrap()?;
    Some(String::from_utf8(entry.value?.into_blob().unwrap().to_vec()).unwrap())
}
