//! Configuration by URL.

use std::time::Duration;

use percent_encoding::percent_decode_str;
use ttl_core::{CursorSecret, Result, parse_byte_size};
use url::Url;

use crate::DynamoConfig;
use crate::config::{OnConnect, Reads, invalid, no_credentials};

/// The query keys.
const KEYS: [&str; 18] = [
    "region",
    "endpoint",
    "namespace",
    "table",
    "reads",
    "timeout",
    "attempt_timeout",
    "connect_timeout",
    "attempts",
    "backoff",
    "max_backoff",
    "grace",
    "segments",
    "concurrency",
    "max_value_bytes",
    "cursor_secret",
    "key_attribute",
    "ttl_attribute",
];

impl DynamoConfig {
    /// Reads a configuration from a URL: `dynamodb://TABLE`, and what else is to be said in its query.
    ///
    /// | query key | example | meaning |
    /// |---|---|---|
    /// | `region` | `eu-central-1` | [`DynamoConfig::with_region`] |
    /// | `endpoint` | `http://localhost:8000` | [`DynamoConfig::with_endpoint`] |
    /// | `namespace` | `app` | [`DynamoConfig::with_namespace`] |
    /// | `table` | `ensure`, `check`, `lazy` | [`DynamoConfig::with_on_connect`]: make what is missing, look at the TTL as well, or send nothing |
    /// | `reads` | `consistent`, `eventual` | [`DynamoConfig::with_reads`] |
    /// | `timeout` | `5s` | [`DynamoConfig::with_timeout`]: of an operation with all of its attempts |
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
    /// In a value, `&`, `+`, `#` and `%` are percent-encoded. Credentials have no place in the URL: they come from
    /// the AWS chain. A new table's capacity, encryption and tags are said by [`DynamoConfig::with_new_table`].
    ///
    /// ```
    /// use ttl_dynamo::DynamoConfig;
    ///
    /// assert!(DynamoConfig::from_url("dynamodb://sessions?region=eu-central-1&table=ensure").is_ok());
    /// assert!(DynamoConfig::from_url("dynamodb://sessions?endpoint=http://localhost:8000").is_ok());
    /// let error = DynamoConfig::from_url("dynamodb://sessions?regoin=eu-central-1").unwrap_err();
    /// assert!(error.to_string().contains("the keys are region, endpoint, namespace"));
    /// ```
    ///
    /// # Errors
    /// [`InvalidConfig`](ttl_core::ErrorKind::InvalidConfig): not such a URL, an unknown query key (the text lists
    /// the known ones), a value that does not fit. No text repeats the URL.
    pub fn from_url(text: &str) -> Result<Self> {
        let url = Url::parse(text)
            .map_err(|error| invalid(format!("this is no URL ({error}); write dynamodb://TABLE")))?;
        if url.scheme() != "dynamodb" {
            return Err(invalid(format!(
                "{:?} is no scheme of this driver; the scheme is dynamodb",
                url.scheme()
            )));
        }
        // What follows an '@' that is not the URL's own may be a part of a password, which no text repeats.
        if text.split(['?', '#']).next().unwrap_or_default().contains('@') {
            return Err(no_credentials("the URL"));
        }
        let table = percent_decode_str(url.host_str().unwrap_or_default()).decode_utf8_lossy();
        if table.is_empty() {
            return Err(invalid("the URL names no table; write dynamodb://TABLE"));
        }
        if url.port().is_some() || !matches!(url.path(), "" | "/") {
            return Err(invalid(
                "after the table follows neither a port nor a path; say where it is by endpoint=http://host:port",
            ));
        }
        if url.fragment().is_some() {
            return Err(invalid("the URL has no fragment; write '#' in a value as %23"));
        }
        let mut config = Self::new(table);
        let mut seen = Vec::new();
        for (key, value) in url.query_pairs() {
            if !KEYS.contains(&&*key) {
                // It is not repeated: it may be half of an address with a password in it.
                return Err(invalid(format!(
                    "the URL has a query key that is not known{}; the keys are {}",
                    if is_word(&key) { format!(", {key:?}") } else { String::new() },
                    KEYS.join(", ")
                )));
            }
            if seen.contains(&key) {
                return Err(invalid(format!("the query key {key:?} stands twice")));
            }
            config.set(&key, &value)?;
            seen.push(key);
        }
        config.check()?;
        Ok(config)
    }

