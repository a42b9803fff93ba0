//! The background sweeper: a thread that gives back what has expired while nobody uses the store.
//!
//! A thread of the standard library and not a task, because a store must work outside of any runtime too, and a task
//! would end with the runtime it was started on. One a store, so that a large store does not delay a small one. It
//! starts with the first entry that has a deadline and holds no more than a `Weak`; dropping the store wakes it, it
//! finds nothing to upgrade to, and ends. Nobody has to join it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread::{self, Thread};
use std::time::Duration;

use parking_lot::Mutex;

use crate::config::Reclaim;
use crate::store::Inner;
use crate::wheel::TICK_MILLIS;

/// A store's hold on its sweeper.
#[derive(Debug)]
pub(crate) struct Sweeper {
    started: AtomicBool,
    thread: Mutex<Option<Thread>>,
}

impl Sweeper {
    pub(crate) fn new(reclaim: Reclaim) -> Self {
        Self { started: AtomicBool::new(reclaim == Reclaim::Manual), thread: Mutex::new(None) }
    }

    /// Starts the thread, once. Where no thread can be had, the next put tries again.
    pub(crate) fn start(&self, store: &Arc<Inner>) {
        if self.started.load(Ordering::Relaxed) || self.started.swap(true, Ordering::AcqRel) {
            return;
        }
        let store = Arc::downgrade(store);
        let named = thread::Builder::new().name("ttl-memory-sweeper".to_owned());
        match named.spawn(move || run(&store)) {
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

fn run(store: &Weak<Inner>) {
    loop {
        thread::park_timeout(Duration::from_millis(TICK_MILLIS));
        let Some(store) = store.upgrade() else { return };
        store.sweep();
    }
}
