//! Races: no entry is revived, values stay with their deadlines, and refreshes leave the longest TTL.

use std::sync::LazyLock;
use std::time::Duration;

use serde_json::Value as Json;
use ttl_core::options::{
    Create, DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutOptions, Refresh,
    Returning,
};
use ttl_core::{Deadline, Expiry, Key, Lifespan, Patch, Record, Ttl, Value};

use super::support::{LATER, SOONER, ensure_ahead, whole};
use super::together::together;
use crate::test::{LONG, applied, key, record};
use crate::{Check, Failure, Test, case_table, ensure, ensure_eq};

/// The key of most races.
static K: LazyLock<Key> = LazyLock::new(|| key("k"));

case_table! {
    /// E4, P2: A counter is never visible without its deadline, even if other tasks keep deleting it.
    a_counter_and_its_deadline_are_set_together: needs(patch),
    /// R3, X4: A concurrent expire and delete leave no entry, in either order.
    expire_does_not_undo_a_delete,
    /// R3, P2: Concurrent patches and a delete leave no entry, in any order.
    patches_do_not_undo_a_delete: needs(patch),
    /// E4: On every path, readers see the value of a put together with the deadline of that put.
    values_are_seen_with_their_own_deadlines,
    /// R4: Concurrent refreshes reach the cap and never pass it.
    concurrent_refreshes_stop_at_the_cap: needs(caps),
    /// R2: Concurrent refreshes to shorter and longer TTLs leave the longest one.
    the_longest_of_concurrent_refreshes_stays: needs(conditions),
    /// H1: A write through one handle is visible at once through the other, on every path.
    two_handles_agree,
}

async fn a_counter_and_its_deadline_are_set_together(t: Test) -> Check {
    let started = t.store.now();
    let seen = together(&t, 12, |number, store| async move {
        let mut seen = Vec::new();
        for _ in 0..100 {
            match number % 3 {
                0 => {
                    let options = PatchOptions::new().with_create(Create::new(LONG));
                    let change = Patch::new().increment("n", 1);
                    applied(store.patch(&K, &change, options).await?)?;
                }
                1 => {
                    let _ = store.delete(&K, DeleteOptions::new()).await?;
                }
                _ => {
                    let whole = GetOptions::new().with_returning(Returning::DEADLINE);
                    seen.extend(store.get(&key("k"), whole).await?.and_then(|entry| entry.deadline));
                }
            }
        }
        Ok(seen)
    })
    .await?;
    for deadline in seen.concat() {
        ensure_ahead(&t, deadline, started, LONG, "a counter's deadline")?;
    }
    Ok(())
}

async fn expire_does_not_undo_a_delete(t: Test) -> Check {
    for round in 0..50 {
        let name = format!("k{round}");
        t.put(&key(&name), record(), PutOptions::new(LONG)).await?;
        together(&t, 8, |number, store| {
            let key = key(&name);
            async move {
                if number == 3 {
                    let _ = store.delete(&key, DeleteOptions::new()).await?;
                } else {
                    let to = if number % 4 == 1 { Expiry::Never } else { Expiry::After(LATER) };
                    let change = ExpiryChange::Set(to);
                    let _ = store.expire(&key, change, ExpireOptions::new()).await?;
                }
                Ok(())
            }
        })
        .await?;
        t.expect_miss(&key(&name), "the key after the delete").await?;
    }
    Ok(())
}

async fn patches_do_not_undo_a_delete(t: Test) -> Check {
    for round in 0..50 {
        let name = format!("k{round}");
        t.put(&key(&name), record(), PutOptions::new(LONG)).await?;
        together(&t, 8, |number, store| {
            let key = key(&name);
            async move {
                if number == 3 {
                    let _ = store.delete(&key, DeleteOptions::new()).await?;
                } else {
                    let options = PatchOptions::new().with_refresh(Refresh::extend_only(LATER));
                    let change = Patch::new().increment("n", 1).append("list", number);
                    let _ = store.patch(&key, &change, options).await?;
                }
                Ok(())
            }
        })
        .await?;
        t.expect_miss(&key(&name), "the key after the delete").await?;
    }
    Ok(())
}

