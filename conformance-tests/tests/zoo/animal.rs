//! What an animal is: a store with one fault, and the clauses that the fault breaks.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ttl_conformance::{FaultProxy, Fixture, Harness, Time};
use ttl_core::driver::CasStore;
use ttl_core::{
    Clock, Deadline, DeleteOptions, Entry, ExpireResult, Key, ManualClock, MonotonicClock, Outcome,
    PatchResult, PutResult, Result, TtlStore, async_trait,
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
    /// What is wrong with it.
    pub(crate) fault: &'static str,
    /// The clauses that it breaks: a case of each must fail.
    pub(crate) breaks: &'static [&'static str],
    /// Further clauses, cases of which cannot help failing with it; `any` if hardly a case holds.
    pub(crate) also: &'static [&'static str],
    /// Why they cannot.
    pub(crate) why: &'static str,
    pub(crate) make: fn(Right) -> Arc<dyn TtlStore>,
    /// What is wrong where it has a network; it is tried on the cases that need one, and all others are on these alone.
    pub(crate) quirk: Option<Quirk>,
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
            let right = Arc::new(CasStore::new(Den::new(Arc::clone(&clock) as Arc<dyn Clock>)));
            let store = Wired::new(Arc::clone(&right), proxy.address(), quirk);
            Fixture::new(Arc::new(store), Time::Manual(clock)).with_second(right)
        }))
    }

    /// A call that waits for ever is to be found soon.
    fn call_limit(&self) -> Duration {
        if self.quirk.is_some() { Duration::from_secs(10) } else { Duration::from_secs(120) }
    }
}

/// An animal for which time passes by itself.
#[derive(Debug)]
pub(crate) struct InRealTime(pub(crate) Animal);

#[async_trait]
impl Harness for InRealTime {
    async fn fresh(&self) -> Result<Fixture> {
        Ok(fixture(&self.0, Arc::new(MonotonicClock::new()), Time::Real))
    }
}

fn fixture(animal: &Animal, clock: Arc<dyn Clock>, time: Time) -> Fixture {
    let right = Arc::new(CasStore::new(Den::new(clock)));
    let make = || (animal.make)(Arc::clone(&right));
    Fixture::new(make(), time).with_second(make()).with_beneath(Arc::new(Cellar(Arc::clone(&right))))
}

pub(crate) fn now(right: &Right) -> SystemTime {
    right.backend().clock.now()
}

/// Moves a deadline beneath every rule, that of a ghost too.
pub(crate) fn set_deadline(right: &Right, key: &Key, deadline: Deadline) {
    right.backend().meddle(key, |stored| {
        if let Some(stored) = stored {
            stored.deadline = deadline;
        }
    });
}

/// The deadline under a key, a ghost's too.
pub(crate) fn deadline(right: &Right, key: &Key) -> Option<Deadline> {
    right.backend().peek(key).map(|stored| stored.deadline.min(stored.cap))
}

/// Deletes an entry, and remembers what was deleted beside the entries.
pub(crate) async fn remember_deleted(right: &Right, key: &Key, options: DeleteOptions) -> Deleted {
    let old = right.backend().live(key);
    let outcome = right.delete(key, options).await;
    if let (Ok(Outcome::Applied(_)), Some(old)) = (&outcome, old) {
        right.backend().memory.lock().insert(key.clone(), old);
    }
    outcome
}

/// Whether a ghost lies under the key.
pub(crate) fn is_ghost(right: &Right, key: &Key) -> bool {
    right.backend().peek(key).is_some() && right.backend().live(key).is_none()
}

/// Declares animals: wrappers around the right store that forward everything but the broken methods.
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
