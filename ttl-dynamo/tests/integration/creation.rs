//! When an entry was created: what writes `ttl:created`, what leaves it, and what becomes of one that cannot be read.

use std::time::{Duration, UNIX_EPOCH};

use aws_sdk_dynamodb::types::AttributeValue;
use libtest_mimic::Trial;
use ttl_conformance::servers::ServerUrl;
use ttl_core::options::{
    Condition, Create, DeleteOptions, ExistingDeadline, ExpireOptions, ExpiryChange, Fields, GetOptions,
    PatchOptions, Projection, PutOptions, Refresh, Returning, ScanOptions,
};
use ttl_core::{ErrorKind, Expiry, Patch, Record, Ttl, TtlStore};

use crate::raw::{b, n, s};
use crate::support::{LONG, Space, applied, blob, key, with_server};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    vec![
        with_server("creation::puts_and_creating_patches_write_it", server, written),
        with_server("creation::it_is_asked_for_where_it_is_wanted_and_nowhere_else", server, asked),
        with_server("creation::one_that_is_damaged_matters_to_those_who_want_it", server, damaged),
    ]
}

/// What a manual clock starts at, in milliseconds.
const START: u64 = 1_767_225_600_000;

/// A put writes when it was, over a live entry too; a patch writes it where it creates; all else leaves it.
async fn written(endpoint: String) {
    let space = Space::new(endpoint).await;
    let second = || space.clock.advance(Duration::from_secs(1));
    let found = || async { space.raw.get("k").await.unwrap()["ttl:created"].clone() };
    for (number, existing_deadline) in [
        ExistingDeadline::Replace,
        ExistingDeadline::Keep,
        ExistingDeadline::Refresh(Refresh::reset(LONG)),
        ExistingDeadline::Replace,
    ]
    .into_iter()
    .enumerate()
    {
        applied(
            space
                .store
                .put(&key("k"), blob("v"), PutOptions::new(LONG).with_existing_deadline(existing_deadline))
                .await,
        );
        assert_eq!(found().await, n(START + 1000 * number as u64), "{existing_deadline:?}");
        second();
    }
    let refresh = GetOptions::new().with_refresh(Refresh::extend_only(Ttl::hours(2)));
    space.store.get(&key("k"), refresh).await.unwrap();
    let set = ExpiryChange::Set(Expiry::Never);
    assert!(space.store.expire(&key("k"), set, ExpireOptions::new()).await.unwrap().is_applied());
    assert_eq!(found().await, n(START + 3000));
    applied(space.store.put(&key("k"), Record::new().into(), PutOptions::new(LONG)).await);
    let create = PatchOptions::new().with_create(Create::new(LONG)).with_returning(Returning::CREATED_AT);
    let at = START + 4000;
    // In one expression, and by a swap.
    for patch in [Patch::new().set("n", 1), Patch::new().remove_value("l", 1)] {
        second();
        let done = space.store.patch(&key("k"), &patch, create.clone()).await.unwrap().applied().unwrap();
        assert_eq!(done.created_at, Some(UNIX_EPOCH + Duration::from_millis(at)), "{patch:?}");
        assert_eq!(found().await, n(at), "{patch:?}");
    }
    second();
    assert!(space.store.delete(&key("k"), DeleteOptions::new()).await.unwrap().is_applied());
    assert!(space.store.patch(&key("k"), &Patch::new().set("n", 1), create).await.unwrap().is_applied());
    assert_eq!(found().await, n(START + 7000));
}

