//! The suite on stores with deliberate faults. Each must fail cases of the clauses that it breaks, and no
//! others; and each case must fail with at least one of them.

mod zoo {
    pub(crate) mod animal;
    pub(crate) mod bounds;
    pub(crate) mod caps;
    pub(crate) mod changes;
    pub(crate) mod conditions;
    pub(crate) mod created;
    pub(crate) mod den;
    pub(crate) mod edges;
    pub(crate) mod expiry;
    pub(crate) mod extend;
    pub(crate) mod gaps;
    pub(crate) mod ghosts;
    pub(crate) mod keys;
    pub(crate) mod limits;
    pub(crate) mod many;
    pub(crate) mod outages;
    pub(crate) mod pairs;
    pub(crate) mod patch;
    pub(crate) mod previous;
    pub(crate) mod records;
    pub(crate) mod refresh;
    pub(crate) mod values;
    pub(crate) mod wide;
    pub(crate) mod wire;
}

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use ttl_conformance::{Case, Harness, Need, Verdict, all, run};
use zoo::animal::{Animal, InRealTime};
use zoo::outages::Quirk;

/// Groups of general cases, which may fail with any animal.
const GENERAL: [&str; 2] = ["model", "scenarios"];

/// Groups of slow cases, or of races whose other failures depend on chance. They run only on animals that
/// break one of their clauses. The same applies to the other cases of R6, a clause about a race.
const RACES: [&str; 5] = ["churn", "concurrency", "histories", "pairs", "races"];

/// The slowest group: each case compares thousands of steps, and thousands more to find the shortest
/// sequence. Its cases run on a few animals only, below.
const MODEL: &str = "model";

/// Animals whose fault shows only if another writer comes at the right moment. A case that passes is
/// repeated.
const RACING: &[&str] = &[
    "BatchRefreshTouchesNewer",
    "BatchSwapsLookFirst",
    "BatchTakesLookFirst",
    "BoundsLookFirst",
    "DeleteByVersionLooksFirst",
    "ExtendLooksFirst",
    "GuardsLookFirst",
    "HandsBackWhatItReadBefore",
    "IfPresentLooksFirst",
    "KeepLooksFirst",
    "LateDeleteAfterBatches",
    "LateDeleteAfterReads",
    "LateDeleteAfterScans",
    "PatchByVersionLooksFirst",
    "PatchRefreshLooksFirst",
    "PutRefreshLooksFirst",
    "ReadRefreshLooksFirst",
    "RenewalLooksFirst",
    "ExpireLandsInTwoSteps",
    "IncrementsLoseUpdates",
    "LandsInTwoSteps",
    "OneStoreForAll",
    "RefreshTouchesNewerEntries",
    "RefreshUndoesDeletes",
    "TakeHandsOutTwice",
    "TakeLandsInTwoSteps",
    "TwoWinnersInBatches",
    "TwoWinnersOfIfAbsent",
    "TwoWinnersOfIfVersion",
    "WearsOut",
];

/// The number of animals that are tested concurrently.
const AT_ONCE: usize = 4;

/// The cases that no animal can make fail, with the reason.
const NO_ANIMAL: [(&str, &str); 1] =
    [("honesty::entries_do_not_print_their_values", "core prints them, and a driver cannot change how")];

/// Animals that the random sequences must detect without other cases, one for each kind of fault.
const FOUND_BY_THE_MODEL: [&str; 12] = [
    "AlwaysReportsAChange",
    "GetManyIsOutOfOrder",
    "GhostFieldsLeak",
    "GhostsBlockCreation",
    "IgnoresSlackOfReset",
    "IncrementsWrap",
    "LosesTheLastEntry",
    "OverwritingRestartsTheCap",
    "PutKeepsTheVersion",
    "PutRefreshShortens",
    "RevivesOnTouch",
    "RoundsDown",
];

/// Animals that random sequences must also detect with a real clock.
const FOUND_IN_REAL_TIME: [&str; 3] = ["GhostsBlockCreation", "KeepReplaces", "RefreshShortens"];

