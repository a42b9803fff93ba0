//! The SDK's client, which is built on first use and never retries.

use std::fmt;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, ProvideCredentials, Region};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use tokio::runtime::Handle;
use tokio::sync::OnceCell;
use ttl_core::{Error, ErrorKind, Result};

use crate::config::DynamoConfig;
use crate::error::{Cause, OriginCheck, invalid, mentions, new};

/// The time limit for the AWS chain to find a region and credentials. Its last step queries an address that
/// only responds on Amazon's machines.
const CHAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// The time after which an idle connection is closed. It is shorter than the server's, because a write that
/// is sent while the server closes the connection has an unknown outcome. DynamoDB Local closes after 30 s.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// The advice in errors about credentials.
const ADVICE: &str = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (any letters for DynamoDB Local), name a profile \
                   with AWS_PROFILE, or give the machine a role";

/// A client that is built on first use.
pub(crate) struct LazyClient(OnceCell<Client>);

impl LazyClient {
    pub(crate) const fn new() -> Self {
        Self(OnceCell::const_new())
    }

    /// Creates a copy of a caller-managed client. It keeps connections, credentials, region and endpoint. It
    /// never retries, which would send a write twice, and uses the configuration's timeouts.
    pub(crate) fn from_client(client: &Client, config: &DynamoConfig) -> Self {
        Self(OnceCell::new_with(Some(build_client(client.config().to_builder(), config))))
    }

    /// Returns the client, and builds it first if necessary. After a failure the next call tries again.
    ///
    /// # Errors
    /// `InvalidConfig` outside a runtime, because timers and connections would panic there.
    pub(crate) async fn get(&self, config: &DynamoConfig) -> Result<&Client> {
        if Handle::try_current().is_err() {
            return Err(invalid(
                "no tokio runtime is running, and connections and timeouts need one; call this from within a runtime",
            ));
        }
        // Boxed, because code that runs once would otherwise double the size of every request's future.
        self.0.get_or_try_init(|| Box::pin(connect(config))).await
    }
}

impl fmt::Debug for LazyClient {
    /// Omits the client, which would print all of its settings.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LazyClient").field("built", &self.0.initialized()).finish()
    }
}

async fn connect(config: &DynamoConfig) -> Result<Client> {
    match tokio::time::timeout(CHAIN_TIMEOUT, load(config)).await {
        Ok(loaded) => Ok(build_client(Builder::from(&loaded?), config)),
        Err(_) => Err(unavailable()),
    }
}

fn build_client(builder: Builder, config: &DynamoConfig) -> Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(config.effective_connect_timeout())
        .operation_attempt_timeout(config.attempt_timeout)
        .build();
    let builder = builder.retry_config(RetryConfig::disabled()).timeout_config(timeouts);
    Client::from_conf(builder.interceptor(OriginCheck).build())
}

/// Queries the AWS chain once, so that missing credentials result in the driver's own error text.
async fn load(config: &DynamoConfig) -> Result<SdkConfig> {
    let tls = Provider::Rustls(CryptoMode::Ring);
    let http = aws_smithy_http_client::Builder::new().pool_idle_timeout(IDLE_TIMEOUT).tls_provider(tls);
    let http = http.build_https();
    // All other settings that a newer behaviour version would change are set here.
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
    if let Some(region) = &config.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(endpoint) = &config.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    let loaded = loader.load().await;
    if loaded.region().is_none() {
        return Err(invalid(
            "no region is set; write region=eu-central-1 in the URL, set AWS_REGION, or set it in the profile",
        ));
    }
    match loaded.credentials_provider() {
        Some(chain) => chain.provide_credentials().await.map_err(|error| no_credentials(&error))?,
        None => return Err(no_credentials(&CredentialsError::not_loaded_no_source())),
    };
    Ok(loaded)
}

/// Maps a failure of the AWS chain. Nothing was sent to DynamoDB.
fn no_credentials(error: &CredentialsError) -> Error {
    let denied = |text: String| new(ErrorKind::PermissionDenied, text);
    // The instance is queried last, so no other source had credentials.
    let no_source = matches!(error, CredentialsError::CredentialsNotLoaded(_)) || mentions(error, "IMDS");
    match error {
        CredentialsError::InvalidConfiguration(_) => {
            invalid("the AWS profile is invalid; check ~/.aws/config, ~/.aws/credentials and AWS_PROFILE")
        }
        CredentialsError::ProviderTimedOut(_) => unavailable(),
        _ if no_source => invalid(format!(
            "no AWS credentials found in the environment, the profile, web identity, the container or the \
             instance; {ADVICE}"
        )),
        _ => denied(format!(
            "the AWS credentials could not be loaded; log in again if they have expired, or {ADVICE}"
        )),
    }
    .with_source(Cause::new(error))
}

fn unavailable() -> Error {
    let seconds = CHAIN_TIMEOUT.as_secs();
    new(
        ErrorKind::Unavailable,
        format!("no AWS credentials were loaded within {seconds} s; try again later, or {ADVICE}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_of_the_chain_says_what_to_do() {
        for (error, kind, word) in [
            (CredentialsError::not_loaded("x"), ErrorKind::InvalidConfig, "AWS_ACCESS_KEY_ID"),
            (
                CredentialsError::provider_error("failed to load IMDS session token"),
                ErrorKind::InvalidConfig,
                "AWS_ACCESS_KEY_ID",
            ),
            (CredentialsError::invalid_configuration("x"), ErrorKind::InvalidConfig, "~/.aws/config"),
            (CredentialsError::provider_timed_out(CHAIN_TIMEOUT), ErrorKind::Unavailable, "try again later"),
            (CredentialsError::provider_error("x"), ErrorKind::PermissionDenied, "log in again"),
            (CredentialsError::unhandled("x"), ErrorKind::PermissionDenied, "log in again"),
        ] {
            let error = no_credentials(&error);
            assert_eq!(error.kind(), kind);
            assert!(error.to_string().contains(word), "{error}");
            // The response may contain a secret, and the SDK keeps it.
            let source = std::error::Error::source(&error).unwrap();
            assert!(!format!("{source:?}").contains("Error"), "{source:?}");
        }
    }

    #[tokio::test]
    async fn a_given_client_loses_its_retries_and_nothing_else() {
        let given = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .endpoint_url("http://localhost:1")
            .retry_config(RetryConfig::standard().with_max_attempts(9))
            .build();
        let config = DynamoConfig::new("table").with_attempt_timeout(Duration::from_millis(320));
        let client = LazyClient::from_client(&Client::from_conf(given), &config);
        let copy = client.get(&config).await.unwrap().config();
        assert_eq!(copy.region().map(Region::as_ref), Some("eu-west-1"));
        assert_eq!(copy.retry_config().map(RetryConfig::max_attempts), Some(1));
        let timeouts = copy.timeout_config().unwrap();
        assert_eq!(timeouts.operation_attempt_timeout(), Some(Duration::from_millis(320)));
        assert_eq!(timeouts.connect_timeout(), Some(Duration::from_millis(240)));
    }
}
