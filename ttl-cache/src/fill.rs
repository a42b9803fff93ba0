//! Fills: storing what a loader returned.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_timer::Delay;
use ttl_core::driver::contention;
use ttl_core::options::{Condition, PutOptions, Returning};
use ttl_core::{Deadline, Error, ErrorKind, Expiry, Key, Outcome, Result, Ttl};

use crate::core::Core;
use crate::envelope::{Content, Envelope, Head, Tagged, nonce};
use crate::epochs::Mark;
use crate::error::CacheError;
use crate::flights::{Arrival, StoredAs};
use crate::generations::{Known, unreported};
use crate::loaded::{Loaded, LoadedContent, MAX_TAGS};
use crate::read::Found;

/// The number of further attempts to store a value, and the wait before the first of them.
const FILL_RETRIES: u32 = 3;
const FILL_PAUSE: Duration = Duration::from_millis(20);

/// The circumstances of a load whose value is to be stored.
pub(crate) struct Fill<'a, V> {
    /// The condition under which the value is stored. It fails if the key was invalidated during the load.
    pub(crate) condition: Condition,
    /// The stale value that the load refreshes.
    pub(crate) stale: Option<&'a Found<V>>,
    /// The instant before the load. All lifetimes begin there.
    pub(crate) started: SystemTime,
    pub(crate) known: &'a Known,
    pub(crate) own_tags: Vec<String>,
    /// The tags that the load had to know.
    pub(crate) needed_tags: &'a [String],
    pub(crate) replaced_unreadable: bool,
    /// The epochs before the load.
    pub(crate) mark: Mark,
}

/// The instants of a value's life.
struct Times {
    fresh_until: Deadline,
    deadline: SystemTime,
}

impl<V> Core<V> {
    /// Stores a loaded value, if it is to be stored, and returns it. A value that cannot be stored is returned
    /// too, and counted.
    pub(crate) async fn fill(
        &self,
        key: &Key,
        loaded: Loaded<V>,
        fill: Fill<'_, V>,
    ) -> Result<Arrival<V>, CacheError> {
        let load_millis = u32::try_from(elapsed(self.now(), fill.started).as_millis()).unwrap_or(u32::MAX);
        let times = self.times(&loaded, fill.started);
        let tags = self.tags_of(&loaded, fill.own_tags, fill.stale);
        let (encoded, keep) = (self.encode(&loaded, fill.stale), loaded.stored);
        let value = loaded.into_value(fill.stale)?;
        let generations = fill.known.tagged(&tags);
        let mut arrival = Arrival { value, shareable: generations.is_some(), tags, stored: None };
        if !keep {
            return Ok(arrival);
        }
        let body = match encoded {
            Ok(body) => body,
            Err(error) => {
                self.note_lost_write(&error);
                return Ok(arrival);
            }
        };
        let content = match &generations {
            None => Content::Tags(noted_tags(&arrival.tags, fill.needed_tags)),
            Some(generations) => {
                let head = self.head(&times, load_millis, fill.replaced_unreadable, generations.clone());
                match &body {
                    Some(body) => Content::Value(head, body.clone()),
                    None => Content::Absent(head),
                }
            }
        };
        let envelope = Envelope { nonce: nonce(), content };
        let stored = async {
            self.extend_generations(fill.known, &arrival.tags, times.deadline).await?;
            self.store_envelope(key, &envelope, times.deadline, fill.condition, &fill.mark).await
        };
        match (stored.await, generations) {
            (Ok(Some(deadline)), Some(generations)) => {
                let bytes = body.map_or(0, |body| body.len());
                let generations = generations.into();
                arrival.stored =
                    Some(StoredAs { fresh_until: times.fresh_until, deadline, generations, bytes });
            }
            (Ok(Some(_)), None) => {}
            (Ok(None), _) => self.counters.overtaken(1),
            (Err(error), _) => self.note_lost_write(&error),
        }
        Ok(arrival)
    }

    /// Returns the tags of a loaded value. An unmodified one keeps those of the stale value.
    fn tags_of(&self, loaded: &Loaded<V>, own_tags: Vec<String>, stale: Option<&Found<V>>) -> Vec<String> {
        let mut tags = own_tags;
        tags.extend(loaded.tags.iter().cloned());
        if let (LoadedContent::NotModified, Some(found)) = (&loaded.content, stale) {
            tags.extend(found.head.generations.iter().map(|tagged| tagged.tag.clone()));
        }
        tags.sort_unstable();
        tags.dedup();
        tags
    }

