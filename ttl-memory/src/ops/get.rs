//! Reads entries under the read lock, and under the write lock if a refresh moves a registration.

use std::sync::atomic::Ordering;

use ttl_core::driver::Now;
use ttl_core::options::{GetOptions, Projection, Returning};
use ttl_core::rules;
use ttl_core::{Deadline, Entry as Answer, Error, Key, Result, Value};

use crate::engine::entry::Entry;
use crate::engine::state::Word;
use crate::engine::stored::Stored;
use crate::engine::table::{At, Table};
use crate::engine::time::Time;
use crate::engine::weight;
use crate::engine::wheel::Wheel;
use crate::inner::Inner;

impl Inner {
    #[inline]
    pub(crate) fn get(&self, key: &Key, options: &GetOptions) -> Result<Option<Answer>> {
        let (shard, at) = self.at(key);
        let table = shard.table.read();
        let Some(entry) = table.find(at) else { return Ok(None) };
        let answer = match table.read(entry, options, &self.time) {
            Verdict::Live(deadline) => table.found(entry, options, deadline),
            Verdict::Dead => return Ok(None),
            Verdict::Failed(error) => return Err(error),
            Verdict::Write => {
                drop(table);
                return self.get_mut(key, options);
            }
        };
        drop(table);
        Ok(Some(if matches!(options.projection, Projection::Fields(_)) {
            selected(answer, options)
        } else {
            answer
        }))
    }

    #[cold]
    fn get_mut(&self, key: &Key, options: &GetOptions) -> Result<Option<Answer>> {
        let (shard, at) = self.at(key);
        let mut table = shard.table.write();
        let now = self.now();
        let answer = table.get_mut(at, options, now);
        drop(table);
        Ok(answer?.map(|answer| selected(answer, options)))
    }
}

/// Reduces the answer to the selected part of the value.
fn selected(mut answer: Answer, options: &GetOptions) -> Answer {
    answer.value = answer.value.and_then(|value| select(value, &options.projection));
    answer
}

/// The result of a get under the read lock.
pub(crate) enum Verdict {
    /// The entry is a ghost.
    Dead,
    /// The entry is live until this deadline, which includes the refresh if there was one.
    Live(Deadline),
    /// The refresh moves the deadline before the entry's slot in the wheel fires. That takes the write lock.
    Write,
    /// The get fails.
    Failed(Error),
}

impl Table {
    /// Reads a stored entry under the read lock.
    #[inline]
    pub(crate) fn read(&self, entry: &Entry, options: &GetOptions, time: &Time) -> Verdict {
        let shares = shares_buffer(entry, &options.projection);
        let mut first_share = false;
        let verdict = entry.state().update(|word| {
            // A refresh must count from the precise time.
            let now = if options.refresh.is_none() { time.now_for(word.deadline()) } else { time.now() };
            let verdict = self.judge(entry, word, options, now);
            let next = match verdict {
                // Marked, so that another reader with an earlier clock reading cannot refresh it.
                Verdict::Dead => word.with_deadline(0),
                Verdict::Live(deadline) => {
                    first_share = shares && !word.has(Word::SHARED);
                    let next = if shares { word.with(Word::SHARED) } else { word };
                    let next = if self.queues.is_some() { next.used() } else { next };
                    if options.refresh.is_some() {
                        next.with_deadline(deadline.as_epoch_millis())
                    } else {
                        next
                    }
                }
                Verdict::Write | Verdict::Failed(_) => word,
            };
            (next, verdict)
        });
        if first_share {
            self.bytes.fetch_add(weight::SHARED_BLOB, Ordering::Relaxed);
        }
        verdict
    }

    #[inline]
    fn judge(&self, entry: &Entry, word: Word, options: &GetOptions, now: Now) -> Verdict {
        match rules::get(now, Some(&entry.header(word, self.store)), options) {
            Ok(None) => Verdict::Dead,
            Ok(Some(hit)) => match hit.refresh {
                Some(to) if to < hit.deadline && self.fires_sooner(to, word) => Verdict::Write,
                to => Verdict::Live(to.unwrap_or(hit.deadline)),
            },
            Err(error) => Verdict::Failed(error),
        }
    }

    #[cold]
    fn fires_sooner(&self, deadline: Deadline, word: Word) -> bool {
        Wheel::is_sooner(self.wheel.slot(deadline.as_epoch_millis()), word.slot())
    }

    /// Reads an entry under the write lock.
    pub(crate) fn get_mut(&mut self, at: At<'_>, options: &GetOptions, now: Now) -> Result<Option<Answer>> {
        let stored = self.find(at).map(|entry| entry.header(entry.state().load(), self.store));
        let Some(hit) = rules::get(now, stored.as_ref(), options)? else { return Ok(None) };
        if let Some(deadline) = hit.refresh {
            self.set_deadline(at, deadline);
        }
        let Some(entry) = self.find(at) else { return Ok(None) };
        self.note_share(entry, &options.projection);
        let deadline = hit.refresh.unwrap_or(hit.deadline);
        Ok(Some(self.found(entry, options, deadline)))
    }

    /// Accounts for a buffer that is shared for the first time.
    pub(crate) fn note_share(&self, entry: &Entry, projection: &Projection) {
        if shares_buffer(entry, projection)
            && entry.state().update(|word| (word.with(Word::SHARED), !word.has(Word::SHARED)))
        {
            self.bytes.fetch_add(weight::SHARED_BLOB, Ordering::Relaxed);
        }
    }

    /// Returns the answer of a get.
    #[inline]
    fn found(&self, entry: &Entry, options: &GetOptions, deadline: Deadline) -> Answer {
        let answer = self.answer(entry, &options.projection, options.returning, deadline);
        if options.cap { answer.with_cap(entry.cap(entry.state().load())) } else { answer }
    }

    /// Returns the answer, with the whole value if any part of it is selected. The caller selects the part
    /// after the unlock.
    #[inline]
    pub(crate) fn answer(
        &self,
        entry: &Entry,
        projection: &Projection,
        returning: Returning,
        deadline: Deadline,
    ) -> Answer {
        let value = (!matches!(projection, Projection::Nothing)).then(|| entry.value());
        let answer = Answer::new(value);
        if returning.is_empty() {
            return answer;
        }
        answer
            .with_deadline(returning.contains(Returning::DEADLINE).then_some(deadline))
            .with_version(returning.contains(Returning::VERSION).then(|| entry.version(self.store)))
            .with_created_at(returning.contains(Returning::CREATED_AT).then(|| entry.created_at()))
    }
}

/// Returns whether a get with this projection shares the buffer of a blob.
#[inline]
fn shares_buffer(entry: &Entry, projection: &Projection) -> bool {
    matches!(projection, Projection::All) && matches!(entry.stored(), Stored::Large(_))
}

/// Returns the selected part of a value: `None` for a blob if fields are selected.
pub(crate) fn select(value: Value, projection: &Projection) -> Option<Value> {
    match (projection, value) {
        (Projection::All, value) => Some(value),
        (Projection::Fields(names), Value::Record(record)) => Some(record.project(names).into()),
        (Projection::Fields(_), Value::Blob(_)) | (Projection::Nothing, _) => None,
    }
}
