//! Expire without a guard: its changes, the parts of an entry that it keeps, and its result.

use std::time::Duration;

use ttl_core::options::{DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, Guard, PutOptions};
use ttl_core::{Deadline, Expiry, Ttl, Value, Version};

use crate::test::{LONG, SHORT, applied, key, record};
use crate::{Check, Failure, Test, case_table, ensure, ensure_eq};

case_table! {
    /// X1: A deadline can be set relative to now, later than the present one.
    a_deadline_can_be_set_from_now,
    /// X1: A deadline can be set relative to now, earlier than the present one.
    a_deadline_can_be_set_sooner,
    /// X1: A deadline can be set to an instant, later and earlier, to the millisecond.
    a_deadline_can_be_set_to_an_instant,
    /// X1: A deadline can be extended from its present value, not from now, to the millisecond.
    a_deadline_can_be_extended_from_where_it_is,
    /// X1: An entry can be made persistent.
    an_entry_can_be_made_persistent,
    /// X1: A persistent entry can be given a deadline.
    a_persistent_entry_can_be_given_a_deadline,
    /// X1: An entry can be made persistent and given a deadline again, many times.
    persistent_and_back,
    /// X1, E1: An entry whose deadline was moved survives its first deadline.
    an_extended_entry_outlives_its_first_deadline,
    /// X1, E1: An entry whose deadline was moved expires at its second deadline.
    a_shortened_entry_ends_at_its_second_deadline,
    /// X3: Extending a persistent entry changes nothing and reports this.
    extending_a_persistent_entry_changes_nothing,
    /// X7: Setting the present deadline again changes nothing and reports this.
    setting_the_same_deadline_changes_nothing,
    /// X7: Making a persistent entry persistent changes nothing and reports this.
    persisting_twice_changes_nothing,
    /// X4: Expire of an absent key returns Absent and creates nothing, whatever the change.
    expire_creates_nothing,
    /// X4: Expire of an absent key returns Absent with every guard.
    guards_create_nothing,
    /// X4, E9: Expire of a deleted entry returns Absent and revives nothing.
    expire_does_not_undelete,
    /// X5: Every change of the deadline keeps the value and the version.
    value_and_version_survive,
    /// X1: Another handle sees the new deadline at once.
    another_handle_sees_the_new_deadline,
    /// X8: Expire with the present version renews a lease.
    the_right_version_renews: needs(conditions),
    /// X8: Expire with a different version is refused and changes nothing, whatever the change.
    another_version_does_not_renew: needs(conditions),
    /// X8: A lease cannot be renewed after another value has replaced it.
    a_lost_lease_cannot_be_renewed: needs(conditions),
    /// X8, X4: A renewal of a released lease returns Absent, not Refused.
    a_released_lease_cannot_be_renewed: needs(conditions),
    /// X8, X2: With the present version, a guard that does not hold is not a refusal. With a different
    /// version, expire is refused.
    the_version_comes_before_the_guard: needs(conditions),
}

async fn a_deadline_can_be_set_from_now(t: Test) -> Check {
    set_from_now(&t, Ttl::hours(2)).await
}

async fn a_deadline_can_be_set_sooner(t: Test) -> Check {
    set_from_now(&t, Ttl::minutes(1)).await
}

async fn a_deadline_can_be_set_to_an_instant(t: Test) -> Check {
    for value in both() {
        t.put(&key("k"), value, PutOptions::new(LONG)).await?;
        for ttl in [Ttl::hours(2), Ttl::millis(60_001), Ttl::days(300)] {
            let instant = t.instant(ttl);
            let done = t.expire(&key("k"), ExpiryChange::Set(Expiry::At(instant)), Guard::Always).await?;
            t.expect_deadline(done.deadline, instant, "the deadline that expire reports")?;
            t.expect_deadline(t.deadline(&key("k")).await?, instant, "the deadline that a get reports")?;
        }
    }
    Ok(())
}

