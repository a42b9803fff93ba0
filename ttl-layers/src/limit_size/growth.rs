//! The size that a patch contributes to a record, whatever the record holds.

use std::collections::HashMap;

use serde_json::Value as Json;
use ttl_core::Patch;
use ttl_core::driver::{Change, field_text};

/// The canonical text of an empty list.
const EMPTY_LIST: usize = 2;

/// A field that a patch writes.
struct Field {
    /// The least size of its canonical text.
    bytes: usize,
    /// Whether it is a list that surely holds an element, so that the next one needs a comma.
    has_elements: bool,
}

/// Returns a lower bound of the canonical text of every record that this patch makes. A patch that was built
/// from invalid input counts as one without operations.
///
/// A field that the patch does not write counts nothing. A list counts the elements that the patch adds and
/// that no later operation can remove.
pub(super) fn least_bytes(patch: &Patch) -> usize {
    let mut fields: HashMap<&str, Field> = HashMap::new();
    for operation in patch.operations().unwrap_or_default() {
        let name = &*operation.field;
        match &operation.change {
            Change::Set(value) => {
                let has_elements = value.as_array().is_some_and(|list| !list.is_empty());
                fields.insert(name, Field { bytes: text_bytes(value), has_elements });
            }
            Change::Append(element) | Change::Prepend(element) => {
                let field = fields.entry(name).or_insert(Field { bytes: EMPTY_LIST, has_elements: false });
                field.bytes += text_bytes(element) + usize::from(field.has_elements);
                field.has_elements = true;
            }
            Change::PopFront | Change::PopBack | Change::RemoveValue(_) | Change::Clear => {
                if let Some(field) = fields.get_mut(name) {
                    *field = Field { bytes: EMPTY_LIST, has_elements: false };
                }
            }
            Change::Unset => {
                fields.remove(name);
            }
            Change::Increment(_) | Change::IncrementWithin { .. } => {
                fields.insert(name, Field { bytes: 1, has_elements: false });
            }
        }
    }
    // Each field has a name, a colon and a value, and a comma before all but the first; around them are two
    // braces.
    let fields = fields.iter().map(|(name, field)| text_bytes(&Json::from(*name)) + 1 + field.bytes + 1);
    fields.sum::<usize>().max(1) + 1
}

fn text_bytes(value: &Json) -> usize {
    field_text(value).len()
}

#[cfg(test)]
mod tests {
    use ttl_core::{Record, rules};

    use super::*;

    fn stored() -> Vec<Record> {
        let list = |elements: &[&str]| Record::new().with("list", elements).with("number", 7);
        vec![Record::new(), list(&[]), list(&["x"]), list(&["a", "b", "c"]), list(&["long text", "a"])]
    }

    #[test]
    fn no_record_is_smaller_than_the_bound() {
        let long = "y".repeat(40);
        for patch in [
            Patch::new(),
            Patch::new().set("text", &long).set("text", "short"),
            Patch::new().set("text", &long).unset("text").unset("list"),
            Patch::new().append("list", &long).append("list", "b").prepend("list", "a"),
            Patch::new().append("list", &long).append("list", "b").pop_front("list"),
            Patch::new().append("list", "b").append("list", &long).pop_back("list").append("list", "c"),
            Patch::new().append("list", "a").remove_value("list", "a").append("list", "a"),
            Patch::new().append("list", &long).clear("list"),
            Patch::new().set("list", ["p", "q"]).append("list", &long).pop_front("list"),
            Patch::new().increment("number", -7).increment("n\"ew", 1_000_000),
            Patch::new().set("number", 1_000_000).increment_within("number", -1_000_000, 0..),
        ] {
            let bound = least_bytes(&patch);
            for mut record in stored() {
                let _ = rules::apply(&mut record, &patch).unwrap();
                let bytes = record.to_json_text().len();
                assert!(bytes >= bound, "{patch:?}: {bytes} bytes, but the bound is {bound}");
            }
        }
    }

    #[test]
    fn the_bound_is_exact_for_fields_that_are_set_or_new() {
        for patch in [
            Patch::new(),
            Patch::new().set("a", "text").set("\u{e9}\"", [1, 2]),
            Patch::new().append("list", "a").append("list", "bc").prepend("list", 1),
            Patch::new().set("list", ["p"]).append("list", "q"),
            Patch::new().increment("n", 1),
        ] {
            let mut record = Record::new();
            let _ = rules::apply(&mut record, &patch).unwrap();
            assert_eq!(least_bytes(&patch), record.to_json_text().len(), "{patch:?}");
        }
    }
}
