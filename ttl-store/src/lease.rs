//! Leases: locks that end by themselves.

use std::time::Duration;

use ttl_core::{
    Condition, Deadline, DeleteOptions, Error, ErrorKind, ExpireOptions, ExpiryChange, GetOptions, Guard,
    Key, Outcome, PutOptions, Result, Returning, Ttl, Value, Version,
};

use crate::keys::KeyPages;
use crate::space::{Space, remaining, unreported};

/// Locks under one name, each held by at most one holder until it is released or ends.
///
/// Made by [`Store::leases`](crate::Store::leases). Cloning is cheap.
///
/// ```
/// # async fn show(store: ttl_store::Store) -> ttl_store::Result<()> {
/// use ttl_store::Ttl;
///
/// let jobs = store.leases("jobs", Ttl::seconds(30))?;
/// if let Some(mut lease) = jobs.acquire("nightly-report").await?.applied() {
///     // … a part of the work …
///     if !lease.renew().await?.is_applied() {
///         return Ok(()); // Lost: someone else may be at it.
///     }
///     // … the rest …
///     if !lease.release().await?.is_applied() {
///         eprintln!("the lease ended before the work did");
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// # What a lease is not
///
/// A lease says who may start, not who is alone. A holder that is paused (by the scheduler, by a network that
/// hangs) past its deadline does not know, and for that moment two can be at work. There is no fencing number: the
/// token of a lease is random and has no order. Let the lease save work, and let the thing that must not be done
/// twice refuse it by itself, with a [`compare_and_swap`](crate::Collection::compare_and_swap) for example. A
/// backend that loses acknowledged writes (a failover without a synchronous replica) loses leases too.
#[derive(Clone, Debug)]
pub struct Leases {
    space: Space,
    ttl: Ttl,
}

impl Leases {
    pub(crate) fn new(space: Space, ttl: Ttl) -> Result<Self> {
        let capabilities = space.driver.capabilities();
        if capabilities.conditions {
            return Ok(Self { space, ttl });
        }
        Err(Error::new(
            ErrorKind::Unsupported,
            "this store does not offer conditions, which leases need; choose another backend",
        )
        .with_operation("build")
        .with_backend(capabilities.backend))
    }

    /// Acquires the lease if it is free; [`Outcome::Refused`] if it is held. Of many callers exactly one gets it (C1).
    ///
    /// Nothing is waited for. Dropping the future may leave a lease behind that nobody holds; it ends by itself.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`]; the backend's failures. After [`ErrorKind::OutcomeUnknown`] the lease may be
    /// taken, by nobody; it ends by itself.
    pub fn acquire(&self, key: impl AsRef<str>) -> impl Future<Output = Result<Outcome<Lease>>> + Send {
        let key = self.space.key(key);
        async move {
            let key = key?;
            // A value that no one wrote before makes a version that no one saw before, whatever the driver.
            let token = Value::from(Version::random().to_string());
            let options = PutOptions::new(self.ttl)
                .with_condition(Condition::IfAbsent)
                .with_returning(Returning::DEADLINE | Returning::VERSION);
            let meta = match self.space.driver.put(&key, token, options).await? {
                Outcome::Applied(meta) => meta,
                Outcome::Absent | Outcome::Refused(_) => return Ok(Outcome::Refused(None)),
            };
            let version = meta.version.ok_or_else(|| unreported("version"))?;
            let deadline = meta.deadline.ok_or_else(|| unreported("deadline"))?;
            Ok(Outcome::Applied(Lease { leases: self.clone(), key, version, deadline }))
        }
    }

    /// How long a lease lives after it was acquired or renewed.
    #[must_use]
    pub const fn ttl(&self) -> Ttl {
        self.ttl
    }

    /// Lists what is held, page by page.
    pub fn keys(&self) -> KeyPages {
        KeyPages::new(self.space.clone())
    }
}

/// A lease that was acquired. It is held until it is released, or ends, whichever comes first.
///
/// Dropping it releases nothing: that would need I/O, which a drop cannot wait for. It then ends by itself.
#[derive(Debug)]
#[must_use = "a lease that is dropped stays taken until it ends; release it"]
pub struct Lease {
    leases: Leases,
    key: Key,
    version: Version,
    deadline: Deadline,
}

impl Lease {
    /// Holds it for the whole TTL from now on, never shorter than before.
    ///
    /// [`Outcome::Applied`] has the new deadline. [`Outcome::Absent`] (it ended) and [`Outcome::Refused`] (it ended
    /// and someone else holds it) say that it is lost: stop working.
    ///
    /// # Errors
    /// The backend's failures. The lease may then be held still, until [`Lease::deadline`] at least.
    pub async fn renew(&mut self) -> Result<Outcome<Deadline>> {
        let options = ExpireOptions::new().with_guard(Guard::IfLater).with_if_version(self.version);
        let to = ExpiryChange::Set(self.leases.ttl.into());
        let outcome = self.leases.space.driver.expire(&self.key, to, options).await?;
        self.deadline = outcome.applied().map_or(GONE, |renewed| renewed.deadline);
        Ok(outcome.map(|renewed| renewed.deadline))
    }

    /// Gives it back, so that others need not wait for its end.
    ///
    /// [`Outcome::Applied`] says that it was held until now; [`Outcome::Absent`] and [`Outcome::Refused`] that it
    /// was lost before, and that the work may not have been alone. Never touches a lease of someone else.
    ///
    /// # Errors
    /// The backend's failures; release it again, or let it end by itself.
    pub async fn release(&mut self) -> Result<Outcome<()>> {
        let options = DeleteOptions::new().with_if_version(self.version);
        let outcome = self.leases.space.driver.delete(&self.key, options).await?;
        self.deadline = GONE;
        Ok(outcome.map(|_| ()))
    }

    /// Asks the store whether the lease is held still.
    ///
    /// # Errors
    /// The backend's failures.
    pub async fn is_held(&self) -> Result<bool> {
        let options = GetOptions::nothing().with_returning(Returning::VERSION);
        let entry = self.leases.space.driver.get(&self.key, options).await?;
        Ok(entry.is_some_and(|entry| entry.version == Some(self.version)))
    }

    /// When it ends, as the store said last; long past once it is known to be lost or released.
    #[must_use]
    pub const fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// How long it has left by the store's clock, as this process knows it. Asks nobody; zero once it has ended.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        remaining(self.deadline, self.leases.space.driver.now())
    }
}

/// The deadline of a lease that is not held any more.
const GONE: Deadline = Deadline::from_epoch_millis(0);
