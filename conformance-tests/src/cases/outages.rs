//! Unreachable servers: an outage is never a miss, and the same handle works again afterwards.

use std::time::Instant;

use futures_util::future::join_all;
use serde_json::Value as Json;
use ttl_core::options::{Create, GetOptions, PatchOptions, PutOptions};
use ttl_core::{Deadline, Entry, ErrorKind, Key, Patch, TtlStore, Value};

use super::trial::Trial;
use super::under_faults::{BATCH, PATIENCE, PAUSE, Read, ensure_outage, old, ready};
use crate::test::{LONG, applied, key};
use crate::{Check, Failure, Fault, Test, case_table, ensure, ensure_eq};

/// The first round uses the connections from before the fault, the second needs new ones.
const ROUNDS: usize = 2;

/// The number of concurrent callers.
const CALLERS: usize = 64;

/// One fault of each kind.
const FAULTS: [Fault; 5] = [
    Fault::Refuse,
    Fault::CutRequest { after: 0 },
    Fault::LoseAnswer { after: 0 },
    Fault::Stall,
    Fault::StallAnswers,
];

/// Fails unless the fault has affected a request since `before`; otherwise the case has tested nothing.
fn ensure_hit(t: &Test, before: usize) -> Check {
    if t.proxy()?.hits() == before {
        Err(Failure::inconclusive("the fault affected no request"))
    } else {
        Ok(())
    }
}

/// Puts entries whose keys begin with `name`, with the handle that bypasses the proxy.
async fn put_some(t: &Test, name: &str, count: usize) -> Check<Vec<Key>> {
    let keys: Vec<Key> = (0..count).map(|number| key(&format!("{name}-{number}"))).collect();
    for key in &keys {
        applied(t.second.put(key, old(), PutOptions::new(LONG)).await?)?;
    }
    Ok(keys)
}

/// Makes every read concurrently under this fault. Each must fail, and must work again afterwards.
async fn no_read_answers(t: &Test, fault: Fault) -> Check {
    let (proxy, store) = (t.proxy()?, t.bare());
    let keys = put_some(t, "k", BATCH).await?;
    ready(t, &*store).await?;
    let (store, keys) = (&*store, &*keys);
    let reads = Read::ALL.into_iter().filter(|read| read.is_offered(&t.capabilities()));
    let all = || {
        join_all(
            reads.clone().map(|read| async move { (read, read.call(store, &keys[..read.count()]).await) }),
        )
    };
    let before = proxy.hits();
    proxy.set(fault);
    for _ in 0..ROUNDS {
        for (read, results) in all().await {
            ensure_eq!(results.len(), read.count(), "the number of results of {read:?}");
            for result in results {
                match result {
                    Err(error) => ensure_outage(&error, &format!("{read:?}"))?,
                    Ok(seen) => {
                        return Err(Failure::new(
                            format!("{read:?}: Unavailable or Timeout"),
                            format!("{seen:?}"),
                        ));
                    }
                }
            }
        }
    }
    ensure_hit(t, before)?;
    proxy.heal();
    ready(t, store).await?;
    for read in reads.clone() {
        reads_again(store, read, &keys[..read.count()]).await?;
    }
    Ok(())
}

