//! The contract of ttl-store: the trait, its vocabulary, its errors and its clock.
//!
//! Programs depend on the crate `ttl-store`, which re-exports this one. Whoever writes a driver depends on this
//! crate alone: it does no I/O and knows no runtime.
//!
//! * [`TtlStore`] is what a driver implements and a program holds as `Arc<dyn TtlStore>`.
//! * [`rules`] is the contract as pure functions: what each operation means.
//! * [`Cell`] and [`CellStore`] turn three methods into a whole store.
//! * [`Error`] and [`ErrorKind`] say what went wrong and what to do.
//!
//! # A driver in three methods
//!
//! This is a complete store, and it passes the conformance suite. A cell knows nothing of expiry: it loads, it
//! compares and swaps, it lists. A real driver starts like this and overrides single operations of [`TtlStore`]
//! where its backend saves a round trip.
//!
//! ```
#![doc = include_str!("../examples/toy/mod.rs")]
//!
//! # use std::sync::Arc;
//! # use ttl_core::*;
//! # fn main() {
//! let store: Arc<dyn TtlStore> = Arc::new(CellStore::new(Toy::default()));
//! # let _ = store;
//! # }
//! ```

mod actions;
mod capabilities;
mod cell;
mod cell_store;
mod clock;
mod cursor;
mod deadline;
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
mod record;
pub mod rules;
mod select;
mod store;
mod ttl;
mod value;
mod version;

#[doc(no_inline)]
pub use async_trait::async_trait;
#[doc(no_inline)]
pub use bytes::Bytes;

pub use self::actions::Actions;
pub use self::capabilities::Capabilities;
pub use self::cell::{Cell, Stored};
pub use self::cell_store::CellStore;
pub use self::clock::{Clock, ManualClock, MonotonicClock, SystemClock};
pub use self::cursor::Cursor;
pub use self::deadline::{Deadline, Expiry, Lifespan};
pub use self::error::{Error, ErrorKind, Result};
pub use self::finite::check_json;
#[doc(hidden)]
pub use self::forward::BoxFuture;
pub use self::json::{MAX_DEPTH, field_text, parse_field_text};
pub use self::key::Key;
pub use self::misfit::Misfit;
pub use self::options::{
    Condition, Create, DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, Guard, OnLive, PatchOptions,
    PutItem, PutOptions, ScanOptions,
};
pub use self::outcome::{Effect, Entry, ExpireOutcome, Meta, Outcome, Page, PatchOutcome};
pub use self::patch::{Amount, Change, FieldOperation, Patch};
pub use self::policy::{Refresh, RefreshMode, RefreshPolicy};
pub use self::record::{MAX_FIELD_NAME_BYTES, RESERVED_PREFIX, Record, check_field_name};
pub use self::select::{Fields, Select, Want};
pub use self::store::TtlStore;
pub use self::ttl::Ttl;
pub use self::value::{Kind, Value};
pub use self::version::Version;
