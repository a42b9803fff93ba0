//! What connecting finds out, and what it lets pass: on the wire, and in processes whose environment is another one.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, ExitCode};

use aws_sdk_dynamodb::types::{KeyType, ScalarAttributeType};
use libtest_mimic::Trial;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use ttl_conformance::servers::{ServerUrl, free_port};
use ttl_core::options::GetOptions;
use ttl_core::{Error, ErrorKind, TtlStore};
use ttl_dynamo::{DynamoConfig, DynamoStore, OnConnect};

use crate::raw::{Raw, SECRET, client, unused_name};
use crate::support::{SHORT, Space, config, key, with_server};
use crate::tables::create;
use crate::wire::{ANY, Fault, Wire};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    vec![
        with_server("connecting::it_looks_once_unless_it_is_lazy", server, looks),
        with_server("connecting::a_table_that_cannot_work_is_told", server, tables),
        with_server("connecting::who_may_not_look_connects", server, denied),
        with_server("connecting::what_fails_for_now_is_tried_again", server, again),
        with_server("connecting::what_is_wrong_around_it_is_told_with_the_reason", server, around),
    ]
}

/// A store on a client of the trial's own, and its wire.
fn store(endpoint: &str, table: &str, on_connect: OnConnect) -> (DynamoStore, Wire) {
    let wire = Wire::new();
    let config = config(table).with_on_connect(on_connect);
    (DynamoStore::from_client(&client(endpoint, wire.clone()), &config).unwrap(), wire)
}

async fn looks(endpoint: String) {
    let space = Space::new(endpoint).await;
    // The table's TTL is off, which is no reason not to work with it.
    for (on_connect, requests) in [(OnConnect::default(), &["DescribeTable"][..]), (OnConnect::Lazy, &[])] {
        let (store, wire) = store(&space.endpoint, &space.raw.table, on_connect);
        store.prepare().await.unwrap();
        assert_eq!(wire.operations(), requests, "{on_connect:?}");
        assert!(store.get(&key("k"), GetOptions::new()).await.unwrap().is_none());
    }
    let (store, wire) = store(&space.endpoint, &unused_name(), OnConnect::Lazy);
    store.prepare().await.unwrap();
    assert!(wire.requests().is_empty());
    let error = store.get(&key("k"), GetOptions::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
}

async fn tables(endpoint: String) {
    let (text, number) = (ScalarAttributeType::S, ScalarAttributeType::N);
    let numbered = create(&endpoint, &[("ttl:key", KeyType::Hash, number)]).await;
    let other = create(&endpoint, &[("id", KeyType::Hash, text.clone())]).await;
    let sorted = [("ttl:key", KeyType::Hash, text.clone()), ("sort", KeyType::Range, text)];
    let sorted = create(&endpoint, &sorted).await;
    for (table, word) in [
        (&*unused_name(), "table=ensure"),
        (&*numbered.table, "must be a string (S)"),
        (&*other.table, "key_attribute=id"),
        (&*sorted.table, "sort key \"sort\""),
    ] {
        let (store, wire) = store(&endpoint, table, OnConnect::Look);
        let error = store.prepare().await.unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::InvalidConfig, false), "{error}");
        let text = error.to_string();
        assert!(text.contains(word) && text.contains(table) && text.contains("connect"), "{text}");
        assert_eq!(wire.operations(), ["DescribeTable"]);
    }
}

async fn denied(endpoint: String) {
    let raw = Raw::create(&endpoint).await;
    let (store, wire) = store(&endpoint, &raw.table, OnConnect::Look);
    wire.always("DescribeTable", Fault::Refused("AccessDeniedException"));
    store.prepare().await.unwrap();
    assert_eq!(wire.operations(), ["DescribeTable"]);
    assert!(store.get(&key("k"), GetOptions::new()).await.unwrap().is_none());
    // Whoever asks for a check wants to hear that there was none.
    let error = store.check_table().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    // Credentials that are not DynamoDB's are not a missing right.
    for code in ["UnrecognizedClientException", "ExpiredTokenException"] {
        wire.heal();
        wire.always("DescribeTable", Fault::Refused(code));
        let error = store.prepare().await.unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::PermissionDenied, false), "{error}");
    }
}

async fn again(endpoint: String) {
    let raw = Raw::create(&endpoint).await;
    let (store, wire) = store(&endpoint, &raw.table, OnConnect::Look);
    for fault in [
        Fault::NotConnected,
        Fault::LostRequest,
        Fault::Refused("ThrottlingException"),
        Fault::Broken { done: false },
    ] {
        wire.once(ANY, fault);
        store.prepare().await.unwrap();
        assert_eq!(wire.operations().len(), 2, "{fault:?}");
        wire.always(ANY, fault);
        let error = store.prepare().await.unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, true), "{error}");
        assert_eq!(wire.operations().len(), 4, "{fault:?}");
        wire.heal();
    }
    let hasty = config(&raw.table).with_attempts(1).with_attempt_timeout(SHORT);
    let hasty = DynamoStore::from_client(&client(&endpoint, wire.clone()), &hasty).unwrap();
    wire.always(ANY, Fault::Silent { done: false });
    let error = hasty.prepare().await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Timeout, true), "{error}");
    assert!(error.to_string().contains("within 250ms"), "{error}");
}

