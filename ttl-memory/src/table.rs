//! The data under a shard's lock: the table of entries, the wheel and the byte count.

use std::sync::atomic::{AtomicUsize, Ordering};

use hashbrown::HashTable;
use ttl_core::rules::{self, DeleteStep, ExpireStep, Header, PatchStep, PutStep};
use ttl_core::{
    Deadline, DeleteOptions, ExpireOptions, ExpireResult, ExpiryChange, Now, Outcome, Patch, PatchOptions,
    PatchResult, Projection, PutOptions, PutResult, Record, Result, Returning, Value,
};

use crate::entry::{self, Content, Entry};
use crate::eviction::Queues;
use crate::hashing::{Hash, Hashing, spread};
use crate::limits::Limits;
use crate::state::Word;
use crate::weight;
use crate::wheel::Wheel;

/// The entries of a shard. Every method decides and acts under the shard's lock, at the instant `now` that
/// was read under the same lock. It moves removed entries and values into `trash`, which is dropped after the
/// unlock.
pub(crate) struct Table {
    pub(super) entries: HashTable<Entry>,
    pub(super) wheel: Wheel,
    pub(super) hashing: Hashing,
    /// The size of the entries. Readers add to it when they share a buffer for the first time.
    pub(super) bytes: AtomicUsize,
    /// The store's half of every version.
    pub(super) store: u64,
    /// The next version number of this shard, and the step to the one after it. The steps keep the numbers of
    /// two shards apart.
    next_version: u64,
    version_step: u64,
    pub(super) limits: Limits,
    /// The eviction queues, if there is a limit.
    pub(super) queues: Option<Queues>,
}

/// A key and its hash.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) hash: Hash,
}

/// Entries and a value to be dropped after the unlock.
#[derive(Default)]
pub(crate) struct Trash {
    pub(crate) entries: Vec<Entry>,
    pub(crate) value: Option<Value>,
}

impl Table {
    pub(crate) fn new(now: u64, hashing: Hashing, store: u64, versions: (u64, u64), limits: Limits) -> Self {
        Self {
            entries: HashTable::new(),
            wheel: Wheel::starting_at(now),
            hashing,
            bytes: AtomicUsize::new(0),
            store,
            next_version: versions.0,
            version_step: versions.1,
            limits,
            queues: limits.is_bounded().then(Queues::default),
        }
    }

    /// Returns the bucket of the entry, which is valid until the table changes.
    #[inline]
    fn place(&self, at: At<'_>) -> Option<usize> {
        self.entries.find_bucket_index(at.hash.table(), |entry| entry.key() == at.key)
    }

    #[inline]
    fn header(&self, place: Option<usize>) -> Option<Header> {
        let entry = self.entries.get_bucket(place?)?;
        Some(entry.header(entry.state().load(), self.store))
    }

    #[inline]
    pub(crate) fn find(&self, at: At<'_>) -> Option<&Entry> {
        self.entries.find(at.hash.table(), |entry| entry.key() == at.key)
    }

