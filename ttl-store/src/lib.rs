// The pages of `docs`, in the documentation. In the README these links lead to files.
//! [Which method do I use?]: crate::docs::which_method
//! [Guide]: crate::docs::guide
//! [Testing your program]: crate::docs::testing_programs
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
//! | learn the crate by examples | the pages [Guide] and [Testing your program] |
//! | connect by a URL | [`connect`], [`Registry`] |
//! | use a driver with your own configuration or connection | [`Store::new`]; the modules `memory`, `redis`, `dynamodb` and `scylla`, each behind its feature |
//! | store structs field by field | [`Records`], [`Patch`] |
//! | store other values | [`Blobs`], with a [`Codec`]: [`Json`], [`Raw`], `MessagePack` (feature `msgpack`) |
//! | count, throttle | [`Counters`], [`Bounds`] |
//! | lock | [`Leases`], [`Lease`] |
//! | set lifetimes | [`Ttl`], [`Expiry`], [`Lifespan`]; a store reports a [`Deadline`] |
//! | keep entries alive | [`RefreshPolicy`], [`Actions`] |
//! | share a lifetime and a policy | [`Defaults`] |
//! | list keys and values | [`KeyPages`], [`ItemPages`] |
//! | read or write many entries | [`BatchResults`] |
//! | read metadata | [`Returning`], [`Item`] |
//! | handle refusals and errors | [`Outcome`], [`Error`], [`ErrorKind`] |
//! | query the abilities of a store | [`Capabilities`] |
//! | test with a clock of your own | [`ManualClock`] |
//! | wrap a store | [`TtlStore`], [`forward_ttl_store!`] |
//! | write a driver | the crate `ttl-core` |

mod batch;
mod builder;
mod codec;
mod collection;
mod defaults;
// The examples of the pages use the memory store.
#[cfg(all(doc, any(not(doctest), feature = "memory")))]
pub mod docs;
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

// The vocabulary of the contract. What only a driver needs stays in `ttl_core`.
pub use ttl_core::{
    Actions, Amount, Bounds, Capabilities, Change, Clock, Condition, Create, Cursor, CursorSecret, Deadline,
    DeleteOptions, Effect, Entry, Error, ErrorKind, ExistingDeadline, ExpireOptions, ExpireResult, Expiry,
    ExpiryChange, FieldOperation, Fields, GetOptions, Guard, Key, Kind, Lifespan, ManualClock, Misfit,
    MonotonicClock, Outcome, Page, PageItem, Patch, PatchOptions, PatchResult, Projection, PutItem,
    PutOptions, PutResult, ReadBack, Record, Refresh, RefreshMode, RefreshPolicy, Result, Returning,
    ScanOptions, SystemClock, Ttl, TtlStore, Value, Version, check_depth, check_json, forward_ttl_store,
};
#[doc(no_inline)]
pub use ttl_core::{Bytes, async_trait};
#[cfg(feature = "dynamodb")]
pub use ttl_dynamo as dynamodb;
#[cfg(feature = "memory")]
pub use ttl_memory as memory;
#[cfg(feature = "redis")]
pub use ttl_redis as redis;
#[cfg(feature = "scylla")]
pub use ttl_scylla as scylla;

pub use self::batch::BatchResults;
pub use self::builder::CollectionBuilder;
pub use self::codec::{Codec, Json, Raw};
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