fn animals() -> Vec<Animal> {
    [
        zoo::keys::ANIMALS,
        zoo::values::ANIMALS,
        zoo::records::ANIMALS,
        zoo::expiry::ANIMALS,
        zoo::ghosts::ANIMALS,
        zoo::refresh::ANIMALS,
        zoo::extend::ANIMALS,
        zoo::patch::ANIMALS,
        zoo::bounds::ANIMALS,
        zoo::conditions::ANIMALS,
        zoo::previous::ANIMALS,
        zoo::caps::ANIMALS,
        zoo::created::ANIMALS,
        zoo::changes::ANIMALS,
        zoo::many::ANIMALS,
        zoo::limits::ANIMALS,
        zoo::edges::ANIMALS,
        zoo::pairs::ANIMALS,
        zoo::wide::ANIMALS,
        zoo::outages::ANIMALS,
    ]
    .concat()
}

/// The cases that fail with each animal.
static FAILURES: LazyLock<BTreeMap<&'static str, Vec<Case>>> = LazyLock::new(|| {
    runtime().block_on(async {
        let permits = Arc::new(Semaphore::new(AT_ONCE));
        let tried = animals().into_iter().map(|animal| {
            let permits = Arc::clone(&permits);
            tokio::spawn(async move {
                let _permit = permits.acquire().await;
                (animal.name, failures(animal).await)
            })
        });
        let mut failures = BTreeMap::new();
        for animal in tried.collect::<Vec<_>>() {
            failures.extend([animal.await.unwrap()]);
        }
        failures
    })
});

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

async fn failures(animal: Animal) -> Vec<Case> {
    let harness: Arc<dyn Harness> = Arc::new(animal);
    if animal.quirk.is_some() {
        return failures_in_outages(&harness).await;
    }
    let mut failed = Vec::new();
    for case in all().into_iter().filter(|case| is_tried(&animal, case)) {
        // The cases of pairs detect the same faults, and histories are slow.
        let again = RACING.contains(&animal.name) && breaks(&animal, &case) && case.group != "histories";
        for _ in 0..if again { 40 } else { 1 } {
            if let Verdict::Failed(_) = run(&harness, &case).await.verdict {
                failed.push(case);
                break;
            }
        }
    }
    failed
}

/// Returns the cases that fail. They run concurrently, because they spend their time waiting.
async fn failures_in_outages(harness: &Arc<dyn Harness>) -> Vec<Case> {
    let running = needing_a_network().into_iter().map(|case| {
        let harness = Arc::clone(harness);
        tokio::spawn(async move { run(&harness, &case).await })
    });
    let mut failed = Vec::new();
    for ran in running.collect::<Vec<_>>() {
        let ran = ran.await.unwrap();
        match ran.verdict {
            Verdict::Failed(_) => failed.push(ran.case),
            Verdict::Passed => {}
            other => panic!("{:?}: {other:?}", ran.case),
        }
    }
    failed
}

fn needing_a_network() -> Vec<Case> {
    all().into_iter().filter(|case| case.needs.contains(&Need::network)).collect()
}

fn is_tried(animal: &Animal, case: &Case) -> bool {
    let races = RACES.contains(&case.group) || case.clauses().contains(&"R6");
    case.group != MODEL && (!races || breaks(animal, case))
}

fn breaks(animal: &Animal, case: &Case) -> bool {
    case.clauses().iter().any(|clause| animal.breaks.contains(clause))
}

fn may_fail(animal: &Animal, case: &Case) -> bool {
    let also = case.clauses().iter().any(|clause| animal.also.contains(clause));
    GENERAL.contains(&case.group) || animal.also.contains(&"any") || also || breaks(animal, case)
}

fn list<'a>(cases: impl IntoIterator<Item = &'a Case>) -> String {
    cases.into_iter().map(|case| format!("\n    {case:?} ({})", case.clauses().join(", "))).collect()
}

