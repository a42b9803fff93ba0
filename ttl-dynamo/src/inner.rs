//! The foundation of a store: its configuration, client, clock and capabilities.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use ttl_core::driver::Now;
use ttl_core::{Capabilities, Clock, Key, Result, SystemClock, Value};

use crate::BACKEND;
use crate::config::DynamoConfig;
use crate::connection::LazyClient;
use crate::layout::{Layout, size};
use crate::unreadable::Unreadable;

/// The clock of all stores without a configured clock. Within this process it never runs backwards.
static CLOCK: SystemClock = SystemClock::new();

/// A store in a DynamoDB table. Cloning is cheap; clones share the client.
#[derive(Clone)]
pub struct DynamoStore(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) config: DynamoConfig,
    pub(crate) client: LazyClient,
    pub(crate) layout: Layout,
    /// The prefix of every stored key.
    pub(crate) prefix: String,
    pub(crate) capabilities: Capabilities,
    pub(crate) unreadable: Unreadable,
}

impl Inner {
    /// Creates the foundation of a store.
    ///
    /// # Errors
    /// `InvalidConfig` if the configuration is invalid.
    pub(crate) fn new(config: DynamoConfig, client: LazyClient) -> Result<Self> {
        config.check()?;
        let most = config.max_value_bytes.unwrap_or_else(|| size::max_value_bytes(&config));
        let capabilities = Capabilities::new(BACKEND).with_max_value_bytes(most);
        let (layout, prefix) = (Layout::new(&config), config.prefix());
        Ok(Self { config, client, layout, prefix, capabilities, unreadable: Unreadable::default() })
    }

    /// Returns the time of the store's clock.
    pub(crate) fn time(&self) -> SystemTime {
        self.config.clock.as_ref().map_or_else(|| CLOCK.now(), |clock| clock.now())
    }

    /// Returns the time of the store's clock for comparisons with deadlines.
    pub(crate) fn now(&self) -> Now {
        Now::from(self.time())
    }

    /// Returns the key of an entry as it is stored.
    pub(crate) fn stored_key(&self, key: &Key) -> String {
        [&*self.prefix, key.as_str()].concat()
    }

    /// Returns `TooLarge` if the entry would exceed the limit of items or of values.
    pub(crate) fn check_size(&self, key: &Key, value: &Value) -> Result<()> {
        size::check(&self.config, &self.capabilities, self.prefix.len() + key.as_str().len(), value)
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
