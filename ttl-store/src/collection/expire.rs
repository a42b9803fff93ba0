//! Explicit changes of the deadlines of a collection's entries.

use ttl_core::options::{ExpireOptions, ExpiryChange, Guard};
use ttl_core::results::ExpireResult;
use ttl_core::{Expiry, Result, Ttl};

use super::Collection;
use crate::format::Format;

impl<T, F: Format<T>> Collection<T, F> {
    /// Restarts the lifetime: moves the deadline to the collection's TTL from now, unless it is already
    /// later. Returns `None` if there is no live entry; nothing is created then (X4).
    ///
    /// # Errors
    /// * [`ErrorKind::InvalidKey`](ttl_core::ErrorKind::InvalidKey).
    /// * The backend's failures, [`ErrorKind::OutcomeUnknown`](ttl_core::ErrorKind::OutcomeUnknown) among
    ///   them.
    pub fn touch(&self, key: impl AsRef<str>) -> impl Future<Output = Result<Option<ExpireResult>>> + Send {
        let to = ExpiryChange::Set(self.ttl.into());
        self.expire(key, to, ExpireOptions::new().with_guard(Guard::IfLater))
    }

    /// Adds to the deadline. A persistent entry does not change (X3), and the cap still applies (X6). Returns
    /// `None` if there is no live entry.
    ///
    /// # Errors
    /// * The errors of [`Collection::touch`].
    /// * [`ErrorKind::InvalidExpiry`](ttl_core::ErrorKind::InvalidExpiry) if the new deadline would be more
    ///   than 20 years away.
    pub fn extend_by(
        &self,
        key: impl AsRef<str>,
        by: Ttl,
    ) -> impl Future<Output = Result<Option<ExpireResult>>> + Send {
        self.expire(key, ExpiryChange::Extend(by), ExpireOptions::new())
    }

    /// Sets the deadline exactly, later or sooner than before: a duration from now, or an instant. An instant
    /// in the past expires the entry. The cap still applies (X6). Returns `None` if there is no live entry.
    ///
    /// # Errors
    /// The errors of [`Collection::extend_by`].
    pub fn set_expiry<E: Into<Expiry>>(
        &self,
        key: impl AsRef<str>,
        expiry: E,
    ) -> impl Future<Output = Result<Option<ExpireResult>>> + Send {
        self.expire(key, ExpiryChange::Set(expiry.into()), ExpireOptions::new())
    }

    /// Removes the deadline: the entry stays until it is deleted, or until its cap. Returns `None` if there
    /// is no live entry.
    ///
    /// # Errors
    /// The errors of [`Collection::touch`].
    pub fn persist(&self, key: impl AsRef<str>) -> impl Future<Output = Result<Option<ExpireResult>>> + Send {
        self.expire(key, ExpiryChange::Set(Expiry::Never), ExpireOptions::new())
    }

    fn expire(
        &self,
        key: impl AsRef<str>,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> impl Future<Output = Result<Option<ExpireResult>>> + Send {
        let key = self.key(key);
        async move { self.shared.space.expire(key, change, options).await }
    }
}
