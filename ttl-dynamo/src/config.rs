//! Which table, where, and how it is used: the builder, and what it checks.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ttl_core::{Clock, Error, ErrorKind, Result};
use url::Url;

use crate::names;
use crate::new_table::NewTable;

/// What ends a namespace in a stored key. No namespace may contain it, so that no two of them overlap (K2).
pub(crate) const SEPARATOR: char = ':';

const MAX_NAMESPACE_BYTES: usize = 255;
/// Attributes whose names begin like this are the driver's.
const RESERVED: &str = "ttl:";
const MAX_ATTRIBUTE_BYTES: usize = 255;
const MAX_ATTEMPTS: u32 = 20;
/// Each segment has its place in a cursor.
const MAX_SEGMENTS: u32 = 16;
const MAX_CONCURRENCY: usize = 1000;
const MAX_GRACE: Duration = Duration::from_secs(366 * 24 * 60 * 60);

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

/// What is done about the table before a store is used. In URLs: `table=check`, `table=ensure`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnConnect {
    /// Nothing is sent. A table that is not there, or not of the right shape, is an error of the first operation.
    #[default]
    Nothing,
    /// The table is looked at, and what does not fit is an error.
    Check,
    /// The table is looked at, and what is missing is made: the table itself, and its TTL.
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

    /// How long a connection may take to be made, unless said otherwise: one second.
    pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

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
            on_connect: OnConnect::default(),
            new_table: NewTable::new(),
            clock: None,
        }
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

    /// Waits at most so long for an operation, all of its attempts and the waits between them included; at least
    /// 1 ms. A batch, a page of a scan and the making of a table are many operations.
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Waits at most so long for one request; at least 1 ms, and no longer than [`DynamoConfig::with_timeout`].
    ///
    /// Keep it short: a write that was sent before an entry's deadline may arrive so much later and still count.
    pub const fn with_attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// Waits at most so long for a connection; at least 1 ms.
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

    /// Looks at the table, or makes it, when a store connects.
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

    /// What stands before every key.
    pub(crate) fn prefix(&self) -> String {
        self.namespace.as_ref().map(|namespace| format!("{namespace}{SEPARATOR}")).unwrap_or_default()
    }

    /// Refuses what cannot work.
    pub(crate) fn check(&self) -> Result<()> {
        let valid = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        if !(3..=255).contains(&self.table.len()) || !self.table.chars().all(valid) {
            return Err(invalid("the name of a table has 3 to 255 letters, digits, '_', '.' and '-'"));
        }
        self.check_place()?;
        self.check_attributes()?;
        self.check_times()?;
        within("attempts", 1..=u64::from(MAX_ATTEMPTS), self.attempts.into())?;
        within("segments", 1..=u64::from(MAX_SEGMENTS), self.segments.into())?;
        within("concurrency", 1..=MAX_CONCURRENCY as u64, self.concurrency as u64)?;
        self.new_table.check()
    }

    fn check_place(&self) -> Result<()> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.region.as_ref().is_some_and(|region| region.is_empty() || !region.chars().all(fits)) {
            return Err(invalid("a region is a word such as eu-central-1"));
        }
        if let Some(endpoint) = &self.endpoint {
            let url = Url::parse(endpoint).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            let Some(url) = url else {
                return Err(invalid("an endpoint is an address such as http://localhost:8000"));
            };
            if endpoint.contains('@') {
                return Err(no_credentials("an endpoint"));
            }
            if url.query().is_some() || url.fragment().is_some() {
                return Err(invalid("an endpoint has neither '?' nor '#'"));
            }
        }
        if let Some(namespace) = &self.namespace
            && (namespace.is_empty()
                || namespace.len() > MAX_NAMESPACE_BYTES
                || namespace.contains(SEPARATOR))
        {
            return Err(invalid(format!(
                "a namespace has 1 to {MAX_NAMESPACE_BYTES} bytes and no {SEPARATOR:?}, this is {namespace:?}"
            )));
        }
        Ok(())
    }

    fn check_attributes(&self) -> Result<()> {
        let (key, ttl) = (&*self.key_attribute, &*self.ttl_attribute);
        for (name, own) in [(key, Self::DEFAULT_KEY_ATTRIBUTE), (ttl, Self::DEFAULT_TTL_ATTRIBUTE)] {
            if name.is_empty() || name.len() > MAX_ATTRIBUTE_BYTES {
                return Err(invalid(format!(
                    "the name of an attribute has 1 to {MAX_ATTRIBUTE_BYTES} bytes"
                )));
            }
            if name.starts_with(RESERVED) && name != own {
                return Err(invalid(format!(
                    "the attribute {name:?} is the driver's; choose a name that does not begin with {RESERVED:?}"
                )));
            }
        }
        if key == ttl {
            return Err(invalid("the key attribute and the TTL attribute are two; name them differently"));
        }
        Ok(())
    }

    fn check_times(&self) -> Result<()> {
        if [self.timeout, self.attempt_timeout, self.connect_timeout].iter().min() < Some(&MIN_TIMEOUT) {
            return Err(invalid("a timeout is at least 1 ms"));
        }
        if self.attempt_timeout > self.timeout {
            return Err(invalid(format!(
                "attempt_timeout is at most as long as timeout, which is {}",
                humantime::format_duration(self.timeout)
            )));
        }
        if self.backoff > self.max_backoff {
            return Err(invalid("the first backoff is at most as long as the longest, max_backoff"));
        }
        if self.grace > MAX_GRACE {
            return Err(invalid("grace is at most 366 days"));
        }
        Ok(())
    }
}

