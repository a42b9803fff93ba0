//! The configuration of a store, and its builder.

mod check;
mod new_table;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ttl_core::driver::SharedClock;
use ttl_core::{Clock, CursorSecret};

pub use self::new_table::{Billing, Encryption, NewTable};
use crate::layout::names;

/// The character that ends a namespace in a stored key. A namespace must not contain it, so no two overlap
/// (K2).
const SEPARATOR: char = ':';

/// The consistency of reads. In URLs: `reads=consistent`, `reads=eventual`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reads {
    /// Strongly consistent: a read sees every write that was acknowledged before the read began. The contract
    /// requires this. This is the default.
    #[default]
    Consistent,
    /// Eventually consistent, at half the price. A plain get, a batch of plain gets and a scan may return a
    /// slightly older state. They can miss an entry that was just put, and return one that was just deleted
    /// or replaced (V5, E9, S1, and every read after a write).
    ///
    /// Expired entries remain invisible, unless the deadline was moved to an earlier one a moment ago. Reads
    /// that precede a write, and a get whose write refreshes the entry, remain consistent.
    Eventual,
}

/// The handling of the table when a store connects. In URLs: `table=look`, `table=lazy`, `table=check`,
/// `table=ensure`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnConnect {
    /// Checks the table with one request: it must exist, be active and have the right key. Without the
    /// permission `dynamodb:DescribeTable`, connecting succeeds, and the first operation reports a wrong
    /// table. This is the default.
    #[default]
    Look,
    /// Sends nothing. An invalid region, endpoint or table, or invalid credentials, fail the first operation.
    Lazy,
    /// Checks the table and its TTL. A mismatch is an error, and so is a missing permission to describe the
    /// table.
    Check,
    /// Checks the table and its TTL, and creates the missing parts.
    Ensure,
}

/// The configuration of a [`DynamoStore`](crate::DynamoStore): the table, its location, and the driver's
/// settings.
///
/// It contains no credentials. They come only from the AWS chain or from the program's client; see the
/// [crate documentation](crate#credentials).
///
/// ```
/// use std::time::Duration;
/// use ttl_dynamo::{DynamoConfig, OnConnect};
///
/// let config = DynamoConfig::new("sessions")
///     .with_region("eu-central-1")
///     .with_namespace("app")
///     .with_timeout(Duration::from_secs(3))
///     .with_on_connect(OnConnect::Check);
///
/// let url = "dynamodb://sessions?region=eu-central-1&namespace=app&timeout=3s&table=check";
/// let same = DynamoConfig::from_url(url)?;
/// assert_eq!(same, config);
/// # Ok::<(), ttl_core::Error>(())
/// ```
#[derive(Clone, PartialEq)]
#[must_use = "a configuration does nothing until a store is created with it"]
pub struct DynamoConfig {
    pub(crate) table: String,
    pub(crate) region: Option<String>,
    pub(crate) endpoint: Option<String>,
    pub(crate) namespace: Option<String>,
    pub(crate) key_attribute: String,
    pub(crate) ttl_attribute: String,
    pub(crate) reads: Reads,
    pub(crate) timeout: Duration,
    pub(crate) attempt_timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) attempts: u32,
    pub(crate) backoff: Duration,
    pub(crate) max_backoff: Duration,
    pub(crate) grace: Duration,
    pub(crate) segments: u32,
    pub(crate) concurrency: usize,
    pub(crate) max_value_bytes: Option<u64>,
    pub(crate) cursor_secret: CursorSecret,
    pub(crate) on_connect: OnConnect,
    pub(crate) new_table: NewTable,
    pub(crate) clock: Option<SharedClock>,
}

impl DynamoConfig {
    /// The default name of the partition key.
    pub const DEFAULT_KEY_ATTRIBUTE: &str = names::KEY;

    /// The default name of the table's TTL attribute.
    pub const DEFAULT_TTL_ATTRIBUTE: &str = names::EPOCH;

    /// The default timeout of an operation with all of its attempts: five seconds.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

    /// The default timeout of one request: one second.
    pub const DEFAULT_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(1);

    /// The default timeout for establishing a connection: 750 ms.
    pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_millis(750);

    /// The default maximum number of attempts of a request: four.
    pub const DEFAULT_ATTEMPTS: u32 = 4;

    /// The default bounds of the wait before the second attempt and before the last one: 50 ms and one
    /// second.
    pub const DEFAULT_BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

