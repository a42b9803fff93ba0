//! Tables seen past the driver: made, read and written by the SDK itself.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use ttl_core::Version;

use crate::wire::Wire;

/// Long enough for a machine on which much else runs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What stands in no error and in no `Debug`.
pub(crate) const SECRET: &str = "s3cretAccessKeyOfNobody";

pub(crate) type Item = HashMap<String, AttributeValue>;

/// A client of the server at this endpoint.
pub(crate) fn client(endpoint: &str, wire: Wire) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("trial", SECRET, None, None, "trial"))
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().operation_timeout(PATIENCE).build())
        .http_client(wire);
    Client::from_conf(config.build())
}

/// The endpoint in the URL of a server.
pub(crate) fn endpoint(url: &str) -> String {
    let parameter = url.split(['?', '&']).find_map(|part| part.strip_prefix("endpoint="));
    parameter
        .expect("an endpoint in the URL")
        .replace("%3A", ":")
        .replace("%3a", ":")
        .replace("%2F", "/")
        .replace("%2f", "/")
}

/// A name that nobody else uses.
pub(crate) fn unused_name() -> String {
    format!("trial-{}", Version::random())
}

/// A table and a client that goes around the driver.
#[derive(Clone)]
pub(crate) struct Raw {
    pub(crate) client: Client,
    pub(crate) table: String,
    key: String,
}

impl Raw {
    /// A table of the driver's shape, its TTL off.
    pub(crate) async fn create(endpoint: &str) -> Self {
        Self::create_keyed(endpoint, "ttl:key").await
    }

    pub(crate) async fn create_keyed(endpoint: &str, key: &str) -> Self {
        let mut raw = Self::of(endpoint, &unused_name());
        raw.key = key.to_owned();
        let definition =
            AttributeDefinition::builder().attribute_name(key).attribute_type(ScalarAttributeType::S);
        let schema = KeySchemaElement::builder().attribute_name(key).key_type(KeyType::Hash);
        raw.client
            .create_table()
            .table_name(&raw.table)
            .attribute_definitions(definition.build().unwrap())
            .key_schema(schema.build().unwrap())
            .billing_mode(BillingMode::PayPerRequest)
            .send()
            .await
            .unwrap();
        raw
    }

    /// A table of this name, which may not be there.
    pub(crate) fn of(endpoint: &str, table: &str) -> Self {
        Self { client: client(endpoint, Wire::new()), table: table.to_owned(), key: "ttl:key".to_owned() }
    }

    pub(crate) async fn get(&self, key: &str) -> Option<Item> {
        let get = self.client.get_item().table_name(&self.table).key(&self.key, s(key)).consistent_read(true);
        get.send().await.unwrap().item
    }

    /// Stores an item as it is, under this key.
    pub(crate) async fn put(&self, key: &str, mut item: Item) {
        item.insert(self.key.clone(), s(key));
        self.client.put_item().table_name(&self.table).set_item(Some(item)).send().await.unwrap();
    }

    pub(crate) async fn delete(&self, key: &str) {
        self.client.delete_item().table_name(&self.table).key(&self.key, s(key)).send().await.unwrap();
    }
}

pub(crate) fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

#[expect(clippy::needless_pass_by_value, reason = "numbers and texts, written where they are needed")]
pub(crate) fn n(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

pub(crate) fn b(bytes: impl Into<Vec<u8>>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

pub(crate) fn l(elements: impl IntoIterator<Item = AttributeValue>) -> AttributeValue {
    AttributeValue::L(elements.into_iter().collect())
}

pub(crate) fn m<'a>(fields: impl IntoIterator<Item = (&'a str, AttributeValue)>) -> AttributeValue {
    AttributeValue::M(item(fields))
}

pub(crate) fn item<'a>(attributes: impl IntoIterator<Item = (&'a str, AttributeValue)>) -> Item {
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
