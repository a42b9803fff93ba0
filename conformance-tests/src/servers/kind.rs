//! What differs from one kind of server to the next: the project's own kinds, and those that others make.

use std::fmt;
use std::hash::{Hash, Hasher};

/// A kind of server that tests can ask for: where one is named by URL, and how one is started in a container.
///
/// A driver outside of this workspace makes one for its own server:
///
/// ```
/// use ttl_conformance::servers::ServerKind;
///
/// const POSTGRES: ServerKind = ServerKind::new("PostgreSQL", "POSTGRES", "postgres:17.2")
///     .with_command(&["postgres", "-c", "fsync=off"])
///     .with_port(5432)
///     .with_ready("database system is ready to accept connections")
///     // An SSLRequest, which is answered with one letter.
///     .with_question(b"\x00\x00\x00\x08\x04\xd2\x16\x2f")
///     .with_url(|address| format!("postgres://postgres@{address}/postgres"));
///
/// assert_eq!(POSTGRES.url_variable(), "TTL_TEST_POSTGRES_URL");
/// assert_eq!(POSTGRES.image_variable(), "TTL_TEST_POSTGRES_IMAGE");
/// ```
///
/// Two kinds are equal if their variables are.
#[derive(Clone, Copy)]
#[must_use = "a kind does nothing until a server of it is started"]
pub struct ServerKind {
    /// As people write it.
    name: &'static str,
    /// As it stands in `TTL_TEST_<NAME>_URL`.
    pub(super) variable: &'static str,
    /// Taken where `TTL_TEST_<NAME>_IMAGE` does not say otherwise.
    image: &'static str,
    pub(super) command: &'static [&'static str],
    pub(super) port: u16,
    pub(super) ready: Option<&'static str>,
    /// Nothing: a connection is enough.
    pub(super) question: &'static [u8],
    pub(super) url: fn(&str) -> String,
    environment: &'static [(&'static str, &'static str)],
}

/// Where a server is to come from.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source {
    Url(String),
    Image(String),
}

