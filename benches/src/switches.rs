//! Whether a thread was preempted during a call, or waited, on Linux.
//!
//! The kernel counts both kinds of switches in `/proc/thread-self/status`, which takes 10 us to read. It counts all turns
//! of the thread on a core in `schedstat`, which takes less than one. The latter is read before each call, and the former
//! only if there was a turn since it was last read, so that the counts before a call are always known.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};

/// The numbers of switches away from a thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    /// It had to wait, such as for a lock.
    voluntary: u64,
    /// Another thread had its turn.
    involuntary: u64,
}

impl Counts {
    fn parse(status: &str) -> Option<Self> {
        let count = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().parse().ok()
        };
        Some(Self {
            voluntary: count("voluntary_ctxt_switches:")?,
            involuntary: count("nonvoluntary_ctxt_switches:")?,
        })
    }

    /// Returns whether the thread was preempted since the earlier counts, and never waited.
    const fn only_preempted_since(self, earlier: Self) -> bool {
        self.involuntary > earlier.involuntary && self.voluntary == earlier.voluntary
    }
}

/// The files of a thread.
#[derive(Debug)]
struct Files {
    status: File,
    turns: File,
}

impl Files {
    fn open() -> Option<Self> {
        let open = |name: &str| File::open(format!("/proc/thread-self/{name}")).ok();
        Some(Self { status: open("status")?, turns: open("schedstat")? })
    }

    /// Returns how often the thread got a core.
    fn turns(&mut self) -> Option<u64> {
        read(&mut self.turns, &mut [0; 96]).ok()?.split_whitespace().nth(2)?.parse().ok()
    }

    fn counts(&mut self) -> Option<Counts> {
        Counts::parse(read(&mut self.status, &mut [0; 4_096]).ok()?)
    }
}

/// Reads a file of the kernel from its beginning, at once.
fn read<'a>(file: &mut File, buffer: &'a mut [u8]) -> io::Result<&'a str> {
    file.rewind()?;
    let length = file.read(buffer)?;
    std::str::from_utf8(&buffer[..length]).map_err(io::Error::other)
}

/// The switches of the thread that created it. Without the files of Linux, there is never one.
#[derive(Debug)]
pub struct Switches {
    files: Option<Files>,
    turns: Option<u64>,
    before: Option<Counts>,
}

impl Switches {
    /// Starts with the switches of this thread.
    #[must_use]
    pub fn of_this_thread() -> Self {
        Self { files: Files::open(), turns: None, before: None }
    }

    /// Notes the switches before a call.
    pub fn before_call(&mut self) {
        let Some(files) = &mut self.files else { return };
        let turns = files.turns();
        if turns.is_none() || turns != self.turns {
            self.before = files.counts();
            self.turns = turns;
        }
    }

    /// Returns whether this thread was preempted since `before_call`, and never waited.
    pub fn only_preempted(&mut self) -> bool {
        let now = self.files.as_mut().and_then(Files::counts);
        matches!((now, self.before), (Some(now), Some(before)) if now.only_preempted_since(before))
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_counts_are_read() {
        let status = "Name:\tx\nvoluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t3\n";
        assert_eq!(Counts::parse(status), Some(Counts { voluntary: 7, involuntary: 3 }));
        assert_eq!(Counts::parse(""), None);
    }

    #[test]
    fn a_call_that_also_waits_is_not_only_preempted() {
        let counts = |voluntary, involuntary| Counts { voluntary, involuntary };
        assert!(counts(7, 4).only_preempted_since(counts(7, 3)));
        assert!(!counts(8, 4).only_preempted_since(counts(7, 3)));
        assert!(!counts(8, 3).only_preempted_since(counts(7, 3)));
        assert!(!counts(7, 3).only_preempted_since(counts(7, 3)));
    }

    #[test]
    fn a_wait_is_no_preemption_even_after_fast_calls() {
        let mut switches = Switches::of_this_thread();
        for _ in 0..100 {
            switches.before_call();
        }
        // Another process may take the core at any time, but it does not make a wait a preemption.
        thread::yield_now();
        switches.before_call();
        thread::sleep(Duration::from_millis(1));
        assert!(!switches.only_preempted());
    }
}
