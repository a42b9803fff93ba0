//! The limits of drivers and backends: many keys, large pages, long TTLs, fractions of a second.

use std::num::NonZeroUsize;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use ttl_core::options::{
    Create, DeleteOptions, ExistingDeadline, ExpiryChange, Fields, GetOptions, Guard, PatchOptions,
    Projection, PutItem, PutOptions, Refresh, Returning, ScanOptions,
};
use ttl_core::{Deadline, Effect, Expiry, Key, Lifespan, Patch, Record, Ttl, Value};

use super::support::{LATER, SOONER, fields, keys_of, reported, scan_all};
use crate::test::{LONG, applied, key, record};
use crate::{Check, Failure, Test, case_table, ensure, ensure_eq};

/// More keys than any backend takes in one request, counted in parameters, items or rows.
const MANY: usize = 1_100;

/// A TTL that a case waits for, long enough for a call before it ends.
const SOON: Ttl = Ttl::millis(300);

/// A TTL beyond 32 bits of milliseconds, and beyond 30 days.
const FAR: Ttl = Ttl::days(60);

fn names(count: usize) -> Vec<Key> {
    (0..count).map(|n| key(&format!("k{n:05}"))).collect()
}

async fn put_all(t: &Test, keys: &[Key]) -> Check {
    let items =
        keys.iter().map(|key| PutItem::new(key.clone(), key.as_str().to_owned(), PutOptions::new(LONG)));
    for result in t.store.put_many(items.collect()).await {
        applied(result?)?;
    }
    Ok(())
}

fn pages_of(prefix: &str, limit: usize) -> ScanOptions {
    ScanOptions::new(prefix).with_limit(NonZeroUsize::new(limit).unwrap_or(NonZeroUsize::MIN))
}

/// Returns the options of a read that refreshes to [`LONG`].
fn refreshing(projection: Projection) -> GetOptions {
    GetOptions::new().with_projection(projection).with_refresh(Refresh::extend_only(LONG))
}

/// Fails unless a record with a TTL of [`SOON`], refreshed by this read, outlives its first deadline.
async fn outlives<F>(t: &Test, about: &str, refresh: impl Fn(Key) -> F) -> Check
where
    F: Future<Output = Check<bool>>,
{
    for attempt in 0..20 {
        let key = key(&format!("{about}{attempt}"));
        t.put(&key, record(), PutOptions::new(SOON)).await?;
        // On a slow store the entry may expire before its refresh.
        if refresh(key.clone()).await? {
            t.outlive(SOON).await;
            return t.expect_value(&key, record(), &format!("the entry refreshed by {about}")).await;
        }
    }
    Err(Failure::new(
        format!("an entry of {SOON} that is refreshed by {about}"),
        "20 entries that expired before",
    ))
}

case_table! {
    /// B2, S1: A batch of 1,100 keys can be put, read and deleted. Scans list these keys on full pages.
    eleven_hundred_keys_are_a_batch,
    /// B1: Writes of one key that are far apart in a batch are applied in order.
    writes_of_one_key_far_apart_apply_in_order,
    /// S1, E3: The first page lists a live entry behind more than a thousand ghosts.
    a_live_entry_behind_many_ghosts_is_listed: needs(scan),
    /// S1: A scan accepts every limit, up to the largest number.
    every_limit_works: needs(scan),
    /// S1: A large page lists each entry with its own version and deadline.
    a_large_page_tells_each_version: needs(scan),
    /// S1, S2: A prefix lists keys that continue with any character, including the last of Unicode.
    a_prefix_may_stand_before_any_character: needs(scan),
    /// E7, R1: An entry that was refreshed by a partial read outlives its first deadline, in the backend
    /// too.
    a_partial_refresh_moves_the_backends_expiry_too,
    /// R4: A put that keeps or refreshes the deadline of a capped entry does not start a new cap.
    a_put_that_keeps_or_refreshes_leaves_the_cap: needs(caps),
    /// R2, R4: The refresh of a batch never shortens a deadline and never passes the cap.
    a_batch_refreshes_as_a_get_does,
    /// E2, R1: Every operation can set a deadline 60 days ahead.
    sixty_days_are_set_by_every_operation,
    /// E2: A deadline many days ahead is exact to the millisecond.
    a_deadline_many_days_ahead_is_exact: needs(exact_deadlines),
    /// X2: Guards compare deadlines to the millisecond.
    guards_compare_milliseconds: needs(exact_deadlines),
    /// R5: A slack of less than a second has an effect.
    a_slack_below_a_second_counts: needs(manual_clock, exact_deadlines),
    /// R1, P1: A patch without operations refreshes.
    an_empty_patch_refreshes: needs(patch),
    /// H1, C2: A patch that changes nothing creates a new version, like every write.
    a_patch_that_changes_nothing_makes_a_version: needs(patch, unique_versions),
    /// P5, P3: All of many equal elements are removed and counted.
    many_equal_elements_are_removed: needs(patch),
}

