//! Configuration by URL.

use std::net::Ipv6Addr;

use scylla::frame::Compression;
use scylla::statement::{Consistency, SerialConsistency};
use ttl_core::Result;
use ttl_core::driver::{QueryOptions, percent_decode};

use crate::config::{Replication, invalid};
use crate::{BACKEND, Mode, ScyllaConfig};

impl ScyllaConfig {
    /// Reads a configuration from a URL: `scylla://user:password@host:9042,host2/KEYSPACE/TABLE`, or
    /// `cassandra://`, which means the same. User and password, ports (default 9042) and further hosts are
    /// optional.
    ///
    /// | option | example | meaning |
    /// |---|---|---|
    /// | `mode` | `strict`, `lww` | [`ScyllaConfig::with_mode`] |
    /// | `timeout` | `2s`, `500ms` | [`ScyllaConfig::with_timeout`] |
    /// | `consistency` | `quorum`, `local_quorum`, `all` | [`ScyllaConfig::with_consistency`] |
    /// | `serial_consistency` | `local_serial`, `serial` | [`ScyllaConfig::with_serial_consistency`] |
    /// | `datacenter` | `dc1` | [`ScyllaConfig::with_datacenter`] |
    /// | `speculative_delay` | `50ms` | [`ScyllaConfig::with_speculative_delay`] |
    /// | `compression` | `lz4`, `snappy` | [`ScyllaConfig::with_compression`] |
    /// | `tls` | `true` | [`ScyllaConfig::with_tls`] |
    /// | `root_certificates` | `/etc/ca.pem` | the file for [`ScyllaConfig::with_root_certificates`] |
    /// | `client_certificate`, `client_key` | `/etc/app.pem` | the files for [`ScyllaConfig::with_client_certificate`] |
    /// | `max_value_bytes` | `1MiB`, `1048576` | [`ScyllaConfig::with_max_value_bytes`] |
    /// | `cursor_secret` | 16 bytes or more | [`ScyllaConfig::with_cursor_secret`] |
    /// | `clock_skew` | `1m` | [`ScyllaConfig::with_clock_skew`] |
    /// | `ensure_schema` | `true` | [`ScyllaConfig::with_ensure_schema`] |
    /// | `replication` | `3`, `dc1:3,dc2:3` | [`ScyllaConfig::with_replication`] |
    ///
    /// Percent-encode special characters in user and password.
    ///
    /// ```
    /// use ttl_scylla::ScyllaConfig;
    ///
    /// assert!(ScyllaConfig::from_url("scylla://db1,db2:9043/shop/sessions?timeout=2s").is_ok());
    /// let error = ScyllaConfig::from_url("scylla://db1/shop/sessions?tiemout=2s").unwrap_err();
    /// assert!(error.to_string().contains("expected one of mode, timeout, consistency"));
    /// ```
    ///
    /// # Errors
    /// [`InvalidConfig`](ttl_core::ErrorKind::InvalidConfig) for an invalid URL, an unknown option (the text
    /// lists the known ones), an invalid value or a file that cannot be read. No error text repeats the URL.
    pub fn from_url(text: &str) -> Result<Self> {
        let (server, query) = text.split_once('?').unwrap_or((text, ""));
        let Some((scheme, server)) = server.split_once("://") else {
            return Err(invalid("invalid URL: expected scylla://host:9042/KEYSPACE/TABLE"));
        };
        if !["scylla", "cassandra"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return Err(invalid(format!(
                "invalid scheme {scheme:?}: expected one of the schemes scylla, cassandra"
            )));
        }
        // The text after a stray '@' or '#' may be part of a password, so no error repeats it.
        let (authority, path) = server.split_once('/').unwrap_or((server, ""));
        if path.contains('@') || query.contains('@') || text.contains('#') {
            return Err(invalid(
                "the URL has an '@' after the hosts, or a '#'; in a user or password write '/' as %2F, '?' as \
                 %3F, '#' as %23 and '@' as %40",
            ));
        }
        let mut config = place(authority, path)?;
        options(&mut config, query)?;
        config.check()?;
        Ok(config)
    }
}

