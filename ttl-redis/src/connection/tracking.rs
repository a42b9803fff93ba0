//! A connection on which the server reports the changes of a namespace.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::{AsyncPushSender, SendError};
use redis::{PushInfo, PushKind, Value as Reply};
use tokio::sync::Notify;
use tokio::time::timeout;
use ttl_core::driver::ChangeSender;
use ttl_core::{Result, StoreChange};

use super::live::Connection;
use super::setup::Facts;
use super::slot::Slot;
use crate::error::{self, Fault, RequestKind};
use crate::layout::key_of;

/// The time between two PINGs. A server that does not answer one within the timeout is lost.
pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(1);

/// Makes connections on which the server reports changes.
#[derive(Clone)]
pub(crate) struct Tracker {
    slot: Arc<Slot>,
    prefix: Arc<str>,
}

/// A connection on which the server reports changes. Dropping it closes the connection.
pub(crate) struct Tracked {
    slot: Arc<Slot>,
    connection: Connection,
    ended: Arc<Notify>,
    facts: Facts,
    /// The facts about the server of the requests, when this connection was made.
    known: Option<Arc<Facts>>,
}

impl Tracker {
    pub(super) fn new(slot: Arc<Slot>, prefix: &str) -> Self {
        Self { slot, prefix: prefix.into() }
    }

    /// Connects, and subscribes to the changes of all keys with the prefix. Every change after this call has
    /// returned is reported, until [`Tracked::lost`] returns.
    pub(crate) async fn connect(&self, changes: &ChangeSender) -> Result<Tracked> {
        let limit = self.slot.setup.timeout;
        match timeout(limit, self.subscribe(changes)).await {
            Ok(done) => done,
            Err(_) => Err(error::no_connection_in_time(limit, &self.slot.client)),
        }
    }

    async fn subscribe(&self, changes: &ChangeSender) -> Result<Tracked> {
        let ended = Arc::new(Notify::new());
        let known = self.slot.setup.facts();
        let reports =
            Reports { prefix: Arc::clone(&self.prefix), changes: changes.clone(), ended: Arc::clone(&ended) };
        let mut connection = self.slot.open(reports).await?;
        let facts = self.slot.setup.probe(&mut connection).await?;
        let mut tracking = redis::cmd("CLIENT");
        tracking.arg("TRACKING").arg("ON").arg("BCAST").arg("PREFIX").arg(&*self.prefix);
        let answer = connection.send(&tracking).await;
        match answer.map_err(|broken| error::connection_broken(broken, RequestKind::Read))? {
            Reply::Okay => Ok(Tracked { slot: Arc::clone(&self.slot), connection, ended, facts, known }),
            Reply::ServerError(refusal) => Err(error::no_tracking(&refusal)),
            _ => Err(Fault::UnknownForm("CLIENT TRACKING").into_error(RequestKind::Read)),
        }
    }
}

impl Tracked {
    /// Waits until changes may be missed: the connection has ended, the server is silent, or the requests of
    /// the store reach another server.
    pub(crate) async fn lost(mut self) {
        while timeout(PING_INTERVAL, self.ended.notified()).await.is_err() {
            if !self.answers().await || self.is_elsewhere() {
                return;
            }
        }
    }

    async fn answers(&mut self) -> bool {
        let ping = redis::cmd("PING");
        match timeout(self.slot.setup.timeout, self.connection.send(&ping)).await {
            // A refusal is a sign of life too.
            Ok(Ok(Reply::ServerError(_))) => true,
            Ok(Ok(Reply::SimpleString(answer))) => answer == "PONG",
            Ok(Ok(_) | Err(_)) | Err(_) => false,
        }
    }

    /// Returns whether the store has connected to another server since, such as after a failover. This server
    /// may still answer, but is told of changes late, or never.
    fn is_elsewhere(&self) -> bool {
        let facts = self.slot.setup.facts();
        let is_new = facts.as_ref().map(Arc::as_ptr) != self.known.as_ref().map(Arc::as_ptr);
        is_new && facts.is_some_and(|facts| facts.is_of_another_run(&self.facts))
    }
}

/// Passes on the messages of a connection.
struct Reports {
    prefix: Arc<str>,
    changes: ChangeSender,
    ended: Arc<Notify>,
}

impl Reports {
    /// Reports the keys of a message, which is an array, or null if the server has deleted all keys.
    ///
    /// A key that is not a valid `Key` belongs to another program. This store cannot read it, so nobody has a
    /// copy.
    fn report(&self, data: Vec<Reply>) {
        for part in data {
            match part {
                Reply::Nil => {
                    self.changes.send(StoreChange::Cleared);
                }
                Reply::Array(keys) => keys.into_iter().for_each(|key| self.report_key(key)),
                _ => {
                    self.changes.send(StoreChange::Gap);
                }
            }
        }
    }

    fn report_key(&self, key: Reply) {
        let change = match key {
            Reply::BulkString(full) => key_of(&self.prefix, full).map(StoreChange::Changed),
            _ => Some(StoreChange::Gap),
        };
        if let Some(change) = change {
            self.changes.send(change);
        }
    }
}

impl AsyncPushSender for Reports {
    fn send(&self, info: PushInfo) -> std::result::Result<(), SendError> {
        match info.kind {
            PushKind::Invalidate => self.report(info.data),
            PushKind::Disconnection => self.ended.notify_one(),
            _ => {}
        }
        Ok(())
    }
}

/// The task that drives the connection has ended, for example because its runtime shuts down.
impl Drop for Reports {
    fn drop(&mut self) {
        self.ended.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use futures_util::{FutureExt, StreamExt};
    use ttl_core::Key;
    use ttl_core::driver::change_buffer;

    use super::*;

    fn reported(data: Vec<Reply>) -> Vec<StoreChange> {
        let (changes, receiver) = change_buffer(NonZeroUsize::new(10).unwrap());
        let reports = Reports { prefix: "app:".into(), changes, ended: Arc::default() };
        reports.send(PushInfo { kind: PushKind::Invalidate, data }).unwrap();
        drop(reports);
        receiver.collect().now_or_never().unwrap()
    }

    fn keys(keys: &[&[u8]]) -> Reply {
        Reply::Array(keys.iter().map(|key| Reply::BulkString(key.to_vec())).collect())
    }

    #[test]
    fn a_message_reports_its_keys() {
        let changed = |name| StoreChange::Changed(Key::new(name).unwrap());
        assert_eq!(reported(vec![keys(&[b"app:a", b"app:app:b"])]), [changed("a"), changed("app:b")]);
        assert_eq!(reported(vec![Reply::Nil]), [StoreChange::Cleared]);
    }

    #[test]
    fn a_key_that_cannot_be_read_by_a_store_is_nobodys() {
        let long = [b"app:".as_slice(), &[b'k'; 1025]].concat();
        assert_eq!(reported(vec![keys(&[b"app:", b"app:\xff", b"other:a", &long])]), []);
    }

    #[test]
    fn a_message_of_an_unknown_form_is_a_gap() {
        assert_eq!(reported(vec![Reply::Int(1)]), [StoreChange::Gap]);
        assert_eq!(reported(vec![Reply::Array(vec![Reply::Int(1)])]), [StoreChange::Gap]);
    }
}
