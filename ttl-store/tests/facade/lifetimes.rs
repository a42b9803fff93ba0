//! The lifetimes that a program observes, second by second.

use std::time::{Duration, SystemTime};

use ttl_store::options::Returning;
use ttl_store::{Actions, Deadline, Expiry, Patch, RefreshPolicy, Ttl};

use crate::support::{Fixture, Session, TTL, session};

#[tokio::test]
async fn by_default_writing_again_starts_the_lifetime_again_and_reading_does_not() {
    let fixture = Fixture::new();
    let sessions = fixture.store.records("s", TTL).build().unwrap();
    sessions.put("k", &session("/")).await.unwrap();
    fixture.advance(30);
    assert!(sessions.get("k").await.unwrap().is_some());
    assert_eq!(sessions.remaining("k").await.unwrap(), Some(Duration::from_secs(30)));
    sessions.put("k", &session("/cart")).await.unwrap();
    assert_eq!(sessions.remaining("k").await.unwrap(), Some(TTL.as_duration()));
    fixture.advance(60);
    assert_eq!(sessions.get("k").await.unwrap(), None);
    assert_eq!(sessions.remaining("k").await.unwrap(), None);
    assert!(sessions.put("k", &session("/")).await.unwrap().created);
}

#[tokio::test]
async fn a_sliding_session_lives_while_it_is_used_and_not_past_its_cap() {
    let fixture = Fixture::new();
    let policy = RefreshPolicy::on(Actions::FETCH | Actions::WRITES).unwrap();
    let builder = fixture.store.records::<Session>("s", TTL).refresh(policy);
    let sessions = builder.max_lifetime(Ttl::minutes(3)).build().unwrap();
    sessions.put("k", &session("/")).await.unwrap();
    for _ in 0..5 {
        fixture.advance(30);
        assert!(sessions.patch("k", Patch::new().increment("hits", 1)).await.unwrap().is_some());
        assert!(sessions.get("k").await.unwrap().is_some());
    }
    assert_eq!(sessions.get("k").await.unwrap().unwrap().hits, 6);
    assert_eq!(sessions.remaining("k").await.unwrap(), Some(Duration::from_secs(30)), "the cap holds");
    for capped in [
        sessions.touch("k").await.unwrap().unwrap(),
        sessions.extend_by("k", Ttl::hours(1)).await.unwrap().unwrap(),
        sessions.persist("k").await.unwrap().unwrap(),
        sessions.set_expiry("k", Ttl::hours(1)).await.unwrap().unwrap(),
    ] {
        assert!(!capped.changed);
    }
    fixture.advance(30);
    assert_eq!(sessions.get("k").await.unwrap(), None);
}

#[tokio::test]
async fn saving_again_outside_the_policy_moves_no_deadline_but_starts_a_cap() {
    let fixture = Fixture::new();
    let policy = RefreshPolicy::on(Actions::FETCH).unwrap();
    let plain = fixture.store.records("s", Ttl::minutes(5)).refresh(policy).build().unwrap();
    let capped =
        fixture.store.records("s", TTL).refresh(policy).max_lifetime(Ttl::minutes(2)).build().unwrap();
    plain.put("k", &session("/")).await.unwrap();
    fixture.advance(10);
    plain.put("k", &session("/a")).await.unwrap();
    assert_eq!(plain.remaining("k").await.unwrap(), Some(Duration::from_secs(290)));
    capped.put("k", &session("/b")).await.unwrap();
    assert_eq!(plain.remaining("k").await.unwrap(), Some(Duration::from_secs(120)), "the cap starts now");
    fixture.advance(60);
    assert!(plain.get("k").await.unwrap().is_some());
    assert!(!plain.extend_by("k", Ttl::hours(1)).await.unwrap().unwrap().changed, "and is fixed");
    assert_eq!(
        plain.put_with_expiry("k", &session("/c"), Expiry::Never).await.map(|meta| meta.created).ok(),
        Some(false)
    );
    assert_eq!(plain.remaining("k").await.unwrap(), Some(TTL.as_duration()));
}

