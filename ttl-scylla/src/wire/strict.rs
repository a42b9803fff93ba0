//! Every statement of the driver, each prepared once.

use std::time::Duration;

use scylla::client::execution_profile::ExecutionProfileHandle;
use scylla::client::session::Session;
use scylla::errors::{DbError, PrepareError, RequestAttemptError};
use scylla::statement::Consistency;
use scylla::statement::prepared::PreparedStatement;
use tokio::time::Instant;
use ttl_core::Result;

use crate::error;

/// The number of rows per page of the server.
const PAGE_ROWS: i32 = 500;

/// The wait before the next attempt for a table that is being created.
const MAKING: Duration = Duration::from_millis(20);

/// Extra comparisons in statements whose rejections are evaluated. They are true for every row of this
/// driver, for an absent row, and as far as possible for damaged rows. A server that returns only the
/// compared columns of a rejected transaction then returns everything that explains the rejection.
const SHOW: &str = "kind != -128 AND covers != -9223372036854775808 AND cap != -9223372036854775808";
const SHOW_KIND: &str = "kind != -128";
/// A random version that no entry has. Damage is less likely to produce it than the nil version.
const SHOW_VERSION: &str = "version != 0ba1f9d7-5b27-4e0c-9a3e-61c7d84f2b90";

const SET_ALL: &str = "SET kind = ?, value = ?, deadline = ?, covers = ?, cap = ?, version = ?, created = ?";

/// Statements for reads, in both modes.
#[derive(Debug)]
pub(crate) struct Reads {
    /// Reads a complete row.
    pub(crate) row: PreparedStatement,
    /// Reads a row without its value.
    pub(crate) head: PreparedStatement,
    /// Reads complete rows by token, without expired ones.
    pub(crate) scan_rows: PreparedStatement,
    /// Reads the same rows without values.
    pub(crate) scan_heads: PreparedStatement,
}

/// Statements for lightweight transactions.
#[derive(Debug)]
pub(crate) struct Strict {
    /// Writes every cell, if there is no deadline.
    pub(crate) create: PreparedStatement,
    /// Writes every cell over remaining cells of any content, if there is no deadline.
    pub(crate) create_over: PreparedStatement,
    /// Writes every cell, over the state that was read.
    pub(crate) replace: PreparedStatement,
    /// Writes every cell, over a live entry of this version without a cap.
    pub(crate) replace_version: PreparedStatement,
    /// Writes the deadline, over the state that was read.
    pub(crate) move_seen: PreparedStatement,
    /// Writes the deadline, within bounds.
    pub(crate) move_any: PreparedStatement,
    /// Writes the deadline, within bounds and for one version.
    pub(crate) move_version: PreparedStatement,
    /// Writes another version, and cells that end before the deadline, over the state that was read.
    pub(crate) mark_ended: PreparedStatement,
    /// Deletes the state that was read.
    pub(crate) delete_seen: PreparedStatement,
    /// Deletes a live entry.
    pub(crate) delete_any: PreparedStatement,
    /// Deletes a live entry of this version.
    pub(crate) delete_version: PreparedStatement,
}

/// Statements for plain writes with timestamps.
#[derive(Debug)]
pub(crate) struct Lww {
    /// Writes every cell.
    pub(crate) write: PreparedStatement,
    /// Writes the deadline.
    pub(crate) move_deadline: PreparedStatement,
    /// Deletes the row.
    pub(crate) delete: PreparedStatement,
}

/// The settings with which statements are sent.
#[derive(Debug)]
pub(crate) struct Sending {
    /// The profile of all statements, without retries by the client library.
    pub(crate) profile: ExecutionProfileHandle,
    /// The consistency of reads of one row.
    pub(crate) read: Consistency,
    /// The consistency of scans.
    pub(crate) scan: Consistency,
    /// The time limit for a table that is being created.
    pub(crate) until: Instant,
}

