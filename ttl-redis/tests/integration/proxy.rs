//! A TCP proxy between the driver and a server: it counts round trips, and loses requests or answers when told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::resp::Messages;

/// What the proxy does and has done.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// How often the client began to ask when all that it had asked before was answered.
    trips: AtomicU64,
    /// Cut the connection when the next request comes, which the server does not get.
    pub(crate) lose_request: AtomicBool,
    /// Cut the connection when the next answer comes, which the client does not get.
    pub(crate) lose_answer: AtomicBool,
    /// Hold back what the server says.
    pub(crate) mute: AtomicBool,
}

/// A running proxy; it ends when it is dropped.
pub(crate) struct Proxy {
    port: u16,
    pub(crate) watch: Arc<Watch>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// A proxy to the server of this URL, which is by TCP.
    pub(crate) async fn start(url: &str) -> Self {
        let rest = url.split_once("://").unwrap().1;
        let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
        let mut address = rest.split(['/', '?']).next().unwrap().to_owned();
        if !address.contains(':') {
            address.push_str(":6379");
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let watch = Arc::<Watch>::default();
        let shared = Arc::clone(&watch);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&address).await else { continue };
                tokio::spawn(carry(client, server, Arc::clone(&shared)));
            }
        });
        Self { port, watch, task }
    }

    /// The URL, with the proxy in the server's place.
    pub(crate) fn url(&self, url: &str) -> String {
        let (scheme, rest) = url.split_once("://").unwrap();
        let user = rest.rsplit_once('@').map(|(user, _)| format!("{user}@")).unwrap_or_default();
        format!("{scheme}://{user}127.0.0.1:{}", self.port)
    }

    /// The round trips since the last call.
    pub(crate) fn trips(&self) -> u64 {
        self.watch.trips.swap(0, Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Carries bytes until either side ends; ending drops both connections.
async fn carry(mut client: TcpStream, mut server: TcpStream, watch: Arc<Watch>) {
    let (mut asked, mut said) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let (mut requests, mut answers) = (Messages::default(), Messages::default());
    let mut open = 0_u64;
    loop {
        let muted = watch.mute.load(Ordering::SeqCst);
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(count @ 1..) = read else { return };
                if watch.lose_request.swap(false, Ordering::SeqCst) {
                    return;
                }
                if open == 0 && requests.is_whole() {
                    watch.trips.fetch_add(1, Ordering::SeqCst);
                }
                open += requests.take(&asked[..count]);
                if server.write_all(&asked[..count]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut said), if !muted => {
                let Ok(count @ 1..) = read else { return };
                if watch.lose_answer.swap(false, Ordering::SeqCst) {
                    return;
                }
                open = open.saturating_sub(answers.take(&said[..count]));
                if client.write_all(&said[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}
