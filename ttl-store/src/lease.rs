//! Leases: locks that expire.

use std::time::Duration;

use ttl_core::options::{
    Condition, DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, Guard, PutOptions, Returning,
};
use ttl_core::{Deadline, Error, ErrorKind, Key, Outcome, Result, Ttl, Value, Version};

use crate::keys::KeyPages;
use crate::space::{Space, remaining, unreported};

/// A set of locks under one name. Each lock has at most one holder until it is released or expires.
///
/// Created by [`Store::leases`](crate::Store::leases). Cloning is cheap.
///
/// ```
/// # async fn show(store: ttl_store::Store) -> ttl_store::Result<()> {
/// use ttl_store::Ttl;
///
/// let jobs = store.leases("jobs", Ttl::seconds(30))?;
/// if let Some(mut lease) = jobs.acquire("nightly-report").await?.applied() {
///     // … a part of the work …
///     if !lease.renew().await?.is_applied() {
///         return Ok(()); // Lost: another holder may be at work.
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
/// # Limits of a lease
///
/// A lease decides which caller may start. It does not guarantee that the holder is alone. A holder that is
/// paused past its deadline (by the scheduler, by a network that hangs) does not notice. For that moment two
/// holders can be at work.
///
/// There is no fencing number: the token of a lease is random and has no order. Use a lease to save work.
/// Protect an action that must not happen twice with its own check, for example a
/// [`compare_and_swap`](crate::Collection::compare_and_swap). A backend that loses acknowledged writes (a
/// failover without a synchronous replica) also loses leases.
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

    /// Acquires the lease if it is free. Returns [`Outcome::Refused`] if it is held. Of many callers, exactly
    /// one acquires it (C1).
    ///
    /// Does not wait for a lease that is held. Dropping the future may leave a lease without a holder; it
    /// expires after its TTL.
    ///
    /// # Errors
    /// * [`ErrorKind::InvalidKey`].
    /// * The backend's failures. After [`ErrorKind::OutcomeUnknown`] the lease may be taken without a holder;
    ///   it expires after its TTL.
    pub fn acquire(&self, key: impl AsRef<str>) -> impl Future<Output = Result<Outcome<Lease>>> + Send {
        let key = self.space.key(key);
        async move {
            let key = key?;
            // A unique value yields a unique version, whatever the driver.
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

    /// Returns the lifetime of a lease after it was acquired or renewed.
    #[must_use]
    pub const fn ttl(&self) -> Ttl {
        self.ttl
    }

    /// Lists the keys of the leases that are held, page by page.
    pub fn keys(&self) -> KeyPages {
        KeyPages::new(self.space.clone())
    }
}

/// An acquired lease. It is held until it is released or expires, whichever comes first.
///
/// Dropping it does not release it, because that would need I/O, which a drop cannot wait for. A dropped
/// lease expires at its deadline.
///
/// ```
/// use ttl_store::Ttl;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> ttl_store::Result<()> {
/// let store = ttl_store::connect("memory:").await?;
/// let jobs = store.leases("jobs", Ttl::seconds(30))?;
/// let mut lease = jobs.acquire("report").await?.applied().expect("the lease is free");
/// assert!(jobs.acquire("report").await?.is_refused());
/// assert!(lease.renew().await?.is_applied());
/// assert!(lease.release().await?.is_applied());
/// assert!(!lease.is_held().await?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a lease that is dropped stays taken until it ends; release it"]
pub struct Lease {
    leases: Leases,
    key: Key,
    version: Version,
    deadline: Deadline,
}

impl Lease {
    /// Renews the lease: moves its deadline to the full TTL from now, unless it is already later.
    ///
    /// [`Outcome::Applied`] contains the new deadline. [`Outcome::Absent`] (the lease has expired) and
    /// [`Outcome::Refused`] (it has expired and has another holder) mean that the lease is lost. Stop working
    /// then.
    ///
    /// # Errors
    /// The backend's failures. The lease may then still be held, at least until [`Lease::deadline`].
    pub async fn renew(&mut self) -> Result<Outcome<Deadline>> {
        let options = ExpireOptions::new().with_guard(Guard::IfLater).with_if_version(self.version);
        let to = ExpiryChange::Set(self.leases.ttl.into());
        let outcome = self.leases.space.driver.expire(&self.key, to, options).await?;
        self.deadline = outcome.applied().map_or(GONE, |renewed| renewed.deadline);
        Ok(outcome.map(|renewed| renewed.deadline))
    }

    /// Releases the lease, so that others need not wait until it expires. Never changes a lease of another
    /// holder.
    ///
    /// [`Outcome::Applied`] means that the lease was held until now. [`Outcome::Absent`] and
    /// [`Outcome::Refused`] mean that it was lost before, and that another holder may have worked at the same
    /// time.
    ///
    /// # Errors
    /// The backend's failures. Release it again, or let it expire.
    pub async fn release(&mut self) -> Result<Outcome<()>> {
        let options = DeleteOptions::new().with_if_version(self.version);
        let outcome = self.leases.space.driver.delete(&self.key, options).await?;
        self.deadline = GONE;
        Ok(outcome.map(|_| ()))
    }

    /// Checks with the store whether the lease is still held.
    ///
    /// # Errors
    /// The backend's failures.
    pub async fn is_held(&self) -> Result<bool> {
        let options = GetOptions::nothing().with_returning(Returning::VERSION);
        let entry = self.leases.space.driver.get(&self.key, options).await?;
        Ok(entry.is_some_and(|entry| entry.version == Some(self.version)))
    }

    /// Returns the deadline that the store reported last. Once the lease is known to be lost or released,
    /// this is an instant long past.
    #[must_use]
    pub const fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// Returns the remaining lifetime by the store's clock, as far as this process knows it. Sends no
    /// request. Zero once the lease has expired.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        remaining(self.deadline, self.leases.space.driver.now())
    }
}

/// The deadline of a lease that is no longer held.
const GONE: Deadline = Deadline::from_epoch_millis(0);
