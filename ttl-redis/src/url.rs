//! Configuration by URL.

use std::time::Duration;

use percent_encoding::percent_decode_str;
use ttl_core::{CursorSecret, Result, parse_byte_size};
use url::{Position, Url};

use crate::RedisConfig;
use crate::config::{Address, invalid};

/// The query keys of every scheme.
const KEYS: [&str; 4] = ["namespace", "timeout", "max_value_bytes", "cursor_secret"];
/// Those of TLS: paths of PEM files.
const TLS_KEYS: [&str; 3] = ["root_certificates", "client_certificate", "client_key"];
/// Those of Unix sockets, whose URLs have no room for them elsewhere.
const UNIX_KEYS: [&str; 3] = ["username", "password", "database"];

impl RedisConfig {
    /// Reads a configuration from a URL.
    ///
    /// | URL | server |
    /// |---|---|
    /// | `redis://user:password@host:6379/0` | by TCP; all but the host may be left out |
    /// | `rediss://user:password@host:6379/0` | by TLS |
    /// | `redis+unix:///run/redis.sock` | by a Unix socket |
    ///
    /// | query key | example | meaning |
    /// |---|---|---|
    /// | `namespace` | `app` | [`RedisConfig::with_namespace`] |
    /// | `timeout` | `2s`, `500ms` | [`RedisConfig::with_timeout`] |
    /// | `max_value_bytes` | `1MiB`, `1048576` | [`RedisConfig::with_max_value_bytes`] |
    /// | `cursor_secret` | 16 bytes or more | [`RedisConfig::with_cursor_secret`] |
    /// | `root_certificates` | `/etc/ca.pem` | TLS: the file of [`RedisConfig::with_root_certificates`] |
    /// | `client_certificate`, `client_key` | `/etc/app.pem` | TLS: the files of [`RedisConfig::with_client_certificate`] |
    /// | `username`, `password`, `database` | `2` | Unix sockets only: the others say it before and after the host |
    ///
    /// Special characters of user and password are percent-encoded; in a query that includes `&` and `+`.
    ///
    /// ```
    /// use ttl_redis::RedisConfig;
    ///
    /// assert!(RedisConfig::from_url("redis://localhost?namespace=app&timeout=2s").is_ok());
    /// let error = RedisConfig::from_url("redis://localhost?namspace=app").unwrap_err();
    /// assert!(error.to_string().contains("the keys are namespace, timeout, max_value_bytes, cursor_secret"));
    /// ```
    ///
    /// # Errors
    /// [`InvalidConfig`](ttl_core::ErrorKind::InvalidConfig): not such a URL, an unknown query key (the text lists
    /// the known ones), a value that does not fit, a file that cannot be read. No text repeats the URL.
    pub fn from_url(text: &str) -> Result<Self> {
        let url = Url::parse(text)
            .map_err(|error| invalid(format!("this is no URL ({error}); write redis://host:6379/0")))?;
        // What follows may then be a part of a password, which no text repeats.
        if url.scheme() != "redis+unix" && url[Position::BeforePath..].contains('@') {
            return Err(invalid(
                "an '@' follows the host; in a user or password write '/' as %2F, '?' as %3F, '#' as %23, and elsewhere \
                 '@' as %40",
            ));
        }
        let (mut config, more_keys): (_, &[&str]) = match url.scheme() {
            "redis" => (tcp(&url, |host, port| Address::Tcp { host, port })?, &[]),
            "rediss" => (tcp(&url, |host, port| Address::Tls { host, port })?, &TLS_KEYS),
            "redis+unix" => (unix(&url)?, &UNIX_KEYS),
            other => {
                return Err(invalid(format!(
                    "{other:?} is no scheme of this driver; the schemes are redis, rediss, redis+unix"
                )));
            }
        };
        if url.fragment().is_some() {
            return Err(invalid("a Redis URL has no fragment; write '#' in a password as %23"));
        }
        let (mut seen, mut chain, mut key_file) = (Vec::new(), None, None);
        for (key, value) in url.query_pairs() {
            if !KEYS.contains(&&*key) && !more_keys.contains(&&*key) {
                let known = [&KEYS, more_keys].concat().join(", ");
                if url.scheme() == "redis+unix" && config.password.is_some() {
                    return Err(invalid(format!(
                        "after the password stands what is no query key; in a password write '&' as %26; the keys are {known}"
                    )));
                }
                return Err(invalid(format!("{key:?} is no query key of this URL; the keys are {known}")));
            }
            if seen.contains(&key) {
                return Err(invalid(format!("the query key {key:?} stands twice")));
            }
            match &*key {
                "namespace" => config.namespace = value.into_owned(),
                "timeout" => config.timeout = duration(&value)?,
                "max_value_bytes" => config.max_value_bytes = byte_size(&key, &value)?,
                "cursor_secret" => config.cursor_secret = secret(&value)?,
                "root_certificates" => config.certificates.roots = Some(file(&key, &value)?),
                "client_certificate" => chain = Some(file(&key, &value)?),
                "client_key" => key_file = Some(file(&key, &value)?),
                "username" => config.username = Some(value.into_owned()),
                "password" => config.password = Some(value.into_owned()),
                _ => config.database = number(&key, &value)?,
            }
            seen.push(key);
        }
        config.certificates.client = match (chain, key_file) {
            (Some(chain), Some(key)) => Some((chain, key)),
            (None, None) => None,
            _ => return Err(invalid("client_certificate and client_key go together; name both files")),
        };
        if config.username.is_some() && config.password.is_none() {
            return Err(invalid("the URL names a user without a password; write user:password@"));
        }
        config.check()?;
        Ok(config)
    }
}

