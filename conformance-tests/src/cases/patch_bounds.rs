//! Patch: bounded increments, which are applied, or refuse the whole patch and report the stored entry.

use serde_json::{Value as Json, json};
use ttl_core::driver::Amount;
use ttl_core::options::{Create, PatchOptions, PutOptions, Refresh, Returning};
use ttl_core::{Bounds, Lifespan, Outcome, Patch, Value};

use super::support::{LATER, SOONER, ensure_ahead, fields, json_of, patch, put_fields, record_of, reported};
use crate::test::{LONG, applied, key};
use crate::{Check, Failure, Test, case_table, ensure, ensure_eq, ensure_kind};

/// Fails unless the patch is refused, reports the stored entry, and changes nothing.
async fn refuses(t: &Test, change: &Patch, options: PatchOptions, about: &str) -> Check {
    let before = t.state(&key("k")).await?;
    let outcome = t
        .store
        .patch(&key("k"), change, options.with_returning(Returning::DEADLINE | Returning::VERSION))
        .await?;
    let Outcome::Refused(Some(there)) = outcome else {
        return Err(Failure::new(format!("{about}: Refused with the stored entry"), format!("{outcome:?}")));
    };
    let named = before.value.clone().into_record()?.project(&change.to_fields()?);
    ensure_eq!(
        json_of(there.fields.into())?,
        json_of(named.into())?,
        "{about}: the fields that the patch names"
    );
    ensure_eq!(there.deadline, Some(before.deadline), "{about}: the stored deadline");
    ensure_eq!(there.version, Some(before.version), "{about}: the stored version");
    ensure!(!there.created, format!("{about}: no creation"), "a creation");
    ensure!(there.effects.is_empty(), format!("{about}: no effects"), "{:?}", there.effects);
    ensure_eq!(t.state(&key("k")).await?, before, "{about}: the entry");
    Ok(())
}

/// Fails unless this increment of this value is refused.
async fn outside(t: &Test, before: Json, by: impl Into<Amount>, bounds: impl Into<Bounds>) -> Check {
    let (by, bounds) = (by.into(), bounds.into());
    put_fields(t, &key("k"), &json!({ "f": before, "other": "x" })).await?;
    let change = Patch::new().increment_within("f", by, bounds);
    refuses(t, &change, PatchOptions::new(), &format!("{before} plus {by:?} within {bounds:?}")).await
}

/// Fails unless this increment of this value results in `expected`, both in the outcome and in the stored
/// record.
async fn within(
    t: &Test,
    before: Json,
    by: impl Into<Amount>,
    bounds: impl Into<Bounds>,
    expected: Json,
) -> Check {
    let (by, bounds) = (by.into(), bounds.into());
    put_fields(t, &key("k"), &json!({ "f": before })).await?;
    let outcome = patch(t, &key("k"), &Patch::new().increment_within("f", by, bounds)).await?;
    let about = format!("{before} plus {by:?} within {bounds:?}");
    ensure_eq!(fields(t, &key("k")).await?["f"], expected, "{about}");
    ensure_eq!(outcome.fields.get("f"), Some(&expected), "{about} in the outcome");
    Ok(())
}

