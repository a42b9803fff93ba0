//! Configuration by URL.

use ttl_core::Result;
use ttl_core::driver::{QueryOptions, percent_decode};
use url::Url;

use crate::BACKEND;
use crate::config::{DynamoConfig, OnConnect, Reads};
use crate::error::{credentials_in, invalid};

impl DynamoConfig {
    /// Reads a configuration from a URL: `dynamodb://TABLE`, with options in its query.
    ///
    /// | option | example | meaning |
    /// |---|---|---|
    /// | `region` | `eu-central-1` | [`DynamoConfig::with_region`] |
    /// | `endpoint` | `http://localhost:8000` | [`DynamoConfig::with_endpoint`] |
    /// | `namespace` | `app` | [`DynamoConfig::with_namespace`] |
    /// | `table` | `look`, `ensure`, `check`, `lazy` | [`DynamoConfig::with_on_connect`]: check the table, create missing parts, check the TTL as well, or send nothing |
    /// | `reads` | `consistent`, `eventual` | [`DynamoConfig::with_reads`] |
    /// | `timeout` | `5s` | [`DynamoConfig::with_timeout`]: the timeout of an operation with all of its attempts |
    /// | `attempt_timeout` | `1s`, `500ms` | [`DynamoConfig::with_attempt_timeout`] |
    /// | `connect_timeout` | `1s` | [`DynamoConfig::with_connect_timeout`] |
    /// | `attempts` | `4` | [`DynamoConfig::with_attempts`] |
    /// | `backoff`, `max_backoff` | `50ms`, `1s` | [`DynamoConfig::with_backoff`] |
    /// | `grace` | `1h` | [`DynamoConfig::with_grace`] |
    /// | `segments` | `4` | [`DynamoConfig::with_segments`] |
    /// | `concurrency` | `16` | [`DynamoConfig::with_concurrency`] |
    /// | `max_value_bytes` | `64KiB`, `65536` | [`DynamoConfig::with_max_value_bytes`] |
    /// | `cursor_secret` | 16 bytes or more | [`DynamoConfig::with_cursor_secret`] |
    /// | `key_attribute`, `ttl_attribute` | `id`, `expires` | [`DynamoConfig::with_key_attribute`], [`DynamoConfig::with_ttl_attribute`] |
    ///
    /// Percent-encode `&`, `+`, `#` and `%` in a value. The URL cannot contain credentials: they come from
    /// the AWS chain. Capacity, encryption and tags of a new table are set with
    /// [`DynamoConfig::with_new_table`].
    ///
    /// ```
    /// use ttl_dynamo::DynamoConfig;
    ///
    /// assert!(DynamoConfig::from_url("dynamodb://sessions?region=eu-central-1&table=ensure").is_ok());
    /// assert!(DynamoConfig::from_url("dynamodb://sessions?endpoint=http://localhost:8000").is_ok());
    /// let error = DynamoConfig::from_url("dynamodb://sessions?regoin=eu-central-1").unwrap_err();
    /// assert!(error.to_string().contains("expected one of region, endpoint, namespace"));
    /// ```
    ///
    /// # Errors
    /// [`InvalidConfig`](ttl_core::ErrorKind::InvalidConfig) for an invalid URL, an unknown option (the text
    /// lists the known ones) or an invalid value. No error text repeats the URL.
    pub fn from_url(text: &str) -> Result<Self> {
        let url = Url::parse(text)
            .map_err(|error| invalid(format!("invalid URL ({error}): expected dynamodb://TABLE")))?;
        if url.scheme() != "dynamodb" {
            return Err(invalid(format!("invalid scheme {:?}: expected dynamodb", url.scheme())));
        }
        // The text around a stray '@' may be part of a password, so no error repeats it.
        if text.split(['?', '#']).next().unwrap_or_default().contains('@') {
            return Err(credentials_in("the URL"));
        }
        let table = percent_decode(BACKEND, "table", url.host_str().unwrap_or_default())?;
        if table.is_empty() {
            return Err(invalid("the URL has no table name: expected dynamodb://TABLE"));
        }
        if url.port().is_some() || !matches!(url.path(), "" | "/") {
            return Err(invalid(
                "the URL must not have a port or a path; set the address with endpoint=http://host:port",
            ));
        }
        if url.fragment().is_some() {
            return Err(invalid("the URL must not have a fragment; write '#' in a value as %23"));
        }
        let mut config = Self::new(table);
        let mut query = QueryOptions::parse(BACKEND, url.query().unwrap_or_default())?;
        config.read(&mut query)?;
        query.finish()?;
        config.check()?;
        Ok(config)
    }

