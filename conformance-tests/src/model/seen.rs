//! Sends requests to a store and converts its answers into the types of the model.

use std::time::SystemTime;

use ttl_core::options::{DeleteOptions, GetOptions, PutItem, Returning, ScanOptions};
use ttl_core::results::{PatchResult, PutResult};
use ttl_core::{Deadline, Entry, Error, Key, Outcome, Result, TtlStore, Value, Version};

use super::reference::{Answer, Call, NEVER, Reply};
use crate::{Check, Failure};

/// The request of a step.
pub(super) enum Request {
    One(Call),
    GetMany(Vec<Key>, GetOptions),
    PutMany(Vec<PutItem>),
    DeleteMany(Vec<Key>, DeleteOptions),
    /// A whole scan, with the keys that it can return.
    Scan(ScanOptions, Vec<Key>),
}

/// The answer of a store to one call.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) reply: Reply,
    pub(super) version: Option<Version>,
    error: Option<Error>,
}

impl Seen {
    fn of(answer: Answer) -> Self {
        Self { reply: Reply::of(answer), version: None, error: None }
    }

    fn told(
        mut self,
        returning: Returning,
        deadline: Option<Deadline>,
        version: Option<Version>,
        created_at: Option<SystemTime>,
    ) -> Self {
        // Metadata that was not requested is ignored.
        self.reply.deadline =
            deadline.filter(|_| returning.contains(Returning::DEADLINE)).map(Deadline::as_epoch_millis);
        self.version = version.filter(|_| returning.contains(Returning::VERSION));
        self.reply.version = self.version.is_some();
        // Rounded up, so that a time that is not a whole millisecond agrees with no instant of the model.
        let created_at = created_at.filter(|_| returning.contains(Returning::CREATED_AT));
        self.reply.created_at = created_at.map(|at| Deadline::at(at).as_epoch_millis());
        self
    }

    pub(super) fn describe(&self) -> String {
        let error = self.error.as_ref().map_or(String::new(), |error| format!(" ({error:?})"));
        format!("{}{error}", describe(&self.reply))
    }
}

/// Sends a request, and returns its calls in order with their answers.
pub(super) async fn perform(store: &dyn TtlStore, request: Request) -> Check<Vec<(Call, Seen)>> {
    match request {
        Request::One(call) => {
            let seen = one(store, &call).await?;
            Ok(vec![(call, seen)])
        }
        Request::GetMany(keys, options) => {
            let results = store.get_many(&keys, options.clone()).await;
            in_order(keys, results, |key| Call::Get(key, options.clone()), |r| got(r, options.returning))
        }
        Request::PutMany(items) => {
            let wants: Vec<Returning> = items.iter().map(|item| item.options.returning).collect();
            let results = store.put_many(items.clone()).await;
            let results = results.into_iter().zip(wants).collect();
            in_order(items, results, Call::Put, |(result, returning)| Ok(put(result, returning)))
        }
        Request::DeleteMany(keys, options) => {
            let results = store.delete_many(&keys, options.clone()).await;
            in_order(keys, results, |key| Call::Delete(key, options.clone()), |r| Ok(deleted(r)))
        }
        Request::Scan(options, keys) => scan(store, options, &keys).await,
    }
}

async fn one(store: &dyn TtlStore, call: &Call) -> Check<Seen> {
    Ok(match call {
        Call::Get(key, options) => get(store, key, options).await?,
        Call::Put(item) => {
            let result = store.put(&item.key, item.value.clone(), item.options.clone()).await;
            put(result, item.options.returning)
        }
        Call::Patch(key, patch, options) => match store.patch(key, patch, options.clone()).await {
            Ok(Outcome::Applied(done)) => patched(Answer::Applied, done, options.returning),
            Ok(Outcome::Refused(Some(there))) => patched(Answer::Refused, there, options.returning),
            other => unapplied(other),
        },
        Call::Expire(key, change, options) => match store.expire(key, *change, options.clone()).await {
            Ok(Outcome::Applied(done)) => {
                let mut seen = Seen::of(Answer::Applied);
                seen.reply.deadline = Some(done.deadline.as_epoch_millis());
                seen.reply.changed = Some(done.changed);
                seen
            }
            other => unapplied(other),
        },
        Call::Delete(key, options) => deleted(store.delete(key, options.clone()).await),
        Call::Show(..) => Seen::of(Answer::Miss),
    })
}

pub(super) async fn get(store: &dyn TtlStore, key: &Key, options: &GetOptions) -> Check<Seen> {
    got(store.get(key, options.clone()).await, options.returning)
}

fn got(result: Result<Option<Entry>>, returning: Returning) -> Check<Seen> {
    match result {
        Ok(None) => Ok(Seen::of(Answer::Miss)),
        Ok(Some(entry)) => shown(entry, returning),
        Err(error) => Ok(failed(error)),
    }
}

fn shown(entry: Entry, returning: Returning) -> Check<Seen> {
    if let Some(error) = entry.refresh_error {
        return Err(Failure::new(
            "a refresh that succeeds, because there are no other writers",
            format!("{error:?}"),
        ));
    }
    let mut seen = Seen::of(Answer::Hit).told(returning, entry.deadline, entry.version, entry.created_at);
    seen.reply.value = entry.value;
    seen.reply.cap = entry.cap.map(Deadline::as_epoch_millis);
    Ok(seen)
}

