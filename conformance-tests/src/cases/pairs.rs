//! Pairs of concurrent calls on one key: the result is always that of one order of the two calls.
//!
//! A driver that checks first and writes later passes every sequential case, but loses one of the two
//! calls here. All pairs of a case run concurrently, each with its own key, so the calls of a pair are
//! likely to overlap.

use std::sync::Arc;

use futures_util::future::try_join_all;
use ttl_core::options::{
    Condition, DeleteOptions, ExistingDeadline, ExpireOptions, ExpiryChange, GetOptions, Guard, PatchOptions,
    PutItem, PutOptions, Refresh, Returning, ScanOptions,
};
use ttl_core::{Deadline, Entry, Expiry, Key, Patch, Record, Ttl, TtlStore, Value, Version};

use super::support::LATER;
use crate::test::{LONG, applied, key};
use crate::{Check, Failure, Test, case_table, ensure, ensure_eq};

/// The number of pairs in a case.
const PAIRS: usize = 48;

/// A TTL that is longer than [`LATER`] by more than any stall.
const LATEST: Ttl = Ttl::hours(9);

/// A TTL between [`LATEST`] and all shorter ones.
const LATE: Ttl = Ttl::hours(7);

fn names() -> Vec<Key> {
    (0..PAIRS).map(|n| key(&format!("k{n}-"))).collect()
}

/// Makes both calls on each key concurrently, each with its own handle. Each call is started first for
/// every second key. Returns the results of the calls.
async fn pairs<A, B, FA, FB>(
    t: &Test,
    one: impl Fn(usize, Key, Arc<dyn TtlStore>) -> FA,
    other: impl Fn(usize, Key, Arc<dyn TtlStore>) -> FB,
) -> Check<Vec<(A, B)>>
where
    A: Send + 'static,
    B: Send + 'static,
    FA: Future<Output = Check<A>> + Send + 'static,
    FB: Future<Output = Check<B>> + Send + 'static,
{
    let running = names().into_iter().enumerate().map(|(n, key)| {
        let one = one(n, key.clone(), t.racing(n));
        let other = other(n, key, t.racing(n + 1));
        if n % 2 == 0 {
            let one = tokio::spawn(one);
            (one, tokio::spawn(other))
        } else {
            let other = tokio::spawn(other);
            (tokio::spawn(one), other)
        }
    });
    let mut answers = Vec::with_capacity(PAIRS);
    for (one, other) in running.collect::<Vec<_>>() {
        let panicked = |error: tokio::task::JoinError| Failure::new("no panic", error.to_string());
        answers.push((one.await.map_err(panicked)??, other.await.map_err(panicked)??));
    }
    Ok(answers)
}

/// Puts the value under each key for [`LONG`]. Returns the versions.
async fn put_all(t: &Test, value: &'static str) -> Check<Vec<Version>> {
    let options = PutOptions::new(LONG).with_returning(Returning::VERSION);
    let items = names().into_iter().map(|key| PutItem::new(key, value, options.clone())).collect();
    let version = |result: ttl_core::Result<_>| {
        let meta: ttl_core::results::PutResult = applied(result?)?;
        meta.version.ok_or_else(|| Failure::new("the requested version", "none reported"))
    };
    t.store.put_many(items).await.into_iter().map(version).collect()
}

/// Reads the current entry of each key.
async fn look(t: &Test) -> Check<Vec<Option<Entry>>> {
    let results = t.store.get_many(&names(), GetOptions::new().with_returning(Returning::DEADLINE)).await;
    ensure_eq!(results.len(), PAIRS, "the number of results");
    Ok(results.into_iter().collect::<Result<_, _>>()?)
}

/// Fails unless every key has this value.
async fn expect_all(t: &Test, value: &'static str, about: &str) -> Check {
    for (n, entry) in look(t).await?.into_iter().enumerate() {
        let seen = entry.and_then(|entry| entry.value);
        ensure!(seen == Some(Value::from(value)), format!("{about}: {value:?} under key {n}"), "{seen:?}");
    }
    Ok(())
}

