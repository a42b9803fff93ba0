//! Patch: list elements that are hard to parse (brackets, quotes, escapes, nesting, length), and odd
//! field names.

use serde_json::{Value as Json, json};
use ttl_core::options::{Fields, GetOptions, PatchOptions, Projection, PutOptions};
use ttl_core::{Effect, ErrorKind, Patch, Record};

use super::support::{fields, json_of, patch, put_fields};
use crate::test::{LONG, key};
use crate::{Check, Failure, Test, case_table, ensure, ensure_eq, ensure_kind};

/// Returns elements that careless parsing of the list's text would break.
fn hard_elements() -> Vec<Json> {
    let texts = [
        "",
        ",",
        "]",
        "[",
        "},{",
        "\"",
        "\\",
        "\\\"",
        "\"],[\"",
        "\\\\",
        "\n\r\t\u{8}\u{c}",
        "\u{0}\u{1f}\u{7f}",
        "é",
        "\u{2028}",
        "😀",
        "\u{10ffff}",
        "\u{feff}",
        "\\u0041",
        " a , b ",
        "null",
        "1",
        "{}",
        "%s%d",
        "$1",
    ];
    let mut elements: Vec<Json> = texts.iter().map(|text| json!(text)).collect();
    elements.extend([
        json!(null),
        json!(false),
        json!([]),
        json!({}),
        json!([[], [[]], {}]),
        json!({ "]": "[", "\"": { "\\": [",", "}"] } }),
        json!([",", ["\"]\""], "\\"]),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(9_007_199_254_740_993_i64),
        json!(1.5e-7),
        json!(5e-324),
        json!(1.797_693_134_862_315_7e308),
        json!(0.1),
    ]);
    elements
}

/// Returns valid names that may have a meaning for a backend.
fn odd_names() -> Vec<String> {
    let mut names: Vec<String> = [
        "a.b",
        "a b",
        " ",
        "#n",
        ":v",
        "a:b",
        "\"",
        "'",
        "\\",
        "$",
        "[0]",
        "a[0]",
        "*",
        "%",
        "?",
        "-",
        "0",
        "1e5",
        "null",
        "é",
        "😀",
        "\u{0}",
        "a\nb",
        "\u{7f}",
        "ttl",
        "TTL:",
        "Ttl:x",
        "tt",
        "ttl_x",
        "ttl :x",
        "x:ttl:",
        "f",
        "F",
        "__proto__",
        "version",
        "max",
        "value",
        "key",
        "deadline",
    ]
    .map(str::to_owned)
    .into();
    names.push("n".repeat(255));
    names.push("é".repeat(127));
    names
}

case_table! {
    /// P1, V2: Appended elements are stored unchanged, whatever brackets, quotes and escapes they
    /// contain.
    hard_elements_can_be_appended: needs(patch),
    /// P1, V2: Prepended elements are stored unchanged, whatever brackets, quotes and escapes they
    /// contain.
    hard_elements_can_be_prepended: needs(patch),
    /// P5: Each pop at the front removes exactly one element, whatever the elements contain.
    hard_elements_can_be_popped_at_the_front: needs(patch),
    /// P5: Each pop at the back removes exactly one element, whatever the elements contain.
    hard_elements_can_be_popped_at_the_back: needs(patch),
    /// P5: A removal finds each element separately, whatever the elements contain.
    hard_elements_can_be_removed: needs(patch),
    /// P1: A list of ten thousand elements can be changed at both ends.
    a_long_list_can_be_changed_at_both_ends: needs(patch),
    /// P5: Values, including objects, can be removed from a list of more than 64 KiB.
    a_value_is_removed_from_a_long_list: needs(patch),
    /// P1, P5: Several removals from a long list are applied in order, each to the result of the one
    /// before.
    removals_from_a_long_list_follow_each_other: needs(patch),
    /// P3, P5: If a later operation fails, nothing is removed from a long list.
    a_failure_after_a_removal_from_a_long_list_undoes_it: needs(patch),
    /// V2, K1: Every valid name works in a put, a set, a read of fields and a read of the whole record.
    odd_field_names_work: needs(patch),
    /// P1: Every operation works with every valid name.
    every_operation_works_on_odd_field_names: needs(patch),
    /// V2: Names that are empty, longer than 255 bytes, or begin with `ttl:` are refused, and nothing
    /// changes.
    names_that_no_field_can_have_are_refused: needs(patch),
    /// V2: A record is returned without the driver's own fields.
    the_drivers_own_fields_are_not_seen: needs(patch),
}

async fn hard_elements_can_be_appended(t: Test) -> Check {
    put_fields(&t, &key("k"), &json!({ "f": [] })).await?;
    let mut expected = Vec::new();
    for element in hard_elements() {
        patch(&t, &key("k"), &Patch::new().append("f", &element)).await?;
        expected.push(element);
        ensure_eq!(fields(&t, &key("k")).await?["f"], Json::from(expected.clone()), "the list");
    }
    Ok(())
}

