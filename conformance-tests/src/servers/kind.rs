//! What differs from one kind of server to the next. A new kind is a variant and a `Spec` here, and a pinned image.

use std::fmt;

/// A kind of server that tests can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServerKind {
    /// Amazon DynamoDB, or DynamoDB Local.
    Dynamodb,
    /// Redis or Valkey.
    Redis,
    /// ScyllaDB or Apache Cassandra.
    Scylla,
}

/// How to start one in a container.
#[derive(Debug)]
pub(super) struct Spec {
    /// As people write it.
    pub(super) name: &'static str,
    /// As it stands in `TTL_TEST_<NAME>_URL`.
    pub(super) variable: &'static str,
    /// Taken where `TTL_TEST_<NAME>_IMAGE` does not say otherwise. The scripts read the same file.
    pinned_image: &'static str,
    /// The container's command.
    pub(super) command: &'static [&'static str],
    /// The port it listens on inside.
    pub(super) port: u16,
    /// Part of the log line that says it accepts connections, on standard output; if there is one, it is waited for.
    pub(super) ready: Option<&'static str>,
    /// What it answers to, whatever the answer is: the line may come a moment too early.
    pub(super) question: &'static [u8],
    /// The driver's URL of a server at this host and port.
    pub(super) url: fn(&str) -> String,
    /// What the driver needs to find in the environment.
    pub(super) environment: &'static [(&'static str, &'static str)],
}

const DYNAMODB: Spec = Spec {
    name: "DynamoDB",
    variable: "DYNAMODB",
    pinned_image: include_str!("dynamodb.image"),
    // What follows `java`, in the folder of DynamoDBLocal.jar. Native code is for its tables in memory.
    command: &[
        "-Xmx256m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-Djava.library.path=DynamoDBLocal_lib",
        "-jar",
        "DynamoDBLocal.jar",
        "-inMemory",
        "-sharedDb",
        "-disableTelemetry",
    ],
    port: 8000,
    ready: Some("CorsParams"),
    question: b"GET / HTTP/1.0\r\n\r\n",
    url: |address| {
        format!("dynamodb://ttl-store-test?endpoint=http://{address}&region=us-east-1&table=ensure")
    },
    // It takes any; without, the client sends nothing.
    environment: &[("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")],
};

const REDIS: Spec = Spec {
    name: "Redis",
    variable: "REDIS",
    pinned_image: include_str!("redis.image"),
    // Nothing is to be kept, and a container's port is reached from outside of it.
    command: &["redis-server", "--save", "", "--bind", "0.0.0.0", "--protected-mode", "no"],
    port: 6379,
    ready: Some("Ready to accept connections"),
    question: b"PING\r\n",
    url: |address| format!("redis://{address}"),
    environment: &[],
};

const SCYLLA: Spec = Spec {
    name: "ScyllaDB",
    variable: "SCYLLA",
    pinned_image: include_str!("scylla.image"),
    // ScyllaDB's image understands them. Another must drop them, as that of Cassandra does which the scripts build.
    command: &["--smp", "1", "--memory", "1G", "--overprovisioned", "1", "--developer-mode", "1"],
    port: 9042,
    ready: None,
    // An OPTIONS frame.
    question: b"\x04\0\0\0\x05\0\0\0\0",
    url: |address| format!("scylla://{address}/ttl_store_test/entries?ensure_schema=true&replication=1"),
    environment: &[],
};

/// Where a server is to come from.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source {
    Url(String),
    Image(String),
}

impl ServerKind {
    pub(super) fn spec(self) -> &'static Spec {
        match self {
            Self::Dynamodb => &DYNAMODB,
            Self::Redis => &REDIS,
            Self::Scylla => &SCYLLA,
        }
    }

    /// The variable that names a server which is already there, such as `TTL_TEST_REDIS_URL`.
    #[must_use]
    pub fn url_variable(self) -> String {
        format!("TTL_TEST_{}_URL", self.spec().variable)
    }

    /// The variables that a container of this kind wants its clients to have, where `environment` has none of them.
    pub(super) fn lacks(
        self,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Vec<(&'static str, &'static str)> {
        let lacking = |(name, _): &&(&str, &str)| environment(name).is_none_or(|value| value.is_empty());
        self.spec().environment.iter().filter(lacking).copied().collect()
    }

    /// The variable that names another image than the pinned one, such as `TTL_TEST_REDIS_IMAGE`.
    #[must_use]
    pub fn image_variable(self) -> String {
        format!("TTL_TEST_{}_IMAGE", self.spec().variable)
    }

    /// A variable that is set and empty counts as not set.
    pub(super) fn source(self, environment: impl Fn(&str) -> Option<String>) -> Source {
        let set = |name: String| environment(&name).filter(|value| !value.is_empty());
        if let Some(url) = set(self.url_variable()) {
            return Source::Url(url);
        }
        let pinned = || self.spec().pinned_image.trim().to_owned();
        Source::Image(set(self.image_variable()).unwrap_or_else(pinned))
    }
}

impl fmt::Display for ServerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.spec().name)
    }
}
