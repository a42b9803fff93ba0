//! The conformance suite on each layer over memory with a manual clock, and on a stack of layers.
//!
//! `ReadOnly` is missing: the suite needs writes.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use ttl_conformance::{Beneath, Fixture, Harness, Time, run_trials, trials};
use ttl_core::options::PutOptions;
use ttl_core::{Key, ManualClock, Record, Result, Ttl, TtlStore, async_trait};
use ttl_layers::{
    CircuitBreaker, ClampTtl, Compress, Encrypt, FailOpen, Fallback, GrowingPatches, InstantExpiries, Jitter,
    Keyring, LayerExt, LimitSize, Migrate, Observe, PersistentEntries, Prefix, Retry, Timeout,
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
    /// Wraps the same store so that entries that it writes cannot be decoded; `None` if a layer does not
    /// decode values.
    foreign: Option<fn(Store) -> Result<Store>>,
}

impl Layered {
    const fn new(kind: &'static str, wrap: fn(Store) -> Result<Store>) -> Self {
        Self { kind, wrap, foreign: None }
    }

    const fn with_foreign(mut self, foreign: fn(Store) -> Result<Store>) -> Self {
        self.foreign = Some(foreign);
        self
    }
}

/// A record that no layer could have written: the field is the one of an envelope, and the text is none.
fn foreign_record() -> Record {
    Record::new().with("~z", "none")
}

fn encrypt(id: &str) -> Encrypt {
    Encrypt::new("suite", Keyring::new(id, [7; 32]))
}

fn with_hashed_keys(id: &str) -> Encrypt {
    encrypt(id).with_hashed_keys([9; 32])
}

fn stack(store: Store, id: &str) -> Result<Store> {
    store
        .layer(encrypt(id))?
        .layer(Compress::zstd().over(64))?
        .layer(Prefix::new("tenant-7:"))?
        .layer(LimitSize::new(MAX_VALUE_BYTES))?
        .layer(Jitter::by_fraction(0.0))?
        .layer(Timeout::new(Duration::from_secs(3_600)))?
        .layer(CircuitBreaker::new())?
        .layer(Retry::new())?
        .layer(Fallback::new(Arc::new(MemoryStore::default())))?
        .layer(Observe::new())
}

const LAYERS: &[Layered] = &[
    Layered::new("prefix", |store| store.layer(Prefix::new("tenant-7:"))),
    Layered::new("limit size", |store| store.layer(LimitSize::new(MAX_VALUE_BYTES))),
    Layered::new("limit size without patches", |store| {
        store.layer(LimitSize::new(MAX_VALUE_BYTES).with_growing_patches(GrowingPatches::Denied))
    }),
    // The widest bound. A minimum, even the shortest, would raise an instant that is less than 1 ms away.
    Layered::new("clamp ttl", |store| {
        let bound = ClampTtl::new().with_max(Ttl::MAX);
        store.layer(bound.with_persistent_entries(PersistentEntries::Allowed))
    }),
    // A spread would move exact deadlines. The tests of `Jitter` cover it.
    Layered::new("jitter", |store| {
        store.layer(Jitter::by_fraction(0.0).with_instants(InstantExpiries::Spread))
    }),
    Layered::new("fail open", |store| store.layer(FailOpen::new())),
    Layered::new("fallback", |store| store.layer(Fallback::new(Arc::new(MemoryStore::default())))),
    Layered::new("timeout", |store| store.layer(Timeout::new(Duration::from_secs(3_600)))),
    Layered::new("retry", |store| store.layer(Retry::new())),
    Layered::new("circuit breaker", |store| store.layer(CircuitBreaker::new())),
    Layered::new("observe", |store| store.layer(Observe::new().with_name("suite"))),
    // From an empty store. The tests of `Migrate` cover the moves.
    Layered::new("migrate", |store| store.layer(Migrate::new(Arc::new(MemoryStore::default())))),
    Layered::new("compress", |store| store.layer(Compress::zstd())).with_foreign(Ok),
    Layered::new("compress all", |store| store.layer(Compress::gzip().over(0))).with_foreign(Ok),
    Layered::new("compress all with zstd", |store| store.layer(Compress::zstd().over(0))).with_foreign(Ok),
    Layered::new("encrypt", |store| store.layer(encrypt("one")))
        .with_foreign(|store| store.layer(encrypt("another"))),
    Layered::new("encrypt hashed keys", |store| store.layer(with_hashed_keys("one")))
        .with_foreign(|store| store.layer(with_hashed_keys("another"))),
    Layered::new("stack", |store| stack(store, "one"))
        .with_foreign(|store| store.layer(encrypt("another"))?.layer(Prefix::new("tenant-7:"))),
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
        let foreign = match self.foreign {
            Some(foreign) => Some(foreign(Arc::new(memory.clone()))?),
            None => None,
        };
        let beneath = Arc::new(Inner { memory: memory.clone(), foreign });
        let store = layered()?;
        assert!(store.as_sync().is_none(), "the synchronous form of the inner store bypasses {}", self.kind);
        Ok(Fixture::new(store, Time::Manual(clock)).with_second(layered()?).with_beneath(beneath))
    }
}

#[derive(Debug)]
struct Inner {
    memory: MemoryStore,
    foreign: Option<Store>,
}

#[async_trait]
impl Beneath for Inner {
    async fn corrupt(&self, key: &Key) -> Result<bool> {
        let Some(foreign) = &self.foreign else { return Ok(false) };
        let put = foreign.put(key, foreign_record().into(), PutOptions::new(Ttl::minutes(1))).await?;
        Ok(put.is_applied())
    }

    async fn count_stored(&self) -> Result<Option<usize>> {
        Ok(Some(self.memory.len()))
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
