//! ttl-cache under test.

use std::sync::Arc;

use ttl_cache::{Cache, LoadOptions, Loaded, Near};
use ttl_core::codec::Json;
use ttl_core::{TtlStore, async_trait};

use super::{CacheUnderTest, Counts, Failure, Settings, Shaped};
use crate::source::{Fresh, Source};

pub(crate) struct Real<S>(Cache<String, S>);

impl<S: Shaped> Real<S> {
    pub(crate) fn new(store: Arc<dyn TtlStore>, settings: &Settings) -> Self {
        let mut builder = Cache::builder(store, settings.name, settings.ttl, Json)
            .soft_timeout(settings.soft_timeout)
            .load_timeout(settings.load_timeout)
            .retry_pause(settings.retry_pause)
            .schema_version(settings.schema);
        if let Some(fresh_for) = settings.fresh_for {
            builder = builder.fresh_for(fresh_for);
        }
        if let Some(timeout) = settings.hard_timeout {
            builder = builder.hard_timeout(timeout);
        }
        if settings.refreshes_early {
            builder = builder.early_refresh(100.0);
        }
        if let Some(max_staleness) = settings.near {
            builder = builder.near(Near::new(100).max_staleness(max_staleness));
        }
        Self(builder.build().expect("the settings are valid"))
    }
}

fn loaded<S: Shaped>(fresh: Fresh) -> Loaded<S> {
    let loaded = Loaded::new(S::new(fresh.text)).with_tags(fresh.tags);
    match fresh.ttl {
        Some(ttl) => loaded.with_ttl(ttl),
        None => loaded,
    }
}

#[async_trait]
impl<S: Shaped> CacheUnderTest for Real<S> {
    async fn get_or_load(
        &self,
        key: &str,
        options: LoadOptions,
        source: &Arc<Source>,
    ) -> Result<String, Failure> {
        let source = Arc::clone(source);
        let loader = move |_| async move {
            let fresh = source.load().await?.ok_or("no value")?;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(loaded(fresh))
        };
        Ok(self.0.get_or_load_with(key, options, loader).await?.text())
    }

    async fn find_or_load(&self, key: &str, source: &Arc<Source>) -> Result<Option<String>, Failure> {
        let source = Arc::clone(source);
        let loader = move |_| async move { source.load().await.map(|fresh| fresh.map(loaded)) };
        Ok(self.0.find_or_load(key, loader).await?.map(|value| value.text()))
    }

    async fn get_many_or_load(&self, keys: &[&str], source: &Arc<Source>) -> Result<Vec<String>, Failure> {
        let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
        let source = Arc::clone(source);
        let loader = move |missing: Vec<String>| {
            let source = Arc::clone(&source);
            async move {
                let fresh = source.load().await?.ok_or("no value")?;
                let pairs = missing.into_iter().map(move |key| (key, loaded(fresh.clone())));
                Ok::<_, Box<dyn std::error::Error + Send + Sync>>(pairs.collect::<Vec<_>>())
            }
        };
        let values = self.0.get_many_or_load(&keys, loader).await?;
        Ok(values.into_iter().flatten().map(|value| value.text()).collect())
    }

    async fn get(&self, key: &str) -> Result<Option<String>, Failure> {
        Ok(self.0.get(key).await?.map(|value| value.text()))
    }

    async fn insert(&self, key: &str, text: &str) -> Result<(), Failure> {
        Ok(self.0.insert(key, S::new(text.to_owned())).await?)
    }

    async fn invalidate(&self, key: &str) -> Result<(), Failure> {
        Ok(self.0.invalidate(key).await?)
    }

    async fn invalidate_tag(&self, tag: &str) -> Result<(), Failure> {
        Ok(self.0.invalidate_tag(tag).await?)
    }

    async fn clear(&self) -> Result<(), Failure> {
        Ok(self.0.clear().await?)
    }

    fn counts(&self) -> Counts {
        let stats = self.0.stats();
        Counts { hits: stats.hits, store_errors: stats.store_errors }
    }
}
