//! The obvious cache: get, on a miss load and put, and the usual features on top. Its habits are those of caches
//! that are in use.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{sleep, timeout};
use ttl_cache::LoadOptions;
use ttl_core::{Ttl, TtlStore, async_trait};

use super::far::{self, Stored};
use super::habit::Habit;
use super::markers::Markers;
use super::near::{Copies, copy_of};
use super::{CacheUnderTest, Counts, Failure, Settings, Shaped};
use crate::source::{Fresh, Source};

/// The result of a load, or `None` before it.
type Flight = watch::Receiver<Option<Result<String, Failure>>>;

pub(crate) struct Obvious<S>(Arc<Inner<S>>);

struct Inner<S> {
    store: Arc<dyn TtlStore>,
    settings: Settings,
    habit: Habit,
    flights: Mutex<HashMap<String, Flight>>,
    /// The refreshes under way, and when they began.
    refreshes: Mutex<HashMap<String, (AbortHandle, u64)>>,
    near: Copies,
    markers: Markers,
    hits: AtomicU64,
    values: std::marker::PhantomData<fn() -> S>,
}

impl<S: Shaped> Obvious<S> {
    pub(crate) fn new(store: Arc<dyn TtlStore>, settings: Settings, habit: Habit) -> Self {
        let near = Copies::default();
        if let Some(bus) = &settings.bus {
            bus.join(&near);
        }
        let markers = Markers::new(Arc::clone(&store), settings.name, settings.ttl, habit);
        let (flights, refreshes, hits) = Default::default();
        let values = std::marker::PhantomData;
        Self(Arc::new(Inner { store, settings, habit, flights, refreshes, near, markers, hits, values }))
    }
}

impl<S: Shaped> Inner<S> {
    fn key(&self, key: &str) -> String {
        format!("{}:{key}", self.settings.name)
    }

    fn lock(&self, key: &str) -> String {
        format!("{}:lock:{key}", self.settings.name)
    }

    fn now(&self) -> u64 {
        far::millis(self.store.now())
    }

    /// Reads a valid value, and keeps a near copy of a fresh one.
    async fn read(&self, key: &str, tags: Option<&[String]>) -> Result<Option<Stored<S>>, Failure> {
        let Some(read) = far::read::<S>(&*self.store, &self.key(key)).await? else { return Ok(None) };
        let readable = read.stored.filter(|stored| stored.schema == self.settings.schema);
        let Some(stored) = readable else {
            return if self.habit == Habit::ReplacesUnreadable { Ok(None) } else { Err(far::cannot_parse()) };
        };
        if self.habit == Habit::TagsByPosition && tags.is_some_and(|tags| tags.len() != stored.tags.len()) {
            return Err(far::cannot_parse());
        }
        if !self.markers.confirm(&stored).await? || stored.value.text().is_empty() {
            return Ok(None);
        }
        if self.now() < stored.fresh_until {
            let left = match (self.habit, read.left) {
                (Habit::NearRemainder, Some(left)) => Duration::from_millis(left.as_millis() as u64),
                _ => self.settings.ttl.as_duration(),
            };
            self.copy(key, stored.value.text(), left);
        }
        Ok(Some(stored))
    }

    fn copy(&self, key: &str, text: String, left: Duration) {
        if self.settings.near.is_some() {
            let end = (!left.is_zero()).then(|| self.store.now() + left);
            self.near.lock().insert(key.to_owned(), (text, end));
        }
    }

    fn forget(&self, key: &str) {
        self.near.lock().remove(key);
        if let Some(bus) = self.settings.bus.as_ref().filter(|_| self.habit == Habit::NearByMessages) {
            bus.send(key);
        }
    }

    async fn put(&self, key: &str, options: &LoadOptions, fresh: &Fresh) -> Result<(), Failure> {
        let mut tags = fresh.tags.clone();
        if self.settings.tags {
            tags.extend(options.tags.iter().cloned());
        }
        let ttl = fresh.ttl.unwrap_or(self.settings.ttl);
        let fresh_for = self.settings.fresh_for.unwrap_or(ttl);
        let stored = Stored {
            value: S::new(fresh.text.clone()),
            fresh_until: self.now() + fresh_for.as_duration().as_millis() as u64,
            stamp: self.now(),
            tags: self.markers.tags(&tags).await?,
            schema: self.settings.schema,
        };
        Ok(far::write(&*self.store, &self.key(key), &stored, ttl).await?)
    }

