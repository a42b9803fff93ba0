//! A server in a container that is removed when its value is dropped.

use std::{
    io, process,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use testcontainers::{
    ContainerAsync, GenericImage, ImageExt,
    core::{IntoContainerPort, WaitFor},
    runners::AsyncRunner,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Runtime,
    time::timeout,
};

use super::ServerKind;
use super::daemon::{daemon, one_line, remove};

/// The time limit of a start, in which the image may have to be pulled first.
const PULL_AND_START: Duration = Duration::from_secs(180);
/// The time limit of the first answer after the server is ready or started.
const ANSWERING: Duration = Duration::from_secs(180);

/// A running container. It is removed by its name, which is known before the container exists. So it is also
/// removed when the start fails or is interrupted.
#[derive(Debug)]
pub(super) struct Container {
    name: String,
    url: String,
    /// The runtime of the connections to the daemon. `None` only during the drop.
    runtime: Option<Runtime>,
}

impl Container {
    /// Starts a container and waits until it is ready. An error is one line.
    pub(super) fn start(kind: ServerKind, image: &str) -> Result<Self, String> {
        // On a separate thread, because the caller may be inside a runtime, where blocking on another one
        // panics.
        apart(|| {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .map_err(|error| format!("the runtime for Docker could not be started: {error}"))?;
            runtime.block_on(daemon())?;

            let name = new_name(kind);
            #[cfg(unix)]
            super::signals::remove_on_signal(&name)
                .map_err(|error| format!("the signal handlers could not be installed: {error}"))?;
            // From here on, the drop cleans up.
            let mut this = Self { name, url: String::new(), runtime: Some(runtime) };
            let start = run(kind, image, this.name.clone());
            this.url = this
                .runtime
                .as_ref()
                .map_or_else(|| Err("no runtime".to_owned()), |runtime| runtime.block_on(start))
                .map_err(|why| format!("a container of the image {image} did not start: {why}"))?;
            Ok(this)
        })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        let name = &self.name;
        let removed = apart(move || runtime.block_on(remove(name)));
        #[cfg(unix)]
        super::signals::forget(name);
        if let Err(why) = removed {
            eprintln!("The container {name} could not be removed: {why}");
        }
    }
}

/// Starts the container and returns the server's URL.
async fn run(kind: ServerKind, image: &str, name: String) -> Result<String, String> {
    let (repository, tag) = split(image);
    let mut request = GenericImage::new(repository, tag)
        .with_exposed_port(kind.port.tcp())
        .with_wait_for(kind.ready.map_or(WaitFor::Nothing, WaitFor::message_on_stdout))
        .with_cmd(kind.command.iter().copied())
        .with_container_name(name);
    if let Ok(run) = std::env::var("TTL_TEST_RUN") {
        request = request.with_label("ttl-store-test.run", run);
    }
    let container = timeout(PULL_AND_START, request.start())
        .await
        .map_err(|_| format!("not ready within {PULL_AND_START:?}"))?
        .map_err(one_line)?;
    let address = address(&container, kind.port).await.map_err(one_line);
    // `Container` removes it by name. Dropping this handle would remove it now.
    std::mem::forget(container);
    let address = address?;
    timeout(ANSWERING, answers(&address, kind.question))
        .await
        .map_err(|_| format!("it did not answer within {ANSWERING:?}"))?;
    Ok((kind.url)(&address))
}

/// Waits until the server answers the question, or accepts a connection if there is no question. A mapped
/// port accepts connections even if no process listens behind it.
async fn answers(address: &str, question: &[u8]) {
    while ask(address, question).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn ask(address: &str, question: &[u8]) -> io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    if !question.is_empty() {
        stream.write_all(question).await?;
        stream.read_u8().await?;
    }
    Ok(())
}

async fn address(
    container: &ContainerAsync<GenericImage>,
    port: u16,
) -> testcontainers::core::error::Result<String> {
    let port = container.get_host_port_ipv4(port).await?;
    // "localhost" may resolve to ::1 first, and the port on ::1 is a different one.
    let host = container.get_host().await?.to_string().replace("localhost", "127.0.0.1");
    Ok(format!("{host}:{port}"))
}

/// Returns the name and the tag of an image. A colon before the last slash belongs to the port of a registry.
pub(super) fn split(image: &str) -> (&str, &str) {
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (image, "latest"),
    }
}

fn new_name(kind: ServerKind) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("ttl-store-test-{}-{}-{count}", kind.variable.to_lowercase(), process::id())
}

fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(work).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
