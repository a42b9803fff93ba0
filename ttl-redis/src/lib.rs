//! The ttl-store driver for Redis and Valkey: one server, by TCP, TLS or a Unix socket.
//!
//! ```no_run
//! use std::sync::Arc;
//! use ttl_core::{Key, PutOptions, Record, Ttl, TtlStore};
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
//! Redis 7.0 and newer, and Valkey. What a server can do is found out by asking it for the newest command
//! that is needed, never by its version number; one that lacks it is
//! [`Unsupported`](ttl_core::ErrorKind::Unsupported) at connect. A server that is part of a cluster is
//! [`InvalidConfig`](ttl_core::ErrorKind::InvalidConfig) as soon as it sends the driver elsewhere.
//!
//! The clock that decides is the server's. [`RedisStore::now`](ttl_core::TtlStore::now) is this process's
//! estimate of it: the server's TIME when the connection was made (or this machine's, if the round trip shows no
//! difference), moved on by the monotonic clock, wrong by less than that round trip. Nothing that the driver sends depends on the estimate: TTLs are sent as
//! lengths, and instants are compared with the server's time on the server, the limit of 20 years included.
//!
//! At connect the driver logs one warning (by [`tracing`]) if the server's `maxmemory-policy` may evict
//! entries before their deadline. A failover, or a restart of a server that does not sync every write to
//! disk, can lose writes that were acknowledged; no client can know.
//!
//! # Layout
//!
//! One key for each entry: the namespace, a colon, the entry's key. No namespace contains a colon, so no two
//! of them overlap. Every key is touched by itself.
//!
//! | entry | type | content |
//! |---|---|---|
//! | blob without cap | string | its bytes, as any other client would write them |
//! | record | hash | each field's JSON text under the field's own name, `ttl:version`, `ttl:cap` |
//! | blob with a cap | hash | `ttl:value`, `ttl:version`, `ttl:cap` |
//!
//! * `ttl:version` is `b` or `r` for the kind and 22 random characters, new at every write; for a record also
//!   a dot and the sum over its fields of the lengths of name (as JSON text), value and two separators, which
//!   patches keep the size limit by.
//! * `ttl:cap` is the cap, in epoch milliseconds, if there is one.
//! * The deadline is the key's own expiry plus 1 ms: Redis still shows a key at the millisecond of its
//!   expiry. So an entry is visible if and only if now is before its deadline.
//!
//! When an entry was created stands nowhere: a string has no place for it. So the store denies
//! [`Capabilities::created_at`](ttl_core::Capabilities::created_at).
//!
//! Another client may write strings, and read everything. One that changes a record's fields leaves
//! `ttl:version` as it was, so that a compare-and-swap does not notice; its texts must be JSON. Whatever else
//! stands under a key of the namespace is [`Corrupt`](ttl_core::ErrorKind::Corrupt): it is not overwritten,
//! but can be deleted, and a scan shows it as an item with that error. A record whose `ttl:version` can be read
//! and whose field holds no JSON exists: reads of the field are `Corrupt`, and reads without values succeed.
//! A `ttl:cap` before the key's own expiry, which only another client can write, ends the entry.
//!
//! A string's version is the SHA-1 of its bytes: of many writers of the *same* bytes under one condition, all
//! win, and a value that comes back brings its version back.
//! [`unique_versions`](ttl_core::Capabilities::unique_versions) is therefore denied; a lease writes a random
//! value.
//!
//! # What an operation costs
//!
//! One round trip, for every operation and for a batch of up to 8 MiB of requests. Get, put, delete of a blob and
//! get of a record are plain commands; whatever has to look before it writes, or has to report value and
//! deadline as one, is one of four scripts, called by digest. The exceptions:
//!
//! * a scan: at least one round trip to find keys and one to read them; a page goes on looking until it is
//!   full;
//! * a script that the server has forgotten (it restarted, or was told to) is sent once more, by its text;
//! * a blob with a cap that is met by a plain GET, the first time in a store's life; from then on such
//!   gets send two commands at once;
//! * a plain SET that meets a hash: a blob put over a record, or over a blob with a cap, which must be kept;
//! * a read that meets the other kind than it asked for, or something that is not the driver's;
//! * a patch that removes values from lists of more than 64 KiB of text in all, or has several list operations
//!   that copy more than 16 MiB in all: a script would keep the server from everything else, so it is a
//!   compare-and-swap from this process, three round trips or more;
//! * the first operation on a new connection, which is made, greeted and looked at before; a connection manager
//!   is looked at again whenever a scan goes on from a cursor.
//!
//! A batch is sent in groups of at most 32 keys and about 1 MiB, without waiting in between; at most about 8 MiB
//! of requests are under way. The time limit is that of a group and starts again with every answer, so a large
//! batch may take longer than [`RedisConfig::with_timeout`]. If a group fails, the groups that were not sent yet
//! are `Unavailable`.
//!
//! A put of a blob answers whether it created the entry, so the server sends the old bytes back.
//!
//! # Errors
//!
//! | what happens | read | write |
//! |---|---|---|
//! | no connection can be made in time, or it is known to be broken before anything is sent | `Unavailable` | `Unavailable` |
//! | the connection breaks before the answer | `Unavailable` | `OutcomeUnknown` |
//! | no answer in time | `Timeout` | `OutcomeUnknown` |
//! | an answer that makes no sense, or an error in words that are not the server's own | `Backend` | `OutcomeUnknown` |
//! | OOM, READONLY, NOREPLICAS, MISCONF, LOADING, MASTERDOWN, CLUSTERDOWN, BUSY, maxclients | `Unavailable` | `Unavailable`, nothing changed |
//! | NOAUTH, WRONGPASS, NOPERM, DENIED | `PermissionDenied` | `PermissionDenied`, nothing changed |
//! | what answers does not speak the protocol of Redis | `InvalidConfig` | `InvalidConfig` |
//! | there is no tokio runtime | `InvalidConfig` | `InvalidConfig` |
//!
//! A `Timeout` or `Unavailable` of a read that refreshes promises that the value did not change; the refresh may
//! have been applied.
//!
//! The driver never sends a write a second time, except one that the server has refused unexecuted. It
//! reconnects when it is next used: one attempt at a time, which all callers share, with waits between attempts
//! that grow to half a second. After READONLY, LOADING, MASTERDOWN, CLUSTERDOWN, NOREPLICAS or NOAUTH it replaces
//! the connection, because the address may lead to another server by now; a server that keeps refusing is
//! connected to again every one to two seconds at most. After an answer that makes no sense it gives up the
//! connection, and no request gets another answer from it. A connection that was handed in is not replaced: it
//! must first answer an ECHO before it is used again.
//!
//! A connection ends with the runtime that made it, and the next operation makes another one on its own runtime.
//! Operations of other runtimes that were under way are lost, as when a connection breaks.
//!
//! A read whose refresh the server refuses answers all the same, with
//! [`Entry::refresh_error`](ttl_core::Entry::refresh_error); a read that fails may have refreshed.
//!
//! # Scans
//!
//! In no order. While a scan runs, a key can appear twice on different pages (Redis hands keys out again
//! while it grows or shrinks its table), never twice on one. A cursor is bound to the namespace, the prefix
//! and this run of the server: after a restart it is [`InvalidCursor`](ttl_core::ErrorKind::InvalidCursor),
//! because its table is another one. A user who may not run INFO has cursors that are not bound to the run.
//!
//! # Features
//!
//! * `tls` (on by default): `rediss://`, by rustls with the ring provider unless the process has installed
//!   another one.

mod alter;
mod back_off;
mod batch;
mod codec;
mod config;
mod connection;
mod error;
mod fault;
mod get;
mod patch;
mod put;
mod request;
mod scan;
mod scripts;
mod setup;
mod slot;
mod store;
mod url;

pub use self::config::RedisConfig;
pub use self::store::RedisStore;

/// The backend's name in errors and capabilities.
const BACKEND: &str = "redis";