async fn eleven_hundred_keys_are_a_batch(t: Test) -> Check {
    let keys = names(MANY);
    put_all(&t, &keys).await?;
    let read = t.store.get_many(&keys, GetOptions::new()).await;
    ensure_eq!(read.len(), MANY, "the number of results");
    for (n, result) in read.into_iter().enumerate() {
        let seen = result?.and_then(|entry| entry.value);
        ensure!(
            seen == Some(Value::from(keys[n].as_str().to_owned())),
            format!("the value of key {n}"),
            "{seen:?}"
        );
    }
    if t.capabilities().scan {
        let page = t.store.scan(pages_of("k", MANY - 10)).await?;
        ensure_eq!(page.items.len(), MANY - 10, "the number of entries on the first page");
        ensure_eq!(scan_all(&t, pages_of("k", MANY)).await?.len(), MANY, "the number of entries");
    }
    let deleted = t.store.delete_many(&keys, DeleteOptions::new()).await;
    ensure_eq!(deleted.len(), MANY, "the number of results");
    for result in deleted {
        applied(result?)?;
    }
    let left = t.store.get_many(&keys, GetOptions::nothing()).await;
    let left: Vec<_> = left.into_iter().collect::<Result<_, _>>()?;
    ensure_eq!(left.iter().flatten().count(), 0, "the number of entries after the deletes");
    Ok(())
}

async fn writes_of_one_key_far_apart_apply_in_order(t: Test) -> Check {
    let mut keys = names(300);
    for at in [0, 150, 299] {
        keys[at] = key("one");
    }
    let item = |(n, key): (usize, &Key)| PutItem::new(key.clone(), format!("{n}"), PutOptions::new(LONG));
    let results = t.store.put_many(keys.iter().enumerate().map(item).collect()).await;
    ensure_eq!(results.len(), 300, "the number of results");
    let created = |at: usize| Ok::<_, Failure>(applied(results[at].clone()?)?.created);
    ensure_eq!(
        [created(0)?, created(150)?, created(299)?],
        [true, false, false],
        "the puts that created an entry"
    );
    t.expect_value(&key("one"), "299", "the value of the last put").await?;
    let results = t.store.delete_many(&keys, DeleteOptions::new()).await;
    ensure_eq!(results.len(), 300, "the number of results");
    let applied = |at: usize| Ok::<_, Failure>(results[at].clone()?.is_applied());
    ensure_eq!(
        [applied(0)?, applied(150)?, applied(299)?],
        [true, false, false],
        "the deletes that were applied"
    );
    Ok(())
}

async fn a_live_entry_behind_many_ghosts_is_listed(t: Test) -> Check {
    let test = &t;
    let plant = move |key: Key| async move { test.ghost(&key, "dead").await };
    stream::iter(names(1_050)).map(plant).buffer_unordered(128).try_collect::<()>().await?;
    put_all(&t, &["k5", "k6", "k7"].map(key)).await?;
    for limit in [1, 2, 10] {
        ensure_eq!(
            keys_of(&t, pages_of("k", limit)).await?,
            ["k5", "k6", "k7"],
            "the keys in pages of {limit}"
        );
    }
    Ok(())
}

