//! Batches: one result for each input, in order; independent items; more items than a backend accepts.

use serde_json::json;
use ttl_core::options::{
    Condition, DeleteOptions, ExistingDeadline, Fields, GetOptions, Projection, PutItem, PutOptions, Refresh,
    Returning,
};
use ttl_core::{Entry, Key, Kind, Record, Ttl, Value};

use super::support::{LATER, SOONER, ensure_ahead, json_of, reported};
use crate::test::{LONG, applied, key, record};
use crate::{Check, Failure, Test, case_table, ensure, ensure_eq, ensure_kind};

/// Returns the value of each key, or `None` for a miss. Fails on an error.
async fn values(t: &Test, keys: &[Key]) -> Check<Vec<Option<Value>>> {
    let results = t.store.get_many(keys, GetOptions::new()).await;
    ensure_eq!(results.len(), keys.len(), "the number of results");
    results.into_iter().map(|result| Ok(result?.and_then(|entry| entry.value))).collect()
}

/// Returns `count` different keys in an unsorted order.
fn many(count: usize) -> Vec<Key> {
    (0..count).map(|n| key(&format!("k{}", n * 7_919 % count))).collect()
}

/// Returns the value that is stored under one of the keys of [`many`].
fn value_of(key: &Key) -> Value {
    format!("value of {key}").into()
}

/// Puts the value of each key. Fails unless every outcome is `Applied`.
async fn put_all(t: &Test, keys: &[Key]) -> Check {
    let items: Vec<_> =
        keys.iter().map(|key| PutItem::new(key.clone(), value_of(key), PutOptions::new(LONG))).collect();
    let results = t.store.put_many(items).await;
    ensure_eq!(results.len(), keys.len(), "the number of results");
    for result in results {
        applied(result?)?;
    }
    Ok(())
}

case_table! {
    /// B1: A batch without inputs returns no results.
    an_empty_batch_has_no_results,
    /// B1: A batch returns values in the order of its keys, whatever the order of the puts.
    results_stand_in_the_order_of_the_inputs,
    /// B1, E3: A batch distinguishes hits, misses and ghosts.
    hits_misses_and_ghosts_are_told_apart,
    /// B1: A key that occurs twice is read twice.
    a_key_can_be_read_twice,
    /// B1, V3: An entry of the wrong kind fails without affecting the other items.
    a_wrong_kind_fails_alone,
    /// B1: A batch can read fields of records. A blob fails without affecting the other items.
    fields_of_many_are_read,
    /// B1: A batch that selects nothing reports which entries exist and returns no values.
    a_batch_can_tell_what_is_there,
    /// B1: A batch returns the requested metadata of each entry.
    a_batch_tells_each_entrys_metadata,
    /// B2: Three hundred entries can be written, read and deleted in one batch each.
    large_batches_are_the_drivers_affair,
    /// B2: A batch of 150 reads with many misses returns each hit in its place.
    large_batches_keep_hits_and_misses_apart,
    /// B2: A batch writes and returns large values unchanged.
    a_batch_of_large_values_comes_back,
    /// B1: Each put of a batch has its own value, kind and lifespan.
    each_put_has_its_own_options,
    /// B1: Puts of the same key are applied in order, so the last value remains.
    puts_of_one_key_apply_in_order,
    /// B1, C1: If a batch creates one key several times, only the first create is applied.
    creates_of_one_key_apply_in_order: needs(conditions),
    /// B1, C3: A refused or absent item in a batch does not affect the other items.
    conditions_hold_item_by_item: needs(conditions),
    /// B1, E8: A put with a deadline too far away fails without affecting the other items.
    a_put_beyond_the_maximum_fails_alone,
    /// B1, V4: A value that is too large fails without affecting the other items.
    a_value_too_large_fails_alone: needs(size_limit),
    /// B1, E6: A put whose deadline has passed leaves nothing under its key and does not affect the
    /// other items.
    a_put_into_the_past_leaves_nothing_alone,
    /// B1, E3: A batch of deletes distinguishes live, missing and expired entries. A key that occurs
    /// twice is absent the second time.
    deletes_are_told_apart,
    /// B1: A batch of takes returns the value of each key once.
    takes_hand_back_each_value_once: needs(conditions),
    /// B1, V3: A take of the wrong kind fails, leaves the entry and does not affect the other items.
    a_take_of_the_wrong_kind_fails_alone: needs(conditions),
}

