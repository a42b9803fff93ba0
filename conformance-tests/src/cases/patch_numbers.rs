//! Patch: increments of integers and fractions, up to the limits of both.

use serde_json::{Value as Json, json};
use ttl_core::driver::Amount;
use ttl_core::options::PatchOptions;
use ttl_core::{ErrorKind, Patch};

use super::support::{fields, patch, put_fields};
use crate::test::key;
use crate::{Check, Test, case_table, ensure, ensure_eq, ensure_kind};

/// Increments a field. Fails unless the sum is `expected`, both in the outcome and in the stored record.
async fn sum(t: &Test, before: Json, by: impl Into<Amount>, expected: Json) -> Check {
    let by = by.into();
    put_fields(t, &key("k"), &json!({ "f": before })).await?;
    let outcome = patch(t, &key("k"), &Patch::new().increment("f", by)).await?;
    ensure_eq!(fields(t, &key("k")).await?["f"], expected, "{before} plus {by:?}");
    ensure_eq!(outcome.fields.get("f"), Some(&expected), "{before} plus {by:?} in the outcome");
    Ok(())
}

/// Fails unless the increment overflows and its whole patch is undone.
async fn overflows(t: &Test, before: Json, by: impl Into<Amount>) -> Check {
    let by = by.into();
    put_fields(t, &key("k"), &json!({ "f": before, "n": 1 })).await?;
    let state = t.state(&key("k")).await?;
    let change = Patch::new().increment("n", 1).increment("f", by);
    let result = t.store.patch(&key("k"), &change, PatchOptions::new()).await;
    ensure_kind!(result, Overflow, "{before} plus {by:?}");
    ensure_eq!(t.state(&key("k")).await?, state, "the entry after {before} plus {by:?}");
    Ok(())
}

case_table! {
    /// P3: An increment adds integers.
    an_increment_adds: needs(patch),
    /// P3: A negative amount subtracts.
    a_negative_increment_subtracts: needs(patch),
    /// P4: An increment treats a missing field as zero.
    an_increment_starts_at_zero: needs(patch),
    /// P3: An increment of a field that is not a number, such as `null` or a number in quotes, changes
    /// nothing.
    an_increment_of_no_number_is_refused: needs(patch),
    /// P3: Integers beyond 2^53 add exactly.
    integers_beyond_the_exact_range_of_floats_add_exactly: needs(patch),
    /// P3: Sums can reach both ends of `i64`.
    sums_reach_the_ends_of_i64: needs(patch),
    /// P3: A sum above `i64` fails with `Overflow`, and nothing of the patch is applied.
    a_sum_above_i64_overflows: needs(patch),
    /// P3: A sum below `i64` fails with `Overflow`, and nothing of the patch is applied.
    a_sum_below_i64_overflows: needs(patch),
    /// P3: A field above `i64` adds exactly if the sum is within `i64`.
    unsigned_fields_add_exactly: needs(patch),
    /// P3: A field above `i64` fails with `Overflow` if the sum is above `i64` too.
    unsigned_fields_overflow_above_i64: needs(patch),
    /// P3: Fractions add as `f64`.
    fractions_add: needs(patch),
    /// P3: A sum of fractions is the nearest `f64`, or differs from it in the last bit only.
    fractions_add_to_the_nearest_float: needs(patch),
    /// P3, V2: An integral sum of fractions is an integer, and adds exactly from then on.
    an_integral_sum_of_fractions_is_an_integer: needs(patch),
    /// P3, V2: An integral fraction as the amount is added as an integer.
    an_integral_amount_adds_exactly: needs(patch),
    /// P3: A sum beyond the finite floats fails with `Overflow`, and nothing of the patch is applied.
    a_sum_beyond_the_floats_overflows: needs(patch),
    /// P3: An amount of NaN or infinity is refused, and nothing changes.
    an_amount_that_is_not_finite_is_refused: needs(patch),
    /// P1, P3: Increments of one patch are applied in order. No intermediate sum may leave the range
    /// either.
    increments_of_one_field_follow_each_other: needs(patch),
    /// P1, P3: Many increments by different amounts add up exactly.
    many_increments_sum_exactly: needs(patch),
}

async fn an_increment_adds(t: Test) -> Check {
    sum(&t, json!(40), 2, json!(42)).await?;
    sum(&t, json!(-1), 1, json!(0)).await?;
    sum(&t, json!(0), 0, json!(0)).await
}

async fn a_negative_increment_subtracts(t: Test) -> Check {
    sum(&t, json!(5), -7, json!(-2)).await?;
    sum(&t, json!(-5), -7, json!(-12)).await
}