/// What cannot be read is an error to those who want it, which changes nothing, and nothing to all others.
async fn damaged(endpoint: String) {
    let space = Space::new(endpoint).await;
    let returning = Returning::CREATED_AT | Returning::DEADLINE;
    let patches = [Patch::new().increment("n", 1), Patch::new().remove_value("l", 1)];
    for created in
        [None, Some(s("1767225600000")), Some(n(-1)), Some(b("x")), Some(AttributeValue::Null(true))]
    {
        let what = format!("{created:?}");
        applied(space.quiet.put(&key("k"), Record::new().with("n", 1).into(), PutOptions::new(LONG)).await);
        let mut bad = space.raw.get("k").await.unwrap();
        bad.remove("ttl:created");
        bad.extend(created.map(|created| ("ttl:created".to_owned(), created)));
        space.raw.put("k", bad.clone()).await;
        let planted = space.raw.get("k").await;
        let corrupt =
            |error: ttl_core::Error| assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}: {error}");
        let later = Refresh::extend_only(Ttl::hours(2));
        for get in [
            GetOptions::new(),
            GetOptions::nothing(),
            GetOptions::new().with_projection(Projection::Fields(Fields::new(["n"]).unwrap())),
            GetOptions::new().with_refresh(later),
            GetOptions::nothing().with_refresh(Refresh::reset(Ttl::hours(2))),
            GetOptions::new().with_refresh(later.with_slack(Ttl::MIN)),
        ] {
            let get = get.with_returning(returning);
            corrupt(space.store.get(&key("k"), get.clone()).await.unwrap_err());
            corrupt(space.store.get_many(&[key("k"), key("l")], get).await.remove(0).unwrap_err());
        }
        let scan = ScanOptions::new("k").with_returning(returning);
        corrupt(space.store.scan(scan).await.unwrap().items.remove(0).entry.unwrap_err());
        for patch in &patches {
            let options = PatchOptions::new().with_returning(returning).with_refresh(later);
            corrupt(space.store.patch(&key("k"), patch, options).await.unwrap_err());
        }
        let refused = PutOptions::new(LONG)
            .with_condition(Condition::IfAbsent)
            .with_previous()
            .with_returning(returning);
        corrupt(space.store.put(&key("k"), blob("v"), refused).await.unwrap_err());
        assert_eq!(space.raw.get("k").await, planted, "{what}");

        let options =
            GetOptions::new().with_refresh(later).with_returning(Returning::DEADLINE | Returning::VERSION);
        assert!(space.store.get(&key("k"), options).await.unwrap().is_some(), "{what}");
        for patch in &patches {
            assert!(
                space.store.patch(&key("k"), patch, PatchOptions::new()).await.unwrap().is_applied(),
                "{what}"
            );
        }
        assert!(space.store.delete(&key("k"), DeleteOptions::take()).await.unwrap().is_applied(), "{what}");
        space.raw.put("k", bad).await;
        assert!(space.store.delete(&key("k"), DeleteOptions::new()).await.unwrap().is_applied(), "{what}");
    }
}

/// Reads name it only where it is wanted, and so do the conditions of writes; it costs no request.
async fn asked(endpoint: String) {
    let space = Space::new(endpoint).await;
    let fields = Record::new().with("n", 1);
    applied(space.quiet.put(&key("k"), fields.into(), PutOptions::new(LONG)).await);
    let part = Projection::Fields(Fields::new(["n"]).unwrap());
    for (returning, told) in [
        (Returning::DEADLINE | Returning::VERSION, false),
        (Returning::CREATED_AT, true),
        (Returning::all(), true),
    ] {
        for projection in [Projection::Nothing, part.clone()] {
            let get = GetOptions::new().with_projection(projection.clone()).with_returning(returning);
            let refresh = get.clone().with_refresh(Refresh::reset(LONG));
            space.wire.requests();
            space.store.get(&key("k"), get.clone()).await.unwrap().unwrap();
            space.store.get_many(&[key("k"), key("l")], get).await.remove(0).unwrap().unwrap();
            space.store.get(&key("k"), refresh).await.unwrap().unwrap();
            let scan = ScanOptions::new("k").with_projection(projection).with_returning(returning);
            assert_eq!(space.store.scan(scan).await.unwrap().items.len(), 1);
            let patch = PatchOptions::new().with_returning(returning);
            let patched = space.store.patch(&key("k"), &Patch::new().increment("n", 1), patch).await;
            assert!(patched.unwrap().is_applied());
            let requests = space.wire.requests();
            let operations: Vec<_> = requests.iter().map(|request| request.operation.as_str()).collect();
            assert_eq!(operations, ["GetItem", "BatchGetItem", "UpdateItem", "Scan", "UpdateItem"]);
            for request in requests {
                let named = request.body.to_string().contains("ttl:created");
                assert_eq!(named, told, "{} that wants {returning:?}", request.operation);
            }
        }
    }
}
