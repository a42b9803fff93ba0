//! Servers that cannot be used, each with its own error on connect: full servers, TLS on a plain port and the reverse,
//! and ports of other protocols.

use std::net::{Ipv4Addr, SocketAddr};

use libtest_mimic::Trial;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use ttl_conformance::servers::free_port;
use ttl_core::options::GetOptions;
use ttl_core::{Error, ErrorKind, TtlStore};
use ttl_redis::{RedisConfig, RedisStore};

use crate::server::{OwnServer, with_own_servers};
use crate::support::{PATIENCE, eventually, key};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        with_own_servers("greetings::a_server_with_too_many_clients_says_so", full),
        with_own_servers("greetings::tls_to_a_plain_port_and_the_other_way_round", tls),
        with_own_servers("greetings::ports_of_other_protocols_are_told", others),
        with_own_servers("greetings::nobody_listens", nobody),
    ]
}

/// Returns the error of connecting, and that of the first operation of a lazy store.
async fn refused(url: &str) -> [Error; 2] {
    let config = RedisConfig::from_url(url).unwrap();
    let connect = RedisStore::connect(&config).await.unwrap_err();
    let first = RedisStore::lazy(&config).unwrap().get(&key("k"), GetOptions::new()).await.unwrap_err();
    [connect, first]
}

#[track_caller]
fn told(error: &Error, kind: ErrorKind, words: &[&str]) {
    assert_eq!((error.kind(), error.is_retryable()), (kind, kind == ErrorKind::Unavailable), "{error}");
    let text = error.to_string();
    assert!(words.iter().any(|word| text.contains(word)), "{words:?}: {text}");
}

async fn full() {
    let server = OwnServer::start(["--maxclients", "1"]);
    let config = RedisConfig::from_url(&server.url()).unwrap().with_timeout(PATIENCE);
    // The connection that asked whether the server runs may not have ended yet.
    let inside = std::sync::OnceLock::new();
    eventually("room", || async {
        RedisStore::connect(&config).await.is_ok_and(|store| inside.set(store).is_ok())
    })
    .await;
    let first = inside.into_inner().unwrap();
    let mut named = 0;
    for _ in 0..10 {
        for error in refused(&server.url()).await {
            // The server closes the connection after these words, which can overtake them.
            told(&error, ErrorKind::Unavailable, &["maxclients", "closed the connection"]);
            named += usize::from(error.to_string().contains("(maxclients)"));
        }
    }
    assert!(named > 0, "it was never said");
    assert!(first.get(&key("k"), GetOptions::new()).await.unwrap().is_none(), "who is inside stays");
    drop(first);
    eventually("room again", || async { RedisStore::connect(&config).await.is_ok() }).await;
}

async fn tls() {
    let files = OwnServer::start::<&str>([]);
    let path = |name: &str| files.directory().join(name).to_str().unwrap().to_owned();
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(path("own.pem"), certified.cert.pem()).unwrap();
    std::fs::write(path("own.key"), certified.signing_key.serialize_pem()).unwrap();
    let port = free_port(&[Ipv4Addr::LOCALHOST]);
    let arguments = [
        ("--tls-port", port.to_string()),
        ("--tls-cert-file", path("own.pem")),
        ("--tls-key-file", path("own.key")),
        ("--tls-ca-cert-file", path("own.pem")),
        ("--tls-auth-clients", "no".to_owned()),
    ];
    let server = OwnServer::start(arguments.into_iter().flat_map(|(name, value)| [name.to_owned(), value]));
    let trusted = format!("rediss://localhost:{port}?timeout=20s&root_certificates={}", path("own.pem"));
    RedisStore::connect(&RedisConfig::from_url(&trusted).unwrap()).await.unwrap();

    // A plain server waits for the rest of what it takes for a command.
    let plain = format!("rediss://localhost:{}?timeout=500ms", server.port);
    for error in refused(&plain).await {
        told(&error, ErrorKind::Unavailable, &["expects TLS"]);
    }
    for error in refused(&format!("redis://localhost:{port}?timeout=20s")).await {
        let kind = error.kind();
        assert!(matches!(kind, ErrorKind::Unavailable | ErrorKind::InvalidConfig), "{error}");
        told(&error, kind, &["expects TLS"]);
    }
    // A certificate that nobody here trusts will not be trusted the next time.
    for error in refused(&format!("rediss://localhost:{port}?timeout=20s")).await {
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, false), "{error}");
        assert!(error.to_string().contains("certificate"), "{error}");
    }
}

/// Starts a server that answers every client with this text, and then closes the connection or not.
async fn answering(words: &'static [u8], closes: bool) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = client.read(&mut [0; 1 << 14]).await;
                let _ = client.write_all(words).await;
                if !closes {
                    let _ = client.read_to_end(&mut Vec::new()).await;
                }
            });
        }
    });
    address
}

/// The answers of Jetty (and so of DynamoDB Local) and of Cassandra, and the greeting of a mail server.
const HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\nServer: Jetty(12.0.14)\r\nContent-Type: text/html\r\n\
                      Content-Length: 18\r\n\r\n<html>s3cret</html>";
const CQL: &[u8] = b"\x85\0\0\0\0\0\0\0\x17\0\0\0\n\0\x11Invalid version (";
const MAIL: &[u8] = b"220 s3cret.example ESMTP ready\r\n";

async fn others() {
    for (words, closes) in [(HTTP, true), (HTTP, false), (CQL, true), (CQL, false), (MAIL, false)] {
        let address = answering(words, closes).await;
        for error in refused(&format!("redis://user:s3cret@{address}?timeout=20s")).await {
            told(&error, ErrorKind::InvalidConfig, &["does not speak the protocol of Redis"]);
            assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
        }
    }
    // One that says nothing, and one that hangs up.
    let mute = answering(b"", false).await;
    for error in refused(&format!("redis://{mute}?timeout=300ms")).await {
        told(&error, ErrorKind::Unavailable, &["within 300ms"]);
    }
    let shut = answering(b"", true).await;
    for error in refused(&format!("redis://{shut}?timeout=20s")).await {
        told(&error, ErrorKind::Unavailable, &["closed the connection"]);
    }
}

async fn nobody() {
    let port = free_port(&[Ipv4Addr::LOCALHOST]);
    for scheme in ["redis", "rediss"] {
        for error in refused(&format!("{scheme}://127.0.0.1:{port}?timeout=20s")).await {
            told(&error, ErrorKind::Unavailable, &["connection refused"]);
        }
    }
    for error in refused("redis://nowhere.invalid?timeout=20s").await {
        told(&error, ErrorKind::Unavailable, &["nowhere", "resolve", "lookup", "not known"]);
    }
}
