//! Deadlines of a collection's entries, set by hand.

use ttl_core::{ExpireOptions, ExpireResult, Expiry, ExpiryChange, Guard, Result, Ttl};

use super::Collection;
use crate::format::Format;

impl<T, F: Format<T>> Collection<T, F> {
    /// Starts the lifetime again: the deadline becomes now plus the collection's TTL, unless it is later already.
    /// `None` where no live entry is; nothing is created then (X4).
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`](ttl_core::ErrorKind::InvalidKey); the backend's failures,
    /// [`ErrorKind::OutcomeUnknown`](ttl_core::ErrorKind::OutcomeUnknown) among them.
    pub fn touch(&self, key: impl AsRef<str>) -> impl Future<Output = Result<Option<ExpireResult>>> + Send {
        let to = ExpiryChange::Set(self.ttl.into());
        self.expire(key, to, ExpireOptions::new().with_guard(Guard::IfLater))
    }

    /// Adds to the deadline; a persistent entry stays as it is (X3), and the cap holds (X6). `None` where no live
    /// entry is.
    ///
    /// # Errors
    /// As [`Collection::touch`]; [`ErrorKind::InvalidExpiry`](ttl_core::ErrorKind::InvalidExpiry) if the new deadline
    /// would be more than 20 years away.
    pub fn extend_by(
        &self,
        key: impl AsRef<str>,
        by: Ttl,
    ) -> impl Future<Output = Result<Option<ExpireResult>>> + Send {
        self.expire(key, ExpiryChange::Extend(by), ExpireOptions::new())
    }

    /// Sets the deadline exactly: so long from now, or at an instant, be that later or sooner than before. An
    /// instant in the past ends the entry; the cap holds (X6). `None` where no live entry is.
    ///
    /// # Errors
    /// As [`Collection::extend_by`].
    pub fn set_expiry<E: Into<Expiry>>(
        &self,
        key: impl AsRef<str>,
        expiry: E,
    ) -> impl Future<Output = Result<Option<ExpireResult>>> + Send {
        self.expire(key, ExpiryChange::Set(expiry.into()), ExpireOptions::new())
    }

    /// Takes the deadline away: the entry stays until it is deleted, or until its cap. `None` where no live entry
    /// is.
    ///
    /// # Errors
    /// As [`Collection::touch`].
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
