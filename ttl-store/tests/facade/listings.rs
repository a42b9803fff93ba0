//! Listings with values, and the defaults that collections share.

use ttl_store::options::Returning;
use ttl_store::{Actions, Deadline, ErrorKind, Json, RefreshPolicy, Ttl};

use crate::support::{Fixture, TTL, session};

#[tokio::test]
async fn items_come_with_values_and_metadata() {
    let fixture = Fixture::new();
    let records = fixture.store.records("s", TTL).build().unwrap();
    let other = fixture.store.records("t", TTL).build().unwrap();
    for n in 0..7 {
        records.put(format!("k{n}"), &session(&format!("/{n}"))).await.unwrap();
        other.put(format!("k{n}"), &session("/other")).await.unwrap();
    }
    records.put("x", &session("/x")).await.unwrap();
    let _ = fixture.calls();

    let mut pages = records.items(Returning::DEADLINE).with_prefix("k").with_limit(3.try_into().unwrap());
    let (mut seen, mut sizes) = (Vec::new(), Vec::new());
    while let Some(page) = pages.next_page().await.unwrap() {
        sizes.push(page.len());
        for (key, item) in page {
            let item = item.unwrap();
            assert!(
                item.deadline.is_some_and(|deadline| deadline < Deadline::NEVER) && item.version.is_none()
            );
            seen.push((key, item.value.page));
        }
    }
    seen.sort();
    let expected: Vec<_> = (0..7).map(|n| (format!("k{n}"), format!("/{n}"))).collect();
    assert_eq!((seen, sizes), (expected, vec![3, 3, 1]));
    assert!(!format!("{pages:?}").contains("\"k\""));
    // A cursor of items goes on where keys were listed, and the reverse.
    let mut keys = records.keys().with_limit(5.try_into().unwrap());
    assert_eq!(keys.next_page().await.unwrap().unwrap().len(), 5);
    let mut rest = records.items(Returning::empty()).with_cursor(keys.cursor().unwrap().clone());
    assert_eq!(rest.next_page().await.unwrap().unwrap().len(), 3);
}

#[tokio::test]
async fn what_does_not_fit_the_type_is_an_error_in_its_place() {
    let fixture = Fixture::new();
    let texts = fixture.store.blobs::<String, _>("s", TTL, Json).build().unwrap();
    let numbers = fixture.store.blobs::<u8, _>("s", TTL, Json).build().unwrap();
    numbers.put("a", &1).await.unwrap();
    texts.put("b", &"text".to_owned()).await.unwrap();
    numbers.put("c", &3).await.unwrap();
    let page = numbers.items(Returning::empty()).next_page().await.unwrap().unwrap();
    let mut values: Vec<_> = page
        .into_iter()
        .map(|(key, item)| (key, item.map(|item| item.value).map_err(|error| error.kind())))
        .collect();
    values.sort_by(|(a, _), (b, _)| a.cmp(b));
    let expected = [("a", Ok(1)), ("b", Err(ErrorKind::Codec)), ("c", Ok(3))];
    assert_eq!(values, expected.map(|(key, value)| (key.to_owned(), value)));
}

#[tokio::test]
async fn defaults_reach_every_shape_and_can_be_changed() {
    let fixture = Fixture::new();
    let policy = RefreshPolicy::on(Actions::all_refreshable()).unwrap();
    let app = fixture.store.with_defaults(TTL).refresh(policy).max_lifetime(Ttl::hours(1));
    let records = app.records::<crate::support::Session>("r").build().unwrap();
    let blobs = app.blobs::<u8, _>("b", Json).ttl(Ttl::minutes(5)).build().unwrap();
    let counters = app.counters("n").refresh(RefreshPolicy::never()).build().unwrap();
    assert_eq!((records.ttl(), blobs.ttl(), counters.ttl()), (TTL, Ttl::minutes(5), TTL));
    assert_eq!((records.refresh_policy(), blobs.refresh_policy()), (policy, policy));
    assert_eq!(counters.refresh_policy(), RefreshPolicy::never());
    assert_eq!((records.max_lifetime(), counters.max_lifetime()), (Some(Ttl::hours(1)), Some(Ttl::hours(1))));
    assert!(app.leases("l").unwrap().acquire("k").await.unwrap().is_applied());

    // Without a policy, each shape has its usual one.
    let plain = fixture.store.with_defaults(TTL);
    let usual = fixture.store.counters("n", TTL).build().unwrap();
    assert_eq!(plain.counters("n").build().unwrap().refresh_policy(), usual.refresh_policy());
}