/// Fails unless every deadline is beyond [`LATE`], or unless none is, as `late` requires.
async fn expect_late(t: &Test, late: bool, about: &str) -> Check {
    for (n, entry) in look(t).await?.into_iter().enumerate() {
        let deadline = entry.and_then(|entry| entry.deadline);
        let deadline = deadline.ok_or_else(|| Failure::new("a live entry with a deadline", "none"))?;
        let limit = Deadline::after(t.store.now(), LATE);
        let expected =
            format!("{about}: a deadline {} {limit:?} of key {n}", if late { "after" } else { "before" });
        ensure!((deadline > limit) == late, expected, "{deadline:?}");
    }
    Ok(())
}

async fn put(store: Arc<dyn TtlStore>, key: Key, value: &'static str, options: PutOptions) -> Check<bool> {
    Ok(store.put(&key, value.into(), options).await?.is_applied())
}

async fn put_in_batch(
    store: Arc<dyn TtlStore>,
    key: Key,
    value: &'static str,
    options: PutOptions,
) -> Check<bool> {
    let mut results = store.put_many(vec![PutItem::new(key, value, options)]).await;
    let result = results.pop().ok_or_else(|| Failure::new("a result", "none"))?;
    Ok(result?.is_applied())
}

async fn expire(store: Arc<dyn TtlStore>, key: Key, to: Expiry, options: ExpireOptions) -> Check<bool> {
    Ok(store.expire(&key, ExpiryChange::Set(to), options).await?.is_applied())
}

/// Creates a ghost under each key.
async fn ghosts(t: &Test) -> Check {
    let keys = names();
    try_join_all(keys.iter().map(|key| t.ghost(key, "dead"))).await.map(|_| ())
}

case_table! {
    /// E3: A read of a ghost does not remove an entry that is put concurrently.
    a_read_of_a_ghost_leaves_what_is_put,
    /// E3, B1: A batch read of ghosts does not remove entries that are put concurrently.
    a_batch_over_ghosts_leaves_what_is_put,
    /// E3, S1: A scan over ghosts does not remove entries that are put concurrently.
    a_scan_over_ghosts_leaves_what_is_put: needs(scan),
    /// C3, R3: A put with `IfPresent` does not restore an entry that is deleted concurrently.
    if_present_brings_nothing_back: needs(conditions),
    /// C2: A delete with a version does not remove a different entry that is put concurrently.
    a_delete_by_version_leaves_what_is_put: needs(conditions),
    /// C2, P1: A patch with a version does not change a different entry that is put concurrently.
    a_patch_by_version_leaves_what_is_put: needs(conditions, patch),
    /// X8: A renewal with a version does not move the deadline of a different entry that is put
    /// concurrently.
    a_renewal_leaves_what_is_put: needs(conditions),
    /// C2, B1: Of two concurrent batches with the same version, exactly one is applied.
    one_swap_in_a_batch_wins: needs(conditions),
    /// C1, B1: Of two concurrent batches that take one token, exactly one gets it.
    one_take_in_a_batch_wins: needs(conditions),
    /// X2: Of two concurrent expires, the later one wins with `IfLater` and the sooner one with
    /// `IfSooner`.
    guards_hold_at_the_same_time: needs(conditions),
    /// X1: Two concurrent extensions are both applied.
    two_extensions_both_count: needs(conditions),
    /// E5: A put with `Keep` keeps a deadline that is set concurrently.
    keep_leaves_the_deadline_that_is_set: needs(conditions),
    /// R2: A put that only extends does not shorten a deadline that is set concurrently.
    a_put_shortens_nothing_that_is_set: needs(conditions),
    /// R2: A read that only extends does not shorten a deadline that is set concurrently.
    a_read_shortens_nothing_that_is_set: needs(conditions),
    /// R2, P1: A patch that only extends does not shorten a deadline that is set concurrently.
    a_patch_shortens_nothing_that_is_set: needs(conditions, patch),
    /// R6, B1: The refresh of a batch read does not move the deadline of an entry that is put
    /// concurrently.
    a_refresh_in_a_batch_leaves_what_is_put,
}

