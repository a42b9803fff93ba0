//! Runs a driver's tests on a server that `main` owns, so that the server is removed before the process ends.

use std::{
    fmt,
    process::ExitCode,
    sync::{Arc, OnceLock},
};

use libtest_mimic::{Arguments, Completion, Trial};

use super::{Missing, Server, ServerKind, environment, required};

/// The server's URL, which is available once the first trial runs.
///
/// Trials are created before the server exists, because their names are needed to list them, and to report
/// them as ignored if there is no server.
#[derive(Clone)]
pub struct ServerUrl(Arc<OnceLock<String>>);

impl ServerUrl {
    /// Returns the URL.
    ///
    /// # Panics
    /// If it is called while trials are created, and not inside a running trial.
    #[must_use]
    pub fn url(&self) -> &str {
        self.0.get().expect("the server's URL is available only inside a running trial")
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServerUrl").field(&self.0.get()).finish()
    }
}

/// Creates a trial from an asynchronous test, which passes if it ends without a panic. Each trial has its own
/// multi-thread runtime.
pub fn trial(name: impl Into<String>, test: impl Future<Output = ()> + Send + 'static) -> Trial {
    Trial::test(name, || {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(test);
        Ok(())
    })
}

/// Runs a test target with `harness = false`; call it from `main`. It creates the trials, starts the server,
/// runs the trials that the arguments of `cargo test` select, and removes the server, whatever the result.
///
/// No server is started to list trials, or if the arguments select none. Without a server, the selected
/// trials are reported as ignored, with one line that states the reason. With `TTL_TEST_REQUIRE=1` that line
/// is an error, and the run fails.
///
/// If a server in a container requires environment variables, such as credentials, that are not set, the
/// process is restarted with them. Call this function before any action that must not happen twice.
pub fn run_tests(kind: ServerKind, trials: impl FnOnce(ServerUrl) -> Vec<Trial>) -> ExitCode {
    let arguments = Arguments::from_args();
    let url = ServerUrl(Arc::default());
    let trials = trials(url.clone());

    let selected = |trial: &Trial| !arguments.is_filtered_out(trial) && !arguments.is_ignored(trial);
    if arguments.list || !trials.iter().any(selected) {
        return libtest_mimic::run(&arguments, trials).exit_code();
    }
    if let Err(end) = environment::complete(kind) {
        return end;
    }
    // Kept until the end of this function: dropping it removes the container.
    let server = match Server::start(kind) {
        Ok(server) => server,
        Err(missing) if required() => {
            eprintln!("error: {missing} (TTL_TEST_REQUIRE=1 makes this a failure)");
            return ExitCode::from(101);
        }
        Err(missing) => {
            say_ignored(&missing);
            return libtest_mimic::run(&arguments, trials.iter().map(ignored).collect()).exit_code();
        }
    };
    println!(
        "{kind} for these tests: {} ({})",
        without_password(server.url()),
        if server.is_container() { "a container of their own".to_owned() } else { kind.url_variable() }
    );
    url.0.get_or_init(|| server.url().to_owned());
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn say_ignored(missing: &Missing) {
    println!("ignored: {missing}; `./scripts/test` finds or starts one");
}

/// Returns the same trial, which is never run, not even with `--include-ignored`.
fn ignored(trial: &Trial) -> Trial {
    let same = Trial::ignorable_test(trial.name(), || Ok(Completion::ignored()));
    same.with_kind(trial.kind()).with_ignored_flag(trial.has_ignored_flag())
}

/// Returns the URL without its credentials. Test output is stored and shared, so it must not contain a
/// password.
pub(super) fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://...@{rest}"),
        _ => url.to_owned(),
    }
}
