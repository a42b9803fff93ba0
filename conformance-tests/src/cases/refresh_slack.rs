//! When a refresh is made: slack, policies that change, races; and what refreshes leave alone.

use std::time::Duration;

use ttl_core::{
    Actions, Deadline, DeleteOptions, ExistingDeadline, GetOptions, Key, Lifespan, Patch, PatchOptions,
    Projection, PutOptions, Refresh, RefreshMode, RefreshPolicy, Returning, Ttl, Value,
};

use super::support::{LATER, SOONER, ensure_ahead, refresh_in, reported};
use crate::test::{LONG, applied, key, record};
use crate::{Check, Failure, Test, cases, ensure, ensure_eq};

/// Ten minutes of slack on refreshes to one hour.
const SLACK: Ttl = Ttl::minutes(10);

/// Reads an entry that was put for `first` with a refresh to [`LONG`] and [`SLACK`]; whether the deadline moved.
async fn moved(t: &Test, first: Lifespan, mode: RefreshMode) -> Check<bool> {
    let key = key("k");
    t.put(&key, record(), PutOptions::new(first)).await?;
    let before = t.deadline(&key).await?;
    let refresh = refresh_in(mode, LONG).with_slack(SLACK);
    let started = t.store.now();
    let options = GetOptions::new().with_refresh(refresh).with_returning(Returning::DEADLINE);
    let entry = t.store.get(&key, options).await?.ok_or_else(|| Failure::new("a hit", "a miss"))?;
    let after = t.deadline(&key).await?;
    ensure_eq!(reported(entry.deadline)?, after, "the deadline that the read reported");
    if after != before {
        ensure_ahead(t, after, started, LONG, "the refresh")?;
    }
    Ok(after != before)
}

/// The refresh of a collection under this policy.
async fn read_under(t: &Test, key: &Key, policy: RefreshPolicy, ttl: Ttl) -> Check<Deadline> {
    let refresh = policy.resolve(Actions::FETCH, ttl);
    let entry = t.store.get(key, GetOptions::new().with_refresh(refresh)).await?;
    ensure!(entry.is_some(), "a hit", "a miss");
    t.deadline(key).await
}

cases! {
    /// R5: a read that would move the deadline by less than the slack leaves it.
    a_read_within_the_slack_is_skipped,
    /// R5: a read that would move the deadline by more than the slack moves it.
    a_read_beyond_the_slack_refreshes,
    /// R5: in Reset mode a read that would move the deadline by less than the slack, to either side, leaves
    /// it.
    a_resetting_read_within_the_slack_is_skipped,
    /// R5: in Reset mode a read that would move the deadline by more than the slack, to either side, moves
    /// it.
    a_resetting_read_beyond_the_slack_refreshes,
    /// R5, R2: a persistent entry is further away than any slack: Reset mode gives it a deadline.
    a_resetting_read_of_a_persistent_entry_is_never_within_the_slack,
    /// R5: a move by exactly the slack is made, by a millisecond less it is not.
    the_slack_itself_is_enough: needs(manual_clock),
    /// R5: reads are skipped until the slack is used up; then one refreshes, and they are skipped again.
    reads_refresh_once_in_a_slack: needs(manual_clock),
    /// R5: a get of many skips within the slack and refreshes beyond it, each entry by itself.
    a_get_many_heeds_the_slack,
    /// R5: a contains heeds the slack as other reads do.
    a_contains_heeds_the_slack,
    /// R5: a put refreshes whatever the slack, because it writes anyway.
    a_put_ignores_the_slack,
    /// R5: a patch refreshes whatever the slack, because it writes anyway.
    a_patch_ignores_the_slack: needs(patch),
    /// R1: a policy that changes counts from the next call on.
    a_changed_policy_takes_effect,
    /// R1, X5: a refresh by a read leaves value and version as they were.
    a_refresh_keeps_value_and_version,
    /// R1, K2: a refresh moves the deadline of its own key and of no other.
    a_refresh_moves_one_entry,
    /// R6: a refresh by a read that saw the old entry does not touch the one put in its place meanwhile.
    a_refresh_does_not_touch_a_newer_put,
    /// R6, E9: a refresh by a read that saw the old entry does not touch what is there after delete and put.
    a_refresh_does_not_touch_what_follows_a_delete,
    /// R6, R3: a refresh by a read that raced with a delete revives nothing.
    a_refresh_does_not_undo_a_delete,
}

async fn a_read_within_the_slack_is_skipped(t: Test) -> Check {
    let moved = moved(&t, Ttl::minutes(55).into(), RefreshMode::ExtendOnly).await?;
    ensure!(!moved, "no refresh by five minutes", "one");
    Ok(())
}

async fn a_read_beyond_the_slack_refreshes(t: Test) -> Check {
    let moved = moved(&t, Ttl::minutes(45).into(), RefreshMode::ExtendOnly).await?;
    ensure!(moved, "a refresh by fifteen minutes", "none");
    Ok(())
}