async fn an_empty_batch_has_no_results(t: Test) -> Check {
    ensure!(t.store.get_many(&[], GetOptions::new()).await.is_empty(), "no results", "some results");
    ensure!(t.store.put_many(Vec::new()).await.is_empty(), "no results", "some results");
    ensure!(t.store.delete_many(&[], DeleteOptions::new()).await.is_empty(), "no results", "some results");
    Ok(())
}

async fn results_stand_in_the_order_of_the_inputs(t: Test) -> Check {
    put_all(&t, &many(20)).await?;
    let mut keys = many(20);
    keys.reverse();
    keys.swap(3, 11);
    let expected: Vec<_> = keys.iter().map(|key| Some(value_of(key))).collect();
    ensure_eq!(values(&t, &keys).await?, expected, "the values");
    Ok(())
}

async fn hits_misses_and_ghosts_are_told_apart(t: Test) -> Check {
    t.ghost(&key("ghost"), "dead").await?;
    t.put(&key("blob"), "v", PutOptions::new(LONG)).await?;
    t.put(&key("empty"), "", PutOptions::new(LONG)).await?;
    t.put(&key("record"), record(), PutOptions::new(LONG)).await?;
    let keys = ["missing", "blob", "ghost", "record", "empty", "another"].map(key);
    let expected = [None, Some("v".into()), None, Some(record().into()), Some("".into()), None];
    ensure_eq!(values(&t, &keys).await?, expected, "the values");
    Ok(())
}

async fn a_key_can_be_read_twice(t: Test) -> Check {
    t.put(&key("k"), "v", PutOptions::new(LONG)).await?;
    let keys = ["k", "missing", "k", "k", "missing"].map(key);
    let v = || Some(Value::from("v"));
    ensure_eq!(values(&t, &keys).await?, [v(), None, v(), v(), None], "the values");
    Ok(())
}

async fn a_wrong_kind_fails_alone(t: Test) -> Check {
    t.put(&key("blob"), "v", PutOptions::new(LONG)).await?;
    t.put(&key("record"), record(), PutOptions::new(LONG)).await?;
    let keys = ["blob", "record", "missing", "blob"].map(key);
    let blobs = t.store.get_many(&keys, GetOptions::new().with_kind(Kind::Blob)).await;
    ensure_eq!(blobs.len(), 4, "the number of results");
    ensure_kind!(&blobs[1], WrongKind, "a read of a record as a blob");
    ensure!(
        matches!(blobs[..], [Ok(Some(_)), _, Ok(None), Ok(Some(_))]),
        "a hit, a miss and a hit",
        "{blobs:?}"
    );
    let records = t.store.get_many(&keys, GetOptions::new().with_kind(Kind::Record)).await;
    ensure_kind!(&records[0], WrongKind, "a read of a blob as a record");
    ensure!(matches!(records[..], [_, Ok(Some(_)), Ok(None), Err(_)]), "a hit and a miss", "{records:?}");
    Ok(())
}

async fn fields_of_many_are_read(t: Test) -> Check {
    for n in 0..3 {
        t.put(&key(&format!("r{n}")), Record::new().with("n", n).with("x", "y"), PutOptions::new(LONG))
            .await?;
    }
    t.put(&key("blob"), "v", PutOptions::new(LONG)).await?;
    let keys = ["r2", "blob", "r0", "missing", "r1"].map(key);
    let options = GetOptions::new().with_projection(Projection::Fields(Fields::new(["n", "none"])?));
    let results = t.store.get_many(&keys, options).await;
    ensure_kind!(&results[1], WrongKind, "a read of fields of a blob");
    for (at, n) in [(0, 2), (2, 0), (4, 1)] {
        let entry = results[at].clone()?.ok_or_else(|| Failure::new("a hit", "a miss"))?;
        ensure_eq!(json_of(reported(entry.value)?)?, json!({ "n": n }), "the fields of result {at}");
    }
    ensure!(matches!(results[3], Ok(None)), "a miss", "{:?}", results[3]);
    Ok(())
}

async fn a_batch_can_tell_what_is_there(t: Test) -> Check {
    t.put(&key("blob"), "v", PutOptions::new(LONG)).await?;
    t.put(&key("record"), record(), PutOptions::new(LONG)).await?;
    let keys = ["record", "missing", "blob"].map(key);
    let results = t.store.get_many(&keys, GetOptions::nothing()).await;
    let there = |result: &ttl_core::Result<Option<Entry>>| matches!(result, Ok(Some(entry)) if entry.value.is_none() && entry.deadline.is_none());
    ensure!(there(&results[0]) && there(&results[2]), "two hits without values", "{results:?}");
    ensure!(matches!(results[1], Ok(None)), "a miss", "{:?}", results[1]);
    Ok(())
}

