//! The slot for a connection made by the store, with one attempt at a time for all waiting callers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use redis::aio::AsyncPushSender;
use redis::{AsyncConnectionConfig, Client};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use ttl_core::{Error, Result};

use super::back_off::back_off;
use super::live::{Connection, Live, State, Watch};
use super::setup::Setup;
use crate::error;

/// The longest wait between two attempts, and between two replacements of a connection that refuses to serve.
const LONGEST_ATTEMPT_WAIT: Duration = Duration::from_millis(500);
const LONGEST_REPLACEMENT_WAIT: Duration = Duration::from_secs(2);

/// The slot for a connection made by the store.
pub(crate) struct Slot {
    pub(super) client: Client,
    pub(super) setup: Arc<Setup>,
    live: RwLock<Option<Live>>,
    attempts: Mutex<Attempts>,
    /// The number of consecutive connections that were replaced because the server refused to serve.
    displaced: AtomicU32,
}

type Attempt = watch::Receiver<Option<Result<Live>>>;

#[derive(Default)]
struct Attempts {
    running: Option<Attempt>,
    /// The number of consecutive failures, and the earliest start of the next attempt.
    failures: u32,
    not_before: Option<Instant>,
    last: Option<Error>,
}

impl Slot {
    pub(crate) fn new(client: Client, setup: Arc<Setup>) -> Self {
        Self {
            client,
            setup,
            live: RwLock::new(None),
            attempts: Mutex::default(),
            displaced: AtomicU32::new(0),
        }
    }

    pub(crate) fn current(&self) -> Option<Live> {
        let live = self.live.read();
        live.as_ref().filter(|live| !live.state.gone.load(Ordering::Acquire)).cloned()
    }

    /// Returns a new connection, or an error at the deadline.
    pub(crate) async fn acquire(self: &Arc<Self>, deadline: Instant) -> Result<Live> {
        match timeout_at(deadline, self.wait()).await {
            Ok(done) => done,
            Err(_) => {
                let last = self.attempts.lock().last.clone();
                Err(last.unwrap_or_else(|| error::no_connection_in_time(self.setup.timeout, &self.client)))
            }
        }
    }

    async fn wait(self: &Arc<Self>) -> Result<Live> {
        loop {
            let mut attempt = match self.join() {
                Ok(live) => return Ok(live),
                Err(attempt) => attempt,
            };
            if let Ok(done) = attempt.wait_for(Option::is_some).await
                && let Some(done) = done.as_ref()
            {
                return done.clone();
            }
            // The runtime that ran the attempt has ended: the next one runs on the caller's.
            tokio::task::yield_now().await;
        }
    }

    /// Joins the running attempt, or starts one, unless there is a connection by now.
    fn join(self: &Arc<Self>) -> std::result::Result<Live, Attempt> {
        let mut attempts = self.attempts.lock();
        if let Some(live) = self.current() {
            return Ok(live);
        }
        // An attempt whose sender was dropped has ended with its runtime.
        if let Some(running) = attempts.running.as_ref().filter(|running| running.has_changed().is_ok()) {
            return Err(running.clone());
        }
        let (sender, receiver) = watch::channel(None);
        attempts.running = Some(receiver.clone());
        let (slot, begin) = (Arc::clone(self), attempts.not_before);
        tokio::spawn(async move {
            if let Some(begin) = begin {
                sleep_until(begin).await;
            }
            let limit = slot.setup.timeout;
            let done = match timeout(limit, slot.connect()).await {
                Ok(done) => done,
                Err(_) => Err(error::no_connection_in_time(limit, &slot.client)),
            };
            slot.finish(&done);
            let _ = sender.send(Some(done));
        });
        Err(receiver)
    }

    /// Notes the result of an attempt.
    fn finish(&self, done: &Result<Live>) {
        let mut attempts = self.attempts.lock();
        attempts.running = None;
        match done {
            Ok(live) => {
                *self.live.write() = Some(live.clone());
                (attempts.failures, attempts.not_before, attempts.last) = (0, None, None);
            }
            Err(error) => {
                attempts.failures = attempts.failures.saturating_add(1);
                let longest = LONGEST_ATTEMPT_WAIT.min(self.setup.timeout / 4);
                attempts.not_before = Some(Instant::now() + back_off(attempts.failures, longest));
                attempts.last = Some(error.clone());
            }
        }
    }

    async fn connect(&self) -> Result<Live> {
        let state = Arc::new(State::new());
        let mut connection = self.open(Watch(Arc::clone(&state))).await?;
        self.setup.run(&mut connection).await?;
        Ok(Live { connection, state })
    }

    /// Opens a connection whose messages go to `pushes`.
    pub(super) async fn open(&self, pushes: impl AsyncPushSender) -> Result<Connection> {
        // This driver enforces both limits.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_push_sender(pushes);
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let connection = connecting.await.map_err(|error| error::not_connected(&error, &self.client))?;
        Ok(Connection::Multiplexed(connection))
    }

    /// Stops using a connection, unless it has been replaced already. Requests in flight on it may still be
    /// answered.
    pub(crate) fn forget(&self, used: &Live) -> bool {
        let mut live = self.live.write();
        let current = live.as_ref().is_some_and(|live| Arc::ptr_eq(&live.state, &used.state));
        if current {
            *live = None;
        }
        current
    }

    /// Replaces a connection whose server refuses to serve, because the address may lead to another server by
    /// now. If the new server refuses too, its connection is kept for a while, so that refusals do not cause
    /// a storm of connections.
    pub(crate) fn displace(&self, used: &Live) {
        let before = self.displaced.load(Ordering::Relaxed);
        if used.state.made.elapsed() >= back_off(before, LONGEST_REPLACEMENT_WAIT) && self.forget(used) {
            self.displaced.store(before.saturating_add(1), Ordering::Relaxed);
        }
    }

    /// Notes that a server serves writes.
    pub(crate) fn note_served(&self) {
        if self.displaced.load(Ordering::Relaxed) != 0 {
            self.displaced.store(0, Ordering::Relaxed);
        }
    }
}
