//! The conformance suite, with the table's own deletion on and off.

use std::sync::Arc;

use libtest_mimic::Trial;
use tokio::sync::OnceCell;
use ttl_conformance::drivers::dynamo::DynamoHarness;
use ttl_conformance::servers::{ServerUrl, conformance_trials};
use ttl_conformance::{Fixture, Harness};
use ttl_core::{Result, async_trait};

use crate::raw::{self, Raw};

/// DynamoDB Local deletes what has expired within seconds, which would hide a ghost that is seen; the service takes
/// days.
pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    let mut trials = conformance_trials(server, |url| Ok(Arc::new(DynamoHarness::new(url)?)));
    let off = conformance_trials(server, |url| Ok(Arc::new(TtlOff { endpoint: raw::endpoint(url) })));
    trials.extend(off.into_iter().map(|trial| trial.with_kind("TTL off")));
    trials
}

/// Stores in a table that keeps all ghosts.
#[derive(Debug)]
struct TtlOff {
    endpoint: String,
}

#[async_trait]
impl Harness for TtlOff {
    async fn fresh(&self) -> Result<Fixture> {
        // One for all cases: making a table takes longer than most of them.
        static TABLE: OnceCell<String> = OnceCell::const_new();
        let table = TABLE.get_or_init(async || Raw::create(&self.endpoint).await.table).await;
        let url = format!("dynamodb://{table}?endpoint={}&region=us-east-1", self.endpoint);
        DynamoHarness::new(&url)?.fresh().await
    }
}