#[test]
fn each_animal_is_caught_by_its_own_clauses_only() {
    let mut complaints = Vec::new();
    for animal in animals() {
        let Animal { name, fault, breaks, why, .. } = animal;
        let failed = &FAILURES[name];
        for clause in breaks {
            if !failed.iter().any(|case| case.clauses().contains(clause)) {
                complaints.push(format!("{name} ({}): no case of {clause} fails", fault.trim()));
            }
        }
        let foreign: Vec<_> = failed.iter().filter(|case| !may_fail(&animal, case)).collect();
        if !foreign.is_empty() {
            let foreign = list(foreign);
            complaints
                .push(format!("{name} ({}; {why}): fails cases of other clauses{foreign}", fault.trim()));
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn the_clauses_that_fail_besides_are_few_and_have_a_reason() {
    let animals = animals();
    for animal in &animals {
        let (also, why) = (animal.also, animal.why);
        assert_eq!(also.is_empty(), why.is_empty(), "{}", animal.name);
        assert!(also.len() <= 8, "{} has {} further clauses: narrow its fault", animal.name, also.len());
        assert!(also.iter().all(|clause| !animal.breaks.contains(clause)), "{}", animal.name);
    }
    let any = animals.iter().filter(|animal| animal.also.contains(&"any"));
    assert!(any.count() <= 7, "too many animals break everything");
}

#[test]
fn every_case_has_an_animal() {
    let caught: BTreeSet<String> = FAILURES.values().flatten().map(|case| format!("{case:?}")).collect();
    let tried = all().into_iter().filter(|case| case.group != MODEL);
    let safe: Vec<Case> = tried.filter(|case| !caught.contains(&format!("{case:?}"))).collect();
    println!("no animal makes these fail:{}", list(&safe));
    let known = |case: &&Case| NO_ANIMAL.iter().any(|(name, _)| *name == format!("{case:?}"));
    let new: Vec<_> = safe.iter().filter(|case| !known(case)).collect();
    assert!(new.is_empty(), "cases that no animal makes fail, missing in NO_ANIMAL:{}", list(new));
    assert_eq!(safe.len(), NO_ANIMAL.len(), "an animal makes a case of NO_ANIMAL fail; remove the case");
}

#[test]
fn a_healthy_store_with_a_network_passes_in_outages() {
    let healthy = Animal { quirk: Some(Quirk::Healthy), ..animal("NeverReconnects") };
    let harness: Arc<dyn Harness> = Arc::new(healthy);
    let failed = runtime().block_on(failures_in_outages(&harness));
    assert!(failed.is_empty(), "{}", list(&failed));
}

#[test]
fn a_healthy_store_that_reports_changes_passes() {
    let harness: Arc<dyn Harness> = Arc::new(zoo::changes::HEALTHY);
    for case in all().into_iter().filter(|case| case.group == "changes") {
        let expected = match case.name {
            "denied_changes_are_unsupported" => Verdict::Skipped(Need::no_changes),
            _ => Verdict::Passed,
        };
        assert_eq!(runtime().block_on(run(&harness, &case)).verdict, expected, "{case:?}");
    }
}

fn animal(name: &str) -> Animal {
    animals().into_iter().find(|animal| animal.name == name).unwrap()
}

fn random_sequences() -> Vec<Case> {
    all().into_iter().filter(|case| case.group == MODEL).collect()
}

/// Returns the names of the cases that fail.
fn failing(harness: impl Harness, cases: &[Case]) -> BTreeSet<&'static str> {
    let (runtime, harness): (Runtime, Arc<dyn Harness>) = (runtime(), Arc::new(harness));
    let fails = |case: &&Case| matches!(runtime.block_on(run(&harness, case)).verdict, Verdict::Failed(_));
    cases.iter().filter(fails).map(|case| case.name).collect()
}

#[test]
fn random_sequences_find_faults_by_themselves() {
    let model = random_sequences();
    let mut caught = BTreeSet::new();
    for name in FOUND_BY_THE_MODEL {
        let failed = failing(animal(name), &model);
        assert!(!failed.is_empty(), "{name} was not detected");
        caught.extend(failed);
    }
    assert_eq!(caught.len(), model.len(), "only these random sequences found a fault: {caught:?}");
}

#[test]
fn random_sequences_find_faults_in_real_time() {
    let model = random_sequences();
    for name in FOUND_IN_REAL_TIME {
        assert!(!failing(InRealTime(animal(name)), &model).is_empty(), "{name} was not detected");
    }
}
