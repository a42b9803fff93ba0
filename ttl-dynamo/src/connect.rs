//! The constructors of a store.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use ttl_core::Result;

use crate::CONTEXT;
use crate::config::{DynamoConfig, OnConnect};
use crate::connection::LazyClient;
use crate::inner::{DynamoStore, Inner};

impl DynamoStore {
    /// Creates a store, and checks or creates its table according to [`DynamoConfig::with_on_connect`].
    ///
    /// By default this is one `DescribeTable` request, with the usual retries. Without the permission for it,
    /// connecting succeeds, and the first operation reports a wrong table.
    ///
    /// # Errors
    /// When checking the table:
    ///
    /// | cause | error |
    /// |---|---|
    /// | an invalid configuration; no region; no credentials | [`InvalidConfig`] |
    /// | no such table (the text says how to create it), or one with a different key | [`InvalidConfig`] |
    /// | the table is being created or deleted | [`Unavailable`] |
    /// | a dead endpoint, a name that does not resolve | [`Unavailable`], with the reason |
    /// | an `https://` endpoint that does not speak TLS | [`InvalidConfig`] |
    /// | no response in time | [`Timeout`](ttl_core::ErrorKind::Timeout) |
    /// | credentials that DynamoDB does not accept, or that have expired | [`PermissionDenied`](ttl_core::ErrorKind::PermissionDenied) |
    ///
    /// With [`OnConnect::Check`] and [`OnConnect::Ensure`], also the errors of [`DynamoStore::check_table`]
    /// and [`DynamoStore::ensure_table`]. With [`OnConnect::Lazy`], only those of the configuration.
    ///
    /// [`InvalidConfig`]: ttl_core::ErrorKind::InvalidConfig
    /// [`Unavailable`]: ttl_core::ErrorKind::Unavailable
    pub async fn connect(config: &DynamoConfig) -> Result<Self> {
        let store = Self::lazy(config)?;
        store.prepare().await?;
        Ok(store)
    }

    /// Creates a store that builds its client on first use. Sends nothing.
    ///
    /// # Errors
    /// [`InvalidConfig`](ttl_core::ErrorKind::InvalidConfig) if the configuration is invalid.
    pub fn lazy(config: &DynamoConfig) -> Result<Self> {
        Self::build(config, LazyClient::new())
    }

    /// Creates a store on a caller-managed client. Sends nothing.
    ///
    /// Region, endpoint, credentials and connections come from the client; retries and timeouts come from the
    /// configuration.
    ///
    /// # Errors
    /// [`InvalidConfig`](ttl_core::ErrorKind::InvalidConfig) if the configuration is invalid.
    pub fn from_client(client: &Client, config: &DynamoConfig) -> Result<Self> {
        Self::build(config, LazyClient::from_client(client, config))
    }

    /// Returns the store's client, for requests that the store does not offer. The client never retries.
    ///
    /// # Errors
    /// The same as for the store's operations if there are no credentials or no region is known.
    pub async fn client(&self) -> Result<Client> {
        self.0.client.get(&self.0.config).await.cloned()
    }

    /// Checks or creates the table according to [`DynamoConfig::with_on_connect`], for a store on a
    /// caller-managed client.
    ///
    /// # Errors
    /// The same as [`DynamoStore::connect`].
    pub async fn prepare(&self) -> Result<()> {
        match self.0.config.on_connect {
            OnConnect::Look => CONTEXT.without_key("connect", self.0.probe_table().await),
            OnConnect::Lazy => Ok(()),
            OnConnect::Check => self.check_table().await,
            OnConnect::Ensure => self.ensure_table().await,
        }
    }

    fn build(config: &DynamoConfig, client: LazyClient) -> Result<Self> {
        Inner::new(config.clone(), client).map(|inner| Self(Arc::new(inner)))
    }
}
