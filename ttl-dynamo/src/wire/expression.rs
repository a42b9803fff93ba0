//! Expressions: the changes and conditions of a write, with the names and values that they refer to.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use ttl_core::driver::Now;
use ttl_core::options::Returning;
use ttl_core::{Deadline, Version};

use crate::layout::{Item, Layout, deadline_attribute, now_attribute, version_attribute};

/// The item is a live entry of this driver.
const LIVE: &str = "attribute_type(#v, :text) AND (attribute_not_exists(#d) OR #d > :now) AND (attribute_not_exists(#m) OR #m > :now)";
/// The item is a live entry with a certain version.
const LIVE_VERSION: &str =
    "#v = :seen AND (attribute_not_exists(#d) OR #d > :now) AND (attribute_not_exists(#m) OR #m > :now)";
/// The value can be returned: bytes, or a map of fields. The content of the fields is checked only after
/// reading.
const READABLE: &str = "attribute_type(#b, :bytes) OR attribute_type(#f, :map)";
/// Nothing is stored, or a ghost.
const FREE: &str = "attribute_not_exists(#k) OR #d <= :now OR #m <= :now";

/// A placeholder in an `attribute_type` condition, and the name of its type.
pub(crate) type AttributeType = (&'static str, &'static str);
pub(crate) const TEXT: AttributeType = (":text", "S");
pub(crate) const BYTES: AttributeType = (":bytes", "B");
pub(crate) const MAP: AttributeType = (":map", "M");
pub(crate) const LIST: AttributeType = (":list", "L");

/// The usual number of names and values of a write, which avoids growing their tables.
const USUAL: usize = 9;

/// A conditional write of one item.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) action: Action,
    pub(crate) condition: String,
    pub(crate) values: Item,
    /// The names of fields, by placeholder; those of attributes are found in the texts.
    pub(crate) fields: HashMap<String, String>,
    /// Whether to return the item after the write instead of before.
    pub(crate) return_new: bool,
}

/// The type of a write.
#[derive(Debug)]
pub(crate) enum Action {
    /// Replace the whole item.
    Put(Item),
    Update {
        set: String,
        remove: String,
    },
    Delete,
}

impl Write {
    fn new(action: Action) -> Self {
        Self {
            action,
            condition: String::new(),
            values: Item::with_capacity(USUAL),
            fields: HashMap::new(),
            return_new: false,
        }
    }

    pub(crate) fn put(item: Item) -> Self {
        Self::new(Action::Put(item))
    }

    pub(crate) fn update() -> Self {
        Self::new(Action::Update { set: String::with_capacity(96), remove: String::new() })
    }

    pub(crate) fn delete() -> Self {
        Self::new(Action::Delete)
    }

    /// Creates a write that is never applied, but returns the stored item.
    pub(crate) fn nothing() -> Self {
        Self::delete().demand("attribute_exists(#k) AND attribute_not_exists(#k)")
    }

    /// Adds a condition.
    pub(crate) fn demand(mut self, condition: &str) -> Self {
        self.condition.reserve(condition.len() + " AND ()".len());
        if !self.condition.is_empty() {
            self.condition.push_str(" AND ");
        }
        self.condition.push('(');
        self.condition.push_str(condition);
        self.condition.push(')');
        self
    }

    /// Adds a type that a condition compares with.
    pub(crate) fn of_type(self, (placeholder, name): AttributeType) -> Self {
        self.value(placeholder, AttributeValue::S(name.to_owned()))
    }

    /// Requires a live entry, with this version if one is given.
    pub(crate) fn demand_live(self, now: Now, version: Option<&Version>) -> Self {
        match version {
            None => self.demand(LIVE).of_type(TEXT),
            Some(version) => self.demand(LIVE_VERSION).value(":seen", version_attribute(version)),
        }
        .now(now)
    }

    /// Requires a value that can be returned, in addition to liveness.
    pub(crate) fn demand_readable(self) -> Self {
        self.demand(READABLE).of_type(BYTES).of_type(MAP)
    }

