//! The harness of the DynamoDB driver on an existing table, with a manual clock and a random namespace for
//! each case, which is emptied afterwards.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
    TableStatus,
};
use tokio::sync::OnceCell;
use ttl_core::options::PutOptions;
use ttl_core::{Error, ErrorKind, Key, ManualClock, Result, Ttl, TtlStore, Value, Version, async_trait};
use ttl_dynamo::{DynamoConfig, DynamoStore};

use super::place::{self, HASTE};
use crate::{Beneath, FaultProxy, Fixture, Harness, Time};

/// Timeouts that are long enough for a busy machine.
const TIMEOUT: Duration = Duration::from_secs(20);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// Stores in one table.
#[derive(Debug)]
pub struct DynamoHarness {
    config: DynamoConfig,
    table_ttl: bool,
    /// Set once the table has been checked or created, according to the configuration.
    table: OnceCell<()>,
}

impl DynamoHarness {
    /// Creates a harness for the table of this URL, parsed by [`DynamoConfig::from_url`]. Each case has its
    /// own namespace, so the namespace of the URL is ignored.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] for a URL that is invalid for this driver.
    pub fn new(url: &str) -> Result<Self> {
        let config = DynamoConfig::from_url(url)?.with_timeout(TIMEOUT).with_attempt_timeout(ATTEMPT_TIMEOUT);
        Ok(Self { config, table_ttl: true, table: OnceCell::new() })
    }

    /// Uses another table, with the name of the URL's table and `-without-ttl`. Its TTL is off, and it is
    /// created if it does not exist. So DynamoDB never hides an expired entry that the driver fails to check.
    #[must_use]
    pub fn without_table_ttl(mut self) -> Self {
        let table = format!("{}-without-ttl", self.config.table());
        self.config = self.config.with_table(table);
        self.table_ttl = false;
        self
    }

    async fn prepare(&self) -> Result<()> {
        if self.table_ttl {
            return DynamoStore::connect(&self.config).await.map(drop);
        }
        let client = DynamoStore::lazy(&self.config)?.client().await?;
        let name = self.config.key_attribute();
        let key = KeySchemaElement::builder().attribute_name(name).key_type(KeyType::Hash).build();
        let text = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        let make = client
            .create_table()
            .table_name(self.config.table())
            .key_schema(key.map_err(failed)?)
            .attribute_definitions(text.build().map_err(failed)?)
            .billing_mode(BillingMode::PayPerRequest);
        match make.send().await {
            // The table of an earlier run, or of a case that began at the same time.
            Err(error)
                if error.as_service_error().is_some_and(CreateTableError::is_resource_in_use_exception) => {}
            made => drop(made.map_err(failed)?),
        }
        let active = || async {
            let table =
                client.describe_table().table_name(self.config.table()).send().await.map_err(failed)?;
            Ok::<_, Error>(table.table.and_then(|table| table.table_status) == Some(TableStatus::Active))
        };
        for _ in 0..300 {
            if active().await? {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Err(Error::new(ErrorKind::Timeout, "the table without TTL did not become active within a minute"))
    }
}

#[async_trait]
impl Harness for DynamoHarness {
    async fn fresh(&self) -> Result<Fixture> {
        self.fixture(self.config.clone()).await
    }

    /// Returns the server only for HTTP, because a certificate contains the server's own name.
    fn upstream(&self) -> Option<String> {
        self.config
            .endpoint()
            .filter(|endpoint| endpoint.starts_with("http://"))
            .and_then(|endpoint| place::upstream(endpoint, 80))
    }

    async fn fresh_through(&self, proxy: &FaultProxy) -> Result<Option<Fixture>> {
        let Some(endpoint) = self.config.endpoint() else { return Ok(None) };
        let endpoint = place::through(endpoint, proxy.address());
        let hasty = self.config.clone().with_timeout(HASTE).with_attempt_timeout(HASTE / 2);
        self.fixture(hasty.with_endpoint(endpoint)).await.map(Some)
    }
}

impl DynamoHarness {
    /// Creates a fixture whose store has this configuration, except for the namespace and the clock.
    async fn fixture(&self, config: DynamoConfig) -> Result<Fixture> {
        self.table.get_or_try_init(|| self.prepare()).await?;
        let prefix = format!("suite-{}", Version::random());
        // The table's TTL uses the server's clock: a case that begins in the past would lose live entries. It
        // begins on a whole second, because cases that check the nanosecond expect that.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let clock = Arc::new(ManualClock::starting_at(UNIX_EPOCH + Duration::from_secs(since.as_secs())));
        let store = DynamoStore::lazy(&config.with_namespace(&*prefix).with_clock(clock.clone()))?;
        let config = self.config.clone().with_namespace(&*prefix).with_clock(clock.clone());
        let second = DynamoStore::lazy(&config)?;
        let raw = second.client().await?;
        let beneath = DynamoBeneath {
            config,
            prefix: format!("{prefix}:"),
            store: second.clone(),
            clock: clock.clone(),
            raw,
        };
        Ok(Fixture::new(Arc::new(store), Time::Manual(clock))
            .with_second(Arc::new(second))
            .with_beneath(Arc::new(beneath)))
    }
}

/// Direct access to a namespace, without the driver.
#[derive(Debug)]
struct DynamoBeneath {
    config: DynamoConfig,
    prefix: String,
    store: DynamoStore,
    clock: Arc<ManualClock>,
    raw: Client,
}

impl DynamoBeneath {
    fn key(&self, key: &str) -> AttributeValue {
        AttributeValue::S([&self.prefix, key].concat())
    }
}

#[async_trait]
impl Beneath for DynamoBeneath {
    async fn plant_ghost(&self, key: &Key, value: &Value, dead_for: Duration) -> Result<bool> {
        let put = self.store.put(key, value.clone(), PutOptions::new(Ttl::MIN)).await?;
        self.clock.advance(Ttl::MIN.as_duration() + dead_for);
        Ok(put.is_applied())
    }

    /// Writes an item without a version.
    async fn corrupt(&self, key: &Key) -> Result<bool> {
        let put = self
            .raw
            .put_item()
            .table_name(self.config.table())
            .item(self.config.key_attribute(), self.key(key.as_str()))
            .item("ttl:value", AttributeValue::S("text".to_owned()));
        put.send().await.map_err(failed)?;
        Ok(true)
    }

    async fn clean_up(&self) {
        let key = self.config.key_attribute();
        let mut pages = self
            .raw
            .scan()
            .table_name(self.config.table())
            .filter_expression("begins_with(#k, :prefix)")
            .projection_expression("#k")
            .expression_attribute_names("#k", key)
            .expression_attribute_values(":prefix", self.key(""))
            .into_paginator()
            .items()
            .send();
        while let Some(Ok(mut item)) = pages.next().await {
            let Some(found) = item.remove(key) else { continue };
            let _ = self.raw.delete_item().table_name(self.config.table()).key(key, found).send().await;
        }
    }
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Backend, "the direct client of the harness failed").with_source(error)
}
