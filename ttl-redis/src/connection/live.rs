//! A connection that may be in use, and its state.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use redis::aio::{AsyncPushSender, ConnectionManager, MultiplexedConnection, SendError};
use redis::{Cmd, Pipeline, PushInfo, PushKind, RedisResult, Value as Reply};
use tokio::time::Instant;

/// A connection and its state.
#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) connection: Connection,
    pub(crate) state: Arc<State>,
}

/// The client's connection that sends requests.
#[derive(Clone)]
pub(crate) enum Connection {
    Multiplexed(MultiplexedConnection),
    Managed(ConnectionManager),
}

pub(crate) struct State {
    pub(super) made: Instant,
    /// Whether the connection broke, or was dropped by the client library, or was abandoned by the driver.
    pub(crate) gone: AtomicBool,
    /// Whether an answer had an unknown form, so that later answers may belong to other requests.
    pub(crate) suspect: AtomicBool,
    /// The number of answers so far. A connection on which other requests get answers is not stuck.
    pub(crate) answers: AtomicU64,
}

impl State {
    pub(crate) fn new() -> Self {
        Self {
            made: Instant::now(),
            gone: AtomicBool::new(false),
            suspect: AtomicBool::new(false),
            answers: AtomicU64::new(0),
        }
    }
}

impl Connection {
    pub(crate) async fn send(&mut self, cmd: &Cmd) -> RedisResult<Reply> {
        match self {
            Self::Multiplexed(connection) => connection.send_packed_command(cmd).await,
            Self::Managed(manager) => manager.send_packed_command(cmd).await,
        }
    }

    pub(crate) async fn send_all(&mut self, commands: &Pipeline) -> RedisResult<Vec<Reply>> {
        let count = commands.len();
        match self {
            Self::Multiplexed(connection) => connection.send_packed_commands(commands, 0, count).await,
            Self::Managed(manager) => manager.send_packed_commands(commands, 0, count).await,
        }
    }
}

/// Marks a connection as gone when the library reports a disconnection, and when the task that drives it ends
/// (for example, because its runtime shuts down).
pub(super) struct Watch(pub(super) Arc<State>);

impl AsyncPushSender for Watch {
    fn send(&self, info: PushInfo) -> std::result::Result<(), SendError> {
        if info.kind == PushKind::Disconnection {
            self.0.gone.store(true, Ordering::Release);
        }
        Ok(())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.gone.store(true, Ordering::Release);
    }
}
