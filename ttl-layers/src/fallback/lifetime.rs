//! The lifetime of an entry in the secondary store.

use std::time::SystemTime;

use ttl_core::options::{Condition, ExistingDeadline, PutOptions};
use ttl_core::{Deadline, Expiry, Ttl};

/// Returns whether the secondary store can take this put: it promises nothing about the entry of the primary.
pub(super) fn is_plain(options: &PutOptions) -> bool {
    options.condition == Condition::Always && !options.previous
}

/// Returns the options of a plain put in the secondary store; `None` if the put ends the entry, which only
/// the primary store can promise.
pub(super) fn secondary_options(options: &PutOptions, max_ttl: Ttl, now: SystemTime) -> Option<PutOptions> {
    // The entry of the primary is unknown, so the shortest lifetime that it could get is the safe one.
    let cap = match options.lifespan.cap {
        Expiry::Never => max_ttl,
        Expiry::After(max) => max,
        Expiry::At(instant) => remaining(instant, now)?,
    };
    let refreshed = match options.existing_deadline {
        ExistingDeadline::Refresh(refresh) => refresh.ttl,
        ExistingDeadline::Replace | ExistingDeadline::Keep => max_ttl,
    };
    let longest = max_ttl.min(cap).min(refreshed);
    let latest = Deadline::after(now, longest);
    let ttl = match options.lifespan.expiry {
        Expiry::At(instant) if instant <= now => return None,
        Expiry::At(instant) if Deadline::at(instant) <= latest => {
            return Some(PutOptions::new(instant).with_returning(options.returning));
        }
        Expiry::At(_) | Expiry::Never => longest,
        Expiry::After(ttl) => ttl.min(longest),
    };
    let expiry = match options.lifespan.cap {
        // The secondary store may execute the put later, and the cap is an instant.
        Expiry::At(_) => Expiry::from(Deadline::after(now, ttl)),
        Expiry::After(_) | Expiry::Never => Expiry::After(ttl),
    };
    Some(PutOptions::new(expiry).with_returning(options.returning))
}

/// Returns the whole milliseconds until an instant; `None` if there is none left.
fn remaining(instant: SystemTime, now: SystemTime) -> Option<Ttl> {
    let millis = instant.duration_since(now).ok()?.as_millis();
    let millis = u64::try_from(millis).unwrap_or(u64::MAX).min(Ttl::MAX.as_millis());
    (millis > 0).then(|| Ttl::millis(millis))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use ttl_core::options::Refresh;
    use ttl_core::{Lifespan, Version};

    use super::*;

    #[test]
    fn the_shortest_lifetime_is_used() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000);
        let at = |seconds| Expiry::At(now + Duration::from_secs(seconds));
        let after = |seconds| Expiry::After(Ttl::seconds(seconds));
        let of = |options: PutOptions| {
            secondary_options(&options, Ttl::seconds(300), now).map(|options| options.lifespan)
        };
        for (asked, expected) in [
            (after(10), Some(after(10))),
            (after(300), Some(after(300))),
            (after(301), Some(after(300))),
            (Expiry::Never, Some(after(300))),
            (at(10), Some(at(10))),
            (at(301), Some(after(300))),
            (at(0), None),
        ] {
            let put = || PutOptions::new(asked);
            assert_eq!(of(put()), expected.map(Lifespan::new), "{asked:?}");
            assert_eq!(of(put().with_existing_deadline(ExistingDeadline::Keep)), expected.map(Lifespan::new));
        }
        let capped = Lifespan::new(after(200)).with_max_lifetime(Ttl::seconds(100));
        assert_eq!(of(PutOptions::new(capped)), Some(Lifespan::new(after(100))));
        for (cap, expected) in [(at(50), Some(at(50))), (at(500), Some(at(200))), (at(0), None)] {
            let capped = Lifespan::new(after(200)).with_cap(cap);
            assert_eq!(of(PutOptions::new(capped)), expected.map(Lifespan::new), "{cap:?}");
        }
        let refreshed = ExistingDeadline::Refresh(Refresh::extend_only(Ttl::seconds(50)));
        let refreshed = PutOptions::new(after(200)).with_existing_deadline(refreshed);
        assert_eq!(of(refreshed), Some(Lifespan::new(after(50))));
    }

    #[test]
    fn conditions_and_previous_values_need_the_primary() {
        let put = || PutOptions::new(Ttl::hours(1));
        assert!(is_plain(&put()));
        assert!(is_plain(&put().with_existing_deadline(ExistingDeadline::Keep)));
        assert!(!is_plain(&put().with_previous()));
        let conditions =
            [Condition::IfAbsent, Condition::IfPresent, Condition::IfVersion(Version::from_u128(1))];
        for condition in conditions {
            assert!(!is_plain(&put().with_condition(condition)));
        }
    }
}
