//! `ScyllaStore`, and its implementation of `TtlStore` in the mode of the table.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::SystemTime;

use scylla::client::session::Session;
use tokio::sync::Mutex;
use ttl_core::driver::CasStore;
use ttl_core::{
    Capabilities, Clock, DeleteOptions, Entry, Error, ExpireOptions, ExpireResult, ExpiryChange, GetOptions,
    Key, Outcome, Page, Patch, PatchOptions, PatchResult, PutItem, PutOptions, PutResult, Result,
    ScanOptions, SystemClock, TtlStore, Value, async_trait,
};

use crate::batch;
use crate::config::ScyllaConfig;
use crate::connection::client::Client;
use crate::connection::runtime::Runtime;
use crate::connection::session as connect;
use crate::ops::lww::write::Lww;
use crate::ops::strict::write::{Common, Strict};
use crate::wire::strict as statements;
use crate::{Mode, error, schema};

/// The number of lock stripes: patches of different keys in one process rarely wait for each other.
const LOCKS: usize = 1024;

/// A store in a table of ScyllaDB or Apache Cassandra. Cloning is cheap; clones share the session.
///
/// ```no_run
/// use ttl_core::{Key, PutOptions, Ttl, TtlStore};
/// use ttl_scylla::{ScyllaConfig, ScyllaStore};
///
/// # async fn example() -> ttl_core::Result<()> {
/// let config = ScyllaConfig::from_url("scylla://localhost/shop/pages?ensure_schema=true&replication=3")?;
/// let store = ScyllaStore::connect(&config).await?;
/// let key = Key::new("page:/cart")?;
/// let _ = store.put(&key, "<html>".into(), PutOptions::new(Ttl::minutes(5))).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ScyllaStore {
    inner: Inner,
    /// Locks for the patches of this process. Waiting here costs less than conflicts on the servers.
    locks: Arc<Locks>,
    runtime: Runtime,
}

#[derive(Clone, Debug)]
enum Inner {
    Strict(CasStore<Strict>),
    Lww(Lww),
}

struct Locks {
    hasher: RandomState,
    stripes: Vec<Mutex<()>>,
}

impl ScyllaStore {
    /// Connects, checks or creates the table ([`ScyllaConfig::with_ensure_schema`]), and prepares every
    /// statement.
    ///
    /// It works on any runtime, or without one: connections run on the driver's own thread.
    ///
    /// # Errors
    /// * [`InvalidConfig`](ttl_core::ErrorKind::InvalidConfig) if the configuration is invalid, if the table is missing (the text
    ///   contains the CQL that creates it), has another layout or is in the other mode, if the cluster lacks
    ///   the configured datacentre, or if the port does not speak CQL, or TLS as configured.
    /// * [`Unavailable`](ttl_core::ErrorKind::Unavailable) if the cluster cannot be reached.
    /// * [`PermissionDenied`](ttl_core::ErrorKind::PermissionDenied) for wrong credentials.
    pub async fn connect(config: &ScyllaConfig) -> Result<Self> {
        let opened = async {
            config.check()?;
            let runtime = Runtime::shared()?;
            let open = async {
                let session = connect::session(config).await?;
                Self::open(Arc::new(session), config, &runtime).await
            };
            runtime.run(open).await
        };
        opened.await.map_err(|error: Error| error.with_operation("connect").with_backend(crate::BACKEND))
    }

    /// Creates a store on an existing session, which the program may also use elsewhere.
    ///
    /// Nodes, credentials, TLS and compression come from the session; those of the configuration are ignored.
    /// The store's statements use a separate execution profile, derived from the session's default, which
    /// never retries. The session ends with the tokio runtime that created it; a session from
    /// [`ScyllaStore::connect`] does not.
    ///
    /// # Errors
    /// The same as [`ScyllaStore::connect`].
    pub async fn with_session(session: Arc<Session>, config: &ScyllaConfig) -> Result<Self> {
        let opened = async {
            config.check()?;
            let runtime = Runtime::shared()?;
            runtime.run(Self::open(session, config, &runtime)).await
        };
        opened.await.map_err(|error: Error| error.with_operation("connect").with_backend(crate::BACKEND))
    }

    async fn open(session: Arc<Session>, config: &ScyllaConfig, runtime: &Runtime) -> Result<Self> {
        connect::check_datacenter(&session, config)?;
        let sending = connect::sending(&session, config);
        schema::settle(&session, config, &sending).await?;
        let (name, lww) = (config.table_name(), config.mode == Mode::Lww);
        let reads = Arc::new(statements::Reads::prepare(&session, &name, &sending, lww).await?);
        let common = Common {
            client: Client {
                session: Arc::clone(&session),
                commit: config.consistency,
                timeout: config.timeout,
            },
            reads,
            clock: Arc::new(SystemClock::new()),
            skew: config.clock_skew,
            capabilities: capabilities(config),
            cursor_secret: config.cursor_secret,
            table: name.as_str().into(),
        };
        let inner = match config.mode {
            Mode::Strict => {
                let writes = Arc::new(statements::Strict::prepare(&session, &name, &sending).await?);
                Inner::Strict(CasStore::new(Strict { common, writes }))
            }
            Mode::Lww => {
                let writes = Arc::new(statements::Lww::prepare(&session, &name, &sending).await?);
                Inner::Lww(Lww { common, writes, timestamps: Arc::default() })
            }
        };
        let stripes = std::iter::repeat_with(Mutex::default).take(LOCKS).collect();
        Ok(Self {
            inner,
            locks: Arc::new(Locks { hasher: RandomState::new(), stripes }),
            runtime: runtime.clone(),
        })
    }

