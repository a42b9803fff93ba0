//! The settings of `CircuitBreaker`.

use std::sync::Arc;
use std::time::Duration;

use ttl_core::driver::SharedClock;
use ttl_core::{Clock, MonotonicClock, Result};

use super::circuit::{Circuit, CircuitState, Limits};
use crate::layer::{LONGEST, invalid};

/// A layer that stops calling a backend that is out, and lets single calls test when it works again.
///
/// | state | a call | next state |
/// |---|---|---|
/// | [`Closed`](CircuitState::Closed) | reaches the inner store | `Open` after `outages` consecutive outages |
/// | [`Open`](CircuitState::Open) | fails at once | `HalfOpen` with the first call after `open_for` |
/// | [`HalfOpen`](CircuitState::HalfOpen) | one call at a time, the probe, reaches the inner store; the others fail at once | `Closed` if the probe gets an answer, `Open` after an outage |
///
/// A call that fails at once returns [`ErrorKind::Unavailable`](ttl_core::ErrorKind::Unavailable), which is
/// retryable. Nothing was sent. Its text names the state.
///
/// | result | counts as |
/// |---|---|
/// | `Unavailable`, `Timeout`, and `OutcomeUnknown`: a write that got no answer | an outage |
/// | a success, a miss, a refusal, `Contention`, `WrongKind`, `PermissionDenied` and other errors of a backend that answers | an answer |
/// | `TooLarge`, `InvalidExpiry`, `Unsupported` and other errors of the caller, which need no request; a dropped call | neither |
///
/// A batch counts as one call. It is an answer if one of its items is.
///
/// All stores that these settings, or clones of them, wrap share one circuit. So use one `CircuitBreaker` for
/// the stores of one server. A probe that never ends keeps the circuit half-open, so set a time limit below
/// this layer, in the driver or with [`Timeout`](crate::Timeout). The layer logs every opening and closing
/// with `tracing`.
///
/// Cost: no request, and two short locks for each call.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use ttl_core::options::GetOptions;
/// use ttl_core::{Key, TtlStore};
/// use ttl_layers::{CircuitBreaker, CircuitState, LayerExt};
/// use ttl_memory::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ttl_core::Result<()> {
/// let breaker = CircuitBreaker::new().with_outages(3).with_open_for(Duration::from_secs(5));
/// let store = Arc::new(MemoryStore::default()).layer(&breaker)?;
/// assert!(store.get(&Key::new("none")?, GetOptions::new()).await?.is_none());
/// assert_eq!(breaker.state(), CircuitState::Closed);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct CircuitBreaker {
    outages: u32,
    open_for: Duration,
    pub(super) clock: SharedClock,
    pub(super) circuit: Arc<Circuit>,
}

impl CircuitBreaker {
    /// Creates the layer with a closed circuit.
    #[must_use]
    pub fn new() -> Self {
        Self {
            outages: 5,
            open_for: Duration::from_secs(10),
            clock: SharedClock(Arc::new(MonotonicClock::new())),
            circuit: Arc::new(Circuit::new()),
        }
    }

    /// Sets the number of consecutive outages that open the circuit; at least 1, by default 5.
    #[must_use]
    pub const fn with_outages(mut self, outages: u32) -> Self {
        self.outages = outages;
        self
    }

    /// Sets the time from the opening of the circuit to the probe: above zero and at most one day, by default
    /// 10 s.
    #[must_use]
    pub const fn with_open_for(mut self, open_for: Duration) -> Self {
        self.open_for = open_for;
        self
    }

    /// Sets the clock that measures `open_for`, such as a [`ManualClock`](ttl_core::ManualClock) in tests.
    /// Defaults to a [`MonotonicClock`].
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = SharedClock(clock);
        self
    }

    /// Returns the state of the circuit.
    #[must_use]
    pub fn state(&self) -> CircuitState {
        self.circuit.state()
    }

    /// Returns how often the circuit has opened.
    #[must_use]
    pub fn times_opened(&self) -> u64 {
        self.circuit.opened()
    }

    pub(super) fn limits(&self) -> Limits {
        Limits { outages: self.outages, open_for: self.open_for }
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.outages == 0 {
            return Err(invalid("CircuitBreaker", "outages", "at least 1, found 0"));
        }
        if self.open_for.is_zero() || self.open_for > LONGEST {
            let expected = format!("a duration above zero and at most one day, found {:?}", self.open_for);
            return Err(invalid("CircuitBreaker", "open_for", &expected));
        }
        Ok(())
    }
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self::new()
    }
}