    /// Sets what one of the query keys says.
    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        match key {
            "region" => self.region = Some(value.to_owned()),
            "endpoint" => self.endpoint = Some(value.to_owned()),
            "namespace" => self.namespace = Some(value.to_owned()),
            "table" => {
                let words = [
                    ("look", OnConnect::Look),
                    ("lazy", OnConnect::Lazy),
                    ("check", OnConnect::Check),
                    ("ensure", OnConnect::Ensure),
                ];
                self.on_connect = one_of(key, value, &words)?;
            }
            "reads" => {
                let words = [("consistent", Reads::Consistent), ("eventual", Reads::Eventual)];
                self.consistent_reads = one_of(key, value, &words)? == Reads::Consistent;
            }
            "timeout" => self.timeout = duration(key, value)?,
            "attempt_timeout" => self.attempt_timeout = duration(key, value)?,
            "connect_timeout" => self.connect_timeout = duration(key, value)?,
            "attempts" => self.attempts = number(key, value)?,
            "backoff" => self.backoff = duration(key, value)?,
            "max_backoff" => self.max_backoff = duration(key, value)?,
            "grace" => *self = self.clone().with_grace(duration(key, value)?),
            "segments" => self.segments = number(key, value)?,
            "concurrency" => self.concurrency = number(key, value)?,
            "max_value_bytes" => {
                let bytes =
                    parse_byte_size(key, value).map_err(|error| error.with_backend(crate::BACKEND))?;
                self.max_value_bytes = Some(bytes);
            }
            "cursor_secret" => {
                self.cursor_secret =
                    CursorSecret::new(value).map_err(|error| error.with_backend(crate::BACKEND))?;
            }
            "key_attribute" => self.key_attribute = value.to_owned(),
            _ => self.ttl_attribute = value.to_owned(),
        }
        Ok(())
    }
}

/// Whether this may be somebody's misspelled query key.
fn is_word(key: &str) -> bool {
    key.len() <= 32 && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
}

fn one_of<T: Copy>(key: &str, value: &str, words: &[(&str, T)]) -> Result<T> {
    words.iter().find(|(word, _)| *word == value).map(|(_, meaning)| *meaning).ok_or_else(|| {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        invalid(format!("{value:?} is nothing that {key} can be; it is one of {}", known.join(", ")))
    })
}

fn duration(key: &str, text: &str) -> Result<Duration> {
    humantime::parse_duration(text)
        .map_err(|_| invalid(format!("{text:?} is no {key}; write it as \"2s\" or \"500ms\"")))
}

fn number<T: std::str::FromStr>(key: &str, text: &str) -> Result<T> {
    text.parse().map_err(|_| invalid(format!("{text:?} is no {key}; write a whole number")))
}

#[cfg(test)]
mod tests {
    use ttl_core::ErrorKind;

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
        for key in KEYS {
            assert!(url.contains(&format!("{key}=")), "{key}");
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
        assert!(text.contains("\"regoin\"") && text.contains(&KEYS.join(", ")), "{text}");
        assert!(refused("dynamodb://table?endpoint=http://u:12&s3cret@h").contains("not known"));
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
            ("dynamodb://table?timeout=2", "\"2s\""),
            ("dynamodb://table?timeout=0s", "1 ms"),
            ("dynamodb://table?timeout=100ms", "attempt_timeout is at most"),
            ("dynamodb://table?attempts=x", "whole number"),
            ("dynamodb://table?segments=99", "1 to 16"),
            (
                "dynamodb://table?max_value_bytes=1MB",
                "\"1MB\" is no max_value_bytes; write a whole number of bytes",
            ),
            ("dynamodb://table?max_value_bytes=1MiB", "at most 408"),
            ("dynamodb://table?reads=fast", "consistent, eventual"),
            ("dynamodb://table?table=drop", "look, lazy, check, ensure"),
            ("dynamodb://table?namespace=a:b", "namespace"),
            ("dynamodb://table?key_attribute=ttl:max", "driver's"),
            ("dynamodb://table?region=a1&region=b1", "twice"),
        ] {
            let text = refused(url);
            assert!(text.contains(word), "{url}: {text}");
        }
    }
}
