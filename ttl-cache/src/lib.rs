//! A cache over the stores of ttl-store: one load for all processes, and no stale value after an invalidation.
//!
//! ```
//! use std::sync::Arc;
//! use ttl_cache::{Cache, Near};
//! use ttl_core::Ttl;
//! use ttl_core::codec::Json;
//! use ttl_memory::MemoryStore;
//!
//! async fn load_page(path: String) -> std::io::Result<String> {
//!     Ok(format!("<h1>{path}</h1>"))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pages: Cache<String, String> = Cache::builder(Arc::new(MemoryStore::default()), "pages", Ttl::hours(1), Json)
//!     .fresh_for(Ttl::minutes(5)) // then it is returned once more, and refreshed in the background
//!     .near(Near::new(10_000))
//!     .build()?;
//! let page = pages.get_or_load("/about", |_| load_page("/about".to_owned())).await?;
//! assert_eq!(*page, "<h1>/about</h1>");
//! pages.invalidate("/about").await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Promises
//!
//! 1. After an invalidation (of a key, a tag or the whole cache) has returned, no later call returns a value
//!    whose load began before it, in any process. The exception is a near copy of another process, for at most
//!    its maximum staleness.
//! 2. One load for a key at a time, over all processes, except that a load which an invalidation overtook, or
//!    whose stale value expired, goes on beside the next one. If the loading process dies, another loads after
//!    the [load timeout](CacheBuilder::load_timeout).
//! 3. No stored value is returned at or after its deadline, however often the loader fails. Lifetimes begin
//!    before the load.
//! 4. The load of a call that is dropped goes on. A panic of its loader is reported to that call only.
//! 5. An outage of the store is neither a miss nor a stampede: [`OnOutage`] says what happens.
//! 6. A near copy never outlives its entry.
//!
//! The first needs a store whose reads are consistent (not `reads=eventual` on DynamoDB) and that keeps
//! acknowledged writes. [`OnOutage::ServeStale`] excepts near copies from it during an outage. The loads of an
//! outage are no part of the second.
//!
//! With [`Coordination::ThisProcess`], for stores without conditions, the first two hold within a process only.
//!
//! # How it works
//!
//! A key is one entry of the store. A call that finds none puts a claim there, which expires after the load
//! timeout. It loads, and replaces the claim with the value, on the condition that the claim is still there. An
//! invalidation deletes the entry, claim or value. So a load that began before it cannot store its value, and a
//! call that begins after it finds no claim that it could wait for. A stale value is replaced on the condition
//! that it has not changed; a claim beside it keeps others from loading too.
//!
//! Tags and `clear` work by generations: entries with random content, which a value names as they were before
//! its load. An invalidation deletes the generation.
//!
//! Loads are tasks of Tokio, so calls that may load need its runtime.
//!
//! # Who sees what, and for how long
//!
//! | after the return of | this process | another process | another process with a near cache |
//! |---|---|---|---|
//! | `insert`, `invalidate`, `invalidate_tag`, `clear` | at once | at once | after its maximum staleness at the latest |
//! | a load that refreshed a stale value | at once, with a near cache as soon as the copy is stale | at once | as soon as its copy is stale |
//! | the deadline of the entry | at once | at once | at once |
//!
//! With [`Cache::follow_changes`], another process also removes its near copies when it hears of the change,
//! which is mostly within milliseconds.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `metrics` | counters by the crate `metrics`: `ttl_cache_requests_total`, `ttl_cache_loads_total`, `ttl_cache_waits_total`, `ttl_cache_unstored_total`, `ttl_cache_unreadable_total`, `ttl_cache_outages_total`, `ttl_cache_near_evictions_total`, and the gauges `ttl_cache_near_entries` and `ttl_cache_near_bytes`, with the labels `cache` (the name) and `result` |
//! | `memoize` | the attribute `memoize`, which caches the results of a function, and its `MemoKey` |

mod answer;
mod batch;
mod batch_load;

mod builder;
mod cache;
mod changes;
mod claims;
mod core;
mod envelope;
mod epochs;
mod error;
mod fill;
mod flights;
mod follow;
mod follower;
mod generations;
mod key;
mod load;
mod loaded;
mod loads;
#[cfg(feature = "memoize")]
mod memo;
mod near;
mod options;
mod read;
mod runtime;
mod settings;
mod stats;
mod sync;
mod watch;
mod watches;

#[cfg(feature = "memoize")]
#[doc = include_str!("memoize.md")]
pub use ttl_cache_macros::memoize;

pub use self::builder::CacheBuilder;
pub use self::cache::Cache;
pub use self::error::{CacheError, LoaderError};
pub use self::loaded::{LoadContext, Loaded};
#[cfg(feature = "memoize")]
pub use self::memo::MemoKey;
pub use self::options::LoadOptions;
pub use self::settings::{Coordination, Near, OnOutage};
pub use self::stats::Stats;

/// What the macro `memoize` generates calls of. It may change in any version.
#[cfg(feature = "memoize")]
#[doc(hidden)]
pub mod __private {
    pub use ttl_core::{Result, Ttl};

    pub use crate::memo::{Keep, find, find_some, get, key, name};
}
