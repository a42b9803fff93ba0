//! The suite's own bounds: retryable errors are tolerated up to a bound, a hanging store is reported, and
//! a store that is too slow to be judged does not pass.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use ttl_conformance::{Case, Fixture, Harness, Ran, Time, Verdict, all, run};
use ttl_core::driver::{CasBackend, CasStore, Stored};
use ttl_core::options::{DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PutOptions};
use ttl_core::results::{ExpireResult, PutResult};
use ttl_core::{
    Capabilities, Entry, Error, ErrorKind, Key, Outcome, Result, TtlStore, Value, Version, async_trait,
    forward_ttl_store,
};

#[allow(unreachable_pub)]
#[path = "shared/toy.rs"]
mod toy;

/// Creates a toy that shares nothing with others, not even their cursors.
fn toy() -> toy::Toy {
    let mut toy = toy::Toy::default();
    toy.name = Version::random().to_string();
    toy
}

/// The trouble of a store.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// One of this many calls fails with this error and does nothing.
    Fails(u64, ErrorKind),
    /// Deletes never return.
    HangsInDelete,
    /// Every call takes this long.
    TakesLong(Duration),
}

#[derive(Debug)]
struct Troubled {
    inner: CasStore<toy::Toy>,
    trouble: Trouble,
    calls: AtomicU64,
}