async fn a_batch_tells_each_entrys_metadata(t: Test) -> Check {
    let lifespans = [("a", Some(SOONER)), ("b", None), ("c", Some(LATER))];
    for (name, ttl) in lifespans {
        let lifespan = ttl.map_or(ttl_core::Lifespan::persistent(), ttl_core::Lifespan::from);
        t.put(&key(name), name, PutOptions::new(lifespan)).await?;
        t.put(&key(&format!("{name}{name}")), record(), PutOptions::new(lifespan)).await?;
    }
    let keys = ["a", "bb", "b", "aa", "cc", "c"].map(key);
    let options = GetOptions::new().with_returning(Returning::DEADLINE | Returning::VERSION);
    let results = t.store.get_many(&keys, options).await;
    for (key, result) in keys.iter().zip(results) {
        let entry = result?.ok_or_else(|| Failure::new("a hit", "a miss"))?;
        let state = t.state(key).await?;
        ensure_eq!(reported(entry.deadline)?, state.deadline, "the deadline of {key}");
        ensure_eq!(reported(entry.version)?, state.version, "the version of {key}");
        ensure_eq!(reported(entry.value)?, state.value, "the value of {key}");
    }
    Ok(())
}

async fn large_batches_are_the_drivers_affair(t: Test) -> Check {
    let keys = many(300);
    put_all(&t, &keys).await?;
    let expected: Vec<_> = keys.iter().map(|key| Some(value_of(key))).collect();
    ensure_eq!(values(&t, &keys).await?, expected, "300 values");
    let take = t.capabilities().conditions;
    let delete = if take { DeleteOptions::take() } else { DeleteOptions::new() };
    let deleted = t.store.delete_many(&keys, delete).await;
    ensure_eq!(deleted.len(), 300, "the number of results of the deletes");
    for (key, outcome) in keys.iter().zip(deleted) {
        let taken = applied(outcome?)?.and_then(|entry| entry.value);
        ensure_eq!(taken, take.then(|| value_of(key)), "the value taken from {key}");
    }
    ensure_eq!(values(&t, &keys).await?, vec![None; 300], "the values after the deletes");
    Ok(())
}

async fn large_batches_keep_hits_and_misses_apart(t: Test) -> Check {
    let keys = many(150);
    let (there, _): (Vec<Key>, Vec<Key>) =
        keys.iter().cloned().partition(|key| key.as_str().ends_with(['0', '3', '7']));
    put_all(&t, &there).await?;
    let expected: Vec<_> = keys.iter().map(|key| there.contains(key).then(|| value_of(key))).collect();
    ensure_eq!(values(&t, &keys).await?, expected, "the values");
    Ok(())
}

async fn a_batch_of_large_values_comes_back(t: Test) -> Check {
    let size = usize::try_from(t.capabilities().max_value_bytes).unwrap_or(usize::MAX).min(100_000);
    let value = |n: usize| Value::from(vec![u8::try_from(n % 256).unwrap_or_default(); size]);
    let items =
        (0..30).map(|n| PutItem::new(key(&format!("k{n}")), value(n), PutOptions::new(LONG))).collect();
    for result in t.store.put_many(items).await {
        applied(result?)?;
    }
    let keys: Vec<_> = (0..30).map(|n| key(&format!("k{n}"))).collect();
    for (n, seen) in values(&t, &keys).await?.into_iter().enumerate() {
        ensure!(seen == Some(value(n)), format!("value {n} of {size} bytes"), "{seen:?}");
    }
    Ok(())
}