async fn a_read_of_a_ghost_leaves_what_is_put(t: Test) -> Check {
    for projection in [ttl_core::options::Projection::All, ttl_core::options::Projection::Nothing] {
        ghosts(&t).await?;
        let read = |_, key: Key, store: Arc<dyn TtlStore>| {
            let options = GetOptions::new().with_projection(projection.clone());
            async move { Ok(store.get(&key, options).await?) }
        };
        let write = |_, key, store| put(store, key, "new", PutOptions::new(LONG));
        pairs(&t, read, write).await?;
        expect_all(&t, "new", "after a put and a read of a ghost").await?;
    }
    Ok(())
}

async fn a_batch_over_ghosts_leaves_what_is_put(t: Test) -> Check {
    ghosts(&t).await?;
    let read = |_, _, store: Arc<dyn TtlStore>| async move {
        Ok(store.get_many(&names(), GetOptions::new()).await.into_iter().collect::<Result<Vec<_>, _>>()?)
    };
    let write = |_, key, store| put(store, key, "new", PutOptions::new(LONG));
    pairs(&t, read, write).await?;
    expect_all(&t, "new", "after a put and a batch over ghosts").await
}

async fn a_scan_over_ghosts_leaves_what_is_put(t: Test) -> Check {
    ghosts(&t).await?;
    let read = |_, key: Key, store: Arc<dyn TtlStore>| async move {
        Ok(store.scan(ScanOptions::new(key.as_str())).await.map(|_| ())?)
    };
    let write = |_, key, store| put_in_batch(store, key, "new", PutOptions::new(LONG));
    pairs(&t, read, write).await?;
    expect_all(&t, "new", "after a put and a scan over ghosts").await
}

async fn if_present_brings_nothing_back(t: Test) -> Check {
    for batch in [false, true] {
        put_all(&t, "old").await?;
        let options = PutOptions::new(LONG).with_condition(Condition::IfPresent);
        let write = |_, key, store: Arc<dyn TtlStore>| {
            let options = options.clone();
            async move {
                if batch {
                    put_in_batch(store, key, "new", options).await
                } else {
                    put(store, key, "new", options).await
                }
            }
        };
        let delete = |_, key: Key, store: Arc<dyn TtlStore>| async move {
            Ok(store.delete(&key, DeleteOptions::new()).await?.is_applied())
        };
        let answers = pairs(&t, write, delete).await?;
        ensure!(answers.iter().all(|(_, deleted)| *deleted), "every delete applied", "one that was not");
        let left = look(&t).await?.into_iter().flatten().count();
        ensure_eq!(left, 0, "the number of entries after their deletes");
    }
    Ok(())
}

async fn a_delete_by_version_leaves_what_is_put(t: Test) -> Check {
    for batch in [false, true] {
        let versions = Arc::new(put_all(&t, "mine").await?);
        let release = |n: usize, key: Key, store: Arc<dyn TtlStore>| {
            let options = DeleteOptions::new().with_if_version(versions[n]);
            async move {
                if batch {
                    let results = store.delete_many(&[key], options).await;
                    for result in results {
                        let _ = result?;
                    }
                } else {
                    let _ = store.delete(&key, options).await?;
                }
                Ok(())
            }
        };
        pairs(&t, release, |_, key, store| put(store, key, "theirs", PutOptions::new(LONG))).await?;
        expect_all(&t, "theirs", "after a put and a delete by the old version").await?;
    }
    Ok(())
}

