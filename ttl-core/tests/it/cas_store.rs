//! `CasStore` on a backend that a test can disturb: other writers, slow loads, failures, many ghosts.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use ttl_core::driver::{CasBackend, CasStore, Stored};
use ttl_core::options::{
    Create, DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutOptions, Refresh,
    Returning, ScanOptions,
};
use ttl_core::*;

use crate::toy::Toy;

/// A disturbance of one call of the backend.
#[derive(Clone, Debug)]
enum Disturbance {
    /// Time passes during the call.
    Takes(Duration),
    /// Another writer stores this during the call, after a load or listing and before a swap, and time passes.
    Meanwhile(Stored, Duration),
    /// The call fails with an error of this kind.
    Fails(ErrorKind),
}

type Script = Mutex<Box<dyn FnMut() -> Option<Disturbance> + Send>>;

struct Disturbed {
    toy: Toy,
    clock: ManualClock,
    loads: Script,
    swaps: Script,
    listings: Script,
    lists: AtomicUsize,
    swapped: AtomicUsize,
    max_value_bytes: u64,
}

impl std::fmt::Debug for Disturbed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disturbed").finish_non_exhaustive()
    }
}

fn never() -> Script {
    Mutex::new(Box::new(|| None))
}

fn once(disturbance: Disturbance) -> Script {
    let mut disturbance = Some(disturbance);
    Mutex::new(Box::new(move || disturbance.take()))
}

fn always(disturbance: Disturbance) -> Script {
    Mutex::new(Box::new(move || Some(disturbance.clone())))
}

impl Disturbed {
    fn new() -> Self {
        Self {
            toy: Toy::default(),
            clock: ManualClock::new(),
            loads: never(),
            swaps: never(),
            listings: never(),
            lists: AtomicUsize::new(0),
            swapped: AtomicUsize::new(0),
            max_value_bytes: u64::MAX,
        }
    }

    /// Returns the stored entry, ghosts included.
    async fn plant(&self, key: &Key, stored: &Stored) {
        let seen = self.toy.load(key).await.unwrap().map(|(_, stamp)| stamp);
        assert!(self.toy.swap(key, seen.as_ref(), Some(stored)).await.unwrap());
    }

    async fn disturb(&self, script: &Script, key: &Key) -> Result<()> {
        let disturbance = script.lock().unwrap()();
        match disturbance {
            None => {}
            Some(Disturbance::Takes(time)) => self.clock.advance(time),
            Some(Disturbance::Meanwhile(stored, time)) => {
                self.clock.advance(time);
                // A new version each time, as each write of another makes one.
                self.plant(key, &Stored::new(stored.value, stored.deadline, stored.cap, Version::random()))
                    .await;
            }
            Some(Disturbance::Fails(kind)) => return Err(Error::new(kind, "as the test says")),
        }
        Ok(())
    }
}

#[async_trait]
impl CasBackend for Disturbed {
    type Stamp = (Version, Deadline);

    fn capabilities(&self) -> Capabilities {
        Capabilities::new("disturbed").with_max_value_bytes(self.max_value_bytes)
    }

    fn now(&self) -> SystemTime {
        self.clock.now()
    }

    async fn load(&self, key: &Key) -> Result<Option<(Stored, Self::Stamp)>> {
        let loaded = self.toy.load(key).await;
        self.disturb(&self.loads, key).await?;
        loaded
    }

    async fn swap(&self, key: &Key, seen: Option<&Self::Stamp>, next: Option<&Stored>) -> Result<bool> {
        self.disturb(&self.swaps, key).await?;
        self.swapped.fetch_add(1, Ordering::SeqCst);
        self.toy.swap(key, seen, next).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Result<Stored>)>> {
        self.lists.fetch_add(1, Ordering::SeqCst);
        let listed = self.toy.list(prefix, after, limit).await;
        self.disturb(&self.listings, &key()).await?;
        listed
    }
}

fn key() -> Key {
    Key::new("k").unwrap()
}

