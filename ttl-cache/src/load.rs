//! Loads: the tasks that claim a key, call its loader, and store the value.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::SemaphorePermit;
use tracing::Instrument;
use ttl_core::driver::within;
use ttl_core::options::Condition;
use ttl_core::{Key, Result};

use crate::claims::RefreshClaim;
use crate::core::Core;
use crate::envelope::{Content, Envelope};
use crate::epochs::Mark;
use crate::error::{CacheError, LoaderError};
use crate::fill::Fill;
use crate::flights::{Arrival, Landing, OwnFlight};
use crate::generations::Known;
use crate::loaded::{LoadContext, Loaded, MAX_TAGS};
use crate::read::{Found, Occupant};

pub(crate) type BoxLoader<V> =
    Box<dyn FnOnce(LoadContext<V>) -> BoxFuture<'static, Result<Loaded<V>, LoaderError>> + Send>;

/// The loader of a call. A task takes it when its load begins, so that a call whose claim was refused still
/// has it.
pub(crate) type LoaderSlot<V> = Arc<Mutex<Option<BoxLoader<V>>>>;

/// Why a load has no claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// The store is out.
    Outage,
    /// The entry belongs to a newer program.
    Foreign,
    /// The cache coordinates this process only. The value is stored.
    ThisProcess,
}

impl Why {
    pub(crate) fn stores(self) -> bool {
        self == Self::ThisProcess
    }
}

/// What a load needs to know of the state that its caller saw.
pub(crate) struct Basis {
    /// The tags of the call and of the whole cache. Every value has them.
    pub(crate) own_tags: Vec<String>,
    /// The tags whose generations must be known before the load begins.
    pub(crate) tags: Vec<String>,
    pub(crate) known: Known,
    /// The epochs before the state was read.
    pub(crate) mark: Mark,
}

impl Basis {
    /// Returns the basis of a refresh: the new value keeps the tags of the old one, unless they become too many.
    pub(crate) fn with_tags_of<V>(mut self, found: &Found<V>) -> Self {
        let mut tags = self.own_tags.clone();
        tags.extend(found.head.generations.iter().map(|tagged| tagged.tag.clone()));
        tags.sort_unstable();
        tags.dedup();
        if tags.len() <= MAX_TAGS {
            self.own_tags = tags;
        }
        self
    }

    /// Returns the basis of a load whose value is not stored.
    pub(crate) fn unknown(mark: Mark) -> Self {
        Self { own_tags: Vec::new(), tags: Vec::new(), known: Known::default(), mark }
    }
}

