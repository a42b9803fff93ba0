//! Concurrent load: no entry is seen after its deadline, and no dropped call leaves half an entry.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value as Json, json};
use ttl_core::options::{
    Create, DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, Projection, PutItem,
    PutOptions, Refresh, Returning, ScanOptions,
};
use ttl_core::{
    Actions, Deadline, Entry, ErrorKind, Expiry, Key, Patch, Record, RefreshPolicy, Ttl, TtlStore, Value,
};

use super::support::{json_of, put_fields, whole};
use super::together::{cancelled, together};
use crate::test::{LONG, key};
use crate::{Check, Failure, Test, case_table, ensure, ensure_eq};

/// Returns the longest time for which an entry may be seen after its deadline.
fn lateness(t: &Test) -> Duration {
    let resolution = t.capabilities().resolution;
    if t.is_manual() {
        resolution.saturating_sub(Duration::from_millis(1))
    } else {
        resolution + t.clock_error()
    }
}

/// Returns a value that contains the deadline that it is put with, and a number that makes it unique.
fn telling(deadline: SystemTime, number: usize, blob: bool) -> Value {
    let millis = deadline.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    if blob {
        format!("{millis} {number}").into()
    } else {
        Record::new().with("deadline", millis.to_string()).with("number", number).into()
    }
}

/// Returns the deadline that a value contains.
fn told(value: &Value) -> Check<Deadline> {
    let text = match value {
        Value::Blob(bytes) => std::str::from_utf8(bytes).ok().and_then(|text| text.split(' ').next()),
        Value::Record(record) => record.get("deadline").and_then(Json::as_str),
    };
    let millis = text.and_then(|text| text.parse().ok());
    millis
        .map(Deadline::from_epoch_millis)
        .ok_or_else(|| Failure::new("a value that the case put", format!("{value:?}")))
}

/// Fails if a call that began after the deadline of the entry saw it.
fn ensure_alive(entry: &Entry, began: SystemTime, lateness: Duration, about: &str) -> Check<Deadline> {
    let deadline = entry.deadline.ok_or_else(|| Failure::new("the requested deadline", "none"))?;
    let over = deadline.is_expired(began - lateness);
    ensure!(!over, format!("{about}: no entry after its deadline"), "{deadline:?}, seen after {began:?}");
    Ok(deadline)
}

/// Returns the options of a read that returns value and deadline and refreshes nothing.
fn peek() -> GetOptions {
    GetOptions::new().with_returning(Returning::DEADLINE)
}

/// Runs one round of a task that writes, deletes, expires and reads short-lived entries. Checks what it
/// reads.
async fn churn(store: &Arc<dyn TtlStore>, number: usize, round: usize, late: Duration, patch: bool) -> Check {
    let key = key(&format!("k{}", (number * 31 + round * 7) % 40));
    let ttl = Ttl::millis(1 + (number as u64 * 13 + round as u64 * 17) % 60);
    let instant = store.now() + ttl.as_duration();
    let exact = Deadline::at(instant).to_system_time().unwrap_or(instant);
    match (number + round) % 6 {
        0 | 1 => {
            let value = telling(exact, round, round.is_multiple_of(2));
            let _ = store.put(&key, value.clone(), PutOptions::new(exact)).await?;
        }
        2 if patch => {
            let initial = telling(exact, round, false).into_record()?;
            let options = PatchOptions::new().with_create(Create::new(exact).with_initial(initial));
            let change = Patch::new().increment("n", 1);
            match store.patch(&key, &change, options).await {
                Err(error) if error.kind() == ErrorKind::WrongKind => {}
                other => _ = other?,
            }
        }
        3 => _ = store.delete(&key, DeleteOptions::new()).await?,
        4 => {
            let keys: Vec<Key> = (0..40).map(|n| crate::test::key(&format!("k{n}"))).collect();
            let began = store.now();
            for result in store.get_many(&keys, peek()).await {
                judge(result?, began, late)?;
            }
        }
        _ => {
            let began = store.now();
            judge(store.get(&key, peek()).await?, began, late)?;
        }
    }
    Ok(())
}

/// Fails unless the entry was live by the deadline that it reports and by the one that it was put with.
fn judge(entry: Option<Entry>, began: SystemTime, late: Duration) -> Check {
    let Some(entry) = entry else { return Ok(()) };
    let deadline = ensure_alive(&entry, began, late, "a read")?;
    let put_with = told(entry.value.as_ref().ok_or_else(|| Failure::new("a value", "none"))?)?;
    let ahead = deadline.as_epoch_millis().saturating_sub(put_with.as_epoch_millis());
    let same = deadline >= put_with && Duration::from_millis(ahead) <= late + Duration::from_millis(1);
    ensure!(same, format!("the deadline that it was put with, {put_with:?}"), "{deadline:?}");
    Ok(())
}

