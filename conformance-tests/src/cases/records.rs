//! Records: JSON values in one normal form on every backend.

use serde_json::{Value as Json, json};
use ttl_core::codec::MAX_DEPTH;
use ttl_core::driver::MAX_FIELD_NAME_BYTES;
use ttl_core::options::{Fields, GetOptions, Projection, PutOptions};
use ttl_core::{Record, Value};

use crate::test::{LONG, key};
use crate::{Check, Failure, Test, case_table, ensure, ensure_eq};

case_table! {
    /// V2: An empty record is returned as an empty record, not as a miss.
    an_empty_record_is_not_absent,
    /// V2: Values of every JSON type are returned unchanged.
    every_type_of_json_comes_back,
    /// V2: Empty lists, objects and texts are kept distinct at any depth.
    empty_lists_objects_and_texts_stay_apart,
    /// V2: Text that looks like another type remains text.
    text_that_looks_like_json_is_text,
    /// V2: Integers are exact up to the ends of `i64` and `u64`.
    integers_are_exact,
    /// V2: Integers around 2^53, beyond the exact range of floats, are exact.
    integers_beyond_the_reach_of_floats_are_exact,
    /// V2: Fractions are returned bit for bit.
    fractions_come_back_bit_for_bit,
    /// V2: Floats too large for an integer are returned bit for bit.
    floats_beyond_integers_come_back_bit_for_bit,
    /// V2: An integral float within `i64` or `u64` is returned as an integer.
    integral_floats_are_integers,
    /// V2: Minus zero is returned as zero.
    minus_zero_is_zero,
    /// V2: Text with any characters is returned unchanged.
    text_of_any_characters_comes_back,
    /// V2, V1: Texts, names and blobs are not normalised: different spellings of the same text stay
    /// different.
    unicode_in_values_is_not_normalised,
    /// V2: Objects within a field can have any names, including empty and reserved ones.
    names_inside_of_objects_are_free,
    /// V2: Field names can contain dots, spaces, signs and any other character.
    names_of_fields_hold_any_character,
    /// V2: Field names that a layout uses itself are valid, unless they begin with `ttl:`.
    names_of_a_layout_are_free,
    /// V2: Field names differ by case, by leading zeros and by accents. The longest has 255 bytes.
    names_of_fields_are_told_apart,
    /// V2: A field that is nested 30 levels deep is returned unchanged.
    the_deepest_nesting_comes_back,
    /// V2: A record of 9000 fields, or of as many as the size limit allows, is returned unchanged.
    a_record_of_many_fields_comes_back,
    /// V2: One call can read a thousand fields by name.
    many_fields_can_be_read_by_name,
    /// V2: A long text and a long list are returned unchanged.
    a_long_text_and_a_long_list_come_back,
    /// V2: The order of fields and names is irrelevant: equal records have the same canonical text.
    the_order_of_names_does_not_count,
}

async fn an_empty_record_is_not_absent(t: Test) -> Check {
    t.put(&key("k"), Record::new(), PutOptions::new(LONG)).await?;
    t.expect_value(&key("k"), Record::new(), "the empty record").await?;
    let entry = t.store.get(&key("k"), GetOptions::nothing()).await?;
    ensure!(entry.is_some(), "an entry", "{entry:?}");
    Ok(())
}

async fn every_type_of_json_comes_back(t: Test) -> Check {
    both_ways(
        &t,
        json!({
            "null": null, "true": true, "false": false, "number": 1.5, "text": "text",
            "list": [1, "two", null, [3]], "object": { "a": { "b": [] } },
        }),
    )
    .await
}

async fn empty_lists_objects_and_texts_stay_apart(t: Test) -> Check {
    both_ways(&t, json!({
        "list": [], "object": {}, "text": "", "lists": [[], [[]], {}], "objects": { "a": {}, "b": [], "c": "" },
    })).await
}

async fn text_that_looks_like_json_is_text(t: Test) -> Check {
    both_ways(
        &t,
        json!({ "a": "1", "b": "null", "c": "true", "d": "[]", "e": "{}", "f": "\"\"", "g": "1.0" }),
    )
    .await
}

async fn integers_are_exact(t: Test) -> Check {
    both_ways(&t, json!({
        "i64_min": i64::MIN, "i64_max": i64::MAX, "u64_max": u64::MAX, "beyond_i64": 1_u64 << 63, "zero": 0,
        "u32_max": u32::MAX, "minus": -1, "list": [i64::MIN, u64::MAX, i64::MIN + 1, u64::MAX - 1],
    })).await
}

async fn integers_beyond_the_reach_of_floats_are_exact(t: Test) -> Check {
    let edge = 1_i64 << 53;
    both_ways(
        &t,
        json!({ "a": edge - 1, "b": edge, "c": edge + 1, "d": -edge - 1, "e": [edge + 1, edge + 3] }),
    )
    .await
}

