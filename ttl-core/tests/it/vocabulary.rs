//! The public API of the vocabulary: values, patches and entries.

use std::time::{Duration, SystemTime};

use serde_json::json;
use ttl_core::driver::Now;
use ttl_core::driver::Stored;
use ttl_core::options::{
    Create, DeleteOptions, ExpireOptions, ExpiryChange, PatchOptions, PutOptions, Returning,
};
use ttl_core::rules::perform::{self, Next};
use ttl_core::*;

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000)
}

fn stored(value: impl Into<Value>) -> Stored {
    Stored::new(value.into(), Deadline::after(now(), Ttl::minutes(1)), Deadline::NEVER, Version::random())
}

#[test]
fn bounds_say_what_they_are_and_end_where_every_float_is_exact() {
    let bounds = Bounds::from(-3..=5);
    assert_eq!((bounds.min(), bounds.max()), (Some(-3), Some(5)));
    assert_eq!((Bounds::from(2..).min(), Bounds::from(2..).max()), (Some(2), None));
    assert_eq!((Bounds::from(..=2).min(), Bounds::from(..=2).max()), (None, Some(2)));
    assert_eq!(Bounds::LARGEST, 9_007_199_254_740_991);
}

#[test]
fn deadlines_tell_instants_and_what_remains() {
    let deadline = Deadline::from_epoch_millis(1_000_500);
    assert_eq!(deadline.to_system_time(), Some(now() + Duration::from_millis(500)));
    assert_eq!(deadline.remaining(now()), Some(Duration::from_millis(500)));
    assert_eq!(deadline.remaining(now() + Duration::from_secs(1)), Some(Duration::ZERO));
    assert_eq!((Deadline::NEVER.to_system_time(), Deadline::NEVER.remaining(now())), (None, None));
    assert_eq!(format!("{deadline:?} {:?}", Deadline::NEVER), "Deadline(1000500 ms) Deadline(never)");
}

#[test]
fn a_part_of_a_millisecond_counts() {
    let instant = Now::from_epoch_nanos(7_000_001);
    assert_eq!(instant.as_epoch_millis(), 7);
    assert_eq!(Deadline::after(instant, Ttl::millis(1)), Deadline::from_epoch_millis(9));
    assert_eq!(
        Deadline::after(Now::from_epoch_nanos(7_000_000), Ttl::millis(1)),
        Deadline::from_epoch_millis(8)
    );
}

#[test]
fn a_coarse_resolution_leaves_persistent_entries_persistent() {
    let coarse = Now::from(now()).with_resolution(Duration::from_secs(7));
    assert_eq!(Expiry::Never.resolve(coarse).unwrap(), Deadline::NEVER);
    let extend = ExpiryChange::Extend(Ttl::seconds(1));
    let persistent = Stored::new("v".into(), Deadline::NEVER, Deadline::NEVER, Version::random());
    let (next, outcome) = perform::expire(coarse, Some(&persistent), extend, &ExpireOptions::new()).unwrap();
    assert_eq!(next, Next::Stays);
    assert!(outcome.applied().is_some_and(|done| !done.changed && done.deadline.is_never()));
}

#[test]
fn a_patch_knows_its_actions_and_whether_it_has_bounds() {
    let patch = Patch::new().append("l", 1).increment("n", 1);
    assert_eq!(patch.actions(), Actions::APPEND | Actions::ARITHMETIC);
    assert_eq!(Patch::new().append("l", 1).append("m", 1).actions(), Actions::APPEND);
    assert!(!patch.has_bounds() && patch.increment_within("n", 1, ..=5).has_bounds());
}

#[test]
fn an_element_may_be_nested_one_level_less_than_a_field() {
    let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
    let deepest = (0..).take_while(|depth| Patch::new().set("f", nested(*depth)).operations().is_ok()).last();
    let deepest = deepest.unwrap();
    type Add = fn(Patch, serde_json::Value) -> Patch;
    let adds: [Add; 3] = [
        |patch, element| patch.append("l", element),
        |patch, element| patch.prepend("l", element),
        |patch, element| patch.remove_value("l", element),
    ];
    for add in adds {
        assert!(add(Patch::new(), nested(deepest - 1)).operations().is_ok());
        let error = add(Patch::new(), nested(deepest)).operations().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidField);
    }
}

#[test]
fn a_policy_hands_its_slack_to_the_refresh() {
    let policy = RefreshPolicy::on(Actions::FETCH).unwrap().with_slack(Ttl::seconds(3));
    assert_eq!(policy.slack(), Some(Ttl::seconds(3)));
    let refresh = policy.resolve(Actions::FETCH, Ttl::minutes(1)).unwrap();
    assert_eq!((refresh.ttl, refresh.slack), (Ttl::minutes(1), Some(Ttl::seconds(3))));
    assert_eq!(policy.resolve(Actions::READ, Ttl::minutes(1)), None);
}

#[test]
fn records_count_and_lose_their_fields() {
    let mut record = Record::new().with("a", 1).with("b", 2);
    assert_eq!((record.len(), record.is_empty(), Record::new().is_empty()), (2, false, true));
    let unset = Patch::new().unset("a");
    rules::apply(&mut record, &unset).unwrap();
    assert_eq!(record, Record::new().with("b", 2));
}