fn ends(cell: &Disturbed, millis: u64) -> Deadline {
    Deadline::after(cell.clock.now(), Ttl::millis(millis))
}

fn blob(text: &'static str, deadline: Deadline) -> Stored {
    Stored::new(text.into(), deadline, Deadline::NEVER, Version::random())
}

fn sliding() -> GetOptions {
    GetOptions::new().with_returning(Returning::DEADLINE).with_refresh(Refresh::extend_only(Ttl::seconds(60)))
}

async fn value(store: &CasStore<Disturbed>) -> Option<Value> {
    store.get(&key(), GetOptions::new()).await.unwrap().and_then(|entry| entry.value)
}

#[tokio::test]
async fn an_entry_that_dies_during_the_load_is_a_miss_and_is_not_revived() {
    let mut cell = Disturbed::new();
    cell.loads = once(Disturbance::Takes(Duration::from_millis(20)));
    cell.plant(&key(), &blob("old", ends(&cell, 10))).await;
    let store = CasStore::new(cell);
    assert!(store.get(&key(), sliding()).await.unwrap().is_none());
    assert_eq!(store.backend().swapped.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_entry_that_someone_kept_alive_during_a_slow_call_is_live() {
    let slow = |cell: &Disturbed| {
        let kept = blob("kept", ends(cell, 1_000));
        (kept.deadline, once(Disturbance::Meanwhile(kept, Duration::from_millis(20))))
    };
    let mut cell = Disturbed::new();
    cell.plant(&key(), &blob("kept", ends(&cell, 10))).await;
    let (deadline, loads) = slow(&cell);
    cell.loads = loads;
    let store = CasStore::new(cell);
    let options = GetOptions::new().with_returning(Returning::DEADLINE);
    let entry = store.get(&key(), options).await.unwrap().expect("it was live throughout");
    assert_eq!(entry.deadline, Some(deadline));

    let mut cell = Disturbed::new();
    cell.plant(&key(), &blob("kept", ends(&cell, 10))).await;
    let (deadline, listings) = slow(&cell);
    cell.listings = listings;
    let store = CasStore::new(cell);
    let page = store.scan(ScanOptions::new("").with_returning(Returning::DEADLINE)).await.unwrap();
    let listed: Vec<_> = page.into_entries().unwrap().into_iter().map(|(_, entry)| entry.deadline).collect();
    assert_eq!(listed, [Some(deadline)]);
}

#[tokio::test]
async fn a_refresh_never_touches_a_newer_entry() {
    let mut cell = Disturbed::new();
    cell.plant(&key(), &blob("seen", ends(&cell, 10))).await;
    let newer = blob("newer", ends(&cell, 90_000));
    let deadline = newer.deadline;
    cell.swaps = once(Disturbance::Meanwhile(newer, Duration::ZERO));
    let store = CasStore::new(cell);
    let entry = store.get(&key(), sliding()).await.unwrap().unwrap();
    assert_eq!((entry.value, entry.deadline), (Some("newer".into()), Some(deadline)));
    assert!(entry.refresh_error.is_none());
}

#[tokio::test]
async fn a_failed_refresh_does_not_fail_the_read() {
    let late = Deadline::from_epoch_millis(u64::MAX - 1);
    let race = Disturbance::Meanwhile(blob("x", late), Duration::ZERO);
    for (disturbance, moved, kind) in [
        (Disturbance::Fails(ErrorKind::Unavailable), None, ErrorKind::Unavailable),
        (race, Some(late), ErrorKind::Contention),
    ] {
        let mut cell = Disturbed::new();
        let before = ends(&cell, 10);
        cell.plant(&key(), &blob("x", before)).await;
        cell.swaps = always(disturbance);
        let store = CasStore::new(cell);
        // To exactly a minute, so that every attempt has something to do.
        let options = sliding().with_refresh(Refresh::reset(Ttl::seconds(60)));
        let entry = store.get(&key(), options).await.unwrap().unwrap();
        assert_eq!((entry.value, entry.deadline), (Some("x".into()), moved.or(Some(before))));
        let error = entry.refresh_error.unwrap();
        assert_eq!(
            (error.kind(), error.operation(), error.backend()),
            (kind, Some("get"), Some("disturbed"))
        );
        assert_eq!(error.key(), Some(&key()));
    }
}

#[tokio::test]
async fn a_writer_that_always_loses_is_contention_and_leaves_nothing() {
    let mut cell = Disturbed::new();
    let theirs =
        Stored::new(Record::new().with("n", 1).into(), Deadline::NEVER, Deadline::NEVER, Version::random());
    cell.plant(&key(), &theirs).await;
    cell.swaps = always(Disturbance::Meanwhile(theirs.clone(), Duration::ZERO));
    let store = CasStore::new(cell);
    let patch = Patch::new().increment("n", 1);
    let expiry = ExpiryChange::Set(Ttl::seconds(1).into());
    let errors = [
        store.put(&key(), "mine".into(), PutOptions::new(Ttl::seconds(1))).await.map(|_| ()).unwrap_err(),
        store.patch(&key(), &patch, PatchOptions::new()).await.map(|_| ()).unwrap_err(),
        store.expire(&key(), expiry, ExpireOptions::new()).await.map(|_| ()).unwrap_err(),
        store.delete(&key(), DeleteOptions::new()).await.map(|_| ()).unwrap_err(),
    ];
    for (error, operation) in errors.into_iter().zip(["put", "patch", "expire", "delete"]) {
        assert_eq!((error.kind(), error.operation()), (ErrorKind::Contention, Some(operation)));
        assert!(error.is_retryable());
    }
    assert_eq!(value(&store).await, Some(theirs.value));
}

#[tokio::test]
async fn failures_come_through_with_their_context() {
    let mut cell = Disturbed::new();
    cell.loads = always(Disturbance::Fails(ErrorKind::Corrupt));
    let store = CasStore::new(cell);
    let error = store.get(&key(), GetOptions::new()).await.unwrap_err();
    assert_eq!(error.to_string(), "get on disturbed: corrupt entry: as the test says");

    let mut cell = Disturbed::new();
    cell.swaps = always(Disturbance::Fails(ErrorKind::OutcomeUnknown));
    let store = CasStore::new(cell);
    let error = store.put(&key(), "v".into(), PutOptions::new(Ttl::seconds(1))).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::OutcomeUnknown, Some("put")));
    assert_eq!(store.backend().swapped.load(Ordering::SeqCst), 0, "an uncertain write is not sent again");
}

