//! Leases: one holder at a time, and a lost lease is noticed.

use std::time::Duration;

use ttl_store::{Deadline, Ttl};

use crate::support::Fixture;

const TTL: Ttl = Ttl::seconds(30);

#[tokio::test]
async fn a_lease_is_held_by_one_until_it_is_released() {
    let fixture = Fixture::new();
    let leases = fixture.store.leases("jobs", TTL).unwrap();
    let mut lease = leases.acquire("a").await.unwrap().applied().unwrap();
    assert_eq!(lease.deadline(), Deadline::after(fixture.store.now(), TTL));
    assert_eq!(lease.remaining(), TTL.as_duration());
    assert!(leases.acquire("a").await.unwrap().is_refused());
    assert!(leases.acquire("b").await.unwrap().is_applied());
    assert!(lease.is_held().await.unwrap());
    assert!(lease.release().await.unwrap().is_applied());
    assert!(!lease.is_held().await.unwrap());
    assert_eq!(lease.remaining(), Duration::ZERO);
    assert!(lease.release().await.unwrap().is_absent());
    assert!(leases.acquire("a").await.unwrap().is_applied());
}

#[tokio::test]
async fn renewing_starts_the_time_again() {
    let fixture = Fixture::new();
    let leases = fixture.store.leases("jobs", TTL).unwrap();
    let mut lease = leases.acquire("a").await.unwrap().applied().unwrap();
    for _ in 0..3 {
        fixture.advance(20);
        let renewed = lease.renew().await.unwrap().applied().unwrap();
        assert_eq!(renewed, Deadline::after(fixture.store.now(), TTL));
        assert_eq!(lease.deadline(), renewed);
    }
    assert!(leases.acquire("a").await.unwrap().is_refused());
}

#[tokio::test]
async fn a_lease_that_ended_is_lost() {
    let fixture = Fixture::new();
    let leases = fixture.store.leases("jobs", TTL).unwrap();
    let mut lease = leases.acquire("a").await.unwrap().applied().unwrap();
    fixture.advance(30);
    assert_eq!(lease.remaining(), Duration::ZERO);
    assert!(!lease.is_held().await.unwrap());
    assert!(lease.renew().await.unwrap().is_absent());
    assert!(lease.release().await.unwrap().is_absent());
}

#[tokio::test]
async fn a_lost_lease_never_touches_the_next_holders() {
    let fixture = Fixture::new();
    let leases = fixture.store.leases("jobs", TTL).unwrap();
    let mut first = leases.acquire("a").await.unwrap().applied().unwrap();
    fixture.advance(30);
    let mut second = leases.acquire("a").await.unwrap().applied().unwrap();
    fixture.advance(10);
    assert!(!first.is_held().await.unwrap());
    assert!(first.renew().await.unwrap().is_refused());
    assert_eq!(first.remaining(), Duration::ZERO, "known to be lost");
    assert!(first.release().await.unwrap().is_refused());
    assert_eq!(second.remaining(), Duration::from_secs(20));
    assert!(second.is_held().await.unwrap());
    assert!(second.release().await.unwrap().is_applied());
}

#[tokio::test]
async fn a_lease_that_is_dropped_ends_by_itself() {
    let fixture = Fixture::new();
    let leases = fixture.store.leases("jobs", TTL).unwrap();
    drop(leases.acquire("a").await.unwrap());
    assert!(leases.acquire("a").await.unwrap().is_refused());
    fixture.advance(30);
    assert!(leases.acquire("a").await.unwrap().is_applied());
}
