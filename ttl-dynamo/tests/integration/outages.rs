//! A server that goes away and comes back, and one that may be read but not written.

use std::time::Duration;

use libtest_mimic::Trial;
use serde_json::Value as Json;
use ttl_conformance::servers::ServerUrl;
use ttl_core::options::{
    Create, GetOptions, PatchOptions, Projection, PutOptions, Refresh, Returning, ScanOptions,
};
use ttl_core::{ErrorKind, Patch, Ttl, TtlStore, Value};
use ttl_dynamo::DynamoStore;

use crate::gate::Gate;
use crate::raw;
use crate::states::State;
use crate::support::{LONG, Space, applied, blob, eventually, key, record, value, with_server};
use crate::wire::{Fault, Wire};
use ttl_conformance::operations::{self, Class};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    vec![
        with_server("outages::a_server_that_is_gone_is_unavailable_and_its_return_is_noticed", server, gone),
        with_server("outages::many_callers_survive_an_outage", server, many_callers),
        with_server("outages::a_refresh_that_is_refused_fails_no_read", server, refused_refreshes),
    ]
}

/// A store behind a gate.
async fn gated(space: &Space) -> (DynamoStore, Gate) {
    let gate = Gate::open_to(&space.endpoint).await;
    let client = raw::client(&gate.endpoint(), Wire::new());
    let config = space.config.clone().with_attempts(2).with_attempt_timeout(Duration::from_secs(5));
    (DynamoStore::from_client(&client, &config).unwrap(), gate)
}

async fn gone(endpoint: String) {
    let space = Space::new(endpoint).await;
    let (store, gate) = gated(&space).await;
    for _ in 0..3 {
        space.prepare("k", State::Record).await;
        assert_eq!(value(&store, &key("k")).await, record());
        gate.shut().await;
        // The connection that stood may break under the first request; from then on it is known that nothing is sent.
        let first = store.put(&key("k"), blob("w"), PutOptions::new(LONG)).await.unwrap_err();
        assert!(matches!(first.kind(), ErrorKind::Unavailable | ErrorKind::OutcomeUnknown), "{first}");
        for operation in operations::all() {
            let error = operation.run(&store, &key("k"), ttl_core::Version::random()).await.unwrap_err();
            assert_eq!(
                (error.kind(), error.is_retryable()),
                (ErrorKind::Unavailable, true),
                "{}: {error}",
                operation.name
            );
        }
        for result in store.get_many(&["k", "other"].map(key), GetOptions::new()).await {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::Unavailable);
        }
        assert_eq!(store.scan(ScanOptions::new("")).await.unwrap_err().kind(), ErrorKind::Unavailable);
        gate.open().await;
        assert_eq!(value(&store, &key("k")).await, record(), "what was there before is there");
        assert!(store.get(&key("never"), GetOptions::new()).await.unwrap().is_none());
        applied(store.put(&key("k"), blob("w"), PutOptions::new(LONG)).await);
    }
}

async fn many_callers(endpoint: String) {
    let space = Space::new(endpoint).await;
    let (store, gate) = gated(&space).await;
    let increment = Patch::new().increment("n", 1);
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let (store, increment) = (store.clone(), increment.clone());
            tokio::spawn(async move {
                let (mut sure, mut unsure) = (0, 0);
                while sure < 20 {
                    let create = PatchOptions::new().with_create(Create::new(LONG));
                    match store.patch(&key("k"), &increment, create).await {
                        Ok(done) => sure += i64::from(done.is_applied()),
                        Err(error) if error.kind() == ErrorKind::OutcomeUnknown => unsure += 1,
                        Err(error) => {
                            assert!(error.is_retryable(), "{error}");
                            tokio::time::sleep(Duration::from_millis(5)).await;
                        }
                    }
                }
                (sure, unsure)
            })
        })
        .collect();
    eventually("a first increment", || async { space.raw.get("k").await.is_some() }).await;
    for _ in 0..3 {
        gate.shut().await;
        tokio::time::sleep(Duration::from_millis(30)).await;
        gate.open().await;
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    let (mut sure, mut unsure) = (0, 0);
    for task in tasks {
        let (these, those) = task.await.unwrap();
        sure += these;
        unsure += those;
    }
    let Value::Record(record) = value(&space.quiet, &key("k")).await else { panic!("a record") };
    let total = record.get("n").and_then(Json::as_i64).unwrap();
    assert!((sure..=sure + unsure).contains(&total), "{sure}..={}: {total}", sure + unsure);
}

/// R9: the read answers, and says what became of its refresh; nothing is said where nothing was to be done.
async fn refused_refreshes(endpoint: String) {
    let space = Space::with(endpoint, |config| config.with_attempts(2)).await;
    let faults = [
        (Fault::Refused("ProvisionedThroughputExceededException"), ErrorKind::Unavailable),
        (Fault::Refused("ThrottlingException"), ErrorKind::Unavailable),
        (Fault::Refused("AccessDeniedException"), ErrorKind::PermissionDenied),
        (Fault::LostRequest, ErrorKind::OutcomeUnknown),
        (Fault::Broken { done: false }, ErrorKind::OutcomeUnknown),
    ];
    for (fault, expected) in faults {
        for operation in operations::reads().into_iter().filter(|operation| operation.class == Class::Refresh)
        {
            let what = format!("{} with {fault:?}", operation.name);
            space.prepare("twin", State::Record).await;
            let normal =
                operation.run(&space.quiet, &key("twin"), ttl_core::Version::random()).await.unwrap();
            let moved = space.raw.get("twin").await.unwrap()["ttl:deadline"].clone();
            space.prepare("k", State::Record).await;
            let before = space.raw.get("k").await;
            let due = moved != before.as_ref().unwrap()["ttl:deadline"];
            space.wire.always("UpdateItem", fault);
            let seen = operation.run(&space.store, &key("k"), ttl_core::Version::random()).await.unwrap();
            space.wire.heal();
            assert_eq!(seen.refresh_error, due.then_some(expected), "{what}");
            let value = |text: &str| text.split(", Some(Deadline").next().unwrap().to_owned();
            assert_eq!(value(&seen.text), value(&normal.text), "{what}");
            assert_eq!(space.raw.get("k").await, before, "{what}");
        }
        // What is not there is a miss, whatever became of the refresh.
        space.wire.always("UpdateItem", fault);
        let refresh = GetOptions::new().with_refresh(Refresh::extend_only(Ttl::hours(2)));
        assert!(space.store.get(&key("missing"), refresh.clone()).await.unwrap().is_none());
        // A deadline that is reported is the one that stands.
        let options = refresh.with_returning(Returning::DEADLINE).with_projection(Projection::Nothing);
        let entry = space.store.get(&key("k"), options).await.unwrap().unwrap();
        space.wire.heal();
        let standing = space.raw.get("k").await.unwrap()["ttl:deadline"].as_n().unwrap().clone();
        assert_eq!(entry.deadline.unwrap().as_epoch_millis().to_string(), standing);
    }
}
