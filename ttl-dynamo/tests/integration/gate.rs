//! A TCP door in front of a server: shut, nobody can connect and whoever was inside is thrown out.

use std::net::Ipv4Addr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use ttl_conformance::servers::free_port;

/// A door that can be shut and opened again on the same port; it is shut for good when this is dropped.
pub(crate) struct Gate {
    port: u16,
    address: Arc<str>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Gate {
    /// An open door to the server at this endpoint, such as `http://127.0.0.1:8000`.
    pub(crate) async fn open_to(endpoint: &str) -> Self {
        let address = endpoint.split_once("://").expect("a scheme").1.trim_end_matches('/');
        let port = free_port(&[Ipv4Addr::LOCALHOST]);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        let gate = Self { port, address: address.into(), task: Mutex::default() };
        gate.attend(listener);
        gate
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns when nobody can connect any more and all connections are cut.
    pub(crate) async fn shut(&self) {
        let task = self.task.lock().take();
        if let Some(task) = task {
            task.abort();
            let _ = task.await;
        }
    }

    pub(crate) async fn open(&self) {
        self.attend(TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).await.unwrap());
    }

    fn attend(&self, listener: TcpListener) {
        let address = Arc::clone(&self.address);
        let task = tokio::spawn(async move {
            // Aborted with the task that owns it.
            let mut inside = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let address = Arc::clone(&address);
                inside.spawn(async move {
                    let mut server = TcpStream::connect(&*address).await?;
                    tokio::io::copy_bidirectional(&mut client, &mut server).await
                });
                while inside.try_join_next().is_some() {}
            }
        });
        *self.task.lock() = Some(task);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        if let Some(task) = self.task.lock().take() {
            task.abort();
        }
    }
}
