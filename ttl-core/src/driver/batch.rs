//! Batches: many requests at the same time, but never two for the same key.

use std::collections::HashMap;
use std::hash::Hash;

use futures_util::stream::{FuturesUnordered, StreamExt};

/// Runs at most `concurrency` items at the same time, and items with the same key one after another, in their
/// order. Returns one result per item, in the order of the items (B1).
///
/// If the future is dropped, the running items are dropped with it.
pub async fn each<K: Eq + Hash, I, T, F: Future<Output = T>>(
    concurrency: usize,
    items: Vec<(K, I)>,
    run: impl Fn(I) -> F,
) -> Vec<T> {
    let count = items.len();
    let mut places: HashMap<K, usize> = HashMap::with_capacity(count);
    let mut groups: Vec<Vec<(usize, I)>> = Vec::with_capacity(count);
    for (at, (key, item)) in items.into_iter().enumerate() {
        let group = *places.entry(key).or_insert(groups.len());
        if group == groups.len() {
            groups.push(Vec::with_capacity(1));
        }
        groups[group].push((at, item));
    }
    let run = &run;
    let in_order = |group: Vec<(usize, I)>| async move {
        let mut done = Vec::with_capacity(group.len());
        for (at, item) in group {
            done.push((at, run(item).await));
        }
        done
    };
    let mut waiting = groups.into_iter();
    let mut running: FuturesUnordered<_> = waiting.by_ref().take(concurrency.max(1)).map(in_order).collect();
    let mut results: Vec<Option<T>> = std::iter::repeat_with(|| None).take(count).collect();
    while let Some(done) = running.next().await {
        for (at, result) in done {
            results[at] = Some(result);
        }
        if let Some(group) = waiting.next() {
            running.push(in_order(group));
        }
    }
    // Every index is in exactly one group, and every group has ended.
    results.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    #[tokio::test]
    async fn items_of_one_key_run_in_order_and_others_at_the_same_time() {
        let names = ["a", "b", "a", "c", "b", "a"];
        let items = names.iter().enumerate().map(|(at, name)| (*name, (at, *name))).collect();
        let (order, running, most) = (RefCell::new(Vec::new()), Cell::new(0), Cell::new(0));
        let run = async |(at, name): (usize, &'static str)| {
            running.set(running.get() + 1);
            most.set(most.get().max(running.get()));
            tokio::task::yield_now().await;
            running.set(running.get() - 1);
            order.borrow_mut().push((name, at));
            at
        };
        assert_eq!(each(2, items, run).await, [0, 1, 2, 3, 4, 5]);
        assert_eq!(most.get(), 2);
        for name in ["a", "b"] {
            let order = order.borrow();
            let of_name: Vec<usize> = order.iter().filter(|(of, _)| *of == name).map(|(_, at)| *at).collect();
            assert!(of_name.is_sorted() && !of_name.is_empty(), "{name}: {of_name:?}");
        }
    }

    #[tokio::test]
    async fn no_items_are_no_results() {
        assert!(each(0, Vec::<(u8, u8)>::new(), async |item| item).await.is_empty());
    }
}
