//! Batches: reads in chunks of 100, concurrent writes, and one result per key in the caller's order.

use std::collections::HashMap;
use std::hash::Hash;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use futures_util::stream::{self, StreamExt};
use ttl_core::{
    DeleteOptions, Entry, Error, ErrorKind, GetOptions, Key, Outcome, PutItem, PutResult, Result, TtlStore,
};

use crate::codec::{self, Item};
use crate::error::{Failure, failure};
use crate::get::{answer, judge};
use crate::store::{DynamoStore, Inner};

/// The maximum number of keys in one read request.
const CHUNK: usize = 100;

/// The result of one get in a batch.
type Got = Result<Option<Entry>>;

impl Inner {
    /// Returns one result per key, in the order of the keys.
    pub(crate) async fn get_many(&self, keys: &[Key], options: &GetOptions) -> Vec<Got> {
        let concurrency = self.config.concurrency;
        // A refresh is a separate write.
        if options.refresh.is_some() || keys.len() == 1 {
            let keyed = keys.iter().map(|key| (key, key)).collect();
            return each(concurrency, keyed, |key| self.get(key, options)).await;
        }
        // DynamoDB rejects duplicate keys.
        let mut places = HashMap::with_capacity(keys.len());
        let mut once = Vec::with_capacity(keys.len());
        for key in keys {
            places.entry(key).or_insert_with(|| {
                once.push(key);
                once.len() - 1
            });
        }
        let chunks: Vec<_> = once.chunks(CHUNK).map(|chunk| self.get_chunk(chunk, options)).collect();
        let got: Vec<Vec<Got>> = stream::iter(chunks).buffered(concurrency).collect().await;
        let got: Vec<&Got> = got.iter().flatten().collect();
        keys.iter().map(|key| got[places[key]].clone()).collect()
    }

    /// Gets the distinct keys of one chunk, in as many requests as DynamoDB needs.
    async fn get_chunk(&self, keys: &[&Key], options: &GetOptions) -> Vec<Got> {
        let before = self.now_millis();
        let mut items: HashMap<String, Item> = HashMap::with_capacity(keys.len());
        let left = self.read_chunk(keys, options, &mut items).await;
        let now = self.now_millis();
        let mut results = Vec::with_capacity(keys.len());
        for key in keys {
            let stored = self.stored(key);
            let item = items.remove(&stored);
            if let Some((error, _)) = left.as_ref().filter(|(_, left)| left.contains(&stored)) {
                results.push(Err(error.clone()));
                continue;
            }
            let live = |now| Ok::<_, Error>(codec::met(now, item.as_ref())?.is_some());
            // An entry that ended meanwhile may have been extended in time.
            let ended = now != before && matches!((live(before), live(now)), (Ok(true), Ok(false)));
            results.push(match judge(now, item.as_ref(), options) {
                _ if ended => self.get(key, options).await,
                Ok(hit) => answer(hit, item, options),
                Err(error) => Err(error),
            });
        }
        results
    }

    /// Reads the existing items of these keys. Returns the keys that could not be read, with the error.
    async fn read_chunk(
        &self,
        keys: &[&Key],
        options: &GetOptions,
        items: &mut HashMap<String, Item>,
    ) -> Option<(Error, Vec<String>)> {
        let table = &self.config.table;
        let mut left: Vec<String> = keys.iter().map(|key| self.stored(key)).collect();
        let client = match self.client.get(&self.config).await {
            Ok(client) => client,
            Err(error) => return Some((error, left)),
        };
        let mut retries = self.retries();
        let mut most = left.len();
        while !left.is_empty() {
            let asked = most.min(left.len());
            let request = match self.keys_and_attributes(&left[..asked], options) {
                Ok(request) => request,
                Err(error) => return Some((error, left)),
            };
            let failed = match client.batch_get_item().request_items(table, request).send().await {
                Err(error) => failure(&error, "BatchGetItem", &self.config),
                Ok(answer) => {
                    let read = answer.responses.and_then(|mut tables| tables.remove(table));
                    for mut item in read.unwrap_or_default() {
                        if let Some(AttributeValue::S(key)) = item.remove(&self.names.key) {
                            items.insert(key, item);
                        }
                    }
                    let unprocessed = answer.unprocessed_keys.and_then(|mut tables| tables.remove(table));
                    let unread = unprocessed.map_or_else(Vec::new, |keys| self.keys_of(keys));
                    let (done, all) = (unread.len() < asked, unread.is_empty());
                    left.splice(..asked, unread);
                    if done {
                        // There was progress, so the remaining keys get a full set of attempts.
                        retries = self.retries();
                        if !all {
                            tokio::time::sleep(self.pause(0)).await;
                        }
                        continue;
                    }
                    Failure::for_now(busy())
                }
            };
            // The attempt timeout can be too short for 16 MB.
            if failed.error.kind() == ErrorKind::Timeout {
                most = asked.div_ceil(2);
            }
            if let Err(error) = self.again(&mut retries, failed).await {
                return Some((error, left));
            }
        }
        None
    }

