//! The conformance suite as a program, for the drivers of this workspace.

use std::process::ExitCode;

use ttl_conformance::{drivers, program};

/// The URLs that the drivers read.
const URLS: &str = "\
memory:, redis://host:6379, rediss://..., redis+unix:///path, dynamodb://TABLE?endpoint=...,
                   scylla://host:9042/KEYSPACE/TABLE, cassandra://... (as the drivers read them; with table=ensure
                   DynamoDB's table is made if it is missing);
                   on a server each case works in a namespace of its own and empties it afterwards; on ScyllaDB and
                   Cassandra that is a table, suite_..., which is dropped at the end, in the URL's keyspace, which is
                   made if it is missing (with one copy, if the URL has no replication) and stays";

fn main() -> ExitCode {
    program::main(URLS, drivers::harness)
}
