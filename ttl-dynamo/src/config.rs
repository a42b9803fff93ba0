//! Which table, where, and how it is used: the builder.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ttl_core::{Clock, CursorSecret, Error, ErrorKind};

use crate::names;
use crate::new_table::NewTable;

/// What ends a namespace in a stored key. No namespace may contain it, so that no two of them overlap (K2).
pub(crate) const SEPARATOR: char = ':';

/// How reads are made. In URLs: `reads=consistent`, `reads=eventual`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reads {
    /// Strongly consistent: a read sees every write that was acknowledged before it began. The contract needs it.
    #[default]
    Consistent,
    /// Eventually consistent, at half the price. A plain get, a batch of them and a scan may answer as things stood
    /// a moment ago: they can miss an entry that was just put, and show one that was just deleted or replaced (V5,
    /// E9, S1, and whatever is read after a write). That an expired entry is not seen holds all the same, unless its
    /// deadline was moved to an earlier one a moment ago. What reads in order to write, and a get that refreshes by
    /// the write itself, stay consistent.
    Eventual,
}

/// What is done about the table when a store connects. In URLs: `table=lazy`, `table=check`, `table=ensure`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnConnect {
    /// The table is looked at, by one request: it has to be there, ready, and of the right key. Who has no right to look
    /// (`dynamodb:DescribeTable`) connects all the same, and hears of it from the first operation. This is the default.
    #[default]
    Look,
    /// Nothing is sent. What is wrong with region, credentials, endpoint or table is an error of the first operation.
    Lazy,
    /// The table and its TTL are looked at, and what does not fit is an error, as is a missing right to look.
    Check,
    /// The table and its TTL are looked at, and what is missing is made.
    Ensure,
}

/// Which table, where it is, and how the driver uses it. There are no credentials in it: they come from the AWS
/// chain alone, or with a client of the program's own; see the [crate's documentation](crate#credentials).
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
/// assert_eq!(format!("{same:?}"), format!("{config:?}"));
/// # Ok::<(), ttl_core::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "a configuration does nothing until a store is made of it"]
pub struct DynamoConfig {
    pub(crate) table: String,
    pub(crate) region: Option<String>,
    pub(crate) endpoint: Option<String>,
    pub(crate) namespace: Option<String>,
    pub(crate) key_attribute: String,
    pub(crate) ttl_attribute: String,
    pub(crate) consistent_reads: bool,
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
    pub(crate) clock: Option<Arc<dyn Clock>>,
}

impl DynamoConfig {
    /// The name of the partition key, unless said otherwise.
    pub const DEFAULT_KEY_ATTRIBUTE: &str = names::KEY;

    /// The name of the table's TTL attribute, unless said otherwise.
    pub const DEFAULT_TTL_ATTRIBUTE: &str = names::EPOCH;

    /// How long an operation may take with all of its attempts, unless said otherwise: five seconds.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

    /// How long one request may take, unless said otherwise: one second.
    pub const DEFAULT_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(1);

    /// How long a connection may take to be made, unless said otherwise: three quarters of a second.
    pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_millis(750);

    /// How often a request is sent at most, unless said otherwise: four times.
    pub const DEFAULT_ATTEMPTS: u32 = 4;

    /// The bounds of the wait before the second attempt and before the last one, unless said otherwise.
    pub const DEFAULT_BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

    /// How long after its deadline DynamoDB may collect an entry, unless said otherwise: an hour.
    pub const DEFAULT_GRACE: Duration = Duration::from_secs(60 * 60);

    /// How many requests a batch has under way at a time, unless said otherwise.
    pub const DEFAULT_CONCURRENCY: usize = 16;

