//! The loads of batches: claims, one call of the loader, and the fills.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use futures_timer::Delay;
use futures_util::future::{BoxFuture, join_all};
use parking_lot::Mutex;
use ttl_core::options::Condition;
use ttl_core::{Key, Result};

use crate::answer::Answer;
use crate::core::Core;
use crate::envelope::{Content, Envelope, nonce};
use crate::error::{CacheError, LoaderError};
use crate::fill::Fill;
use crate::flights::{Arrival, Landing, OwnFlight};
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
    /// In place of a stale value. The flight keeps other calls of this process from refreshing it too.
    Refresh(Found<V>, OwnFlight<V>),
    /// Without a claim, or not at all.
    Unclaimed(Why),
}

/// Why a load of a batch has no claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// The store is out.
    Outage,
    /// The entry belongs to a newer program.
    Foreign,
    /// The cache coordinates this process only. The value is stored.
    ThisProcess,
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
        let is_out = won.iter().any(|won| matches!(won.wanted.way, Way::Unclaimed(Why::Outage)));
        // Never closed.
        let permit = if is_out { self.outage_loads.acquire().await.ok() } else { None };
        // A load without a claim has waited for its turn, and no claim runs down.
        let since = if is_out { Instant::now() } else { since };
        let started = self.now();
        let places: Vec<usize> = won.iter().map(|won| won.wanted.at).collect();
        let result = self.limited(since, move || loader.lock().load(places)).await;
        drop(permit);
        self.counters.load(&result);
        match result {
            Ok(mut loaded) => {
                let filled = won.into_iter().map(|won| {
                    let loaded = loaded.remove(&won.wanted.at).unwrap_or_else(Loaded::absent);
                    self.fill_won(won, loaded, started, &known)
                });
                join_all(filled).await.into_iter().collect()
            }
            Err(error) => {
                join_all(won.iter().map(|won| self.abandon(won))).await;
                if won.iter().any(|won| matches!(won.wanted.way, Way::Refresh(..))) {
                    // The flights go on for the pause.
                    Delay::new(self.settings.retry_pause.as_duration()).await;
                }
                Err(error)
            }
        }
    }

    async fn ensure_all_generations(&self, wanted: &[Wanted<V>]) -> Result<Known> {
        let mut tags: Vec<String> = Vec::new();
        let mut known = Known::default();
        for wanted in wanted.iter().filter(|wanted| wanted.way.stores()) {
            tags.extend(wanted.basis.tags.iter().cloned());
            known.clone_from(&wanted.basis.known);
        }
        tags.sort_unstable();
        tags.dedup();
        self.ensure_generations(&tags, known).await
    }

    async fn claim_all(&self, wanted: Vec<Wanted<V>>, known: &Known) -> Result<Vec<Won<V>>> {
        let mut claims = Vec::new();
        let mut claiming = Vec::new();
        let mut won = Vec::new();
        for wanted in wanted {
            let claim = |content| Envelope { nonce: nonce(), content };
            match &wanted.way {
                Way::Claim(occupant) => {
                    // A generation that is gone again leaves the key for the next round.
                    let Some(generations) = known.tagged(&wanted.basis.tags) else { continue };
                    let content = Content::Claim(generations);
                    claims.push((wanted.key.clone(), claim(content), occupant.condition()));
                    claiming.push(wanted);
                }
                Way::Refresh(..) if self.settings.coordinates_processes() => {
                    let key = self.keys.refresh(&wanted.key)?;
                    claims.push((key, claim(Content::Claim(Vec::new())), Condition::IfAbsent));
                    claiming.push(wanted);
                }
                Way::Refresh(..) | Way::Unclaimed(_) => won.push(Won { wanted, claim: None }),
            }
        }
        for (wanted, claim) in claiming.into_iter().zip(self.claim_many(claims).await?) {
            if claim.is_some() {
                won.push(Won { wanted, claim });
            }
        }
        Ok(self.without_refreshed(won).await)
    }

    /// Leaves out the stale values that another process has refreshed before this one claimed them.
    async fn without_refreshed(&self, won: Vec<Won<V>>) -> Vec<Won<V>> {
        let is_refresh = |won: &Won<V>| matches!(won.wanted.way, Way::Refresh(..));
        let keys: Vec<Key> =
            won.iter().filter(|won| is_refresh(won)).map(|won| won.wanted.key.clone()).collect();
        let mut versions = self.versions(&keys).await.into_iter();
        let mut kept = Vec::with_capacity(won.len());
        for won in won {
            if let Way::Refresh(found, _) = &won.wanted.way
                && versions.next().flatten() != Some(found.version)
            {
                self.abandon_claim(&won).await;
                continue;
            }
            kept.push(won);
        }
        kept
    }

    async fn fill_won(
        &self,
        won: Won<V>,
        loaded: Loaded<V>,
        started: SystemTime,
        known: &Known,
    ) -> Result<(usize, Answer<V>), CacheError> {
        let filled = self.fill_checked(&won, loaded, started, known).await;
        let is_stored = filled.as_ref().is_ok_and(|arrival| arrival.stored.is_some());
        if let Way::Refresh(_, own) = &won.wanted.way {
            own.flight().land(match &filled {
                Ok(arrival) => Landing::Arrived(Arc::clone(arrival)),
                Err(error) => Landing::Failed(error.clone()),
            });
            self.abandon_claim(&won).await;
        } else if !is_stored {
            self.abandon_claim(&won).await;
        }
        Ok((won.wanted.at, Answer::from(&*filled?)))
    }

    async fn fill_checked(
        &self,
        won: &Won<V>,
        loaded: Loaded<V>,
        started: SystemTime,
        known: &Known,
    ) -> Result<Arc<Arrival<V>>, CacheError> {
        loaded.check()?;
        let Wanted { key, basis, way, .. } = &won.wanted;
        let (condition, stale, replaced_unreadable) = match (way, &won.claim) {
            (Way::Unclaimed(Why::Outage | Why::Foreign), _) => {
                let value = loaded.into_value(None)?;
                return Ok(Arc::new(Arrival { value, shareable: true, stored: None }));
            }
            (Way::Refresh(found, _), _) => (self.refresh_condition(found), Some(found), false),
            (Way::Claim(occupant), Some((_, claim))) => {
                (Condition::IfVersion(claim.version), None, occupant.is_unreadable())
            }
            (Way::Unclaimed(Why::ThisProcess) | Way::Claim(_), _) => (Condition::Always, None, false),
        };
        let fill = Fill {
            condition,
            stale,
            started,
            known,
            own_tags: basis.own_tags.clone(),
            replaced_unreadable,
            mark: basis.mark.clone(),
        };
        self.fill(key, loaded, fill).await.map(Arc::new)
    }

    /// Gives up a claim after a failed load.
    async fn abandon(&self, won: &Won<V>) {
        match (&won.wanted.way, &won.claim) {
            (Way::Refresh(_, own), claim) => {
                own.flight().land(Landing::Paused);
                if let Some((key, claim)) = claim {
                    self.pause(key, claim.version).await;
                }
            }
            (Way::Claim(_) | Way::Unclaimed(_), _) => self.abandon_claim(won).await,
        }
    }

    /// Deletes a claim.
    async fn abandon_claim(&self, won: &Won<V>) {
        if let Some((key, claim)) = &won.claim {
            self.release(key, claim.version).await;
        }
    }
}

impl<V> Way<V> {
    fn stores(&self) -> bool {
        !matches!(self, Self::Unclaimed(Why::Outage | Why::Foreign))
    }
}
