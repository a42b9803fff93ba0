//! The near copies of the obvious cache: a map in memory.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use parking_lot::Mutex;

/// Texts and the instants at which they end. `None` means never.
pub(crate) type Copies = Arc<Mutex<HashMap<String, (String, Option<SystemTime>)>>>;

/// Returns the copy that has not ended.
pub(crate) fn copy_of(copies: &Copies, key: &str, now: SystemTime) -> Option<String> {
    let copies = copies.lock();
    let (text, end) = copies.get(key)?;
    end.is_none_or(|end| now < end).then(|| text.clone())
}

/// Messages between processes: each removes the near copies of a key. The connection can be lost.
#[derive(Default)]
pub(crate) struct Bus {
    lost: AtomicBool,
    members: Mutex<Vec<Copies>>,
}

impl Bus {
    pub(crate) fn join(&self, copies: &Copies) {
        self.members.lock().push(Arc::clone(copies));
    }

    pub(crate) fn send(&self, key: &str) {
        if !self.lost.load(Ordering::SeqCst) {
            self.members.lock().iter().for_each(|copies| drop(copies.lock().remove(key)));
        }
    }

    pub(crate) fn lose_connection(&self) {
        self.lost.store(true, Ordering::SeqCst);
    }
}