    /// The default time after an entry's deadline at which DynamoDB may delete it: one hour.
    pub const DEFAULT_GRACE: Duration = Duration::from_secs(60 * 60);

    /// The default number of concurrent requests of a batch.
    pub const DEFAULT_CONCURRENCY: usize = 16;

    /// The maximum number of segments. Each segment has a position in the cursor.
    pub(crate) const MAX_SEGMENTS: u32 = 16;

    /// Creates a configuration for the table of this name.
    ///
    /// Region and endpoint default to those of the environment and the profile.
    pub fn new(table: impl Into<String>) -> Self {
        Self {
            table: table.into(),
            region: None,
            endpoint: None,
            namespace: None,
            key_attribute: Self::DEFAULT_KEY_ATTRIBUTE.to_owned(),
            ttl_attribute: Self::DEFAULT_TTL_ATTRIBUTE.to_owned(),
            reads: Reads::Consistent,
            timeout: Self::DEFAULT_TIMEOUT,
            attempt_timeout: Self::DEFAULT_ATTEMPT_TIMEOUT,
            connect_timeout: Self::DEFAULT_CONNECT_TIMEOUT,
            attempts: Self::DEFAULT_ATTEMPTS,
            backoff: Self::DEFAULT_BACKOFF.0,
            max_backoff: Self::DEFAULT_BACKOFF.1,
            grace: Self::DEFAULT_GRACE,
            segments: 1,
            concurrency: Self::DEFAULT_CONCURRENCY,
            max_value_bytes: None,
            cursor_secret: CursorSecret::of_process(),
            on_connect: OnConnect::default(),
            new_table: NewTable::new(),
            clock: None,
        }
    }

    /// Sets the secret that encrypts scan cursors; defaults to a random secret per process.
    ///
    /// Set the same secret in every process if cursors must work in other processes or after a restart.
    pub const fn with_cursor_secret(mut self, secret: CursorSecret) -> Self {
        self.cursor_secret = secret;
        self
    }

    /// Sets the region, such as `eu-central-1`; defaults to the region of the environment or the profile.
    pub fn with_region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Sets the endpoint, such as `http://localhost:8000` for DynamoDB Local; defaults to the region's
    /// endpoint.
    pub fn with_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    /// Sets the namespace: stored keys begin with this name and a colon.
    ///
    /// A namespace has 1 to 255 bytes and no colon, so keys of different namespaces never collide (K2).
    /// Without a namespace, keys are stored unchanged, and the store owns the whole table: it also sees the
    /// entries that other stores keep in their namespaces. Give every store on a shared table a namespace.
    pub fn with_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Sets the name of the partition key (a string) of an existing table; defaults to `ttl:key`.
    pub fn with_key_attribute(mut self, name: impl Into<String>) -> Self {
        self.key_attribute = name.into();
        self
    }

    /// Sets the name of the TTL attribute of an existing table; defaults to `ttl:epoch`.
    pub fn with_ttl_attribute(mut self, name: impl Into<String>) -> Self {
        self.ttl_attribute = name.into();
        self
    }

    /// Sets the consistency of reads; defaults to [`Reads::Consistent`].
    pub const fn with_reads(mut self, reads: Reads) -> Self {
        self.reads = reads;
        self
    }

