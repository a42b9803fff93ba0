//! Reads: the present state of a key.

use std::sync::Arc;

use bytes::Bytes;
use ttl_core::options::{Condition, DeleteOptions, GetOptions, Returning};
use ttl_core::{Deadline, Entry, Error, ErrorKind, Key, Result, Value, Version};

use crate::core::Core;
use crate::envelope::{Content, Envelope, Head, Nonce, Tagged};
use crate::generations::{Known, unreported};
use crate::loaded::MAX_TAGS;

/// A valid value: not expired, not invalidated, and readable.
pub(crate) struct Found<V> {
    /// `None` if the loader found nothing.
    pub(crate) value: Option<Arc<V>>,
    pub(crate) head: Head,
    /// The encoded value.
    pub(crate) body: Bytes,
    pub(crate) nonce: Nonce,
    pub(crate) version: Version,
    pub(crate) deadline: Deadline,
}

impl<V> Clone for Found<V> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), head: self.head.clone(), body: self.body.clone(), ..*self }
    }
}

/// What stands in the way of a claim.
#[derive(Clone, Debug)]
pub(crate) enum Occupant {
    /// There is no entry.
    Nothing,
    /// An entry that may be replaced. `unreadable` if its value could not be read, or replaced one.
    Replaceable { version: Version, unreadable: bool },
    /// A claim or a value with a generation that was not the present one when it was read.
    Outdated { version: Version, generations: Vec<Tagged> },
    /// A value of a newer program, or one that replaced a value that its own program could not read. The
    /// caller loads for itself.
    Foreign,
}

impl Occupant {
    /// Returns the condition under which a claim takes its place.
    pub(crate) fn condition(&self) -> Condition {
        match self {
            Self::Replaceable { version, .. } | Self::Outdated { version, .. } => {
                Condition::IfVersion(*version)
            }
            Self::Nothing | Self::Foreign => Condition::IfAbsent,
        }
    }

    /// Returns whether the entry only seemed outdated: its generations were read before they were created, and
    /// the entry after that. A batch of reads is not atomic.
    pub(crate) fn is_current_now(&self, known: &Known) -> bool {
        matches!(self, Self::Outdated { generations, .. } if known.confirm(generations))
    }

    pub(crate) fn is_unreadable(&self) -> bool {
        matches!(self, Self::Replaceable { unreadable: true, .. })
    }
}

/// The state of a key.
pub(crate) enum State<V> {
    Value(Found<V>),
    /// A load is under way, in this or in another process.
    Claimed {
        nonce: Nonce,
        version: Version,
    },
    Miss(Occupant),
}

/// The state of a key, and what was read with it.
pub(crate) struct Seen<V> {
    pub(crate) state: State<V>,
    /// The tags that a load must know before it begins.
    pub(crate) tags: Vec<String>,
    /// The tags of a valid value that lacks one of the call's. A load keeps them.
    pub(crate) kept_tags: Vec<String>,
    pub(crate) known: Known,
}

impl<V> Core<V> {
    /// Reads the state of a key. `tags` are those of the call.
    ///
    /// One request, and one more if the value has tags that the call does not.
    pub(crate) async fn read(&self, key: &Key, tags: &[String]) -> Result<Seen<V>> {
        let mut seen = self.read_many(std::slice::from_ref(key), tags).await?;
        seen.pop().unwrap_or_else(|| Err(unreported("entry")))
    }