async fn a_deadline_can_be_extended_from_where_it_is(t: Test) -> Check {
    for value in both() {
        t.put(&key("k"), value, PutOptions::new(LONG)).await?;
        for by in [Ttl::MIN, Ttl::millis(999), Ttl::hours(1)] {
            let before = t.deadline(&key("k")).await?;
            t.pass(Duration::from_millis(3)).await;
            let done = t.expire(&key("k"), ExpiryChange::Extend(by), Guard::Always).await?;
            t.expect_rounded(done.deadline, before.plus(by), "the deadline that expire reports")?;
            ensure_eq!(t.deadline(&key("k")).await?, done.deadline, "the deadline that a get reports");
        }
    }
    Ok(())
}

async fn an_entry_can_be_made_persistent(t: Test) -> Check {
    for value in both() {
        t.put(&key("k"), value, PutOptions::new(LONG)).await?;
        let done = t.expire(&key("k"), ExpiryChange::Set(Expiry::Never), Guard::Always).await?;
        ensure!(done.changed && done.deadline.is_never(), "a persistent entry, changed", "{done:?}");
        ensure_eq!(t.deadline(&key("k")).await?, Deadline::NEVER, "the deadline that a get reports");
    }
    Ok(())
}

async fn a_persistent_entry_can_be_given_a_deadline(t: Test) -> Check {
    for value in both() {
        t.put(&key("k"), value, PutOptions::new(Expiry::Never)).await?;
        let change = ExpiryChange::Set(Expiry::After(LONG));
        let (done, span) = t.span(t.expire(&key("k"), change, Guard::Always)).await;
        let done = done?;
        ensure!(done.changed, "a changed deadline", "{done:?}");
        span.check(done.deadline, LONG, "the deadline that expire reports")?;
        ensure_eq!(t.deadline(&key("k")).await?, done.deadline, "the deadline that a get reports");
    }
    Ok(())
}

async fn persistent_and_back(t: Test) -> Check {
    t.put(&key("k"), record(), PutOptions::new(LONG)).await?;
    for _ in 0..3 {
        t.expire(&key("k"), ExpiryChange::Set(Expiry::Never), Guard::Always).await?;
        let instant = t.instant(LONG);
        t.expire(&key("k"), ExpiryChange::Set(Expiry::At(instant)), Guard::Always).await?;
        t.expect_deadline(t.deadline(&key("k")).await?, instant, "the deadline that was set again")?;
    }
    t.expect_value(&key("k"), record(), "the value").await
}

async fn an_extended_entry_outlives_its_first_deadline(t: Test) -> Check {
    let changes = [
        ExpiryChange::Set(Expiry::After(LONG)),
        ExpiryChange::Set(Expiry::Never),
        ExpiryChange::Extend(LONG),
        ExpiryChange::Set(Expiry::At(t.instant(LONG))),
    ];
    for change in changes {
        extended_in_time(&t, change).await?;
        t.expect_value(&key("k"), "v", "the entry after its first deadline").await?;
    }
    Ok(())
}

async fn a_shortened_entry_ends_at_its_second_deadline(t: Test) -> Check {
    for (value, expiry) in [(Value::from("v"), Expiry::After(LONG)), (record().into(), Expiry::Never)] {
        t.put(&key("k"), value, PutOptions::new(expiry)).await?;
        let done = t.expire(&key("k"), ExpiryChange::Set(Expiry::After(SHORT)), Guard::Always).await?;
        t.watch(done.deadline, || async { Ok(t.value(&key("k")).await?.is_some()) }).await?;
    }
    Ok(())
}

async fn extending_a_persistent_entry_changes_nothing(t: Test) -> Check {
    for value in both() {
        t.put(&key("k"), value, PutOptions::new(Expiry::Never)).await?;
        let before = t.state(&key("k")).await?;
        for by in [Ttl::MIN, LONG, Ttl::MAX] {
            let done = t.expire(&key("k"), ExpiryChange::Extend(by), Guard::Always).await?;
            ensure!(!done.changed && done.deadline.is_never(), "a persistent entry, unchanged", "{done:?}");
        }
        ensure_eq!(t.state(&key("k")).await?, before, "the persistent entry");
    }
    Ok(())
}

async fn setting_the_same_deadline_changes_nothing(t: Test) -> Check {
    t.put(&key("k"), "v", PutOptions::new(LONG)).await?;
    let before = t.deadline(&key("k")).await?;
    let done = t.expire(&key("k"), ExpiryChange::Set(Expiry::from(before)), Guard::Always).await?;
    ensure!(
        !done.changed && done.deadline == before,
        format!("an unchanged deadline, {before:?}"),
        "{done:?}"
    );
    Ok(())
}