    /// Sets the timeout of an operation, 1 ms to a day: no further attempt begins after it.
    ///
    /// The last attempt, and the read that settles a write whose response was lost, may each take
    /// [`DynamoConfig::with_attempt_timeout`] beyond it. A batch, a page of a scan and the creation of a
    /// table consist of many operations.
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the timeout of one request: at least 1 ms, and at most [`DynamoConfig::with_timeout`].
    ///
    /// Keep it short: a write that was sent before an entry's deadline may arrive this much later and still
    /// count, or even later if the network delays it.
    pub const fn with_attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// Sets the timeout for establishing a connection; at least 1 ms.
    ///
    /// It is limited to three quarters of [`DynamoConfig::with_attempt_timeout`]. This distinguishes a write
    /// that could not be sent from a write without a response.
    pub const fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets the maximum number of attempts of a request, 1 to 20. The driver retries only if nothing was
    /// applied yet.
    pub const fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Sets the bounds of the random wait before a retry.
    ///
    /// The wait is at most `first` before the second attempt. The bound doubles before each further attempt,
    /// up to `longest`.
    pub const fn with_backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.backoff = first;
        self.max_backoff = longest;
        self
    }

    /// Sets the time after an entry's deadline at which DynamoDB may delete it, rounded up to whole seconds;
    /// at most 366 days.
    ///
    /// Visibility does not depend on it. It must be longer than any client's clock can be behind Amazon's.
    /// Otherwise DynamoDB could delete an entry that such a client still sees.
    pub const fn with_grace(mut self, grace: Duration) -> Self {
        let rest = (grace.subsec_nanos() > 0) as u64;
        self.grace = Duration::from_secs(grace.as_secs().saturating_add(rest));
        self
    }

    /// Sets the number of table segments that a scan reads in parallel, 1 to 16; defaults to 1.
    ///
    /// More segments are faster on large tables, consume more of the table's capacity at once, and make
    /// cursors longer.
    pub const fn with_segments(mut self, segments: u32) -> Self {
        self.segments = segments;
        self
    }

    /// Sets the maximum number of concurrent requests of a batch, 1 to 1000.
    pub const fn with_concurrency(mut self, requests: usize) -> Self {
        self.concurrency = requests;
        self
    }

    /// Sets the maximum size of a value in bytes; defaults to the largest value that fits into an item of 400
    /// KB.
    ///
    /// With an explicit limit, every patch reads the record before it writes it, which costs two requests:
    /// DynamoDB cannot measure the patched record.
    pub const fn with_max_value_bytes(mut self, bytes: u64) -> Self {
        self.max_value_bytes = Some(bytes);
        self
    }

    /// Sets the handling of the table when a store connects; defaults to [`OnConnect::Look`].
    pub const fn with_on_connect(mut self, on_connect: OnConnect) -> Self {
        self.on_connect = on_connect;
        self
    }

    /// Sets the properties of a table that the driver creates.
    pub fn with_new_table(mut self, new_table: NewTable) -> Self {
        self.new_table = new_table;
        self
    }

    /// Sets the store's clock; defaults to the system clock. For tests.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(SharedClock(clock));
        self
    }

    /// Sets the table's name.
    pub fn with_table(mut self, table: impl Into<String>) -> Self {
        self.table = table.into();
        self
    }

    /// Returns the table's name.
    #[must_use]
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Returns the region, if one is set.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// Returns the endpoint, if one is set.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }

    /// Returns the name of the partition key.
    #[must_use]
    pub fn key_attribute(&self) -> &str {
        &self.key_attribute
    }

    pub(crate) fn has_consistent_reads(&self) -> bool {
        self.reads == Reads::Consistent
    }

    /// Returns the effective connect timeout. It is shorter than an attempt, so an attempt that fails while
    /// connecting is known to have sent nothing.
    pub(crate) fn effective_connect_timeout(&self) -> Duration {
        self.connect_timeout.min(self.attempt_timeout * 3 / 4)
    }

    /// Returns the location of DynamoDB for error texts. `check` rejects an endpoint with credentials.
    pub(crate) fn location(&self) -> String {
        match (&self.endpoint, &self.region) {
            (Some(endpoint), _) => format!("at {endpoint}"),
            (None, Some(region)) => format!("in {region}"),
            (None, None) => "in this region".to_owned(),
        }
    }

    /// Returns the prefix of every stored key.
    pub(crate) fn prefix(&self) -> String {
        self.namespace.as_ref().map(|namespace| format!("{namespace}{SEPARATOR}")).unwrap_or_default()
    }
}

impl fmt::Debug for DynamoConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `check` rejects an endpoint with a password, but the configuration may be printed before that.
        let endpoint = self.endpoint.as_deref().map(|at| if at.contains('@') { "***" } else { at });
        f.debug_struct("DynamoConfig")
            .field("table", &self.table)
            .field("region", &self.region)
            .field("endpoint", &endpoint)
            .field("namespace", &self.namespace)
            .field("key_attribute", &self.key_attribute)
            .field("ttl_attribute", &self.ttl_attribute)
            .field("reads", &self.reads)
            .field("timeout", &self.timeout)
            .field("attempt_timeout", &self.attempt_timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("attempts", &self.attempts)
            .field("backoff", &(self.backoff, self.max_backoff))
            .field("grace", &self.grace)
            .field("segments", &self.segments)
            .field("concurrency", &self.concurrency)
            .field("max_value_bytes", &self.max_value_bytes)
            .field("on_connect", &self.on_connect)
            .field("new_table", &self.new_table)
            .field("clock", &self.clock)
            .finish()
    }
}
