//! Programs that use a store, with the same results on every driver. Times are compared only with each other.

use std::collections::BTreeSet;
use std::future::Future;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};
use ttl_store::options::Returning;
use ttl_store::{
    Actions, Deadline, ErrorKind, Expiry, Json, KeyPages, Lifespan, Patch, Raw, Record, RefreshPolicy, Store,
    Ttl, Value,
};

/// Calls a macro with the name of every scenario.
macro_rules! for_each_scenario {
    ($macro:ident) => {
        $macro!(values_come_back);
        $macro!(names_keep_entries_apart);
        $macro!(deadlines_are_those_that_were_asked_for);
        $macro!(a_cap_holds);
        $macro!(policies_refresh);
        $macro!(an_ended_entry_is_gone_on_every_path);
        $macro!(conditions_hold);
        $macro!(patches_are_all_or_nothing);
        $macro!(batches_answer_in_order);
        $macro!(plain_keys);
        $macro!(leases_have_one_holder);
        $macro!(one_of_64_wins);
    };
}

const TTL: Ttl = Ttl::minutes(10);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Session {
    user: String,
    cart: Vec<String>,
    hits: i64,
    last: SystemTime,
    ratio: f64,
}

fn session(user: &str) -> Session {
    let last = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_700_000_000_123_456_789);
    Session { user: user.to_owned(), cart: vec![], hits: 0, last, ratio: 0.1 }
}

async fn listed(pages: KeyPages) -> BTreeSet<String> {
    let mut pages = pages.with_limit(NonZeroUsize::new(3).unwrap());
    let mut all = BTreeSet::new();
    while let Some(page) = pages.next_page().await.unwrap() {
        all.extend(page);
    }
    all
}

pub(crate) async fn values_come_back(store: Store) {
    let records = store.records("v", TTL).build().unwrap();
    let json = store.blobs("v", TTL, Json).build().unwrap();
    let raw = store.blobs::<Vec<u8>, _>("raw", TTL, Raw).build().unwrap();
    let value = session("é \0 \" ada");
    assert!(records.put("k", &value).await.unwrap().created);
    assert!(json.put("k", &value).await.unwrap().created);
    assert_eq!(records.get("k").await.unwrap(), Some(value.clone()));
    assert_eq!(json.get("k").await.unwrap(), Some(value.clone()));
    for bytes in [vec![], (0..=255).collect::<Vec<u8>>()] {
        raw.put("k", &bytes).await.unwrap();
        assert_eq!(raw.get("k").await.unwrap(), Some(bytes));
    }
    assert_eq!(records.take("k").await.unwrap(), Some(value));
    assert_eq!(records.take("k").await.unwrap(), None);
    assert!(json.delete("k").await.unwrap() && !json.delete("k").await.unwrap());
}

pub(crate) async fn names_keep_entries_apart(store: Store) {
    let keys = ["k", ":k", "*", "@r:a:k", "a?[b]\\", "\0"];
    let expected: BTreeSet<String> = keys.into_iter().map(str::to_owned).collect();
    let names = ["a", "aa", "*", "@", "[a]"];
    for key in keys {
        store.put(key, key, TTL).await.unwrap();
        for name in names {
            let texts = store.blobs::<String, _>(name, TTL, Raw).build().unwrap();
            assert!(texts.put(key, &format!("{name} {key}")).await.unwrap().created);
            assert_eq!(store.counters(name, TTL).build().unwrap().increment(key).await.unwrap(), 1);
        }
    }
    assert_eq!(listed(store.keys()).await, expected);
    for name in names {
        let texts = store.blobs::<String, _>(name, TTL, Raw).build().unwrap();
        assert_eq!(listed(texts.keys()).await, expected, "{name}");
        assert_eq!(listed(texts.keys().with_prefix("a?[")).await.len(), 1);
        for key in keys {
            assert_eq!(texts.get(key).await.unwrap(), Some(format!("{name} {key}")));
        }
    }
}

