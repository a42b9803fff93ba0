//! The clients of Redis that are compared: the driver, redis-rs as a program would use it, redis-rs with the commands that
//! the driver sends, and fred.

mod ours;
mod peer;
mod raw;
mod replay;
mod request;

use std::collections::HashMap;
use std::fmt;

use redis::aio::MultiplexedConnection;

use self::ours::Ours;
use self::peer::Fred;
use self::raw::Raw;
use self::replay::Replay;
pub use self::request::Request;
use self::request::{NAMESPACE, PEERS};

/// Who sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The driver.
    Ours,
    /// redis-rs, with the commands that a program would write.
    Raw,
    /// redis-rs, with the commands that the driver sends.
    Same,
    /// fred.
    Fred,
    /// A plain GET by redis-rs, as a measure of the server.
    Baseline,
}

impl Who {
    /// Returns the contestants for a request, the baseline last.
    #[must_use]
    pub fn all(request: Request) -> Vec<Self> {
        let mut all = vec![Self::Ours, Self::Raw, Self::Same];
        if Fred::supports(request) {
            all.push(Self::Fred);
        }
        all.push(Self::Baseline);
        all
    }

    /// Returns the name in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ours => "ttl-store",
            Self::Raw => "redis-rs",
            Self::Same => "redis-rs, same commands",
            Self::Fred => "fred",
            Self::Baseline => "GET",
        }
    }
}

/// All clients, connected, with the entries that they read.
pub struct Clients {
    ours: Ours,
    raw: Raw,
    fred: Fred,
    replays: HashMap<Request, Replay>,
    /// The names of the commands of each request, for the statistics of the server.
    commands: HashMap<(Request, &'static str), Vec<String>>,
    control: MultiplexedConnection,
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").field("commands", &self.commands).finish_non_exhaustive()
    }
}

impl Clients {
    /// Connects, fills, and records what each client sends for each request.
    ///
    /// # Errors
    /// Returns the error of the client that failed.
    pub async fn connect(url: &str, value: &str) -> Result<Self, Box<dyn std::error::Error>> {
        let client = redis::Client::open(url)?;
        let control = client.get_multiplexed_async_connection().await?;
        let mut clients = Self {
            ours: Ours::connect(url, value).await?,
            raw: Raw::connect(&client, value).await?,
            fred: Fred::connect(url, value).await?,
            replays: HashMap::new(),
            commands: HashMap::new(),
            control,
        };
        for request in Request::ALL {
            for who in Who::all(request) {
                let sent = replay::record(&client, || clients.call(who, request, 0)).await?;
                let names = sent.iter().filter_map(|command| command.first()).map(|name| name.to_lowercase());
                clients.commands.insert((request, who.name()), names.collect());
                if who == Who::Ours {
                    let replay = Replay::new(&sent, &request.keys(0), clients.control.clone());
                    clients.replays.insert(request, replay);
                }
            }
        }
        Ok(clients)
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Panics
    /// If it fails.
    pub async fn call(&self, who: Who, request: Request, n: usize) {
        match who {
            Who::Ours => self.ours.call(request, n).await,
            Who::Raw => self.raw.call(request, n).await,
            Who::Same => self.replays[&request].call(&request.keys(n)).await,
            Who::Fred => self.fred.call(request, n).await,
            Who::Baseline => self.raw.call(Request::Get, n).await,
        }
    }

    /// Returns the commands that a request consists of.
    #[must_use]
    pub fn commands(&self, who: Who, request: Request) -> &[String] {
        self.commands.get(&(request, who.name())).map_or(&[], Vec::as_slice)
    }

    /// Deletes all keys of the clients.
    ///
    /// # Errors
    /// Returns the error of the server.
    pub async fn clean(&self) -> redis::RedisResult<()> {
        let mut connection = self.control.clone();
        for namespace in [NAMESPACE, PEERS] {
            let mut cursor = "0".to_owned();
            loop {
                let mut scan = redis::cmd("SCAN");
                scan.arg(&cursor).arg("MATCH").arg(format!("{namespace}:*")).arg("COUNT").arg(1_000);
                let (next, keys): (String, Vec<Vec<u8>>) = scan.query_async(&mut connection).await?;
                if !keys.is_empty() {
                    redis::cmd("DEL").arg(&keys).exec_async(&mut connection).await?;
                }
                if next == "0" {
                    break;
                }
                cursor = next;
            }
        }
        Ok(())
    }

    /// Resets the server's statistics of commands.
    ///
    /// # Panics
    /// If the server refuses it.
    pub async fn reset_statistics(&self) {
        let reset = redis::cmd("CONFIG").arg("RESETSTAT").to_owned();
        reset.exec_async(&mut self.control.clone()).await.expect("the server resets its statistics");
    }

    /// Returns the server's processor time for a request since the reset, in microseconds: the sum over its commands. The
    /// time of a script includes its commands.
    ///
    /// # Panics
    /// If the server refuses it.
    pub async fn server_time(&self, who: Who, request: Request) -> f64 {
        let info = redis::cmd("INFO").arg("commandstats").to_owned();
        let text: String = info.query_async(&mut self.control.clone()).await.expect("the server reports");
        let of = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{name}:")));
            let time =
                line.and_then(|line| line.split(',').find_map(|part| part.strip_prefix("usec_per_call=")));
            time.and_then(|time| time.parse::<f64>().ok()).unwrap_or(0.0)
        };
        self.commands(who, request).iter().map(|name| of(name)).sum()
    }
}