async fn each_put_has_its_own_options(t: Test) -> Check {
    t.put(&key("kept"), "old", PutOptions::new(LONG)).await?;
    t.put(&key("refreshed"), "old", PutOptions::new(SOONER)).await?;
    let kept = t.deadline(&key("kept")).await?;
    let refresh = ExistingDeadline::Refresh(Refresh::extend_only(LONG));
    let returning = Returning::DEADLINE;
    let started = t.store.now();
    let results = t
        .store
        .put_many(vec![
            PutItem::new(key("sooner"), "v", PutOptions::new(SOONER).with_returning(returning)),
            PutItem::new(key("later"), record(), PutOptions::new(LATER)),
            PutItem::new(
                key("never"),
                "v",
                PutOptions::new(ttl_core::Lifespan::persistent()).with_returning(returning),
            ),
            PutItem::new(
                key("kept"),
                record(),
                PutOptions::new(LATER)
                    .with_existing_deadline(ExistingDeadline::Keep)
                    .with_returning(returning),
            ),
            PutItem::new(
                key("refreshed"),
                "v",
                PutOptions::new(SOONER).with_existing_deadline(refresh).with_returning(returning),
            ),
        ])
        .await;
    let expected = [
        ("sooner", true, Some(SOONER)),
        ("later", true, Some(LATER)),
        ("never", true, None),
        ("kept", false, None),
        ("refreshed", false, Some(LONG)),
    ];
    ensure_eq!(results.len(), expected.len(), "the number of results");
    for ((name, created, ttl), result) in expected.into_iter().zip(results) {
        let meta = applied(result?)?;
        ensure_eq!(meta.created, created, "whether {name} was created");
        let deadline = t.deadline(&key(name)).await?;
        ensure_eq!(meta.deadline, (name != "later").then_some(deadline), "the reported deadline of {name}");
        match (name, ttl) {
            ("kept", _) => ensure_eq!(deadline, kept, "the kept deadline"),
            (_, Some(ttl)) => ensure_ahead(&t, deadline, started, ttl, name)?,
            (_, None) => ensure!(deadline.is_never(), "no deadline", "{deadline:?}"),
        }
    }
    t.expect_value(&key("kept"), record(), "the record that replaced the blob").await
}

async fn puts_of_one_key_apply_in_order(t: Test) -> Check {
    let items = (0..60).map(|n| {
        let ttl = if n == 57 { LATER } else { SOONER };
        PutItem::new(key(&format!("k{}", n % 3)), format!("v{n}"), PutOptions::new(ttl))
    });
    let started = t.store.now();
    let results = t.store.put_many(items.collect()).await;
    for (n, result) in results.into_iter().enumerate() {
        ensure_eq!(applied(result?)?.created, n < 3, "whether put {n} created an entry");
    }
    let expected = ["v57", "v58", "v59"].map(|text| Some(Value::from(text)));
    ensure_eq!(values(&t, &["k0", "k1", "k2"].map(key)).await?, expected, "the last values");
    ensure_ahead(&t, t.deadline(&key("k0")).await?, started, LATER, "the deadline of the last put")?;
    ensure_ahead(&t, t.deadline(&key("k1")).await?, started, SOONER, "the deadline of another key's last put")
}

async fn creates_of_one_key_apply_in_order(t: Test) -> Check {
    let create = || PutOptions::new(LONG).with_condition(Condition::IfAbsent);
    let items = (0..10).map(|n| PutItem::new(key("k"), format!("v{n}"), create())).collect();
    let results = t.store.put_many(items).await;
    ensure_eq!(results.len(), 10, "the number of results");
    for (n, result) in results.into_iter().enumerate() {
        let outcome = result?;
        let fits = if n == 0 { outcome.is_applied() } else { outcome.is_refused() };
        ensure!(fits, "Applied first, then Refused", "{outcome:?} for put {n}");
    }
    t.expect_value(&key("k"), "v0", "the first value").await
}

async fn conditions_hold_item_by_item(t: Test) -> Check {
    let version = t.put_version(&key("live"), "old", PutOptions::new(LONG)).await?;
    t.put(&key("other"), "other", PutOptions::new(LONG)).await?;
    t.ghost(&key("ghost"), "dead").await?;
    let item =
        |name, condition| PutItem::new(key(name), "new", PutOptions::new(LONG).with_condition(condition));
    let results = t
        .store
        .put_many(vec![
            item("live", Condition::IfAbsent),
            item("ghost", Condition::IfAbsent),
            item("absent", Condition::IfPresent),
            item("other", Condition::IfVersion(version)),
            item("live", Condition::IfVersion(version)),
            item("live", Condition::IfVersion(version)),
            item("free", Condition::Always),
        ])
        .await;
    let mut seen = Vec::new();
    for result in results {
        let outcome = result?;
        seen.push(if outcome.is_applied() {
            "applied"
        } else if outcome.is_absent() {
            "absent"
        } else {
            "refused"
        });
    }
    let expected = ["refused", "applied", "absent", "refused", "applied", "refused", "applied"];
    ensure_eq!(seen, expected, "the outcomes");
    let new = || Some(Value::from("new"));
    let after = values(&t, &["live", "ghost", "absent", "other", "free"].map(key)).await?;
    ensure_eq!(after, [new(), new(), None, Some("other".into()), new()], "the values");
    Ok(())
}