pub(crate) async fn deadlines_are_those_that_were_asked_for(store: Store) {
    let records = store.records("d", TTL).build().unwrap().with_returning(Returning::DEADLINE);
    let first = records.put("k", &session("ada")).await.unwrap().deadline.unwrap();
    assert_eq!(records.deadline("k").await.unwrap(), Some(first));
    let extended = records.extend_by("k", Ttl::hours(1)).await.unwrap().unwrap();
    assert_eq!((extended.deadline, extended.changed), (first.plus(Ttl::hours(1)), true));
    assert!(!records.touch("k").await.unwrap().unwrap().changed, "touch never shortens");
    records.put("k", &session("ada")).await.unwrap();
    assert_eq!(records.deadline("k").await.unwrap(), Some(extended.deadline), "nor does a put");
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(first.as_epoch_millis() + 7);
    assert_eq!(records.set_expiry("k", at).await.unwrap().unwrap().deadline, Deadline::at(at));
    assert_eq!(records.persist("k").await.unwrap().unwrap().deadline, Deadline::NEVER);
    assert_eq!(records.remaining("k").await.unwrap(), Some(Duration::MAX));
    assert_eq!(
        records.put_with_expiry("k", &session("ada"), at).await.unwrap().deadline,
        Some(Deadline::at(at))
    );
    records.put_with_expiry("k", &session("ada"), Expiry::Never).await.unwrap();
    assert_eq!(records.deadline("k").await.unwrap(), Some(Deadline::NEVER));
    assert_eq!(records.deadline("missing").await.unwrap(), None);
    // Nothing stays on a server that is kept.
    assert!(records.delete("k").await.unwrap());
}

pub(crate) async fn a_cap_holds(store: Store) {
    let policy = RefreshPolicy::on(Actions::FETCH | Actions::WRITES).unwrap();
    let builder = store.records("c", TTL).refresh(policy).max_lifetime(Ttl::minutes(11));
    let records = builder.build().unwrap().with_returning(Returning::DEADLINE);
    let first = records.put("k", &session("ada")).await.unwrap().deadline.unwrap();
    let capped = records.persist("k").await.unwrap().unwrap().deadline;
    assert_eq!(capped, first.plus(Ttl::minutes(1)));
    for deadline in [
        records.extend_by("k", TTL).await.unwrap().unwrap().deadline,
        records.set_expiry("k", Ttl::hours(1)).await.unwrap().unwrap().deadline,
        records.put_with_expiry("k", &session("bob"), Ttl::hours(1)).await.unwrap().deadline.unwrap(),
        records.put_with_expiry("k", &session("bob"), Expiry::Never).await.unwrap().deadline.unwrap(),
    ] {
        assert_eq!(deadline, capped);
    }
    records.delete("k").await.unwrap();
    let again = records.put("k", &session("ada")).await.unwrap().deadline.unwrap();
    assert!(again >= first, "deleted and made again: a lifetime of its own");
}

pub(crate) async fn policies_refresh(store: Store) {
    let records = store.records("p", TTL).refresh(RefreshPolicy::never()).build().unwrap();
    let soon = Ttl::minutes(1);
    let value = session("ada");
    records.put_with_expiry("k", &value, soon).await.unwrap();
    let before = records.deadline("k").await.unwrap().unwrap();
    let hit = || Patch::new().increment("hits", 1);
    records.get("k").await.unwrap().unwrap();
    records.get_fields("k", ["user"]).await.unwrap().unwrap();
    records.put("k", &value).await.unwrap();
    records.patch("k", hit()).await.unwrap().unwrap();
    assert_eq!(records.deadline("k").await.unwrap(), Some(before), "no policy, no refresh");

    for (actions, which) in
        [(Actions::FETCH, 0), (Actions::READ, 1), (Actions::UPDATE, 2), (Actions::ARITHMETIC, 3)]
    {
        records.set_refresh_policy(RefreshPolicy::on(actions).unwrap()).unwrap();
        for operation in 0..4 {
            records.put_with_expiry("k", &value, soon).await.unwrap();
            let before = records.deadline("k").await.unwrap().unwrap();
            match operation {
                0 => assert!(records.get("k").await.unwrap().is_some()),
                1 => assert!(records.contains("k").await.unwrap()),
                2 => assert!(!records.put("k", &value).await.unwrap().created),
                _ => assert!(records.patch("k", hit()).await.unwrap().is_some()),
            }
            let after = records.deadline("k").await.unwrap().unwrap();
            assert_eq!(after > before, operation == which, "operation {operation} under {actions}");
        }
    }
}

