//! Where the animals live: a right store on a clock that is moved by hand, and access beneath it.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use ttl_conformance::Beneath;
use ttl_core::{
    Capabilities, Cell, CellStore, Clock, Deadline, Error, ErrorKind, Key, ManualClock, Result, Stored,
    Value, Version, async_trait,
};

/// A store that keeps the whole contract. It never deletes a ghost by itself, so that none hides a fault.
pub(crate) type Right = Arc<CellStore<Den>>;

/// A sorted map of entries.
#[derive(Debug)]
pub(crate) struct Den {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) capabilities: Capabilities,
    /// What an animal keeps beside the entries.
    pub(crate) memory: Mutex<BTreeMap<Key, Stored>>,
    identity: String,
    map: Mutex<BTreeMap<Key, Slot>>,
}

#[derive(Clone, Debug)]
pub(crate) enum Slot {
    Entry(Stored),
    Damaged,
}

impl Den {
    pub(crate) fn new(clock: Arc<ManualClock>) -> Self {
        let capabilities = Capabilities::new("den").with_max_value_bytes(256 << 10);
        Self {
            clock,
            capabilities,
            memory: Mutex::default(),
            identity: Version::random().to_string(),
            map: Mutex::default(),
        }
    }

    /// Changes what lies under a key, beneath every rule.
    pub(crate) fn meddle<T>(&self, key: &Key, change: impl FnOnce(&mut Option<Stored>) -> T) -> T {
        let mut map = self.map.lock();
        let mut stored = match map.remove(key) {
            Some(Slot::Entry(stored)) => Some(stored),
            Some(Slot::Damaged) | None => None,
        };
        let answer = change(&mut stored);
        if let Some(stored) = stored {
            map.insert(key.clone(), Slot::Entry(stored));
        }
        answer
    }

    /// What lies under a key, ghosts included.
    pub(crate) fn peek(&self, key: &Key) -> Option<Stored> {
        match self.map.lock().get(key) {
            Some(Slot::Entry(stored)) => Some(stored.clone()),
            Some(Slot::Damaged) | None => None,
        }
    }

    pub(crate) fn is_damaged(&self, key: &Key) -> bool {
        matches!(self.map.lock().get(key), Some(Slot::Damaged))
    }

    /// The ghosts whose keys begin with this.
    pub(crate) fn ghosts(&self, prefix: &str) -> Vec<(Key, Stored)> {
        let (map, now) = (self.map.lock(), self.clock.now());
        let entries = map.iter().filter_map(|(key, slot)| entry(slot).ok().map(|stored| (key, stored)));
        let dead = entries.filter(|(_, stored)| stored.deadline.min(stored.cap).is_expired(now));
        let dead = dead.filter(|(key, _)| key.as_str().starts_with(prefix));
        dead.map(|(key, stored)| (key.clone(), stored.clone())).collect()
    }

    /// The entry under a key, if it is live.
    pub(crate) fn live(&self, key: &Key) -> Option<Stored> {
        let now = self.clock.now();
        self.peek(key).filter(|stored| !stored.deadline.min(stored.cap).is_expired(now))
    }
}

fn entry(slot: &Slot) -> Result<&Stored> {
    match slot {
        Slot::Entry(stored) => Ok(stored),
        Slot::Damaged => Err(Error::new(ErrorKind::Corrupt, "the entry cannot be read")),
    }
}

#[async_trait]
impl Cell for Den {
    type Stamp = Option<(Version, Deadline, Deadline)>;

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn now(&self) -> SystemTime {
        self.clock.now()
    }

    fn identity(&self) -> &str {
        &self.identity
    }

    async fn load(&self, key: &Key) -> Result<Option<(Stored, Self::Stamp)>> {
        let map = self.map.lock();
        let Some(slot) = map.get(key) else { return Ok(None) };
        let stored = entry(slot)?.clone();
        let stamp = Some((stored.version, stored.deadline, stored.cap));
        Ok(Some((stored, stamp)))
    }

    async fn swap(&self, key: &Key, seen: Option<&Self::Stamp>, next: Option<&Stored>) -> Result<bool> {
        let mut map = self.map.lock();
        let present = map.get(key).map(entry).transpose()?;
        let present = present.map(|stored| Some((stored.version, stored.deadline, stored.cap)));
        if present.as_ref() != seen {
            return Ok(false);
        }
        match next {
            Some(next) => map.insert(key.clone(), Slot::Entry(next.clone())),
            None => map.remove(key),
        };
        Ok(true)
    }

    async fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Stored)>> {
        let map = self.map.lock();
        let start = match after {
            Some(after) => Bound::Excluded(after.as_str()),
            None => Bound::Included(prefix),
        };
        let found = map.range::<str, _>((start, Bound::Unbounded));
        let found = found.take_while(|(key, _)| key.as_str().starts_with(prefix)).take(limit);
        found.map(|(key, slot)| Ok((key.clone(), entry(slot)?.clone()))).collect()
    }
}

/// Plants ghosts and damages entries in a den.
#[derive(Debug)]
pub(crate) struct Cellar(pub(crate) Right);

#[async_trait]
impl Beneath for Cellar {
    async fn plant_ghost(&self, key: &Key, value: &Value, dead_for: Duration) -> Result<bool> {
        let den = self.0.cell();
        let deadline = Deadline::at(den.clock.now() - dead_for);
        let ghost = Stored::new(value.clone(), deadline, Deadline::NEVER, Version::random());
        den.meddle(key, |stored| *stored = Some(ghost));
        Ok(true)
    }

    async fn corrupt(&self, key: &Key) -> Result<bool> {
        self.0.cell().map.lock().insert(key.clone(), Slot::Damaged);
        Ok(true)
    }
}
