//! Builders reject invalid settings and state the reason.

use ttl_store::{ErrorKind, Json, RefreshPolicy, Result, Ttl};

use crate::support::{Fixture, Session, TTL};

fn refused<T: std::fmt::Debug>(result: Result<T>, kind: ErrorKind, says: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(says), "{error}");
}

#[tokio::test]
async fn bad_names() {
    let store = Fixture::new().store;
    for (name, says) in [("", "is empty"), ("a:b", "use '.' or '/'"), (&"n".repeat(129), "at most 128")] {
        refused(store.records::<Session>(name, TTL).build(), ErrorKind::InvalidConfig, says);
        refused(store.blobs::<u8, _>(name, TTL, Json).build(), ErrorKind::InvalidConfig, says);
        refused(store.counters(name, TTL).build(), ErrorKind::InvalidConfig, says);
        refused(store.leases(name, TTL), ErrorKind::InvalidConfig, says);
    }
    assert!(store.counters("n".repeat(128), TTL).build().is_ok());
}

#[tokio::test]
async fn lifetimes_that_contradict_each_other() {
    let store = Fixture::new().store;
    let build = || store.counters("n", TTL);
    refused(
        build().max_lifetime(Ttl::seconds(59)).build(),
        ErrorKind::InvalidConfig,
        "(59s) must not be shorter",
    );
    assert!(build().max_lifetime(TTL).build().is_ok());
    let slack = |slack| build().refresh(RefreshPolicy::default().with_slack(slack)).build();
    refused(slack(TTL), ErrorKind::InvalidPolicy, "slack (1m)");
    refused(slack(Ttl::hours(1)), ErrorKind::InvalidPolicy, "slack (1h)");
    assert!(slack(Ttl::seconds(59)).is_ok());
}

#[tokio::test]
async fn stores_that_lack_what_is_needed() {
    let without_caps = Fixture::with_capabilities(|all| all.with_caps(false)).store;
    let capped = without_caps.records::<Session>("s", TTL).max_lifetime(TTL).build();
    refused(capped, ErrorKind::Unsupported, "does not offer caps");
    assert!(without_caps.records::<Session>("s", TTL).build().is_ok());

    let without_patch = Fixture::with_capabilities(|all| all.with_patch(false)).store;
    refused(without_patch.counters("n", TTL).build(), ErrorKind::Unsupported, "does not offer patch");
    assert!(without_patch.records::<Session>("s", TTL).build().is_ok());

    let without_conditions = Fixture::with_capabilities(|all| all.with_conditions(false)).store;
    refused(without_conditions.leases("l", TTL), ErrorKind::Unsupported, "does not offer conditions");

    let without_scan = Fixture::with_capabilities(|all| all.with_scan(false)).store;
    refused(without_scan.keys().next_page().await, ErrorKind::Unsupported, "scan");
}

#[tokio::test]
async fn building_sends_nothing() {
    let fixture = Fixture::new();
    fixture.store.counters("n", TTL).build().unwrap();
    fixture.store.leases("n", TTL).unwrap();
    assert_eq!(fixture.calls(), []);
}