case_table! {
    /// P7: A sum within its bounds is applied. The bounds are inclusive.
    a_sum_within_its_bounds_is_applied: needs(patch),
    /// P7: A sum above the upper bound is refused, and the outcome reports value, deadline and version.
    a_sum_above_is_refused: needs(patch),
    /// P7: A sum below the lower bound is refused, and the outcome reports value, deadline and version.
    a_sum_below_is_refused: needs(patch),
    /// P7: The bounds apply to the sum, not to the stored value. A value outside the bounds can move back
    /// within.
    a_value_outside_can_come_back: needs(patch),
    /// P7, P4: A missing field starts at zero, and the bounds apply to it.
    a_missing_field_starts_at_zero: needs(patch),
    /// P7, P3: Fractions are compared exactly with the bounds, on either side of the sum.
    fractions_have_bounds: needs(patch),
    /// P7, P3: Integers are compared exactly with the bounds, at the largest bounds and at the ends of
    /// `i64`.
    large_integers_have_bounds: needs(patch),
    /// P3, P7: Bounds do not hide errors: a field that is not a number and a sum outside `i64` fail as
    /// without bounds.
    bounds_hide_no_errors: needs(patch),
    /// P7, P1: A refusal also undoes the operations before and after the increment.
    a_refusal_undoes_the_rest: needs(patch),
    /// P7, R1: A refused patch does not refresh, in either refresh mode.
    a_refusal_refreshes_nothing: needs(patch),
    /// P7, R1: A patch within its bounds refreshes like any other.
    what_is_applied_refreshes: needs(patch),
    /// P7, P1, P3: The first operation that fails determines whether the patch is refused or an error.
    the_first_operation_that_does_not_fit_decides: needs(patch),
    /// P7, P1: Increments of one field are applied in order. The first sum out of bounds refuses the
    /// whole patch.
    bounded_increments_follow_each_other: needs(patch),
    /// P7, P2: Bounds apply to a patch that creates. If they refuse the patch, nothing is created.
    creation_has_bounds: needs(patch),
    /// P7, E3, P2: A ghost is absent for bounds: its value does not count and is not reported.
    bounds_do_not_see_ghosts: needs(patch),
    /// C2, P7: A different version is refused without a report of the entry. With the current version,
    /// the bounds decide.
    the_version_comes_before_the_bounds: needs(patch, conditions),
    /// P7, R1: A refused patch of a persistent entry reports it as persistent, and leaves it persistent.
    a_refusal_shows_a_persistent_entry: needs(patch),
    /// P7, P2: Invalid bounds are refused, whatever is stored.
    bad_bounds_are_refused: needs(patch),
}

async fn a_sum_within_its_bounds_is_applied(t: Test) -> Check {
    within(&t, json!(3), 1, ..=5, json!(4)).await?;
    within(&t, json!(4), 1, ..=5, json!(5)).await?;
    within(&t, json!(2), -1, 1.., json!(1)).await?;
    within(&t, json!(-5), 1, -4..=-4, json!(-4)).await?;
    within(&t, json!(5), 0, 5..=5, json!(5)).await
}

async fn a_sum_above_is_refused(t: Test) -> Check {
    outside(&t, json!(5), 1, ..=5).await?;
    outside(&t, json!(1), 40, 0..=40).await?;
    outside(&t, json!(-2), 1, ..=-2).await
}

async fn a_sum_below_is_refused(t: Test) -> Check {
    outside(&t, json!(1), -2, 0..).await?;
    outside(&t, json!(5), -6, 0..=5).await?;
    outside(&t, json!(-5), -1, -5..=5).await
}

async fn a_value_outside_can_come_back(t: Test) -> Check {
    within(&t, json!(50), -20, ..=40, json!(30)).await?;
    within(&t, json!(-5), 10, 0.., json!(5)).await?;
    outside(&t, json!(50), -5, ..=40).await?;
    outside(&t, json!(50), 0, ..=40).await?;
    outside(&t, json!(-50), 5, -10..=10).await
}

async fn a_missing_field_starts_at_zero(t: Test) -> Check {
    put_fields(&t, &key("k"), &json!({ "other": 1 })).await?;
    for (by, bounds) in [(6, Bounds::from(..=5)), (-1, (0..).into()), (1, (2..).into()), (0, (1..=2).into())]
    {
        let change = Patch::new().increment_within("f", by, bounds);
        refuses(&t, &change, PatchOptions::new(), &format!("a missing field plus {by} within {bounds:?}"))
            .await?;
    }
    let change = Patch::new().increment_within("f", 5, ..=5).increment_within("g", -5, -5..);
    patch(&t, &key("k"), &change).await?;
    ensure_eq!(fields(&t, &key("k")).await?, json!({ "other": 1, "f": 5, "g": -5 }), "the new fields");
    Ok(())
}

