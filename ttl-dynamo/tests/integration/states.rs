//! What can stand under a key before an operation: nothing, live entries, and ghosts of every kind.

use ttl_core::options::{GetOptions, PutOptions, Returning};
use ttl_core::{Expiry, Lifespan, Record, Ttl, TtlStore, Value, Version};

use crate::raw::{Item, n, s};
use crate::support::{LONG, Space, applied, blob, key, record};

/// A state of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Nothing,
    Record,
    Blob,
    /// Its cap is three hours away.
    Capped,
    Persistent,
    Ghost(Ghost),
}

/// What ended an entry that the server still keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ghost {
    Record,
    Blob,
    Empty,
    /// The deadline has passed, the cap has not.
    Uncapped,
    /// The cap has passed, the deadline has not: deadlines are not cut back to the cap.
    Cap,
    BlobCap,
    /// No deadline, and a cap that has passed.
    Persistent,
    /// To the millisecond.
    JustNow,
    CapJustNow,
}

pub(crate) const LIVE: [State; 4] = [State::Record, State::Blob, State::Capped, State::Persistent];

pub(crate) const GHOSTS: [Ghost; 9] = [
    Ghost::Record,
    Ghost::Blob,
    Ghost::Empty,
    Ghost::Uncapped,
    Ghost::Cap,
    Ghost::BlobCap,
    Ghost::Persistent,
    Ghost::JustNow,
    Ghost::CapJustNow,
];

impl Space {
    /// Puts this state under a key, around the wire.
    pub(crate) async fn prepare(&self, name: &str, state: State) {
        self.raw.delete(name).await;
        let key = key(name);
        let (value, lifespan) = match state {
            State::Nothing => return,
            State::Ghost(ghost) => return self.haunt(name, ghost).await,
            State::Record => (record(), LONG.into()),
            State::Blob => (blob("old"), LONG.into()),
            State::Capped => (record(), Lifespan::from(LONG).with_max_lifetime(Ttl::hours(3))),
            State::Persistent => (record(), Expiry::Never.into()),
        };
        applied(self.quiet.put(&key, value, PutOptions::new(lifespan)).await);
    }

    /// A live entry, with its deadline and cap written over.
    async fn haunt(&self, name: &str, ghost: Ghost) {
        let value = match ghost {
            Ghost::Blob | Ghost::BlobCap => blob("ghost"),
            Ghost::Empty => Record::new().into(),
            _ => Value::from(Record::new().with("n", 13).with("list", ["ghost"]).with("ghost", true)),
        };
        applied(self.quiet.put(&key(name), value, PutOptions::new(LONG)).await);
        let mut item = self.raw.get(name).await.unwrap();
        let now = self.now_millis();
        let (past, future) = (n(now - 60_000), n(now + 60_000));
        let (deadline, max) = match ghost {
            Ghost::Record | Ghost::Blob | Ghost::Empty => (Some(past), None),
            Ghost::Uncapped => (Some(past), Some(future)),
            Ghost::Cap | Ghost::BlobCap => (Some(future), Some(past)),
            Ghost::Persistent => (None, Some(past)),
            Ghost::JustNow => (Some(n(now)), None),
            Ghost::CapJustNow => (Some(future), Some(n(now))),
        };
        for (name, value) in [("ttl:deadline", deadline), ("ttl:cap", max)] {
            item.remove(name);
            if let Some(value) = value {
                item.insert(name.to_owned(), value);
            }
        }
        self.raw.put(name, item).await;
    }

    /// The version of what is under a key, or one that nothing has.
    pub(crate) async fn version(&self, name: &str) -> Version {
        let peek = GetOptions::nothing().with_returning(Returning::VERSION);
        let entry = self.quiet.get(&key(name), peek).await.unwrap();
        entry.map_or_else(Version::random, |entry| entry.version.unwrap())
    }

    /// The item under a key, so that it can be compared with another one: without the key, and of the version only
    /// whether it is still this one.
    pub(crate) async fn item(&self, name: &str, before: Option<&Item>) -> Option<Item> {
        let mut item = self.raw.get(name).await?;
        item.remove("ttl:key");
        let same = before.is_some_and(|before| before["ttl:version"] == item["ttl:version"]);
        item.insert("ttl:version".to_owned(), s(if same { "same" } else { "new" }));
        Some(item)
    }
}
