//! The configuration of a store, its builder and its checks.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use scylla::frame::Compression;
use scylla::statement::{Consistency, SerialConsistency};
use ttl_core::driver::SharedClock;
use ttl_core::{Clock, CursorSecret, Error, ErrorKind, Result};

use crate::Mode;

/// The longest timeout: longer than any request takes, and short enough to be added to any instant.
const MAX_TIMEOUT: Duration = Duration::from_secs(86_400);
/// The longest name of a keyspace or table.
const MAX_NAME_BYTES: usize = 48;
/// The largest value that a lightweight transaction accepts with the servers' default limits.
const MAX_VALUE_BYTES: u64 = 15 << 20;

/// The configuration of a [`ScyllaStore`](crate::ScyllaStore): the cluster, the credentials, the table, and
/// the driver's settings.
///
/// ```
/// use std::time::Duration;
/// use ttl_scylla::{Mode, ScyllaConfig};
///
/// let config = ScyllaConfig::new("10.0.0.1:9042", "shop", "sessions")
///     .with_node("10.0.0.2")
///     .with_credentials("app", "secret")
///     .with_mode(Mode::Lww)
///     .with_timeout(Duration::from_secs(2));
/// assert!(!format!("{config:?}").contains("secret"));
///
/// let same = ScyllaConfig::from_url("scylla://app:secret@10.0.0.1:9042,10.0.0.2/shop/sessions?mode=lww&timeout=2s")?;
/// assert_eq!(same, config);
/// # Ok::<(), ttl_core::Error>(())
/// ```
#[derive(Clone, PartialEq)]
#[must_use = "a configuration does nothing until a store connects with it"]
pub struct ScyllaConfig {
    pub(crate) nodes: Vec<String>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) keyspace: String,
    pub(crate) table: String,
    pub(crate) mode: Mode,
    pub(crate) timeout: Duration,
    pub(crate) consistency: Consistency,
    pub(crate) serial_consistency: SerialConsistency,
    pub(crate) datacenter: Option<String>,
    pub(crate) speculative_delay: Option<Duration>,
    pub(crate) compression: Option<Compression>,
    pub(crate) tls: bool,
    pub(crate) certificates: Certificates,
    pub(crate) max_value_bytes: u64,
    pub(crate) cursor_secret: CursorSecret,
    pub(crate) clock_skew: Duration,
    pub(crate) clock: Option<SharedClock>,
    pub(crate) ensure_schema: bool,
    pub(crate) replication: Option<Replication>,
}

/// Certificates and keys for TLS, in PEM.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Certificates {
    pub(crate) roots: Option<Vec<u8>>,
    /// Certificate and key.
    pub(crate) client: Option<(Vec<u8>, Vec<u8>)>,
}

/// The replication of a new keyspace: the number of copies of each entry, and their datacentres.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replication(pub(crate) Places);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Places {
    Everywhere(u16),
    Datacenters(Vec<(String, u16)>),
}

impl Replication {
    /// Returns a replication with this many copies in every datacentre of the cluster at the time of
    /// creation.
    #[must_use]
    pub const fn everywhere(copies: u16) -> Self {
        Self(Places::Everywhere(copies))
    }

    /// Returns a replication with a number of copies for each of these datacentres.
    #[must_use]
    pub fn datacenters<N: Into<String>>(copies: impl IntoIterator<Item = (N, u16)>) -> Self {
        Self(Places::Datacenters(copies.into_iter().map(|(name, copies)| (name.into(), copies)).collect()))
    }
}

impl ScyllaConfig {
    /// The default timeout of a request: two seconds.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(2);

    /// The default maximum size of a value: 1 MiB.
    pub const DEFAULT_MAX_VALUE_BYTES: u64 = 1 << 20;

    /// The default maximum difference between the clocks of clients and servers: one minute.
    pub const DEFAULT_CLOCK_SKEW: Duration = Duration::from_secs(60);

