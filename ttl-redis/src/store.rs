//! `RedisStore`: implements each method of the trait by one request, or by one for each key of a batch.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use redis::aio::{ConnectionManager, MultiplexedConnection};
use ttl_core::{
    Capabilities, CursorSecret, DeleteOptions, Entry, Error, ErrorKind, ExpireOptions, ExpireResult,
    ExpiryChange, GetOptions, Key, Outcome, Page, Patch, PatchOptions, PatchResult, PutItem, PutOptions,
    PutResult, Result, ScanOptions, TtlStore, Value, async_trait, forward_ttl_store,
};

use crate::alter::{Delete, Expire};
use crate::codec::{Encoded, FullKey, new_token};
use crate::config::RedisConfig;
use crate::connection::{Connection, Link};
use crate::get::Get;
use crate::patch::{Patched, Patching, Plan};
use crate::put::Put;
use crate::scripts::Scripts;

/// The maximum number of fields of a record. A command with too many arguments would break the connection.
const MAX_FIELDS: usize = 250_000;

/// A store on a Redis or Valkey server. Cloning is cheap; clones share the connection.
///
/// ```no_run
/// use ttl_core::{Key, PutOptions, Ttl, TtlStore};
/// use ttl_redis::{RedisConfig, RedisStore};
///
/// # async fn example() -> ttl_core::Result<()> {
/// let store = RedisStore::connect(&RedisConfig::from_url("redis://localhost?namespace=app")?).await?;
/// let key = Key::new("page:/cart")?;
/// let _ = store.put(&key, "<html>".into(), PutOptions::new(Ttl::minutes(5))).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisStore(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) link: Link,
    pub(crate) prefix: String,
    scripts: Arc<Scripts>,
    pub(crate) capabilities: Capabilities,
    pub(crate) cursor_secret: CursorSecret,
    capped_blobs: AtomicBool,
}

impl RedisStore {
    /// Connects to the server, within the time limit of [`RedisConfig::with_timeout`].
    ///
    /// # Errors
    /// * [`ErrorKind::InvalidConfig`] if the configuration is invalid.
    /// * [`ErrorKind::Unavailable`] if the server cannot be reached.
    /// * [`ErrorKind::PermissionDenied`] if the credentials are wrong.
    /// * [`ErrorKind::Unsupported`] if the server is older than Redis 7.0.
    pub async fn connect(config: &RedisConfig) -> Result<Self> {
        let store = Self::lazy(config)?;
        store.opened().await
    }

    /// Creates a store that connects at its first use. It must be used within a tokio runtime.
    ///
    /// # Errors
    /// Returns [`ErrorKind::InvalidConfig`] if the configuration is invalid.
    pub fn lazy(config: &RedisConfig) -> Result<Self> {
        config.check()?;
        let scripts = Arc::new(Scripts::new());
        Ok(Self::new(Link::connecting(config, Arc::clone(&scripts))?, config, scripts))
    }

    /// Creates a store on an existing, caller-managed connection, which may be shared.
    ///
    /// Of the configuration, only namespace, timeout and size limit apply. Address, credentials and database
    /// are those of the connection. The connection's own response timeout applies too; it defaults to 500 ms.
    /// The store does not replace a broken connection; [`RedisStore::with_manager`] takes one that
    /// reconnects.
    ///
    /// # Errors
    /// Returns the same errors as [`RedisStore::connect`].
    pub async fn with_connection(connection: MultiplexedConnection, config: &RedisConfig) -> Result<Self> {
        config.check()?;
        let scripts = Arc::new(Scripts::new());
        let link = Link::caller_managed(Connection::Multiplexed(connection), config, Arc::clone(&scripts));
        Self::new(link, config, scripts).opened().await
    }

