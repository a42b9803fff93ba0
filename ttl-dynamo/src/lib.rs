//! The ttl-store driver for Amazon DynamoDB.
//!
//! ```no_run
//! use std::sync::Arc;
//! use ttl_core::{Key, PutOptions, Record, Ttl, TtlStore};
//! use ttl_dynamo::{DynamoConfig, DynamoStore};
//!
//! # async fn example() -> ttl_core::Result<()> {
//! let config = DynamoConfig::from_url("dynamodb://sessions?region=eu-central-1&namespace=app&table=ensure")?;
//! let store: Arc<dyn TtlStore> = Arc::new(DynamoStore::connect(config).await?);
//! let session = Record::new().with("page", "/cart").with("hits", 1);
//! let _ = store.put(&Key::new("session:5f0c")?, session.into(), PutOptions::new(Ttl::minutes(30))).await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`DynamoStore::connect`] looks at the table before it hands out a store ([`OnConnect`]). [`DynamoStore::new`] sends
//! nothing, nor does connecting with `table=lazy` in the URL: then the first operation finds out. The client is built by
//! itself, or is one that the program has ([`DynamoStore::with_client`]): a copy of it that shares its connections and
//! retries nothing. A proxy is used only by a client that is handed in with one.
//!
//! # Credentials
//!
//! They come from the AWS chain alone: `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, the profile (`AWS_PROFILE`,
//! `~/.aws`), web identity, the container's role, the instance's role; or with a client of the program's own. A URL has
//! no place for them. DynamoDB Local takes any, but wants some. Without, connecting is
//! [`InvalidConfig`](ttl_core::ErrorKind::InvalidConfig) and says what to set, after five seconds at the latest. So it is
//! without a region: `region=` in the URL, `AWS_REGION` or the profile's.
//!
//! # Clock
//!
//! DynamoDB tells no time, so **this process's clock decides** what has expired. Within a process it never runs
//! backwards. Between processes:
//!
//! * A store whose clock is ahead by some skew sees an entry end earlier by that skew, one whose clock is behind sees it
//!   end later. Whatever a TTL counts from is the clock of the store that wrote. Keep the clocks of the machines together
//!   (NTP keeps them within milliseconds), and make TTLs long against their skew.
//! * A ghost that one store sees as ended and another, behind, as live can be refreshed by the latter: it lives then. A
//!   write that was sent before the deadline counts although it arrives after it, so that a refresh or an expire can revive
//!   what another reader has found gone (R3). The bound: a write that is answered is no older than
//!   [`DynamoConfig::with_attempt_timeout`], because each attempt takes the time anew. One that is given up (`OutcomeUnknown`)
//!   may arrive later, until DynamoDB refuses its signature, which is five minutes old at most. DynamoDB Local does not look
//!   at that.
//! * DynamoDB's own deletion goes by Amazon's clock, a grace after the deadline
//!   ([`DynamoConfig::with_grace`], an hour): up to that skew nothing is deleted which a store still sees.
//! * Signatures are refused when a machine's clock is more than five minutes off.
//!
//! # Layout
//!
//! An item for each entry.
//!
//! | attribute | type | content |
//! |---|---|---|
//! | `ttl:key` | S | the partition key: the entry's key, after the namespace and a colon if there is one |
//! | `ttl:version` | S | 22 random characters, new at every write of the value |
//! | `ttl:created` | N | when the value was put, or its record created by a patch, in milliseconds since the Unix epoch |
//! | `ttl:deadline` | N | when it ends, in milliseconds since the Unix epoch; absent if it is persistent |
//! | `ttl:cap` | N | the cap, likewise; absent without one. The entry ends at the earlier of the two |
//! | `ttl:epoch` | N | the table's TTL attribute, in seconds: a grace after the deadline. Garbage collection only |
//! | `ttl:value` | B | a blob's bytes |
//! | `ttl:fields` | M | a record's fields, in native types |
//!
//! The names of the key and of the TTL attribute can be set, for a table that is there already
//! ([`DynamoConfig::with_key_attribute`], [`DynamoConfig::with_ttl_attribute`]). A number that DynamoDB cannot hold (a
//! fraction outside of 1E-130 to 9.99E+125) is B, its decimal text. A name inside of an object that is empty, or begins
//! with `ttl:`, has a further `ttl:` in front.
//!
//! An item without a text in `ttl:version` is not the driver's: [`Corrupt`](ttl_core::ErrorKind::Corrupt) to a read and a write,
//! passed over by a scan, and it can be deleted. An entry with a field of a type that is none of JSON's is `Corrupt` to
//! whatever reads that field. No condition can look into the fields. So the first get that is to refresh such an entry has
//! moved its deadline when it finds that out; later ones of the same store read before they write, and move it no more. A
//! take or a patch of that field was applied, is [`OutcomeUnknown`](ttl_core::ErrorKind::OutcomeUnknown) and says so.
//! A deadline or a cap that another program wrote counts as DynamoDB compares it, whatever number it is. DynamoDB deletes expired items up to days late; until then they are
//! there, cost storage, and are never seen through the driver.
//!
//! Stores with different namespaces share a table and nothing else. A store without one has the table to itself.
//!
//! # What an operation costs
//!
//! One request, refresh included. Every write is conditional, and the condition decides about life. The exceptions:
//!
//! | operation | requests |
//! |---|---|
//! | get with slack, or with a refresh that resets, when it is due; any other one is 1 | 2 |
//! | put over a ghost that had a cap | 2 |
//! | put that keeps the deadline, over a persistent entry or a ghost | 2 |
//! | put that refreshes, on an absent key; over a persistent entry too if it only extends | 2 |
//! | put without an expiry, over a capped entry; persist of a capped entry | 2 |
//! | patch that creates, on an absent key | 2 |
//! | patch with a refresh that has nothing to extend | 2 |
//! | patch with `pop_back` or `remove_value`, of a field twice, with a pop or a clear of what is missing, with a fraction that is added within bounds, or whose expression would be longer than DynamoDB takes (some 60 operations that increment or append, some 300 that set); any patch with [`DynamoConfig::with_max_value_bytes`] | 2 |
//!
//! A patch that its bounds refuse is one request: the refusal of the condition shows what is there.
//!
//! Many who patch or put an absent key, or a ghost, at the same time need three requests each at most, four with a refresh
//! that has nothing to extend: who loses the race to create adds to what the winner created.
//!
//! What is decided here and not by the condition is pinned on the version that was read, and tried again when somebody
//! was faster, after a random wait; after 64 times it is [`Contention`](ttl_core::ErrorKind::Contention). Whatever is
//! sent again after a failure costs again.
//!
//! DynamoDB bills an update by the size of the whole item, 1 KB a unit, and a refused one too. So a refresh on read is a
//! write of everything that the entry holds: give a policy some slack, and keep what changes seldom elsewhere. A
//! consistent read costs twice as much as an eventual one, of 4 KB a unit.
//!
//! # Batches
//!
//! `get_many` reads up to 100 keys a request, each key once, and asks again for what DynamoDB leaves unprocessed, after
//! a random wait, as often as [`DynamoConfig::with_attempts`] says without anything coming; what is left then fails by
//! itself. An answer has at most 16 MB, and what does not come within [`DynamoConfig::with_attempt_timeout`] is asked for
//! in halves. With a refresh each key is a get of its own. `put_many` and `delete_many` are requests of their own, because
//! DynamoDB's batch writes have no conditions. [`DynamoConfig::with_concurrency`] of them are under way at a time; those
//! of the same key follow one another in the order of the call.
//!
//! # Scans
//!
//! In no order, and a key does not appear twice. **A scan reads the whole table**, other namespaces, ghosts and all
//! prefixes included, and is billed for it; it is for maintenance. A page goes on until it is full. A cursor is bound to
//! table, namespace and prefix, and to the number of segments that it began with
//! ([`DynamoConfig::with_segments`]: so many requests at a time); with more than one segment it can hold keys of other
//! namespaces.
//!
//! # Errors
//!
//! A request is sent again, up to [`DynamoConfig::with_attempts`] times within [`DynamoConfig::with_timeout`] and with a
//! fresh time, if it reads, if it was refused unexecuted, or if it is pinned on a version that was seen.
//!
//! | what happens | read | write |
//! |---|---|---|
//! | no connection | `Unavailable`, with the reason | `Unavailable`, nothing changed |
//! | throttled | `Unavailable` | `Unavailable`, nothing changed |
//! | no answer in time | `Timeout` | `OutcomeUnknown`, unless a consistent read afterwards proves it |
//! | the connection breaks, or its runtime ends; 5xx | `Unavailable` | likewise |
//! | an answer that is not DynamoDB's own | `Unavailable` | likewise |
//! | no region, no credentials; `https://` to a port without TLS | `InvalidConfig` | likewise |
//! | a certificate that is not trusted | `Unavailable`, not retryable | likewise, nothing changed |
//! | credentials that have ended or are not accepted, no right | `PermissionDenied`, with the action that IAM has to allow | likewise |
//! | no such table, or of another key | `InvalidConfig`, with how to make it | likewise |
//! | an item of more than 400 KB | | `TooLarge`, nothing sent; what a patch makes of it in one request, DynamoDB refuses |
//!
//! An answer is DynamoDB's own if its media type is `application/x-amz-json-1.0`, its body is not empty and has the
//! checksum that it says, and a refusal names its error (`__type`). Other answers come from a proxy, a gateway or a login
//! page, which may have passed the request on.
//!
//! A put without a condition that was found to be applied after its answer was lost says that it created nothing if it
//! cannot tell. If the deadline was wanted and cannot be told any more (`Keep`, a patch without a refresh), the answer is
//! `OutcomeUnknown`, and its text says that the write was applied.
//!
//! A read that fails has changed no value, but its refresh may have been applied.
//!
//! A read whose refresh fails answers all the same, with
//! [`Entry::refresh_error`](ttl_core::Entry::refresh_error), and costs a second request.
//!
//! # Tables
//!
//! [`DynamoStore::ensure_table`] (`table=ensure`) makes the table if it is missing, [`DynamoStore::check_table`]
//! (`table=check`) only looks, at its TTL too. By hand:
//!
//! ```sh
//! aws dynamodb create-table --table-name sessions --billing-mode PAY_PER_REQUEST \
//!     --attribute-definitions AttributeName=ttl:key,AttributeType=S --key-schema AttributeName=ttl:key,KeyType=HASH
//! aws dynamodb update-time-to-live --table-name sessions \
//!     --time-to-live-specification Enabled=true,AttributeName=ttl:epoch
//! ```
//!
//! A table needs a partition key of type string and no sort key. Without its TTL everything works and nothing is
//! collected. A global table is one table for each region: conditions hold within a region, and the last writer wins
//! between them, so that no clause about concurrent writers holds across regions.
//!
//! # Rights
//!
//! The least that IAM has to allow, on `arn:aws:dynamodb:REGION:ACCOUNT:table/TABLE`:
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
//! * Connecting needs none of these: it asks for `DescribeTable`, and goes on where that is denied. With it a missing table
//!   is found before the first operation.
//! * Read only: `Read`; without `Scan` if nothing is listed. A get that refreshes is a write.
//! * Read and write: `Read` and `Write`.
//! * `table=check`: `Check` as well. `table=ensure`: `Check` and `Make`; on a table that fits `Make` is not used.
//!   `TagResource` is for tags alone. A key of the account's own needs what KMS asks for.
//!
//! # Limits
//!
//! An item has at most 400 KB, names included;
//! [`max_value_bytes`](ttl_core::Capabilities::max_value_bytes) is what fits under the longest key, or what
//! [`DynamoConfig::with_max_value_bytes`] says, which then holds for patches too. It counts the bytes of a blob, or of a
//! record's canonical text, and of a record also what DynamoDB makes of it: a list of small numbers is larger there.
//! Without a limit of the configuration patches below 64 KiB are limited by the item's 400 KB alone: a record that grows by
//! them can become larger than `max_value_bytes` where its text needs escapes. Fractions are added in decimal, which is
//! exact up to 38 digits: a sum can differ from that of two `f64`s by what those round away.

mod batch;
mod check;
mod client;
mod codec;
mod config;
mod decimal;
mod delete;
mod error;
mod expire;
mod expression;
mod get;
mod names;
mod new_table;
mod no_answer;
mod own_answer;
mod patch;
mod patch_first;
mod put;
mod put_first;
mod scan;
mod send;
mod shape;
mod size;
mod store;
mod table;
mod unreadable;
mod url;

pub use self::config::{DynamoConfig, OnConnect, Reads};
pub use self::new_table::{Billing, Encryption, NewTable};
pub use self::store::DynamoStore;

/// The backend's name in errors and capabilities.
const BACKEND: &str = "dynamodb";