async fn a_patch_by_version_leaves_what_is_put(t: Test) -> Check {
    let mine = Record::new().with("n", 1);
    let mut versions = Vec::new();
    for key in names() {
        versions.push(t.put_version(&key, mine.clone(), PutOptions::new(LONG)).await?);
    }
    let patch = |n: usize, key: Key, store: Arc<dyn TtlStore>| {
        let options = PatchOptions::new().with_if_version(versions[n]);
        async move { Ok(store.patch(&key, &Patch::new().set("n", 2), options).await?.is_applied()) }
    };
    let write = |_, key: Key, store: Arc<dyn TtlStore>| async move {
        Ok(store.put(&key, Record::new().with("n", 3).into(), PutOptions::new(LONG)).await?.is_applied())
    };
    pairs(&t, patch, write).await?;
    for entry in look(&t).await? {
        let seen = entry.and_then(|entry| entry.value);
        ensure!(seen == Some(Record::new().with("n", 3).into()), "the record of the put", "{seen:?}");
    }
    Ok(())
}

async fn a_renewal_leaves_what_is_put(t: Test) -> Check {
    let versions = put_all(&t, "mine").await?;
    let renew = |n: usize, key, store| {
        expire(store, key, LATEST.into(), ExpireOptions::new().with_if_version(versions[n]))
    };
    pairs(&t, renew, |_, key, store| put(store, key, "theirs", PutOptions::new(LONG))).await?;
    expect_all(&t, "theirs", "after a put and a renewal by the old version").await?;
    expect_late(&t, false, "after a put and a renewal by the old version").await
}

async fn one_swap_in_a_batch_wins(t: Test) -> Check {
    let versions = put_all(&t, "first").await?;
    let swap = |value: &'static str| {
        let versions = versions.clone();
        move |n: usize, key, store| {
            let options = PutOptions::new(LONG).with_condition(Condition::IfVersion(versions[n]));
            put_in_batch(store, key, value, options)
        }
    };
    let answers = pairs(&t, swap("one"), swap("other")).await?;
    for (n, (answer, entry)) in answers.into_iter().zip(look(&t).await?).enumerate() {
        ensure!(answer.0 != answer.1, format!("one winner of key {n}"), "{answer:?}");
        let seen = entry.and_then(|entry| entry.value);
        let expected = Some(Value::from(if answer.0 { "one" } else { "other" }));
        ensure_eq!(seen, expected, "the winner's value");
    }
    Ok(())
}

async fn one_take_in_a_batch_wins(t: Test) -> Check {
    put_all(&t, "token").await?;
    let take = |_, key: Key, store: Arc<dyn TtlStore>| async move {
        let mut results = store.delete_many(&[key], DeleteOptions::take()).await;
        let result = results.pop().ok_or_else(|| Failure::new("a result", "none"))?;
        Ok(result?.applied().flatten().is_some())
    };
    for (n, answer) in pairs(&t, take, take).await?.into_iter().enumerate() {
        ensure!(answer.0 != answer.1, format!("exactly one owner of token {n}"), "{answer:?}");
    }
    Ok(())
}

async fn guards_hold_at_the_same_time(t: Test) -> Check {
    for (guard, late) in [(Guard::IfLater, true), (Guard::IfSooner, false)] {
        put_all(&t, "v").await?;
        if !late {
            for key in names() {
                t.expire(&key, ExpiryChange::Set(Ttl::hours(20).into()), Guard::Always).await?;
            }
        }
        let to = |ttl: Ttl| {
            move |_: usize, key, store| expire(store, key, ttl.into(), ExpireOptions::new().with_guard(guard))
        };
        pairs(&t, to(LATEST), to(LATER)).await?;
        expect_late(&t, late, &format!("after two expires with {guard:?}")).await?;
    }
    Ok(())
}

async fn two_extensions_both_count(t: Test) -> Check {
    put_all(&t, "v").await?;
    let extend = |_, key: Key, store: Arc<dyn TtlStore>| async move {
        Ok(store.expire(&key, ExpiryChange::Extend(Ttl::hours(4)), ExpireOptions::new()).await?.is_applied())
    };
    pairs(&t, extend, extend).await?;
    expect_late(&t, true, "after a TTL of one hour and two extensions by four").await
}

