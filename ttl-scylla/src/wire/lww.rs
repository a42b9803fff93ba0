//! The plain writes of lww mode, with timestamps.

use scylla::SerializeRow;
use scylla::client::session::Session;
use scylla::statement::prepared::PreparedStatement;
use ttl_core::Result;

use super::cells::{SET_CELLS, WriteCells};
use super::prepare::{RequestSettings, prepare};

/// Statements for plain writes with timestamps.
#[derive(Debug)]
pub(crate) struct LwwStatements {
    /// Writes every cell.
    pub(crate) write: PreparedStatement,
    /// Writes the deadline.
    pub(crate) move_deadline: PreparedStatement,
    /// Deletes the row.
    pub(crate) delete: PreparedStatement,
}

/// The binds of [`LwwStatements::write`].
#[derive(SerializeRow)]
pub(crate) struct WriteAt<'a> {
    #[scylla(flatten)]
    pub(crate) row: WriteCells<'a>,
    pub(crate) written_at: i64,
}

/// The binds of [`LwwStatements::move_deadline`].
#[derive(SerializeRow)]
pub(crate) struct MoveAt<'a> {
    pub(crate) key: &'a str,
    pub(crate) ttl: i32,
    pub(crate) written_at: i64,
    pub(crate) new_deadline: i64,
}

/// The binds of [`LwwStatements::delete`].
#[derive(SerializeRow)]
pub(crate) struct DeleteAt<'a> {
    pub(crate) key: &'a str,
    pub(crate) written_at: i64,
}

impl LwwStatements {
    pub(crate) async fn prepare(session: &Session, table: &str, settings: &RequestSettings) -> Result<Self> {
        let write = async |text: String| prepare(session, &text, settings).await;
        let using = format!("UPDATE {table} USING TTL :ttl AND TIMESTAMP :written_at");
        Ok(Self {
            write: write(format!("{using} {SET_CELLS} WHERE key = :key")).await?,
            move_deadline: write(format!("{using} SET deadline = :new_deadline WHERE key = :key")).await?,
            delete: write(format!("DELETE FROM {table} USING TIMESTAMP :written_at WHERE key = :key"))
                .await?,
        })
    }
}