async fn fractions_come_back_bit_for_bit(t: Test) -> Check {
    let floats = [
        0.1,
        0.1 + 0.2,
        -0.1,
        1.0 / 3.0,
        std::f64::consts::PI,
        1e-7,
        1.5e-300,
        f64::MIN_POSITIVE,
        5e-324,
        2.5e-320,
        f64::EPSILON,
        123_456_789.123_456_79,
        9_007_199_254_740_991.5,
        0.000_1,
        0.000_099_9,
        -5e-324,
    ];
    let record = Record::new().with("floats", floats);
    t.put(&key("k"), record, PutOptions::new(LONG)).await?;
    ensure_eq!(bits(&t).await?, floats.map(f64::to_bits).to_vec(), "the bits of the fractions");
    Ok(())
}

async fn floats_beyond_integers_come_back_bit_for_bit(t: Test) -> Check {
    let floats = [
        18_446_744_073_709_551_616.0,
        -9_223_372_036_854_777_856.0,
        1e19 * 7.0,
        1e21,
        1e100,
        f64::MAX,
        f64::MIN,
        1.797e308,
    ];
    let record = Record::new().with("floats", floats);
    t.put(&key("k"), record, PutOptions::new(LONG)).await?;
    ensure_eq!(bits(&t).await?, floats.map(f64::to_bits).to_vec(), "the bits of the floats");
    Ok(())
}

async fn integral_floats_are_integers(t: Test) -> Check {
    let floats = [1.0, -1.0, 1e3, 9_007_199_254_740_992.0, 1e18, -9_223_372_036_854_775_808.0, 1e19];
    t.put(&key("k"), Record::new().with("floats", floats), PutOptions::new(LONG)).await?;
    let expected = json!([
        1,
        -1,
        1000,
        9_007_199_254_740_992_i64,
        1_000_000_000_000_000_000_i64,
        i64::MIN,
        10_000_000_000_000_000_000_u64,
    ]);
    ensure_eq!(field(&t, "floats").await?, expected, "integral floats");
    Ok(())
}

async fn minus_zero_is_zero(t: Test) -> Check {
    t.put(&key("k"), Record::new().with("zero", -0.0).with("list", [-0.0, 0.0]), PutOptions::new(LONG))
        .await?;
    ensure_eq!(field(&t, "zero").await?, json!(0), "the field of minus zero");
    ensure_eq!(field(&t, "list").await?, json!([0, 0]), "the list of minus zero and zero");
    Ok(())
}

async fn text_of_any_characters_comes_back(t: Test) -> Check {
    let controls: String =
        (0..0x20_u8).map(char::from).chain(['\u{7f}', '\u{85}', '\u{2028}', '\u{2029}']).collect();
    both_ways(
        &t,
        json!({
            "controls": controls, "quotes": "\"'`\\/\\\\\"", "wide": "\u{1F511}\u{10FFFF}é\u{feff}\u{200d}",
            "escapes": "\\u0041\\n%41&amp;", "nul": "a\0b", "list": ["\"", "\\", "]", "},{", ","],
        }),
    )
    .await
}

async fn unicode_in_values_is_not_normalised(t: Test) -> Check {
    let spellings = [
        "\u{e9}",
        "e\u{301}",
        "\u{212b}",
        "\u{c5}",
        "A\u{30a}",
        "\u{fb01}",
        "fi",
        "\u{1100}\u{1161}",
        "\u{ac00}",
    ];
    let mut record = Record::new();
    for (n, spelling) in spellings.into_iter().enumerate() {
        record = record.with(spelling, json!({ "text": spelling, spelling: [spelling] }));
        // Some implementations handle only the text itself, not text within a field.
        record = record.with(format!("text {n}"), spelling);
    }
    t.put(&key("k"), record.clone(), PutOptions::new(LONG)).await?;
    t.expect_value(&key("k"), record, "the record in its original spelling").await?;
    for spelling in spellings {
        t.put(&key("b"), spelling, PutOptions::new(LONG)).await?;
        t.expect_value(&key("b"), spelling, "the blob in its original spelling").await?;
    }
    Ok(())
}

async fn names_inside_of_objects_are_free(t: Test) -> Check {
    both_ways(&t, json!({
        "object": { "": 1, "ttl:": 2, "ttl:version": { "ttl:": [{ "": { "": 0 } }] }, "a.b": 3, "$ref": 4, "\0": 5, "#a": 6, ":b": 7, "ttl:ttl:": 8 },
    })).await
}

async fn names_of_fields_hold_any_character(t: Test) -> Check {
    let names = [
        "a.b",
        "a b",
        " ",
        "#a",
        ":a",
        "a:b",
        "$a",
        "@",
        "a[0]",
        "0",
        "-1",
        "'",
        "\"",
        "\\",
        "`",
        "a/b",
        "{}",
        "*",
        "%",
        "\n",
        "\0",
        "é",
        "\u{1F511}",
        "__proto__",
        "null",
        "true",
        "SELECT",
        "a=b",
        "a,b",
    ];
    each_name_apart(&t, &names.map(str::to_owned)).await
}

