//! The servers for a driver's tests: a server given by URL, else a container, else an error with the reason.
//!
//! Each [`ServerKind`] has these variables, here with the name `REDIS` (other crates can define their own
//! kinds):
//!
//! | variable | meaning |
//! |---|---|
//! | `TTL_TEST_REDIS_URL` | the URL of an existing server, which is used unchanged |
//! | `TTL_TEST_REDIS_IMAGE` | the image of the container, instead of the pinned one |
//! | `TTL_TEST_REQUIRE=1` | a missing server is a failure; otherwise its tests are ignored |
//! | `TTL_TEST_RUN` | the value of the label `ttl-store-test.run` of every container, by which a script finds those that are left |
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
mod daemon;
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

/// A server for tests. Dropping it removes its container, if one was started.
///
/// A driver may need more than the URL: the DynamoDB driver reads credentials from the environment.
/// [`run_tests`] sets them. Callers that start a container without it must set them themselves.
///
/// The container is also removed on a panic that unwinds and on SIGINT, SIGTERM, SIGQUIT and SIGHUP. After
/// one of these signals, the process exits with 128 + the signal's number. Keep the value in `main` and
/// return from there: neither a `static` nor `process::exit` runs destructors.
#[derive(Debug)]
pub struct Server {
    url: String,
    container: Option<Container>,
}

impl Server {
    /// Finds or starts a server, and waits until it accepts connections. This blocks, and may be called
    /// inside or outside of a runtime.
    ///
    /// # Errors
    /// [`Missing`] if no URL is given and no container can be started.
    pub fn start(kind: ServerKind) -> Result<Self, Missing> {
        match kind.source(|name| std::env::var(name).ok()) {
            Source::Url(url) => Ok(Self { url, container: None }),
            Source::Image(image) => match Container::start(kind, &image) {
                Ok(container) => Ok(Self { url: container.url().to_owned(), container: Some(container) }),
                Err(why) => Err(Missing { kind: Box::new(kind), why }),
            },
        }
    }

    /// Returns the server's address as the driver's URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns whether the server is a container that was started for this value.
    #[must_use]
    pub fn is_container(&self) -> bool {
        self.container.is_some()
    }
}

/// The error for a missing server, with the reason. `Display` is one line.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Missing {
    /// The requested kind.
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

/// Returns whether a missing server is a failure: `TTL_TEST_REQUIRE=1`.
#[must_use]
pub fn required() -> bool {
    std::env::var("TTL_TEST_REQUIRE").is_ok_and(|value| value == "1")
}
