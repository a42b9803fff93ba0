//! The rules as tables: the stored entry and the request on the left, the result on the right.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ttl_core::driver::Now;
use ttl_core::options::{
    Condition, Create, DeleteOptions, ExistingDeadline, ExpireOptions, ExpiryChange, Fields, GetOptions,
    Guard, PatchOptions, Projection, PutOptions, Refresh,
};
use ttl_core::rules::{
    DeleteStep, ExpireStep, Header, Hit, PatchStep, PutStep, delete, expire, get, patch, put,
};
use ttl_core::*;

/// Now, in milliseconds.
const NOW: u64 = 1_000_000;
const NEVER: u64 = u64::MAX;

fn at(millis: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(millis)
}

fn now() -> SystemTime {
    at(NOW)
}

fn deadline(millis: u64) -> Deadline {
    Deadline::from_epoch_millis(millis)
}

fn version() -> Version {
    Version::from_u128(1)
}

fn other() -> Version {
    Version::from_u128(2)
}

/// Returns a record with a deadline and a cap, both in milliseconds from now.
fn stored(ends: i64, cap: Option<u64>) -> Header {
    Header {
        kind: Kind::Record,
        deadline: deadline(NOW.saturating_add_signed(ends)),
        cap: cap.map_or(Deadline::NEVER, |cap| deadline(NOW + cap)),
        version: version(),
    }
}

fn persistent(cap: Option<u64>) -> Header {
    Header { deadline: Deadline::NEVER, ..stored(0, cap) }
}

fn ttl(millis: u64) -> Ttl {
    Ttl::millis(millis)
}

/// Returns every absent state: nothing, a ghost by deadline, a ghost by cap, and an entry that expires now.
fn absent() -> [Option<Header>; 4] {
    [None, Some(stored(-1, None)), Some(stored(500, Some(0))), Some(stored(0, None))]
}

/// Returns the deadline and the cap that a put leaves, from now; `None` if it leaves no entry.
fn left(step: PutStep) -> Option<(u64, u64)> {
    let from_now = |deadline: Deadline| match deadline {
        Deadline::NEVER => NEVER,
        deadline => deadline.as_epoch_millis() - NOW,
    };
    match step {
        PutStep::Write { deadline, cap, .. } => Some((from_now(deadline), from_now(cap))),
        PutStep::Erase { deadline, .. } => {
            assert!(deadline.is_expired(now()));
            None
        }
        PutStep::Absent | PutStep::Refused => panic!("{step:?}"),
    }
}

#[test]
fn a_put_on_an_absent_key_takes_the_lifespan_whatever_the_existing_deadline_says() {
    let past = Expiry::At(at(NOW - 5));
    let table = [
        (Lifespan::persistent(), Some((NEVER, NEVER))),
        (Lifespan::from(ttl(10)), Some((10, NEVER))),
        (Lifespan::from(at(NOW + 7)), Some((7, NEVER))),
        (Lifespan::from(ttl(10)).with_max_lifetime(ttl(20)), Some((10, 20))),
        (Lifespan::from(ttl(30)).with_max_lifetime(ttl(20)), Some((20, 20))),
        (Lifespan::persistent().with_max_lifetime(ttl(20)), Some((20, 20))),
        (Lifespan::from(past), None),
        (Lifespan::from(now()), None),
        (Lifespan::from(past).with_max_lifetime(ttl(20)), None),
    ];
    for (lifespan, expected) in table {
        for ghost in absent() {
            for existing_deadline in [
                ExistingDeadline::Replace,
                ExistingDeadline::Keep,
                ExistingDeadline::Refresh(Refresh::reset(ttl(99))),
            ] {
                for condition in [Condition::Always, Condition::IfAbsent] {
                    let options = PutOptions::new(lifespan)
                        .with_existing_deadline(existing_deadline)
                        .with_condition(condition);
                    let step = put(now(), ghost.as_ref(), &options).unwrap();
                    assert_eq!(left(step), expected, "{ghost:?} {options:?}");
                    assert!(matches!(
                        step,
                        PutStep::Write { created: true, .. } | PutStep::Erase { created: true, .. }
                    ));
                }
            }
        }
    }
}