    /// Requires a readable time of creation, if the caller asked for it.
    pub(crate) fn demand_created_at(self, returning: Returning) -> Self {
        if !returning.contains(Returning::CREATED_AT) {
            return self;
        }
        // A comparison of different types is false.
        self.demand("#c >= :since").value(":since", AttributeValue::N("0".to_owned()))
    }

    /// Requires that nothing or only a ghost is stored.
    pub(crate) fn demand_free(self, now: Now) -> Self {
        self.demand(FREE).now(now)
    }

    /// Requires this deadline.
    pub(crate) fn demand_deadline(self, deadline: Deadline) -> Self {
        if deadline.is_never() {
            self.demand("attribute_not_exists(#d)")
        } else {
            // A fraction from another program is between the two bounds.
            let under = Deadline::from_epoch_millis(deadline.as_epoch_millis().saturating_sub(1));
            self.demand("#d > :under AND #d <= :before")
                .value(":under", deadline_attribute(under))
                .value(":before", deadline_attribute(deadline))
        }
    }

    /// Adds a value for the expressions; each must be used in one of them.
    pub(crate) fn value(mut self, name: &str, value: AttributeValue) -> Self {
        self.values.insert(name.to_owned(), value);
        self
    }

    /// Adds the current time, `:now`.
    pub(crate) fn now(self, now: Now) -> Self {
        self.value(":now", now_attribute(now))
    }

    /// Adds changes, such as `#a = :b`. For updates only.
    pub(crate) fn set(mut self, text: &str) -> Self {
        if let Action::Update { set, .. } = &mut self.action {
            join(set, text);
        }
        self
    }

    /// Removes attributes. For updates only.
    pub(crate) fn remove(mut self, text: &str) -> Self {
        if let Action::Update { remove, .. } = &mut self.action {
            join(remove, text);
        }
        self
    }

    /// Adds a change with its value.
    pub(crate) fn set_value(self, text: &str, name: &str, value: AttributeValue) -> Self {
        self.set(text).value(name, value)
    }

    /// Sets the deadline, `:d`, and the table's TTL attribute.
    pub(crate) fn set_deadline(self, layout: &Layout, now: Now, deadline: Deadline) -> Self {
        let epoch = layout.epoch_attribute(now, deadline);
        self.set_value("#d = :d", ":d", deadline_attribute(deadline)).set_value("#e = :e", ":e", epoch)
    }

    /// Removes the deadline and the table's TTL attribute.
    pub(crate) fn remove_deadline(self) -> Self {
        self.remove("#d").remove("#e")
    }

    /// Makes the write return the item after the write.
    pub(crate) fn returning_new(mut self) -> Self {
        self.return_new = true;
        self
    }

    /// Returns the names that a text with these placeholders refers to.
    pub(crate) fn take_names(&mut self, layout: &Layout) -> HashMap<String, String> {
        let mut used = std::mem::take(&mut self.fields);
        used.reserve(USUAL);
        layout.add_names(&self.condition, &mut used);
        if let Action::Update { set, remove } = &self.action {
            layout.add_names(set, &mut used);
            layout.add_names(remove, &mut used);
        }
        used
    }
}

/// Adds a text to a list with commas.
pub(crate) fn join(list: &mut String, text: &str) {
    if !list.is_empty() && !text.is_empty() {
        list.push_str(", ");
    }
    list.push_str(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DynamoConfig;

    #[test]
    fn only_what_the_texts_refer_to_is_named() {
        let layout = Layout::new(&DynamoConfig::new("table"));
        let now = Now::from_epoch_nanos(7_000_000);
        let mut write = Write::update().set("#f.#0 = :0").remove("#e").demand_live(now, None);
        write.fields.insert("#0".into(), "name".into());
        let used = write.take_names(&layout);
        let mut placeholders: Vec<_> = used.keys().map(String::as_str).collect();
        placeholders.sort_unstable();
        assert_eq!(placeholders, ["#0", "#d", "#e", "#f", "#m", "#v"]);
        assert_eq!(write.values[":now"], AttributeValue::N("7".into()));
    }

    #[test]
    fn demands_add_up() {
        let write = Write::delete().demand("a OR b").demand("c");
        assert_eq!(write.condition, "(a OR b) AND (c)");
    }
}
