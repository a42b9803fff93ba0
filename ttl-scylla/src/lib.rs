//! The ScyllaDB and Apache Cassandra driver of ttl-store.
//!
//! ```no_run
//! use std::sync::Arc;
//! use ttl_core::options::PutOptions;
//! use ttl_core::{Key, Record, Ttl, TtlStore};
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
//! # Connecting
//!
//! [`ScyllaStore::connect`] connects, checks the table and prepares every statement.
//! [`ScyllaStore::from_session`] does the same on a session of the program. There is no `lazy`
//! constructor, because every operation needs the prepared statements and a table in the right mode.
//!
//! # Modes
//!
//! A table has one [`Mode`] for its whole life. The table's comment records it, and connecting in the other
//! mode fails.
//!
//! * **Strict** (default): every write is a lightweight transaction and every read is serial, so every clause
//!   of the contract holds. If programs in several datacentres write to one table, set
//!   [`with_serial_consistency`](ScyllaConfig::with_serial_consistency) to `Serial`: with the default,
//!   `LocalSerial`, two of them can win.
//! * **Lww**: plain writes; the write with the latest timestamp wins. Conditions, patches, caps, takes and
//!   deletes that expect a kind are [`Unsupported`](ttl_core::ErrorKind::Unsupported). A refresh has the
//!   timestamp of the refreshed entry plus one microsecond, and an expire plus ten, so neither overrides a
//!   newer write. Two writes of one key with the same timestamp can mix their cells, which is an exception to
//!   E4; this does not happen within a process, as long as clocks agree. Of concurrent refreshes any one can
//!   remain, not always the longest, which is an exception to R2. Timestamps come from the writers' clocks. A
//!   write overrides everything it has read, but after a delete by a program whose clock is ahead, the puts
//!   of other programs are lost until their clocks have caught up.
//!
//! The clock of this process decides ([`ScyllaConfig::with_clock`]). Programs that share a table need clocks
//! that agree as closely as deadlines must be kept.
//!
//! # Late requests (R3, E3)
//!
//! A request is checked against the clock when it is sent, and no condition of a lightweight transaction
//! checks the time at which it is applied. In strict mode, the first operation that finds an expired entry
//! therefore marks its row before it returns. The mark is a transaction that writes a new version, and cells
//! that end a millisecond before the deadline. A refresh, an expire, a put with `IfVersion` or a patch that
//! was sent while the entry was live is then rejected, however late it arrives. An entry that was reported as
//! gone never comes back. The exceptions:
//!
//! * A scan marks nothing. An entry that it skipped can come back through a request in flight, until the
//!   servers have deleted the deadline's cell. That is at the latest the [clock
//!   skew](ScyllaConfig::with_clock_skew) and two seconds after the deadline.
//! * A program without write permission marks nothing, and the same bound applies.
//! * In lww mode nothing is marked. A late refresh or expire revives an entry until its other cells are
//!   deleted, which is the clock skew and two seconds after the instant in `covers`.
//! * A program whose clock is ahead ends entries early only for itself. Other programs still see a marked
//!   entry, and a deadline that they move afterwards counts. For the version they knew, they get `Refused`.
//!
//! # Runtimes
//!
//! The driver runs its connections on its own thread, one per process, which never ends. A store works on
//! every runtime of the program, after any of them has ended, and without one. A `static` store can serve
//! several `#[tokio::test]`s. Callers encode and decode on their own threads.
//!
//! Compared with connections on the caller's runtime, this costs a single-threaded program about 15 µs per
//! request (one wakeup in each direction), and a multi-threaded program no measurable time. TLS is the only
//! per-byte work on this thread. A session that the program passes in ([`ScyllaStore::from_session`]) stays
//! on the runtime that created it, and ends with it.
//!
//! # Servers
//!
//! Tested with Apache Cassandra 5.0, one node and a cluster of three. Not tested: ScyllaDB itself, several
//! datacentres. The driver adapts to the responses of a server, never to its name or version. ScyllaDB before
//! 2025.4 has no lightweight transactions on tablets; the driver then returns `Unsupported`, with a text that
//! says what to do.
//!
//! # Layout
//!
//! Each entry is one row.
//!
//! | column | type | content |
//! |---|---|---|
//! | `key` | `text`, the partition key | the entry's key |
//! | `kind` | `tinyint` | 1 blob, 2 record, 3 blob with a cap, 4 record with a cap |
//! | `value` | `blob` | the bytes, or the record's canonical JSON text |
//! | `deadline` | `bigint` | epoch milliseconds; 2^63 - 1 without one |
//! | `covers` | `bigint` | instant until which all cells except the deadline exist, at least; 2^63 - 1 for no end |
//! | `cap` | `bigint` | the cap in epoch milliseconds; 2^63 - 1 without one |
//! | `version` | `uuid` | a random token, new with every value |
//! | `created` | `bigint` | time at which the value was put, or its record created by a patch, in epoch milliseconds |
//!
//! Once an operation has found the entry expired, `covers` is before `deadline`.
//!
//! An entry is visible while the current time is before both `deadline` and `covers`. A row without a
//! `deadline` is not an entry. A record is one cell, so its fields cannot expire separately. Every cell of an
//! entry with a deadline has a native TTL. It ends after the deadline, by the configured [clock
//! skew](ScyllaConfig::with_clock_skew) and at most two seconds. The native TTL only reclaims space; it
//! decides nothing.
//!
//! Moving a deadline is one small write as long as the other cells live long enough. Otherwise all cells are
//! written again. A refresh then writes them for twice the time, which keeps the following refreshes small.
//!
//! Servers support native TTLs of up to 20 years, and up to January 2038. An entry that ends later has no
//! native TTL: once expired it is invisible, and its space is reclaimed by the next write of its key.
//!
//! # Tables
//!
//! [`with_ensure_schema`](ScyllaConfig::with_ensure_schema) creates the table, and also the keyspace if a
//! [replication](ScyllaConfig::with_replication) is set. Without it, the error for a missing table contains
//! the CQL. The table options:
//!
//! * `LeveledCompactionStrategy`, because rows are rewritten often and read by key. It keeps few copies and
//!   reads few files. (`TimeWindowCompactionStrategy` suits data that is never rewritten, and a refresh
//!   rewrites.)
//! * `unchecked_tombstone_compaction`, which compacts files of expired cells although they overlap with
//!   others.
//! * `default_time_to_live` 0. A table must keep this setting.
//! * `gc_grace_seconds` is left unchanged. It must be longer than the time between repairs.
//!
//! # Cost
//!
//! The number of requests. Each is one round trip to a node that has the row; every statement is prepared
//! once, at connect.
//!
//! | operation | strict | lww |
//! |---|---|---|
//! | get | 1; 2 with a refresh that is due | the same |
//! | first operation that finds an entry expired | 1 more | no extra request |
//! | put that creates, put with `IfAbsent` or `IfVersion` | 1 (over a ghost 2) | 2 |
//! | put over an entry, put that returns the previous entry | 2 | 2; - |
//! | expire | 1; 2 from the present deadline; 3 beyond the lifetime of the cells | 2; 3 |
//! | delete | 1; 2 for a take | 2 |
//! | patch | 2, and 2 for each conflict; 1 if its bounds reject it | - |
//!
//! Patches of one key by one process wait for each other in the process, for at most one timeout. A batch has
//! up to 64 requests in flight. A refresh that rewrites a value it has not read reads it first.
//!
//! # Errors
//!
//! | cause | read | write |
//! |---|---|---|
//! | no connection, too few replicas up, node starting | `Unavailable` | `Unavailable`, nothing changed |
//! | no response in time, connection broken, replicas failed | `Timeout` or `Unavailable` | `OutcomeUnknown`, unless it can be settled |
//! | a response that cannot be read, or belongs to another statement | `Backend` or `Unavailable` | `OutcomeUnknown`, unless it can be settled |
//! | credentials or grants refused | `PermissionDenied` | `PermissionDenied`, nothing changed |
//!
//! A write counts as "not applied" only if it certainly was not sent or the server says so. In all other
//! cases the driver looks for its effect, or returns `OutcomeUnknown`. A failed read has never changed a
//! value.
//!
//! The retries of the client library are disabled. In strict mode, the driver settles a lost response by
//! requests that cannot apply twice:
//!
//! * A put or a patch over a version that was read is sent once more, while the entry is live. Versions never
//!   recur, so only one of the two is applied, and the stored version shows whether one was.
//! * A create is not sent again, and neither is a refresh or an expire to an instant over a deadline that was
//!   read: an absent row and a deadline can recur. The driver reads the row, which either shows that the
//!   write was applied or leaves the outcome open.
//! * A delete, an expire by a step, and an expire that has not read the row leave nothing that shows which
//!   caller made the change.
//!
//! In lww mode a write is sent once more with its timestamp, which has no further effect; a refresh or an
//! expire only while the entry is live.
//!
//! Each connection sends a keepalive after half a timeout (at least one second, at most 30), and is closed if
//! no response comes within one timeout. A connection whose peer has vanished silently therefore fails
//! requests for about one and a half timeouts.
//!
//! No error and no `Debug` output contains a key or a value. The client library's own spans of level TRACE do
//! contain keys. If your keys are secret, do not let a subscriber record `scylla=trace`.
//!
//! # Trust
//!
//! The process must trust the servers. The client library (1.9) trusts the lengths in a response: one of some
//! 20 bytes that announces two billion columns requests more memory than the machine has, which aborts the
//! process. Nothing outside the library can prevent this. An endless response fills memory until its
//! connection is closed, as described above. The library's source has a note that large frames are to be
//! refused; no release does so. Connect only over networks that you trust, or with certificates
//! ([TLS](ScyllaConfig::with_tls)) that identify the nodes.
//!
//! # Scans
//!
//! A scan returns keys in the order of their tokens, each key once. The servers skip expired entries. If a
//! range of tokens contains too many deleted rows, the driver requests smaller ranges. A scan for a prefix
//! reads the whole table.
//!
//! # Features
//!
//! * `tls` (on by default): TLS by rustls, with the ring provider unless the process has installed another
//!   one. The client library also depends on aws-lc, which is compiled and not used.

mod config;
mod connect;
mod connection;
mod error;
mod inner;
mod layout;
mod mode;
mod ops;
mod patch_locks;
mod schema;
mod store;
mod timestamps;
mod url;
mod wire;

use ttl_core::driver::Context;

pub use self::config::{Replication, ScyllaConfig};
pub use self::inner::ScyllaStore;
pub use self::mode::Mode;

/// The backend's name in errors and capabilities.
const BACKEND: &str = "scylla";

const CONTEXT: Context = Context::new(BACKEND);
