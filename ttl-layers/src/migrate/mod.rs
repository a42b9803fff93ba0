//! The layer `Migrate`.

mod bring;
mod claim;
mod config;
mod reads;
mod scan;
mod store;
mod walk;
mod writes;

pub use self::config::Migrate;
pub use self::walk::{Migrated, Remaining};
