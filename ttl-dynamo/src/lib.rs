//! The Amazon DynamoDB driver of ttl-store.
//!
//! ```no_run
//! use std::sync::Arc;
//! use ttl_core::options::PutOptions;
//! use ttl_core::{Key, Record, Ttl, TtlStore};
//! use ttl_dynamo::{DynamoConfig, DynamoStore};
//!
//! # async fn example() -> ttl_core::Result<()> {
//! let config = DynamoConfig::from_url("dynamodb://sessions?region=eu-central-1&namespace=app&table=ensure")?;
//! let store: Arc<dyn TtlStore> = Arc::new(DynamoStore::connect(&config).await?);
//! let session = Record::new().with("page", "/cart").with("hits", 1);
//! let _ = store.put(&Key::new("session:5f0c")?, session.into(), PutOptions::new(Ttl::minutes(30))).await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`DynamoStore::connect`] checks the table before it returns a store ([`OnConnect`]). [`DynamoStore::lazy`]
//! sends nothing. Neither does connecting with `table=lazy` in the URL: a missing table then fails the first
//! operation.
//!
//! The store builds its own client, or copies a caller-managed client ([`DynamoStore::from_client`]). The copy
//! shares the connections of the original and never retries. To use a proxy, pass in a client that is
//! configured with one.
//!
//! # Credentials
//!
//! Credentials come only from the AWS chain or from the client that the program passes in. The chain covers
//! `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, the profile (`AWS_PROFILE`, `~/.aws`), web identity, the
//! container's role and the instance's role. A URL cannot contain credentials. DynamoDB Local accepts any
//! credentials, but requires some.
//!
//! Without credentials, connecting fails with [`InvalidConfig`](ttl_core::ErrorKind::InvalidConfig) after at
//! most five seconds. The error text names the settings to add. The same error is returned if no region is
//! set: use `region=` in the URL, `AWS_REGION` or the profile.
//!
//! # Clock
//!
//! DynamoDB does not expose its time, so **the clock of this process decides** which entries have expired.
//! Within a process it never runs backwards. Between processes:
//!
//! * A store whose clock is ahead sees an entry end earlier by the skew; a store whose clock is behind sees
//!   it end later. A TTL counts from the clock of the store that wrote. Synchronize the clocks of the
//!   machines (NTP keeps them within milliseconds), and choose TTLs that are long compared with the skew.
//! * A ghost that one store has reported as expired may still be live for a store whose clock is behind. If
//!   that store refreshes the entry, it is live again. A write that was sent before the deadline counts even
//!   if it arrives later, so a refresh or an expire can revive an entry that another reader has already found
//!   gone (R3). The delay is bounded: an acknowledged write is no older than
//!   [`DynamoConfig::with_attempt_timeout`], because each attempt reads the clock again. An abandoned write
//!   (`OutcomeUnknown`) may arrive until DynamoDB rejects its signature, which is valid for five minutes.
//!   DynamoDB Local does not check the age of a signature.
//! * A delete without conditions also removes a ghost, so nothing revives the entry afterwards.
//! * DynamoDB's own deletion uses Amazon's clock, and happens a grace period after the deadline
//!   ([`DynamoConfig::with_grace`], an hour by default). Up to that skew, it never deletes an entry that a
//!   store still sees.
//! * DynamoDB rejects the signatures of a machine whose clock is more than five minutes off.
//!
//! # Layout
//!
//! Each entry is one item.
//!
//! | attribute | type | content |
//! |---|---|---|
//! | `ttl:key` | S | the partition key: the entry's key, prefixed with the namespace (if any) and a colon |
//! | `ttl:version` | S | 22 random characters, new at every write of the value |
//! | `ttl:created` | N | time at which the value was put, or its record created by a patch, in milliseconds since the Unix epoch |
//! | `ttl:deadline` | N | end of the entry, in milliseconds since the Unix epoch; absent for a persistent entry |
//! | `ttl:cap` | N | the cap, in milliseconds since the Unix epoch; absent without one. The entry ends at the earlier of the two |
//! | `ttl:epoch` | N | the table's TTL attribute, in seconds: a grace after the deadline. For garbage collection only |
//! | `ttl:value` | B | a blob's bytes |
//! | `ttl:fields` | M | a record's fields, in native types |
//!
//! For an existing table, the names of the key and of the TTL attribute are configurable
//! ([`DynamoConfig::with_key_attribute`], [`DynamoConfig::with_ttl_attribute`]). A number that DynamoDB
//! cannot represent (a fraction outside of 1E-130 to 9.99E+125) is stored as B, its decimal text. A name
//! inside an object that is empty or begins with `ttl:` is stored with an additional `ttl:` prefix.
//!
//! The driver does not recognize an item without a string in `ttl:version`. Reads and writes of it return
//! [`Corrupt`](ttl_core::ErrorKind::Corrupt), a scan skips it, and a delete removes it.
//!
//! A field whose type has no JSON counterpart makes every read of that field `Corrupt`. No condition can look
//! inside the fields. The first refreshing get of such an entry has therefore already moved its deadline when
//! it finds the damage; later gets of the same store read before they write, and no longer move it. A take or
//! a patch of that field is applied, returns [`OutcomeUnknown`](ttl_core::ErrorKind::OutcomeUnknown), and its
//! error text says that it was applied.
//!
//! A deadline or a cap that another program wrote counts as DynamoDB compares it, whatever the number.
//! DynamoDB deletes expired items up to days late. Until then they occupy storage, but the driver never
//! returns them.
//!
//! Stores with different namespaces can share a table without any overlap. A store without a namespace needs
//! a table of its own.
//!
//! # Cost
//!
//! An operation is one request, refresh included. Every write is conditional, and the condition checks that
//! the entry is live. The exceptions:
//!
//! | operation | requests |
//! |---|---|
//! | get with slack, or with a refresh that resets, when it is due; any other get is 1 | 2 |
//! | put over a ghost that had a cap | 2 |
//! | put that keeps the deadline, over a persistent entry or a ghost | 2 |
//! | put that refreshes, on an absent key; over a persistent entry too if it only extends | 2 |
//! | put without an expiry, over a capped entry; persist of a capped entry | 2 |
//! | patch that creates, on an absent key | 2 |
//! | patch with a refresh that has nothing to extend | 2 |
//! | patch with `pop_back` or `remove_value`, of a field twice, with a pop or a clear of a missing field, with a fraction that is added within bounds, or whose expression would be longer than DynamoDB accepts (some 60 operations that increment or append, some 300 that set); any patch with [`DynamoConfig::with_max_value_bytes`] | 2 |
//!
//! A patch that its bounds reject is one request: the failed condition returns the stored item.
//!
//! When many callers patch or put the same absent key or ghost at the same time, each needs at most three
//! requests, or four with a refresh that has nothing to extend. A caller that loses the race to create
//! applies its patch to the entry that the winner created.
//!
//! If the driver decides, and not the condition, the write is pinned to the version that was read. On a
//! conflict the driver retries after a random wait. After 64 conflicts the operation fails with
//! [`Contention`](ttl_core::ErrorKind::Contention). Every retry is billed again.
//!
//! DynamoDB bills an update by the size of the whole item, in units of 1 KB, even if the condition fails. A
//! refresh on read is therefore a write of the whole entry: give the policy some slack, and store rarely
//! changing data elsewhere. A consistent read costs twice as much as an eventual one, in units of 4 KB.
//!
//! # Batches
//!
//! `get_many` reads up to 100 keys per request, each key once. It requests unprocessed keys again after a
//! random wait, and gives up after [`DynamoConfig::with_attempts`] attempts without progress; only the
//! remaining keys then fail. A response has at most 16 MB. A batch that is not answered within
//! [`DynamoConfig::with_attempt_timeout`] is split into halves. With a refresh, each key is a separate get.
//!
//! `put_many` and `delete_many` send separate requests, because DynamoDB's batch writes have no conditions.
//! Up to [`DynamoConfig::with_concurrency`] requests run at a time; those for the same key run in the order
//! of the call.
//!
//! # Scans
//!
//! A scan returns keys in no particular order, and each key at most once. **A scan reads the whole table**,
//! including other namespaces, ghosts and all prefixes, and is billed for it; it is meant for maintenance. A
//! page continues until it is full.
//!
//! A cursor is bound to the table, the namespace, the prefix and the number of segments of its first page
//! ([`DynamoConfig::with_segments`], the number of parallel requests). With more than one segment, a cursor
//! can contain keys of other namespaces.
//!
//! # Errors
//!
//! The driver retries a request, up to [`DynamoConfig::with_attempts`] times within
//! [`DynamoConfig::with_timeout`] and with a fresh time, in three cases: the request only reads, it was
//! rejected without being executed, or it is pinned to a version that was read.
//!
//! | cause | read | write |
//! |---|---|---|
//! | no connection | `Unavailable`, with the reason | `Unavailable`, nothing changed |
//! | throttled | `Unavailable` | `Unavailable`, nothing changed |
//! | no response in time | `Timeout` | `OutcomeUnknown`, unless a consistent read afterwards proves the outcome |
//! | the connection breaks, or its runtime ends; 5xx | `Unavailable` | `OutcomeUnknown`, unless a consistent read afterwards proves the outcome |
//! | a response that does not come from DynamoDB | `Unavailable` | `OutcomeUnknown`, unless a consistent read afterwards proves the outcome |
//! | no region, no credentials; `https://` to a port without TLS | `InvalidConfig` | `InvalidConfig` |
//! | an untrusted certificate | `Unavailable`, not retryable | `Unavailable`, not retryable, nothing changed |
//! | credentials that have expired or are not accepted, missing permission | `PermissionDenied`, with the action that IAM must allow | the same |
//! | no such table, or a table with a different key | `InvalidConfig`, with the way to create it | the same |
//! | an item of more than 400 KB | | `TooLarge`, nothing sent; DynamoDB rejects a one-request patch that makes an item too large |
//!
//! A response comes from DynamoDB if its media type is `application/x-amz-json-1.0`, its body is not empty
//! and matches the stated checksum, and a rejection names its error (`__type`). Other responses come from a
//! proxy, a gateway or a login page, which may have forwarded the request.
//!
//! If the response to an unconditional put is lost and the put turns out to be applied, the driver may be
//! unable to tell whether it created the entry. The result then says that it created nothing. If the caller
//! asked for the deadline and it can no longer be determined (`Keep`, a patch without a refresh), the
//! operation returns `OutcomeUnknown`, and its text says that the write was applied.
//!
//! A failed read has changed no value, but its refresh may have been applied.
//!
//! A read whose refresh fails still returns the entry, with
//! [`Entry::refresh_error`](ttl_core::Entry::refresh_error), and costs a second request.
//!
//! # Tables
//!
//! [`DynamoStore::ensure_table`] (`table=ensure`) creates the table if it is missing.
//! [`DynamoStore::check_table`] (`table=check`) only checks the table and its TTL. To create the table by
//! hand:
//!
//! ```sh
//! aws dynamodb create-table --table-name sessions --billing-mode PAY_PER_REQUEST \
//!     --attribute-definitions AttributeName=ttl:key,AttributeType=S --key-schema AttributeName=ttl:key,KeyType=HASH
//! aws dynamodb update-time-to-live --table-name sessions \
//!     --time-to-live-specification Enabled=true,AttributeName=ttl:epoch
//! ```
//!
//! A table needs a partition key of type string and no sort key. Without TTL on the table everything works,
//! but DynamoDB deletes no expired entries. A global table is one table per region: conditions hold within a
//! region, and the last writer wins between regions. No clause about concurrent writers holds across regions.
//!
//! # Permissions
//!
//! The minimal IAM policy, on `arn:aws:dynamodb:REGION:ACCOUNT:table/TABLE`:
//!
//! ```json
//! { "Version": "2012-10-17", "Statement": [
//!   { "Sid": "Read", "Effect": "Allow",
//!     "Action": ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Scan"],
//!     "Resource": "arn:aws:dynamodb:REGION:ACCOUNT:table/TABLE" },
//!   { "Sid": "Write", "Effect": "Allow",
//!     "Action": ["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"],
//!     "Resource": "arn:aws:dynamodb:REGION:ACCOUNT:table/TABLE" },
//!   { "Sid": "Check", "Effect": "Allow",
//!     "Action": ["dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive"],
//!     "Resource": "arn:aws:dynamodb:REGION:ACCOUNT:table/TABLE" },
//!   { "Sid": "Make", "Effect": "Allow",
//!     "Action": ["dynamodb:CreateTable", "dynamodb:UpdateTimeToLive", "dynamodb:TagResource"],
//!     "Resource": "arn:aws:dynamodb:REGION:ACCOUNT:table/TABLE" }
//! ] }
//! ```
//!
//! * Connecting requires none of these. It calls `DescribeTable`, and continues if that is denied. With the
//!   permission, a missing table is found before the first operation.
//! * Read only: `Read`; without `Scan` if the program never scans. A get that refreshes is a write.
//! * Read and write: `Read` and `Write`.
//! * `table=check`: also `Check`. `table=ensure`: also `Check` and `Make`; `Make` is not used on a table that
//!   fits. `TagResource` is needed only for tags. An encryption key of the account also needs the permissions
//!   of KMS.
//!
//! # Limits
//!
//! An item has at most 400 KB, names included. [`max_value_bytes`](ttl_core::Capabilities::max_value_bytes)
//! is the largest value that fits under the longest key, or the limit set by
//! [`DynamoConfig::with_max_value_bytes`], which then also applies to patches. It counts the bytes of a blob
//! or of a record's canonical text. For a record it also counts the size of DynamoDB's representation: a list
//! of small numbers is larger there.
//!
//! Without a configured limit, only the item's 400 KB limit applies to patches below 64 KiB. A record that
//! grows by such patches can exceed `max_value_bytes` if its text needs escapes. Fractions are added in
//! decimal, which is exact up to 38 digits: a sum can differ from the sum of two `f64`s by their rounding
//! error.

mod config;
mod connect;
mod connection;
mod error;
mod inner;
mod layout;
mod ops;
mod schema;
mod store;
mod unreadable;
mod url;
mod wire;

use ttl_core::driver::Context;

pub use self::config::{Billing, DynamoConfig, Encryption, NewTable, OnConnect, Reads};
pub use self::inner::DynamoStore;

/// The backend's name in errors and capabilities.
const BACKEND: &str = "dynamodb";

/// The context of every error that an operation returns.
const CONTEXT: Context = Context::new(BACKEND);
