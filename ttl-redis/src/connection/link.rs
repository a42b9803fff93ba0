//! The connection: it is made when needed and replaced when broken, and it tracks whether a request was sent.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use redis::{Cmd, Pipeline, RedisResult, Value as Reply};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};
use ttl_core::{Error, Result, Version};

use super::client::build_client;
use super::live::{Connection, Live, State};
use super::setup::{Facts, Setup};
use super::slot::Slot;
use super::tracking::Tracker;
use crate::config::RedisConfig;
use crate::error::{self, Decoded, Fault, RequestKind};
use crate::wire::Scripts;

/// The link to the server. It sends each request once and never replays one.
pub(crate) struct Link {
    source: Source,
    setup: Arc<Setup>,
}

/// The origin of connections.
enum Source {
    /// Connections made by the store.
    Slot(Arc<Slot>),
    CallerManaged(Live),
}

impl Link {
    /// Creates a link that makes its own connections.
    pub(crate) fn connecting(config: &RedisConfig, scripts: Arc<Scripts>) -> Result<Self> {
        let setup = Arc::new(Setup::new(config.timeout, scripts));
        let slot = Slot::new(build_client(config)?, Arc::clone(&setup));
        Ok(Self { source: Source::Slot(Arc::new(slot)), setup })
    }

    /// Creates a link on a caller-managed connection.
    pub(crate) fn caller_managed(
        connection: Connection,
        config: &RedisConfig,
        scripts: Arc<Scripts>,
    ) -> Self {
        let live = Live { connection, state: Arc::new(State::new()) };
        let setup = Arc::new(Setup::new(config.timeout, scripts));
        Self { source: Source::CallerManaged(live), setup }
    }

    fn deadline(&self) -> Instant {
        let now = Instant::now();
        // A timeout of `Duration::MAX` must not overflow the clock.
        now.checked_add(self.setup.timeout).unwrap_or_else(|| now + Duration::from_secs(86_400 * 365))
    }

    /// Returns the facts about the server, once there was a connection.
    pub(crate) fn facts(&self) -> Option<Arc<Facts>> {
        self.setup.facts()
    }

    /// Returns whether the user is known to have the permission to run scripts.
    pub(crate) fn has_scripts(&self) -> bool {
        self.setup.has_scripts()
    }

    /// Returns whether the link can make connections for reports of changes.
    pub(crate) fn can_track(&self) -> bool {
        matches!(self.source, Source::Slot(_))
    }

    /// Returns the maker of connections for reports of the changes of all keys with a prefix.
    pub(crate) fn tracker(&self, prefix: &str) -> Result<Tracker> {
        check_runtime()?;
        match &self.source {
            Source::Slot(slot) => Ok(Tracker::new(Arc::clone(slot), prefix)),
            Source::CallerManaged(_) => Err(error::no_tracking_connection()),
        }
    }

    /// Opens a connection, or checks the caller-managed one.
    pub(crate) async fn open(&self) -> Result<()> {
        match &self.source {
            Source::Slot(_) => self.ready().await.map(|_| ()),
            Source::CallerManaged(live) => {
                check_runtime()?;
                let mut connection = live.connection.clone();
                match timeout_at(self.deadline(), self.setup.run(&mut connection)).await {
                    Ok(done) => done,
                    Err(_) => Err(error::handshake_timeout(self.setup.timeout)),
                }
            }
        }
    }

    /// Ensures that the known facts are those of the server that the next request reaches. A manager can
    /// replace its connection at any time, which matters to `strict` callers only.
    pub(crate) async fn reprobe(&self, strict: bool) -> Result<()> {
        let known = match &self.source {
            Source::Slot(slot) => slot.current().is_some(),
            Source::CallerManaged(live) => !strict || matches!(live.connection, Connection::Multiplexed(_)),
        };
        if known && self.facts().is_some() { Ok(()) } else { self.open().await }
    }

    /// Returns the connection for the next request. Connects if there is none.
    pub(crate) async fn ready(&self) -> Result<Live> {
        check_runtime()?;
        match &self.source {
            Source::Slot(slot) => match slot.current() {
                Some(live) => Ok(live),
                // Boxed, to keep the futures of the operations small.
                None => Box::pin(slot.acquire(self.deadline())).await,
            },
            Source::CallerManaged(live) if live.state.suspect.load(Ordering::Acquire) => {
                Box::pin(self.recheck(live)).await
            }
            Source::CallerManaged(live) => Ok(live.clone()),
        }
    }

