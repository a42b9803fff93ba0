//! The first promise by force, in memory: each call is stopped at each of its steps, while the key, its tag or the
//! whole cache is invalidated by the same cache or another one.

mod gate;
mod scenario;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use ttl_core::options::{Condition, PutItem, PutOptions};
use ttl_core::results::PutResult;
use ttl_core::{Key, ManualClock, Outcome, Result, TtlStore, Value, async_trait, forward_ttl_store};
use ttl_memory::{MemoryConfig, MemoryStore};

use self::scenario::{Place, Stopped, interleavings, run};

const ALL: [Stopped; 6] = [
    Stopped::Miss,
    Stopped::Stale,
    Stopped::StaleWithTimeout,
    Stopped::Early,
    Stopped::Batch,
    Stopped::LateTags,
];

fn place(wrap: impl Fn(Arc<dyn TtlStore>) -> Arc<dyn TtlStore>) -> Place {
    let clock = Arc::new(ManualClock::new());
    let config = MemoryConfig::new().with_clock(clock.clone());
    let store = wrap(Arc::new(MemoryStore::new(&config)));
    Place {
        name: "c".to_owned(),
        stores: [Arc::clone(&store), store],
        clock: Some(clock),
        patience: Duration::from_millis(5),
    }
}

/// Runs all interleavings. Returns how many there were, and the faults.
async fn run_all(
    stopped: Stopped,
    wrap: impl Fn(Arc<dyn TtlStore>) -> Arc<dyn TtlStore>,
) -> (usize, Vec<String>) {
    let (mut count, mut faults) = (0, Vec::new());
    for step in 0.. {
        let runs = interleavings(stopped, step).into_iter().map(|it| run(place(&wrap), it));
        let mut reached = 0;
        for result in join_all(runs).await {
            match result {
                Ok(true) => reached += 1,
                Ok(false) => {}
                Err(fault) => {
                    reached += 1;
                    faults.push(fault);
                }
            }
        }
        if reached == 0 {
            println!("{stopped:?}: {step} steps, {count} interleavings, {} faults", faults.len());
            return (count, faults);
        }
        count += reached;
    }
    unreachable!("a call has an end")
}

#[tokio::test]
async fn no_later_call_returns_the_old_value() {
    for stopped in ALL {
        let (count, faults) = run_all(stopped, |store| store).await;
        assert!(count > 250, "{stopped:?}: only {count} interleavings");
        assert!(faults.is_empty(), "{} faults, the first: {}", faults.len(), faults[0]);
    }
}

/// A store that ignores the conditions of puts.
#[derive(Debug)]
struct Unconditional(Arc<dyn TtlStore>);

#[async_trait]
impl TtlStore for Unconditional {
    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>> {
        self.0.put(key, value, options.with_condition(Condition::Always)).await
    }

    async fn put_many(&self, items: Vec<PutItem>) -> Vec<Result<Outcome<PutResult>>> {
        let always = |item: PutItem| {
            PutItem::new(item.key, item.value, item.options.with_condition(Condition::Always))
        };
        self.0.put_many(items.into_iter().map(always).collect()).await
    }

    forward_ttl_store!(self, self.0 => capabilities now get expire patch delete scan get_many delete_many changes);
}

#[tokio::test]
async fn without_conditions_the_interleavings_find_old_values() {
    // The first load of a value with late tags stores no value, so there is nothing to find.
    for stopped in ALL.into_iter().filter(|stopped| *stopped != Stopped::LateTags) {
        let (_, faults) = run_all(stopped, |store| Arc::new(Unconditional(store))).await;
        assert!(!faults.is_empty(), "{stopped:?}");
    }
}
