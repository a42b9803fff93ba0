//! Guards of expire: the changes that each guard allows, on an expiring entry and on a persistent one.

use ttl_core::options::{ExpiryChange, Guard, PutOptions};
use ttl_core::{Deadline, Expiry, Ttl};

use crate::test::{LONG, key, record};
use crate::{Check, Test, case_table, ensure, ensure_eq};

case_table! {
    /// X2: `IfLater` allows a later deadline.
    if_later_moves_to_later,
    /// X2, X7: `IfLater` keeps the deadline if the new one is earlier, and reports it.
    if_later_keeps_from_sooner,
    /// X2: `IfLater` keeps the deadline if the new one is the same.
    if_later_keeps_from_the_same,
    /// X2: Persistent counts as later than any deadline.
    if_later_persists,
    /// X2: `IfLater` allows an extension, which is always later.
    if_later_extends,
    /// X2: No deadline is later than that of a persistent entry.
    if_later_keeps_persistent,
    /// X2: `IfSooner` allows an earlier deadline.
    if_sooner_moves_to_sooner,
    /// X2, X7: `IfSooner` keeps the deadline if the new one is later, and reports it.
    if_sooner_keeps_from_later,
    /// X2: `IfSooner` keeps the deadline if the new one is the same.
    if_sooner_keeps_from_the_same,
    /// X2: `IfSooner` does not make an entry persistent.
    if_sooner_does_not_persist,
    /// X2: `IfSooner` allows no extension.
    if_sooner_does_not_extend,
    /// X2: Any deadline is earlier than that of a persistent entry.
    if_sooner_ends_persistence,
    /// X2: `IfExpiring` allows every change of an entry with a deadline.
    if_expiring_moves_a_deadline,
    /// X2, X7: `IfExpiring` keeps a persistent entry persistent.
    if_expiring_keeps_persistent,
    /// X2: `IfPersistent` allows a deadline on a persistent entry.
    if_persistent_ends_persistence,
    /// X2, X7: `IfPersistent` keeps an existing deadline and reports it.
    if_persistent_keeps_a_deadline,
    /// X2, X3: Extending a persistent entry changes nothing, whatever the guard.
    no_guard_extends_a_persistent_entry,
    /// X2: A guard compares deadlines to the millisecond.
    guards_compare_to_the_millisecond,
}

async fn if_later_moves_to_later(t: Test) -> Check {
    expiring(&t, Guard::IfLater, later(&t), true).await
}

async fn if_later_keeps_from_sooner(t: Test) -> Check {
    expiring(&t, Guard::IfLater, sooner(&t), false).await
}

async fn if_later_keeps_from_the_same(t: Test) -> Check {
    the_same(&t, Guard::IfLater).await
}

async fn if_later_persists(t: Test) -> Check {
    expiring(&t, Guard::IfLater, ExpiryChange::Set(Expiry::Never), true).await
}

async fn if_later_extends(t: Test) -> Check {
    expiring(&t, Guard::IfLater, ExpiryChange::Extend(Ttl::MIN), true).await
}

async fn if_later_keeps_persistent(t: Test) -> Check {
    persistent(&t, Guard::IfLater, later(&t), false).await?;
    persistent(&t, Guard::IfLater, ExpiryChange::Set(Expiry::Never), false).await
}

async fn if_sooner_moves_to_sooner(t: Test) -> Check {
    expiring(&t, Guard::IfSooner, sooner(&t), true).await
}

async fn if_sooner_keeps_from_later(t: Test) -> Check {
    expiring(&t, Guard::IfSooner, later(&t), false).await
}

async fn if_sooner_keeps_from_the_same(t: Test) -> Check {
    the_same(&t, Guard::IfSooner).await
}

async fn if_sooner_does_not_persist(t: Test) -> Check {
    expiring(&t, Guard::IfSooner, ExpiryChange::Set(Expiry::Never), false).await
}

async fn if_sooner_does_not_extend(t: Test) -> Check {
    expiring(&t, Guard::IfSooner, ExpiryChange::Extend(LONG), false).await
}

async fn if_sooner_ends_persistence(t: Test) -> Check {
    persistent(&t, Guard::IfSooner, later(&t), true).await
}

async fn if_expiring_moves_a_deadline(t: Test) -> Check {
    for change in [later(&t), sooner(&t), ExpiryChange::Extend(LONG), ExpiryChange::Set(Expiry::Never)] {
        expiring(&t, Guard::IfExpiring, change, true).await?;
    }
    Ok(())
}

async fn if_expiring_keeps_persistent(t: Test) -> Check {
    for change in [later(&t), sooner(&t), ExpiryChange::Extend(LONG), ExpiryChange::Set(Expiry::Never)] {
        persistent(&t, Guard::IfExpiring, change, false).await?;
    }
    Ok(())
}

