//! `DynamoStore`: the trait's methods.

use std::fmt;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use ttl_core::{Capabilities, Clock, Result, SystemClock};

use crate::client::LazyClient;
use crate::config::DynamoConfig;
use crate::names::Names;

/// A store in a DynamoDB table. Cloning is cheap; clones share the client.
#[derive(Clone)]
pub struct DynamoStore(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) config: DynamoConfig,
    pub(crate) client: LazyClient,
    pub(crate) names: Names,
    pub(crate) capabilities: Capabilities,
    pub(crate) clock: Arc<dyn Clock>,
}

impl DynamoStore {
    /// A store that builds its client when it is first used. Nothing is sent.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`](ttl_core::ErrorKind::InvalidConfig).
    pub fn new(config: DynamoConfig) -> Result<Self> {
        Self::build(config, LazyClient::new())
    }

    /// A store on a client that exists already. Nothing is sent.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`](ttl_core::ErrorKind::InvalidConfig).
    pub fn with_client(client: &Client, config: DynamoConfig) -> Result<Self> {
        let client = LazyClient::given(client, &config);
        Self::build(config, client)
    }

    fn build(config: DynamoConfig, client: LazyClient) -> Result<Self> {
        config.check()?;
        let clock = config.clock.clone().unwrap_or_else(|| Arc::new(SystemClock::new()));
        let (names, capabilities) = (Names::new(&config), Capabilities::new(crate::BACKEND));
        Ok(Self(Arc::new(Inner { config, client, names, capabilities, clock })))
    }
}

impl fmt::Debug for DynamoStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoStore").field("config", &self.0.config).finish_non_exhaustive()
    }
}