#[test]
fn a_put_hands_back_the_replaced_value_only_if_it_is_asked_to() {
    let entry = stored("old");
    let previous = |options: PutOptions| {
        let (_, outcome) = perform::put(now(), Some(&entry), &"new".into(), &options).unwrap();
        outcome.applied().and_then(|result| result.previous)
    };
    assert_eq!(previous(PutOptions::new(Ttl::hours(1))), None);
    assert_eq!(previous(PutOptions::new(Ttl::hours(1)).with_previous()), Some("old".into()));
    // A ghost has no value to hand back.
    let ghost = Stored::new("old".into(), Deadline::at(now()), Deadline::NEVER, Version::random());
    let asked = PutOptions::new(Ttl::hours(1)).with_previous();
    let (_, outcome) = perform::put(now(), Some(&ghost), &"new".into(), &asked).unwrap();
    assert_eq!(outcome.applied().and_then(|result| result.previous), None);
}

#[test]
fn a_patch_that_may_create_keeps_the_live_record() {
    let entry = stored(Record::new().with("n", 1).with("kept", true));
    let create = Create::new(Ttl::hours(1)).with_initial(Record::new().with("n", 100));
    let options = PatchOptions::new().with_create(create);
    let patch = Patch::new().increment("n", 1);
    let capabilities = Capabilities::new("test");
    let (next, outcome) = perform::patch(now(), Some(&entry), &patch, &options, &capabilities).unwrap();
    let Next::Becomes(next) = next else { panic!("{next:?}") };
    assert_eq!(next.value, Record::new().with("n", 2).with("kept", true).into());
    assert!(outcome.applied().is_some_and(|done| !done.created));
    let (next, outcome) = perform::patch(now(), None, &patch, &options, &capabilities).unwrap();
    let Next::Becomes(next) = next else { panic!("{next:?}") };
    assert_eq!(next.value, Record::new().with("n", 101).into());
    assert!(outcome.applied().is_some_and(|done| done.created));
}

#[test]
fn bounds_that_refuse_show_the_live_record_and_no_other() {
    let entry = stored(Record::new().with("n", 5));
    let options =
        PatchOptions::new().with_returning(Returning::VERSION).with_create(Create::new(Ttl::hours(1)));
    let patch = Patch::new().increment_within("n", 9, ..=6);
    let capabilities = Capabilities::new("test");
    let (next, outcome) = perform::patch(now(), Some(&entry), &patch, &options, &capabilities).unwrap();
    let Outcome::Refused(Some(there)) = outcome else { panic!("{outcome:?}") };
    assert_eq!((next, there.created, there.version), (Next::Stays, false, Some(entry.version)));
    assert_eq!(there.fields, Record::new().with("n", 5));
    let refused = perform::patch(now(), None, &patch, &options, &capabilities).unwrap();
    assert_eq!(refused, (Next::Stays, Outcome::Refused(None)));
}

#[test]
fn a_created_record_that_has_expired_already_has_no_version() {
    let capabilities = Capabilities::new("test");
    let create = |expiry: Expiry| {
        let options = PatchOptions::new().with_returning(Returning::VERSION).with_create(Create::new(expiry));
        let patch = Patch::new().increment("n", 1);
        let (next, outcome) = perform::patch(now(), None, &patch, &options, &capabilities).unwrap();
        (next == Next::Stays, outcome.applied().unwrap().version.is_some())
    };
    assert_eq!(create(Expiry::At(now() - Duration::from_secs(1))), (true, false));
    assert_eq!(create(Expiry::After(Ttl::seconds(1))), (false, true));
}

#[test]
fn an_expire_moves_the_deadline_and_nothing_else() {
    let entry = stored("v");
    let change = ExpiryChange::Set(Expiry::After(Ttl::hours(1)));
    let (next, _) = perform::expire(now(), Some(&entry), change, &ExpireOptions::new()).unwrap();
    let mut moved = entry.clone();
    moved.deadline = Deadline::after(now(), Ttl::hours(1));
    assert_eq!(next, Next::Becomes(moved));
}

#[test]
fn a_take_hands_out_the_value_and_a_delete_does_not() {
    let entry = stored("v");
    let taken = |options| {
        let (next, outcome) = perform::delete(now(), Some(&entry), &options).unwrap();
        assert_eq!(next, Next::Goes);
        outcome.applied().flatten().and_then(|entry| entry.value)
    };
    assert_eq!(taken(DeleteOptions::take()), Some("v".into()));
    assert_eq!(taken(DeleteOptions::new()), None);
}

#[test]
fn errors_name_the_type_that_was_found() {
    for (value, name) in [
        (json!(null), "null"),
        (json!(true), "a boolean"),
        (json!(1), "a number"),
        (json!("x"), "text"),
        (json!([]), "a list"),
    ] {
        let error = Record::from_serialize(&value).unwrap_err();
        assert!(error.to_string().contains(&format!("found {name};")), "{error}");
    }
}
