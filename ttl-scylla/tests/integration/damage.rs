//! Rows with one cell that is not as it must be: neither a miss nor a panic, the same to a get and to a scan, and never
//! there to stay.

use libtest_mimic::Trial;
use ttl_conformance::servers::ServerUrl;
use ttl_core::options::{
    Condition, DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, Projection, PutOptions,
    Refresh, Returning, ScanOptions,
};
use ttl_core::{ErrorKind, Key, Patch, Ttl, TtlStore, Version};
use ttl_scylla::Mode;
use uuid::Uuid;

use crate::raw::{Cells, NEVER};
use crate::space::{Space, in_both, in_mode};
use crate::support::{LONG, applied, blob, key};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    let mut trials = vec![in_mode(
        Mode::Strict,
        "damage::a_version_of_another_kind_is_that_of_no_row",
        server,
        foreign_version,
    )];
    trials.extend(in_both("damage::every_damaged_row_can_be_deleted", server, damaged));
    trials.extend(in_both("damage::a_damaged_creation_matters_to_those_who_want_it", server, created));
    trials.extend(in_both("damage::what_was_left_without_a_deadline_can_be_put", server, left));
    trials.extend(in_both("damage::a_cap_in_the_past_ends_an_entry", server, capped));
    trials
}

fn live(space: &Space) -> Cells {
    let ahead = Some(space.now_millis() + 60_000);
    Cells {
        kind: Some(1),
        value: Some(b"v".to_vec()),
        deadline: ahead,
        covers: ahead,
        cap: Some(NEVER),
        version: Some(Uuid::from_u128(7)),
        created: Some(7),
    }
}

/// What the driver's own conditions name stands among them.
const SENTINEL: Uuid = Uuid::from_u128(0x0ba1f9d7_5b27_4e0c_9a3e_61c7d84f2b90);

/// Rows that live, and whether they can be read.
fn damages(space: &Space) -> Vec<(Cells, bool)> {
    let live = || live(space);
    let mut all = Vec::new();
    for version in [Uuid::nil(), Uuid::max(), SENTINEL] {
        all.push((Cells { version: Some(version), ..live() }, true));
        all.push((Cells { version: Some(version), kind: Some(0), ..live() }, false));
    }
    all.push((Cells { version: None, ..live() }, false));
    for kind in [None, Some(0), Some(-128), Some(127), Some(3), Some(4)] {
        all.push((Cells { kind, ..live() }, false));
    }
    for cap in [None, Some(0), Some(i64::MIN), Some(-1), Some(1), Some(NEVER - 1)] {
        all.push((Cells { cap, ..live() }, false));
    }
    all.push((Cells { cap: None, version: None, kind: None, ..live() }, false));
    all.push((Cells { kind: Some(-128), cap: Some(i64::MIN), version: Some(SENTINEL), ..live() }, false));
    all.push((Cells { value: None, ..live() }, false));
    for value in ["", "{", "[]", "7", "{\"a\":1}x", "{\"a\":\"\u{0}\"}"] {
        all.push((Cells { kind: Some(2), value: Some(value.into()), ..live() }, false));
    }
    all.push((Cells { kind: Some(2), value: Some(vec![0xff; 9]), ..live() }, false));
    all.push((Cells { kind: Some(2), value: Some(b"[".repeat(100_000)), ..live() }, false));
    all
}

/// What a scan says of a key: nothing, a value, or an error.
async fn scanned(space: &Space, key: &Key) -> Option<Result<(), ErrorKind>> {
    let options = ScanOptions::new(key.as_str()).with_projection(Projection::All);
    let page = space.store.scan(options).await.unwrap();
    assert!(page.items.len() < 2);
    let item = page.items.into_iter().next()?;
    Some(item.entry.map(drop).map_err(|error| error.kind()))
}

async fn damaged(space: Space) {
    for (cells, readable) in damages(&space) {
        let (what, name) = (format!("{cells:?}").chars().take(300).collect::<String>(), key(&space.name()));
        space.raw.write(name.as_str(), &cells, 300).await;
        let expected = if readable { Ok(()) } else { Err(ErrorKind::Corrupt) };
        let seen = match space.store.get(&name, GetOptions::new()).await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => panic!("a miss: {what}"),
            Err(error) => Err(error.kind()),
        };
        assert_eq!(seen, expected, "{what}");
        assert_eq!(scanned(&space, &name).await, Some(expected), "{what}");
        let deleted = space.store.delete(&name, DeleteOptions::new()).await;
        assert!(deleted.as_ref().is_ok_and(ttl_core::Outcome::is_applied), "{what}: {deleted:?}");
        assert!(space.store.get(&name, GetOptions::new()).await.unwrap().is_none(), "{what}");
        assert_eq!(scanned(&space, &name).await, None, "{what}");
        applied(space.store.put(&name, blob("w"), PutOptions::new(LONG)).await);
    }
}

