//! The kinds of servers: those of the project, and those that other crates define.

use std::fmt;
use std::hash::{Hash, Hasher};

/// A kind of server for tests: the variable with the URL of an existing server, and the settings of a
/// container.
///
/// A driver outside of this workspace defines a kind for its own server:
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
/// Two kinds are equal if their variables are equal.
#[derive(Clone, Copy)]
#[must_use = "a kind does nothing until a server of it is started"]
pub struct ServerKind {
    /// The display name.
    name: &'static str,
    /// The name in `TTL_TEST_<NAME>_URL`.
    pub(super) variable: &'static str,
    /// The image, unless `TTL_TEST_<NAME>_IMAGE` is set.
    image: &'static str,
    pub(super) command: &'static [&'static str],
    pub(super) port: u16,
    pub(super) ready: Option<&'static str>,
    /// The bytes to send; if empty, a connection is enough.
    pub(super) question: &'static [u8],
    pub(super) url: fn(&str) -> String,
    environment: &'static [(&'static str, &'static str)],
}

/// The source of a server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source {
    Url(String),
    Image(String),
}

impl ServerKind {
    /// Amazon DynamoDB, or DynamoDB Local.
    // The scripts also read the files with the images.
    pub const DYNAMODB: Self = Self::new("DynamoDB", "DYNAMODB", include_str!("dynamodb.image"))
        // The arguments of `java`, in the folder of DynamoDBLocal.jar. The tables in memory need native code.
        .with_command(&[
            "-Xmx1g",
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
        // The server accepts any credentials; without them, the client sends no request.
        .with_environment(&[("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);

    /// Redis or Valkey.
    pub const REDIS: Self = Self::new("Redis", "REDIS", include_str!("redis.image"))
        // No data is saved, and the port is accessed from outside the container.
        .with_command(&["redis-server", "--save", "", "--bind", "0.0.0.0", "--protected-mode", "no"])
        .with_port(6379)
        .with_ready("Ready to accept connections")
        .with_question(b"PING\r\n")
        .with_url(|address| format!("redis://{address}"));

    /// ScyllaDB or Apache Cassandra.
    pub const SCYLLA: Self = Self::new("ScyllaDB", "SCYLLA", include_str!("scylla.image"))
        // Options of ScyllaDB's image. Other images must ignore them, like the image of Cassandra that the
        // scripts build.
        .with_command(&["--smp", "1", "--memory", "1G", "--overprovisioned", "1", "--developer-mode", "1"])
        .with_port(9042)
        // An OPTIONS frame.
        .with_question(b"\x04\0\0\0\x05\0\0\0\0")
        .with_url(|address| {
            format!("scylla://{address}/ttl_store_test/entries?ensure_schema=true&replication=1")
        });

    /// Creates a kind with this display name. `variable` is the name in `TTL_TEST_<NAME>_URL` and
    /// `TTL_TEST_<NAME>_IMAGE`: capital letters, digits and underscores. `image` is the image of its container,
    /// with a full version as the tag; surrounding white space is ignored.
    ///
    /// By default the container runs the image's own command, the port is 80, and the URL is the address.
    ///
    /// # Panics
    /// If `variable` is empty or contains other characters; at compile time for a constant.
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

    /// Sets the container's command; defaults to the image's own.
    pub const fn with_command(mut self, command: &'static [&'static str]) -> Self {
        self.command = command;
        self
    }

    /// Sets the TCP port that the server listens on inside its container; defaults to 80.
    pub const fn with_port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Sets the text of the line on the container's standard output that reports readiness; by default the
    /// tests do not wait for a line.
    pub const fn with_ready(mut self, text: &'static str) -> Self {
        self.ready = Some(text);
        self
    }

    /// Sets the bytes that are sent to the server until it answers. By default a connection is enough, which
    /// a container's port may accept before the server does.
    pub const fn with_question(mut self, question: &'static [u8]) -> Self {
        self.question = question;
        self
    }

    /// Sets the function that returns the driver's URL for `host:port`; by default the address itself.
    pub const fn with_url(mut self, url: fn(&str) -> String) -> Self {
        self.url = url;
        self
    }

    /// Sets environment variables for the tests, such as credentials for a server that accepts any; defaults
    /// to none. They are added only if a container is started, and only if they are not set.
    pub const fn with_environment(mut self, variables: &'static [(&'static str, &'static str)]) -> Self {
        self.environment = variables;
        self
    }

    /// Returns the variable with the URL of an existing server, such as `TTL_TEST_REDIS_URL`.
    #[must_use]
    pub fn url_variable(self) -> String {
        format!("TTL_TEST_{}_URL", self.variable)
    }

    /// Returns the variable with the name of another image, such as `TTL_TEST_REDIS_IMAGE`.
    #[must_use]
    pub fn image_variable(self) -> String {
        format!("TTL_TEST_{}_IMAGE", self.variable)
    }

    /// Returns the variables that clients of a container of this kind need and that `environment` lacks.
    pub(super) fn lacks(
        self,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Vec<(&'static str, &'static str)> {
        let lacking = |(name, _): &&(&str, &str)| environment(name).is_none_or(|value| value.is_empty());
        self.environment.iter().filter(lacking).copied().collect()
    }

    /// Returns the source of the server. An empty variable counts as not set.
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