fn place(authority: &str, path: &str) -> Result<ScyllaConfig> {
    let (credentials, hosts) = match authority.rsplit_once('@') {
        Some((credentials, hosts)) => (Some(credentials), hosts),
        None => (None, authority),
    };
    let mut hosts = hosts.split(',');
    let names: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    let (Some(first), [keyspace, table]) = (hosts.next(), &names[..]) else {
        return Err(invalid("the URL has no keyspace and table: expected scylla://host:9042/KEYSPACE/TABLE"));
    };
    let mut config = ScyllaConfig::new(node(first)?, *keyspace, *table);
    for host in hosts {
        config = config.with_node(node(host)?);
    }
    if let Some(credentials) = credentials {
        let Some((username, password)) = credentials.split_once(':') else {
            return Err(invalid("the URL has a user without a password: expected user:password@"));
        };
        config = config.with_credentials(decode("user", username)?, decode("password", password)?);
    }
    Ok(config)
}

/// Checks a node: `host` or `host:port`, with an IPv6 address in brackets.
fn node(text: &str) -> Result<String> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return Err(invalid("invalid port: expected host:9042; write ':' in a password as %3A"));
    }
    if host.is_empty() {
        return Err(invalid("the URL has no host: expected scylla://host:9042/KEYSPACE/TABLE"));
    }
    let inside = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let fits = match inside {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => !host.contains(['[', ']', ':']),
    };
    if !fits {
        return Err(invalid(
            "invalid host: expected a name, an IPv4 address, or an IPv6 address in brackets, as in [::1]:9042",
        ));
    }
    Ok(text.to_owned())
}

fn options(config: &mut ScyllaConfig, query: &str) -> Result<()> {
    let consistencies = [
        ("quorum", Consistency::Quorum),
        ("local_quorum", Consistency::LocalQuorum),
        ("all", Consistency::All),
    ];
    let serial = [("local_serial", SerialConsistency::LocalSerial), ("serial", SerialConsistency::Serial)];
    let compressions = [("lz4", Compression::Lz4), ("snappy", Compression::Snappy)];
    let mut query = QueryOptions::parse(BACKEND, query)?;
    query.choice("mode", &mut config.mode, &[("strict", Mode::Strict), ("lww", Mode::Lww)])?;
    query.duration("timeout", &mut config.timeout)?;
    query.choice("consistency", &mut config.consistency, &consistencies)?;
    query.choice("serial_consistency", &mut config.serial_consistency, &serial)?;
    query.text("datacenter", &mut config.datacenter);
    query.duration("speculative_delay", &mut config.speculative_delay)?;
    query.choice("compression", &mut config.compression, &compressions)?;
    query.flag("tls", &mut config.tls)?;
    query.file("root_certificates", &mut config.certificates.roots)?;
    query.file_pair("client_certificate", "client_key", &mut config.certificates.client)?;
    query.byte_size("max_value_bytes", &mut config.max_value_bytes)?;
    query.cursor_secret("cursor_secret", &mut config.cursor_secret)?;
    query.duration("clock_skew", &mut config.clock_skew)?;
    query.flag("ensure_schema", &mut config.ensure_schema)?;
    query.read(
        "replication",
        &mut config.replication,
        "a number as in 3, or datacenters as in dc1:3,dc2:3",
        replication,
    )?;
    query.finish()
}

