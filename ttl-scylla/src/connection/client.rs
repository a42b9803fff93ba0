//! Sends statements.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use scylla::client::session::Session;
use scylla::errors::ExecutionError;
use scylla::response::query_result::QueryResult;
use scylla::response::{PagingState, PagingStateResponse};
use scylla::serialize::row::SerializeRow;
use scylla::statement::Consistency;
use scylla::statement::prepared::PreparedStatement;
use ttl_core::{Error, ErrorKind, Key, Result};

use crate::error::{self, Fate};
use crate::layout::row::{self, Row};

/// The maximum number of times a statement is sent that the server has forgotten. The server's cache of
/// statements is limited, and a full one may evict a statement immediately.
const LEARNINGS: usize = 8;

/// The maximum waits before a retry: the first one, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(160));

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
pub(crate) enum Swap {
    Done,
    /// The transaction was rejected. Contains the stored row.
    Refused(Row),
}

impl Client {
    /// Sends a statement. If the server has forgotten it, the statement was not executed, so it is prepared
    /// and sent again.
    async fn execute(
        &self,
        statement: &PreparedStatement,
        values: &impl SerializeRow,
    ) -> Result<QueryResult, ExecutionError> {
        let mut learnings = 1..LEARNINGS;
        loop {
            let result = self.session.execute_unpaged(statement, values).await;
            let forgotten = result.as_ref().is_err_and(error::is_forgotten);
            if !forgotten || learnings.next().is_none() {
                return result;
            }
        }
    }

    /// Reads the row of a key; an empty row if there is none.
    pub(crate) async fn read(&self, statement: &PreparedStatement, key: &Key) -> Result<Row> {
        let result = self.execute(statement, &(key.as_str(),)).await.map_err(error::read)?;
        row::one(result)
    }

    /// Reads one page of rows. A failure also says whether a smaller range of tokens may succeed.
    pub(crate) async fn page(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
        state: PagingState,
    ) -> Result<(Vec<Row>, PagingStateResponse), (Error, bool)> {
        let mut learnings = 1..LEARNINGS;
        let page = loop {
            let page = self.session.execute_single_page(statement, &values, state.clone()).await;
            let forgotten = page.as_ref().is_err_and(error::is_forgotten);
            if !forgotten || learnings.next().is_none() {
                break page;
            }
        };
        let (result, next) = page.map_err(|failed| {
            let too_much = error::is_too_much(&failed);
            (error::read(failed), too_much)
        })?;
        Ok((row::all(result).map_err(|error| (error, false))?, next))
    }

    /// Sends a lightweight transaction once.
    pub(crate) async fn swap(
        &self,
        statement: &PreparedStatement,
        values: &impl SerializeRow,
    ) -> Result<Swap, Fate> {
        let result = self.execute(statement, values).await;
        let result = result.map_err(|failed| error::write(failed, self.commit, true))?;
        // The transaction was applied or not; a response that cannot be read leaves that open.
        match row::swapped(result) {
            Ok((_, true)) => Ok(Swap::Done),
            Ok((row, false)) => Ok(Swap::Refused(row)),
            Err(_) => Err(Fate::Unknown(error::unreadable())),
        }
    }

    /// Sends a plain write with its own timestamp. Sending it again has no further effect, so after a lost
    /// response it is sent once more, as long as `may` returns true.
    pub(crate) async fn write(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
        may: impl Fn() -> bool,
    ) -> Result<()> {
        let lost = match self.write_once(statement, &values).await {
            Ok(()) => return Ok(()),
            Err(Fate::NotApplied(error)) => return Err(error),
            Err(Fate::Unknown(error)) => error,
        };
        let again = async {
            let mut pauses = Pauses::new();
            while may() {
                match self.write_once(statement, &values).await {
                    Ok(()) => return true,
                    Err(Fate::NotApplied(error)) if pauses.wait_after(&error).await => {}
                    Err(_) => return false,
                }
            }
            false
        };
        match tokio::time::timeout(self.timeout, again).await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(lost),
        }
    }

    async fn write_once(
        &self,
        statement: &PreparedStatement,
        values: &impl SerializeRow,
    ) -> Result<(), Fate> {
        let sent = self.execute(statement, values).await;
        let answer = sent.map_err(|failed| error::write(failed, self.commit, false))?;
        // A plain write never returns rows.
        if answer.is_rows() {
            return Err(Fate::Unknown(error::unreadable()));
        }
        Ok(())
    }
}

/// The random waits before a retry, for a broken connection or an overloaded server. They grow, and keep
/// callers whose responses were lost together from retrying together.
pub(crate) struct Pauses {
    longest: Duration,
}

impl Pauses {
    pub(crate) fn new() -> Self {
        Self { longest: PAUSES.0 }
    }

    /// Returns whether a request that failed with this error may soon succeed. If so, waits first.
    pub(crate) async fn wait_after(&mut self, error: &Error) -> bool {
        let may_succeed = error.kind() == ErrorKind::Unavailable;
        if may_succeed {
            let pause = self.longest.mul_f64(rand::rng().random_range(0.5..1.0));
            tokio::time::sleep(pause).await;
            self.longest = PAUSES.1.min(self.longest * 2);
        }
        may_succeed
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("session", &self.session.session_id()).finish_non_exhaustive()
    }
}
