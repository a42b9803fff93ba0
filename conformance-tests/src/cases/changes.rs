//! Changes: each one is reported, whichever process makes it, and no stream disturbs another.

use std::sync::OnceLock;

use futures_util::future::{join, join_all, try_join};
use ttl_core::options::{GetOptions, PutOptions, Refresh};
use ttl_core::{Key, Value, Version};

use super::reports::Reports;
use super::support::LATER;
use super::under_faults::{Write, old};
use crate::test::{LONG, applied, key};
use crate::{Check, Failure, Test, case_table, ensure, ensure_kind};

/// The number of attempts to see reports without a gap, which a busy machine can cause.
const ATTEMPTS: usize = 5;

/// Concurrent writers, and the number of writes of each.
const WRITERS: usize = 16;
const WRITES: usize = 40;

case_table! {
    /// N1, H1: A put of a new entry by another handle is reported.
    a_creation_is_reported: needs(changes) = |t| reported(t, &[Write::Create, Write::IfAbsent]),
    /// N1: A put that replaces an entry is reported.
    an_overwrite_is_reported: needs(changes) = |t| reported(t, &[Write::Overwrite, Write::IfVersion]),
    /// N1: A patch is reported.
    a_patch_is_reported: needs(changes, patch) = |t| reported(t, &PATCHES),
    /// N1: An expire call that moves the deadline is reported.
    a_moved_deadline_is_reported: needs(changes) = |t| reported(t, &[Write::Expire]),
    /// N1: A refresh of a read is reported, alone and in a batch.
    a_refresh_is_reported: needs(changes),
    /// N1: A delete and a take are reported.
    a_delete_is_reported: needs(changes) = |t| reported(t, &[Write::Delete, Write::Take]),
    /// N1, B1: Each key of a batch is reported.
    each_key_of_a_batch_is_reported: needs(changes) = |t| reported(t, &[Write::PutMany, Write::DeleteMany]),
    /// N1: A write by the handle that subscribed is reported too.
    a_write_of_ones_own_is_reported: needs(changes),
    /// N1: None of the changes of many concurrent writers is lost.
    no_change_of_many_is_lost: needs(changes),
    /// N1: A copy that is read again at each report ends with the last value.
    a_report_follows_its_change: needs(changes),
    /// N3: Every stream of every handle reports every change.
    every_stream_reports: needs(changes),
    /// N3: A stream that is dropped ends no other one.
    a_dropped_stream_ends_no_other: needs(changes),
    /// H1: On a store without changes, the call fails with `Unsupported`, and the error names the backend.
    denied_changes_are_unsupported: needs(no_changes),
}

const PATCHES: [Write; 4] = [Write::Increment, Write::Append, Write::SetField, Write::PatchThatCreates];

/// Makes each of these writes that the store offers with the other handle.
async fn reported(t: Test, writes: &'static [Write]) -> Check {
    for write in writes.iter().filter(|write| write.is_offered(&t.capabilities())) {
        without_gaps(&format!("{write:?}"), |attempt| write_once(&t, *write, attempt)).await?;
    }
    Ok(())
}

/// Repeats an attempt until no gap disturbs it.
async fn without_gaps<F: Future<Output = Check<bool>>>(about: &str, attempt: impl Fn(usize) -> F) -> Check {
    for number in 0..ATTEMPTS {
        if attempt(number).await? {
            return Ok(());
        }
    }
    Err(Failure::new(format!("{about}: a report of its keys"), format!("a gap, {ATTEMPTS} times")))
}

async fn write_once(t: &Test, write: Write, attempt: usize) -> Check<bool> {
    let name = |number| key(&format!("{write:?}-{attempt}-{number}"));
    let keys: Vec<Key> = (0..write.count()).map(name).collect();
    if !write.creates() {
        put_all(t, &keys).await?;
    }
    let version = match write {
        Write::IfVersion => t.version(&keys[0]).await?,
        _ => Version::random(),
    };
    let mut reports = Reports::of(t, &*t.store).await?;
    for answer in write.call(&*t.second, &keys, version, t.instant(LONG)).await {
        applied(answer?)?;
    }
    reports.name_all(&keys, &format!("{write:?}")).await
}

async fn put_all(t: &Test, keys: &[Key]) -> Check {
    for key in keys {
        applied(t.second.put(key, old(), PutOptions::new(LONG)).await?)?;
    }
    Ok(())
}

async fn a_refresh_is_reported(t: Test) -> Check {
    without_gaps("a refresh", |attempt| refresh_once(&t, attempt)).await
}

