//! A store and the SDK's own client on a connection that answers at once: what the driver adds to a request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::http::{HttpRequest, HttpResponse};
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, HttpClient, Region, RuntimeComponents};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value as Json, json};
use tokio::runtime::Runtime;
use ttl_core::options::{Condition, GetOptions, PutOptions};
use ttl_core::{Key, Ttl, TtlStore, Value};
use ttl_dynamo::{DynamoConfig, DynamoStore};

/// Both, and what they ask for.
pub(crate) struct Pair {
    runtime: Runtime,
    store: Arc<dyn TtlStore>,
    client: Client,
    key: Key,
    /// The request by which the driver puts, for the client to make the same.
    put: Json,
}

impl Pair {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let canned = Canned::default();
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::for_tests())
            .retry_config(RetryConfig::disabled())
            .http_client(canned.clone());
        let store =
            DynamoStore::from_client(&Client::from_conf(config.build()), &DynamoConfig::new("entries"))
                .unwrap();
        let client = runtime.block_on(store.client()).unwrap();
        let key = Key::new("session:000000000000000000000001").unwrap();
        let mut pair = Self { runtime, store: Arc::new(store), client, key, put: Json::Null };
        // An item as the driver writes it whole is what reads find from now on.
        pair.put(1, Condition::IfAbsent);
        canned.find(&canned.asked()["Item"]);
        pair.put(1, Condition::Always);
        pair.put = canned.asked();
        // The first request of a kind sets things up.
        pair.get(1);
        pair.raw_get(1);
        pair.raw_overwrite(1);
        pair
    }

    pub(crate) fn get(&self, times: usize) {
        self.runtime.block_on(async {
            for _ in 0..times {
                let entry = self.store.get(&self.key, GetOptions::new()).await.unwrap().unwrap();
                assert_eq!(entry.value.unwrap().into_blob().unwrap().len(), 100);
            }
        });
    }

    /// What [`get`](Self::get) sends, without the driver.
    pub(crate) fn raw_get(&self, times: usize) {
        self.runtime.block_on(async {
            for _ in 0..times {
                let key = AttributeValue::S(self.key.as_str().to_owned());
                let request = self.client.get_item().table_name("entries").key("ttl:key", key);
                let mut item = request.consistent_read(true).send().await.unwrap().item.unwrap();
                let Some(AttributeValue::B(value)) = item.remove("ttl:value") else { panic!("{item:?}") };
                assert_eq!(value.into_inner().len(), 100);
            }
        });
    }

    pub(crate) fn overwrite(&self, times: usize) {
        self.put(times, Condition::Always);
    }

    fn put(&self, times: usize, condition: Condition) {
        self.runtime.block_on(async {
            for _ in 0..times {
                let options = PutOptions::new(Ttl::minutes(30)).with_condition(condition);
                assert!(
                    self.store.put(&self.key, Value::from(vec![7; 100]), options).await.unwrap().is_applied()
                );
            }
        });
    }

    /// What [`overwrite`](Self::overwrite) sends, without the driver.
    pub(crate) fn raw_overwrite(&self, times: usize) {
        let text = |name: &str| self.put[name].as_str().unwrap();
        let entries = |name: &str| self.put[name].as_object().unwrap();
        let value = |value: &Json| match value.as_object().unwrap().iter().next().unwrap() {
            (kind, Json::String(text)) if kind == "S" => AttributeValue::S(text.clone()),
            (kind, Json::String(text)) if kind == "N" => AttributeValue::N(text.clone()),
            (kind, Json::String(_)) if kind == "B" => AttributeValue::B(Blob::new(vec![7; 100])),
            other => panic!("{other:?}"),
        };
        self.runtime.block_on(async {
            for _ in 0..times {
                let names: HashMap<_, _> = entries("ExpressionAttributeNames")
                    .iter()
                    .map(|(name, attribute)| (name.clone(), attribute.as_str().unwrap().to_owned()))
                    .collect();
                let values: HashMap<_, _> = entries("ExpressionAttributeValues")
                    .iter()
                    .map(|(name, json)| (name.clone(), value(json)))
                    .collect();
                let request = self.client.update_item().table_name(text("TableName"));
                let request = request
                    .key("ttl:key", AttributeValue::S(self.key.as_str().to_owned()))
                    .update_expression(text("UpdateExpression"))
                    .condition_expression(text("ConditionExpression"))
                    .set_expression_attribute_names(Some(names))
                    .set_expression_attribute_values(Some(values))
                    .return_values(ReturnValue::AllOld)
                    .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
                assert!(request.send().await.unwrap().attributes.is_none());
            }
        });
    }
}

/// Reads find an item, writes find nothing.
#[derive(Clone, Debug, Default)]
struct Canned {
    /// The body of the last request.
    last: Arc<Mutex<Vec<u8>>>,
    /// What is answered to a read.
    found: Arc<OnceLock<&'static str>>,
}

impl Canned {
    fn asked(&self) -> Json {
        serde_json::from_slice(&self.last.lock().unwrap()).unwrap()
    }

    fn find(&self, item: &Json) {
        // For as long as the process: then an answer is no allocation.
        self.found.set(json!({ "Item": item }).to_string().leak()).unwrap();
    }
}

impl HttpClient for Canned {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Canned {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = request.body().bytes().unwrap();
        let mut last = self.last.lock().unwrap();
        last.clear();
        last.extend_from_slice(body);
        let is_read = request.headers().get("x-amz-target").unwrap().ends_with(".GetItem");
        let body = SdkBody::from(if is_read { *self.found.get().unwrap() } else { "{}" });
        let mut answer = HttpResponse::new(StatusCode::try_from(200).unwrap(), body);
        answer.headers_mut().insert("content-type", "application/x-amz-json-1.0");
        HttpConnectorFuture::ready(Ok(answer))
    }
}
