//! Reports calls that have not returned while they are still running. There is no other way to detect a store
//! that blocks its thread.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// The time after which a running call is reported.
const LONG: Duration = Duration::from_secs(10);

/// The interval between checks of the running calls.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Running {
    since: Instant,
    operation: &'static str,
    case: String,
    named: bool,
}

#[derive(Debug, Default)]
struct Watch {
    next: u64,
    running: BTreeMap<u64, Running>,
}

/// A running call. Dropping the value marks the call as ended.
#[derive(Debug)]
pub(crate) struct Watched(u64);

impl Drop for Watched {
    fn drop(&mut self) {
        watch().lock().running.remove(&self.0);
    }
}

/// Records that a case makes this call.
pub(crate) fn begin(case: &str, operation: &'static str) -> Watched {
    let mut watch = watch().lock();
    let number = watch.next;
    watch.next += 1;
    let running = Running { since: Instant::now(), operation, case: case.to_owned(), named: false };
    watch.running.insert(number, running);
    Watched(number)
}

fn watch() -> &'static Mutex<Watch> {
    static WATCH: OnceLock<Mutex<Watch>> = OnceLock::new();
    WATCH.get_or_init(|| {
        // Without the thread no call is reported, and nothing else changes.
        let _ = thread::Builder::new().name("ttl-conformance watch".to_owned()).spawn(look);
        Mutex::default()
    })
}

fn look() {
    loop {
        thread::sleep(LOOK);
        for text in notices(&mut watch().lock(), Instant::now()) {
            notice(&text);
        }
    }
}

/// Returns the texts about calls that exceed the time and were not reported before.
fn notices(watch: &mut Watch, now: Instant) -> Vec<String> {
    let long = watch.running.values_mut().filter(|call| !call.named && now - call.since > LONG);
    long.map(|call| {
        call.named = true;
        format!("{}: `{}` has not returned for {LONG:?}", call.case, call.operation)
    })
    .collect()
}

/// Writes a line to standard error directly, so that the test runner does not capture it.
pub(crate) fn notice(text: &str) {
    // There is no other place to report a failed write.
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_call_is_named_once() {
        let start = Instant::now();
        let call = |operation| Running { since: start, operation, case: "group::name".into(), named: false };
        let mut watch = Watch { next: 1, running: BTreeMap::from([(0, call("delete"))]) };
        assert!(notices(&mut watch, start + LONG).is_empty());
        let named = notices(&mut watch, start + LONG * 2);
        assert_eq!(named, ["group::name: `delete` has not returned for 10s"]);
        assert!(notices(&mut watch, start + LONG * 3).is_empty());
    }

    #[test]
    fn a_call_that_returned_is_forgotten() {
        let call = begin("group::name", "get");
        let number = call.0;
        assert!(super::watch().lock().running.contains_key(&number));
        drop(call);
        assert!(!super::watch().lock().running.contains_key(&number));
    }
}
