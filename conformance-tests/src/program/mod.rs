//! The conformance suite as a program, which reports which clauses of the contract a store keeps.
//!
//! A driver outside of this workspace can provide the same program for its own URLs:
//!
//! ```no_run
//! use std::process::ExitCode;
//! use std::sync::Arc;
//! use ttl_conformance::program;
//! # #[derive(Debug)]
//! # struct MyHarness;
//! # impl MyHarness {
//! #     fn new(url: &str) -> ttl_core::Result<Self> { Ok(Self) }
//! # }
//! # #[ttl_core::async_trait]
//! # impl ttl_conformance::Harness for MyHarness {
//! #     async fn fresh(&self) -> ttl_core::Result<ttl_conformance::Fixture> { unimplemented!() }
//! # }
//!
//! fn main() -> ExitCode {
//!     program::main("mystore://HOST:PORT", |url| Ok(Arc::new(MyHarness::new(url)?)))
//! }
//! ```

mod args;
mod limited;
mod list;
mod report;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use args::{Args, Command, Run};
use limited::Limited;
use report::Report;
use ttl_core::Result;

use crate::{Case, Harness, all, run_all};

/// The exit status if the cases could not be run: invalid arguments, no such store, no server.
const CANNOT_RUN: u8 = 2;

/// Runs the suite according to the command line, and returns the exit status. `urls` describes the supported
/// URLs in `--help`; `harness` creates a harness from the given URL.
pub fn main(urls: &str, harness: impl FnOnce(&str) -> Result<Arc<dyn Harness>>) -> ExitCode {
    let args = match Args::read() {
        Ok(args) => args,
        Err(text) => return cannot_run(&text),
    };
    let mut cases = all();
    cases.retain(|case| args.filters.is_empty() || args.filters.iter().any(|filter| matches(case, filter)));
    if cases.is_empty() {
        return cannot_run("no case matches the filter; --list shows all cases");
    }
    match args.command {
        Command::Help => print!("{}", args::help(urls)),
        Command::List => print!("{}", list::cases(&cases)),
        Command::Clauses => print!("{}", list::clauses(&cases)),
        Command::Run(run) => return run_cases(cases, &run, harness),
    }
    ExitCode::SUCCESS
}

/// Returns whether the name of the case contains this text, or the text is one of its clauses.
fn matches(case: &Case, filter: &str) -> bool {
    format!("{case:?}").contains(filter)
        || case.clauses().iter().any(|clause| clause.eq_ignore_ascii_case(filter))
}

fn run_cases(
    cases: Vec<Case>,
    run: &Run,
    harness: impl FnOnce(&str) -> Result<Arc<dyn Harness>>,
) -> ExitCode {
    let harness = match harness(&run.url) {
        Ok(harness) => harness,
        Err(error) => return cannot_run(&chain(&error)),
    };
    let harness = Limited::around(harness, run.call_limit, run.time_limit);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return cannot_run(&format!("the runtime could not be started: {error}")),
    };
    runtime.block_on(async {
        let capabilities = match tokio::time::timeout(harness.call_limit(), reach(&harness)).await {
            Ok(Ok(capabilities)) => capabilities,
            Ok(Err(error)) => return cannot_run(&chain(&error)),
            Err(_) => {
                let limit = harness.call_limit();
                return cannot_run(&format!("the store did not answer its first call within {limit:?}"));
            }
        };
        // Only for the report: a server without a version is tested too.
        let server = harness.backend_version().await.unwrap_or_default().or_else(|| run.server.clone());
        let mut report = Report::new(capabilities, server, cases.len(), std::io::stderr().is_terminal());
        let stopped = Arc::new(AtomicBool::new(false));
        tokio::spawn(stop_on_ctrl_c(Arc::clone(&stopped)));
        let mut cases = cases.into_iter();
        let next = || if stopped.load(Ordering::Relaxed) { None } else { cases.next() };
        run_all(&harness, run.jobs, next, |ran| report.add(ran)).await;
        harness.finish().await;
        if let Some(path) = &run.json
            && let Err(error) = std::fs::write(path, report.json())
        {
            return cannot_run(&format!("cannot write {}: {error}", path.display()));
        }
        report.finish();
        if stopped.load(Ordering::Relaxed) || report.has_failed() {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        }
    })
}

/// Creates a store and reads from it, so that an unreachable store is one error and not hundreds of failures.
async fn reach(harness: &Arc<dyn Harness>) -> Result<ttl_core::Capabilities> {
    let fixture = harness.fresh().await?;
    let key = ttl_core::Key::new("k")?;
    let read = fixture.store.get(&key, ttl_core::options::GetOptions::nothing()).await;
    if let Some(beneath) = &fixture.beneath {
        beneath.clean_up().await;
    }
    read.map(|_| fixture.store.capabilities())
}

/// Stops the run on Ctrl-C. At the first one the running cases end and clean up; the second one ends the
/// program.
async fn stop_on_ctrl_c(stopped: Arc<AtomicBool>) {
    while tokio::signal::ctrl_c().await.is_ok() {
        if stopped.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    }
}

fn cannot_run(text: &str) -> ExitCode {
    eprintln!("error: {text}");
    ExitCode::from(CANNOT_RUN)
}

/// Returns the error and its causes in one line. The text of an error often contains its cause already.
fn chain(error: &ttl_core::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text.replace('\n', " ")
}
