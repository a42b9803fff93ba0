//! The error type of the crate: a kind to act on, a message to read, and a source for the details.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::Key;

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The category of an [`Error`], for programs to act on.
///
/// [`Error::is_retryable`] returns whether the same call can be retried unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The key is empty or longer than [`Key::MAX_BYTES`](crate::Key::MAX_BYTES). Nothing was sent. Shorten
    /// or hash the key.
    InvalidKey,
    /// A field name is empty, too long or reserved (`ttl:`), or a value cannot be stored as JSON (NaN, nested
    /// too deeply, not an object). Nothing was sent. Rename the field or change the value.
    InvalidField,
    /// A TTL is zero or above [`Ttl::MAX`](crate::Ttl::MAX), or an instant is further away than that. Nothing
    /// changed. Choose a shorter lifetime, or [`Expiry::Never`](crate::Expiry::Never).
    InvalidExpiry,
    /// A refresh policy is inconsistent: it contains DELETE, or its slack is not shorter than its TTL.
    InvalidPolicy,
    /// A configuration (URL, builder, collection) is invalid. The text names the setting and the expected
    /// value.
    InvalidConfig,
    /// A scan cursor is damaged, or belongs to another store or prefix. Restart the scan.
    InvalidCursor,
    /// The entry or the patch is larger than the store allows. Nothing changed. Split the value, or keep it
    /// elsewhere and store its address.
    TooLarge,
    /// The entry is a blob and a record was expected, or the reverse. Nothing changed.
    WrongKind,
    /// A patch operation does not apply to the type of the field, such as an append to a number. Nothing
    /// changed.
    WrongFieldType,
    /// An increment would leave the range of `i64`, or of finite `f64`. Nothing changed.
    Overflow,
    /// Too many writers competed for the same entry. Nothing changed. Retry later.
    Contention,
    /// The store does not support the operation; see its [`Capabilities`](crate::Capabilities). Nothing
    /// changed.
    Unsupported,
    /// The backend cannot be reached, or temporarily refuses work. No value changed. A read with a refresh
    /// may have moved the deadline, as for [`Timeout`](Self::Timeout). Retry later. This is never a miss.
    Unavailable,
    /// The backend did not respond within the time limit. No value changed: an unresolved write is
    /// [`OutcomeUnknown`](Self::OutcomeUnknown) instead. A read with a refresh may have moved the deadline.
    /// Retrying it refreshes again, which is harmless. Retry.
    Timeout,
    /// The write was sent but its response was lost: it may have been applied, now or later. Read the entry
    /// before deciding how to proceed. Never retry the write unchanged.
    OutcomeUnknown,
    /// The backend rejects the credentials, or does not permit them this operation. Check user, password and
    /// grants.
    PermissionDenied,
    /// The stored entry does not have the layout of this driver. It was written by other software, or it was
    /// damaged. Inspect it with the backend's tools, or delete it.
    Corrupt,
    /// The stored entry does not fit the application's type, or a value of that type cannot be encoded. The
    /// entry is unchanged.
    Codec,
    /// Any other error of the backend. The backend's message is in the text or in the source.
    Backend,
}

impl ErrorKind {
    /// Returns whether an error of this kind can be retried unchanged, unless the driver overrides it.
    const fn is_retryable(self) -> bool {
        matches!(self, Self::Contention | Self::Unavailable | Self::Timeout)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidKey => "invalid key",
            Self::InvalidField => "invalid field",
            Self::InvalidExpiry => "invalid expiry",
            Self::InvalidPolicy => "invalid policy",
            Self::InvalidConfig => "invalid configuration",
            Self::InvalidCursor => "invalid cursor",
            Self::TooLarge => "too large",
            Self::WrongKind => "wrong kind",
            Self::WrongFieldType => "wrong field type",
            Self::Overflow => "overflow",
            Self::Contention => "contention",
            Self::Unsupported => "unsupported",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::OutcomeUnknown => "outcome unknown",
            Self::PermissionDenied => "permission denied",
            Self::Corrupt => "corrupt entry",
            Self::Codec => "codec",
            Self::Backend => "backend error",
        })
    }
}

