//! Patch: absent keys, ghosts, creation, and the effects on deadline, version and cap.

use std::time::Duration;

use serde_json::json;
use ttl_core::options::{Create, ExpiryChange, Guard, PatchOptions, PutOptions, Refresh, Returning};
use ttl_core::{Deadline, Effect, Expiry, Lifespan, Patch, Record, Ttl};

use super::support::{LATER, ensure_ahead, fields, json_of, patch, put_fields, record_of, reported};
use crate::test::{LONG, SHORT, applied, key, record};
use crate::{Check, Test, case_table, ensure, ensure_eq, ensure_kind};

/// Returns options that create an absent record with a TTL of [`LONG`].
fn creating() -> PatchOptions {
    PatchOptions::new().with_create(Create::new(LONG))
}

case_table! {
    /// P2: A patch of an absent key returns `Absent` and creates nothing.
    a_patch_of_nothing_is_absent: needs(patch),
    /// P2, E3: A patch of a ghost returns `Absent` and does not revive the ghost.
    a_patch_of_a_ghost_is_absent: needs(patch),
    /// P2, E3: A patch of a blob's ghost returns `Absent`, because a ghost has no kind.
    a_patch_of_a_blobs_ghost_is_absent: needs(patch),
    /// P2, R7: A patch that creates a record gives it the requested lifespan.
    a_patch_creates_with_its_lifespan: needs(patch),
    /// P2: A created record is the result of the operations on the initial record.
    a_patch_creates_from_the_initial_record: needs(patch),
    /// P2: A patch without operations creates an unchanged initial record.
    an_empty_patch_creates_the_initial_record: needs(patch),
    /// P2: A patch that may create changes an existing live record instead, and keeps its deadline.
    the_initial_record_is_for_absent_keys_alone: needs(patch),
    /// P2, E3: A record that is created over a ghost has none of the ghost's fields.
    nothing_of_a_ghost_leaks_into_what_a_patch_creates: needs(patch),
    /// P2, E3: A pop that creates over a ghost does not return an element of the ghost.
    nothing_of_a_ghost_is_popped: needs(patch),
    /// P2, E3: A patch can create a record over the ghost of a blob.
    a_patch_creates_over_a_blobs_ghost: needs(patch),
    /// P2, E9: A record that is created after a delete inherits neither fields nor deadline.
    a_patch_creates_afresh_after_a_delete: needs(patch),
    /// P2: A lifespan without a deadline creates a persistent record.
    a_patch_can_create_a_persistent_record: needs(patch),
    /// P2, R4: A patch that creates limits the expiry to the cap.
    a_patch_cannot_create_beyond_its_cap: needs(patch, caps),
    /// P2, E6: A record that is created in the past is reported in the outcome and is never visible.
    creating_in_the_past_leaves_nothing: needs(patch),
    /// P2, E8: A deadline too far in the future is refused, whether or not the patch would use it.
    creating_beyond_the_maximum_is_refused: needs(patch),
    /// P1, P2: A patch that fails on the initial record creates nothing.
    a_failing_patch_creates_nothing: needs(patch),
    /// P2: A patch with invalid input is refused, even if the key is absent.
    bad_input_is_refused_on_an_absent_key: needs(patch),
    /// P1, E5: A patch without a refresh keeps the deadline to the millisecond.
    a_patch_keeps_the_deadline: needs(patch),
    /// E7: All fields of a record expire together, whenever they were written.
    a_patched_record_dies_as_a_whole: needs(patch),
    /// E7, X5: Fields that were set before a change of the deadline expire at the new deadline.
    fields_live_as_long_as_the_record: needs(patch),
    /// C2: A patch that changes the value changes the version.
    a_patch_changes_the_version: needs(patch),
    /// C2, X5: A patch that fails, or is refused for its version, keeps the version.
    a_patch_that_is_not_applied_keeps_the_version: needs(patch, conditions),
    /// C2: A patch with the current version is applied, and a second patch with that version is refused.
    a_patch_with_the_right_version_is_applied_once: needs(patch, conditions),
}

