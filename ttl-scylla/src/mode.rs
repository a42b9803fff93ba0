//! The two modes of writing.

use std::fmt;

/// The mode in which a store writes.
///
/// A table has one mode for its whole life, because writes of the two modes do not see each other. The
/// table's comment records the mode, and connecting in the other mode fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// Every write is a lightweight transaction and every read is serial: the whole contract holds.
    #[default]
    Strict,
    /// Plain writes; the last one wins. Conditions, patches, caps and takes are
    /// [`Unsupported`](ttl_core::ErrorKind::Unsupported).
    Lww,
}

impl Mode {
    pub(crate) const ALL: [Self; 2] = [Self::Strict, Self::Lww];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Lww => "lww",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
