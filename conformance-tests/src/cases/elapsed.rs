//! Elapsed writes, whose deadline has already passed: they are applied and leave nothing.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ttl_core::options::{
    Condition, Create, ExistingDeadline, ExpiryChange, GetOptions, Guard, PatchOptions, PutOptions, Refresh,
    Returning,
};
use ttl_core::results::PutResult;
use ttl_core::{Deadline, Expiry, Lifespan, Patch, Ttl, Value, Version};

use crate::test::{LONG, applied, key, record};
use crate::{Check, Test, case_table, ensure, ensure_eq};

case_table! {
    /// E6: A put whose deadline has passed is applied, reports that deadline and no version, and leaves
    /// nothing.
    an_elapsed_put_leaves_nothing,
    /// E6: Over a live entry, a put whose deadline has passed leaves nothing, not even the old value.
    an_elapsed_put_ends_the_old_value,
    /// E6: Over a persistent entry, a put whose deadline has passed leaves nothing.
    an_elapsed_put_ends_a_persistent_entry,
    /// E6: An instant near the epoch or before it has passed like any other past instant.
    the_beginning_of_time_is_past,
    /// E6, E1: A deadline of now has passed: an entry is visible only before its deadline.
    a_deadline_of_now_has_passed,
    /// E6, E9: A put after an elapsed put creates a new entry, which inherits nothing.
    after_an_elapsed_put_all_begins_anew,
    /// E6, R4: A cap does not outlive an elapsed put.
    a_cap_does_not_outlive_an_elapsed_put: needs(caps),
    /// E6, E5: A put with Keep does not use its expiry on a live entry, even if that has passed.
    an_elapsed_put_with_keep_keeps_a_live_entry,
    /// E6, E5: A put with a refresh does not use its expiry on a live entry, even if that has passed.
    an_elapsed_put_with_a_refresh_keeps_a_live_entry,
    /// E6: An elapsed put with Keep that would create an entry leaves nothing.
    an_elapsed_put_with_keep_creates_nothing,
    /// E6, C3: An elapsed put whose condition does not hold is refused and leaves the entry unchanged.
    a_refused_elapsed_put_ends_nothing: needs(conditions),
    /// E6: An elapsed put whose condition holds ends the entry.
    a_conditional_elapsed_put_ends_the_entry: needs(conditions),
    /// E6, X1: Expire to an instant that has passed ends the entry and reports this.
    expire_to_the_past_ends_the_entry,
    /// E6, X2: Expire to an instant that has passed changes nothing with `IfLater` and ends the entry
    /// with `IfSooner`.
    guards_hold_for_the_past_too,
    /// E6, P2: A patch that creates an entry with a deadline that has passed reports that entry and
    /// leaves nothing.
    an_elapsed_patch_leaves_nothing: needs(patch),
    /// E6, P2: A patch of a live record does not use the deadline of its creation options.
    an_elapsed_patch_keeps_a_live_record: needs(patch),
}

async fn an_elapsed_put_leaves_nothing(t: Test) -> Check {
    for value in [Value::from("v"), record().into()] {
        let instant = past(&t);
        let meta = put_elapsed(&t, value, instant).await?;
        ensure!(meta.created, "a created entry", "{meta:?}");
        ensure_eq!(meta.deadline, Some(Deadline::at(instant)), "the deadline that the put reports");
        ensure_eq!(meta.version, None, "the version that the put reports");
        t.expect_miss(&key("k"), "after the elapsed put").await?;
    }
    Ok(())
}

async fn an_elapsed_put_ends_the_old_value(t: Test) -> Check {
    for (old, new) in [
        (Value::from("old"), Value::from("new")),
        (record().into(), record().into()),
        ("old".into(), record().into()),
        (record().into(), "new".into()),
    ] {
        t.put(&key("k"), old, PutOptions::new(LONG)).await?;
        let meta = put_elapsed(&t, new, past(&t)).await?;
        ensure!(!meta.created, "a replaced entry", "{meta:?}");
        t.expect_miss(&key("k"), "after the elapsed put").await?;
        let seen = t.second.get(&key("k"), GetOptions::nothing()).await?;
        ensure!(seen.is_none(), "a miss on the other handle", "{seen:?}");
    }
    Ok(())
}

async fn an_elapsed_put_ends_a_persistent_entry(t: Test) -> Check {
    t.put(&key("k"), "old", PutOptions::new(Expiry::Never)).await?;
    put_elapsed(&t, "new", past(&t)).await?;
    t.expect_miss(&key("k"), "after the elapsed put").await
}

