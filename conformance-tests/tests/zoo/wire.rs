//! A network for the animals: a request is a number, which a server in this process maps to a job.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Builder;

/// The time limit for a response.
const LIMIT: Duration = Duration::from_millis(500);

/// The work that the server performs for a request.
type Job = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

static JOBS: Mutex<BTreeMap<u64, Job>> = Mutex::new(BTreeMap::new());

static NEXT: AtomicU64 = AtomicU64::new(0);

/// The address of the server, which has its own thread until the process ends.
static SERVER: LazyLock<SocketAddr> = LazyLock::new(|| {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream));
            }
        });
    });
    address
});

async fn serve(mut stream: TcpStream) {
    while let Ok(number) = stream.read_u64().await {
        let job = JOBS.lock().remove(&number);
        if let Some(job) = job {
            job().await;
        }
        if stream.write_u64(number).await.is_err() {
            return;
        }
    }
}

pub(crate) fn server() -> SocketAddr {
    *SERVER
}

/// The reason why there is no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    NotConnected,
    Closed,
    Silent,
}

/// Performs the work on the server at this address, through a new connection.
pub(crate) async fn ask<T, F>(
    address: SocketAddr,
    limited: bool,
    work: impl FnOnce() -> F + Send + 'static,
) -> Result<T, Lost>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let answer: Arc<Mutex<Option<T>>> = Arc::default();
    let place = Arc::clone(&answer);
    let job = move || -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let done = work().await;
            *place.lock() = Some(done);
        })
    };
    JOBS.lock().insert(number, Box::new(job));
    let asked = async {
        let mut stream = TcpStream::connect(address).await.map_err(|_| Lost::NotConnected)?;
        stream.write_u64(number).await.map_err(|_| Lost::Closed)?;
        stream.read_u64().await.map_err(|_| Lost::Closed)?;
        answer.lock().take().ok_or(Lost::Closed)
    };
    if limited { tokio::time::timeout(LIMIT, asked).await.unwrap_or(Err(Lost::Silent)) } else { asked.await }
}
