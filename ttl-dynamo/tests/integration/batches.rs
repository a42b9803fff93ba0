//! Batches of any size: what the server hands back is asked again, what fails fails alone, and all is in order.

use std::collections::HashSet;

use libtest_mimic::Trial;
use ttl_conformance::servers::ServerUrl;
use ttl_core::options::{Condition, DeleteOptions, GetOptions, PutItem, PutOptions, Refresh, Returning};
use ttl_core::{ErrorKind, Key, Record, TtlStore, Value};

use crate::support::{LONG, SHORT, Space, blob, key, with_server};
use crate::wire::{ANY, Fault};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    vec![
        with_server("batches::all_arrive_in_order_although_half_is_handed_back", server, halves),
        with_server("batches::large_values_come_in_several_answers", server, large),
        with_server("batches::what_is_never_answered_fails_alone", server, stuck),
        with_server("batches::writes_fail_one_by_one", server, one_by_one),
        with_server("batches::what_was_not_sent_is_unavailable_and_undone", server, not_sent),
        with_server("batches::each_request_has_as_many_keys_as_dynamodb_takes", server, hundreds),
        with_server("batches::what_stands_twice_is_done_in_order", server, twice),
        with_server("batches::throttled_batches_arrive", server, throttled),
    ]
}

fn keys(count: usize) -> Vec<Key> {
    (0..count).map(|number| key(&format!("k{number:03}"))).collect()
}

fn numbered(number: usize) -> Value {
    if number.is_multiple_of(2) {
        format!("value {number}").into()
    } else {
        Record::new().with("n", number).into()
    }
}

async fn fill(space: &Space, count: usize) -> Vec<Key> {
    let keys = keys(count);
    let items = keys.iter().enumerate().map(|(number, key)| {
        PutItem::new(key.clone(), numbered(number), PutOptions::new(LONG).with_returning(Returning::VERSION))
    });
    let results = space.store.put_many(items.collect()).await;
    assert_eq!(results.len(), count);
    for (number, result) in results.into_iter().enumerate() {
        let meta = result.unwrap().applied().unwrap();
        let held = space.raw.get(keys[number].as_str()).await.unwrap();
        assert_eq!(
            held["ttl:version"].as_s().unwrap().as_bytes(),
            meta.version.unwrap().as_bytes(),
            "in order"
        );
    }
    keys
}

async fn halves(endpoint: String) {
    let space = Space::with(endpoint, |config| config.with_attempts(12)).await;
    space.wire.always("BatchGetItem", Fault::Half);
    let mut keys = fill(&space, 60).await;
    // Live ones, missing ones and doubles, so that a mistake in the order shows.
    keys.extend((0..90).map(|number| key(&format!("k{:03}", number * 7 % 100))));
    assert_eq!(keys.len(), 150);
    space.wire.requests();
    for options in [GetOptions::new(), GetOptions::new().with_returning(Returning::all())] {
        let results = space.store.get_many(&keys, options).await;
        assert_eq!(results.len(), 150);
        for (key, result) in keys.iter().zip(results) {
            let number: usize = key.as_str()[1..].parse().unwrap();
            let expected = (number < 60).then(|| numbered(number));
            assert_eq!(result.unwrap().map(|entry| entry.value.unwrap()), expected, "{key:?}");
        }
    }
    let asked = space.wire.requests();
    assert!(asked.len() > 6, "it was handed back");
    for request in asked {
        assert_eq!(request.operation, "BatchGetItem");
        let names: Vec<&str> = request.body["RequestItems"][&space.raw.table]["Keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key["ttl:key"]["S"].as_str().unwrap())
            .collect();
        assert!(names.len() <= 100);
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len(), "no key stands twice");
    }
    assert!(space.store.get_many(&[], GetOptions::new()).await.is_empty());
    assert!(space.store.put_many(Vec::new()).await.is_empty());
    assert!(space.store.delete_many(&[], DeleteOptions::new()).await.is_empty());
    assert!(space.wire.requests().is_empty());
}

/// More than 16 MB: the server itself hands keys back.
async fn large(endpoint: String) {
    let space = Space::with(endpoint, |config| config.with_attempts(12)).await;
    let keys = keys(60);
    let value = |number: usize| Value::from(vec![number as u8; 390_000]);
    let items = keys.iter().enumerate();
    let items = items.map(|(number, key)| PutItem::new(key.clone(), value(number), PutOptions::new(LONG)));
    for result in space.store.put_many(items.collect()).await {
        assert!(result.unwrap().is_applied());
    }
    let results = space.store.get_many(&keys, GetOptions::new()).await;
    for (number, result) in results.into_iter().enumerate() {
        assert!(result.unwrap().unwrap().value.unwrap() == value(number), "{number}");
    }
}

