//! What a configuration says of connections: compression, datacentres, and many clients that come at once.

use libtest_mimic::Trial;
use scylla::frame::Compression;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use ttl_conformance::servers::ServerUrl;
use ttl_core::options::{GetOptions, PatchOptions, Projection, PutOptions, ScanOptions};
use ttl_core::{ErrorKind, Patch, Record, TtlStore, Value};
use ttl_scylla::{Mode, ScyllaConfig, ScyllaStore};

use crate::space::{PATIENCE, Space, in_both, in_mode};
use crate::support::{LONG, Table, applied, config, key, with_server};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    let mut trials = vec![
        in_mode(Mode::Strict, "connections::of_another_datacentre_none_is_used", server, datacentre),
        with_server("connections::all_who_come_at_once_find_a_table", server, at_once),
        with_server("connections::a_node_that_is_not_there_is_unavailable", server, nobody),
        with_server("connections::what_is_no_node_is_named", server, another),
        #[cfg(feature = "tls")]
        with_server("connections::tls_to_a_plain_port_is_named", server, tls_to_a_plain_port),
        in_mode(Mode::Lww, "connections::what_the_mode_lacks_is_named", server, lww),
    ];
    trials.extend(in_both("connections::compressed_entries_are_the_same", server, compressed));
    trials
}

async fn compressed(space: Space) {
    let long = "all the same ".repeat(10_000);
    for compression in [Compression::Lz4, Compression::Snappy] {
        let before = space.wire.compressed();
        let config = space.config.clone().with_compression(compression);
        let store = ScyllaStore::connect(&config).await.unwrap();
        let (blob, record) = (space.name(), space.name());
        applied(store.put(&key(&blob), Value::from(long.clone()), PutOptions::new(LONG)).await);
        let fields = Record::new().with("text", long.as_str());
        applied(store.put(&key(&record), fields.clone().into(), PutOptions::new(LONG)).await);
        let mut expected = fields;
        if space.mode == Mode::Strict {
            let patch = Patch::new().set("more", 1);
            applied(store.patch(&key(&record), &patch, PatchOptions::new()).await);
            expected = expected.with("more", 1);
        }
        // Both who compress and who do not.
        for reader in [&store, &space.quiet] {
            let entry = reader.get(&key(&blob), GetOptions::new()).await.unwrap().unwrap();
            assert_eq!(entry.value, Some(Value::from(long.clone())), "{compression:?}");
            let entry = reader.get(&key(&record), GetOptions::new()).await.unwrap().unwrap();
            assert_eq!(entry.value, Some(expected.clone().into()), "{compression:?}");
        }
        let page = store.scan(ScanOptions::new("").with_projection(Projection::All)).await.unwrap();
        assert!(page.items.len() >= 2);
        assert!(space.wire.compressed() > before, "{compression:?}");
    }
}

async fn datacentre(space: Space) {
    let rows = space.raw.run("SELECT data_center FROM system.local").await;
    let name = rows[0].columns[0].as_ref().unwrap().as_text().unwrap().clone();
    let there = ScyllaStore::connect(&space.config.clone().with_datacenter(&name)).await.unwrap();
    applied(there.put(&key("k"), "v".into(), PutOptions::new(LONG)).await);
    let nowhere = space.config.clone().with_datacenter("nowhere");
    for error in [
        ScyllaStore::connect(&nowhere).await.unwrap_err(),
        ScyllaStore::from_session(space.store.session(), &nowhere).await.unwrap_err(),
    ] {
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::InvalidConfig, false), "{error}");
        let text = error.to_string();
        assert!(text.contains("nowhere") && text.contains(&name), "{text}");
    }
}

async fn at_once(url: String) {
    // Makes the keyspace, if it is not there.
    let table = Table::new(&url).await;
    let config = config(&url);
    let mut clients = JoinSet::new();
    for _ in 0..6 {
        let config = config.clone();
        clients.spawn(async move { ScyllaStore::connect(&config).await.unwrap() });
    }
    let stores = clients.join_all().await;
    applied(stores[0].put(&key("k"), "v".into(), PutOptions::new(LONG)).await);
    for store in &stores {
        let entry = store.get(&key("k"), GetOptions::new()).await.unwrap().unwrap();
        assert_eq!(entry.value, Some("v".into()));
    }
    table.raw.query_unpaged(format!("DROP TABLE {}", config.table_name()), ()).await.unwrap();
    table.drop().await;
}

async fn nobody(_: String) {
    // Bound and never listening: connections are refused.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let config = ScyllaConfig::new(address, "ks", "entries").with_timeout(PATIENCE);
    let error = ScyllaStore::connect(&config).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Unavailable, Some("connect")), "{error}");
    assert!(error.is_retryable() && error.to_string().contains("connection refused"), "{error}");
}

/// What listens at the address of a node and is none: a web server, Redis, a port for TLS.
async fn another(_: String) {
    let answers: [&[u8]; 3] =
        [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"-ERR unknown command\r\n", &[0x15, 3, 3, 0, 2, 2, 70, 0, 0]];
    for answer in answers {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut first = [0; 9];
                let _ = stream.read_exact(&mut first).await;
                let _ = stream.write_all(answer).await;
            }
        });
        let config = ScyllaConfig::new(address, "ks", "entries").with_timeout(PATIENCE);
        let error = ScyllaStore::connect(&config).await.unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::InvalidConfig, false), "{error}");
        assert!(error.to_string().contains("CQL"), "{error}");
        server.abort();
    }
}

#[cfg(feature = "tls")]
async fn tls_to_a_plain_port(url: String) {
    let config = config(&url).with_tls();
    let error = ScyllaStore::connect(&config).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::InvalidConfig, false), "{error}");
    assert!(error.to_string().contains("TLS"), "{error}");
}

async fn lww(space: Space) {
    let put = PutOptions::new(LONG).with_condition(ttl_core::options::Condition::IfAbsent);
    let error = space.store.put(&key("k"), "v".into(), put).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("strict mode"), "{error}");
}
