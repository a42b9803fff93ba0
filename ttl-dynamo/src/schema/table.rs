//! Checks the table against the driver's requirements, and creates it if it is missing.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{TableDescription, TableStatus, TimeToLiveSpecification, TimeToLiveStatus};
use tokio::time::{Instant, sleep};
use ttl_core::{Error, ErrorKind, Result};

use super::shape::{check_mismatches, find_mismatches, new_table, not_ready, ttl_mismatch};
use crate::CONTEXT;
use crate::error::{classify, invalid, missing_table, new};
use crate::inner::{DynamoStore, Inner};

/// The time limit for a table to become active.
const ACTIVE_TIMEOUT: Duration = Duration::from_secs(180);
/// The timeout of one request about a table. Creating a table takes longer than writing an item.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// The first and the longest wait between two checks of a table that is not active yet.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

impl DynamoStore {
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
        CONTEXT.without_key("check_table", self.0.check_table().await)
    }

    /// Creates the table if it is missing, with the properties of [`DynamoConfig::with_new_table`](crate::DynamoConfig::with_new_table).
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
        CONTEXT.without_key("ensure_table", self.0.ensure_table().await)
    }
}

impl Inner {
    /// Checks the table, if the credentials permit it.
    pub(crate) async fn probe_table(&self) -> Result<()> {
        let client = self.client.get(&self.config).await?;
        let mut retries = self.retries();
        loop {
            match client.describe_table().table_name(&self.config.table).send().await {
                Ok(described) => {
                    let Some(table) = described.table else { return Err(missing_table(&self.config)) };
                    check_mismatches(&self.config, &find_mismatches(&table, &self.config))?;
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
                    self.retry(&mut retries, classify(&error, "DescribeTable", &self.config)).await?;
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
        let client = &with_retries(self.client.get(&self.config).await?);
        let Some(table) = self.describe(client).await? else { return Err(missing_table(&self.config)) };
        let mut mismatches = find_mismatches(&table, &self.config);
        mismatches.extend(ttl_mismatch(self.ttl_attribute(client).await?.as_deref(), &self.config));
        check_mismatches(&self.config, &mismatches)?;
        self.active(&table)
    }

    async fn ensure_table(&self) -> Result<()> {
        let client = &with_retries(self.client.get(&self.config).await?);
        let last = Instant::now() + ACTIVE_TIMEOUT;
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
                        check_mismatches(&self.config, &find_mismatches(&table, &self.config))?;
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
                    return Err(refused.unwrap_or_else(|| new(ErrorKind::Timeout, text)));
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
                    *refused = Some(classify(&error, "CreateTable", &self.config).error);
                    Ok(None)
                }
                _ => Err(classify(&error, "CreateTable", &self.config).error),
            },
        }
    }

    async fn ensure_time_to_live(&self, client: &Client, last: Instant) -> Result<()> {
        let mut wait = FIRST_WAIT;
        loop {
            if self.has_ttl(client).await? {
                return Ok(());
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
                _ => return Err(classify(&error, "UpdateTimeToLive", &self.config).error),
            }
            pause(&mut wait).await;
        }
    }

    /// Handles a rejected TTL change: another caller was faster, or TTL was changed less than an hour ago.
    async fn warn_if_off(&self, client: &Client) -> Result<()> {
        if !self.has_ttl(client).await? {
            tracing::warn!(
                table = self.config.table,
                "DynamoDB cannot enable the table's TTL now, because it was changed within the last hour; until it is \
                 enabled, expired entries are not deleted"
            );
        }
        Ok(())
    }

    async fn describe(&self, client: &Client) -> Result<Option<TableDescription>> {
        let request = client.describe_table().table_name(&self.config.table);
        match request.send().await {
            Ok(described) => Ok(described.table),
            Err(error) => match error.as_service_error() {
                Some(refusal) if refusal.is_resource_not_found_exception() => Ok(None),
                _ => Err(classify(&error, "DescribeTable", &self.config).error),
            },
        }
    }

    /// Returns whether the table's TTL is on.
    ///
    /// # Errors
    /// `InvalidConfig` if it is on for another attribute.
    async fn has_ttl(&self, client: &Client) -> Result<bool> {
        let Some(name) = self.ttl_attribute(client).await? else { return Ok(false) };
        check_mismatches(&self.config, ttl_mismatch(Some(&name), &self.config).as_slice())?;
        Ok(true)
    }

    /// Returns the attribute of the table's TTL, if it is on.
    async fn ttl_attribute(&self, client: &Client) -> Result<Option<String>> {
        let described = client.describe_time_to_live().table_name(&self.config.table).send().await;
        let described =
            described.map_err(|error| classify(&error, "DescribeTimeToLive", &self.config).error)?;
        let on = |status: &Option<TimeToLiveStatus>| {
            matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling))
        };
        let description = described.time_to_live_description.filter(|found| on(&found.time_to_live_status));
        Ok(description.and_then(|found| found.attribute_name))
    }
}

/// Returns a client whose SDK retries are enabled: requests about a table can be sent twice.
fn with_retries(client: &Client) -> Client {
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(REQUEST_TIMEOUT).build();
    let config = client.config().to_builder().retry_config(RetryConfig::standard()).timeout_config(timeouts);
    Client::from_conf(config.build())
}

async fn pause(wait: &mut Duration) {
    sleep(*wait).await;
    *wait = (*wait * 2).min(LONGEST_WAIT);
}

fn unbuilt(error: aws_sdk_dynamodb::error::BuildError) -> Error {
    invalid("invalid table definition; check its names").with_source(error)
}
