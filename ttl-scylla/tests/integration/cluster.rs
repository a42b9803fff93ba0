//! Three nodes: requests go to one that has the row; and with a copy on each, one is stopped and started again, and another
//! hangs, while writes go on, and what was acknowledged stays.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use libtest_mimic::Trial;
use scylla::policies::load_balancing::{NodeIdentifier, SingleTargetLoadBalancingPolicy};
use scylla::statement::unprepared::Statement;
use serde_json::Value as Json;
use tokio::task::JoinSet;
use ttl_core::options::{Condition, Create, GetOptions, PatchOptions, PutOptions};
use ttl_core::{ErrorKind, Key, Outcome, Patch, TtlStore, Value};
use ttl_scylla::{Mode, Replication, ScyllaConfig, ScyllaStore};

use crate::node::{Node, with_own_nodes};
use crate::space::{BOTH, eventually};
use crate::support::{LONG, applied, key};

pub(crate) fn trials() -> Vec<Trial> {
    vec![with_own_nodes("cluster::what_was_acknowledged_survives_nodes_that_hang_or_stop", survives)]
}

/// Who is not answered by a node that hangs asks another one after so long, or gives up.
const IMPATIENCE: Duration = Duration::from_millis(200);
const TIMEOUT: Duration = Duration::from_secs(4);

const WRITERS: usize = 4;

/// What the writers share.
struct Run {
    ends: AtomicBool,
    acknowledged: AtomicUsize,
}

/// What one writer knows.
#[derive(Default)]
struct Known {
    number: usize,
    /// The last value that was acknowledged of each of the writer's own keys, and what was tried after it.
    written: Vec<(Key, Option<usize>, Vec<usize>)>,
    /// Keys for which all writers race, won and unknown.
    won: Vec<usize>,
    perhaps: Vec<usize>,
    sure: i64,
    unsure: i64,
}

fn of_nodes(nodes: &[Node], keyspace: &str, mode: Mode) -> ScyllaConfig {
    let mut config = ScyllaConfig::new(nodes[0].address(), keyspace, format!("of_{mode}"));
    for node in &nodes[1..] {
        config = config.with_node(node.address());
    }
    config.with_mode(mode).with_timeout(TIMEOUT).with_ensure_schema()
}

async fn survives() {
    let mut nodes = Node::cluster(3, "").await;
    eventually("all nodes to know each other", || async {
        let mut up = Vec::new();
        for node in &nodes {
            let status = node.nodetool(&["status"]).await;
            up.push(status.lines().filter(|line| line.starts_with("UN ")).count());
        }
        up == [3, 3, 3]
    })
    .await;
    routed(&nodes).await;
    let mut stores = Vec::new();
    for mode in BOTH {
        let config = of_nodes(&nodes, "ttl_cluster", mode).with_replication(Replication::everywhere(3));
        stores.push(connected(&config.with_speculative_delay(IMPATIENCE)).await);
    }
    let run = Arc::new(Run { ends: AtomicBool::new(false), acknowledged: AtomicUsize::new(0) });
    let mut writers = JoinSet::new();
    for number in 0..WRITERS {
        writers.spawn(write(number, stores.clone(), Arc::clone(&run)));
    }
    let progress = async |count: usize, what: &str| {
        let from = run.acknowledged.load(Ordering::SeqCst);
        eventually(what, || async { run.acknowledged.load(Ordering::SeqCst) >= from + count }).await;
    };
    progress(200, "writes with all nodes").await;
    nodes[2].stop().await;
    progress(200, "writes without a node").await;
    nodes[2].start_again().await;
    progress(100, "writes with all nodes again").await;
    nodes[1].hang();
    progress(10, "writes while a node hangs").await;
    for number in 0..20 {
        for store in &stores {
            // Reads that it does not answer are answered by another one.
            store.get(&key(&format!("own {} 0 0", number % WRITERS)), GetOptions::new()).await.unwrap();
        }
    }
    nodes[1].go_on();
    progress(100, "writes with all nodes once more").await;
    run.ends.store(true, Ordering::SeqCst);
    let mut known = writers.join_all().await;
    known.sort_unstable_by_key(|known| known.number);

    check(&stores, &known).await;
    // The node that has missed writes is needed to read them now.
    nodes[0].stop().await;
    let ready = || async { answers(&stores).await };
    eventually("reads without another node", ready).await;
    check(&stores, &known).await;
}

/// Connects, and makes keyspace and table; nodes that have just met may not agree on them at once.
async fn connected(config: &ScyllaConfig) -> ScyllaStore {
    eventually("the table", || async { ScyllaStore::connect(config).await.is_ok() }).await;
    ScyllaStore::connect(config).await.unwrap()
}

