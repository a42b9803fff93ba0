//! Memoized functions: their keys, and the calls that the macro `memoize` generates.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use ttl_core::{Result, Ttl};

use crate::cache::Cache;
use crate::error::CacheError;
use crate::key::text;
use crate::load::BoxLoader;
use crate::loaded::{LoadContext, Loaded};
use crate::loads::boxed;
use crate::options::LoadOptions;

/// The key of a memoized function: its name and the arguments of a call.
///
/// A cache with these keys is the cache of any number of functions with the same result type. The attribute
/// [`memoize`](macro@crate::memoize) makes the keys.
#[derive(Clone, PartialEq, Eq, Hash, Serialize)]
pub struct MemoKey(Cow<'static, str>, String);

impl fmt::Debug for MemoKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Arguments may be secrets.
        f.debug_struct("MemoKey").field("function", &self.0).finish_non_exhaustive()
    }
}

/// Makes the key of a call.
pub fn key(function: impl Into<Cow<'static, str>>, arguments: &(impl Serialize + ?Sized)) -> Result<MemoKey> {
    Ok(MemoKey(function.into(), text(arguments)?))
}

/// Returns the name of a method or a generic function in keys.
#[must_use]
pub fn name(
    module: &str,
    this: Option<&str>,
    function: &str,
    parameters: &[&(dyn fmt::Display + Sync)],
) -> String {
    let mut name = match this {
        Some(this) => format!("{module}::<{this}>::{function}"),
        None => format!("{module}::{function}"),
    };
    if !parameters.is_empty() {
        let parameters: Vec<String> = parameters.iter().map(ToString::to_string).collect();
        name.extend(["::<", &parameters.join(", "), ">"]);
    }
    name
}

/// How the results of a function are kept.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// The lifetime, if it is not that of the cache.
    pub ttl: Option<Ttl>,
    /// The time after which a result is stale, if it is not that of the cache.
    pub fresh_for: Option<Ttl>,
}

impl Keep {
    fn value<V>(self, value: V) -> Loaded<V> {
        self.applied(Loaded::new(value), self.ttl)
    }

    fn applied<V>(self, mut loaded: Loaded<V>, ttl: Option<Ttl>) -> Loaded<V> {
        loaded.ttl = ttl;
        loaded.fresh_for = self.fresh_for;
        loaded
    }
}

/// Returns the cached result, or that of `load`.
pub async fn get<V, F, E>(
    cache: &Cache<MemoKey, V>,
    key: &MemoKey,
    options: LoadOptions,
    keep: Keep,
    load: F,
) -> Result<V, CacheError>
where
    V: Clone + Send + Sync + 'static,
    F: Future<Output = Result<V, E>> + Send + 'static,
    E: Into<Box<dyn StdError + Send + Sync>> + 'static,
{
    let loader = boxed(|_| load, move |value| keep.value(value));
    let value = obtain(cache, key, options, loader, false).await?;
    // A call that does not accept the absence of a value never gets it.
    value.ok_or(CacheError::Abandoned)
}

/// Returns the cached result, or that of `load`. The result `None` is cached too.
pub async fn find<V, F, E>(
    cache: &Cache<MemoKey, V>,
    key: &MemoKey,
    options: LoadOptions,
    keep: Keep,
    load: F,
) -> Result<Option<V>, CacheError>
where
    V: Clone + Send + Sync + 'static,
    F: Future<Output = Result<Option<V>, E>> + Send + 'static,
    E: Into<Box<dyn StdError + Send + Sync>> + 'static,
{
    let absent_ttl = cache.core.settings.absent_ttl.or(keep.ttl);
    let loaded = move |value: Option<V>| match value {
        Some(value) => keep.value(value),
        None => keep.applied(Loaded::absent(), absent_ttl),
    };
    obtain(cache, key, options, boxed(|_| load, loaded), true).await
}

/// Returns the cached result, or that of `load`. The result `None` is not cached.
pub async fn find_some<V, F, E>(
    cache: &Cache<MemoKey, V>,
    key: &MemoKey,
    options: LoadOptions,
    keep: Keep,
    load: F,
) -> Result<Option<V>, CacheError>
where
    V: Clone + Send + Sync + 'static,
    F: Future<Output = Result<Option<V>, E>> + Send + 'static,
    E: Into<Box<dyn StdError + Send + Sync>> + 'static,
{
    let loading = |context: LoadContext<V>| async move {
        let value = load.await?;
        Ok::<_, E>((value, context.stale().is_some()))
    };
    let loaded = move |(value, is_refresh): (Option<V>, bool)| match value {
        Some(value) => keep.value(value),
        // The stale value must not outlive this answer. It is replaced by one that expires at once.
        None if is_refresh => Loaded::absent().with_ttl(Ttl::MIN),
        None => Loaded::absent().without_storing(),
    };
    obtain(cache, key, options, boxed(loading, loaded), true).await
}

async fn obtain<V: Clone + Send + Sync + 'static>(
    cache: &Cache<MemoKey, V>,
    key: &MemoKey,
    options: LoadOptions,
    loader: BoxLoader<V>,
    accepts_absent: bool,
) -> Result<Option<V>, CacheError> {
    let value = cache.obtain(key, options, loader, accepts_absent).await?;
    Ok(value.map(Arc::unwrap_or_clone))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Keys;

    #[test]
    fn the_layout_is_stable() {
        let key = key("app::users::load", &(7, "a\"b")).unwrap();
        let entry = Keys::new("memo").unwrap().entry(&key).unwrap();
        assert_eq!(entry.as_str(), r###"@c:memo:k:("app::users::load",r##"(7,r#"a"b"#)"##)"###);
        assert_eq!(format!("{key:?}"), r#"MemoKey { function: "app::users::load", .. }"#);
    }

    #[test]
    fn names_contain_types_and_parameters() {
        assert_eq!(name("app::users", Some("app::Repo"), "load", &[]), "app::users::<app::Repo>::load");
        assert_eq!(name("app::users", None, "load", &[&"u8", &3]), "app::users::load::<u8, 3>");
    }
}
