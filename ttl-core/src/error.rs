//! The one error type: a kind to act on, a sentence to read, a source to dig in.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::Key;

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as a program acts on it.
///
/// [`Error::is_retryable`] says whether the same call may be made again as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The key is empty or longer than [`Key::MAX_BYTES`](crate::Key::MAX_BYTES). Nothing was sent. Shorten or
    /// hash the key.
    InvalidKey,
    /// A field name is empty, too long or reserved (`ttl:`), or a value cannot be kept as JSON (NaN, nested too
    /// deep, not an object). Nothing was sent. Rename the field or change the value.
    InvalidField,
    /// A TTL is zero or above [`Ttl::MAX`](crate::Ttl::MAX), or an instant lies further away than that. Nothing
    /// changed. Ask for a shorter life, or for [`Expiry::Never`](crate::Expiry::Never).
    InvalidExpiry,
    /// A refresh policy that cannot mean anything: it names DELETE, or its slack is not below its TTL.
    InvalidPolicy,
    /// A configuration (URL, builder, collection) that cannot work. The text names the setting and what it takes.
    InvalidConfig,
    /// A scan cursor that was damaged, or that belongs to another store or prefix. Start the scan again.
    InvalidCursor,
    /// The entry or the patch is larger than the store declares. Nothing changed. Split the value, or keep it
    /// elsewhere and store its address.
    TooLarge,
    /// The entry is a blob where a record was asked for, or the other way round. Nothing changed.
    WrongKind,
    /// A patch operation met a field of another type, such as an append to what is no list. Nothing changed.
    WrongFieldType,
    /// An increment would leave the range of `i64`, or of finite `f64`. Nothing changed.
    Overflow,
    /// Too many writers raced for the same entry. Nothing changed: try again, later.
    Contention,
    /// This store cannot do this, as its [`Capabilities`](crate::Capabilities) say. Nothing changed.
    Unsupported,
    /// The backend cannot be reached, or refuses work for now. No value changed; a read that was to refresh may have
    /// moved the deadline, as for [`Timeout`](Self::Timeout). Try again, later. Never a miss.
    Unavailable,
    /// No answer within the time limit. No value changed: a write whose fate is open is
    /// [`OutcomeUnknown`](Self::OutcomeUnknown) instead. A read that was to refresh may have moved the deadline; reading
    /// again refreshes again, and does no harm. Try again.
    Timeout,
    /// The write was sent and its answer was lost: it may have been applied, now or later. Read before deciding;
    /// never retried as it stands.
    OutcomeUnknown,
    /// The backend refuses these credentials, or this operation for them. Check user, password and grants.
    PermissionDenied,
    /// What is stored under this key is not laid out as this driver writes it. Someone else wrote it, or it was
    /// damaged; look at it with the backend's own tools, or delete it.
    Corrupt,
    /// A value of the program's own type does not fit what is stored (or cannot be encoded). The entry is as it
    /// was.
    Codec,
    /// Anything else that the backend says; its own words are in the text or in the source.
    Backend,
}

impl ErrorKind {
    /// Whether an error of this kind can be retried as it stands, unless the driver knows better.
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

/// Why an operation failed: one word wide, cheap to clone, safe to log.
///
/// `Display` is one line: what was tried, on which backend, what went wrong and what to do; it never repeats
/// [`source`](StdError::source). Neither `Display` nor `Debug` prints the key, because keys are often secrets
/// (session ids, reset tokens); [`Error::key`] has it.
///
/// ```
/// use ttl_core::{ErrorKind, Key};
///
/// let error = Key::new("").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::InvalidKey);
/// assert!(!error.is_retryable());
/// assert_eq!(error.to_string(), "invalid key: a key has 1 to 1024 bytes, this one has 0");
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
    /// An error of this kind. The message is one line without a final stop: what was wrong and what would be
    /// right, and nothing that is secret.
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

    /// Adds what was tried, such as `"get"`, unless it is known already.
    #[must_use]
    pub fn with_operation(mut self, operation: &'static str) -> Self {
        if self.0.operation.is_none() {
            self.inner().operation = Some(operation);
        }
        self
    }

    /// Adds the backend's name, such as `"redis"`, unless it is known already.
    #[must_use]
    pub fn with_backend(mut self, backend: &'static str) -> Self {
        if self.0.backend.is_none() {
            self.inner().backend = Some(backend);
        }
        self
    }

    /// Adds the key, unless it is known already. It is never printed.
    #[must_use]
    pub fn with_key(mut self, key: &Key) -> Self {
        if self.0.key.is_none() {
            self.inner().key = Some(key.clone());
        }
        self
    }

    /// Adds the cause. Its own text is not part of this error's; whoever prints errors walks the chain.
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.inner().source = Some(Arc::new(source));
        self
    }

    /// Overrides what the kind says about retrying, where the backend's client knows better.
    #[must_use]
    pub fn with_retryable(mut self, retryable: bool) -> Self {
        if self.0.retryable != retryable {
            self.inner().retryable = retryable;
        }
        self
    }

    /// What to act on.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns whether the same call may be made again as it stands: it changed no value (the refresh of a read may have
    /// moved the deadline), and a later try can succeed. Never true for [`ErrorKind::OutcomeUnknown`].
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.retryable && self.0.kind != ErrorKind::OutcomeUnknown
    }

    /// What was tried, such as `"get"`.
    #[must_use]
    pub fn operation(&self) -> Option<&'static str> {
        self.0.operation
    }

    /// The backend's name, such as `"redis"`.
    #[must_use]
    pub fn backend(&self) -> Option<&'static str> {
        self.0.backend
    }

    /// The key that the operation was about, where there is one.
    #[must_use]
    pub fn key(&self) -> Option<&Key> {
        self.0.key.as_ref()
    }

    /// The sentence alone, without operation, backend and kind.
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
    fn an_unknown_outcome_is_never_retryable() {
        let error = Error::new(ErrorKind::OutcomeUnknown, "x").with_retryable(true);
        assert!(!error.is_retryable());
        assert!(Error::new(ErrorKind::Contention, "x").is_retryable());
        assert!(!Error::new(ErrorKind::Unavailable, "x").with_retryable(false).is_retryable());
    }
}
