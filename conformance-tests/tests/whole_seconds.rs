//! The suite on a store with a resolution of one second, in real time, with many concurrent cases.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use ttl_conformance::{Fixture, Harness, Time, Verdict, all, run_all};
use ttl_core::driver::{CasBackend, CasStore, Stored};
use ttl_core::{Capabilities, Deadline, Key, Result, Version, async_trait};

#[allow(unreachable_pub)]
#[path = "shared/toy.rs"]
mod toy;

/// A toy that truncates deadlines to whole seconds, like a backend that counts in seconds.
#[derive(Debug)]
struct WholeSeconds(toy::Toy);

fn whole_seconds(deadline: Deadline) -> Deadline {
    if deadline.is_never() {
        return deadline;
    }
    Deadline::from_epoch_millis(deadline.as_epoch_millis() / 1000 * 1000)
}

#[async_trait]
impl CasBackend for WholeSeconds {
    type Stamp = <toy::Toy as CasBackend>::Stamp;

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities().with_resolution(Duration::from_secs(1))
    }

    fn identity(&self) -> &str {
        self.0.identity()
    }

    async fn load(&self, key: &Key) -> Result<Option<(Stored, Self::Stamp)>> {
        self.0.load(key).await
    }

    async fn swap(&self, key: &Key, seen: Option<&Self::Stamp>, next: Option<&Stored>) -> Result<bool> {
        let kept = next.cloned().map(|mut next| {
            next.deadline = whole_seconds(next.deadline);
            next.cap = whole_seconds(next.cap);
            next
        });
        self.0.swap(key, seen, kept.as_ref()).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Result<Stored>)>> {
        self.0.list(prefix, after, limit).await
    }
}

#[derive(Debug)]
struct WholeSecondsHarness;

#[async_trait]
impl Harness for WholeSecondsHarness {
    async fn fresh(&self) -> Result<Fixture> {
        let mut toy = toy::Toy::default();
        toy.name = Version::random().to_string();
        Ok(Fixture::new(Arc::new(CasStore::new(WholeSeconds(toy))), Time::Real))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_of_whole_seconds_passes() {
    let harness: Arc<dyn Harness> = Arc::new(WholeSecondsHarness);
    let (jobs, mut cases) = (NonZeroUsize::new(64).unwrap(), all().into_iter());
    let (mut passed, mut wrong) = (0, Vec::new());
    let ended = |ran: ttl_conformance::Ran| match ran.verdict {
        Verdict::Passed => passed += 1,
        Verdict::Skipped(_) => {}
        verdict => wrong.push(format!("{:?}: {verdict:?}", ran.case)),
    };
    run_all(&harness, jobs, || cases.next(), ended).await;
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(passed > 500, "{passed} cases ran");
}