impl ServerKind {
    /// Amazon DynamoDB, or DynamoDB Local.
    // The scripts read the files of the images, too.
    pub const DYNAMODB: Self = Self::new("DynamoDB", "DYNAMODB", include_str!("dynamodb.image"))
        // What follows `java`, in the folder of DynamoDBLocal.jar. Native code is for its tables in memory.
        .with_command(&[
            "-Xmx256m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Djava.library.path=DynamoDBLocal_lib",
            "-jar",
            "DynamoDBLocal.jar",
            "-inMemory",
            "-sharedDb",
            "-disableTelemetry",
        ])
        .with_port(8000)
        .with_ready("CorsParams")
        .with_question(b"GET / HTTP/1.0\r\n\r\n")
        .with_url(|address| {
            format!("dynamodb://ttl-store-test?endpoint=http://{address}&region=us-east-1&table=ensure")
        })
        // It takes any; without, the client sends nothing.
        .with_environment(&[("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);

    /// Redis or Valkey.
    pub const REDIS: Self = Self::new("Redis", "REDIS", include_str!("redis.image"))
        // Nothing is to be kept, and a container's port is reached from outside of it.
        .with_command(&["redis-server", "--save", "", "--bind", "0.0.0.0", "--protected-mode", "no"])
        .with_port(6379)
        .with_ready("Ready to accept connections")
        .with_question(b"PING\r\n")
        .with_url(|address| format!("redis://{address}"));

    /// ScyllaDB or Apache Cassandra.
    pub const SCYLLA: Self = Self::new("ScyllaDB", "SCYLLA", include_str!("scylla.image"))
        // ScyllaDB's image understands them. Another must drop them, as that of Cassandra does which the scripts build.
        .with_command(&["--smp", "1", "--memory", "1G", "--overprovisioned", "1", "--developer-mode", "1"])
        .with_port(9042)
        // An OPTIONS frame.
        .with_question(b"\x04\0\0\0\x05\0\0\0\0")
        .with_url(|address| {
            format!("scylla://{address}/ttl_store_test/entries?ensure_schema=true&replication=1")
        });

    /// Creates a kind from its name as people write it, its name in the variables `TTL_TEST_<NAME>_URL` and
    /// `TTL_TEST_<NAME>_IMAGE` (capital letters, digits and underscores), and the image that a container is started from
    /// (with a full version as its tag; white space around it is ignored).
    ///
    /// Until the builder says otherwise the image's own command runs, on port 80, and the URL is the address.
    ///
    /// # Panics
    /// If `variable` is empty or holds another character; at compile time for a constant.
    pub const fn new(name: &'static str, variable: &'static str, image: &'static str) -> Self {
        assert!(is_variable(variable), "invalid variable: expected capital letters, digits and underscores");
        Self {
            name,
            variable,
            image,
            command: &[],
            port: 80,
            ready: None,
            question: b"",
            url: str::to_owned,
            environment: &[],
        }
    }

    /// Sets the container's command; by default the image's own.
    pub const fn with_command(mut self, command: &'static [&'static str]) -> Self {
        self.command = command;
        self
    }

    /// Sets the TCP port that the server listens on inside of its container.
    pub const fn with_port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Waits for a line on the container's standard output that contains this text; by default for none.
    pub const fn with_ready(mut self, text: &'static str) -> Self {
        self.ready = Some(text);
        self
    }

    /// Sends this to the server until it answers anything; by default a connection is enough, which a container's port may
    /// take before the server does.
    pub const fn with_question(mut self, question: &'static [u8]) -> Self {
        self.question = question;
        self
    }

    /// Makes the driver's URL from `host:port` by this function.
    pub const fn with_url(mut self, url: fn(&str) -> String) -> Self {
        self.url = url;
        self
    }

    /// Gives the tests these variables if a container is started and they are not set, such as credentials for a server
    /// that takes any.
    pub const fn with_environment(mut self, variables: &'static [(&'static str, &'static str)]) -> Self {
        self.environment = variables;
        self
    }

    /// Returns the variable that names a server which is already there, such as `TTL_TEST_REDIS_URL`.
    #[must_use]
    pub fn url_variable(self) -> String {
        format!("TTL_TEST_{}_URL", self.variable)
    }

    /// Returns the variable that names another image, such as `TTL_TEST_REDIS_IMAGE`.
    #[must_use]
    pub fn image_variable(self) -> String {
        format!("TTL_TEST_{}_IMAGE", self.variable)
    }

    /// The variables that a container of this kind wants its clients to have, where `environment` has none of them.
    pub(super) fn lacks(
        self,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Vec<(&'static str, &'static str)> {
        let lacking = |(name, _): &&(&str, &str)| environment(name).is_none_or(|value| value.is_empty());
        self.environment.iter().filter(lacking).copied().collect()
    }

    /// A variable that is set and empty counts as not set.
    pub(super) fn source(self, environment: impl Fn(&str) -> Option<String>) -> Source {
        let set = |name: String| environment(&name).filter(|value| !value.is_empty());
        if let Some(url) = set(self.url_variable()) {
            return Source::Url(url);
        }
        Source::Image(set(self.image_variable()).unwrap_or_else(|| self.image.trim().to_owned()))
    }
}

const fn is_variable(name: &str) -> bool {
    let bytes = name.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if !matches!(bytes[at], b'A'..=b'Z' | b'0'..=b'9' | b'_') {
            return false;
        }
        at += 1;
    }
    !bytes.is_empty()
}

impl PartialEq for ServerKind {
    fn eq(&self, other: &Self) -> bool {
        self.variable == other.variable
    }
}

impl Eq for ServerKind {}

impl Hash for ServerKind {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.variable.hash(state);
    }
}

impl fmt::Debug for ServerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerKind")
            .field("name", &self.name)
            .field("image", &self.image.trim())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for ServerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