fn secret(value: &str) -> Result<CursorSecret> {
    CursorSecret::new(value).map_err(|error| error.with_backend(crate::BACKEND))
}

fn tcp(url: &Url, address: impl FnOnce(String, u16) -> Address) -> Result<RedisConfig> {
    let host = match url.host_str() {
        Some(host) if !host.is_empty() => decode("host", host)?,
        _ => return Err(invalid("the URL names no host; write redis://host:6379/0")),
    };
    // An IPv6 address stands in brackets, which are the URL's and not the address's.
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let mut config = RedisConfig::new(address(host, url.port().unwrap_or(6379)));
    if !url.username().is_empty() {
        config.username = Some(decode("user", url.username())?);
    }
    config.password = url.password().map(|password| decode("password", password)).transpose()?;
    match url.path().trim_start_matches('/') {
        "" => {}
        database => config.database = number("database", database)?,
    }
    Ok(config)
}

fn unix(url: &Url) -> Result<RedisConfig> {
    if url.has_host() && url.host_str().is_some_and(|host| !host.is_empty()) {
        return Err(invalid(
            "a Unix socket has no host; write redis+unix:///run/redis.sock, with three slashes",
        ));
    }
    match decode("path", url.path())? {
        path if path.trim_start_matches('/').is_empty() => {
            Err(invalid("the URL names no socket; write redis+unix:///run/redis.sock"))
        }
        path => Ok(RedisConfig::unix(path)),
    }
}

fn decode(what: &str, text: &str) -> Result<String> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(Into::into).map_err(|_| invalid(format!("the URL's {what} is not UTF-8")))
}

fn duration(text: &str) -> Result<Duration> {
    humantime::parse_duration(text)
        .map_err(|_| invalid(format!("{text:?} is no timeout; write it as \"2s\" or \"500ms\"")))
}

fn number<T: std::str::FromStr>(what: &str, text: &str) -> Result<T> {
    text.parse().map_err(|_| invalid(format!("{text:?} is no {what}; write a whole number")))
}

fn byte_size(key: &str, text: &str) -> Result<u64> {
    parse_byte_size(key, text).map_err(|error| error.with_backend(crate::BACKEND))
}

fn file(key: &str, path: &str) -> Result<Vec<u8>> {
    std::fs::read(path)
        .map_err(|error| invalid(format!("the file {path:?} of {key} cannot be read")).with_source(error))
}

#[cfg(test)]
mod tests {
    use ttl_core::ErrorKind;

    use super::*;

    fn refused(url: &str) -> String {
        let error = RedisConfig::from_url(url).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{url}");
        let text = format!("{error} {error:?}");
        assert!(!text.contains("s3cret"), "{text}");
        text
    }