#[test]
fn a_put_on_a_live_key_moves_the_deadline_as_it_is_told_and_never_past_the_cap() {
    let (replace, keep) = (ExistingDeadline::Replace, ExistingDeadline::Keep);
    let extend = ExistingDeadline::Refresh(Refresh::extend_only(ttl(50)));
    let reset = ExistingDeadline::Refresh(Refresh::reset(ttl(50)));
    let slack = ExistingDeadline::Refresh(Refresh::extend_only(ttl(50)).with_slack(ttl(40)));
    let (plain, capped) = (Lifespan::from(ttl(10)), Lifespan::from(ttl(10)).with_max_lifetime(ttl(40)));
    let past = Lifespan::from(at(NOW - 1));
    let table = [
        // Replaced: by a deadline, by none, by one that has passed.
        (stored(30, None), plain, replace, Some((10, NEVER))),
        (persistent(None), plain, replace, Some((10, NEVER))),
        (stored(30, None), Lifespan::persistent(), replace, Some((NEVER, NEVER))),
        (stored(30, None), past, replace, None),
        (persistent(None), past, replace, None),
        // Kept: the lifespan's expiry counts for nothing, not even a past one.
        (stored(30, None), plain, keep, Some((30, NEVER))),
        (persistent(None), plain, keep, Some((NEVER, NEVER))),
        (stored(30, None), past, keep, Some((30, NEVER))),
        // Refreshed: later only, or exactly; a write refreshes in spite of the slack.
        (stored(30, None), plain, extend, Some((50, NEVER))),
        (stored(90, None), plain, extend, Some((90, NEVER))),
        (persistent(None), plain, extend, Some((NEVER, NEVER))),
        (stored(90, None), plain, reset, Some((50, NEVER))),
        (persistent(None), plain, reset, Some((50, NEVER))),
        (stored(49, None), plain, slack, Some((50, NEVER))),
        // A cap that is there stays, whatever the lifespan says, and bounds all of them.
        (stored(20, Some(25)), capped, replace, Some((10, 25))),
        (stored(20, Some(25)), Lifespan::from(ttl(99)), replace, Some((25, 25))),
        (stored(20, Some(25)), Lifespan::persistent(), replace, Some((25, 25))),
        (stored(20, Some(25)), capped, keep, Some((20, 25))),
        (stored(20, Some(25)), capped, extend, Some((25, 25))),
        (stored(20, Some(25)), capped, reset, Some((25, 25))),
        (stored(99, Some(25)), plain, keep, Some((25, 25))),
        (stored(20, Some(25)), past, replace, None),
        // A put starts the cap that was not there, and it bounds what is kept or refreshed.
        (stored(30, None), capped, replace, Some((10, 40))),
        (stored(30, None), capped, keep, Some((30, 40))),
        (stored(90, None), capped, keep, Some((40, 40))),
        (persistent(None), capped, keep, Some((40, 40))),
        (stored(30, None), capped, extend, Some((40, 40))),
        (persistent(None), capped, extend, Some((40, 40))),
        (stored(30, None), capped, reset, Some((40, 40))),
    ];
    for (entry, lifespan, existing_deadline, expected) in table {
        for condition in [Condition::Always, Condition::IfPresent, Condition::IfVersion(version())] {
            let options =
                PutOptions::new(lifespan).with_existing_deadline(existing_deadline).with_condition(condition);
            let step = put(now(), Some(&entry), &options).unwrap();
            assert_eq!(left(step), expected, "{entry:?} {options:?}");
            assert!(!matches!(
                step,
                PutStep::Write { created: true, .. } | PutStep::Erase { created: true, .. }
            ));
        }
    }
}