async fn an_increment_starts_at_zero(t: Test) -> Check {
    put_fields(&t, &key("k"), &json!({})).await?;
    let change =
        Patch::new().increment("up", 3).increment("down", -3).increment("half", 0.5).increment("none", 0);
    patch(&t, &key("k"), &change).await?;
    let expected = json!({ "up": 3, "down": -3, "half": 0.5, "none": 0 });
    ensure_eq!(fields(&t, &key("k")).await?, expected, "the new fields");
    Ok(())
}

async fn an_increment_of_no_number_is_refused(t: Test) -> Check {
    for value in [json!(null), json!(true), json!("7"), json!(""), json!([7]), json!({ "f": 7 }), json!([])] {
        put_fields(&t, &key("k"), &json!({ "f": value, "n": 1 })).await?;
        let before = t.state(&key("k")).await?;
        for by in [Amount::from(1), Amount::from(0), Amount::from(0.5)] {
            let change = Patch::new().set("n", 2).increment("f", by);
            let result = t.store.patch(&key("k"), &change, PatchOptions::new()).await;
            ensure_kind!(result, WrongFieldType, "{value} plus {by:?}");
            ensure_eq!(t.state(&key("k")).await?, before, "the entry after {value} plus {by:?}");
        }
    }
    Ok(())
}

async fn integers_beyond_the_exact_range_of_floats_add_exactly(t: Test) -> Check {
    sum(&t, json!(9_007_199_254_740_992_i64), 1, json!(9_007_199_254_740_993_i64)).await?;
    sum(&t, json!(9_007_199_254_740_993_i64), 1, json!(9_007_199_254_740_994_i64)).await?;
    sum(&t, json!(9_007_199_254_740_993_i64), 0, json!(9_007_199_254_740_993_i64)).await?;
    sum(&t, json!(-9_007_199_254_740_993_i64), -2, json!(-9_007_199_254_740_995_i64)).await?;
    sum(&t, json!(1), 9_007_199_254_740_993_i64, json!(9_007_199_254_740_994_i64)).await?;
    sum(&t, json!(1_234_567_890_123_456_789_i64), 987_654_321_i64, json!(1_234_567_891_111_111_110_i64)).await
}

async fn sums_reach_the_ends_of_i64(t: Test) -> Check {
    sum(&t, json!(i64::MAX - 1), 1, json!(i64::MAX)).await?;
    sum(&t, json!(i64::MIN + 1), -1, json!(i64::MIN)).await?;
    sum(&t, json!(i64::MAX), 0, json!(i64::MAX)).await?;
    sum(&t, json!(i64::MIN), i64::MAX, json!(-1)).await?;
    sum(&t, json!(i64::MAX), i64::MIN, json!(-1)).await?;
    sum(&t, json!(0), i64::MIN, json!(i64::MIN)).await?;
    sum(&t, json!(0), i64::MAX, json!(i64::MAX)).await
}

async fn a_sum_above_i64_overflows(t: Test) -> Check {
    overflows(&t, json!(i64::MAX), 1).await?;
    overflows(&t, json!(1), i64::MAX).await?;
    overflows(&t, json!(i64::MAX), i64::MAX).await
}

async fn a_sum_below_i64_overflows(t: Test) -> Check {
    overflows(&t, json!(i64::MIN), -1).await?;
    overflows(&t, json!(-1), i64::MIN).await?;
    overflows(&t, json!(i64::MIN), i64::MIN).await
}

async fn unsigned_fields_add_exactly(t: Test) -> Check {
    sum(&t, json!(1_u64 << 63), -1, json!(i64::MAX)).await?;
    sum(&t, json!(u64::MAX), i64::MIN, json!(i64::MAX)).await?;
    sum(&t, json!(9_223_372_036_854_775_809_u64), i64::MIN, json!(1)).await
}

async fn unsigned_fields_overflow_above_i64(t: Test) -> Check {
    overflows(&t, json!(u64::MAX), 1).await?;
    overflows(&t, json!(u64::MAX), -1).await?;
    overflows(&t, json!(u64::MAX), 0).await?;
    overflows(&t, json!(u64::MAX), -i64::MAX).await?;
    overflows(&t, json!(1_u64 << 63), 0).await
}