    async fn load(
        self: Arc<Self>,
        key: &str,
        options: &LoadOptions,
        source: &Source,
    ) -> Result<String, Failure> {
        let fresh = source.load().await.map_err(|_| Failure::Loader)?.ok_or(Failure::Loader)?;
        let text = fresh.text.clone();
        let (cache, key, options) = (Arc::clone(&self), key.to_owned(), options.clone());
        let put = async move { cache.put(&key, &options, &fresh).await };
        if self.habit == Habit::WriteBehind {
            tokio::spawn(put);
        } else if let Err(error) = put.await {
            // Caching is best effort.
            drop(error);
        }
        Ok(text)
    }

    async fn load_locked(
        self: Arc<Self>,
        key: String,
        options: LoadOptions,
        source: Arc<Source>,
    ) -> Result<String, Failure> {
        if self.habit != Habit::LockWithoutDeadline {
            return self.load(&key, &options, &source).await;
        }
        if !far::lock(&*self.store, &self.lock(&key), far::for_ever()).await? {
            return Err(Failure::Other("another process loads".to_owned()));
        }
        let loaded = Arc::clone(&self).load(&key, &options, &source).await;
        far::delete(&*self.store, &self.lock(&key)).await?;
        loaded
    }

    /// Loads, or waits for the load of another call of this process.
    async fn fly(
        self: Arc<Self>,
        key: &str,
        options: LoadOptions,
        source: Arc<Source>,
    ) -> Result<String, Failure> {
        let (mut flight, landing) = {
            let mut flights = self.flights.lock();
            match flights.get(key) {
                Some(flight) => (flight.clone(), None),
                None => {
                    let (landing, flight) = watch::channel(None);
                    flights.insert(key.to_owned(), flight.clone());
                    (flight, Some(landing))
                }
            }
        };
        if let Some(landing) = landing {
            let (cache, key) = (Arc::clone(&self), key.to_owned());
            let work = async move {
                let loaded = Arc::clone(&cache).load_locked(key.clone(), options, source).await;
                cache.flights.lock().remove(&key);
                landing.send_replace(Some(loaded));
            };
            if self.habit == Habit::DetachedLoad {
                tokio::spawn(work);
            } else {
                work.await;
            }
        }
        let landed = flight.wait_for(Option::is_some).await;
        let landed = landed.ok().and_then(|landed| landed.clone());
        landed.unwrap_or_else(|| Err(Failure::Other("the load was cancelled".to_owned())))
    }

    /// Begins a refresh, unless one is under way.
    fn refresh(
        self: &Arc<Self>,
        key: &str,
        options: &LoadOptions,
        source: &Arc<Source>,
        stale: Stored<S>,
    ) -> Option<JoinHandle<Result<String, Failure>>> {
        let mut refreshes = self.refreshes.lock();
        if let Some((running, since)) = refreshes.get(key) {
            let interval =
                self.settings.fresh_for.map_or(0, |interval| interval.as_duration().as_millis() as u64);
            if self.habit != Habit::RestartedRefresh || self.now() < since + interval {
                return None;
            }
            running.abort();
        }
        let cache = Arc::clone(self);
        let (key_of_task, options, source) = (key.to_owned(), options.clone(), Arc::clone(source));
        let task = tokio::spawn(async move {
            let key = key_of_task;
            let lock = cache.lock(&key);
            if cache.habit == Habit::LockBeforeStale {
                far::lock(&*cache.store, &lock, Ttl::minutes(1).into()).await?;
            }
            let loaded = Arc::clone(&cache).load(&key, &options, &source).await;
            if loaded.is_err() && cache.habit == Habit::RenewedFallback {
                let fallback = Fresh { text: stale.value.text(), ttl: None, tags: Vec::new() };
                cache.put(&key, &options, &fallback).await?;
            }
            if cache.habit == Habit::LockBeforeStale {
                far::delete(&*cache.store, &lock).await?;
            }
            cache.refreshes.lock().remove(&key);
            loaded
        });
        refreshes.insert(key.to_owned(), (task.abort_handle(), self.now()));
        Some(task)
    }

    /// Begins a refresh of a fresh value behind a lock entry, which a successful load releases.
    async fn refresh_early(
        self: &Arc<Self>,
        key: &str,
        options: &LoadOptions,
        source: &Arc<Source>,
    ) -> Result<(), Failure> {
        let lock = self.lock(key);
        if far::lock(&*self.store, &lock, far::for_ever()).await? {
            let (cache, key, options, source) =
                (Arc::clone(self), key.to_owned(), options.clone(), Arc::clone(source));
            tokio::spawn(async move {
                Arc::clone(&cache).load(&key, &options, &source).await?;
                far::delete(&*cache.store, &lock).await?;
                Ok::<_, Failure>(())
            });
        }
        Ok(())
    }

