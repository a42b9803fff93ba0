//! The SDK's client: built when it is first needed, with the SDK's own retries off.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use tokio::sync::OnceCell;

use crate::config::DynamoConfig;

/// A client, or what it is made of when it is first asked for.
#[derive(Debug)]
pub(crate) struct LazyClient(OnceCell<Client>);

impl LazyClient {
    pub(crate) const fn new() -> Self {
        Self(OnceCell::const_new())
    }

    /// A client that exists already, with the driver's own retries and time limits.
    pub(crate) fn given(client: &Client, config: &DynamoConfig) -> Self {
        let own = client
            .config()
            .to_builder()
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts(config))
            .build();
        Self(OnceCell::new_with(Some(Client::from_conf(own))))
    }

    pub(crate) async fn get(&self, config: &DynamoConfig) -> &Client {
        self.0.get_or_init(|| build(config)).await
    }
}

async fn build(config: &DynamoConfig) -> Client {
    let http =
        aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts(config));
    if let Some(region) = &config.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(endpoint) = &config.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    Client::new(&loader.load().await)
}

fn timeouts(config: &DynamoConfig) -> TimeoutConfig {
    TimeoutConfig::builder().operation_attempt_timeout(config.timeout).build()
}
