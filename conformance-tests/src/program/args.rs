//! The command line.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use lexopt::ValueExt;

/// Returns the text of `--help` for a program that supports these URLs.
pub(crate) fn help(urls: &str) -> String {
    HELP.replace("{URLS}", urls)
}

const HELP: &str = "\
Runs the conformance suite of ttl-store on a store and reports which clauses of the contract it keeps.

Usage: ttl-conformance [OPTIONS] URL
       ttl-conformance --list [--filter TEXT]
       ttl-conformance --clauses

  URL              {URLS}

  --filter TEXT    run only cases whose name (group::name) contains TEXT, or that check the clause TEXT;
                   if repeated: cases that match any of them
  --jobs N         number of concurrent cases (default: 4 per processor, at most 16)
  --call-limit SECONDS   time limit of a call, after which its case fails (default: 120)
  --time-limit SECONDS   time limit of a case, after which it fails (default: 300)
  --json FILE      write the result of each case to FILE
  --server TEXT    name and version of the server for that file, if the server does not report them
  --list           print the cases with their clauses and needs, and run none
  --clauses        print the clauses of the contract with the number of cases that check each
  --help           print this help

The environment variables TTL_CONFORMANCE_SEED and TTL_CONFORMANCE_STEPS set the seed and the number of steps of the
random cases in the group `model`.

A call that returns a retryable error is repeated, within a limit, and counted. A case that fails after a write with an
unknown outcome is run again, within a limit, and counted. A case is inconclusive if the store was too slow to be judged,
or if the outcome of a write remained unknown.

The last line of a run is `N passed, N failed, N skipped`, followed by `, N inconclusive` if there are any. Exit status:
0 if all cases passed or were skipped, 1 if a case failed or was inconclusive, 2 if the cases could not be run.
";

/// The parsed command line.
#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) command: Command,
    pub(crate) filters: Vec<String>,
}

#[derive(Debug)]
pub(crate) enum Command {
    Help,
    List,
    Clauses,
    Run(Run),
}

/// A run of the cases.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) url: String,
    pub(crate) jobs: NonZeroUsize,
    pub(crate) json: Option<PathBuf>,
    pub(crate) server: Option<String>,
    pub(crate) call_limit: Option<Duration>,
    pub(crate) time_limit: Option<Duration>,
}

impl Args {
    /// Reads the arguments of this process.
    pub(crate) fn read() -> Result<Self, String> {
        Self::parse(lexopt::Parser::from_env()).map_err(|error| format!("{error}; --help shows the usage"))
    }

    fn parse(mut parser: lexopt::Parser) -> Result<Self, lexopt::Error> {
        use lexopt::Arg::{Long, Short, Value};

        let (mut url, mut jobs, mut json, mut server) = (None, None, None, None);
        let (mut call_limit, mut time_limit) = (None, None);
        let (mut filters, mut command) = (Vec::new(), None);
        while let Some(argument) = parser.next()? {
            match argument {
                Long("filter") => filters.push(parser.value()?.string()?),
                Long("jobs") => jobs = Some(parser.value()?.parse()?),
                Long("json") => json = Some(PathBuf::from(parser.value()?)),
                Long("server") => server = Some(parser.value()?.string()?),
                Long("call-limit") => call_limit = Some(seconds(parser.value()?.parse()?)),
                Long("time-limit") => time_limit = Some(seconds(parser.value()?.parse()?)),
                Long("list") => command = Some(Command::List),
                Long("clauses") => command = Some(Command::Clauses),
                Long("help") | Short('h') => command = Some(Command::Help),
                Value(value) if url.is_none() => url = Some(value.string()?),
                other => return Err(other.unexpected()),
            }
        }
        let command = match (command, url) {
            (Some(command), _) => command,
            (None, Some(url)) => {
                let jobs = jobs.unwrap_or_else(default_jobs);
                Command::Run(Run { url, jobs, json, server, call_limit, time_limit })
            }
            (None, None) => return Err("a URL is missing".into()),
        };
        Ok(Self { command, filters })
    }
}

fn seconds(number: NonZeroU32) -> Duration {
    Duration::from_secs(number.get().into())
}

/// Returns the default number of concurrent cases, which mostly wait.
fn default_jobs() -> NonZeroUsize {
    const MOST: NonZeroUsize = NonZeroUsize::new(16).unwrap();
    let processors = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    processors.saturating_mul(NonZeroUsize::MIN.saturating_add(3)).min(MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, String> {
        Args::parse(lexopt::Parser::from_args(line.split_whitespace())).map_err(|error| error.to_string())
    }

    #[test]
    fn a_run_is_read() {
        let args = parse("memory: --filter E1 --jobs 3 --json out.json --filter keys::").unwrap();
        let Command::Run(run) = args.command else { panic!("{:?}", args.command) };
        assert_eq!((run.url.as_str(), run.jobs.get(), run.json), ("memory:", 3, Some("out.json".into())));
        assert_eq!(args.filters, ["E1", "keys::"]);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for line in [
            "",
            "--time-limit 0 memory:",
            "--call-limit x memory:",
            "--jobs 0 memory:",
            "--jobs x memory:",
            "memory: redis:",
            "--colour memory:",
            "--filter",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
        assert!(parse("").unwrap_err().contains("a URL is missing"));
    }

    #[test]
    fn lists_need_no_url() {
        assert!(matches!(parse("--list --filter E1").unwrap().command, Command::List));
        assert!(matches!(parse("--clauses").unwrap().command, Command::Clauses));
        assert!(matches!(parse("-h").unwrap().command, Command::Help));
    }
}