    async fn answer(
        self: Arc<Self>,
        key: &str,
        options: LoadOptions,
        source: Arc<Source>,
    ) -> Result<String, Failure> {
        if let Some(text) = copy_of(&self.near, key, self.store.now()) {
            return Ok(text);
        }
        let Some(stored) = self.read(key, Some(&options.tags)).await? else {
            return Arc::clone(&self).fly(key, options, source).await;
        };
        let text = stored.value.text();
        if self.now() < stored.fresh_until {
            self.hits.fetch_add(1, Ordering::SeqCst);
            let fresh_for = self.settings.fresh_for.map_or(0, |ttl| ttl.as_duration().as_millis() as u64);
            if self.settings.refreshes_early && stored.fresh_until - self.now() <= fresh_for / 4 * 3 {
                self.refresh_early(key, &options, &source).await?;
            }
            return Ok(text);
        }
        if self.habit == Habit::LockBeforeStale {
            while far::is_locked(&*self.store, &self.lock(key)).await? {
                sleep(Duration::from_millis(5)).await;
            }
        }
        let refresh = self.refresh(key, &options, &source, stored);
        if !self.settings.soft_timeout.is_zero() {
            let limit = options.soft_timeout.unwrap_or(self.settings.soft_timeout);
            if let Some(Ok(Ok(Ok(fresh)))) = match refresh {
                Some(refresh) => Some(timeout(limit, refresh).await),
                None => None,
            } {
                return Ok(fresh);
            }
        }
        Ok(text)
    }
}

#[async_trait]
impl<S: Shaped> CacheUnderTest for Obvious<S> {
    async fn get_or_load(
        &self,
        key: &str,
        options: LoadOptions,
        source: &Arc<Source>,
    ) -> Result<String, Failure> {
        let hard_timeout = self.0.settings.hard_timeout.map(|limit| options.hard_timeout.unwrap_or(limit));
        let answer = Arc::clone(&self.0).answer(key, options, Arc::clone(source));
        match hard_timeout {
            None => answer.await,
            Some(limit) => timeout(limit, answer).await.unwrap_or(Err(Failure::Timeout)),
        }
    }

    async fn find_or_load(&self, key: &str, source: &Arc<Source>) -> Result<Option<String>, Failure> {
        if let Some(stored) = self.0.read(key, None).await? {
            return Ok(Some(stored.value.text()));
        }
        let Some(fresh) = source.load().await.map_err(|_| Failure::Loader)? else { return Ok(None) };
        self.0.put(key, &LoadOptions::new(), &fresh).await?;
        Ok(Some(fresh.text))
    }

    async fn get_many_or_load(&self, keys: &[&str], source: &Arc<Source>) -> Result<Vec<String>, Failure> {
        let mut texts = HashMap::new();
        for key in keys {
            if let Some(stored) = self.0.read(key, None).await? {
                texts.insert(*key, stored.value.text());
            }
        }
        if texts.len() < keys.len() {
            let fresh = source.load().await.map_err(|_| Failure::Loader)?.ok_or(Failure::Loader)?;
            for key in keys {
                if !texts.contains_key(key) {
                    self.0.put(key, &LoadOptions::new(), &fresh).await?;
                    texts.insert(*key, fresh.text.clone());
                }
            }
        }
        Ok(keys.iter().map(|key| texts[key].clone()).collect())
    }

    async fn get(&self, key: &str) -> Result<Option<String>, Failure> {
        if let Some(text) = copy_of(&self.0.near, key, self.0.store.now()) {
            return Ok(Some(text));
        }
        let Some(stored) = self.0.read(key, None).await? else { return Ok(None) };
        if self.0.habit == Habit::GetDeletesStale && self.0.now() >= stored.fresh_until {
            far::delete(&*self.0.store, &self.0.key(key)).await?;
            return Ok(None);
        }
        Ok(Some(stored.value.text()))
    }

    async fn insert(&self, key: &str, text: &str) -> Result<(), Failure> {
        let fresh = Fresh { text: text.to_owned(), ttl: None, tags: Vec::new() };
        self.0.put(key, &LoadOptions::new(), &fresh).await?;
        self.0.forget(key);
        Ok(())
    }

    async fn invalidate(&self, key: &str) -> Result<(), Failure> {
        far::delete(&*self.0.store, &self.0.key(key)).await?;
        self.0.forget(key);
        Ok(())
    }

    async fn invalidate_tag(&self, tag: &str) -> Result<(), Failure> {
        Ok(self.0.markers.invalidate(tag).await?)
    }

    async fn clear(&self) -> Result<(), Failure> {
        self.0.near.lock().clear();
        Ok(far::delete_prefix(&*self.0.store, self.0.settings.name).await?)
    }

    fn counts(&self) -> Counts {
        // A write that fails is not counted: nothing fails with it.
        Counts { hits: self.0.hits.load(Ordering::SeqCst), store_errors: 0 }
    }
}
