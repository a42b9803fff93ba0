//! The layout of one table: the names of its attributes, and the items that the driver writes to it.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use ttl_core::driver::Now;
use ttl_core::{Deadline, Value};

use super::item::{Item, deadline_attribute, encode, now_attribute};
use super::names::{CAP, CREATED, DEADLINE, FIELDS, VALUE, VERSION};
use crate::config::DynamoConfig;

/// The layout of one table. In expressions `#k` is the key, `#d` the deadline, `#e` the epoch, `#m` the cap,
/// `#v` the version, `#c` the creation, `#b` a blob's bytes, `#f` a record's fields, and `#` with a number is
/// a field.
#[derive(Debug)]
pub(crate) struct Layout {
    /// The name of the partition key.
    pub(crate) key: String,
    /// The name of the TTL attribute.
    epoch: String,
    grace: Duration,
}

impl Layout {
    pub(crate) fn new(config: &DynamoConfig) -> Self {
        let (key, epoch) = (config.key_attribute.clone(), config.ttl_attribute.clone());
        Self { key, epoch, grace: config.grace }
    }

    /// Adds the names of the attributes that an expression refers to.
    pub(crate) fn add_names(&self, expression: &str, used: &mut HashMap<String, String>) {
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

    /// Returns the value of the TTL attribute: the second from which DynamoDB may delete the entry. It is a
    /// grace after the later of its deadline and now.
    pub(crate) fn epoch_attribute(&self, now: Now, deadline: Deadline) -> AttributeValue {
        let last = deadline.as_epoch_millis().max(now.as_epoch_millis());
        AttributeValue::N((last.div_ceil(1000) + self.grace.as_secs()).to_string())
    }

    /// Returns the item of a new entry, without its key.
    pub(crate) fn new_item(
        &self,
        now: Now,
        value: &Value,
        token: &str,
        deadline: Deadline,
        cap: Option<Deadline>,
    ) -> Item {
        let (name, value) = encode(value);
        let mut item = Item::with_capacity(7);
        item.insert(name.to_owned(), value);
        item.insert(VERSION.to_owned(), AttributeValue::S(token.to_owned()));
        item.insert(CREATED.to_owned(), now_attribute(now));
        if !deadline.is_never() {
            item.insert(DEADLINE.to_owned(), deadline_attribute(deadline));
            item.insert(self.epoch.clone(), self.epoch_attribute(now, deadline));
        }
        if let Some(cap) = cap {
            item.insert(CAP.to_owned(), deadline_attribute(cap));
        }
        item
    }
}
