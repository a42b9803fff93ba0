//! `DeferredRefresh`: a refresh that follows the decoding of an entry, and applies to that entry only.

use ttl_core::driver::{CasStore, DeferredRefresh, RefreshStep};
use ttl_core::options::{GetOptions, PutOptions, Refresh, Returning};
use ttl_core::{Capabilities, Entry, ErrorKind, Key, Lifespan, Ttl, TtlStore, forward_ttl_store};

use crate::toy::Toy;

fn key() -> Key {
    Key::new("k").unwrap()
}

async fn put(store: &dyn TtlStore, lifespan: impl Into<Lifespan>) {
    assert!(store.put(&key(), "v".into(), PutOptions::new(lifespan)).await.unwrap().is_applied());
}

/// Reads the entry without its refresh.
async fn read(store: &dyn TtlStore, refresh: Refresh, returning: Returning) -> (DeferredRefresh, Entry) {
    let mut options = GetOptions::new().with_refresh(refresh).with_returning(returning);
    let refresh = DeferredRefresh::take(&mut options).unwrap();
    assert!(options.refresh.is_none());
    (refresh, store.get(&key(), options).await.unwrap().unwrap())
}

fn minutes_left(store: &dyn TtlStore, entry: &Entry) -> u64 {
    // Rounded, because the clock is the system's.
    entry.deadline.unwrap().remaining(store.now()).unwrap().as_secs().div_ceil(60)
}

#[test]
fn options_without_a_refresh_are_unchanged() {
    let mut options = GetOptions::new();
    assert_eq!(DeferredRefresh::take(&mut options), None);
    assert_eq!(options, GetOptions::new());
}

#[tokio::test]
async fn only_the_requested_metadata_is_left() {
    let store = CasStore::new(Toy::default());
    put(&store, Ttl::minutes(10)).await;
    for returning in [Returning::empty(), Returning::DEADLINE, Returning::VERSION] {
        let (refresh, mut entry) = read(&store, Refresh::reset(Ttl::minutes(20)), returning).await;
        assert!(entry.deadline.is_some() && entry.version.is_some());
        refresh.finish(&mut entry);
        assert_eq!(entry.deadline.is_some(), returning.contains(Returning::DEADLINE));
        assert_eq!(entry.version.is_some(), returning.contains(Returning::VERSION));
    }
}

#[tokio::test]
async fn a_refresh_that_is_due_moves_the_deadline() {
    let store = CasStore::new(Toy::default());
    put(&store, Ttl::minutes(10)).await;
    let (shorter, entry) = read(&store, Refresh::extend_only(Ttl::minutes(5)), Returning::empty()).await;
    assert!(!shorter.is_due(&store, &entry).unwrap());
    let plain = |ttl| Refresh::extend_only(Ttl::minutes(ttl));
    for (ttl, refresh) in [(20, plain(20)), (30, plain(30).with_slack(Ttl::minutes(1)))] {
        let (refresh, mut entry) = read(&store, refresh, Returning::empty()).await;
        assert!(refresh.is_due(&store, &entry).unwrap());
        let step = if refresh.has_slack() {
            refresh.send_as_read(&store, &key(), &mut entry).await
        } else {
            refresh.send(&store, &key(), &mut entry).await
        };
        assert_eq!((step.unwrap(), minutes_left(&store, &entry)), (RefreshStep::Done, ttl));
    }
}

#[tokio::test]
async fn a_newer_entry_is_not_refreshed_and_reported_as_stale() {
    let store = CasStore::new(Toy::default());
    put(&store, Ttl::minutes(10)).await;
    let (refresh, mut entry) = read(&store, Refresh::reset(Ttl::minutes(20)), Returning::empty()).await;
    put(&store, Ttl::minutes(5)).await;
    assert_eq!(refresh.send(&store, &key(), &mut entry).await.unwrap(), RefreshStep::Stale);
    let (_, newer) = read(&store, Refresh::reset(Ttl::minutes(20)), Returning::empty()).await;
    assert_eq!(minutes_left(&store, &newer), 5);
    // A read cannot name a version; the caller learns that it met another one.
    assert_eq!(refresh.send_as_read(&store, &key(), &mut entry).await.unwrap(), RefreshStep::Stale);
}

#[tokio::test]
async fn near_the_cap_only_a_read_evaluates_the_slack_exactly() {
    let store = CasStore::new(Toy::default());
    let lifespan = Lifespan::from(Ttl::minutes(10)).with_max_lifetime(Ttl::minutes(12));
    let refresh = Refresh::extend_only(Ttl::hours(1)).with_slack(Ttl::minutes(5));
    put(&store, lifespan).await;
    let (deferred, mut entry) = read(&store, refresh, Returning::empty()).await;
    assert!(deferred.is_due(&store, &entry).unwrap(), "the cap is unknown");
    assert_eq!(deferred.send_as_read(&store, &key(), &mut entry).await.unwrap(), RefreshStep::Done);
    assert_eq!(minutes_left(&store, &entry), 10);
    assert_eq!(deferred.send(&store, &key(), &mut entry).await.unwrap(), RefreshStep::Done);
    assert_eq!(minutes_left(&store, &entry), 12);
}

#[derive(Debug)]
struct Unconditional(CasStore<Toy>);

impl TtlStore for Unconditional {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities().with_conditions(false)
    }

    forward_ttl_store!(self, self.0 => now get put expire patch delete scan get_many put_many delete_many);
}

#[tokio::test]
async fn without_conditions_the_stored_entry_is_refreshed() {
    let store = Unconditional(CasStore::new(Toy::default()));
    put(&store, Ttl::minutes(10)).await;
    let (refresh, mut entry) = read(&store, Refresh::reset(Ttl::minutes(20)), Returning::empty()).await;
    put(&store, Ttl::minutes(5)).await;
    assert_eq!(refresh.send(&store, &key(), &mut entry).await.unwrap(), RefreshStep::Done);
    assert_eq!(minutes_left(&store, &entry), 20);
}

#[tokio::test]
async fn an_entry_without_metadata_is_an_error_of_the_driver() {
    let store = CasStore::new(Toy::default());
    let mut options = GetOptions::new().with_refresh(Refresh::reset(Ttl::minutes(20)));
    let refresh = DeferredRefresh::take(&mut options).unwrap();
    let mut entry = Entry::default();
    assert_eq!(refresh.is_due(&store, &entry).unwrap_err().kind(), ErrorKind::Backend);
    let sent = refresh.send(&store, &key(), &mut entry).await;
    assert_eq!(sent.unwrap_err().kind(), ErrorKind::Backend);
}
