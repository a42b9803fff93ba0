//! The loads of batches: claims, one call of the loader, and the fills.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::{BoxFuture, join_all};
use parking_lot::Mutex;
use ttl_core::options::Condition;
use ttl_core::{Key, Result};

use crate::answer::Answer;
use crate::core::Core;
use crate::envelope::{Content, Envelope, nonce};
use crate::error::{CacheError, LoaderError};
use crate::fill::Fill;
use crate::generations::Known;
use crate::load::{Basis, Claim};
use crate::loaded::Loaded;
use crate::read::{Found, Occupant};

type Loads<V> = BoxFuture<'static, Result<HashMap<usize, Loaded<V>>, LoaderError>>;

/// The loader of a batch. It knows keys by their place.
pub(crate) struct BatchLoader<V>(Box<dyn FnMut(Vec<usize>) -> Loads<V> + Send>);

impl<V> BatchLoader<V> {
    pub(crate) fn new<K: Clone + Send + 'static>(
        keys: Vec<K>,
        mut load: impl FnMut(Vec<(usize, K)>) -> Loads<V> + Send + 'static,
    ) -> Self {
        Self(Box::new(move |places| load(places.into_iter().map(|at| (at, keys[at].clone())).collect())))
    }

    fn load(&mut self, places: Vec<usize>) -> Loads<V> {
        (self.0)(places)
    }
}

/// A key whose value is to be loaded.
pub(crate) struct Wanted<V> {
    pub(crate) at: usize,
    pub(crate) key: Key,
    pub(crate) basis: Basis,
    pub(crate) way: Way<V>,
}

/// How the value is stored.
pub(crate) enum Way<V> {
    /// In place of a claim.
    Claim(Occupant),
    /// In place of a stale value.
    Refresh(Found<V>),
    /// Without a condition.
    Unclaimed,
    /// Not at all.
    Unstored,
}

/// A key that this process may load.
struct Won<V> {
    wanted: Wanted<V>,
    /// The claim and where it is.
    claim: Option<(Key, Claim)>,
}

impl<V: Send + Sync + 'static> Core<V> {
    /// Claims the keys, loads those whose claims were not refused, and stores the values. Returns the values
    /// by place.
    pub(crate) async fn load_batch(
        self: Arc<Self>,
        wanted: Vec<Wanted<V>>,
        loader: Arc<Mutex<BatchLoader<V>>>,
    ) -> Result<Vec<(usize, Answer<V>)>, CacheError> {
        let known = self.ensure_all_generations(&wanted).await?;
        let since = Instant::now();
        let won = self.claim_all(wanted, &known).await?;
        if won.is_empty() {
            return Ok(Vec::new());
        }
        let unstored = won.iter().any(|won| matches!(won.wanted.way, Way::Unstored));
        // Never closed.
        let permit = if unstored { self.outage_loads.acquire().await.ok() } else { None };
        let started = self.now();
        let places: Vec<usize> = won.iter().map(|won| won.wanted.at).collect();
        let result = self.limited(since, move || loader.lock().load(places)).await;
        drop(permit);
        self.counters.load(&result);
        let mut loaded = match result {
            Ok(loaded) => loaded,
            Err(error) => {
                join_all(won.iter().map(|won| self.abandon(won))).await;
                return Err(error);
            }
        };
        let filled = won.into_iter().map(|won| {
            let loaded = loaded.remove(&won.wanted.at).unwrap_or_else(Loaded::absent);
            self.fill_won(won, loaded, started, &known)
        });
        join_all(filled).await.into_iter().collect()
    }

    async fn ensure_all_generations(&self, wanted: &[Wanted<V>]) -> Result<Known> {
        let mut tags: Vec<String> = Vec::new();
        let mut known = Known::default();
        for wanted in wanted.iter().filter(|wanted| !matches!(wanted.way, Way::Unstored)) {
            tags.extend(wanted.basis.tags.iter().cloned());
            known = wanted.basis.known.clone();
        }
        tags.sort_unstable();
        tags.dedup();
        self.ensure_generations(&tags, known).await
    }

    async fn claim_all(&self, wanted: Vec<Wanted<V>>, known: &Known) -> Result<Vec<Won<V>>> {
        let mut claims = Vec::new();
        for wanted in &wanted {
            let content = Content::Claim(known.tagged());
            match &wanted.way {
                Way::Claim(occupant) => {
                    let envelope = Envelope { nonce: nonce(), content };
                    claims.push((wanted.key.clone(), envelope, occupant.condition()));
                }
                Way::Refresh(_) => {
                    let envelope = Envelope { nonce: nonce(), content: Content::Claim(Vec::new()) };
                    claims.push((self.keys.refresh(&wanted.key)?, envelope, Condition::IfAbsent));
                }
                Way::Unclaimed | Way::Unstored => {}
            }
        }
        let mut claimed = self.claim_many(claims).await?.into_iter();
        let mut won = Vec::with_capacity(wanted.len());
        for wanted in wanted {
            let claim = match wanted.way {
                Way::Claim(_) | Way::Refresh(_) => match claimed.next().flatten() {
                    None => continue,
                    claim => claim,
                },
                Way::Unclaimed | Way::Unstored => None,
            };
            won.push(Won { wanted, claim });
        }
        Ok(won)
    }

    async fn fill_won(
        &self,
        won: Won<V>,
        loaded: Loaded<V>,
        started: std::time::SystemTime,
        known: &Known,
    ) -> Result<(usize, Answer<V>), CacheError> {
        let Won { wanted: Wanted { at, key, basis, way }, claim } = won;
        loaded.check()?;
        let (condition, stale, replaced_unreadable) = match (&way, &claim) {
            (Way::Unstored, _) => {
                return Ok((at, Answer { value: loaded.into_value(None)?, stored: None }));
            }
            (Way::Refresh(found), _) => (Condition::IfVersion(found.version), Some(found), false),
            (Way::Claim(occupant), Some((_, claim))) => {
                (Condition::IfVersion(claim.version), None, occupant.is_unreadable())
            }
            (Way::Unclaimed | Way::Claim(_), _) => (Condition::Always, None, false),
        };
        let fill = Fill {
            condition,
            stale,
            started,
            known,
            own_tags: basis.own_tags,
            replaced_unreadable,
            mark: basis.mark,
        };
        let filled = self.fill(&key, loaded, fill).await;
        let stored = filled.as_ref().is_ok_and(|arrival| arrival.stored.is_some());
        if let Some((claim_key, claim)) = claim.filter(|_| !stored || stale.is_some()) {
            self.release(&claim_key, claim.version).await;
        }
        Ok((at, Answer::from(&filled?)))
    }

    /// Gives up a claim after a failed load.
    async fn abandon(&self, won: &Won<V>) {
        match (&won.wanted.way, &won.claim) {
            (Way::Refresh(_), Some((key, claim))) => self.pause(key, claim.version).await,
            (_, Some((key, claim))) => self.release(key, claim.version).await,
            (_, None) => {}
        }
    }
}
