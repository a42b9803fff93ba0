//! Batches: many concurrent requests, but never two for the same key.

use std::collections::HashMap;

use futures_util::stream::{FuturesUnordered, StreamExt};
use ttl_core::Key;
use ttl_core::driver::BoxFuture;

/// The maximum number of concurrent requests of a batch.
const AT_ONCE: usize = 64;

/// Returns one result per key, in the order of the keys. Items with the same key run one after another.
pub(crate) async fn each<'a, T: Send + 'a>(
    keys: impl IntoIterator<Item = &'a Key>,
    run: impl Fn(usize) -> BoxFuture<'a, T> + Send + Sync,
) -> Vec<T> {
    let mut places: HashMap<&Key, usize> = HashMap::new();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut count = 0;
    for (at, key) in keys.into_iter().enumerate() {
        let place = *places.entry(key).or_insert(groups.len());
        if place == groups.len() {
            groups.push(Vec::new());
        }
        groups[place].push(at);
        count += 1;
    }
    let run = &run;
    let one = |group: Vec<usize>| async move {
        let mut done = Vec::with_capacity(group.len());
        for at in group {
            done.push((at, run(at).await));
        }
        done
    };
    let mut results: Vec<Option<T>> = std::iter::repeat_with(|| None).take(count).collect();
    let mut waiting = groups.into_iter();
    let mut running: FuturesUnordered<_> = waiting.by_ref().take(AT_ONCE).map(one).collect();
    while let Some(done) = running.next().await {
        for (at, result) in done {
            results[at] = Some(result);
        }
        if let Some(group) = waiting.next() {
            running.push(one(group));
        }
    }
    // Every index is in exactly one group.
    results.into_iter().flatten().collect()
}