async fn a_patch_of_nothing_is_absent(t: Test) -> Check {
    for change in [Patch::new().set("n", 1), Patch::new().increment("n", 1), Patch::new().append("n", 1)] {
        let outcome = t.store.patch(&key("k"), &change, PatchOptions::new()).await?;
        ensure!(outcome.is_absent(), "Absent", "{outcome:?}");
        t.expect_miss(&key("k"), "the key after the patch").await?;
    }
    Ok(())
}

async fn a_patch_of_a_ghost_is_absent(t: Test) -> Check {
    t.ghost(&key("k"), record()).await?;
    let outcome = t.store.patch(&key("k"), &Patch::new().set("n", 2), PatchOptions::new()).await?;
    ensure!(outcome.is_absent(), "Absent", "{outcome:?}");
    t.expect_miss(&key("k"), "the key after the patch").await
}

async fn a_patch_of_a_blobs_ghost_is_absent(t: Test) -> Check {
    t.ghost(&key("k"), "blob").await?;
    let outcome = t.store.patch(&key("k"), &Patch::new().set("n", 2), PatchOptions::new()).await?;
    ensure!(outcome.is_absent(), "Absent", "{outcome:?}");
    t.expect_miss(&key("k"), "the key after the patch").await
}

async fn a_patch_creates_with_its_lifespan(t: Test) -> Check {
    let started = t.store.now();
    let options = creating().with_returning(Returning::DEADLINE | Returning::VERSION);
    let outcome = applied(t.store.patch(&key("k"), &Patch::new().set("n", 1), options).await?)?;
    ensure!(outcome.created, "a creation", "{:?}", outcome);
    let state = t.state(&key("k")).await?;
    ensure_ahead(&t, state.deadline, started, LONG, "the first deadline")?;
    ensure_eq!(reported(outcome.deadline)?, state.deadline, "the reported deadline");
    ensure_eq!(reported(outcome.version)?, state.version, "the reported version");
    ensure_eq!(json_of(state.value)?, json!({ "n": 1 }), "the record");
    Ok(())
}

async fn a_patch_creates_from_the_initial_record(t: Test) -> Check {
    let initial = record_of(&json!({ "n": 10, "list": ["a"], "old": true, "kept": null }))?;
    let options = PatchOptions::new().with_create(Create::new(LONG).with_initial(initial));
    let change =
        Patch::new().increment("n", 1).append("list", "b").unset("old").pop_front("list").set("new", 1);
    let outcome = applied(t.store.patch(&key("k"), &change, options).await?)?;
    let expected = json!({ "n": 11, "list": ["b"], "kept": null, "new": 1 });
    ensure_eq!(fields(&t, &key("k")).await?, expected, "the record");
    let touched = json!({ "n": 11, "list": ["b"], "new": 1 });
    ensure_eq!(json_of(outcome.fields.into())?, touched, "the touched fields");
    ensure_eq!(outcome.effects[3], Effect::Popped(Some(json!("a"))), "the effect of the pop");
    Ok(())
}

async fn an_empty_patch_creates_the_initial_record(t: Test) -> Check {
    for (name, initial) in [("some", record()), ("none", Record::new())] {
        let options = PatchOptions::new().with_create(Create::new(LONG).with_initial(initial.clone()));
        let outcome = applied(t.store.patch(&key(name), &Patch::new(), options).await?)?;
        ensure!(outcome.created, "a creation", "{:?}", outcome);
        t.expect_value(&key(name), initial, "the initial record").await?;
    }
    Ok(())
}

async fn the_initial_record_is_for_absent_keys_alone(t: Test) -> Check {
    put_fields(&t, &key("k"), &json!({ "n": 1 })).await?;
    let deadline = t.deadline(&key("k")).await?;
    let initial = record_of(&json!({ "n": 100, "initial": true }))?;
    let options = PatchOptions::new().with_create(Create::new(LATER).with_initial(initial));
    let outcome = applied(t.store.patch(&key("k"), &Patch::new().increment("n", 1), options).await?)?;
    ensure!(!outcome.created, "no creation", "{:?}", outcome);
    ensure_eq!(fields(&t, &key("k")).await?, json!({ "n": 2 }), "the record");
    ensure_eq!(t.deadline(&key("k")).await?, deadline, "the deadline");
    Ok(())
}