async fn the_beginning_of_time_is_past(t: Test) -> Check {
    for instant in
        [UNIX_EPOCH, UNIX_EPOCH - Duration::from_secs(86_400), UNIX_EPOCH + Duration::from_millis(1)]
    {
        t.put(&key("k"), "old", PutOptions::new(LONG)).await?;
        let meta = put_elapsed(&t, "new", instant).await?;
        ensure_eq!(meta.deadline, Some(Deadline::at(instant)), "the deadline that the put reports");
        t.expect_miss(&key("k"), "after the elapsed put").await?;
    }
    Ok(())
}

async fn a_deadline_of_now_has_passed(t: Test) -> Check {
    t.put(&key("k"), "old", PutOptions::new(LONG)).await?;
    // The last whole millisecond that has certainly passed, given the error of the clock.
    let now = t.store.now() - t.clock_error();
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = now - Duration::from_nanos(u64::from(since.subsec_nanos() % 1_000_000));
    put_elapsed(&t, "new", now).await?;
    t.expect_miss(&key("k"), "after the put until now").await
}

async fn after_an_elapsed_put_all_begins_anew(t: Test) -> Check {
    t.put(&key("k"), record(), PutOptions::new(LONG)).await?;
    put_elapsed(&t, record(), past(&t)).await?;
    let put = PutOptions::new(Expiry::Never)
        .with_existing_deadline(ExistingDeadline::Keep)
        .with_returning(Returning::DEADLINE);
    let meta = t.put_meta(&key("k"), "new", put).await?;
    ensure!(meta.created && meta.deadline == Some(Deadline::NEVER), "a new, persistent entry", "{meta:?}");
    t.expect_value(&key("k"), "new", "the new value").await
}

async fn a_cap_does_not_outlive_an_elapsed_put(t: Test) -> Check {
    t.put(&key("k"), "old", PutOptions::new(Lifespan::persistent().with_max_lifetime(LONG))).await?;
    put_elapsed(&t, "gone", past(&t)).await?;
    t.put(&key("k"), "new", PutOptions::new(Expiry::Never)).await?;
    ensure_eq!(t.deadline(&key("k")).await?, Deadline::NEVER, "the deadline of the new entry");
    Ok(())
}

async fn an_elapsed_put_with_keep_keeps_a_live_entry(t: Test) -> Check {
    t.put(&key("k"), "old", PutOptions::new(LONG)).await?;
    let before = t.deadline(&key("k")).await?;
    let put = PutOptions::new(Expiry::At(past(&t))).with_existing_deadline(ExistingDeadline::Keep);
    t.put(&key("k"), "new", put).await?;
    t.expect_value(&key("k"), "new", "the new value").await?;
    ensure_eq!(t.deadline(&key("k")).await?, before, "the deadline");
    Ok(())
}

async fn an_elapsed_put_with_a_refresh_keeps_a_live_entry(t: Test) -> Check {
    t.put(&key("k"), "old", PutOptions::new(Ttl::minutes(1))).await?;
    let refresh = ExistingDeadline::Refresh(Refresh::extend_only(LONG));
    let put = PutOptions::new(Expiry::At(past(&t))).with_existing_deadline(refresh);
    let (put, span) = t.span(t.put(&key("k"), "new", put)).await;
    put?;
    t.expect_value(&key("k"), "new", "the new value").await?;
    span.check(t.deadline(&key("k")).await?, LONG, "the refreshed deadline")
}

async fn an_elapsed_put_with_keep_creates_nothing(t: Test) -> Check {
    for existing_deadline in [ExistingDeadline::Keep, ExistingDeadline::Refresh(Refresh::extend_only(LONG))] {
        let put = PutOptions::new(Expiry::At(past(&t))).with_existing_deadline(existing_deadline);
        t.put(&key("k"), "new", put).await?;
        t.expect_miss(&key("k"), "after the elapsed put").await?;
    }
    Ok(())
}

async fn a_refused_elapsed_put_ends_nothing(t: Test) -> Check {
    t.put(&key("k"), "old", PutOptions::new(LONG)).await?;
    let before = t.state(&key("k")).await?;
    for condition in [Condition::IfAbsent, Condition::IfVersion(Version::random())] {
        let put = PutOptions::new(Expiry::At(past(&t))).with_condition(condition);
        let outcome = t.store.put(&key("k"), "new".into(), put).await?;
        ensure!(outcome.is_refused(), format!("Refused for {condition:?}"), "{outcome:?}");
    }
    ensure_eq!(t.state(&key("k")).await?, before, "the entry after the refused puts");
    Ok(())
}

