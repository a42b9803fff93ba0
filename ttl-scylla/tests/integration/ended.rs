//! What somebody has found ended stays so, whatever was on its way; a clock that is ahead takes nothing from the others.

use std::pin::Pin;

use libtest_mimic::Trial;
use ttl_conformance::servers::ServerUrl;
use ttl_core::options::{
    Condition, DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, Guard, PatchOptions, PutOptions,
    Refresh, Returning,
};
use ttl_core::{Patch, Ttl, TtlStore};
use ttl_scylla::{Mode, ScyllaStore};

use crate::space::{Space, eventually, in_mode};
use crate::states::record;
use crate::support::{LONG, applied, blob, key};
use crate::wire::Fault;

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    vec![
        in_mode(Mode::Strict, "ended::no_late_request_revives_what_was_found_ended", server, late),
        in_mode(Mode::Strict, "ended::it_is_marked_once", server, once),
    ]
}

const LIFE: Ttl = Ttl::seconds(10);

type Run = Pin<Box<dyn Future<Output = ()> + Send>>;
type Act = fn(ScyllaStore, String, ttl_core::Version) -> Run;

/// Whatever would move the deadline of a live entry, or replace it; what comes of it is its own affair.
const MOVES: [(&str, Act); 9] = [
    ("get, later", |store, name, _| {
        Box::pin(async move {
            let refresh = Refresh::extend_only(Ttl::minutes(1));
            let _ = store.get(&key(&name), GetOptions::new().with_refresh(refresh)).await;
        })
    }),
    ("get nothing, reset", |store, name, _| {
        Box::pin(async move {
            let refresh = Refresh::reset(Ttl::minutes(1));
            let _ = store.get(&key(&name), GetOptions::nothing().with_refresh(refresh)).await;
        })
    }),
    ("expire", |store, name, _| {
        expire(store, name, ExpiryChange::Set(Ttl::seconds(15).into()), ExpireOptions::new())
    }),
    ("expire if version", |store, name, version| {
        let options = ExpireOptions::new().with_if_version(version);
        expire(store, name, ExpiryChange::Set(Ttl::seconds(15).into()), options)
    }),
    ("expire far", |store, name, _| {
        expire(store, name, ExpiryChange::Set(LONG.into()), ExpireOptions::new())
    }),
    ("expire if later", |store, name, _| {
        let options = ExpireOptions::new().with_guard(Guard::IfLater);
        expire(store, name, ExpiryChange::Set(Ttl::seconds(15).into()), options)
    }),
    ("extend", |store, name, _| {
        expire(store, name, ExpiryChange::Extend(Ttl::minutes(1)), ExpireOptions::new())
    }),
    ("put if version", |store, name, version| {
        Box::pin(async move {
            let put = PutOptions::new(LONG).with_condition(Condition::IfVersion(version));
            let _ = store.put(&key(&name), blob("late"), put).await;
        })
    }),
    ("patch", |store, name, _| {
        Box::pin(async move {
            let options = PatchOptions::new().with_refresh(Refresh::extend_only(LONG));
            let _ = store.patch(&key(&name), &Patch::new().increment("n", 1), options).await;
        })
    }),
];

fn expire(store: ScyllaStore, name: String, change: ExpiryChange, options: ExpireOptions) -> Run {
    Box::pin(async move {
        let _ = store.expire(&key(&name), change, options).await;
    })
}

/// Every operation that says that nothing is there.
async fn find_ended(store: &ScyllaStore, name: &str, way: usize) {
    let key = key(name);
    let absent = match way {
        0 => store.get(&key, GetOptions::nothing()).await.unwrap().is_none(),
        1 => store.get_many(std::slice::from_ref(&key), GetOptions::new()).await.remove(0).unwrap().is_none(),
        2 => {
            let put = PutOptions::new(LONG).with_condition(Condition::IfPresent);
            store.put(&key, blob("w"), put).await.unwrap().is_absent()
        }
        3 => {
            let set = ExpiryChange::Set(LONG.into());
            store.expire(&key, set, ExpireOptions::new()).await.unwrap().is_absent()
        }
        4 => {
            let patch = Patch::new().increment("n", 1);
            store.patch(&key, &patch, PatchOptions::new()).await.unwrap().is_absent()
        }
        5 => store.delete(&key, DeleteOptions::take()).await.unwrap().is_absent(),
        _ => store.delete(&key, DeleteOptions::new()).await.unwrap().is_absent(),
    };
    assert!(absent, "{name}, {way}");
}

const WAYS: usize = 7;

async fn late(space: Space) {
    for (what, act) in MOVES {
        for way in 0..WAYS {
            let name = space.name();
            let put = PutOptions::new(LIFE).with_returning(Returning::VERSION);
            let version = applied(space.quiet.put(&key(&name), record().into(), put).await).version.unwrap();
            // The cells reach far enough for a deadline to be moved alone.
            let later = GetOptions::new().with_refresh(Refresh::extend_only(Ttl::seconds(11)));
            assert!(space.quiet.get(&key(&name), later).await.unwrap().unwrap().refresh_error.is_none());
            // Two: a request may be refused at once, and be followed by another.
            space.wire.fail(2, "UPDATE", &name, Fault::Held);
            let moving = tokio::spawn(act(space.store.clone(), name.clone(), version));
            eventually("a request under way", || async { space.wire.held() > 0 }).await;
            space.clock.advance(std::time::Duration::from_secs(12));
            find_ended(&space.quiet, &name, way).await;
            space.wire.heal();
            while !moving.is_finished() {
                space.wire.release();
                tokio::task::yield_now().await;
            }
            moving.await.unwrap();
            space.wire.settle().await;
            let after = space.quiet.get(&key(&name), GetOptions::new()).await.unwrap();
            assert!(after.is_none(), "{what}, found ended by way {way}: {after:?}");
        }
    }
}

async fn once(space: Space) {
    applied(space.quiet.put(&key("k"), record().into(), PutOptions::new(LIFE)).await);
    let before = space.raw.find("k").await.unwrap().cells;
    space.clock.advance(std::time::Duration::from_secs(11));
    space.wire.seen();
    for (what, expected) in [("the first", &["SELECT", "UPDATE"][..]), ("the second", &["SELECT"])] {
        assert!(space.store.get(&key("k"), GetOptions::new()).await.unwrap().is_none());
        assert_eq!(space.wire.seen(), expected, "{what}");
    }
    // Nothing that counts for those whose clocks are behind has changed.
    let after = space.raw.find("k").await.unwrap();
    let covers = before.deadline.map(|at| at - 1);
    assert_eq!(after.cells, crate::raw::Cells { version: after.cells.version, covers, ..before });
    assert_ne!(after.cells.version, before.version);
    assert!(after.ttls.iter().all(Option::is_some), "{after:?}");
}