async fn every_limit_works(t: Test) -> Check {
    put_all(&t, &names(5)).await?;
    for limit in [255, 65_535, 65_536, i32::MAX as usize, u32::MAX as usize, isize::MAX as usize, usize::MAX]
    {
        let page = t.store.scan(pages_of("k", limit)).await?;
        let last = page.next.is_none();
        ensure!(
            page.items.len() == 5 && last,
            format!("one page of 5 with a limit of {limit}"),
            "{}",
            page.items.len()
        );
    }
    Ok(())
}

async fn a_large_page_tells_each_version(t: Test) -> Check {
    let keys = names(120);
    let returning = Returning::DEADLINE | Returning::VERSION;
    let options = PutOptions::new(LONG).with_returning(returning);
    let items = keys.iter().map(|key| PutItem::new(key.clone(), key.as_str().to_owned(), options.clone()));
    let mut expected = Vec::new();
    for (key, result) in keys.iter().zip(t.store.put_many(items.collect()).await) {
        let meta = applied(result?)?;
        expected.push((key.clone(), meta.version, meta.deadline));
    }
    let seen = scan_all(&t, pages_of("k", 100).with_returning(returning)).await?;
    let mut seen: Vec<_> =
        seen.into_iter().map(|(key, entry)| (key, entry.version, entry.deadline)).collect();
    seen.sort_by(|(one, ..), (other, ..)| one.cmp(other));
    ensure_eq!(seen, expected, "keys, versions and deadlines");
    Ok(())
}

async fn a_prefix_may_stand_before_any_character(t: Test) -> Check {
    let mut expected = [
        "p",
        "p\u{1}",
        "p~",
        "p\u{7f}",
        "p\u{e9}",
        "p\u{ffff}x",
        "p\u{1f511}",
        "p\u{10ffff}",
        "p\u{10ffff}z",
    ];
    put_all(&t, &expected.map(key)).await?;
    put_all(&t, &["o\u{10ffff}", "q", "P", "\u{10ffff}p"].map(key)).await?;
    expected.sort_unstable();
    ensure_eq!(keys_of(&t, ScanOptions::new("p")).await?, expected, "the keys with the prefix \"p\"");
    ensure_eq!(
        keys_of(&t, ScanOptions::new("p\u{10ffff}")).await?,
        expected[7..],
        "the keys with a prefix that ends with the last character"
    );
    Ok(())
}

async fn a_partial_refresh_moves_the_backends_expiry_too(t: Test) -> Check {
    let some = Projection::Fields(Fields::new(["n"])?);
    for (about, projection) in
        [("a read of fields", some.clone()), ("a read of nothing", Projection::Nothing)]
    {
        outlives(&t, about, |key| {
            let (store, options) = (&t.store, refreshing(projection.clone()));
            async move { Ok(store.get(&key, options).await?.is_some()) }
        })
        .await?;
    }
    for (about, projection) in [
        ("a batch", Projection::All),
        ("a batch of fields", some),
        ("a batch of nothing", Projection::Nothing),
    ] {
        outlives(&t, about, |key| {
            let (store, options) = (&t.store, refreshing(projection.clone()));
            async move {
                let hits =
                    store.get_many(&[key], options).await.into_iter().collect::<Result<Vec<_>, _>>()?;
                Ok(hits.into_iter().flatten().count() == 1)
            }
        })
        .await?;
    }
    Ok(())
}