/// With one copy of each row, every request is put to the node that has it: none has to ask another one.
async fn routed(nodes: &[Node]) {
    let config = of_nodes(nodes, "ttl_routed", Mode::Lww).with_replication(Replication::everywhere(1));
    drop(connected(&config).await);
    // One that finds the keyspace when it connects, and so knows where its rows are.
    let store = connected(&config).await;
    for number in 0..60 {
        let name = key(&format!("k{number}"));
        applied(store.put(&name, Value::from("v"), PutOptions::new(LONG)).await);
        assert!(store.get(&name, GetOptions::new()).await.unwrap().is_some());
    }
    let session = store.session();
    for what in ["read", "write"] {
        let mut asked = Vec::new();
        let mut done = Vec::new();
        for node in nodes {
            let address = NodeIdentifier::NodeAddress(node.address().parse().unwrap());
            let policy = SingleTargetLoadBalancingPolicy::new(address, None);
            let count = async |whose: &str| {
                let mut statement = Statement::new(format!(
                    "SELECT count FROM system_views.{whose}_{what}_latency WHERE keyspace_name = 'ttl_routed' AND table_name \
                     = 'of_lww'"
                ));
                statement.set_load_balancing_policy(Some(Arc::clone(&policy)));
                let rows = session.query_unpaged(statement, ()).await.unwrap().into_rows_result().unwrap();
                rows.maybe_first_row::<(i64,)>().unwrap().map_or(0, |(count,)| count)
            };
            asked.push(count("coordinator").await);
            done.push(count("local").await);
        }
        assert_eq!(asked, done, "{what}s that nodes were asked for, and that were theirs");
        assert!(asked.iter().sum::<i64>() >= 60, "{what}s: {asked:?}");
    }
}

async fn answers(stores: &[ScyllaStore]) -> bool {
    for store in stores {
        if !crate::space::answers(store).await {
            return false;
        }
    }
    true
}

async fn write(number: usize, stores: Vec<ScyllaStore>, run: Arc<Run>) -> Known {
    let mut known = Known { number, ..Known::default() };
    for store in 0..stores.len() {
        let own = |n: usize| (key(&format!("own {number} {store} {n}")), None, Vec::new());
        known.written.extend((0..8).map(own));
    }
    let mut round = 0;
    while !run.ends.load(Ordering::SeqCst) {
        round += 1;
        let mut acknowledged = 0;
        // Its own keys, in both modes.
        let at = round % known.written.len();
        let (name, last, tried) = &mut known.written[at];
        match stores[at / 8].put(name, Value::from(round.to_string()), PutOptions::new(LONG)).await {
            Ok(outcome) => {
                assert!(outcome.is_applied());
                (*last, acknowledged) = (Some(round), acknowledged + 1);
                tried.clear();
            }
            Err(error) if error.kind() == ErrorKind::OutcomeUnknown => tried.push(round),
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
        // A key for which all race.
        let absent = PutOptions::new(LONG).with_condition(Condition::IfAbsent);
        match stores[0].put(&raced(round), Value::from(number.to_string()), absent).await {
            Ok(Outcome::Applied(_)) => known.won.push(round),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::OutcomeUnknown => known.perhaps.push(round),
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
        let create = PatchOptions::new().with_create(Create::new(LONG));
        match stores[0].patch(&key("n"), &Patch::new().increment("n", 1), create).await {
            Ok(_) => (known.sure, acknowledged) = (known.sure + 1, acknowledged + 1),
            Err(error) if error.kind() == ErrorKind::OutcomeUnknown => known.unsure += 1,
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
        run.acknowledged.fetch_add(acknowledged, Ordering::SeqCst);
        // The nodes have more to do.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    known
}

fn raced(round: usize) -> Key {
    key(&format!("raced {round}"))
}

async fn text(store: &ScyllaStore, key: &Key) -> Option<usize> {
    let entry = store.get(key, GetOptions::new()).await.unwrap()?;
    let bytes = entry.value.unwrap().into_blob().unwrap();
    Some(std::str::from_utf8(&bytes).unwrap().parse().unwrap())
}

async fn check(stores: &[ScyllaStore], known: &[Known]) {
    for writer in known {
        for (at, (name, last, tried)) in writer.written.iter().enumerate() {
            let stored = text(&stores[at / 8], name).await;
            let late = stored.is_some_and(|stored| tried.contains(&stored));
            assert!(stored == *last || late, "{name:?}: {stored:?}, and acknowledged was {last:?}");
        }
    }
    let rounds =
        known.iter().flat_map(|known| known.won.iter().chain(&known.perhaps)).max().copied().unwrap();
    for round in 1..=rounds {
        let of = |rounds: fn(&Known) -> &Vec<usize>| -> Vec<usize> {
            let holds = |number: &usize| rounds(&known[*number]).contains(&round);
            (0..known.len()).filter(holds).collect()
        };
        let (won, perhaps) = (of(|known| &known.won), of(|known| &known.perhaps));
        assert!(won.len() <= 1, "round {round}: {won:?}");
        if let Some(stored) = text(&stores[0], &raced(round)).await {
            assert!(
                won == [stored] || won.is_empty() && perhaps.contains(&stored),
                "round {round}: {stored}"
            );
        } else {
            assert!(won.is_empty(), "round {round}: {won:?} is lost");
        }
    }
    let (sure, unsure) =
        known.iter().fold((0, 0), |(sure, unsure), known| (sure + known.sure, unsure + known.unsure));
    let entry = stores[0].get(&key("n"), GetOptions::new()).await.unwrap().unwrap();
    let record = entry.value.unwrap().into_record().unwrap();
    let total = record.get("n").and_then(Json::as_i64).unwrap();
    assert!((sure..=sure + unsure).contains(&total), "{sure}..={}: {total}", sure + unsure);
}
