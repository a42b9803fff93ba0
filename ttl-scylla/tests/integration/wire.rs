//! A wire between the driver and one node: it knows which statement goes over it, counts, and fails when told to.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinHandle, JoinSet};
use ttl_conformance::servers::free_port;

use crate::frames::{BATCH, EXECUTE, Frame, PREPARE, QUERY, Refusal, Spoilt};

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The connection breaks before the server has it.
    LostRequest,
    /// The server does it, and the connection breaks under the answer.
    LostAnswer,
    /// Nobody answers; the server has done it or has never seen it.
    Silent { done: bool },
    /// The server gets it after so long.
    Late(Duration),
    /// The server gets it when it is released.
    Held,
    /// The server is not asked; this is the answer.
    Refused(Refusal),
    /// The server does it, and this is the answer.
    Broken(Refusal),
    /// The server does it, and its answer comes spoilt.
    Spoilt(Spoilt),
    /// The server is not asked; the answer is of 4 GiB, and comes in pieces of this many bytes.
    Endless(usize),
}

/// How long to wait between two pieces of an endless answer.
const PIECE: Duration = Duration::from_millis(20);

/// Requests on the table that begin with this word and hold this text meet a fault, so many of them.
#[derive(Debug)]
struct Rule {
    verb: &'static str,
    holds: String,
    fault: Fault,
    left: u32,
}

#[derive(Debug, Default)]
struct State {
    rules: Vec<Rule>,
    /// Every so many writes meet the next of these faults.
    toll: Option<(u32, Vec<Fault>)>,
    writes: u32,
    tolls: usize,
    /// Statements by the names that the server gives them.
    statements: HashMap<Vec<u8>, String>,
    seen: Vec<String>,
    /// Requests that the server has and has not answered.
    open: usize,
    held: Vec<(Outbox, Frame)>,
    /// Requests that were compressed.
    compressed: usize,
    /// Connections so far.
    connections: usize,
    /// Those of them that stand and carry nothing any more.
    half_open: usize,
    /// What was sent of endless answers.
    endless: usize,
}

struct Shared {
    table: String,
    state: Mutex<State>,
}

/// A wire to one node; it is cut for good when it is dropped.
pub(crate) struct Wire {
    port: u16,
    address: Arc<str>,
    shared: Arc<Shared>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Wire {
    /// A wire to the node at `address`, which understands the statements of one table.
    pub(crate) async fn open_to(address: &str, table: &str) -> Self {
        let port = free_port(&[Ipv4Addr::LOCALHOST]);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        let shared = Arc::new(Shared { table: table.to_owned(), state: Mutex::default() });
        let wire = Self { port, address: address.into(), shared, task: Mutex::default() };
        wire.attend(listener);
        wire
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The next `times` requests that begin with `verb` (of any verb, if it is empty) and hold `text` meet this fault.
    pub(crate) fn fail(&self, times: u32, verb: &'static str, text: &str, fault: Fault) {
        let rule = Rule { verb, holds: text.to_owned(), fault, left: times };
        self.shared.state.lock().rules.push(rule);
    }

    /// Every so many writes meet the next of these faults, over and over.
    pub(crate) fn take_toll(&self, every: u32, faults: &[Fault]) {
        self.shared.state.lock().toll = Some((every, faults.to_vec()));
    }

    /// From now on nothing fails. Answers how many faults a toll has taken.
    pub(crate) fn heal(&self) -> usize {
        let mut state = self.shared.state.lock();
        state.rules.clear();
        state.toll = None;
        std::mem::take(&mut state.tolls)
    }

    /// What went over the wire since the last call: the first word of each statement on the table, and every PREPARE,
    /// BATCH and unprepared query on it.
    pub(crate) fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.state.lock().seen)
    }

    /// How many requests went over the wire compressed, which it neither reads nor fails.
    pub(crate) fn compressed(&self) -> usize {
        self.shared.state.lock().compressed
    }

    /// From now on the connections that are there swallow what is sent, and stand; new ones are as always.
    pub(crate) fn half_open(&self) {
        let mut state = self.shared.state.lock();
        state.half_open = state.connections;
    }

