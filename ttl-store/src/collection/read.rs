//! Reads of a collection.

use std::time::Duration;

use ttl_core::{Actions, Deadline, GetOptions, Result, Returning};

use super::Collection;
use crate::Item;
use crate::format::Format;
use crate::space::note_refresh_error;

impl<T, F: Format<T>> Collection<T, F> {
    /// Returns the value, or `None` where no live entry is. A hit refreshes if the policy names FETCH.
    ///
    /// A value that does not fit the type refreshes nothing, however often it is read (R1). So the value is decoded first,
    /// and a refresh that is due is a second request, which names the version that was read. A policy with a slack makes
    /// few refreshes due. Where every value decodes ([`Codec::can_fail`](crate::Codec::can_fail) answers `false`, as for
    /// raw bytes), get and refresh are one request. A store without conditions cannot name a version; there the refresh
    /// goes to what is stored when it arrives.
    ///
    /// A refresh that fails does not fail the read; it is logged, and [`Collection::get_item`] reports it (R9).
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`](ttl_core::ErrorKind::InvalidKey); [`ErrorKind::WrongKind`](ttl_core::ErrorKind::WrongKind)
    /// and [`ErrorKind::Codec`](ttl_core::ErrorKind::Codec) for an entry that something else wrote; the backend's
    /// failures.
    pub fn get(&self, key: impl AsRef<str>) -> impl Future<Output = Result<Option<T>>> + Send {
        let (key, options) = (self.key(key), self.get_options());
        async move { Ok(self.fetch(key?, options).await?.map(Self::value_of)) }
    }

    /// The value without any refresh, whatever the policy says.
    ///
    /// # Errors
    /// As [`Collection::get`].
    pub fn peek(&self, key: impl AsRef<str>) -> impl Future<Output = Result<Option<T>>> + Send {
        let (key, options) = (self.key(key), self.get_options().with_refresh(None));
        async move { Ok(self.fetch(key?, options).await?.map(|item| item.value)) }
    }

    /// The value with this metadata; else like [`Collection::get`].
    ///
    /// # Errors
    /// As [`Collection::get`].
    pub fn get_item(
        &self,
        key: impl AsRef<str>,
        returning: Returning,
    ) -> impl Future<Output = Result<Option<Item<T>>>> + Send {
        let (key, options) = (self.key(key), self.get_options().with_returning(returning));
        async move { self.fetch(key?, options).await }
    }

    /// Whether a live entry is there. Refreshes it if the policy names READ.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`](ttl_core::ErrorKind::InvalidKey); the backend's failures.
    pub fn contains(&self, key: impl AsRef<str>) -> impl Future<Output = Result<bool>> + Send {
        let (key, options) = (self.key(key), GetOptions::nothing().with_refresh(self.refresh(Actions::READ)));
        async move { self.shared.space.is_there(key, options).await }
    }

    /// When the entry ends, [`Deadline::NEVER`] if it is persistent, or `None` where no live entry is. Refreshes
    /// nothing.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`](ttl_core::ErrorKind::InvalidKey); the backend's failures.
    pub fn deadline(&self, key: impl AsRef<str>) -> impl Future<Output = Result<Option<Deadline>>> + Send {
        let key = self.key(key);
        async move { self.shared.space.deadline(key).await }
    }

    /// How long the entry has left by the store's clock, [`Duration::MAX`] if it is persistent, or `None` where no
    /// live entry is. Refreshes nothing.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`](ttl_core::ErrorKind::InvalidKey); the backend's failures.
    pub fn remaining(&self, key: impl AsRef<str>) -> impl Future<Output = Result<Option<Duration>>> + Send {
        let key = self.key(key);
        async move { self.shared.space.remaining(key).await }
    }

    pub(super) fn get_options(&self) -> GetOptions {
        GetOptions::new().with_kind(F::KIND).with_refresh(self.refresh(Actions::FETCH))
    }

    /// The value alone; what else there is to say goes to the log.
    pub(super) fn value_of(item: Item<T>) -> T {
        note_refresh_error(item.refresh_error.as_ref());
        item.value
    }
}
