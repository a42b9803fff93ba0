//! Every case of the conformance suite.

use std::sync::Arc;

use libtest_mimic::{Completion, Trial};
use ttl_conformance::drivers::redis::RedisHarness;
use ttl_conformance::servers::ServerUrl;
use ttl_conformance::{Harness, Verdict, all, run};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    let trial = |case: ttl_conformance::Case| {
        let server = server.clone();
        Trial::ignorable_test(format!("suite::{}::{}", case.group, case.name), move || {
            let harness: Arc<dyn Harness> = Arc::new(RedisHarness::new(server.url())?);
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
            match runtime.block_on(run(&harness, &case)) {
                Verdict::Passed => Ok(Completion::Completed),
                Verdict::Skipped(need) => Ok(Completion::ignored_with(format!("no {need:?}"))),
                Verdict::Failed(failure) => {
                    let clauses = case.clauses().join(", ");
                    let text = format!(
                        "{clauses}: {}\n  expected {}\n  seen     {}",
                        case.demand(),
                        failure.expected,
                        failure.seen
                    );
                    Err(text.into())
                }
                other => Err(format!("{other:?}").into()),
            }
        })
    };
    all().into_iter().map(trial).collect()
}