    /// How many requests are held.
    pub(crate) fn held(&self) -> usize {
        self.shared.state.lock().held.len()
    }

    /// Lets the server have what is held.
    pub(crate) fn release(&self) {
        for (server, frame) in self.shared.state.lock().held.drain(..) {
            let _ = server.send(frame.encode());
        }
    }

    /// How many bytes of endless answers were taken.
    pub(crate) fn endless(&self) -> usize {
        self.shared.state.lock().endless
    }

    /// Returns when the server has answered all that it got.
    pub(crate) async fn settle(&self) {
        for _ in 0..6_000 {
            if self.shared.state.lock().open == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the server has not answered within 30 s");
    }

    /// Returns when nobody can connect any more and all connections are cut.
    pub(crate) async fn shut(&self) {
        let task = self.task.lock().take();
        if let Some(task) = task {
            task.abort();
            let _ = task.await;
        }
    }

    /// Lets connections in again.
    pub(crate) async fn open(&self) {
        self.attend(TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).await.unwrap());
    }

    fn attend(&self, listener: TcpListener) {
        let (address, shared) = (Arc::clone(&self.address), Arc::clone(&self.shared));
        let task = tokio::spawn(async move {
            // Aborted with the task that owns it.
            let mut inside = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (address, shared) = (Arc::clone(&address), Arc::clone(&shared));
                inside.spawn(async move {
                    let Ok(server) = TcpStream::connect(&*address).await else { return };
                    carry(client, server, shared).await;
                });
                while inside.try_join_next().is_some() {}
            }
        });
        *self.task.lock() = Some(task);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if let Some(task) = self.task.lock().take() {
            task.abort();
        }
    }
}

/// What is to be done with the answer of a stream.
#[derive(Debug)]
enum Awaited {
    Carry,
    Learn(String),
    Cut,
    Swallow,
    Replace(Frame),
    Spoil(Spoilt),
}

/// The answers that one connection waits for, of requests that the server has.
struct Open {
    shared: Arc<Shared>,
    number: usize,
    streams: Mutex<HashMap<i16, Awaited>>,
}

impl Open {
    fn new(shared: Arc<Shared>) -> Self {
        let number = shared.state.lock().connections;
        shared.state.lock().connections += 1;
        Self { shared, number, streams: Mutex::default() }
    }

    fn is_half_open(&self) -> bool {
        self.number < self.shared.state.lock().half_open
    }

    fn await_answer(&self, stream: i16, awaited: Awaited) {
        // A client that has given a request up may use its stream for another one only when that one is answered.
        self.streams.lock().insert(stream, awaited);
        self.shared.state.lock().open += 1;
    }

    fn answered(&self, stream: i16) -> Option<Awaited> {
        let awaited = self.streams.lock().remove(&stream)?;
        self.shared.state.lock().open -= 1;
        Some(awaited)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.state.lock().open -= self.streams.get_mut().len();
    }
}

type Outbox = UnboundedSender<Vec<u8>>;

/// Carries frames until either side ends or a fault cuts it; then both connections are dropped.
async fn carry(client: TcpStream, server: TcpStream, shared: Arc<Shared>) {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (asking, saying) = (client.into_split(), server.into_split());
    let (to_server, for_server) = unbounded_channel();
    let (to_client, for_client) = unbounded_channel();
    let open = Arc::new(Open::new(shared));
    tokio::select! {
        () = requests(asking.0, to_server, to_client.clone(), Arc::clone(&open)) => {}
        () = answers(saying.0, to_client, &open) => {}
        () = deliver(for_server, saying.1) => {}
        () = deliver(for_client, asking.1) => {}
    }
}

