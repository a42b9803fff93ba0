//! The provided methods of the trait, on a store with only the required methods and a second writer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use ttl_core::driver::CasStore;
use ttl_core::options::{
    Condition, Create, DeleteOptions, ExpireOptions, ExpiryChange, Fields, GetOptions, PatchOptions,
    Projection, PutItem, PutOptions, Refresh, Returning, ScanOptions,
};
use ttl_core::results::{ExpireResult, PutResult};
use ttl_core::*;

use crate::toy::Toy;

/// An action of the second writer between the steps of a provided method.
#[derive(Clone, Debug)]
enum Meddling {
    Put(Value),
    Increment,
    Delete,
}

/// A store with only the required methods. Before each of its writes, the second writer may act.
struct Bare {
    inner: CasStore<Toy>,
    meddle: Box<dyn Fn(usize) -> Option<Meddling> + Send + Sync>,
    writes: AtomicUsize,
}

impl std::fmt::Debug for Bare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bare").finish_non_exhaustive()
    }
}

impl Bare {
    fn new(meddle: impl Fn(usize) -> Option<Meddling> + Send + Sync + 'static) -> Self {
        let inner = CasStore::new(Toy::default());
        Self { inner, meddle: Box::new(meddle), writes: AtomicUsize::new(0) }
    }

    fn alone() -> Self {
        Self::new(|_| None)
    }

    async fn second_writer(&self, key: &Key) {
        let outcome = match (self.meddle)(self.writes.fetch_add(1, Ordering::SeqCst)) {
            None => return,
            Some(Meddling::Put(value)) => self.inner.put(key, value, hour()).await.map(|_| ()),
            Some(Meddling::Increment) => {
                self.inner.patch(key, &increment(), PatchOptions::new()).await.map(|_| ())
            }
            Some(Meddling::Delete) => self.inner.delete(key, DeleteOptions::new()).await.map(|_| ()),
        };
        outcome.expect("the toy does not fail");
    }

    async fn hits(&self) -> Option<i64> {
        let entry = self.inner.get(&key(), GetOptions::new()).await.unwrap()?;
        entry.value?.into_record().unwrap().get("hits")?.as_i64()
    }
}

#[async_trait]
impl TtlStore for Bare {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new("bare").with_scan(false)
    }

    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>> {
        let entry = self.inner.get(key, options).await;
        // Whoever else runs comes in between.
        tokio::task::yield_now().await;
        entry
    }

    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>> {
        self.second_writer(key).await;
        self.inner.put(key, value, options).await
    }

    async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        self.second_writer(key).await;
        self.inner.expire(key, change, options).await
    }
}

fn key() -> Key {
    Key::new("k").unwrap()
}

fn hour() -> PutOptions {
    PutOptions::new(Ttl::hours(1))
}

fn hits(n: i64) -> Value {
    Record::new().with("hits", n).into()
}

fn increment() -> Patch {
    Patch::new().increment("hits", 1)
}

fn creating() -> PatchOptions {
    PatchOptions::new()
        .with_create(Create::new(Ttl::minutes(1)).with_initial(Record::new().with("new", true)))
}

fn peek() -> GetOptions {
    GetOptions::nothing().with_returning(Returning::DEADLINE | Returning::VERSION)
}

async fn version(store: &impl TtlStore) -> Version {
    store.get(&key(), peek()).await.unwrap().unwrap().version.unwrap()
}

#[tokio::test]
async fn a_patch_keeps_or_refreshes_the_deadline_and_reports() {
    let store = Bare::alone();
    let _ = store.put(&key(), hits(1), hour()).await.unwrap();
    let before = store.get(&key(), peek()).await.unwrap().unwrap();

    let patch = increment().append("list", "a").pop_back("list");
    let options = PatchOptions::new().with_returning(Returning::DEADLINE | Returning::VERSION);
    let done = store.patch(&key(), &patch, options.clone()).await.unwrap().applied().unwrap();
    assert!(!done.created && done.version != before.version);
    assert_eq!(done.deadline, before.deadline);
    assert_eq!(done.fields, Record::new().with("hits", 2).with("list", json!([])));
    assert_eq!(done.popped().collect::<Vec<_>>(), [&json!("a")]);

    let refresh = Refresh::extend_only(Ttl::hours(2));
    let done = store.patch(&key(), &patch, options.with_refresh(refresh)).await.unwrap().applied().unwrap();
    assert!(done.deadline > before.deadline);
}

