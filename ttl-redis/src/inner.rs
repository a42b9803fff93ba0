//! The foundation of a store: connection, namespace, scripts and capabilities.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use ttl_core::{Capabilities, CursorSecret, Key};

use crate::config::RedisConfig;
use crate::connection::Link;
use crate::layout::FullKey;
use crate::wire::Scripts;

/// A store on a Redis or Valkey server. Cloning is cheap; clones share the connection.
///
/// ```no_run
/// use ttl_core::options::PutOptions;
/// use ttl_core::{Key, Ttl, TtlStore};
/// use ttl_redis::{RedisConfig, RedisStore};
///
/// # async fn example() -> ttl_core::Result<()> {
/// let store = RedisStore::connect(&RedisConfig::from_url("redis://localhost?namespace=app")?).await?;
/// let key = Key::new("page:/cart")?;
/// let _ = store.put(&key, "<html>".into(), PutOptions::new(Ttl::minutes(5))).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisStore(pub(crate) Arc<Inner>);

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("namespace", &self.0.prefix).field("link", &self.0.link).finish()
    }
}

pub(crate) struct Inner {
    pub(crate) link: Link,
    /// The prefix of every Redis key.
    pub(crate) prefix: String,
    pub(crate) scripts: Arc<Scripts>,
    pub(crate) capabilities: Capabilities,
    pub(crate) cursor_secret: CursorSecret,
    pub(crate) met: Met,
}

/// The content that a store has met so far. It decides which commands are sent first, so that the usual call needs one round trip.
#[derive(Debug, Default)]
pub(crate) struct Met {
    /// A plain GET has found a blob with a cap.
    pub(crate) capped_blobs: Flag,
    /// A get that names no kind has found a string.
    pub(crate) strings: Flag,
    /// A get that names no kind has found a hash.
    pub(crate) hashes: Flag,
    /// A SET has returned a long value that the caller did not request.
    pub(crate) long_values: Flag,
}

/// A flag that is set once and stays set.
#[derive(Debug, Default)]
pub(crate) struct Flag(AtomicBool);

impl Flag {
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self) {
        // Most calls find it set. Reading leaves the cache line to all processors.
        if !self.is_set() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

impl Inner {
    pub(crate) fn new(link: Link, scripts: Arc<Scripts>, config: &RedisConfig) -> Self {
        let capabilities = Capabilities::new(crate::BACKEND)
            .with_max_value_bytes(config.max_value_bytes)
            .with_created_at(false)
            .with_changes(link.can_track())
            .with_unique_versions(false);
        Self {
            link,
            prefix: config.prefix(),
            scripts,
            capabilities,
            cursor_secret: config.cursor_secret,
            met: Met::default(),
        }
    }

    pub(crate) fn full_key<'a>(&'a self, key: &'a Key) -> FullKey<'a> {
        FullKey { prefix: &self.prefix, key: key.as_str() }
    }

    /// Returns the estimate of the server's time; before the first connection the time of this machine.
    pub(crate) fn now(&self) -> SystemTime {
        self.link.facts().map_or_else(SystemTime::now, |facts| facts.now())
    }
}