    /// Creates a store on a caller-managed connection manager. The configuration applies as in
    /// [`RedisStore::with_connection`].
    ///
    /// A manager reconnects automatically, but does not report whether a request was sent before the
    /// connection broke. So some writes fail with [`ErrorKind::OutcomeUnknown`] here that would be
    /// [`ErrorKind::Unavailable`] on a connection made by the store. Do not enable retries of requests in the
    /// manager: a write must not be sent twice.
    ///
    /// # Errors
    /// Returns the same errors as [`RedisStore::connect`].
    pub async fn with_manager(manager: ConnectionManager, config: &RedisConfig) -> Result<Self> {
        config.check()?;
        let scripts = Arc::new(Scripts::new());
        let link = Link::caller_managed(Connection::Managed(manager), config, Arc::clone(&scripts));
        Self::new(link, config, scripts).opened().await
    }

    fn new(link: Link, config: &RedisConfig, scripts: Arc<Scripts>) -> Self {
        let capabilities = Capabilities::new(crate::BACKEND)
            .with_max_value_bytes(config.max_value_bytes)
            .with_created_at(false)
            .with_unique_versions(false);
        let (prefix, capped_blobs) = (config.prefix(), AtomicBool::new(false));
        Self(Arc::new(Inner {
            link,
            prefix,
            scripts,
            capabilities,
            cursor_secret: config.cursor_secret,
            capped_blobs,
        }))
    }

    async fn opened(self) -> Result<Self> {
        self.0.link.open().await.map_err(|error| error.with_operation("connect"))?;
        Ok(self)
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("namespace", &self.0.prefix).field("link", &self.0.link).finish()
    }
}

impl Inner {
    fn full<'a>(&'a self, key: &'a Key) -> FullKey<'a> {
        FullKey { prefix: &self.prefix, key: key.as_str() }
    }

    pub(crate) fn get_request<'a>(&'a self, key: &'a Key, options: &'a GetOptions) -> Get<'a> {
        let (script, key) = (&self.scripts.get, self.full(key));
        let link = &self.link;
        Get { link, script, key, options, capped_blobs: &self.capped_blobs, listed: false }
    }

    fn put_request<'a>(&'a self, key: &'a Key, value: Value, options: &'a PutOptions) -> Result<Put<'a>> {
        self.capabilities.check_put(options)?;
        let value = Encoded::new(value);
        self.check_size(&value)?;
        let (script, key, token) = (&self.scripts.put, self.full(key), OnceLock::new());
        Ok(Put { script, key, value, options, token, ordered: false })
    }

    fn delete_request<'a>(&'a self, key: &'a Key, options: &'a DeleteOptions) -> Delete<'a> {
        Delete { script: &self.scripts.alter, key: self.full(key), options, ordered: false }
    }

    fn check_size(&self, value: &Encoded) -> Result<()> {
        if let Encoded::Record { fields, .. } = value {
            check_fields(fields.len())?;
        }
        self.capabilities.check_size(value.size_bytes())
    }

    async fn get(&self, key: &Key, options: &GetOptions) -> Result<Option<Entry>> {
        self.capabilities.check_get(options)?;
        self.link.run(&self.get_request(key, options)).await
    }

    async fn put(&self, key: &Key, value: Value, options: &PutOptions) -> Result<Outcome<PutResult>> {
        self.link.run(&self.put_request(key, value, options)?).await
    }

    async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: &ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        self.capabilities.check_expire(options)?;
        self.link.run(&Expire { script: &self.scripts.alter, key: self.full(key), change, options }).await
    }

    async fn delete(&self, key: &Key, options: &DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        self.capabilities.check_delete(options)?;
        self.link.run(&self.delete_request(key, options)).await
    }

    async fn patch(&self, key: &Key, patch: &Patch, options: &PatchOptions) -> Result<Patched> {
        self.capabilities.check_patch(patch, options)?;
        let plan = Plan::new(patch)?;
        let initial = options.create.as_ref().map(|create| Encoded::new(create.initial.clone().into()));
        if let Some(Encoded::Record { fields, .. }) = &initial {
            check_fields(fields.len())?;
        }
        let (script, key, token) = (&self.scripts.patch, self.full(key), new_token());
        let max_value_bytes = self.capabilities.max_value_bytes;
        self.link.run(&Patching { script, key, plan, options, initial, token, max_value_bytes }).await
    }
}

