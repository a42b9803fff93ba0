//! A call that stops at each of its steps in turn, while the key is invalidated: no later call returns the old
//! value.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use ttl_cache::{Cache, CacheBuilder, LoadOptions, Loaded, Near};
use ttl_core::codec::Json;
use ttl_core::{ManualClock, Ttl, TtlStore};

use super::gate::{Gate, Gated};

const TAG: &str = "team:7";
const KEY: &str = "ada";
const TTL: Ttl = Ttl::days(300);

/// The call that is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// A call that finds nothing and loads.
    Miss,
    /// A call that finds a stale value, and the refresh that it begins.
    Stale,
    /// The same with a soft timeout, so that it waits for the refresh.
    StaleWithTimeout,
    /// A call that finds a fresh value and refreshes it early.
    Early,
    /// A batch.
    Batch,
    /// A call whose tags are known only after the load.
    LateTags,
}

/// What is invalidated.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Invalidated {
    Key,
    Tag,
    All,
}

/// Who makes a call: the cache whose call is stopped, or another one on the same store, as in another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Same,
    Other,
}

/// When the stopped call goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GoesOn {
    BeforeTheLaterCall,
    DuringIt,
    /// Its caller is dropped, and its load goes on.
    Dropped,
}

/// A place that is empty.
pub(crate) struct Place {
    /// The name of the caches.
    pub(crate) name: String,
    /// Two handles of the same place.
    pub(crate) stores: [Arc<dyn TtlStore>; 2],
    /// The clock of the stores, if the test moves it. Without one, no value can be refreshed early for certain.
    pub(crate) clock: Option<Arc<ManualClock>>,
    /// How long background tasks get for their next step.
    pub(crate) patience: Duration,
}

/// One interleaving.
#[derive(Clone, Copy)]
pub(crate) struct Interleaving {
    pub(crate) stopped: Stopped,
    pub(crate) invalidated: Invalidated,
    pub(crate) invalidated_by: By,
    pub(crate) later_by: By,
    pub(crate) goes_on: GoesOn,
    pub(crate) near: bool,
    pub(crate) step: usize,
}

impl fmt::Debug for Interleaving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} stopped at step {}, {:?} invalidated by {:?}, later call by {:?}, goes on {:?}, near {}",
            self.stopped,
            self.step,
            self.invalidated,
            self.invalidated_by,
            self.later_by,
            self.goes_on,
            self.near
        )
    }
}

/// All interleavings of one stopped call at one step.
pub(crate) fn interleavings(stopped: Stopped, step: usize) -> Vec<Interleaving> {
    let mut all = Vec::new();
    for invalidated in [Invalidated::Key, Invalidated::Tag, Invalidated::All] {
        for invalidated_by in [By::Same, By::Other] {
            for later_by in [By::Same, By::Other] {
                for goes_on in [GoesOn::BeforeTheLaterCall, GoesOn::DuringIt, GoesOn::Dropped] {
                    for near in [false, true] {
                        // A near copy of one process can hide the invalidation by another.
                        if !near || invalidated_by == By::Same && later_by == By::Same {
                            all.push(Interleaving {
                                stopped,
                                invalidated,
                                invalidated_by,
                                later_by,
                                goes_on,
                                near,
                                step,
                            });
                        }
                    }
                }
            }
        }
    }
    all
}

/// The source of the values. Its number grows with each change.
#[derive(Clone)]
struct Source {
    number: Arc<AtomicU64>,
    gate: Arc<Gate>,
}

impl Source {
    /// Reads the number, and stops at the gate with it.
    async fn read(self) -> std::io::Result<u64> {
        self.gate.pass().await;
        let number = self.number.load(Ordering::SeqCst);
        self.gate.pass().await;
        Ok(number)
    }
}

fn build(builder: CacheBuilder<String, u64>, stopped: Stopped, near: bool) -> Cache<String, u64> {
    // The store's clock decides what is stale, so a value is made stale by its own settings.
    let builder = match stopped {
        Stopped::StaleWithTimeout => builder.soft_timeout(Duration::from_secs(20)),
        Stopped::Early => builder.early_refresh(100.0),
        Stopped::Miss | Stopped::Stale | Stopped::Batch | Stopped::LateTags => builder,
    };
    let builder =
        if near { builder.near(Near::new(100).max_staleness(Duration::from_secs(3_600))) } else { builder };
    builder.load_timeout(Ttl::seconds(60)).build().unwrap()
}

async fn load(cache: &Cache<String, u64>, source: Source, stopped: Stopped) -> u64 {
    let tags = LoadOptions::new().with_tags([TAG]);
    match stopped {
        Stopped::Batch => {
            let keys = [KEY.to_owned(), "bob".to_owned()];
            let loader = move |missing: Vec<String>| {
                let source = source.clone();
                async move {
                    let number = source.read().await?;
                    Ok::<_, std::io::Error>(missing.into_iter().map(|key| (key, number)).collect::<Vec<_>>())
                }
            };
            *cache.get_many_or_load_with(&keys, tags, loader).await.unwrap()[0].clone().unwrap()
        }
        Stopped::LateTags => {
            let loader = |_| async { source.read().await.map(|number| Loaded::new(number).with_tags([TAG])) };
            *cache.get_or_load(KEY, loader).await.unwrap()
        }
        _ => *cache.get_or_load_with(KEY, tags, |_| source.read()).await.unwrap(),
    }
}