    /// Creates a configuration for a table of the cluster of this node.
    ///
    /// The node is `host` or `host:port`, with an IPv6 address in brackets. The driver discovers the other
    /// nodes through it. Names of keyspaces and tables are case-sensitive.
    pub fn new(node: impl Into<String>, keyspace: impl Into<String>, table: impl Into<String>) -> Self {
        Self {
            nodes: vec![node.into()],
            username: None,
            password: None,
            keyspace: keyspace.into(),
            table: table.into(),
            mode: Mode::Strict,
            timeout: Self::DEFAULT_TIMEOUT,
            consistency: Consistency::Quorum,
            serial_consistency: SerialConsistency::LocalSerial,
            datacenter: None,
            speculative_delay: None,
            compression: None,
            tls: false,
            certificates: Certificates::default(),
            max_value_bytes: Self::DEFAULT_MAX_VALUE_BYTES,
            cursor_secret: CursorSecret::of_process(),
            clock_skew: Self::DEFAULT_CLOCK_SKEW,
            clock: None,
            ensure_schema: false,
            replication: None,
        }
    }

    /// Sets the table, in the same keyspace.
    pub fn with_table(mut self, table: impl Into<String>) -> Self {
        self.table = table.into();
        self
    }

    /// Returns the mode of the store.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// Returns the timeout of a request.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Returns the table's name in CQL, with keyspace and quotes.
    #[must_use]
    pub fn table_name(&self) -> String {
        // `check` validates the names, so they need no escaping.
        format!("\"{}\".\"{}\"", self.keyspace, self.table)
    }

    /// Adds a node (`host` or `host:port`) to contact when connecting.
    pub fn with_node(mut self, node: impl Into<String>) -> Self {
        self.nodes.push(node.into());
        self
    }

    /// Sets the role and the password for authentication.
    pub fn with_credentials(mut self, username: impl Into<String>, password: impl Into<String>) -> Self {
        self.username = Some(username.into());
        self.password = Some(password.into());
        self
    }

    /// Sets the mode; defaults to [`Mode::Strict`]. A table has one mode for its whole life.
    pub const fn with_mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Sets the timeout of each request: at least 1 ms and at most a day.
    ///
    /// After a write without a response in time, the driver looks for its effect, or sends it once more if
    /// only one of the two can be applied. If that fails, the result is [`ErrorKind::OutcomeUnknown`]. Such a
    /// write takes up to twice as long.
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the number of replicas that must have a write before it is acknowledged: `Quorum` (the default),
    /// `LocalQuorum` or `All`. Scans, and reads in [`Mode::Lww`], query as many replicas.
    ///
    /// With `LocalQuorum` in strict mode, a write that fails because replicas are down is more often
    /// [`ErrorKind::OutcomeUnknown`]: the server's response then does not show whether the write had begun.
    pub const fn with_consistency(mut self, consistency: Consistency) -> Self {
        self.consistency = consistency;
        self
    }

    /// Sets the scope in which lightweight transactions agree: `LocalSerial` (the default) or `Serial`.
    ///
    /// `LocalSerial` covers one datacentre, which is correct if all programs that write to the table are in
    /// it. `Serial` covers all datacentres. With `LocalSerial` in two datacentres, two writers can win.
    pub const fn with_serial_consistency(mut self, consistency: SerialConsistency) -> Self {
        self.serial_consistency = consistency;
        self
    }

    /// Sets the datacentre whose nodes receive all requests; defaults to all datacentres.
    pub fn with_datacenter(mut self, name: impl Into<String>) -> Self {
        self.datacenter = Some(name.into());
        self
    }

    /// Sets the delay after which an unanswered read is also sent to a second node. Does not affect writes.
    pub const fn with_speculative_delay(mut self, delay: Duration) -> Self {
        self.speculative_delay = Some(delay);
        self
    }

