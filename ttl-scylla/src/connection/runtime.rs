//! The driver's own runtime, which runs the connections.
//!
//! The client library starts its tasks on the runtime that connects, and the connections end with that
//! runtime. A program may have several runtimes, one after the other (each `#[tokio::test]` has its own), and
//! one store for all of them.

use std::sync::{Mutex, PoisonError};
use std::{future, io, thread};

use tokio::runtime::{Builder, Handle};
use tokio_util::context::TokioContext;
use ttl_core::{Error, ErrorKind, Result};

/// The runtime of all stores of the process. It never ends, so stores, sessions and the program's runtimes
/// can be dropped in any order.
static SHARED: Mutex<Option<Handle>> = Mutex::new(None);

/// The runtime of a store's connections and timers.
#[derive(Clone, Debug)]
pub(crate) struct Runtime(Handle);

impl Runtime {
    /// Returns the runtime of the process, and starts it on first use.
    pub(crate) fn shared() -> Result<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = &*shared {
            return Ok(Self(handle.clone()));
        }
        let handle = start().map_err(|error| {
            Error::new(ErrorKind::Unavailable, "the connection thread could not be started")
                .with_source(error)
        })?;
        Ok(Self(shared.insert(handle).clone()))
    }

    /// Polls a future on the caller's executor, if any, with the timers, sockets and tasks of this runtime.
    pub(crate) fn run<F: Future>(&self, future: F) -> TokioContext<F> {
        TokioContext::new(future, self.0.clone())
    }
}

/// Builds a runtime with one thread. It moves bytes between sockets and callers, which encode and decode on
/// their own threads. Several threads would wake each other for every request.
fn start() -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new()
        .name("ttl-scylla".to_owned())
        .spawn(move || runtime.block_on(future::pending::<()>()))?;
    Ok(handle)
}