/// The error of an operation: one word wide, cheap to clone, safe to log.
///
/// `Display` prints one line: the operation, the backend, the kind, the problem and its remedy. It never
/// repeats [`source`](StdError::source). Neither `Display` nor `Debug` prints the key, because keys are often
/// secrets (session ids, reset tokens). [`Error::key`] returns it.
///
/// ```
/// use ttl_core::{ErrorKind, Key};
///
/// let error = Key::new("").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::InvalidKey);
/// assert!(!error.is_retryable());
/// assert_eq!(error.to_string(), "invalid key: expected 1 to 1024 bytes, found 0");
/// ```
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    retryable: bool,
    operation: Option<&'static str>,
    backend: Option<&'static str>,
    key: Option<Key>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// Creates an error. The message is one line without a final full stop. It states the problem and what
    /// would be valid, and contains no secrets.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Arc::new(Inner {
            kind,
            message: message.into(),
            retryable: kind.is_retryable(),
            operation: None,
            backend: None,
            key: None,
            source: None,
        }))
    }

    fn inner(&mut self) -> &mut Inner {
        Arc::make_mut(&mut self.0)
    }

    /// Adds the operation, such as `"get"`, unless it is already set.
    #[must_use]
    pub fn with_operation(mut self, operation: &'static str) -> Self {
        if self.0.operation.is_none() {
            self.inner().operation = Some(operation);
        }
        self
    }

    /// Adds the backend's name, such as `"redis"`, unless it is already set.
    #[must_use]
    pub fn with_backend(mut self, backend: &'static str) -> Self {
        if self.0.backend.is_none() {
            self.inner().backend = Some(backend);
        }
        self
    }

    /// Adds the key, unless it is already set. It is never printed.
    #[must_use]
    pub fn with_key(mut self, key: &Key) -> Self {
        if self.0.key.is_none() {
            self.inner().key = Some(key.clone());
        }
        self
    }

    /// Sets the key in place of any other, for a wrapper whose callers use other keys than its inner store.
    /// It is never printed.
    #[must_use]
    pub fn with_key_replaced(mut self, key: &Key) -> Self {
        self.inner().key = Some(key.clone());
        self
    }

    /// Adds the cause. The text of the error does not include it; print the chain of sources to see it.
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.inner().source = Some(Arc::new(source));
        self
    }

    /// Overrides whether the error is retryable, for a backend whose client knows better than the kind.
    #[must_use]
    pub fn with_retryable(mut self, retryable: bool) -> Self {
        if self.0.retryable != retryable {
            self.inner().retryable = retryable;
        }
        self
    }

    /// Returns the kind of the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns whether the same call can be retried unchanged: it changed no value, and a later attempt can
    /// succeed. The refresh of a read may have moved the deadline. Never true for
    /// [`ErrorKind::OutcomeUnknown`].
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.retryable && self.0.kind != ErrorKind::OutcomeUnknown
    }

    /// Returns whether the backend did not answer: it is [`Unavailable`](ErrorKind::Unavailable), the call ran
    /// into a [`Timeout`](ErrorKind::Timeout), or a write that was sent got no answer
    /// ([`OutcomeUnknown`](ErrorKind::OutcomeUnknown)).
    #[must_use]
    pub fn is_outage(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::OutcomeUnknown)
    }

    /// Returns the operation, such as `"get"`.
    #[must_use]
    pub fn operation(&self) -> Option<&'static str> {
        self.0.operation
    }

    /// Returns the backend's name, such as `"redis"`.
    #[must_use]
    pub fn backend(&self) -> Option<&'static str> {
        self.0.backend
    }

    /// Returns the key of the operation, if there is one.
    #[must_use]
    pub fn key(&self) -> Option<&Key> {
        self.0.key.as_ref()
    }

    /// Returns the message alone, without operation, backend and kind.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        match (inner.operation, inner.backend) {
            (Some(operation), Some(backend)) => write!(f, "{operation} on {backend}: ")?,
            (Some(operation), None) => write!(f, "{operation}: ")?,
            (None, Some(backend)) => write!(f, "{backend}: ")?,
            (None, None) => {}
        }
        write!(f, "{}: {}", inner.kind, inner.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        let mut out = f.debug_struct("Error");
        out.field("kind", &inner.kind).field("message", &inner.message);
        if let Some(operation) = inner.operation {
            out.field("operation", &operation);
        }
        if let Some(backend) = inner.backend {
            out.field("backend", &backend);
        }
        if let Some(source) = &inner.source {
            out.field("source", source);
        }
        out.finish_non_exhaustive()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_is_one_word_wide() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
        assert_eq!(size_of::<Result<(), Error>>(), size_of::<usize>());
    }

    #[test]
    fn display_is_one_line_and_hides_key_and_source() {
        let error = Error::new(ErrorKind::Unavailable, "the server closed the connection; try again later")
            .with_operation("get")
            .with_backend("redis")
            .with_key(&Key::new("token-123").unwrap())
            .with_source(std::io::Error::other("broken pipe"));
        assert_eq!(
            error.to_string(),
            "get on redis: unavailable: the server closed the connection; try again later"
        );
        assert!(!format!("{error:?}").contains("token-123"));
        assert_eq!(error.source().unwrap().to_string(), "broken pipe");
        assert_eq!(error.key().unwrap().as_str(), "token-123");
    }

    #[test]
    fn the_first_context_stays() {
        let error = Error::new(ErrorKind::Backend, "x").with_operation("get").with_operation("patch");
        assert_eq!(error.operation(), Some("get"));
    }

    #[test]
    fn a_replaced_key_leaves_the_rest() {
        let [inner, outer] = ["tenant:a", "a"].map(|key| Key::new(key).unwrap());
        let error = Error::new(ErrorKind::Backend, "x").with_retryable(true).with_key(&inner);
        let shared = error.clone();
        let error = error.with_key(&outer).with_key_replaced(&outer);
        assert_eq!((error.key(), error.is_retryable()), (Some(&outer), true));
        assert_eq!(shared.key(), Some(&inner));
    }

    #[test]
    fn an_unknown_outcome_is_never_retryable() {
        let error = Error::new(ErrorKind::OutcomeUnknown, "x").with_retryable(true);
        assert!(!error.is_retryable());
        assert!(Error::new(ErrorKind::Contention, "x").is_retryable());
        assert!(!Error::new(ErrorKind::Unavailable, "x").with_retryable(false).is_retryable());
    }
}