    /// Writes an envelope under a condition. Returns its deadline, or `None` if the condition did not hold or
    /// the deadline has passed.
    async fn store_envelope(
        &self,
        key: &Key,
        envelope: &Envelope,
        deadline: SystemTime,
        condition: Condition,
        mark: &Mark,
    ) -> Result<Option<Deadline>> {
        let options = PutOptions::new(Expiry::At(deadline))
            .with_condition(condition)
            .with_returning(Returning::DEADLINE);
        let _order = self.order(key).await;
        if !self.settings.coordinates_processes() && !self.epochs.has_kept(mark) {
            return Ok(None);
        }
        let mut round = 0;
        loop {
            match self.store.put(key, envelope.encode().into(), options.clone()).await {
                Ok(Outcome::Applied(put)) => {
                    let deadline = put.deadline.ok_or_else(|| unreported("deadline"))?;
                    return Ok(Some(deadline).filter(|deadline| !deadline.is_expired(self.now())));
                }
                Ok(Outcome::Absent | Outcome::Refused(_)) => return Ok(None),
                // Nothing was written, and another load would cost more than another attempt.
                Err(error) if error.is_retryable() && round < FILL_RETRIES => {
                    round += 1;
                    Delay::new(FILL_PAUSE * round).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Stores a value that no loader returned.
    pub(crate) async fn insert(&self, key: &Key, loaded: Loaded<V>) -> Result<()> {
        let body = self.encode(&loaded, None)?.ok_or_else(|| {
            Error::new(
                ErrorKind::Codec,
                "`Loaded::not_modified` has no value to insert; insert the value itself",
            )
        })?;
        let tags = self.tags_with(&loaded.tags);
        let times = self.times(&loaded, self.now());
        let known = self.ensure_generations(&tags, self.read_generations(&tags).await?).await?;
        let generations = known.tagged(&tags).ok_or_else(contention)?;
        self.extend_generations(&known, &tags, times.deadline).await?;
        let content = Content::Value(self.head(&times, 0, false, generations), body);
        let envelope = Envelope { nonce: nonce(), content };
        let _order = self.order(key).await;
        let options = PutOptions::new(Expiry::At(times.deadline));
        let put = self.store.put(key, envelope.encode().into(), options).await;
        // Before the lock is released, so that a load of this process sees it.
        self.epochs.change_key(key);
        put.map(|_| ())
    }

    fn head(
        &self,
        times: &Times,
        load_millis: u32,
        replaced_unreadable: bool,
        generations: Vec<Tagged>,
    ) -> Head {
        Head {
            fresh_until: times.fresh_until,
            load_millis,
            schema: self.settings.schema,
            codec: self.codec.id(),
            replaced_unreadable,
            generations,
        }
    }

    /// Returns the encoded value; `None` for no value. A codec that panics fails like any other.
    fn encode(&self, loaded: &Loaded<V>, stale: Option<&Found<V>>) -> Result<Option<Bytes>> {
        match &loaded.content {
            LoadedContent::Value(value) => {
                let encoded = catch_unwind(AssertUnwindSafe(|| self.codec.encode(value)));
                encoded.unwrap_or_else(|_| Err(Error::new(ErrorKind::Codec, "the codec panicked"))).map(Some)
            }
            LoadedContent::Absent => Ok(None),
            LoadedContent::NotModified => {
                Ok(stale.filter(|found| found.value.is_some()).map(|found| found.body.clone()))
            }
        }
    }

    fn times(&self, loaded: &Loaded<V>, started: SystemTime) -> Times {
        let settings = &self.settings;
        let default = match loaded.content {
            LoadedContent::Absent => settings.absent_ttl.unwrap_or(settings.ttl),
            LoadedContent::Value(_) | LoadedContent::NotModified => settings.ttl,
        };
        let ttl = loaded.ttl.unwrap_or(default);
        let fresh_for = loaded.fresh_for.or(settings.fresh_for).filter(|fresh_for| *fresh_for < ttl);
        let share = 1.0 - settings.jitter * rand::random::<f64>();
        let after = |ttl: Ttl| started + shortened(ttl, share);
        Times {
            fresh_until: fresh_for.map_or(Deadline::NEVER, |fresh_for| Deadline::at(after(fresh_for))),
            deadline: after(ttl),
        }
    }
}

/// Returns the tags that the next load must know: those of the value, and those that this load knew, so that they
/// add up to the tags of all values of the key, unless they are too many.
fn noted_tags(tags: &[String], needed: &[String]) -> Vec<String> {
    let all: BTreeSet<&String> = tags.iter().chain(needed).filter(|tag| !tag.is_empty()).collect();
    if all.len() <= MAX_TAGS {
        return all.into_iter().cloned().collect();
    }
    tags.iter().filter(|tag| !tag.is_empty()).cloned().collect()
}

/// Returns a share of a TTL, at least one millisecond.
fn shortened(ttl: Ttl, share: f64) -> Duration {
    if share >= 1.0 {
        return ttl.as_duration();
    }
    ttl.as_duration().mul_f64(share).max(Ttl::MIN.as_duration())
}

impl<V> Loaded<V> {
    /// Returns the value; the stale one if it was not modified.
    pub(crate) fn into_value(self, stale: Option<&Found<V>>) -> Result<Option<Arc<V>>, CacheError> {
        match self.content {
            LoadedContent::Value(value) => Ok(Some(Arc::new(value))),
            LoadedContent::Absent => Ok(None),
            LoadedContent::NotModified => match stale.and_then(|found| found.value.clone()) {
                Some(value) => Ok(Some(value)),
                None => Err(CacheError::Loader(Arc::new(NothingToKeep))),
            },
        }
    }
}

/// The error of a loader that returned `not_modified` without a stale value.
#[derive(Debug)]
struct NothingToKeep;

impl std::fmt::Display for NothingToKeep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the loader returned `Loaded::not_modified`, but there is no stale value; check LoadContext::stale first")
    }
}

impl std::error::Error for NothingToKeep {}

/// Returns the time since an instant of the store's clock.
fn elapsed(now: SystemTime, since: SystemTime) -> Duration {
    now.duration_since(since).unwrap_or_default()
}
