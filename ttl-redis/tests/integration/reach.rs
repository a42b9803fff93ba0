//! Every way to reach a server: TLS, Unix sockets, caller-managed connections; and the warnings and errors on connect.

use std::fmt::Write;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use libtest_mimic::Trial;
use redis::aio::ConnectionManagerConfig;
use redis::{ConnectionAddr, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record as SpanRecord};
use tracing::{Event, Level, Metadata, Subscriber};
use ttl_conformance::servers::free_port;
use ttl_core::options::{
    Fields, GetOptions, PatchOptions, Projection, PutOptions, Refresh, Returning, ScanOptions,
};
use ttl_core::{ErrorKind, Kind, Patch, Record, TtlStore};
use ttl_redis::{RedisConfig, RedisStore};

use crate::server::{OwnServer, with_own_servers};
use crate::support::{LONG, PATIENCE, applied, blob, key, raw, value};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        with_own_servers("reach::by_tls", tls),
        with_own_servers("reach::by_a_unix_socket", socket),
        with_own_servers("reach::by_a_connection_that_was_handed_in", handed_in),
        with_own_servers("reach::a_server_that_evicts_is_warned_about_once", eviction),
        with_own_servers("reach::now_is_the_servers_time", clock),
        with_own_servers("reach::a_runtime_that_ended_is_not_an_outage", runtimes),
        with_own_servers("reach::a_timeout_without_end_is_one", endless),
    ]
}

/// Performs a few operations of different kinds.
async fn works(store: &RedisStore) {
    let record = Record::new().with("n", 1).with("list", [1]);
    applied(store.put(&key("blob"), blob("v"), PutOptions::new(LONG)).await);
    applied(store.put(&key("record"), record.clone().into(), PutOptions::new(LONG)).await);
    assert_eq!(value(store, &key("blob")).await, blob("v"));
    assert_eq!(value(store, &key("record")).await, record.clone().into());
    let typed = GetOptions::new().with_kind(Kind::Record).with_returning(Returning::VERSION);
    assert!(store.get(&key("record"), typed).await.unwrap().unwrap().version.is_some());
    let some = Projection::Fields(Fields::new(["n"]).unwrap());
    let entry = store.get(&key("record"), GetOptions::new().with_projection(some)).await.unwrap().unwrap();
    assert_eq!(entry.value.unwrap(), Record::new().with("n", 1).into());
    let all = GetOptions::new()
        .with_returning(Returning::DEADLINE | Returning::VERSION)
        .with_refresh(Refresh::reset(LONG));
    let entry = store.get(&key("record"), all).await.unwrap().unwrap();
    assert_eq!(entry.value.unwrap(), record.into());
    let patch = Patch::new().increment("n", 1).pop_back("list");
    let outcome = store.patch(&key("record"), &patch, PatchOptions::new()).await.unwrap().applied().unwrap();
    assert_eq!(outcome.fields, Record::new().with("n", 2).with("list", [0_u8; 0]));
    let scan = ScanOptions::new("")
        .with_projection(Projection::All)
        .with_returning(Returning::DEADLINE | Returning::VERSION);
    assert_eq!(store.scan(scan).await.unwrap().items.len(), 2);
}

async fn endless() {
    let server = OwnServer::start::<&str>([]);
    let config = RedisConfig::from_url(&server.url()).unwrap().with_timeout(std::time::Duration::MAX);
    works(&RedisStore::connect(&config).await.unwrap()).await;
}

