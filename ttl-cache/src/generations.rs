//! Generations of tags: how one write invalidates every value of a tag.
//!
//! The generation of a tag is an entry of its own, with random bytes. A value names the generations under
//! which it was loaded. They were read before the load began. A reader compares them with the present ones, so
//! deleting a generation invalidates every value that names it. A missing generation matches nothing.

use std::time::Duration;

use futures_util::future::join_all;
use ttl_core::options::{Condition, ExpireOptions, ExpiryChange, Guard, PutItem, PutOptions, Returning};
use ttl_core::{Deadline, Entry, Error, ErrorKind, Expiry, Result, Ttl, Value};

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
pub(crate) struct Known(Vec<(String, Option<Generation>)>);

impl Known {
    pub(crate) fn insert(&mut self, tag: String, generation: Option<Generation>) {
        self.0.push((tag, generation));
    }

    pub(crate) fn extend(&mut self, further: Self) {
        self.0.extend(further.0);
    }

    fn get(&self, tag: &str) -> Option<&Option<Generation>> {
        self.0.iter().find(|(known, _)| known == tag).map(|(_, generation)| generation)
    }

    pub(crate) fn contains(&self, tag: &str) -> bool {
        self.get(tag).is_some()
    }

    /// Returns whether each of these generations is still the present one.
    pub(crate) fn confirm(&self, loaded_under: &[Tagged]) -> bool {
        loaded_under.iter().all(|tagged| {
            matches!(self.get(&tagged.tag), Some(Some(present)) if present.nonce == tagged.generation)
        })
    }

    /// Returns the known generations, as a value names them.
    pub(crate) fn tagged(&self) -> Vec<Tagged> {
        let named = |(tag, generation): &(String, Option<Generation>)| {
            Some(Tagged { tag: tag.clone(), generation: generation.as_ref()?.nonce })
        };
        self.0.iter().filter_map(named).collect()
    }
}

/// Returns the generation that an entry holds.
pub(crate) fn generation_of(entry: Option<Entry>) -> Option<Generation> {
    let Entry { value: Some(Value::Blob(bytes)), deadline: Some(deadline), .. } = entry? else { return None };
    let envelope = Envelope::decode(&bytes)?;
    (envelope.content == Content::Generation).then_some(Generation { nonce: envelope.nonce, deadline })
}

impl<V> Core<V> {
    /// Returns the tags that every value of this cache has: the one of the whole cache, if it is clearable.
    fn implied_tags(&self) -> Vec<String> {
        if self.settings.clearable { vec![String::new()] } else { Vec::new() }
    }

    /// Returns these tags and those that every value has.
    pub(crate) fn tags_with(&self, tags: &[String]) -> Vec<String> {
        let mut all = self.implied_tags();
        all.extend(tags.iter().cloned());
        all
    }

    /// Reads the generations of tags.
    pub(crate) async fn read_generations(&self, tags: &[String]) -> Result<Known> {
        let keys = tags.iter().map(|tag| self.keys.generation(tag)).collect::<Result<Vec<_>>>()?;
        let mut known = Known::default();
        for (tag, entry) in tags.iter().zip(self.get_many(&keys).await) {
            known.insert(tag.clone(), generation_of(entry?));
        }
        Ok(known)
    }

    /// Creates the generations that do not exist.
    pub(crate) async fn ensure_generations(&self, tags: &[String], known: Known) -> Result<Known> {
        let mut ensured = Known::default();
        let mut missing = Vec::new();
        for tag in tags {
            match known.get(tag) {
                Some(Some(generation)) => ensured.insert(tag.clone(), Some(*generation)),
                _ => missing.push(tag),
            }
        }
        if missing.is_empty() {
            return Ok(ensured);
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
        for ((tag, nonce), outcome) in missing.into_iter().zip(nonces).zip(self.store.put_many(items).await) {
            let generation = match outcome? {
                ttl_core::Outcome::Applied(put) => {
                    let deadline = put.deadline.ok_or_else(|| unreported("deadline"))?;
                    Some(Generation { nonce, deadline })
                }
                ttl_core::Outcome::Refused(Some(present)) => {
                    generation_of(Some(Entry::new(present.previous).with_deadline(present.deadline)))
                }
                ttl_core::Outcome::Absent | ttl_core::Outcome::Refused(None) => None,
            };
            ensured.insert(tag.clone(), generation);
        }
        Ok(ensured)
    }

    /// Extends the generations that would end before this deadline of a value.
    pub(crate) async fn extend_generations(&self, known: &Known, deadline: Deadline) -> Result<()> {
        let later = |(_, generation): &&(String, Option<Generation>)| {
            generation.as_ref().is_some_and(|generation| generation.deadline < deadline)
        };
        let until = deadline.to_system_time().and_then(|at| at.checked_add(SPARE));
        let extend = async |tag: &str| {
            let change = ExpiryChange::Set(until.map_or(Expiry::Never, Expiry::At));
            let options = ExpireOptions::new().with_guard(Guard::IfLater);
            // If the generation no longer exists, the value matches nothing, which is right.
            self.store.expire(&self.keys.generation(tag)?, change, options).await.map(|_| ())
        };
        let extensions = known.0.iter().filter(later).map(|(tag, _)| extend(tag));
        join_all(extensions).await.into_iter().collect()
    }
}

pub(crate) fn unreported(what: &str) -> Error {
    Error::new(
        ErrorKind::Backend,
        format!("the driver did not report the requested {what}; run the conformance suite on it"),
    )
}