impl Reads {
    pub(crate) async fn prepare(
        session: &Session,
        table: &str,
        sending: &Sending,
        times: bool,
    ) -> Result<Self> {
        let head = "kind, deadline, covers, cap, version, created";
        // The timestamps that a newer write must exceed.
        let times = if times {
            ", WRITETIME(deadline) AS deadline_written, WRITETIME(version) AS version_written"
        } else {
            ""
        };
        let by_token = format!(
            "FROM {table} WHERE token(key) >= ? AND token(key) <= ? AND deadline > ? ALLOW FILTERING"
        );
        let read = async |text: String, consistency: Consistency| {
            let mut statement = prepare(session, &text, sending).await?;
            statement.set_consistency(consistency);
            // Sending a read to a second node is harmless.
            statement.set_is_idempotent(true);
            Ok::<_, ttl_core::Error>(statement)
        };
        let (one, many) = (sending.read, sending.scan);
        Ok(Self {
            row: read(format!("SELECT {head}, value{times} FROM {table} WHERE key = ?"), one).await?,
            head: read(format!("SELECT {head}{times} FROM {table} WHERE key = ?"), one).await?,
            scan_rows: read(format!("SELECT {head}, value, token(key) AS position, key {by_token}"), many)
                .await?,
            scan_heads: read(format!("SELECT {head}, token(key) AS position, key {by_token}"), many).await?,
        })
    }
}

impl Strict {
    pub(crate) async fn prepare(session: &Session, table: &str, sending: &Sending) -> Result<Self> {
        let write = async |text: String| prepare(session, &text, sending).await;
        let set_all = format!("UPDATE {table} USING TTL ? {SET_ALL} WHERE key = ?");
        let move_to = format!("UPDATE {table} USING TTL ? SET deadline = ? WHERE key = ?");
        let delete = format!("DELETE FROM {table} WHERE key = ?");
        let bounds = "deadline > ? AND deadline <= ? AND deadline != ? AND cap >= ? AND covers >= ? AND covers \
                      <= ?";
        let bounds = format!("{bounds} AND {SHOW_KIND}");
        let live = format!("deadline > ? AND covers > ? AND cap > ? AND {SHOW_KIND}");
        Ok(Self {
            create: write(format!("{set_all} IF deadline = null AND {SHOW} AND {SHOW_VERSION}")).await?,
            create_over: write(format!("{set_all} IF deadline = null")).await?,
            replace: write(format!("{set_all} IF version = ? AND deadline = ?")).await?,
            replace_version: write(format!(
                "{set_all} IF version = ? AND deadline > ? AND covers > ? AND cap = {} AND {SHOW_KIND}",
                i64::MAX
            ))
            .await?,
            move_seen: write(format!(
                "{move_to} IF version = ? AND deadline = ? AND covers = ?"
            ))
            .await?,
            move_any: write(format!("{move_to} IF {bounds} AND {SHOW_VERSION}")).await?,
            move_version: write(format!("{move_to} IF {bounds} AND version = ?")).await?,
            mark_ended: write(format!(
                "UPDATE {table} USING TTL ? SET covers = ?, version = ? WHERE key = ? IF version = ? AND deadline = ? AND \
                 covers = ?"
            ))
            .await?,
            delete_seen: write(format!("{delete} IF version = ? AND deadline = ?")).await?,
            delete_any: write(format!("{delete} IF {live} AND {SHOW_VERSION}")).await?,
            delete_version: write(format!("{delete} IF {live} AND version = ?")).await?,
        })
    }
}

impl Lww {
    pub(crate) async fn prepare(session: &Session, table: &str, sending: &Sending) -> Result<Self> {
        let write = async |text: String| prepare(session, &text, sending).await;
        let using = format!("UPDATE {table} USING TTL ? AND TIMESTAMP ?");
        Ok(Self {
            write: write(format!("{using} {SET_ALL} WHERE key = ?")).await?,
            move_deadline: write(format!("{using} SET deadline = ? WHERE key = ?")).await?,
            delete: write(format!("DELETE FROM {table} USING TIMESTAMP ? WHERE key = ?")).await?,
        })
    }
}

/// Returns whether the nodes do not know the table yet, or only partly.
fn is_being_made(failed: &PrepareError) -> bool {
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

async fn prepare(session: &Session, text: &str, sending: &Sending) -> Result<PreparedStatement> {
    // A new table appears in the schema before the nodes can use it.
    let mut statement = loop {
        match session.prepare(text).await {
            Err(failed) if is_being_made(&failed) && Instant::now() < sending.until => {
                tokio::time::sleep(MAKING).await;
            }
            prepared => break prepared.map_err(|failed| error::not_prepared(&failed))?,
        }
    };
    statement.set_execution_profile_handle(Some(sending.profile.clone()));
    statement.set_page_size(PAGE_ROWS);
    statement.set_is_idempotent(false);
    Ok(statement)
}
