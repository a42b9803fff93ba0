//! Slack, policies that change, races, and entries that a refresh must not touch.

use std::time::Duration;

use ttl_core::options::{
    DeleteOptions, ExistingDeadline, GetOptions, PatchOptions, Projection, PutOptions, Refresh, Returning,
};
use ttl_core::{Actions, Deadline, Key, Lifespan, Patch, RefreshMode, RefreshPolicy, Ttl, Value};

use super::support::{LATER, SOONER, ensure_ahead, refresh_in, reported};
use crate::test::{LONG, applied, key, record};
use crate::{Check, Failure, Test, case_table, ensure, ensure_eq};

/// A slack of ten minutes on refreshes to one hour.
const SLACK: Ttl = Ttl::minutes(10);

/// Puts an entry for `first`, and reads it with a refresh to [`LONG`] and [`SLACK`]. Returns whether the
/// deadline moved.
async fn moved(t: &Test, first: Lifespan, mode: RefreshMode) -> Check<bool> {
    let key = key("k");
    t.put(&key, record(), PutOptions::new(first)).await?;
    let before = t.deadline(&key).await?;
    let refresh = refresh_in(mode, LONG).with_slack(SLACK);
    let started = t.store.now();
    let options = GetOptions::new().with_refresh(refresh).with_returning(Returning::DEADLINE);
    let entry = t.store.get(&key, options).await?.ok_or_else(|| Failure::new("a hit", "a miss"))?;
    let after = t.deadline(&key).await?;
    ensure_eq!(reported(entry.deadline)?, after, "the reported deadline");
    if after != before {
        ensure_ahead(t, after, started, LONG, "the refresh")?;
    }
    Ok(after != before)
}

/// Reads with the refresh of a collection under this policy. Returns the deadline.
async fn read_under(t: &Test, key: &Key, policy: RefreshPolicy, ttl: Ttl) -> Check<Deadline> {
    let refresh = policy.resolve(Actions::FETCH, ttl);
    let entry = t.store.get(key, GetOptions::new().with_refresh(refresh)).await?;
    ensure!(entry.is_some(), "a hit", "a miss");
    t.deadline(key).await
}

case_table! {
    /// R5: A read that would move the deadline by less than the slack does not move it.
    a_read_within_the_slack_is_skipped,
    /// R5: A read that would move the deadline by more than the slack moves it.
    a_read_beyond_the_slack_refreshes,
    /// R5: A read in `Reset` mode that would move the deadline by less than the slack, in either
    /// direction, does not move it.
    a_resetting_read_within_the_slack_is_skipped,
    /// R5: A read in `Reset` mode that would move the deadline by more than the slack, in either
    /// direction, moves it.
    a_resetting_read_beyond_the_slack_refreshes,
    /// R5, R2: A read in `Reset` mode gives a persistent entry a deadline, whatever the slack.
    a_resetting_read_of_a_persistent_entry_is_never_within_the_slack,
    /// R5: A read moves the deadline by exactly the slack, but not by a millisecond less.
    the_slack_itself_is_enough: needs(manual_clock),
    /// R5: Reads do not refresh until the slack is used up. Then one read refreshes, and the cycle
    /// repeats.
    reads_refresh_once_in_a_slack: needs(manual_clock),
    /// R5: A batch get applies the slack to each entry separately.
    a_get_many_heeds_the_slack,
    /// R5: A get of nothing applies the slack like other reads.
    a_contains_heeds_the_slack,
    /// R5: A put ignores the slack, because it writes anyway.
    a_put_ignores_the_slack,
    /// R5: A patch ignores the slack, because it writes anyway.
    a_patch_ignores_the_slack: needs(patch),
    /// R1: A changed policy takes effect with the next call.
    a_changed_policy_takes_effect,
    /// R1, X5: A refresh by a read keeps value and version.
    a_refresh_keeps_value_and_version,
    /// R1, K2: A refresh moves the deadline of its own key only.
    a_refresh_moves_one_entry,
    /// R6: A refresh by a read of the old entry does not touch the entry that replaces it concurrently.
    a_refresh_does_not_touch_a_newer_put,
    /// R6, E9: A refresh by a read of the old entry does not touch an entry that is put after a delete.
    a_refresh_does_not_touch_what_follows_a_delete,
    /// R6, R3: A refresh by a read does not undo a concurrent delete.
    a_refresh_does_not_undo_a_delete,
}

