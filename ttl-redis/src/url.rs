//! The configuration from a URL.

use ttl_core::Result;
use ttl_core::driver::{QueryOptions, percent_decode};
use url::{Position, Url};

use crate::config::{Address, invalid};
use crate::{BACKEND, RedisConfig};

impl RedisConfig {
    /// Reads the configuration from a URL.
    ///
    /// | URL | transport |
    /// |---|---|
    /// | `redis://user:password@host:6379/0` | TCP; all parts but the host are optional |
    /// | `rediss://user:password@host:6379/0` | TLS; all parts but the host are optional |
    /// | `redis+unix:///run/redis.sock` | a Unix socket |
    ///
    /// | option | example | meaning |
    /// |---|---|---|
    /// | `namespace` | `app` | [`RedisConfig::with_namespace`] |
    /// | `timeout` | `2s`, `500ms` | [`RedisConfig::with_timeout`] |
    /// | `max_value_bytes` | `1MiB`, `1048576` | [`RedisConfig::with_max_value_bytes`] |
    /// | `cursor_secret` | 16 bytes or more | [`RedisConfig::with_cursor_secret`] |
    /// | `root_certificates` | `/etc/ca.pem` | TLS only: the file for [`RedisConfig::with_root_certificates`] |
    /// | `client_certificate`, `client_key` | `/etc/app.pem` | TLS only: the files for [`RedisConfig::with_client_certificate`] |
    /// | `username`, `password`, `database` | `2` | Unix sockets only; other URLs have them before and after the host |
    ///
    /// Special characters in the user and the password must be percent-encoded. In a query these include `&`
    /// and `+`.
    ///
    /// ```
    /// use ttl_redis::RedisConfig;
    ///
    /// assert!(RedisConfig::from_url("redis://localhost?namespace=app&timeout=2s").is_ok());
    /// let error = RedisConfig::from_url("redis://localhost?namspace=app").unwrap_err();
    /// assert!(error.to_string().contains("expected one of namespace, timeout, max_value_bytes, cursor_secret"));
    /// ```
    ///
    /// # Errors
    /// Returns [`InvalidConfig`](ttl_core::ErrorKind::InvalidConfig) if
    ///
    /// * the URL is not one of these,
    /// * an option is unknown (the message lists the known ones),
    /// * a value is invalid,
    /// * a file cannot be read.
    ///
    /// The messages never contain the URL.
    pub fn from_url(text: &str) -> Result<Self> {
        let url = Url::parse(text)
            .map_err(|error| invalid(format!("invalid URL ({error}): expected redis://host:6379/0")))?;
        // The rest may be a part of the password, which messages must not contain.
        if url.scheme() != "redis+unix" && url[Position::BeforePath..].contains('@') {
            return Err(invalid(
                "invalid URL: '@' after the host; in the user or password write '/' as %2F, '?' as %3F and '#' as %23, \
                 and elsewhere write '@' as %40",
            ));
        }
        let mut config = match url.scheme() {
            "redis" => tcp(&url, |host, port| Address::Tcp { host, port })?,
            "rediss" => tcp(&url, |host, port| Address::Tls { host, port })?,
            "redis+unix" => unix(&url)?,
            other => {
                return Err(invalid(format!(
                    "unknown scheme {other:?}: expected one of the schemes redis, rediss, redis+unix"
                )));
            }
        };
        if url.fragment().is_some() {
            return Err(invalid("invalid URL: expected no fragment; write '#' in a password as %23"));
        }
        let mut query = QueryOptions::parse(BACKEND, url.query().unwrap_or_default())?;
        query.text("namespace", &mut config.namespace);
        query.duration("timeout", &mut config.timeout)?;
        query.byte_size("max_value_bytes", &mut config.max_value_bytes)?;
        query.cursor_secret("cursor_secret", &mut config.cursor_secret)?;
        match url.scheme() {
            // Paths of PEM files.
            "rediss" => {
                query.file("root_certificates", &mut config.certificates.roots)?;
                let client = &mut config.certificates.client;
                query.file_pair("client_certificate", "client_key", client)?;
            }
            // These URLs have no other place for the three.
            "redis+unix" => {
                query.text("username", &mut config.username);
                query.secret("password", &mut config.password);
                query.number("database", &mut config.database)?;
            }
            _ => {}
        }
        query.finish()?;
        if config.username.is_some() && config.password.is_none() {
            return Err(invalid("the URL has a user but no password: expected user:password@"));
        }
        config.check()?;
        Ok(config)
    }
}

fn tcp(url: &Url, address: impl FnOnce(String, u16) -> Address) -> Result<RedisConfig> {
    let host = match url.host_str() {
        Some(host) if !host.is_empty() => decode("host", host)?,
        _ => return Err(invalid("the URL has no host: expected redis://host:6379/0")),
    };
    // An IPv6 address is in brackets, which belong to the URL and not to the address.
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let mut config = RedisConfig::new(address(host, url.port().unwrap_or(6379)));
    if !url.username().is_empty() {
        config.username = Some(decode("user", url.username())?);
    }
    config.password = url.password().map(|password| decode("password", password)).transpose()?;
    match url.path().trim_start_matches('/') {
        "" => {}
        database => {
            config.database = database.parse().map_err(|_| {
                invalid("invalid database in the path of the URL: expected a whole number, as in /0")
            })?;
        }
    }
    Ok(config)
}

fn unix(url: &Url) -> Result<RedisConfig> {
    if url.has_host() && url.host_str().is_some_and(|host| !host.is_empty()) {
        return Err(invalid(
            "the URL of a Unix socket has a host: expected redis+unix:///run/redis.sock, with three slashes",
        ));
    }
    match decode("path", url.path())? {
        path if path.trim_start_matches('/').is_empty() => {
            Err(invalid("the URL has no socket path: expected redis+unix:///run/redis.sock"))
        }
        path => Ok(RedisConfig::unix(path)),
    }
}

fn decode(part: &str, text: &str) -> Result<String> {
    percent_decode(BACKEND, part, text)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ttl_core::{CursorSecret, ErrorKind};

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
    fn sockets_have_credentials_in_the_query() {
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
        assert!(refused("rediss://h?root_certificates=/nowhere/x.pem").contains("cannot read the file"));
        assert!(refused("rediss://h?client_key=/dev/null").contains("go together"));
    }

    #[test]
    fn unknown_options_list_the_known_ones() {
        let text = refused("redis://:s3cret@h?namspace=x");
        assert!(
            text.contains(
                "unknown option `namspace`: expected one of namespace, timeout, max_value_bytes, cursor_secret;"
            ),
            "{text}"
        );
        assert!(refused("redis+unix:///s?root_certificates=x").contains("username, password, database"));
        assert!(refused("redis://h?password=s3cret").contains("unknown option `password`"));
    }

    #[test]
    fn invalid_urls_name_the_valid_form() {
        for (url, word) in [
            ("localhost:6379", "schemes"),
            ("", "redis://host"),
            ("http://h", "schemes"),
            ("redis://", "host"),
            ("redis://h:99999", "invalid URL"),
            ("redis://u:s3cret@h/x", "whole number"),
            ("redis://u@h", "password"),
            ("redis://u:@h", "password"),
            ("redis://h?timeout=2", "2s or 500ms"),
            ("redis://h?timeout=0s", "1 ms"),
            ("redis://h?max_value_bytes=1MB", "invalid value `1MB` for option `max_value_bytes`"),
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
            ("redis://u:s3/cret@h", "invalid URL"),
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
