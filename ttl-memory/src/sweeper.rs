//! The background sweeper: a thread that reclaims expired entries while the store is idle.
//!
//! It is a thread and not a task. A store must also work outside any runtime, and a task would end with the
//! runtime that started it. Each store has its own thread, so that a large store does not delay a
//! small one. The thread starts with the first entry that has a deadline, and holds only a `Weak`. Dropping
//! the store wakes it, the upgrade fails, and the thread ends. There is no need to join it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread::{self, Thread};
use std::time::Duration;

use parking_lot::Mutex;

use crate::config::Reclaim;
use crate::engine::wheel::TICK_MILLIS;

/// A store's handle to its sweeper.
#[derive(Debug)]
pub(crate) struct Sweeper {
    started: AtomicBool,
    thread: Mutex<Option<Thread>>,
}

impl Sweeper {
    pub(crate) fn new(reclaim: Reclaim) -> Self {
        Self { started: AtomicBool::new(reclaim == Reclaim::Manual), thread: Mutex::new(None) }
    }

    /// Starts the thread, once, which sweeps the store with `sweep`. If the thread cannot be spawned, the next write tries again.
    pub(crate) fn start<S: Send + Sync + 'static>(&self, store: &Arc<S>, sweep: fn(&S) -> usize) {
        if self.started.load(Ordering::Relaxed) || self.started.swap(true, Ordering::AcqRel) {
            return;
        }
        let store = Arc::downgrade(store);
        let named = thread::Builder::new().name("ttl-memory-sweeper".to_owned());
        match named.spawn(move || run(&store, sweep)) {
            Ok(handle) => *self.thread.lock() = Some(handle.thread().clone()),
            Err(_) => self.started.store(false, Ordering::Release),
        }
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.get_mut() {
            thread.unpark();
        }
    }
}

fn run<S>(store: &Weak<S>, sweep: fn(&S) -> usize) {
    loop {
        thread::park_timeout(Duration::from_millis(TICK_MILLIS));
        let Some(store) = store.upgrade() else { return };
        sweep(&store);
    }
}
