//! Tables that are missing, made, made by many, and of another shape, each with the words for it.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
    TimeToLiveSpecification, TimeToLiveStatus,
};
use libtest_mimic::Trial;
use ttl_conformance::servers::ServerUrl;
use ttl_core::options::{GetOptions, PutOptions};
use ttl_core::{ErrorKind, TtlStore};
use ttl_dynamo::{DynamoConfig, DynamoStore};

use crate::raw::{Raw, client, unused_name};
use crate::support::{LONG, Space, applied, blob, config, key, with_server};
use crate::wire::{ANY, Fault, Wire};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    vec![
        with_server("tables::making_a_store_asks_nothing", server, nothing_asked),
        with_server("tables::a_missing_table_says_how_to_make_it", server, missing),
        with_server("tables::ensure_makes_what_is_missing_once", server, ensure),
        with_server("tables::many_may_make_it_at_once", server, many),
        with_server("tables::another_shape_is_told_and_left_alone", server, shapes),
        with_server("tables::ttl_by_another_attribute_is_told", server, other_ttl),
        with_server("tables::what_is_denied_names_the_action", server, denied),
    ]
}

/// A store on a table of this name, which may not be there, and its wire.
fn store(
    endpoint: &str,
    table: &str,
    change: impl FnOnce(DynamoConfig) -> DynamoConfig,
) -> (DynamoStore, Wire) {
    let wire = Wire::new();
    let client = client(endpoint, wire.clone());
    (DynamoStore::from_client(&client, &change(config(table))).unwrap(), wire)
}

async fn nothing_asked(endpoint: String) {
    let (store, wire) = store(&endpoint, &unused_name(), |config| config);
    let _ = (store.capabilities(), store.now(), format!("{store:?}"), store.clone());
    // Without a client of the program's own none is built: there is neither a region nor an address to ask.
    let lazy =
        DynamoStore::lazy(&DynamoConfig::new("never-asked").with_endpoint("http://127.0.0.1:1")).unwrap();
    drop(lazy.clone());
    assert!(wire.requests().is_empty());
}

async fn missing(endpoint: String) {
    let name = unused_name();
    let (store, _) = store(&endpoint, &name, |config| config);
    let checked = store.check_table().await.unwrap_err();
    let got = store.get(&key("k"), GetOptions::new()).await.unwrap_err();
    let put = store.put(&key("k"), blob("v"), PutOptions::new(LONG)).await.unwrap_err();
    let scanned = store.scan(ttl_core::options::ScanOptions::new("")).await.unwrap_err();
    let mut many = store.get_many(&[key("k")], GetOptions::new()).await;
    for error in [checked, got, put, scanned, many.remove(0).unwrap_err()] {
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::InvalidConfig, false), "{error}");
        let text = error.to_string();
        for word in [&*name, "table=ensure", "ensure_table"] {
            assert!(text.contains(word), "{word}: {text}");
        }
    }
}

async fn ttl(raw: &Raw) -> (TimeToLiveStatus, Option<String>) {
    let asked = raw.client.describe_time_to_live().table_name(&raw.table).send().await.unwrap();
    let described = asked.time_to_live_description.unwrap();
    (described.time_to_live_status.unwrap(), described.attribute_name)
}

async fn ensure(endpoint: String) {
    let name = unused_name();
    let (store, wire) = store(&endpoint, &name, |config| config);
    store.ensure_table().await.unwrap();
    let made = wire.operations();
    assert_eq!(made[..2], ["DescribeTable", "CreateTable"], "{made:?}");
    assert_eq!(made.iter().filter(|operation| *operation == "CreateTable").count(), 1);
    assert_eq!(made.iter().filter(|operation| *operation == "UpdateTimeToLive").count(), 1);
    store.ensure_table().await.unwrap();
    store.check_table().await.unwrap();
    let looked = ["DescribeTable", "DescribeTimeToLive", "DescribeTable", "DescribeTimeToLive"];
    assert_eq!(wire.operations(), looked);
    let raw = Raw::of(&endpoint, &name);
    assert_eq!(ttl(&raw).await, (TimeToLiveStatus::Enabled, Some("ttl:epoch".to_owned())));
    let described = raw.client.describe_table().table_name(&name).send().await.unwrap().table.unwrap();
    let billing = described.billing_mode_summary.and_then(|summary| summary.billing_mode);
    assert_eq!(billing, Some(BillingMode::PayPerRequest));
    applied(store.put(&key("k"), blob("v"), PutOptions::new(LONG)).await);

    // A table without TTL: checked it is told, ensured it is switched on.
    let space = Space::new(endpoint).await;
    let text = space.store.check_table().await.unwrap_err().to_string();
    assert!(text.contains("its TTL is off") && text.contains("ensure_table"), "{text}");
    space.wire.requests();
    space.store.ensure_table().await.unwrap();
    assert_eq!(space.wire.operations(), ["DescribeTable", "DescribeTimeToLive", "UpdateTimeToLive"]);
    space.store.check_table().await.unwrap();
}