async fn fractions_add(t: Test) -> Check {
    sum(&t, json!(0.5), 0.25, json!(0.75)).await?;
    sum(&t, json!(1), 0.5, json!(1.5)).await?;
    sum(&t, json!(1.5), 1, json!(2.5)).await?;
    sum(&t, json!(-1.5), -0.25, json!(-1.75)).await?;
    sum(&t, json!(1e-7), 0.0, json!(1e-7)).await?;
    sum(&t, json!(5e-324), 5e-324, json!(1e-323)).await?;
    sum(&t, json!(1.5e300), 1, json!(1.5e300)).await
}

async fn fractions_add_to_the_nearest_float(t: Test) -> Check {
    for (before, by) in [(0.1, 0.2), (1.1, 2.2), (1e16, 0.3), (123_456.789, -0.001), (1e-5, 3e-6)] {
        put_fields(&t, &key("k"), &json!({ "f": before })).await?;
        patch(&t, &key("k"), &Patch::new().increment("f", by)).await?;
        let seen = fields(&t, &key("k")).await?["f"].as_f64().unwrap_or(f64::NAN);
        let exact: f64 = before + by;
        let near = seen.to_bits().abs_diff(exact.to_bits()) <= 1;
        ensure!(near, format!("{before} + {by} = {exact}, or its neighbour"), "{seen}");
    }
    Ok(())
}

async fn an_integral_sum_of_fractions_is_an_integer(t: Test) -> Check {
    sum(&t, json!(0.5), 0.5, json!(1)).await?;
    sum(&t, json!(-2.5), 2.5, json!(0)).await?;
    put_fields(&t, &key("k"), &json!({ "f": 0.5 })).await?;
    let change = Patch::new().increment("f", 0.5).increment("f", 9_007_199_254_740_992_i64);
    patch(&t, &key("k"), &change).await?;
    ensure_eq!(fields(&t, &key("k")).await?["f"], json!(9_007_199_254_740_993_i64), "1 plus 2^53");
    Ok(())
}

async fn an_integral_amount_adds_exactly(t: Test) -> Check {
    sum(&t, json!(9_007_199_254_740_993_i64), 2.0, json!(9_007_199_254_740_995_i64)).await?;
    sum(&t, json!(1), -1.0, json!(0)).await
}

async fn a_sum_beyond_the_floats_overflows(t: Test) -> Check {
    overflows(&t, json!(f64::MAX), f64::MAX).await?;
    overflows(&t, json!(f64::MIN), f64::MIN).await
}

async fn an_amount_that_is_not_finite_is_refused(t: Test) -> Check {
    put_fields(&t, &key("k"), &json!({ "f": 1 })).await?;
    let before = t.state(&key("k")).await?;
    for by in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let change = Patch::new().set("f", 2).increment("f", by);
        let result = t.store.patch(&key("k"), &change, PatchOptions::new()).await;
        let kind = result.as_ref().err().map(ttl_core::Error::kind);
        ensure_eq!(kind, Some(ErrorKind::InvalidField), "the error for {by} of {result:?}");
    }
    ensure_eq!(t.state(&key("k")).await?, before, "the entry");
    Ok(())
}

async fn increments_of_one_field_follow_each_other(t: Test) -> Check {
    put_fields(&t, &key("k"), &json!({ "f": i64::MAX - 2 })).await?;
    let change = Patch::new().increment("f", 2).increment("f", -5).increment("f", 1);
    patch(&t, &key("k"), &change).await?;
    ensure_eq!(fields(&t, &key("k")).await?["f"], json!(i64::MAX - 4), "the sum");
    let beyond = Patch::new().increment("f", 5).increment("f", -5);
    let before = t.state(&key("k")).await?;
    let result = t.store.patch(&key("k"), &beyond, PatchOptions::new()).await;
    ensure_kind!(result, Overflow, "an intermediate sum outside i64");
    ensure_eq!(t.state(&key("k")).await?, before, "the entry");
    Ok(())
}

async fn many_increments_sum_exactly(t: Test) -> Check {
    put_fields(&t, &key("k"), &json!({ "f": 9_007_199_254_740_900_i64 })).await?;
    let mut sum = 9_007_199_254_740_900_i64;
    for round in 0..20_i64 {
        let amounts: Vec<i64> =
            (0..10).map(|n| (round * 7_919 + n * 104_729) % 1_000_003 - 400_000).collect();
        let change = amounts.iter().fold(Patch::new(), |patch, by| patch.increment("f", *by));
        patch(&t, &key("k"), &change).await?;
        sum += amounts.iter().sum::<i64>();
    }
    ensure_eq!(fields(&t, &key("k")).await?["f"], json!(sum), "the sum of 200 increments");
    Ok(())
}