async fn hard_elements_can_be_prepended(t: Test) -> Check {
    put_fields(&t, &key("k"), &json!({ "f": [] })).await?;
    let change = hard_elements().iter().fold(Patch::new(), |patch, element| patch.prepend("f", element));
    patch(&t, &key("k"), &change).await?;
    let mut expected = hard_elements();
    expected.reverse();
    ensure_eq!(fields(&t, &key("k")).await?["f"], Json::from(expected), "the list");
    Ok(())
}

async fn hard_elements_can_be_popped_at_the_front(t: Test) -> Check {
    put_fields(&t, &key("k"), &json!({ "f": hard_elements() })).await?;
    for (at, element) in hard_elements().into_iter().enumerate() {
        let outcome = patch(&t, &key("k"), &Patch::new().pop_front("f")).await?;
        ensure_eq!(outcome.effects[..], [Effect::Popped(Some(element))], "pop {at}");
        let left = hard_elements().split_off(at + 1);
        ensure_eq!(fields(&t, &key("k")).await?["f"], Json::from(left), "the list after pop {at}");
    }
    Ok(())
}

async fn hard_elements_can_be_popped_at_the_back(t: Test) -> Check {
    put_fields(&t, &key("k"), &json!({ "f": hard_elements() })).await?;
    let mut left = hard_elements();
    while let Some(element) = left.pop() {
        let outcome = patch(&t, &key("k"), &Patch::new().pop_back("f")).await?;
        ensure_eq!(
            outcome.effects[..],
            [Effect::Popped(Some(element))],
            "a pop above {} elements",
            left.len()
        );
        ensure_eq!(fields(&t, &key("k")).await?["f"], Json::from(left.clone()), "the remaining elements");
    }
    Ok(())
}

async fn hard_elements_can_be_removed(t: Test) -> Check {
    for (at, element) in hard_elements().into_iter().enumerate() {
        put_fields(&t, &key("k"), &json!({ "f": hard_elements() })).await?;
        let outcome = patch(&t, &key("k"), &Patch::new().remove_value("f", &element)).await?;
        ensure_eq!(outcome.effects[..], [Effect::Removed(1)], "removing {element}");
        let mut left = hard_elements();
        left.remove(at);
        ensure_eq!(fields(&t, &key("k")).await?["f"], Json::from(left), "the list without {element}");
    }
    Ok(())
}

async fn a_long_list_can_be_changed_at_both_ends(t: Test) -> Check {
    let long: Vec<usize> = (0..10_000).collect();
    put_fields(&t, &key("k"), &json!({ "f": long })).await?;
    let change = Patch::new().pop_front("f").pop_back("f").append("f", "last").prepend("f", "first");
    let outcome = patch(&t, &key("k"), &change).await?;
    let popped: Vec<Json> = outcome.popped().cloned().collect();
    ensure_eq!(popped, [json!(0), json!(9_999)], "the popped elements");
    let seen = fields(&t, &key("k")).await?;
    let list = seen["f"].as_array().map(Vec::as_slice).unwrap_or_default();
    ensure_eq!(list.len(), 10_000, "the number of elements");
    let ends = [0, 1, 9_998, 9_999].map(|at| list[at].clone());
    ensure_eq!(ends, [json!("first"), json!(1), json!(9_998), json!("last")], "the ends of the list");
    Ok(())
}

async fn a_value_is_removed_from_a_long_list(t: Test) -> Check {
    let element = |n: usize| {
        let kind = n % 10;
        json!({ "name": format!("item \"{kind}\""), "tags": ["]", kind], "pad": "x".repeat(20) })
    };
    let long: Vec<Json> = (0..3_000).map(element).collect();
    put_fields(&t, &key("k"), &json!({ "f": long, "n": 1 })).await?;
    let change = Patch::new().increment("n", 1).remove_value("f", element(3)).append("f", "end");
    let outcome = patch(&t, &key("k"), &change).await?;
    ensure_eq!(outcome.effects, [Effect::Done, Effect::Removed(300), Effect::Done], "the effects");
    let seen = fields(&t, &key("k")).await?;
    let mut expected: Vec<Json> = (0..3_000).filter(|n| n % 10 != 3).map(element).collect();
    expected.push(json!("end"));
    let count = seen["f"].as_array().map_or(0, Vec::len);
    let whole = seen == json!({ "f": expected, "n": 2 });
    ensure!(whole, "the other 2,700 elements in order, then the last one", "{count} elements");
    Ok(())
}

async fn removals_from_a_long_list_follow_each_other(t: Test) -> Check {
    let pad = "p".repeat(64);
    let long: Vec<String> = (0..2_000).map(|n| format!("{pad}{}", n % 4)).collect();
    put_fields(&t, &key("k"), &json!({ "f": long })).await?;
    let last = format!("{pad}3");
    let change = (0..4).fold(Patch::new(), |patch, n| patch.remove_value("f", format!("{pad}{n}")));
    let outcome = patch(&t, &key("k"), &change.remove_value("f", last)).await?;
    let removed = [500, 500, 500, 500, 0].map(Effect::Removed);
    ensure_eq!(outcome.effects, removed, "the effects");
    ensure_eq!(fields(&t, &key("k")).await?, json!({ "f": [] }), "the record after the removals");
    Ok(())
}

