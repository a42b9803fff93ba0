//! The connection: it is made when needed and replaced when broken, and it tracks whether a request was sent.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::RwLock;
use redis::aio::{ConnectionManager, MultiplexedConnection};
use redis::{Cmd, Pipeline, RedisResult, Value as Reply};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};
use ttl_core::{Error, Result, Version};

use crate::config::RedisConfig;
use crate::error;
use crate::error::{Decoded, Fault, RequestKind};
use crate::scripts::Scripts;
use crate::setup::{self, Facts};
use crate::slot::{Live, Slot, State, Wire};

/// The link to the server. It sends each request once and never replays one.
pub(crate) struct Link {
    source: Source,
    common: Arc<Common>,
}

/// The state that is shared with attempts to connect.
pub(crate) struct Common {
    pub(crate) timeout: Duration,
    scripts: Arc<Scripts>,
    facts: RwLock<Option<Arc<Facts>>>,
    warned: AtomicBool,
}

enum Source {
    /// Connections made by the store.
    Own(Arc<Slot>),
    /// A caller-managed connection.
    HandedIn(Live),
}

impl Common {
    pub(crate) async fn set_up(&self, wire: &mut Wire) -> Result<()> {
        let facts = setup::look(wire, &self.scripts).await?;
        if let Some(warning) = facts.eviction_warning()
            && !self.warned.swap(true, Ordering::Relaxed)
        {
            tracing::warn!("{warning}");
        }
        *self.facts.write() = Some(Arc::new(facts));
        Ok(())
    }
}

impl Link {
    /// Creates a link that makes its own connections.
    pub(crate) fn own(config: &RedisConfig, scripts: Arc<Scripts>) -> Result<Self> {
        let (client, common) = (setup::client(config)?, Self::common(config, scripts));
        let slot = Slot::new(client, Arc::clone(&common));
        Ok(Self { source: Source::Own(Arc::new(slot)), common })
    }

    pub(crate) fn shared(
        connection: MultiplexedConnection,
        config: &RedisConfig,
        scripts: Arc<Scripts>,
    ) -> Self {
        Self::handed_in(Wire::One(connection), config, scripts)
    }

    pub(crate) fn managed(manager: ConnectionManager, config: &RedisConfig, scripts: Arc<Scripts>) -> Self {
        Self::handed_in(Wire::Managed(manager), config, scripts)
    }

    fn handed_in(wire: Wire, config: &RedisConfig, scripts: Arc<Scripts>) -> Self {
        let live = Live { wire, state: Arc::new(State::new()) };
        Self { source: Source::HandedIn(live), common: Self::common(config, scripts) }
    }

    fn common(config: &RedisConfig, scripts: Arc<Scripts>) -> Arc<Common> {
        let (facts, warned) = (RwLock::new(None), AtomicBool::new(false));
        Arc::new(Common { timeout: config.timeout, scripts, facts, warned })
    }

    fn deadline(&self) -> Instant {
        let now = Instant::now();
        // A timeout of `Duration::MAX` must not overflow the clock.
        now.checked_add(self.common.timeout).unwrap_or_else(|| now + Duration::from_secs(86_400 * 365))
    }

    /// Returns the facts about the server, once there was a connection.
    pub(crate) fn facts(&self) -> Option<Arc<Facts>> {
        self.common.facts.read().clone()
    }

    /// Opens a connection, or checks the caller-managed one.
    pub(crate) async fn open(&self) -> Result<()> {
        match &self.source {
            Source::Own(_) => self.ready().await.map(|_| ()),
            Source::HandedIn(live) => {
                check_runtime()?;
                let mut wire = live.wire.clone();
                match timeout_at(self.deadline(), self.common.set_up(&mut wire)).await {
                    Ok(done) => done,
                    Err(_) => Err(error::handshake_timeout(self.common.timeout)),
                }
            }
        }
    }

    /// Ensures that the known facts are those of the server that the next request reaches. A manager can
    /// replace its connection at any time, which matters to `strict` callers only.
    pub(crate) async fn look_again(&self, strict: bool) -> Result<()> {
        let known = match &self.source {
            Source::Own(slot) => slot.current().is_some(),
            Source::HandedIn(live) => !strict || matches!(live.wire, Wire::One(_)),
        };
        if known && self.facts().is_some() { Ok(()) } else { self.open().await }
    }

    /// Returns the connection for the next request. Connects if there is none.
    pub(crate) async fn ready(&self) -> Result<Live> {
        check_runtime()?;
        match &self.source {
            Source::Own(slot) => match slot.current() {
                Some(live) => Ok(live),
                // Boxed, to keep the futures of the operations small.
                None => Box::pin(slot.acquire(self.deadline())).await,
            },
            Source::HandedIn(live) if live.state.suspect.load(Ordering::Acquire) => {
                Box::pin(self.probe(live)).await
            }
            Source::HandedIn(live) => Ok(live.clone()),
        }
    }

