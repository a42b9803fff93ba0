//! The setup of a connection: the check of its server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::RwLock;
use redis::{Pipeline, Value as Reply};
use tokio::time::Instant;
use ttl_core::Result;

use super::live::Connection;
use crate::error::{self, Decoded, Fault, RequestKind};
use crate::wire::Scripts;
use crate::wire::reply::{bulk, int, other_reply};

/// The facts about the server, read at connect.
#[derive(Debug)]
pub(crate) struct Facts {
    /// The server's time at `measured`.
    server_time: SystemTime,
    measured: Instant,
    /// The id of this run of the server, because a SCAN cursor is invalid in another run. Empty if unknown.
    pub(crate) run_id: String,
    eviction: Option<String>,
    /// Whether the scripts were loaded: the user may run scripts.
    has_scripts: bool,
}

impl Facts {
    /// Returns the estimate of the server's time.
    pub(crate) fn now(&self) -> SystemTime {
        self.server_time + self.measured.elapsed()
    }

    /// Returns whether both are known to be of different servers, or of different runs of one.
    pub(super) fn is_of_another_run(&self, other: &Self) -> bool {
        !self.run_id.is_empty() && !other.run_id.is_empty() && self.run_id != other.run_id
    }

    /// Returns a warning if the server may evict live entries.
    pub(crate) fn eviction_warning(&self) -> Option<String> {
        let policy = self.eviction.as_ref()?;
        Some(format!(
            "this Redis server may evict live entries before their deadline when its memory is full (maxmemory-policy \
             {policy}); set the policy to noeviction to keep every entry"
        ))
    }
}

/// The setup of each connection, and what the last one found.
pub(crate) struct Setup {
    pub(crate) timeout: Duration,
    scripts: Arc<Scripts>,
    facts: RwLock<Option<Arc<Facts>>>,
    warned: AtomicBool,
}

impl Setup {
    pub(crate) fn new(timeout: Duration, scripts: Arc<Scripts>) -> Self {
        Self { timeout, scripts, facts: RwLock::new(None), warned: AtomicBool::new(false) }
    }

    /// Returns the facts about the server, once there was a connection.
    pub(crate) fn facts(&self) -> Option<Arc<Facts>> {
        self.facts.read().clone()
    }

    /// Returns whether the user of the last connection may run scripts.
    pub(super) fn has_scripts(&self) -> bool {
        self.facts.read().as_ref().is_some_and(|facts| facts.has_scripts)
    }

    /// Sets up a connection.
    pub(crate) async fn run(&self, connection: &mut Connection) -> Result<()> {
        let facts = self.probe(connection).await?;
        if let Some(warning) = facts.eviction_warning()
            && !self.warned.swap(true, Ordering::Relaxed)
        {
            tracing::warn!("{warning}");
        }
        *self.facts.write() = Some(Arc::new(facts));
        Ok(())
    }

    /// Sets up a connection that does not serve requests: the known facts stay.
    pub(super) async fn probe(&self, connection: &mut Connection) -> Result<Facts> {
        check_server(connection, &self.scripts).await
    }
}

/// Checks the server and loads the scripts. Takes two round trips.
async fn check_server(connection: &mut Connection, scripts: &Scripts) -> Result<Facts> {
    // Nothing of an operation was sent, so a failure has changed nothing.
    let broken = |error| error::connection_broken(error, RequestKind::Read);
    let unusable = |fault: Fault| fault.into_error(RequestKind::Read);
    let (sent_at, before) = clocks();
    let time = connection.send(&redis::cmd("TIME")).await.map_err(broken)?;
    let (answered_at, measured) = clocks();
    let server_time = match time {
        // A user with read permissions only may not run TIME: then this machine's time is used.
        Reply::ServerError(error) if error.code() == "NOPERM" => answered_at,
        time => match server_time(time).map_err(unusable)? {
            // The clocks agree within the round trip. Often they are the same clock, or synchronized by the
            // same service. Then a slow answer does not mean that they differ.
            time if (sent_at..=answered_at).contains(&time) => answered_at,
            time => time + measured.duration_since(before) / 2,
        },
    };

    let mut commands = Pipeline::new();
    // The command of Redis 7.0 that the driver requires. The check is the answer, not the version number.
    commands.cmd("PEXPIRETIME").arg("ttl:probe");
    // CONFIG is denied on many hosted servers; INFO returns the same settings.
    commands.cmd("INFO").arg("server").arg("memory");
    scripts.load().for_each(|load| {
        commands.add_command(load);
    });
    let mut answers = connection.send_all(&commands).await.map_err(broken)?.into_iter();
    match answers.next() {
        // A user may lack access to the probe's key but not to those of the namespace.
        Some(Reply::ServerError(error)) if error.code() != "NOPERM" => {
            return Err(unusable(error::server(&error)));
        }
        _ => {}
    }
    let info = answers.next().and_then(info).unwrap_or_default();
    let line = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let eviction = line("maxmemory_policy").filter(|policy| *policy != "noeviction").map(str::to_owned);
    let run_id = line("run_id").unwrap_or_default().to_owned();
    // Scripts that were not loaded are sent as text.
    let has_scripts = answers.all(|loaded| !matches!(loaded, Reply::ServerError(_)));
    Ok(Facts { server_time, measured, run_id, eviction, has_scripts })
}

/// Reads the system time and the monotonic clock at the same moment, repeating the reading if the machine
/// stalls.
fn clocks() -> (SystemTime, Instant) {
    let read = || {
        let before = Instant::now();
        (SystemTime::now(), before, before.elapsed())
    };
    let mut best = read();
    for _ in 0..8 {
        if best.2 < Duration::from_micros(50) {
            break;
        }
        let next = read();
        if next.2 < best.2 {
            best = next;
        }
    }
    (best.0, best.1)
}

fn server_time(reply: Reply) -> Decoded<SystemTime> {
    let Reply::Array(parts) = reply else { return Err(other_reply(reply)) };
    let mut parts = parts.into_iter().map(|part| match part {
        number @ Reply::Int(_) => int(number).ok().and_then(|number| u64::try_from(number).ok()),
        text => bulk(text).ok().flatten().and_then(|text| String::from_utf8(text).ok()?.parse().ok()),
    });
    match (parts.next().flatten(), parts.next().flatten()) {
        (Some(seconds), Some(micros)) => {
            Ok(UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_micros(micros))
        }
        _ => Err(Fault::UnknownForm("TIME")),
    }
}

/// Returns the text of an answer to INFO: a verbatim string in RESP3, an error (`None`) if INFO is denied.
fn info(reply: Reply) -> Option<String> {
    match reply {
        Reply::BulkString(bytes) => String::from_utf8(bytes).ok(),
        Reply::VerbatimString { text, .. } => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_cannot_be_read_is_an_error() {
        let text = |text: &str| Reply::BulkString(text.into());
        let read = server_time(Reply::Array(vec![text("12"), text("500000")])).unwrap();
        assert_eq!(read, UNIX_EPOCH + Duration::from_millis(12_500));
        assert!(server_time(Reply::Array(vec![text("x"), text("1")])).is_err());
        assert!(server_time(Reply::Nil).is_err());
    }
}
