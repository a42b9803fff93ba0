//! The names of an item's attributes, and their placeholders in expressions.

use std::collections::HashMap;

use crate::config::DynamoConfig;

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

/// The names in one table. In expressions `#k` is the key, `#d` the deadline, `#e` the epoch, `#m` the cap,
/// `#v` the version, `#c` the creation, `#b` a blob's bytes, `#f` a record's fields, and `#` with a number is
/// a field.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub(crate) key: String,
    pub(crate) epoch: String,
}

impl Names {
    pub(crate) fn new(config: &DynamoConfig) -> Self {
        Self { key: config.key_attribute.clone(), epoch: config.ttl_attribute.clone() }
    }

    /// Adds the names of the attributes that an expression refers to.
    pub(crate) fn used_in(&self, expression: &str, used: &mut HashMap<String, String>) {
        for (at, _) in expression.bytes().enumerate().filter(|(_, byte)| *byte == b'#') {
            let Some(placeholder) = expression.get(at..at + 2) else { continue };
            let name = match placeholder {
                "#k" => &self.key,
                "#d" => DEADLINE,
                "#e" => &self.epoch,
                "#m" => CAP,
                "#v" => VERSION,
                "#c" => CREATED,
                "#b" => VALUE,
                "#f" => FIELDS,
                _ => continue,
            };
            if !used.contains_key(placeholder) {
                used.insert(placeholder.to_owned(), name.to_owned());
            }
        }
    }
}
