//! Races: one winner if only one may win, no lost update if all may win, and no revived entry.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use serde_json::{Value as Json, json};
use ttl_core::options::{Condition, Create, DeleteOptions, PatchOptions, PutItem, PutOptions, Returning};
use ttl_core::{Key, Outcome, Patch, Record, Value};

use super::support::{ensure_ahead, fields, put_fields};
use super::together::together;
use crate::test::{LONG, applied, key, record};
use crate::{Check, Failure, Test, case_table, ensure, ensure_eq};

/// The key of most races.
static K: LazyLock<Key> = LazyLock::new(|| key("k"));

/// The number of concurrent tasks.
const RACERS: usize = 64;

/// Returns a distant instant on a whole millisecond, different for each task.
fn own_instant(t: &Test, number: usize) -> SystemTime {
    t.instant(LONG) + Duration::from_secs(number as u64)
}

/// Puts a different value and deadline from each task under this condition. Fails unless exactly one put
/// wins and the entry then has the value and the deadline of the winner.
async fn one_wins(t: &Test, name: &str, condition: Condition, blob: bool) -> Check {
    let instants: Vec<SystemTime> = (0..RACERS).map(|number| own_instant(t, number)).collect();
    let value = move |number: usize| -> Value {
        if blob { format!("v{number}").into() } else { Record::new().with("racer", number).into() }
    };
    let outcomes = together(t, RACERS, |number, store| {
        let (key, options) = (key(name), PutOptions::new(instants[number]).with_condition(condition));
        async move { Ok(store.put(&key, value(number), options).await?) }
    })
    .await?;
    let winners: Vec<usize> = (0..RACERS).filter(|number| outcomes[*number].is_applied()).collect();
    ensure!(winners.len() == 1, "exactly one winner", "{winners:?}");
    let refused = outcomes.iter().filter(|outcome| outcome.is_refused()).count();
    ensure_eq!(refused, RACERS - 1, "the number of refused puts");
    let state = t.state(&key(name)).await?;
    ensure_eq!(state.value, value(winners[0]), "the value that task {} put", winners[0]);
    t.expect_deadline(state.deadline, instants[winners[0]], "the winner's deadline")
}

/// Returns the numbers as a set. Fails if two of them are equal.
fn all_different(numbers: Vec<i64>, about: &str) -> Check<BTreeSet<i64>> {
    let count = numbers.len();
    let set: BTreeSet<i64> = numbers.into_iter().collect();
    ensure!(
        set.len() == count,
        format!("{about}: {count} different numbers"),
        "{} different numbers",
        set.len()
    );
    Ok(set)
}

case_table! {
    /// C1: Of 64 concurrent creates of a blob, exactly one wins, with its value and its deadline.
    one_create_of_a_blob_wins: needs(conditions),
    /// C1: Of 64 concurrent creates of a record, exactly one wins, with its value and its deadline.
    one_create_of_a_record_wins: needs(conditions),
    /// C1, E3: Of 64 concurrent creates over a ghost, exactly one wins.
    one_create_over_a_ghost_wins: needs(conditions),
    /// C2: Of 64 concurrent puts of different values with the same version, exactly one wins.
    one_swap_wins: needs(conditions),
    /// C1, B1: Of many concurrent batches of creates, exactly one wins each key.
    one_create_wins_each_key_of_a_batch: needs(conditions),
    /// C2, P6: Of 64 concurrent patches with the same version, exactly one is applied.
    one_patch_with_a_version_wins: needs(conditions, patch),
    /// P7, P6: Of 64 concurrent increments with an upper bound of 40, exactly 40 are applied. The
    /// refusals of the others report the bound as the value.
    bounded_increments_stop_at_the_bound: needs(patch),
    /// P6: Concurrent increments from both handles add up, and each returns a different sum.
    increments_add_up: needs(patch),
    /// P6, P2: Of concurrent increments of an absent counter, one creates it, and all count.
    increments_of_an_absent_counter_add_up: needs(patch),
    /// P6: `Contention` is rare: of 64 writers of one counter, at most one call in ten fails with it.
    contention_is_the_exception: needs(patch),
    /// P6: The elements that many writers append are all stored, once each, in the order of each writer.
    appends_all_arrive: needs(patch),
    /// P6, P5: Concurrent pops at both ends return each element once.
    pops_hand_out_each_element_once: needs(patch),
    /// C1: Of many concurrent takes of one token, exactly one gets it.
    one_take_wins: needs(conditions),
}

async fn one_create_of_a_blob_wins(t: Test) -> Check {
    for round in 0..5 {
        one_wins(&t, &format!("k{round}"), Condition::IfAbsent, true).await?;
    }
    Ok(())
}

