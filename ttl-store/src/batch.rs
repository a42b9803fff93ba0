//! Batches: invalid items fail individually, before the rest is sent (B1).

use std::ops::Deref;
use std::{slice, vec};

use ttl_core::{Error, Result};

use crate::space::unreported;

/// The results of a batch: one for each input, in order (B1).
///
/// Each item can fail individually, so the results must be checked. They can be used as a slice and as an
/// iterator:
///
/// ```
/// # async fn show(store: ttl_store::Store) -> ttl_store::Result<()> {
/// // Stop at the first failure ...
/// store.delete_many(["a", "b"]).await.into_result()?;
/// // ... or check each result, by value or by `&results`.
/// for result in store.delete_many(["a", "b"]).await {
///     match result {
///         Ok(was_there) => println!("{was_there}"),
///         Err(error) => println!("{error}"),
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "each item of a batch can fail alone"]
pub struct BatchResults<T>(Vec<Result<T>>);

impl<T> BatchResults<T> {
    /// Returns all values, or the first error. The items that succeeded stay applied.
    ///
    /// # Errors
    /// The error of the first item that failed.
    pub fn into_result(self) -> Result<Vec<T>> {
        self.0.into_iter().collect()
    }

    /// Returns the results as a vector.
    #[must_use]
    pub fn into_vec(self) -> Vec<Result<T>> {
        self.0
    }
}

impl<T> Deref for BatchResults<T> {
    type Target = [Result<T>];

    fn deref(&self) -> &[Result<T>] {
        &self.0
    }
}

impl<'a, T> IntoIterator for &'a BatchResults<T> {
    type Item = &'a Result<T>;
    type IntoIter = slice::Iter<'a, Result<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<T> IntoIterator for BatchResults<T> {
    type Item = Result<T>;
    type IntoIter = vec::IntoIter<Result<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// The inputs of a batch that were not sent, by their position: an error for each, and `None` for an input
/// that was sent.
pub(crate) struct Batch(Vec<Option<Error>>);

impl Batch {
    /// Splits the items: returns those to send, and the errors of the others for [`Batch::merge`].
    pub(crate) fn split<I>(items: impl Iterator<Item = Result<I>>) -> (Vec<I>, Self) {
        let mut sent = Vec::with_capacity(items.size_hint().0);
        let sort = |item| match item {
            Ok(item) => {
                sent.push(item);
                None
            }
            Err(error) => Some(error),
        };
        let kept_back = items.map(sort).collect();
        (sent, Self(kept_back))
    }

    /// Returns one result for each input, in order: the error of an item that was not sent, or the driver's
    /// result.
    pub(crate) fn merge<A>(self, answers: impl IntoIterator<Item = Result<A>>) -> BatchResults<A> {
        let mut answers = answers.into_iter();
        let mut answer =
            || answers.next().unwrap_or_else(|| Err(unreported("result for an item of a batch")));
        BatchResults(self.0.into_iter().map(|kept_back| kept_back.map_or_else(&mut answer, Err)).collect())
    }
}

#[cfg(test)]
mod tests {
    use ttl_core::ErrorKind;

    use super::*;

    fn bad() -> Error {
        Error::new(ErrorKind::InvalidKey, "bad")
    }

    #[test]
    fn every_input_has_one_result_in_its_place() {
        let (sent, batch) = Batch::split([Ok(1), Err(bad()), Ok(2)].into_iter());
        let kinds: Vec<_> =
            batch.merge(sent.into_iter().map(Ok)).into_iter().map(|r| r.map_err(|e| e.kind())).collect();
        assert_eq!(kinds, [Ok(1), Err(ErrorKind::InvalidKey), Ok(2)]);
    }

    #[test]
    fn a_driver_that_answers_too_little_is_an_error() {
        let (_, batch) = Batch::split([Ok(1), Ok(2)].into_iter());
        let results = batch.merge([Ok(1)]);
        assert_eq!(results[1].as_ref().unwrap_err().kind(), ErrorKind::Backend);
    }
}
