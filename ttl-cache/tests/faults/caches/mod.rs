//! The caches under test, behind one trait.

mod far;
mod habit;
mod markers;
mod near;
mod obvious;
mod real;

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use ttl_cache::{CacheError, LoadOptions};
use ttl_core::{Error, Ttl, TtlStore, async_trait};

pub(crate) use self::habit::Habit;
pub(crate) use self::near::Bus;
use self::obvious::Obvious;
use self::real::Real;
use crate::source::Source;

/// What the scenarios use of a cache.
#[async_trait]
pub(crate) trait CacheUnderTest: Send + Sync {
    async fn get_or_load(
        &self,
        key: &str,
        options: LoadOptions,
        source: &Arc<Source>,
    ) -> Result<String, Failure>;
    async fn find_or_load(&self, key: &str, source: &Arc<Source>) -> Result<Option<String>, Failure>;
    /// Loads each missing key from the source, which has the same value for all.
    async fn get_many_or_load(&self, keys: &[&str], source: &Arc<Source>) -> Result<Vec<String>, Failure>;
    async fn get(&self, key: &str) -> Result<Option<String>, Failure>;
    async fn insert(&self, key: &str, text: &str) -> Result<(), Failure>;
    async fn invalidate(&self, key: &str) -> Result<(), Failure>;
    async fn invalidate_tag(&self, tag: &str) -> Result<(), Failure>;
    async fn clear(&self) -> Result<(), Failure>;
    fn counts(&self) -> Counts;
}

/// What the scenarios use of the statistics.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) hits: u64,
    pub(crate) store_errors: u64,
}

/// Why a call has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Loader,
    Timeout,
    Panicked,
    Other(String),
}

impl From<CacheError> for Failure {
    fn from(error: CacheError) -> Self {
        match error {
            CacheError::Loader(_) => Self::Loader,
            CacheError::WaitTimeout | CacheError::LoadTimeout => Self::Timeout,
            CacheError::Panicked => Self::Panicked,
            other => Self::Other(format!("{other:?}")),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error.to_string())
    }
}

impl From<Failure> for String {
    fn from(failure: Failure) -> Self {
        format!("a call failed: {failure:?}")
    }
}

/// The settings of a cache under test.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) name: &'static str,
    pub(crate) ttl: Ttl,
    pub(crate) fresh_for: Option<Ttl>,
    pub(crate) soft_timeout: Duration,
    pub(crate) hard_timeout: Option<Duration>,
    pub(crate) load_timeout: Ttl,
    pub(crate) retry_pause: Ttl,
    /// Whether values are refreshed before they are stale. The obvious cache does so after a quarter of the time.
    pub(crate) refreshes_early: bool,
    /// Whether values can have tags. ttl-cache has no such setting.
    pub(crate) tags: bool,
    /// The maximum staleness of near copies.
    pub(crate) near: Option<Duration>,
    /// The messages between the processes. ttl-cache has none.
    pub(crate) bus: Option<Arc<Bus>>,
    pub(crate) shape: Shape,
    pub(crate) schema: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: "things",
            ttl: Ttl::hours(10),
            fresh_for: None,
            soft_timeout: Duration::ZERO,
            hard_timeout: None,
            // Only the manual clock reaches it.
            load_timeout: Ttl::hours(1),
            retry_pause: Ttl::seconds(1),
            refreshes_early: false,
            tags: false,
            near: None,
            bus: None,
            shape: Shape::Text,
            schema: 0,
        }
    }
}

/// The type of the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Text,
    OldUser,
    NewUser,
}

/// A type of values, each made of a text.
pub(crate) trait Shaped: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    fn new(text: String) -> Self;
    fn text(&self) -> String;
}

macro_rules! shaped {
    ($($name:ident $field:ident)*) => {
        $(
            #[derive(Clone, Serialize, Deserialize)]
            struct $name {
                $field: String,
            }

            impl Shaped for $name {
                fn new(text: String) -> Self {
                    Self { $field: text }
                }

                fn text(&self) -> String {
                    self.$field.clone()
                }
            }
        )*
    };
}

shaped!(OldUser name NewUser full_name);

impl Shaped for String {
    fn new(text: String) -> Self {
        text
    }

    fn text(&self) -> String {
        self.clone()
    }
}

/// The cache to test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Real,
    Obvious(Habit),
}

impl Kind {
    /// Builds a cache: one process.
    pub(crate) fn build(self, store: Arc<dyn TtlStore>, settings: Settings) -> Arc<dyn CacheUnderTest> {
        match settings.shape {
            Shape::Text => self.build_of::<String>(store, settings),
            Shape::OldUser => self.build_of::<OldUser>(store, settings),
            Shape::NewUser => self.build_of::<NewUser>(store, settings),
        }
    }

    fn build_of<S: Shaped>(self, store: Arc<dyn TtlStore>, settings: Settings) -> Arc<dyn CacheUnderTest> {
        match self {
            Self::Real => Arc::new(Real::<S>::new(store, &settings)),
            Self::Obvious(habit) => Arc::new(Obvious::<S>::new(store, settings, habit)),
        }
    }
}
