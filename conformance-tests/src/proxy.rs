//! A TCP proxy between a store and its server that knows no protocol and fails when a case tells it to.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// What is read at once: larger than any request of the cases that use the proxy.
const PIECE: usize = 64 << 10;

/// What a [`FaultProxy`] does to the connections that it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Closes every connection, and each new one as soon as it is made. The port stays taken.
    Refuse,
    /// Carries so many more requests, drops the one after them, and closes its connection. Then all goes well.
    CutRequest {
        /// How many requests are carried before.
        after: usize,
    },
    /// Carries so many more answers, drops the one after them, and closes its connection. Then all goes well. The server
    /// has done what it was asked.
    LoseAnswer {
        /// How many answers are carried before.
        after: usize,
    },
    /// Holds back what clients and servers send. Connections stay open, and new ones are made. What was held back is
    /// delivered when the fault ends, even if the client has given up meanwhile.
    Stall,
    /// Carries requests and holds back answers, otherwise as [`Fault::Stall`].
    StallAnswers,
}

/// A TCP proxy in front of one server, for cases and tests of outages. It ends, with its connections, when it is dropped.
///
/// It knows no protocol: what arrives in one piece counts as one request or one answer, on whichever connection. So a
/// client's handshake or heartbeat can meet a fault that was meant for a call. Let a call succeed first, look at
/// [`FaultProxy::hits`], and judge by what the server holds afterwards.
///
/// ```no_run
/// use ttl_conformance::{Fault, FaultProxy};
///
/// # async fn example() -> std::io::Result<()> {
/// let proxy = FaultProxy::start("127.0.0.1:6379").await?;
/// let url = format!("redis://{}", proxy.address());
/// proxy.set(Fault::LoseAnswer { after: 0 });
/// // A write through `url` may have been applied now, and its caller must not be told that it was not.
/// proxy.heal();
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl FaultProxy {
    /// Starts a proxy on a free port of the loopback address to the server at `upstream`, such as `127.0.0.1:6379`.
    ///
    /// # Errors
    /// The system's, if no port can be opened. The server is not asked.
    pub async fn start(upstream: impl Into<String>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream: upstream.into(),
            fault: watch::Sender::new(None),
            hits: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
        });
        let task = tokio::spawn(attend(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, task })
    }

    /// Returns where the proxy listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets this fault happen from now on, in place of another one.
    pub fn set(&self, fault: Fault) {
        self.shared.fault.send_replace(Some(fault));
    }

    /// Lets nothing fail from now on, and delivers what was held back.
    pub fn heal(&self) {
        self.shared.fault.send_replace(None);
    }

    /// Returns how many connections, requests and answers have met a fault so far.
    #[must_use]
    pub fn hits(&self) -> usize {
        self.shared.hits.load(Ordering::SeqCst)
    }

    /// Returns how many connections clients have made so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Returns how many connections are open.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Debug)]
struct Shared {
    upstream: String,
    fault: watch::Sender<Option<Fault>>,
    hits: AtomicUsize,
    connections: AtomicUsize,
    open: AtomicUsize,
}

/// Which way a piece goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Request,
    Answer,
}

/// A connection is to be closed, both sides of it.
#[derive(Debug)]
struct Cut;

impl Shared {
    fn hit(&self) {
        self.hits.fetch_add(1, Ordering::SeqCst);
    }

    /// Counts a piece, and says whether it is the one to be dropped.
    fn drops(&self, way: Way) -> bool {
        let mut dropped = false;
        self.fault.send_if_modified(|fault| {
            let ((Way::Request, Some(Fault::CutRequest { after }))
            | (Way::Answer, Some(Fault::LoseAnswer { after }))) = (way, fault.as_mut())
            else {
                return false;
            };
            match after.checked_sub(1) {
                Some(left) => *after = left,
                None => (*fault, dropped) = (None, true),
            }
            true
        });
        dropped
    }

    /// Returns when nothing holds back what goes this way.
    async fn pass(&self, way: Way) {
        let holds = |fault: Option<Fault>| {
            fault == Some(Fault::Stall) || (way == Way::Answer && fault == Some(Fault::StallAnswers))
        };
        if holds(*self.fault.borrow()) {
            self.hit();
            let _ = self.fault.subscribe().wait_for(|fault| !holds(*fault)).await;
        }
    }

    async fn refused(&self) {
        let refuses = |fault: &Option<Fault>| *fault == Some(Fault::Refuse);
        if self.fault.subscribe().wait_for(refuses).await.is_ok() {
            self.hit();
        }
    }
}

async fn attend(listener: TcpListener, shared: Arc<Shared>) {
    // Aborted with the task that owns it.
    let mut inside = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        shared.connections.fetch_add(1, Ordering::SeqCst);
        let shared = Arc::clone(&shared);
        inside.spawn(async move {
            shared.open.fetch_add(1, Ordering::SeqCst);
            tokio::select! {
                biased;
                () = shared.refused() => {}
                () = carry(client, &shared) => {}
            }
            shared.open.fetch_sub(1, Ordering::SeqCst);
        });
        while inside.try_join_next().is_some() {}
    }
}

/// Carries bytes until both sides have ended, or a fault cuts the connection; then both are dropped.
async fn carry(client: TcpStream, shared: &Shared) {
    let Ok(server) = TcpStream::connect(&*shared.upstream).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let _ = tokio::try_join!(
        pump(from_client, to_server, Way::Request, shared),
        pump(from_server, to_client, Way::Answer, shared),
    );
}

/// Carries pieces one way until their sender ends. Who takes none any more does not keep the other side from hearing the
/// rest: a client that gives a call up does not take back what it has sent.
async fn pump(mut from: OwnedReadHalf, to: OwnedWriteHalf, way: Way, shared: &Shared) -> Result<(), Cut> {
    let (mut piece, mut to) = (vec![0; PIECE], Some(to));
    loop {
        let Ok(count @ 1..) = from.read(&mut piece).await else { return Ok(()) };
        if shared.drops(way) {
            shared.hit();
            return Err(Cut);
        }
        shared.pass(way).await;
        if let Some(open) = &mut to
            && open.write_all(&piece[..count]).await.is_err()
        {
            to = None;
        }
    }
}

#[cfg(test)]
mod tests;
