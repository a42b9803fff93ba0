//! A shard: a table under its lock, and the reads that need no more than the read lock.

use std::sync::atomic::Ordering;
use std::time::SystemTime;

use parking_lot::RwLock;
use ttl_core::rules;
use ttl_core::{Deadline, Entry as Answer, GetOptions, Result, Select, Value, Version, Want};

use crate::entry::Entry;
use crate::state::Word;
use crate::table::{At, Table};
use crate::weight;
use crate::wheel::Wheel;

/// A table and its lock, on cache lines of its own, so that the lock of one shard does not slow its neighbours.
#[repr(align(128))]
pub(crate) struct Shard {
    pub(crate) table: RwLock<Table>,
}

/// What a get found, to be turned into an answer after the lock.
pub(crate) struct Found {
    value: Option<Value>,
    deadline: Deadline,
    version: Option<Version>,
}

/// How far a get came under the read lock.
pub(crate) enum Read {
    /// All the way.
    Done(Option<Found>),
    /// Its refresh makes the deadline sooner than the wheel would look: that takes the write lock.
    Write,
}

enum Verdict {
    Dead,
    Live { deadline: Deadline, first_share: bool },
    Write,
}

impl Table {
    /// A get under the read lock. `clock` is read as often as the state has to be judged.
    pub(crate) fn get(
        &self,
        at: At<'_>,
        options: &GetOptions,
        clock: impl Fn() -> SystemTime,
    ) -> Result<Read> {
        let Some(entry) = self.find(at) else { return Ok(Read::Done(None)) };
        let shares = shares_buffer(entry, &options.select);
        let bounded = self.queues.is_some();
        let verdict = entry.state().update(|word| {
            let verdict = self.judge(entry, word, options, clock());
            match verdict {
                // Marked, so that no other reader whose clock was read earlier can refresh it any more.
                Ok(Verdict::Dead) => (word.with_deadline(0), verdict),
                Ok(Verdict::Live { deadline, .. }) => {
                    let first_share = shares && !word.has(Word::SHARED);
                    let next = word.with_deadline(deadline.as_epoch_millis());
                    let next = if shares { next.with(Word::SHARED) } else { next };
                    let next = if bounded { next.used() } else { next };
                    (next, Ok(Verdict::Live { deadline, first_share }))
                }
                Ok(Verdict::Write) | Err(_) => (word, verdict),
            }
        })?;
        Ok(match verdict {
            Verdict::Dead => Read::Done(None),
            Verdict::Write => Read::Write,
            Verdict::Live { deadline, first_share } => {
                if first_share {
                    self.bytes.fetch_add(weight::SHARED_BLOB, Ordering::Relaxed);
                }
                Read::Done(Some(self.found(entry, options, deadline)))
            }
        })
    }

    fn judge(&self, entry: &Entry, word: Word, options: &GetOptions, now: SystemTime) -> Result<Verdict> {
        let header = entry.header(word, self.store);
        let Some(hit) = rules::get(now, Some(&header), options)? else { return Ok(Verdict::Dead) };
        let deadline = match hit.refresh {
            Some(to) if to < hit.deadline => {
                let slot = self.wheel.slot(to.as_epoch_millis());
                if Wheel::is_sooner(slot, word.slot()) {
                    return Ok(Verdict::Write);
                }
                to
            }
            Some(to) => to,
            None => hit.deadline,
        };
        Ok(Verdict::Live { deadline, first_share: false })
    }

    /// A get under the write lock.
    pub(crate) fn get_mut(
        &mut self,
        at: At<'_>,
        options: &GetOptions,
        now: SystemTime,
    ) -> Result<Option<Found>> {
        let stored = self.find(at).map(|entry| entry.header(entry.state().load(), self.store));
        let Some(hit) = rules::get(now, stored.as_ref(), options)? else { return Ok(None) };
        if let Some(deadline) = hit.refresh {
            self.set_deadline(at, deadline);
        }
        let Some(entry) = self.find(at) else { return Ok(None) };
        self.note_share(entry, &options.select);
        Ok(Some(self.found(entry, options, hit.refresh.unwrap_or(hit.deadline))))
    }

    /// Accounts for a buffer that is handed out for the first time.
    pub(crate) fn note_share(&self, entry: &Entry, select: &Select) {
        if shares_buffer(entry, select)
            && entry.state().update(|word| (word.with(Word::SHARED), !word.has(Word::SHARED)))
        {
            self.bytes.fetch_add(weight::SHARED_BLOB, Ordering::Relaxed);
        }
    }

    fn found(&self, entry: &Entry, options: &GetOptions, deadline: Deadline) -> Found {
        Found {
            value: (options.select != Select::Nothing).then(|| entry.value().clone()),
            deadline,
            version: options.want.contains(Want::VERSION).then(|| entry.version(self.store)),
        }
    }
}

impl Found {
    pub(crate) fn into_answer(self, options: &GetOptions) -> Answer {
        let value = self.value.and_then(|value| select(value, &options.select));
        Answer::new(value)
            .with_deadline(options.want.contains(Want::DEADLINE).then_some(self.deadline))
            .with_version(self.version)
    }
}

/// Whether a get with this selection hands out the buffer of a blob.
fn shares_buffer(entry: &Entry, select: &Select) -> bool {
    matches!(entry.value(), Value::Blob(bytes) if !bytes.is_empty()) && *select == Select::All
}

/// The selected part of a value; none of a blob where fields are selected.
pub(crate) fn select(value: Value, select: &Select) -> Option<Value> {
    match (select, value) {
        (Select::All, value) => Some(value),
        (Select::Fields(names), Value::Record(record)) => Some(record.select(names).into()),
        (Select::Fields(_), Value::Blob(_)) | (Select::Nothing, _) => None,
    }
}
