//! The DynamoDB driver beside the AWS SDK: throughput and processor time of the client.
//!
//! The SDK sends what a program would write for the same purpose. Both share the client, so its connections too.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use ttl_benches::arguments::Scale;
use ttl_benches::callers::{drive, named, runtime, server};
use ttl_benches::report::{Measured, Report};
use ttl_benches::rounds::Rounds;
use ttl_benches::workload::Workload;
use ttl_core::options::{Create, GetOptions, PatchOptions, PutOptions, Refresh};
use ttl_core::{Key, Patch, Ttl, TtlStore, Value};
use ttl_dynamo::{DynamoConfig, DynamoStore};

const PURPOSE: &str = "requests to DynamoDB Local, by ttl-store and the AWS SDK, on one thread";
const TTL: Ttl = Ttl::hours(1);
const KEYS: usize = 200;

#[derive(Clone, Copy)]
enum Request {
    Get,
    GetRefresh,
    Put,
    Increment,
}

const REQUESTS: [(Request, &str); 4] = [
    (Request::Put, "put"),
    (Request::Get, "get"),
    (Request::GetRefresh, "get + refresh"),
    (Request::Increment, "increment"),
];

async fn ours(store: &dyn TtlStore, request: Request, key: &Key, value: &Value) {
    let get = |options| async {
        assert!(store.get(key, options).await.expect("the driver reads").is_some());
    };
    match request {
        Request::Get => get(GetOptions::new()).await,
        Request::GetRefresh => get(GetOptions::new().with_refresh(Refresh::extend_only(TTL))).await,
        Request::Put => {
            let put = store.put(key, value.clone(), PutOptions::new(TTL)).await;
            assert!(put.expect("the driver writes").is_applied());
        }
        Request::Increment => {
            let key = Key::new(format!("count:{}", key.as_str())).expect("the key is valid");
            let options = PatchOptions::new().with_create(Create::new(TTL));
            let patched = store.patch(&key, &Patch::new().increment("count", 1), options).await;
            assert!(patched.expect("the driver patches").is_applied());
        }
    }
}

/// A peer's items have the key `ttl:key` of the table, a value and the second in which they end.
async fn raw(client: &Client, table: &str, request: Request, key: &Key, value: &[u8]) {
    let text = |prefix: &str| AttributeValue::S(format!("peer:{prefix}{}", key.as_str()));
    let end = || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        AttributeValue::N((now + TTL.as_millis() / 1_000).to_string())
    };
    match request {
        Request::Get => {
            let get = client.get_item().table_name(table).key("ttl:key", text("")).consistent_read(true);
            assert!(get.send().await.expect("the server answers").item.is_some());
        }
        Request::GetRefresh => {
            let update = client.update_item().table_name(table).key("ttl:key", text(""));
            let update = update
                .update_expression("SET #e = :e")
                .condition_expression("attribute_exists(#e)")
                .expression_attribute_names("#e", "ttl:epoch")
                .expression_attribute_values(":e", end())
                .return_values(ReturnValue::AllNew);
            assert!(update.send().await.expect("the server answers").attributes.is_some());
        }
        Request::Put => {
            let put = client.put_item().table_name(table).item("ttl:key", text(""));
            let put = put.item("ttl:epoch", end()).item("value", AttributeValue::B(Blob::new(value)));
            put.send().await.expect("the server answers");
        }
        Request::Increment => {
            let update = client.update_item().table_name(table).key("ttl:key", text("count:"));
            let update = update
                .update_expression("SET #e = if_not_exists(#e, :e) ADD #c :one")
                .expression_attribute_names("#e", "ttl:epoch")
                .expression_attribute_names("#c", "count")
                .expression_attribute_values(":e", end())
                .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
                .return_values(ReturnValue::UpdatedNew);
            assert!(update.send().await.expect("the server answers").attributes.is_some());
        }
    }
}

async fn connect(url: &str) -> ttl_core::Result<(Arc<dyn TtlStore>, Client)> {
    let config = DynamoConfig::from_url(url)?.with_namespace("bench");
    let store = DynamoStore::connect(&config).await?;
    let client = store.client().await?;
    Ok((Arc::new(store), client))
}

fn main() -> ExitCode {
    let scale = Scale::from_arguments(PURPOSE);
    let url = server("TTL_TEST_DYNAMODB_URL");
    let table = url.split("://").nth(1).and_then(|rest| rest.split('?').next()).unwrap_or_default();
    let mut report = Report::begin("dynamodb", PURPOSE, scale);
    let runtime = runtime();
    report.say("connecting, and filling");
    let (store, client) = match runtime.block_on(connect(&url)) {
        Ok(connected) => connected,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let workload = Workload::new(KEYS);
    let (keys, bytes): (Vec<Key>, _) = (workload.all().collect(), workload.value());
    let value = Value::Blob(bytes.clone());
    let call = |contestant: usize, request: Request, n: usize| {
        let (key, store, client, value, bytes) = (&keys[n * 7 % KEYS], &store, &client, &value, &bytes);
        async move {
            if contestant == 0 {
                ours(&**store, request, key, value).await;
            } else {
                raw(client, table, request, key, bytes).await;
            }
        }
    };
    for contestant in [0, 1] {
        drive(&runtime, 1, KEYS, |n| call(contestant, Request::Put, n));
    }
    for callers in [1, 32] {
        for (request, name) in REQUESTS {
            let each = (scale.pick(64, 2_000) / callers).max(2);
            let mut rounds = Rounds::new(2);
            for _ in 0..scale.rounds() {
                for at in rounds.order() {
                    rounds.record(at, drive(&runtime, callers, each, |n| call(at, request, n)));
                }
            }
            let workload = format!("{}, values 100 B", named(callers));
            let names = ["ttl-store", "aws-sdk-dynamodb"];
            let measured = |metric| Measured { operation: name, workload: &workload, metric, unit: "us" };
            report.compared(measured("wall"), &names, &rounds.compared(|sample| sample.wall / 1e3));
            report.compared(measured("cpu"), &names, &rounds.compared(|sample| sample.cpu / 1e3));
        }
    }
    report.finish();
    ExitCode::SUCCESS
}
