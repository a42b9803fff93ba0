//! Opens a session, and checks any session against the configuration.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use ttl_core::Result;

use crate::config::ScyllaConfig;
use crate::error;

/// The client library warns about an interval of one second or less.
const SHORTEST_KEEPALIVE: Duration = Duration::from_millis(1_001);
/// The client library's default.
const LONGEST_KEEPALIVE: Duration = Duration::from_secs(30);

/// Connects to the cluster within the configured timeout.
pub(crate) async fn open_session(config: &ScyllaConfig) -> Result<Session> {
    let mut builder = SessionBuilder::new()
        .known_nodes(config.nodes.iter().map(|node| with_port(node)))
        .connection_timeout(config.timeout)
        .hostname_resolution_timeout(Some(config.timeout))
        .compression(config.compression)
        // A connection whose peer has vanished silently is closed half a timeout after its first failed
        // request, and so is one with an endless response.
        .keepalive_interval((config.timeout / 2).clamp(SHORTEST_KEEPALIVE, LONGEST_KEEPALIVE))
        .keepalive_timeout(config.timeout.clamp(SHORTEST_KEEPALIVE, LONGEST_KEEPALIVE))
        // Metadata of other keyspaces is not needed.
        .keyspaces_to_fetch([&config.keyspace]);
    if let (Some(username), Some(password)) = (&config.username, &config.password) {
        builder = builder.user(username, password);
    }
    #[cfg(feature = "tls")]
    if config.tls {
        builder = builder.tls_context(Some(super::tls::context(&config.certificates)?));
    }
    match tokio::time::timeout(config.timeout, builder.build()).await {
        Ok(session) => session.map_err(error::not_connected),
        Err(_) => Err(error::not_connected_in_time(config.timeout)),
    }
}

/// Adds the port to an IPv6 address, because the client library does so only for names and bare addresses.
fn with_port(node: &str) -> Cow<'_, str> {
    if node.starts_with('[') && node.ends_with(']') { format!("{node}:9042").into() } else { node.into() }
}

/// Returns an error for a datacentre that the cluster does not have: no request would find a node.
pub(crate) fn check_datacenter(session: &Session, config: &ScyllaConfig) -> Result<()> {
    let Some(wanted) = &config.datacenter else { return Ok(()) };
    let cluster = session.get_cluster_state();
    let known: BTreeSet<&str> =
        cluster.get_nodes_info().iter().filter_map(|node| node.datacenter.as_deref()).collect();
    if known.contains(wanted.as_str()) {
        return Ok(());
    }
    Err(error::no_datacenter(wanted, &Vec::from_iter(known).join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_brackets_has_a_port() {
        let nodes =
            [("[::1]", "[::1]:9042"), ("[::1]:7000", "[::1]:7000"), ("db1", "db1"), ("db1:7000", "db1:7000")];
        for (given, asked) in nodes {
            assert_eq!(with_port(given), asked);
        }
    }
}