fn replication(text: &str) -> Option<Replication> {
    if !text.contains(':') {
        return Some(Replication::everywhere(text.parse().ok()?));
    }
    let datacenter = |part: &str| {
        let (name, copies) = part.split_once(':')?;
        Some((name.to_owned(), copies.parse().ok()?))
    };
    Some(Replication::datacenters(text.split(',').map(datacenter).collect::<Option<Vec<_>>>()?))
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
        let error = ScyllaConfig::from_url(url).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{url}");
        let text = format!("{error} {error:?}");
        assert!(!text.contains("s3cret"), "{text}");
        text
    }

    #[test]
    fn every_part_is_read() {
        let config = ScyllaConfig::from_url(
            "Cassandra://us%40er:p%3A%2Fss@host:7000,[::1]:7001,db3/ks/tab?mode=lww&timeout=250ms&consistency=all\
             &serial_consistency=serial&datacenter=dc1&speculative_delay=20ms&compression=lz4&max_value_bytes=10KiB&cursor_secret=0123456789abcdef\
             &clock_skew=5s&ensure_schema=true&replication=dc1:3,dc2:2",
        );
        let expected = ScyllaConfig::new("host:7000", "ks", "tab")
            .with_node("[::1]:7001")
            .with_node("db3")
            .with_credentials("us@er", "p:/ss")
            .with_mode(Mode::Lww)
            .with_timeout(Duration::from_millis(250))
            .with_consistency(Consistency::All)
            .with_serial_consistency(SerialConsistency::Serial)
            .with_datacenter("dc1")
            .with_speculative_delay(Duration::from_millis(20))
            .with_compression(Compression::Lz4)
            .with_max_value_bytes(10 << 10)
            .with_cursor_secret(CursorSecret::new("0123456789abcdef").unwrap())
            .with_clock_skew(Duration::from_secs(5))
            .with_ensure_schema()
            .with_replication(Replication::datacenters([("dc1", 3), ("dc2", 2)]));
        assert_eq!(config.unwrap(), expected);
        let address = ScyllaConfig::from_url("scylla://[::1]/ks/entries").unwrap();
        assert_eq!(address, ScyllaConfig::new("[::1]", "ks", "entries"));
        let plain = ScyllaConfig::from_url("scylla://localhost/ks/entries/?replication=3").unwrap();
        let expected =
            ScyllaConfig::new("localhost", "ks", "entries").with_replication(Replication::everywhere(3));
        assert_eq!(plain, expected);
    }

    #[cfg(feature = "tls")]
    #[test]
    fn tls_reads_its_files() {
        let path = std::env::temp_dir().join(format!("ttl-scylla-url-test-{}.pem", std::process::id()));
        std::fs::write(&path, "pem").unwrap();
        let path = path.to_str().unwrap();
        let url = format!(
            "scylla://h/k/t?tls=true&root_certificates={path}&client_certificate={path}&client_key={path}"
        );
        let config = ScyllaConfig::from_url(&url);
        std::fs::remove_file(path).unwrap();
        let expected = ScyllaConfig::new("h", "k", "t")
            .with_tls()
            .with_root_certificates("pem")
            .with_client_certificate("pem", "pem");
        assert_eq!(config.unwrap(), expected);
        assert!(
            refused("scylla://h/k/t?tls=true&root_certificates=/nowhere/x.pem")
                .contains("cannot read the file")
        );
        assert!(refused("scylla://h/k/t?tls=true&client_key=/dev/null").contains("go together"));
        assert!(refused("scylla://h/k/t?root_certificates=/dev/null").contains("tls=true"));
    }

    #[test]
    fn bad_urls_say_what_would_be_right() {
        for (url, word) in [
            ("localhost:9042", "scylla://host"),
            ("", "scylla://host"),
            ("http://h/k/t", "schemes"),
            ("scylla:///k/t", "host"),
            ("scylla://h", "KEYSPACE/TABLE"),
            ("scylla://h/k", "KEYSPACE/TABLE"),
            ("scylla://h/k/t/x", "KEYSPACE/TABLE"),
            ("scylla://h/k/a-b", "letters, digits"),
            ("scylla://h:99999/k/t", "port"),
            ("scylla://h,:9042/k/t", "host"),
            ("scylla://fe80::1/k/t", "brackets"),
            ("scylla://fe80::1:9042/k/t", "brackets"),
            ("scylla://[fe80::1/k/t", "brackets"),
            ("scylla://[h]:9042/k/t", "brackets"),
            ("scylla://[::1]9042/k/t", "port"),
            ("scylla://h/k/t?datacenter=", "datacenter"),
            ("scylla://u@h/k/t", "password"),
            ("scylla://u:s3cret@h/k/t?namspace=x", "expected one of mode, timeout"),
            ("scylla://u:12/s3cret@h/k/t", "%2F"),
            ("scylla://u:12?s3cret@h/k/t", "%3F"),
            ("scylla://u:12#s3cret@h/k/t", "%23"),
            ("scylla://h/k/t?timeout=2", "2s or 500ms"),
            ("scylla://h/k/t?max_value_bytes=1MB", "invalid value `1MB` for option `max_value_bytes`"),
            ("scylla://h/k/t?max_value_bytes=16MiB", "at most 15728640"),
            ("scylla://h/k/t?timeout=0s", "1 ms"),
            ("scylla://h/k/t?timeout=1s&timeout=2s", "twice"),
            ("scylla://h/k/t?mode=fast", "strict, lww"),
            ("scylla://h/k/t?consistency=one", "quorum, local_quorum, all"),
            ("scylla://h/k/t?compression=zstd", "lz4, snappy"),
            ("scylla://h/k/t?replication=dc1:3,dc2", "dc1:3,dc2:3"),
            ("scylla://h/k/t?replication=0", "above zero"),
            ("scylla://h/k/t?ensure_schema=yes", "true, false"),
        ] {
            let text = refused(url);
            assert!(text.contains(word), "{url}: {text}");
        }
    }
}
