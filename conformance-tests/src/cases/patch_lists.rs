//! Patch: list operations on existing, missing, empty and mistyped fields.

use serde_json::{Value as Json, json};
use ttl_core::options::PatchOptions;
use ttl_core::{Effect, Patch};

use super::support::{fields, json_of, patch, put_fields};
use crate::test::key;
use crate::{Check, Test, case_table, ensure_eq, ensure_kind};

/// Returns values that a list operation must refuse; `null` is one of them.
fn no_lists() -> [Json; 6] {
    [json!(null), json!(true), json!(7), json!(0.5), json!("[1,2]"), json!({ "0": 1 })]
}

/// Patches a record. Fails unless the result is `expected` and the effects are `effects`.
async fn check(t: &Test, before: Json, change: Patch, expected: Json, effects: &[Effect]) -> Check {
    put_fields(t, &key("k"), &before).await?;
    let outcome = patch(t, &key("k"), &change).await?;
    ensure_eq!(fields(t, &key("k")).await?, expected, "the record, originally {before}");
    ensure_eq!(&outcome.effects[..], effects, "the effects on {before}");
    // P5: the touched fields have their final values.
    let mut touched = expected;
    if let Json::Object(touched) = &mut touched {
        touched.retain(|name, _| change.fields().contains(&name.as_str()));
    }
    ensure_eq!(json_of(outcome.fields.into())?, touched, "the touched fields of {before}");
    Ok(())
}

/// Fails unless the operation is refused for every field that is not a list, and changes nothing.
async fn refused(t: &Test, change: fn(Patch) -> Patch) -> Check {
    for value in no_lists() {
        let before = json!({ "f": value, "n": 1 });
        put_fields(t, &key("k"), &before).await?;
        let state = t.state(&key("k")).await?;
        let change = change(Patch::new().set("n", 2));
        let result = t.store.patch(&key("k"), &change, PatchOptions::new()).await;
        ensure_kind!(result, WrongFieldType, "an operation on {before}");
        ensure_eq!(t.state(&key("k")).await?, state, "the entry, originally {before}");
    }
    Ok(())
}

case_table! {
    /// P1: An append adds an element at the end of a list.
    append_adds_at_the_end: needs(patch),
    /// P1: A prepend adds an element at the start of a list.
    prepend_adds_at_the_start: needs(patch),
    /// P1: An append to an empty list results in a list of one element.
    append_fills_an_empty_list: needs(patch),
    /// P1: A prepend to an empty list results in a list of one element.
    prepend_fills_an_empty_list: needs(patch),
    /// P4: An append treats a missing field as an empty list.
    append_starts_a_list: needs(patch),
    /// P4: A prepend treats a missing field as an empty list.
    prepend_starts_a_list: needs(patch),
    /// P3: An append to a field that is not a list, such as `null`, fails and changes nothing.
    append_to_no_list_is_refused: needs(patch),
    /// P3: A prepend to a field that is not a list, such as `null`, fails and changes nothing.
    prepend_to_no_list_is_refused: needs(patch),
    /// P3: A pop at the front of a field that is not a list, such as `null`, fails and changes nothing.
    pop_front_of_no_list_is_refused: needs(patch),
    /// P3: A pop at the back of a field that is not a list, such as `null`, fails and changes nothing.
    pop_back_of_no_list_is_refused: needs(patch),
    /// P3: A removal of elements from a field that is not a list, such as `null`, fails and changes
    /// nothing.
    remove_value_from_no_list_is_refused: needs(patch),
    /// P3: A clear of a field that is not a list, such as `null`, fails and changes nothing.
    clear_of_no_list_is_refused: needs(patch),
    /// P5: A pop at the front removes and returns the first element.
    pop_front_takes_the_first: needs(patch),
    /// P5: A pop at the back removes and returns the last element.
    pop_back_takes_the_last: needs(patch),
    /// P5: A pop of the last element leaves an empty list, not a missing field. A further pop returns
    /// nothing.
    pops_end_with_an_empty_list: needs(patch),
    /// P4, P5: A pop of a missing field returns nothing and leaves the field missing.
    pops_of_a_missing_field_do_nothing: needs(patch),
    /// P5: The elements of several pops are returned in order.
    pops_are_told_in_order: needs(patch),
    /// P5: A removal of a value removes every equal element, at any position, and reports their number.
    remove_value_removes_all_equal_elements: needs(patch),
    /// P5: A removal of a value without equal elements removes nothing and reports zero.
    remove_value_without_a_match_removes_nothing: needs(patch),
    /// P5: A removal of all elements leaves an empty list, not a missing field.
    remove_value_can_empty_a_list: needs(patch),
    /// P4, P5: A removal from a missing field removes nothing and leaves the field missing.
    remove_value_of_a_missing_field_does_nothing: needs(patch),
    /// P5, V2: Elements are compared in normal form: `1.0` equals `1`, and the order of an object's names
    /// is irrelevant.
    remove_value_compares_normal_forms: needs(patch),
    /// P1: A clear empties a list of any elements. An empty list stays empty.
    clear_empties_a_list: needs(patch),
    /// P4: A clear of a missing field does nothing and leaves the field missing.
    clear_of_a_missing_field_does_nothing: needs(patch),
    /// P1: An emptied list accepts new elements.
    an_emptied_list_can_be_filled_again: needs(patch),
}