fn put(result: Result<Outcome<PutResult>>, returning: Returning) -> Seen {
    match result {
        Ok(Outcome::Applied(meta)) => written(Answer::Applied, meta, returning),
        Ok(Outcome::Refused(Some(meta))) => written(Answer::Refused, meta, returning),
        other => unapplied(other),
    }
}

fn patched(answer: Answer, done: PatchResult, returning: Returning) -> Seen {
    let mut seen = Seen::of(answer).told(returning, done.deadline, done.version, done.created_at);
    seen.reply.created = Some(done.created);
    seen.reply.fields = Some(done.fields);
    seen.reply.effects = Some(done.effects);
    seen
}

fn written(answer: Answer, meta: PutResult, returning: Returning) -> Seen {
    let mut seen = Seen::of(answer).told(returning, meta.deadline, meta.version, meta.created_at);
    seen.reply.created = Some(meta.created);
    seen.reply.value = meta.previous;
    seen
}

fn deleted(result: Result<Outcome<Option<Entry>>>) -> Seen {
    match result {
        Ok(Outcome::Applied(None)) => Seen::of(Answer::Applied),
        Ok(Outcome::Applied(Some(entry))) => {
            let mut seen = Seen::of(Answer::Taken);
            seen.reply.value = entry.value;
            seen
        }
        other => unapplied(other),
    }
}

fn unapplied<T>(result: Result<Outcome<T>>) -> Seen {
    match result {
        Ok(Outcome::Applied(_)) => Seen::of(Answer::Applied),
        Ok(Outcome::Absent) => Seen::of(Answer::Absent),
        Ok(Outcome::Refused(_)) => Seen::of(Answer::Refused),
        Err(error) => failed(error),
    }
}

fn failed(error: Error) -> Seen {
    let answer = Answer::Failed(vec![error.kind()]);
    Seen { error: Some(error), ..Seen::of(answer) }
}

fn in_order<I, R>(
    inputs: Vec<I>,
    results: Vec<R>,
    call: impl Fn(I) -> Call,
    seen: impl Fn(R) -> Check<Seen>,
) -> Check<Vec<(Call, Seen)>> {
    if inputs.len() != results.len() {
        let (expected, seen) = (inputs.len(), results.len());
        return Err(Failure::new(
            format!("one result for each of {expected} inputs"),
            format!("{seen} results"),
        ));
    }
    inputs.into_iter().zip(results).map(|(input, result)| Ok((call(input), seen(result)?))).collect()
}

async fn scan(store: &dyn TtlStore, options: ScanOptions, keys: &[Key]) -> Check<Vec<(Call, Seen)>> {
    let (projection, returning, limit) = (options.projection.clone(), options.returning, options.limit.get());
    let show = |key: &Key| Call::Show(key.clone(), projection.clone(), returning);
    let mut calls = Vec::new();
    let mut cursor = None;
    // Many times the pages that these keys can fill, to detect a scan that never ends.
    for _ in 0..keys.len() * 8 + 8 {
        let page = store.scan(options.clone().with_cursor(cursor)).await?;
        let found = page.items.len();
        if found > limit || (found < limit && page.next.is_some()) {
            return Err(Failure::new(
                format!("pages of {limit} entries, the last of at most as many"),
                format!("one of {found}, {}", if page.next.is_some() { "not the last" } else { "the last" }),
            ));
        }
        cursor = page.next.clone();
        for (key, entry) in page.into_entries()? {
            if !keys.contains(&key) {
                return Err(Failure::new(
                    "keys that were put and that begin with the prefix",
                    format!("{:?}", key.as_str()),
                ));
            }
            calls.push((show(&key), shown(entry, returning)?));
        }
        if cursor.is_none() {
            let missing = keys.iter().filter(|key| !calls.iter().any(|(call, _)| call.key() == *key));
            let missing: Vec<_> = missing.map(|key| (show(key), Seen::of(Answer::Miss))).collect();
            calls.extend(missing);
            return Ok(calls);
        }
    }
    Err(Failure::new("a last page", "none"))
}

pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Blob(bytes) => format!("the blob {:?}", String::from_utf8_lossy(bytes)),
        Value::Record(record) => record.to_json_text(),
    }
}

pub(super) fn instant(millis: u64) -> String {
    if millis == NEVER { "never".to_owned() } else { format!("{millis} ms") }
}

pub(super) fn describe(reply: &Reply) -> String {
    let mut described = format!("{:?}", reply.answer);
    let mut add = |name: &str, what: Option<String>| {
        if let Some(what) = what {
            described.push_str(&format!(", {name} {what}"));
        }
    };
    add("value", reply.value.as_ref().map(text));
    add("deadline", reply.deadline.map(instant));
    add("cap", reply.cap.map(instant));
    add("version", reply.version.then(|| "reported".to_owned()));
    add("created at", reply.created_at.map(instant));
    add("created", reply.created.map(|created| created.to_string()));
    add("changed", reply.changed.map(|changed| changed.to_string()));
    add("fields", reply.fields.as_ref().map(ttl_core::Record::to_json_text));
    add("effects", reply.effects.as_ref().map(|effects| format!("{effects:?}")));
    described
}
