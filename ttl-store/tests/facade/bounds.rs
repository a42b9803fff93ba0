//! Additions with bounds: throttles, quotas, stocks.

use std::time::Duration;

use ttl_store::options::{Create, PatchOptions, Returning};
use ttl_store::{Actions, Bounds, Deadline, ErrorKind, Outcome, Patch, Record, RefreshPolicy, Version};

use crate::support::{Call, Fixture, Session, TTL, session};

#[tokio::test]
async fn a_throttle_is_one_call() {
    let fixture = Fixture::new();
    let calls = fixture.store.counters("calls", TTL).build().unwrap();
    let ends = Some(Deadline::after(fixture.store.now(), TTL));
    for expected in 1..=5 {
        let passed = calls.add_within("ada", 1, ..=5).await.unwrap().applied().unwrap();
        assert_eq!((passed.value, passed.deadline, passed.version), (expected, ends, None));
        fixture.advance(5);
    }
    fixture.calls();
    for by in [1, 4, i64::from(u32::MAX)] {
        let full = calls.add_within("ada", by, ..=5).await.unwrap().refused().unwrap();
        assert_eq!((full.value, full.deadline), (5, ends));
        let options = PatchOptions::new().with_create(Create::new(TTL)).with_returning(Returning::DEADLINE);
        assert_eq!(fixture.call(), Call::Patch("@n:calls:ada".to_owned(), options));
    }
    assert_eq!(
        calls
            .with_returning(Returning::VERSION)
            .add_within("ada", -2, 0..=5)
            .await
            .unwrap()
            .applied()
            .unwrap()
            .value,
        3
    );
    fixture.advance(35);
    assert_eq!(calls.get("ada").await.unwrap(), None, "the window did not slide");
    assert!(matches!(calls.add_within("ada", 6, ..=5).await, Ok(Outcome::Refused(None))));
    assert_eq!(calls.get("ada").await.unwrap(), None);
    assert_eq!(calls.add_within("ada", 5, ..=5).await.unwrap().applied().unwrap().value, 5);
}

#[tokio::test]
async fn a_refusal_does_not_slide_the_window() {
    let fixture = Fixture::new();
    let policy = RefreshPolicy::on(Actions::ARITHMETIC).unwrap();
    let calls = fixture.store.counters("calls", TTL).refresh(policy).build().unwrap();
    assert!(calls.add_within("ada", 5, ..=5).await.unwrap().is_applied());
    fixture.advance(15);
    let left = Some(Duration::from_secs(45));
    let full = calls.add_within("ada", 1, ..=5).await.unwrap().refused().unwrap();
    assert_eq!(full.deadline.and_then(|deadline| deadline.remaining(fixture.store.now())), left);
    assert_eq!(calls.remaining("ada").await.unwrap(), left);
    assert!(calls.add_within("ada", -1, ..=5).await.unwrap().is_applied());
    assert_eq!(calls.remaining("ada").await.unwrap(), Some(TTL.as_duration()));
}

#[tokio::test]
async fn records_are_patched_within_bounds() {
    let fixture = Fixture::new();
    let sessions = fixture.store.records::<Session>("s", TTL).build().unwrap();
    let hit = || Patch::new().set("page", "/x").increment_within("hits", 1, ..=2);
    assert!(sessions.patch_within("k", hit()).await.unwrap().is_absent());
    let created =
        sessions.patch_within_or_create("k", hit(), &session("/")).await.unwrap().applied().unwrap();
    assert_eq!((created.created, created.fields.get("hits")), (true, Some(&2.into())));
    let version = sessions.get_item("k", Returning::VERSION).await.unwrap().unwrap().version.unwrap();
    for outcome in [
        sessions.patch_within("k", hit().set("page", "/y")).await.unwrap(),
        sessions.patch_within_or_create("k", hit().set("page", "/y"), &session("/")).await.unwrap(),
        sessions
            .with_returning(Returning::DEADLINE)
            .patch_if("k", version, hit().set("page", "/y"))
            .await
            .unwrap(),
    ] {
        let there = outcome.refused().unwrap();
        assert_eq!(there.fields, Record::new().with("page", "/x").with("hits", 2));
        assert_eq!(there.deadline, Some(Deadline::after(fixture.store.now(), TTL)));
    }
    assert_eq!(sessions.patch_if("k", Version::random(), hit()).await.unwrap(), Outcome::Refused(None));
    let full = session("/");
    let full = Session { hits: 2, ..full };
    assert_eq!(sessions.patch_within_or_create("new", hit(), &full).await.unwrap(), Outcome::Refused(None));
    assert_eq!(sessions.get("k").await.unwrap(), Some(Session { page: "/x".into(), hits: 2 }));
    assert!(!sessions.contains("new").await.unwrap());

    let store = &fixture.store;
    let create = || Create::new(TTL).with_initial(Record::new().with("hits", 1));
    assert!(store.patch_within("k", hit()).await.unwrap().is_absent());
    assert!(store.patch_within_or_create("k", hit(), create()).await.unwrap().is_applied());
    assert!(store.patch_within("k", hit()).await.unwrap().refused().is_some());
    let there = store.patch_within_or_create("k", hit(), create()).await.unwrap().refused().unwrap();
    assert_eq!((there.fields.get("hits"), there.deadline.is_some()), (Some(&2.into()), true));
}

#[tokio::test]
async fn an_answer_without_room_for_a_refusal_takes_no_bounds() {
    let fixture = Fixture::new();
    let sessions = fixture.store.records::<Session>("s", TTL).build().unwrap();
    let calls = fixture.store.counters("calls", TTL).build().unwrap();
    let bounded = || Patch::new().increment_within("hits", 1, ..=2);
    let refused = [
        sessions.patch("k", bounded()).await.map(|_| ()),
        sessions.patch_or_create("k", bounded(), &session("/")).await.map(|_| ()),
        fixture.store.patch("k", bounded()).await.map(|_| ()),
        fixture.store.patch_or_create("k", bounded(), Create::new(TTL)).await.map(|_| ()),
    ];
    for result in refused {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidField);
        assert!(error.to_string().contains("patch_within"), "{error}");
    }
    for bounds in [Bounds::from(..=i64::MAX), (i64::MIN..).into()] {
        assert_eq!(calls.add_within("ada", 1, bounds).await.unwrap_err().kind(), ErrorKind::InvalidField);
    }
    assert_eq!(calls.add_within("", 1, ..=5).await.unwrap_err().kind(), ErrorKind::InvalidKey);
    assert_eq!(fixture.calls(), [], "nothing was sent");
}
