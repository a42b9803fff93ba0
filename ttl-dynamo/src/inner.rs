//! `DynamoStore`, and its implementation of `TtlStore`.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use ttl_core::{
    Capabilities, Clock, Deadline, DeleteOptions, Entry, ExpireOptions, ExpireResult, ExpiryChange,
    GetOptions, Key, Now, Outcome, Page, Patch, PatchOptions, PatchResult, PutItem, PutOptions, PutResult,
    Result, ScanOptions, SystemClock, TtlStore, Value, async_trait,
};

use crate::client::LazyClient;
use crate::codec;
use crate::config::DynamoConfig;
use crate::expression::Write;
use crate::names::Names;
use crate::size;
use crate::unreadable::Unreadable;

/// The clock of all stores without a configured clock. Within this process it never runs backwards.
static CLOCK: SystemClock = SystemClock::new();

/// A store in a DynamoDB table. Cloning is cheap; clones share the client.
#[derive(Clone)]
pub struct DynamoStore(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) config: DynamoConfig,
    pub(crate) client: LazyClient,
    pub(crate) names: Names,
    /// The prefix of every stored key.
    pub(crate) prefix: String,
    pub(crate) capabilities: Capabilities,
    pub(crate) unreadable: Unreadable,
}

impl DynamoStore {
    /// Creates a store that builds its client on first use. Sends nothing.
    ///
    /// # Errors
    /// [`InvalidConfig`](ttl_core::ErrorKind::InvalidConfig) if the configuration is invalid.
    pub fn lazy(config: &DynamoConfig) -> Result<Self> {
        Self::build(config.clone(), LazyClient::new())
    }

    /// Creates a store on a caller-managed client. Sends nothing.
    ///
    /// Region, endpoint, credentials and connections come from the client; retries and timeouts come from the
    /// configuration.
    ///
    /// # Errors
    /// [`InvalidConfig`](ttl_core::ErrorKind::InvalidConfig) if the configuration is invalid.
    pub fn from_client(client: &Client, config: &DynamoConfig) -> Result<Self> {
        Self::build(config.clone(), LazyClient::given(client, config))
    }

    /// Returns the store's client, for requests that the store does not offer. The client never retries.
    ///
    /// # Errors
    /// The same as for the store's operations if there are no credentials or no region is known.
    pub async fn client(&self) -> Result<Client> {
        self.0.client.get(&self.0.config).await.cloned()
    }

    fn build(config: DynamoConfig, client: LazyClient) -> Result<Self> {
        config.check()?;
        let most = config.max_value_bytes.unwrap_or_else(|| size::max_value_bytes(&config));
        let capabilities = Capabilities::new(crate::BACKEND).with_max_value_bytes(most);
        let (names, prefix) = (Names::new(&config), config.prefix());
        let unreadable = Unreadable::default();
        Ok(Self(Arc::new(Inner { config, client, names, prefix, capabilities, unreadable })))
    }
}

impl fmt::Debug for DynamoStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoStore")
            .field("config", &self.0.config)
            .field("client", &self.0.client)
            .finish_non_exhaustive()
    }
}

impl Inner {
    /// Returns the time of the store's clock.
    pub(crate) fn time(&self) -> SystemTime {
        self.config.clock.as_ref().map_or_else(|| CLOCK.now(), |clock| clock.now())
    }

    /// Returns the value of the table's TTL attribute: the second from which DynamoDB may delete the entry.
    /// It is a grace after the later of its deadline and now.
    pub(crate) fn epoch(&self, now: Now, deadline: Deadline) -> AttributeValue {
        let last = deadline.as_epoch_millis().max(now.as_epoch_millis());
        AttributeValue::N((last.div_ceil(1000) + self.config.grace.as_secs()).to_string())
    }

    /// Sets the deadline, `:d`, and the table's TTL attribute.
    pub(crate) fn set_deadline(&self, write: Write, now: Now, deadline: Deadline) -> Write {
        write.set_value("#d = :d", ":d", codec::deadline_attribute(deadline)).set_value(
            "#e = :e",
            ":e",
            self.epoch(now, deadline),
        )
    }
}

/// Adds the operation, the backend and the key to an error.
pub(crate) fn tried<T>(result: Result<T>, operation: &'static str, key: &Key) -> Result<T> {
    result.map_err(|error| error.with_operation(operation).with_backend(crate::BACKEND).with_key(key))
}

#[async_trait]
impl TtlStore for DynamoStore {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities
    }

    fn now(&self) -> SystemTime {
        self.0.time()
    }

    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>> {
        tried(self.0.get(key, &options).await, "get", key)
    }

    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>> {
        tried(self.0.put(key, &value, &options).await, "put", key)
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
        tried(self.0.patch(key, patch, &options).await, "patch", key)
    }

    async fn delete(&self, key: &Key, options: DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        tried(self.0.delete(key, &options).await, "delete", key)
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        let page = self.0.scan_page(&options).await;
        page.map_err(|error| error.with_operation("scan").with_backend(crate::BACKEND))
    }

    async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Result<Option<Entry>>> {
        let results = self.0.get_many(keys, &options).await;
        results.into_iter().zip(keys).map(|(result, key)| tried(result, "get", key)).collect()
    }

    async fn put_many(&self, items: Vec<PutItem>) -> Vec<Result<Outcome<PutResult>>> {
        self.put_each(items).await
    }

    async fn delete_many(&self, keys: &[Key], options: DeleteOptions) -> Vec<Result<Outcome<Option<Entry>>>> {
        self.delete_each(keys, &options).await
    }
}