#[tokio::test]
async fn a_patch_of_an_absent_key_needs_create_and_no_version() {
    let store = Bare::alone();
    assert!(store.patch(&key(), &increment(), PatchOptions::new()).await.unwrap().is_absent());
    let stale = creating().with_if_version(Version::random());
    assert!(store.patch(&key(), &increment(), stale).await.unwrap().is_absent());
    assert!(store.get(&key(), peek()).await.unwrap().is_none());

    let done = store.patch(&key(), &increment(), creating()).await.unwrap().applied().unwrap();
    assert!(done.created);
    let record = store.get(&key(), GetOptions::new()).await.unwrap().unwrap().value.unwrap();
    assert_eq!(record, Record::new().with("hits", 1).with("new", true).into());
}

#[tokio::test]
async fn a_patch_meets_what_the_second_writer_left() {
    // Changed in between: both changes are there.
    let store = Bare::new(|write| [None, Some(Meddling::Increment)].get(write)?.clone());
    let _ = store.put(&key(), hits(10), hour()).await.unwrap();
    let done = store.patch(&key(), &increment(), PatchOptions::new()).await.unwrap();
    assert!(done.is_applied());
    assert_eq!(store.hits().await, Some(12));

    // Created in between: the patch changes what is there now.
    let store = Bare::new(|write| (write == 0).then(|| Meddling::Put(hits(10))));
    let done = store.patch(&key(), &increment(), creating()).await.unwrap().applied().unwrap();
    assert!(!done.created);
    assert_eq!(store.hits().await, Some(11));

    // Deleted in between: absent, or created anew and inheriting nothing.
    for (options, expected) in [(PatchOptions::new(), None), (creating(), Some(1))] {
        let store = Bare::new(|write| (write == 1).then_some(Meddling::Delete));
        let _ = store.put(&key(), hits(10), hour()).await.unwrap();
        let done = store.patch(&key(), &increment(), options).await.unwrap();
        assert_eq!(done.is_applied(), expected.is_some());
        assert_eq!(store.hits().await, expected);
    }

    // Another version in between: refused, not tried again.
    let store = Bare::new(|write| (write == 1).then(|| Meddling::Put(hits(20))));
    let _ = store.put(&key(), hits(10), hour()).await.unwrap();
    let options = PatchOptions::new().with_if_version(version(&store).await);
    assert!(store.patch(&key(), &increment(), options).await.unwrap().is_refused());
    assert_eq!(store.hits().await, Some(20));
}

#[tokio::test]
async fn a_patch_that_always_loses_is_contention_and_applies_nothing() {
    let store = Bare::new(|write| (write > 0).then_some(Meddling::Increment));
    let _ = store.put(&key(), hits(0), hour()).await.unwrap();
    let patch = increment().set("mine", true);
    let error = store.patch(&key(), &patch, PatchOptions::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Contention);
    assert!(error.is_retryable());
    assert_eq!(
        (error.operation(), error.backend(), error.key()),
        (Some("patch"), Some("bare"), Some(&key()))
    );
    // Each attempt met one write of the other, and left nothing of its own.
    let tries = store.writes.load(Ordering::SeqCst) - 1;
    assert_eq!(store.hits().await, i64::try_from(tries).ok());
}

