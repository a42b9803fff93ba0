//! Patch: setting and removing fields, the order of operations, atomicity, and the outcome.

use serde_json::{Value as Json, json};
use ttl_core::options::{PatchOptions, PutOptions, Returning};
use ttl_core::{Effect, ErrorKind, Patch, Record, Value};

use super::support::{fields, json_of, patch, put_fields, reported};
use crate::test::{LONG, key};
use crate::{Check, Failure, Test, case_table, ensure, ensure_eq, ensure_kind};

/// Returns one value of each JSON type.
fn one_of_each() -> [Json; 7] {
    [
        json!(null),
        json!(true),
        json!(-7),
        json!(0.1),
        json!("text"),
        json!([1, [2]]),
        json!({ "a": { "b": [] } }),
    ]
}

case_table! {
    /// P1: A set replaces a field of any type by a value of any type.
    set_replaces_a_field_of_any_type: needs(patch),
    /// P1: A set creates a missing field.
    set_makes_a_missing_field: needs(patch),
    /// P1: A field that is set to `null` exists and has the value `null`.
    setting_null_keeps_the_field: needs(patch),
    /// P1, V2: A set stores its value in normal form, including nested JSON.
    set_keeps_nested_json_in_normal_form: needs(patch),
    /// P1, V2: A set stores the largest and smallest numbers exactly.
    set_keeps_numbers_exact: needs(patch),
    /// V2: A value that is nested deeper than 30 levels is refused, and nothing changes.
    nesting_too_deep_is_refused: needs(patch),
    /// P1: An unset removes a field of any type.
    unset_removes_a_field_of_any_type: needs(patch),
    /// P4: An unset of a missing field does nothing.
    unset_of_a_missing_field_does_nothing: needs(patch),
    /// P1, E1: A record without its last field stays live, and is empty.
    an_emptied_record_lives: needs(patch),
    /// P1: Operations are applied in order, each to the result of the one before.
    operations_apply_in_order: needs(patch),
    /// P1: If one operation fails, none is applied, whatever its position.
    a_failing_operation_undoes_all: needs(patch),
    /// P3: The error names the field that caused it.
    the_error_names_the_field_that_does_not_fit: needs(patch),
    /// P1: An operation sees the type that a field has after the operations before it.
    the_type_that_counts_is_the_one_at_that_point: needs(patch),
    /// P5: The outcome has each touched field once, with its final value, and one effect for each
    /// operation.
    the_outcome_tells_the_touched_fields: needs(patch),
    /// P1: A patch without operations changes nothing, and its outcome shows whether a live record
    /// exists.
    an_empty_patch_changes_nothing: needs(patch),
    /// P1: A patch can have a thousand operations.
    a_thousand_operations_fit: needs(patch),
    /// P1: A patch with more than a thousand operations is refused, and nothing changes.
    more_than_a_thousand_operations_are_refused: needs(patch),
    /// P1, V3: A patch of a blob fails with `WrongKind` and changes nothing.
    a_blob_cannot_be_patched: needs(patch),
    /// P5: The outcome has the version and the deadline of the patched record if they are requested.
    wanted_metadata_is_that_of_the_patched_record: needs(patch),
}

async fn set_replaces_a_field_of_any_type(t: Test) -> Check {
    for before in one_of_each() {
        for after in one_of_each() {
            put_fields(&t, &key("k"), &json!({ "f": before, "other": before })).await?;
            patch(&t, &key("k"), &Patch::new().set("f", &after)).await?;
            ensure_eq!(fields(&t, &key("k")).await?, json!({ "f": after, "other": before }), "the record");
        }
    }
    Ok(())
}

async fn set_makes_a_missing_field(t: Test) -> Check {
    for value in one_of_each() {
        put_fields(&t, &key("k"), &json!({ "other": 1 })).await?;
        patch(&t, &key("k"), &Patch::new().set("f", &value)).await?;
        ensure_eq!(fields(&t, &key("k")).await?, json!({ "f": value, "other": 1 }), "the record");
    }
    Ok(())
}

async fn setting_null_keeps_the_field(t: Test) -> Check {
    put_fields(&t, &key("k"), &json!({ "f": 1 })).await?;
    let outcome = patch(&t, &key("k"), &Patch::new().set("f", Json::Null)).await?;
    ensure_eq!(outcome.fields.get("f"), Some(&Json::Null), "the touched field");
    ensure_eq!(fields(&t, &key("k")).await?, json!({ "f": null }), "the record");
    Ok(())
}

