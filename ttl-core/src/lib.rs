//! The contract of ttl-store: the trait [`TtlStore`], its vocabulary, its errors and its clocks.
//!
//! Applications depend on the crate `ttl-store`, which re-exports the items that they need. Driver authors
//! depend on this crate alone. It performs no I/O and needs no async runtime.
//!
//! | task | item |
//! |---|---|
//! | hold or implement a store | [`TtlStore`], as `Arc<dyn TtlStore>` |
//! | name an entry, and hold its value | [`Key`]; [`Value`]: a blob, or a [`Record`] of JSON fields in normal form |
//! | set a lifetime | [`Ttl`], [`Expiry`], [`Lifespan`]; a store reports a [`Deadline`] |
//! | extend the lifetime with each use | [`RefreshPolicy`] on [`Actions`], resolved to the [`Refresh`] of one call |
//! | change fields in place | [`Patch`] |
//! | set the options of a call, and read its result | [`options`], [`results`], [`Entry`], [`Page`] |
//! | write under a condition | [`Condition`], [`Version`]; every such write returns an [`Outcome`] |
//! | look up the meaning of an operation | [`rules`]: the contract as pure functions |
//! | query the abilities of a store | [`Capabilities`] |
//! | drop copies of entries that another process changes | [`TtlStore::changes`], [`StoreChange`] |
//! | handle errors | [`Error`], [`ErrorKind`] |
//! | parse the options of a store's URL | [`driver::QueryOptions`] |
//! | write a driver | [`CasBackend`] and [`CasStore`], which turn three methods into a complete store; [`driver`] |
//! | encode values as blobs, and write a codec of your own | [`codec`] |
//! | wrap a store | [`forward_ttl_store!`] |
//! | supply the time | [`Clock`], and a [`ManualClock`] for tests |
//!
//! # A driver in three methods
//!
//! This is a complete store, and it passes the conformance suite. A [`CasBackend`] has no concept of expiry.
//! It loads, compares and swaps, and lists.
//!
//! ```
#![doc = include_str!("../examples/toy/mod.rs")]
//!
//! # use std::sync::Arc;
//! # use ttl_core::driver::CasStore;
//! # use ttl_core::*;
//! # fn main() {
//! let store: Arc<dyn TtlStore> = Arc::new(CasStore::new(Toy::default()));
//! # let _ = store;
//! # }
//! ```
//!
//! # From the example to a real driver
//!
//! 1. Implement [`CasBackend`]: encode a [`Stored`] for your backend, and choose a stamp that its conditional
//!    write can compare. Report undecodable data as [`ErrorKind::Corrupt`], never as a miss, and remove it in
//!    [`CasBackend::discard`](driver::CasBackend::discard).
//! 2. Declare in [`Capabilities`] what your store guarantees: its name, its resolution, the largest value.
//! 3. Map the backend's errors in one place: [`ErrorKind::Unavailable`] if nothing was sent,
//!    [`ErrorKind::OutcomeUnknown`] if a write may have been applied. Keep secrets out of the text.
//! 4. Run the conformance suite. The next step only saves round trips.
//! 5. Wrap the [`CasStore`] in your own struct and implement [`TtlStore`] for it. Write the operations that
//!    your backend can do in one round trip, and forward the others with [`forward_ttl_store!`]. Your own
//!    operations must call the `check_` methods of [`Capabilities`] before any I/O, and must follow
//!    [`rules`].
//!
//! # Features
//!
//! None. `serde_json` may be built with any of its features; the normal form of records does not depend on
//! them.
//!
//! [`Condition`]: options::Condition
//! [`CasBackend`]: driver::CasBackend
//! [`CasStore`]: driver::CasStore
//! [`Refresh`]: options::Refresh
//! [`Stored`]: driver::Stored

mod actions;
mod bounds;
mod capabilities;
mod changes;
mod clock;
pub mod codec;
mod cursor;
mod deadline;
pub mod driver;
mod error;
mod field_name;
mod finite;
mod forward;
mod json;
mod key;
pub mod options;
mod outcome;
mod patch;
mod policy;
mod projection;
mod record;
mod record_de;
pub mod results;
pub mod rules;
mod store;
mod ttl;
mod value;
mod version;

#[doc(no_inline)]
pub use async_trait::async_trait;
#[doc(no_inline)]
pub use bytes::Bytes;

pub use self::actions::Actions;
pub use self::bounds::Bounds;
pub use self::capabilities::Capabilities;
pub use self::changes::{ChangeStream, StoreChange};
pub use self::clock::{Clock, ManualClock, MonotonicClock, SystemClock};
pub use self::cursor::{Cursor, CursorSecret};
pub use self::deadline::{Deadline, Expiry, Lifespan};
pub use self::error::{Error, ErrorKind, Result};
pub use self::key::Key;
pub use self::outcome::{Effect, Entry, Outcome, Page, PageItem};
pub use self::patch::Patch;
pub use self::policy::{RefreshMode, RefreshPolicy};
pub use self::record::Record;
pub use self::store::TtlStore;
pub use self::ttl::Ttl;
pub use self::value::{Kind, Value};
pub use self::version::Version;
