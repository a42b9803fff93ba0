//! A store and the client library on the same server: what the driver adds to the same commands.

use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Value as Reply};
use ttl_core::options::{Create, ExistingDeadline, GetOptions, PatchOptions, PutOptions, Refresh};
use ttl_core::{Bytes, Key, Patch, Ttl, TtlStore, Value, Version};
use ttl_redis::{RedisConfig, RedisStore};

const TTL: Ttl = Ttl::hours(1);
const TTL_TEXT: &str = "3600000";
pub(crate) const VALUE: &[u8] = &[7; 100];

/// An operation of the store, which is one command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Get,
    /// A get with a refresh.
    Refresh,
    Put,
    /// A put that refreshes a live entry.
    RefreshingPut,
    Increment,
}

impl Operation {
    pub(crate) const ALL: [Self; 5] =
        [Self::Get, Self::Refresh, Self::Put, Self::RefreshingPut, Self::Increment];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Refresh => "refresh",
            Self::Put => "put",
            Self::RefreshingPut => "refreshing-put",
            Self::Increment => "increment",
        }
    }
}

/// Both, and the entries that they read and write. Clones share them.
#[derive(Clone)]
pub(crate) struct Pair {
    store: Arc<dyn TtlStore>,
    client: MultiplexedConnection,
    blob: Key,
    counter: Key,
    increment: Patch,
    create: PatchOptions,
    prefix: String,
    refresh_blob: String,
    put_blob: String,
    add: String,
}

macro_rules! script {
    ($($name:literal),+) => {
        concat!($(include_str!(concat!("../../src/wire/scripts/", $name, ".lua"))),+)
    };
}

impl Pair {
    pub(crate) async fn new(url: &str) -> Self {
        let namespace = format!("pair-{}", Version::random());
        let config = RedisConfig::from_url(url).unwrap().with_namespace(&*namespace);
        let store = RedisStore::connect(&config).await.unwrap();
        let client = redis::Client::open(url.split('?').next().unwrap()).unwrap();
        let mut client = client.get_multiplexed_async_connection().await.unwrap();
        let mut load = async |script: &str| -> String {
            redis::cmd("SCRIPT").arg("LOAD").arg(script).query_async(&mut client).await.unwrap()
        };
        let refresh_blob = load(script!("refresh_blob", "common", "get")).await;
        let put_blob = load(script!("put_blob", "common", "put")).await;
        let add = load(script!("increment", "common", "patch")).await;
        let pair = Self {
            store: Arc::new(store),
            client,
            blob: Key::new("session:000000000000000000000001").unwrap(),
            counter: Key::new("counter:000000000000000000000001").unwrap(),
            increment: Patch::new().increment("n", 1),
            create: PatchOptions::new().with_create(Create::new(TTL)),
            prefix: format!("{namespace}:"),
            refresh_blob,
            put_blob,
            add,
        };
        // From now on, each operation finds an entry, and the store knows of its kind.
        for operation in [Operation::Put, Operation::Increment, Operation::Get, Operation::Increment] {
            pair.ours(operation).await;
        }
        pair
    }

    pub(crate) async fn ours(&self, operation: Operation) {
        let refresh = Refresh::extend_only(TTL);
        let put = async |options| {
            let put = self.store.put(&self.blob, Value::Blob(Bytes::from_static(VALUE)), options).await;
            assert!(put.unwrap().is_applied());
        };
        let get = async |options| {
            let entry = self.store.get(&self.blob, options).await.unwrap().unwrap();
            assert!(matches!(entry.value, Some(Value::Blob(bytes)) if bytes.len() == VALUE.len()));
        };
        match operation {
            Operation::Get => get(GetOptions::new()).await,
            Operation::Refresh => get(GetOptions::new().with_refresh(refresh)).await,
            Operation::Put => put(PutOptions::new(TTL)).await,
            Operation::RefreshingPut => {
                put(PutOptions::new(TTL).with_existing_deadline(ExistingDeadline::Refresh(refresh))).await;
            }
            Operation::Increment => {
                let counted = self.store.patch(&self.counter, &self.increment, self.create.clone());
                let counted = counted.await.unwrap();
                assert!(counted.applied().unwrap().fields.get("n").is_some());
            }
        }
    }

    /// Sends the same command without the driver.
    pub(crate) async fn raw(&self, operation: Operation) {
        let key = |key: &Key| format!("{}{key}", self.prefix, key = key.as_str());
        let script = |sha: &str, of: &Key| {
            let mut cmd = Cmd::with_capacity(16, 512);
            cmd.arg("EVALSHA").arg(sha).arg("1").arg(key(of));
            cmd
        };
        let token = || "0123456789012345678901".to_owned();
        let mut client = self.client.clone();
        let cmd = match operation {
            Operation::Get => {
                let mut cmd = Cmd::with_capacity(2, 128);
                cmd.arg("GET").arg(key(&self.blob));
                cmd
            }
            Operation::Refresh => {
                let mut cmd = script(&self.refresh_blob, &self.blob);
                cmd.arg(TTL_TEXT);
                cmd
            }
            Operation::Put => {
                let mut cmd = Cmd::with_capacity(6, 256);
                cmd.arg("SET").arg(key(&self.blob)).arg(VALUE).arg("PX").arg(TTL_TEXT).arg("GET");
                cmd
            }
            Operation::RefreshingPut => {
                let mut cmd = script(&self.put_blob, &self.blob);
                cmd.arg(VALUE).arg(token()).arg(TTL_TEXT).arg("extend").arg(TTL_TEXT).arg("always");
                cmd
            }
            Operation::Increment => {
                let mut cmd = script(&self.add, &self.counter);
                cmd.arg("n").arg("1").arg(token()).arg("1048576").arg(format!("after {TTL_TEXT} never 0 5"));
                cmd
            }
        };
        let reply: Reply = cmd.query_async(&mut client).await.unwrap();
        match operation {
            Operation::RefreshingPut => assert_eq!(reply, Reply::Int(0)),
            _ => assert!(matches!(reply, Reply::BulkString(_))),
        }
    }
}