async fn a_put_that_keeps_or_refreshes_leaves_the_cap(t: Test) -> Check {
    for existing_deadline in [
        ExistingDeadline::Keep,
        ExistingDeadline::Refresh(Refresh::extend_only(LATER)),
        ExistingDeadline::Refresh(Refresh::reset(LATER)),
    ] {
        t.put(&key("k"), "v", PutOptions::new(Lifespan::new(SOONER).with_max_lifetime(LONG))).await?;
        let far = ExpiryChange::Set(Expiry::After(LATER));
        let cap = t.expire(&key("k"), far, Guard::Always).await?.deadline;
        t.pass(Duration::from_millis(20)).await;
        let again = PutOptions::new(Lifespan::new(SOONER).with_max_lifetime(LATER))
            .with_existing_deadline(existing_deadline);
        t.put(&key("k"), "w", again).await?;
        let end = t.expire(&key("k"), far, Guard::Always).await?.deadline;
        ensure_eq!(end, cap, "the cap after a put with {existing_deadline:?}");
        t.delete(&key("k")).await?;
    }
    Ok(())
}

async fn a_batch_refreshes_as_a_get_does(t: Test) -> Check {
    let extend = |ttl| GetOptions::new().with_refresh(Refresh::extend_only(ttl));
    t.put(&key("k"), "v", PutOptions::new(LATER)).await?;
    let before = t.deadline(&key("k")).await?;
    let read = t.store.get_many(&[key("k"), key("k")], extend(LONG)).await;
    ensure_eq!(read.len(), 2, "how many results");
    ensure_eq!(t.deadline(&key("k")).await?, before, "the deadline after a refresh to an earlier one");
    if t.capabilities().caps {
        t.put(&key("c"), "v", PutOptions::new(Lifespan::new(SOONER).with_max_lifetime(LONG))).await?;
        let _ = t.store.get_many(&[key("c"), key("k")], extend(LATER)).await;
        let cap = t.expire(&key("c"), ExpiryChange::Extend(LATER), Guard::Always).await?.deadline;
        ensure!(cap < before, format!("a cap before {before:?}"), "{cap:?}");
    }
    Ok(())
}

async fn sixty_days_are_set_by_every_operation(t: Test) -> Check {
    let refresh = Refresh::extend_only(FAR);
    for operation in ["put", "get", "get_many", "keep", "patch", "create"] {
        if matches!(operation, "patch" | "create") && !t.capabilities().patch {
            continue;
        }
        let key = key(operation);
        if !matches!(operation, "put" | "create") {
            t.put(&key, record(), PutOptions::new(LONG)).await?;
        }
        let change = Patch::new().increment("n", 1);
        let call = async {
            match operation {
                "put" => t.put(&key, record(), PutOptions::new(FAR)).await?,
                "get" => _ = t.store.get(&key, GetOptions::new().with_refresh(refresh)).await?,
                "get_many" => {
                    let options = GetOptions::new().with_refresh(refresh);
                    for result in t.store.get_many(std::slice::from_ref(&key), options).await {
                        result?;
                    }
                }
                "keep" => {
                    let options =
                        PutOptions::new(LONG).with_existing_deadline(ExistingDeadline::Refresh(refresh));
                    t.put(&key, record(), options).await?;
                }
                "patch" => {
                    applied(t.store.patch(&key, &change, PatchOptions::new().with_refresh(refresh)).await?)?;
                }
                _ => {
                    let options = PatchOptions::new().with_create(Create::new(FAR));
                    applied(t.store.patch(&key, &change, options).await?)?;
                }
            }
            Check::Ok(())
        };
        let (done, span) = t.span(call).await;
        done?;
        span.check(t.deadline(&key).await?, FAR, &format!("the deadline after {operation}"))?;
    }
    Ok(())
}

async fn a_deadline_many_days_ahead_is_exact(t: Test) -> Check {
    for days in [2, 40, 400] {
        for millis in [1, 499, 999] {
            let instant = t.instant(Ttl::days(days)) + Duration::from_millis(millis);
            t.put(&key("k"), "v", PutOptions::new(Expiry::At(instant))).await?;
            ensure_eq!(t.deadline(&key("k")).await?, Deadline::at(instant), "a deadline {days} days ahead");
        }
        let ttl = Ttl::millis(days * 86_400_000 + 1);
        let (put, span) = t.span(t.put(&key("k"), "v", PutOptions::new(ttl))).await;
        put?;
        span.check(t.deadline(&key("k")).await?, ttl, "a deadline some days and a millisecond ahead")?;
    }
    Ok(())
}

