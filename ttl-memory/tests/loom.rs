//! The state of an entry under every order of its readers' steps: the driver's own file, with loom's atomics.

use std::sync::Arc;

use loom::thread;

mod sync {
    pub(crate) use loom::sync::atomic::AtomicU64;
}

#[allow(dead_code, unreachable_pub)]
#[path = "../src/engine/state.rs"]
mod state;

use state::{State, Word};

/// A read that refreshes, as a get does. It is decided at `now`; another reader's clock may be ahead.
fn refresh(state: &State, now: u64, ttl: u64) -> bool {
    state.update(|word| {
        if word.deadline() <= now {
            return (word.with_deadline(0), false);
        }
        (word.with_deadline(word.deadline().max(now + ttl)), true)
    })
}

/// A read that does not refresh.
fn read(state: &State, now: u64) -> bool {
    state.update(|word| {
        let live = word.deadline() > now;
        (if live { word.with(Word::SHARED) } else { word.with_deadline(0) }, live)
    })
}

#[test]
fn two_refreshes_leave_the_later_deadline() {
    loom::model(|| {
        let state = Arc::new(State::new(Word::new(100)));
        let other = Arc::clone(&state);
        let reader = thread::spawn(move || refresh(&other, 50, 200));
        assert!(refresh(&state, 60, 100));
        assert!(reader.join().unwrap());
        assert_eq!(state.load().deadline(), 250);
    });
}

#[test]
fn who_was_seen_dead_is_not_revived() {
    loom::model(|| {
        let state = Arc::new(State::new(Word::new(100)));
        let other = Arc::clone(&state);
        // Its clock was read just before the deadline.
        let late = thread::spawn(move || refresh(&other, 99, 100));
        let seen = read(&state, 100);
        let again = read(&state, 101);
        let refreshed = late.join().unwrap();
        assert!(seen || !again, "seen dead, then alive");
        assert!(seen || !refreshed, "refreshed after it was seen dead");
        assert_eq!(state.load().deadline(), if refreshed { 199 } else { 0 });
    });
}

#[test]
fn a_note_does_not_undo_a_refresh() {
    loom::model(|| {
        let state = Arc::new(State::new(Word::new(100).with_slot(7)));
        let other = Arc::clone(&state);
        let reader = thread::spawn(move || read(&other, 50));
        assert!(refresh(&state, 50, 100));
        assert!(reader.join().unwrap());
        let word = state.load();
        assert_eq!((word.deadline(), word.slot()), (150, 7));
        assert!(word.has(Word::SHARED));
    });
}