async fn nothing_of_a_ghost_leaks_into_what_a_patch_creates(t: Test) -> Check {
    let ghost = record_of(&json!({ "n": 41, "list": [1, 2], "old": "secret" }))?;
    t.ghost(&key("k"), ghost).await?;
    let change = Patch::new().increment("n", 1).append("list", 3).pop_front("other");
    let outcome = applied(t.store.patch(&key("k"), &change, creating()).await?)?;
    ensure!(outcome.created, "a creation", "{:?}", outcome);
    ensure_eq!(fields(&t, &key("k")).await?, json!({ "n": 1, "list": [3] }), "the new record");
    Ok(())
}

async fn nothing_of_a_ghost_is_popped(t: Test) -> Check {
    t.ghost(&key("k"), record_of(&json!({ "list": [1, 2] }))?).await?;
    let outcome = applied(t.store.patch(&key("k"), &Patch::new().pop_front("list"), creating()).await?)?;
    ensure_eq!(outcome.effects, [Effect::Popped(None)], "the effect of the pop");
    ensure_eq!(fields(&t, &key("k")).await?, json!({}), "the new record");
    Ok(())
}

async fn a_patch_creates_over_a_blobs_ghost(t: Test) -> Check {
    t.ghost(&key("k"), "blob").await?;
    let outcome = applied(t.store.patch(&key("k"), &Patch::new().increment("n", 1), creating()).await?)?;
    ensure!(outcome.created, "a creation", "{:?}", outcome);
    ensure_eq!(fields(&t, &key("k")).await?, json!({ "n": 1 }), "the new record");
    Ok(())
}

async fn a_patch_creates_afresh_after_a_delete(t: Test) -> Check {
    t.put(&key("k"), record_of(&json!({ "n": 41, "old": 1 }))?, PutOptions::new(LATER)).await?;
    t.delete(&key("k")).await?;
    let started = t.store.now();
    applied(t.store.patch(&key("k"), &Patch::new().increment("n", 1), creating()).await?)?;
    ensure_eq!(fields(&t, &key("k")).await?, json!({ "n": 1 }), "the new record");
    ensure_ahead(&t, t.deadline(&key("k")).await?, started, LONG, "the first deadline")
}

async fn a_patch_can_create_a_persistent_record(t: Test) -> Check {
    t.ghost(&key("k"), record()).await?;
    let options = PatchOptions::new().with_create(Create::new(Expiry::Never));
    applied(t.store.patch(&key("k"), &Patch::new().set("n", 1), options).await?)?;
    ensure_eq!(t.deadline(&key("k")).await?, Deadline::NEVER, "the deadline");
    Ok(())
}

async fn a_patch_cannot_create_beyond_its_cap(t: Test) -> Check {
    for (name, expiry) in [("late", Expiry::After(LATER)), ("never", Expiry::Never)] {
        let options =
            PatchOptions::new().with_create(Create::new(Lifespan::new(expiry).with_max_lifetime(LONG)));
        let started = t.store.now();
        applied(t.store.patch(&key(name), &Patch::new().set("n", 1), options).await?)?;
        ensure_ahead(&t, t.deadline(&key(name)).await?, started, LONG, "the cap")?;
    }
    Ok(())
}

async fn creating_in_the_past_leaves_nothing(t: Test) -> Check {
    for ghost in [false, true] {
        let key = key(if ghost { "ghost" } else { "absent" });
        if ghost {
            t.ghost(&key, record_of(&json!({ "n": 41 }))?).await?;
        }
        let past = t.instant(Ttl::MIN) - Duration::from_secs(60);
        let options = PatchOptions::new()
            .with_create(Create::new(past).with_initial(Record::new().with("list", [1])))
            .with_returning(Returning::DEADLINE | Returning::VERSION);
        let change = Patch::new().increment("n", 1).pop_front("list");
        let outcome = applied(t.store.patch(&key, &change, options).await?)?;
        ensure!(outcome.created, "a creation", "{:?}", outcome);
        t.expect_deadline(reported(outcome.deadline)?, past, "the reported deadline")?;
        ensure_eq!(outcome.version, None, "the version of an expired record");
        ensure_eq!(json_of(outcome.fields.into())?, json!({ "n": 1, "list": [] }), "the touched fields");
        ensure_eq!(outcome.effects[1], Effect::Popped(Some(json!(1))), "the effect of the pop");
        t.expect_miss(&key, "the key after the patch").await?;
    }
    Ok(())
}

