//! Layers for the stores of ttl-store.
//!
//! A layer wraps any [`TtlStore`](ttl_core::TtlStore) and is one. [`LayerExt::layer`] puts it around a store:
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//! use ttl_core::{Ttl, TtlStore};
//! use ttl_layers::{CircuitBreaker, ClampTtl, LayerExt, LimitSize, Prefix, Retry, Timeout};
//! use ttl_memory::MemoryStore;
//!
//! # fn main() -> ttl_core::Result<()> {
//! let (breaker, retry) = (CircuitBreaker::new(), Retry::new());
//! let store: Arc<dyn TtlStore> = Arc::new(MemoryStore::default())
//!     .layer(Prefix::new("tenant-7:"))?
//!     .layer(LimitSize::new(1 << 20))?
//!     .layer(ClampTtl::new().with_max(Ttl::days(30)))?
//!     .layer(Timeout::new(Duration::from_secs(2)))? // for each attempt
//!     .layer(&breaker)?
//!     .layer(&retry)?;
//! assert_eq!(store.capabilities().max_value_bytes, 1 << 20);
//! assert_eq!(retry.counts().retries, 0);
//! # Ok(())
//! # }
//! ```
//!
//! # The layers
//!
//! The table lists the recommended order from the outside to the inside: the first layer sees a call first.
//! Apply them in the reverse order, as above.
//!
//! | layer | what it does | cost |
//! |---|---|---|
//! | [`ReadOnly`] | refuses every write | none |
//! | [`FailOpen`] | hides outages from caches | an extra copy of a put's options |
#![cfg_attr(
    feature = "observe",
    doc = "| [`Observe`] | makes a span and metrics of every call (feature `observe`) | two lookups in the recorder, or more; the serialization of a record |"
)]
//! | [`Fallback`] | uses a second store during an outage | a short lock for each write, and a request to the second store after an outage |
//! | [`Timeout`] | limits a call with all of its attempts | a timer for a call that waits |
//! | [`Retry`] | repeats calls after temporary errors, within a budget | copies of options, and of the keys of `put_many` |
//! | [`CircuitBreaker`] | stops calling a backend that is out | two short locks |
//! | [`Timeout`] | limits each attempt | as above |
//! | [`Jitter`] | spreads deadlines | the hash of a key |
//! | [`ClampTtl`] | holds deadlines within bounds | none; a second request for an extension beyond the maximum |
//! | [`LimitSize`] | limits the size of values | the serialization of a record |
//! | [`Prefix`] | separates the keys of several users of a store | an allocation for each key |
//! | [`Migrate`] | moves entries from an old store, while programs use them | a request to the old store for each miss and each write |
//! | `Compress` | compresses large values | the compression; a second request for patches, takes and refreshes that are due |
//! | `Encrypt` | encrypts values, and hashes keys if so configured | the encryption; further requests as for `Compress` |
//!
//! The order matters:
//!
//! * `FailOpen` and `Fallback` above the layers that handle outages: they replace what those layers report. An
//!   open circuit leads to the second store at once.
//! * `Observe` where it should measure: below `FailOpen` it sees outages as errors, and below `Retry` it sees
//!   each attempt.
//! * `Retry` above `CircuitBreaker`: an open circuit also stops repetitions, which then send nothing. The other
//!   way around, the circuit counts a call with all of its attempts as one outage.
//! * `CircuitBreaker` above `Timeout`: a late call counts as an outage, and a probe always ends.
//! * `Jitter` above `ClampTtl`, if the maximum must hold with the spread.
//! * `LimitSize`, `ClampTtl` and `Prefix` refuse or change input without a request. Below the others or above
//!   them, the results are the same.
//! * `Migrate` next to the new store, with the layers of each store below it. The layers above it apply to both
//!   stores.
//! * `Compress` above `Encrypt`: encrypted values do not compress, so the other order is refused. `Prefix` above
//!   `Encrypt`: an encrypted value is then bound to its prefix too.
//!
//! Every layer forwards all methods, batches as batches, and keeps the contract. Each documents its
//! exceptions. The capabilities of a store with layers are those that the layers leave.
//!
//! An invalid setting is [`ErrorKind::InvalidConfig`](ttl_core::ErrorKind::InvalidConfig), returned by
//! `layer` before anything is sent. The text names the setting.
//!
//! # Your own layer
//!
//! Implement [`Layer`] for your settings. Forward the methods that you do not change with
//! [`forward_ttl_store!`](ttl_core::forward_ttl_store).
//!
//! # Features
//!
//! None is enabled by default. No layer needs an async runtime.
//!
//! | feature | adds |
//! |---|---|
//! | `compress-gzip` | `Compress` with gzip, in pure Rust |
//! | `compress-zstd` | `Compress` with zstd, which needs a C compiler |
//! | `encrypt` | `Encrypt`, in pure Rust |
//! | `observe` | `Observe`, which brings the crate `metrics` |

mod batch;
mod circuit_breaker;
mod clamp_ttl;
#[cfg(any(feature = "compress-gzip", feature = "compress-zstd"))]
mod compress;
#[cfg(feature = "encrypt")]
mod encrypt;
mod fail_open;
mod fallback;
mod jitter;
mod layer;
mod limit_size;
mod migrate;
#[cfg(feature = "observe")]
mod observe;
mod outage;
mod prefix;
mod read_only;
mod retry;
mod timeout;
#[cfg(any(feature = "compress-gzip", feature = "compress-zstd", feature = "encrypt"))]
mod translate;

pub use self::circuit_breaker::{CircuitBreaker, CircuitState};
pub use self::clamp_ttl::{ClampTtl, PersistentEntries};
#[cfg(any(feature = "compress-gzip", feature = "compress-zstd"))]
pub use self::compress::Compress;
#[cfg(feature = "encrypt")]
pub use self::encrypt::{Encrypt, Keyring, ReEncrypt, ReEncrypted};
pub use self::fail_open::{FailOpen, FailOpenCounts};
pub use self::fallback::{Fallback, FallbackCounts, SecondaryScope};
pub use self::jitter::{InstantExpiries, Jitter};
pub use self::layer::{Layer, LayerExt};
pub use self::limit_size::{GrowingPatches, LimitSize};
pub use self::migrate::{Migrate, Migrated, Remaining};
#[cfg(feature = "observe")]
pub use self::observe::{KeysInSpans, MeasuredValues, Observe};
pub use self::prefix::Prefix;
pub use self::read_only::ReadOnly;
pub use self::retry::{Retry, RetryCounts};
pub use self::timeout::Timeout;