impl<V: Send + Sync + 'static> Core<V> {
    /// Claims the key, loads and stores the value.
    pub(crate) async fn fly_claimed(
        &self,
        own: OwnFlight<V>,
        slot: LoaderSlot<V>,
        basis: Basis,
        occupant: Occupant,
    ) {
        let landing = match self.claimed(&own, &slot, basis, occupant).await {
            Ok(landing) => landing,
            Err(error) => Landing::Failed(error),
        };
        own.flight().land(landing);
    }

    async fn claimed(
        &self,
        own: &OwnFlight<V>,
        slot: &LoaderSlot<V>,
        basis: Basis,
        occupant: Occupant,
    ) -> Result<Landing<V>, CacheError> {
        let known = self.ensure_generations(&basis.tags, basis.known).await?;
        if occupant.is_current_now(&known) {
            return Ok(Landing::Elsewhere);
        }
        let Some(generations) = known.tagged(&basis.tags) else { return Ok(Landing::Elsewhere) };
        let claim = Envelope { nonce: own.flight().id(), content: Content::Claim(generations) };
        let Some(claim) = self.claim(own.key(), &claim, occupant.condition()).await? else {
            return Ok(Landing::Elsewhere);
        };
        own.flight().begin_loading();
        let started = self.now();
        let loaded = match self.load(slot, None, claim.since).await {
            Ok(loaded) => loaded,
            Err(error) => {
                self.release(own.key(), claim.version).await;
                return Err(error);
            }
        };
        let fill = Fill {
            condition: Condition::IfVersion(claim.version),
            stale: None,
            started,
            known: &known,
            own_tags: basis.own_tags,
            needed_tags: &basis.tags,
            replaced_unreadable: occupant.is_unreadable(),
            mark: basis.mark,
        };
        match self.fill(own.key(), loaded, fill).await {
            Ok(arrival) => {
                if arrival.stored.is_none() {
                    self.release(own.key(), claim.version).await;
                }
                Ok(Landing::Arrived(Arc::new(arrival)))
            }
            Err(error) => {
                self.release(own.key(), claim.version).await;
                Err(error)
            }
        }
    }

    /// Claims the refresh of a stale value, loads and stores the new one. Returns how long the flight must go on
    /// if there is no new one, so that calls in between find it.
    pub(crate) async fn fly_refresh(
        &self,
        own: &OwnFlight<V>,
        slot: &LoaderSlot<V>,
        basis: Basis,
        found: &Found<V>,
    ) -> Duration {
        let pause = self.settings.retry_pause.as_duration();
        let claimed = match self.settings.coordinates_processes() {
            true => self.claim_refresh(own.key(), found).await,
            false => Ok(RefreshClaim::Needless),
        };
        let claim = match claimed {
            Ok(RefreshClaim::Won(key, claim)) => Some((key, claim)),
            Ok(RefreshClaim::Needless) => None,
            Ok(RefreshClaim::Changed) => {
                own.flight().land(Landing::Elsewhere);
                return Duration::ZERO;
            }
            Ok(RefreshClaim::Taken) => {
                own.flight().land(Landing::Elsewhere);
                return pause;
            }
            Ok(RefreshClaim::Paused) => {
                own.flight().land(Landing::Paused);
                return pause;
            }
            Err(error) => {
                own.flight().land(Landing::Failed(error.into()));
                return pause;
            }
        };
        let since = claim.as_ref().map_or_else(Instant::now, |(_, claim)| claim.since);
        match self.refreshed(own, slot, basis, found, since).await {
            Ok(landing) => {
                own.flight().land(landing);
                if let Some((key, claim)) = claim {
                    self.release(&key, claim.version).await;
                }
                Duration::ZERO
            }
            Err(error) => {
                own.flight().land(Landing::Failed(error));
                if let Some((key, claim)) = claim {
                    self.pause(&key, claim.version).await;
                }
                pause
            }
        }
    }

    async fn refreshed(
        &self,
        own: &OwnFlight<V>,
        slot: &LoaderSlot<V>,
        basis: Basis,
        found: &Found<V>,
        since: Instant,
    ) -> Result<Landing<V>, CacheError> {
        let known = self.ensure_generations(&basis.tags, basis.known).await?;
        let started = self.now();
        let loaded = self.load(slot, found.value.clone(), since).await?;
        let fill = Fill {
            condition: self.refresh_condition(found),
            stale: Some(found),
            started,
            known: &known,
            own_tags: basis.own_tags,
            needed_tags: &basis.tags,
            replaced_unreadable: found.head.replaced_unreadable,
            mark: basis.mark,
        };
        Ok(Landing::Arrived(Arc::new(self.fill(own.key(), loaded, fill).await?)))
    }

    /// Loads without a claim.
    pub(crate) async fn fly_unclaimed(&self, own: OwnFlight<V>, slot: LoaderSlot<V>, why: Why, basis: Basis) {
        let loaded = if why.stores() {
            self.load_and_store(&slot, own.key(), basis).await
        } else {
            self.load_unstored(&own, &slot, why).await
        };
        own.flight().land(match loaded {
            Ok(arrival) => Landing::Arrived(Arc::new(arrival)),
            Err(error) => Landing::Failed(error),
        });
    }

    async fn load_unstored(
        &self,
        own: &OwnFlight<V>,
        slot: &LoaderSlot<V>,
        why: Why,
    ) -> Result<Arrival<V>, CacheError> {
        let _permit = self.outage_permit(why).await;
        if own.flight().is_deserted() {
            // The callers have given up while the load waited for its turn.
            return Err(CacheError::Abandoned);
        }
        let loaded = self.load(slot, None, Instant::now()).await?;
        Ok(Arrival::unstored(loaded.into_value(None)?))
    }

    /// Waits until a load may begin during an outage.
    pub(crate) async fn outage_permit(&self, why: Why) -> Option<SemaphorePermit<'_>> {
        match why {
            // Never closed.
            Why::Outage => self.outage_loads.acquire().await.ok(),
            Why::Foreign | Why::ThisProcess => None,
        }
    }

    async fn load_and_store(
        &self,
        slot: &LoaderSlot<V>,
        key: &Key,
        basis: Basis,
    ) -> Result<Arrival<V>, CacheError> {
        let known = self.ensure_generations(&basis.tags, basis.known).await?;
        let started = self.now();
        let loaded = self.load(slot, None, Instant::now()).await?;
        let fill = Fill {
            condition: Condition::Always,
            stale: None,
            started,
            known: &known,
            own_tags: basis.own_tags,
            needed_tags: &basis.tags,
            replaced_unreadable: false,
            mark: basis.mark,
        };
        let arrival = self.fill(key, loaded, fill).await?;
        // Every call that joins the flight began before the load.
        Ok(Arrival { shareable: true, tags: Vec::new(), ..arrival })
    }

    /// Calls the loader. It has the load timeout from `since` on.
    async fn load(
        &self,
        slot: &LoaderSlot<V>,
        stale: Option<Arc<V>>,
        since: Instant,
    ) -> Result<Loaded<V>, CacheError> {
        let Some(loader) = slot.lock().take() else { return Err(CacheError::Abandoned) };
        let loaded = self.limited(since, move || loader(LoadContext { stale })).await;
        let loaded = loaded.and_then(|loaded| loaded.check().map(|()| loaded).map_err(CacheError::Store));
        self.counters.load(&loaded);
        loaded
    }

    /// Runs a loader within what is left of the load timeout. A panic is an error.
    pub(crate) async fn limited<T>(
        &self,
        since: Instant,
        loader: impl FnOnce() -> BoxFuture<'static, Result<T, LoaderError>>,
    ) -> Result<T, CacheError> {
        let limit = self.settings.load_timeout.as_duration().saturating_sub(since.elapsed());
        let span = tracing::info_span!("ttl_cache load", cache = %self.settings.name);
        let load = AssertUnwindSafe(async move { loader().await }.instrument(span)).catch_unwind();
        match within(limit, load).await {
            None => Err(CacheError::LoadTimeout),
            Some(Err(_)) => Err(CacheError::Panicked),
            Some(Ok(result)) => result.map_err(CacheError::Loader),
        }
    }
}
