//! The processor time of this thread and of this process.

use std::time::Duration;

/// Returns the processor time that this thread has used. Other processes do not add to it.
#[must_use]
pub fn thread_cpu() -> Duration {
    read(Of::Thread)
}

/// Returns the processor time that all threads of this process have used.
#[must_use]
pub fn process_cpu() -> Duration {
    read(Of::Process)
}

#[derive(Clone, Copy)]
enum Of {
    Thread,
    Process,
}

#[cfg(unix)]
fn read(of: Of) -> Duration {
    let id = match of {
        Of::Thread => rustix::time::ClockId::ThreadCPUTime,
        Of::Process => rustix::time::ClockId::ProcessCPUTime,
    };
    let time = rustix::time::clock_gettime(id);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The wall clock, on systems without clocks of processor time.
#[cfg(not(unix))]
fn read(_of: Of) -> Duration {
    static START: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    START.elapsed()
}