async fn append_adds_at_the_end(t: Test) -> Check {
    let change = Patch::new().append("f", 3).append("f", 4);
    let done = [Effect::Done, Effect::Done];
    check(&t, json!({ "f": [1, 2], "g": [0] }), change, json!({ "f": [1, 2, 3, 4], "g": [0] }), &done).await
}

async fn prepend_adds_at_the_start(t: Test) -> Check {
    let change = Patch::new().prepend("f", 2).prepend("f", 1);
    let done = [Effect::Done, Effect::Done];
    check(&t, json!({ "f": [3], "g": [0] }), change, json!({ "f": [1, 2, 3], "g": [0] }), &done).await
}

async fn append_fills_an_empty_list(t: Test) -> Check {
    check(&t, json!({ "f": [] }), Patch::new().append("f", "a"), json!({ "f": ["a"] }), &[Effect::Done]).await
}

async fn prepend_fills_an_empty_list(t: Test) -> Check {
    check(&t, json!({ "f": [] }), Patch::new().prepend("f", "a"), json!({ "f": ["a"] }), &[Effect::Done])
        .await
}

async fn append_starts_a_list(t: Test) -> Check {
    check(&t, json!({}), Patch::new().append("f", 1), json!({ "f": [1] }), &[Effect::Done]).await
}

async fn prepend_starts_a_list(t: Test) -> Check {
    check(&t, json!({}), Patch::new().prepend("f", 1), json!({ "f": [1] }), &[Effect::Done]).await
}

async fn append_to_no_list_is_refused(t: Test) -> Check {
    refused(&t, |patch| patch.append("f", 1)).await
}

async fn prepend_to_no_list_is_refused(t: Test) -> Check {
    refused(&t, |patch| patch.prepend("f", 1)).await
}

async fn pop_front_of_no_list_is_refused(t: Test) -> Check {
    refused(&t, |patch| patch.pop_front("f")).await
}

async fn pop_back_of_no_list_is_refused(t: Test) -> Check {
    refused(&t, |patch| patch.pop_back("f")).await
}

async fn remove_value_from_no_list_is_refused(t: Test) -> Check {
    refused(&t, |patch| patch.remove_value("f", 1)).await
}

async fn clear_of_no_list_is_refused(t: Test) -> Check {
    refused(&t, |patch| patch.clear("f")).await
}

async fn pop_front_takes_the_first(t: Test) -> Check {
    let took = [Effect::Popped(Some(json!({ "a": 1 })))];
    check(&t, json!({ "f": [{ "a": 1 }, 2, 3] }), Patch::new().pop_front("f"), json!({ "f": [2, 3] }), &took)
        .await
}

async fn pop_back_takes_the_last(t: Test) -> Check {
    let took = [Effect::Popped(Some(json!([3])))];
    check(&t, json!({ "f": [1, 2, [3]] }), Patch::new().pop_back("f"), json!({ "f": [1, 2] }), &took).await
}

async fn pops_end_with_an_empty_list(t: Test) -> Check {
    let change = Patch::new().pop_front("f").pop_front("f").pop_back("g").pop_back("g");
    let took = [
        Effect::Popped(Some(json!(null))),
        Effect::Popped(None),
        Effect::Popped(Some(json!(""))),
        Effect::Popped(None),
    ];
    check(&t, json!({ "f": [null], "g": [""] }), change, json!({ "f": [], "g": [] }), &took).await
}

