//! Lightweight transactions, and what became of those whose answer is lost.

use scylla::serialize::row::SerializeRow;
use scylla::statement::prepared::PreparedStatement;
use ttl_core::{Key, Result};

use crate::client::{Pauses, Swap};
use crate::error::{self, Fate};
use crate::row::Row;
use crate::strict::Strict;

/// Whether a row shows that a transaction was applied.
pub(crate) type Own<'a> = &'a (dyn Fn(&Row) -> bool + Sync);

/// What can be done about a lost answer. The request may still arrive, at any time.
pub(crate) enum Lost<'a, V> {
    /// Nothing: what is stored does not tell who has done it.
    Unknown,
    /// What is stored is read. It is not sent again: what it is pinned on may come back, and then both would
    /// be applied.
    Look(Own<'a>),
    /// It is sent once more, with these values: it is pinned on a version, which it replaces and which never
    /// comes back, so only one of the two can be applied, whenever they arrive. Without values it is too late
    /// for that, and what is stored is read.
    Again(Own<'a>, &'a (dyn Fn() -> Option<V> + Sync)),
}

impl Strict {
    /// A lightweight transaction.
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
        // In a box of its own: what seldom runs would else make every write's future larger.
        let settled = Box::pin(self.settle(key, statement, lost));
        match tokio::time::timeout(client.timeout, settled).await {
            Ok(Some(settled)) => settled,
            Ok(None) | Err(_) => Err(unknown),
        }
    }

    /// `None` if it is as unknown as it was.
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
