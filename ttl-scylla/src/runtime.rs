//! The runtime of the connections: the driver's own.
//!
//! The client library starts its tasks on the runtime that connects, and the connections end with it. A
//! program may have several runtimes, one after the other (each `#[tokio::test]` has its own), and one store
//! for all of them.

use std::sync::{Mutex, PoisonError};
use std::{future, io, thread};

use tokio::runtime::{Builder, Handle};
use tokio_util::context::TokioContext;
use ttl_core::{Error, ErrorKind, Result};

/// Shared by all stores of the process. It never ends, so the order in which stores, sessions and the
/// program's own runtimes are dropped does not matter.
static SHARED: Mutex<Option<Handle>> = Mutex::new(None);

/// Where a store's connections and timers run.
#[derive(Clone, Debug)]
pub(crate) struct Runtime(Handle);

impl Runtime {
    /// Returns the process's runtime, and starts it the first time.
    pub(crate) fn shared() -> Result<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = &*shared {
            return Ok(Self(handle.clone()));
        }
        let handle = start().map_err(|error| {
            Error::new(ErrorKind::Unavailable, "the thread of the connections could not be started")
                .with_source(error)
        })?;
        Ok(Self(shared.insert(handle).clone()))
    }

    /// Polls a future where the caller polls this, on any executor or none, with the timers, sockets and
    /// tasks of this runtime.
    pub(crate) fn run<F: Future>(&self, future: F) -> TokioContext<F> {
        TokioContext::new(future, self.0.clone())
    }
}

/// One thread: it moves bytes between sockets and callers, who encode and decode them on their own threads.
/// Several would wake each other for every request.
fn start() -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new()
        .name("ttl-scylla".to_owned())
        .spawn(move || runtime.block_on(future::pending::<()>()))?;
    Ok(handle)
}
