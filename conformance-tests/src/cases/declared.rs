//! Declared capabilities work, and `now` is the time of deadlines. See `honesty` for denied capabilities.

use std::time::Duration;

use ttl_core::options::{
    Condition, Create, DeleteOptions, ExpireOptions, ExpiryChange, PatchOptions, PutItem, PutOptions,
    Returning, ScanOptions,
};
use ttl_core::{Expiry, Lifespan, Patch};

use super::support::{LATER, SOONER, ensure_ahead, reported};
use crate::test::{LONG, SHORT, applied, key, record};
use crate::{Check, Test, case_table, ensure, ensure_eq, ensure_kind};

case_table! {
    /// H1: The declared resolution is one millisecond or more.
    a_resolution_is_whole,
    /// H1: The space of expired entries is reclaimed within the declared time, without any traffic.
    expired_entries_are_reclaimed: needs(reclaims),
    /// H1: Declared conditions work on every operation that accepts them.
    declared_conditions_work: needs(conditions),
    /// H1: Declared patches work.
    declared_patches_work: needs(patch),
    /// H1: Declared caps work.
    declared_caps_work: needs(caps),
    /// H1: Declared scans work.
    declared_scans_work: needs(scan),
    /// H1, B1: Denied conditions fail with `Unsupported` in batches too, and nothing changes.
    denied_conditions_are_unsupported_in_batches: needs(no_conditions),
    /// H1, B1: Denied caps fail with `Unsupported` in batches too, and nothing changes.
    denied_caps_are_unsupported_in_batches: needs(no_caps),
    /// H1: `now` is the time by which deadlines are set.
    now_is_the_time_of_the_deadlines,
    /// H1: Two handles on one store return the same time.
    handles_tell_the_same_time,
}

async fn a_resolution_is_whole(t: Test) -> Check {
    let (finest, coarsest) = (Duration::from_millis(1), Duration::from_secs(60));
    let resolution = t.capabilities().resolution;
    ensure!(
        (finest..=coarsest).contains(&resolution),
        "a resolution from 1 ms to a minute",
        "{resolution:?}"
    );
    Ok(())
}

async fn expired_entries_are_reclaimed(t: Test) -> Check {
    let within = t.capabilities().reclaims_within.unwrap_or_default();
    for n in 0..20 {
        t.put(&key(&format!("short-{n}")), "v", PutOptions::new(SHORT)).await?;
    }
    t.put(&key("long"), "v", PutOptions::new(LONG)).await?;
    t.outlive(SHORT).await;
    t.pass(within).await;
    // A busy machine may need more time.
    for _ in 0..500 {
        if t.count_stored().await? == 1 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    ensure_eq!(t.count_stored().await?, 1, "the number of stored entries");
    Ok(())
}

async fn declared_conditions_work(t: Test) -> Check {
    let create = PutOptions::new(LONG).with_condition(Condition::IfAbsent).with_returning(Returning::VERSION);
    let meta = applied(t.store.put(&key("k"), "one".into(), create).await?)?;
    let swap = PutOptions::new(LONG).with_condition(Condition::IfVersion(reported(meta.version)?));
    let meta = applied(t.store.put(&key("k"), "two".into(), swap.with_returning(Returning::VERSION)).await?)?;
    let version = reported(meta.version)?;
    let expire = ExpireOptions::new().with_if_version(version);
    applied(t.store.expire(&key("k"), ExpiryChange::Set(Expiry::After(LATER)), expire).await?)?;
    applied(t.store.delete(&key("k"), DeleteOptions::new().with_if_version(version)).await?)?;
    Ok(())
}

async fn declared_patches_work(t: Test) -> Check {
    let options = PatchOptions::new().with_create(Create::new(LONG));
    let outcome = applied(t.store.patch(&key("k"), &Patch::new().increment("n", 1), options).await?)?;
    ensure!(outcome.created, "a creation", "{:?}", outcome);
    Ok(())
}

async fn declared_caps_work(t: Test) -> Check {
    let started = t.store.now();
    t.put(&key("k"), "v", PutOptions::new(Lifespan::new(LATER).with_max_lifetime(LONG))).await?;
    ensure_ahead(&t, t.deadline(&key("k")).await?, started, LONG, "the cap")
}

async fn declared_scans_work(t: Test) -> Check {
    t.put(&key("k"), "v", PutOptions::new(LONG)).await?;
    let page = t.store.scan(ScanOptions::new("")).await?;
    ensure_eq!(page.items.len(), 1, "the number of entries");
    Ok(())
}

async fn denied_conditions_are_unsupported_in_batches(t: Test) -> Check {
    t.put(&key("k"), record(), PutOptions::new(LONG)).await?;
    let before = t.state(&key("k")).await?;
    let options = PutOptions::new(SOONER).with_condition(Condition::IfPresent);
    let items =
        vec![PutItem::new(key("k"), "v", options), PutItem::new(key("plain"), "v", PutOptions::new(LONG))];
    let put = t.store.put_many(items).await;
    ensure_kind!(&put[0], Unsupported, "a put with a condition");
    ensure!(put[1].is_ok(), "an applied plain put", "{:?}", put[1]);
    let options = DeleteOptions::new().with_if_version(before.version);
    let deleted = t.store.delete_many(&[key("k")], options).await;
    ensure_kind!(&deleted[0], Unsupported, "a delete with a version");
    ensure_eq!(t.state(&key("k")).await?, before, "the entry");
    Ok(())
}

async fn denied_caps_are_unsupported_in_batches(t: Test) -> Check {
    let capped = PutOptions::new(Lifespan::new(SOONER).with_max_lifetime(LONG));
    let items =
        vec![PutItem::new(key("k"), "v", capped), PutItem::new(key("plain"), "v", PutOptions::new(LONG))];
    let put = t.store.put_many(items).await;
    ensure_kind!(&put[0], Unsupported, "a put with a cap");
    ensure!(put[1].is_ok(), "an applied plain put", "{:?}", put[1]);
    t.expect_miss(&key("k"), "after the denied put").await
}

async fn now_is_the_time_of_the_deadlines(t: Test) -> Check {
    for n in 0..20 {
        let key = key(&format!("k{n}"));
        let started = t.store.now();
        t.put(&key, "v", PutOptions::new(LONG)).await?;
        ensure_ahead(&t, t.deadline(&key).await?, started, LONG, "a deadline")?;
        t.pass(Duration::from_millis(1)).await;
    }
    Ok(())
}

async fn handles_tell_the_same_time(t: Test) -> Check {
    let error = t.clock_error() * 2;
    let before = t.store.now();
    let other = t.second.now();
    let after = t.store.now();
    let same = before <= other + error && other <= after + error;
    ensure!(same, format!("a time from {before:?} to {after:?}"), "{other:?}");
    Ok(())
}