async fn if_persistent_ends_persistence(t: Test) -> Check {
    for change in [later(&t), sooner(&t)] {
        persistent(&t, Guard::IfPersistent, change, true).await?;
    }
    Ok(())
}

async fn if_persistent_keeps_a_deadline(t: Test) -> Check {
    for change in [later(&t), sooner(&t), ExpiryChange::Extend(LONG), ExpiryChange::Set(Expiry::Never)] {
        expiring(&t, Guard::IfPersistent, change, false).await?;
    }
    Ok(())
}

async fn no_guard_extends_a_persistent_entry(t: Test) -> Check {
    for guard in [Guard::IfLater, Guard::IfSooner, Guard::IfExpiring, Guard::IfPersistent] {
        persistent(&t, guard, ExpiryChange::Extend(LONG), false).await?;
    }
    Ok(())
}

async fn guards_compare_to_the_millisecond(t: Test) -> Check {
    t.put(&key("k"), "v", PutOptions::new(LONG)).await?;
    let before = t.deadline(&key("k")).await?;
    let step = t.capabilities().resolution.as_millis().max(1);
    let step = Ttl::millis(u64::try_from(step).unwrap_or(1));
    let earlier = Deadline::from_epoch_millis(before.as_epoch_millis() - step.as_millis());
    for (deadline, guard, moves) in [
        (before.plus(step), Guard::IfSooner, false),
        (earlier, Guard::IfLater, false),
        (before.plus(step), Guard::IfLater, true),
        (before, Guard::IfSooner, true),
    ] {
        let done = t.expire(&key("k"), ExpiryChange::Set(Expiry::from(deadline)), guard).await?;
        ensure_eq!(done.changed, moves, "whether {guard:?} allowed {deadline:?}");
    }
    ensure_eq!(t.deadline(&key("k")).await?, before, "the deadline after it was moved and moved back");
    Ok(())
}

fn later(t: &Test) -> ExpiryChange {
    ExpiryChange::Set(Expiry::At(t.instant(Ttl::hours(2))))
}

fn sooner(t: &Test) -> ExpiryChange {
    ExpiryChange::Set(Expiry::At(t.instant(Ttl::minutes(1))))
}

/// Makes the change on an entry that expires in an hour. Fails unless the change is applied, or leaves
/// the entry as it is if `moves` is false.
async fn expiring(t: &Test, guard: Guard, change: ExpiryChange, moves: bool) -> Check {
    check(t, PutOptions::new(LONG), guard, change, moves).await
}

/// Makes the change on a persistent entry, like [`expiring`].
async fn persistent(t: &Test, guard: Guard, change: ExpiryChange, moves: bool) -> Check {
    check(t, PutOptions::new(Expiry::Never), guard, change, moves).await
}

async fn check(t: &Test, put: PutOptions, guard: Guard, change: ExpiryChange, moves: bool) -> Check {
    for value in [ttl_core::Value::from("blob"), record().into()] {
        t.put(&key("k"), value, put.clone()).await?;
        let before = t.state(&key("k")).await?;
        let done = t.expire(&key("k"), change, guard).await?;
        ensure_eq!(done.changed, moves, "whether {change:?} was allowed by {guard:?}");
        let after = t.state(&key("k")).await?;
        ensure_eq!(
            done.deadline,
            after.deadline,
            "the deadline that expire reports, compared with that of a get"
        );
        if !moves {
            ensure_eq!(after, before, "the entry that {guard:?} kept");
            continue;
        }
        ensure!(after.deadline != before.deadline, "a changed deadline", "{after:?}");
        match change {
            ExpiryChange::Set(Expiry::At(instant)) => {
                t.expect_deadline(after.deadline, instant, "the new deadline")?;
            }
            ExpiryChange::Extend(by) => {
                t.expect_rounded(after.deadline, before.deadline.plus(by), "the new deadline")?;
            }
            ExpiryChange::Set(_) => ensure_eq!(after.deadline, Deadline::NEVER, "the new deadline"),
        }
    }
    Ok(())
}

/// Sets the present deadline again. Fails if the entry changes.
async fn the_same(t: &Test, guard: Guard) -> Check {
    t.put(&key("k"), "v", PutOptions::new(LONG)).await?;
    let before = t.state(&key("k")).await?;
    let change = ExpiryChange::Set(Expiry::from(before.deadline));
    let done = t.expire(&key("k"), change, guard).await?;
    ensure!(
        !done.changed && done.deadline == before.deadline,
        format!("an unchanged deadline, {before:?}"),
        "{done:?}"
    );
    ensure_eq!(t.state(&key("k")).await?, before, "the entry");
    Ok(())
}