    fn keys_and_attributes(&self, stored: &[String], options: &GetOptions) -> Result<KeysAndAttributes> {
        let keys = stored
            .iter()
            .map(|key| HashMap::from([(self.names.key.clone(), AttributeValue::S(key.clone()))]));
        let mut request = KeysAndAttributes::builder()
            .set_keys(Some(keys.collect()))
            .consistent_read(self.config.consistent_reads);
        if let Some(part) = self.attributes(&options.projection, options.kind, options.returning) {
            request = request
                .projection_expression(part.expression)
                .set_expression_attribute_names(Some(part.names));
        }
        request
            .build()
            .map_err(|error| Error::new(ErrorKind::Backend, "a batch without keys").with_source(error))
    }

    fn keys_of(&self, unprocessed: KeysAndAttributes) -> Vec<String> {
        let keys = unprocessed.keys.into_iter().filter_map(|mut key| key.remove(&self.names.key));
        keys.filter_map(|key| if let AttributeValue::S(key) = key { Some(key) } else { None }).collect()
    }

    fn stored(&self, key: &Key) -> String {
        [&*self.prefix, key.as_str()].concat()
    }
}

impl DynamoStore {
    /// Puts each item with a separate request: batch writes have no conditions, and one invalid item fails
    /// them all.
    pub(crate) async fn put_each(&self, items: Vec<PutItem>) -> Vec<Result<Outcome<PutResult>>> {
        let keyed = items.into_iter().map(|item| (item.key.clone(), item)).collect();
        let put = async |item: PutItem| self.put(&item.key, item.value, item.options).await;
        each(self.0.config.concurrency, keyed, put).await
    }

    /// Deletes each key with a separate request.
    pub(crate) async fn delete_each(
        &self,
        keys: &[Key],
        options: &DeleteOptions,
    ) -> Vec<Result<Outcome<Option<Entry>>>> {
        let keyed = keys.iter().map(|key| (key, key)).collect();
        each(self.0.config.concurrency, keyed, |key: &Key| self.delete(key, options.clone())).await
    }
}

/// Runs at most `concurrency` items at a time, items with the same key one after the other. Returns the
/// results in the order of the items.
async fn each<K: Eq + Hash, I, T, F: Future<Output = T>>(
    concurrency: usize,
    items: Vec<(K, I)>,
    run: impl Fn(I) -> F,
) -> Vec<T> {
    let mut places: HashMap<K, usize> = HashMap::with_capacity(items.len());
    let mut groups: Vec<Vec<(usize, I)>> = Vec::with_capacity(items.len());
    for (at, (key, item)) in items.into_iter().enumerate() {
        let group = *places.entry(key).or_insert(groups.len());
        if group == groups.len() {
            groups.push(Vec::with_capacity(1));
        }
        groups[group].push((at, item));
    }
    let run = &run;
    let groups: Vec<_> = groups
        .into_iter()
        .map(|group| async move {
            let mut done = Vec::with_capacity(group.len());
            for (at, item) in group {
                done.push((at, run(item).await));
            }
            done
        })
        .collect();
    let done: Vec<Vec<(usize, T)>> = stream::iter(groups).buffer_unordered(concurrency).collect().await;
    let mut done: Vec<(usize, T)> = done.into_iter().flatten().collect();
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

fn busy() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "DynamoDB left keys of the batch unread in every attempt, which means that the table's capacity is used up; try \
         again later",
    )
    .with_backend(crate::BACKEND)
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    #[tokio::test]
    async fn the_same_key_is_done_in_order_and_others_side_by_side() {
        let names = ["a", "b", "a", "c", "b", "a"];
        let items =
            names.iter().enumerate().map(|(at, name)| (Key::new(*name).unwrap(), (at, *name))).collect();
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
}
