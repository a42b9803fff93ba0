//! Distant deadlines: twenty years are accepted, and anything beyond is the same error everywhere.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ttl_core::options::{
    Condition, Create, ExistingDeadline, ExpireOptions, ExpiryChange, Guard, PatchOptions, PutItem,
    PutOptions, Returning,
};
use ttl_core::{Deadline, Expiry, Patch, Ttl};

use crate::test::{LONG, applied, key, record};
use crate::{Check, Failure, Test, case_table, ensure, ensure_eq, ensure_kind};

case_table! {
    /// E8: The longest TTL is accepted and reported, to the millisecond.
    the_longest_life_works,
    /// E8: An instant almost twenty years away is accepted and reported, to the millisecond.
    an_instant_twenty_years_away_works,
    /// E8: Expire can move a deadline to twenty years away.
    a_deadline_can_be_moved_twenty_years_away,
    /// E8: The longest cap is accepted.
    the_longest_cap_works: needs(caps),
    /// E8: Deadlines in the seconds around the year 2038, where 32 bits end, work like others.
    the_year_2038_is_a_year,
    /// E8: A put beyond the maximum fails with `InvalidExpiry` and creates nothing.
    a_put_beyond_the_maximum_creates_nothing,
    /// E8: A put beyond the maximum fails with `InvalidExpiry` and leaves the live entry unchanged.
    a_put_beyond_the_maximum_leaves_the_old_value,
    /// E8: A put beyond the maximum fails with `InvalidExpiry` even if it would keep the deadline of a
    /// live entry.
    an_expiry_beyond_the_maximum_is_refused_unused,
    /// E8: A put beyond the maximum fails with `InvalidExpiry` before its condition is checked.
    an_expiry_beyond_the_maximum_comes_before_conditions: needs(conditions),
    /// E8, B1: An item beyond the maximum fails without affecting the other items.
    an_item_beyond_the_maximum_fails_alone,
    /// E8, P2: A patch that would create an entry beyond the maximum fails with `InvalidExpiry`, even on
    /// a live record.
    a_patch_beyond_the_maximum_changes_nothing: needs(patch),
    /// E8: Expire beyond the maximum fails with `InvalidExpiry` and changes nothing.
    expire_beyond_the_maximum_changes_nothing,
    /// E8: Expire beyond the maximum fails with `InvalidExpiry` on an absent key too.
    expire_beyond_the_maximum_is_refused_on_nothing,
    /// E8, X1: Extending past the maximum fails with `InvalidExpiry` and changes nothing.
    extending_past_the_maximum_changes_nothing,
    /// E8: An expiry beyond the maximum does not revive a ghost.
    a_put_beyond_the_maximum_does_not_revive,
}

async fn the_longest_life_works(t: Test) -> Check {
    let put = PutOptions::new(Ttl::MAX).with_returning(Returning::DEADLINE);
    let (meta, span) = t.span(t.put_meta(&key("k"), record(), put)).await;
    span.check(meta?.deadline.unwrap_or(Deadline::NEVER), Ttl::MAX, "the deadline that the put reports")?;
    span.check(t.deadline(&key("k")).await?, Ttl::MAX, "the deadline that a get reports")
}

async fn an_instant_twenty_years_away_works(t: Test) -> Check {
    let instant = t.instant(Ttl::MAX) - Duration::from_secs(60);
    t.put(&key("k"), "v", PutOptions::new(Expiry::At(instant))).await?;
    t.expect_deadline(t.deadline(&key("k")).await?, instant, "the instant")
}

async fn a_deadline_can_be_moved_twenty_years_away(t: Test) -> Check {
    t.put(&key("k"), "v", PutOptions::new(LONG)).await?;
    let change = ExpiryChange::Set(Expiry::After(Ttl::MAX));
    let (done, span) = t.span(t.expire(&key("k"), change, Guard::Always)).await;
    span.check(done?.deadline, Ttl::MAX, "the deadline that expire reports")?;
    span.check(t.deadline(&key("k")).await?, Ttl::MAX, "the deadline that a get reports")
}

