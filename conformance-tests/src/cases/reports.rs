//! Shared by the cases of changes: a stream that is read with a time limit, and a copy that follows it.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use ttl_core::options::{GetOptions, PutOptions};
use ttl_core::{ChangeStream, Key, StoreChange, TtlStore, Value};

use crate::test::{LONG, applied};
use crate::{Check, Failure, Test};

/// A stream of changes.
pub(super) struct Reports {
    stream: ChangeStream,
    limit: Duration,
}

impl Reports {
    /// Subscribes to the changes of a handle.
    pub(super) async fn of(t: &Test, store: &dyn TtlStore) -> Check<Self> {
        Ok(Self { stream: store.changes().await?, limit: t.report_limit() })
    }

    /// Returns the next report; fails if there is none within the limit.
    pub(super) async fn next(&mut self, about: &str) -> Check<StoreChange> {
        self.within(self.limit, about)
            .await?
            .ok_or_else(|| Failure::new(format!("{about}: a report within {:?}", self.limit), "none"))
    }

    /// Returns the next report; `None` if there is none within this time.
    async fn within(&mut self, limit: Duration, about: &str) -> Check<Option<StoreChange>> {
        match tokio::time::timeout(limit, self.stream.next()).await {
            Ok(Some(change)) => Ok(Some(change)),
            Ok(None) => Err(Failure::new(format!("{about}: a stream that does not end"), "its end")),
            Err(_) => Ok(None),
        }
    }

    /// Reads until each of these keys was reported. Returns false if something else was reported that stands
    /// for all keys: the case has to be repeated.
    pub(super) async fn name_all(&mut self, keys: &[Key], about: &str) -> Check<bool> {
        let mut missing: Vec<&Key> = keys.iter().collect();
        while !missing.is_empty() {
            match self.next(&format!("{about}: {} of {} keys", missing.len(), keys.len())).await? {
                StoreChange::Changed(changed) => missing.retain(|key| **key != changed),
                StoreChange::Cleared | StoreChange::Gap => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Reads until a gap is reported.
    pub(super) async fn gap(&mut self, about: &str) -> Check {
        while self.next(about).await? != StoreChange::Gap {}
        Ok(())
    }

    /// Puts an entry with the handle that bypasses the proxy until a put is reported.
    pub(super) async fn work_again(&mut self, t: &Test, key: &Key, about: &str) -> Check {
        const PAUSE: Duration = Duration::from_millis(100);
        let since = Instant::now();
        while since.elapsed() < self.limit {
            applied(t.second.put(key, "again".into(), PutOptions::new(LONG)).await?)?;
            while let Some(change) = self.within(PAUSE, about).await? {
                if change == StoreChange::Changed(key.clone()) {
                    return Ok(());
                }
            }
        }
        Err(Failure::new(format!("{about}: a report within {:?}", self.limit), "none"))
    }

    /// Keeps a copy of an entry, which is read again with `store` at each report, until it is the last value.
    pub(super) async fn copy(
        &mut self,
        store: &dyn TtlStore,
        key: &Key,
        last: &OnceLock<Value>,
        about: &str,
    ) -> Check {
        loop {
            self.next(about).await?;
            let entry = store.get(key, GetOptions::new()).await?;
            let copy = entry.and_then(|entry| entry.value);
            if copy.is_some() && copy.as_ref() == last.get() {
                return Ok(());
            }
        }
    }
}