    /// Sets the compression of the network traffic; off by default.
    pub const fn with_compression(mut self, compression: Compression) -> Self {
        self.compression = Some(compression);
        self
    }

    /// Sets TLS for all connections; off by default. Requires the crate feature `tls`.
    ///
    /// Nodes are discovered by address, so their certificates must be valid for their IP addresses.
    pub const fn with_tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Sets the trusted certificate authorities, in PEM; defaults to the system's. For TLS only.
    pub fn with_root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.certificates.roots = Some(pem.into());
        self
    }

    /// Sets the client certificate: its chain and its key, in PEM. For TLS only.
    pub fn with_client_certificate(mut self, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.certificates.client = Some((chain.into(), key.into()));
        self
    }

    /// Sets the secret that encrypts scan cursors; defaults to a random secret per process.
    ///
    /// Set the same secret in every process if cursors must work in other processes or after a restart.
    pub const fn with_cursor_secret(mut self, secret: CursorSecret) -> Self {
        self.cursor_secret = secret;
        self
    }

    /// Sets the maximum size of a value in bytes; at most 15 MiB, slightly less than the servers' default
    /// limit for one write.
    pub const fn with_max_value_bytes(mut self, bytes: u64) -> Self {
        self.max_value_bytes = bytes;
        self
    }

    /// Sets the clock that decides about visibility; defaults to the system clock. For tests.
    ///
    /// The servers delete expired entries by their own clocks. Those must not be ahead of this clock by more
    /// than [`ScyllaConfig::with_clock_skew`].
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(SharedClock(clock));
        self
    }

    /// Sets the maximum difference between the clocks of clients and servers; at most a day.
    ///
    /// The servers delete an entry this long after its deadline. If the clocks differ by more, an entry could
    /// vanish before its deadline.
    pub const fn with_clock_skew(mut self, skew: Duration) -> Self {
        self.clock_skew = skew;
        self
    }

    /// Sets that connecting creates a missing table; off by default.
    pub const fn with_ensure_schema(mut self) -> Self {
        self.ensure_schema = true;
        self
    }

    /// Sets the replication with which connecting also creates a missing keyspace.
    ///
    /// Without [`with_ensure_schema`](Self::with_ensure_schema), it only completes the CQL in the error for a
    /// missing keyspace.
    pub fn with_replication(mut self, replication: Replication) -> Self {
        self.replication = Some(replication);
        self
    }

    /// Checks the configuration.
    pub(crate) fn check(&self) -> Result<()> {
        if self.nodes.is_empty() || self.nodes.iter().any(String::is_empty) {
            return Err(invalid("invalid node: expected a host name or an address"));
        }
        check_name("keyspace", &self.keyspace)?;
        check_name("table", &self.table)?;
        if self.timeout < Duration::from_millis(1) {
            return Err(invalid("invalid value for `timeout`: expected at least 1 ms"));
        }
        if self.timeout > MAX_TIMEOUT {
            return Err(invalid("invalid value for `timeout`: expected at most a day"));
        }
        if self.datacenter.as_ref().is_some_and(String::is_empty) {
            return Err(invalid(
                "invalid value for `datacenter`: expected a name; omit it to use all datacentres",
            ));
        }
        if self.max_value_bytes > MAX_VALUE_BYTES {
            return Err(invalid(format!(
                "invalid value for `max_value_bytes`: expected at most {MAX_VALUE_BYTES} (15 MiB)"
            )));
        }
        if self.clock_skew > Duration::from_secs(86_400) {
            return Err(invalid("invalid value for `clock_skew`: expected at most a day"));
        }
        if !matches!(self.consistency, Consistency::Quorum | Consistency::LocalQuorum | Consistency::All) {
            return Err(invalid(
                "invalid value for `consistency`: expected quorum, local_quorum or all; with fewer replicas writes get lost",
            ));
        }
        if self.certificates != Certificates::default() && !self.tls {
            return Err(invalid("certificates require TLS; set tls=true or call with_tls"));
        }
        if self.tls && !cfg!(feature = "tls") {
            return Err(invalid(
                "TLS requires the feature `tls` of ttl-scylla, or `scylla-tls` of ttl-store, which is not enabled",
            ));
        }
        self.replication.as_ref().map_or(Ok(()), check_replication)
    }
}

