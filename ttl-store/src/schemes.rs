//! The URL schemes of the drivers that come with this crate, each behind its feature.

use crate::Registry;

impl Default for Registry {
    /// Creates a registry with the drivers of this build. The schemes of the other drivers are known too, and
    /// their errors name the missing feature.
    fn default() -> Self {
        let registry = Self::empty()
            .with("null", null)
            .off("memory", &["memory"])
            .off("redis", &REDIS)
            .off("dynamodb", &["dynamodb"])
            .off("scylla", &SCYLLA);
        #[cfg(feature = "memory")]
        let registry = registry.with("memory", memory);
        #[cfg(feature = "redis")]
        let registry = REDIS.iter().fold(registry, |registry, scheme| registry.with(scheme, redis));
        #[cfg(feature = "dynamodb")]
        let registry = registry.with("dynamodb", dynamodb);
        #[cfg(feature = "scylla")]
        let registry = SCYLLA.iter().fold(registry, |registry, scheme| registry.with(scheme, scylla));
        registry
    }
}

const REDIS: [&str; 6] = ["redis", "rediss", "redis+unix", "valkey", "valkeys", "valkey+unix"];
const SCYLLA: [&str; 2] = ["scylla", "cassandra"];

async fn null(url: String) -> ttl_core::Result<crate::Store> {
    // The settings of a URL that was changed to `null:` have no meaning here.
    let _ = url;
    Ok(crate::Store::new(ttl_core::driver::NullStore::new()))
}

#[cfg(feature = "memory")]
async fn memory(url: String) -> ttl_core::Result<crate::Store> {
    Ok(crate::Store::new(ttl_memory::MemoryStore::from_url(&url)?))
}

#[cfg(feature = "redis")]
async fn redis(url: String) -> ttl_core::Result<crate::Store> {
    // The driver accepts only `redis` schemes. The `valkey` schemes differ in the first word only.
    let url = match url.get(..6) {
        Some(scheme) if scheme.eq_ignore_ascii_case("valkey") => format!("redis{}", &url[6..]),
        _ => url,
    };
    let config = ttl_redis::RedisConfig::from_url(&url)?;
    Ok(crate::Store::new(ttl_redis::RedisStore::connect(&config).await?))
}

#[cfg(feature = "dynamodb")]
async fn dynamodb(url: String) -> ttl_core::Result<crate::Store> {
    let config = ttl_dynamo::DynamoConfig::from_url(&url)?;
    Ok(crate::Store::new(ttl_dynamo::DynamoStore::connect(&config).await?))
}

#[cfg(feature = "scylla")]
async fn scylla(url: String) -> ttl_core::Result<crate::Store> {
    let config = ttl_scylla::ScyllaConfig::from_url(&url)?;
    Ok(crate::Store::new(ttl_scylla::ScyllaStore::connect(&config).await?))
}
