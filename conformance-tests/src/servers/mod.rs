//! The servers that a driver's tests run on: one named by URL, else a container, else a word why there is none.
//!
//! For each [`ServerKind`], with `REDIS` standing for its name (a driver elsewhere makes a kind of its own):
//!
//! | variable | meaning |
//! |---|---|
//! | `TTL_TEST_REDIS_URL` | a server that is already there: used as it is |
//! | `TTL_TEST_REDIS_IMAGE` | the image to start a container from, instead of the pinned one |
//! | `TTL_TEST_REQUIRE=1` | a missing server is a failure, not a reason to ignore its tests |
//! | `TTL_TEST_RUN` | put on every container as the label `ttl-store-test.run`, so that a script can find what is left |
//!
//! A driver's `tests/integration.rs`, built with `harness = false`, is a `main` that calls [`run_tests`]:
//!
//! ```no_run
//! use std::process::ExitCode;
//! use ttl_conformance::servers::{self, ServerKind};
//!
//! fn main() -> ExitCode {
//!     servers::run_tests(ServerKind::REDIS, |server| {
//!         vec![servers::trial("answers", async move {
//!             let _url = server.url();
//!         })]
//!     })
//! }
//! ```

mod container;
mod environment;
mod harness;
mod kind;
mod ports;
#[cfg(unix)]
mod signals;
#[cfg(test)]
mod tests;
mod trials;

use std::{error::Error, fmt};

use container::Container;
use kind::Source;

pub use harness::{ServerUrl, run_tests, trial};
pub use kind::ServerKind;
pub use ports::free_port;
pub use trials::conformance_trials;

/// A server to test on. Dropping it removes its container, if one was started for it.
///
/// A driver may need more than the URL: that of DynamoDB looks for credentials in the environment. [`run_tests`] sees to
/// it that there are some; who starts a container without it has to.
///
/// The container is also removed on a panic that unwinds and on SIGINT, SIGTERM, SIGQUIT and SIGHUP; after one of
/// these the process ends with 128 + the signal's number. Keep it in `main` and return from there: neither a
/// `static` nor `process::exit` runs destructors.
#[derive(Debug)]
pub struct Server {
    url: String,
    container: Option<Container>,
}

impl Server {
    /// Finds or starts a server; returns when it accepts connections. It blocks, and may be called from anywhere.
    ///
    /// # Errors
    /// [`Missing`] when no URL is given and no container can be started.
    pub fn start(kind: ServerKind) -> Result<Self, Missing> {
        match kind.source(|name| std::env::var(name).ok()) {
            Source::Url(url) => Ok(Self { url, container: None }),
            Source::Image(image) => match Container::start(kind, &image) {
                Ok(container) => Ok(Self { url: container.url().to_owned(), container: Some(container) }),
                Err(why) => Err(Missing { kind: Box::new(kind), why }),
            },
        }
    }

    /// Where it listens, as the driver's URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether it is a container started for this value.
    #[must_use]
    pub fn is_container(&self) -> bool {
        self.container.is_some()
    }
}

/// No server of this kind, and why. `Display` is one line.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Missing {
    /// The kind that was asked for.
    pub kind: Box<ServerKind>,
    /// The reason, one line.
    pub why: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no {} to test on: {} is not set and {}", self.kind, self.kind.url_variable(), self.why)
    }
}

impl Error for Missing {}

/// Whether a missing server is a failure: `TTL_TEST_REQUIRE=1`.
#[must_use]
pub fn required() -> bool {
    std::env::var("TTL_TEST_REQUIRE").is_ok_and(|value| value == "1")
}
