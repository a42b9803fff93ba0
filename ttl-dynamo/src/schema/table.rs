//! Checks the table against the driver's requirements, and creates it if it is missing.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{TableDescription, TableStatus, TimeToLiveSpecification, TimeToLiveStatus};
use tokio::time::{Instant, sleep};
use ttl_core::{Error, ErrorKind, Result};

use crate::config::{DynamoConfig, OnConnect, invalid};
use crate::error::{failure, missing_table};
use crate::shape::{fits, misfits, new_table, not_ready, other_ttl_attribute, ttl_is_off};
use crate::store::{DynamoStore, Inner};

/// The time limit for a table to become active.
const ACTIVE_WITHIN: Duration = Duration::from_secs(180);
/// The timeout of one request about a table. Creating a table takes longer than writing an item.
const REQUEST_WITHIN: Duration = Duration::from_secs(20);
/// The first and the longest wait between two checks of a table that is not active yet.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// The TTL setting of a table.
#[derive(Debug, PartialEq)]
enum TimeToLive {
    /// Enabled, with the attribute that the driver writes.
    Ours,
    /// Enabled, with this attribute.
    Other(String),
    Off,
}

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
    /// | an invalid configuration; no region; no credentials | [`ErrorKind::InvalidConfig`] |
    /// | no such table (the text says how to create it), or one with a different key | [`ErrorKind::InvalidConfig`] |
    /// | the table is being created or deleted | [`ErrorKind::Unavailable`] |
    /// | a dead endpoint, a name that does not resolve | [`ErrorKind::Unavailable`], with the reason |
    /// | an `https://` endpoint that does not speak TLS | [`ErrorKind::InvalidConfig`] |
    /// | no response in time | [`ErrorKind::Timeout`] |
    /// | credentials that DynamoDB does not accept, or that have expired | [`ErrorKind::PermissionDenied`] |
    ///
    /// With [`OnConnect::Check`] and [`OnConnect::Ensure`], also the errors of [`DynamoStore::check_table`]
    /// and [`DynamoStore::ensure_table`]. With [`OnConnect::Lazy`], only those of the configuration.
    pub async fn connect(config: &DynamoConfig) -> Result<Self> {
        let store = Self::lazy(config)?;
        store.prepare().await?;
        Ok(store)
    }

    /// Checks or creates the table according to [`DynamoConfig::with_on_connect`], for a store on the
    /// program's own client.
    ///
    /// # Errors
    /// The same as [`DynamoStore::connect`].
    pub async fn prepare(&self) -> Result<()> {
        match self.0.config.on_connect {
            OnConnect::Look => {
                let looked = self.0.look_at_table().await;
                looked.map_err(|error| error.with_operation("connect").with_backend(crate::BACKEND))
            }
            OnConnect::Lazy => Ok(()),
            OnConnect::Check => self.check_table().await,
            OnConnect::Ensure => self.ensure_table().await,
        }
    }

    /// Checks that the table exists, is active, has the required key and has TTL enabled. Changes nothing.
    ///
    /// This takes two requests: `DescribeTable` and `DescribeTimeToLive`.
    ///
    /// # Errors
    /// * [`ErrorKind::InvalidConfig`] if the table does not exist (the text says how to create it) or does
    ///   not fit (the text lists all mismatches).
    /// * [`ErrorKind::Unavailable`] while the table is being created or deleted.
    /// * [`ErrorKind::PermissionDenied`] without the permissions for the two requests.
    /// * The backend's failures.
    pub async fn check_table(&self) -> Result<()> {
        let checked = self.0.check_table().await;
        checked.map_err(|error| error.with_operation("check_table").with_backend(crate::BACKEND))
    }

    /// Creates the table if it is missing, with the properties of [`DynamoConfig::with_new_table`].
    ///
    /// Waits until the table is active, for at most three minutes, and enables its TTL if that is off.
    /// Everything else of an existing table is left unchanged.
    ///
    /// It checks before it changes anything. On a table that fits it takes two requests and needs no more
    /// permissions than [`DynamoStore::check_table`]. Concurrent calls are safe. If the table's TTL was
    /// changed within the last hour, DynamoDB refuses to enable it. This only logs a warning, because the
    /// store works without TTL; expired entries are not deleted until it is enabled.
    ///
    /// # Errors
    /// * The errors of [`DynamoStore::check_table`].
    /// * [`ErrorKind::Timeout`] if the table is not active in time.
    pub async fn ensure_table(&self) -> Result<()> {
        let ensured = self.0.ensure_table().await;
        ensured.map_err(|error| error.with_operation("ensure_table").with_backend(crate::BACKEND))
    }
}

