//! The type of an animal: a store with one fault, and the clauses that the fault breaks.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ttl_conformance::{FaultProxy, Fixture, Harness, Time};
use ttl_core::driver::CasStore;
use ttl_core::options::DeleteOptions;
use ttl_core::results::{ExpireResult, PatchResult, PutResult};
use ttl_core::{
    Clock, Deadline, Entry, Key, ManualClock, MonotonicClock, Outcome, Result, TtlStore, async_trait,
};

use super::den::{Cellar, Den, Right};
use super::outages::{Quirk, Wired};
use super::wire;

pub(crate) type Got = Result<Option<Entry>>;
pub(crate) type Written = Result<Outcome<PutResult>>;
pub(crate) type Patched = Result<Outcome<PatchResult>>;
pub(crate) type Expired = Result<Outcome<ExpireResult>>;
pub(crate) type Deleted = Result<Outcome<Option<Entry>>>;

/// A store that is broken on purpose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Animal {
    pub(crate) name: &'static str,
    /// The fault.
    pub(crate) fault: &'static str,
    /// The clauses that it breaks. At least one case of each must fail.
    pub(crate) breaks: &'static [&'static str],
    /// Further clauses whose cases may fail as a consequence; `any` if almost every case may fail.
    pub(crate) also: &'static [&'static str],
    /// The reason why cases of the further clauses may fail.
    pub(crate) why: &'static str,
    pub(crate) make: fn(Right) -> Arc<dyn TtlStore>,
    /// The fault of an animal with a network. Only the cases that need a network are run on it.
    pub(crate) quirk: Option<Quirk>,
}

impl Animal {
    /// Returns whether the fault is one of the reports of changes.
    fn reports_changes(&self) -> bool {
        self.breaks.iter().any(|clause| clause.starts_with('N'))
    }
}

#[async_trait]
impl Harness for Animal {
    async fn fresh(&self) -> Result<Fixture> {
        let clock = Arc::new(ManualClock::new());
        Ok(fixture(self, Arc::clone(&clock) as Arc<dyn Clock>, Time::Manual(clock)))
    }

    fn upstream(&self) -> Option<String> {
        self.quirk.map(|_| wire::server().to_string())
    }

    async fn fresh_through(&self, proxy: &FaultProxy) -> Result<Option<Fixture>> {
        Ok(self.quirk.map(|quirk| {
            let clock = Arc::new(ManualClock::new());
            let den = Den::new(Arc::clone(&clock) as Arc<dyn Clock>, true);
            let right = Arc::new(CasStore::new(den));
            let store = Wired::new(Arc::clone(&right), proxy.address(), quirk);
            Fixture::new(Arc::new(store), Time::Manual(clock)).with_second(right)
        }))
    }

    /// Short, so that a call that never returns is soon detected.
    fn call_limit(&self) -> Duration {
        if self.quirk.is_some() { Duration::from_secs(10) } else { Duration::from_secs(120) }
    }

    /// Short, so that a report that never arrives is soon detected.
    fn report_limit(&self) -> Duration {
        Duration::from_secs(if self.reports_changes() { 3 } else { 20 })
    }
}

/// An animal with a real clock.
#[derive(Debug)]
pub(crate) struct InRealTime(pub(crate) Animal);

#[async_trait]
impl Harness for InRealTime {
    async fn fresh(&self) -> Result<Fixture> {
        Ok(fixture(&self.0, Arc::new(MonotonicClock::new()), Time::Real))
    }
}

fn fixture(animal: &Animal, clock: Arc<dyn Clock>, time: Time) -> Fixture {
    let right = Arc::new(CasStore::new(Den::new(clock, animal.reports_changes())));
    let make = || (animal.make)(Arc::clone(&right));
    Fixture::new(make(), time).with_second(make()).with_beneath(Arc::new(Cellar(Arc::clone(&right))))
}

pub(crate) fn now(right: &Right) -> SystemTime {
    right.backend().clock.now()
}

/// Moves the deadline of a stored entry, including a ghost, without any checks.
pub(crate) fn set_deadline(right: &Right, key: &Key, deadline: Deadline) {
    right.backend().meddle(key, |stored| {
        if let Some(stored) = stored {
            stored.deadline = deadline;
        }
    });
}

/// Returns the deadline of a stored entry, including a ghost.
pub(crate) fn deadline(right: &Right, key: &Key) -> Option<Deadline> {
    right.backend().peek(key).map(|stored| stored.deadline.min(stored.cap))
}

/// Deletes an entry, and stores a copy of it in `memory`.
pub(crate) async fn remember_deleted(right: &Right, key: &Key, options: DeleteOptions) -> Deleted {
    let old = right.backend().live(key);
    let outcome = right.delete(key, options).await;
    if let (Ok(Outcome::Applied(_)), Some(old)) = (&outcome, old) {
        right.backend().memory.lock().insert(key.clone(), old);
    }
    outcome
}

/// Returns whether the key has a ghost.
pub(crate) fn is_ghost(right: &Right, key: &Key) -> bool {
    right.backend().peek(key).is_some() && right.backend().live(key).is_none()
}

/// Declares animals: wrappers around the correct store that forward all but the faulty methods.
macro_rules! animals {
    ($(
        $(#[doc = $fault:literal])+
        $name:ident breaks $($clause:ident)+ $(; also $($more:ident)+: $why:literal)? {
            forwards $($method:ident)*;
            $($broken:tt)*
        }
    )+) => {
        $(
            $(#[doc = $fault])+
            #[derive(Debug)]
            struct $name {
                right: $crate::zoo::den::Right,
            }

            #[ttl_core::async_trait]
            impl ttl_core::TtlStore for $name {
                ttl_core::forward_ttl_store!(self, self.right => $($method)*);
                $($broken)*
            }
        )+

        /// The animals of this file.
        pub(crate) const ANIMALS: &[$crate::zoo::animal::Animal] = &[$($crate::zoo::animal::Animal {
            name: stringify!($name),
            fault: concat!($($fault),+),
            breaks: &[$(stringify!($clause)),+],
            also: &[$($(stringify!($more)),+)?],
            why: concat!("", $($why)?),
            make: |right| std::sync::Arc::new($name { right }),
            quirk: None,
        }),+];
    };
}
pub(crate) use animals;