async fn the_longest_cap_works(t: Test) -> Check {
    let lifespan = ttl_core::Lifespan::persistent().with_max_lifetime(Ttl::MAX);
    let (put, span) = t.span(t.put(&key("k"), "v", PutOptions::new(lifespan))).await;
    put?;
    span.check(t.deadline(&key("k")).await?, Ttl::MAX, "the cap as the deadline")
}

async fn the_year_2038_is_a_year(t: Test) -> Check {
    for seconds in [i32::MAX as u64 - 1, i32::MAX as u64, i32::MAX as u64 + 1] {
        let instant = UNIX_EPOCH + Duration::from_millis(seconds * 1_000 + 1);
        t.put(&key("k"), "v", PutOptions::new(Expiry::At(instant))).await?;
        t.expect_deadline(t.deadline(&key("k")).await?, instant, "an instant of the year 2038")?;
        t.expire(&key("k"), ExpiryChange::Extend(Ttl::seconds(1)), Guard::Always).await?;
        let later = instant + Duration::from_secs(1);
        t.expect_deadline(t.deadline(&key("k")).await?, later, "an instant of the year 2038")?;
    }
    Ok(())
}

async fn a_put_beyond_the_maximum_creates_nothing(t: Test) -> Check {
    for instant in beyond(&t) {
        let put = t.store.put(&key("k"), "v".into(), PutOptions::new(Expiry::At(instant))).await;
        ensure_kind!(put, InvalidExpiry, "a put until {instant:?}");
    }
    t.expect_miss(&key("k"), "after the refused puts").await
}

async fn a_put_beyond_the_maximum_leaves_the_old_value(t: Test) -> Check {
    t.put(&key("k"), "old", PutOptions::new(LONG)).await?;
    let before = t.state(&key("k")).await?;
    for instant in beyond(&t) {
        let put = t.store.put(&key("k"), "new".into(), PutOptions::new(Expiry::At(instant))).await;
        ensure_kind!(put, InvalidExpiry, "a put until {instant:?}");
    }
    ensure_eq!(t.state(&key("k")).await?, before, "the entry after the refused puts");
    Ok(())
}

async fn an_expiry_beyond_the_maximum_is_refused_unused(t: Test) -> Check {
    t.put(&key("k"), "old", PutOptions::new(LONG)).await?;
    for instant in beyond(&t) {
        let put = PutOptions::new(Expiry::At(instant)).with_existing_deadline(ExistingDeadline::Keep);
        ensure_kind!(t.store.put(&key("k"), "new".into(), put).await, InvalidExpiry, "a put with Keep");
    }
    t.expect_value(&key("k"), "old", "the old value").await
}

async fn an_expiry_beyond_the_maximum_comes_before_conditions(t: Test) -> Check {
    t.put(&key("there"), "old", PutOptions::new(LONG)).await?;
    for (name, condition) in [("there", Condition::IfAbsent), ("absent", Condition::IfPresent)] {
        for instant in beyond(&t) {
            let put = PutOptions::new(Expiry::At(instant)).with_condition(condition);
            let put = t.store.put(&key(name), "new".into(), put).await;
            ensure_kind!(put, InvalidExpiry, "{condition:?} on {name}");
        }
    }
    t.expect_value(&key("there"), "old", "the old value").await?;
    t.expect_miss(&key("absent"), "after the refused puts").await
}

async fn an_item_beyond_the_maximum_fails_alone(t: Test) -> Check {
    let far = beyond(&t)[0];
    let item = |name: &str, expiry: Expiry| PutItem::new(key(name), "v", PutOptions::new(expiry));
    let items = vec![item("a", LONG.into()), item("b", far.into()), item("c", Expiry::Never)];
    let mut results = t.store.put_many(items).await.into_iter();
    let mut next = || results.next().ok_or_else(|| Failure::new("three results", "fewer results"));
    applied(next()??)?;
    ensure_kind!(next()?, InvalidExpiry, "the item beyond the maximum");
    applied(next()??)?;
    t.expect_value(&key("a"), "v", "the item before").await?;
    t.expect_miss(&key("b"), "the item beyond the maximum").await?;
    t.expect_value(&key("c"), "v", "the item after").await
}