#[test]
fn a_put_is_refused_or_absent_as_its_condition_says() {
    let live = stored(10, None);
    for lifespan in [Lifespan::from(ttl(10)), Lifespan::from(at(NOW - 1))] {
        let step = |stored: Option<&Header>, condition| {
            put(now(), stored, &PutOptions::new(lifespan).with_condition(condition)).unwrap()
        };
        assert_eq!(step(Some(&live), Condition::IfAbsent), PutStep::Refused);
        assert_eq!(step(Some(&live), Condition::IfVersion(other())), PutStep::Refused);
        for ghost in absent() {
            assert_eq!(step(ghost.as_ref(), Condition::IfPresent), PutStep::Absent);
            assert_eq!(step(ghost.as_ref(), Condition::IfVersion(version())), PutStep::Absent);
        }
    }
}

#[test]
fn what_is_too_far_is_refused_before_anything_is_looked_at() {
    let far = Lifespan::from(now() + Ttl::MAX.as_duration() + Duration::from_millis(1));
    let last = Lifespan::from(now() + Ttl::MAX.as_duration());
    for entry in absent().into_iter().chain([Some(stored(10, None)), Some(stored(10, Some(20)))]) {
        let entry = entry.as_ref();
        for existing_deadline in [ExistingDeadline::Replace, ExistingDeadline::Keep] {
            for condition in [Condition::Always, Condition::IfVersion(other())] {
                let options = |lifespan| {
                    PutOptions::new(lifespan)
                        .with_existing_deadline(existing_deadline)
                        .with_condition(condition)
                };
                let error = put(now(), entry, &options(far)).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InvalidExpiry);
                assert!(put(now(), entry, &options(last)).is_ok());
            }
        }
        let create = PatchOptions::new().with_if_version(other()).with_create(Create::new(far));
        assert_eq!(patch(now(), entry, &create).unwrap_err().kind(), ErrorKind::InvalidExpiry);
        let set = ExpiryChange::Set(far.expiry);
        let options = ExpireOptions::new().with_guard(Guard::IfSooner).with_if_version(other());
        assert_eq!(expire(now(), entry, set, &options).unwrap_err().kind(), ErrorKind::InvalidExpiry);
    }
}

#[test]
fn an_expire_moves_keeps_or_ends_as_change_guard_and_cap_say() {
    use Guard::{Always, IfExpiring, IfLater, IfPersistent, IfSooner};
    let (set, extend) =
        (|millis| ExpiryChange::Set(ttl(millis).into()), |millis| ExpiryChange::Extend(ttl(millis)));
    let (persist, past) = (ExpiryChange::Set(Expiry::Never), ExpiryChange::Set(at(NOW - 5).into()));
    let (entry, capped) = (stored(30, None), stored(30, Some(40)));
    let keep = |millis| ExpireStep::Keep(deadline(NOW + millis));
    let to = |millis| ExpireStep::Move(deadline(NOW + millis));
    let (stays, forever) = (ExpireStep::Keep(Deadline::NEVER), ExpireStep::Move(Deadline::NEVER));
    let end = ExpireStep::End(deadline(NOW - 5));
    // For each guard, in this order.
    let guards = [Always, IfLater, IfSooner, IfExpiring, IfPersistent];
    let table = [
        (entry, set(50), [to(50), to(50), keep(30), to(50), keep(30)]),
        (entry, set(10), [to(10), keep(30), to(10), to(10), keep(30)]),
        (entry, set(30), [keep(30); 5]),
        (entry, persist, [forever, forever, keep(30), forever, keep(30)]),
        (entry, past, [end, keep(30), end, end, keep(30)]),
        (entry, extend(5), [to(35), to(35), keep(30), to(35), keep(30)]),
        (persistent(None), set(50), [to(50), stays, to(50), stays, to(50)]),
        (persistent(None), persist, [stays; 5]),
        (persistent(None), past, [end, stays, end, stays, end]),
        (persistent(None), extend(5), [stays; 5]),
        (capped, set(50), [to(40), to(40), keep(30), to(40), keep(30)]),
        (capped, set(10), [to(10), keep(30), to(10), to(10), keep(30)]),
        (capped, persist, [to(40), to(40), keep(30), to(40), keep(30)]),
        (capped, past, [end, keep(30), end, end, keep(30)]),
        (capped, extend(50), [to(40), to(40), keep(30), to(40), keep(30)]),
        // At its cap nothing is later; a capped entry is never persistent, however it is laid out.
        (stored(40, Some(40)), set(50), [keep(40); 5]),
        (stored(40, Some(40)), extend(1), [keep(40); 5]),
        (persistent(Some(40)), persist, [keep(40); 5]),
        (persistent(Some(40)), extend(1), [keep(40); 5]),
        (persistent(Some(40)), set(10), [to(10), keep(40), to(10), to(10), keep(40)]),
    ];
    for (entry, change, expected) in table {
        for (guard, expected) in guards.into_iter().zip(expected) {
            let options = ExpireOptions::new().with_guard(guard);
            for options in [options.clone(), options.with_if_version(version())] {
                let step = expire(now(), Some(&entry), change, &options).unwrap();
                assert_eq!(step, expected, "{entry:?} {change:?} {guard:?}");
            }
            let refused = ExpireOptions::new().with_guard(guard).with_if_version(other());
            assert_eq!(expire(now(), Some(&entry), change, &refused).unwrap(), ExpireStep::Refused);
        }
        for ghost in absent() {
            for options in [ExpireOptions::new(), ExpireOptions::new().with_if_version(version())] {
                let step = expire(now(), ghost.as_ref(), change, &options).unwrap();
                assert_eq!(step, ExpireStep::Absent);
            }
        }
    }
}