const MIN_TIMEOUT: Duration = Duration::from_millis(1);

fn within(what: &str, bounds: std::ops::RangeInclusive<u64>, value: u64) -> Result<()> {
    if bounds.contains(&value) {
        return Ok(());
    }
    Err(invalid(format!("{what} is {} to {}, this is {value}", bounds.start(), bounds.end())))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(config: &DynamoConfig) -> String {
        let error = config.check().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{config:?}");
        error.to_string()
    }

    fn config() -> DynamoConfig {
        DynamoConfig::new("table")
    }

    #[test]
    fn the_defaults_work() {
        config().check().unwrap();
        assert_eq!(config().prefix(), "");
        assert_eq!(config().with_namespace("app").prefix(), "app:");
    }

    #[test]
    fn namespaces_cannot_overlap() {
        for namespace in ["", "a:b", "app:", ":", &"n".repeat(256)] {
            refused(&config().with_namespace(namespace));
        }
        for namespace in ["a", "app-1", "*", "ä", &"n".repeat(255)] {
            config().with_namespace(namespace).check().unwrap();
        }
    }

    #[test]
    fn attributes_cannot_collide() {
        for name in ["", "ttl:", "ttl:deadline", "ttl:value", "ttl:epoch", &"n".repeat(256)] {
            refused(&config().with_key_attribute(name));
        }
        for name in ["", "ttl:max", "ttl:key", "ttl:fields"] {
            refused(&config().with_ttl_attribute(name));
        }
        let same = config().with_key_attribute("id").with_ttl_attribute("id");
        assert!(refused(&same).contains("differently"));
        config().with_key_attribute("id").with_ttl_attribute("expires").check().unwrap();
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let second = Duration::from_secs(1);
        for bad in [
            DynamoConfig::new("ab"),
            DynamoConfig::new("a table"),
            config().with_region(""),
            config().with_region("EU"),
            config().with_endpoint("localhost:8000"),
            config().with_endpoint("ftp://h"),
            config().with_endpoint("http://h?x=1"),
            config().with_timeout(Duration::ZERO),
            config().with_attempt_timeout(Duration::from_micros(1)),
            config().with_connect_timeout(Duration::ZERO),
            config().with_attempt_timeout(second * 6),
            config().with_attempts(0),
            config().with_attempts(21),
            config().with_backoff(second * 2, second),
            config().with_grace(MAX_GRACE + second),
            config().with_segments(0),
            config().with_segments(17),
            config().with_concurrency(0),
        ] {
            refused(&bad);
        }
    }

    #[test]
    fn no_secret_is_printed() {
        let config = config().with_endpoint("http://user:s3cret@h");
        let text = refused(&config);
        assert!(text.contains("AWS_ACCESS_KEY_ID"), "{text}");
        assert!(!format!("{text} {config:?} {config:#?}").contains("s3cret"));
    }
}