    #[test]
    fn every_part_is_read() {
        let config = RedisConfig::from_url(
            "redis://us%40er:p%3Ass@host:7000/3?namespace=a%2Ab&timeout=250ms&max_value_bytes=10KiB&cursor_secret=0123456789abcdef",
        );
        let expected = RedisConfig::tcp("host", 7000)
            .with_credentials("us@er", "p:ss")
            .with_database(3)
            .with_namespace("a*b")
            .with_timeout(Duration::from_millis(250))
            .with_max_value_bytes(10 << 10)
            .with_cursor_secret(CursorSecret::new("0123456789abcdef").unwrap());
        assert_eq!(config.unwrap(), expected);
        assert_eq!(RedisConfig::from_url("redis://localhost").unwrap(), RedisConfig::default());
        let with_at = RedisConfig::from_url("redis://us%40er:p%2F%3F%23ss@h?namespace=a%40b");
        let expected = RedisConfig::tcp("h", 6379).with_credentials("us@er", "p/?#ss").with_namespace("a@b");
        assert_eq!(with_at.unwrap(), expected);
        assert_eq!(RedisConfig::from_url("redis://[::1]/").unwrap(), RedisConfig::tcp("::1", 6379));
        assert_eq!(
            RedisConfig::from_url("redis://:p@h").unwrap(),
            RedisConfig::tcp("h", 6379).with_password("p")
        );
    }

    #[test]
    fn sockets_say_it_in_the_query() {
        let config =
            RedisConfig::from_url("redis+unix:///tmp/a%20b.sock?username=me&password=p%26w&database=4");
        let expected = RedisConfig::unix("/tmp/a b.sock").with_credentials("me", "p&w").with_database(4);
        assert_eq!(config.unwrap(), expected);
    }

    #[cfg(feature = "tls")]
    #[test]
    fn tls_reads_its_files() {
        let path = std::env::temp_dir().join(format!("ttl-redis-url-test-{}.pem", std::process::id()));
        std::fs::write(&path, "pem").unwrap();
        let path = path.to_str().unwrap();
        let url = format!("rediss://h?root_certificates={path}&client_certificate={path}&client_key={path}");
        let config = RedisConfig::from_url(&url);
        std::fs::remove_file(path).unwrap();
        let expected =
            RedisConfig::tls("h", 6379).with_root_certificates("pem").with_client_certificate("pem", "pem");
        assert_eq!(config.unwrap(), expected);
        assert!(refused("rediss://h?root_certificates=/nowhere/x.pem").contains("cannot be read"));
        assert!(refused("rediss://h?client_key=/dev/null").contains("go together"));
    }

    #[test]
    fn unknown_keys_list_the_known_ones() {
        let text = refused("redis://:s3cret@h?namspace=x");
        assert!(text.contains("\"namspace\" is no query key"), "{text}");
        assert!(
            text.contains("the keys are namespace, timeout, max_value_bytes, cursor_secret;")
                || text.contains("max_value_bytes")
        );
        assert!(refused("redis+unix:///s?root_certificates=x").contains("username, password, database"));
        assert!(refused("redis://h?password=s3cret").contains("is no query key"));
    }

    #[test]
    fn bad_urls_say_what_would_be_right() {
        for (url, word) in [
            ("localhost:6379", "schemes"),
            ("", "redis://host"),
            ("http://h", "schemes"),
            ("redis://", "host"),
            ("redis://h:99999", "no URL"),
            ("redis://u:s3cret@h/x", "whole number"),
            ("redis://u@h", "password"),
            ("redis://u:@h", "password"),
            ("redis://h?timeout=2", "\"2s\""),
            ("redis://h?timeout=0s", "1 ms"),
            ("redis://h?max_value_bytes=1MB", "\"1MB\" is no max_value_bytes; write a whole number of bytes"),
            ("redis://h?max_value_bytes=1GiB", "at most 536870912"),
            ("redis://h?namespace=a:b", "namespace"),
            ("redis://h?namespace=", "namespace"),
            ("redis://h?timeout=1s&timeout=2s", "twice"),
            ("redis://u:s3cret@h#frag", "fragment"),
            ("redis://u:12/s3cret@h/0", "%2F"),
            ("redis://u:12?s3cret@h/0", "%3F"),
            ("redis://u:12?s3cret=x@h/0", "%3F"),
            ("redis://u:12?timeout=s3cret@h/0", "%3F"),
            ("rediss://u:12#s3cret@h/0", "%23"),
            ("redis://u:s3/cret@h", "no URL"),
            ("redis+unix:///s?password=12&s3cret", "%26"),
            ("redis+unix:///s?password=12&s3cret=x", "%26"),
            ("redis+unix://", "socket"),
            ("redis+unix://host/path", "three slashes"),
        ] {
            let text = refused(url);
            assert!(text.contains(word), "{url}: {text}");
        }
    }
}