async fn fractions_have_bounds(t: Test) -> Check {
    within(&t, json!(0.5), 0.25, ..=1, json!(0.75)).await?;
    within(&t, json!(0.5), 0.5, ..=1, json!(1)).await?;
    within(&t, json!(4.5), 1, ..=6, json!(5.5)).await?;
    within(&t, json!(1), -0.75, 0.., json!(0.25)).await?;
    outside(&t, json!(0.75), 0.5, ..=1).await?;
    outside(&t, json!(4.5), 1, ..=5).await?;
    outside(&t, json!(5), 0.5, ..=5).await?;
    outside(&t, json!(0.25), -0.5, 0..).await?;
    outside(&t, json!(-0.25), 0, 0..=1).await?;
    outside(&t, json!(1e300), 1, ..=5).await
}

async fn large_integers_have_bounds(t: Test) -> Check {
    const MOST: i64 = Bounds::LARGEST;
    within(&t, json!(MOST - 1), 1, ..=MOST, json!(MOST)).await?;
    outside(&t, json!(MOST), 1, ..=MOST).await?;
    outside(&t, json!(MOST + 2), -1, ..=MOST).await?;
    within(&t, json!(MOST + 2), -2, ..=MOST, json!(MOST)).await?;
    outside(&t, json!(-MOST), -1, -MOST..).await?;
    outside(&t, json!(-MOST - 2), 1, -MOST..).await?;
    within(&t, json!(i64::MAX), -i64::MAX, 0..=0, json!(0)).await?;
    within(&t, json!(i64::MIN), i64::MAX, -1..=-1, json!(-1)).await?;
    within(&t, json!(i64::MAX - 1), 1, 0.., json!(i64::MAX)).await?;
    outside(&t, json!(i64::MAX), -1, -MOST..=MOST).await?;
    outside(&t, json!(u64::MAX), i64::MIN, ..=MOST).await
}

async fn bounds_hide_no_errors(t: Test) -> Check {
    for (before, by) in [(json!(null), 1), (json!("5"), 1), (json!([5]), 9)] {
        put_fields(&t, &key("k"), &json!({ "f": before, "n": 1 })).await?;
        let state = t.state(&key("k")).await?;
        let change = Patch::new().increment("n", 1).increment_within("f", by, ..=5);
        let result = t.store.patch(&key("k"), &change, PatchOptions::new()).await;
        ensure_kind!(result, WrongFieldType, "{before} plus {by}");
        ensure_eq!(t.state(&key("k")).await?, state, "the entry after {before} plus {by}");
    }
    for (before, by, bounds) in [(i64::MAX, 1, Bounds::from(..=5)), (i64::MIN, -1, (0..).into())] {
        put_fields(&t, &key("k"), &json!({ "f": before, "n": 1 })).await?;
        let state = t.state(&key("k")).await?;
        let change = Patch::new().increment("n", 1).increment_within("f", by, bounds);
        let result = t.store.patch(&key("k"), &change, PatchOptions::new()).await;
        ensure_kind!(result, Overflow, "{before} plus {by}");
        ensure_eq!(t.state(&key("k")).await?, state, "the entry after {before} plus {by}");
    }
    Ok(())
}

async fn a_refusal_undoes_the_rest(t: Test) -> Check {
    put_fields(&t, &key("k"), &json!({ "n": 5, "m": 1, "list": ["a"], "text": "x" })).await?;
    let full = |patch: Patch| patch.increment_within("n", 1, ..=5);
    for (change, about) in [
        (full(Patch::new().set("text", "y").append("list", "b")), "an increment after other operations"),
        (
            full(Patch::new()).pop_front("list").unset("text").set("new", 1),
            "an increment before other operations",
        ),
        (full(Patch::new().increment_within("m", 1, ..=5)), "an increment after one within its bounds"),
        (
            full(Patch::new().remove_value("list", "a").prepend("list", 7)).clear("list"),
            "an increment between others",
        ),
    ] {
        refuses(&t, &change, PatchOptions::new(), about).await?;
    }
    Ok(())
}