async fn set_keeps_nested_json_in_normal_form(t: Test) -> Check {
    put_fields(&t, &key("k"), &json!({})).await?;
    let nested =
        (0..29).fold(json!(1.0), |inner, n| if n % 2 == 0 { json!([inner]) } else { json!({ "a": inner }) });
    let normal =
        (0..29).fold(json!(1), |inner, n| if n % 2 == 0 { json!([inner]) } else { json!({ "a": inner }) });
    let change =
        Patch::new().set("deep", nested).set("number", -0.0).set("object", json!({ "b": 2.0, "a": [] }));
    patch(&t, &key("k"), &change).await?;
    let expected = json!({ "deep": normal, "number": 0, "object": { "a": [], "b": 2 } });
    ensure_eq!(fields(&t, &key("k")).await?, expected, "the record");
    Ok(())
}

async fn set_keeps_numbers_exact(t: Test) -> Check {
    put_fields(&t, &key("k"), &json!({})).await?;
    let numbers = json!([
        i64::MIN,
        i64::MAX,
        u64::MAX,
        9_007_199_254_740_993_i64,
        0.1,
        -0.1,
        1e-7,
        1.5e-7,
        1e16,
        1e17,
        123e18,
        f64::MAX,
        f64::MIN_POSITIVE,
        5e-324,
        1.0 / 3.0,
        2e-308,
    ]);
    patch(&t, &key("k"), &Patch::new().set("f", &numbers)).await?;
    let expected = json_of(Value::from(Record::new().with("f", &numbers)))?;
    ensure_eq!(fields(&t, &key("k")).await?, expected, "the record");
    Ok(())
}

async fn nesting_too_deep_is_refused(t: Test) -> Check {
    put_fields(&t, &key("k"), &json!({ "f": [] })).await?;
    let before = t.state(&key("k")).await?;
    let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    for change in [Patch::new().set("g", nested(31)), Patch::new().append("f", nested(30))] {
        let result = t.store.patch(&key("k"), &change, PatchOptions::new()).await;
        ensure_kind!(result, InvalidField, "31 levels");
    }
    ensure_eq!(t.state(&key("k")).await?, before, "the entry");
    patch(&t, &key("k"), &Patch::new().set("g", nested(30)).append("f", nested(29))).await?;
    ensure_eq!(fields(&t, &key("k")).await?, json!({ "f": [nested(29)], "g": nested(30) }), "30 levels");
    Ok(())
}

async fn unset_removes_a_field_of_any_type(t: Test) -> Check {
    for value in one_of_each() {
        put_fields(&t, &key("k"), &json!({ "f": value, "other": 1 })).await?;
        let outcome = patch(&t, &key("k"), &Patch::new().unset("f")).await?;
        ensure!(outcome.fields.is_empty(), "no touched field", "{:?}", outcome.fields);
        ensure_eq!(fields(&t, &key("k")).await?, json!({ "other": 1 }), "the record without {value}");
    }
    Ok(())
}

async fn unset_of_a_missing_field_does_nothing(t: Test) -> Check {
    put_fields(&t, &key("k"), &json!({ "other": 1 })).await?;
    let outcome = patch(&t, &key("k"), &Patch::new().unset("f")).await?;
    ensure_eq!(outcome.effects, [Effect::Done], "the effects");
    ensure_eq!(fields(&t, &key("k")).await?, json!({ "other": 1 }), "the record");
    Ok(())
}

async fn an_emptied_record_lives(t: Test) -> Check {
    put_fields(&t, &key("k"), &json!({ "a": 1, "b": 2 })).await?;
    let deadline = t.deadline(&key("k")).await?;
    patch(&t, &key("k"), &Patch::new().unset("a").unset("b")).await?;
    ensure_eq!(fields(&t, &key("k")).await?, json!({}), "the record");
    ensure_eq!(t.deadline(&key("k")).await?, deadline, "the deadline");
    patch(&t, &key("k"), &Patch::new().set("c", 3)).await?;
    ensure_eq!(fields(&t, &key("k")).await?, json!({ "c": 3 }), "the record after another set");
    Ok(())
}