async fn one_create_of_a_record_wins(t: Test) -> Check {
    for round in 0..5 {
        one_wins(&t, &format!("k{round}"), Condition::IfAbsent, false).await?;
    }
    Ok(())
}

async fn one_create_over_a_ghost_wins(t: Test) -> Check {
    for (name, value) in [("blob", Value::from("dead")), ("record", record().into())] {
        t.ghost(&key(name), value).await?;
        one_wins(&t, name, Condition::IfAbsent, name == "blob").await?;
    }
    Ok(())
}

async fn one_swap_wins(t: Test) -> Check {
    for round in 0..3 {
        for blob in [true, false] {
            let name = format!("k{round}{blob}");
            let first = if blob { Value::from("first") } else { record().into() };
            let version = t.put_version(&key(&name), first, PutOptions::new(LONG)).await?;
            one_wins(&t, &name, Condition::IfVersion(version), blob).await?;
        }
    }
    Ok(())
}

async fn one_create_wins_each_key_of_a_batch(t: Test) -> Check {
    let won = together(&t, 16, |number, store| async move {
        let create = PutOptions::new(LONG).with_condition(Condition::IfAbsent);
        let item = |n: usize| PutItem::new(key(&format!("k{n}")), format!("v{number}"), create.clone());
        let results = store.put_many((0..20).map(item).collect()).await;
        results.into_iter().map(|result| Ok(result?.is_applied())).collect::<Check<Vec<bool>>>()
    })
    .await?;
    for n in 0..20 {
        let winners: Vec<usize> = (0..16).filter(|number| won[*number].get(n) == Some(&true)).collect();
        ensure!(winners.len() == 1, format!("exactly one winner of k{n}"), "{winners:?}");
        t.expect_value(&key(&format!("k{n}")), format!("v{}", winners[0]), "the winner's value").await?;
    }
    Ok(())
}

async fn one_patch_with_a_version_wins(t: Test) -> Check {
    let version = t.put_version(&key("k"), record(), PutOptions::new(LONG)).await?;
    let outcomes = together(&t, RACERS, |number, store| async move {
        let options = PatchOptions::new().with_if_version(version);
        let change = Patch::new().set("racer", number);
        Ok(store.patch(&K, &change, options).await?)
    })
    .await?;
    let winners: Vec<usize> = (0..RACERS).filter(|number| outcomes[*number].is_applied()).collect();
    ensure!(winners.len() == 1, "exactly one winner", "{winners:?}");
    ensure_eq!(fields(&t, &key("k")).await?["racer"], json!(winners[0]), "the winner's field");
    Ok(())
}

async fn bounded_increments_stop_at_the_bound(t: Test) -> Check {
    const MOST: i64 = 40;
    put_fields(&t, &key("k"), &json!({ "n": 0, "other": "x" })).await?;
    let deadline = t.deadline(&key("k")).await?;
    let outcomes = together(&t, RACERS, |_, store| async move {
        let change = Patch::new().increment_within("n", 1, ..=MOST);
        let options = PatchOptions::new().with_returning(Returning::DEADLINE);
        Ok(store.patch(&K, &change, options).await?)
    })
    .await?;
    let mut sums = Vec::new();
    for outcome in outcomes {
        match outcome {
            Outcome::Applied(done) => sums.extend(done.fields.get("n").and_then(Json::as_i64)),
            Outcome::Refused(Some(there)) => {
                ensure_eq!(there.fields.get("n"), Some(&json!(MOST)), "the value that a refusal reports");
                ensure_eq!(there.deadline, Some(deadline), "the deadline that a refusal reports");
            }
            other => {
                return Err(Failure::new(
                    "Applied, or Refused with the present values",
                    format!("{other:?}"),
                ));
            }
        }
    }
    let sums = all_different(sums, "the sums")?;
    ensure_eq!(sums, (1..=MOST).collect(), "the returned sums");
    ensure_eq!(fields(&t, &key("k")).await?, json!({ "n": MOST, "other": "x" }), "the record");
    Ok(())
}

async fn increments_add_up(t: Test) -> Check {
    put_fields(&t, &key("k"), &json!({ "n": 0, "other": "x" })).await?;
    let sums = together(&t, RACERS, |_, store| async move {
        let mut sums = Vec::new();
        for _ in 0..25 {
            let change = Patch::new().increment("n", 1);
            let outcome = store.patch(&K, &change, PatchOptions::new()).await?;
            sums.push(applied(outcome)?.fields.get("n").and_then(Json::as_i64).unwrap_or(-1));
        }
        ensure!(sums.is_sorted(), "ascending sums", "{sums:?}");
        Ok(sums)
    })
    .await?;
    let sums = all_different(sums.concat(), "the sums")?;
    ensure_eq!(sums.last().copied(), Some(1_600), "the last sum");
    ensure_eq!(fields(&t, &key("k")).await?, json!({ "n": 1_600, "other": "x" }), "the record");
    Ok(())
}

