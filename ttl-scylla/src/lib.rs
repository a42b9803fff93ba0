//! The ttl-store driver for ScyllaDB and Apache Cassandra.
//!
//! ```no_run
//! use std::sync::Arc;
//! use ttl_core::{Key, PutOptions, Record, Ttl, TtlStore};
//! use ttl_scylla::{ScyllaConfig, ScyllaStore};
//!
//! # async fn example() -> ttl_core::Result<()> {
//! let config = ScyllaConfig::from_url("scylla://db1:9042,db2/shop/sessions?datacenter=dc1&timeout=2s")?;
//! let store: Arc<dyn TtlStore> = Arc::new(ScyllaStore::connect(&config).await?);
//! let session = Record::new().with("page", "/cart").with("hits", 1);
//! let _ = store.put(&Key::new("session:5f0c")?, session.into(), PutOptions::new(Ttl::minutes(30))).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Modes
//!
//! A table is in one [`Mode`] for life. It stands in the table's comment, and the other one is refused at connect.
//!
//! * **Strict** (default): every write is a lightweight transaction and every read is serial, so every clause of the
//!   contract holds. Give [`with_serial_consistency`](ScyllaConfig::with_serial_consistency) `Serial` where programs in
//!   several datacentres write to one table: with the default, `LocalSerial`, two of them can win.
//! * **Lww**: plain writes; the one with the latest timestamp wins. Conditions, patches, caps, takes and deletes that
//!   expect a kind are [`Unsupported`](ttl_core::ErrorKind::Unsupported). A refresh carries the timestamp of what it
//!   refreshes plus a microsecond, and an expire plus ten, so neither beats a newer write. Two writes of one key with the same timestamp can
//!   mix their cells, which is an exception to E4; within a process they do not meet, as long as clocks agree. Of refreshes
//!   that run at the same time any one can stay, not always the longest, which is an exception to R2. Timestamps are of
//!   the writers' clocks: a write goes over whatever it has seen, but after a delete by a program whose clock is ahead,
//!   the puts of others are lost until their clocks have got there.
//!
//! The clock that decides is this process's ([`ScyllaStore::with_clock`]): programs that share a table need clocks that
//! agree as closely as deadlines are to be kept.
//!
//! # Requests that arrive late (R3, E3)
//!
//! A request is checked against the clock when it is sent, and no condition of a lightweight transaction asks for the
//! time at which it is applied. In strict mode, the first operation that finds an entry ended marks its row before it
//! answers, by a transaction: a new version, and cells that end a millisecond before the deadline. A refresh, an expire,
//! a put with `IfVersion` or a patch that was sent while the entry lived is then refused, however late it arrives. So
//! what was reported as gone never comes back. The exceptions:
//!
//! * A scan marks nothing. What it left out can come back by a request that was under way, until the servers have
//!   deleted the deadline's cell: at the latest the [clock skew](ScyllaConfig::with_clock_skew) and two seconds after the
//!   deadline.
//! * A program that has no right to write marks nothing, and the same bound holds.
//! * In lww mode nothing is marked: a late refresh or expire revives an entry until its other cells are deleted, which is
//!   the clock skew and two seconds after the instant that `covers` holds.
//! * A program whose clock is ahead ends entries early for itself alone: the others still see a marked entry, and what
//!   they move afterwards lives. They get `Refused` for the version that they knew.
//!
//! # Runtimes
//!
//! The driver runs its connections on a thread of its own, one for the process, which never ends. A store works on every
//! runtime of the program, after any of them has ended, and without one; a `static` store can serve several
//! `#[tokio::test]`s. Callers encode and decode on their own threads. Beside connections on the caller's runtime, this
//! costs a program of one thread about 15 µs a request (a wakeup there and one back), and a program of several nothing
//! that could be measured. TLS is the only work that this thread does for each byte. A session that is handed in
//! ([`ScyllaStore::with_session`]) stays on the runtime that made it, and ends with it.
//!
//! # Servers
//!
//! Tested with Apache Cassandra 5.0, one node and a cluster of three. Not tried: ScyllaDB itself, several datacentres.
//! Differences are handled by what comes back, never by a server's name or version. ScyllaDB has no lightweight
//! transactions on tablets before 2025.4; that is `Unsupported`, and the text says what to do.
//!
//! # Layout
//!
//! One row for each entry.
//!
//! | column | type | content |
//! |---|---|---|
//! | `key` | `text`, the partition key | the entry's key |
//! | `kind` | `tinyint` | 1 blob, 2 record, 3 blob with a cap, 4 record with one |
//! | `value` | `blob` | the bytes, or the record's canonical JSON text |
//! | `deadline` | `bigint` | epoch milliseconds; 2^63 - 1 without one |
//! | `covers` | `bigint` | until when all cells but the deadline are there, at least; 2^63 - 1 for ever |
//! | `cap` | `bigint` | the cap in epoch milliseconds; 2^63 - 1 without one |
//! | `version` | `uuid` | a random token, new with every value |
//! | `created` | `bigint` | when the value was put, or its record created by a patch, in epoch milliseconds |
//!
//! `covers` lies before `deadline` once somebody has found the entry ended.
//!
//! An entry is visible while now is before both `deadline` and `covers`; without a `deadline` there is none. A record is
//! one cell, so its fields cannot end apart. Every cell of an entry with a deadline has a native TTL, which ends after
//! the deadline by the configured [clock skew](ScyllaConfig::with_clock_skew) and at most two seconds: it gives space back
//! and decides nothing. A deadline moves alone, as one small write, while the other cells reach far enough; else all are
//! written again, by a refresh for twice the time, so that the next ones are small.
//!
//! Servers count native TTLs up to 20 years and to January 2038. An entry that ends later has none: when it has ended,
//! nobody sees it, and it is collected when its key is next written.
//!
//! # Tables
//!
//! [`with_ensure_schema`](ScyllaConfig::with_ensure_schema) makes the table, and the keyspace if a
//! [replication](ScyllaConfig::with_replication) is given; without it, the error for a missing table holds the CQL. The
//! options: `LeveledCompactionStrategy`, because rows are rewritten often and read by key, which keeps few copies and
//! reads few files (`TimeWindowCompactionStrategy` suits data that is never rewritten, which a refresh does);
//! `unchecked_tombstone_compaction`, so that files of expired cells are compacted although they overlap with others;
//! `default_time_to_live` 0, which a table must keep. `gc_grace_seconds` is left as it is: it must be longer than the time
//! between repairs.
//!
//! # What an operation costs
//!
//! Requests, each one round trip to a node that has the row; every statement is prepared once, at connect.
//!
//! | operation | strict | lww |
//! |---|---|---|
//! | get | 1; 2 with a refresh that is due | the same |
//! | whatever is the first to find an entry ended | 1 more | the same as otherwise |
//! | put that creates, put with `IfAbsent` or `IfVersion` | 1 (over a ghost 2) | 2 |
//! | put over an entry, put that hands back what it met | 2 | 2; - |
//! | expire | 1; 2 from the present deadline; 3 beyond what the cells reach | 2; 3 |
//! | delete | 1; 2 for a take | 2 |
//! | patch | 2, and 2 for each time that another writer was faster; 1 that its bounds refuse | - |
//!
//! Patches of one key by one process wait for each other in the process, for one time limit at most. Batches have 64 requests under way. A refresh
//! that rewrites a value which was not read reads it before.
//!
//! # Errors
//!
//! | what happens | read | write |
//! |---|---|---|
//! | no connection, too few replicas up, node starting | `Unavailable` | `Unavailable`, nothing changed |
//! | no answer in time, connection broken, replicas failed | `Timeout` or `Unavailable` | `OutcomeUnknown`, unless it can be settled |
//! | an answer that cannot be read, or is another statement's | `Backend` or `Unavailable` | `OutcomeUnknown`, unless it can be settled |
//! | credentials or grants refused | `PermissionDenied` | `PermissionDenied`, nothing changed |
//!
//! A write is "not applied" only where it certainly was not sent or the server says so; all else is looked for or is
//! `OutcomeUnknown`. No read that fails has changed a value.
//!
//! The client library's own retries are switched off. In strict mode a lost answer is settled by what cannot apply twice:
//!
//! * A put or a patch over a version that it has seen is sent once more, while the entry lives: versions never come back, so
//!   only one of the two is applied, and the version that is stored tells whether one was.
//! * What creates, and a refresh or an expire to an instant over a deadline that it has seen, is not sent again: that
//!   nothing is there, and a deadline, come back. The row is read, and shows that it was applied or leaves it open.
//! * A delete, an expire by a step, and one that has not seen the row leave nothing that tells who did it.
//!
//! In lww mode a write is sent once more with its timestamp, which changes nothing more; a refresh or an expire while the
//! entry lives.
//!
//! Each connection is asked for a sign of life after half a time limit (at least one second, at most 30), and is given up
//! if none comes within one. So a connection whose peer is gone without a word fails requests for about one and a half
//! time limits.
//!
//! No error and no `Debug` holds a key or a value. The client library's own spans of level TRACE do hold keys: where these
//! are secrets, let no subscriber record `scylla=trace`.
//!
//! # Trust
//!
//! The servers are trusted with the process. The client library (1.9) believes the lengths that it is told: an answer of
//! some 20 bytes that promises two billion columns makes it ask for more memory than there is, which aborts the
//! process; nothing outside of the library can prevent this. An answer that never ends fills memory until its
//! connection is given up, as above. The library's source has a note that large frames are to be refused; no release
//! does. Let only networks or certificates ([TLS](ScyllaConfig::with_tls)) that you trust say who is a node.
//!
//! # Scans
//!
//! In the order of tokens, each key once. The servers leave out what has ended. Where too many deleted rows lie, smaller
//! ranges of tokens are asked for. A scan for a prefix reads the whole table.
//!
//! # Features
//!
//! * `tls` (on by default): TLS by rustls, with the ring provider unless the process has installed another one. The client
//!   library brings aws-lc as well, which is compiled and not used.

mod alter;
mod batch;
mod client;
mod config;
mod connect;
mod ended;
mod error;
mod get;
mod lifetime;
mod lww;
mod mode;
mod put;
mod row;
mod runtime;
mod scan;
mod schema;
mod settle;
mod statements;
mod store;
mod strict;
mod timestamps;
#[cfg(feature = "tls")]
mod tls;
mod url;

pub use self::config::{Replication, ScyllaConfig};
pub use self::mode::Mode;
pub use self::store::ScyllaStore;

/// The backend's name in errors and capabilities.
const BACKEND: &str = "scylla";
