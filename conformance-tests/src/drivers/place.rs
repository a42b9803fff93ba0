//! The server of a URL, and the same URL with a proxy in place of the server.

use std::net::SocketAddr;
use std::time::Duration;

/// The timeout of a store in cases of outages, which wait for it.
pub(super) const HASTE: Duration = Duration::from_secs(1);

/// Splits `scheme://user@hosts/path?query` into the part before the hosts, the hosts, and the part after
/// them.
fn parts(url: &str) -> Option<(&str, &str, &str)> {
    let start = url.find("://")? + 3;
    let end = url[start..].find(['/', '?']).map_or(url.len(), |at| start + at);
    let start = url[start..end].rfind('@').map_or(start, |at| start + at + 1);
    Some((&url[..start], &url[start..end], &url[end..]))
}

/// Returns the host and the port of a URL with one host; `None` for any other URL.
pub(super) fn upstream(url: &str, default_port: u16) -> Option<String> {
    let (_, host, _) = parts(url)?;
    if host.is_empty() || host.contains(',') {
        return None;
    }
    let port = host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
    Some(port.map_or_else(|| format!("{host}:{default_port}"), |_| host.to_owned()))
}

/// Returns the URL with this address in place of its hosts.
pub(super) fn through(url: &str, proxy: SocketAddr) -> String {
    parts(url).map_or_else(|| url.to_owned(), |(before, _, after)| format!("{before}{proxy}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_one_host_has_an_upstream() {
        for (url, expected) in [
            ("redis://host", Some("host:6379")),
            ("redis://me:p%40w@host:7/0?namespace=a/b@c:1", Some("host:7")),
            ("redis://[::1]/0", Some("[::1]:6379")),
            ("redis://[::1]:7", Some("[::1]:7")),
            ("http://host:8000", Some("host:8000")),
            ("scylla://one:1,two:2/k/t", None),
            ("redis+unix:///run/redis.sock", None),
            ("memory:", None),
        ] {
            assert_eq!(upstream(url, 6379).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn a_proxy_stands_where_the_hosts_stood() {
        let proxy = SocketAddr::from(([127, 0, 0, 1], 9));
        assert_eq!(
            through("redis://me:p@host:7/0?timeout=2s", proxy),
            "redis://me:p@127.0.0.1:9/0?timeout=2s"
        );
        assert_eq!(through("http://host", proxy), "http://127.0.0.1:9");
        assert_eq!(through("scylla://one,two/k/t", proxy), "scylla://127.0.0.1:9/k/t");
    }
}