#[test]
fn an_extension_ends_at_the_maximum_or_at_the_cap() {
    let step =
        |entry: Header, by| expire(now(), Some(&entry), ExpiryChange::Extend(by), &ExpireOptions::new());
    let max = Ttl::MAX.as_millis();
    let almost = stored(10, None);
    assert_eq!(step(almost, ttl(max - 10)).unwrap(), ExpireStep::Move(deadline(NOW + max)));
    assert_eq!(step(almost, ttl(max - 9)).unwrap_err().kind(), ErrorKind::InvalidExpiry);
    assert_eq!(step(almost, Ttl::MAX).unwrap_err().kind(), ErrorKind::InvalidExpiry);
    assert_eq!(step(stored(10, Some(max)), Ttl::MAX).unwrap(), ExpireStep::Move(deadline(NOW + max)));
    // A deadline that no store should hold does not become "never".
    let last = Header { deadline: deadline(u64::MAX - 1), ..almost };
    assert_eq!(step(last, Ttl::MAX).unwrap(), ExpireStep::Keep(deadline(u64::MAX - 1)));
}

#[test]
fn a_patch_changes_creates_or_leaves_alone() {
    let create = |lifespan: Lifespan| PatchOptions::new().with_create(Create::new(lifespan));
    let plain = create(ttl(10).into());
    for ghost in absent() {
        let step = |options: &PatchOptions| patch(now(), ghost.as_ref(), options).unwrap();
        assert_eq!(step(&PatchOptions::new()), PatchStep::Absent);
        assert_eq!(step(&plain.clone().with_if_version(version())), PatchStep::Absent);
        let made = |ends, cap| PatchStep::Create { deadline: deadline(ends), cap: deadline(cap) };
        assert_eq!(step(&plain), made(NOW + 10, NEVER));
        // The first expiry is the lifespan's, whatever the refresh says (R7).
        assert_eq!(step(&plain.clone().with_refresh(Refresh::reset(ttl(99)))), made(NOW + 10, NEVER));
        assert_eq!(step(&create(Lifespan::from(ttl(10)).with_max_lifetime(ttl(5)))), made(NOW + 5, NOW + 5));
        assert_eq!(step(&create(Lifespan::persistent())), made(NEVER, NEVER));
        let elapsed = PatchStep::CreateElapsed { deadline: deadline(NOW - 1) };
        assert_eq!(step(&create(at(NOW - 1).into())), elapsed);
    }
    let to = |millis| PatchStep::Change { deadline: deadline(millis) };
    let (extend, reset) = (Refresh::extend_only(ttl(50)), Refresh::reset(ttl(50)));
    let table = [
        (stored(30, None), None, to(NOW + 30)),
        (persistent(None), None, to(NEVER)),
        (stored(30, Some(20)), None, to(NOW + 20)),
        (stored(30, None), Some(extend), to(NOW + 50)),
        (stored(30, None), Some(extend.with_slack(ttl(40))), to(NOW + 50)),
        (stored(90, None), Some(extend), to(NOW + 90)),
        (stored(90, None), Some(reset), to(NOW + 50)),
        (persistent(None), Some(extend), to(NEVER)),
        (persistent(None), Some(reset), to(NOW + 50)),
        (stored(30, Some(40)), Some(extend), to(NOW + 40)),
        (stored(40, Some(40)), Some(reset), to(NOW + 40)),
    ];
    for (entry, refresh, expected) in table {
        // The lifespan of a create that is not needed counts for nothing.
        for options in [PatchOptions::new(), plain.clone(), create(at(NOW - 1).into())] {
            let options = options.with_refresh(refresh);
            assert_eq!(patch(now(), Some(&entry), &options).unwrap(), expected, "{entry:?} {refresh:?}");
            let options = options.with_if_version(other());
            assert_eq!(patch(now(), Some(&entry), &options).unwrap(), PatchStep::Refused);
            let blob = Header { kind: Kind::Blob, ..entry };
            assert_eq!(patch(now(), Some(&blob), &options).unwrap(), PatchStep::Refused);
            let options = options.with_if_version(version());
            assert_eq!(patch(now(), Some(&entry), &options).unwrap(), expected);
            assert_eq!(patch(now(), Some(&blob), &options).unwrap_err().kind(), ErrorKind::WrongKind);
        }
    }
}

