//! A TCP proxy between the driver and a server. It counts round trips, and loses requests or answers on demand.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::resp::Messages;

/// The settings and the counts of the proxy.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// The number of times that the client began to send after all earlier requests were answered.
    trips: AtomicU64,
    /// Drop the next request and cut its connection.
    pub(crate) lose_request: AtomicBool,
    /// Drop the next answer and cut its connection.
    pub(crate) lose_answer: AtomicBool,
    /// Hold back the data of the server.
    pub(crate) mute: AtomicBool,
    /// Hold back the data of the server until this number of requests has arrived.
    pub(crate) hold: AtomicU64,
    /// The number of requests so far.
    pub(crate) asked: AtomicU64,
    /// The number of bytes of the server so far.
    pub(crate) said: AtomicU64,
    /// The wait before each piece of the server's data, in milliseconds.
    pub(crate) slow: AtomicU64,
    /// Replacements of the next answers.
    pub(crate) garble: Mutex<Option<Garble>>,
    /// The target of new connections, if it is not the first server.
    pub(crate) elsewhere: Mutex<Option<String>>,
    /// The number of connections so far.
    pub(crate) connections: AtomicU64,
}

/// The replacement of an answer.
#[derive(Clone, Debug)]
pub(crate) struct Garble {
    text: &'static [u8],
    /// Replace every later answer to a request that contains these bytes; otherwise only the answers of one piece.
    always_to: Option<&'static [u8]>,
    /// Replace each answer, or all answers of a piece together.
    each: bool,
}

impl Watch {
    /// Replaces each answer of the next piece.
    pub(crate) fn garble(&self, text: &'static [u8]) {
        *self.garble.lock().unwrap() = Some(Garble { text, always_to: None, each: true });
    }

    /// Replaces the next piece as a whole.
    pub(crate) fn garble_once(&self, text: &'static [u8]) {
        *self.garble.lock().unwrap() = Some(Garble { text, always_to: None, each: false });
    }

    /// Replaces every answer to a request that contains these bytes.
    pub(crate) fn garble_always(&self, asked: &'static [u8], text: &'static [u8]) {
        *self.garble.lock().unwrap() = Some(Garble { text, always_to: Some(asked), each: true });
    }

    /// Returns the data that the client gets in place of this number of answers.
    fn garbled(&self, asked: &[u8], answers: u64) -> Option<Vec<u8>> {
        let mut garble = self.garble.lock().unwrap();
        let Garble { text, always_to, each } = garble.clone()?;
        match always_to {
            Some(needle) if !asked.windows(needle.len()).any(|window| window == needle) => return None,
            Some(_) => {}
            None => *garble = None,
        }
        Some(text.repeat(if each { answers as usize } else { 1 }))
    }
}

/// A running proxy. Dropping it stops the proxy.
pub(crate) struct Proxy {
    port: u16,
    pub(crate) watch: Arc<Watch>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy to the server of this URL, over TCP.
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
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let elsewhere = shared.elsewhere.lock().unwrap().clone();
                let address = elsewhere.unwrap_or_else(|| address.clone());
                let Ok(server) = TcpStream::connect(&address).await else { continue };
                tokio::spawn(carry(client, server, Arc::clone(&shared)));
            }
        });
        Self { port, watch, task }
    }

    /// Returns the URL with the proxy in place of the server.
    pub(crate) fn url(&self, url: &str) -> String {
        let (scheme, rest) = url.split_once("://").unwrap();
        let user = rest.rsplit_once('@').map(|(user, _)| format!("{user}@")).unwrap_or_default();
        format!("{scheme}://{user}127.0.0.1:{}", self.port)
    }

    /// Returns the number of round trips since the last call.
    pub(crate) fn trips(&self) -> u64 {
        self.watch.trips.swap(0, Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Forwards bytes until either side ends, and then drops both connections.
async fn carry(mut client: TcpStream, mut server: TcpStream, watch: Arc<Watch>) {
    let (mut asked, mut said) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let (mut requests, mut answers) = (Messages::default(), Messages::default());
    let (mut open, mut last) = (0_u64, 0);
    loop {
        let muted = watch.mute.load(Ordering::SeqCst)
            || watch.asked.load(Ordering::SeqCst) < watch.hold.load(Ordering::SeqCst);
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(count @ 1..) = read else { return };
                if watch.lose_request.swap(false, Ordering::SeqCst) {
                    return;
                }
                if open == 0 && requests.is_whole() {
                    watch.trips.fetch_add(1, Ordering::SeqCst);
                }
                last = count;
                let count_of_requests = requests.take(&asked[..count]);
                open += count_of_requests;
                watch.asked.fetch_add(count_of_requests, Ordering::SeqCst);
                if server.write_all(&asked[..count]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut said), if !muted => {
                let Ok(count @ 1..) = read else { return };
                if watch.lose_answer.swap(false, Ordering::SeqCst) {
                    return;
                }
                watch.said.fetch_add(count as u64, Ordering::SeqCst);
                let count_of_answers = answers.take(&said[..count]);
                open = open.saturating_sub(count_of_answers);
                let slow = watch.slow.load(Ordering::SeqCst);
                if slow > 0 {
                    tokio::time::sleep(Duration::from_millis(slow)).await;
                }
                let garbled = watch.garbled(&asked[..last], count_of_answers);
                if client.write_all(garbled.as_deref().unwrap_or(&said[..count])).await.is_err() {
                    return;
                }
            }
        }
    }
}