async fn refresh_once(t: &Test, attempt: usize) -> Check<bool> {
    let keys = ["one", "two", "three"].map(|name| key(&format!("{name}-{attempt}")));
    put_all(t, &keys).await?;
    let refresh = GetOptions::new().with_refresh(Refresh::extend_only(LATER));
    let mut reports = Reports::of(t, &*t.store).await?;
    ensure!(t.second.get(&keys[0], refresh.clone()).await?.is_some(), "a live entry", "a miss");
    for entry in t.second.get_many(&keys[1..], refresh).await {
        ensure!(entry?.is_some(), "a live entry", "a miss");
    }
    reports.name_all(&keys, "a refresh").await
}

async fn a_write_of_ones_own_is_reported(t: Test) -> Check {
    without_gaps("a put", |attempt| own_once(&t, attempt)).await
}

async fn own_once(t: &Test, attempt: usize) -> Check<bool> {
    let keys = [key(&format!("k{attempt}"))];
    let mut reports = Reports::of(t, &*t.store).await?;
    t.put(&keys[0], "v", PutOptions::new(LONG)).await?;
    reports.name_all(&keys, "a put").await
}

async fn no_change_of_many_is_lost(t: Test) -> Check {
    without_gaps("concurrent writers", |attempt| many_once(&t, attempt)).await
}

async fn many_once(t: &Test, attempt: usize) -> Check<bool> {
    let keys_of = |writer: usize| -> Vec<Key> {
        (0..WRITES).map(|number| key(&format!("{attempt}-{writer}-{number}"))).collect()
    };
    let keys: Vec<Key> = (0..WRITERS).flat_map(keys_of).collect();
    let mut reports = Reports::of(t, &*t.store).await?;
    let writers = (0..WRITERS).map(|writer| {
        let (store, keys) = (t.racing(writer), keys_of(writer));
        async move {
            for key in &keys {
                applied(store.put(key, "v".into(), PutOptions::new(LONG)).await?)?;
            }
            Ok(())
        }
    });
    let (written, seen) = join(join_all(writers), reports.name_all(&keys, "concurrent writers")).await;
    written.into_iter().collect::<Check>()?;
    seen
}

async fn a_report_follows_its_change(t: Test) -> Check {
    let (key, last) = (key("k"), OnceLock::new());
    let mut reports = Reports::of(&t, &*t.store).await?;
    let write = async {
        for number in 0..WRITES {
            applied(t.second.put(&key, format!("{number}").into(), PutOptions::new(LONG)).await?)?;
            tokio::task::yield_now().await;
        }
        let _ = last.set(Value::from("last"));
        applied(t.second.put(&key, "last".into(), PutOptions::new(LONG)).await?)
    };
    let copy = reports.copy(&*t.store, &key, &last, "the last put");
    try_join(write, copy).await.map(|_| ())
}

async fn every_stream_reports(t: Test) -> Check {
    without_gaps("four streams", |attempt| streams_once(&t, attempt)).await
}

async fn streams_once(t: &Test, attempt: usize) -> Check<bool> {
    let keys = [key(&format!("k{attempt}"))];
    let mut streams = Vec::new();
    for store in [&t.store, &t.store, &t.second, &t.second] {
        streams.push(Reports::of(t, &**store).await?);
    }
    t.put(&keys[0], "v", PutOptions::new(LONG)).await?;
    all_name(&mut streams, &keys).await
}

async fn a_dropped_stream_ends_no_other(t: Test) -> Check {
    without_gaps("two of three streams", |attempt| drop_once(&t, attempt)).await
}

async fn drop_once(t: &Test, attempt: usize) -> Check<bool> {
    let mut streams = Vec::new();
    for _ in 0..3 {
        streams.push(Reports::of(t, &*t.store).await?);
    }
    for round in 0..2 {
        let keys = [key(&format!("k{attempt}-{round}"))];
        applied(t.second.put(&keys[0], "v".into(), PutOptions::new(LONG)).await?)?;
        if !all_name(&mut streams, &keys).await? {
            return Ok(false);
        }
        drop(streams.remove(0));
    }
    Ok(true)
}

/// Returns whether each stream reports the keys without a gap.
async fn all_name(streams: &mut [Reports], keys: &[Key]) -> Check<bool> {
    let mut all = true;
    for (number, stream) in streams.iter_mut().enumerate() {
        all &= stream.name_all(keys, &format!("stream {number}")).await?;
    }
    Ok(all)
}

async fn denied_changes_are_unsupported(t: Test) -> Check {
    let Err(error) = t.store.changes().await else { return Err(Failure::new("Unsupported", "a stream")) };
    ensure_kind!(Err::<(), _>(error.clone()), Unsupported, "the changes");
    ensure!(error.backend() == Some(t.capabilities().backend), "an error that names the backend", "{error}");
    ensure!(!error.is_retryable(), "an error that is not retryable", "{error}");
    Ok(())
}