#[test]
fn a_get_hits_what_is_live_and_of_the_kind() {
    let refresh = Refresh::extend_only(ttl(50));
    let options = GetOptions::new().with_refresh(refresh);
    for ghost in absent() {
        for options in [options.clone(), options.clone().with_kind(Kind::Blob)] {
            assert_eq!(get(now(), ghost.as_ref(), &options).unwrap(), None, "{ghost:?}");
        }
    }
    let hit =
        |ends: u64, to: Option<u64>| Hit { deadline: deadline(ends), refresh: to.map(deadline), cap: None };
    let slack = |millis| refresh.with_slack(ttl(millis));
    let reset = Refresh::reset(ttl(50));
    let table = [
        (stored(30, None), None, hit(NOW + 30, None)),
        (stored(1, None), Some(refresh), hit(NOW + 1, Some(NOW + 50))),
        (stored(30, None), Some(slack(20)), hit(NOW + 30, Some(NOW + 50))),
        (stored(30, None), Some(slack(21)), hit(NOW + 30, None)),
        (stored(50, None), Some(refresh), hit(NOW + 50, None)),
        (stored(90, None), Some(refresh), hit(NOW + 90, None)),
        (stored(90, None), Some(reset), hit(NOW + 90, Some(NOW + 50))),
        (stored(90, None), Some(reset.with_slack(ttl(41))), hit(NOW + 90, None)),
        (persistent(None), Some(refresh), hit(NEVER, None)),
        (persistent(None), Some(reset.with_slack(ttl(49))), hit(NEVER, Some(NOW + 50))),
        (stored(30, Some(40)), Some(refresh), hit(NOW + 30, Some(NOW + 40))),
        // The slack counts what the cap leaves of the move.
        (stored(30, Some(40)), Some(slack(10)), hit(NOW + 30, Some(NOW + 40))),
        (stored(30, Some(40)), Some(slack(11)), hit(NOW + 30, None)),
        (persistent(Some(40)), Some(reset), hit(NOW + 40, None)),
    ];
    for (entry, refresh, expected) in table {
        let options = GetOptions::new().with_refresh(refresh);
        for options in [options.clone().with_projection(Projection::Nothing), options.with_kind(Kind::Record)]
        {
            assert_eq!(get(now(), Some(&entry), &options).unwrap(), Some(expected), "{entry:?} {refresh:?}");
        }
    }
    let fields = GetOptions::new().with_projection(Projection::Fields(Fields::new(["f"]).unwrap()));
    let blob = Header { kind: Kind::Blob, ..stored(30, None) };
    for (entry, options) in [
        (blob, fields.clone()),
        (blob, fields.clone().with_kind(Kind::Blob)),
        (blob, GetOptions::new().with_kind(Kind::Record)),
        (stored(30, None), GetOptions::nothing().with_kind(Kind::Blob)),
    ] {
        assert_eq!(get(now(), Some(&entry), &options).unwrap_err().kind(), ErrorKind::WrongKind);
    }
}