async fn a_failure_after_a_removal_from_a_long_list_undoes_it(t: Test) -> Check {
    let long: Vec<String> = (0..2_000).map(|n| format!("{}{}", "p".repeat(64), n % 4)).collect();
    put_fields(&t, &key("k"), &json!({ "f": long, "text": "x" })).await?;
    let before = t.state(&key("k")).await?;
    let change = Patch::new().remove_value("f", format!("{}1", "p".repeat(64))).increment("text", 1);
    let result = t.store.patch(&key("k"), &change, PatchOptions::new()).await;
    ensure_kind!(result, WrongFieldType, "an increment of a text");
    ensure!(t.state(&key("k")).await? == before, "an unchanged entry", "a changed one");
    Ok(())
}

async fn odd_field_names_work(t: Test) -> Check {
    let names = odd_names();
    let mut record = Record::new();
    for name in &names {
        record.insert(name.clone(), "put")?;
    }
    t.put(&key("k"), record, PutOptions::new(LONG)).await?;
    for (number, name) in names.iter().enumerate() {
        patch(&t, &key("k"), &Patch::new().set(name.clone(), number)).await?;
    }
    let options =
        GetOptions::new().with_projection(Projection::Fields(Fields::new(names.iter().map(String::as_str))?));
    let entry = t.store.get(&key("k"), options).await?;
    let some = entry.and_then(|entry| entry.value).ok_or_else(|| Failure::new("a hit", "a miss"))?;
    for (what, seen) in [("some fields", json_of(some)?), ("the whole record", fields(&t, &key("k")).await?)]
    {
        ensure_eq!(
            seen.as_object().map_or(0, serde_json::Map::len),
            names.len(),
            "the number of fields in {what}"
        );
        for (number, name) in names.iter().enumerate() {
            ensure_eq!(seen[name], json!(number), "the field {name:?} in {what}");
        }
    }
    Ok(())
}

async fn every_operation_works_on_odd_field_names(t: Test) -> Check {
    for name in odd_names() {
        put_fields(&t, &key("k"), &json!({ "other": [1] })).await?;
        let name = || name.clone();
        let change = Patch::new()
            .append(name(), 2)
            .prepend(name(), 1)
            .append(name(), 3)
            .remove_value(name(), 2)
            .pop_front(name());
        patch(&t, &key("k"), &change).await?;
        ensure_eq!(
            fields(&t, &key("k")).await?,
            json!({ "other": [1], name(): [3] }),
            "the record after the list operations"
        );
        let change = Patch::new().pop_back(name()).clear(name()).unset(name()).increment(name(), 5);
        patch(&t, &key("k"), &change).await?;
        ensure_eq!(
            fields(&t, &key("k")).await?,
            json!({ "other": [1], name(): 5 }),
            "the record after the other operations"
        );
        patch(&t, &key("k"), &Patch::new().unset(name())).await?;
        ensure_eq!(fields(&t, &key("k")).await?, json!({ "other": [1] }), "the record after the unset");
    }
    Ok(())
}

async fn names_that_no_field_can_have_are_refused(t: Test) -> Check {
    put_fields(&t, &key("k"), &json!({ "n": 1 })).await?;
    let before = t.state(&key("k")).await?;
    for name in ["ttl:", "ttl:version", "ttl:n", "", &"n".repeat(256), &"é".repeat(128)] {
        let patches = [
            Patch::new().set("n", 2).set(name, 1),
            Patch::new().set("n", 2).append(name, 1),
            Patch::new().set("n", 2).prepend(name, 1),
            Patch::new().set("n", 2).pop_front(name),
            Patch::new().set("n", 2).pop_back(name),
            Patch::new().set("n", 2).remove_value(name, 1),
            Patch::new().set("n", 2).clear(name),
            Patch::new().set("n", 2).unset(name),
            Patch::new().set("n", 2).increment(name, 1),
        ];
        for change in patches {
            let result = t.store.patch(&key("k"), &change, PatchOptions::new()).await;
            let kind = result.as_ref().err().map(ttl_core::Error::kind);
            ensure_eq!(kind, Some(ErrorKind::InvalidField), "the error for {name:?} of {result:?}");
        }
    }
    ensure_eq!(t.state(&key("k")).await?, before, "the entry");
    Ok(())
}

async fn the_drivers_own_fields_are_not_seen(t: Test) -> Check {
    t.put(&key("k"), Record::new(), PutOptions::new(LONG)).await?;
    ensure_eq!(fields(&t, &key("k")).await?, json!({}), "a record without fields");
    let outcome = patch(&t, &key("k"), &Patch::new().set("n", 1)).await?;
    ensure_eq!(json_of(outcome.fields.into())?, json!({ "n": 1 }), "the touched fields");
    ensure_eq!(fields(&t, &key("k")).await?, json!({ "n": 1 }), "the record");
    Ok(())
}
