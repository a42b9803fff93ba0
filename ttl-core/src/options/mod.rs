//! Options of each operation. Each has its own struct, which can gain fields without breaking callers.

mod change;
mod put;
mod read;

pub use self::change::{Create, DeleteOptions, ExpireOptions, ExpiryChange, Guard, PatchOptions};
pub use self::put::{Condition, ExistingDeadline, PutItem, PutOptions};
pub use self::read::{GetOptions, ScanOptions};
pub use crate::policy::Refresh;
pub use crate::projection::{Fields, Projection, Returning};