pub(crate) async fn an_ended_entry_is_gone_on_every_path(store: Store) {
    let short = Ttl::millis(40);
    let records = store.records("e", short).build().unwrap();
    let counters = store.counters("e", short).build().unwrap();
    let deadline = records
        .with_returning(Returning::DEADLINE)
        .put("k", &session("ada"))
        .await
        .unwrap()
        .deadline
        .unwrap();
    assert_eq!(counters.add("k", 7).await.unwrap(), 7);
    let gave_up = Instant::now() + Duration::from_secs(30);
    while records.contains("k").await.unwrap() || counters.contains("k").await.unwrap() {
        assert!(Instant::now() < gave_up, "it never ended");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!deadline.is_never());
    assert_eq!(records.get("k").await.unwrap(), None);
    assert_eq!(records.get_many(["k"]).await[0].as_ref().unwrap(), &None);
    assert_eq!(records.touch("k").await.unwrap(), None);
    assert_eq!(records.extend_by("k", TTL).await.unwrap(), None);
    assert_eq!(records.persist("k").await.unwrap(), None);
    assert_eq!(records.patch("k", Patch::new().increment("hits", 1)).await.unwrap(), None);
    assert!(records.replace("k", &session("bob")).await.unwrap().is_absent());
    assert!(!records.delete("k").await.unwrap());
    assert!(listed(records.keys()).await.is_empty());
    assert_eq!(counters.increment("k").await.unwrap(), 1, "a new window");
    assert!(records.create("k", &session("bob")).await.unwrap().is_applied());
}

pub(crate) async fn conditions_hold(store: Store) {
    let records = store.records("cas", TTL).build().unwrap();
    assert!(records.create("k", &session("ada")).await.unwrap().is_applied());
    assert!(records.create("k", &session("eve")).await.unwrap().is_refused());
    let seen = records.get_item("k", Returning::DEADLINE | Returning::VERSION).await.unwrap().unwrap();
    let swapped = records.compare_and_swap("k", seen.version.unwrap(), &session("bob")).await.unwrap();
    let next = swapped.applied().unwrap().version.unwrap();
    assert!(
        records.compare_and_swap("k", seen.version.unwrap(), &session("eve")).await.unwrap().is_refused()
    );
    assert!(records.delete_if("k", seen.version.unwrap()).await.unwrap().is_refused());
    let hit = Patch::new().increment("hits", 1);
    assert!(records.patch_if("k", seen.version.unwrap(), hit.clone()).await.unwrap().is_refused());
    assert!(records.patch_if("k", next, hit).await.unwrap().is_applied());
    assert_eq!(records.get("k").await.unwrap().unwrap().hits, 1);
    assert!(records.compare_and_swap("missing", next, &session("eve")).await.unwrap().is_absent());
}

pub(crate) async fn patches_are_all_or_nothing(store: Store) {
    let records = store.records("patch", TTL).build().unwrap();
    assert_eq!(records.patch("k", Patch::new().set("user", "eve")).await.unwrap(), None);
    let patch = Patch::new().append("cart", "book").prepend("cart", "pen").increment("hits", 2);
    let outcome = records.patch_or_create("k", patch, &session("ada")).await.unwrap();
    assert!(outcome.created);
    assert_eq!(outcome.fields, Record::new().with("cart", ["pen", "book"]).with("hits", 2));
    let outcome = records.patch("k", Patch::new().pop_front("cart").unset("extra")).await.unwrap().unwrap();
    assert_eq!(outcome.popped().collect::<Vec<_>>(), ["pen"]);
    let bad = Patch::new().set("user", "eve").increment("cart", 1);
    assert_eq!(records.patch("k", bad).await.unwrap_err().kind(), ErrorKind::WrongFieldType);
    let expected = Session { cart: vec!["book".into()], hits: 2, ..session("ada") };
    assert_eq!(records.get("k").await.unwrap(), Some(expected));
    let fields = records.get_fields("k", ["user", "missing"]).await.unwrap().unwrap();
    assert_eq!(fields, Record::new().with("user", "ada"));
}

