//! Gets: the new store answers, after a move if it has no entry.

use ttl_core::driver::each;
use ttl_core::options::{GetOptions, Projection};
use ttl_core::{Entry, Error, ErrorKind, Key, RefreshMode, Result};

use super::bring::{Brought, Pair, is_immovable};
use super::claim;

/// The maximum number of concurrent moves of a batch.
const CONCURRENCY: usize = 64;

/// The answer of the new store.
enum Answer {
    Entry(Entry),
    Nothing,
    /// A claim, which counts as nothing if the old store has no entry.
    Claim,
    /// The error of a get that a claim can cause, too.
    WrongKind(Error),
}

impl Pair {
    pub(super) async fn get(&self, key: &Key, options: &GetOptions) -> Result<Option<Entry>> {
        if !shortens(options)
            && let Answer::Entry(entry) = answer(self.new.get(key, inner(options)).await, options)?
        {
            return Ok(Some(entry));
        }
        if !self.prepare(key, options).await?
            && let Some(entry) = self.old.get(key, options.clone()).await?
        {
            return Ok(Some(entry));
        }
        self.settle(key, answer(self.new.get(key, inner(options)).await, options)?).await
    }

    /// Returns the result of a read from the new store after the old one had no entry. A claim counts as nothing.
    async fn settle(&self, key: &Key, answer: Answer) -> Result<Option<Entry>> {
        match answer {
            Answer::Entry(entry) => Ok(Some(entry)),
            Answer::Nothing => Ok(None),
            // A refreshing read would keep an abandoned claim alive.
            Answer::Claim => self.is_vacant(key).await.map(|_| None),
            Answer::WrongKind(_) if self.is_vacant(key).await? => Ok(None),
            Answer::WrongKind(error) => Err(error),
        }
    }

    /// Moves the entry before a read from the new store. Returns whether the new store can answer.
    async fn prepare(&self, key: &Key, options: &GetOptions) -> Result<bool> {
        match self.bring(key).await {
            // A copy in the old store outlives this entry only if a read shortens its lifetime.
            Ok(Brought::Copied(error)) if shortens(options) => Err(error),
            Ok(Brought::Copied(error)) => {
                tracing::debug!(%error, "an entry was moved, but not deleted from the old store");
                Ok(true)
            }
            Ok(Brought::Nothing | Brought::Moved) => Ok(true),
            Err(error) if is_immovable(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn get_many(&self, keys: &[Key], options: &GetOptions) -> Vec<Result<Option<Entry>>> {
        if shortens(options) {
            let items = keys.iter().map(|key| (key, key)).collect();
            return each(CONCURRENCY, items, |key| self.get(key, options)).await;
        }
        let results = self.new.get_many(keys, inner(options)).await;
        let mut results: Vec<_> = results.into_iter().map(|result| answer(result, options)).collect();
        let is_open = |result: &Result<Answer>| !matches!(result, Ok(Answer::Entry(_)) | Err(_));
        let open: Vec<usize> = (0..results.len()).filter(|at| is_open(&results[*at])).collect();
        if !open.is_empty() {
            let again = self.prepare_many(keys, open, options, &mut results).await;
            let named: Vec<Key> = again.iter().map(|at| keys[*at].clone()).collect();
            let second =
                if named.is_empty() { Vec::new() } else { self.new.get_many(&named, inner(options)).await };
            for (at, result) in again.into_iter().zip(second) {
                results[at] = answer(result, options);
            }
        }
        let mut done = Vec::with_capacity(results.len());
        for (key, result) in keys.iter().zip(results) {
            done.push(match result {
                Ok(answer) => self.settle(key, answer).await,
                Err(error) => Err(error),
            });
        }
        done
    }

    /// Moves the entries at these positions, if the old store has them. One request finds out which. Returns the
    /// positions to read from the new store, and sets the results of the others.
    async fn prepare_many(
        &self,
        keys: &[Key],
        open: Vec<usize>,
        options: &GetOptions,
        results: &mut [Result<Answer>],
    ) -> Vec<usize> {
        let named: Vec<Key> = open.iter().map(|at| keys[*at].clone()).collect();
        let found = self.old.get_many(&named, GetOptions::nothing()).await;
        let (mut again, mut moves) = (Vec::new(), Vec::new());
        for (at, found) in open.into_iter().zip(found) {
            match found {
                // Another caller may have moved the entry since the new store was asked.
                Ok(None) => again.push(at),
                Err(error) if !is_immovable(&error) => results[at] = Err(error),
                Ok(Some(_)) | Err(_) => moves.push((&keys[at], at)),
            }
        }
        let prepare = async |at: usize| (at, self.prepare(&keys[at], options).await);
        for (at, prepared) in each(CONCURRENCY, moves, prepare).await {
            results[at] = match prepared {
                Ok(true) => {
                    again.push(at);
                    continue;
                }
                Ok(false) => match self.old.get(&keys[at], options.clone()).await {
                    Ok(Some(entry)) => Ok(Answer::Entry(entry)),
                    // It was replaced or deleted meanwhile.
                    Ok(None) => {
                        again.push(at);
                        continue;
                    }
                    Err(error) => Err(error),
                },
                Err(error) => Err(error),
            };
        }
        again
    }
}

/// Returns whether a get may move the deadline to an earlier one.
fn shortens(options: &GetOptions) -> bool {
    options.refresh.is_some_and(|refresh| refresh.mode == RefreshMode::Reset)
}

/// Returns the options of the same get from the new store. Only a value shows whether it is a claim.
fn inner(options: &GetOptions) -> GetOptions {
    let mut inner = options.clone();
    if inner.projection == Projection::Nothing {
        inner.projection = Projection::All;
    }
    inner
}

/// Decodes the answer of the new store to [`inner`] options.
fn answer(result: Result<Option<Entry>>, options: &GetOptions) -> Result<Answer> {
    match result {
        Ok(None) => Ok(Answer::Nothing),
        Ok(Some(entry)) if entry.value.as_ref().is_some_and(claim::is_claim) => Ok(Answer::Claim),
        Ok(Some(mut entry)) => {
            if options.projection == Projection::Nothing {
                entry.value = None;
            }
            Ok(Answer::Entry(entry))
        }
        Err(error) if error.kind() == ErrorKind::WrongKind => Ok(Answer::WrongKind(error)),
        Err(error) => Err(error),
    }
}
