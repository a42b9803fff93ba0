//! The wire and the gate themselves, with the SDK alone: each fault does what it says.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use libtest_mimic::Trial;
use ttl_conformance::servers::ServerUrl;

use crate::gate::Gate;
use crate::raw::{Raw, client, item, n, s};
use crate::support::{eventually, with_server};
use crate::wire::{ANY, Fault, Wire};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    vec![
        with_server("wire::each_fault_does_what_it_says", server, faults),
        with_server("wire::half_a_batch_comes_back", server, half),
        with_server("wire::rules_and_steps_apply_in_order", server, order),
        with_server("wire::a_shut_gate_refuses_and_an_open_one_carries", server, gate),
    ]
}

const LIMIT: Duration = Duration::from_millis(300);

async fn increment(
    client: &Client,
    table: &str,
) -> Result<(), SdkError<impl ProvideErrorMetadata + std::fmt::Debug>> {
    let update = client.update_item().table_name(table).key("ttl:key", s("k"));
    let update = update.update_expression("ADD c :one").expression_attribute_values(":one", n(1));
    let limit = TimeoutConfig::builder().operation_timeout(LIMIT).build();
    let config = aws_sdk_dynamodb::config::Config::builder().timeout_config(limit);
    update.customize().config_override(config).send().await.map(|_| ())
}

async fn count(raw: &Raw) -> i64 {
    let found = raw.get("k").await;
    found.map_or(0, |item| item["c"].as_n().unwrap().parse().unwrap())
}

async fn faults(endpoint: String) {
    let raw = Raw::create(&endpoint).await;
    let wire = Wire::new();
    let client = client(&endpoint, wire.clone());
    increment(&client, &raw.table).await.unwrap();
    assert_eq!(count(&raw).await, 1);
    let mut expected = 1;
    for (fault, done, seen) in [
        (Fault::NotConnected, 0, "dispatch failure"),
        (Fault::LostRequest, 0, "dispatch failure"),
        (Fault::LostAnswer, 1, "dispatch failure"),
        (Fault::Refused("ThrottlingException"), 0, "ThrottlingException"),
        (
            Fault::Refused("ProvisionedThroughputExceededException"),
            0,
            "ProvisionedThroughputExceededException",
        ),
        (Fault::Refused("AccessDeniedException"), 0, "AccessDeniedException"),
        (Fault::Broken { done: false }, 0, "InternalServerError"),
        (Fault::Broken { done: true }, 1, "InternalServerError"),
        (Fault::Silent { done: false }, 0, "timeout"),
        (Fault::Silent { done: true }, 1, "timeout"),
    ] {
        wire.once("UpdateItem", fault);
        let error = increment(&client, &raw.table).await.unwrap_err();
        let text = match &error {
            SdkError::DispatchFailure(_) => "dispatch failure",
            SdkError::TimeoutError(_) => "timeout",
            other => other.code().expect("a code"),
        };
        assert_eq!(text, seen, "{fault:?}");
        expected += done;
        assert_eq!(count(&raw).await, expected, "{fault:?}");
        assert!(wire.is_used_up());
    }
    wire.once("UpdateItem", Fault::Late(2 * LIMIT));
    assert!(matches!(increment(&client, &raw.table).await, Err(SdkError::TimeoutError(_))));
    expected += 1;
    eventually("the late write", || async { count(&raw).await == expected }).await;

    increment(&client, &raw.table).await.unwrap();
    let seen = wire.requests();
    assert_eq!(seen.len(), 13);
    assert!(seen.iter().all(|request| request.operation == "UpdateItem"));
    assert_eq!(seen[0].body["Key"]["ttl:key"]["S"], "k");

    wire.random(7, 0.5, &[Fault::LostRequest, Fault::LostAnswer]);
    let (mut sure, mut unsure, before) = (0, 0, count(&raw).await);
    for _ in 0..100 {
        match increment(&client, &raw.table).await {
            Ok(()) => sure += 1,
            Err(_) => unsure += 1,
        }
    }
    wire.heal();
    let gained = count(&raw).await - before;
    assert!(sure > 20 && unsure > 20, "{sure} + {unsure}");
    assert!(gained > sure && gained < sure + unsure, "{sure} < {gained} < {sure} + {unsure}");
}

async fn half(endpoint: String) {
    let raw = Raw::create(&endpoint).await;
    let wire = Wire::new();
    let client = client(&endpoint, wire.clone());
    for name in ["a", "b", "c", "d", "e"] {
        raw.put(name, item([])).await;
    }
    wire.always("BatchGetItem", Fault::Half);
    let mut asked: Vec<Item> =
        ["a", "b", "c", "d", "e"].iter().map(|name| item([("ttl:key", s(*name))])).collect();
    let mut steps = Vec::new();
    while !asked.is_empty() {
        let ask = KeysAndAttributes::builder().set_keys(Some(asked)).build().unwrap();
        let answer = client.batch_get_item().request_items(&raw.table, ask).send().await.unwrap();
        steps.push(answer.responses.unwrap()[&raw.table].len());
        let rest = answer.unprocessed_keys.unwrap().remove(&raw.table);
        asked = rest.map(|rest| rest.keys).unwrap_or_default();
    }
    assert_eq!(steps, [3, 1, 1]);
}

type Item = std::collections::HashMap<String, AttributeValue>;

async fn order(endpoint: String) {
    let raw = Raw::create(&endpoint).await;
    let wire = Wire::new();
    let client = client(&endpoint, wire.clone());
    wire.pass("UpdateItem");
    wire.once(ANY, Fault::LostAnswer);
    let other = raw.clone();
    wire.before("UpdateItem", move || async move { other.put("k", item([("c", n(40))])).await });
    increment(&client, &raw.table).await.unwrap();
    assert!(!wire.is_used_up());
    increment(&client, &raw.table).await.unwrap_err();
    assert_eq!(count(&raw).await, 42);
    assert!(wire.is_used_up());
}

async fn gate(endpoint: String) {
    let raw = Raw::create(&endpoint).await;
    let gate = Gate::open_to(&endpoint).await;
    let client = client(&gate.endpoint(), Wire::new());
    for round in 1..=2 {
        increment(&client, &raw.table).await.unwrap();
        gate.shut().await;
        for _ in 0..3 {
            assert!(matches!(increment(&client, &raw.table).await, Err(SdkError::DispatchFailure(_))));
        }
        assert_eq!(count(&raw).await, round);
        gate.open().await;
    }
}