/// A creation that cannot be read: an entry like others, but `Corrupt` to whoever wants it, which changes nothing.
async fn created(space: Space) {
    let returning = Returning::CREATED_AT | Returning::DEADLINE;
    for created in [None, Some(-1), Some(i64::MIN)] {
        for (kind, value) in [(1, "v"), (2, "{\"n\":1}")] {
            let name = key(&space.name());
            let cells = Cells { kind: Some(kind), value: Some(value.into()), created, ..live(&space) };
            space.raw.write(name.as_str(), &cells, 300).await;
            let before = space.raw.find(name.as_str()).await.map(|found| found.cells);
            let refresh = Refresh::extend_only(Ttl::hours(9));
            for get in [GetOptions::new(), GetOptions::nothing(), GetOptions::new().with_refresh(refresh)] {
                let error = space.store.get(&name, get.with_returning(returning)).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{created:?}");
            }
            let scan = ScanOptions::new(name.as_str()).with_returning(returning);
            let item = space.store.scan(scan).await.unwrap().items.remove(0);
            assert_eq!(item.entry.unwrap_err().kind(), ErrorKind::Corrupt, "{created:?}");
            if kind == 2 && space.store.capabilities().patch {
                let patch = Patch::new().increment("n", 1);
                let wanting = PatchOptions::new().with_returning(returning);
                let error = space.store.patch(&name, &patch, wanting).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{created:?}");
            }
            assert_eq!(space.raw.find(name.as_str()).await.map(|found| found.cells), before, "{created:?}");
            // Nobody else is troubled: not the reader, nor whoever moves the deadline so far that all cells are written.
            let entry =
                space.store.get(&name, GetOptions::new().with_refresh(refresh)).await.unwrap().unwrap();
            assert!(entry.refresh_error.is_none(), "{created:?}: {entry:?}");
            if kind == 2 && space.store.capabilities().patch {
                let patch = Patch::new().increment("n", 1);
                applied(space.store.patch(&name, &patch, PatchOptions::new()).await);
            }
            assert!(
                space.store.get(&name, GetOptions::new().with_returning(returning)).await.is_err(),
                "{created:?}"
            );
            assert!(
                space.store.delete(&name, DeleteOptions::new()).await.unwrap().is_applied(),
                "{created:?}"
            );
            let put = PutOptions::new(LONG).with_returning(returning);
            assert!(applied(space.store.put(&name, blob("w"), put).await).created_at.is_some());
        }
    }
}

/// Cells that outlived the deadline's, damaged ones too, stand in nobody's way.
async fn left(space: Space) {
    for (cells, _) in damages(&space) {
        let what = format!("{cells:?}").chars().take(300).collect::<String>();
        for cells in [Cells { deadline: None, ..cells.clone() }, Cells { covers: Some(0), ..cells }] {
            let name = key(&space.name());
            space.raw.write(name.as_str(), &cells, 300).await;
            assert!(space.store.get(&name, GetOptions::new()).await.unwrap().is_none(), "{what}");
            assert!(space.store.delete(&name, DeleteOptions::new()).await.unwrap().is_absent(), "{what}");
            let put = space.store.put(&name, blob("w"), PutOptions::new(LONG)).await;
            assert!(put.as_ref().is_ok_and(ttl_core::Outcome::is_applied), "{what}: {put:?}");
            assert!(space.store.get(&name, GetOptions::new()).await.unwrap().is_some(), "{what}");
        }
    }
}

async fn capped(space: Space) {
    for (kind, value) in [(3, "v"), (4, "{}")] {
        let name = key(&space.name());
        let past = Some(space.now_millis() - 1);
        let cells = Cells { kind: Some(kind), value: Some(value.into()), cap: past, ..live(&space) };
        space.raw.write(name.as_str(), &cells, 300).await;
        assert_eq!(scanned(&space, &name).await, None);
        assert!(space.store.get(&name, GetOptions::new()).await.unwrap().is_none());
        let set = ExpiryChange::Set(LONG.into());
        assert!(space.store.expire(&name, set, ExpireOptions::new()).await.unwrap().is_absent());
        assert!(space.store.delete(&name, DeleteOptions::new()).await.unwrap().is_absent());
        assert_eq!(scanned(&space, &name).await, None);
        assert!(applied(space.store.put(&name, blob("w"), PutOptions::new(LONG)).await).created);
    }
}

async fn foreign_version(space: Space) {
    let version = Version::from_bytes(b"another store's").unwrap();
    let name = key("k");
    let cells = Cells { version: Some(Uuid::nil()), ..live(&space) };
    space.raw.write(name.as_str(), &cells, 300).await;
    let put = PutOptions::new(LONG).with_condition(Condition::IfVersion(version));
    assert!(space.store.put(&name, blob("w"), put).await.unwrap().is_refused());
    let set = ExpiryChange::Set(LONG.into());
    let expire = ExpireOptions::new().with_if_version(version);
    assert!(space.store.expire(&name, set, expire).await.unwrap().is_refused());
    let delete = DeleteOptions::new().with_if_version(version);
    assert!(space.store.delete(&name, delete).await.unwrap().is_refused());
    assert!(space.store.get(&name, GetOptions::new()).await.unwrap().is_some());
}
