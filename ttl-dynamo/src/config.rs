//! Which table, and how to use it: the builder, and what it checks.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ttl_core::{Clock, Error, ErrorKind, Result};

use crate::names;

/// Which table holds the entries, and how it is used.
#[derive(Clone)]
#[must_use = "a configuration does nothing until a store is made with it"]
pub struct DynamoConfig {
    pub(crate) table: String,
    pub(crate) key_attribute: String,
    pub(crate) ttl_attribute: String,
    pub(crate) region: Option<String>,
    pub(crate) endpoint: Option<String>,
    pub(crate) timeout: Duration,
    pub(crate) attempts: u32,
    pub(crate) backoff: Duration,
    pub(crate) consistent_reads: bool,
    pub(crate) grace: Duration,
    pub(crate) clock: Option<Arc<dyn Clock>>,
}

impl DynamoConfig {
    /// How long one request may take, unless said otherwise: one second.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);

    /// The table of this name, in the region that the environment says.
    pub fn new(table: impl Into<String>) -> Self {
        Self {
            table: table.into(),
            key_attribute: names::KEY.to_owned(),
            ttl_attribute: names::EPOCH.to_owned(),
            region: None,
            endpoint: None,
            timeout: Self::DEFAULT_TIMEOUT,
            attempts: 4,
            backoff: Duration::from_millis(50),
            consistent_reads: true,
            grace: Duration::from_secs(60),
            clock: None,
        }
    }

    /// Decides about visibility by this clock, such as a [`ManualClock`](ttl_core::ManualClock).
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Sends requests to this address, such as that of a DynamoDB Local.
    pub fn with_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    /// Uses the table in this region.
    pub fn with_region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Refuses what cannot work.
    pub(crate) fn check(&self) -> Result<()> {
        if self.table.is_empty() {
            return Err(invalid("the table has no name; write dynamodb://TABLE"));
        }
        Ok(())
    }
}

impl fmt::Debug for DynamoConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoConfig")
            .field("table", &self.table)
            .field("region", &self.region)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

pub(crate) fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidConfig, message).with_backend(crate::BACKEND)
}
