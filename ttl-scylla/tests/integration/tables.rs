//! Tables that are missing, another one's, or in the other mode.

use libtest_mimic::Trial;
use scylla::value::CqlValue;
use ttl_conformance::servers::ServerUrl;
use ttl_core::options::{GetOptions, PutOptions};
use ttl_core::{Error, ErrorKind, TtlStore};
use ttl_scylla::{Mode, ScyllaConfig, ScyllaStore};

use crate::support::{LONG, Table, applied, blob, config, key, with_server};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    vec![
        with_server("tables::a_missing_table_is_told_with_its_cql", server, missing),
        with_server("tables::a_missing_keyspace_is_told_or_made", server, keyspace),
        with_server("tables::the_other_mode_is_refused", server, other_mode),
        with_server("tables::another_ones_table_is_refused", server, another_ones),
        with_server("tables::a_session_can_be_handed_in", server, handed_in),
    ]
}

async fn refused(config: &ScyllaConfig) -> Error {
    let error = ScyllaStore::connect(config).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::InvalidConfig, Some("connect")), "{error}");
    error
}

/// Makes what is missing, by the CQL that the error names.
async fn make(table: &Table, error: &Error) {
    let text = error.to_string();
    for statement in text.split("; ").filter_map(|part| part.find("CREATE ").map(|at| &part[at..])) {
        let made = table.raw.query_unpaged(statement, ()).await;
        made.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
}

async fn missing(url: String) {
    // Makes the keyspace, if it is not there.
    let table = Table::new(&url).await;
    let unsure = url.replace("ensure_schema=true", "ensure_schema=false");
    let name = config(&url).table_name();
    let bare = name.split('"').nth(3).unwrap().to_owned();
    let config = ScyllaConfig::from_url(&unsure).unwrap().with_table(bare);
    make(&table, &refused(&config).await).await;
    ScyllaStore::connect(&config).await.unwrap();
    table.raw.query_unpaged(format!("DROP TABLE {name}"), ()).await.unwrap();
    table.drop().await;
}

async fn keyspace(url: String) {
    let table = Table::new(&url).await;
    let (start, end) = url.split_once("ttl_store_test").expect("the keyspace of the tests");
    let name = format!("trial_{}", &ttl_core::Version::random().to_string()[..16]);
    let config = |query: &str| {
        let url = format!("{start}{name}{}{query}", end.split_once('?').unwrap().0);
        ScyllaConfig::from_url(&url).unwrap()
    };
    let error = refused(&config("?ensure_schema=true")).await;
    assert!(error.to_string().contains("does not exist") && error.to_string().contains(&name), "{error}");
    for query in ["", "?replication=1"] {
        let config = config(query);
        let error = refused(&config).await;
        assert!(error.to_string().contains("does not exist"), "{error}");
        make(&table, &error).await;
        ScyllaStore::connect(&config).await.unwrap();
        table.raw.query_unpaged(format!("DROP KEYSPACE {name}"), ()).await.unwrap();
    }
    // A datacentre that the cluster does not have.
    let error = refused(&config("?ensure_schema=true&replication=nowhere:1")).await;
    assert!(error.to_string().contains("replication"), "{error}");
    ScyllaStore::connect(&config("?ensure_schema=true&replication=1&timeout=20s")).await.unwrap();
    // What is there is not made again.
    let other = config("?ensure_schema=true&replication=2&timeout=20s").with_table("other");
    ScyllaStore::connect(&other).await.unwrap();
    table.raw.query_unpaged(format!("DROP KEYSPACE {name}"), ()).await.unwrap();
    table.drop().await;
}

async fn other_mode(url: String) {
    let table = Table::new(&url).await;
    for (there, asked) in [(Mode::Strict, Mode::Lww), (Mode::Lww, Mode::Strict)] {
        let config = config(&url).with_mode(there);
        ScyllaStore::connect(&config).await.unwrap();
        let error = refused(&config.clone().with_mode(asked)).await;
        assert!(error.to_string().contains(&format!("in the mode {there}")), "{error}");
        table.raw.query_unpaged(format!("DROP TABLE {}", config.table_name()), ()).await.unwrap();
    }
    table.drop().await;
}

async fn another_ones(url: String) {
    let table = Table::new(&url).await;
    table.run("ALTER TABLE {} WITH default_time_to_live = 60").await;
    assert!(refused(&table.config).await.to_string().contains("default_time_to_live"));
    table.run("ALTER TABLE {} WITH default_time_to_live = 0 AND comment = 'mine'").await;
    assert!(refused(&table.config).await.to_string().contains("ALTER TABLE"));
    let foreign = config(&url);
    let make = format!("CREATE TABLE {} (key text PRIMARY KEY, value text)", foreign.table_name());
    table.raw.query_unpaged(make, ()).await.unwrap();
    assert!(refused(&foreign).await.to_string().contains("no column kind"));
    table.raw.query_unpaged(format!("DROP TABLE {}", foreign.table_name()), ()).await.unwrap();
    table.drop().await;
}

async fn handed_in(url: String) {
    let table = Table::new(&url).await;
    let other = ScyllaStore::from_session(table.raw.clone(), &table.config).await.unwrap();
    applied(other.put(&key("k"), blob("v"), PutOptions::new(LONG)).await);
    let entry = table.store.get(&key("k"), GetOptions::new()).await.unwrap().unwrap();
    assert_eq!(entry.value, Some(blob("v")));
    let rows = table.run("SELECT key FROM {}").await;
    assert_eq!(rows[0].columns[0], Some(CqlValue::Text("k".to_owned())));
    table.drop().await;
}