/// Reads until every entry is returned. After an outage a busy server may still be slow, but no read may
/// miss.
async fn reads_again(store: &dyn TtlStore, read: Read, keys: &[Key]) -> Check {
    let since = Instant::now();
    loop {
        let mut failed = None;
        for result in read.call(store, keys).await {
            match result {
                Ok(Some(_)) => {}
                Ok(None) => {
                    return Err(Failure::new(format!("{read:?}: the entry after the outage"), "a miss"));
                }
                Err(error) => failed = Some(error),
            }
        }
        let Some(error) = failed else { return Ok(()) };
        ensure_outage(&error, &format!("{read:?}"))?;
        ensure!(since.elapsed() < PATIENCE, format!("{read:?}: the entry within {PATIENCE:?}"), "{error:?}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Makes every write concurrently under this fault, which hides the outcome of each. Each must fail.
async fn no_write_answers(t: &Test, fault: Fault) -> Check {
    let (proxy, store) = (t.proxy()?, t.bare());
    let trials = Trial::all(t).await?;
    ready(t, &*store).await?;
    let before = proxy.hits();
    proxy.set(fault);
    for _ in 0..ROUNDS {
        let answers = join_all(trials.iter().map(|trial| trial.call(&*store))).await;
        for (trial, answers) in trials.iter().zip(answers) {
            for answer in answers? {
                let kind = answer.as_ref().err().map(ttl_core::Error::kind);
                let expected = [ErrorKind::Unavailable, ErrorKind::Timeout, ErrorKind::OutcomeUnknown];
                ensure!(
                    kind.is_some_and(|kind| expected.contains(&kind)),
                    format!("{:?}: Unavailable, Timeout or OutcomeUnknown", trial.write),
                    "{answer:?}"
                );
            }
        }
    }
    ensure_hit(t, before)?;
    proxy.heal();
    ready(t, &*store).await
}

/// Makes refreshing reads with this fault at their first request, then at their second, and so on.
async fn refreshes(t: &Test, fault: fn(usize) -> Fault) -> Check {
    /// More requests than any read makes.
    const MOST_REQUESTS: usize = 6;
    /// The fault may affect a request of something else.
    const ATTEMPTS: usize = 5;
    let (proxy, store) = (t.proxy()?, t.bare());
    for read in Read::REFRESHING {
        for after in 0..MOST_REQUESTS {
            let mut hit = false;
            for attempt in 0..ATTEMPTS {
                let keys = put_some(t, &format!("{read:?}-{after}-{attempt}"), read.count()).await?;
                ready(t, &*store).await?;
                let before = proxy.hits();
                proxy.set(fault(after));
                let results = read.call(&*store, &keys).await;
                hit = proxy.hits() > before;
                proxy.heal();
                ensure_eq!(results.len(), keys.len(), "the number of results of {read:?}");
                for (key, result) in keys.iter().zip(results) {
                    check_refresh(t, read, key, result).await?;
                }
                if hit || after > 0 {
                    break;
                }
            }
            if !hit && after == 0 {
                return Err(Failure::inconclusive(format!("the fault affected no request of {read:?}")));
            }
            if !hit {
                break;
            }
        }
    }
    Ok(())
}

async fn check_refresh(t: &Test, read: Read, key: &Key, result: ttl_core::Result<Option<Entry>>) -> Check {
    let there = whole(t, key).await?;
    ensure_eq!(there.0, old(), "the value after {read:?} with the result {result:?}");
    match result {
        Err(error) => ensure_outage(&error, &format!("{read:?}")),
        Ok(None) => Err(Failure::new(format!("{read:?}: the entry or an error"), "a miss")),
        Ok(Some(entry)) => {
            ensure!(entry.value.as_ref() == Some(&old()), format!("{read:?}: the value"), "{entry:?}");
            match &entry.refresh_error {
                None => ensure_eq!(
                    entry.deadline,
                    Some(there.1),
                    "{read:?}: the deadline of an entry without a refresh error"
                ),
                Some(error) => ensure!(
                    error.is_retryable() || error.kind() == ErrorKind::OutcomeUnknown,
                    format!("{read:?}: a refresh error that an outage can cause"),
                    "{error:?}"
                ),
            }
            Ok(())
        }
    }
}

/// Reads the value and the deadline with the handle that bypasses the proxy.
async fn whole(t: &Test, key: &Key) -> Check<(Value, Deadline)> {
    let options = GetOptions::new().with_returning(ttl_core::options::Returning::DEADLINE);
    match t.second.get(key, options).await? {
        Some(Entry { value: Some(value), deadline: Some(deadline), .. }) => Ok((value, deadline)),
        other => Err(Failure::new("a live entry with value and deadline", format!("{other:?}"))),
    }
}

/// The increments of one caller's own entry: how many were applied, and how many have an unknown outcome.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    sure: i64,
    unsure: i64,
}

/// Writes once and reads once. The read may not miss an entry whose write was acknowledged.
async fn call(t: &Test, store: &dyn TtlStore, key: &Key, count: &mut Count) -> Check<bool> {
    let written = if t.capabilities().patch {
        let create = PatchOptions::new().with_create(Create::new(LONG));
        store.patch(key, &Patch::new().increment("n", 1), create).await.map(|outcome| outcome.is_applied())
    } else {
        store.put(key, old(), PutOptions::new(LONG)).await.map(|outcome| outcome.is_applied())
    };
    match &written {
        Ok(true) => count.sure += 1,
        Err(error) if error.kind() == ErrorKind::OutcomeUnknown => count.unsure += 1,
        Err(error) if error.is_retryable() => {}
        other => {
            return Err(Failure::new("Applied or an error that an outage can cause", format!("{other:?}")));
        }
    }
    match store.get(key, GetOptions::new()).await {
        Ok(None) if count.sure > 0 => Err(Failure::new("the entry or an error", "a miss")),
        Ok(_) => Ok(written.is_ok()),
        Err(error) => ensure_outage(&error, "a read").map(|()| false),
    }
}

/// Repeats the call until both the write and the read have succeeded.
async fn call_until_it_works(t: &Test, store: &dyn TtlStore, key: &Key, count: &mut Count) -> Check {
    let since = Instant::now();
    while !call(t, store, key, count).await? {
        ensure!(since.elapsed() < PATIENCE, format!("a success within {PATIENCE:?} after an outage"), "none");
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

case_table! {
    /// H2: While connections are refused, every read fails as `Unavailable` or `Timeout`. It never
    /// returns a miss or an empty page.
    no_read_takes_a_refused_connection_for_a_miss: needs(network),
    /// H2: While the server is silent, every read fails as `Unavailable` or `Timeout`. It never returns a
    /// miss or an empty page.
    no_read_takes_silence_for_a_miss: needs(network),
    /// H2: While connections are refused, no write returns `Applied`, `Absent` or `Refused`.
    no_write_takes_a_refused_connection_for_an_outcome: needs(network),
    /// H2: While the server is silent, no write returns `Applied`, `Absent` or `Refused`.
    no_write_takes_silence_for_an_outcome: needs(network),
    /// H4: The same handle reads and writes after an outage of every kind, also when outages recur.
    a_handle_works_again_after_every_outage: needs(network),
    /// H4, H3: Many concurrent callers miss no entry and get results after an outage of every kind. Each
    /// acknowledged increment counts once.
    many_callers_survive_outages: needs(network),
    /// R9, H3: A refreshing read whose request is cut fails, or returns the entry with a refresh error or
    /// with the stored deadline.
    a_refresh_whose_request_is_cut_tells_the_truth: needs(network),
    /// R9, H3: A refreshing read whose response is lost fails, or returns the entry with a refresh error
    /// or with the stored deadline.
    a_refresh_whose_answer_is_lost_tells_the_truth: needs(network),
}

async fn no_read_takes_a_refused_connection_for_a_miss(t: Test) -> Check {
    no_read_answers(&t, Fault::Refuse).await
}

async fn no_read_takes_silence_for_a_miss(t: Test) -> Check {
    no_read_answers(&t, Fault::Stall).await
}

async fn no_write_takes_a_refused_connection_for_an_outcome(t: Test) -> Check {
    no_write_answers(&t, Fault::Refuse).await
}

async fn no_write_takes_silence_for_an_outcome(t: Test) -> Check {
    no_write_answers(&t, Fault::Stall).await
}

async fn a_handle_works_again_after_every_outage(t: Test) -> Check {
    let (proxy, store) = (t.proxy()?, t.bare());
    ready(&t, &*store).await?;
    for round in 0..ROUNDS {
        for fault in FAULTS {
            let (before, key) = (proxy.hits(), key(&format!("{fault:?}-{round}")));
            proxy.set(fault);
            // The results do not matter here.
            let _ = store.get(&key, GetOptions::new()).await;
            let _ = store.put(&key, "lost".into(), PutOptions::new(LONG)).await;
            ensure_hit(&t, before)?;
            proxy.heal();
            call_until_it_works(
                &t,
                &*store,
                &self::key(&format!("n-{fault:?}-{round}")),
                &mut Count::default(),
            )
            .await?;
        }
    }
    Ok(())
}

async fn many_callers_survive_outages(t: Test) -> Check {
    let (proxy, store) = (t.proxy()?, t.bare());
    let keys: Vec<Key> = (0..CALLERS).map(|number| key(&format!("k{number}"))).collect();
    let mut counts = vec![Count::default(); CALLERS];
    let (t, store) = (&t, &*store);
    for fault in FAULTS {
        let before = proxy.hits();
        proxy.set(fault);
        let calls = keys.iter().zip(&mut counts).map(|(key, count)| call(t, store, key, count));
        join_all(calls).await.into_iter().collect::<Check<Vec<bool>>>()?;
        ensure_hit(t, before)?;
        proxy.heal();
        let calls =
            keys.iter().zip(&mut counts).map(|(key, count)| call_until_it_works(t, store, key, count));
        join_all(calls).await.into_iter().collect::<Check>()?;
    }
    for (key, Count { sure, unsure }) in keys.iter().zip(counts) {
        let record = whole(t, key).await?.0.into_record()?;
        let seen = record.get("n").and_then(Json::as_i64).unwrap_or_default();
        let expected = if t.capabilities().patch { sure..=sure + unsure } else { 1..=1 };
        ensure!(expected.contains(&seen), format!("a sum of {expected:?}"), "{seen}");
    }
    Ok(())
}

async fn a_refresh_whose_request_is_cut_tells_the_truth(t: Test) -> Check {
    refreshes(&t, |after| Fault::CutRequest { after }).await
}

async fn a_refresh_whose_answer_is_lost_tells_the_truth(t: Test) -> Check {
    refreshes(&t, |after| Fault::LoseAnswer { after }).await
}