async fn guards_compare_milliseconds(t: Test) -> Check {
    let whole = t.deadline_of_a_second();
    for (guard, by, changed) in [
        (Guard::IfLater, -1, false),
        (Guard::IfLater, 1, true),
        (Guard::IfSooner, 1, false),
        (Guard::IfSooner, -1, true),
    ] {
        t.put(&key("k"), "v", PutOptions::new(Expiry::from(whole))).await?;
        let to = Deadline::from_epoch_millis(whole.as_epoch_millis().saturating_add_signed(by));
        let done = t.expire(&key("k"), ExpiryChange::Set(Expiry::from(to)), guard).await?;
        let expected = if changed { to } else { whole };
        ensure_eq!((done.changed, done.deadline), (changed, expected), "{guard:?} with {by} ms");
    }
    Ok(())
}

async fn a_slack_below_a_second_counts(t: Test) -> Check {
    t.put(&key("k"), "v", PutOptions::new(LONG)).await?;
    let first = t.deadline(&key("k")).await?;
    let slack = Refresh::extend_only(LONG).with_slack(Ttl::millis(500));
    for (passes, moves) in [(200, false), (299, false), (1, true)] {
        t.pass(Duration::from_millis(passes)).await;
        t.store.get(&key("k"), GetOptions::new().with_refresh(slack)).await?;
        ensure_eq!(
            t.deadline(&key("k")).await? != first,
            moves,
            "whether the deadline moved after {passes} ms more"
        );
    }
    Ok(())
}

async fn an_empty_patch_refreshes(t: Test) -> Check {
    t.put(&key("k"), record(), PutOptions::new(LONG)).await?;
    let options = PatchOptions::new().with_refresh(Refresh::extend_only(LATER));
    let (patched, span) = t.span(t.store.patch(&key("k"), &Patch::new(), options)).await;
    applied(patched?)?;
    span.check(t.deadline(&key("k")).await?, LATER, "the deadline")?;
    ensure_eq!(fields(&t, &key("k")).await?, serde_json::json!({ "n": 1 }), "the record");
    Ok(())
}

async fn a_patch_that_changes_nothing_makes_a_version(t: Test) -> Check {
    let first = t.put_version(&key("k"), record(), PutOptions::new(LONG)).await?;
    let change = Patch::new().unset("missing");
    let done = applied(
        t.store.patch(&key("k"), &change, PatchOptions::new().with_returning(Returning::VERSION)).await?,
    )?;
    ensure!(reported(done.version)? != first, "a new version", "the same version");
    ensure!(t.version(&key("k")).await? != first, "a new version", "the same version");
    Ok(())
}

async fn many_equal_elements_are_removed(t: Test) -> Check {
    let list: Vec<u32> = (0..400).map(|n| if n % 4 == 0 { n } else { 1_000 }).collect();
    t.put(&key("k"), Record::new().with("list", &list), PutOptions::new(LONG)).await?;
    let done = applied(
        t.store.patch(&key("k"), &Patch::new().remove_value("list", 1_000), PatchOptions::new()).await?,
    )?;
    ensure_eq!(done.effects, [Effect::Removed(300)], "the number of removed elements");
    let left: Vec<u32> = (0..400).step_by(4).collect();
    ensure_eq!(fields(&t, &key("k")).await?, serde_json::json!({ "list": left }), "the remaining elements");
    Ok(())
}

impl Test {
    /// Returns a deadline far ahead, in the middle of a second.
    fn deadline_of_a_second(&self) -> Deadline {
        let far = Deadline::after(self.store.now(), LATER).as_epoch_millis();
        Deadline::from_epoch_millis(far - far % 1_000 + 500)
    }
}