#[tokio::test]
async fn deadlines_move_as_they_are_told() {
    let fixture = Fixture::new();
    let sessions = fixture.store.records("s", TTL).build().unwrap();
    sessions.put("k", &session("/")).await.unwrap();
    let start = fixture.store.now();
    let at = |seconds| Deadline::at(start + Duration::from_secs(seconds));

    fixture.advance(10);
    assert_eq!(sessions.touch("k").await.unwrap().unwrap().deadline, at(70));
    assert_eq!(sessions.extend_by("k", Ttl::seconds(60)).await.unwrap().unwrap().deadline, at(130));
    let untouched = sessions.touch("k").await.unwrap().unwrap();
    assert_eq!((untouched.deadline, untouched.changed), (at(130), false), "touch never shortens");
    assert_eq!(sessions.set_expiry("k", Ttl::seconds(5)).await.unwrap().unwrap().deadline, at(15));
    assert_eq!(
        sessions.set_expiry("k", start + Duration::from_secs(20)).await.unwrap().unwrap().deadline,
        at(20)
    );
    assert_eq!(sessions.persist("k").await.unwrap().unwrap().deadline, Deadline::NEVER);
    assert_eq!(sessions.remaining("k").await.unwrap(), Some(Duration::MAX));
    assert!(!sessions.touch("k").await.unwrap().unwrap().changed, "persistent is later than anything");
    sessions.put_with_expiry("k", &session("/"), Ttl::seconds(1)).await.unwrap();
    assert_eq!(sessions.deadline("k").await.unwrap(), Some(at(11)));
    let ended = sessions.set_expiry("k", SystemTime::UNIX_EPOCH).await.unwrap();
    assert!(ended.is_some_and(|ended| ended.changed));
    assert!(!sessions.contains("k").await.unwrap());
}

#[tokio::test]
async fn nothing_revives_or_makes_what_has_ended() {
    let fixture = Fixture::new();
    let sessions = fixture.store.records("s", TTL).build().unwrap();
    sessions.put("k", &session("/")).await.unwrap();
    fixture.advance(60);
    assert_eq!(sessions.touch("k").await.unwrap(), None);
    assert_eq!(sessions.extend_by("k", TTL).await.unwrap(), None);
    assert_eq!(sessions.set_expiry("k", Expiry::Never).await.unwrap(), None);
    assert_eq!(sessions.persist("k").await.unwrap(), None);
    assert_eq!(sessions.patch("k", Patch::new().set("page", "/")).await.unwrap(), None);
    assert!(sessions.replace("k", &session("/")).await.unwrap().is_absent());
    assert_eq!(sessions.take("k").await.unwrap(), None);
    assert!(!sessions.delete("k").await.unwrap());
    assert!(!sessions.contains("k").await.unwrap());
    let outcome =
        sessions.patch_or_create("k", Patch::new().increment("hits", 1), &session("/new")).await.unwrap();
    assert!(outcome.created);
    assert_eq!(sessions.get("k").await.unwrap(), Some(Session { page: "/new".into(), hits: 2 }));
}

#[tokio::test]
async fn a_counters_window_begins_with_the_first_addition_and_does_not_slide() {
    let fixture = Fixture::new();
    let attempts = fixture.store.counters("logins", TTL).build().unwrap();
    for expected in 1..=3 {
        assert_eq!(attempts.increment("ada").await.unwrap(), expected);
        fixture.advance(15);
    }
    assert_eq!(attempts.get("ada").await.unwrap(), Some(3));
    assert_eq!(attempts.add("ada", -2).await.unwrap(), 1);
    fixture.advance(15);
    assert_eq!(attempts.get("ada").await.unwrap(), None);
    assert_eq!(attempts.increment("ada").await.unwrap(), 1);
    let sliding = RefreshPolicy::on(Actions::ARITHMETIC).unwrap();
    attempts.set_refresh_policy(sliding).unwrap();
    fixture.advance(15);
    attempts.increment("ada").await.unwrap();
    assert_eq!(attempts.remaining("ada").await.unwrap(), Some(TTL.as_duration()));
}

