//! A store that outlives the runtime which made it, and whose connections end with a runtime.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

use futures_util::FutureExt;
use libtest_mimic::Trial;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use ttl_conformance::servers::ServerUrl;
use ttl_core::options::{GetOptions, PutOptions, ScanOptions};
use ttl_core::{ErrorKind, TtlStore};
use ttl_dynamo::{DynamoConfig, DynamoStore, OnConnect};

use crate::raw;
use crate::states::State;
use crate::support::{LONG, Space, applied, key, value, with_server};
use crate::wire::Wire;
use ttl_conformance::operations::{self, Class};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    vec![
        with_server("runtimes::a_write_whose_runtime_ends_is_not_taken_for_unsent", server, dispatch_gone),
        with_server("runtimes::a_store_outlives_the_runtime_that_made_it", server, outlives),
        with_server("runtimes::without_a_runtime_is_an_error_and_no_panic", server, none),
    ]
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A door that can hold back the server's answers, and says when it does.
struct Holding {
    endpoint: String,
    hold: watch::Sender<bool>,
    held: Arc<Mutex<mpsc::Receiver<()>>>,
}

impl Holding {
    async fn before(endpoint: &str) -> Self {
        let server: SocketAddr = endpoint.split_once("://").unwrap().1.trim_end_matches('/').parse().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (hold, holds) = watch::channel(false);
        let (say, held) = mpsc::channel();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server, holds.clone(), say.clone()));
            }
        });
        Self { endpoint, hold, held: Arc::new(Mutex::new(held)) }
    }
}

async fn carry(
    client: TcpStream,
    server: SocketAddr,
    mut holds: watch::Receiver<bool>,
    say: mpsc::Sender<()>,
) -> std::io::Result<()> {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = TcpStream::connect(server).await?.into_split();
    tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
    let mut bytes = vec![0; 1 << 16];
    loop {
        let read = from_server.read(&mut bytes).await?;
        if read == 0 {
            return Ok(());
        }
        if *holds.borrow() {
            let _ = say.send(());
            let _ = holds.wait_for(|hold| !hold).await;
        }
        to_client.write_all(&bytes[..read]).await?;
    }
}

/// The connection is driven by a runtime that ends when the server has done the write and its answer is on the way.
async fn dispatch_gone(endpoint: String) {
    let space = Space::new(endpoint).await;
    let door = Holding::before(&space.endpoint).await;
    let mut met = 0;
    for operation in operations::all().into_iter().filter(|operation| operation.class != Class::Read) {
        let normal = space.undisturbed(&operation, State::Record).await;
        if normal.requests != 1 {
            continue;
        }
        space.prepare("k", State::Record).await;
        let raw_before = space.raw.get("k").await;
        let before = space.item("k", raw_before.as_ref()).await;
        let version = space.version("k").await;
        let client = raw::client(&door.endpoint, Wire::new());
        let store = DynamoStore::from_client(&client, &space.config).unwrap();
        let (hold, held) = (door.hold.clone(), Arc::clone(&door.held));
        let call = operation.run(&store, &key("k"), version);
        let answer = tokio::task::spawn_blocking(move || {
            let home = runtime();
            // A connection that this runtime drives, which is free again.
            home.block_on(async {
                store.client().await.unwrap().list_tables().send().await.unwrap();
                tokio::task::yield_now().await;
            });
            hold.send_replace(true);
            let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
            let at_home = thread::spawn(move || {
                home.block_on(async { stopped.await.ok() });
                drop(home);
            });
            let caller = thread::spawn(move || runtime().block_on(call));
            held.lock().recv().unwrap();
            stop.send(()).unwrap();
            at_home.join().unwrap();
            hold.send_replace(false);
            caller.join().unwrap()
        })
        .await
        .unwrap();
        let after = space.item("k", raw_before.as_ref()).await;
        let fault = crate::wire::Fault::LostAnswer;
        crate::faults::judge(operation.name, operation.class, fault, &answer, &normal, &before, &after);
        met += 1;
    }
    assert!(met > 20, "{met}");
}

async fn outlives(endpoint: String) {
    let space = Space::new(endpoint).await;
    let (endpoint, config) = (space.endpoint.clone(), space.config.clone());
    let blocking = tokio::task::spawn_blocking(move || {
        let put = async |store: &DynamoStore, number: u8| {
            applied(store.put(&key("k"), vec![number].into(), PutOptions::new(LONG)).await);
        };
        let first = runtime();
        let store = first.block_on(async {
            let store = DynamoStore::from_client(&raw::client(&endpoint, Wire::new()), &config).unwrap();
            put(&store, 0).await;
            store
        });
        drop(first);
        for number in 1..4 {
            runtime().block_on(async {
                put(&store, number).await;
                assert_eq!(value(&store, &key("k")).await, vec![number].into());
                let many = store.get_many(&[key("k"), key("l")], GetOptions::new()).await;
                assert!(many[0].as_ref().unwrap().is_some() && many[1].as_ref().unwrap().is_none());
            });
        }
    });
    blocking.await.unwrap();
}

async fn none(endpoint: String) {
    let space = Space::new(endpoint).await;
    let store = space.store.clone();
    let nowhere = thread::spawn(move || {
        for operation in operations::all() {
            let call = operation.run(&store, &key("k"), ttl_core::Version::random());
            let error = call.now_or_never().expect("an answer at once").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{}: {error}", operation.name);
            assert!(error.to_string().contains("no tokio runtime"), "{error}");
        }
        let scan = store.scan(ScanOptions::new("")).now_or_never().unwrap();
        assert_eq!(scan.unwrap_err().kind(), ErrorKind::InvalidConfig);
        let config = DynamoConfig::new("table").with_on_connect(OnConnect::Check);
        let connect = DynamoStore::connect(&config).now_or_never().unwrap();
        assert_eq!(connect.unwrap_err().kind(), ErrorKind::InvalidConfig);
    });
    tokio::task::spawn_blocking(|| nowhere.join()).await.unwrap().unwrap();
    assert!(space.store.get(&key("k"), GetOptions::new()).await.unwrap().is_none());
}
