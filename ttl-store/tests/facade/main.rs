//! The facade on a store that records its calls and has a manual clock.

mod batches;
mod bounds;
mod build;
mod calls;
mod codecs;
mod handles;
mod input;
mod leases;
mod lifetimes;
mod listings;
mod names;
mod plain;
mod policies;
mod previous;
mod races;
mod registry;
mod support;
mod tasks;
#[expect(unreachable_pub, reason = "the file is also a part of the docs of ttl-core")]
mod toy;