fn check_fields(count: usize) -> Result<()> {
    if count <= MAX_FIELDS {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::TooLarge,
        format!("the record has {count} fields: expected at most {MAX_FIELDS}"),
    ))
}

/// Adds the operation, the backend and the key to an error.
fn tried<T>(result: Result<T>, operation: &'static str, key: &Key) -> Result<T> {
    result.map_err(|error| error.with_operation(operation).with_backend(crate::BACKEND).with_key(key))
}

#[async_trait]
impl TtlStore for RedisStore {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities
    }

    fn now(&self) -> SystemTime {
        self.0.link.facts().map_or_else(SystemTime::now, |facts| facts.now())
    }

    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>> {
        tried(self.0.get(key, &options).await, "get", key)
    }

    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>> {
        tried(self.0.put(key, value, &options).await, "put", key)
    }

    async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        tried(self.0.expire(key, change, &options).await, "expire", key)
    }

    async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Result<Outcome<PatchResult>> {
        let result = match self.0.patch(key, patch, &options).await {
            Ok(Patched::Outcome(outcome)) => Ok(outcome),
            Ok(Patched::TooLong) => BySwap(self.clone()).patch(key, patch, options).await,
            Err(error) => Err(error),
        };
        tried(result, "patch", key)
    }

    async fn delete(&self, key: &Key, options: DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        tried(self.0.delete(key, &options).await, "delete", key)
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        let page = self.0.scan_page(&options).await;
        page.map_err(|error| error.with_operation("scan").with_backend(crate::BACKEND))
    }

    async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Result<Option<Entry>>> {
        let results = match self.0.capabilities.check_get(&options) {
            Ok(()) => {
                let gets: Vec<_> = keys.iter().map(|key| self.0.get_request(key, &options)).collect();
                self.0.link.run_many(&gets).await
            }
            Err(error) => vec![Err(error); keys.len()],
        };
        results.into_iter().zip(keys).map(|(result, key)| tried(result, "get", key)).collect()
    }

    async fn put_many(&self, items: Vec<PutItem>) -> Vec<Result<Outcome<PutResult>>> {
        let times = times(items.iter().map(|item| &item.key));
        let mut puts = Vec::with_capacity(items.len());
        // The position of each put's result, and the results of the puts that are not sent at all.
        let mut results: Vec<Option<Result<Outcome<PutResult>>>> = Vec::with_capacity(items.len());
        for item in &items {
            match self.0.put_request(&item.key, item.value.clone(), &item.options) {
                Ok(put) => {
                    puts.push(Put { ordered: times[&item.key] > 1, ..put });
                    results.push(None);
                }
                Err(error) => results.push(Some(Err(error))),
            }
        }
        let mut sent = self.0.link.run_many(&puts).await.into_iter();
        let results = results.into_iter().map(|known| known.or_else(|| sent.next()));
        results
            .zip(&items)
            .map(|(result, item)| {
                let result = result.unwrap_or_else(|| Err(crate::error::not_sent()));
                tried(result, "put", &item.key)
            })
            .collect()
    }

    async fn delete_many(&self, keys: &[Key], options: DeleteOptions) -> Vec<Result<Outcome<Option<Entry>>>> {
        let times = times(keys.iter());
        let deletes: Vec<_> = keys
            .iter()
            .map(|key| Delete { ordered: times[key] > 1, ..self.0.delete_request(key, &options) })
            .collect();
        let results = self.0.link.run_many(&deletes).await;
        results.into_iter().zip(keys).map(|(result, key)| tried(result, "delete", key)).collect()
    }
}

/// Counts how often each key occurs in a batch.
fn times<'a>(keys: impl Iterator<Item = &'a Key>) -> HashMap<&'a Key, usize> {
    let mut times = HashMap::new();
    for key in keys {
        *times.entry(key).or_default() += 1;
    }
    times
}

/// The store with the provided patch, which is a compare-and-swap from this process. It is used for patches
/// that would block the server for too long.
#[derive(Debug)]
struct BySwap(RedisStore);

#[async_trait]
impl TtlStore for BySwap {
    forward_ttl_store!(self, self.0 => capabilities now get put expire);
}