async fn a_resetting_read_within_the_slack_is_skipped(t: Test) -> Check {
    for minutes in [55, 65] {
        let moved = moved(&t, Ttl::minutes(minutes).into(), RefreshMode::Reset).await?;
        ensure!(!moved, format!("no refresh from {minutes} minutes to 60"), "one");
    }
    Ok(())
}

async fn a_resetting_read_beyond_the_slack_refreshes(t: Test) -> Check {
    for minutes in [45, 75] {
        let moved = moved(&t, Ttl::minutes(minutes).into(), RefreshMode::Reset).await?;
        ensure!(moved, format!("a refresh from {minutes} minutes to 60"), "none");
    }
    Ok(())
}

async fn a_resetting_read_of_a_persistent_entry_is_never_within_the_slack(t: Test) -> Check {
    let moved = moved(&t, Lifespan::persistent(), RefreshMode::Reset).await?;
    ensure!(moved, "a refresh of the persistent entry", "none");
    Ok(())
}

async fn the_slack_itself_is_enough(t: Test) -> Check {
    for mode in [RefreshMode::ExtendOnly, RefreshMode::Reset] {
        ensure!(moved(&t, Ttl::minutes(50).into(), mode).await?, "a refresh by the slack", "none");
        let within = Ttl::millis(Ttl::minutes(50).as_millis() + 1);
        ensure!(!moved(&t, within.into(), mode).await?, "no refresh by 1 ms less", "one");
    }
    Ok(())
}

async fn reads_refresh_once_in_a_slack(t: Test) -> Check {
    let policy = RefreshPolicy::on(Actions::FETCH)?.with_slack(SLACK);
    t.put(&key("k"), record(), PutOptions::new(LONG)).await?;
    let mut deadline = t.deadline(&key("k")).await?;
    let mut moves = 0;
    for _ in 0..60 {
        t.pass(Duration::from_secs(60)).await;
        let now = read_under(&t, &key("k"), policy, LONG).await?;
        moves += i32::from(now != deadline);
        deadline = now;
    }
    ensure_eq!(moves, 6, "refreshes by a read each minute for an hour");
    Ok(())
}

async fn a_get_many_heeds_the_slack(t: Test) -> Check {
    t.put(&key("within"), record(), PutOptions::new(Ttl::minutes(55))).await?;
    t.put(&key("beyond"), record(), PutOptions::new(Ttl::minutes(45))).await?;
    let before = t.deadline(&key("within")).await?;
    let started = t.store.now();
    let options = GetOptions::new().with_refresh(Refresh::extend_only(LONG).with_slack(SLACK));
    for result in t.store.get_many(&[key("within"), key("beyond")], options).await {
        ensure!(result?.is_some(), "a hit", "a miss");
    }
    ensure_eq!(t.deadline(&key("within")).await?, before, "the deadline within the slack");
    ensure_ahead(&t, t.deadline(&key("beyond")).await?, started, LONG, "the deadline beyond it")
}

async fn a_contains_heeds_the_slack(t: Test) -> Check {
    t.put(&key("k"), "v", PutOptions::new(Ttl::minutes(55))).await?;
    let before = t.deadline(&key("k")).await?;
    let options = GetOptions::nothing().with_refresh(Refresh::extend_only(LONG).with_slack(SLACK));
    ensure!(t.store.get(&key("k"), options).await?.is_some(), "a hit", "a miss");
    ensure_eq!(t.deadline(&key("k")).await?, before, "the deadline");
    Ok(())
}

async fn a_put_ignores_the_slack(t: Test) -> Check {
    for mode in [RefreshMode::ExtendOnly, RefreshMode::Reset] {
        t.put(&key("k"), "v", PutOptions::new(Ttl::minutes(55))).await?;
        let refresh = refresh_in(mode, LONG).with_slack(SLACK);
        let started = t.store.now();
        t.put(
            &key("k"),
            "w",
            PutOptions::new(SOONER).with_existing_deadline(ExistingDeadline::Refresh(refresh)),
        )
        .await?;
        ensure_ahead(&t, t.deadline(&key("k")).await?, started, LONG, "the refresh")?;
    }
    Ok(())
}

async fn a_patch_ignores_the_slack(t: Test) -> Check {
    for mode in [RefreshMode::ExtendOnly, RefreshMode::Reset] {
        t.put(&key("k"), record(), PutOptions::new(Ttl::minutes(55))).await?;
        let refresh = refresh_in(mode, LONG).with_slack(SLACK);
        let started = t.store.now();
        let options = PatchOptions::new().with_refresh(refresh);
        applied(t.store.patch(&key("k"), &Patch::new().increment("n", 1), options).await?)?;
        ensure_ahead(&t, t.deadline(&key("k")).await?, started, LONG, "the refresh")?;
    }
    Ok(())
}

