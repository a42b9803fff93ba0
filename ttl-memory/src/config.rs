//! The configuration, by builder or by URL.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use ttl_core::driver::{QueryOptions, SharedClock};
use ttl_core::{Clock, Error, ErrorKind, Result};

use crate::BACKEND;

/// How the memory of expired entries is reclaimed. The setting does not affect visibility.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reclaim {
    /// A background thread sweeps about once a second, and every write sweeps a few entries. The thread
    /// starts with the first entry that has a deadline and ends when the store is dropped. In URLs:
    /// `background`.
    #[default]
    Background,
    /// Every write sweeps a few entries, and [`MemoryStore::sweep`](crate::MemoryStore::sweep) sweeps the
    /// rest. No thread is started. Use it in tests that advance the clock manually, and in programs that call
    /// `sweep` themselves. In URLs: `manual`.
    Manual,
}

/// The configuration of a [`MemoryStore`](crate::MemoryStore). By default there are no limits, and the store
/// reads the system clock.
///
/// ```
/// use std::num::NonZeroUsize;
/// use ttl_memory::{MemoryConfig, MemoryStore};
///
/// let config = MemoryConfig::new().with_max_entries(NonZeroUsize::new(10_000).unwrap());
/// let store = MemoryStore::new(&config);
/// let same = MemoryStore::new(&MemoryConfig::from_url("memory:?max_entries=10000")?);
/// # let _ = (store, same);
/// # Ok::<(), ttl_core::Error>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct MemoryConfig {
    max_entries: Option<NonZeroUsize>,
    max_bytes: Option<NonZeroUsize>,
    max_value_bytes: Option<u64>,
    reclaim: Reclaim,
    clock: Option<SharedClock>,
}

impl MemoryConfig {
    /// Creates a configuration without limits, with the system clock and with [`Reclaim::Background`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the maximum number of entries; unlimited by default. When a put would exceed it, the store evicts
    /// live entries that are rarely used.
    ///
    /// The limit is divided evenly among up to 64 shards of at least 1024 entries each. A shard evicts when
    /// its share is full, so the first eviction happens when the store is a few percent below the limit.
    #[must_use]
    pub const fn with_max_entries(mut self, entries: NonZeroUsize) -> Self {
        self.max_entries = Some(entries);
        self
    }

    /// Sets the maximum size of the store in bytes; unlimited by default. When a put would exceed it, the
    /// store evicts live entries that are rarely used.
    ///
    /// Sizes are those of [`MemoryStore::bytes`](crate::MemoryStore::bytes): keys, values and the store's
    /// overhead. The limit is divided evenly among up to 64 shards of at least 16 MiB each. An entry that is
    /// larger than a shard's share fails with [`ErrorKind::TooLarge`].
    ///
    /// A record counts with the heap memory it holds, which is a few times its canonical text. So a record
    /// can be too large although its text is smaller than
    /// [`Capabilities::max_value_bytes`](ttl_core::Capabilities::max_value_bytes). For blobs that value is
    /// exact.
    #[must_use]
    pub const fn with_max_bytes(mut self, bytes: NonZeroUsize) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// Sets the maximum size of a value in bytes; unlimited by default. Larger values fail with
    /// [`ErrorKind::TooLarge`].
    ///
    /// The size of a record is that of its canonical text. With this limit, every put of a record serializes
    /// it once to measure it.
    #[must_use]
    pub const fn with_max_value_bytes(mut self, bytes: u64) -> Self {
        self.max_value_bytes = Some(bytes);
        self
    }

    /// Sets how the memory of expired entries is reclaimed; defaults to [`Reclaim::Background`].
    #[must_use]
    pub const fn with_reclaim(mut self, reclaim: Reclaim) -> Self {
        self.reclaim = reclaim;
        self
    }

