//! The store: its URL, its sweeper, and the operations of `CasStore`.

use std::sync::{Arc, Weak};

use ttl_core::driver::{CasStore, QueryOptions};
use ttl_core::{Error, ErrorKind, Result, SystemClock, TtlStore, async_trait, forward_ttl_store};

use crate::backend::{BACKEND, Config, Files, SWEEP_EVERY};

/// A store in one file. Clones share the entries.
#[derive(Clone, Debug)]
pub struct FileStore(pub CasStore<Files>);

impl Config {
    /// Reads `files:/path?sweep=false`.
    pub fn from_url(url: &str) -> Result<Self> {
        let rest = url.strip_prefix("files:").unwrap_or_default();
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        if path.is_empty() {
            let text = "invalid URL: expected files:/path/of/the/file";
            return Err(Error::new(ErrorKind::InvalidConfig, text).with_backend(BACKEND));
        }
        let mut config = Self { path: path.into(), sweep: true, clock: Arc::new(SystemClock::new()) };
        let mut options = QueryOptions::parse(BACKEND, query)?;
        options.flag("sweep", &mut config.sweep)?;
        options.finish()?;
        Ok(config)
    }
}

impl FileStore {
    /// Opens the store. A configuration that cannot work fails here, and not at the first call.
    pub fn open(config: Config) -> Result<Self> {
        let files = Files(Arc::new(config));
        files.change(|_| Ok(false))?;
        if files.0.sweep {
            let config = Arc::downgrade(&files.0);
            std::thread::spawn(move || sweep(&config));
        }
        Ok(Self(CasStore::new(files)))
    }
}

/// Sweeps until the last clone of the store is dropped. A sweep that failed is repeated.
fn sweep(config: &Weak<Config>) {
    loop {
        std::thread::sleep(SWEEP_EVERY);
        let Some(config) = config.upgrade() else { return };
        let _ = Files(config).sweep();
    }
}

/// Write faster operations here, and name the others in place of `all`.
#[async_trait]
impl TtlStore for FileStore {
    forward_ttl_store!(self, self.0 => all);
}

#[cfg(test)]
mod tests {
    use ttl_store::{Registry, Store};

    use super::*;

    #[tokio::test]
    async fn a_registry_opens_its_urls() {
        let registry = Registry::default()
            .with("files", |url| async move { Ok(Store::new(FileStore::open(Config::from_url(&url)?)?)) });
        let folder = std::env::temp_dir().join(ttl_core::Version::random().to_string());
        std::fs::create_dir(&folder).unwrap();
        let url = format!("files:{}/entries", folder.display());
        let store = registry.connect(&format!("{url}?sweep=false")).await.unwrap();
        assert_eq!(store.capabilities().backend, BACKEND);
        let error = registry.connect(&format!("{url}?swep=false")).await.unwrap_err();
        assert!(error.to_string().contains("unknown option `swep`: expected one of sweep"), "{error}");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
