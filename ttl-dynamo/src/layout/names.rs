//! The names of an item's attributes.

/// The default name of the partition key.
pub(crate) const KEY: &str = "ttl:key";
/// The default name of the table's TTL attribute, in whole seconds. For garbage collection only.
pub(crate) const EPOCH: &str = "ttl:epoch";
/// The end of the entry, in milliseconds; absent for a persistent entry.
pub(crate) const DEADLINE: &str = "ttl:deadline";
/// The cap in milliseconds; absent without one.
pub(crate) const CAP: &str = "ttl:cap";
/// A random token, new at every write of the value.
pub(crate) const VERSION: &str = "ttl:version";
/// The time at which the value was put, or its record created, in milliseconds.
pub(crate) const CREATED: &str = "ttl:created";
/// A blob's bytes.
pub(crate) const VALUE: &str = "ttl:value";
/// A record's fields.
pub(crate) const FIELDS: &str = "ttl:fields";
