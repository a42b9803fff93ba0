//! The constructors of a store.

use std::sync::Arc;

use redis::aio::{ConnectionManager, MultiplexedConnection};
use ttl_core::Result;

use crate::CONTEXT;
use crate::config::RedisConfig;
use crate::connection::{Connection, Link};
use crate::inner::{Inner, RedisStore};
use crate::wire::Scripts;

impl RedisStore {
    /// Connects to the server, within the time limit of [`RedisConfig::with_timeout`].
    ///
    /// # Errors
    /// * [`ErrorKind::InvalidConfig`](ttl_core::ErrorKind::InvalidConfig) if the configuration is invalid.
    /// * [`ErrorKind::Unavailable`](ttl_core::ErrorKind::Unavailable) if the server cannot be reached.
    /// * [`ErrorKind::PermissionDenied`](ttl_core::ErrorKind::PermissionDenied) if the credentials are wrong.
    /// * [`ErrorKind::Unsupported`](ttl_core::ErrorKind::Unsupported) if the server is older than Redis 7.0.
    pub async fn connect(config: &RedisConfig) -> Result<Self> {
        Self::lazy(config)?.opened().await
    }

    /// Creates a store that connects at its first use. It must be used within a tokio runtime.
    ///
    /// # Errors
    /// Returns [`ErrorKind::InvalidConfig`](ttl_core::ErrorKind::InvalidConfig) if the configuration is
    /// invalid.
    pub fn lazy(config: &RedisConfig) -> Result<Self> {
        config.check()?;
        let scripts = Arc::new(Scripts::new());
        let link = Link::connecting(config, Arc::clone(&scripts))?;
        Ok(Self(Arc::new(Inner::new(link, scripts, config))))
    }

    /// Creates a store on an existing, caller-managed connection, which may be shared.
    ///
    /// Of the configuration, only namespace, timeout and size limit apply. Address, credentials and database
    /// are those of the connection. The connection's own response timeout applies too; it defaults to 500 ms.
    /// The store does not replace a broken connection; [`RedisStore::from_manager`] takes one that
    /// reconnects. It does not report changes, because these need a connection of their own.
    ///
    /// # Errors
    /// Returns the same errors as [`RedisStore::connect`].
    pub async fn from_connection(connection: MultiplexedConnection, config: &RedisConfig) -> Result<Self> {
        Self::from_caller(Connection::Multiplexed(connection), config).await
    }

    /// Creates a store on a caller-managed connection manager. The configuration applies as in
    /// [`RedisStore::from_connection`].
    ///
    /// A manager reconnects automatically, but does not report whether a request was sent before the
    /// connection broke. So some writes fail with
    /// [`ErrorKind::OutcomeUnknown`](ttl_core::ErrorKind::OutcomeUnknown) here that would be
    /// [`ErrorKind::Unavailable`](ttl_core::ErrorKind::Unavailable) on a connection made by the store. Do not
    /// enable retries of requests in the manager: a write must not be sent twice.
    ///
    /// # Errors
    /// Returns the same errors as [`RedisStore::connect`].
    pub async fn from_manager(manager: ConnectionManager, config: &RedisConfig) -> Result<Self> {
        Self::from_caller(Connection::Managed(manager), config).await
    }

    async fn from_caller(connection: Connection, config: &RedisConfig) -> Result<Self> {
        config.check()?;
        let scripts = Arc::new(Scripts::new());
        let link = Link::caller_managed(connection, config, Arc::clone(&scripts));
        Self(Arc::new(Inner::new(link, scripts, config))).opened().await
    }

    async fn opened(self) -> Result<Self> {
        CONTEXT.without_key("connect", self.0.link.open().await)?;
        Ok(self)
    }
}