async fn operations_apply_in_order(t: Test) -> Check {
    put_fields(&t, &key("k"), &json!({ "f": "text", "n": 1 })).await?;
    let change = Patch::new()
        .unset("f")
        .append("f", 1)
        .append("f", 2)
        .pop_front("f")
        .set("g", 5)
        .increment("g", 1)
        .unset("n")
        .increment("n", 10)
        .set("f", json!([7]))
        .prepend("f", 6);
    let outcome = patch(&t, &key("k"), &change).await?;
    ensure_eq!(outcome.effects[3], Effect::Popped(Some(json!(1))), "the fourth effect");
    ensure_eq!(fields(&t, &key("k")).await?, json!({ "f": [6, 7], "g": 6, "n": 10 }), "the record");
    Ok(())
}

async fn a_failing_operation_undoes_all(t: Test) -> Check {
    let before = json!({ "a": 1, "list": [1, 2, 3], "text": "x" });
    put_fields(&t, &key("k"), &before).await?;
    let state = t.state(&key("k")).await?;
    let good = |patch: Patch| {
        let patch =
            patch.set("a", 2).set("new", 1).append("list", 4).pop_front("list").remove_value("list", 2);
        patch.unset("text").increment("a", 1).prepend("other", 0)
    };
    let patches = [
        good(Patch::new()).append("a", 1),
        Patch::new().increment("text", 1).set("a", 2),
        good(Patch::new().clear("text")),
        good(Patch::new().set("a", i64::MAX).unset("list")).set("b", 1).pop_back("a"),
    ];
    for (number, change) in patches.into_iter().enumerate() {
        let result = t.store.patch(&key("k"), &change, PatchOptions::new()).await;
        ensure_kind!(result, WrongFieldType, "patch {number}");
        ensure_eq!(t.state(&key("k")).await?, state, "the entry after patch {number}");
    }
    Ok(())
}

async fn the_error_names_the_field_that_does_not_fit(t: Test) -> Check {
    let before =
        json!({ "total": i64::MAX, "list": ["of-ada"], "page": "of-ada", "object": { "list": [1] } });
    put_fields(&t, &key("k"), &before).await?;
    let good = || Patch::new().set("other", 2).append("list", 4);
    for (field, kind, change) in [
        ("page", ErrorKind::WrongFieldType, good().increment("page", 1)),
        ("page", ErrorKind::WrongFieldType, Patch::new().append("page", 1)),
        ("page", ErrorKind::WrongFieldType, good().pop_front("page")),
        ("page", ErrorKind::WrongFieldType, good().pop_back("page")),
        ("list", ErrorKind::WrongFieldType, Patch::new().increment("list", 0.5)),
        ("object", ErrorKind::WrongFieldType, good().prepend("object", 1)),
        ("object", ErrorKind::WrongFieldType, good().remove_value("object", 1)),
        ("object", ErrorKind::WrongFieldType, Patch::new().increment("total", -1).clear("object")),
        ("total", ErrorKind::WrongFieldType, good().append("total", 1)),
        ("total", ErrorKind::Overflow, good().increment("total", 1)),
    ] {
        let answer = t.store.patch(&key("k"), &change, PatchOptions::new()).await;
        let expected = format!("{kind:?} for the field {field:?}, from {change:?}");
        let Err(error) = answer else { return Err(Failure::new(expected, format!("{answer:?}"))) };
        let text = error.to_string();
        ensure!(error.kind() == kind && text.contains(&format!("{field:?}")), expected, "{text}");
    }
    Ok(())
}

async fn the_type_that_counts_is_the_one_at_that_point(t: Test) -> Check {
    put_fields(&t, &key("k"), &json!({ "f": 1 })).await?;
    let state = t.state(&key("k")).await?;
    let change = Patch::new().set("f", json!([1])).increment("f", 1);
    let result = t.store.patch(&key("k"), &change, PatchOptions::new()).await;
    ensure_kind!(result, WrongFieldType, "an increment of a field that was just set to a list");
    ensure_eq!(t.state(&key("k")).await?, state, "the entry");
    patch(&t, &key("k"), &Patch::new().set("f", json!([1])).append("f", 2)).await?;
    ensure_eq!(fields(&t, &key("k")).await?, json!({ "f": [1, 2] }), "the record");
    Ok(())
}