async fn a_patch_beyond_the_maximum_changes_nothing(t: Test) -> Check {
    t.put(&key("there"), record(), PutOptions::new(LONG)).await?;
    let before = t.state(&key("there")).await?;
    for instant in beyond(&t) {
        let create = PatchOptions::new().with_create(Create::new(instant));
        for name in ["there", "absent"] {
            for patch in [Patch::new().set("n", 2), Patch::new().increment("n", 1)] {
                let patched = t.store.patch(&key(name), &patch, create.clone()).await;
                ensure_kind!(patched, InvalidExpiry, "a patch of the key {name}");
            }
        }
    }
    ensure_eq!(t.state(&key("there")).await?, before, "the record after the refused patches");
    t.expect_miss(&key("absent"), "after the refused patches").await
}

async fn expire_beyond_the_maximum_changes_nothing(t: Test) -> Check {
    t.put(&key("k"), "v", PutOptions::new(LONG)).await?;
    let before = t.state(&key("k")).await?;
    for instant in beyond(&t) {
        let change = ExpiryChange::Set(Expiry::At(instant));
        let expired = t.store.expire(&key("k"), change, ExpireOptions::new()).await;
        ensure_kind!(expired, InvalidExpiry, "an expire at {instant:?}");
    }
    ensure_eq!(t.state(&key("k")).await?, before, "the entry after the refused expires");
    Ok(())
}

async fn expire_beyond_the_maximum_is_refused_on_nothing(t: Test) -> Check {
    for instant in beyond(&t) {
        let change = ExpiryChange::Set(Expiry::At(instant));
        let expired = t.store.expire(&key("absent"), change, ExpireOptions::new()).await;
        ensure_kind!(expired, InvalidExpiry, "an expire of an absent key");
    }
    Ok(())
}

async fn extending_past_the_maximum_changes_nothing(t: Test) -> Check {
    t.put(&key("k"), "v", PutOptions::new(LONG)).await?;
    let before = t.state(&key("k")).await?;
    for by in [Ttl::MAX, Ttl::millis(Ttl::MAX.as_millis() - 60_000)] {
        let extended = t.store.expire(&key("k"), ExpiryChange::Extend(by), ExpireOptions::new()).await;
        ensure_kind!(extended, InvalidExpiry, "an extension by {by:?}");
    }
    ensure_eq!(t.state(&key("k")).await?, before, "the entry after the refused extensions");
    // An extension almost to the maximum is not an error.
    let by = Ttl::millis(Ttl::MAX.as_millis() - 2 * LONG.as_millis());
    let done = t.expire(&key("k"), ExpiryChange::Extend(by), Guard::Always).await?;
    ensure_eq!(done.deadline, before.deadline.plus(by), "the deadline almost twenty years away");
    Ok(())
}

async fn a_put_beyond_the_maximum_does_not_revive(t: Test) -> Check {
    t.ghost(&key("k"), "ghost").await?;
    let put = t.store.put(&key("k"), "new".into(), PutOptions::new(Expiry::At(beyond(&t)[0]))).await;
    ensure_kind!(put, InvalidExpiry, "a put over a ghost");
    let change = ExpiryChange::Set(Expiry::At(beyond(&t)[0]));
    let expired = t.store.expire(&key("k"), change, ExpireOptions::new()).await;
    ensure_kind!(expired, InvalidExpiry, "an expire of a ghost");
    let seen = t.peek(&key("k")).await?;
    ensure!(seen.is_none(), "a miss", "{seen:?}");
    Ok(())
}

/// Returns instants beyond the maximum: by a minute, by a millennium, and the most distant power of two
/// in seconds that the platform can represent.
fn beyond(t: &Test) -> Vec<SystemTime> {
    let minute = t.instant(Ttl::MAX) + Duration::from_secs(60);
    let furthest = (20..63).rev().find_map(|bits| UNIX_EPOCH.checked_add(Duration::from_secs(1 << bits)));
    [minute, minute + Duration::from_secs(31_536_000_000)].into_iter().chain(furthest).collect()
}