async fn tls() {
    let server = OwnServer::start::<&str>([]);
    let folder = server.directory().to_owned();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    authority.distinguished_name.push(rcgen::DnType::CommonName, "the authority");
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = rcgen::CertifiedIssuer::self_signed(authority, authority_key).unwrap();
    std::fs::write(path("ca.pem"), authority.pem()).unwrap();
    for name in ["localhost", "client"] {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let certificate = params.signed_by(&key, &authority).unwrap();
        std::fs::write(path(&format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(path(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }
    let port = free_port(&[Ipv4Addr::LOCALHOST]);
    let tls_server = OwnServer::start([
        "--tls-port".to_owned(),
        port.to_string(),
        "--tls-cert-file".to_owned(),
        path("localhost.pem"),
        "--tls-key-file".to_owned(),
        path("localhost.key"),
        "--tls-ca-cert-file".to_owned(),
        path("ca.pem"),
    ]);
    let url = format!(
        "rediss://localhost:{port}?timeout=20s&root_certificates={}&client_certificate={}&client_key={}",
        path("ca.pem"),
        path("client.pem"),
        path("client.key")
    );
    let config = RedisConfig::from_url(&url).unwrap();
    works(&RedisStore::connect(&config).await.unwrap()).await;

    // Each of these connects to nothing and says so; none panics or goes on without encryption.
    let read = |name: &str| std::fs::read(path(name)).unwrap();
    let base = || RedisConfig::tls("localhost", port).with_timeout(PATIENCE);
    let without_tls = RedisConfig::tls("localhost", tls_server.port);
    let refused = [
        (base(), ErrorKind::Unavailable),
        (base().with_root_certificates(read("ca.pem")), ErrorKind::Unavailable),
        (
            RedisConfig::tls("127.0.0.1", port)
                .with_timeout(PATIENCE)
                .with_root_certificates(read("ca.pem"))
                .with_client_certificate(read("client.pem"), read("client.key")),
            ErrorKind::Unavailable,
        ),
        // A server that does not speak TLS waits for the rest of a command.
        (without_tls.with_timeout(std::time::Duration::from_millis(500)), ErrorKind::Unavailable),
    ];
    for (config, kind) in refused {
        assert_eq!(RedisStore::connect(&config).await.unwrap_err().kind(), kind, "{config:?}");
    }
    let nonsense =
        base().with_root_certificates("-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n");
    assert_eq!(RedisStore::connect(&nonsense).await.unwrap_err().kind(), ErrorKind::InvalidConfig);
}

async fn socket() {
    let folder = OwnServer::start::<&str>([]);
    let path = folder.directory().join("redis.sock");
    let path = path.to_str().unwrap();
    let _server = OwnServer::start(["--unixsocket", path, "--user", "app", "on", ">p&w", "~*", "+@all"]);
    let url = format!("redis+unix://{path}?username=app&password=p%26w&database=3&timeout=20s");
    works(&RedisStore::connect(&RedisConfig::from_url(&url).unwrap()).await.unwrap()).await;
    works(&RedisStore::connect(&RedisConfig::unix(path).with_timeout(PATIENCE)).await.unwrap()).await;
}

async fn handed_in() {
    let mut server = OwnServer::start::<&str>([]);
    let address = ConnectionAddr::Tcp("127.0.0.1".to_owned(), server.port);
    let config = || RedisConfig::default().with_timeout(PATIENCE);
    for (name, protocol) in [("two", ProtocolVersion::RESP2), ("three", ProtocolVersion::RESP3)] {
        let settings = RedisConnectionInfo::default().set_protocol(protocol);
        let info = address.clone().into_connection_info().unwrap().set_redis_settings(settings);
        let client = redis::Client::open(info).unwrap();
        let connection = client.get_multiplexed_async_connection().await.unwrap();
        let namespace = config().with_namespace(name);
        works(&RedisStore::from_connection(connection, &namespace).await.unwrap()).await;
        let manager = client.get_connection_manager().await.unwrap();
        let namespace = config().with_namespace(format!("managed-{name}"));
        works(&RedisStore::from_manager(manager, &namespace).await.unwrap()).await;
    }
    // A manager comes back after an outage, and with it the store.
    let client = redis::Client::open(server.url()).unwrap();
    let few = ConnectionManagerConfig::new().set_number_of_retries(1);
    let manager = redis::aio::ConnectionManager::new_with_config(client, few).await;
    let store = RedisStore::from_manager(manager.unwrap(), &config()).await.unwrap();
    server.kill();
    let error = store.put(&key("k"), blob("v"), PutOptions::new(LONG)).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::OutcomeUnknown | ErrorKind::Unavailable), "{error}");
    let error = store.get(&key("k"), GetOptions::new()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Unavailable), "{error}");
    server.start_again();
    crate::support::eventually("the manager's return", || async {
        store.get(&key("k"), GetOptions::new()).await.is_ok()
    })
    .await;
}

/// Records the texts of warnings.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl Visit for &Warnings {
    fn record_debug(&mut self, _: &Field, value: &dyn std::fmt::Debug) {
        let mut text = String::new();
        write!(text, "{value:?}").unwrap();
        self.0.lock().unwrap().push(text);
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN && metadata.target().starts_with("ttl_redis")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut &*self);
    }

    fn record(&self, _: &Id, _: &SpanRecord<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

async fn eviction() {
    // A subscriber is a thread's own, and this runtime has several.
    tokio::task::spawn_blocking(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for (policy, expected) in [("noeviction", 0), ("allkeys-lru", 1), ("volatile-ttl", 1)] {
            let mut server = OwnServer::start(["--maxmemory-policy", policy]);
            let warnings = Warnings::default();
            tracing::subscriber::with_default(warnings.clone(), || {
                runtime.block_on(async {
                    let config = RedisConfig::from_url(&server.url()).unwrap().with_timeout(PATIENCE);
                    let store = RedisStore::connect(&config).await.unwrap();
                    server.kill();
                    server.start_again();
                    crate::support::eventually("another connection", || async {
                        store.get(&key("k"), GetOptions::new()).await.is_ok()
                    })
                    .await;
                });
            });
            let seen = warnings.0.lock().unwrap();
            assert_eq!(seen.len(), expected, "{policy}: {seen:?}");
            assert!(seen.iter().all(|text| text.contains(policy) && text.contains("evict")), "{seen:?}");
        }
    })
    .await
    .unwrap();
}

async fn clock() {
    let server = OwnServer::start::<&str>([]);
    let config = RedisConfig::from_url(&server.url()).unwrap().with_timeout(PATIENCE);
    let store = RedisStore::connect(&config).await.unwrap();
    let mut raw = raw(&server.url()).await;
    let time = || async {
        let (seconds, micros): (u64, u64) = redis::cmd("TIME").query_async(&mut raw.clone()).await.unwrap();
        std::time::UNIX_EPOCH + std::time::Duration::from_micros(seconds * 1_000_000 + micros)
    };
    // The estimate is wrong by at most half of the round trip that it was made in.
    let slack = std::time::Duration::from_secs(5);
    let (before, now, after) = (time().await, store.now(), time().await);
    assert!(before - slack <= now && now <= after + slack, "{before:?} {now:?} {after:?}");
    let _ = redis::cmd("PING").exec_async(&mut raw).await;
}

/// A connection belongs to the runtime that made it. After that runtime has ended, no write is sent on it.
async fn runtimes() {
    let server = OwnServer::start::<&str>([]);
    let config = RedisConfig::from_url(&server.url()).unwrap().with_timeout(PATIENCE);
    let store = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(RedisStore::connect(&config)).unwrap()
    })
    .await
    .unwrap();
    works(&store).await;
}
