//! A proxy for one node that counts requests and does to them what networks do.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

const PREPARE: u8 = 0x09;
const EXECUTE: u8 = 0x0A;
const HEADER: usize = 9;

/// What happens to a request, or to its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// It is done, and its answer never comes.
    NoAnswer,
    /// It is done, and the connection breaks instead of an answer.
    Cut,
    /// It arrives so much later.
    Late(Duration),
}

/// What a proxy counts and does. Only requests whose bytes contain the mark matter: others have other keys and tables.
#[derive(Debug)]
struct State {
    mark: String,
    executes: AtomicUsize,
    prepares: AtomicUsize,
    faults: parking_lot::Mutex<Vec<Option<Fault>>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
}

impl Proxy {
    /// Stands before the node at this address.
    pub(crate) async fn new(node: &str, mark: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            mark: mark.to_owned(),
            executes: AtomicUsize::new(0),
            prepares: AtomicUsize::new(0),
            faults: parking_lot::Mutex::default(),
        });
        let (node, shared) = (node.to_owned(), Arc::clone(&state));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&node).await else { continue };
                tokio::spawn(connection(client, server, Arc::clone(&shared)));
            }
        });
        Self { address, state }
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// What happens to the next marked EXECUTEs, one after another; `None` is nothing.
    pub(crate) fn next(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        let mut faults: Vec<_> = faults.into_iter().collect();
        faults.reverse();
        *self.state.faults.lock() = faults;
    }

    /// Marked EXECUTEs and PREPAREs since the last call.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.state.executes.swap(0, Ordering::SeqCst), self.state.prepares.swap(0, Ordering::SeqCst))
    }
}

/// What is to be done with the answers to requests under way, by stream.
type Pending = Arc<parking_lot::Mutex<HashMap<[u8; 2], Fault>>>;

async fn connection(client: TcpStream, server: TcpStream, state: Arc<State>) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let pending = Pending::default();
    tokio::select! {
        () = requests(from_client, to_server, &state, Arc::clone(&pending)) => {}
        () = answers(from_server, to_client, pending) => {}
    }
}

async fn requests(mut from: OwnedReadHalf, to: OwnedWriteHalf, state: &State, pending: Pending) {
    let to = Arc::new(Mutex::new(to));
    while let Some(frame) = frame(&mut from).await {
        let marked = frame.windows(state.mark.len()).any(|part| part == state.mark.as_bytes());
        let mut fault = None;
        match frame[4] {
            EXECUTE if marked => {
                state.executes.fetch_add(1, Ordering::SeqCst);
                fault = state.faults.lock().pop().flatten();
            }
            PREPARE if marked => {
                state.prepares.fetch_add(1, Ordering::SeqCst);
            }
            _ => {}
        }
        match fault {
            Some(Fault::Late(by)) => {
                let to = Arc::clone(&to);
                tokio::spawn(async move {
                    tokio::time::sleep(by).await;
                    let _ = to.lock().await.write_all(&frame).await;
                });
                continue;
            }
            Some(fault) => {
                pending.lock().insert([frame[2], frame[3]], fault);
            }
            None => {}
        }
        if to.lock().await.write_all(&frame).await.is_err() {
            return;
        }
    }
}

async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, pending: Pending) {
    while let Some(frame) = frame(&mut from).await {
        let fault = pending.lock().remove(&[frame[2], frame[3]]);
        match fault {
            Some(Fault::NoAnswer) => {}
            Some(Fault::Cut) => return,
            _ => {
                if to.write_all(&frame).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn frame(from: &mut OwnedReadHalf) -> Option<Vec<u8>> {
    let mut frame = vec![0; HEADER];
    from.read_exact(&mut frame).await.ok()?;
    let length = u32::from_be_bytes([frame[5], frame[6], frame[7], frame[8]]) as usize;
    frame.resize(HEADER + length, 0);
    from.read_exact(&mut frame[HEADER..]).await.ok()?;
    Some(frame)
}