async fn a_refusal_refreshes_nothing(t: Test) -> Check {
    put_fields(&t, &key("k"), &json!({ "n": 5 })).await?;
    let change = Patch::new().increment_within("n", 1, ..=5);
    for refresh in [
        Refresh::extend_only(LATER),
        Refresh::reset(LATER),
        Refresh::reset(SOONER),
        Refresh::extend_only(SOONER),
    ] {
        let options = PatchOptions::new().with_refresh(refresh);
        refuses(&t, &change, options, &format!("a patch with {refresh:?}")).await?;
    }
    Ok(())
}

async fn what_is_applied_refreshes(t: Test) -> Check {
    put_fields(&t, &key("k"), &json!({ "n": 4 })).await?;
    let started = t.store.now();
    let options =
        PatchOptions::new().with_refresh(Refresh::extend_only(LATER)).with_returning(Returning::DEADLINE);
    let change = Patch::new().increment_within("n", 1, ..=5);
    let outcome = applied(t.store.patch(&key("k"), &change, options).await?)?;
    let told = reported(outcome.deadline)?;
    ensure_ahead(&t, told, started, LATER, "the reported deadline")?;
    ensure_eq!(t.deadline(&key("k")).await?, told, "the deadline");
    Ok(())
}

async fn the_first_operation_that_does_not_fit_decides(t: Test) -> Check {
    put_fields(&t, &key("k"), &json!({ "n": 5, "text": "x", "most": i64::MAX })).await?;
    let state = t.state(&key("k")).await?;
    let full = |patch: Patch| patch.increment_within("n", 1, ..=5);
    let wrong = t.store.patch(&key("k"), &full(Patch::new().append("text", 1)), PatchOptions::new()).await;
    ensure_kind!(wrong, WrongFieldType, "an append to a text before a sum out of bounds");
    let beyond =
        t.store.patch(&key("k"), &full(Patch::new().increment("most", 1)), PatchOptions::new()).await;
    ensure_kind!(beyond, Overflow, "an overflow before a sum out of bounds");
    ensure_eq!(t.state(&key("k")).await?, state, "the entry");
    refuses(
        &t,
        &full(Patch::new()).append("text", 1),
        PatchOptions::new(),
        "a sum out of bounds before an append to a text",
    )
    .await?;
    refuses(
        &t,
        &full(Patch::new()).increment("most", 1),
        PatchOptions::new(),
        "a sum out of bounds before an overflow",
    )
    .await
}

async fn bounded_increments_follow_each_other(t: Test) -> Check {
    put_fields(&t, &key("k"), &json!({ "n": 3 })).await?;
    let one = |patch: Patch| patch.increment_within("n", 1, ..=5);
    refuses(&t, &one(one(one(Patch::new()))), PatchOptions::new(), "the third of three increments").await?;
    refuses(
        &t,
        &one(Patch::new().increment("n", 3)).increment("n", -3),
        PatchOptions::new(),
        "an intermediate sum",
    )
    .await?;
    let outcome = patch(&t, &key("k"), &one(one(Patch::new().set("n", 0).increment("n", 3)))).await?;
    ensure_eq!(outcome.fields.get("n"), Some(&json!(5)), "the sum");
    Ok(())
}

async fn creation_has_bounds(t: Test) -> Check {
    let create = || Create::new(Lifespan::new(LONG));
    let initial = || create().with_initial(record_of(&json!({ "n": 4 })).unwrap_or_default());
    let change = Patch::new().set("seen", true).increment_within("n", 2, ..=5);
    let options = PatchOptions::new().with_returning(Returning::DEADLINE | Returning::VERSION);
    let outcome = t.store.patch(&key("k"), &change, options.clone()).await?;
    ensure!(outcome.is_absent(), "Absent without `create`", "{outcome:?}");
    let outcome = t.store.patch(&key("k"), &change, options.clone().with_create(initial())).await?;
    ensure_eq!(outcome, Outcome::Refused(None), "4 plus 2 within 5");
    t.expect_miss(&key("k"), "the key after the refusal").await?;
    let outcome = applied(t.store.patch(&key("k"), &change, options.clone().with_create(create())).await?)?;
    ensure!(outcome.created, "a creation", "{:?}", outcome);
    ensure_eq!(fields(&t, &key("k")).await?, json!({ "seen": true, "n": 2 }), "the record");
    // The stored record counts now, not the initial one.
    let outcome = applied(t.store.patch(&key("k"), &change, options.clone().with_create(initial())).await?)?;
    ensure_eq!(outcome.fields.get("n"), Some(&json!(4)), "the sum");
    refuses(&t, &change, options.with_create(create()), "4 plus 2 within 5").await
}