    /// Reads the states of many keys, in their order. Fails as a whole if the generations cannot be read.
    pub(crate) async fn read_many(&self, keys: &[Key], tags: &[String]) -> Result<Vec<Result<Seen<V>>>> {
        let wanted = self.tags_with(tags);
        let mut requests = keys.to_vec();
        for tag in &wanted {
            requests.push(self.keys.generation(tag)?);
        }
        let mut entries = self.get_many(&requests).await;
        let generations = entries.split_off(keys.len());
        let mut known = self.known(&wanted, &requests[keys.len()..], generations).await?;
        let mut found = Vec::with_capacity(keys.len());
        for (key, entry) in keys.iter().zip(entries) {
            found.push(self.envelope_of(key, entry).await);
        }
        self.read_further_tags(found.iter().flatten().flatten(), &mut known).await?;
        let state = |present: Result<Option<Occupied>>| {
            let (mut state, further) = self.state_of(present?, &known);
            let mut kept_tags = Vec::new();
            if let State::Value(found) = &state
                && tags.iter().any(|tag| !further.contains(tag))
            {
                // An invalidation of that tag would miss the value.
                let unreadable = found.head.replaced_unreadable;
                state = State::Miss(Occupant::Replaceable { version: found.version, unreadable });
                if wanted.len() + further.len() <= MAX_TAGS {
                    kept_tags.clone_from(&further);
                }
            }
            let mut tags = wanted.clone();
            tags.extend(further.into_iter().filter(|tag| !wanted.contains(tag)));
            Ok(Seen { state, tags, kept_tags, known: known.clone() })
        };
        Ok(found.into_iter().map(state).collect())
    }

    pub(crate) async fn get_many(&self, keys: &[Key]) -> Vec<Result<Option<Entry>>> {
        let options = GetOptions::new().with_returning(Returning::VERSION | Returning::DEADLINE);
        match keys {
            [] => Vec::new(),
            [key] => vec![self.store.get(key, options).await],
            keys => self.store.get_many(keys, options).await,
        }
    }

    /// Returns the present versions of entries; `None` for one that is absent or cannot be read.
    pub(crate) async fn versions(&self, keys: &[Key]) -> Vec<Option<Version>> {
        if keys.is_empty() {
            return Vec::new();
        }
        let options = GetOptions::nothing().with_returning(Returning::VERSION);
        let entries = self.store.get_many(keys, options).await;
        entries.into_iter().map(|entry| entry.ok()??.version).collect()
    }

    /// Reads the generations that the values name and that are not known yet.
    async fn read_further_tags(
        &self,
        found: impl Iterator<Item = &Occupied>,
        known: &mut Known,
    ) -> Result<()> {
        let mut further: Vec<String> = Vec::new();
        for tag in found.flat_map(Occupied::tags) {
            if !known.contains(tag) {
                further.push(tag.to_owned());
            }
        }
        further.sort_unstable();
        further.dedup();
        if further.is_empty() {
            return Ok(());
        }
        known.extend(&self.read_generations(&further).await?);
        Ok(())
    }