    fn read(&mut self, query: &mut QueryOptions) -> Result<()> {
        let on_connect = [
            ("look", OnConnect::Look),
            ("lazy", OnConnect::Lazy),
            ("check", OnConnect::Check),
            ("ensure", OnConnect::Ensure),
        ];
        let reads = [("consistent", Reads::Consistent), ("eventual", Reads::Eventual)];
        query.text("region", &mut self.region);
        query.text("endpoint", &mut self.endpoint);
        query.text("namespace", &mut self.namespace);
        query.choice("table", &mut self.on_connect, &on_connect)?;
        query.choice("reads", &mut self.reads, &reads)?;
        query.duration("timeout", &mut self.timeout)?;
        query.duration("attempt_timeout", &mut self.attempt_timeout)?;
        query.duration("connect_timeout", &mut self.connect_timeout)?;
        query.number("attempts", &mut self.attempts)?;
        query.duration("backoff", &mut self.backoff)?;
        query.duration("max_backoff", &mut self.max_backoff)?;
        let mut grace = None;
        query.duration("grace", &mut grace)?;
        if let Some(grace) = grace {
            *self = self.clone().with_grace(grace);
        }
        query.number("segments", &mut self.segments)?;
        query.number("concurrency", &mut self.concurrency)?;
        query.byte_size("max_value_bytes", &mut self.max_value_bytes)?;
        query.cursor_secret("cursor_secret", &mut self.cursor_secret)?;
        query.text("key_attribute", &mut self.key_attribute);
        query.text("ttl_attribute", &mut self.ttl_attribute);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ttl_core::{CursorSecret, ErrorKind};

    use super::*;

    fn refused(url: &str) -> String {
        let error = DynamoConfig::from_url(url).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{url}");
        let text = format!("{error} {error:?}");
        assert!(!text.contains("s3cret"), "{text}");
        text
    }

    #[test]
    fn every_key_is_read() {
        let url = "dynamodb://My_Table.v-2?region=eu-central-1&endpoint=http%3A%2F%2Flocalhost:8000&namespace=a%2Bb\
                   &table=ensure&reads=eventual&timeout=10s&attempt_timeout=2s&connect_timeout=250ms&attempts=7\
                   &backoff=10ms&max_backoff=3s&grace=2h&segments=4&concurrency=32&max_value_bytes=10KiB&cursor_secret=0123456789abcdef&key_attribute=id\
                   &ttl_attribute=expires";
        let known = refused("dynamodb://table?x=1");
        let known = known.split("expected one of ").nth(1).unwrap().split(';').next().unwrap();
        for option in known.split(", ") {
            assert!(url.contains(&format!("{option}=")), "{option}");
        }
        let expected = DynamoConfig::new("My_Table.v-2")
            .with_region("eu-central-1")
            .with_endpoint("http://localhost:8000")
            .with_namespace("a+b")
            .with_on_connect(OnConnect::Ensure)
            .with_reads(Reads::Eventual)
            .with_timeout(Duration::from_secs(10))
            .with_attempt_timeout(Duration::from_secs(2))
            .with_connect_timeout(Duration::from_millis(250))
            .with_attempts(7)
            .with_backoff(Duration::from_millis(10), Duration::from_secs(3))
            .with_grace(Duration::from_secs(7200))
            .with_segments(4)
            .with_concurrency(32)
            .with_max_value_bytes(10 << 10)
            .with_cursor_secret(CursorSecret::new("0123456789abcdef").unwrap())
            .with_key_attribute("id")
            .with_ttl_attribute("expires");
        assert_eq!(format!("{:?}", DynamoConfig::from_url(url).unwrap()), format!("{expected:?}"));
        for (word, meaning) in
            [("look", OnConnect::Look), ("lazy", OnConnect::Lazy), ("check", OnConnect::Check)]
        {
            let config = DynamoConfig::from_url(&format!("dynamodb://table?table={word}")).unwrap();
            assert_eq!(config.on_connect, meaning);
        }
        let plain = DynamoConfig::from_url("dynamodb://table").unwrap();
        assert_eq!(format!("{plain:?}"), format!("{:?}", DynamoConfig::new("table")));
    }

    #[test]
    fn unknown_keys_list_the_known_ones() {
        let text = refused("dynamodb://table?regoin=x");
        assert!(text.contains("unknown option `regoin`: expected one of region, endpoint"), "{text}");
        assert!(
            refused("dynamodb://table?endpoint=http://u:12&s3cret@h").contains("unknown option (not shown)")
        );
    }

    #[test]
    fn bad_urls_say_what_would_be_right() {
        for (url, word) in [
            ("", "dynamodb://TABLE"),
            ("http://table", "scheme"),
            ("dynamodb:table", "table"),
            ("dynamodb://", "table"),
            ("dynamodb://ab", "3 to 255"),
            ("dynamodb://a%20table", "letters"),
            ("dynamodb://table:8000", "endpoint=http://"),
            ("dynamodb://table/x", "endpoint=http://"),
            ("dynamodb://table#x", "%23"),
            ("dynamodb://user:s3cret@table", "AWS_ACCESS_KEY_ID"),
            ("dynamodb://s3cret@table", "AWS_ACCESS_KEY_ID"),
            ("dynamodb://us/er:s3cret@table", "AWS_ACCESS_KEY_ID"),
            ("dynamodb://table?endpoint=http://user:s3cret@h", "AWS_ACCESS_KEY_ID"),
            ("dynamodb://table?endpoint=nowhere", "http://localhost:8000"),
            ("dynamodb://table?timeout=2", "2s or 500ms"),
            ("dynamodb://table?timeout=0s", "1 ms"),
            ("dynamodb://table?timeout=100ms", "expected at most 100ms, the value of `timeout`"),
            ("dynamodb://table?attempts=x", "whole number"),
            ("dynamodb://table?segments=99", "1 to 16"),
            ("dynamodb://table?max_value_bytes=1MB", "invalid value `1MB` for option `max_value_bytes`"),
            ("dynamodb://table?max_value_bytes=1MiB", "at most 408"),
            ("dynamodb://table?reads=fast", "consistent, eventual"),
            ("dynamodb://table?table=drop", "look, lazy, check, ensure"),
            ("dynamodb://table?namespace=a:b", "namespace"),
            ("dynamodb://table?key_attribute=ttl:cap", "reserved"),
            ("dynamodb://table?region=a1&region=b1", "twice"),
        ] {
            let text = refused(url);
            assert!(text.contains(word), "{url}: {text}");
        }
    }
}
