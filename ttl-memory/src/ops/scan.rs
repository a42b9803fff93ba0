//! The scan: a walk over the shards in an order that changes of the tables do not affect.

use std::collections::BinaryHeap;

use ttl_core::driver::Now;
use ttl_core::options::ScanOptions;
use ttl_core::{
    Cursor, CursorSecret, Deadline, Entry as Answer, Error, ErrorKind, Key, Page, PageItem, Result,
};

use super::get::select;
use crate::BACKEND;
use crate::engine::entry::Entry;
use crate::engine::table::Table;
use crate::inner::Inner;

/// The rank of an entry in its shard: the hash of its key, and a second hash in case two keys share the
/// first. Neither reveals the key, so cursors do not contain keys.
type Rank = (u64, u64);

/// The last listed rank, and its shard.
#[derive(Clone, Copy)]
struct Position {
    shard: u32,
    after: Option<Rank>,
}

impl Inner {
    pub(crate) fn scan(&self, options: &ScanOptions) -> Result<Page> {
        let scope = [BACKEND, self.identity(), &options.prefix];
        // The entries do not outlive the process, so a cursor must not either.
        let secret = CursorSecret::of_process();
        let mut position = match &options.cursor {
            Some(cursor) => Position::decode(&cursor.open(&secret, &scope)?)?,
            None => Position { shard: 0, after: None },
        };
        let limit = options.limit.get();
        let mut listed: Vec<(Position, Key, Answer)> = Vec::new();
        // One more than the page needs, to detect that a full page is the last one.
        while let Some(shard) = self.shards.get(position.shard as usize).filter(|_| listed.len() <= limit) {
            let wanted = (limit - listed.len()).saturating_add(1);
            let found = shard.table.read().list(options, position.after, wanted, || self.now())?;
            listed.extend(found.into_iter().map(|(rank, key, answer)| {
                (Position { shard: position.shard, after: Some(rank) }, key, answer)
            }));
            position = Position { shard: position.shard + 1, after: None };
        }
        let more = listed.len() > limit;
        listed.truncate(limit);
        let end = listed
            .last()
            .filter(|_| more)
            .map(|(position, ..)| Cursor::seal(&secret, &scope, &position.encode()));
        let items = listed.into_iter().map(|(_, key, mut answer)| {
            answer.value = answer.value.and_then(|value| select(value, &options.projection));
            PageItem::new(key, Ok(answer))
        });
        Ok(Page::new(items.collect(), end))
    }
}

impl Table {
    /// Returns the first `wanted` live entries with the prefix after a rank, in the order of their ranks.
    fn list(
        &self,
        options: &ScanOptions,
        after: Option<Rank>,
        wanted: usize,
        clock: impl Fn() -> Now,
    ) -> Result<Vec<(Rank, Key, Answer)>> {
        let now = clock();
        let mut first: BinaryHeap<(Rank, usize)> = BinaryHeap::new();
        let mut found: Vec<&Entry> = Vec::new();
        for entry in &self.entries {
            if !entry.key().starts_with(options.prefix.as_bytes()) {
                continue;
            }
            let rank = self.rank(entry);
            let passed = after.is_some_and(|after| rank <= after)
                || (first.len() == wanted && first.peek().is_some_and(|last| rank > last.0));
            if passed || self.is_dead(entry, now) {
                continue;
            }
            first.push((rank, found.len()));
            found.push(entry);
            if first.len() > wanted {
                first.pop();
            }
        }
        first.into_sorted_vec().into_iter().map(|(rank, at)| self.listed(rank, found[at], options)).collect()
    }

    /// Returns whether an entry has expired, and marks it if so, as a get does.
    fn is_dead(&self, entry: &Entry, now: Now) -> bool {
        entry.state().update(|word| {
            let dead = Deadline::from_epoch_millis(word.deadline()).is_expired(now);
            (if dead { word.with_deadline(0) } else { word }, dead)
        })
    }

    fn listed(&self, rank: Rank, entry: &Entry, options: &ScanOptions) -> Result<(Rank, Key, Answer)> {
        self.note_share(entry, &options.projection);
        let deadline = Deadline::from_epoch_millis(entry.state().load().deadline());
        let answer = self.answer(entry, &options.projection, options.returning, deadline);
        Ok((rank, entry.to_key()?, answer))
    }

    fn rank(&self, entry: &Entry) -> Rank {
        (self.hashing.hash(entry.key()).whole(), self.hashing.second(entry.key()))
    }
}

impl Position {
    fn encode(self) -> Vec<u8> {
        let (hash, second) = self.after.unwrap_or_default();
        let mut bytes = self.shard.to_be_bytes().to_vec();
        bytes.extend_from_slice(&hash.to_be_bytes());
        bytes.extend_from_slice(&second.to_be_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        let take = |at: usize| -> Option<[u8; 4]> { bytes.get(at..at + 4)?.try_into().ok() };
        let word = |at: usize| Some(u64::from(u32::from_be_bytes(take(at)?)));
        let long = |at: usize| Some(word(at)? << 32 | word(at + 4)?);
        let decoded = || {
            let shard = u32::from_be_bytes(take(0)?);
            Some(Self { shard, after: Some((long(4)?, long(12)?)) })
        };
        decoded().ok_or_else(|| {
            Error::new(ErrorKind::InvalidCursor, "the cursor is invalid; start the scan again")
        })
    }
}
