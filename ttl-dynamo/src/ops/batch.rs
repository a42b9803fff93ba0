//! Batches: reads in chunks of 100, concurrent writes, and one result per key in the caller's order.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use futures_util::stream::{self, StreamExt};
use ttl_core::driver::each;
use ttl_core::options::{DeleteOptions, GetOptions, PutItem};
use ttl_core::results::PutResult;
use ttl_core::{Entry, Error, ErrorKind, Key, Outcome, Result};

use super::get::answer;
use crate::CONTEXT;
use crate::error::{Failure, classify, new};
use crate::inner::Inner;
use crate::layout::{self, Item};

/// The maximum number of keys in one read request.
const CHUNK: usize = 100;

const UNPROCESSED: &str = "DynamoDB left keys of the batch unread in every attempt, which means that the table's \
                           capacity is used up; try again later";

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
        let before = self.now();
        let mut items: HashMap<String, Item> = HashMap::with_capacity(keys.len());
        let left = self.read_chunk(keys, options, &mut items).await;
        let now = self.now();
        let mut results = Vec::with_capacity(keys.len());
        for key in keys {
            let stored = self.stored_key(key);
            let item = items.remove(&stored);
            if let Some((error, _)) = left.as_ref().filter(|(_, left)| left.contains(&stored)) {
                results.push(Err(error.clone()));
                continue;
            }
            let live = |now| Ok::<_, Error>(layout::live_header(now, item.as_ref())?.is_some());
            // An entry that ended meanwhile may have been extended in time.
            let ended = now != before && matches!((live(before), live(now)), (Ok(true), Ok(false)));
            results.push(if ended { self.get(key, options).await } else { answer(now, item, options) });
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
        let mut left: Vec<String> = keys.iter().map(|key| self.stored_key(key)).collect();
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
                Err(error) => classify(&error, "BatchGetItem", &self.config),
                Ok(response) => {
                    let read = response.responses.and_then(|mut tables| tables.remove(table));
                    for mut item in read.unwrap_or_default() {
                        if let Some(AttributeValue::S(key)) = item.remove(&self.layout.key) {
                            items.insert(key, item);
                        }
                    }
                    let unprocessed = response.unprocessed_keys.and_then(|mut tables| tables.remove(table));
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
                    Failure::transient(new(ErrorKind::Unavailable, UNPROCESSED))
                }
            };
            // The attempt timeout can be too short for 16 MB.
            if failed.error.kind() == ErrorKind::Timeout {
                most = asked.div_ceil(2);
            }
            if let Err(error) = self.retry(&mut retries, failed).await {
                return Some((error, left));
            }
        }
        None
    }

    fn keys_and_attributes(&self, stored: &[String], options: &GetOptions) -> Result<KeysAndAttributes> {
        let keys = stored
            .iter()
            .map(|key| HashMap::from([(self.layout.key.clone(), AttributeValue::S(key.clone()))]));
        let mut request = KeysAndAttributes::builder()
            .set_keys(Some(keys.collect()))
            .consistent_read(self.config.has_consistent_reads());
        if let Some(part) = self.attributes(&options.projection, options.kind, options.returning) {
            request = request
                .projection_expression(part.expression)
                .set_expression_attribute_names(Some(part.names));
        }
        request.build().map_err(|error| new(ErrorKind::Backend, "a batch without keys").with_source(error))
    }

    fn keys_of(&self, unprocessed: KeysAndAttributes) -> Vec<String> {
        let keys = unprocessed.keys.into_iter().filter_map(|mut key| key.remove(&self.layout.key));
        keys.filter_map(|key| if let AttributeValue::S(key) = key { Some(key) } else { None }).collect()
    }

    /// Puts each item with a separate request: batch writes have no conditions, and one invalid item fails
    /// them all.
    pub(crate) async fn put_many(&self, items: Vec<PutItem>) -> Vec<Result<Outcome<PutResult>>> {
        let keyed = items.into_iter().map(|item| (item.key.clone(), item)).collect();
        let put = async |item: PutItem| {
            CONTEXT.with_key("put", &item.key, self.put(&item.key, &item.value, &item.options).await)
        };
        each(self.config.concurrency, keyed, put).await
    }

    /// Deletes each key with a separate request.
    pub(crate) async fn delete_many(
        &self,
        keys: &[Key],
        options: &DeleteOptions,
    ) -> Vec<Result<Outcome<Option<Entry>>>> {
        let keyed = keys.iter().map(|key| (key, key)).collect();
        each(self.config.concurrency, keyed, |key| self.delete(key, options)).await
    }
}
