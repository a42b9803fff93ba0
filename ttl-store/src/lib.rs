// The pages of `docs`, in the documentation. In the README these links lead to files.
//! [Which method do I use?]: crate::docs::which_method
//! [Guide]: crate::docs::guide
//! [Testing a program]: crate::docs::testing_programs
//! [Caching]: crate::docs::caching
// The examples of the README use the memory store.
#![cfg_attr(feature = "memory", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "memory"),
    doc = "Entries that expire, behind one trait. This build does not include the feature `memory`."
)]
//!
//! # Items by task
//!
//! | task | item |
//! |---|---|
//! | find the method for an intent | the page [Which method do I use?] |
//! | learn the crate by examples | the pages [Guide], [Caching] and [Testing a program] |
//! | connect by a URL | [`connect`], [`Registry`]; the settings are listed [below](#settings-in-the-url) |
//! | use a driver with your own configuration or connection | [`Store::new`]; the modules `memory`, `redis`, `dynamodb` and `scylla`, each behind its feature |
//! | store structs field by field | [`Records`], [`Patch`] |
//! | store other values | [`Blobs`], with a [`Codec`]: [`Json`], [`Raw`], `MessagePack` (feature `msgpack`); checks for a codec of your own: [`codec`] |
//! | count, throttle | [`Counters`], [`Bounds`] |
//! | lock | [`Leases`], [`Lease`] |
//! | set lifetimes | [`Ttl`], [`Expiry`], [`Lifespan`]; a store reports a [`Deadline`] |
//! | keep entries alive | [`RefreshPolicy`], [`Actions`] |
//! | share a lifetime and a policy | [`Defaults`] |
//! | list keys and values | [`KeyPages`], [`ItemPages`] |
//! | read or write many entries | [`BatchResults`] |
//! | read metadata | [`Returning`](options::Returning), [`Item`] |
//! | handle refusals and errors | [`Outcome`], [`Error`], [`ErrorKind`] |
//! | query the abilities of a store | [`Capabilities`] |
//! | test with a clock of your own | [`ManualClock`] |
//! | limit sizes and lifetimes, retry, time out | the module `layers` (feature `layers`) |
//! | go on during an outage, spread deadlines | `FailOpen`, `Fallback`, `Jitter` in the module `layers` |
//! | measure calls | `Observe` in the module `layers` (feature `observe`) |
//! | compress, encrypt | the module `layers` (features `compress-gzip`, `compress-zstd`, `encrypt`) |
//! | cache the results of slow functions | the module `cache` and `Store::cache` (feature `cache`); the attribute `memoize` (feature `cache-memoize`) |
//! | wrap a store | [`TtlStore`], [`forward_ttl_store!`] |
//! | write a driver | the crate `ttl-core` |
//!
//! # Settings in the URL
//!
//! The query of a URL contains the settings, as in `memory:?max_entries=10000`. An unknown setting is an error
//! that lists the known ones. Durations have a unit (`500ms`, `2s`, `1h`). Sizes are bytes, or have the unit
//! `KiB`, `MiB` or `GiB`. Certificates and keys are paths of PEM files.
//!
//! ## Memory: `memory:`
//!
//! | setting | default | meaning |
//! |---|---|---|
//! | `max_entries` | no limit | the maximum number of entries; a put evicts others |
//! | `max_bytes` | no limit | the maximum size of the store; a put evicts others |
//! | `max_value_bytes` | no limit | the maximum size of a value |
//! | `reclaim` | `background` | `background` or `manual`: how the memory of expired entries is reclaimed |
#![cfg_attr(
    feature = "memory",
    doc = "\nDetails: [`MemoryConfig::from_url`](memory::MemoryConfig::from_url)."
)]
//!
//! ## Redis, Valkey: `redis://user:password@host:6379/0`
//!
//! `rediss://` uses TLS, and `redis+unix:///run/redis.sock` a Unix socket. `valkey`, `valkeys` and `valkey+unix`
//! mean the same. The port defaults to 6379, the database to 0.
//!
//! | setting | default | meaning |
//! |---|---|---|
//! | `namespace` | `ttl` | the first part of every Redis key, followed by a colon |
//! | `timeout` | `1s` | the timeout of a round trip, and of connecting |
//! | `max_value_bytes` | `512MiB` | the maximum size of a value |
//! | `cursor_secret` | random for each process | the secret that encrypts the cursors of listings; 16 bytes or more |
//! | `root_certificates` | those of the system | TLS only: the trusted authorities |
//! | `client_certificate`, `client_key` | none | TLS only: the client's certificate and its key |
//! | `username`, `password`, `database` | none, none, 0 | Unix sockets only |
#![cfg_attr(feature = "redis", doc = "\nDetails: [`RedisConfig::from_url`](redis::RedisConfig::from_url).")]
//!
//! ## DynamoDB: `dynamodb://TABLE`
//!
//! Credentials come from the AWS chain, never from the URL.
//!
//! | setting | default | meaning |
//! |---|---|---|
//! | `region` | that of the environment or the profile | the region |
//! | `endpoint` | that of the region | another endpoint, such as `http://localhost:8000` |
//! | `namespace` | none | the first part of every stored key, followed by a colon |
//! | `table` | `look` | on connect: `look` checks the table, `check` its TTL too, `ensure` creates what is missing, `lazy` sends nothing |
//! | `reads` | `consistent` | `consistent` or `eventual` |
//! | `timeout` | `5s` | the timeout of an operation with all of its attempts |
//! | `attempt_timeout` | `1s` | the timeout of one request |
//! | `connect_timeout` | `750ms` | the timeout of establishing a connection |
//! | `attempts` | 4 | the maximum number of attempts of a request |
//! | `backoff`, `max_backoff` | `50ms`, `1s` | the bounds of the wait before the second attempt and before the last |
//! | `grace` | `1h` | the time after a deadline at which DynamoDB may delete the entry |
//! | `segments` | 1 | the number of table segments that a scan reads in parallel |
//! | `concurrency` | 16 | the maximum number of concurrent requests of a batch |
//! | `max_value_bytes` | the largest value of an item of 400 KB | the maximum size of a value |
//! | `cursor_secret` | random for each process | the secret that encrypts the cursors of listings; 16 bytes or more |
//! | `key_attribute`, `ttl_attribute` | `ttl:key`, `ttl:epoch` | the names of the partition key and of the TTL attribute |
#![cfg_attr(
    feature = "dynamodb",
    doc = "\nDetails: [`DynamoConfig::from_url`](dynamodb::DynamoConfig::from_url)."
)]
//!
//! ## ScyllaDB, Cassandra: `scylla://user:password@host:9042,host2/KEYSPACE/TABLE`
//!
//! `cassandra://` means the same. The port defaults to 9042.
//!
//! | setting | default | meaning |
//! |---|---|---|
//! | `mode` | `strict` | `strict` or `lww`; a table has one mode for its whole life |
//! | `timeout` | `2s` | the timeout of a request |
//! | `consistency` | `quorum` | `quorum`, `local_quorum` or `all`: the replicas that a write needs |
//! | `serial_consistency` | `local_serial` | `local_serial` or `serial`: the scope of lightweight transactions |
//! | `datacenter` | all | the datacentre whose nodes receive the requests |
//! | `speculative_delay` | off | the delay after which a read is also sent to a second node |
//! | `compression` | off | `lz4` or `snappy` |
//! | `tls` | `false` | whether connections use TLS; requires the feature `scylla-tls` |
//! | `root_certificates` | those of the system | TLS only: the trusted authorities |
//! | `client_certificate`, `client_key` | none | TLS only: the client's certificate and its key |
//! | `max_value_bytes` | `1MiB` | the maximum size of a value |
//! | `cursor_secret` | random for each process | the secret that encrypts the cursors of listings; 16 bytes or more |
//! | `clock_skew` | `1m` | the maximum difference between the clocks of clients and servers |
//! | `ensure_schema` | `false` | whether connecting creates a missing table |
//! | `replication` | none | `3`, or `dc1:3,dc2:3`: the replication of a missing keyspace, which is then created too |
#![cfg_attr(
    feature = "scylla",
    doc = "\nDetails: [`ScyllaConfig::from_url`](scylla::ScyllaConfig::from_url)."
)]