async fn persisting_twice_changes_nothing(t: Test) -> Check {
    for value in both() {
        t.put(&key("k"), value, PutOptions::new(Expiry::Never)).await?;
        let done = t.expire(&key("k"), ExpiryChange::Set(Expiry::Never), Guard::Always).await?;
        ensure!(!done.changed && done.deadline.is_never(), "a persistent entry, unchanged", "{done:?}");
    }
    Ok(())
}

async fn expire_creates_nothing(t: Test) -> Check {
    for change in changes(&t) {
        let outcome = t.store.expire(&key("k"), change, ExpireOptions::new()).await?;
        ensure!(outcome.is_absent(), format!("Absent for {change:?}"), "{outcome:?}");
        t.expect_miss(&key("k"), "after the expire").await?;
    }
    Ok(())
}

async fn guards_create_nothing(t: Test) -> Check {
    for guard in [Guard::IfLater, Guard::IfSooner, Guard::IfExpiring, Guard::IfPersistent] {
        for change in changes(&t) {
            let options = ExpireOptions::new().with_guard(guard);
            let outcome = t.store.expire(&key("k"), change, options).await?;
            ensure!(outcome.is_absent(), format!("Absent for {change:?} with {guard:?}"), "{outcome:?}");
        }
    }
    t.expect_miss(&key("k"), "after the expires").await
}

async fn expire_does_not_undelete(t: Test) -> Check {
    for value in both() {
        t.put(&key("k"), value, PutOptions::new(LONG)).await?;
        t.delete(&key("k")).await?;
        for change in changes(&t) {
            let outcome = t.store.expire(&key("k"), change, ExpireOptions::new()).await?;
            ensure!(outcome.is_absent(), format!("Absent for {change:?}"), "{outcome:?}");
        }
        t.expect_miss(&key("k"), "after the expires").await?;
    }
    Ok(())
}

async fn value_and_version_survive(t: Test) -> Check {
    for value in both() {
        t.put(&key("k"), value, PutOptions::new(LONG)).await?;
        let before = t.state(&key("k")).await?;
        for change in changes(&t) {
            t.expire(&key("k"), change, Guard::Always).await?;
            let after = t.state(&key("k")).await?;
            ensure_eq!(after.version, before.version, "the version after {change:?}");
            ensure!(after.value == before.value, format!("an unchanged value after {change:?}"), "{after:?}");
        }
    }
    Ok(())
}

async fn another_handle_sees_the_new_deadline(t: Test) -> Check {
    t.put(&key("k"), "v", PutOptions::new(LONG)).await?;
    let done = t.expire(&key("k"), ExpiryChange::Extend(LONG), Guard::Always).await?;
    let peek = GetOptions::nothing().with_returning(ttl_core::options::Returning::DEADLINE);
    let entry = t.second.get(&key("k"), peek).await?.ok_or_else(|| Failure::new("a live entry", "a miss"))?;
    ensure_eq!(entry.deadline, Some(done.deadline), "the deadline on the other handle");
    Ok(())
}

async fn the_right_version_renews(t: Test) -> Check {
    for value in both() {
        let version = t.put_version(&key("k"), value, PutOptions::new(LONG)).await?;
        // Twice: a renewal keeps the version.
        for ttl in [Ttl::hours(2), Ttl::hours(3)] {
            let (done, span) = t.span(renew(&t, version, ExpiryChange::Set(Expiry::After(ttl)))).await;
            let done = applied(done?)?;
            ensure!(done.changed, "a changed deadline", "{done:?}");
            span.check(done.deadline, ttl, "the renewed deadline")?;
        }
    }
    Ok(())
}

async fn another_version_does_not_renew(t: Test) -> Check {
    for value in both() {
        t.put(&key("k"), value, PutOptions::new(LONG)).await?;
        let before = t.state(&key("k")).await?;
        for change in changes(&t) {
            let outcome = renew(&t, Version::random(), change).await?;
            ensure!(outcome.is_refused(), format!("Refused for {change:?}"), "{outcome:?}");
        }
        ensure_eq!(t.state(&key("k")).await?, before, "the entry after the refused renewals");
    }
    Ok(())
}

