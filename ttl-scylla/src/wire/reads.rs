//! The reads, which are the same in both modes.

use scylla::SerializeRow;
use scylla::client::session::Session;
use scylla::statement::Consistency;
use scylla::statement::prepared::PreparedStatement;
use ttl_core::Result;

use super::prepare::{RequestSettings, prepare};
use crate::Mode;

/// Statements for reads, in both modes.
#[derive(Debug)]
pub(crate) struct ReadStatements {
    /// Reads a complete row.
    pub(crate) row: PreparedStatement,
    /// Reads a row without its value.
    pub(crate) head: PreparedStatement,
    /// Reads complete rows by token, without expired ones.
    pub(crate) scan_rows: PreparedStatement,
    /// Reads the same rows without values.
    pub(crate) scan_heads: PreparedStatement,
}

/// The binds of scans: the first and the last token, and the instant after which the deadlines must be.
#[derive(SerializeRow)]
pub(crate) struct TokenRange {
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) now: i64,
}

impl ReadStatements {
    pub(crate) async fn prepare(
        session: &Session,
        table: &str,
        settings: &RequestSettings,
        mode: Mode,
    ) -> Result<Self> {
        let head = "kind, deadline, covers, cap, version, created";
        // The timestamps that a newer write must exceed.
        let times = match mode {
            Mode::Strict => "",
            Mode::Lww => ", WRITETIME(deadline) AS deadline_written, WRITETIME(version) AS version_written",
        };
        let by_token = format!(
            "FROM {table} WHERE token(key) >= :first AND token(key) <= :last AND deadline > :now ALLOW \
             FILTERING"
        );
        let read = async |text: String, consistency: Consistency| {
            let mut statement = prepare(session, &text, settings).await?;
            statement.set_consistency(consistency);
            // Sending a read to a second node is harmless.
            statement.set_is_idempotent(true);
            Ok::<_, ttl_core::Error>(statement)
        };
        let (one, many) = (settings.read, settings.scan);
        Ok(Self {
            row: read(format!("SELECT {head}, value{times} FROM {table} WHERE key = :key"), one).await?,
            head: read(format!("SELECT {head}{times} FROM {table} WHERE key = :key"), one).await?,
            scan_rows: read(format!("SELECT {head}, value, token(key) AS position, key {by_token}"), many)
                .await?,
            scan_heads: read(format!("SELECT {head}, token(key) AS position, key {by_token}"), many).await?,
        })
    }
}
