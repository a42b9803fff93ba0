//! The rules on random entries: the properties that hold for every stored entry and every request.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;
use ttl_core::options::{
    Condition, Create, ExistingDeadline, ExpireOptions, ExpiryChange, GetOptions, Guard, PatchOptions,
    PutOptions, Refresh,
};
use ttl_core::rules::{
    ExpireStep, Header, PatchStep, PutStep, expire, get, live, patch, put, refresh_due, refreshed,
};
use ttl_core::*;

/// Nanoseconds within a few milliseconds, so that boundaries and parts of a millisecond are frequent.
fn instant() -> impl Strategy<Value = SystemTime> {
    (10_000_000_u64..30_000_000).prop_map(|nanos| UNIX_EPOCH + Duration::from_nanos(nanos))
}

fn deadline() -> impl Strategy<Value = Deadline> {
    prop_oneof![
        6 => 0_u64..50,
        1 => Just(u64::MAX),
        1 => u64::MAX - 3..=u64::MAX,
        1 => any::<u64>(),
    ]
    .prop_map(Deadline::from_epoch_millis)
}

fn ttl() -> impl Strategy<Value = Ttl> {
    prop_oneof![8 => 1_u64..40, 1 => Just(Ttl::MAX.as_millis())].prop_map(Ttl::millis)
}

fn header() -> impl Strategy<Value = Header> {
    let kind = prop_oneof![Just(Kind::Blob), Just(Kind::Record)];
    (kind, deadline(), deadline(), 1_u128..3).prop_map(|(kind, deadline, cap, version)| Header {
        kind,
        deadline,
        cap,
        version: Version::from_u128(version),
    })
}

fn refresh() -> impl Strategy<Value = Refresh> {
    (ttl(), any::<bool>(), proptest::option::of(ttl())).prop_map(|(ttl, extend, slack)| {
        let refresh = if extend { Refresh::extend_only(ttl) } else { Refresh::reset(ttl) };
        slack.map_or(refresh, |slack| refresh.with_slack(slack))
    })
}

fn expiry() -> impl Strategy<Value = Expiry> {
    prop_oneof![Just(Expiry::Never), ttl().prop_map(Expiry::After), instant().prop_map(Expiry::At)]
}

fn lifespan() -> impl Strategy<Value = Lifespan> {
    (expiry(), proptest::option::of(ttl())).prop_map(|(expiry, max)| {
        max.map_or(Lifespan::new(expiry), |max| Lifespan::new(expiry).with_max_lifetime(max))
    })
}

fn put_options() -> impl Strategy<Value = PutOptions> {
    let existing_deadline = prop_oneof![
        Just(ExistingDeadline::Replace),
        Just(ExistingDeadline::Keep),
        refresh().prop_map(ExistingDeadline::Refresh)
    ];
    let condition = prop_oneof![
        3 => Just(Condition::Always),
        1 => Just(Condition::IfAbsent),
        1 => Just(Condition::IfPresent),
        1 => Just(Condition::IfVersion(Version::from_u128(1))),
    ];
    (lifespan(), existing_deadline, condition).prop_map(|(lifespan, existing_deadline, condition)| {
        PutOptions::new(lifespan).with_existing_deadline(existing_deadline).with_condition(condition)
    })
}

fn change() -> impl Strategy<Value = ExpiryChange> {
    prop_oneof![expiry().prop_map(ExpiryChange::Set), ttl().prop_map(ExpiryChange::Extend)]
}

fn guard() -> impl Strategy<Value = Guard> {
    prop_oneof![
        Just(Guard::Always),
        Just(Guard::IfLater),
        Just(Guard::IfSooner),
        Just(Guard::IfExpiring),
        Just(Guard::IfPersistent),
    ]
}