async fn many(endpoint: String) {
    let name = unused_name();
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (store, _) = store(&endpoint, &name, |config| config);
            tokio::spawn(async move { store.ensure_table().await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let raw = Raw::of(&endpoint, &name);
    assert_eq!(ttl(&raw).await, (TimeToLiveStatus::Enabled, Some("ttl:epoch".to_owned())));
}

pub(crate) async fn create(endpoint: &str, keys: &[(&str, KeyType, ScalarAttributeType)]) -> Raw {
    let raw = Raw::of(endpoint, &unused_name());
    let mut create =
        raw.client.create_table().table_name(&raw.table).billing_mode(BillingMode::PayPerRequest);
    for (name, role, kind) in keys {
        let element = KeySchemaElement::builder().attribute_name(*name).key_type(role.clone());
        let defined = AttributeDefinition::builder().attribute_name(*name).attribute_type(kind.clone());
        create = create.key_schema(element.build().unwrap()).attribute_definitions(defined.build().unwrap());
    }
    create.send().await.unwrap();
    raw
}

async fn shapes(endpoint: String) {
    let (text, number) = (ScalarAttributeType::S, ScalarAttributeType::N);
    let own = || ("ttl:key", KeyType::Hash, text.clone());
    let cases = [
        (vec![("id", KeyType::Hash, text.clone())], vec!["its partition key is \"id\" and not \"ttl:key\""]),
        (vec![("ttl:key", KeyType::Hash, number)], vec!["is of type N, and must be a string (S)"]),
        (
            vec![own(), ("sort", KeyType::Range, text.clone())],
            vec!["it has the sort key \"sort\", and must have none"],
        ),
        (
            vec![("id", KeyType::Hash, text.clone()), ("sort", KeyType::Range, text.clone())],
            vec!["its partition key is \"id\"", "it has the sort key \"sort\""],
        ),
    ];
    for (keys, words) in cases {
        let raw = create(&endpoint, &keys).await;
        let (store, wire) = store(&endpoint, &raw.table, |config| config);
        for error in [store.check_table().await.unwrap_err(), store.ensure_table().await.unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
            let text = error.to_string();
            assert!(text.contains(&raw.table), "{text}");
            for word in &words {
                assert!(text.contains(word), "{word}: {text}");
            }
        }
        assert!(wire.operations().iter().all(|operation| operation.starts_with("Describe")), "left alone");
        // An operation on it does not say that the entry is missing.
        let error = store.get(&key("1"), GetOptions::new()).await.unwrap_err();
        assert!(!error.is_retryable(), "{error}");
        let error = store.put(&key("1"), blob("v"), PutOptions::new(LONG)).await.unwrap_err();
        assert!(!error.is_retryable() && error.kind() != ErrorKind::TooLarge, "{error}");
    }
}

async fn other_ttl(endpoint: String) {
    let raw = Raw::create(&endpoint).await;
    let specification = TimeToLiveSpecification::builder().enabled(true).attribute_name("expires");
    let update = raw.client.update_time_to_live().table_name(&raw.table);
    update.time_to_live_specification(specification.build().unwrap()).send().await.unwrap();
    let (theirs, _) = store(&endpoint, &raw.table, |config| config);
    for error in [theirs.check_table().await.unwrap_err(), theirs.ensure_table().await.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
        assert!(error.to_string().contains("ttl_attribute=expires"), "{error}");
    }
    let (named, wire) = store(&endpoint, &raw.table, |config| config.with_ttl_attribute("expires"));
    named.check_table().await.unwrap();
    named.ensure_table().await.unwrap();
    assert!(wire.operations().iter().all(|operation| operation.starts_with("Describe")));
    assert_eq!(ttl(&raw).await, (TimeToLiveStatus::Enabled, Some("expires".to_owned())));
}

async fn denied(endpoint: String) {
    let (store, wire) = store(&endpoint, &unused_name(), |config| config);
    for action in ["DescribeTable", "CreateTable", "DescribeTimeToLive", "UpdateTimeToLive"] {
        wire.always(action, Fault::Refused("AccessDeniedException"));
        let error = store.ensure_table().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        assert!(error.to_string().contains(&format!("dynamodb:{action}")), "{error}");
        wire.heal();
    }
    store.ensure_table().await.unwrap();
    // Once each, and the next answer is good.
    for fault in [Fault::NotConnected, Fault::Refused("ThrottlingException"), Fault::Broken { done: false }] {
        wire.once(ANY, fault);
        let _ = store.ensure_table().await;
        wire.heal();
        store.check_table().await.unwrap();
    }
}
