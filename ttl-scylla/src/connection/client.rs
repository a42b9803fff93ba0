//! Sends statements, and sends plain writes again.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use scylla::client::session::Session;
use scylla::errors::ExecutionError;
use scylla::response::query_result::QueryResult;
use scylla::response::{PagingState, PagingStateResponse};
use scylla::serialize::row::SerializeRow;
use scylla::statement::Consistency;
use scylla::statement::prepared::PreparedStatement;
use ttl_core::driver::WriteFailure;
use ttl_core::{Error, Key, Result};

use super::retry_wait::RetryWait;
use crate::error::{self, WriteKind};
use crate::layout::{Row, one_row, page_rows, transaction_row};

/// The maximum number of times a statement is sent that the server has forgotten. The server's cache of
/// statements is limited, and a full one may evict a statement immediately.
const MAX_SENDS: usize = 8;

/// A session on which only this driver decides about retries.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) session: Arc<Session>,
    /// The consistency of writes.
    pub(crate) commit: Consistency,
    /// The timeout of a request.
    pub(crate) timeout: Duration,
}

/// The outcome of a lightweight transaction.
#[derive(Debug)]
pub(crate) enum Transaction {
    Applied,
    /// The transaction was rejected. Contains the stored row.
    Rejected(Row),
}

/// A failure to read a page.
#[derive(Debug)]
pub(crate) struct PageFailure {
    pub(crate) error: Error,
    /// Whether a smaller range of tokens may succeed.
    pub(crate) range_too_large: bool,
}

impl From<Error> for PageFailure {
    fn from(error: Error) -> Self {
        Self { error, range_too_large: false }
    }
}

impl Client {
    /// Reads the row of a key; an empty row if there is none.
    pub(crate) async fn read(&self, statement: &PreparedStatement, key: &Key) -> Result<Row> {
        one_row(self.execute(statement, &(key.as_str(),)).await.map_err(error::read)?)
    }

    /// Reads one page of rows.
    pub(crate) async fn page(
        &self,
        statement: &PreparedStatement,
        binds: &impl SerializeRow,
        state: PagingState,
    ) -> Result<(Vec<Row>, PagingStateResponse), PageFailure> {
        let send = || self.session.execute_single_page(statement, binds, state.clone());
        let (result, next) = while_forgotten(send).await.map_err(|failed| {
            let range_too_large = error::is_range_too_large(&failed);
            PageFailure { error: error::read(failed), range_too_large }
        })?;
        Ok((page_rows(result)?, next))
    }

    /// Sends a lightweight transaction once.
    pub(crate) async fn transaction(
        &self,
        statement: &PreparedStatement,
        binds: &impl SerializeRow,
    ) -> Result<Transaction, WriteFailure> {
        let result = self.execute(statement, binds).await;
        let result = result.map_err(|failed| error::write(failed, self.commit, WriteKind::Transaction))?;
        // The transaction was applied or not; a response that cannot be read leaves that open.
        match transaction_row(result) {
            Ok((_, true)) => Ok(Transaction::Applied),
            Ok((row, false)) => Ok(Transaction::Rejected(row)),
            Err(_) => Err(WriteFailure::Unknown(error::unreadable_response())),
        }
    }

    /// Sends a plain write with its own timestamp. Sending it again has no further effect, so after a lost
    /// response it is sent once more, as long as `may_resend` returns true.
    pub(crate) async fn write(
        &self,
        statement: &PreparedStatement,
        binds: &impl SerializeRow,
        may_resend: impl Fn() -> bool,
    ) -> Result<()> {
        let unknown = match self.write_once(statement, binds).await {
            Ok(()) => return Ok(()),
            Err(WriteFailure::NotApplied(error)) => return Err(error),
            Err(WriteFailure::Unknown(error)) => error,
        };
        let resend = async {
            let mut wait = RetryWait::new();
            while may_resend() {
                match self.write_once(statement, binds).await {
                    Ok(()) => return true,
                    Err(WriteFailure::NotApplied(error)) if wait.after(&error).await => {}
                    Err(_) => return false,
                }
            }
            false
        };
        match tokio::time::timeout(self.timeout, resend).await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(unknown),
        }
    }

    async fn write_once(
        &self,
        statement: &PreparedStatement,
        binds: &impl SerializeRow,
    ) -> Result<(), WriteFailure> {
        let result = self.execute(statement, binds).await;
        let result = result.map_err(|failed| error::write(failed, self.commit, WriteKind::Plain))?;
        // A plain write never returns rows.
        if result.is_rows() { Err(WriteFailure::Unknown(error::unreadable_response())) } else { Ok(()) }
    }

    async fn execute(
        &self,
        statement: &PreparedStatement,
        binds: &impl SerializeRow,
    ) -> Result<QueryResult, ExecutionError> {
        while_forgotten(|| self.session.execute_unpaged(statement, binds)).await
    }
}

/// Sends a statement again while the server has forgotten it: it was then not executed, and the client library
/// has prepared it again.
async fn while_forgotten<T, F: Future<Output = Result<T, ExecutionError>>>(
    send: impl Fn() -> F,
) -> Result<T, ExecutionError> {
    let mut resends = 1..MAX_SENDS;
    loop {
        let result = send().await;
        let forgotten = result.as_ref().is_err_and(error::is_unprepared);
        if !forgotten || resends.next().is_none() {
            return result;
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("session", &self.session.session_id()).finish_non_exhaustive()
    }
}
