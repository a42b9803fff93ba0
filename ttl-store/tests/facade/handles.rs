//! Operations on a whole collection, and handles for single calls: another TTL, counting, clearing, pinging.

use std::time::Duration;

use ttl_store::options::{Create, ExistingDeadline, PatchOptions, PutOptions, Refresh};
use ttl_store::{Actions, ErrorKind, RefreshPolicy, Ttl};

use crate::support::{Call, Fixture, TTL, session};

const OTHER: Ttl = Ttl::minutes(30);

#[tokio::test]
async fn another_ttl_reaches_every_operation() {
    let fixture = Fixture::new();
    let policy = RefreshPolicy::on(Actions::all_refreshable()).unwrap();
    let usual = fixture.store.records("s", TTL).refresh(policy).build().unwrap();
    let records = usual.with_ttl(OTHER);
    let counters = fixture.store.counters("n", TTL).build().unwrap().with_ttl(OTHER);
    let (value, patch) = (session("/"), || ttl_store::Patch::new().set("page", "/"));
    let refreshed = Refresh::extend_only(OTHER);
    let put = PutOptions::new(OTHER).with_existing_deadline(ExistingDeadline::Refresh(refreshed));

    assert!(records.create("a", &value).await.unwrap().is_applied());
    assert!(records.replace("a", &value).await.unwrap().is_applied());
    records.put("a", &value).await.unwrap();
    for call in fixture.calls() {
        let Call::Put(_, options) = call else { panic!("{call:?}") };
        assert_eq!((options.lifespan, options.existing_deadline), (put.lifespan, put.existing_deadline));
    }
    records.put_many([("b", &value)]).await.into_result().unwrap();
    assert_eq!(fixture.call(), Call::PutMany(vec![("@r:s:b".to_owned(), put.clone())]));
    records.patch("a", patch()).await.unwrap();
    assert_eq!(fixture.call(), Call::Patch("@r:s:a".to_owned(), PatchOptions::new().with_refresh(refreshed)));
    records.patch_or_create("c", patch(), &value).await.unwrap();
    counters.increment("d").await.unwrap();
    for call in fixture.calls() {
        let Call::Patch(_, options) = call else { panic!("{call:?}") };
        assert_eq!(options.create.unwrap().lifespan, Create::new(OTHER).lifespan);
    }
    for key in ["a", "b", "c"] {
        assert_eq!(usual.remaining(key).await.unwrap(), Some(OTHER.as_duration()), "{key}");
    }
    assert_eq!(counters.remaining("d").await.unwrap(), Some(OTHER.as_duration()));

    // The usual handle keeps its TTL, and a slack that does not fit the other one does not count.
    usual.put("e", &value).await.unwrap();
    assert_eq!(usual.remaining("e").await.unwrap(), Some(TTL.as_duration()));
    usual.set_refresh_policy(policy.with_slack(Ttl::seconds(30))).unwrap();
    fixture.advance(59);
    assert!(usual.with_ttl(Ttl::seconds(10)).get("e").await.unwrap().is_some());
    assert_eq!(usual.remaining("e").await.unwrap(), Some(Duration::from_secs(10)));
}

#[tokio::test]
async fn what_remains_is_never_more_than_what_was_asked() {
    let fixture = Fixture::new();
    fixture.clock.advance(Duration::from_nanos(1));
    fixture.store.put("k", "v", TTL).await.unwrap();
    let leases = fixture.store.leases("l", TTL).unwrap();
    let lease = leases.acquire("k").await.unwrap().applied().unwrap();
    assert_eq!(fixture.store.remaining("k").await.unwrap(), Some(TTL.as_duration()));
    assert_eq!(lease.remaining(), TTL.as_duration());
}

#[tokio::test]
async fn listings_count_and_clear_what_they_list_and_nothing_else() {
    let fixture = Fixture::new();
    let records = fixture.store.records("s", TTL).build().unwrap();
    let others = fixture.store.records("t", TTL).build().unwrap();
    for n in 0..250 {
        records.put(format!("{}{n}", if n < 130 { "a/" } else { "b/" }), &session("/")).await.unwrap();
    }
    others.put("a/1", &session("/")).await.unwrap();
    fixture.store.put("a/1", "plain", TTL).await.unwrap();
    assert_eq!(records.keys().count().await.unwrap(), 250);
    assert_eq!(records.keys().with_prefix("a/").count().await.unwrap(), 130);
    assert_eq!(records.keys().with_prefix("a/").delete_all().await.unwrap(), 130);
    assert_eq!(records.keys().with_prefix("a/").delete_all().await.unwrap(), 0);
    assert_eq!(records.keys().count().await.unwrap(), 120);
    assert_eq!(records.keys().delete_all().await.unwrap(), 120);
    assert_eq!(fixture.store.keys().count().await.unwrap(), 1);
    let mut stored = fixture.stored_keys().await;
    stored.sort();
    assert_eq!(stored, ["@r:t:a/1", "a/1"]);
}

#[tokio::test]
async fn a_ping_is_one_read_of_a_key_that_no_program_can_have() {
    let fixture = Fixture::new();
    fixture.store.put("@ping", "v", TTL).await.unwrap();
    fixture.calls();
    fixture.store.ping().await.unwrap();
    assert!(matches!(fixture.call(), Call::Get(key, _) if key == "@ping"));
    assert_eq!(fixture.stored_keys().await, ["@@ping"]);
}

#[tokio::test]
async fn patches_are_checked_where_the_collection_was_built_so() {
    let fixture = Fixture::new();
    let free = fixture.store.records::<crate::support::Session>("s", TTL).build().unwrap();
    let checked = fixture.store.records::<crate::support::Session>("s", TTL).check_patches().build().unwrap();
    let value = session("/");
    checked.put("k", &value).await.unwrap();
    let _ = fixture.calls();
    for wrong in [|| ttl_store::Patch::new().set("pge", "/"), || ttl_store::Patch::new().set("hits", "seven")]
    {
        for error in [
            checked.patch("k", wrong()).await.unwrap_err(),
            checked.patch_within("k", wrong()).await.unwrap_err(),
            checked.patch_if("k", ttl_store::Version::random(), wrong()).await.unwrap_err(),
            checked.patch_or_create("k", wrong(), &value).await.unwrap_err(),
            checked.patch_within_or_create("k", wrong(), &value).await.unwrap_err(),
        ] {
            assert_eq!((error.kind(), error.operation()), (ErrorKind::InvalidField, Some("patch")));
        }
    }
    assert!(fixture.calls().is_empty(), "something was sent");
    assert!(checked.patch("k", ttl_store::Patch::new().set("hits", 7)).await.unwrap().is_some());
    assert_eq!(checked.peek("k").await.unwrap().map(|session| session.hits), Some(7));
    assert!(free.patch("k", ttl_store::Patch::new().set("pge", "/")).await.unwrap().is_some());
}