/// A fault that stays for one half of what is asked, as the server would have it: the last key comes never.
async fn stuck(endpoint: String) {
    let space = Space::with(endpoint, |config| config.with_attempts(3)).await;
    let keys = fill(&space, 64).await;
    space.wire.always("BatchGetItem", Fault::Half);
    let results = space.store.get_many(&keys, GetOptions::new()).await;
    // Progress may be reason enough to go on; what is given up is an error, and no miss.
    for (number, result) in results.into_iter().enumerate() {
        match result {
            Ok(entry) => assert_eq!(entry.expect("no miss").value, Some(numbered(number))),
            Err(error) => assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, true)),
        }
    }
    space.wire.heal();
    space.wire.always("BatchGetItem", Fault::NoneOfIt);
    space.wire.requests();
    for result in space.store.get_many(&keys, GetOptions::new()).await {
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, true));
    }
    assert_eq!(space.wire.requests().len(), 3);
    space.wire.heal();
    space.wire.always("BatchGetItem", Fault::Refused("AccessDeniedException"));
    for result in space.store.get_many(&keys, GetOptions::new()).await {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::PermissionDenied);
    }
}

async fn one_by_one(endpoint: String) {
    let space = Space::with(endpoint, |config| config.with_attempts(1).with_concurrency(1)).await;
    let keys = fill(&space, 10).await;
    let put = || PutOptions::new(LONG);
    let version = space.version("k003").await;
    let mut items: Vec<PutItem> =
        keys.iter().map(|key| PutItem::new(key.clone(), blob("new"), put())).collect();
    items[1].value = vec![0; 500_000].into();
    items[2].options = put().with_condition(Condition::IfAbsent);
    items[3].options = put().with_condition(Condition::IfVersion(version));
    items[4].options =
        PutOptions::new(std::time::UNIX_EPOCH + std::time::Duration::from_secs(100_000_000_000));
    (0..4).for_each(|_| space.wire.pass(ANY));
    space.wire.once(ANY, Fault::Refused("ThrottlingException"));
    let results = space.store.put_many(items).await;
    let kinds: Vec<_> = results.iter().map(|result| result.as_ref().map_err(ttl_core::Error::kind)).collect();
    assert_eq!(kinds[1].unwrap_err(), ErrorKind::TooLarge);
    assert!(kinds[2].unwrap().is_refused() && kinds[3].unwrap().is_applied());
    assert_eq!(kinds[4].unwrap_err(), ErrorKind::InvalidExpiry);
    let failed: Vec<usize> = (5..10).filter(|number| kinds[*number].is_err()).collect();
    assert_eq!(failed.len(), 1, "{kinds:?}");
    assert_eq!(kinds[failed[0]].unwrap_err(), ErrorKind::Unavailable);
    for (number, result) in space.quiet.get_many(&keys, GetOptions::new()).await.into_iter().enumerate() {
        let unchanged = [1, 2, 4].contains(&number) || failed.contains(&number);
        let expected = if unchanged { numbered(number) } else { blob("new") };
        assert_eq!(result.unwrap().unwrap().value, Some(expected), "{number}");
    }
    space.wire.pass(ANY);
    space.wire.once(ANY, Fault::Refused("ThrottlingException"));
    let results = space.store.delete_many(&keys, DeleteOptions::new()).await;
    assert_eq!(results.iter().filter(|result| result.is_err()).count(), 1);
    for (key, result) in keys.iter().zip(results) {
        assert_eq!(space.raw.get(key.as_str()).await.is_some(), result.is_err());
    }
}