async fn a_conditional_elapsed_put_ends_the_entry(t: Test) -> Check {
    let version = t.put_version(&key("k"), "old", PutOptions::new(LONG)).await?;
    for condition in [Condition::IfVersion(version), Condition::IfPresent, Condition::IfAbsent] {
        let put = PutOptions::new(Expiry::At(past(&t))).with_condition(condition);
        let meta = applied(t.store.put(&key("k"), "new".into(), put).await?)?;
        ensure_eq!(
            meta.created,
            condition == Condition::IfAbsent,
            "whether the put with {condition:?} found no live entry"
        );
        t.expect_miss(&key("k"), "after the elapsed put").await?;
        if condition == Condition::IfVersion(version) {
            t.put(&key("k"), "again", PutOptions::new(LONG)).await?;
        }
    }
    Ok(())
}

async fn expire_to_the_past_ends_the_entry(t: Test) -> Check {
    for (value, lifespan) in
        [(Value::from("v"), Lifespan::from(LONG)), (record().into(), Lifespan::persistent())]
    {
        t.put(&key("k"), value, PutOptions::new(lifespan)).await?;
        let instant = past(&t);
        let done = t.expire(&key("k"), ExpiryChange::Set(Expiry::At(instant)), Guard::Always).await?;
        ensure!(done.changed, "a changed deadline", "{done:?}");
        ensure_eq!(done.deadline, Deadline::at(instant), "the deadline that expire reports");
        t.expect_miss(&key("k"), "after the expire").await?;
    }
    Ok(())
}

async fn guards_hold_for_the_past_too(t: Test) -> Check {
    t.put(&key("k"), "v", PutOptions::new(LONG)).await?;
    let before = t.state(&key("k")).await?;
    let change = ExpiryChange::Set(Expiry::At(past(&t)));
    let done = t.expire(&key("k"), change, Guard::IfLater).await?;
    ensure!(!done.changed && done.deadline == before.deadline, "no change", "{done:?}");
    ensure_eq!(t.state(&key("k")).await?, before, "the entry after IfLater");
    let done = t.expire(&key("k"), change, Guard::IfSooner).await?;
    ensure!(done.changed, "a changed deadline", "{done:?}");
    t.expect_miss(&key("k"), "after IfSooner").await
}

async fn an_elapsed_patch_leaves_nothing(t: Test) -> Check {
    let instant = past(&t);
    let options = PatchOptions::new()
        .with_create(Create::new(instant))
        .with_returning(Returning::DEADLINE | Returning::VERSION);
    let outcome = t.store.patch(&key("k"), &Patch::new().set("a", 1).increment("n", 2), options).await?;
    let outcome = applied(outcome)?;
    ensure!(outcome.created, "a created record", "{outcome:?}");
    ensure_eq!(outcome.deadline, Some(Deadline::at(instant)), "the deadline that the patch reports");
    ensure_eq!(outcome.version, None, "the version that the patch reports");
    ensure_eq!(outcome.fields.to_json_text(), r#"{"a":1,"n":2}"#, "the fields that the patch reports");
    t.expect_miss(&key("k"), "after the elapsed patch").await
}

async fn an_elapsed_patch_keeps_a_live_record(t: Test) -> Check {
    t.put(&key("k"), record(), PutOptions::new(LONG)).await?;
    let before = t.deadline(&key("k")).await?;
    let options = PatchOptions::new().with_create(Create::new(past(&t)));
    applied(t.store.patch(&key("k"), &Patch::new().increment("n", 1), options).await?)?;
    t.expect_value(&key("k"), ttl_core::Record::new().with("n", 2), "the patched record").await?;
    ensure_eq!(t.deadline(&key("k")).await?, before, "the deadline");
    Ok(())
}

/// Returns an instant on a whole millisecond that has certainly passed.
pub(super) fn past(t: &Test) -> SystemTime {
    t.instant(Ttl::MIN) - Duration::from_secs(10)
}

/// Puts the value under `k` with this instant as the deadline.
async fn put_elapsed(t: &Test, value: impl Into<Value>, until: SystemTime) -> Check<PutResult> {
    t.put_meta(
        &key("k"),
        value,
        PutOptions::new(Expiry::At(until)).with_returning(Returning::DEADLINE | Returning::VERSION),
    )
    .await
}