impl Inner {
    /// Checks the table, if the credentials permit it.
    async fn look_at_table(&self) -> Result<()> {
        let client = self.client.get(&self.config).await?;
        let mut retries = self.retries();
        loop {
            match client.describe_table().table_name(&self.config.table).send().await {
                Ok(described) => {
                    let Some(table) = described.table else { return Err(missing_table(&self.config)) };
                    fits(&self.config, &misfits(&table, &self.config))?;
                    return self.active(&table);
                }
                Err(error) if matches!(error.code(), Some("AccessDeniedException" | "AccessDenied")) => {
                    tracing::debug!(
                        table = self.config.table,
                        "these credentials lack the permission dynamodb:DescribeTable, so the table was not checked"
                    );
                    return Ok(());
                }
                Err(error) => {
                    self.again(&mut retries, failure(&error, "DescribeTable", &self.config)).await?;
                }
            }
        }
    }

    fn active(&self, table: &TableDescription) -> Result<()> {
        match &table.table_status {
            Some(TableStatus::Active | TableStatus::Updating) => Ok(()),
            status => Err(not_ready(&self.config, status.as_ref())),
        }
    }

    async fn check_table(&self) -> Result<()> {
        let client = &patient(self.client.get(&self.config).await?);
        let Some(table) = self.describe(client).await? else { return Err(missing_table(&self.config)) };
        let mut wrong = misfits(&table, &self.config);
        match self.time_to_live(client).await? {
            TimeToLive::Ours => {}
            TimeToLive::Other(name) => wrong.push(other_ttl_attribute(&name, &self.config)),
            TimeToLive::Off => wrong.push(ttl_is_off(&self.config)),
        }
        fits(&self.config, &wrong)?;
        self.active(&table)
    }

    async fn ensure_table(&self) -> Result<()> {
        let client = &patient(self.client.get(&self.config).await?);
        let last = Instant::now() + ACTIVE_WITHIN;
        self.ensure_active(client, last).await?;
        self.ensure_time_to_live(client, last).await
    }

    async fn ensure_active(&self, client: &Client, last: Instant) -> Result<()> {
        let (mut wait, mut refused) = (FIRST_WAIT, None);
        loop {
            let status = match self.describe(client).await? {
                Some(table) => {
                    // A table that is being deleted may be created again in another shape.
                    if table.table_status != Some(TableStatus::Deleting) {
                        fits(&self.config, &misfits(&table, &self.config))?;
                    }
                    table.table_status
                }
                None => self.create(client, &mut refused).await?,
            };
            match status {
                Some(TableStatus::Active | TableStatus::Updating) => return Ok(()),
                Some(TableStatus::Creating | TableStatus::Deleting) | None if Instant::now() < last => {}
                Some(TableStatus::Creating | TableStatus::Deleting) | None => {
                    let text =
                        format!("the table {:?} is not active yet; try again later", self.config.table);
                    return Err(refused.unwrap_or_else(|| Error::new(ErrorKind::Timeout, text)));
                }
                status => return Err(not_ready(&self.config, status.as_ref())),
            }
            pause(&mut wait).await;
        }
    }