    /// Sets the clock that decides visibility, such as a [`ManualClock`](ttl_core::ManualClock).
    ///
    /// Defaults to a [`MonotonicClock`](ttl_core::MonotonicClock): the system time at the creation of the
    /// store, advanced by the monotonic clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(SharedClock(clock));
        self
    }

    /// Reads the configuration from a URL: `memory:` with options in its query, such as
    /// `memory:?max_entries=10000&max_bytes=64MiB`.
    ///
    /// | option | value | default |
    /// |---|---|---|
    /// | `max_entries` | a number, see [`with_max_entries`](Self::with_max_entries) | no limit |
    /// | `max_bytes` | bytes, see [`with_max_bytes`](Self::with_max_bytes) | no limit |
    /// | `max_value_bytes` | bytes, see [`with_max_value_bytes`](Self::with_max_value_bytes) | no limit |
    /// | `reclaim` | `background` or `manual`, see [`Reclaim`] | `background` |
    ///
    /// Bytes are a plain number, or a number with `KiB`, `MiB` or `GiB`. Opening the same URL twice creates
    /// two separate stores.
    ///
    /// # Errors
    /// Returns [`ErrorKind::InvalidConfig`] if
    ///
    /// * the scheme is not `memory`,
    /// * the URL has a host or a path,
    /// * an option is unknown or occurs twice,
    /// * a value is invalid.
    pub fn from_url(url: &str) -> Result<Self> {
        let (place, query) = url.split_once('?').unwrap_or((url, ""));
        let is_memory = place.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("memory:"));
        if !is_memory || query.contains('#') {
            return Err(invalid(
                "invalid URL: expected `memory:`, with options as in `memory:?max_entries=1000`",
            ));
        }
        if !matches!(&place[7..], "" | "/" | "//" | "///") {
            return Err(invalid(
                "invalid URL: expected no host and no path, as in `memory:?max_entries=1000`",
            ));
        }
        let mut config = Self::new();
        let mut query = QueryOptions::parse(BACKEND, query)?;
        let above_zero = "a number above zero";
        query.read("max_entries", &mut config.max_entries, above_zero, |text| {
            text.parse::<NonZeroUsize>().ok()
        })?;
        let mut max_bytes = None;
        query.byte_size("max_bytes", &mut max_bytes)?;
        if let Some(bytes) = max_bytes {
            // A limit beyond the address space of this machine has no effect.
            let bytes = NonZeroUsize::new(usize::try_from(bytes).unwrap_or(usize::MAX));
            config.max_bytes = Some(bytes.ok_or_else(|| {
                invalid("invalid value `0` for option `max_bytes`: expected a size above zero")
            })?);
        }
        query.byte_size("max_value_bytes", &mut config.max_value_bytes)?;
        let reclaims = [("background", Reclaim::Background), ("manual", Reclaim::Manual)];
        query.choice("reclaim", &mut config.reclaim, &reclaims)?;
        query.finish()?;
        Ok(config)
    }

    pub(crate) fn max_entries(&self) -> usize {
        self.max_entries.map_or(usize::MAX, NonZeroUsize::get)
    }

    pub(crate) fn max_bytes(&self) -> usize {
        self.max_bytes.map_or(usize::MAX, NonZeroUsize::get)
    }

    pub(crate) fn max_value_bytes(&self) -> u64 {
        self.max_value_bytes.unwrap_or(u64::MAX)
    }

    pub(crate) fn reclaim(&self) -> Reclaim {
        self.reclaim
    }

    pub(crate) fn clock(&self) -> Option<SharedClock> {
        self.clock.clone()
    }
}

impl fmt::Debug for MemoryConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryConfig")
            .field("max_entries", &self.max_entries)
            .field("max_bytes", &self.max_bytes)
            .field("max_value_bytes", &self.max_value_bytes)
            .field("reclaim", &self.reclaim)
            .field("clock", &self.clock)
            .finish()
    }
}

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidConfig, message).with_backend(BACKEND)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> String {
        let error = MemoryConfig::from_url(url).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{url}");
        error.to_string()
    }

    #[test]
    fn every_setting_can_stand_in_a_url() {
        let config = MemoryConfig::from_url(
            "memory:?max_entries=1000&max_bytes=64MiB&max_value_bytes=2KiB&reclaim=manual",
        )
        .unwrap();
        assert_eq!(config.max_entries(), 1000);
        assert_eq!(config.max_bytes(), 64 << 20);
        assert_eq!(config.max_value_bytes(), 2048);
        assert_eq!(config.reclaim(), Reclaim::Manual);
        for url in ["memory:", "Memory://", "memory:/", "memory:///", "memory:?"] {
            let config = MemoryConfig::from_url(url).unwrap();
            assert_eq!((config.max_entries(), config.max_bytes()), (usize::MAX, usize::MAX), "{url}");
        }
    }

    #[test]
    fn unknown_settings_are_refused_with_the_known_ones() {
        let text = refused("memory:?max_entry=5");
        let expected =
            "unknown option `max_entry`: expected one of max_entries, max_bytes, max_value_bytes, reclaim";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn sizes_are_refused_like_those_of_every_driver() {
        for name in ["max_bytes", "max_value_bytes"] {
            let text = refused(&format!("memory:?{name}=1MB"));
            assert!(text.contains(&format!("invalid value `1MB` for option `{name}`")), "{text}");
        }
    }

    #[test]
    fn what_cannot_work_is_refused() {
        for url in [
            "",
            "memory",
            "redis://localhost",
            "memory://host",
            "memory:name",
            "memory:///name",
            "memory:////",
            "memory:?max_entries=1#2",
            "m\u{e9}mory:",
            "memory:?max_entries=0",
            "memory:?max_entries=-1",
            "memory:?max_entries=1KiB",
            "memory:?max_bytes=0",
            "memory:?max_bytes=many",
            "memory:?max_bytes=99999999999999GiB",
            "memory:?max_value_bytes=",
            "memory:?reclaim=never",
            "memory:?max_entries=1&max_entries=2",
        ] {
            refused(url);
        }
    }
}
