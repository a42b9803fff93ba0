//! Harnesses for the project's own drivers, with one feature for each driver.

#[cfg(feature = "dynamodb")]
pub mod dynamo;
#[cfg(feature = "memory")]
pub mod memory;
pub mod null;
#[cfg(any(feature = "dynamodb", feature = "redis", feature = "scylla"))]
mod place;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(feature = "scylla")]
pub mod scylla;

use std::sync::Arc;

use ttl_core::{Error, ErrorKind, Result};

use crate::Harness;

/// The schemes and the features that compile them in.
const SCHEMES: [(&str, &str); 8] = [
    ("dynamodb", "dynamodb"),
    ("memory", "memory"),
    ("null", "null"),
    ("redis", "redis"),
    ("rediss", "redis"),
    ("redis+unix", "redis"),
    ("scylla", "scylla"),
    ("cassandra", "scylla"),
];

/// Creates a harness of the driver for the URL's scheme. It does not connect yet.
///
/// # Errors
/// [`ErrorKind::InvalidConfig`] for an unknown scheme, for a scheme whose feature is not enabled (the text
/// names the feature), and for a URL that is invalid for its driver.
pub fn harness(url: &str) -> Result<Arc<dyn Harness>> {
    let invalid = |text: String| Error::new(ErrorKind::InvalidConfig, text);
    let Some((scheme, _)) = url.split_once(':') else {
        return Err(invalid(
            "invalid URL: expected a scheme, such as memory: or redis://host:6379".to_owned(),
        ));
    };
    let Some((_, feature)) = SCHEMES.iter().find(|(known, _)| *known == scheme) else {
        let known: Vec<&str> = SCHEMES.iter().map(|(known, _)| *known).collect();
        return Err(invalid(format!("unknown scheme {scheme:?}: expected one of {}", known.join(", "))));
    };
    match *feature {
        #[cfg(feature = "dynamodb")]
        "dynamodb" => Ok(Arc::new(dynamo::DynamoHarness::new(url)?)),
        #[cfg(feature = "memory")]
        "memory" => Ok(Arc::new(memory::MemoryHarness::new(url)?)),
        "null" => Ok(Arc::new(null::NullHarness)),
        #[cfg(feature = "redis")]
        "redis" => Ok(Arc::new(redis::RedisHarness::new(url)?)),
        #[cfg(feature = "scylla")]
        "scylla" => Ok(Arc::new(scylla::ScyllaHarness::new(url)?)),
        feature => {
            Err(invalid(format!("the scheme {scheme:?} is not enabled: build with the feature {feature:?}")))
        }
    }
}
