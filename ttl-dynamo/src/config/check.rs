//! Checks of a configuration.

use std::time::Duration;

use ttl_core::Result;
use url::Url;

use super::{DynamoConfig, SEPARATOR};
use crate::error::{credentials_in, invalid};
use crate::layout::size;

const MAX_NAMESPACE_BYTES: usize = 255;
/// The prefix of attribute names that are reserved for the driver.
const RESERVED: &str = "ttl:";
const MAX_ATTRIBUTE_BYTES: usize = 255;
const MAX_ATTEMPTS: u32 = 20;
const MAX_CONCURRENCY: usize = 1000;
const MIN_TIMEOUT: Duration = Duration::from_millis(1);
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);
const MAX_GRACE: Duration = Duration::from_secs(366 * 24 * 60 * 60);

impl DynamoConfig {
    /// Checks the configuration.
    pub(crate) fn check(&self) -> Result<()> {
        let valid = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        if !(3..=255).contains(&self.table.len()) || !self.table.chars().all(valid) {
            return Err(invalid("invalid table name: expected 3 to 255 letters, digits, '_', '.' and '-'"));
        }
        self.check_location()?;
        self.check_attributes()?;
        self.check_times()?;
        check_bounds("attempts", 1..=u64::from(MAX_ATTEMPTS), self.attempts.into())?;
        check_bounds("segments", 1..=u64::from(DynamoConfig::MAX_SEGMENTS), self.segments.into())?;
        check_bounds("concurrency", 1..=MAX_CONCURRENCY as u64, self.concurrency as u64)?;
        let most = size::max_value_bytes(self);
        if self.max_value_bytes.is_some_and(|bytes| bytes > most) {
            return Err(invalid(format!(
                "invalid value for `max_value_bytes`: expected at most {most}; a DynamoDB item has at most 409600 bytes, \
                 including the key and all names"
            )));
        }
        self.new_table.check()
    }

    fn check_location(&self) -> Result<()> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.region.as_ref().is_some_and(|region| region.is_empty() || !region.chars().all(fits)) {
            return Err(invalid("invalid value for `region`: expected a name such as eu-central-1"));
        }
        if let Some(endpoint) = &self.endpoint {
            let url = Url::parse(endpoint).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            let Some(url) = url else {
                return Err(invalid(
                    "invalid value for `endpoint`: expected an address such as http://localhost:8000",
                ));
            };
            if endpoint.contains('@') {
                return Err(credentials_in("the endpoint"));
            }
            if url.query().is_some() || url.fragment().is_some() {
                return Err(invalid("invalid value for `endpoint`: expected an address without '?' and '#'"));
            }
        }
        if let Some(namespace) = &self.namespace
            && (namespace.is_empty()
                || namespace.len() > MAX_NAMESPACE_BYTES
                || namespace.contains(SEPARATOR))
        {
            return Err(invalid(format!(
                "invalid namespace {namespace:?}: expected 1 to {MAX_NAMESPACE_BYTES} bytes without {SEPARATOR:?}"
            )));
        }
        Ok(())
    }

    fn check_attributes(&self) -> Result<()> {
        let (key, ttl) = (&*self.key_attribute, &*self.ttl_attribute);
        for (name, default) in [(key, Self::DEFAULT_KEY_ATTRIBUTE), (ttl, Self::DEFAULT_TTL_ATTRIBUTE)] {
            if name.is_empty() || name.len() > MAX_ATTRIBUTE_BYTES {
                return Err(invalid(format!(
                    "invalid attribute name: expected 1 to {MAX_ATTRIBUTE_BYTES} bytes"
                )));
            }
            if name.starts_with(RESERVED) && name != default {
                return Err(invalid(format!(
                    "the attribute {name:?} is reserved for the driver; choose a name that does not begin with {RESERVED:?}"
                )));
            }
        }
        if key == ttl {
            return Err(invalid(
                "the key attribute and the TTL attribute have the same name; name them differently",
            ));
        }
        Ok(())
    }

    fn check_times(&self) -> Result<()> {
        if [self.timeout, self.attempt_timeout, self.connect_timeout].iter().min() < Some(&MIN_TIMEOUT) {
            return Err(invalid("invalid timeout: expected at least 1 ms"));
        }
        // The limit keeps every computed instant representable.
        if [self.timeout, self.connect_timeout, self.max_backoff].iter().max() > Some(&MAX_TIMEOUT) {
            return Err(invalid("invalid timeout or backoff: expected at most a day"));
        }
        if self.attempt_timeout > self.timeout {
            return Err(invalid(format!(
                "invalid value for `attempt_timeout`: expected at most {}, the value of `timeout`",
                humantime::format_duration(self.timeout)
            )));
        }
        if self.backoff > self.max_backoff {
            return Err(invalid("invalid value for `backoff`: expected at most the value of `max_backoff`"));
        }
        if self.grace > MAX_GRACE {
            return Err(invalid("invalid value for `grace`: expected at most 366 days"));
        }
        Ok(())
    }
}

fn check_bounds(name: &str, bounds: std::ops::RangeInclusive<u64>, value: u64) -> Result<()> {
    if bounds.contains(&value) {
        return Ok(());
    }
    Err(invalid(format!(
        "invalid value `{value}` for `{name}`: expected {} to {}",
        bounds.start(),
        bounds.end()
    )))
}

#[cfg(test)]
mod tests {
    use ttl_core::ErrorKind;

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
        config().with_max_value_bytes(size::max_value_bytes(&config())).check().unwrap();
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
        for name in ["", "ttl:cap", "ttl:key", "ttl:fields"] {
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
            config().with_timeout(Duration::MAX),
            config().with_connect_timeout(Duration::MAX),
            config().with_backoff(second, Duration::MAX),
            config().with_attempt_timeout(second * 6),
            config().with_attempts(0),
            config().with_attempts(21),
            config().with_backoff(second * 2, second),
            config().with_grace(MAX_GRACE + second),
            config().with_segments(0),
            config().with_segments(17),
            config().with_concurrency(0),
            config().with_max_value_bytes(409_600),
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
