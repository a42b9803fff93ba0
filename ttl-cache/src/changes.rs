//! The calls of a program that change a cache.

use std::borrow::Borrow;
use std::hash::Hash;

use serde::Serialize;
use ttl_core::options::DeleteOptions;
use ttl_core::{Error, ErrorKind, Key, Result};

use crate::cache::Cache;
use crate::core::Core;
use crate::key::check_tag;
use crate::loaded::Loaded;

impl<K: Eq + Hash + Send + Sync + 'static, V: Send + Sync + 'static> Cache<K, V> {
    /// Stores a value. It replaces whatever is there, and loads that are under way cannot replace it.
    ///
    /// `value` is a plain value or a [`Loaded`], with a lifetime and tags. Its lifetime begins now.
    ///
    /// Cost: 2; 1 in a cache that is not clearable, for a value without tags.
    ///
    /// # Errors
    /// Those of the store; [`ErrorKind::Codec`](ttl_core::ErrorKind::Codec) if the value cannot be encoded.
    pub async fn insert<Q>(&self, key: &Q, value: impl Into<Loaded<V>>) -> Result<()>
    where
        K: Borrow<Q>,
        Q: Serialize + ToOwned<Owned = K> + ?Sized,
    {
        let loaded = value.into();
        loaded.check()?;
        if !loaded.stored {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                "`Loaded::without_storing` contradicts an insert; it is for the results of loaders",
            )
            .with_operation("insert"));
        }
        let key = self.core.keys.entry(key)?;
        let _change = Change::of_key(&self.core, &key);
        self.core.insert(&key, loaded).await
    }

    /// Deletes the value. After this call has returned, no later call returns a value whose load began before,
    /// in any process. A near copy in another process may do so for its maximum staleness.
    ///
    /// It wins over loads that are under way: their values are returned to the calls that wait for them, and
    /// are not stored.
    ///
    /// Cost: 1.
    ///
    /// # Errors
    /// Those of the store. After [`ErrorKind::OutcomeUnknown`](ttl_core::ErrorKind::OutcomeUnknown), repeat the
    /// call.
    pub async fn invalidate<Q>(&self, key: &Q) -> Result<()>
    where
        K: Borrow<Q>,
        Q: Serialize + ToOwned<Owned = K> + ?Sized,
    {
        let key = self.core.keys.entry(key)?;
        let _change = Change::of_key(&self.core, &key);
        self.core.delete(&key).await
    }

    /// Invalidates every value with this tag, as [`Cache::invalidate`] does for a key.
    ///
    /// Cost: 1, however many values there are. The values themselves are deleted when they are replaced or
    /// expire.
    ///
    /// # Errors
    /// Those of the store; [`ErrorKind::InvalidKey`](ttl_core::ErrorKind::InvalidKey) if the tag is empty or
    /// longer than 256 bytes.
    pub async fn invalidate_tag(&self, tag: &str) -> Result<()> {
        check_tag(tag)?;
        let _change = Change { core: &self.core, changed: Changed::Tag(tag) };
        self.core.delete(&self.core.keys.generation(tag)?).await
    }

    /// Invalidates every value of this cache, as [`Cache::invalidate`] does for a key. Other caches keep theirs,
    /// whatever their names are.
    ///
    /// Cost: 1.
    ///
    /// # Errors
    /// Those of the store; [`ErrorKind::Unsupported`](ttl_core::ErrorKind::Unsupported) if the cache was built
    /// with `clearable(false)`.
    pub async fn clear(&self) -> Result<()> {
        if !self.core.settings.clearable {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "this cache was built with `clearable(false)`; invalidate keys or tags instead",
            )
            .with_operation("clear"));
        }
        let _change = Change { core: &self.core, changed: Changed::All };
        self.core.delete(&self.core.keys.generation("")?).await
    }
}

impl<V> Core<V> {
    async fn delete(&self, key: &Key) -> Result<()> {
        let _order = self.order(key).await;
        let _ = self.store.delete(key, DeleteOptions::new()).await?;
        // Before the lock is released, so that a load of this process sees it.
        self.epochs.change_key(key);
        Ok(())
    }
}

/// A change of a key, a tag or the whole cache. It is noted when the call ends, also if it is dropped.
struct Change<'a, V> {
    core: &'a Core<V>,
    changed: Changed<'a>,
}

enum Changed<'a> {
    Key(&'a Key),
    Tag(&'a str),
    All,
}

impl<'a, V> Change<'a, V> {
    fn of_key(core: &'a Core<V>, key: &'a Key) -> Self {
        Self { core, changed: Changed::Key(key) }
    }
}

impl<V> Drop for Change<'_, V> {
    fn drop(&mut self) {
        match self.changed {
            Changed::Key(key) => self.core.epochs.change_key(key),
            Changed::Tag(tag) => self.core.epochs.change_tag(tag),
            Changed::All => self.core.epochs.change_all(),
        }
    }
}
