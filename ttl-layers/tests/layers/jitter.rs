//! `Jitter`: deadlines within the spread, never sooner, and the same share for a key each time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ttl_core::options::{
    Create, ExistingDeadline, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutItem, PutOptions,
    Refresh, Returning,
};
use ttl_core::{Deadline, ErrorKind, Expiry, Key, Lifespan, Patch, Record, Ttl, TtlStore};
use ttl_layers::{InstantExpiries, Jitter, LayerExt};

use crate::recorder::{Recorder, key, kind, text};

const TTL: Ttl = Ttl::seconds(1_000);
const SPREAD: Duration = Duration::from_secs(100);

/// Deadlines from 1000 to 1100 seconds.
fn jittered() -> (Arc<Recorder>, Arc<dyn TtlStore>) {
    with(Jitter::by_duration(SPREAD))
}

fn with(layer: Jitter) -> (Arc<Recorder>, Arc<dyn TtlStore>) {
    let recorder = Recorder::new();
    let store = recorder.clone().layer(layer.with_seed(7)).unwrap();
    (recorder, store)
}

fn user(number: u32) -> Key {
    key(&format!("user:{number}"))
}

/// Returns what remains of an entry.
async fn left(recorder: &Recorder, key: &Key) -> Duration {
    let options = GetOptions::nothing().with_returning(Returning::DEADLINE);
    let entry = recorder.memory().get(key, options).await.unwrap().unwrap();
    entry.deadline.unwrap().remaining(recorder.now()).unwrap()
}

async fn put(store: &dyn TtlStore, key: &Key, options: PutOptions) -> Deadline {
    let options = options.with_returning(Returning::DEADLINE);
    let put = store.put(key, Record::new().into(), options).await.unwrap();
    put.applied().unwrap().deadline.unwrap()
}

#[track_caller]
fn assert_spread(lefts: &[Duration], from: Duration, to: Duration) {
    assert!(lefts.iter().all(|left| (from..=to).contains(left)), "{lefts:?}");
    let different: BTreeSet<_> = lefts.iter().collect();
    assert!(different.len() > lefts.len() / 2, "{lefts:?}");
}

/// Returns the results of `set` for fifty keys, as what remains of each entry.
async fn lefts(recorder: &Recorder, set: impl AsyncFn(&Key)) -> Vec<Duration> {
    let mut lefts = Vec::new();
    for number in 0..50 {
        let key = user(number);
        set(&key).await;
        lefts.push(left(recorder, &key).await);
    }
    lefts
}

#[tokio::test]
async fn every_ttl_is_spread() {
    let (recorder, store) = jittered();
    let (least, most) = (TTL.as_duration(), TTL.as_duration() + SPREAD);
    let long = PutOptions::new(Ttl::days(1));
    let puts = lefts(&recorder, async |key| {
        let deadline = put(&*store, key, PutOptions::new(TTL)).await;
        assert_eq!(deadline.remaining(recorder.now()), Some(left(&recorder, key).await), "the real deadline");
    });
    let puts = puts.await;
    assert_spread(&puts, least, most);
    let batches = lefts(&recorder, async |key| {
        store.put_many(vec![PutItem::new(key.clone(), "v", PutOptions::new(TTL))]).await;
    });
    let expires = lefts(&recorder, async |key| {
        let _ = store.expire(key, ExpiryChange::Set(TTL.into()), ExpireOptions::new()).await.unwrap();
    });
    let gets = lefts(&recorder, async |key| {
        put(&*store, key, long.clone()).await;
        let get = GetOptions::new().with_refresh(Refresh::reset(TTL));
        store.get(key, get).await.unwrap();
    });
    let put_refreshes = lefts(&recorder, async |key| {
        put(&*store, key, long.clone()).await;
        let refresh = ExistingDeadline::Refresh(Refresh::reset(TTL));
        put(&*store, key, long.clone().with_existing_deadline(refresh)).await;
    });
    let patches = lefts(&recorder, async |key| {
        put(&*store, key, long.clone()).await;
        let options = PatchOptions::new().with_refresh(Refresh::reset(TTL));
        let _ = store.patch(key, &Patch::new(), options).await.unwrap();
    });
    let creates = lefts(&recorder, async |key| {
        let _ = store.delete(key, ttl_core::options::DeleteOptions::new()).await.unwrap();
        let options = PatchOptions::new().with_create(Create::new(TTL));
        let _ = store.patch(key, &Patch::new(), options).await.unwrap();
    });
    for others in
        [batches.await, expires.await, gets.await, put_refreshes.await, patches.await, creates.await]
    {
        assert_eq!(others, puts, "a key has the same share in every call");
    }
}

#[tokio::test]
async fn a_fraction_spreads_by_the_ttl() {
    let (recorder, store) = with(Jitter::by_fraction(0.1));
    for ttl in [Ttl::seconds(10), Ttl::days(30)] {
        let lefts = lefts(&recorder, async |key| {
            put(&*store, key, PutOptions::new(ttl)).await;
        });
        assert_spread(&lefts.await, ttl.as_duration(), ttl.as_duration() * 11 / 10);
    }
}

