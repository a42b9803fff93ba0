//! The faults of other caches: each fails an obvious cache here, and ttl-cache holds.
//!
//! A scenario uses the public calls of a cache and looks at its store. It runs twice: with a cache as people write
//! it, which must fail, and with ttl-cache, which must not. `cargo test -p ttl-cache --test faults -- --nocapture`
//! prints the table.

mod caches;
mod copies;
mod flights;
mod further;
mod refreshes;
mod removals;
mod source;
mod tags;
mod tap;
mod values;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::time::Duration;

use self::caches::{Habit, Kind};
use self::world::{Seen, World};

type Scenario = Pin<Box<dyn Future<Output = Seen>>>;

/// A fault that others had.
struct Fault {
    number: &'static str,
    text: &'static str,
    /// The obvious cache that has the fault.
    habit: Habit,
    scenario: fn(World) -> Scenario,
    /// A part of what the scenario sees then. It fails for no other reason.
    shows: &'static str,
}

macro_rules! faults {
    ($($number:literal $text:literal $habit:ident $scenario:path => $shows:literal,)*) => {
        &[$(Fault {
            number: $number,
            text: $text,
            habit: Habit::$habit,
            scenario: |world| Box::pin($scenario(world)),
            shows: $shows,
        }),*]
    };
}

const FAULTS: &[Fault] = faults![
    "1a" "removed during a load: the old value is stored" Plain removals::during_a_load => "the store holds the old value",
    "1b" "removed between the load and its write" Plain removals::before_the_write => "the store holds the old value",
    "2a" "the same by tag" Plain removals::by_tag => "get returns \"old\"",
    "2b" "the same by clear" Plain removals::by_clear => "get returns \"old\"",
    "2c" "the same during a background refresh" Plain removals::during_a_background_refresh => "the store holds the old value",
    "2d" "the same during an early refresh" Plain removals::during_an_early_refresh => "the store holds the old value",
    "3" "the lifetime begins after the load" Plain removals::lifetimes_begin_before_the_load => "a minute after its load began",
    "4a" "older data is written last: the lock expired" Plain removals::the_claim_expires => "saw Some(\"older\")",
    "4b" "older data is written last: the lock was deleted" Plain removals::the_claim_is_deleted => "saw Some(\"older\")",
    "5" "the flight ends before the write has landed" WriteBehind flights::the_write_lands_first => "its value is not stored",
    "6" "the first caller is dropped: the others fail" Plain flights::the_first_caller_is_dropped => "the load was cancelled",
    "7" "the loader panics: waiters are poisoned" Plain flights::the_loader_panics => "the load was cancelled",
    "8" "a failed early refresh keeps its lock" Plain refreshes::an_early_refresh_fails => "for ever, it does not happen that the value is refreshed",
    "9" "a load that hangs owns the key for ever" DetachedLoad flights::a_load_hangs => "waits for ever",
    "10" "one caller gives up: the others get an error" Plain flights::a_caller_gives_up => "the load was cancelled",
    "11a" "the loser of a lock gets nothing" LockWithoutDeadline flights::the_loser_of_a_lock => "another process loads",
    "11b" "a lock has no deadline" LockWithoutDeadline flights::the_owner_of_a_lock_dies => "another process loads",
    "12" "a load slower than the interval: stale for ever" RestartedRefresh refreshes::a_load_slower_than_the_interval => "saw Some(\"v1\")",
    "13" "a lock delays a stale value" LockBeforeStale refreshes::stale_at_once => "waits for the refresh of another process",
    "14" "an early refresh repeats that of another process" Plain refreshes::another_process_has_refreshed => "loads of the late process: expected 0, saw 1",
    "15" "a fallback is written over a newer value" RenewedFallback refreshes::a_fallback_is_no_new_value => "saw Some(\"old\")",
    "16" "failed attempts prolong the stale value" RenewedFallback refreshes::failures_prolong_nothing => "at its deadline: expected None, saw Some(\"old\")",
    "17" "a mere get deletes the fallback" GetDeletesStale refreshes::a_get_keeps_the_fallback => "saw Err(Loader)",
    "18a" "a near copy has the default lifetime" Plain copies::the_lifetime_of_a_copy => "at the deadline: expected None",
    "18b" "a remainder of zero becomes no limit" NearRemainder copies::a_remainder_below_a_millisecond => "at the deadline: expected None",
    "19" "near outlives far" Plain copies::near_outlives_far => "the deleted entry: expected None, saw Some(\"value\")",
    "20" "a failed write is not heard of" Plain values::a_write_fails => "expected 1, saw 0",
    "21a" "a tag is compared with a clock" Plain tags::clocks_differ => "saw \"old\"",
    "21b" "a tag is read once and never again" TagMarkersReadOnce tags::tags_are_read_each_time => "expected None, saw Some(\"first\")",
    "21c" "another number of tags cannot be parsed" TagsByPosition tags::another_number_of_tags => "cannot be parsed",
    "22a" "an expired marker undoes an invalidation" Plain tags::an_invalidation_lasts => "expected None, saw Some(\"old\")",
    "22b" "a marker that is made anew evicts values" TagsByVersion tags::a_marker_is_made_anew => "after 500 hours: expected Some(\"value\"), saw None",
    "23" "clear of users hits usersAbc" Plain tags::clear_and_names => "\"usersAbc\" has 0 values",
    "24" "lost messages: near copies stay" NearByMessages copies::the_stream_of_changes_ends => "expected Some(\"third\"), saw Some(\"second\")",
    "25a" "an empty value is a miss" Plain values::an_empty_value => "loads: expected 1, saw 2",
    "25b" "a negative result is loaded again" Plain values::a_negative_result => "loads: expected 1, saw 2",
    "26a" "a changed type fails requests" Plain values::a_type_changes => "cannot be parsed",
    "26b" "two types replace each other for ever" ReplacesUnreadable values::two_types_do_not_fight => "write 50 times",
    "26c" "two schema versions replace each other" ReplacesUnreadable values::two_schema_versions_do_not_fight => "write 50 times",
    "27" "hits of batches are not counted" Plain values::batches_are_counted => "expected 3, saw 0",
    "28a" "a hard timeout of a call has no effect" Plain values::a_hard_timeout_of_a_call => "waits for ever",
    "28b" "a soft timeout of a call has no effect" Plain values::a_soft_timeout_of_a_call => "saw Ok(\"old\")",
    "28c" "tags of a call have no effect" Plain values::tags_of_a_call => "expected None, saw Some(\"old\")",
];

