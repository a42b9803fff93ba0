//! The configuration: its builder and its checks.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use ttl_core::{CursorSecret, Error, ErrorKind, Result};

/// The character that ends a namespace in a Redis key. A namespace cannot contain it, so namespaces do not
/// overlap (K2).
pub(crate) const SEPARATOR: char = ':';

const MAX_NAMESPACE_BYTES: usize = 255;
/// The maximum size of a Redis string.
const MAX_VALUE_BYTES: u64 = 512 * 1024 * 1024;

/// The configuration of a [`RedisStore`](crate::RedisStore): address, credentials, namespace and limits.
///
/// ```
/// use std::time::Duration;
/// use ttl_redis::RedisConfig;
///
/// let config = RedisConfig::tcp("cache.internal", 6379)
///     .with_credentials("app", "secret")
///     .with_database(2)
///     .with_namespace("sessions")
///     .with_timeout(Duration::from_secs(2));
/// assert!(!format!("{config:?}").contains("secret"));
///
/// let same = RedisConfig::from_url("redis://app:secret@cache.internal:6379/2?namespace=sessions&timeout=2s")?;
/// assert_eq!(same, config);
/// # Ok::<(), ttl_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[must_use = "a configuration does nothing until a store connects with it"]
pub struct RedisConfig {
    pub(crate) address: Address,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) database: u32,
    pub(crate) namespace: String,
    pub(crate) timeout: Duration,
    pub(crate) max_value_bytes: u64,
    pub(crate) cursor_secret: CursorSecret,
    pub(crate) certificates: Certificates,
}

/// The address and transport of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Tcp { host: String, port: u16 },
    Tls { host: String, port: u16 },
    Unix(PathBuf),
}

/// PEM texts for TLS.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Certificates {
    pub(crate) roots: Option<Vec<u8>>,
    /// Certificate and key.
    pub(crate) client: Option<(Vec<u8>, Vec<u8>)>,
}

impl RedisConfig {
    /// The default namespace.
    pub const DEFAULT_NAMESPACE: &str = "ttl";

    /// The default timeout of a round trip: one second.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);

    /// Creates a configuration for a server over TCP, without encryption.
    pub fn tcp(host: impl Into<String>, port: u16) -> Self {
        Self::new(Address::Tcp { host: host.into(), port })
    }

    /// Creates a configuration for a server over TLS. The server's certificate must be valid for the host.
    /// Requires the crate feature `tls`.
    pub fn tls(host: impl Into<String>, port: u16) -> Self {
        Self::new(Address::Tls { host: host.into(), port })
    }

