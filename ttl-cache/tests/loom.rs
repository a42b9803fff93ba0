//! Near copies and invalidations in every order of their steps: the crate's own file, with loom's atomics. When an
//! invalidation has ended, no copy of the old value is valid.

use std::sync::Arc;

use loom::sync::Mutex;
use loom::thread;
use ttl_core::Key;

mod sync {
    pub(crate) use loom::sync::atomic::AtomicU64;
}

#[allow(dead_code, unreachable_pub, reason = "the test uses a part of the file")]
#[path = "../src/epochs.rs"]
mod epochs;

use epochs::{Epochs, Stamp};

/// A store with one value, and the near copy of it.
struct World {
    epochs: Epochs,
    stored: Mutex<&'static str>,
    copy: Mutex<Option<(Stamp, &'static str)>>,
    key: Key,
}

impl World {
    fn new() -> Arc<Self> {
        let key = Key::new("k").unwrap();
        let epochs = Epochs::with_slots(1);
        Arc::new(Self { epochs, stored: Mutex::new("old"), copy: Mutex::new(None), key })
    }

    /// Reads the value and keeps a copy, as a call does.
    fn read(&self, tags: &[&'static str]) {
        let mark = self.epochs.mark(&self.key);
        let value = *self.stored.lock().unwrap();
        if let Some(stamp) = self.epochs.stamp(&mark, tags.iter().copied()) {
            *self.copy.lock().unwrap() = Some((stamp, value));
        }
    }

    /// Fails if a call would return a copy of the old value.
    fn check(&self) {
        let copy = self.copy.lock().unwrap();
        let old = copy.as_ref().is_some_and(|(stamp, value)| *value == "old" && self.epochs.confirm(stamp));
        assert!(!old, "a copy of the old value is valid");
    }
}

fn explore(tags: &'static [&'static str], invalidate: fn(&World)) {
    loom::model(move || {
        let world = World::new();
        let reader = {
            let world = Arc::clone(&world);
            thread::spawn(move || world.read(tags))
        };
        *world.stored.lock().unwrap() = "new";
        invalidate(&world);
        world.check();
        reader.join().unwrap();
        world.check();
    });
}

#[test]
fn a_change_of_the_key_ends_the_copies_of_all_reads_before_it() {
    explore(&[], |world| world.epochs.change_key(&world.key));
}

#[test]
fn a_change_of_a_tag_does_too() {
    explore(&["t"], |world| world.epochs.change_tag("t"));
}

#[test]
fn a_change_of_everything_does_too() {
    explore(&["t"], |world| world.epochs.change_all());
}

#[test]
#[should_panic(expected = "a copy of the old value is valid")]
fn a_change_before_the_write_is_not_enough() {
    loom::model(|| {
        let world = World::new();
        let reader = {
            let world = Arc::clone(&world);
            thread::spawn(move || world.read(&[]))
        };
        world.epochs.change_key(&world.key);
        *world.stored.lock().unwrap() = "new";
        reader.join().unwrap();
        world.check();
    });
}