async fn a_changed_policy_takes_effect(t: Test) -> Check {
    let key = key("k");
    t.put(&key, record(), PutOptions::new(SOONER)).await?;
    let first = t.deadline(&key).await?;
    ensure_eq!(read_under(&t, &key, RefreshPolicy::never(), LONG).await?, first, "under the empty policy");
    let sliding = RefreshPolicy::on(Actions::FETCH)?;
    let started = t.store.now();
    let longer = read_under(&t, &key, sliding, LONG).await?;
    ensure_ahead(&t, longer, started, LONG, "under FETCH")?;
    let update = RefreshPolicy::on(Actions::UPDATE)?;
    ensure_eq!(read_under(&t, &key, update, LATER).await?, longer, "under UPDATE");
    let started = t.store.now();
    let reset = read_under(&t, &key, sliding.with_mode(RefreshMode::Reset), SOONER).await?;
    ensure_ahead(&t, reset, started, SOONER, "under FETCH in Reset mode")
}

async fn a_refresh_keeps_value_and_version(t: Test) -> Check {
    for (name, value) in [("blob", Value::from("v")), ("record", record().into())] {
        t.put(&key(name), value.clone(), PutOptions::new(SOONER)).await?;
        let version = t.version(&key(name)).await?;
        read_under(&t, &key(name), RefreshPolicy::on(Actions::FETCH)?, LONG).await?;
        ensure_eq!(t.version(&key(name)).await?, version, "the version of the {name}");
        ensure_eq!(t.value(&key(name)).await?, Some(value), "the {name}");
    }
    Ok(())
}

async fn a_refresh_moves_one_entry(t: Test) -> Check {
    let others = ["k1", "K", "k ", "kk", "ak"];
    for name in others {
        t.put(&key(name), record(), PutOptions::new(SOONER)).await?;
    }
    t.put(&key("k"), record(), PutOptions::new(SOONER)).await?;
    let mut before = Vec::new();
    for name in others {
        before.push(t.deadline(&key(name)).await?);
    }
    read_under(&t, &key("k"), RefreshPolicy::on(Actions::FETCH)?, LONG).await?;
    for (name, before) in others.iter().zip(before) {
        ensure_eq!(t.deadline(&key(name)).await?, before, "the deadline of {name:?}");
    }
    Ok(())
}

async fn a_refresh_does_not_touch_a_newer_put(t: Test) -> Check {
    race(&t, false).await
}

async fn a_refresh_does_not_touch_what_follows_a_delete(t: Test) -> Check {
    race(&t, true).await
}

async fn a_refresh_does_not_undo_a_delete(t: Test) -> Check {
    for round in 0..200 {
        let key = key(&format!("k{round}"));
        t.put(&key, record(), PutOptions::new(SOONER)).await?;
        let refresh = GetOptions::new().with_refresh(Refresh::extend_only(LATER));
        let read = {
            let (store, key) = (t.second.clone(), key.clone());
            tokio::spawn(async move { store.get(&key, refresh).await })
        };
        // So that the delete comes before, while and after the read goes on.
        for _ in 0..round % 4 {
            tokio::task::yield_now().await;
        }
        let deleted = t.store.delete(&key, DeleteOptions::new()).await?;
        ensure!(deleted.is_applied(), "the delete applied", "{deleted:?}");
        read.await.map_err(|error| Failure::new("no panic", error.to_string()))??;
        ensure_eq!(t.value(&key).await?, None, "the value after the delete, in round {round}");
    }
    Ok(())
}

/// Reads an entry and refreshes it to [`LATER`] while another handle puts a new one for [`LONG`]: if the read saw
/// the old entry, the new one keeps its deadline.
async fn race(t: &Test, deletes: bool) -> Check {
    for round in 0..300 {
        let key = key(&format!("k{round}"));
        t.put(&key, "old", PutOptions::new(SOONER)).await?;
        let projection = if round % 2 == 0 { Projection::All } else { Projection::Nothing };
        let returning = Returning::VERSION;
        let old = t.version(&key).await?;
        let refresh = Refresh::extend_only(LATER);
        let options =
            GetOptions::new().with_projection(projection).with_refresh(refresh).with_returning(returning);
        let read = {
            let (store, key) = (t.second.clone(), key.clone());
            tokio::spawn(async move {
                // So that the read starts before, between and after the writes.
                for _ in 0..round % 7 {
                    tokio::task::yield_now().await;
                }
                store.get(&key, options).await
            })
        };
        // And so that the writes come while it goes on.
        for _ in 0..round % 5 {
            tokio::task::yield_now().await;
        }
        let started = t.store.now();
        if deletes {
            applied(t.store.delete(&key, DeleteOptions::new()).await?)?;
        }
        t.put(&key, "new", PutOptions::new(LONG)).await?;
        let seen = read.await.map_err(|error| Failure::new("no panic", error.to_string()))??;
        let Some(seen) = seen else { continue };
        if seen.version == Some(old) {
            let about = format!("the new entry in round {round}, after a read that saw the old one");
            ensure_ahead(t, t.deadline(&key).await?, started, LONG, &about)?;
        }
    }
    Ok(())
}