case_table! {
    /// E1, E4: While short-lived entries come and go, no read sees one after its deadline or with the
    /// deadline of another one.
    nothing_is_seen_after_its_deadline,
    /// E1, S1: While short-lived entries come and go, no scan returns one after its deadline.
    no_scan_hands_out_what_is_over: needs(scan),
    /// E1, R1, R2: Under a policy that refreshes reads, 64 tasks write and read ten thousand entries. No
    /// refresh moves a deadline to an earlier time, and no read sees an entry after its deadline.
    ten_thousand_writes_under_refreshing_reads,
    /// C4, E4: Puts dropped at any point leave the old value with its deadline, or the new value with
    /// the new deadline.
    dropped_puts_leave_whole_entries,
    /// C4, E4: Creates dropped at any point leave nothing, or the value with its deadline.
    dropped_creates_leave_nothing_immortal,
    /// C4, P1: Patches dropped at any point are applied as a whole or not at all.
    dropped_patches_leave_whole_records: needs(patch),
    /// C4: Expire calls dropped at any point leave one of the two deadlines, and the value.
    dropped_expires_leave_whole_entries,
    /// C4: Takes and refreshing reads dropped at any point leave the entry whole or absent.
    dropped_takes_and_reads_leave_whole_entries,
    /// C4, B1: Batches dropped at any point leave each entry whole or absent.
    dropped_batches_leave_whole_entries,
    /// C4: Calls dropped at any point lock nothing: the same call succeeds afterwards.
    dropped_calls_lock_nothing: needs(conditions, patch),
    /// C4, H4: A handle still works after hundreds of dropped calls.
    dropped_calls_do_not_wear_a_handle_out,
}

async fn nothing_is_seen_after_its_deadline(t: Test) -> Check {
    let (late, patch) = (lateness(&t), t.capabilities().patch);
    together(&t, 24, |number, store| async move {
        for round in 0..120 {
            churn(&store, number, round, late, patch).await?;
            tokio::task::yield_now().await;
        }
        Ok(())
    })
    .await?;
    Ok(())
}

async fn no_scan_hands_out_what_is_over(t: Test) -> Check {
    let late = lateness(&t);
    together(&t, 8, |number, store| async move {
        for round in 0..60_usize {
            let instant = store.now() + Duration::from_millis(1 + (number * 13 + round * 17) as u64 % 60);
            let exact = Deadline::at(instant).to_system_time().unwrap_or(instant);
            if number > 0 {
                let (key, value) = (
                    key(&format!("k{}-{}", number, round % 10)),
                    telling(exact, round, round.is_multiple_of(2)),
                );
                let _ = store.put(&key, value.clone(), PutOptions::new(exact)).await?;
                tokio::task::yield_now().await;
                continue;
            }
            let began = store.now();
            let page = store
                .scan(
                    ScanOptions::new("k")
                        .with_projection(Projection::All)
                        .with_returning(Returning::DEADLINE),
                )
                .await?;
            for (_, entry) in page.into_entries()? {
                // The kind may have changed between the listing and the read. Then there is no value.
                let deadline = ensure_alive(&entry, began, late, "a scan")?;
                ensure!(!deadline.is_never(), "a deadline", "none");
            }
        }
        Ok(())
    })
    .await?;
    Ok(())
}

