//! Batches: one pipeline for all keys.

use std::collections::HashMap;

use ttl_core::options::{DeleteOptions, GetOptions, PutItem};
use ttl_core::results::PutResult;
use ttl_core::{Entry, Key, Outcome, Result};

use super::delete::Delete;
use super::get::Get;
use super::put::Put;
use crate::error::not_sent;
use crate::inner::Inner;

pub(crate) async fn get_many(
    inner: &Inner,
    keys: &[Key],
    options: &GetOptions,
) -> Vec<Result<Option<Entry>>> {
    if let Err(error) = inner.capabilities.check_get(options) {
        return vec![Err(error); keys.len()];
    }
    let gets: Vec<_> = keys.iter().map(|key| Get::new(inner, key, options)).collect();
    inner.link.run_many(&gets).await
}

pub(crate) async fn put_many(inner: &Inner, items: &[PutItem]) -> Vec<Result<Outcome<PutResult>>> {
    let occurrences = occurrences(items.iter().map(|item| &item.key));
    let mut puts = Vec::with_capacity(items.len());
    // The errors of the puts that are not sent; `None` for the others.
    let mut errors = Vec::with_capacity(items.len());
    for PutItem { key, value, options, .. } in items {
        match Put::new(inner, key, value.clone(), options, occurrences[key] > 1) {
            Ok(put) => {
                puts.push(put);
                errors.push(None);
            }
            Err(error) => errors.push(Some(error)),
        }
    }
    let mut sent = inner.link.run_many(&puts).await.into_iter();
    let result = |error: Option<_>| match error {
        Some(error) => Err(error),
        None => sent.next().unwrap_or_else(|| Err(not_sent())),
    };
    errors.into_iter().map(result).collect()
}

pub(crate) async fn delete_many(
    inner: &Inner,
    keys: &[Key],
    options: &DeleteOptions,
) -> Vec<Result<Outcome<Option<Entry>>>> {
    let occurrences = occurrences(keys.iter());
    let deletes: Vec<_> =
        keys.iter().map(|key| Delete::new(inner, key, options, occurrences[key] > 1)).collect();
    inner.link.run_many(&deletes).await
}

/// Counts how often each key occurs in a batch.
fn occurrences<'a>(keys: impl Iterator<Item = &'a Key>) -> HashMap<&'a Key, usize> {
    let mut occurrences = HashMap::new();
    for key in keys {
        *occurrences.entry(key).or_default() += 1;
    }
    occurrences
}