/// Lets the other tasks go on for as long as they can without waiting for time or a server.
async fn others() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// Runs one interleaving. `stores` are two handles of the same place, which is empty. Returns whether the call
/// reached the step, and fails if a later call returns the old value.
pub(crate) async fn run(place: Place, it: Interleaving) -> Result<bool, String> {
    let Place { name, stores: [own, other], clock, patience } = place;
    let number = Arc::new(AtomicU64::new(1));
    let open = Gate::closed_at(usize::MAX);
    let free = Source { number: Arc::clone(&number), gate: Arc::clone(&open) };
    let other_cache = build(Cache::builder(Arc::clone(&other), &*name, TTL, Json), it.stopped, false);
    prepare(&other_cache, it.stopped, clock).await;

    let gate = Gate::closed_at(it.step);
    let gated: Arc<dyn TtlStore> = Arc::new(Gated { inner: own, gate: Arc::clone(&gate) });
    let cache = build(Cache::builder(gated, &*name, TTL, Json), it.stopped, it.near);
    let source = Source { number: Arc::clone(&number), gate: Arc::clone(&gate) };
    let call: JoinHandle<u64> = {
        let (cache, stopped) = (cache.clone(), it.stopped);
        tokio::spawn(async move { load(&cache, source, stopped).await })
    };
    let reached = tokio::select! {
        () = gate.reached() => true,
        // Background tasks reach their steps after the call has ended.
        () = async { while !call.is_finished() { tokio::time::sleep(Duration::from_millis(1)).await } settle(patience).await } => false,
    };
    if !reached {
        return Ok(false);
    }
    // The source changes, and the program invalidates.
    number.store(2, Ordering::SeqCst);
    let invalidating = if it.invalidated_by == By::Same { &cache } else { &other_cache };
    match it.invalidated {
        Invalidated::Key => invalidating.invalidate(KEY).await,
        Invalidated::Tag => invalidating.invalidate_tag(TAG).await,
        Invalidated::All => invalidating.clear().await,
    }
    .map_err(|error| format!("{it:?}: {error}"))?;

    let later_cache = if it.later_by == By::Same { cache.clone() } else { other_cache.clone() };
    let stopped = it.stopped;
    let later = async move { load(&later_cache, free, stopped).await };
    let (later, call) = match it.goes_on {
        GoesOn::BeforeTheLaterCall => {
            gate.open();
            let _ = call.await;
            (later.await, None)
        }
        GoesOn::DuringIt => {
            let later = tokio::spawn(later);
            others().await;
            gate.open();
            (later.await.map_err(|error| format!("{it:?}: {error}"))?, Some(call))
        }
        GoesOn::Dropped => {
            call.abort();
            let _ = call.await;
            gate.open();
            (later.await, None)
        }
    };
    if later != 2 {
        return Err(format!("{it:?}: a later call returned {later}"));
    }
    if let Some(call) = call {
        let _ = call.await;
    }
    settle(patience).await;
    for cache in [&cache, &other_cache] {
        if let Some(found) =
            cache.get(KEY).await.map_err(|error| error.to_string())?.filter(|found| **found != 2)
        {
            return Err(format!("{it:?}: afterwards, a get returned {found}"));
        }
    }
    Ok(true)
}

/// Puts the key into the state that the stopped call finds.
async fn prepare(cache: &Cache<String, u64>, stopped: Stopped, clock: Option<Arc<ManualClock>>) {
    // So long a load makes an early refresh certain.
    let (duration, fresh_for) = match stopped {
        Stopped::Miss | Stopped::Batch | Stopped::LateTags => return,
        Stopped::Stale | Stopped::StaleWithTimeout => (Duration::ZERO, Ttl::MIN),
        Stopped::Early => (Duration::from_secs(3_600_000), Ttl::seconds(3_600_001)),
    };
    let loading = clock.clone();
    let loader = move |_| async move {
        if let Some(clock) = loading {
            clock.advance(duration);
        }
        Ok::<_, std::io::Error>(Loaded::new(1).with_fresh_for(fresh_for))
    };
    let _ = cache.get_or_load_with(KEY, LoadOptions::new().with_tags([TAG]), loader).await.unwrap();
    match clock {
        Some(_) if stopped == Stopped::Early => {}
        Some(clock) => clock.advance(Duration::from_millis(2)),
        None => tokio::time::sleep(Duration::from_millis(3)).await,
    }
}

/// Lets background tasks go on.
async fn settle(patience: Duration) {
    tokio::time::sleep(patience).await;
    others().await;
}