async fn keep_leaves_the_deadline_that_is_set(t: Test) -> Check {
    for batch in [false, true] {
        put_all(&t, "v").await?;
        let write = |_, key, store: Arc<dyn TtlStore>| async move {
            let options = PutOptions::new(LONG).with_existing_deadline(ExistingDeadline::Keep);
            if batch {
                put_in_batch(store, key, "w", options).await
            } else {
                put(store, key, "w", options).await
            }
        };
        let set = |_, key, store| expire(store, key, LATEST.into(), ExpireOptions::new());
        pairs(&t, write, set).await?;
        expect_late(&t, true, "after a put with Keep and an expire").await?;
    }
    Ok(())
}

async fn a_put_shortens_nothing_that_is_set(t: Test) -> Check {
    put_all(&t, "v").await?;
    let write = |_, key, store| {
        let options = PutOptions::new(LONG)
            .with_existing_deadline(ExistingDeadline::Refresh(Refresh::extend_only(LATER)));
        put(store, key, "w", options)
    };
    let set = |_, key, store| expire(store, key, LATEST.into(), ExpireOptions::new());
    pairs(&t, write, set).await?;
    expect_late(&t, true, "after a put that only extends and an expire").await
}

async fn a_read_shortens_nothing_that_is_set(t: Test) -> Check {
    for (batch, to) in [(false, LATEST.into()), (true, LATEST.into()), (false, Expiry::Never)] {
        put_all(&t, "v").await?;
        let read = |_, key: Key, store: Arc<dyn TtlStore>| async move {
            let options = GetOptions::new().with_refresh(Refresh::extend_only(LATER));
            if batch {
                Ok(store.get_many(&[key], options).await.into_iter().collect::<Result<Vec<_>, _>>()?.len())
            } else {
                Ok(store.get(&key, options).await.map(|entry| entry.iter().count())?)
            }
        };
        pairs(&t, read, |_, key, store| expire(store, key, to, ExpireOptions::new())).await?;
        expect_late(&t, true, "after a read that only extends and an expire").await?;
    }
    Ok(())
}

async fn a_patch_shortens_nothing_that_is_set(t: Test) -> Check {
    for key in names() {
        t.put(&key, Record::new().with("n", 1), PutOptions::new(LONG)).await?;
    }
    let patch = |_, key: Key, store: Arc<dyn TtlStore>| async move {
        let options = PatchOptions::new().with_refresh(Refresh::extend_only(LATER));
        Ok(store.patch(&key, &Patch::new().increment("n", 1), options).await?.is_applied())
    };
    let set = |_, key, store| expire(store, key, LATEST.into(), ExpireOptions::new());
    pairs(&t, patch, set).await?;
    expect_late(&t, true, "after a patch that only extends and an expire").await
}

async fn a_refresh_in_a_batch_leaves_what_is_put(t: Test) -> Check {
    put_all(&t, "old").await?;
    let read = |_, key: Key, store: Arc<dyn TtlStore>| async move {
        let options = GetOptions::new().with_refresh(Refresh::extend_only(LATEST));
        let mut results = store.get_many(&[key], options).await;
        let entry = results.pop().ok_or_else(|| Failure::new("a result", "none"))??;
        Ok(entry.and_then(|entry| entry.value))
    };
    let answers = pairs(&t, read, |_, key, store| put(store, key, "new", PutOptions::new(LONG))).await?;
    let limit = Deadline::after(t.store.now(), LATE);
    for (n, ((read, _), entry)) in answers.into_iter().zip(look(&t).await?).enumerate() {
        let entry = entry.ok_or_else(|| Failure::new("a live entry", "a miss"))?;
        ensure_eq!(entry.value, Some("new".into()), "the value of key {n}");
        let moved = entry.deadline.is_none_or(|deadline| deadline > limit);
        // A read of the new value may move its deadline.
        let saw_the_old_one = read == Some("old".into());
        ensure!(!(saw_the_old_one && moved), format!("the new deadline of key {n}"), "{:?}", entry.deadline);
    }
    Ok(())
}
