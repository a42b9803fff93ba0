//! Batches: items that are wrong fail alone, before the rest is sent (B1).

use ttl_core::{Error, Result};

use crate::space::unreported;

/// What became of a batch's inputs: those that are fit to be sent, and where the others stand.
pub(crate) struct Batch(Vec<Option<Error>>);

impl Batch {
    /// Sorts the items: the first half is sent, the second merges the answers.
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

    /// One result for each input, in order: the error that kept it back, or the driver's answer.
    pub(crate) fn merge<A>(self, answers: impl IntoIterator<Item = Result<A>>) -> Vec<Result<A>> {
        let mut answers = answers.into_iter();
        let mut answer =
            || answers.next().unwrap_or_else(|| Err(unreported("result for an item of a batch")));
        self.0.into_iter().map(|kept_back| kept_back.map_or_else(&mut answer, Err)).collect()
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