async fn bounds_do_not_see_ghosts(t: Test) -> Check {
    let options = || PatchOptions::new().with_returning(Returning::DEADLINE | Returning::VERSION);
    let create = || options().with_create(Create::new(LONG));
    t.ghost(&key("k"), record_of(&json!({ "n": 5 }))?).await?;
    let outcome = t.store.patch(&key("k"), &Patch::new().increment_within("n", 1, ..=5), options()).await?;
    ensure!(outcome.is_absent(), "Absent", "{outcome:?}");
    let outcome = t.store.patch(&key("k"), &Patch::new().increment_within("n", 6, ..=5), create()).await?;
    ensure_eq!(outcome, Outcome::Refused(None), "6 within 5 over a ghost");
    t.expect_miss(&key("k"), "the key after the refusal").await?;
    let outcome = t.store.patch(&key("k"), &Patch::new().increment_within("n", 1, ..=5), create()).await?;
    ensure!(applied(outcome)?.created, "a creation", "none");
    ensure_eq!(fields(&t, &key("k")).await?, json!({ "n": 1 }), "the record");
    Ok(())
}

async fn the_version_comes_before_the_bounds(t: Test) -> Check {
    put_fields(&t, &key("other"), &json!({ "n": 7 })).await?;
    put_fields(&t, &key("k"), &json!({ "n": 5 })).await?;
    let (other, own) = (t.version(&key("other")).await?, t.version(&key("k")).await?);
    for by in [1, -1] {
        let change = Patch::new().increment_within("n", by, ..=5);
        let options = PatchOptions::new()
            .with_if_version(other)
            .with_returning(Returning::DEADLINE | Returning::VERSION);
        let outcome = t.store.patch(&key("k"), &change, options).await?;
        ensure_eq!(outcome, Outcome::Refused(None), "a patch with a different version, plus {by}");
    }
    let options = || PatchOptions::new().with_if_version(own);
    refuses(&t, &Patch::new().increment_within("n", 1, ..=5), options(), "a patch with the current version")
        .await?;
    applied(t.store.patch(&key("k"), &Patch::new().increment_within("n", -1, ..=5), options()).await?)?;
    ensure_eq!(fields(&t, &key("k")).await?, json!({ "n": 4 }), "the record");
    Ok(())
}

async fn a_refusal_shows_a_persistent_entry(t: Test) -> Check {
    let full = Value::Record(record_of(&json!({ "n": 5 }))?);
    t.put(&key("k"), full, PutOptions::new(Lifespan::persistent())).await?;
    let options = PatchOptions::new().with_refresh(Refresh::reset(LONG));
    refuses(&t, &Patch::new().increment_within("n", 1, ..=5), options, "a patch of a persistent entry").await
}

async fn bad_bounds_are_refused(t: Test) -> Check {
    put_fields(&t, &key("k"), &json!({ "n": 1 })).await?;
    let before = t.state(&key("k")).await?;
    let beyond = Bounds::LARGEST + 1;
    let reversed = std::ops::RangeInclusive::new(5, 4);
    for bounds in [reversed.into(), Bounds::from(..=beyond), (-beyond..).into(), (i64::MIN..=i64::MAX).into()]
    {
        for name in ["k", "nothing"] {
            let change = Patch::new().set("n", 2).increment_within("n", 1, bounds);
            let result = t.store.patch(&key(name), &change, PatchOptions::new()).await;
            ensure_kind!(result, InvalidField, "{bounds:?} for {name}");
        }
    }
    ensure_eq!(t.state(&key("k")).await?, before, "the entry");
    Ok(())
}
