//! The constructors of a store.

use std::sync::Arc;

use scylla::client::session::Session;
use ttl_core::{Capabilities, Result, SystemClock};

use crate::config::ScyllaConfig;
use crate::connection::{Client, Runtime, check_datacenter, open_session};
use crate::inner::{Inner, Lww, ScyllaStore, Strict, Table};
use crate::patch_locks::PatchLocks;
use crate::wire::{LwwStatements, ReadStatements, RequestSettings, StrictStatements};
use crate::{BACKEND, CONTEXT, Mode, schema};

impl ScyllaStore {
    /// Connects, checks or creates the table ([`ScyllaConfig::with_ensure_schema`]), and prepares every
    /// statement.
    ///
    /// It works on any runtime, or without one: connections run on the driver's own thread.
    ///
    /// # Errors
    /// * [`InvalidConfig`](ttl_core::ErrorKind::InvalidConfig) if the configuration is invalid, if the table
    ///   is missing (the text contains the CQL that creates it), has another layout or is in the other mode,
    ///   if the cluster lacks the configured datacentre, or if the port does not speak CQL, or TLS as
    ///   configured.
    /// * [`Unavailable`](ttl_core::ErrorKind::Unavailable) if the cluster cannot be reached.
    /// * [`PermissionDenied`](ttl_core::ErrorKind::PermissionDenied) for wrong credentials.
    pub async fn connect(config: &ScyllaConfig) -> Result<Self> {
        CONTEXT.without_key("connect", Self::open(None, config).await)
    }

    /// Creates a store on an existing, caller-managed session, which may be shared.
    ///
    /// Nodes, credentials, TLS and compression come from the session; those of the configuration are ignored.
    /// The store's statements use a separate execution profile, derived from the session's default, which
    /// never retries. The session ends with the tokio runtime that created it; a session from
    /// [`ScyllaStore::connect`] does not.
    ///
    /// # Errors
    /// Returns the same errors as [`ScyllaStore::connect`].
    pub async fn from_session(session: Arc<Session>, config: &ScyllaConfig) -> Result<Self> {
        CONTEXT.without_key("connect", Self::open(Some(session), config).await)
    }

    async fn open(session: Option<Arc<Session>>, config: &ScyllaConfig) -> Result<Self> {
        config.check()?;
        let runtime = Runtime::shared()?;
        let open = async {
            let session = match session {
                Some(session) => session,
                None => Arc::new(open_session(config).await?),
            };
            Table::open(session, config, &runtime).await.map(Self)
        };
        runtime.run(open).await
    }

    /// Returns the session, which the program may also use elsewhere.
    #[must_use]
    pub fn session(&self) -> Arc<Session> {
        Arc::clone(&self.0.inner().client.session)
    }
}

impl Table {
    /// Checks or creates the table, and prepares every statement.
    async fn open(session: Arc<Session>, config: &ScyllaConfig, runtime: &Runtime) -> Result<Self> {
        check_datacenter(&session, config)?;
        let settings = RequestSettings::new(&session, config);
        schema::ensure(&session, config, &settings).await?;
        let name = config.table_name();
        let reads = ReadStatements::prepare(&session, &name, &settings, config.mode).await?;
        let client =
            Client { session: Arc::clone(&session), commit: config.consistency, timeout: config.timeout };
        let inner = Inner {
            client,
            reads: Arc::new(reads),
            clock: config.clock.clone().map_or_else(|| Arc::new(SystemClock::new()) as _, |clock| clock.0),
            clock_skew: config.clock_skew,
            capabilities: capabilities(config),
            cursor_secret: config.cursor_secret,
            table: name.as_str().into(),
            runtime: runtime.clone(),
        };
        Ok(match config.mode {
            Mode::Strict => {
                let statements = Arc::new(StrictStatements::prepare(&session, &name, &settings).await?);
                Self::Strict(Arc::new(Strict { inner, statements, patch_locks: Arc::new(PatchLocks::new()) }))
            }
            Mode::Lww => {
                let statements = Arc::new(LwwStatements::prepare(&session, &name, &settings).await?);
                Self::Lww(Arc::new(Lww { inner, statements, timestamps: Arc::default() }))
            }
        })
    }
}

fn capabilities(config: &ScyllaConfig) -> Capabilities {
    let all = Capabilities::new(BACKEND).with_max_value_bytes(config.max_value_bytes);
    match config.mode {
        // Some servers write for each serial read.
        Mode::Strict => all.with_reads_cost_writes(true),
        Mode::Lww => all.with_conditions(false).with_patch(false).with_caps(false),
    }
}