async fn values_are_seen_with_their_own_deadlines(t: Test) -> Check {
    let base = t.instant(LONG);
    let instant = move |number: usize| base + Duration::from_secs(number as u64);
    t.put(&key("k"), Record::new().with("writer", 0), PutOptions::new(base)).await?;
    let seen = together(&t, 16, |number, store| async move {
        let mut seen = Vec::new();
        for round in 0..50 {
            if number < 8 {
                // Blobs and records alternate: the one may leave nothing under the other.
                let value = if round % 2 == 0 {
                    Value::from(format!("{number}"))
                } else {
                    Record::new().with("writer", number).into()
                };
                applied(store.put(&K, value, PutOptions::new(instant(number))).await?)?;
            } else if number < 12 {
                seen.push(store.get(&key("k"), GetOptions::new().with_returning(Returning::DEADLINE)).await?);
            } else {
                let options = GetOptions::new().with_returning(Returning::DEADLINE);
                seen.push(match store.get_many(&[key("k")], options).await.pop() {
                    Some(result) => result?,
                    None => None,
                });
            }
        }
        Ok(seen)
    })
    .await?;
    for entry in seen.concat() {
        let entry = entry.ok_or_else(|| Failure::new("an entry, which is never deleted", "a miss"))?;
        let (Some(value), Some(deadline)) = (entry.value, entry.deadline) else {
            return Err(Failure::new("both value and deadline", "only one of them"));
        };
        let writer = match &value {
            Value::Blob(bytes) => std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok()),
            Value::Record(record) => record.get("writer").and_then(Json::as_u64),
        };
        let writer = writer.ok_or_else(|| Failure::new("a writer's value", format!("{value:?}")))?;
        let own = instant(usize::try_from(writer).unwrap_or_default());
        t.expect_deadline(deadline, own, &format!("the deadline with the value of writer {writer}"))?;
    }
    Ok(())
}

async fn concurrent_refreshes_stop_at_the_cap(t: Test) -> Check {
    let lifespan = Lifespan::new(SOONER).with_max_lifetime(LONG);
    let started = t.store.now();
    t.put(&key("k"), record(), PutOptions::new(lifespan)).await?;
    let put = t.store.now();
    together(&t, 16, |number, store| async move {
        for round in 1..=20 {
            let ttl = Ttl::minutes(40 + number as u64 + round);
            let options = GetOptions::new().with_refresh(Refresh::extend_only(ttl));
            let entry = store.get(&key("k"), options).await?;
            ensure!(entry.is_some(), "a hit", "a miss");
        }
        Ok(())
    })
    .await?;
    let seen = t.deadline(&key("k")).await?;
    ensure_ahead(&t, seen, started, LONG, "the cap")?;
    let error = t.clock_error() + t.capabilities().resolution;
    let last = Deadline::after(put + error, LONG);
    ensure!(seen <= last, format!("no deadline after {last:?}"), "{seen:?}");
    Ok(())
}

async fn the_longest_of_concurrent_refreshes_stays(t: Test) -> Check {
    for round in 0..10 {
        let name = format!("k{round}");
        t.put(&key(&name), "v", PutOptions::new(SOONER)).await?;
        let started = t.store.now();
        together(&t, 32, |number, store| {
            let key = key(&name);
            async move {
                let ttl = Ttl::minutes(31 + (number as u64 * 7) % 32);
                let options = GetOptions::new().with_refresh(Refresh::extend_only(ttl));
                let entry = store.get(&key, options).await?;
                ensure!(
                    entry.is_some_and(|entry| entry.refresh_error.is_none()),
                    "a hit",
                    "a miss or no refresh"
                );
                Ok(())
            }
        })
        .await?;
        ensure_ahead(&t, t.deadline(&key(&name)).await?, started, Ttl::minutes(62), "the longest")?;
    }
    Ok(())
}

async fn two_handles_agree(t: Test) -> Check {
    for round in 0..25 {
        let (one, other) = if round % 2 == 0 { (&t.store, &t.second) } else { (&t.second, &t.store) };
        let value = if round % 3 == 0 {
            Value::from(format!("v{round}"))
        } else {
            Record::new().with("round", round).into()
        };
        applied(one.put(&key("k"), value.clone(), PutOptions::new(LONG)).await?)?;
        let seen = other.get(&key("k"), GetOptions::new()).await?.and_then(|entry| entry.value);
        ensure_eq!(seen, Some(value.clone()), "the value on the other handle");
        applied(other.expire(&key("k"), ExpiryChange::Extend(LONG), ExpireOptions::new()).await?)?;
        let here = whole(&t, &key("k")).await?.map(|(_, deadline)| deadline);
        let peek = GetOptions::nothing().with_returning(Returning::DEADLINE);
        let there = t.second.get(&key("k"), peek).await?.and_then(|entry| entry.deadline);
        ensure_eq!(there, here, "the deadline on both handles");
        applied(other.delete(&key("k"), DeleteOptions::new()).await?)?;
        let gone = one.get(&key("k"), GetOptions::new()).await?;
        ensure!(gone.is_none(), "a miss after the delete", "{gone:?}");
    }
    Ok(())
}