async fn a_lost_lease_cannot_be_renewed(t: Test) -> Check {
    let mine = t.put_version(&key("k"), "mine", PutOptions::new(LONG)).await?;
    t.put(&key("k"), "theirs", PutOptions::new(LONG)).await?;
    let before = t.state(&key("k")).await?;
    let outcome = renew(&t, mine, ExpiryChange::Set(Expiry::After(Ttl::hours(2)))).await?;
    ensure!(outcome.is_refused(), "Refused", "{outcome:?}");
    ensure_eq!(t.state(&key("k")).await?, before, "the other lease");
    Ok(())
}

async fn a_released_lease_cannot_be_renewed(t: Test) -> Check {
    let version = t.put_version(&key("k"), "mine", PutOptions::new(LONG)).await?;
    applied(t.store.delete(&key("k"), DeleteOptions::new().with_if_version(version)).await?)?;
    let outcome = renew(&t, version, ExpiryChange::Set(Expiry::After(LONG))).await?;
    ensure!(outcome.is_absent(), "Absent", "{outcome:?}");
    t.expect_miss(&key("k"), "after the renewal").await
}

async fn the_version_comes_before_the_guard(t: Test) -> Check {
    let version = t.put_version(&key("k"), "v", PutOptions::new(LONG)).await?;
    let before = t.state(&key("k")).await?;
    let sooner = ExpiryChange::Set(Expiry::After(Ttl::minutes(1)));
    let guarded = ExpireOptions::new().with_guard(Guard::IfLater);
    let done = applied(t.store.expire(&key("k"), sooner, guarded.clone().with_if_version(version)).await?)?;
    ensure!(!done.changed && done.deadline == before.deadline, "no change", "{done:?}");
    let other = guarded.with_if_version(Version::random());
    let outcome = t.store.expire(&key("k"), sooner, other).await?;
    ensure!(outcome.is_refused(), "Refused", "{outcome:?}");
    ensure_eq!(t.state(&key("k")).await?, before, "the entry");
    Ok(())
}

/// Returns a blob and a record.
fn both() -> [Value; 2] {
    ["blob".into(), record().into()]
}

/// Returns one change of each kind.
fn changes(t: &Test) -> [ExpiryChange; 4] {
    [
        ExpiryChange::Set(Expiry::After(Ttl::hours(2))),
        ExpiryChange::Set(Expiry::At(t.instant(Ttl::hours(3)))),
        ExpiryChange::Extend(Ttl::hours(4)),
        ExpiryChange::Set(Expiry::Never),
    ]
}

async fn set_from_now(t: &Test, ttl: Ttl) -> Check {
    for value in both() {
        t.put(&key("k"), value, PutOptions::new(LONG)).await?;
        let change = ExpiryChange::Set(Expiry::After(ttl));
        let (done, span) = t.span(t.expire(&key("k"), change, Guard::Always)).await;
        let done = done?;
        ensure!(done.changed, "a changed deadline", "{done:?}");
        span.check(done.deadline, ttl, "the deadline that expire reports")?;
        ensure_eq!(t.deadline(&key("k")).await?, done.deadline, "the deadline that a get reports");
    }
    Ok(())
}

/// Puts a short-lived entry under `k`, changes its deadline in time and waits until the first one has
/// passed. If the machine stalls and the entry expires before the change, it retries with a longer TTL.
async fn extended_in_time(t: &Test, change: ExpiryChange) -> Check {
    let mut seen = None;
    for ttl in [Ttl::millis(100), Ttl::seconds(1), Ttl::seconds(5), Ttl::seconds(20)] {
        t.put(&key("k"), "v", PutOptions::new(ttl)).await?;
        let outcome = t.store.expire(&key("k"), change, ExpireOptions::new()).await?;
        if outcome.is_applied() {
            t.outlive(ttl).await;
            return Ok(());
        }
        seen = Some(outcome);
    }
    Err(Failure::new("a deadline changed in time", format!("{seen:?}")))
}

async fn renew(
    t: &Test,
    version: Version,
    change: ExpiryChange,
) -> ttl_core::Result<ttl_core::Outcome<ttl_core::results::ExpireResult>> {
    t.store.expire(&key("k"), change, ExpireOptions::new().with_if_version(version)).await
}
