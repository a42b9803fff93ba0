//! The contract of ttl-store: the trait, its vocabulary, its errors and its clock.
//!
//! Programs depend on the crate `ttl-store`, which re-exports this one. Whoever writes a driver depends on this
//! crate alone: it does no I/O and knows no runtime.
//!
//! | to | see |
//! |---|---|
//! | hold or implement a store | [`TtlStore`], as `Arc<dyn TtlStore>` |
//! | name and hold what is stored | [`Key`]; [`Value`]: a blob, or a [`Record`] of JSON fields in normal form |
//! | say how long it lives | [`Ttl`], [`Expiry`], [`Lifespan`]; a store reports a [`Deadline`] |
//! | let use prolong life | [`RefreshPolicy`] on [`Actions`], resolved to the [`Refresh`] of one call |
//! | change fields in place | [`Patch`] |
//! | write under a condition | [`Condition`], [`Version`]; every such write answers an [`Outcome`] |
//! | know what an operation means | [`rules`]: the contract as pure functions |
//! | know what a store can do | [`Capabilities`] |
//! | know what went wrong and what to do | [`Error`], [`ErrorKind`] |
//! | read the options of a store's URL | [`driver::QueryOptions`] |
//! | write a driver | [`CasBackend`] and [`CasStore`], which turn three methods into a whole store |
//! | wrap a store | [`forward_ttl_store!`] |
//! | decide what time it is | [`Clock`], and a [`ManualClock`] for tests |
//!
//! # A driver in three methods
//!
//! This is a complete store, and it passes the conformance suite. A cell knows nothing of expiry: it loads, it
//! compares and swaps, it lists.
//!
//! ```
#![doc = include_str!("../examples/toy/mod.rs")]
//!
//! # use std::sync::Arc;
//! # use ttl_core::*;
//! # fn main() {
//! let store: Arc<dyn TtlStore> = Arc::new(CasStore::new(Toy::default()));
//! # let _ = store;
//! # }
//! ```
//!
//! # From there to a real driver
//!
//! 1. Write the cell: lay out a [`Stored`] in your backend, and choose a stamp that its conditional write can
//!    compare. Turn what cannot be decoded into [`ErrorKind::Corrupt`], never into a miss.
//! 2. Declare in [`Capabilities`] what your store promises: its name, its resolution, the largest value.
//! 3. Map the backend's errors in one place: [`ErrorKind::Unavailable`] if nothing was sent,
//!    [`ErrorKind::OutcomeUnknown`] if a write may have been applied. Leave secrets out of the text.
//! 4. Run the conformance suite. Everything that follows only saves round trips.
//! 5. Put the [`CasStore`] into a struct of your own, implement [`TtlStore`] for it, write the operations that your
//!    backend does in one trip, and forward the others by [`forward_ttl_store!`]. What you write asks the `check_`
//!    methods of [`Capabilities`] before any I/O, and means what [`rules`] says.
//!
//! # Features
//!
//! None. `serde_json` may be built with any of its own: the normal form of records does not depend on them.

mod actions;
mod bounds;
mod capabilities;
mod cas_backend;
mod cas_store;
mod clock;
mod cursor;
mod deadline;
pub mod driver;
mod error;
mod finite;
mod forward;
mod json;
mod key;
mod misfit;
mod options;
mod outcome;
mod patch;
mod policy;
mod projection;
mod record;
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
pub use self::cas_backend::{CasBackend, Stored};
pub use self::cas_store::CasStore;
pub use self::clock::{Clock, ManualClock, MonotonicClock, SystemClock};
pub use self::cursor::{Cursor, CursorSecret};
pub use self::deadline::{Deadline, Expiry, Lifespan, Now};
pub use self::error::{Error, ErrorKind, Result};
pub use self::finite::{ReadBack, check_depth, check_json};
#[doc(hidden)]
pub use self::forward::BoxFuture;
pub use self::json::{MAX_DEPTH, field_text, parse_field_text};
pub use self::key::Key;
pub use self::misfit::Misfit;
pub use self::options::{
    Condition, Create, DeleteOptions, ExistingDeadline, ExpireOptions, ExpiryChange, GetOptions, Guard,
    PatchOptions, PutItem, PutOptions, ScanOptions,
};
pub use self::outcome::{Effect, Entry, ExpireResult, Outcome, Page, PageItem, PatchResult, PutResult};
pub use self::patch::{Amount, Change, FieldOperation, Patch};
pub use self::policy::{Refresh, RefreshMode, RefreshPolicy};
pub use self::projection::{Fields, Projection, Returning};
pub use self::record::{MAX_FIELD_NAME_BYTES, RESERVED_PREFIX, Record, check_field_name};
pub use self::store::TtlStore;
pub use self::ttl::Ttl;
pub use self::value::{Kind, Value};
pub use self::version::Version;