/// The server goes away in the middle: what was done is applied, and of the rest it is certain that it was not sent.
async fn not_sent(endpoint: String) {
    let space = Space::with(endpoint, |config| config.with_attempts(1).with_concurrency(1)).await;
    let keys = fill(&space, 40).await;
    let down = |fault| {
        (0..10).for_each(|_| space.wire.pass(ANY));
        space.wire.always(ANY, fault);
        space.wire.requests();
    };
    for (fault, expected) in
        [(Fault::NotConnected, ErrorKind::Unavailable), (Fault::LostRequest, ErrorKind::OutcomeUnknown)]
    {
        down(fault);
        let items = keys.iter().map(|key| PutItem::new(key.clone(), blob("new"), PutOptions::new(LONG)));
        let put = space.store.put_many(items.collect()).await;
        let sent = space.wire.operations();
        // Whoever is not sure looks, once for each.
        let writes = sent.iter().filter(|operation| *operation == "UpdateItem").count();
        assert_eq!(writes, 40, "{sent:?}");
        space.wire.heal();
        for (number, result) in put.into_iter().enumerate() {
            match result {
                Ok(outcome) => assert!(number < 10 && outcome.is_applied(), "{number}"),
                Err(error) => assert!(number >= 10 && error.kind() == expected, "{number}: {error}"),
            }
            let expected = if number < 10 { blob("new") } else { numbered(number) };
            let held = space.quiet.get(&keys[number], GetOptions::new()).await.unwrap().unwrap();
            assert_eq!(held.value, Some(expected), "{number}");
        }
    }
    down(Fault::NotConnected);
    let deleted = space.store.delete_many(&keys, DeleteOptions::new()).await;
    space.wire.heal();
    for (number, result) in deleted.into_iter().enumerate() {
        match result {
            Ok(outcome) => assert!(number < 10 && outcome.is_applied(), "{number}"),
            Err(error) => {
                assert!(number >= 10 && error.kind() == ErrorKind::Unavailable, "{number}: {error}");
            }
        }
        assert_eq!(space.raw.get(keys[number].as_str()).await.is_some(), number >= 10, "{number}");
    }
}

async fn hundreds(endpoint: String) {
    let space = Space::with(endpoint, |config| config.with_concurrency(1)).await;
    let keys: Vec<Key> = (0..250).map(|number| key(&format!("k{number:03}"))).collect();
    let asked = |space: &Space| -> Vec<usize> {
        let requests = space.wire.requests();
        let keys = requests.iter().map(|request| &request.body["RequestItems"][&space.raw.table]["Keys"]);
        keys.map(|keys| keys.as_array().unwrap().len()).collect()
    };
    for result in space.store.get_many(&keys, GetOptions::new()).await {
        assert!(result.unwrap().is_none());
    }
    assert_eq!(asked(&space), [100, 100, 50]);
    // A part that takes too long is asked for in smaller ones: the values may be more than the time is enough for.
    let hasty = Space::with(space.endpoint.clone(), |config| config.with_attempt_timeout(SHORT)).await;
    hasty.wire.times(2, ANY, Fault::Silent { done: false });
    for result in hasty.store.get_many(&keys[..60], GetOptions::new()).await {
        assert!(result.unwrap().is_none());
    }
    assert_eq!(asked(&hasty), [60, 30, 15, 15, 15, 15]);
}

async fn twice(endpoint: String) {
    let space = Space::new(endpoint).await;
    let put = || PutOptions::new(LONG);
    let mut items = Vec::new();
    for round in 0..5 {
        for name in ["a", "b", "c"] {
            let options = if round == 0 { put().with_condition(Condition::IfAbsent) } else { put() };
            items.push(PutItem::new(key(name), format!("{name}{round}").into_bytes(), options));
        }
    }
    for result in space.store.put_many(items).await {
        assert!(result.unwrap().is_applied());
    }
    let names = ["a", "a", "b", "c", "b"].map(key);
    let read = space.store.get_many(&names, GetOptions::new()).await;
    let read: Vec<Value> = read.into_iter().map(|entry| entry.unwrap().unwrap().value.unwrap()).collect();
    assert_eq!(read, ["a4", "a4", "b4", "c4", "b4"].map(Value::from));
    let taken = space.store.delete_many(&names, DeleteOptions::take()).await;
    let taken: Vec<bool> = taken.into_iter().map(|taken| taken.unwrap().is_applied()).collect();
    assert_eq!(taken, [true, false, true, true, false]);
}

async fn throttled(endpoint: String) {
    let space = Space::with(endpoint, |config| config.with_attempts(20)).await;
    let refused =
        [Fault::Refused("ProvisionedThroughputExceededException"), Fault::Refused("ThrottlingException")];
    space.wire.random(5, 0.3, &refused);
    let keys = fill(&space, 60).await;
    for options in
        [GetOptions::new(), GetOptions::new().with_refresh(Refresh::extend_only(ttl_core::Ttl::hours(2)))]
    {
        for (number, result) in space.store.get_many(&keys, options).await.into_iter().enumerate() {
            assert_eq!(result.unwrap().unwrap().value, Some(numbered(number)));
        }
    }
    for result in space.store.delete_many(&keys, DeleteOptions::take()).await {
        assert!(result.unwrap().is_applied());
    }
}