async fn ten_thousand_writes_under_refreshing_reads(t: Test) -> Check {
    let late = lateness(&t);
    let policy = RefreshPolicy::on(Actions::FETCH)?;
    let seen = together(&t, 64, |number, store| async move {
        let mut latest: BTreeMap<String, Deadline> = BTreeMap::new();
        for round in 0..157_usize {
            let spread = (number * 37 + round * 11) % 256;
            let (key, slides) = (key(&format!("k{spread}")), spread % 2 == 0);
            // Most entries expire soon. Some live through the whole case.
            let ttl = if round % 5 == 0 {
                LONG.as_duration()
            } else {
                Duration::from_millis(2 + spread as u64 % 50)
            };
            let instant = store.now() + ttl;
            let exact = Deadline::at(instant).to_system_time().unwrap_or(instant);
            let value = telling(exact, number * 1_000 + round, number.is_multiple_of(2));
            let _ = store.put(&key, value.clone(), PutOptions::new(exact)).await?;
            let refresh = policy.resolve(Actions::FETCH, Ttl::millis(20 + spread as u64)).filter(|_| slides);
            let began = store.now();
            let Some(entry) = store.get(&key, peek().with_refresh(refresh)).await? else { continue };
            let deadline = ensure_alive(&entry, began, late, "a refreshing read")?;
            let value = entry.value.as_ref().ok_or_else(|| Failure::new("a value", "none"))?;
            let put_with = told(value)?;
            ensure!(deadline >= put_with, format!("a deadline not before {put_with:?}"), "{deadline:?}");
            if slides {
                let known = latest.entry(format!("{key} {}", crate::state::show(value))).or_insert(deadline);
                ensure!(
                    deadline >= *known,
                    format!("a deadline not before the earlier one, {known:?}"),
                    "{deadline:?}"
                );
                *known = deadline;
            } else {
                judge(Some(entry), began, late)?;
            }
        }
        Ok(latest)
    })
    .await?;
    let mut latest: BTreeMap<String, Deadline> = BTreeMap::new();
    for (value, deadline) in seen.into_iter().flatten() {
        let known = latest.entry(value).or_insert(deadline);
        *known = deadline.max(*known);
    }
    for n in (0..256).step_by(2) {
        let key = key(&format!("k{n}"));
        let Some((value, deadline)) = whole(&t, &key).await? else { continue };
        let known = latest.get(&format!("{key} {}", crate::state::show(&value)));
        ensure!(
            known.is_none_or(|known| deadline >= *known),
            format!("a deadline of {known:?} or later"),
            "{deadline:?}"
        );
    }
    Ok(())
}

async fn dropped_puts_leave_whole_entries(t: Test) -> Check {
    let instants = [t.instant(LONG), t.instant(LONG) + Duration::from_secs(60)];
    for (name, values) in [
        ("blob", [Value::from("a"), Value::from("b".repeat(10_000))]),
        (
            "record",
            [
                Record::new().with("a", 1).into(),
                Record::new().with("b", 2).with("c", "x".repeat(10_000)).into(),
            ],
        ),
        ("both", [Value::from("a"), Record::new().with("b", 2).into()]),
    ] {
        t.put(&key(name), values[0].clone(), PutOptions::new(instants[0])).await?;
        for turns in 0..60 {
            let (value, options) = (values[turns % 2].clone(), PutOptions::new(instants[turns % 2]));
            cancelled(t.store.put(&key(name), value, options), turns % 13).await;
            let (value, deadline) =
                whole(&t, &key(name)).await?.ok_or_else(|| Failure::new("an entry", "a miss"))?;
            let which = values.iter().position(|known| *known == value);
            let which = which.ok_or_else(|| Failure::new("one of the two values", format!("{value:?}")))?;
            t.expect_deadline(deadline, instants[which], "the deadline that belongs to the value")?;
        }
    }
    Ok(())
}

async fn dropped_creates_leave_nothing_immortal(t: Test) -> Check {
    let instant = t.instant(LONG);
    for turns in 0..60 {
        let key = key(&format!("k{turns}"));
        let value = if turns % 2 == 0 { Value::from("v") } else { Record::new().with("n", 1).into() };
        cancelled(t.store.put(&key, value.clone(), PutOptions::new(instant)), turns % 13).await;
        if let Some((seen, deadline)) = whole(&t, &key).await? {
            ensure_eq!(seen, value, "the value");
            t.expect_deadline(deadline, instant, "its deadline")?;
        }
    }
    Ok(())
}

async fn dropped_patches_leave_whole_records(t: Test) -> Check {
    put_fields(&t, &key("k"), &json!({ "n": 0, "list": [], "half": 0 })).await?;
    for turns in 0..80 {
        let change =
            Patch::new().increment("n", 1).append("list", turns).increment("half", 0.5).set("last", turns);
        let options = PatchOptions::new().with_refresh(Refresh::extend_only(LONG));
        cancelled(t.store.patch(&key("k"), &change, options), turns % 13).await;
        let (value, deadline) =
            whole(&t, &key("k")).await?.ok_or_else(|| Failure::new("a record", "a miss"))?;
        ensure!(!deadline.is_never(), "a deadline", "none");
        let record = json_of(value)?;
        let (n, half) = (record["n"].as_f64().unwrap_or(-1.0), record["half"].as_f64().unwrap_or(-1.0));
        let count = record["list"].as_array().map_or(0, Vec::len);
        ensure!(
            n == 2.0 * half && n == count as f64,
            "three fields that agree",
            "{n}, {half}, {count} elements"
        );
        let last = record["list"].as_array().and_then(|list| list.last()).cloned();
        ensure_eq!(record.get("last").cloned(), last, "the field `last`");
    }
    Ok(())
}