async fn increments_of_an_absent_counter_add_up(t: Test) -> Check {
    for round in 0..5 {
        let name = format!("k{round}");
        if round % 2 == 1 {
            t.ghost(&key(&name), Record::new().with("n", 1_000)).await?;
        }
        let started = t.store.now();
        let outcomes = together(&t, RACERS, |_, store| {
            let key = key(&name);
            async move {
                let options = PatchOptions::new().with_create(Create::new(LONG));
                let change = Patch::new().increment("n", 1);
                applied(store.patch(&key, &change, options).await?)
            }
        })
        .await?;
        let created = outcomes.iter().filter(|outcome| outcome.created).count();
        ensure_eq!(created, 1, "the number of creations of the counter");
        ensure_eq!(fields(&t, &key(&name)).await?, json!({ "n": RACERS }), "the counter");
        ensure_ahead(&t, t.deadline(&key(&name)).await?, started, LONG, "its deadline")?;
    }
    Ok(())
}

async fn contention_is_the_exception(t: Test) -> Check {
    put_fields(&t, &key("k"), &json!({ "n": 0 })).await?;
    let before = t.retried();
    together(&t, RACERS, |_, store| async move {
        for _ in 0..4 {
            applied(store.patch(&K, &Patch::new().increment("n", 1), PatchOptions::new()).await?)?;
        }
        Ok(())
    })
    .await?;
    let after = t.retried();
    let (calls, lost) = (after.calls - before.calls, after.contention - before.contention);
    ensure!(lost * 10 <= calls, "at most one call in ten with Contention", "{lost} of {calls}");
    Ok(())
}

async fn appends_all_arrive(t: Test) -> Check {
    put_fields(&t, &key("k"), &json!({ "list": [] })).await?;
    together(&t, 32, |number, store| async move {
        for n in 0..20 {
            let change = Patch::new().append("list", json!([number, n]));
            applied(store.patch(&K, &change, PatchOptions::new()).await?)?;
        }
        Ok(())
    })
    .await?;
    let list = fields(&t, &key("k")).await?["list"].as_array().cloned().unwrap_or_default();
    ensure_eq!(list.len(), 640, "the number of elements");
    for number in 0..32 {
        let own: Vec<&Json> =
            list.iter().filter(|item| item[0] == json!(number)).map(|item| &item[1]).collect();
        let expected: Vec<Json> = (0..20).map(|n| json!(n)).collect();
        ensure!(
            own.iter().copied().eq(&expected),
            format!("the twenty elements of writer {number} in order"),
            "{own:?}"
        );
    }
    Ok(())
}

async fn pops_hand_out_each_element_once(t: Test) -> Check {
    let jobs: Vec<i64> = (0..300).collect();
    put_fields(&t, &key("k"), &json!({ "jobs": jobs })).await?;
    let taken = together(&t, 32, |number, store| async move {
        let mut taken = Vec::new();
        loop {
            let change =
                if number % 4 < 2 { Patch::new().pop_front("jobs") } else { Patch::new().pop_back("jobs") };
            let outcome = applied(store.patch(&K, &change, PatchOptions::new()).await?)?;
            match outcome.popped().next().and_then(Json::as_i64) {
                Some(job) => taken.push(job),
                None => return Ok(taken),
            }
        }
    })
    .await?;
    let taken = all_different(taken.concat(), "the jobs")?;
    ensure_eq!(taken.len(), 300, "the number of popped jobs");
    Ok(())
}

async fn one_take_wins(t: Test) -> Check {
    for round in 0..10 {
        let name = format!("k{round}");
        let value = if round % 2 == 0 { Value::from("token") } else { record().into() };
        t.put(&key(&name), value.clone(), PutOptions::new(LONG)).await?;
        let taken = together(&t, RACERS, |_, store| {
            let key = key(&name);
            async move { Ok(store.delete(&key, DeleteOptions::take()).await?) }
        })
        .await?;
        let winners: Vec<Value> =
            taken.into_iter().filter_map(|outcome| outcome.applied().flatten()?.value).collect();
        ensure!(winners == [value], "exactly one take with the token", "{} takes", winners.len());
    }
    Ok(())
}