    /// Probes a suspect connection: it is used again only if it returns a random token.
    async fn probe(&self, live: &Live) -> Result<Live> {
        let token = Version::random().to_string();
        let mut wire = live.wire.clone();
        let echo = timeout_at(self.deadline(), wire.send(redis::cmd("ECHO").arg(&token))).await;
        match echo {
            Ok(Ok(Reply::BulkString(text))) if text == token.as_bytes() => {
                live.state.suspect.store(false, Ordering::Release);
                Ok(live.clone())
            }
            _ => Err(error::suspect_connection()),
        }
    }

    /// Sends one command and waits for its answer. Connecting has a separate time limit.
    pub(crate) async fn send(&self, live: &Live, cmd: &Cmd, kind: RequestKind) -> Result<Reply> {
        let before = live.state.answers.load(Ordering::Relaxed);
        let mut wire = live.wire.clone();
        let answer = timeout_at(self.deadline(), wire.send(cmd)).await;
        self.judge(live, before, answer, kind)
    }

    /// Sends commands together and waits for all answers. The wait continues as long as the connection
    /// receives any answers, because many commands at once take time.
    pub(crate) async fn send_all(
        &self,
        live: &Live,
        commands: &Pipeline,
        kind: RequestKind,
    ) -> Result<Vec<Reply>> {
        let mut wire = live.wire.clone();
        let mut answers = pin!(wire.send_all(commands));
        loop {
            let before = live.state.answers.load(Ordering::Relaxed);
            let answer = timeout_at(self.deadline(), &mut answers).await;
            if answer.is_err() && live.state.answers.load(Ordering::Relaxed) != before {
                continue;
            }
            return self.judge(live, before, answer, kind);
        }
    }

    /// Sends a command that only reads, and reads its answer.
    pub(crate) async fn ask<T>(&self, cmd: &Cmd, read: impl FnOnce(Reply) -> Decoded<T>) -> Result<T> {
        let live = self.ready().await?;
        let reply = self.send(&live, cmd, RequestKind::Read).await?;
        read(reply).map_err(|fault| self.settle(&live, fault, RequestKind::Read))
    }

    fn judge<T>(
        &self,
        live: &Live,
        before: u64,
        answer: std::result::Result<RedisResult<T>, Elapsed>,
        kind: RequestKind,
    ) -> Result<T> {
        match answer {
            // Another request's answer had an unknown form, so this answer may belong to another request too.
            Ok(Ok(_)) if live.state.suspect.load(Ordering::Acquire) => Err(error::abandoned(kind)),
            Ok(Ok(answer)) => {
                live.state.answers.fetch_add(1, Ordering::Relaxed);
                Ok(answer)
            }
            Ok(Err(broken)) => match &self.source {
                Source::Own(slot) => {
                    slot.forget(live);
                    Err(error::connection_broken(broken, kind))
                }
                Source::HandedIn(_) if broken.is_timeout() => {
                    Err(error::no_answer_in_time(self.common.timeout, kind))
                }
                Source::HandedIn(_) if broken.is_connection_refusal() => Err(error::unreachable(&broken)),
                Source::HandedIn(_) => Err(error::connection_broken(broken, kind)),
            },
            Err(_) => {
                // No request got an answer in all this time: the network may have dropped the connection.
                if let Source::Own(slot) = &self.source
                    && live.state.answers.load(Ordering::Relaxed) == before
                {
                    slot.forget(live);
                }
                Err(error::no_answer_in_time(self.common.timeout, kind))
            }
        }
    }

    /// Returns the error for an answer that holds no result, and abandons a connection that is not usable any
    /// more.
    pub(crate) fn settle(&self, live: &Live, fault: Fault, kind: RequestKind) -> Error {
        match (&fault, &self.source) {
            (Fault::UnknownForm(_), source) => {
                live.state.suspect.store(true, Ordering::Release);
                if let Source::Own(slot) = source {
                    live.state.gone.store(true, Ordering::Release);
                    slot.forget(live);
                }
            }
            (Fault::Displaced(_), _) => self.displace(live),
            (Fault::Refused(_) | Fault::Unreadable(_), _) => {}
        }
        fault.into_error(kind)
    }

    /// Replaces the connection to a server that refuses to serve, temporarily or permanently.
    pub(crate) fn displace(&self, live: &Live) {
        if let Source::Own(slot) = &self.source {
            slot.displace(live);
        }
    }

    /// Notes that a write was served.
    pub(crate) fn serves(&self, kind: RequestKind) {
        if let Source::Own(slot) = &self.source
            && kind == RequestKind::Write
        {
            slot.serves();
        }
    }
}

/// Checks that there is a runtime. Timers and connections would panic without one.
fn check_runtime() -> Result<()> {
    match tokio::runtime::Handle::try_current() {
        Ok(_) => Ok(()),
        Err(_) => Err(error::no_runtime()),
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match &self.source {
            Source::Own(slot) if slot.current().is_some() => "connected",
            Source::Own(_) => "not connected",
            Source::HandedIn(_) => "caller-managed",
        };
        f.debug_struct("Link").field("connection", &source).field("timeout", &self.common.timeout).finish()
    }
}
