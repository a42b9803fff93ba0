//! A table of its own for a trial, with a store whose clock stands still behind a wire, another beside it, and the rows
//! themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use libtest_mimic::Trial;
use scylla::client::session::Session;
use ttl_conformance::servers::{ServerUrl, trial};
use ttl_core::{Clock, ManualClock, TtlStore, Version};
use ttl_scylla::{Mode, ScyllaConfig, ScyllaStore};

use crate::raw::Raw;
use crate::wire::Wire;

/// Long enough for a machine on which much else runs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// For trials in which a request is never answered: it is waited for.
pub(crate) const SHORT: Duration = Duration::from_millis(400);

pub(crate) const BOTH: [Mode; 2] = [Mode::Strict, Mode::Lww];

/// A table that nobody else uses, and stores on it.
#[derive(Clone)]
pub(crate) struct Space {
    pub(crate) mode: Mode,
    pub(crate) raw: Raw,
    pub(crate) wire: Arc<Wire>,
    pub(crate) clock: Arc<ManualClock>,
    /// Of the store behind the wire.
    pub(crate) config: ScyllaConfig,
    pub(crate) store: ScyllaStore,
    /// The same, by a wire that nobody touches.
    pub(crate) quiet: ScyllaStore,
    names: Arc<AtomicUsize>,
}

impl Space {
    async fn new(url: &str, mode: Mode) -> Self {
        let table = format!("trial_{}", &Version::random().to_string()[..16]);
        let clock = Arc::new(ManualClock::new());
        let config = |url: &str| {
            let config = ScyllaConfig::from_url(url).unwrap().with_table(&*table).with_mode(mode);
            config.with_ensure_schema().with_timeout(PATIENCE).with_clock(clock.clone())
        };
        let quiet = ScyllaStore::connect(&config(url)).await.unwrap();
        let wire = Arc::new(Wire::open_to(&node(url), &table).await);
        let config = config(&via(url, &wire.address()));
        let store = ScyllaStore::connect(&config).await.unwrap();
        let raw = Raw { session: quiet.session(), table: config.table_name(), mode };
        wire.seen();
        Self { mode, raw, wire, clock, config, store, quiet, names: Arc::default() }
    }

    /// Another store on the same wire and session.
    pub(crate) async fn another(&self, change: impl FnOnce(ScyllaConfig) -> ScyllaConfig) -> ScyllaStore {
        let session: Arc<Session> = self.store.session();
        let store = ScyllaStore::from_session(session, &change(self.config.clone())).await.unwrap();
        self.wire.seen();
        store
    }

    /// A name that no entry of the table has.
    pub(crate) fn name(&self) -> String {
        format!("<{}>", self.names.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn now_millis(&self) -> i64 {
        millis(&*self.clock)
    }
}

pub(crate) fn millis(clock: &dyn Clock) -> i64 {
    i64::try_from(clock.now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// The first node of a URL.
pub(crate) fn node(url: &str) -> String {
    let rest = url.split_once("://").unwrap().1;
    let hosts = rest.split('/').next().unwrap();
    let hosts = hosts.rsplit_once('@').map_or(hosts, |(_, hosts)| hosts);
    let host = hosts.split(',').next().unwrap();
    if host.contains(':') { host.to_owned() } else { format!("{host}:9042") }
}

/// The URL with another node in the place of its own.
pub(crate) fn via(url: &str, node: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (hosts, path) = rest.split_once('/').unwrap();
    let user = hosts.rsplit_once('@').map(|(user, _)| format!("{user}@")).unwrap_or_default();
    format!("{scheme}://{user}{node}/{path}")
}

/// A trial on a table of this mode, which is dropped when the trial has passed.
pub(crate) fn in_mode<F: Future<Output = ()> + Send + 'static>(
    mode: Mode,
    name: &str,
    server: &ServerUrl,
    test: impl FnOnce(Space) -> F + Send + 'static,
) -> Trial {
    let server = server.clone();
    let (group, name) = name.split_once("::").unwrap();
    trial(format!("{group}::{mode}::{name}"), async move {
        let space = Space::new(server.url(), mode).await;
        test(space.clone()).await;
        space.wire.shut().await;
        space.raw.run("DROP TABLE {}").await;
    })
}

/// One trial for each mode.
pub(crate) fn in_both<F: Future<Output = ()> + Send + 'static>(
    name: &str,
    server: &ServerUrl,
    test: impl Fn(Space) -> F + Clone + Send + 'static,
) -> [Trial; 2] {
    BOTH.map(|mode| in_mode(mode, name, server, test.clone()))
}

/// Waits until something holds, for a while.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    for _ in 0..1_200 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what} did not happen within a minute");
}

/// Whether the store reads at all: after an outage a connection has to be made first.
pub(crate) async fn answers(store: &dyn TtlStore) -> bool {
    store.get(&crate::support::key("nobody's"), ttl_core::options::GetOptions::nothing()).await.is_ok()
}
