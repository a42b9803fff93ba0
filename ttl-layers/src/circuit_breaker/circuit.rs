//! The circuit: its states and the transitions between them.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use ttl_core::{ErrorKind, Result};

/// The state of the circuit of a [`CircuitBreaker`](crate::CircuitBreaker).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CircuitState {
    /// Calls reach the inner store.
    Closed,
    /// Calls fail at once. After the time of
    /// [`CircuitBreaker::with_open_for`](crate::CircuitBreaker::with_open_for), the next call becomes the
    /// probe.
    Open,
    /// One call, the probe, reaches the inner store. The others fail at once. The result of the probe closes
    /// or opens the circuit.
    HalfOpen,
}

/// The meaning of a result for the circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// The backend answered.
    Answer,
    /// The backend did not answer.
    Outage,
    /// The result may come from a check of the input, before any request. It says nothing about the backend.
    Neither,
}

impl Sign {
    pub(super) fn of<T>(result: &Result<T>) -> Self {
        let Err(error) = result else { return Self::Answer };
        if error.is_outage() {
            return Self::Outage;
        }
        match error.kind() {
            ErrorKind::WrongKind
            | ErrorKind::WrongFieldType
            | ErrorKind::Overflow
            | ErrorKind::Contention
            | ErrorKind::PermissionDenied
            | ErrorKind::Corrupt
            | ErrorKind::Backend => Self::Answer,
            _ => Self::Neither,
        }
    }

    /// Returns the sign of a batch: one answer suffices, and then one outage.
    pub(super) fn of_all<T>(results: &[Result<T>]) -> Self {
        let has = |sign| results.iter().any(|result| Self::of(result) == sign);
        if has(Self::Answer) {
            Self::Answer
        } else if has(Self::Outage) {
            Self::Outage
        } else {
            Self::Neither
        }
    }
}

/// The limits of a circuit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The number of consecutive outages that open the circuit.
    pub(super) outages: u32,
    /// The time from the opening to the probe.
    pub(super) open_for: Duration,
}

/// A change of the state, to be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Opened,
    Closed,
}

/// A circuit, shared by the stores of the same settings.
#[derive(Debug)]
pub(super) struct Circuit(Mutex<State>);

#[derive(Debug)]
struct State {
    phase: Phase,
    /// The number of the phase, which each probe begins and ends. The result of a call that began in an
    /// earlier phase does not count.
    number: u64,
    opened: u64,
}

#[derive(Debug)]
enum Phase {
    Closed { outages: u32 },
    Open { until: SystemTime },
    HalfOpen { probing: bool },
}

/// The permission to make a call.
#[derive(Debug)]
pub(super) struct Permit<'a> {
    circuit: &'a Circuit,
    number: u64,
}

impl Circuit {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State { phase: Phase::Closed { outages: 0 }, number: 0, opened: 0 }))
    }

    fn state_mut(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state(&self) -> CircuitState {
        match self.state_mut().phase {
            Phase::Closed { .. } => CircuitState::Closed,
            Phase::Open { .. } => CircuitState::Open,
            Phase::HalfOpen { .. } => CircuitState::HalfOpen,
        }
    }

    /// Returns how often the circuit has opened.
    pub(super) fn opened(&self) -> u64 {
        self.state_mut().opened
    }

    /// Permits a call, or returns the state that forbids it. `now` is only called if the circuit is open.
    pub(super) fn permit(&self, now: impl FnOnce() -> SystemTime) -> Result<Permit<'_>, CircuitState> {
        let mut state = self.state_mut();
        match &state.phase {
            Phase::Closed { .. } => {}
            Phase::Open { until } => {
                if now() < *until {
                    return Err(CircuitState::Open);
                }
                state.enter(Phase::HalfOpen { probing: true });
            }
            Phase::HalfOpen { probing: true } => return Err(CircuitState::HalfOpen),
            Phase::HalfOpen { probing: false } => state.enter(Phase::HalfOpen { probing: true }),
        }
        Ok(Permit { circuit: self, number: state.number })
    }
}

impl State {
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.number += 1;
    }

    fn open(&mut self, now: SystemTime, limits: Limits) -> Option<Change> {
        let until = now.checked_add(limits.open_for).unwrap_or(now);
        self.enter(Phase::Open { until });
        self.opened += 1;
        Some(Change::Opened)
    }

    fn note(&mut self, sign: Sign, limits: Limits, now: impl FnOnce() -> SystemTime) -> Option<Change> {
        match (&mut self.phase, sign) {
            (Phase::Closed { outages }, Sign::Answer) => {
                *outages = 0;
                None
            }
            (Phase::Closed { outages }, Sign::Outage) => {
                *outages += 1;
                if *outages >= limits.outages { self.open(now(), limits) } else { None }
            }
            (Phase::HalfOpen { .. }, Sign::Answer) => {
                self.enter(Phase::Closed { outages: 0 });
                Some(Change::Closed)
            }
            (Phase::HalfOpen { .. }, Sign::Outage) => self.open(now(), limits),
            // The next call becomes the probe.
            (Phase::HalfOpen { .. }, Sign::Neither) => {
                self.enter(Phase::HalfOpen { probing: false });
                None
            }
            (Phase::Closed { .. }, Sign::Neither) | (Phase::Open { .. }, _) => None,
        }
    }
}

impl Permit<'_> {
    /// Reports the result of the call, and returns the change of the state. `now` is only called if the
    /// circuit opens.
    pub(super) fn report(
        self,
        sign: Sign,
        limits: Limits,
        now: impl FnOnce() -> SystemTime,
    ) -> Option<Change> {
        let mut state = self.circuit.state_mut();
        if state.number != self.number {
            return None;
        }
        let change = state.note(sign, limits, now);
        drop(state);
        change
    }
}

impl Drop for Permit<'_> {
    /// Ends a probe whose call was dropped, so that the next call becomes the probe.
    fn drop(&mut self) {
        let mut state = self.circuit.state_mut();
        if state.number == self.number && matches!(state.phase, Phase::HalfOpen { .. }) {
            state.enter(Phase::HalfOpen { probing: false });
        }
    }
}
