//! `DynamoStore`: the trait's methods.

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

/// The clock of all stores without one of their own: within this process it never runs backwards.
static CLOCK: SystemClock = SystemClock::new();

/// A store in a DynamoDB table. Cloning is cheap; clones share the client.
#[derive(Clone)]
pub struct DynamoStore(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) config: DynamoConfig,
    pub(crate) client: LazyClient,
    pub(crate) names: Names,
    /// What stands before every key.
    pub(crate) prefix: String,
    pub(crate) capabilities: Capabilities,
    pub(crate) unreadable: Unreadable,
}

impl DynamoStore {
    /// A store that builds its client when it is first used. Nothing is sent.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`].
    pub fn new(config: DynamoConfig) -> Result<Self> {
        Self::build(config, LazyClient::new())
    }

    /// A store on a client that exists already. Nothing is sent.
    ///
    /// Region, endpoint, credentials and connections are the client's; retries and time limits are the configuration's.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`].
    pub fn with_client(client: &Client, config: DynamoConfig) -> Result<Self> {
        let client = LazyClient::given(client, &config);
        Self::build(config, client)
    }

    /// The client that the store sends by, for what the store does not do: it never retries.
    ///
    /// # Errors
    /// As the store's operations where there are no credentials, or no region is known.
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
    /// The time by the clock that decides.
    pub(crate) fn time(&self) -> SystemTime {
        self.config.clock.as_ref().map_or_else(|| CLOCK.now(), |clock| clock.now())
    }

    /// The whole second, for the table's TTL, from which on an entry may be collected: after its deadline and after
    /// now, and a grace later.
    pub(crate) fn epoch(&self, now: Now, deadline: Deadline) -> AttributeValue {
        let last = deadline.as_epoch_millis().max(now.as_epoch_millis());
        AttributeValue::N((last.div_ceil(1000) + self.config.grace.as_secs()).to_string())
    }

    /// Sets the deadline, `:d`, and what the table's TTL goes by.
    pub(crate) fn set_deadline(&self, write: Write, now: Now, deadline: Deadline) -> Write {
        write.set_value("#d = :d", ":d", codec::deadline_attribute(deadline)).set_value(
            "#e = :e",
            ":e",
            self.epoch(now, deadline),
        )
    }
}

/// Adds what was tried to an error.
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
