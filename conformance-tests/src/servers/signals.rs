//! Removes the running containers if a signal ends the process.
//!
//! The watchdog of `testcontainers` is similar. However, it knows a container only after its creation. If a
//! container has already been removed, it panics, and the signal no longer ends the process.

use std::{
    collections::BTreeSet,
    io, process,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{Signal, SignalKind, signal},
    time::timeout,
};

/// The time limit of a removal, so that a daemon that does not answer cannot keep the process from ending.
const PATIENCE: Duration = Duration::from_secs(10);

struct Watch {
    running: bool,
    names: BTreeSet<String>,
}

static WATCH: Mutex<Watch> = Mutex::new(Watch { running: false, names: BTreeSet::new() });

/// Registers the container with this name, so that a signal removes it, if it exists, and ends the process.
pub(super) fn remove_on_signal(name: &str) -> io::Result<()> {
    let mut watch = watch();
    if !watch.running {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let signals = {
            let _inside = runtime.enter();
            [
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
                signal(SignalKind::quit())?,
                signal(SignalKind::hangup())?,
            ]
        };
        thread::Builder::new().name("server-signals".to_owned()).spawn(move || wait(&runtime, signals))?;
        watch.running = true;
    }
    watch.names.insert(name.to_owned());
    Ok(())
}

/// Removes the registration of the container with this name.
pub(super) fn forget(name: &str) {
    watch().names.remove(name);
}

fn watch() -> MutexGuard<'static, Watch> {
    WATCH.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait(runtime: &Runtime, [mut int, mut term, mut quit, mut hup]: [Signal; 4]) {
    let number = runtime.block_on(async {
        tokio::select! {
            _ = int.recv() => 2,
            _ = term.recv() => 15,
            _ = quit.recv() => 3,
            _ = hup.recv() => 1,
        }
    });
    // A copy, because the lock would block a concurrent drop.
    let names = watch().names.clone();
    runtime.block_on(async {
        for name in names {
            match timeout(PATIENCE, super::daemon::remove(&name)).await {
                Ok(Ok(())) => {}
                Ok(Err(why)) => eprintln!("The container {name} could not be removed: {why}"),
                Err(_) => eprintln!("The container {name} could not be removed within {PATIENCE:?}"),
            }
        }
    });
    process::exit(128 + number);
}
