//! Helpers that several files of cases share: records as JSON, deadlines, whole scans.

use std::time::{Duration, SystemTime};

use serde_json::Value as Json;
use ttl_core::options::{GetOptions, PatchOptions, PutOptions, Refresh, Returning, ScanOptions};
use ttl_core::results::PatchResult;
use ttl_core::{Deadline, Entry, Key, Patch, Record, RefreshMode, Ttl, Value};

use crate::test::{LONG, applied};
use crate::{Check, Failure, Test, ensure};

/// A TTL that is shorter than [`LONG`] by more than any stall.
pub(super) const SOONER: Ttl = Ttl::minutes(30);

/// A TTL that is longer than [`LONG`] by more than any stall.
pub(super) const LATER: Ttl = Ttl::hours(2);

/// Returns requested metadata; fails if none was reported.
pub(super) fn reported<T>(wanted: Option<T>) -> Check<T> {
    wanted.ok_or_else(|| Failure::new("the requested metadata", "none reported"))
}

/// Fails unless a call between `started` and now with a TTL of `ttl` could have set this deadline.
pub(super) fn ensure_ahead(t: &Test, seen: Deadline, started: SystemTime, ttl: Ttl, about: &str) -> Check {
    let error = t.clock_error();
    let rounding = t.capabilities().resolution.saturating_sub(Duration::from_millis(1));
    let first = Deadline::after(started - error, ttl);
    let last = Deadline::after(t.store.now() + error + rounding, ttl);
    ensure!(
        (first..=last).contains(&seen),
        format!(
            "{about}: a deadline {ttl} ahead, from {first:?} to {last:?} (a clock error of {error:?} at both ends, and \
             {rounding:?} of rounding)"
        ),
        "{seen:?}"
    );
    Ok(())
}

/// Returns a refresh to `ttl` in this mode.
pub(super) fn refresh_in(mode: RefreshMode, ttl: Ttl) -> Refresh {
    match mode {
        RefreshMode::ExtendOnly => Refresh::extend_only(ttl),
        RefreshMode::Reset => Refresh::reset(ttl),
    }
}

/// Creates a record of these fields.
pub(super) fn record_of(fields: &Json) -> Check<Record> {
    Ok(Record::from_serialize(fields)?)
}

/// Puts a record of these fields for [`LONG`].
pub(super) async fn put_fields(t: &Test, key: &Key, fields: &Json) -> Check {
    t.put(key, record_of(fields)?, PutOptions::new(LONG)).await
}

/// Returns a record as JSON.
pub(super) fn json_of(value: Value) -> Check<Json> {
    let record = value.into_record()?;
    serde_json::to_value(&record).map_err(|error| Failure::new("a record of JSON", error.to_string()))
}

/// Reads a live record as JSON; fails on a miss.
pub(super) async fn fields(t: &Test, key: &Key) -> Check<Json> {
    match t.value(key).await? {
        Some(value) => json_of(value),
        None => Err(Failure::new("a live record", "a miss")),
    }
}

/// Reads the value and the deadline in one call and without a refresh; `None` is a miss.
pub(super) async fn whole(t: &Test, key: &Key) -> Check<Option<(Value, Deadline)>> {
    let options = GetOptions::new().with_returning(Returning::DEADLINE);
    match t.store.get(key, options).await? {
        None => Ok(None),
        Some(Entry { value: Some(value), deadline: Some(deadline), .. }) => Ok(Some((value, deadline))),
        Some(other) => Err(Failure::new("value and deadline", format!("{other:?}"))),
    }
}

/// Patches a live record; fails unless the outcome is `Applied`.
pub(super) async fn patch(t: &Test, key: &Key, patch: &Patch) -> Check<PatchResult> {
    applied(t.store.patch(key, patch, PatchOptions::new()).await?)
}

/// Scans all entries, page by page. Fails unless every page but the last is full and the scan ends.
pub(super) async fn scan_all(t: &Test, options: ScanOptions) -> Check<Vec<(Key, Entry)>> {
    const MOST_PAGES: usize = 20_000;
    let limit = options.limit.get();
    let mut entries = Vec::new();
    let mut cursor = None;
    for _ in 0..MOST_PAGES {
        let page = t.store.scan(options.clone().with_cursor(cursor)).await?;
        let count = page.items.len();
        ensure!(count <= limit, format!("at most {limit} entries on a page"), "{count}");
        ensure!(
            count == limit || page.next.is_none(),
            format!("{limit} entries on every page but the last"),
            "{count} entries and a further page"
        );
        let next = page.next.clone();
        entries.extend(page.into_entries()?);
        match next {
            Some(next) => cursor = Some(next),
            None => return Ok(entries),
        }
    }
    Err(Failure::new("a last page", format!("no end after {MOST_PAGES} pages")))
}

/// Scans the keys; returns each once, sorted.
pub(super) async fn keys_of(t: &Test, options: ScanOptions) -> Check<Vec<String>> {
    let mut keys: Vec<String> =
        scan_all(t, options).await?.into_iter().map(|(key, _)| key.into_string()).collect();
    keys.sort();
    keys.dedup();
    Ok(keys)
}
