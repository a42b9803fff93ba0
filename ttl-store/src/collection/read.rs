//! Reads of a collection.

use std::time::Duration;

use ttl_core::options::{GetOptions, Returning};
use ttl_core::{Actions, Deadline, Result};

use super::Collection;
use crate::Item;
use crate::format::Format;
use crate::space::note_refresh_error;

impl<T, F: Format<T>> Collection<T, F> {
    /// Returns the value, or `None` if there is no live entry. A hit refreshes if the policy names FETCH.
    ///
    /// A value that does not fit the type is never refreshed, however often it is read (R1). The value is
    /// therefore decoded first, and a refresh that is due is a second request for the version that was read.
    /// With a slack in the policy, few refreshes are due.
    ///
    /// If decoding cannot fail ([`Codec::can_fail`](crate::Codec::can_fail) returns `false`, as for raw
    /// bytes), get and refresh are one request. A store without conditions cannot name a version. Its refresh
    /// applies to the entry that is stored when the request arrives.
    ///
    /// A failed refresh does not fail the read. It is logged, and [`Collection::get_item`] reports it (R9).
    ///
    /// # Errors
    /// * [`ErrorKind::InvalidKey`](ttl_core::ErrorKind::InvalidKey).
    /// * [`ErrorKind::WrongKind`](ttl_core::ErrorKind::WrongKind) and
    ///   [`ErrorKind::Codec`](ttl_core::ErrorKind::Codec) for an entry that another writer stored in another
    ///   form.
    /// * The backend's failures.
    pub fn get(&self, key: impl AsRef<str>) -> impl Future<Output = Result<Option<T>>> + Send {
        let (key, options) = (self.key(key), self.get_options());
        async move { Ok(self.fetch(key?, options).await?.map(Self::value_of)) }
    }

    /// Returns the value without a refresh, whatever the policy.
    ///
    /// # Errors
    /// The errors of [`Collection::get`].
    pub fn peek(&self, key: impl AsRef<str>) -> impl Future<Output = Result<Option<T>>> + Send {
        let (key, options) = (self.key(key), self.get_options().with_refresh(None));
        async move { Ok(self.fetch(key?, options).await?.map(|item| item.value)) }
    }

    /// Returns the value with this metadata. Otherwise like [`Collection::get`].
    ///
    /// # Errors
    /// The errors of [`Collection::get`].
    pub fn get_item(
        &self,
        key: impl AsRef<str>,
        returning: Returning,
    ) -> impl Future<Output = Result<Option<Item<T>>>> + Send {
        let (key, options) = (self.key(key), self.get_options().with_returning(returning));
        async move { self.fetch(key?, options).await }
    }

    /// Returns whether there is a live entry. Refreshes it if the policy names READ.
    ///
    /// # Errors
    /// * [`ErrorKind::InvalidKey`](ttl_core::ErrorKind::InvalidKey).
    /// * The backend's failures.
    pub fn contains(&self, key: impl AsRef<str>) -> impl Future<Output = Result<bool>> + Send {
        let (key, options) = (self.key(key), GetOptions::nothing().with_refresh(self.refresh(Actions::READ)));
        async move { self.shared.space.is_there(key, options).await }
    }

    /// Returns the deadline of the entry: [`Deadline::NEVER`] if it is persistent, or `None` if there is no
    /// live entry. Refreshes nothing.
    ///
    /// # Errors
    /// * [`ErrorKind::InvalidKey`](ttl_core::ErrorKind::InvalidKey).
    /// * The backend's failures.
    pub fn deadline(&self, key: impl AsRef<str>) -> impl Future<Output = Result<Option<Deadline>>> + Send {
        let key = self.key(key);
        async move { self.shared.space.deadline(key).await }
    }

    /// Returns the remaining lifetime of the entry by the store's clock: [`Duration::MAX`] if it is
    /// persistent, or `None` if there is no live entry. Refreshes nothing.
    ///
    /// # Errors
    /// * [`ErrorKind::InvalidKey`](ttl_core::ErrorKind::InvalidKey).
    /// * The backend's failures.
    pub fn remaining(&self, key: impl AsRef<str>) -> impl Future<Output = Result<Option<Duration>>> + Send {
        let key = self.key(key);
        async move { self.shared.space.remaining(key).await }
    }

    pub(super) fn get_options(&self) -> GetOptions {
        GetOptions::new().with_kind(F::KIND).with_refresh(self.refresh(Actions::FETCH))
    }

    /// Returns the value. The error of a failed refresh goes to the log.
    pub(super) fn value_of(item: Item<T>) -> T {
        note_refresh_error(item.refresh_error.as_ref());
        item.value
    }
}