async fn creating_beyond_the_maximum_is_refused(t: Test) -> Check {
    let far = t.store.now() + Ttl::MAX.as_duration() + Duration::from_secs(3_600);
    let options = PatchOptions::new().with_create(Create::new(far));
    let patches = [Patch::new().set("n", 2), Patch::new().increment("n", 1)];
    for patch in &patches {
        let absent = t.store.patch(&key("k"), patch, options.clone()).await;
        ensure_kind!(absent, InvalidExpiry, "a patch of an absent key");
    }
    t.expect_miss(&key("k"), "the key after the refusals").await?;
    t.put(&key("k"), record(), PutOptions::new(LONG)).await?;
    let before = t.state(&key("k")).await?;
    for patch in &patches {
        let live = t.store.patch(&key("k"), patch, options.clone()).await;
        ensure_kind!(live, InvalidExpiry, "a patch of a live record");
    }
    ensure_eq!(t.state(&key("k")).await?, before, "the entry");
    Ok(())
}

async fn a_failing_patch_creates_nothing(t: Test) -> Check {
    t.ghost(&key("ghost"), record_of(&json!({ "n": 1, "list": [] }))?).await?;
    for name in ["absent", "ghost"] {
        let initial = record_of(&json!({ "n": "text", "max": i64::MAX }))?;
        let options = PatchOptions::new().with_create(Create::new(LONG).with_initial(initial));
        let change = Patch::new().set("a", 1).increment("n", 1);
        let mistyped = t.store.patch(&key(name), &change, options.clone()).await;
        ensure_kind!(mistyped, WrongFieldType, "an increment of the initial text");
        t.expect_miss(&key(name), "the key after the failure").await?;
        let change = Patch::new().set("a", 1).increment("max", 1);
        let overflow = t.store.patch(&key(name), &change, options).await;
        ensure_kind!(overflow, Overflow, "an increment of the initial maximum");
        t.expect_miss(&key(name), "the key after the overflow").await?;
    }
    Ok(())
}

async fn bad_input_is_refused_on_an_absent_key(t: Test) -> Check {
    let result = t.store.patch(&key("k"), &Patch::new().set("ttl:x", 1), PatchOptions::new()).await;
    ensure_kind!(result, InvalidField, "a patch of an absent key with a reserved name");
    Ok(())
}

async fn a_patch_keeps_the_deadline(t: Test) -> Check {
    let changes = [
        Patch::new().set("n", 2),
        Patch::new().append("list", 1),
        Patch::new().pop_back("list"),
        Patch::new().increment("n", 1),
        Patch::new().unset("n"),
        Patch::new(),
    ];
    for (name, lifespan) in [("expiring", Lifespan::from(LONG)), ("persistent", Lifespan::persistent())] {
        t.put(&key(name), record(), PutOptions::new(lifespan)).await?;
        let before = t.deadline(&key(name)).await?;
        for change in &changes {
            t.pass(Duration::from_millis(3)).await;
            patch(&t, &key(name), change).await?;
            ensure_eq!(t.deadline(&key(name)).await?, before, "the deadline of the {name} record");
        }
    }
    Ok(())
}

