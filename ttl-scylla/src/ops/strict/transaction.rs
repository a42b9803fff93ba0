//! Lightweight transactions, the recovery after a lost response, and the wait after a conflict.

use scylla::serialize::row::SerializeRow;
use scylla::statement::prepared::PreparedStatement;
use ttl_core::driver::{WriteFailure, back_off};
use ttl_core::{Key, Result};

use crate::connection::{RetryWait, Transaction};
use crate::error;
use crate::inner::Strict;
use crate::layout::Row;

/// Returns whether a row shows that a transaction was applied.
pub(super) type WasApplied<'a> = &'a (dyn Fn(&Row) -> bool + Sync);

/// The recovery after a lost response. The request may still arrive at any time.
pub(super) enum Recovery<'a, B> {
    /// None: the stored row does not show which caller made the change.
    None,
    /// The row is read. The request is not sent again: the state in its condition may recur, and both would
    /// be applied.
    Read(WasApplied<'a>),
    /// The request is sent once more, with these binds. Its condition contains a version, which it replaces
    /// and which never recurs, so only one of the two can be applied. Without binds it is too late to send,
    /// and the row is read.
    Resend(WasApplied<'a>, &'a (dyn Fn() -> Option<B> + Sync)),
}

/// The result of a transaction for a row that was not read.
pub(super) enum Unread<T> {
    Done(T),
    /// The row must be evaluated. Contains it if the transaction was rejected.
    Undecided(Option<Row>),
}

/// Executes a lightweight transaction.
pub(super) async fn execute<B: SerializeRow + Send + Sync>(
    strict: &Strict,
    key: &Key,
    statement: &PreparedStatement,
    binds: B,
    recovery: Recovery<'_, B>,
) -> Result<Transaction> {
    let client = &strict.inner.client;
    let unknown = match client.transaction(statement, &binds).await {
        Ok(transaction) => return Ok(transaction),
        Err(WriteFailure::NotApplied(error)) => return Err(error),
        Err(WriteFailure::Unknown(error)) => error,
    };
    // Boxed, because rare code would otherwise enlarge every write's future.
    let recovered = Box::pin(recover(strict, key, statement, recovery));
    match tokio::time::timeout(client.timeout, recovered).await {
        Ok(Some(recovered)) => recovered,
        Ok(None) | Err(_) => Err(unknown),
    }
}

/// Returns `None` if the outcome remains unknown.
async fn recover<B: SerializeRow + Send + Sync>(
    strict: &Strict,
    key: &Key,
    statement: &PreparedStatement,
    recovery: Recovery<'_, B>,
) -> Option<Result<Transaction>> {
    let client = &strict.inner.client;
    let (was_applied, resend) = match recovery {
        Recovery::None => return None,
        Recovery::Read(was_applied) => (was_applied, None),
        Recovery::Resend(was_applied, resend) => (was_applied, Some(resend)),
    };
    let mut wait = RetryWait::new();
    loop {
        let failed = if let Some(binds) = resend.and_then(|resend| resend()) {
            match client.transaction(statement, &binds).await {
                Ok(Transaction::Applied) => return Some(Ok(Transaction::Applied)),
                Ok(Transaction::Rejected(row)) if was_applied(&row) => return Some(Ok(Transaction::Applied)),
                Ok(Transaction::Rejected(_)) => return Some(Err(error::overtaken())),
                Err(WriteFailure::NotApplied(error)) => error,
                Err(WriteFailure::Unknown(_)) => return None,
            }
        } else {
            match client.read(&strict.inner.reads.head, key).await {
                Ok(row) => return was_applied(&row).then_some(Ok(Transaction::Applied)),
                Err(error) => error,
            }
        };
        if !wait.after(&failed).await {
            return None;
        }
    }
}

/// Waits before the next attempt. Of many writers, a lightweight transaction lets one through only if the
/// others wait.
pub(super) async fn wait_after_conflict(attempt: usize) {
    tokio::time::sleep(back_off(attempt)).await;
}
