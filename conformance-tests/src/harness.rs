//! The interface between a driver's tests and the suite: fresh stores, their time, and access to their
//! backend.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ttl_core::{Key, ManualClock, Result, TtlStore, Value, async_trait};

use crate::FaultProxy;

/// Creates the stores that cases run on. A driver has one harness for each of its modes.
///
/// ```
/// use std::sync::Arc;
/// use ttl_conformance::{Fixture, Harness, Time};
/// use ttl_core::{Result, TtlStore, async_trait};
/// # fn my_store() -> Arc<dyn TtlStore> { unimplemented!() }
///
/// #[derive(Debug)]
/// struct MyDriver;
///
/// #[async_trait]
/// impl Harness for MyDriver {
///     async fn fresh(&self) -> Result<Fixture> {
///         Ok(Fixture::new(my_store(), Time::Real))
///     }
/// }
/// ```
#[async_trait]
pub trait Harness: fmt::Debug + Send + Sync + 'static {
    /// Creates an empty store that shares nothing with the stores of other cases, which run at the same time.
    /// It has its own namespace, table or keyspace.
    ///
    /// # Errors
    /// The error of the driver, if its backend is unreachable; the case fails.
    async fn fresh(&self) -> Result<Fixture>;

    /// Returns the name and version that the server reports, such as `"Redis 7.0.15"`, for reports. Defaults
    /// to `None`.
    ///
    /// # Errors
    /// The error of the driver, if the query fails.
    async fn backend_version(&self) -> Result<Option<String>> {
        Ok(None)
    }

    /// Returns the server's address as `host:port`, for the cases of outages, which place a [`FaultProxy`] in
    /// front of it. Defaults to `None`, for a store without a network, which skips these cases.
    fn upstream(&self) -> Option<String> {
        None
    }

    /// Creates a fixture like [`Harness::fresh`], whose `store` connects to the server through this proxy and
    /// whose `second` connects directly.
    ///
    /// Give the `store` a timeout of about one second, because cases wait for it. Connect it before this
    /// method returns or at its first call. Return `None` if the server cannot be reached through a proxy,
    /// such as by TLS under another name. Defaults to `None`.
    ///
    /// # Errors
    /// The error of the driver, if its backend is unreachable; the case fails.
    async fn fresh_through(&self, proxy: &FaultProxy) -> Result<Option<Fixture>> {
        let _ = proxy;
        Ok(None)
    }

    /// Returns the time limit of one call of the store. Defaults to two minutes.
    fn call_limit(&self) -> Duration {
        Duration::from_secs(120)
    }

    /// Returns the time limit of the wait for a report of a change, or of a gap. Defaults to 20 seconds, which
    /// must be longer than the time for which the store may not know of a loss.
    fn report_limit(&self) -> Duration {
        Duration::from_secs(20)
    }

    /// Returns the time limit of one case. Defaults to five minutes.
    fn time_limit(&self) -> Duration {
        Duration::from_secs(300)
    }

    /// Removes the resources that several stores have used in turn from the backend. The suite calls it after
    /// the last case, whatever its verdict. Defaults to no action, for a harness that keeps nothing from one
    /// case to the next.
    async fn finish(&self) {}
}

/// The store of one case, with its second handle, its time and the access to its backend.
#[derive(Debug)]
#[non_exhaustive]
pub struct Fixture {
    /// The store.
    pub store: Arc<dyn TtlStore>,
    /// Another handle on the same entries, as another process would have; the same handle if the driver
    /// cannot create another one.
    pub second: Arc<dyn TtlStore>,
    /// How time passes.
    pub time: Time,
    /// The direct access to the backend, if there is any.
    pub beneath: Option<Arc<dyn Beneath>>,
}

impl Fixture {
    /// Creates a fixture with one handle and without access to the backend.
    #[must_use]
    pub fn new(store: Arc<dyn TtlStore>, time: Time) -> Self {
        Self { second: Arc::clone(&store), store, time, beneath: None }
    }

    /// Sets another handle on the same entries; defaults to the store itself.
    #[must_use]
    pub fn with_second(mut self, second: Arc<dyn TtlStore>) -> Self {
        self.second = second;
        self
    }

    /// Sets the direct access to the backend; defaults to none.
    #[must_use]
    pub fn with_beneath(mut self, beneath: Arc<dyn Beneath>) -> Self {
        self.beneath = Some(beneath);
        self
    }
}

/// How time passes for a store.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Time {
    /// Time stops until the suite moves this clock, which decides which entries have expired.
    Manual(Arc<ManualClock>),
    /// Real time: the suite waits.
    Real,
}

/// Direct access to the backend, past the store. Each method may return `Ok(false)`, which means that the
/// harness does not support it.
#[async_trait]
pub trait Beneath: fmt::Debug + Send + Sync + 'static {
    /// Writes an entry to the backend that expired `dead_for` ago and that the backend has not deleted. It
    /// replaces a stored entry. A store on a manual clock may instead put the entry and advance the clock.
    ///
    /// # Errors
    /// The error of the backend.
    async fn plant_ghost(&self, key: &Key, value: &Value, dead_for: Duration) -> Result<bool> {
        let _ = (key, value, dead_for);
        Ok(false)
    }

    /// Overwrites the stored entry with content that the driver cannot have written, with a TTL of one
    /// minute.
    ///
    /// # Errors
    /// The error of the backend.
    async fn corrupt(&self, key: &Key) -> Result<bool> {
        let _ = key;
        Ok(false)
    }

    /// Returns the number of entries of the store in the backend, expired ones included; `None` if it is
    /// unknown.
    ///
    /// # Errors
    /// The error of the backend.
    async fn count_stored(&self) -> Result<Option<usize>> {
        Ok(None)
    }

    /// Removes the entries that the case left in the backend. The suite calls it after every case, failed
    /// ones included.
    async fn clean_up(&self) {}
}