async fn a_read_within_the_slack_is_skipped(t: Test) -> Check {
    let moved = moved(&t, Ttl::minutes(55).into(), RefreshMode::ExtendOnly).await?;
    ensure!(!moved, "no refresh by five minutes", "a refresh");
    Ok(())
}

async fn a_read_beyond_the_slack_refreshes(t: Test) -> Check {
    let moved = moved(&t, Ttl::minutes(45).into(), RefreshMode::ExtendOnly).await?;
    ensure!(moved, "a refresh by fifteen minutes", "no refresh");
    Ok(())
}

async fn a_resetting_read_within_the_slack_is_skipped(t: Test) -> Check {
    for minutes in [55, 65] {
        let moved = moved(&t, Ttl::minutes(minutes).into(), RefreshMode::Reset).await?;
        ensure!(!moved, format!("no refresh from {minutes} minutes to 60"), "a refresh");
    }
    Ok(())
}

async fn a_resetting_read_beyond_the_slack_refreshes(t: Test) -> Check {
    for minutes in [45, 75] {
        let moved = moved(&t, Ttl::minutes(minutes).into(), RefreshMode::Reset).await?;
        ensure!(moved, format!("a refresh from {minutes} minutes to 60"), "no refresh");
    }
    Ok(())
}

async fn a_resetting_read_of_a_persistent_entry_is_never_within_the_slack(t: Test) -> Check {
    let moved = moved(&t, Lifespan::persistent(), RefreshMode::Reset).await?;
    ensure!(moved, "a refresh of the persistent entry", "no refresh");
    Ok(())
}

async fn the_slack_itself_is_enough(t: Test) -> Check {
    for mode in [RefreshMode::ExtendOnly, RefreshMode::Reset] {
        ensure!(moved(&t, Ttl::minutes(50).into(), mode).await?, "a refresh by the slack", "no refresh");
        let within = Ttl::millis(Ttl::minutes(50).as_millis() + 1);
        ensure!(!moved(&t, within.into(), mode).await?, "no refresh by 1 ms less", "a refresh");
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
    ensure_eq!(moves, 6, "the number of refreshes by one read a minute for an hour");
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
    ensure_ahead(&t, t.deadline(&key("beyond")).await?, started, LONG, "the deadline beyond the slack")
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
    ensure_eq!(
        read_under(&t, &key, RefreshPolicy::never(), LONG).await?,
        first,
        "the deadline under the empty policy"
    );
    let sliding = RefreshPolicy::on(Actions::FETCH)?;
    let started = t.store.now();
    let longer = read_under(&t, &key, sliding, LONG).await?;
    ensure_ahead(&t, longer, started, LONG, "the deadline under FETCH")?;
    let update = RefreshPolicy::on(Actions::UPDATE)?;
    ensure_eq!(read_under(&t, &key, update, LATER).await?, longer, "the deadline under UPDATE");
    let started = t.store.now();
    let reset = read_under(&t, &key, sliding.with_mode(RefreshMode::Reset), SOONER).await?;
    ensure_ahead(&t, reset, started, SOONER, "the deadline under FETCH in Reset mode")
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
        // The delete comes before, during or after the read.
        for _ in 0..round % 4 {
            tokio::task::yield_now().await;
        }
        let deleted = t.store.delete(&key, DeleteOptions::new()).await?;
        ensure!(deleted.is_applied(), "an applied delete", "{deleted:?}");
        read.await.map_err(|error| Failure::new("no panic", error.to_string()))??;
        ensure_eq!(t.value(&key).await?, None, "the value after the delete in round {round}");
    }
    Ok(())
}

/// Reads an entry and refreshes it to [`LATER`] while another handle puts a new one for [`LONG`]. If the
/// read returned the old entry, the new one must keep its deadline.
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
                // The read starts before, between or after the writes.
                for _ in 0..round % 7 {
                    tokio::task::yield_now().await;
                }
                store.get(&key, options).await
            })
        };
        // The writes may also come during the read.
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
            let about = format!("the new entry in round {round}, after a read of the old one");
            ensure_ahead(t, t.deadline(&key).await?, started, LONG, &about)?;
        }
    }
    Ok(())
}
