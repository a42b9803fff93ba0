//! Expressions: what a write sets, removes and demands, with the names and values that they refer to.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use ttl_core::{Deadline, Now, Returning, Version};

use crate::codec::{self, Item};
use crate::names::Names;

/// There is an entry of ours, and it is live.
const LIVE: &str = "attribute_type(#v, :text) AND (attribute_not_exists(#d) OR #d > :now) AND (attribute_not_exists(#m) OR #m > :now)";
/// The same of a certain version.
const LIVE_VERSION: &str =
    "#v = :seen AND (attribute_not_exists(#d) OR #d > :now) AND (attribute_not_exists(#m) OR #m > :now)";
/// A value that can be handed out: bytes, or a map of fields. What is within the fields is seen only when
/// they are here.
const READABLE: &str = "attribute_type(#b, :bytes) OR attribute_type(#f, :map)";
/// The type of what is named `:text` in a condition.
const TEXT: &str = "S";
/// Nothing is stored, or a ghost.
const FREE: &str = "attribute_not_exists(#k) OR #d <= :now OR #m <= :now";

/// How many names and values a write has, usually: their tables then need not grow.
const USUAL: usize = 9;

/// A conditional write of one item.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) action: Action,
    pub(crate) condition: String,
    pub(crate) values: Item,
    /// Names of fields, by placeholder; those of attributes are found in the texts.
    pub(crate) fields: HashMap<String, String>,
    /// Answer with the item as it became, not as it was.
    pub(crate) answer_new: bool,
}

/// What a write does.
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
            answer_new: false,
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

    /// A write that is never applied, but says what stands there.
    pub(crate) fn nothing() -> Self {
        Self::delete().demand("attribute_exists(#k) AND attribute_not_exists(#k)")
    }

    /// Demands this too.
    pub(crate) fn demand(mut self, condition: &str) -> Self {
        self.condition.reserve(condition.len() + " AND ()".len());
        if !self.condition.is_empty() {
            self.condition.push_str(" AND ");
        }
        self.condition.push('(');
        self.condition.push_str(condition);
        self.condition.push(')');
        if condition.contains(":text") {
            self.value(":text", AttributeValue::S(TEXT.to_owned()))
        } else {
            self
        }
    }

    /// Demands a live entry, of this version if one is named.
    pub(crate) fn demand_live(self, now: Now, version: Option<&Version>) -> Self {
        match version {
            None => self.demand(LIVE),
            Some(version) => self.demand(LIVE_VERSION).value(":seen", codec::version_attribute(version)),
        }
        .now(now)
    }

    /// Demands a value that can be handed out, beside life.
    pub(crate) fn demand_readable(self) -> Self {
        let of_type = |name: &str| AttributeValue::S(name.to_owned());
        self.demand(READABLE).value(":bytes", of_type("B")).value(":map", of_type("M"))
    }

    /// Demands a creation that can be handed out, if it is wanted.
    pub(crate) fn demand_created_at(self, returning: Returning) -> Self {
        if !returning.contains(Returning::CREATED_AT) {
            return self;
        }
        // Between values of different types it is false.
        self.demand("#c >= :since").value(":since", AttributeValue::N("0".to_owned()))
    }

    /// Demands that nothing is stored, or a ghost.
    pub(crate) fn demand_free(self, now: Now) -> Self {
        self.demand(FREE).now(now)
    }

    /// Demands that the deadline is still this one.
    pub(crate) fn demand_deadline(self, deadline: Deadline) -> Self {
        if deadline.is_never() {
            self.demand("attribute_not_exists(#d)")
        } else {
            // A foreign fraction lies between.
            let under = Deadline::from_epoch_millis(deadline.as_epoch_millis().saturating_sub(1));
            self.demand("#d > :under AND #d <= :before")
                .value(":under", codec::deadline_attribute(under))
                .value(":before", codec::deadline_attribute(deadline))
        }
    }

    /// A value for the expressions; each has to be used in one of them.
    pub(crate) fn value(mut self, name: &str, value: AttributeValue) -> Self {
        self.values.insert(name.to_owned(), value);
        self
    }

    pub(crate) fn now(self, now: Now) -> Self {
        self.value(":now", AttributeValue::N(now.as_epoch_millis().to_string()))
    }

    /// Sets something, as `#a = :b`. Only of an update.
    pub(crate) fn set(mut self, text: &str) -> Self {
        if let Action::Update { set, .. } = &mut self.action {
            join(set, text);
        }
        self
    }

    /// Removes something. Only of an update.
    pub(crate) fn remove(mut self, text: &str) -> Self {
        if let Action::Update { remove, .. } = &mut self.action {
            join(remove, text);
        }
        self
    }

    /// Sets something to this value.
    pub(crate) fn set_value(self, text: &str, name: &str, value: AttributeValue) -> Self {
        self.set(text).value(name, value)
    }

    /// Answers with the item as it became.
    pub(crate) fn answering_new(mut self) -> Self {
        self.answer_new = true;
        self
    }

    /// The names that a text with these placeholders refers to.
    pub(crate) fn take_names(&mut self, names: &Names) -> HashMap<String, String> {
        let mut used = std::mem::take(&mut self.fields);
        used.reserve(USUAL);
        names.used_in(&self.condition, &mut used);
        if let Action::Update { set, remove } = &self.action {
            names.used_in(set, &mut used);
            names.used_in(remove, &mut used);
        }
        used
    }
}

fn join(list: &mut String, text: &str) {
    if !list.is_empty() {
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
        let names = Names::new(&DynamoConfig::new("table"));
        let now = Now::from_epoch_nanos(7_000_000);
        let mut write = Write::update().set("#f.#0 = :0").remove("#e").demand_live(now, None);
        write.fields.insert("#0".into(), "name".into());
        let used = write.take_names(&names);
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