mod batch;
mod builder;
mod collection;
mod defaults;
mod driver;
// The examples of the pages use the memory store.
#[cfg(all(doc, any(not(doctest), feature = "memory")))]
pub mod docs;
#[cfg(all(doctest, feature = "compress-gzip"))]
#[doc = include_str!("../docs/coming-from.md")]
mod coming_from {}
mod format;
mod item;
mod keys;
mod lease;
mod listing;
#[cfg(feature = "msgpack")]
mod msgpack;
mod place;
mod plain;
mod policy;
mod registry;
mod schemes;
mod space;
mod store;

// The vocabulary of the contract. Items that only drivers need stay in `ttl_core`.
#[cfg(feature = "cache")]
pub use ttl_cache as cache;
/// Caches the results of an async function. Requires the feature `cache-memoize`.
///
/// It is [`cache::memoize`], whose documentation lists the arguments, and needs no dependency on `ttl-cache`.
///
/// ```
/// use std::error::Error;
/// use ttl_store::cache::{Cache, MemoKey};
/// use ttl_store::{Json, Ttl, memoize};
///
/// #[derive(Clone)]
/// struct Users {
///     cache: Cache<MemoKey, String>,
/// }
///
/// impl Users {
///     #[memoize(cache = self.cache, ttl = "10m")]
///     async fn name(&self, id: u64) -> Result<String, Box<dyn Error + Send + Sync>> {
///         Ok(format!("user {id}"))
///     }
/// }
///
/// # #[cfg(feature = "memory")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
/// let store = ttl_store::connect("memory:").await?;
/// let users = Users { cache: store.cache("users", Ttl::hours(1), Json).build()? };
/// assert_eq!(users.name(7).await?, "user 7");
/// users.name_invalidate(7).await?;
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "memory"))]
/// # fn main() {}
/// ```
#[cfg(feature = "cache-memoize")]
pub use ttl_cache_macros::memoize_for_ttl_store as memoize;
pub use ttl_core::codec::{Codec, Json, Raw};
pub use ttl_core::{
    Actions, Bounds, Capabilities, ChangeStream, Clock, Cursor, CursorSecret, Deadline, Effect, Entry, Error,
    ErrorKind, Expiry, Key, Kind, Lifespan, ManualClock, MonotonicClock, Outcome, Page, PageItem, Patch,
    Record, RefreshMode, RefreshPolicy, Result, StoreChange, SystemClock, Ttl, TtlStore, Value, Version,
    codec, forward_ttl_store, options, results,
};
#[doc(no_inline)]
pub use ttl_core::{Bytes, async_trait};
#[cfg(feature = "dynamodb")]
pub use ttl_dynamo as dynamodb;
#[cfg(feature = "layers")]
pub use ttl_layers as layers;
#[cfg(feature = "memory")]
pub use ttl_memory as memory;
#[cfg(feature = "redis")]
pub use ttl_redis as redis;
#[cfg(feature = "scylla")]
pub use ttl_scylla as scylla;

pub use self::batch::BatchResults;
pub use self::builder::CollectionBuilder;
pub use self::collection::{Blobs, Collection, Counters, ItemPages, Records};
pub use self::defaults::Defaults;
pub use self::format::{AsBlob, AsCount, AsRecord, Format};
pub use self::item::Item;
pub use self::keys::KeyPages;
pub use self::lease::{Lease, Leases};
#[cfg(feature = "msgpack")]
pub use self::msgpack::MessagePack;
pub use self::registry::{Registry, connect};
pub use self::store::Store;