async fn a_patched_record_dies_as_a_whole(t: Test) -> Check {
    let ttl = Ttl::millis(400);
    let first = record_of(&json!({ "a": 1, "list": [1] }))?;
    let put = t.put_meta(&key("k"), first, PutOptions::new(ttl).with_returning(Returning::DEADLINE)).await?;
    // The reported deadline, because the first call of a store may take long to connect.
    let ends = put.deadline.and_then(Deadline::to_system_time).unwrap_or_else(|| t.store.now());
    let mut applied = 0;
    for n in 0..5 {
        t.pass(Duration::from_millis(40)).await;
        let change = Patch::new().set("late", n).set(format!("f{n}"), n).increment("a", 1).append("list", n);
        applied += i32::from(t.store.patch(&key("k"), &change, PatchOptions::new()).await?.is_applied());
    }
    ensure!(!t.is_manual() || applied == 5, "five patches within 200 ms", "{applied}");
    t.pass(ends.duration_since(t.store.now()).unwrap_or_default()).await;
    t.outlive(Ttl::MIN).await;
    t.expect_miss(&key("k"), "the key after the deadline of the put").await?;
    // A new record has nothing of the old one.
    let outcome = t.store.patch(&key("k"), &Patch::new().increment("a", 1), creating()).await?;
    ensure!(outcome.is_applied(), "Applied", "{outcome:?}");
    ensure_eq!(fields(&t, &key("k")).await?, json!({ "a": 1 }), "the new record");
    Ok(())
}

async fn fields_live_as_long_as_the_record(t: Test) -> Check {
    t.put(&key("k"), record_of(&json!({ "first": 1 }))?, PutOptions::new(LONG)).await?;
    patch(&t, &key("k"), &Patch::new().set("second", 2)).await?;
    let soon = ExpiryChange::Set(Expiry::After(SHORT));
    t.expire(&key("k"), soon, Guard::Always).await?;
    t.outlive(SHORT).await;
    t.expect_miss(&key("k"), "the key after the new deadline").await?;
    t.put(&key("k"), record_of(&json!({ "third": 3 }))?, PutOptions::new(LONG)).await?;
    ensure_eq!(fields(&t, &key("k")).await?, json!({ "third": 3 }), "the record that was put afterwards");
    Ok(())
}

async fn a_patch_changes_the_version(t: Test) -> Check {
    put_fields(&t, &key("k"), &json!({ "n": 1, "list": [1] })).await?;
    let changes = [
        Patch::new().set("n", 2),
        Patch::new().increment("n", 1),
        Patch::new().append("list", 2),
        Patch::new().prepend("list", 0),
        Patch::new().pop_front("list"),
        Patch::new().pop_back("list"),
        Patch::new().remove_value("list", 1),
        Patch::new().set("list", json!([5])),
        Patch::new().clear("list"),
        Patch::new().unset("list"),
    ];
    let mut seen = vec![t.version(&key("k")).await?];
    for change in &changes {
        patch(&t, &key("k"), change).await?;
        let version = t.version(&key("k")).await?;
        ensure!(seen.last() != Some(&version), format!("a new version after {change:?}"), "{version:?}");
        seen.push(version);
    }
    Ok(())
}

async fn a_patch_that_is_not_applied_keeps_the_version(t: Test) -> Check {
    put_fields(&t, &key("k"), &json!({ "n": "text" })).await?;
    let before = t.state(&key("k")).await?;
    let failed = t.store.patch(&key("k"), &Patch::new().increment("n", 1), PatchOptions::new()).await;
    ensure_kind!(failed, WrongFieldType, "an increment of a text");
    t.put(&key("other"), record(), PutOptions::new(LONG)).await?;
    let options = PatchOptions::new().with_if_version(t.version(&key("other")).await?);
    let options = options.with_refresh(Refresh::extend_only(LATER));
    let refused = t.store.patch(&key("k"), &Patch::new().set("n", 1), options).await?;
    ensure!(refused.is_refused(), "Refused", "{refused:?}");
    ensure_eq!(t.state(&key("k")).await?, before, "the entry");
    Ok(())
}

async fn a_patch_with_the_right_version_is_applied_once(t: Test) -> Check {
    put_fields(&t, &key("k"), &json!({ "n": 1 })).await?;
    let options = PatchOptions::new().with_if_version(t.version(&key("k")).await?);
    let first = t.store.patch(&key("k"), &Patch::new().increment("n", 1), options.clone()).await?;
    ensure!(first.is_applied(), "Applied", "{first:?}");
    let second = t.store.patch(&key("k"), &Patch::new().increment("n", 1), options).await?;
    ensure!(second.is_refused(), "Refused", "{second:?}");
    ensure_eq!(fields(&t, &key("k")).await?, json!({ "n": 2 }), "the record");
    Ok(())
}
