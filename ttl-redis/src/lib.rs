//! The ttl-store driver for Redis and Valkey. It connects to a single server over TCP, TLS or a Unix socket.
//!
//! ```no_run
//! use std::sync::Arc;
//! use ttl_core::options::PutOptions;
//! use ttl_core::{Key, Record, Ttl, TtlStore};
//! use ttl_redis::{RedisConfig, RedisStore};
//!
//! # async fn example() -> ttl_core::Result<()> {
//! let config = RedisConfig::from_url("redis://localhost:6379/0?namespace=app&timeout=2s")?;
//! let store: Arc<dyn TtlStore> = Arc::new(RedisStore::connect(&config).await?);
//! let session = Record::new().with("page", "/cart").with("hits", 1);
//! let _ = store.put(&Key::new("session:5f0c")?, session.into(), PutOptions::new(Ttl::minutes(30))).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Servers
//!
//! Redis 7.0 and newer, and Valkey. The driver does not read version numbers: at connect it tries the newest
//! command that it needs. A server without that command is
//! [`Unsupported`](ttl_core::ErrorKind::Unsupported). A server that is part of a cluster is
//! [`InvalidConfig`](ttl_core::ErrorKind::InvalidConfig) as soon as it redirects the driver to another node.
//!
//! The server's clock decides. [`RedisStore::now`](ttl_core::TtlStore::now) is this process's estimate of
//! that clock. The driver reads the server's TIME when it connects, and advances it by the monotonic clock.
//! If the round trip shows no difference between the clocks, it starts from this machine's time instead. The
//! estimate is wrong by less than that round trip. No request depends on it: TTLs are sent as durations, and
//! the server compares instants with its own time, including the limit of 20 years.
//!
//! A user with few permissions needs GET, SET, DEL, EXISTS, TYPE, HGET, HMGET, HGETALL, HSET, HDEL, PEXPIRETIME,
//! PEXPIREAT and PERSIST for the keys of the namespace, and EVAL, EVALSHA, SCRIPT LOAD, TIME, SCAN and INFO. The shorter
//! scripts also use PEXPIRE, PTTL and STRLEN; without one of these, the whole script does the work. Without scripts, what
//! is a plain command still works. A write of several commands is refused as a whole if one of them is not permitted.
//!
//! At connect the driver logs one warning (through [`tracing`]) if the server's `maxmemory-policy` can evict
//! entries before their deadline. A failover can lose acknowledged writes, and so can a restart of a server
//! that does not sync every write to disk. A client cannot detect either.
//!
//! # Layout
//!
//! Each entry has one Redis key: the namespace, a colon, and the entry's key. A namespace cannot contain a
//! colon, so namespaces do not overlap. Each command or script touches a single key.
//!
//! | entry | type | content |
//! |---|---|---|
//! | blob without a cap | string | the bytes, as any other client would write them |
//! | record | hash | the JSON text of each field under the field's name, `ttl:version`, `ttl:cap` |
//! | blob with a cap | hash | `ttl:value`, `ttl:version`, `ttl:cap` |
//!
//! * `ttl:version` is `b` or `r` for the kind, and 22 random characters that change at every write. For a
//!   record a dot and a size follow. The size is the sum over the fields of the lengths of name (as JSON
//!   text), value and two separators; patches use it to enforce the size limit.
//! * `ttl:cap` is the cap, in epoch milliseconds, if the entry has one.
//! * The deadline is the key's expiry plus 1 ms, because Redis still shows a key at the millisecond of its
//!   expiry. So an entry is visible if and only if now is before its deadline.
//!
//! The creation time is not stored, because a string has no place for it. So the store does not support
//! [`Capabilities::created_at`](ttl_core::Capabilities::created_at).
//!
//! Other clients may write strings and read everything. A client that changes a record's fields does not
//! change `ttl:version`, so a compare-and-swap does not detect the change. The texts that it writes must be
//! JSON.
//!
//! Any other content under a key of the namespace is [`Corrupt`](ttl_core::ErrorKind::Corrupt). The driver
//! does not overwrite it, but can delete it, and a scan returns it as an item with that error. A record with
//! a valid `ttl:version` and a field that is not JSON exists: reads of that field are `Corrupt`, and reads
//! without values succeed. A `ttl:cap` before the key's expiry, which only another client can write, ends the
//! entry.
//!
//! The version of a string is the SHA-1 of its bytes. If several writers write the *same* bytes under the
//! same condition, all of them succeed. A value that is written again has the same version again. So the
//! store does not support [`unique_versions`](ttl_core::Capabilities::unique_versions); a lease writes a
//! random value.
//!
//! # Cost
//!
//! An operation takes one round trip, and so does a batch of up to 8 MiB of requests. Get, put and delete of
//! a blob and get of a record are plain commands. An operation that must read before it writes, or that must
//! report value and deadline atomically, is one of four scripts, called by digest. For the usual cases there are
//! shorter scripts: a get of a blob with a refresh or with its deadline, a put of a blob that refreshes or keeps
//! the deadline, and an increment of one field. They continue with the whole script in all other cases. The
//! exceptions are:
//!
//! * A scan takes at least one round trip to find keys and one to read them. It continues until the page is
//!   full.
//! * A script that the server no longer has (after a restart or SCRIPT FLUSH) is sent again, as text.
//! * The first plain GET in a store's life that finds a blob with a cap takes a second round trip. From then
//!   on such gets send two commands at once. So does a get that names no kind, once the store has met strings
//!   and hashes that way. As long as it has met one of them, such a get is one command, and the first entry of
//!   the other kind takes a second round trip.
//! * A plain SET that finds a hash takes a second round trip. The hash is a record, or a blob with a cap, and
//!   the cap must be kept.
//! * A read that finds the other kind than the caller asked for, or foreign content, takes a second round
//!   trip. A get that names no kind can take a third for foreign content.
//! * A patch that removes values from lists with more than 64 KiB of text in total becomes a compare-and-swap
//!   from this process, with three round trips or more. So do several list operations that copy more than
//!   16 MiB in total. A script would block the server for too long.
//! * The first operation on a new connection includes connecting, the handshake and a check of the server.
//!   With a connection manager, a scan that continues from a cursor repeats the check.
//!
//! A batch is sent in groups of at most 32 keys and about 1 MiB, without waiting in between. At most about 8
//! MiB of requests are in flight. The timeout applies to a group and restarts with every answer, so a large
//! batch may take longer than [`RedisConfig::with_timeout`]. If a group fails, the groups that were not sent
//! yet are `Unavailable`.
//!
//! A put of a blob reports whether it created the entry. SET reports this by returning the old bytes, which is
//! the cheapest for the server. Once more than 4 KiB have come back this way, the store's puts of blobs with a TTL are a
//! script, which sends nothing back. Not affected are puts of persistent blobs, puts with `IfAbsent` or with the
//! previous value, and those of a user who may not run scripts.
//!
//! # Changes
//!
//! [`changes`](ttl_core::TtlStore::changes) makes a connection of its own for each stream, with the credentials
//! of the store, and switches the server's client tracking on (`CLIENT TRACKING ON BCAST`). The server then sends
//! the keys of all writes of the namespace: by every client, in scripts, and by expiry and eviction too. It sends
//! them at the end of a turn of its event loop, so a write can return before its report arrives.
//!
//! * The cost is traffic: every write of the namespace is sent to every stream, with its key and about 20 bytes. The
//!   server keeps no list of keys for it. A program needs one stream, however many caches it has.
//! * Messages do not name the database, so a change of the same key in another database is reported too.
//! * FLUSHALL, FLUSHDB and the synchronization of a new replica are reported as `Cleared`.
//! * A gap is reported at once if the connection ends. A server that is silent is noticed by a PING each second, so
//!   a loss remains unknown for at most one second and the timeout. Until there is another connection, gaps are
//!   repeated at intervals of at most the same length.
//! * If the requests of the store reach another server, such as after a failover, the stream follows them within a
//!   second.
//! * 8192 changes wait for a slow reader. If there are more, it gets a gap.
//! * SWAPDB is not reported, because the server does not report it. Do not use it on a database whose entries are
//!   cached.
//! * A user needs permission for `client|tracking`; otherwise the call is `PermissionDenied`. A server, or a proxy,
//!   without client tracking is `Unsupported`, and so is a store on a caller-managed connection.
//!
//! The keys of other writers that no [`Key`](ttl_core::Key) can hold are not reported, because no store can read
//! them.
//!
//! # Errors
//!
//! | failure | read | write |
//! |---|---|---|
//! | no connection in time, or the connection is known to be broken before anything is sent | `Unavailable` | `Unavailable` |
//! | the connection breaks before the answer | `Unavailable` | `OutcomeUnknown` |
//! | no answer in time | `Timeout` | `OutcomeUnknown` |
//! | an answer of an unknown form, or an error that the driver does not know | `Backend` | `OutcomeUnknown` |
//! | OOM, READONLY, NOREPLICAS, MISCONF, LOADING, MASTERDOWN, CLUSTERDOWN, BUSY, maxclients | `Unavailable` | `Unavailable`, nothing changed |
//! | NOAUTH, WRONGPASS, NOPERM, DENIED | `PermissionDenied` | `PermissionDenied`, nothing changed |
//! | the peer does not speak the protocol of Redis | `InvalidConfig` | `InvalidConfig` |
//! | there is no tokio runtime | `InvalidConfig` | `InvalidConfig` |
//!
//! A read with a refresh that fails with `Timeout` or `Unavailable` has not changed the value, but the
//! refresh may have been applied.
//!
//! A put of a blob with `IfAbsent` is SET NX, unless that does not suffice (for a cap, an instant, or metadata of the
//! entry). So on a server that cannot write it is `Unavailable` even if there is an entry, and foreign content makes it
//! `Refused` instead of `Corrupt`.
//!
//! The driver never sends a write twice, unless the server rejected it without executing it. It reconnects at
//! the next use. There is one attempt at a time, which all callers share, and the waits between attempts grow
//! to half a second.
//!
//! After READONLY, LOADING, MASTERDOWN, CLUSTERDOWN, NOREPLICAS or NOAUTH the driver replaces the connection,
//! because the address may lead to another server by now. If the server keeps refusing, the driver reconnects
//! at most every one to two seconds. After an answer of an unknown form it abandons the connection, and no
//! request gets another answer from it. A caller-managed connection is not replaced: it must answer an ECHO
//! before it is used again.
//!
//! A connection ends with the runtime that made it. The next operation makes another one on its own runtime.
//! Operations of other runtimes that were in flight are lost, as when a connection breaks.
//!
//! A read whose refresh the server refuses still succeeds, with
//! [`Entry::refresh_error`](ttl_core::Entry::refresh_error). A read that fails may have refreshed.
//!
//! # Scans
//!
//! A scan returns entries in no particular order. A key never appears twice on one page. During a scan it can
//! appear on two pages, because Redis returns keys again while it grows or shrinks its table. A cursor is
//! bound to the namespace, the prefix and the run of the server. After a restart the table is a new one, so
//! the cursor is [`InvalidCursor`](ttl_core::ErrorKind::InvalidCursor). If the user may not run INFO, cursors
//! are not bound to the run.
//!
//! # Features
//!
//! * `tls` (on by default): `rediss://`, through rustls. The provider is ring, unless the process has
//!   installed another one.

mod config;
mod connect;
mod connection;
mod error;
mod inner;
mod layout;
mod ops;
mod store;
mod url;
mod wire;

use ttl_core::driver::Context;

pub use self::config::RedisConfig;
pub use self::inner::RedisStore;

/// The backend's name in errors and capabilities.
const BACKEND: &str = "redis";

const CONTEXT: Context = Context::new(BACKEND);
