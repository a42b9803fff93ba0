//! `Registry`: the drivers by URL scheme.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use ttl_core::{Error, ErrorKind, Result};

use crate::Store;

/// Connects to the store that a URL names, with the drivers of this build. See [`Registry`] for the schemes.
///
/// ```
/// # async fn show() -> ttl_store::Result<()> {
/// let store = ttl_store::connect("memory:").await?;
/// # Ok(())
/// # }
/// ```
///
/// Each driver checks its configuration before it returns a store. An invalid setup is therefore an error of
/// this call, not of the first operation:
///
/// | driver | during `connect` |
/// |---|---|
/// | memory | nothing that could fail |
/// | Redis, Valkey | connects, with the credentials and the database, and checks that the server has the features that the driver needs |
/// | DynamoDB | resolves the region and the credentials, and checks the table by one request, if it is permitted to; nothing with `table=lazy` in the URL |
/// | ScyllaDB, Cassandra | connects, checks keyspace and table or creates them, and prepares every statement |
///
/// # Errors
/// * [`ErrorKind::InvalidConfig`] if no driver of this build accepts the URL.
/// * The driver's errors: mostly [`ErrorKind::InvalidConfig`], [`ErrorKind::Unavailable`] and
///   [`ErrorKind::PermissionDenied`].
///
/// No error prints the URL.
pub async fn connect(url: &str) -> Result<Store> {
    Registry::default().connect(url).await
}

/// URL schemes and their drivers.
///
/// The default registry has one entry for each scheme below. Any other driver joins with its own scheme.
///
/// | scheme | feature | driver |
/// |---|---|---|
/// | `memory:` | `memory` (default) | this process's memory; each call creates a separate store |
/// | `null:` | none | no store: every read is a miss, and no entry is kept ([`NullStore`](ttl_core::driver::NullStore)) |
/// | `redis://`, `rediss://` (TLS), `redis+unix://` | `redis` | Redis |
/// | `valkey://`, `valkeys://` (TLS), `valkey+unix://` | `redis` | Valkey, by the same driver |
/// | `dynamodb://TABLE` | `dynamodb` | Amazon DynamoDB; `table=ensure` in the query creates the table |
/// | `scylla://HOST/KEYSPACE/TABLE`, `cassandra://` | `scylla` | ScyllaDB and Apache Cassandra, by the same driver; `ensure_schema=true` in the query creates the table |
///
/// ```
/// use std::sync::Arc;
/// use ttl_store::{Registry, Result, Store, TtlStore};
/// # use ttl_store::{Error, ErrorKind};
///
/// fn open_files(url: &str) -> Result<Arc<dyn TtlStore>> {
///     // … a driver of your own …
/// #   let _ = url;
/// #   Err(Error::new(ErrorKind::Unsupported, "an example"))
/// }
///
/// # async fn show() -> Result<()> {
/// let registry = Registry::default().with("files", |url| async move { Ok(Store::from(open_files(&url)?)) });
/// let store = registry.connect("files:/var/lib/app").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Registry {
    schemes: BTreeMap<String, Scheme>,
}

type Connecting = Pin<Box<dyn Future<Output = Result<Store>> + Send>>;

#[derive(Clone)]
enum Scheme {
    Known(Arc<dyn Fn(String) -> Connecting + Send + Sync>),
    /// The scheme is known, but this feature is off.
    Off(&'static str),
}

impl Registry {
    /// Creates a registry without schemes.
    #[must_use]
    pub const fn empty() -> Self {
        Self { schemes: BTreeMap::new() }
    }

    /// Adds a scheme, or replaces it. The scheme is the text before the first `:`, in any case.
    ///
    /// The function receives the whole URL. It should reject unknown parts of the URL, and must not print
    /// passwords.
    #[must_use]
    pub fn with<F, R>(mut self, scheme: impl AsRef<str>, connect: F) -> Self
    where
        F: Fn(String) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Store>> + Send + 'static,
    {
        let connect = Scheme::Known(Arc::new(move |url| Box::pin(connect(url))));
        self.schemes.insert(scheme.as_ref().to_ascii_lowercase(), connect);
        self
    }

    /// Returns the schemes that are known and can be used in this build, in alphabetical order.
    pub fn schemes(&self) -> impl Iterator<Item = &str> {
        self.schemes
            .iter()
            .filter(|(_, scheme)| matches!(scheme, Scheme::Known(_)))
            .map(|(name, _)| name.as_str())
    }

    /// Connects to the store that a URL names, with the drivers of this registry.
    ///
    /// # Errors
    /// The errors of [`connect`]. A scheme whose feature is off is [`ErrorKind::InvalidConfig`], and the
    /// error names the feature. The error for an unknown scheme lists the known ones.
    pub async fn connect(&self, url: &str) -> Result<Store> {
        let Some(name) = scheme_of(url) else {
            return Err(self.refuse("the URL has no valid scheme"));
        };
        match self.schemes.get(&name) {
            Some(Scheme::Known(connect)) => connect(url.to_owned()).await,
            Some(Scheme::Off(feature)) => Err(Error::new(
                ErrorKind::InvalidConfig,
                format!(
                    "the scheme {name:?} needs the feature {feature:?} of ttl-store; enable it in Cargo.toml, or with \
                     `cargo --features {feature}`"
                ),
            )),
            None => Err(self.refuse(&format!("unknown URL scheme {name:?}"))),
        }
    }

    fn refuse(&self, problem: &str) -> Error {
        let known: Vec<&str> = self.schemes.keys().map(String::as_str).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Error::new(ErrorKind::InvalidConfig, format!("{problem}; known schemes: {known}"))
    }

    /// Adds schemes that this crate knows but whose feature is off, until a driver is added for them.
    pub(crate) fn off(mut self, feature: &'static str, schemes: &[&str]) -> Self {
        self.schemes.extend(schemes.iter().map(|scheme| ((*scheme).to_owned(), Scheme::Off(feature))));
        self
    }
}

/// Returns the text before the first `:`, in lower case, if it can be a scheme. Other text may be a password,
/// and is not printed.
fn scheme_of(url: &str) -> Option<String> {
    let (scheme, _) = url.split_once(':')?;
    let fits = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    fits.then(|| scheme.to_ascii_lowercase())
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("schemes", &self.schemes.keys()).finish()
    }
}
