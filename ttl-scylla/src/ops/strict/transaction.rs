//! Lightweight transactions, and the recovery after a lost response.

use scylla::serialize::row::SerializeRow;
use scylla::statement::prepared::PreparedStatement;
use ttl_core::{Key, Result};

use crate::connection::client::{Pauses, Swap};
use crate::error::{self, Fate};
use crate::layout::row::Row;
use crate::ops::strict::write::Strict;

/// Returns whether a row shows that a transaction was applied.
pub(crate) type Own<'a> = &'a (dyn Fn(&Row) -> bool + Sync);

/// The recovery after a lost response. The request may still arrive at any time.
pub(crate) enum Lost<'a, V> {
    /// None: the stored row does not show which caller made the change.
    Unknown,
    /// The row is read. The request is not sent again: the state in its condition may recur, and both would
    /// be applied.
    Look(Own<'a>),
    /// The request is sent once more, with these values. Its condition contains a version, which it replaces
    /// and which never recurs, so only one of the two can be applied. Without values it is too late to send,
    /// and the row is read.
    Again(Own<'a>, &'a (dyn Fn() -> Option<V> + Sync)),
}

impl Strict {
    /// Executes a lightweight transaction.
    pub(crate) async fn swap<V: SerializeRow + Send + Sync>(
        &self,
        key: &Key,
        statement: &PreparedStatement,
        values: V,
        lost: Lost<'_, V>,
    ) -> Result<Swap> {
        let client = &self.common.client;
        let unknown = match client.swap(statement, &values).await {
            Ok(swap) => return Ok(swap),
            Err(Fate::NotApplied(error)) => return Err(error),
            Err(Fate::Unknown(error)) => error,
        };
        // Boxed, because rare code would otherwise enlarge every write's future.
        let settled = Box::pin(self.settle(key, statement, lost));
        match tokio::time::timeout(client.timeout, settled).await {
            Ok(Some(settled)) => settled,
            Ok(None) | Err(_) => Err(unknown),
        }
    }

    /// Returns `None` if the outcome remains unknown.
    async fn settle<V: SerializeRow + Send + Sync>(
        &self,
        key: &Key,
        statement: &PreparedStatement,
        lost: Lost<'_, V>,
    ) -> Option<Result<Swap>> {
        let client = &self.common.client;
        let (own, again) = match lost {
            Lost::Unknown => return None,
            Lost::Look(own) => (own, None),
            Lost::Again(own, again) => (own, Some(again)),
        };
        let mut pauses = Pauses::new();
        loop {
            let failed = if let Some(values) = again.and_then(|again| again()) {
                match client.swap(statement, &values).await {
                    Ok(Swap::Done) => return Some(Ok(Swap::Done)),
                    Ok(Swap::Refused(row)) if own(&row) => return Some(Ok(Swap::Done)),
                    Ok(Swap::Refused(_)) => return Some(Err(error::overtaken())),
                    Err(Fate::NotApplied(error)) => error,
                    Err(Fate::Unknown(_)) => return None,
                }
            } else {
                match client.read(&self.common.reads.head, key).await {
                    Ok(row) => return own(&row).then_some(Ok(Swap::Done)),
                    Err(error) => error,
                }
            };
            if !pauses.wait_after(&failed).await {
                return None;
            }
        }
    }
}
