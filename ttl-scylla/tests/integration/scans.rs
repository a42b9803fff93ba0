//! Scans where too many ended rows lie for one read: smaller ranges are asked for, and nothing is left out or shown twice.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use libtest_mimic::Trial;
use ttl_conformance::servers::ServerUrl;
use ttl_core::options::{Projection, PutOptions, ScanOptions};
use ttl_core::{ErrorKind, Key, Result, TtlStore};
use ttl_scylla::{Mode, ScyllaConfig, ScyllaStore};

use crate::frames::Refusal;
use crate::node::{SharedNode, with_own_nodes};
use crate::raw::{Cells, Raw};
use crate::space::{BOTH, PATIENCE, SHORT, Space, eventually, in_both};
use crate::support::{LONG, applied, blob, key};
use crate::wire::Fault;

pub(crate) fn trials(server: &ServerUrl, node: &Arc<SharedNode>) -> Vec<Trial> {
    let mut trials = Vec::new();
    trials.extend(in_both("scans::a_range_that_is_too_much_is_halved", server, halved));
    trials.extend(in_both("scans::what_smaller_ranges_do_not_mend_is_an_error", server, failed));
    trials.extend(BOTH.map(|mode| {
        let node = Arc::clone(node);
        let name = format!("scans::{mode}::ended_rows_hide_no_entry");
        with_own_nodes(
            &name,
            move || async move { ended(node.get().await.url("ttl_scans", "of"), mode).await },
        )
    }));
    trials
}

const LIVE: usize = 40;
const PAGE: usize = 7;

async fn fill(store: &ScyllaStore) -> Vec<Key> {
    let keys: Vec<Key> = (0..LIVE).map(|number| key(&format!("live-{number:02}"))).collect();
    for key in &keys {
        applied(store.put(key, blob("v"), PutOptions::new(LONG)).await);
    }
    keys
}

/// Every key of a scan, in pages that are full but for the last; `between` runs after each page.
async fn pages(store: &ScyllaStore, between: impl Fn()) -> Result<Vec<Key>> {
    let mut seen = Vec::new();
    let mut options = ScanOptions::new("live").with_limit(NonZeroUsize::new(PAGE).unwrap());
    loop {
        let page = store.scan(options.clone()).await?;
        assert!(page.next.is_none() || page.items.len() == PAGE, "{} entries", page.items.len());
        seen.extend(page.items.into_iter().map(|item| item.key));
        let Some(next) = page.next else { break };
        options = options.with_cursor(next);
        between();
    }
    // Each once.
    seen.sort_unstable();
    Ok(seen)
}

async fn halved(space: Space) {
    let live = fill(&space.quiet).await;
    let (wire, hasty) = (&space.wire, space.another(|config| config.with_timeout(SHORT)).await);
    let faults = [
        Fault::Refused(Refusal::ReadFailure),
        Fault::Refused(Refusal::ReadTimeout),
        Fault::Silent { done: false },
    ];
    for fault in faults {
        // Silence takes its time.
        let (store, most) = match fault {
            Fault::Silent { .. } => (&hasty, 3),
            Fault::Refused(Refusal::ReadTimeout) => (&space.store, 4),
            _ => (&space.store, 10),
        };
        for times in [1, most] {
            wire.fail(times, "SELECT", "", fault);
            assert_eq!(pages(store, || {}).await.unwrap(), live, "{times} {fault:?} at first");
            // What failed was asked for in more than one range.
            assert!(wire.seen().len() > usize::try_from(times).unwrap() + LIVE / PAGE, "{times} {fault:?}");
        }
        let again = || wire.fail(1, "SELECT", "", fault);
        assert_eq!(pages(store, again).await.unwrap(), live, "{fault:?} on every page");
        wire.heal();
        let options = ScanOptions::new("").with_projection(Projection::All);
        wire.fail(4, "SELECT", "", fault);
        assert_eq!(store.scan(options).await.unwrap().items.len(), LIVE, "{fault:?} with values");
        wire.seen();
    }
}

async fn failed(space: Space) {
    let live = fill(&space.quiet).await;
    // The ranges are not halved without end, and soon given up where each takes a time limit.
    for (refusal, expected, most) in
        [(Refusal::ReadFailure, ErrorKind::Unavailable, 17), (Refusal::ReadTimeout, ErrorKind::Timeout, 5)]
    {
        space.wire.fail(1_000, "SELECT", "", Fault::Refused(refusal));
        let error = pages(&space.store, || {}).await.unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (expected, true), "{refusal:?}: {error}");
        space.wire.heal();
        assert_eq!(space.wire.seen().len(), most, "{refusal:?}");
    }
    for (refusal, expected) in [
        (Refusal::Overloaded, ErrorKind::Unavailable),
        (Refusal::UnavailableForPaxos, ErrorKind::Unavailable),
        (Refusal::Unauthorized, ErrorKind::PermissionDenied),
        (Refusal::Invalid, ErrorKind::Backend),
    ] {
        space.wire.fail(1, "SELECT", "", Fault::Refused(refusal));
        assert_eq!(pages(&space.store, || {}).await.unwrap_err().kind(), expected, "{refusal:?}");
        assert_eq!(space.wire.seen().len(), 1, "{refusal:?}");
    }
    assert_eq!(pages(&space.store, || {}).await.unwrap(), live);
}

/// Enough cells for the node to give up on them in one read, and in half of one.
const ENDED: usize = 1_500;

async fn ended(url: String, mode: Mode) {
    let config = ScyllaConfig::from_url(&url).unwrap().with_table(format!("of_{mode}"));
    let config = config.with_mode(mode).with_timeout(PATIENCE);
    let store = ScyllaStore::connect(&config).await.unwrap();
    let raw = Raw { session: store.session(), table: config.table_name(), mode };
    let live = fill(&store).await;
    let past = Some(1);
    let ended = Cells {
        kind: Some(1),
        value: Some(b"v".to_vec()),
        deadline: past,
        covers: past,
        cap: past,
        version: Some(uuid::Uuid::from_u128(7)),
        created: past,
    };
    stream::iter(0..ENDED)
        .for_each_concurrent(32, |number| {
            let (raw, ended) = (&raw, &ended);
            async move { raw.write(&format!("ended-{number}"), ended, 1).await }
        })
        .await;
    let all = format!("SELECT key FROM {} WHERE deadline > 0 ALLOW FILTERING", raw.table);
    eventually("a read of all to be too much", || async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        raw.session.query_unpaged(&*all, ()).await.is_err()
    })
    .await;
    assert_eq!(pages(&store, || {}).await.unwrap(), live);
    let values = store.scan(ScanOptions::new("").with_projection(Projection::All)).await.unwrap();
    assert_eq!(values.items.len(), LIVE);
}
