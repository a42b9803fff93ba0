//! Items for the authors of drivers, which applications do not need.
//!
//! | task | item |
//! |---|---|
//! | write a driver in three methods | [`CasBackend`], [`CasStore`], [`Stored`] |
//! | run a program without a store | [`NullStore`] |
//! | add operation, backend and key to errors | [`Context`] |
//! | parse the options of a store's URL | [`QueryOptions`], [`percent_decode`] |
//! | run the items of a batch at the same time, and those of one key in order | [`each`] |
//! | retry after a conflict | [`MAX_ATTEMPTS`], [`back_off`], [`contention`] |
//! | refresh an entry only after it was decoded | [`DeferredRefresh`], [`RefreshStep`] |
//! | distinguish the outcomes of a failed write | [`WriteFailure`] |
//! | report changes, or refuse to | [`change_buffer`], [`unsupported_changes`] |
//! | read the operations of a patch | [`FieldOperation`], [`Change`], [`Amount`] |
//! | store a field as text | [`field_text`], [`parse_field_text`], [`check_field_name`] |
//! | hold the clock of a configuration | [`SharedClock`] |
//! | check a name that is a part of keys | [`check_name`] |
//! | limit the time of a future, on any runtime | [`within`] |
//! | hold an instant in whole milliseconds | [`Now`] |

mod attempt;
mod batch;
mod cas_backend;
mod cas_store;
mod change_buffer;
mod context;
mod deferred_refresh;
mod name;
mod null_store;
mod query;
mod shared_clock;
mod sync_store;
mod within;

pub use self::attempt::{MAX_ATTEMPTS, WriteFailure, back_off, contention};
pub use self::batch::each;
pub use self::cas_backend::CasBackend;
pub use self::cas_store::CasStore;
pub use self::change_buffer::{ChangeReceiver, ChangeSender, change_buffer};
pub use self::context::Context;
pub use self::deferred_refresh::{DeferredRefresh, RefreshStep};
pub use self::name::check_name;
pub use self::null_store::NullStore;
pub use self::query::{QueryOptions, percent_decode};
pub use self::shared_clock::SharedClock;
pub use self::sync_store::SyncStore;
pub use self::within::within;
pub use crate::changes::unsupported_changes;
pub use crate::deadline::Now;
pub use crate::field_name::{MAX_FIELD_NAME_BYTES, RESERVED_PREFIX, check_field_name};
#[doc(hidden)]
pub use crate::forward::BoxFuture;
pub use crate::json::{field_text, parse_field_text};
pub use crate::patch::{Amount, Change, FieldOperation};
pub use crate::rules::Stored;
