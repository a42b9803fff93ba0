//! Runs a driver's tests on a server that `main` owns, so that the server goes away before the process ends.

use std::{
    fmt,
    process::ExitCode,
    sync::{Arc, OnceLock},
};

use libtest_mimic::{Arguments, Completion, Trial};

use super::{Missing, Server, ServerKind, environment, required};

/// The server's URL, known from when the first trial runs.
///
/// Trials are made before there is a server: their names are needed to list them, and to say which are ignored when
/// there is none.
#[derive(Clone)]
pub struct ServerUrl(Arc<OnceLock<String>>);

impl ServerUrl {
    /// The URL.
    ///
    /// # Panics
    /// When it is called while trials are made, rather than inside of one that runs.
    #[must_use]
    pub fn url(&self) -> &str {
        self.0.get().expect("the server's URL is known only inside of a running trial")
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServerUrl").field(&self.0.get()).finish()
    }
}

/// An asynchronous test as a trial: it passes if it ends without a panic. Each has a multi-thread runtime of its own.
pub fn trial(name: impl Into<String>, test: impl Future<Output = ()> + Send + 'static) -> Trial {
    Trial::test(name, || {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(test);
        Ok(())
    })
}

/// The `main` of a test target with `harness = false`: makes the trials, starts the server, runs them as `cargo test`'s
/// arguments say and removes the server, whatever came of them.
///
/// No server is started to list trials, nor when the arguments select none. Without a server all that are selected are
/// reported as ignored and one line says why; with `TTL_TEST_REQUIRE=1` that line is an error and the run fails.
///
/// For a container whose clients need something in the environment, such as credentials, the process is started again
/// with what is not set: call this before anything else that should not happen twice.
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
    // Held to the end of this function: dropping it removes the container.
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

/// The same trial, not to be run, not even with `--include-ignored`.
fn ignored(trial: &Trial) -> Trial {
    let same = Trial::ignorable_test(trial.name(), || Ok(Completion::ignored()));
    same.with_kind(trial.kind()).with_ignored_flag(trial.has_ignored_flag())
}

/// Test output is kept and passed on, so it must not hold a password.
pub(super) fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://...@{rest}"),
        _ => url.to_owned(),
    }
}