    /// Returns the entry with its decoded envelope. An entry that the store cannot decode is deleted, so that
    /// it counts as absent.
    async fn envelope_of(&self, key: &Key, entry: Result<Option<Entry>>) -> Result<Option<Occupied>> {
        let entry = match entry {
            Ok(Some(entry)) => entry,
            Ok(None) => return Ok(None),
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                self.note_unreadable(&error);
                let _ = self.store.delete(key, DeleteOptions::new()).await?;
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let version = entry.version.ok_or_else(|| unreported("version"))?;
        let deadline = entry.deadline.ok_or_else(|| unreported("deadline"))?;
        let envelope = match entry.value.ok_or_else(|| unreported("value"))? {
            Value::Blob(bytes) => Envelope::decode(&bytes),
            Value::Record(_) => None,
        };
        Ok(Some(Occupied { version, deadline, envelope }))
    }

    /// Returns the state, and the tags that the value names or that a load remembered.
    fn state_of(&self, present: Option<Occupied>, known: &Known) -> (State<V>, Vec<String>) {
        let Some(Occupied { version, deadline, envelope }) = present else {
            return (State::Miss(Occupant::Nothing), Vec::new());
        };
        let replaceable = |unreadable| State::Miss(Occupant::Replaceable { version, unreadable });
        let outdated = |generations: Vec<Tagged>| match self.can_clear(&generations) {
            true => State::Miss(Occupant::Outdated { version, generations }),
            false => replaceable(false),
        };
        let Some(Envelope { nonce, content }) = envelope else {
            self.note_unreadable(&"no envelope");
            return (replaceable(true), Vec::new());
        };
        match content {
            Content::Claim(generations) if self.is_current(&generations, known) => {
                (State::Claimed { nonce, version }, Vec::new())
            }
            Content::Claim(generations) => (outdated(generations), Vec::new()),
            Content::Generation | Content::Pause => (replaceable(false), Vec::new()),
            Content::Tags(tags) => (replaceable(false), tags),
            Content::Absent(head) => {
                let tags = names(&head.generations);
                if !self.is_current(&head.generations, known) {
                    return (outdated(head.generations), tags);
                }
                (
                    State::Value(Found { value: None, head, body: Bytes::new(), nonce, version, deadline }),
                    tags,
                )
            }
            Content::Value(head, body) => {
                let tags = names(&head.generations);
                if !self.is_current(&head.generations, known) {
                    return (outdated(head.generations), tags);
                }
                if head.schema > self.settings.schema {
                    self.note_unreadable(&"a newer schema version");
                    return (State::Miss(Occupant::Foreign), tags);
                }
                match self.decode(&head, &body) {
                    Ok(value) => {
                        let value = Some(Arc::new(value));
                        (State::Value(Found { value, head, body, nonce, version, deadline }), tags)
                    }
                    Err(error) => {
                        self.note_unreadable(&error);
                        // Two programs that cannot read each other's values would replace them for ever.
                        let older = head.schema < self.settings.schema;
                        if head.replaced_unreadable && !older {
                            return (State::Miss(Occupant::Foreign), tags);
                        }
                        (replaceable(true), tags)
                    }
                }
            }
        }
    }

    /// Returns whether an envelope is still valid: it can be cleared, if the cache can, and none of its
    /// generations has changed.
    fn is_current(&self, generations: &[Tagged], known: &Known) -> bool {
        self.can_clear(generations) && known.confirm(generations)
    }

    /// Returns whether an envelope with these generations can be cleared, if the cache can.
    fn can_clear(&self, generations: &[Tagged]) -> bool {
        !self.settings.clearable || generations.iter().any(|tagged| tagged.tag.is_empty())
    }

    fn decode(&self, head: &Head, body: &Bytes) -> Result<V> {
        if head.schema != self.settings.schema {
            return Err(Error::new(ErrorKind::Codec, "the value has an older schema version"));
        }
        if head.codec != self.codec.id() {
            return Err(Error::new(ErrorKind::Codec, "the value was encoded by another codec"));
        }
        self.codec.decode(body.clone())
    }

    fn note_unreadable(&self, reason: &dyn std::fmt::Display) {
        self.counters.unreadable(1);
        tracing::debug!(cache = %self.settings.name, %reason, "the cache found a value that it cannot read");
    }
}

fn names(generations: &[Tagged]) -> Vec<String> {
    generations.iter().map(|tagged| tagged.tag.clone()).collect()
}

/// An entry that exists.
struct Occupied {
    version: Version,
    deadline: Deadline,
    envelope: Option<Envelope>,
}

impl Occupied {
    fn tags(&self) -> impl Iterator<Item = &str> {
        let (generations, tags): (&[Tagged], &[String]) =
            match self.envelope.as_ref().map(|envelope| &envelope.content) {
                Some(Content::Claim(generations)) => (generations, &[]),
                Some(Content::Value(head, _) | Content::Absent(head)) => (&head.generations, &[]),
                Some(Content::Tags(tags)) => (&[], tags),
                Some(Content::Generation | Content::Pause) | None => (&[], &[]),
            };
        generations.iter().map(|tagged| tagged.tag.as_str()).chain(tags.iter().map(String::as_str))
    }
}