/// How long a wait may take that ends.
const LONG: Duration = Duration::from_secs(30);

/// How long a wait may take that is known never to end.
const BRIEF: Duration = Duration::from_secs(1);

/// Runs a scenario. A panic, or a wait that takes this long, is a failure.
fn run(scenario: fn(World) -> Scenario, kind: Kind, patience: Duration) -> Seen {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime starts");
    let seen = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            let ended = tokio::time::timeout(LONG * 2, scenario(World::new(kind, patience))).await;
            ended.unwrap_or_else(|_| Err("the scenario does not end".to_owned()))
        })
    }));
    seen.unwrap_or_else(|_| Err("the scenario panicked".to_owned()))
}

#[test]
fn each_fault_fails_an_obvious_cache_and_not_ttl_cache() {
    let mut surprises = Vec::new();
    println!("| fault | description | obvious cache | ttl-cache |\n|---|---|---|---|");
    for Fault { number, text, habit, scenario, shows } in FAULTS {
        let patience = if shows.contains("for ever") { BRIEF } else { LONG };
        let obvious = run(*scenario, Kind::Obvious(*habit), patience);
        let real = run(*scenario, Kind::Real, LONG);
        let [fails, holds] = [&obvious, &real].map(|seen| if seen.is_ok() { "holds" } else { "fails" });
        let saw = obvious.clone().err().unwrap_or_default();
        println!("| {number} | {text} | {habit:?} {fails}: {saw} | {holds} |");
        match obvious {
            Ok(()) => surprises.push(format!("{number}: the obvious cache {habit:?} holds")),
            Err(seen) if !seen.contains(shows) => {
                surprises.push(format!("{number}: the obvious cache {habit:?} fails otherwise: {seen}"));
            }
            Err(_) => {}
        }
        if let Err(seen) = real {
            surprises.push(format!("{number}: ttl-cache fails: {seen}"));
        }
    }
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
}

#[test]
fn ttl_cache_has_no_further_fault() {
    let check = |text: &str, scenario: fn(World) -> Scenario| {
        assert_eq!(run(scenario, Kind::Real, LONG), Ok(()), "{text}");
    };
    check("an unreadable generation", |world| Box::pin(further::an_unreadable_generation(world)));
    check("a refresh panics", |world| Box::pin(further::a_refresh_panics(world)));
    check("a batch is refreshed twice", |world| {
        Box::pin(further::another_process_has_refreshed_a_batch(world))
    });
}