    /// Sets the store's clock, which decides about visibility; defaults to the system clock.
    ///
    /// The servers delete expired entries by their own clocks. Those must not be ahead of this clock by more
    /// than [`ScyllaConfig::with_clock_skew`].
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        let inner = match self.inner {
            Inner::Strict(store) => {
                let mut strict = store.backend().clone();
                strict.common.clock = clock;
                Inner::Strict(CasStore::new(strict))
            }
            Inner::Lww(mut lww) => {
                lww.common.clock = clock;
                Inner::Lww(lww)
            }
        };
        Self { inner, ..self }
    }

    /// Returns the session, which the program may also use elsewhere.
    #[must_use]
    pub fn session(&self) -> Arc<Session> {
        Arc::clone(&self.common().client.session)
    }

    fn common(&self) -> &Common {
        match &self.inner {
            Inner::Strict(store) => &store.backend().common,
            Inner::Lww(lww) => &lww.common,
        }
    }
}

impl fmt::Debug for ScyllaStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScyllaStore").field("inner", &self.inner).finish_non_exhaustive()
    }
}

fn capabilities(config: &ScyllaConfig) -> Capabilities {
    let all = Capabilities::new(crate::BACKEND).with_max_value_bytes(config.max_value_bytes);
    match config.mode {
        // Some servers write for each serial read.
        Mode::Strict => all.with_reads_cost_writes(true),
        Mode::Lww => all.with_conditions(false).with_patch(false).with_caps(false),
    }
}

/// Adds the operation, the backend and the key to an error.
fn tried<T>(result: Result<T>, operation: &'static str, key: &Key) -> Result<T> {
    result.map_err(|error| error.with_operation(operation).with_backend(crate::BACKEND).with_key(key))
}

#[async_trait]
impl TtlStore for ScyllaStore {
    fn capabilities(&self) -> Capabilities {
        self.common().capabilities
    }

    fn now(&self) -> SystemTime {
        self.common().now()
    }

    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>> {
        let get = async {
            match &self.inner {
                Inner::Strict(store) => store.backend().get(key, &options).await,
                Inner::Lww(lww) => lww.get(key, &options).await,
            }
        };
        tried(self.runtime.run(get).await, "get", key)
    }

    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>> {
        let put = async {
            match &self.inner {
                Inner::Strict(store) => store.backend().put(key, &value, &options).await,
                Inner::Lww(lww) => lww.put(key, &value, &options).await,
            }
        };
        tried(self.runtime.run(put).await, "put", key)
    }

    async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        let expire = async {
            match &self.inner {
                Inner::Strict(store) => store.backend().expire(key, change, &options).await,
                Inner::Lww(lww) => lww.expire(key, change, &options).await,
            }
        };
        tried(self.runtime.run(expire).await, "expire", key)
    }

    async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Result<Outcome<PatchResult>> {
        let patch = async {
            match &self.inner {
                Inner::Strict(store) => {
                    let at = self.locks.hasher.hash_one(key) % LOCKS as u64;
                    // The wait is limited to one request timeout, so that a hanging server does not delay
                    // each patch.
                    let turn = self.locks.stripes[at as usize].lock();
                    let _waited = tokio::time::timeout(self.common().client.timeout, turn).await;
                    store.patch(key, patch, options).await
                }
                Inner::Lww(lww) => {
                    let refused = lww
                        .common
                        .capabilities
                        .check_patch(patch, &options)
                        .map(|()| Outcome::Absent)
                        .map_err(error::not_in_lww);
                    tried(refused, "patch", key)
                }
            }
        };
        self.runtime.run(patch).await
    }

    async fn delete(&self, key: &Key, options: DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        let delete = async {
            match &self.inner {
                Inner::Strict(store) => store.backend().delete(key, &options).await,
                Inner::Lww(lww) => lww.delete(key, &options).await,
            }
        };
        tried(self.runtime.run(delete).await, "delete", key)
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        let page = self.runtime.run(self.common().scan(&options)).await;
        page.map_err(|error| error.with_operation("scan").with_backend(crate::BACKEND))
    }

    async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Result<Option<Entry>>> {
        batch::each(keys, |at| self.get(&keys[at], options.clone())).await
    }

    async fn put_many(&self, items: Vec<PutItem>) -> Vec<Result<Outcome<PutResult>>> {
        batch::each(items.iter().map(|item| &item.key), |at| {
            let PutItem { key, value, options, .. } = &items[at];
            self.put(key, value.clone(), options.clone())
        })
        .await
    }

    async fn delete_many(&self, keys: &[Key], options: DeleteOptions) -> Vec<Result<Outcome<Option<Entry>>>> {
        batch::each(keys, |at| self.delete(&keys[at], options.clone())).await
    }
}
