//! The clamping of a request, as pure functions.

use std::time::SystemTime;

use ttl_core::options::{ExistingDeadline, PatchOptions, PutOptions, Refresh};
use ttl_core::{Deadline, Expiry, Ttl};

use super::config::{ClampTtl, PersistentEntries};

impl ClampTtl {
    fn clamp(&self, ttl: Ttl) -> Ttl {
        let raised = self.min.map_or(ttl, |min| ttl.max(min));
        self.max.map_or(raised, |max| raised.min(max))
    }

    /// Clamps an expiry. `now` is only called for an instant.
    pub(super) fn expiry(&self, expiry: Expiry, now: impl FnOnce() -> SystemTime) -> Expiry {
        match expiry {
            Expiry::After(ttl) => Expiry::After(self.clamp(ttl)),
            Expiry::At(instant) => self.instant(instant, now()),
            Expiry::Never => match (self.persistent, self.max) {
                (PersistentEntries::Clamped, Some(max)) => Expiry::After(max),
                _ => Expiry::Never,
            },
        }
    }

    fn instant(&self, instant: SystemTime, now: SystemTime) -> Expiry {
        let asked = Deadline::at(instant);
        let bound = |ttl: Option<Ttl>| ttl.map(|ttl| Deadline::after(now, ttl));
        // The inner store ends the entry, or refuses the instant.
        if instant <= now || asked > Deadline::after(now, Ttl::MAX) {
            return Expiry::At(instant);
        }
        match (bound(self.min), bound(self.max)) {
            (Some(min), _) if asked < min => Expiry::from(min),
            (_, Some(max)) if asked > max => Expiry::from(max),
            _ => Expiry::At(instant),
        }
    }

    /// Clamps a refresh. A slack keeps its ratio to a TTL that is lowered, so that refreshes are still due in
    /// time.
    pub(super) fn refresh(&self, mut refresh: Refresh) -> Refresh {
        let (asked, clamped) = (refresh.ttl, self.clamp(refresh.ttl));
        refresh.slack = refresh.slack.map(|slack| {
            let millis = u128::from(slack.as_millis()) * u128::from(clamped.as_millis());
            let millis = u64::try_from(millis / u128::from(asked.as_millis())).unwrap_or(u64::MAX);
            // At most the slack: a TTL that is raised keeps it.
            Ttl::millis(millis.clamp(1, slack.as_millis()))
        });
        refresh.ttl = clamped;
        refresh
    }

    pub(super) fn put(&self, mut options: PutOptions, now: impl FnOnce() -> SystemTime) -> PutOptions {
        options.lifespan.expiry = self.expiry(options.lifespan.expiry, now);
        if let ExistingDeadline::Refresh(refresh) = options.existing_deadline {
            options.existing_deadline = ExistingDeadline::Refresh(self.refresh(refresh));
        }
        options
    }

    pub(super) fn patch(&self, mut options: PatchOptions, now: impl FnOnce() -> SystemTime) -> PatchOptions {
        if let Some(create) = &mut options.create {
            create.lifespan.expiry = self.expiry(create.lifespan.expiry, now);
        }
        options.refresh = options.refresh.map(|refresh| self.refresh(refresh));
        options
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_000)
    }

    fn layer() -> ClampTtl {
        ClampTtl::new().with_min(Ttl::seconds(10)).with_max(Ttl::seconds(100))
    }

    fn after(seconds: u64) -> Expiry {
        Expiry::At(now() + Duration::from_secs(seconds))
    }

    #[test]
    fn expiries_are_held_within_the_bounds() {
        let clamp = |expiry| layer().expiry(expiry, now);
        for (asked, expected) in [(1, 10), (10, 10), (50, 50), (100, 100), (101, 100)] {
            let [asked_ttl, expected_ttl] = [asked, expected].map(|n| Expiry::After(Ttl::seconds(n)));
            assert_eq!(clamp(asked_ttl), expected_ttl);
            assert_eq!(clamp(after(asked)), after(expected));
        }
        assert_eq!(clamp(Expiry::Never), Expiry::After(Ttl::seconds(100)));
    }

    #[test]
    fn instants_that_end_an_entry_or_are_too_far_stay() {
        let too_far = Expiry::At(now() + Ttl::MAX.as_duration() + Duration::from_millis(1));
        for expiry in [after(0), Expiry::At(UNIX_EPOCH), too_far] {
            assert_eq!(layer().expiry(expiry, now), expiry);
        }
        let farthest = Expiry::At(now() + Ttl::MAX.as_duration());
        assert_eq!(layer().expiry(farthest, now), after(100));
    }

    #[test]
    fn never_stays_without_a_maximum_or_if_it_is_allowed() {
        let without = ClampTtl::new().with_min(Ttl::seconds(10));
        let allowed = layer().with_persistent_entries(PersistentEntries::Allowed);
        for layer in [without, allowed] {
            assert_eq!(layer.expiry(Expiry::Never, now), Expiry::Never);
        }
        assert_eq!(allowed.expiry(after(500), now), after(100));
    }

    #[test]
    fn a_slack_is_lowered_with_its_ttl_and_never_raised() {
        let slack = |refresh: Refresh| (refresh.ttl, refresh.slack.map(Ttl::as_millis));
        let lowered = Refresh::reset(Ttl::seconds(400)).with_slack(Ttl::seconds(100));
        assert_eq!(slack(layer().refresh(lowered)), (Ttl::seconds(100), Some(25_000)));
        let raised = Refresh::reset(Ttl::seconds(5)).with_slack(Ttl::seconds(1));
        assert_eq!(slack(layer().refresh(raised)), (Ttl::seconds(10), Some(1_000)));
        let least = Refresh::extend_only(Ttl::MAX).with_slack(Ttl::MIN);
        assert_eq!(slack(layer().refresh(least)), (Ttl::seconds(100), Some(1)));
        let most = Refresh::extend_only(Ttl::MAX).with_slack(Ttl::MAX);
        assert_eq!(slack(layer().refresh(most)), (Ttl::seconds(100), Some(100_000)));
        assert_eq!(slack(layer().refresh(Refresh::reset(Ttl::MAX))), (Ttl::seconds(100), None));
    }
}
