//! The loads of batches: claims, one call of the loader, and the fills.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use futures_util::future::{BoxFuture, join_all};
use parking_lot::Mutex;
use ttl_core::options::Condition;
use ttl_core::{Key, Result};

use crate::answer::Answer;
use crate::claims::Claim;
use crate::core::Core;
use crate::envelope::{Content, Envelope, nonce};
use crate::error::{CacheError, LoaderError};
use crate::fill::Fill;
use crate::flights::{Arrival, Landing, OwnFlight, hold};
use crate::generations::Known;
use crate::load::{Basis, Why};
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
        let why = won.iter().find_map(|won| match won.wanted.way {
            Way::Unclaimed(why) => Some(why),
            Way::Claim(_) | Way::Refresh(..) => None,
        });
        // The keys of a load during an outage have no claims, which would run down while it waits.
        let permit = self.outage_permit(why.unwrap_or(Why::ThisProcess)).await;
        if permit.is_some() && Arc::strong_count(&loader) == 1 {
            // The caller has given up while the load waited for its turn.
            return Err(CacheError::Abandoned);
        }
        let since = if permit.is_some() { Instant::now() } else { since };
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
                join_all(won.iter().map(|won| self.give_up(won))).await;
                let flights = won.into_iter().filter_map(|won| won.wanted.way.into_flight()).collect();
                hold(flights, self.settings.retry_pause.as_duration());
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
                Way::Claim(occupant) if occupant.is_current_now(known) => continue,
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
        let mut taken = Vec::new();
        for (wanted, claim) in claiming.into_iter().zip(self.claim_many(claims).await?) {
            if claim.is_some() {
                won.push(Won { wanted, claim });
            } else if let Some(own) = wanted.way.into_flight() {
                // Another process refreshes the value, or has failed to.
                own.flight().land(Landing::Elsewhere);
                taken.push(own);
            }
        }
        hold(taken, self.settings.retry_pause.as_duration());
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
                self.release_claim(&won).await;
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
        let mut releases = !is_stored;
        if let Way::Refresh(_, own) = &won.wanted.way {
            own.flight().land(match &filled {
                Ok(arrival) => Landing::Arrived(Arc::clone(arrival)),
                Err(error) => Landing::Failed(error.clone()),
            });
            releases = true;
        }
        if releases {
            self.release_claim(&won).await;
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
                return Ok(Arc::new(Arrival::unstored(value)));
            }
            (Way::Refresh(found, _), _) => {
                (self.refresh_condition(found), Some(found), found.head.replaced_unreadable)
            }
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
            needed_tags: &basis.tags,
            replaced_unreadable,
            mark: basis.mark.clone(),
        };
        self.fill(key, loaded, fill).await.map(Arc::new)
    }

    /// Gives up a claim after a failed load.
    async fn give_up(&self, won: &Won<V>) {
        match (&won.wanted.way, &won.claim) {
            (Way::Refresh(_, own), claim) => {
                own.flight().land(Landing::Paused);
                if let Some((key, claim)) = claim {
                    self.pause(key, claim.version).await;
                }
            }
            (Way::Claim(_) | Way::Unclaimed(_), _) => self.release_claim(won).await,
        }
    }

    /// Deletes a claim.
    async fn release_claim(&self, won: &Won<V>) {
        if let Some((key, claim)) = &won.claim {
            self.release(key, claim.version).await;
        }
    }
}

impl<V> Way<V> {
    fn into_flight(self) -> Option<OwnFlight<V>> {
        match self {
            Self::Refresh(_, own) => Some(own),
            Self::Claim(_) | Self::Unclaimed(_) => None,
        }
    }

    fn stores(&self) -> bool {
        !matches!(self, Self::Unclaimed(why) if !why.stores())
    }
}