async fn names_of_a_layout_are_free(t: Test) -> Check {
    let names = [
        "ttl",
        "TTL:x",
        "Ttl:version",
        "ttl;",
        "ttl.",
        "key",
        "value",
        "version",
        "kind",
        "deadline",
        "max",
        "fields",
        "covers",
    ];
    each_name_apart(&t, &names.map(str::to_owned)).await
}

async fn names_of_fields_are_told_apart(t: Test) -> Check {
    let long = "n".repeat(MAX_FIELD_NAME_BYTES - 1);
    let mut names = ["a", "A", "a ", "1", "01", "\u{e9}", "e\u{301}"].map(str::to_owned).to_vec();
    names.extend([format!("{long}a"), format!("{long}b"), long]);
    each_name_apart(&t, &names).await
}

async fn the_deepest_nesting_comes_back(t: Test) -> Check {
    let lists = (0..MAX_DEPTH).fold(json!(1), |inner, _| json!([inner]));
    let objects = (0..MAX_DEPTH).fold(json!(1), |inner, _| json!({ "o": inner }));
    both_ways(&t, json!({ "lists": lists, "objects": objects })).await
}

async fn a_record_of_many_fields_comes_back(t: Test) -> Check {
    let count = (t.capabilities().max_value_bytes / 20).min(9_000);
    let fields = (0..count).map(|n| (format!("f{n}"), json!(n)));
    let record = Record::from_fields(fields)?;
    t.put(&key("k"), record.clone(), PutOptions::new(LONG)).await?;
    t.expect_value(&key("k"), record, "all fields").await
}

async fn many_fields_can_be_read_by_name(t: Test) -> Check {
    let names: Vec<String> = (0..Fields::MAX).map(|n| format!("f{n}")).collect();
    let record = Record::from_fields(names.iter().step_by(2).map(|name| (name.clone(), json!(name))))?;
    t.put(&key("k"), record.clone(), PutOptions::new(LONG)).await?;
    let projection = Projection::Fields(Fields::new(names)?);
    let entry = t.store.get(&key("k"), GetOptions::new().with_projection(projection)).await?;
    let value = entry.and_then(|entry| entry.value);
    ensure!(value == Some(Value::Record(record)), "every second one of a thousand fields", "{value:?}");
    Ok(())
}

async fn a_long_text_and_a_long_list_come_back(t: Test) -> Check {
    let bytes = usize::try_from(t.capabilities().max_value_bytes).unwrap_or(usize::MAX).min(1 << 20) / 4;
    let list: Vec<usize> = (0..bytes / 10).collect();
    both_ways(&t, json!({ "text": "\"é\\".repeat(bytes / 8), "list": list })).await
}

async fn the_order_of_names_does_not_count(t: Test) -> Check {
    let there: Record = Record::new().with("a", json!({ "x": 1, "y": 2 })).with("b", 1);
    t.put(&key("k"), Record::new().with("b", 1).with("a", json!({ "y": 2, "x": 1 })), PutOptions::new(LONG))
        .await?;
    match t.value(&key("k")).await? {
        Some(Value::Record(record)) => {
            ensure_eq!(record.to_json_text(), there.to_json_text(), "the canonical text");
        }
        other => return Err(Failure::new("a record", format!("{other:?}"))),
    }
    Ok(())
}

/// Puts a record of these fields. Reads it whole and field by field.
async fn both_ways(t: &Test, fields: Json) -> Check {
    let record = Record::from_serialize(&fields)?;
    t.put(&key("k"), record.clone(), PutOptions::new(LONG)).await?;
    t.expect_value(&key("k"), record.clone(), "the record").await?;
    for (name, value) in record.iter() {
        ensure_eq!(field(t, name).await?, value.clone(), "the field {name:?}");
    }
    Ok(())
}

/// Returns a field of the record under `k`, read by name.
async fn field(t: &Test, name: &str) -> Check<Json> {
    let options = GetOptions::new().with_projection(Projection::Fields(Fields::new([name])?));
    let entry = t.store.get(&key("k"), options).await?;
    match entry.and_then(|entry| entry.value) {
        Some(Value::Record(record)) => {
            record.get(name).cloned().ok_or_else(|| Failure::new(format!("the field {name:?}"), "none"))
        }
        other => Err(Failure::new(format!("a record with the field {name:?}"), format!("{other:?}"))),
    }
}

/// Returns the bits of the field `floats`.
async fn bits(t: &Test) -> Check<Vec<u64>> {
    match field(t, "floats").await? {
        Json::Array(list) => {
            Ok(list.iter().map(|float| float.as_f64().unwrap_or_default().to_bits()).collect())
        }
        other => Err(Failure::new("a list", other.to_string())),
    }
}

/// Checks a record of these fields, each with its own value, read whole and field by field.
async fn each_name_apart(t: &Test, names: &[String]) -> Check {
    let fields = names.iter().enumerate().map(|(at, name)| (name.clone(), json!(at)));
    both_ways(t, Json::Object(fields.collect())).await
}
