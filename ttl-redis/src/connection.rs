//! The connection: made when it is needed, replaced when it is gone, and honest about what was sent.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;
use redis::aio::{AsyncPushSender, ConnectionLike, ConnectionManager, MultiplexedConnection, SendError};
use redis::{AsyncConnectionConfig, Client, Cmd, Pipeline, PushInfo, PushKind, RedisResult, Value as Reply};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};
use ttl_core::{Error, Result};

use crate::config::RedisConfig;
use crate::error::{self, Fate};
use crate::scripts::Scripts;
use crate::setup::{self, Facts};

/// Sends requests, each once: nothing is ever replayed.
pub(crate) struct Link {
    source: Source,
    timeout: Duration,
    facts: RwLock<Option<Arc<Facts>>>,
    warned: AtomicBool,
    scripts: Arc<Scripts>,
}

enum Source {
    /// Connections of our own.
    Own(Box<Slot>),
    /// Connections that were handed in: whoever made them cares for them.
    Shared(MultiplexedConnection),
    Managed(ConnectionManager),
}

struct Slot {
    client: Client,
    live: RwLock<Option<Live>>,
    /// The last failure, for those who waited for the attempt that failed.
    connecting: Mutex<Option<Error>>,
    failures: AtomicU64,
}

/// A connection that worked when it was last used.
#[derive(Clone)]
struct Live {
    connection: MultiplexedConnection,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// The client library has seen it break, or has dropped it.
    gone: AtomicBool,
    /// Answers so far: a connection on which others get answers is not stuck.
    answers: AtomicU64,
}

/// Marks a connection as gone when the library says so, and when the task that drives it ends (its runtime may be
/// shut down).
struct Watch(Arc<State>);

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

impl Link {
    /// A link that makes its own connections.
    pub(crate) fn own(config: &RedisConfig, scripts: Arc<Scripts>) -> Result<Self> {
        let client = setup::client(config)?;
        let slot = Slot {
            client,
            live: RwLock::new(None),
            connecting: Mutex::new(None),
            failures: AtomicU64::new(0),
        };
        Ok(Self::new(Source::Own(Box::new(slot)), config, scripts))
    }

    pub(crate) fn shared(
        connection: MultiplexedConnection,
        config: &RedisConfig,
        scripts: Arc<Scripts>,
    ) -> Self {
        Self::new(Source::Shared(connection), config, scripts)
    }

    pub(crate) fn managed(manager: ConnectionManager, config: &RedisConfig, scripts: Arc<Scripts>) -> Self {
        Self::new(Source::Managed(manager), config, scripts)
    }

    fn new(source: Source, config: &RedisConfig, scripts: Arc<Scripts>) -> Self {
        let (facts, warned) = (RwLock::new(None), AtomicBool::new(false));
        Self { source, timeout: config.timeout, facts, warned, scripts }
    }

    fn deadline(&self) -> Instant {
        let now = Instant::now();
        // Whoever waits for ever by the longest duration there is must not run over the clock's end.
        now.checked_add(self.timeout).unwrap_or_else(|| now + Duration::from_secs(86_400 * 365))
    }

    /// What is known about the server, once there was a connection.
    pub(crate) fn facts(&self) -> Option<Arc<Facts>> {
        self.facts.read().clone()
    }

    /// Connects, or looks at the connection that was handed in.
    pub(crate) async fn open(&self) -> Result<()> {
        let deadline = self.deadline();
        match &self.source {
            Source::Own(slot) if slot.current().is_some() => Ok(()),
            Source::Own(slot) => self.acquire(slot, deadline).await.map(|_| ()),
            Source::Shared(connection) => self.look(connection.clone(), deadline).await,
            Source::Managed(manager) => self.look(manager.clone(), deadline).await,
        }
    }

    /// Makes sure that what is known is about the server that the next request meets; a manager changes connections
    /// without telling, which matters to `strict` callers only.
    pub(crate) async fn look_again(&self, strict: bool) -> Result<()> {
        let known = match &self.source {
            Source::Own(slot) => slot.current().is_some(),
            Source::Shared(_) => true,
            Source::Managed(_) => !strict,
        };
        if known && self.facts().is_some() { Ok(()) } else { self.open().await }
    }

    async fn look<C: ConnectionLike + Send>(&self, mut connection: C, deadline: Instant) -> Result<()> {
        match timeout_at(deadline, self.set_up(&mut connection)).await {
            Ok(done) => done,
            Err(_) => Err(error::no_connection_in_time(self.timeout)),
        }
    }

    async fn set_up<C: ConnectionLike + Send>(&self, connection: &mut C) -> Result<()> {
        let facts = setup::look(connection, &self.scripts).await?;
        if let Some(warning) = facts.eviction_warning()
            && !self.warned.swap(true, Ordering::Relaxed)
        {
            tracing::warn!("{warning}");
        }
        *self.facts.write() = Some(Arc::new(facts));
        Ok(())
    }