    /// Creates the table. Returns `None` if another caller is creating it, or if creation was rejected for
    /// now.
    async fn create(&self, client: &Client, refused: &mut Option<Error>) -> Result<Option<TableStatus>> {
        let request = new_table(&self.config).map_err(unbuilt)?;
        match request.send_with(client).await {
            Ok(made) => Ok(made.table_description.and_then(|table| table.table_status)),
            Err(error) => match error.as_service_error() {
                Some(refusal) if refusal.is_resource_in_use_exception() => Ok(None),
                // Too many tables exist, or are being created. The caller retries within the time limit.
                Some(refusal) if refusal.is_limit_exceeded_exception() => {
                    *refused = Some(failure(&error, "CreateTable", &self.config).error);
                    Ok(None)
                }
                _ => Err(failure(&error, "CreateTable", &self.config).error),
            },
        }
    }

    async fn ensure_time_to_live(&self, client: &Client, last: Instant) -> Result<()> {
        let mut wait = FIRST_WAIT;
        loop {
            match self.time_to_live(client).await? {
                TimeToLive::Ours => return Ok(()),
                TimeToLive::Other(name) => {
                    return fits(&self.config, &[other_ttl_attribute(&name, &self.config)]);
                }
                TimeToLive::Off => {}
            }
            let on =
                TimeToLiveSpecification::builder().enabled(true).attribute_name(&self.config.ttl_attribute);
            let on = on.build().map_err(unbuilt)?;
            let request = client.update_time_to_live().table_name(&self.config.table);
            let request = request.time_to_live_specification(on);
            let Err(error) = request.send().await else { return Ok(()) };
            match error.code() {
                Some("ValidationException") => return self.warn_if_off(client).await,
                // This table is changing, or too many tables are.
                Some("ResourceInUseException" | "LimitExceededException") if Instant::now() < last => {}
                _ => return Err(failure(&error, "UpdateTimeToLive", &self.config).error),
            }
            pause(&mut wait).await;
        }
    }

    /// Handles a rejected TTL change: another caller was faster, or TTL was changed less than an hour ago.
    async fn warn_if_off(&self, client: &Client) -> Result<()> {
        match self.time_to_live(client).await? {
            TimeToLive::Ours => {}
            TimeToLive::Other(name) => {
                return fits(&self.config, &[other_ttl_attribute(&name, &self.config)]);
            }
            TimeToLive::Off => tracing::warn!(
                table = self.config.table,
                "DynamoDB cannot enable the table's TTL now, because it was changed within the last hour; until it is \
                 enabled, expired entries are not deleted"
            ),
        }
        Ok(())
    }

    async fn describe(&self, client: &Client) -> Result<Option<TableDescription>> {
        let request = client.describe_table().table_name(&self.config.table);
        match request.send().await {
            Ok(described) => Ok(described.table),
            Err(error) => match error.as_service_error() {
                Some(refusal) if refusal.is_resource_not_found_exception() => Ok(None),
                _ => Err(failure(&error, "DescribeTable", &self.config).error),
            },
        }
    }

    async fn time_to_live(&self, client: &Client) -> Result<TimeToLive> {
        let request = client.describe_time_to_live().table_name(&self.config.table);
        let described = request.send().await;
        let described =
            described.map_err(|error| failure(&error, "DescribeTimeToLive", &self.config).error)?;
        let Some(description) = described.time_to_live_description else { return Ok(TimeToLive::Off) };
        Ok(match (description.time_to_live_status, description.attribute_name) {
            (Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling), Some(name)) => {
                if name == self.config.ttl_attribute { TimeToLive::Ours } else { TimeToLive::Other(name) }
            }
            _ => TimeToLive::Off,
        })
    }
}

/// Returns a client whose SDK retries are enabled: requests about a table can be sent twice.
fn patient(client: &Client) -> Client {
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(REQUEST_WITHIN).build();
    let own = client.config().to_builder().retry_config(RetryConfig::standard()).timeout_config(timeouts);
    Client::from_conf(own.build())
}

async fn pause(wait: &mut Duration) {
    sleep(*wait).await;
    *wait = (*wait * 2).min(LONGEST_WAIT);
}

fn unbuilt(error: aws_sdk_dynamodb::error::BuildError) -> Error {
    invalid("invalid table definition; check its names").with_source(error)
}