impl Troubled {
    async fn meet(&self) -> Result<()> {
        match self.trouble {
            Trouble::Fails(each, kind) if self.calls.fetch_add(1, Ordering::Relaxed) % each == each - 1 => {
                Err(Error::new(kind, "the server is busy"))
            }
            Trouble::TakesLong(time) => {
                tokio::time::sleep(time).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl TtlStore for Troubled {
    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>> {
        self.meet().await?;
        self.inner.get(key, options).await
    }

    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>> {
        self.meet().await?;
        self.inner.put(key, value, options).await
    }

    async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        self.meet().await?;
        self.inner.expire(key, change, options).await
    }

    async fn delete(&self, key: &Key, options: DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        if matches!(self.trouble, Trouble::HangsInDelete) {
            std::future::pending::<()>().await;
        }
        self.meet().await?;
        self.inner.delete(key, options).await
    }

    forward_ttl_store!(self, self.inner => capabilities now patch scan);
}

#[derive(Debug)]
struct Troubles(Trouble);

#[async_trait]
impl Harness for Troubles {
    async fn fresh(&self) -> Result<Fixture> {
        let inner = CasStore::new(toy());
        let store = Troubled { inner, trouble: self.0, calls: AtomicU64::new(0) };
        Ok(Fixture::new(Arc::new(store), Time::Real))
    }

    fn call_limit(&self) -> Duration {
        if matches!(self.0, Trouble::HangsInDelete) {
            Duration::from_millis(200)
        } else {
            Duration::from_secs(120)
        }
    }
}

async fn ran(trouble: Trouble, name: &str) -> Ran {
    let case = all().into_iter().find(|case| case.name == name).unwrap();
    run(&(Arc::new(Troubles(trouble)) as Arc<dyn Harness>), &case).await
}

fn failure(ran: &Ran) -> &ttl_conformance::Failure {
    match &ran.verdict {
        Verdict::Failed(failure) => failure,
        other => panic!("{:?}: {other:?}", ran.case),
    }
}

/// A case of races and a sequential case.
const CASES: [&str; 2] = ["ten_thousand_writes_under_refreshing_reads", "every_byte_comes_back"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_busy_now_and_then_passes_and_is_counted() {
    for kind in [ErrorKind::Timeout, ErrorKind::Unavailable] {
        let ran = ran(Trouble::Fails(50, kind), CASES[0]).await;
        assert_eq!(ran.verdict, Verdict::Passed);
        assert!(ran.retried.total() > 100 && ran.retried.contention == 0, "{}", ran.retried);
        assert!(ran.retried.to_string().contains(&format!("{kind:?}")), "{}", ran.retried);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_answers_retryable_errors_alone_fails() {
    for kind in [ErrorKind::Timeout, ErrorKind::Unavailable] {
        let failed = ran(Trouble::Fails(1, kind), CASES[1]).await;
        assert!(failure(&failed).seen.contains("busy"), "{:?}", failed.verdict);
    }
    let failed = ran(Trouble::Fails(1, ErrorKind::Contention), "one_create_of_a_blob_wins").await;
    assert!(failure(&failed).seen.contains("busy"), "{:?}", failed.verdict);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_busy_too_often_fails() {
    let failed = ran(Trouble::Fails(3, ErrorKind::Timeout), CASES[0]).await;
    assert!(failure(&failed).expected.contains("one call in"), "{:?}", failed.verdict);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contention_without_another_writer_fails() {
    let failed = ran(Trouble::Fails(2, ErrorKind::Contention), CASES[1]).await;
    assert!(failure(&failed).seen.contains("busy"), "{:?}", failed.verdict);
}

/// The writes of the first store have an unknown outcome. The later stores work.
#[derive(Debug)]
struct UnknownAtFirst(AtomicU64);

#[async_trait]
impl Harness for UnknownAtFirst {
    async fn fresh(&self) -> Result<Fixture> {
        match self.0.fetch_add(1, Ordering::Relaxed) {
            0 => Troubles(Trouble::Fails(1, ErrorKind::OutcomeUnknown)).fresh().await,
            _ => Ok(Fixture::new(Arc::new(CasStore::new(toy())), Time::Real)),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_with_a_write_of_unknown_fate_is_run_again() {
    let case = all().into_iter().find(|case| case.name == CASES[1]).unwrap();
    let harness: Arc<dyn Harness> = Arc::new(UnknownAtFirst(AtomicU64::new(0)));
    let ran = run(&harness, &case).await;
    assert_eq!((&ran.verdict, ran.runs), (&Verdict::Passed, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_whose_writes_stay_of_unknown_fate_has_not_passed() {
    let ran = ran(Trouble::Fails(1, ErrorKind::OutcomeUnknown), CASES[1]).await;
    let Verdict::Inconclusive(why) = &ran.verdict else { panic!("{:?}", ran.verdict) };
    assert!(why.contains("OutcomeUnknown") && ran.runs == 4, "{why}, {} runs", ran.runs);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_hangs_is_named() {
    let failed = ran(Trouble::HangsInDelete, "deleting_one_entry_leaves_the_others").await;
    assert!(failure(&failed).expected.contains("`delete` within 200ms"), "{:?}", failed.verdict);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_too_slow_to_be_judged_has_not_passed() {
    let slow =
        ran(Trouble::TakesLong(Duration::from_millis(200)), "random_sequences_agree_with_the_model").await;
    let Verdict::Inconclusive(why) = &slow.verdict else { panic!("{:?}", slow.verdict) };
    assert!(why.contains("sequences"), "{why}");
}

/// A toy whose first call takes longer, because it connects. It keeps the contract.
#[derive(Debug)]
struct ConnectsLate(toy::Toy, AtomicU64);

#[async_trait]
impl CasBackend for ConnectsLate {
    type Stamp = <toy::Toy as CasBackend>::Stamp;

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    fn now(&self) -> SystemTime {
        self.0.now()
    }

    fn identity(&self) -> &str {
        self.0.identity()
    }

    async fn load(&self, key: &Key) -> Result<Option<(Stored, Self::Stamp)>> {
        if self.1.fetch_add(1, Ordering::Relaxed) == 0 {
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
        self.0.load(key).await
    }

    async fn swap(&self, key: &Key, seen: Option<&Self::Stamp>, next: Option<&Stored>) -> Result<bool> {
        self.0.swap(key, seen, next).await
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
struct Late;

#[async_trait]
impl Harness for Late {
    async fn fresh(&self) -> Result<Fixture> {
        Ok(Fixture::new(Arc::new(CasStore::new(ConnectsLate(toy(), AtomicU64::new(0)))), Time::Real))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_whose_first_call_is_slow_passes() {
    let harness: Arc<dyn Harness> = Arc::new(Late);
    let sequential =
        |case: &Case| !matches!(case.group, "model" | "histories" | "concurrency" | "churn" | "races");
    let mut running = tokio::task::JoinSet::new();
    for case in all().into_iter().filter(sequential) {
        let harness = Arc::clone(&harness);
        running.spawn(async move { run(&harness, &case).await });
    }
    let failed: Vec<String> = running.join_all().await.iter().filter_map(text).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn text(ran: &Ran) -> Option<String> {
    matches!(ran.verdict, Verdict::Failed(_)).then(|| format!("{:?}: {:?}", ran.case, ran.verdict))
}