proptest! {
    #[test]
    fn a_refresh_keeps_within_its_bounds(now in instant(), entry in header(), refresh in refresh()) {
        prop_assume!(entry.is_live(now));
        let to = refreshed(now, &entry, &refresh);
        prop_assert!(to <= entry.cap, "past the cap");
        prop_assert!(!to.is_expired(now), "a refresh ended the entry");
        match refresh.mode {
            RefreshMode::ExtendOnly => prop_assert_eq!(
                to,
                entry.ends().max(Deadline::after(now, refresh.ttl).min(entry.cap))
            ),
            RefreshMode::Reset => prop_assert_eq!(to, Deadline::after(now, refresh.ttl).min(entry.cap)),
        }
        if refresh.mode == RefreshMode::ExtendOnly {
            prop_assert!(to >= entry.ends(), "shortened");
        }
        match refresh_due(now, &entry, &refresh) {
            Some(due) => {
                prop_assert_eq!(due, to);
                prop_assert_ne!(due, entry.ends());
            }
            None => {
                let moved = to.as_epoch_millis().abs_diff(entry.ends().as_epoch_millis());
                prop_assert!(moved == 0 || refresh.slack.is_some_and(|slack| moved < slack.as_millis()));
            }
        }
    }

    #[test]
    fn the_dead_stay_dead(
        now in instant(), entry in header(), refresh in refresh(), change in change(), guard in guard()
    ) {
        prop_assume!(!entry.is_live(now));
        let stored = Some(&entry);
        prop_assert_eq!(live(now, stored), None);
        prop_assert_eq!(get(now, stored, &GetOptions::new().with_refresh(refresh)).unwrap(), None);
        let options = ExpireOptions::new().with_guard(guard);
        prop_assert_eq!(expire(now, stored, change, &options).unwrap(), ExpireStep::Absent);
        let options = PatchOptions::new().with_refresh(refresh);
        prop_assert_eq!(patch(now, stored, &options).unwrap(), PatchStep::Absent);
    }

    #[test]
    fn a_ghost_is_as_good_as_nothing(now in instant(), entry in header(), options in put_options()) {
        prop_assume!(!entry.is_live(now));
        prop_assert_eq!(put(now, Some(&entry), &options).unwrap(), put(now, None, &options).unwrap());
        let create = PatchOptions::new().with_create(Create::new(options.lifespan));
        prop_assert_eq!(patch(now, Some(&entry), &create).unwrap(), patch(now, None, &create).unwrap());
    }

    #[test]
    fn a_put_leaves_what_lives_under_its_cap(
        now in instant(), entry in proptest::option::of(header()), options in put_options()
    ) {
        let before = live(now, entry.as_ref());
        match put(now, entry.as_ref(), &options).unwrap() {
            PutStep::Write { deadline, cap, created } => {
                prop_assert!(!deadline.is_expired(now) && deadline <= cap);
                prop_assert_eq!(created, before.is_none());
                if let Some(before) = before.filter(|before| !before.cap.is_never()) {
                    prop_assert_eq!(cap, before.cap, "a cap once set is fixed");
                } else {
                    prop_assert_eq!(cap.is_never(), options.lifespan.cap == Expiry::Never);
                }
            }
            PutStep::Erase { deadline, created } => {
                prop_assert!(deadline.is_expired(now));
                prop_assert_eq!(created, before.is_none());
                prop_assert!(matches!(options.lifespan.expiry, Expiry::At(_)), "only an instant can be past");
            }
            PutStep::Absent => prop_assert!(before.is_none()),
            PutStep::Refused => prop_assert!(before.is_some()),
        }
    }

    #[test]
    fn an_expire_keeps_to_guard_and_cap(
        now in instant(), entry in header(), change in change(), guard in guard()
    ) {
        prop_assume!(entry.is_live(now));
        let from = entry.ends();
        let step = expire(now, Some(&entry), change, &ExpireOptions::new().with_guard(guard));
        let to = match step {
            Err(error) => {
                prop_assert_eq!(error.kind(), ErrorKind::InvalidExpiry);
                prop_assert!(matches!(change, ExpiryChange::Extend(_)));
                return Ok(());
            }
            Ok(ExpireStep::Keep(deadline)) => {
                prop_assert_eq!(deadline, from);
                return Ok(());
            }
            Ok(ExpireStep::Move(to)) => {
                prop_assert!(!to.is_expired(now));
                to
            }
            Ok(ExpireStep::End(to)) => {
                prop_assert!(to.is_expired(now));
                to
            }
            Ok(step) => panic!("{step:?} on a live entry"),
        };
        prop_assert!(to != from && to <= entry.cap);
        let holds = match guard {
            Guard::Always => true,
            Guard::IfLater => to > from,
            Guard::IfSooner => to < from,
            Guard::IfExpiring => !from.is_never(),
            Guard::IfPersistent => from.is_never(),
        };
        prop_assert!(holds);
        if matches!(change, ExpiryChange::Extend(_)) {
            prop_assert!(to > from && !to.is_never() && !from.is_never());
        }
    }
}
