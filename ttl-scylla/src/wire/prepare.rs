//! How statements are prepared and sent, on any session.

use std::sync::Arc;
use std::time::Duration;

use scylla::client::execution_profile::{ExecutionProfile, ExecutionProfileHandle};
use scylla::client::session::Session;
use scylla::errors::{DbError, PrepareError, RequestAttemptError};
use scylla::policies::load_balancing::DefaultPolicy;
use scylla::policies::retry::FallthroughRetryPolicy;
use scylla::policies::speculative_execution::SimpleSpeculativeExecutionPolicy;
use scylla::statement::prepared::PreparedStatement;
use scylla::statement::{Consistency, SerialConsistency};
use tokio::time::Instant;
use ttl_core::Result;

use crate::config::ScyllaConfig;
use crate::{Mode, error};

/// The number of rows per page of the server.
const PAGE_ROWS: i32 = 500;

/// The wait before the next attempt for a table that is being created.
const CREATION_WAIT: Duration = Duration::from_millis(20);

/// The settings with which statements are sent.
#[derive(Debug)]
pub(crate) struct RequestSettings {
    /// The profile of all statements, without retries by the client library.
    pub(crate) profile: ExecutionProfileHandle,
    /// The consistency of reads of one row.
    pub(super) read: Consistency,
    /// The consistency of scans.
    pub(super) scan: Consistency,
    /// The time limit for a table that is being created.
    until: Instant,
}

impl RequestSettings {
    pub(crate) fn new(session: &Session, config: &ScyllaConfig) -> Self {
        let mut profile = session
            .get_default_execution_profile_handle()
            .pointee_to_builder()
            .request_timeout(Some(config.timeout))
            .consistency(config.consistency)
            .serial_consistency(Some(config.serial_consistency))
            // The library's default policy retries writes.
            .retry_policy(Arc::new(FallthroughRetryPolicy::new()))
            .speculative_execution_policy(config.speculative_delay.map(|delay| {
                let policy = SimpleSpeculativeExecutionPolicy { max_retry_count: 1, retry_interval: delay };
                Arc::new(policy) as Arc<_>
            }));
        if let Some(name) = &config.datacenter {
            profile = profile
                .load_balancing_policy(DefaultPolicy::builder().prefer_datacenter(name.clone()).build());
        }
        let read = match (config.mode, config.serial_consistency) {
            (Mode::Lww, _) => config.consistency,
            (Mode::Strict, SerialConsistency::Serial) => Consistency::Serial,
            (Mode::Strict, SerialConsistency::LocalSerial) => Consistency::LocalSerial,
        };
        let profile: ExecutionProfile = profile.build();
        let until = Instant::now() + config.timeout;
        Self { profile: profile.into_handle(), read, scan: config.consistency, until }
    }
}

pub(super) async fn prepare(
    session: &Session,
    text: &str,
    settings: &RequestSettings,
) -> Result<PreparedStatement> {
    // A new table appears in the schema before the nodes can use it.
    let mut statement = loop {
        match session.prepare(text).await {
            Err(failed) if is_being_created(&failed) && Instant::now() < settings.until => {
                tokio::time::sleep(CREATION_WAIT).await;
            }
            prepared => break prepared.map_err(|failed| error::not_prepared(&failed))?,
        }
    };
    statement.set_execution_profile_handle(Some(settings.profile.clone()));
    statement.set_page_size(PAGE_ROWS);
    statement.set_is_idempotent(false);
    Ok(statement)
}

/// Returns whether the nodes do not know the table yet, or only partly.
fn is_being_created(failed: &PrepareError) -> bool {
    let PrepareError::AllAttemptsFailed { first_attempt: RequestAttemptError::DbError(answer, text) } =
        failed
    else {
        return false;
    };
    match answer {
        DbError::Invalid => text.contains("unconfigured table") || text.contains("does not exist"),
        DbError::ServerError => text.contains("Unknown CF"),
        _ => false,
    }
}