const REGION: (&str, &str) = ("AWS_REGION", "eu-central-1");
const ID: (&str, &str) = ("AWS_ACCESS_KEY_ID", "trial");
const KEY: (&str, &str) = ("AWS_SECRET_ACCESS_KEY", SECRET);

async fn around(endpoint: String) {
    let table = Raw::create(&endpoint).await.table;
    let url = |rest: &str| format!("dynamodb://{table}?timeout=20s&attempt_timeout=10s&attempts=2&{rest}");
    let here = |rest: &str| url(&format!("endpoint={endpoint}{rest}"));
    let dead = format!("http://127.0.0.1:{}", free_port(&[Ipv4Addr::LOCALHOST]));
    // It takes connections, and says nothing.
    let mute = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mute = mute.local_addr().unwrap();
    let shut = answering(b"").await;
    // As TLS refuses what is none.
    let other = answering(b"\x15\x03\x03\x00\x02\x02\x46").await;
    let all = &[REGION, ID, KEY][..];
    let fine = "connected";
    for (url, environment, expected, word) in [
        (here(""), all, fine, ""),
        (here("&region=eu-west-1"), &[ID, KEY], fine, ""),
        (here(""), &[ID, KEY], "InvalidConfig, final", "region=eu-central-1 in the URL"),
        (here(""), &[REGION], "InvalidConfig, final", "AWS_ACCESS_KEY_ID"),
        (here("&table=lazy"), &[], fine, ""),
        (url(&format!("endpoint={dead}")), all, "Unavailable, retryable", "connection refused"),
        (url(&format!("endpoint={dead}&table=lazy")), all, fine, ""),
        (
            url("endpoint=http://nowhere.invalid"),
            all,
            "Unavailable, retryable",
            "the host name does not resolve",
        ),
        (
            url(&format!("endpoint={}", endpoint.replace("http:", "https:"))),
            all,
            "InvalidConfig, final",
            "does not speak TLS",
        ),
        (url(&format!("endpoint=https://{shut}")), all, "Unavailable, retryable", "closed at once"),
        (url(&format!("endpoint=http://{shut}")), all, "Unavailable, retryable", "the connection broke"),
        (url(&format!("endpoint=http://{other}")), all, "Unavailable, retryable", "does not speak HTTP"),
        (
            format!("dynamodb://{table}?timeout=1s&attempt_timeout=500ms&attempts=1&endpoint=http://{mute}"),
            all,
            "Timeout, retryable",
            "within 500ms",
        ),
        (
            format!("dynamodb://{}?timeout=20s&attempt_timeout=10s&endpoint={endpoint}", unused_name()),
            all,
            "InvalidConfig, final",
            "table=ensure",
        ),
    ] {
        let asked = url.clone();
        let asking = tokio::task::spawn_blocking(move || elsewhere(&asked, environment));
        let (done, text) = asking.await.unwrap();
        assert_eq!(done, expected, "{url} with {environment:?}: {text}");
        assert!(text.contains(word) && !text.contains(SECRET), "{text}");
    }
}

/// A server that says this to whoever has said something, and closes the connection.
async fn answering(words: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let _ = client.read(&mut [0; 1 << 14]).await;
            let _ = client.write_all(words).await;
        }
    });
    address
}

const CHILD: &str = "TTL_DYNAMO_TRIAL_CONNECT";

/// Connects in another process, in which nothing of AWS is set but this; answers what became of it.
fn elsewhere(url: &str, environment: &'static [(&str, &str)]) -> (String, String) {
    let done = Command::new(std::env::current_exe().unwrap())
        .env_clear()
        .env(CHILD, url)
        // Neither files of somebody's nor an address that answers on Amazon's machines alone.
        .envs([("HOME", "/nonexistent"), ("AWS_EC2_METADATA_DISABLED", "true")])
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    let (done, text) = said.split_once('\n').unwrap_or_else(|| {
        panic!("nothing was said: {}", String::from_utf8_lossy(&done.stderr));
    });
    (done.to_owned(), text.to_owned())
}

/// That other process.
pub(crate) fn child() -> Option<ExitCode> {
    let url = std::env::var(CHILD).ok()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let connect = async { DynamoStore::connect(&DynamoConfig::from_url(&url)?).await };
    match runtime.block_on(connect) {
        Ok(_) => println!("connected\n"),
        Err(error) => println!("{}\n{error}\n{}", kind(&error), crate::secrets::texts(&error)),
    }
    Some(ExitCode::SUCCESS)
}

fn kind(error: &Error) -> String {
    format!("{:?}, {}", error.kind(), if error.is_retryable() { "retryable" } else { "final" })
}
