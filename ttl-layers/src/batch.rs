//! Batches of which a layer refuses some items and forwards the others.

use std::collections::HashSet;

use ttl_core::{Error, ErrorKind, Key, Result};

/// The items of a batch that a layer forwards, and the errors of the items that it refuses.
#[derive(Debug)]
pub(crate) struct Checked<I> {
    /// The items to forward, in their order.
    pub(crate) passed: Vec<I>,
    pub(crate) refused: Refused,
}

/// The errors of the items that a layer refused, by their positions; `None` for a forwarded item.
#[derive(Debug)]
pub(crate) struct Refused(Vec<Option<Error>>);

impl<I> Checked<I> {
    /// Divides the items of a batch.
    pub(crate) fn new(items: impl ExactSizeIterator<Item = Result<I>>) -> Self {
        let mut passed = Vec::with_capacity(items.len());
        let mut refused = Vec::with_capacity(items.len());
        for item in items {
            refused.push(match item {
                Ok(item) => {
                    passed.push(item);
                    None
                }
                Err(error) => Some(error),
            });
        }
        Self { passed, refused: Refused(refused) }
    }
}

impl Refused {
    /// Returns one result for each item of the batch, in order, given those of the forwarded items (B1).
    pub(crate) fn merge<T>(self, results: Vec<Result<T>>) -> Vec<Result<T>> {
        let mut results = results.into_iter();
        let one = |error: Option<Error>| match error {
            Some(error) => Err(error),
            None => results.next().unwrap_or_else(|| Err(missing())),
        };
        self.0.into_iter().map(one).collect()
    }
}

/// Creates the error of an item for which the inner store returned no result, which breaks its contract (B1).
pub(crate) fn missing() -> Error {
    Error::new(
        ErrorKind::Backend,
        "the inner store returned too few results for a batch: expected one for each item",
    )
}

/// Returns the positions of the writes of a batch that can be made again, in their order: those that are
/// `eligible`, and whose later writes of the same key are all made again too. Otherwise an earlier write would
/// be applied after a later one.
pub(crate) fn in_order<'a>(
    writes: usize,
    key: impl Fn(usize) -> &'a Key,
    eligible: impl Fn(usize) -> bool,
) -> Vec<usize> {
    let mut ended = HashSet::new();
    let mut again = Vec::new();
    for at in (0..writes).rev() {
        if ended.contains(key(at)) {
            continue;
        }
        if eligible(at) {
            again.push(at);
        } else {
            ended.insert(key(at));
        }
    }
    again.reverse();
    again
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_not_made_again_after_a_later_one_of_its_key() {
        let keys = ["a", "b", "a", "b", "c"].map(|name| Key::new(name).unwrap());
        let again = |eligible: &[usize]| in_order(keys.len(), |at| &keys[at], |at| eligible.contains(&at));
        assert_eq!(again(&[0, 1, 2, 3, 4]), [0, 1, 2, 3, 4]);
        assert_eq!(again(&[0, 1, 3]), [1, 3], "the later write of `a` stays");
        assert_eq!(again(&[2, 4]), [2, 4]);
        assert!(again(&[0, 1]).is_empty());
    }

    #[test]
    fn results_keep_their_places() {
        let items = [1, -2, 3, -4].map(|n: i32| {
            u32::try_from(n).map_err(|_| Error::new(ErrorKind::InvalidKey, format!("{n} is negative")))
        });
        let checked = Checked::new(items.into_iter());
        assert_eq!(checked.passed, [1, 3]);
        let merged = checked.refused.merge(vec![Ok("one")]);
        let seen: Vec<_> = merged.iter().map(|result| result.as_ref().map_err(Error::kind)).collect();
        let [invalid, backend] = [ErrorKind::InvalidKey, ErrorKind::Backend].map(Err);
        assert_eq!(seen, [Ok(&"one"), invalid, backend, invalid]);
    }
}