async fn the_outcome_tells_the_touched_fields(t: Test) -> Check {
    put_fields(&t, &key("k"), &json!({ "a": 1, "b": [1, 2, 2], "c": "x", "untouched": true })).await?;
    let change = Patch::new()
        .increment("a", 1)
        .remove_value("b", 2)
        .unset("c")
        .set("d", "new")
        .pop_back("e")
        .increment("a", 1);
    let outcome = patch(&t, &key("k"), &change).await?;
    ensure_eq!(
        json_of(outcome.fields.into())?,
        json!({ "a": 3, "b": [1], "d": "new" }),
        "the touched fields"
    );
    let effects =
        [Effect::Done, Effect::Removed(2), Effect::Done, Effect::Done, Effect::Popped(None), Effect::Done];
    ensure_eq!(outcome.effects, effects, "the effects");
    Ok(())
}

async fn an_empty_patch_changes_nothing(t: Test) -> Check {
    let absent = t.store.patch(&key("k"), &Patch::new(), PatchOptions::new()).await?;
    ensure!(absent.is_absent(), "Absent", "{absent:?}");
    put_fields(&t, &key("k"), &json!({ "n": 1 })).await?;
    let before = t.state(&key("k")).await?;
    let outcome = patch(&t, &key("k"), &Patch::new()).await?;
    ensure!(
        outcome.fields.is_empty() && outcome.effects.is_empty(),
        "no fields and no effects",
        "{outcome:?}"
    );
    let after = t.state(&key("k")).await?;
    ensure_eq!((after.value, after.deadline), (before.value, before.deadline), "the entry");
    Ok(())
}

async fn a_thousand_operations_fit(t: Test) -> Check {
    put_fields(&t, &key("k"), &json!({ "list": [] })).await?;
    let change = (0..250).fold(Patch::new(), |patch, n| {
        patch.set(format!("f{n}"), n).append("list", n).increment("n", n).pop_front("none")
    });
    let outcome = patch(&t, &key("k"), &change).await?;
    ensure_eq!(outcome.effects.len(), 1_000, "the number of effects");
    let seen = fields(&t, &key("k")).await?;
    ensure_eq!(seen["list"], json!((0..250).collect::<Vec<_>>()), "the list");
    ensure_eq!(seen["n"], json!((0..250).sum::<i32>()), "the sum");
    ensure_eq!(seen["f249"], json!(249), "the last field");
    ensure_eq!(seen.as_object().map_or(0, serde_json::Map::len), 252, "the number of fields");
    Ok(())
}

async fn more_than_a_thousand_operations_are_refused(t: Test) -> Check {
    put_fields(&t, &key("k"), &json!({ "n": 0 })).await?;
    let before = t.state(&key("k")).await?;
    let change = (0..1_001).fold(Patch::new(), |patch, _| patch.increment("n", 1));
    let result = t.store.patch(&key("k"), &change, PatchOptions::new()).await;
    ensure_eq!(result.as_ref().err().map(ttl_core::Error::kind), Some(ErrorKind::TooLarge), "the error");
    ensure_eq!(t.state(&key("k")).await?, before, "the entry");
    Ok(())
}

async fn a_blob_cannot_be_patched(t: Test) -> Check {
    for (name, text) in [("text", "x"), ("json", "{\"n\":1}"), ("empty", "")] {
        t.put(&key(name), text, PutOptions::new(LONG)).await?;
        let before = t.state(&key(name)).await?;
        for change in [Patch::new(), Patch::new().set("n", 1), Patch::new().pop_back("n")] {
            let result = t.store.patch(&key(name), &change, PatchOptions::new()).await;
            ensure_kind!(result, WrongKind, "a patch of the blob {text:?}");
        }
        ensure_eq!(t.state(&key(name)).await?, before, "the blob");
    }
    Ok(())
}

async fn wanted_metadata_is_that_of_the_patched_record(t: Test) -> Check {
    put_fields(&t, &key("k"), &json!({ "n": 1 })).await?;
    let change = Patch::new().increment("n", 1);
    let plain = patch(&t, &key("k"), &change).await?;
    ensure_eq!(
        (plain.deadline, plain.version),
        (None, None),
        "the deadline and version that were not requested"
    );
    let options = PatchOptions::new().with_returning(Returning::DEADLINE | Returning::VERSION);
    let meta = crate::test::applied(t.store.patch(&key("k"), &change, options).await?)?;
    ensure!(!meta.created, "no creation", "{meta:?}");
    let state = t.state(&key("k")).await?;
    ensure_eq!(reported(meta.deadline)?, state.deadline, "the deadline");
    ensure_eq!(reported(meta.version)?, state.version, "the version");
    Ok(())
}
