//! The harness, which creates stores for the suite.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ttl_conformance::{Beneath, Fixture, Harness, Time};
use ttl_core::driver::{CasBackend, Stored};
use ttl_core::{Deadline, ErrorKind, Key, ManualClock, Result, Value, Version, async_trait};

use crate::backend::{Config, Files, failed};
use crate::layout::encode;
use crate::store::FileStore;

/// Stores in folders of their own below `folder`, each with its own clock.
#[derive(Clone, Debug)]
pub struct FileHarness {
    pub folder: PathBuf,
    /// Whether the stores sweep, so that the suite tests `reclaims_within`. Without a sweep, it meets more ghosts.
    pub sweep: bool,
}

#[async_trait]
impl Harness for FileHarness {
    async fn fresh(&self) -> Result<Fixture> {
        let folder = self.folder.join(Version::random().to_string());
        fs::create_dir_all(&folder).map_err(|error| failed(ErrorKind::InvalidConfig, error))?;
        let clock = Arc::new(ManualClock::new());
        let config = Config { path: folder.join("entries"), sweep: self.sweep, clock: clock.clone() };
        let (store, second) = (FileStore::open(config.clone())?, FileStore::open(config)?);
        let beneath = FileBeneath { files: store.0.backend().clone(), folder };
        Ok(Fixture::new(Arc::new(store), Time::Manual(clock))
            .with_second(Arc::new(second))
            .with_beneath(Arc::new(beneath)))
    }

    async fn finish(&self) {
        let _ = fs::remove_dir(&self.folder);
    }
}

#[derive(Debug)]
struct FileBeneath {
    files: Files,
    folder: PathBuf,
}

impl FileBeneath {
    fn plant(&self, key: &Key, entry: Vec<u8>) -> Result<bool> {
        self.files.change(|map| {
            map.insert(key.as_str().to_owned(), entry);
            Ok(true)
        })
    }
}

#[async_trait]
impl Beneath for FileBeneath {
    async fn plant_ghost(&self, key: &Key, value: &Value, dead_for: Duration) -> Result<bool> {
        let end = Deadline::at(self.files.now() - dead_for);
        let ghost = Stored::new(value.clone(), end, Deadline::NEVER, Version::random());
        self.plant(key, encode(&ghost.with_created_at(end.to_system_time())))
    }

    async fn corrupt(&self, key: &Key) -> Result<bool> {
        self.plant(key, b"\xff written by another program".to_vec())
    }

    async fn count_stored(&self) -> Result<Option<usize>> {
        Ok(Some(self.files.read()?.len()))
    }

    async fn clean_up(&self) {
        // In a transaction, because calls that the case dropped may still write.
        let _ = self.files.change(|_| {
            let _ = fs::remove_dir_all(&self.folder);
            Ok(false)
        });
    }
}
