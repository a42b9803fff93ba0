//! What a driver's tests tell the suite: how to make a fresh store, how time passes, what lies beneath.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ttl_core::{Key, ManualClock, Result, TtlStore, Value, async_trait};

use crate::FaultProxy;

/// Makes stores for cases to run on. One for each driver (and mode of it).
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
    /// A store that is empty and that shares nothing with the stores of other cases, which run at the same time:
    /// a namespace, table or keyspace of its own.
    ///
    /// # Errors
    /// The driver's, if its backend cannot be reached; the case fails.
    async fn fresh(&self) -> Result<Fixture>;

    /// What the stores are on, for reports: a server's name and its version as it tells them, such as
    /// `"Redis 7.0.15"`. Provided: nothing is known.
    ///
    /// # Errors
    /// The driver's, if its backend cannot be asked.
    async fn backend_version(&self) -> Result<Option<String>> {
        Ok(None)
    }

    /// Returns the server's address as `host:port`, for the cases of outages, which put a [`FaultProxy`] in front of it.
    /// Provided: `None`, which skips them, for a store without a network.
    fn upstream(&self) -> Option<String> {
        None
    }

    /// Makes a fixture as [`Harness::fresh`] does, whose `store` reaches the server through this proxy and whose `second`
    /// goes straight to the server.
    ///
    /// Give the `store` a time limit of about one second, because cases wait for it to pass, and connect it before
    /// this returns or at its first call. Answer `None` where the server cannot be reached through a proxy, such as by TLS
    /// under another name. Provided: `None`.
    ///
    /// # Errors
    /// The driver's, if its backend cannot be reached; the case fails.
    async fn fresh_through(&self, proxy: &FaultProxy) -> Result<Option<Fixture>> {
        let _ = proxy;
        Ok(None)
    }

    /// Returns how long one call of the store may take. Provided: two minutes.
    fn call_limit(&self) -> Duration {
        Duration::from_secs(120)
    }

    /// Returns how long one case may take. Provided: five minutes.
    fn time_limit(&self) -> Duration {
        Duration::from_secs(300)
    }

    /// Removes from the backend what stores have used one after another. Called when the last case has ended, whatever
    /// came of it. Provided: nothing is kept from one case to the next.
    async fn finish(&self) {}
}

/// One case's store, and what can be done around it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Fixture {
    /// The store.
    pub store: Arc<dyn TtlStore>,
    /// Another handle on the same entries, as another process would have; the same one again if the driver cannot
    /// make one.
    pub second: Arc<dyn TtlStore>,
    /// How time passes.
    pub time: Time,
    /// What can be done to the backend behind the store's back.
    pub beneath: Option<Arc<dyn Beneath>>,
}

impl Fixture {
    /// A fixture with one handle and nothing beneath.
    #[must_use]
    pub fn new(store: Arc<dyn TtlStore>, time: Time) -> Self {
        Self { second: Arc::clone(&store), store, time, beneath: None }
    }

    /// With another handle on the same entries.
    #[must_use]
    pub fn with_second(mut self, second: Arc<dyn TtlStore>) -> Self {
        self.second = second;
        self
    }

    /// With access beneath the store.
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
    /// It stands still until the suite moves this clock, which decides what has expired.
    Manual(Arc<ManualClock>),
    /// It passes by itself; the suite waits.
    Real,
}

/// Access to the backend behind the store's back. Each method may answer `Ok(false)`: this cannot be done here.
#[async_trait]
pub trait Beneath: fmt::Debug + Send + Sync + 'static {
    /// Leaves an entry in the backend that expired `dead_for` ago and that the backend has not deleted.
    ///
    /// # Errors
    /// The backend's.
    async fn plant_ghost(&self, key: &Key, value: &Value, dead_for: Duration) -> Result<bool> {
        let _ = (key, value, dead_for);
        Ok(false)
    }

    /// Overwrites what is stored under the key by something that the driver cannot have written, to live for a
    /// minute.
    ///
    /// # Errors
    /// The backend's.
    async fn corrupt(&self, key: &Key) -> Result<bool> {
        let _ = key;
        Ok(false)
    }

    /// Returns how many entries of the store the backend holds, expired ones included; `None` if it does not tell.
    ///
    /// # Errors
    /// The backend's.
    async fn count_stored(&self) -> Result<Option<usize>> {
        Ok(None)
    }

    /// Removes what the case left in the backend. Called after every case, failed ones included.
    async fn clean_up(&self) {}
}