async fn deliver(mut from: UnboundedReceiver<Vec<u8>>, mut to: OwnedWriteHalf) {
    while let Some(bytes) = from.recv().await {
        if to.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

async fn requests(mut from: OwnedReadHalf, server: Outbox, client: Outbox, open: Arc<Open>) {
    while let Ok(frame) = Frame::read(&mut from).await {
        if open.is_half_open() {
            continue;
        }
        let (stream, shared) = (frame.stream, &open.shared);
        let awaited = match shared.judge(&frame) {
            None if frame.opcode == PREPARE && !frame.is_compressed() => Awaited::Learn(frame.text()),
            None => Awaited::Carry,
            Some(Fault::LostRequest) => return,
            Some(Fault::LostAnswer) => Awaited::Cut,
            Some(Fault::Silent { done: true }) => Awaited::Swallow,
            Some(Fault::Silent { done: false }) => continue,
            Some(Fault::Spoilt(spoilt)) => Awaited::Spoil(spoilt),
            Some(Fault::Broken(refusal)) => Awaited::Replace(frame.refuse(refusal)),
            Some(Fault::Refused(refusal)) => {
                let _ = client.send(frame.refuse(refusal).encode());
                continue;
            }
            Some(Fault::Endless(piece)) => {
                let _ = client.send(frame.endless_answer());
                // Until nobody takes any more, and all of this is dropped.
                loop {
                    let _ = client.send(vec![0; piece]);
                    shared.state.lock().endless += piece;
                    tokio::time::sleep(PIECE).await;
                }
            }
            Some(Fault::Held) => {
                open.await_answer(stream, Awaited::Carry);
                shared.state.lock().held.push((server.clone(), frame));
                continue;
            }
            Some(Fault::Late(delay)) => {
                open.await_answer(stream, Awaited::Carry);
                let server = server.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    let _ = server.send(frame.encode());
                });
                continue;
            }
        };
        open.await_answer(stream, awaited);
        let _ = server.send(frame.encode());
    }
}

async fn answers(mut from: OwnedReadHalf, client: Outbox, open: &Open) {
    while let Ok(frame) = Frame::read(&mut from).await {
        let awaited = open.answered(frame.stream);
        if open.is_half_open() {
            continue;
        }
        match awaited {
            // Nobody has asked for events.
            None | Some(Awaited::Carry) => {}
            Some(Awaited::Learn(text)) => {
                if let Some(name) = frame.prepared() {
                    open.shared.state.lock().statements.insert(name, text);
                }
            }
            Some(Awaited::Cut) => return,
            Some(Awaited::Swallow) => continue,
            Some(Awaited::Spoil(spoilt)) => {
                let _ = client.send(frame.spoil(spoilt).encode());
                continue;
            }
            Some(Awaited::Replace(other)) => {
                let _ = client.send(other.encode());
                continue;
            }
        }
        let _ = client.send(frame.encode());
    }
}

impl Shared {
    /// Writes down what a request is, and says which fault it meets.
    fn judge(&self, frame: &Frame) -> Option<Fault> {
        let mut state = self.state.lock();
        let state = &mut *state;
        if frame.is_compressed() {
            state.compressed += 1;
            return None;
        }
        let text = match frame.opcode {
            PREPARE | QUERY => frame.text(),
            EXECUTE => state.statements.get(frame.executed()).cloned().unwrap_or_default(),
            BATCH => {
                state.seen.push("BATCH".to_owned());
                return None;
            }
            _ => return None,
        };
        // What the client library asks for itself is its own affair.
        if !text.contains(&self.table) {
            return None;
        }
        let verb = text.split(' ').next().unwrap_or_default();
        match frame.opcode {
            PREPARE => state.seen.push("PREPARE".to_owned()),
            QUERY => state.seen.push(format!("query: {text}")),
            _ => state.seen.push(verb.to_owned()),
        }
        if frame.opcode != EXECUTE {
            return None;
        }
        if let Some(rule) =
            state.rules.iter_mut().find(|rule| verb.starts_with(rule.verb) && frame.holds(&rule.holds))
        {
            let fault = rule.fault;
            rule.left -= 1;
            state.rules.retain(|rule| rule.left > 0);
            return Some(fault);
        }
        let (every, faults) = state.toll.as_ref()?;
        if verb == "SELECT" {
            return None;
        }
        state.writes += 1;
        if !state.writes.is_multiple_of(*every) {
            return None;
        }
        let fault = faults[state.tolls % faults.len()];
        state.tolls += 1;
        Some(fault)
    }
}
