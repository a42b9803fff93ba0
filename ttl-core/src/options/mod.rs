//! What each operation takes beside the key: one struct an operation, which can grow without breaking callers.

mod change;
mod put;
mod read;

pub use self::change::{Create, DeleteOptions, ExpireOptions, ExpiryChange, Guard, PatchOptions};
pub use self::put::{Condition, ExistingDeadline, PutItem, PutOptions};
pub use self::read::{GetOptions, ScanOptions};