#[tokio::test]
async fn too_large_is_refused_before_any_write() {
    let mut cell = Disturbed::new();
    cell.max_value_bytes = 12;
    let store = CasStore::new(cell);
    let past = Lifespan::from(SystemTime::UNIX_EPOCH);
    let large = Record::new().with("n", "0123456789");
    let text = Patch::new().set("t", "0123456789");
    let _ = store.put(&key(), "exactly 12 B".into(), PutOptions::new(Ttl::seconds(1))).await.unwrap();
    for lifespan in [Lifespan::from(Ttl::seconds(1)), past] {
        let put = store.put(&key(), large.clone().into(), PutOptions::new(lifespan)).await;
        assert_eq!(put.unwrap_err().kind(), ErrorKind::TooLarge);
        let absent = Key::new("absent").unwrap();
        let options = PatchOptions::new().with_create(Create::new(lifespan));
        assert_eq!(store.patch(&absent, &text, options).await.unwrap_err().kind(), ErrorKind::TooLarge);
    }
    assert_eq!(value(&store).await, Some("exactly 12 B".into()));
    assert_eq!(store.backend().swapped.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn elapsed_writes_leave_nothing_and_report_their_deadline() {
    let store = CasStore::new(Disturbed::new());
    let past = store.now() - Duration::from_millis(3);
    let options = PutOptions::new(past).with_returning(Returning::DEADLINE | Returning::VERSION);
    for created in [true, false] {
        let meta = store.put(&key(), "new".into(), options.clone()).await.unwrap().applied().unwrap();
        assert_eq!((meta.created, meta.deadline), (created, Some(Deadline::at(past))));
        assert_eq!(meta.version, None);
        assert_eq!(value(&store).await, None);
        let _ = store.put(&key(), "old".into(), PutOptions::new(Ttl::seconds(1))).await.unwrap();
    }
    assert!(store.delete(&key(), DeleteOptions::new()).await.unwrap().is_applied());
    let create = PatchOptions::new().with_create(Create::new(past)).with_returning(Returning::DEADLINE);
    let done = store.patch(&key(), &Patch::new().increment("n", 2), create).await.unwrap().applied().unwrap();
    assert_eq!((done.created, done.deadline), (true, Some(Deadline::at(past))));
    assert_eq!(done.fields, Record::new().with("n", 2));
    assert_eq!(value(&store).await, None);
}

async fn pages(store: &CasStore<Disturbed>, options: &ScanOptions) -> Vec<Vec<String>> {
    let (mut pages, mut options) = (Vec::new(), options.clone());
    loop {
        let page = store.scan(options.clone()).await.unwrap();
        pages.push(page.keys().map(ToString::to_string).collect());
        let Some(next) = page.next else { return pages };
        options = options.with_cursor(next);
    }
}

#[tokio::test]
async fn pages_are_filled_over_ghosts_in_few_strides() {
    let cell = Disturbed::new();
    for n in 0..3_000 {
        // Live: two at the start and one at the very end.
        let ends = if [0, 1, 2_999].contains(&n) { ends(&cell, 10) } else { Deadline::at(cell.clock.now()) };
        cell.plant(&Key::new(format!("p:{n:04}")).unwrap(), &blob("v", ends)).await;
    }
    cell.plant(&Key::new("p;").unwrap(), &blob("v", Deadline::NEVER)).await;
    let store = CasStore::new(cell);
    let limit = |n| ScanOptions::new("p:").with_limit(NonZeroUsize::new(n).unwrap());
    let all = ["p:0000", "p:0001", "p:2999"].map(String::from);
    assert_eq!(pages(&store, &limit(2)).await, [&all[..2], &all[2..]]);
    assert_eq!(pages(&store, &limit(1)).await, [&all[..1], &all[1..2], &all[2..]]);
    assert_eq!(pages(&store, &limit(3)).await, [&all[..]]);
    assert_eq!(pages(&store, &limit(usize::MAX)).await, [&all[..]]);
    assert_eq!(pages(&store, &ScanOptions::new("p:1")).await, [&[] as &[String]]);

    store.backend().lists.store(0, Ordering::SeqCst);
    pages(&store, &limit(2)).await;
    let lists = store.backend().lists.load(Ordering::SeqCst);
    assert!(lists < 30, "{lists} lists for 3000 entries");
}

#[tokio::test]
async fn cursors_belong_to_their_prefix() {
    let cell = Disturbed::new();
    for name in ["a:1", "a:2", "a:3"] {
        cell.plant(&Key::new(name).unwrap(), &blob("v", Deadline::NEVER)).await;
    }
    let store = CasStore::new(cell);
    let options = ScanOptions::new("a:").with_limit(NonZeroUsize::MIN);
    let next = store.scan(options).await.unwrap().next.unwrap();
    // Its entry may be gone by the time that the cursor is used.
    let _ = store.delete(&Key::new("a:1").unwrap(), DeleteOptions::new()).await.unwrap();
    let page = store.scan(ScanOptions::new("a:").with_cursor(next.clone())).await.unwrap();
    assert_eq!(page.items.len(), 2);
    let elsewhere = store.scan(ScanOptions::new("a").with_cursor(next)).await.unwrap_err();
    assert_eq!(elsewhere.kind(), ErrorKind::InvalidCursor);
}