#[test]
fn a_delete_removes_what_is_live_and_as_expected() {
    let record = stored(10, None);
    let blob = Header { kind: Kind::Blob, ..record };
    let take = DeleteOptions::take().with_kind(Kind::Record);
    for ghost in absent() {
        let options = take.clone().with_if_version(version());
        assert_eq!(delete(now(), ghost.as_ref(), &options).unwrap(), DeleteStep::Absent);
    }
    for options in [DeleteOptions::new(), take.clone(), take.clone().with_if_version(version())] {
        assert_eq!(delete(now(), Some(&record), &options).unwrap(), DeleteStep::Remove);
        let options = options.with_if_version(other());
        assert_eq!(delete(now(), Some(&blob), &options).unwrap(), DeleteStep::Refused);
    }
    let fields = DeleteOptions::new().with_projection(Projection::Fields(Fields::new(["f"]).unwrap()));
    for options in [take, fields] {
        assert_eq!(delete(now(), Some(&blob), &options).unwrap_err().kind(), ErrorKind::WrongKind);
    }
}

#[test]
fn a_coarser_resolution_rounds_every_new_deadline_up() {
    let second = Duration::from_secs(1);
    let now = Now::from_epoch_nanos(7_400_000_001).with_resolution(second);
    let at = |millis| Deadline::from_epoch_millis(millis);
    assert_eq!(Deadline::after(now, ttl(100)), at(8_000));
    assert_eq!(Deadline::after(now, ttl(599)), at(8_000));
    assert_eq!(Deadline::after(now, ttl(600)), at(9_000));
    assert_eq!(Deadline::NEVER.plus(ttl(1)), Deadline::NEVER);
    let instant = |millis| Expiry::At(SystemTime::UNIX_EPOCH + Duration::from_millis(millis));
    assert_eq!(instant(8_001).resolve(now).unwrap(), at(9_000));
    assert_eq!(instant(9_000).resolve(now).unwrap(), at(9_000));
    // What has passed stays in the past.
    assert!(instant(7_400).resolve(now).unwrap().is_expired(now));
    assert_eq!(Expiry::Never.resolve(now).unwrap(), Deadline::NEVER);

    let entry =
        Header { kind: Kind::Blob, deadline: at(8_000), cap: at(10_000), version: Version::from_u128(1) };
    let extend =
        |by| expire(now, Some(&entry), ExpiryChange::Extend(ttl(by)), &ExpireOptions::new()).unwrap();
    assert_eq!(extend(1), ExpireStep::Move(at(9_000)));
    assert_eq!(extend(5_000), ExpireStep::Move(at(10_000)));
    // A millisecond is the least, and what cannot be rounded up stays.
    assert_eq!(Deadline::after(now.with_resolution(Duration::ZERO), ttl(1)), at(7_402));
    let coarse = now.with_resolution(Duration::MAX);
    assert_eq!(Deadline::after(coarse, ttl(1)), at(u64::from(u32::MAX)));
}
