//! The conformance suite on each layer over memory with a manual clock, and on a stack of layers.
//!
//! `ReadOnly` is missing: the suite needs writes.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use ttl_conformance::{Beneath, Fixture, Harness, Time, run_trials, trials};
use ttl_core::{ManualClock, Result, Ttl, TtlStore, async_trait};
use ttl_layers::{
    CircuitBreaker, ClampTtl, FailOpen, Fallback, GrowingPatches, InstantExpiries, Jitter, LayerExt,
    LimitSize, PersistentEntries, Prefix, Retry, Timeout,
};
use ttl_memory::{MemoryConfig, MemoryStore, Reclaim};

type Store = Arc<dyn TtlStore>;

/// A size that the suite can test.
const MAX_VALUE_BYTES: u64 = 1 << 20;

/// The cases with keys of 1024 bytes, which a prefix makes too long. The tests of `Prefix` repeat them at its
/// limit.
const LONGEST_KEYS: [&str; 5] = [
    "keys::the_longest_key_works",
    "keys::the_longest_key_may_be_of_wide_characters",
    "keys::long_keys_differ_by_their_heads",
    "keys::long_keys_differ_by_their_tails",
    "scan::a_long_prefix_finds_nothing",
];

/// A layer under test.
#[derive(Clone, Copy, Debug)]
struct Layered {
    kind: &'static str,
    wrap: fn(Store) -> Result<Store>,
}

const LAYERS: &[Layered] = &[
    Layered { kind: "prefix", wrap: |store| store.layer(Prefix::new("tenant-7:")) },
    Layered { kind: "limit size", wrap: |store| store.layer(LimitSize::new(MAX_VALUE_BYTES)) },
    Layered {
        kind: "limit size without patches",
        wrap: |store| {
            store.layer(LimitSize::new(MAX_VALUE_BYTES).with_growing_patches(GrowingPatches::Denied))
        },
    },
    // The widest bound. A minimum, even the shortest, would raise an instant that is less than 1 ms away.
    Layered {
        kind: "clamp ttl",
        wrap: |store| {
            let bound = ClampTtl::new().with_max(Ttl::MAX);
            store.layer(bound.with_persistent_entries(PersistentEntries::Allowed))
        },
    },
    // A spread would move exact deadlines. The tests of `Jitter` cover it.
    Layered {
        kind: "jitter",
        wrap: |store| store.layer(Jitter::by_fraction(0.0).with_instants(InstantExpiries::Spread)),
    },
    Layered { kind: "fail open", wrap: |store| store.layer(FailOpen::new()) },
    Layered { kind: "fallback", wrap: |store| store.layer(Fallback::new(Arc::new(MemoryStore::default()))) },
    Layered { kind: "timeout", wrap: |store| store.layer(Timeout::new(Duration::from_secs(3_600))) },
    Layered { kind: "retry", wrap: |store| store.layer(Retry::new()) },
    Layered { kind: "circuit breaker", wrap: |store| store.layer(CircuitBreaker::new()) },
    #[cfg(feature = "observe")]
    Layered { kind: "observe", wrap: |store| store.layer(ttl_layers::Observe::new().with_name("suite")) },
    Layered {
        kind: "stack",
        wrap: |store| {
            let store = store
                .layer(Prefix::new("tenant-7:"))?
                .layer(LimitSize::new(MAX_VALUE_BYTES))?
                .layer(Jitter::by_fraction(0.0))?
                .layer(Timeout::new(Duration::from_secs(3_600)))?
                .layer(CircuitBreaker::new())?
                .layer(Retry::new())?
                .layer(Fallback::new(Arc::new(MemoryStore::default())))?;
            #[cfg(feature = "observe")]
            let store = store.layer(ttl_layers::Observe::new())?;
            Ok(store)
        },
    },
];

impl Layered {
    fn adds_a_prefix(self) -> bool {
        matches!(self.kind, "prefix" | "stack")
    }

    fn limits_sizes(self) -> bool {
        matches!(self.kind, "limit size" | "limit size without patches" | "stack")
    }
}

#[async_trait]
impl Harness for Layered {
    async fn fresh(&self) -> Result<Fixture> {
        let clock = Arc::new(ManualClock::new());
        let mut config = MemoryConfig::new().with_clock(clock.clone()).with_reclaim(Reclaim::Manual);
        if !self.limits_sizes() {
            config = config.with_max_value_bytes(MAX_VALUE_BYTES);
        }
        let memory = MemoryStore::new(&config);
        let layered = || (self.wrap)(Arc::new(memory.clone()));
        let beneath = Arc::new(Counted(memory.clone()));
        Ok(Fixture::new(layered()?, Time::Manual(clock)).with_second(layered()?).with_beneath(beneath))
    }
}

#[derive(Debug)]
struct Counted(MemoryStore);

#[async_trait]
impl Beneath for Counted {
    async fn count_stored(&self) -> Result<Option<usize>> {
        Ok(Some(self.0.len()))
    }
}

fn main() -> ExitCode {
    let mut all = Vec::new();
    for &layered in LAYERS {
        let mut trials = trials(move || Ok(Arc::new(layered)));
        if layered.adds_a_prefix() {
            let before = trials.len();
            trials.retain(|trial| !LONGEST_KEYS.contains(&trial.name()));
            assert_eq!(before - trials.len(), LONGEST_KEYS.len(), "a case of LONGEST_KEYS has another name");
        }
        all.extend(trials.into_iter().map(|trial| trial.with_kind(layered.kind)));
    }
    run_trials(all)
}
