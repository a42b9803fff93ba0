//! Every statement the driver sends, each prepared once.

use std::time::Duration;

use scylla::client::execution_profile::ExecutionProfileHandle;
use scylla::client::session::Session;
use scylla::errors::{DbError, PrepareError, RequestAttemptError};
use scylla::statement::Consistency;
use scylla::statement::prepared::PreparedStatement;
use tokio::time::Instant;
use ttl_core::Result;

use crate::error;

/// How many rows the server hands over at a time.
const PAGE_ROWS: i32 = 500;

/// How long to wait until a table that is being made is asked for again.
const MAKING: Duration = Duration::from_millis(20);

/// What statements whose refusals are looked at compare beside what matters to them: true of any row of ours,
/// of none, and of damaged ones as far as can be, so that a server which answers a refusal with the compared
/// columns answers with all that tells why.
const SHOW: &str = "kind != -128 AND covers != -9223372036854775808 AND cap != -9223372036854775808";
const SHOW_KIND: &str = "kind != -128";
/// Nobody's: drawn at random. Damage leaves the nil one sooner than this.
const SHOW_VERSION: &str = "version != 0ba1f9d7-5b27-4e0c-9a3e-61c7d84f2b90";

const SET_ALL: &str = "SET kind = ?, value = ?, deadline = ?, covers = ?, cap = ?, version = ?, created = ?";

/// Reads, in both modes.
#[derive(Debug)]
pub(crate) struct Reads {
    /// A row, whole.
    pub(crate) row: PreparedStatement,
    /// A row without its value.
    pub(crate) head: PreparedStatement,
    /// Rows by token that have not ended, whole.
    pub(crate) scan_rows: PreparedStatement,
    /// The same without values.
    pub(crate) scan_heads: PreparedStatement,
}

/// Lightweight transactions.
#[derive(Debug)]
pub(crate) struct Strict {
    /// Every cell, where there is no deadline.
    pub(crate) create: PreparedStatement,
    /// The same over cells that were left there, whatever they are like.
    pub(crate) create_over: PreparedStatement,
    /// Every cell, over the state that was seen.
    pub(crate) replace: PreparedStatement,
    /// Every cell, over a live entry of this version that has no cap.
    pub(crate) replace_version: PreparedStatement,
    /// The deadline alone, over the state that was seen.
    pub(crate) move_seen: PreparedStatement,
    /// The deadline alone, within bounds.
    pub(crate) move_any: PreparedStatement,
    /// The same for one version.
    pub(crate) move_version: PreparedStatement,
    /// Another version, and cells that end before the deadline, over the state that was seen.
    pub(crate) mark_ended: PreparedStatement,
    /// Deletes the state that was seen.
    pub(crate) delete_seen: PreparedStatement,
    /// Deletes a live entry.
    pub(crate) delete_any: PreparedStatement,
    /// Deletes a live entry of this version.
    pub(crate) delete_version: PreparedStatement,
}

/// Plain writes with timestamps.
#[derive(Debug)]
pub(crate) struct Lww {
    /// Every cell.
    pub(crate) write: PreparedStatement,
    /// The deadline alone.
    pub(crate) move_deadline: PreparedStatement,
    /// The whole row.
    pub(crate) delete: PreparedStatement,
}

/// How statements are sent.
#[derive(Debug)]
pub(crate) struct Sending {
    /// For all: never sent again by the client library.
    pub(crate) profile: ExecutionProfileHandle,
    /// Of reads of one row.
    pub(crate) read: Consistency,
    /// Of scans.
    pub(crate) scan: Consistency,
    /// How long to wait for a table that is being made.
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
        // What a newer write must not be older than.
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
            // Asking a second node does no harm.
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

/// Whether the nodes do not know the table yet, or know it in part.
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
    // A table that another client has just made stands in the schema before nodes can use it.
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