#[tokio::test]
async fn metadata_is_reported_where_it_is_asked_for() {
    let fixture = Fixture::new();
    let sessions = fixture.store.records("s", TTL).build().unwrap();
    let meta = sessions.put("k", &session("/")).await.unwrap();
    assert!(meta.created && meta.deadline.is_none() && meta.version.is_none());
    let meta = sessions.with_returning(Returning::all()).put("k", &session("/a")).await.unwrap();
    let item = sessions.get_item("k", Returning::all()).await.unwrap().unwrap();
    assert_eq!(item.value, session("/a"));
    assert_eq!((item.deadline, item.version), (meta.deadline, meta.version));
    assert_eq!(item.deadline, Some(Deadline::after(fixture.store.now(), TTL)));
    let item = sessions.get_item("k", Returning::empty()).await.unwrap().unwrap();
    assert!(item.deadline.is_none() && item.version.is_none());
}

#[tokio::test]
async fn the_creation_starts_with_a_put_and_stays_with_patches_and_refreshes() {
    let fixture = Fixture::new();
    let policy = RefreshPolicy::on(Actions::FETCH | Actions::WRITES).unwrap();
    let sessions = fixture
        .store
        .records("s", TTL)
        .refresh(policy)
        .build()
        .unwrap()
        .with_returning(Returning::CREATED_AT);
    let started = fixture.store.now();
    let meta = sessions.put("k", &session("/")).await.unwrap();
    assert_eq!(meta.created_at, Some(started));
    fixture.store.put("plain", "v", TTL).await.unwrap();
    fixture.advance(1);
    sessions.patch("k", Patch::new().increment("hits", 1)).await.unwrap().unwrap();
    sessions.touch("k").await.unwrap().unwrap();
    // A read that decodes first and then refreshes hands it on, alone and with the rest.
    for returning in [Returning::CREATED_AT, Returning::all()] {
        fixture.advance(1);
        let item = sessions.get_item("k", returning).await.unwrap().unwrap();
        assert_eq!((item.created_at, item.version.is_some()), (Some(started), returning == Returning::all()));
        let item = sessions.items(returning).next_page().await.unwrap().unwrap().remove(0).1.unwrap();
        assert_eq!(item.created_at, Some(started));
        let item = fixture.store.get_item("plain", returning).await.unwrap().unwrap();
        assert_eq!(item.created_at, Some(started));
    }
    assert_eq!(sessions.get_item("k", Returning::DEADLINE).await.unwrap().unwrap().created_at, None);
    let version = sessions.get_item("k", Returning::VERSION).await.unwrap().unwrap().version.unwrap();
    let swapped = sessions.compare_and_swap("k", version, &session("/a")).await.unwrap().applied().unwrap();
    assert_eq!(swapped.created_at, Some(fixture.store.now()));
    let counters = fixture.store.counters("n", TTL).build().unwrap().with_returning(Returning::CREATED_AT);
    let counted = counters.add_within("n", 1, ..=2).await.unwrap().applied().unwrap();
    fixture.advance(1);
    let again = counters.add_within("n", 1, ..=2).await.unwrap().applied().unwrap();
    assert_eq!((counted.created_at, again.created_at), (swapped.created_at, swapped.created_at));
}

#[tokio::test]
async fn compare_and_swap_goes_on_from_the_version_that_it_reports() {
    let fixture = Fixture::new();
    let sessions = fixture.store.records("s", TTL).build().unwrap();
    sessions.put("k", &session("/0")).await.unwrap();
    let first = sessions.get_item("k", Returning::VERSION).await.unwrap().unwrap().version.unwrap();
    let swapped = sessions.compare_and_swap("k", first, &session("/1")).await.unwrap();
    let second = swapped.applied().unwrap().version.unwrap();
    assert!(sessions.compare_and_swap("k", first, &session("/x")).await.unwrap().is_refused());
    assert!(sessions.patch_if("k", first, Patch::new().set("page", "/x")).await.unwrap().is_refused());
    assert!(sessions.delete_if("k", first).await.unwrap().is_refused());
    assert_eq!(sessions.get("k").await.unwrap(), Some(session("/1")));
    assert!(sessions.patch_if("k", second, Patch::new().set("page", "/2")).await.unwrap().is_applied());
    let third = sessions.get_item("k", Returning::VERSION).await.unwrap().unwrap().version.unwrap();
    assert!(sessions.delete_if("k", third).await.unwrap().is_applied());
    assert!(sessions.compare_and_swap("k", third, &session("/x")).await.unwrap().is_absent());
}