    /// A table of this name, in the region and at the endpoint that the environment and the profile name.
    pub fn new(table: impl Into<String>) -> Self {
        Self {
            table: table.into(),
            region: None,
            endpoint: None,
            namespace: None,
            key_attribute: Self::DEFAULT_KEY_ATTRIBUTE.to_owned(),
            ttl_attribute: Self::DEFAULT_TTL_ATTRIBUTE.to_owned(),
            consistent_reads: true,
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

    /// Encrypts scan cursors with this secret instead of one that is random in each process.
    ///
    /// Give every process the same secret if cursors are to work in other processes, or after a restart.
    pub const fn with_cursor_secret(mut self, secret: CursorSecret) -> Self {
        self.cursor_secret = secret;
        self
    }

    /// In this region, such as `eu-central-1`, instead of the environment's or the profile's.
    pub fn with_region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// At this address, such as `http://localhost:8000` for DynamoDB Local, instead of the region's own.
    pub fn with_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    /// Keeps entries under keys that begin with this name and a colon.
    ///
    /// A namespace has 1 to 255 bytes and no colon: so keys of different namespaces never meet (K2). Without one
    /// the keys are stored as they are, and the store has the table to itself: what others keep in it under
    /// namespaces are entries of its own. Give every store on a shared table a namespace.
    pub fn with_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Uses this partition key (a string) instead of `ttl:key`, on a table that exists already.
    pub fn with_key_attribute(mut self, name: impl Into<String>) -> Self {
        self.key_attribute = name.into();
        self
    }

    /// Uses this TTL attribute instead of `ttl:epoch`, on a table that exists already.
    pub fn with_ttl_attribute(mut self, name: impl Into<String>) -> Self {
        self.ttl_attribute = name.into();
        self
    }

    /// Reads consistently or eventually.
    pub const fn with_reads(mut self, reads: Reads) -> Self {
        self.consistent_reads = matches!(reads, Reads::Consistent);
        self
    }

    /// Tries for at most so long, 1 ms to a day: no further attempt begins after it. The last one, and the read that
    /// settles a write whose answer was lost, may each take [`DynamoConfig::with_attempt_timeout`] beyond it. A batch, a
    /// page of a scan and the making of a table are many operations.
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Waits at most so long for one request; at least 1 ms, and no longer than [`DynamoConfig::with_timeout`].
    ///
    /// Keep it short: a write that was sent before an entry's deadline may arrive so much later and still count, and
    /// later yet if the network holds it back.
    pub const fn with_attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// Waits at most so long for a connection; at least 1 ms. It is never more than three quarters of
    /// [`DynamoConfig::with_attempt_timeout`], so that a write that could not be sent is told from one that was not
    /// answered.
    pub const fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sends a request at most so often, 1 to 20 times, as long as it is certain that nothing was applied before.
    pub const fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Waits a random time before an attempt: up to the first of these before the second attempt, up to twice as
    /// long before each further one, but never longer than the second of these.
    pub const fn with_backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.backoff = first;
        self.max_backoff = longest;
        self
    }

    /// Lets DynamoDB collect an entry so long after its deadline, in whole seconds (a rest counts as one); at most 366
    /// days.
    ///
    /// What can be seen does not depend on it. It has to be longer than any client's clock may be behind Amazon's,
    /// so that nothing is collected which that client would still see.
    pub const fn with_grace(mut self, grace: Duration) -> Self {
        let rest = (grace.subsec_nanos() > 0) as u64;
        self.grace = Duration::from_secs(grace.as_secs().saturating_add(rest));
        self
    }

    /// Scans so many segments of the table at the same time, 1 to 16. More are faster on large tables, take more of
    /// its capacity at once, and make cursors longer.
    pub const fn with_segments(mut self, segments: u32) -> Self {
        self.segments = segments;
        self
    }

    /// Has at most so many requests of a batch under way at a time, 1 to 1000.
    pub const fn with_concurrency(mut self, requests: usize) -> Self {
        self.concurrency = requests;
        self
    }

    /// Refuses values of more than so many bytes; at most what an item of 400 KB has room for, which is the default.
    ///
    /// With a limit of the program's own every patch reads the record before it writes it, and so is two requests:
    /// DynamoDB cannot measure what a patch makes of a record.
    pub const fn with_max_value_bytes(mut self, bytes: u64) -> Self {
        self.max_value_bytes = Some(bytes);
        self
    }

    /// Looks at the table when a store connects, or makes it, or does neither.
    pub const fn with_on_connect(mut self, on_connect: OnConnect) -> Self {
        self.on_connect = on_connect;
        self
    }

    /// Makes a table that is missing like this.
    pub fn with_new_table(mut self, new_table: NewTable) -> Self {
        self.new_table = new_table;
        self
    }

    /// Goes by this clock instead of the system's. For tests.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// In the table of this name.
    pub fn with_table(mut self, table: impl Into<String>) -> Self {
        self.table = table.into();
        self
    }

    /// The table's name.
    #[must_use]
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The region, if one was named here.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// The address, if one was named here.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }

    /// The name of the partition key.
    #[must_use]
    pub fn key_attribute(&self) -> &str {
        &self.key_attribute
    }

    /// How long a connection may take: an attempt that ends while it connects has to be known to have sent nothing.
    pub(crate) fn connects_within(&self) -> Duration {
        self.connect_timeout.min(self.attempt_timeout * 3 / 4)
    }

    /// What stands before every key.
    pub(crate) fn prefix(&self) -> String {
        self.namespace.as_ref().map(|namespace| format!("{namespace}{SEPARATOR}")).unwrap_or_default()
    }
}

impl fmt::Debug for DynamoConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An endpoint with a password in it is refused, but may be printed before that.
        let endpoint = self.endpoint.as_deref().map(|at| if at.contains('@') { "***" } else { at });
        f.debug_struct("DynamoConfig")
            .field("table", &self.table)
            .field("region", &self.region)
            .field("endpoint", &endpoint)
            .field("namespace", &self.namespace)
            .field("key_attribute", &self.key_attribute)
            .field("ttl_attribute", &self.ttl_attribute)
            .field("consistent_reads", &self.consistent_reads)
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

pub(crate) fn invalid(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidConfig, message).with_backend(crate::BACKEND)
}

/// Does not repeat them.
pub(crate) fn no_credentials(place: &str) -> Error {
    invalid(format!(
        "{place} holds no credentials, so no '@'; they come from the AWS chain: AWS_ACCESS_KEY_ID and \
         AWS_SECRET_ACCESS_KEY, a profile, or the role of the machine"
    ))
}