    /// Checks a suspect connection: it is used again only if it returns a random token.
    async fn recheck(&self, live: &Live) -> Result<Live> {
        let token = Version::random().to_string();
        let mut connection = live.connection.clone();
        let echo = timeout_at(self.deadline(), connection.send(redis::cmd("ECHO").arg(&token))).await;
        match echo {
            Ok(Ok(Reply::BulkString(text))) if text == token.as_bytes() => {
                live.state.suspect.store(false, Ordering::Release);
                Ok(live.clone())
            }
            _ => Err(error::suspect_connection()),
        }
    }

    /// Sends one command and waits for its answer. Connecting has a separate time limit.
    pub(crate) async fn send(&self, live: &mut Live, cmd: &Cmd, kind: RequestKind) -> Result<Reply> {
        let before = live.state.answers.load(Ordering::Relaxed);
        let answer = timeout_at(self.deadline(), live.connection.send(cmd)).await;
        self.classify(live, before, answer, kind)
    }

    /// Sends commands together and waits for all answers. The wait continues as long as the connection
    /// receives any answers, because many commands at once take time.
    pub(crate) async fn send_all(
        &self,
        live: &Live,
        commands: &Pipeline,
        kind: RequestKind,
    ) -> Result<Vec<Reply>> {
        let mut connection = live.connection.clone();
        let mut answers = pin!(connection.send_all(commands));
        loop {
            let before = live.state.answers.load(Ordering::Relaxed);
            let answer = timeout_at(self.deadline(), &mut answers).await;
            if answer.is_err() && live.state.answers.load(Ordering::Relaxed) != before {
                continue;
            }
            return self.classify(live, before, answer, kind);
        }
    }

    /// Sends a command that only reads, and reads its answer.
    pub(crate) async fn ask<T>(&self, cmd: &Cmd, read: impl FnOnce(Reply) -> Decoded<T>) -> Result<T> {
        let mut live = self.ready().await?;
        let reply = self.send(&mut live, cmd, RequestKind::Read).await?;
        read(reply).map_err(|fault| self.fail(&live, fault, RequestKind::Read))
    }

    /// Returns the answer, or the error for a request without one.
    fn classify<T>(
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
                Source::Slot(slot) => {
                    slot.forget(live);
                    Err(error::connection_broken(broken, kind))
                }
                Source::CallerManaged(_) if broken.is_timeout() => {
                    Err(error::no_answer_in_time(self.setup.timeout, kind))
                }
                Source::CallerManaged(_) if broken.is_connection_refusal() => {
                    Err(error::unreachable(&broken))
                }
                Source::CallerManaged(_) => Err(error::connection_broken(broken, kind)),
            },
            Err(_) => {
                // No request got an answer in all this time: the network may have dropped the connection.
                if let Source::Slot(slot) = &self.source
                    && live.state.answers.load(Ordering::Relaxed) == before
                {
                    slot.forget(live);
                }
                Err(error::no_answer_in_time(self.setup.timeout, kind))
            }
        }
    }

    /// Returns the error for an answer that holds no result, and abandons a connection that is not usable any
    /// more.
    pub(crate) fn fail(&self, live: &Live, fault: Fault, kind: RequestKind) -> Error {
        match (&fault, &self.source) {
            (Fault::UnknownForm(_), source) => {
                live.state.suspect.store(true, Ordering::Release);
                if let Source::Slot(slot) = source {
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
        if let Source::Slot(slot) = &self.source {
            slot.displace(live);
        }
    }

    /// Notes that the server serves a request of this kind.
    pub(crate) fn note_served(&self, kind: RequestKind) {
        if let Source::Slot(slot) = &self.source
            && kind == RequestKind::Write
        {
            slot.note_served();
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
            Source::Slot(slot) if slot.current().is_some() => "connected",
            Source::Slot(_) => "not connected",
            Source::CallerManaged(_) => "caller-managed",
        };
        f.debug_struct("Link").field("connection", &source).field("timeout", &self.setup.timeout).finish()
    }
}