async fn pops_of_a_missing_field_do_nothing(t: Test) -> Check {
    let change = Patch::new().pop_front("f").pop_back("f");
    check(&t, json!({ "n": 1 }), change, json!({ "n": 1 }), &[Effect::Popped(None), Effect::Popped(None)])
        .await
}

async fn pops_are_told_in_order(t: Test) -> Check {
    put_fields(&t, &key("k"), &json!({ "f": [1, 2, 3, 4, 5] })).await?;
    let change = Patch::new().pop_front("f").pop_back("f").pop_back("none").pop_front("f");
    let outcome = patch(&t, &key("k"), &change).await?;
    let popped: Vec<Json> = outcome.popped().cloned().collect();
    ensure_eq!(popped, [json!(1), json!(5), json!(2)], "the popped elements");
    ensure_eq!(fields(&t, &key("k")).await?, json!({ "f": [3, 4] }), "the remaining elements");
    Ok(())
}

async fn remove_value_removes_all_equal_elements(t: Test) -> Check {
    let change = Patch::new().remove_value("f", "a");
    let expected = json!({ "f": ["b", ["a"], "aa", { "a": "a" }, "A"] });
    let before = json!({ "f": ["a", "b", "a", ["a"], "a", "aa", { "a": "a" }, "A", "a"] });
    check(&t, before, change, expected, &[Effect::Removed(4)]).await
}

async fn remove_value_without_a_match_removes_nothing(t: Test) -> Check {
    let before = json!({ "f": ["1", [1], 1.5, null, true, ""] });
    let change = Patch::new().remove_value("f", 1).remove_value("f", "null").remove_value("f", json!([]));
    let none = [Effect::Removed(0), Effect::Removed(0), Effect::Removed(0)];
    check(&t, before.clone(), change, before, &none).await
}

async fn remove_value_can_empty_a_list(t: Test) -> Check {
    let change = Patch::new().remove_value("f", 1);
    check(&t, json!({ "f": [1, 1] }), change, json!({ "f": [] }), &[Effect::Removed(2)]).await
}

async fn remove_value_of_a_missing_field_does_nothing(t: Test) -> Check {
    let change = Patch::new().remove_value("f", 1);
    check(&t, json!({ "n": 1 }), change, json!({ "n": 1 }), &[Effect::Removed(0)]).await
}

async fn remove_value_compares_normal_forms(t: Test) -> Check {
    let change = Patch::new()
        .remove_value("numbers", 1.0)
        .remove_value("objects", json!({ "b": [1.0, { "d": -0.0, "c": null }], "a": "x" }));
    let before = json!({
        "numbers": [1, 1.5, 1.0, 10, -1],
        "objects": [
            { "a": "x", "b": [1, { "c": null, "d": 0 }] },
            { "a": "x", "b": [1, { "c": null }] },
            { "b": [1, { "d": 0, "c": null }], "a": "x" },
            { "a": "x", "b": [{ "c": null, "d": 0 }, 1] },
        ],
    });
    let expected = json!({
        "numbers": [1.5, 10, -1],
        "objects": [{ "a": "x", "b": [1, { "c": null }] }, { "a": "x", "b": [{ "c": null, "d": 0 }, 1] }],
    });
    check(&t, before, change, expected, &[Effect::Removed(2), Effect::Removed(2)]).await
}

async fn clear_empties_a_list(t: Test) -> Check {
    let change = Patch::new().clear("f").clear("g");
    let before = json!({ "f": [1, [2], { "a": 3 }], "g": [] });
    check(&t, before, change, json!({ "f": [], "g": [] }), &[Effect::Done, Effect::Done]).await
}

async fn clear_of_a_missing_field_does_nothing(t: Test) -> Check {
    check(&t, json!({ "n": 1 }), Patch::new().clear("f"), json!({ "n": 1 }), &[Effect::Done]).await
}

async fn an_emptied_list_can_be_filled_again(t: Test) -> Check {
    let change = Patch::new()
        .clear("f")
        .append("f", 1)
        .pop_back("f")
        .prepend("f", 2)
        .remove_value("f", 2)
        .append("f", 3);
    let effects = [
        Effect::Done,
        Effect::Done,
        Effect::Popped(Some(json!(1))),
        Effect::Done,
        Effect::Removed(1),
        Effect::Done,
    ];
    check(&t, json!({ "f": [9, 9] }), change, json!({ "f": [3] }), &effects).await
}
