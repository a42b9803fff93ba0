//! The causes of errors, as text.

use std::error::Error as StdError;
use std::fmt;

/// Returns an error and its sources.
pub(crate) fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

/// Returns the first error of this type in the chain.
pub(crate) fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    chain(error).find_map(|error| error.downcast_ref())
}

/// Returns whether an error in the chain contains these words, for errors whose type is not accessible.
pub(crate) fn mentions(error: &(dyn StdError + 'static), words: &str) -> bool {
    chain(error).any(|error| error.to_string().contains(words))
}

/// Returns the server's message in one line.
pub(crate) fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The cause as text. The SDK's errors cannot be kept, because some contain stored values.
#[derive(Debug)]
pub(crate) struct Cause(String);

impl Cause {
    pub(crate) fn new(error: &(dyn StdError + 'static)) -> Self {
        Self(chain(error).map(ToString::to_string).collect::<Vec<_>>().join(": "))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Cause {}
