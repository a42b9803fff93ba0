//! A harness with the limits from the command line.

use std::sync::Arc;
use std::time::Duration;

use crate::{FaultProxy, Fixture, Harness};
use ttl_core::{Result, async_trait};

#[derive(Debug)]
pub(crate) struct Limited {
    inner: Arc<dyn Harness>,
    call: Duration,
    time: Duration,
}

impl Limited {
    /// Returns the harness with these limits. A missing limit defaults to that of the harness.
    pub(crate) fn around(
        inner: Arc<dyn Harness>,
        call: Option<Duration>,
        time: Option<Duration>,
    ) -> Arc<dyn Harness> {
        let (call, time) =
            (call.unwrap_or_else(|| inner.call_limit()), time.unwrap_or_else(|| inner.time_limit()));
        Arc::new(Self { inner, call, time })
    }
}

// A method that is not forwarded skips the cases that need it.
#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Harness for Limited {
    async fn fresh(&self) -> Result<Fixture> {
        self.inner.fresh().await
    }

    async fn backend_version(&self) -> Result<Option<String>> {
        self.inner.backend_version().await
    }

    fn upstream(&self) -> Option<String> {
        self.inner.upstream()
    }

    async fn fresh_through(&self, proxy: &FaultProxy) -> Result<Option<Fixture>> {
        self.inner.fresh_through(proxy).await
    }

    fn call_limit(&self) -> Duration {
        self.call
    }

    fn report_limit(&self) -> Duration {
        self.inner.report_limit()
    }

    fn time_limit(&self) -> Duration {
        self.time
    }

    async fn finish(&self) {
        self.inner.finish().await;
    }
}