/// Checks a name, because names are part of CQL texts.
fn check_name(what: &str, name: &str) -> Result<()> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(word) {
        return Err(invalid(format!(
            "invalid {what} name {name:?}: expected 1 to {MAX_NAME_BYTES} letters, digits and underscores"
        )));
    }
    Ok(())
}

fn check_replication(replication: &Replication) -> Result<()> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let fits = match &replication.0 {
        Places::Everywhere(copies) => *copies > 0,
        Places::Datacenters(places) => {
            let names: HashSet<&str> = places.iter().map(|(name, _)| name.as_str()).collect();
            !places.is_empty()
                && names.len() == places.len()
                && places
                    .iter()
                    .all(|(name, copies)| *copies > 0 && !name.is_empty() && name.bytes().all(word))
        }
    };
    if fits {
        return Ok(());
    }
    Err(invalid(
        "invalid value for `replication`: expected a number of copies above zero, or one per datacentre, each named once",
    ))
}

impl fmt::Debug for ScyllaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScyllaConfig")
            .field("nodes", &self.nodes)
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| "***"))
            .field("keyspace", &self.keyspace)
            .field("table", &self.table)
            .field("mode", &self.mode)
            .field("timeout", &self.timeout)
            .field("consistency", &self.consistency)
            .field("serial_consistency", &self.serial_consistency)
            .field("datacenter", &self.datacenter)
            .field("speculative_delay", &self.speculative_delay)
            .field("compression", &self.compression)
            .field("tls", &self.tls)
            .field("root_certificates", &self.certificates.roots.is_some())
            .field("client_certificate", &self.certificates.client.is_some())
            .field("max_value_bytes", &self.max_value_bytes)
            .field("clock_skew", &self.clock_skew)
            .field("clock", &self.clock)
            .field("ensure_schema", &self.ensure_schema)
            .field("replication", &self.replication)
            .finish()
    }
}

pub(crate) fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidConfig, message).with_backend(crate::BACKEND)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> ScyllaConfig {
        ScyllaConfig::new("localhost", "ks", "entries")
    }

    #[test]
    fn what_cannot_work_is_refused() {
        config().check().unwrap();
        for bad in [
            ScyllaConfig::new("", "ks", "entries"),
            ScyllaConfig::new("h", "", "entries"),
            ScyllaConfig::new("h", "ks", "a\"b"),
            ScyllaConfig::new("h", "ks", "t".repeat(49)),
            config().with_timeout(Duration::ZERO),
            config().with_timeout(Duration::MAX),
            config().with_datacenter(""),
            config().with_replication(Replication::datacenters([("dc1", 3), ("dc1", 2)])),
            config().with_max_value_bytes(MAX_VALUE_BYTES + 1),
            config().with_clock_skew(Duration::from_secs(86_401)),
            config().with_consistency(Consistency::One),
            config().with_root_certificates("pem"),
            config().with_client_certificate("pem", "pem"),
            config().with_replication(Replication::everywhere(0)),
            config().with_replication(Replication::datacenters([("dc'1", 3)])),
            config().with_replication(Replication::datacenters(Vec::<(String, u16)>::new())),
        ] {
            assert_eq!(bad.check().unwrap_err().kind(), ErrorKind::InvalidConfig, "{bad:?}");
        }
    }

    #[test]
    fn no_secret_is_printed() {
        let config =
            config().with_credentials("me", "s3cret").with_client_certificate("s3cret-chain", "s3cret-key");
        assert!(!format!("{config:?} {config:#?}").contains("s3cret"));
    }
}