    /// Returns the size of the entries, in bytes of heap.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn put(
        &mut self,
        at: At<'_>,
        value: Value,
        options: &PutOptions,
        now: Now,
        trash: &mut Trash,
    ) -> Result<Outcome<PutResult>> {
        let place = self.place(at);
        let stored = self.header(place);
        let previous = if options.previous { self.live_value(place, stored.as_ref(), now) } else { None };
        let outcome = match rules::put(now, stored.as_ref(), options) {
            Ok(PutStep::Write { deadline, cap, created }) => {
                let created_at = now.as_epoch_millis();
                let content = Content { cap, version: self.version(), created_at, value };
                let meta = self.meta(created, options.returning, deadline, Some(&content));
                self.write(at, place, content, deadline, trash);
                return Ok(Outcome::Applied(meta.with_previous(previous)));
            }
            Ok(PutStep::Erase { deadline, created }) => {
                self.remove(at, trash);
                let meta = self.meta(created, options.returning, deadline, None);
                Ok(Outcome::Applied(meta.with_previous(previous)))
            }
            Ok(PutStep::Absent) => Ok(Outcome::Absent),
            Ok(PutStep::Refused) => Ok(Outcome::Refused(match (previous, stored) {
                (Some(previous), Some(stored)) => {
                    Some(self.there(place, &stored, options.returning).with_previous(previous))
                }
                _ => None,
            })),
            Err(error) => Err(error),
        };
        trash.value = Some(value);
        outcome
    }

    pub(crate) fn patch(
        &mut self,
        at: At<'_>,
        patch: &Patch,
        options: &PatchOptions,
        now: Now,
        trash: &mut Trash,
    ) -> Result<Outcome<PatchResult>> {
        let place = self.place(at);
        let stored = self.header(place);
        let (deadline, cap, record) = match rules::patch(now, stored.as_ref(), options)? {
            PatchStep::Absent => return Ok(Outcome::Absent),
            PatchStep::Refused => return Ok(Outcome::Refused(None)),
            PatchStep::Change { deadline } => {
                let cap = stored.map_or(Deadline::NEVER, |stored| stored.cap);
                let entry = place.and_then(|place| self.entries.get_bucket(place));
                (deadline, cap, entry.map(|entry| entry.value().clone().into_record()).transpose()?)
            }
            PatchStep::Create { deadline, cap } => (deadline, cap, None),
            PatchStep::CreateElapsed { deadline } => {
                let mut record = options.initial();
                let Some(effects) = rules::apply(&mut record, patch)? else {
                    return Ok(Outcome::Refused(None));
                };
                self.remove(at, trash);
                let meta = self.meta(true, options.returning, deadline, None);
                let fields = record.project(&patch.to_fields()?);
                return Ok(Outcome::Applied(PatchResult::new(&meta, fields, effects)));
            }
        };
        let created = record.is_none();
        let mut record = record.unwrap_or_else(|| options.initial());
        let Some(effects) = rules::apply(&mut record, patch)? else {
            let there = stored.filter(|_| !created).map(|stored| {
                let meta = self.there(place, &stored, options.returning);
                Ok(PatchResult::new(&meta, record.project(&patch.to_fields()?), Vec::new()))
            });
            return Ok(Outcome::Refused(there.transpose()?));
        };
        let fields = record.project(&patch.to_fields()?);
        let value = Value::Record(record);
        self.limits.check(at.key.len(), &value)?;
        let created_at = match place.and_then(|place| self.entries.get_bucket(place)) {
            Some(entry) if !created => entry.created_millis(),
            _ => now.as_epoch_millis(),
        };
        let content = Content { cap, version: self.version(), created_at, value };
        let meta = self.meta(created, options.returning, deadline, Some(&content));
        self.write(at, place, content, deadline, trash);
        Ok(Outcome::Applied(PatchResult::new(&meta, fields, effects)))
    }

    pub(crate) fn expire(
        &mut self,
        at: At<'_>,
        change: ExpiryChange,
        options: &ExpireOptions,
        now: Now,
        trash: &mut Trash,
    ) -> Result<Outcome<ExpireResult>> {
        Ok(match rules::expire(now, self.header(self.place(at)).as_ref(), change, options)? {
            ExpireStep::Absent => Outcome::Absent,
            ExpireStep::Refused => Outcome::Refused(None),
            ExpireStep::Keep(deadline) => Outcome::Applied(ExpireResult::new(deadline, false)),
            ExpireStep::Move(deadline) => {
                self.set_deadline(at, deadline);
                Outcome::Applied(ExpireResult::new(deadline, true))
            }
            ExpireStep::End(deadline) => {
                self.remove(at, trash);
                Outcome::Applied(ExpireResult::new(deadline, true))
            }
        })
    }

    pub(crate) fn delete(
        &mut self,
        at: At<'_>,
        options: &DeleteOptions,
        now: Now,
        trash: &mut Trash,
    ) -> Result<Outcome<Option<Entry>>> {
        Ok(match rules::delete(now, self.header(self.place(at)).as_ref(), options)? {
            DeleteStep::Absent => Outcome::Absent,
            DeleteStep::Refused => Outcome::Refused(None),
            DeleteStep::Remove => {
                self.remove(at, trash);
                let taken = trash.entries.pop();
                if options.projection == Projection::Nothing {
                    trash.entries.extend(taken);
                    Outcome::Applied(None)
                } else {
                    Outcome::Applied(taken)
                }
            }
        })
    }

    /// Moves the deadline of a stored entry.
    pub(crate) fn set_deadline(&mut self, at: At<'_>, deadline: Deadline) {
        let Self { entries, wheel, .. } = self;
        let Some(entry) = entries.find(at.hash.table(), |entry| entry.key() == at.key) else { return };
        let word = entry.state().load().with_deadline(deadline.as_epoch_millis());
        entry.state().store(placed(wheel, word, at.hash));
    }

    /// Returns the version of the next write.
    fn version(&mut self) -> u64 {
        let version = self.next_version;
        self.next_version += self.version_step;
        version
    }

    /// Stores a value, replacing the entry at `place` if there is one.
    fn write(
        &mut self,
        at: At<'_>,
        place: Option<usize>,
        content: Content,
        deadline: Deadline,
        trash: &mut Trash,
    ) {
        let deadline = deadline.as_epoch_millis();
        *self.bytes.get_mut() += self.limits.fixed_bytes(at.key.len(), !content.cap.is_never())
            + weight::value_bytes(&content.value);
        if let Some(entry) = place.and_then(|place| self.entries.get_bucket_mut(place)) {
            *self.bytes.get_mut() -= self.limits.entry_bytes(entry);
            let word = entry.state().load().without(Word::SHARED).with_deadline(deadline);
            let word = if self.queues.is_some() { word.used() } else { word };
            let word = placed(&mut self.wheel, word, at.hash);
            match entry.rewrite(word, content) {
                Ok(old) => trash.value = Some(old),
                Err(content) => {
                    let new = Entry::new(at.key, word, content);
                    trash.entries.push(std::mem::replace(entry, new));
                }
            }
        } else {
            let word = placed(&mut self.wheel, Word::new(deadline), at.hash);
            let word = self.queues.as_mut().map_or(word, |queues| queues.admit(word, at.hash.short()));
            let (entry, hashing) = (Entry::new(at.key, word, content), &self.hashing);
            let hash = |entry: &Entry| spread(hashing.hash(entry.key()).short());
            self.entries.insert_unique(at.hash.table(), entry, hash);
        }
        if self.queues.is_some() {
            self.enforce_limits(trash);
        }
    }

    /// Removes the stored entry, even if it is a ghost.
    fn remove(&mut self, at: At<'_>, trash: &mut Trash) {
        if let Ok(place) = self.entries.find_entry(at.hash.table(), |entry| entry.key() == at.key) {
            let (entry, _) = place.remove();
            self.forget(entry, trash);
        }
    }

    /// Subtracts a removed entry from the byte count and from the queues.
    pub(super) fn forget(&mut self, entry: Entry, trash: &mut Trash) {
        *self.bytes.get_mut() -= self.limits.entry_bytes(&entry);
        if let Some(queues) = &mut self.queues {
            queues.forget(entry.state().load());
        }
        trash.entries.push(entry);
    }

    /// Returns the metadata of a write that left this content, or no entry.
    fn meta(
        &self,
        created: bool,
        returning: Returning,
        deadline: Deadline,
        left: Option<&Content>,
    ) -> PutResult {
        let version = left.map(|left| entry::version(self.store, left.version));
        let created_at =
            left.filter(|_| returning.contains(Returning::CREATED_AT)).map(|left| left.created_at);
        PutResult::returning(returning, created, deadline, version)
            .with_created_at(created_at.map(|millis| Now::from_epoch_millis(millis).whole_millisecond()))
    }

    /// Returns the metadata of the entry that made a write be refused.
    fn there(&self, place: Option<usize>, stored: &Header, returning: Returning) -> PutResult {
        let entry = place.and_then(|place| self.entries.get_bucket(place));
        let created_at = entry.filter(|_| returning.contains(Returning::CREATED_AT)).map(Entry::created_at);
        PutResult::returning(returning, false, stored.ends(), stored.version).with_created_at(created_at)
    }

    /// Returns the value of the entry, if it is live.
    fn live_value(&self, place: Option<usize>, stored: Option<&Header>, now: Now) -> Option<Value> {
        rules::live(now, stored)?;
        let entry = self.entries.get_bucket(place?)?;
        self.note_share(entry, &Projection::All);
        Some(entry.value().clone())
    }
}

/// Returns the word with a registration that fires in time: the present one if it fires no later than the
/// deadline's slot, else a new one.
fn placed(wheel: &mut Wheel, word: Word, hash: Hash) -> Word {
    let slot = wheel.slot(word.deadline());
    if Wheel::is_sooner(slot, word.slot()) {
        wheel.register(slot, hash.short());
        return word.with_slot(slot);
    }
    word
}

trait Initial {
    fn initial(&self) -> Record;
}

impl Initial for PatchOptions {
    fn initial(&self) -> Record {
        self.create.as_ref().map_or_else(Record::new, |create| create.initial.clone())
    }
}
