//! The session: made from a configuration, or handed in; and how statements are sent on it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::policies::load_balancing::DefaultPolicy;
use scylla::policies::retry::FallthroughRetryPolicy;
use scylla::policies::speculative_execution::SimpleSpeculativeExecutionPolicy;
use scylla::statement::{Consistency, SerialConsistency};
use tokio::time::Instant;
use ttl_core::Result;

use crate::config::ScyllaConfig;
use crate::statements::Sending;
use crate::{Mode, error};

/// The client library takes anything at or below a second for a mistake, and warns.
const SHORTEST_KEEPALIVE: Duration = Duration::from_millis(1_001);
/// The client library's own.
const LONGEST_KEEPALIVE: Duration = Duration::from_secs(30);

/// Connects to the cluster, in the configuration's time limit.
pub(crate) async fn session(config: &ScyllaConfig) -> Result<Session> {
    let mut builder = SessionBuilder::new()
        .known_nodes(config.nodes.iter().map(|node| with_port(node)))
        .connection_timeout(config.timeout)
        .hostname_resolution_timeout(Some(config.timeout))
        .compression(config.compression)
        // A connection whose peer is gone without a word is given up half a time limit after the first
        // request that fails for it, and one that is fed an endless answer as well.
        .keepalive_interval((config.timeout / 2).clamp(SHORTEST_KEEPALIVE, LONGEST_KEEPALIVE))
        .keepalive_timeout(config.timeout.clamp(SHORTEST_KEEPALIVE, LONGEST_KEEPALIVE))
        // Nothing of other keyspaces is asked for.
        .keyspaces_to_fetch([&config.keyspace]);
    if let (Some(username), Some(password)) = (&config.username, &config.password) {
        builder = builder.user(username, password);
    }
    #[cfg(feature = "tls")]
    if config.tls {
        builder = builder.tls_context(Some(crate::tls::context(&config.certificates)?));
    }
    match tokio::time::timeout(config.timeout, builder.build()).await {
        Ok(session) => session.map_err(error::not_connected),
        Err(_) => Err(error::not_connected_in_time(config.timeout)),
    }
}

/// The client library adds its port to names and bare addresses only.
fn with_port(node: &str) -> Cow<'_, str> {
    if node.starts_with('[') && node.ends_with(']') { format!("{node}:9042").into() } else { node.into() }
}

/// How the statements of a store are sent, whoever made the session.
pub(crate) fn sending(session: &Session, config: &ScyllaConfig) -> Sending {
    let mut profile = session
        .get_default_execution_profile_handle()
        .pointee_to_builder()
        .request_timeout(Some(config.timeout))
        .consistency(config.consistency)
        .serial_consistency(Some(config.serial_consistency))
        // The library's own policy sends writes again.
        .retry_policy(Arc::new(FallthroughRetryPolicy::new()))
        .speculative_execution_policy(config.speculative_delay.map(|delay| {
            let policy = SimpleSpeculativeExecutionPolicy { max_retry_count: 1, retry_interval: delay };
            Arc::new(policy) as Arc<_>
        }));
    if let Some(name) = &config.datacenter {
        profile =
            profile.load_balancing_policy(DefaultPolicy::builder().prefer_datacenter(name.clone()).build());
    }
    let read = match (config.mode, config.serial_consistency) {
        (Mode::Lww, _) => config.consistency,
        (Mode::Strict, SerialConsistency::Serial) => Consistency::Serial,
        (Mode::Strict, SerialConsistency::LocalSerial) => Consistency::LocalSerial,
    };
    let profile: ExecutionProfile = profile.build();
    let until = Instant::now() + config.timeout;
    Sending { profile: profile.into_handle(), read, scan: config.consistency, until }
}

/// Refuses a datacentre that the cluster does not have: no request would find a node.
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
