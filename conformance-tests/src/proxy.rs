//! A TCP proxy between a store and its server that knows no protocol and injects the faults that a case sets.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// The size of a read: larger than any request of the cases that use the proxy.
const PIECE: usize = 64 << 10;

/// A fault that a [`FaultProxy`] injects into its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Closes every connection, and each new one immediately. The port remains in use.
    Refuse,
    /// Forwards `after` more requests, drops the next one, and closes its connection. Then the fault ends.
    CutRequest {
        /// The number of requests that are forwarded before.
        after: usize,
    },
    /// Forwards `after` more answers, drops the next one, and closes its connection. Then the fault ends. The
    /// server has executed the request.
    LoseAnswer {
        /// The number of answers that are forwarded before.
        after: usize,
    },
    /// Holds back the data of clients and servers. Connections stay open, and new ones are accepted. The data
    /// is delivered when the fault ends, even if the client has given up.
    Stall,
    /// Forwards requests and holds back answers, otherwise like [`Fault::Stall`].
    StallAnswers,
}

/// A TCP proxy in front of one server, for cases and tests of outages. Dropping it closes its connections.
///
/// The proxy knows no protocol: data that arrives in one piece counts as one request or one answer, on any
/// connection. So a fault that is intended for a call can affect a client's handshake or heartbeat. Let a
/// call succeed first, check [`FaultProxy::hits`], and judge by the entries on the server afterwards.
///
/// ```no_run
/// use ttl_conformance::{Fault, FaultProxy};
///
/// # async fn example() -> std::io::Result<()> {
/// let proxy = FaultProxy::start("127.0.0.1:6379").await?;
/// let url = format!("redis://{}", proxy.address());
/// proxy.set(Fault::LoseAnswer { after: 0 });
/// // A write through `url` may have been applied, and must not report that it was not.
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
    /// Starts a proxy on a free port of the loopback address to the server at `upstream`, such as
    /// `127.0.0.1:6379`.
    ///
    /// # Errors
    /// The error of the system, if no port can be opened. The server is not contacted.
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

    /// Returns the address that the proxy listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the fault to inject from now on, in place of any other.
    pub fn set(&self, fault: Fault) {
        self.shared.fault.send_replace(Some(fault));
    }

    /// Ends the fault, and delivers the data that was held back.
    pub fn heal(&self) {
        self.shared.fault.send_replace(None);
    }

    /// Returns the number of connections, requests and answers that a fault has affected so far.
    #[must_use]
    pub fn hits(&self) -> usize {
        self.shared.hits.load(Ordering::SeqCst)
    }

    /// Returns the number of connections that clients have opened so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Returns the number of open connections.
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

/// The direction of a piece of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Request,
    Answer,
}

/// A signal to close both sides of a connection.
#[derive(Debug)]
struct Cut;

impl Shared {
    fn hit(&self) {
        self.hits.fetch_add(1, Ordering::SeqCst);
    }

    /// Counts a piece, and returns whether to drop it.
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

    /// Waits until no fault holds back data in this direction.
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

/// Forwards bytes until both sides have ended or a fault cuts the connection. Then drops both.
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

/// Forwards pieces in one direction until the sender ends. If the receiver has closed, the rest is still
/// read: a client that gives up a call has already sent its request.
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