#[tokio::test]
async fn the_cap_is_never_passed() {
    let (recorder, store) = jittered();
    let cap = Ttl::seconds(1_050);
    let lifespan = Lifespan::from(TTL).with_max_lifetime(cap);
    let lefts = lefts(&recorder, async |key| {
        put(&*store, key, PutOptions::new(lifespan)).await;
    });
    let lefts = lefts.await;
    assert!(lefts.iter().all(|left| *left <= cap.as_duration()), "{lefts:?}");
    assert!(lefts.iter().any(|left| *left < cap.as_duration()), "{lefts:?}");
}

#[tokio::test]
async fn the_longest_ttl_stays_valid() {
    let (recorder, store) = jittered();
    put(&*store, &user(1), PutOptions::new(Ttl::MAX)).await;
    assert_eq!(left(&recorder, &user(1)).await, Ttl::MAX.as_duration());
}

#[tokio::test]
async fn persistent_kept_and_extended_deadlines_stay() {
    let (recorder, store) = jittered();
    let key = user(1);
    assert_eq!(put(&*store, &key, PutOptions::new(Expiry::Never)).await, Deadline::NEVER);
    let first = put(&*store, &key, PutOptions::new(TTL)).await;
    let keep = PutOptions::new(TTL).with_existing_deadline(ExistingDeadline::Keep);
    recorder.advance(1);
    assert_eq!(put(&*store, &key, keep).await, first);
    let by = ExpiryChange::Extend(Ttl::seconds(5));
    let extended = store.expire(&key, by, ExpireOptions::new()).await.unwrap().applied().unwrap();
    assert_eq!(extended.deadline, first.plus(Ttl::seconds(5)));
}

#[tokio::test]
async fn instants_are_exact_unless_asked() {
    let (recorder, store) = jittered();
    let at = |seconds| Expiry::At(recorder.now() + Duration::from_secs(seconds));
    put(&*store, &user(1), PutOptions::new(at(1_000))).await;
    assert_eq!(left(&recorder, &user(1)).await, Duration::from_secs(1_000));

    let (recorder, store) = with(Jitter::by_fraction(0.1).with_instants(InstantExpiries::Spread));
    let at = |seconds| Expiry::At(recorder.now() + Duration::from_secs(seconds));
    let lefts = lefts(&recorder, async |key| {
        put(&*store, key, PutOptions::new(at(1_000))).await;
    });
    assert_spread(&lefts.await, Duration::from_secs(1_000), Duration::from_secs(1_100));
    // An instant that is not in the future ends the entry, and the farthest one is not passed.
    put(&*store, &user(1), PutOptions::new(at(0))).await;
    assert_eq!(text(&*store, "user:1").await, None);
    let farthest = Ttl::MAX.as_duration().as_secs();
    put(&*store, &user(1), PutOptions::new(at(farthest))).await;
    assert_eq!(left(&recorder, &user(1)).await, Ttl::MAX.as_duration());
    let far = store.put(&user(1), "v".into(), PutOptions::new(at(farthest + 1))).await;
    assert_eq!(kind(far), ErrorKind::InvalidExpiry);
}

#[tokio::test]
async fn repeated_refreshes_do_not_drift() {
    let (recorder, store) = jittered();
    let key = user(1);
    let first = put(&*store, &key, PutOptions::new(TTL)).await;
    let get = GetOptions::nothing().with_returning(Returning::DEADLINE);
    let extend = get.with_refresh(Refresh::extend_only(TTL));
    for _ in 0..100 {
        let entry = store.get(&key, extend.clone()).await.unwrap().unwrap();
        assert_eq!(entry.deadline, Some(first));
    }
    recorder.advance(10);
    let entry = store.get(&key, extend).await.unwrap().unwrap();
    assert_eq!(entry.deadline, Some(first.plus(Ttl::seconds(10))));
}

#[tokio::test]
async fn a_slack_skips_the_same_refreshes() {
    let (recorder, store) = jittered();
    let key = user(1);
    let get = GetOptions::nothing().with_returning(Returning::DEADLINE);
    for refresh in [Refresh::extend_only(TTL), Refresh::reset(TTL)] {
        put(&*store, &key, PutOptions::new(TTL)).await;
        let get = get.clone().with_refresh(refresh.with_slack(Ttl::seconds(30)));
        let before = left(&recorder, &key).await;
        recorder.advance(29);
        store.get(&key, get.clone()).await.unwrap();
        assert_eq!(left(&recorder, &key).await, before - Duration::from_secs(29));
        recorder.advance(1);
        store.get(&key, get).await.unwrap();
        assert_eq!(left(&recorder, &key).await, before);
    }
}

#[tokio::test]
async fn the_keys_of_a_batched_read_share_an_extra() {
    let (recorder, store) = jittered();
    let users = [user(1), user(2), user(3)];
    for user in &users {
        put(&*store, user, PutOptions::new(Ttl::days(1))).await;
    }
    let get = GetOptions::nothing().with_refresh(Refresh::reset(TTL));
    recorder.calls();
    store.get_many(&users, get.clone()).await;
    assert_eq!(recorder.methods(), ["get_many"]);
    let shared = left(&recorder, &users[0]).await;
    for user in &users {
        assert_eq!(left(&recorder, user).await, shared);
    }
    store.get(&users[0], get.clone()).await.unwrap();
    assert_eq!(left(&recorder, &users[0]).await, shared);
    assert!(store.get_many(&[], get).await.is_empty());
}