pub(crate) async fn batches_answer_in_order(store: Store) {
    let counters = store.counters("b", TTL).build().unwrap();
    let keys: Vec<String> = (0..150).map(|n| format!("document-{n}")).collect();
    let put = counters.put_many(keys.iter().zip(0..150_i64)).await;
    assert!(put.iter().all(Result::is_ok));
    let mut asked = keys.clone();
    asked.insert(1, String::new());
    asked.insert(2, "missing".to_owned());
    let mut got = counters.get_many(&asked).await.into_iter();
    assert_eq!(got.next().unwrap().unwrap(), Some(0));
    assert_eq!(got.next().unwrap().unwrap_err().kind(), ErrorKind::InvalidKey);
    assert_eq!(got.next().unwrap().unwrap(), None);
    assert!(got.zip(1..).all(|(number, expected)| number.unwrap() == Some(expected)));
    assert_eq!(listed(counters.keys()).await, keys.iter().cloned().collect());
    assert!(counters.delete_many(&keys).await.into_iter().all(|deleted| deleted.unwrap()));
    assert!(listed(counters.keys()).await.is_empty());
}

pub(crate) async fn plain_keys(store: Store) {
    let capped = Lifespan::from(TTL).with_max_lifetime(Ttl::minutes(11));
    assert!(store.put("k", "v", capped).await.unwrap().created);
    assert_eq!(store.get("k").await.unwrap(), Some(Value::from("v")));
    let end = store.deadline("k").await.unwrap().unwrap();
    assert_eq!(store.persist("k").await.unwrap().unwrap().deadline, end.plus(Ttl::minutes(1)));
    assert!(store.create("k", "x", TTL).await.unwrap().is_refused());
    store.put("@k", Record::new().with("n", 1), Expiry::Never).await.unwrap();
    store.patch("@k", Patch::new().increment("n", 1)).await.unwrap().unwrap();
    assert_eq!(store.get_fields("@k", ["n"]).await.unwrap(), Some(Record::new().with("n", 2)));
    assert_eq!(listed(store.keys()).await, ["@k".to_owned(), "k".to_owned()].into());
    assert_eq!(store.take("k").await.unwrap(), Some(Value::from("v")));
    assert_eq!(store.take("k").await.unwrap(), None);
    assert!(store.delete("@k").await.unwrap());
}

pub(crate) async fn leases_have_one_holder(store: Store) {
    let leases = store.leases("l", TTL).unwrap();
    let mut lease = leases.acquire("a").await.unwrap().applied().unwrap();
    assert!(leases.acquire("a").await.unwrap().is_refused());
    let before = lease.deadline();
    assert!(lease.renew().await.unwrap().applied().unwrap() >= before);
    assert!(lease.is_held().await.unwrap());
    // Taken away and acquired by someone else.
    store
        .driver()
        .delete(&store_key("@l:l:a"), ttl_store::options::DeleteOptions::new())
        .await
        .unwrap()
        .applied()
        .unwrap();
    let mut next = leases.acquire("a").await.unwrap().applied().unwrap();
    assert!(!lease.is_held().await.unwrap());
    assert!(lease.renew().await.unwrap().is_refused());
    assert!(lease.release().await.unwrap().is_refused());
    assert!(next.release().await.unwrap().is_applied());
    assert!(next.renew().await.unwrap().is_absent());
}

fn store_key(key: &str) -> ttl_store::Key {
    ttl_store::Key::new(key).unwrap()
}

pub(crate) async fn one_of_64_wins(store: Store) {
    let leases = store.leases("race", TTL).unwrap();
    let tokens = store.blobs::<String, _>("race", TTL, Raw).build().unwrap();
    let sessions = store.records("race", TTL).build().unwrap();
    let counters = store.counters("race", TTL).build().unwrap();
    tokens.put("t", &"ada".to_owned()).await.unwrap();
    let answers = race(64, |n| {
        let (leases, tokens) = (leases.clone(), tokens.clone());
        let (sessions, counters) = (sessions.clone(), counters.clone());
        async move {
            let held = leases.acquire("a").await.unwrap().is_applied();
            let taken = tokens.take("t").await.unwrap().is_some();
            let created = sessions.create("s", &session(&n.to_string())).await.unwrap().is_applied();
            (held, taken, created, counters.increment("n").await.unwrap())
        }
    })
    .await;
    assert_eq!(answers.iter().filter(|answer| answer.0).count(), 1, "leases");
    assert_eq!(answers.iter().filter(|answer| answer.1).count(), 1, "takes");
    assert_eq!(answers.iter().filter(|answer| answer.2).count(), 1, "creates");
    let sums: BTreeSet<i64> = answers.iter().map(|answer| answer.3).collect();
    assert_eq!(sums, (1..=64).collect());
}

async fn race<T, F>(tasks: usize, attempt: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<_> = (0..tasks).map(|n| tokio::spawn(attempt(n))).collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}
