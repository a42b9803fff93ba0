//! Generations of tags: how one write invalidates every value of a tag.
//!
//! The generation of a tag is an entry of its own, with random bytes. A value names the generations under
//! which it was loaded. They were read before the load began. A reader compares them with the present ones, so
//! deleting a generation invalidates every value that names it. A missing generation matches nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use ttl_core::options::{
    Condition, DeleteOptions, ExpireOptions, ExpiryChange, Guard, PutItem, PutOptions, Returning,
};
use ttl_core::results::PutResult;
use ttl_core::{Deadline, Entry, Error, ErrorKind, Expiry, Key, Outcome, Result, Ttl, Value};

use crate::core::Core;
use crate::envelope::{Content, Envelope, Nonce, Tagged, nonce};

/// How much longer a generation lives than the values that need it, so that it is seldom extended.
const SPARE: Duration = Duration::from_secs(24 * 3_600);

/// The present generation of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Generation {
    nonce: Nonce,
    deadline: Deadline,
}

/// The generations that were read, by tag. `None` if a tag has none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known(Arc<HashMap<String, Option<Generation>>>);

impl Known {
    fn insert(&mut self, tag: String, generation: Option<Generation>) {
        Arc::make_mut(&mut self.0).insert(tag, generation);
    }

    pub(crate) fn extend(&mut self, further: &Self) {
        for (tag, generation) in further.0.iter() {
            self.insert(tag.clone(), *generation);
        }
    }

    /// Returns whether the tag was looked up.
    pub(crate) fn contains(&self, tag: &str) -> bool {
        self.0.contains_key(tag)
    }

    fn get(&self, tag: &str) -> Option<Generation> {
        self.0.get(tag).copied().flatten()
    }

    /// Returns whether each of these generations is still the present one.
    pub(crate) fn confirm(&self, loaded_under: &[Tagged]) -> bool {
        let is_present =
            |tagged: &Tagged| self.get(&tagged.tag).is_some_and(|present| present.nonce == tagged.generation);
        loaded_under.iter().all(is_present)
    }

    /// Returns the generations of these tags, as a value names them; `None` if one of them has none.
    pub(crate) fn tagged(&self, tags: &[String]) -> Option<Vec<Tagged>> {
        let tagged = |tag: &String| Some(Tagged { tag: tag.clone(), generation: self.get(tag)?.nonce });
        tags.iter().map(tagged).collect()
    }
}

/// Returns the generation that an entry holds.
fn generation_of(value: Option<Value>, deadline: Option<Deadline>) -> Option<Generation> {
    let (Some(Value::Blob(bytes)), Some(deadline)) = (value, deadline) else { return None };
    let envelope = Envelope::decode(&bytes)?;
    (envelope.content == Content::Generation).then_some(Generation { nonce: envelope.nonce, deadline })
}

impl<V> Core<V> {
    /// Returns these tags, each once, and the one of the whole cache if it is clearable.
    pub(crate) fn tags_with(&self, tags: &[String]) -> Vec<String> {
        let mut all = tags.to_vec();
        all.extend(self.settings.clearable.then(String::new));
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Reads the generations of tags.
    pub(crate) async fn read_generations(&self, tags: &[String]) -> Result<Known> {
        let keys = tags.iter().map(|tag| self.keys.generation(tag)).collect::<Result<Vec<_>>>()?;
        let entries = self.get_many(&keys).await;
        self.known(tags, &keys, entries).await
    }

    /// Returns the generations that were read. One that cannot be read is deleted, which only invalidates.
    pub(crate) async fn known(
        &self,
        tags: &[String],
        keys: &[Key],
        entries: Vec<Result<Option<Entry>>>,
    ) -> Result<Known> {
        let mut known = Known::default();
        for ((tag, key), entry) in tags.iter().zip(keys).zip(entries) {
            let generation = match entry {
                Ok(None) => None,
                Ok(Some(Entry { value, deadline, .. })) => match generation_of(value, deadline) {
                    None => self.discard(key).await?,
                    generation => generation,
                },
                Err(error) if error.kind() == ErrorKind::Corrupt => self.discard(key).await?,
                Err(error) => return Err(error),
            };
            known.insert(tag.clone(), generation);
        }
        Ok(known)
    }

    async fn discard(&self, key: &Key) -> Result<Option<Generation>> {
        let _ = self.store.delete(key, DeleteOptions::new()).await?;
        Ok(None)
    }

    /// Creates the generations that do not exist. Returns the present ones of all tags.
    pub(crate) async fn ensure_generations(&self, tags: &[String], known: Known) -> Result<Known> {
        let missing: Vec<&String> = tags.iter().filter(|tag| known.get(tag).is_none()).collect();
        if missing.is_empty() {
            return Ok(known);
        }
        let conditions = self.store.capabilities().conditions;
        let lifetime = Ttl::try_from(self.settings.ttl.as_duration() + SPARE).unwrap_or(Ttl::MAX);
        let mut items = Vec::with_capacity(missing.len());
        let mut nonces = Vec::with_capacity(missing.len());
        for tag in &missing {
            let envelope = Envelope { nonce: nonce(), content: Content::Generation };
            let mut options = PutOptions::new(lifetime).with_returning(Returning::DEADLINE);
            if conditions {
                options = options.with_condition(Condition::IfAbsent).with_previous();
            }
            nonces.push(envelope.nonce);
            items.push(PutItem::new(self.keys.generation(tag)?, envelope.encode(), options));
        }
        let puts = self.store.put_many(items).await;
        let mut ensured = known.clone();
        for ((tag, nonce), put) in missing.into_iter().zip(nonces).zip(puts) {
            let generation = match put? {
                Outcome::Applied(put) => {
                    Some(Generation { nonce, deadline: put.deadline.ok_or_else(|| unreported("deadline"))? })
                }
                Outcome::Refused(Some(PutResult { previous, deadline, .. })) => {
                    generation_of(previous, deadline)
                }
                Outcome::Absent | Outcome::Refused(None) => None,
            };
            ensured.insert(tag.clone(), generation);
        }
        Ok(ensured)
    }

    /// Extends the generations of these tags that would end before this deadline of a value.
    pub(crate) async fn extend_generations(
        &self,
        known: &Known,
        tags: &[String],
        deadline: SystemTime,
    ) -> Result<()> {
        let needed = Deadline::at(deadline);
        let ends_earlier = |tag: &&String| known.get(tag).is_some_and(|present| present.deadline < needed);
        let until = deadline + SPARE;
        let latest = self.now() + Ttl::MAX.as_duration();
        let expiry = if until < latest { Expiry::At(until) } else { Expiry::After(Ttl::MAX) };
        let extend = async |tag: &str| {
            let options = ExpireOptions::new().with_guard(Guard::IfLater);
            // If the generation no longer exists, the value matches nothing, which is right.
            let key = self.keys.generation(tag)?;
            self.store.expire(&key, ExpiryChange::Set(expiry), options).await.map(|_| ())
        };
        let extensions = tags.iter().filter(ends_earlier).map(|tag| extend(tag));
        join_all(extensions).await.into_iter().collect()
    }
}

pub(crate) fn unreported(what: &str) -> Error {
    Error::new(
        ErrorKind::Backend,
        format!("the driver did not report the requested {what}; run the conformance suite on it"),
    )
}