async fn a_put_beyond_the_maximum_fails_alone(t: Test) -> Check {
    let far = t.store.now() + Ttl::MAX.as_duration() + std::time::Duration::from_secs(3_600);
    let results = t
        .store
        .put_many(vec![
            PutItem::new(key("a"), "v", PutOptions::new(LONG)),
            PutItem::new(key("far"), "v", PutOptions::new(far)),
            PutItem::new(key("b"), "v", PutOptions::new(LONG)),
        ])
        .await;
    ensure_eq!(results.len(), 3, "the number of results");
    ensure_kind!(&results[1], InvalidExpiry, "the put with a deadline too far away");
    let v = || Some(Value::from("v"));
    ensure_eq!(values(&t, &["a", "far", "b"].map(key)).await?, [v(), None, v()], "the values");
    Ok(())
}

async fn a_value_too_large_fails_alone(t: Test) -> Check {
    let size = usize::try_from(t.capabilities().max_value_bytes).unwrap_or(usize::MAX - 1) + 1;
    let results = t
        .store
        .put_many(vec![
            PutItem::new(key("a"), "v", PutOptions::new(LONG)),
            PutItem::new(key("large"), vec![0; size], PutOptions::new(LONG)),
            PutItem::new(key("b"), "v", PutOptions::new(LONG)),
        ])
        .await;
    ensure_eq!(results.len(), 3, "the number of results");
    ensure_kind!(&results[1], TooLarge, "the large value");
    let v = || Some(Value::from("v"));
    ensure_eq!(values(&t, &["a", "large", "b"].map(key)).await?, [v(), None, v()], "the values");
    Ok(())
}

async fn a_put_into_the_past_leaves_nothing_alone(t: Test) -> Check {
    t.put(&key("past"), "old", PutOptions::new(LONG)).await?;
    let past = t.store.now() - std::time::Duration::from_secs(60);
    let results = t
        .store
        .put_many(vec![
            PutItem::new(key("a"), "v", PutOptions::new(LONG)),
            PutItem::new(key("past"), "new", PutOptions::new(past)),
        ])
        .await;
    for result in results {
        applied(result?)?;
    }
    ensure_eq!(values(&t, &["a", "past"].map(key)).await?, [Some("v".into()), None], "the values");
    Ok(())
}

async fn deletes_are_told_apart(t: Test) -> Check {
    t.ghost(&key("ghost"), "dead").await?;
    t.put(&key("blob"), "v", PutOptions::new(LONG)).await?;
    t.put(&key("record"), record(), PutOptions::new(LONG)).await?;
    let keys = ["blob", "missing", "record", "ghost", "blob"].map(key);
    let results = t.store.delete_many(&keys, DeleteOptions::new()).await;
    ensure_eq!(results.len(), 5, "the number of results");
    for (at, result) in results.into_iter().enumerate() {
        let outcome = result?;
        let fits = if at == 0 || at == 2 { outcome.is_applied() } else { outcome.is_absent() };
        ensure!(fits, "Applied, Absent, Applied, Absent, Absent", "{outcome:?} for delete {at}");
    }
    ensure_eq!(values(&t, &keys).await?, vec![None; 5], "the values");
    Ok(())
}

async fn takes_hand_back_each_value_once(t: Test) -> Check {
    t.put(&key("blob"), "v", PutOptions::new(LONG)).await?;
    t.put(&key("record"), record(), PutOptions::new(LONG)).await?;
    let keys = ["record", "missing", "blob", "record"].map(key);
    let mut taken = Vec::new();
    for result in t.store.delete_many(&keys, DeleteOptions::take()).await {
        taken.push(result?.applied().flatten().and_then(|entry| entry.value));
    }
    ensure_eq!(taken, [Some(record().into()), None, Some("v".into()), None], "the taken values");
    Ok(())
}

async fn a_take_of_the_wrong_kind_fails_alone(t: Test) -> Check {
    t.put(&key("blob"), "v", PutOptions::new(LONG)).await?;
    t.put(&key("record"), record(), PutOptions::new(LONG)).await?;
    let keys = ["record", "blob"].map(key);
    let results = t.store.delete_many(&keys, DeleteOptions::take().with_kind(Kind::Blob)).await;
    ensure_kind!(&results[0], WrongKind, "the take of a record as a blob");
    ensure!(
        matches!(&results[1], Ok(outcome) if outcome.is_applied()),
        "an applied take of the blob",
        "{results:?}"
    );
    ensure_eq!(values(&t, &keys).await?, [Some(record().into()), None], "the values");
    Ok(())
}