async fn dropped_expires_leave_whole_entries(t: Test) -> Check {
    let instants = [t.instant(LONG), t.instant(LONG) + Duration::from_secs(60)];
    t.put(&key("k"), "v", PutOptions::new(instants[0])).await?;
    for turns in 0..60 {
        let change = ExpiryChange::Set(Expiry::At(instants[turns % 2]));
        cancelled(t.store.expire(&key("k"), change, ExpireOptions::new()), turns % 13).await;
        let (value, deadline) =
            whole(&t, &key("k")).await?.ok_or_else(|| Failure::new("an entry", "a miss"))?;
        ensure_eq!(value, Value::from("v"), "the value");
        let first = t.expect_deadline(deadline, instants[0], "one of two deadlines");
        first.or_else(|_| t.expect_deadline(deadline, instants[1], "one of two deadlines"))?;
    }
    Ok(())
}

async fn dropped_takes_and_reads_leave_whole_entries(t: Test) -> Check {
    let instant = t.instant(LONG);
    for turns in 0..60 {
        let key = key(&format!("k{turns}"));
        let value: Value = Record::new().with("a", 1).with("b", [1, 2]).into();
        t.put(&key, value.clone(), PutOptions::new(instant)).await?;
        let refresh = GetOptions::new().with_refresh(Refresh::extend_only(Ttl::minutes(1)));
        cancelled(t.store.get(&key, refresh), turns % 13).await;
        let (seen, deadline) = whole(&t, &key).await?.ok_or_else(|| Failure::new("an entry", "a miss"))?;
        ensure_eq!(seen, value, "the value after the read");
        t.expect_deadline(deadline, instant, "the deadline after the read")?;
        cancelled(t.store.delete(&key, DeleteOptions::take()), turns % 13).await;
        if let Some((seen, deadline)) = whole(&t, &key).await? {
            ensure_eq!(seen, value, "the value after the take");
            t.expect_deadline(deadline, instant, "the deadline after the take")?;
        }
    }
    Ok(())
}

async fn dropped_batches_leave_whole_entries(t: Test) -> Check {
    let instant = t.instant(LONG);
    for turns in 0..20 {
        let keys: Vec<Key> = (0..40).map(|n| key(&format!("k{turns}-{n}"))).collect();
        let value = |key: &Key| -> Value { format!("value of {key}").into() };
        let items = keys.iter().map(|key| PutItem::new(key.clone(), value(key), PutOptions::new(instant)));
        cancelled(t.store.put_many(items.collect()), turns).await;
        for (key, result) in keys.iter().zip(t.store.get_many(&keys, peek()).await) {
            let Some(entry) = result? else { continue };
            ensure_eq!(entry.value, Some(value(key)), "the value of {key}");
            let deadline = entry.deadline.unwrap_or(Deadline::NEVER);
            t.expect_deadline(deadline, instant, "its deadline")?;
        }
    }
    Ok(())
}

async fn dropped_calls_lock_nothing(t: Test) -> Check {
    for turns in 0..24 {
        let key = key(&format!("k{turns}"));
        t.put(&key, Record::new().with("n", 1), PutOptions::new(LONG)).await?;
        let set = ExpiryChange::Set(Expiry::After(LONG));
        cancelled(t.store.expire(&key, set, ExpireOptions::new()), turns % 8).await;
        let _ = t.store.expire(&key, set, ExpireOptions::new()).await?;
        let change = Patch::new().increment("n", 1);
        cancelled(t.store.patch(&key, &change, PatchOptions::new()), turns % 8).await;
        let _ = t.store.patch(&key, &change, PatchOptions::new()).await?;
        let delete = if turns % 2 == 0 { DeleteOptions::new() } else { DeleteOptions::take() };
        cancelled(t.store.delete(&key, delete.clone()), turns % 8).await;
        let _ = t.store.delete(&key, delete).await?;
        t.expect_miss(&key, "after the delete").await?;
    }
    Ok(())
}

async fn dropped_calls_do_not_wear_a_handle_out(t: Test) -> Check {
    t.put(&key("k"), "v", PutOptions::new(LONG)).await?;
    for round in 0..300 {
        let tasks: Vec<_> = (0..4)
            .map(|n| {
                let (store, turns) = (Arc::clone(&t.store), (round + n) % 5);
                tokio::spawn(async move {
                    cancelled(store.get(&key("k"), peek()), turns).await;
                    cancelled(store.put(&key("other"), "w".into(), PutOptions::new(LONG)), turns).await;
                })
            })
            .collect();
        for task in tasks {
            if round % 3 == 0 {
                task.abort();
            }
            let _ = task.await;
        }
    }
    t.expect_value(&key("k"), "v", "the value").await?;
    t.put(&key("k"), "after", PutOptions::new(LONG)).await?;
    t.expect_value(&key("k"), "after", "the value").await
}