    /// Creates a configuration for a server on a Unix socket.
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self::new(Address::Unix(path.into()))
    }

    pub(crate) fn new(address: Address) -> Self {
        Self {
            address,
            username: None,
            password: None,
            database: 0,
            namespace: Self::DEFAULT_NAMESPACE.to_owned(),
            timeout: Self::DEFAULT_TIMEOUT,
            max_value_bytes: MAX_VALUE_BYTES,
            cursor_secret: CursorSecret::of_process(),
            certificates: Certificates::default(),
        }
    }

    /// Sets the user (of the server's access control list) and the password.
    pub fn with_credentials(mut self, username: impl Into<String>, password: impl Into<String>) -> Self {
        self.username = Some(username.into());
        self.password = Some(password.into());
        self
    }

    /// Sets the password only: the server's `requirepass`, or the password of its default user.
    pub fn with_password(mut self, password: impl Into<String>) -> Self {
        self.username = None;
        self.password = Some(password.into());
        self
    }

    /// Sets the number of the database; defaults to 0.
    pub const fn with_database(mut self, database: u32) -> Self {
        self.database = database;
        self
    }

    /// Sets the namespace; defaults to [`DEFAULT_NAMESPACE`](Self::DEFAULT_NAMESPACE).
    ///
    /// The Redis keys of all entries begin with the namespace and a colon. A namespace has 1 to 255 bytes and
    /// no colon, so keys of different namespaces never overlap (K2).
    pub fn with_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// Sets the timeout of each round trip, at least 1 ms; defaults to
    /// [`DEFAULT_TIMEOUT`](Self::DEFAULT_TIMEOUT). Connecting has the same limit.
    ///
    /// Most operations take one round trip; the [crate documentation](crate#cost) lists the others. A write
    /// without an answer in time fails with [`ErrorKind::OutcomeUnknown`].
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the maximum size of a value in bytes. The default, 512 MiB, is also the upper limit.
    pub const fn with_max_value_bytes(mut self, bytes: u64) -> Self {
        self.max_value_bytes = bytes;
        self
    }

    /// Sets the secret that encrypts scan cursors; defaults to a random secret for each process.
    ///
    /// Cursors work in other processes, or after a restart, only if all processes have the same secret.
    pub const fn with_cursor_secret(mut self, secret: CursorSecret) -> Self {
        self.cursor_secret = secret;
        self
    }

    /// Sets the trusted certificate authorities, as PEM text; defaults to those of the system. TLS only.
    pub fn with_root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.certificates.roots = Some(pem.into());
        self
    }

    /// Sets the client certificate, as PEM texts of the chain and of its key. TLS only.
    pub fn with_client_certificate(mut self, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.certificates.client = Some((chain.into(), key.into()));
        self
    }

    /// Returns the prefix of every Redis key.
    pub(crate) fn prefix(&self) -> String {
        format!("{}{SEPARATOR}", self.namespace)
    }

    /// Checks the configuration.
    pub(crate) fn check(&self) -> Result<()> {
        let namespace = &self.namespace;
        if namespace.is_empty() || namespace.len() > MAX_NAMESPACE_BYTES || namespace.contains(SEPARATOR) {
            return Err(invalid(format!(
                "invalid value {namespace:?} for `namespace`: expected 1 to {MAX_NAMESPACE_BYTES} bytes without \
                 {SEPARATOR:?}"
            )));
        }
        if self.timeout < Duration::from_millis(1) {
            return Err(invalid("invalid value for `timeout`: expected at least 1 ms"));
        }
        if self.max_value_bytes > MAX_VALUE_BYTES {
            return Err(invalid(format!(
                "invalid value for `max_value_bytes`: expected at most {MAX_VALUE_BYTES} (512 MiB)"
            )));
        }
        if self.certificates != Certificates::default() && !matches!(self.address, Address::Tls { .. }) {
            return Err(invalid("certificates require TLS: expected rediss:// or RedisConfig::tls"));
        }
        if matches!(self.address, Address::Tls { .. }) && !cfg!(feature = "tls") {
            return Err(invalid("TLS requires the feature `tls` of ttl-redis, which is disabled"));
        }
        if matches!(self.address, Address::Unix(_)) && !cfg!(unix) {
            return Err(invalid(
                "Unix sockets are not available on this platform; use redis:// or rediss://",
            ));
        }
        Ok(())
    }
}

impl Default for RedisConfig {
    /// Creates the configuration of `redis://localhost:6379/0?namespace=ttl`.
    fn default() -> Self {
        Self::tcp("localhost", 6379)
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("address", &self.address)
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| "***"))
            .field("database", &self.database)
            .field("namespace", &self.namespace)
            .field("timeout", &self.timeout)
            .field("max_value_bytes", &self.max_value_bytes)
            .field("root_certificates", &self.certificates.roots.is_some())
            .field("client_certificate", &self.certificates.client.is_some())
            .finish()
    }
}

pub(crate) fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidConfig, message).with_backend(crate::BACKEND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_cannot_overlap() {
        for namespace in ["", "a:b", "app:", ":", &"n".repeat(256)] {
            let error = RedisConfig::default().with_namespace(namespace).check().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{namespace}");
        }
        for namespace in ["a", "app-1", "*", "ä", &"n".repeat(255)] {
            RedisConfig::default().with_namespace(namespace).check().unwrap();
        }
    }

    #[test]
    fn invalid_settings_are_refused() {
        let config = RedisConfig::default;
        for bad in [
            config().with_timeout(Duration::ZERO),
            config().with_max_value_bytes(MAX_VALUE_BYTES + 1),
            config().with_root_certificates("pem"),
            config().with_client_certificate("pem", "pem"),
        ] {
            assert_eq!(bad.check().unwrap_err().kind(), ErrorKind::InvalidConfig, "{bad:?}");
        }
    }

    #[test]
    fn no_secret_is_printed() {
        let config = RedisConfig::tls("h", 1)
            .with_credentials("me", "s3cret")
            .with_client_certificate("s3cret-chain", "s3cret-key");
        assert!(!format!("{config:?} {config:#?}").contains("s3cret"));
    }
}
