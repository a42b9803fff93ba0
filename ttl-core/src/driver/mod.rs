//! Items for the authors of drivers, which applications do not need.
//!
//! | task | item |
//! |---|---|
//! | write a driver in three methods | [`CasBackend`], [`CasStore`], [`Stored`] |
//! | add operation, backend and key to errors | [`Context`] |
//! | parse the options of a store's URL | [`QueryOptions`], [`percent_decode`] |
//! | run the items of a batch at the same time, and those of one key in order | [`each`] |
//! | retry after a conflict | [`MAX_ATTEMPTS`], [`back_off`], [`contention`] |
//! | state what is known of a failed write | [`WriteFailure`] |

mod attempt;
mod batch;
mod cas_backend;
mod cas_store;
mod context;
mod query;

pub use self::attempt::{MAX_ATTEMPTS, WriteFailure, back_off, contention};
pub use self::batch::each;
pub use self::cas_backend::CasBackend;
pub use self::cas_store::CasStore;
pub use self::context::Context;
pub use self::query::{QueryOptions, percent_decode};
pub use crate::rules::Stored;
