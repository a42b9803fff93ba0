//! Each fault on a server that answers every byte with its successor, and counts them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::*;

/// Long enough for a machine on which much else runs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Long enough to see that nothing comes, where it would come at once.
const SILENCE: Duration = Duration::from_millis(100);

struct Server {
    proxy: FaultProxy,
    asked: Arc<AtomicUsize>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let proxy = FaultProxy::start(listener.local_addr().unwrap().to_string()).await.unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let counter = Arc::clone(&counter);
                tokio::spawn(async move {
                    while let Ok(byte) = stream.read_u8().await {
                        counter.fetch_add(1, Ordering::SeqCst);
                        let _ = stream.write_u8(byte + 1).await;
                    }
                });
            }
        });
        Self { proxy, asked }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.proxy.address()).await.unwrap()
    }

    async fn asked(&self, count: usize) {
        eventually(|| self.asked.load(Ordering::SeqCst) == count).await;
    }
}

async fn eventually(holds: impl Fn() -> bool) {
    let waited = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waited).await.unwrap();
}

/// The answer; an error for a connection that was closed.
async fn ask(stream: &mut TcpStream, byte: u8) -> io::Result<u8> {
    stream.write_u8(byte).await?;
    tokio::time::timeout(PATIENCE, stream.read_u8()).await.expect("an answer or an end")
}

async fn is_silent(stream: &mut TcpStream) -> bool {
    tokio::time::timeout(SILENCE, stream.read_u8()).await.is_err()
}

#[tokio::test]
async fn without_a_fault_everything_passes() {
    let server = Server::start().await;
    let (mut one, mut other) = (server.connect().await, server.connect().await);
    for byte in 1..9 {
        assert_eq!(ask(&mut one, byte).await.unwrap(), byte + 1);
        assert_eq!(ask(&mut other, byte).await.unwrap(), byte + 1);
    }
    assert_eq!((server.proxy.hits(), server.proxy.connections()), (0, 2));
    assert_eq!(server.proxy.open_connections(), 2);
    drop(one);
    eventually(|| server.proxy.open_connections() == 1).await;
}

#[tokio::test]
async fn refused_connections_are_closed_and_later_ones_pass() {
    let server = Server::start().await;
    let mut stands = server.connect().await;
    ask(&mut stands, 1).await.unwrap();
    server.proxy.set(Fault::Refuse);
    assert!(stands.read_u8().await.is_err());
    assert!(ask(&mut server.connect().await, 1).await.is_err());
    assert_eq!(server.proxy.hits(), 2);
    server.proxy.heal();
    assert_eq!(ask(&mut server.connect().await, 1).await.unwrap(), 2);
    assert_eq!(server.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn one_request_is_cut() {
    let server = Server::start().await;
    let mut stream = server.connect().await;
    server.proxy.set(Fault::CutRequest { after: 1 });
    ask(&mut stream, 1).await.unwrap();
    assert!(ask(&mut stream, 1).await.is_err());
    assert_eq!(ask(&mut server.connect().await, 1).await.unwrap(), 2);
    assert_eq!((server.asked.load(Ordering::SeqCst), server.proxy.hits()), (2, 1));
}

#[tokio::test]
async fn one_answer_is_lost() {
    let server = Server::start().await;
    let mut stream = server.connect().await;
    server.proxy.set(Fault::LoseAnswer { after: 1 });
    ask(&mut stream, 1).await.unwrap();
    assert!(ask(&mut stream, 1).await.is_err());
    assert_eq!(ask(&mut server.connect().await, 1).await.unwrap(), 2);
    assert_eq!((server.asked.load(Ordering::SeqCst), server.proxy.hits()), (3, 1));
}

#[tokio::test]
async fn what_is_stalled_arrives_later_even_from_a_client_that_is_gone() {
    let server = Server::start().await;
    let mut stays = server.connect().await;
    ask(&mut stays, 1).await.unwrap();
    server.proxy.set(Fault::Stall);
    let mut goes = server.connect().await;
    goes.write_u8(1).await.unwrap();
    stays.write_u8(1).await.unwrap();
    assert!(is_silent(&mut stays).await);
    eventually(|| server.proxy.hits() == 2).await;
    drop(goes);
    assert_eq!(server.asked.load(Ordering::SeqCst), 1);
    server.proxy.heal();
    assert_eq!(stays.read_u8().await.unwrap(), 2);
    server.asked(3).await;
    eventually(|| server.proxy.open_connections() == 1).await;
}

#[tokio::test]
async fn stalled_answers_are_of_requests_that_were_done() {
    let server = Server::start().await;
    let mut stream = server.connect().await;
    server.proxy.set(Fault::StallAnswers);
    stream.write_u8(1).await.unwrap();
    server.asked(1).await;
    assert!(is_silent(&mut stream).await);
    server.proxy.heal();
    assert_eq!(stream.read_u8().await.unwrap(), 2);
}

#[tokio::test]
async fn a_proxy_that_is_dropped_closes_its_connections() {
    let server = Server::start().await;
    let mut stream = server.connect().await;
    ask(&mut stream, 1).await.unwrap();
    let Server { proxy, .. } = server;
    drop(proxy);
    assert!(stream.read_u8().await.is_err());
}
