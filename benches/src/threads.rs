//! Measures an operation of a contestant on one thread or several.

use std::sync::Barrier;
use std::thread;

use ttl_core::Key;

use crate::peers::{Operation, Peer};
use crate::rounds::Sample;

/// Runs the operation on one thread for each list of keys, and returns the mean time of an operation on a thread.
///
/// # Panics
/// If not all keys had an entry, unless `hits` is false; then, if one had.
#[must_use]
pub fn measure(peer: &dyn Peer, operation: Operation, keys: &[Vec<Key>], value: &[u8], hits: bool) -> Sample {
    let one = |keys: &[Key]| {
        let mut found = 0;
        let sample = Sample::of_thread(keys.len(), || found = peer.run(operation, keys, value));
        assert_eq!(found, if hits { keys.len() } else { 0 }, "{}: {operation:?}", peer.name());
        sample
    };
    if let [keys] = keys {
        return one(keys);
    }
    let start = Barrier::new(keys.len());
    thread::scope(|scope| {
        let run = |keys| {
            let (start, one) = (&start, &one);
            move || {
                start.wait();
                one(keys)
            }
        };
        let threads: Vec<_> = keys.iter().map(|keys| scope.spawn(run(keys))).collect();
        let samples = threads.into_iter().map(|thread| thread.join().expect("the thread ends"));
        Sample::mean(&samples.collect::<Vec<_>>())
    })
}