#[tokio::test]
async fn concurrent_increments_add_up() {
    let store = Arc::new(Bare::alone());
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut done = 0;
                while done < 20 {
                    match store.patch(&key(), &increment(), creating()).await {
                        Ok(outcome) => done += i64::from(outcome.is_applied()),
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Contention),
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(store.hits().await, Some(320));
}

#[tokio::test]
async fn bad_input_is_refused_whatever_is_stored() {
    let too_far = std::time::SystemTime::now() + 2 * Ttl::MAX.as_duration();
    let options = PatchOptions::new().with_create(Create::new(too_far));
    let store = Bare::alone();
    for _ in 0..2 {
        let error = store.patch(&key(), &increment(), options.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidExpiry);
        let bad = store.patch(&key(), &Patch::new().set("ttl:x", 1), PatchOptions::new()).await.unwrap_err();
        assert_eq!(bad.kind(), ErrorKind::InvalidField);
        let _ = store.put(&key(), hits(1), hour()).await.unwrap();
    }
    assert_eq!(store.hits().await, Some(1));
}

#[tokio::test]
async fn absent_comes_before_version_and_version_before_kind() {
    let store = Bare::alone();
    let other = Version::random();
    let by_kind = DeleteOptions::take().with_kind(Kind::Record);
    assert!(store.delete(&key(), by_kind.clone().with_if_version(other)).await.unwrap().is_absent());

    let _ = store.put(&key(), "blob".into(), hour()).await.unwrap();
    let version = version(&store).await;
    let fields = DeleteOptions::new().with_projection(Projection::Fields(Fields::new(["hits"]).unwrap()));
    for options in [by_kind, fields] {
        assert!(store.delete(&key(), options.clone().with_if_version(other)).await.unwrap().is_refused());
        for options in [options.clone(), options.with_if_version(version)] {
            assert_eq!(store.delete(&key(), options).await.unwrap_err().kind(), ErrorKind::WrongKind);
        }
    }
    let patch = PatchOptions::new().with_if_version(other);
    assert!(store.patch(&key(), &increment(), patch).await.unwrap().is_refused());
    for options in [PatchOptions::new(), creating(), PatchOptions::new().with_if_version(version)] {
        assert_eq!(
            store.patch(&key(), &increment(), options).await.unwrap_err().kind(),
            ErrorKind::WrongKind
        );
    }
    assert_eq!(store.get(&key(), peek()).await.unwrap().unwrap().version, Some(version));
}

#[tokio::test]
async fn a_delete_removes_and_a_take_hands_back_what_it_removed() {
    let store = Bare::alone();
    assert!(store.delete(&key(), DeleteOptions::new()).await.unwrap().is_absent());
    assert!(store.delete(&key(), DeleteOptions::take()).await.unwrap().is_absent());
    for expiry in [Expiry::Never, Ttl::hours(1).into()] {
        for lifespan in [Lifespan::new(expiry), Lifespan::new(expiry).with_max_lifetime(Ttl::hours(2))] {
            for options in [DeleteOptions::new(), DeleteOptions::take()] {
                let _ = store.put(&key(), hits(3), PutOptions::new(lifespan)).await.unwrap();
                let stale = options.clone().with_if_version(Version::random());
                assert!(store.delete(&key(), stale).await.unwrap().is_refused());
                let taken = store.delete(&key(), options.clone()).await.unwrap().applied().unwrap();
                let expected = (options.projection == Projection::All).then(|| hits(3));
                assert_eq!(taken.and_then(|entry| entry.value), expected);
                assert!(store.delete(&key(), options).await.unwrap().is_absent());
            }
        }
    }
}

#[tokio::test]
async fn a_take_hands_back_what_the_second_writer_left_or_gives_up() {
    let store = Bare::new(|write| (write == 1).then(|| Meddling::Put(hits(2))));
    let _ = store.put(&key(), hits(1), hour()).await.unwrap();
    let taken = store.delete(&key(), DeleteOptions::take()).await.unwrap().applied().unwrap();
    assert_eq!(taken.and_then(|entry| entry.value), Some(hits(2)));
    assert_eq!(store.hits().await, None);

    let store = Bare::new(|write| (write == 1).then_some(Meddling::Delete));
    let _ = store.put(&key(), hits(1), hour()).await.unwrap();
    assert!(store.delete(&key(), DeleteOptions::take()).await.unwrap().is_absent());

    let store = Bare::new(|write| (write > 0).then_some(Meddling::Increment));
    let _ = store.put(&key(), hits(0), hour()).await.unwrap();
    let error = store.delete(&key(), DeleteOptions::take()).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Contention, Some("delete")));
    assert!(store.hits().await.is_some_and(|hits| hits > 0));
}

#[tokio::test]
async fn batches_answer_in_order_and_duplicates_one_after_the_other() {
    let store = Bare::alone();
    let keys: Vec<Key> = ["a", "b", "a"].into_iter().map(|key| Key::new(key).unwrap()).collect();
    let once = hour().with_condition(Condition::IfAbsent);
    let items = keys.iter().map(|key| PutItem::new(key.clone(), hits(1), once.clone())).collect();
    let puts = store.put_many(items).await;
    let refused: Vec<bool> = puts.into_iter().map(|put| put.unwrap().is_refused()).collect();
    assert_eq!(refused, [false, false, true]);

    let wrong = store.get_many(&keys, GetOptions::new().with_kind(Kind::Blob)).await;
    assert!(wrong.iter().all(|got| got.as_ref().unwrap_err().kind() == ErrorKind::WrongKind));
    let _ = store.put(&keys[1], "blob".into(), hour()).await.unwrap();
    let got = store.get_many(&keys, GetOptions::new().with_kind(Kind::Blob)).await;
    let found: Vec<bool> = got.iter().map(Result::is_ok).collect();
    assert_eq!(found, [false, true, false], "a bad one fails alone");

    let deleted = store.delete_many(&keys, DeleteOptions::new()).await;
    let absent: Vec<bool> = deleted.into_iter().map(|deleted| deleted.unwrap().is_absent()).collect();
    assert_eq!(absent, [false, false, true]);
    assert!(store.put_many(Vec::new()).await.is_empty());
}

#[tokio::test]
async fn what_is_not_provided_says_so() {
    let error = Bare::alone().scan(ScanOptions::new("")).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Unsupported, Some("scan")));
    assert!(Bare::alone().now() >= std::time::UNIX_EPOCH);
}