    /// Sends one command and waits for its answer.
    pub(crate) async fn send(&self, cmd: &Cmd, fate: Fate) -> Result<Reply> {
        let deadline = self.deadline();
        match &self.source {
            Source::Own(slot) => {
                let mut live = match slot.current() {
                    Some(live) => live,
                    None => self.acquire(slot, deadline).await?,
                };
                let before = live.state.answers.load(Ordering::Relaxed);
                let answer = timeout_at(deadline, live.connection.send_packed_command(cmd)).await;
                self.judge(slot, &live, before, answer, fate)
            }
            Source::Shared(connection) => {
                let mut connection = connection.clone();
                self.judge_shared(timeout_at(deadline, connection.req_packed_command(cmd)).await, fate)
            }
            Source::Managed(manager) => {
                let mut manager = manager.clone();
                self.judge_shared(timeout_at(deadline, manager.req_packed_command(cmd)).await, fate)
            }
        }
    }

    /// Sends commands together and waits for all of their answers.
    pub(crate) async fn send_all(&self, commands: &Pipeline, fate: Fate) -> Result<Vec<Reply>> {
        let (deadline, count) = (self.deadline(), commands.len());
        match &self.source {
            Source::Own(slot) => {
                let mut live = match slot.current() {
                    Some(live) => live,
                    None => self.acquire(slot, deadline).await?,
                };
                let before = live.state.answers.load(Ordering::Relaxed);
                let answers = live.connection.send_packed_commands(commands, 0, count);
                let answers = timeout_at(deadline, answers).await;
                self.judge(slot, &live, before, answers, fate)
            }
            Source::Shared(connection) => {
                let mut connection = connection.clone();
                let answers = connection.req_packed_commands(commands, 0, count);
                self.judge_shared(timeout_at(deadline, answers).await, fate)
            }
            Source::Managed(manager) => {
                let mut manager = manager.clone();
                let answers = manager.req_packed_commands(commands, 0, count);
                self.judge_shared(timeout_at(deadline, answers).await, fate)
            }
        }
    }

    fn judge<T>(
        &self,
        slot: &Slot,
        live: &Live,
        before: u64,
        answer: Result<RedisResult<T>, tokio::time::error::Elapsed>,
        fate: Fate,
    ) -> Result<T> {
        match answer {
            Ok(Ok(answer)) => {
                live.state.answers.fetch_add(1, Ordering::Relaxed);
                Ok(answer)
            }
            Ok(Err(broken)) => {
                slot.forget(live);
                Err(error::lost(broken, fate))
            }
            Err(_) => {
                // Nobody had an answer in all this time: the network may have swallowed the connection.
                if live.state.answers.load(Ordering::Relaxed) == before {
                    slot.forget(live);
                }
                Err(error::no_answer_in_time(self.timeout, fate))
            }
        }
    }

    fn judge_shared<T>(
        &self,
        answer: Result<RedisResult<T>, tokio::time::error::Elapsed>,
        fate: Fate,
    ) -> Result<T> {
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(broken)) if broken.is_timeout() => Err(error::no_answer_in_time(self.timeout, fate)),
            Ok(Err(broken)) if broken.is_connection_refusal() => Err(error::not_connected(&broken)),
            Ok(Err(broken)) => Err(error::lost(broken, fate)),
            Err(_) => Err(error::no_answer_in_time(self.timeout, fate)),
        }
    }

    /// A connection where there is none.
    async fn acquire(&self, slot: &Slot, deadline: Instant) -> Result<Live> {
        let seen = slot.failures.load(Ordering::Acquire);
        // Boxed, so that every operation's future need not have room for it.
        match timeout_at(deadline, Box::pin(self.connect(slot, seen))).await {
            Ok(done) => done,
            Err(_) => Err(error::no_connection_in_time(self.timeout)),
        }
    }

    /// One attempt at a time; whoever waited for one that failed gets its error and does not queue for another.
    async fn connect(&self, slot: &Slot, seen: u64) -> Result<Live> {
        let mut last = slot.connecting.lock().await;
        if let Some(live) = slot.current() {
            return Ok(live);
        }
        if let Some(error) = last.as_ref().filter(|_| slot.failures.load(Ordering::Acquire) != seen) {
            return Err(error.clone());
        }
        let attempt = self.attempt(slot).await;
        match &attempt {
            Ok(live) => *slot.live.write() = Some(live.clone()),
            Err(error) => {
                *last = Some(error.clone());
                slot.failures.fetch_add(1, Ordering::Release);
            }
        }
        attempt
    }

    async fn attempt(&self, slot: &Slot) -> Result<Live> {
        let state = Arc::new(State::default());
        // Both limits are kept by whoever waits.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_push_sender(Watch(Arc::clone(&state)));
        let connecting = slot.client.get_multiplexed_async_connection_with_config(&config);
        let mut connection = connecting.await.map_err(|error| error::not_connected(&error))?;
        self.set_up(&mut connection).await?;
        Ok(Live { connection, state })
    }
}

impl Slot {
    fn current(&self) -> Option<Live> {
        let live = self.live.read();
        live.as_ref().filter(|live| !live.state.gone.load(Ordering::Acquire)).cloned()
    }

    /// Stops using a connection, unless it has been replaced already. Requests under way on it may still be answered.
    fn forget(&self, used: &Live) {
        let mut live = self.live.write();
        if live.as_ref().is_some_and(|live| Arc::ptr_eq(&live.state, &used.state)) {
            *live = None;
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match &self.source {
            Source::Own(slot) if slot.current().is_some() => "connected",
            Source::Own(_) => "not connected",
            Source::Shared(_) | Source::Managed(_) => "handed in",
        };
        f.debug_struct("Link").field("connection", &source).field("timeout", &self.timeout).finish()
    }
}
