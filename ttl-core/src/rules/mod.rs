//! The contract as pure functions of (now, what is stored, what is asked): one place for its meaning.
//!
//! None of them does I/O or knows a backend. A driver that decides in the client runs them between reading and
//! writing atomically (under a lock, or with a compare-and-swap); a driver that lets the server decide says the
//! same in the server's language, and the conformance suite holds it to that.
//!
//! Each function takes what is stored as a [`Header`], ghosts included: expired entries that the backend has not
//! deleted yet are absent here (E1, E3), so a driver cannot forget to look.

mod expire;
mod patch;
pub mod perform;
mod put;
mod read;

pub use self::expire::{ExpireStep, expire};
pub use self::patch::{PatchStep, apply, patch};
pub use self::put::{PutStep, put};
pub(crate) use self::read::check_kind;
pub use self::read::{DeleteStep, Hit, delete, get};
use std::time::SystemTime;

use crate::{Deadline, Kind, Now, Refresh, RefreshMode, Returning, Version};

/// What a store keeps about an entry beside its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Blob or record.
    pub kind: Kind,
    /// When it ends; [`Deadline::NEVER`] if it is persistent.
    pub deadline: Deadline,
    /// What its deadline may never pass; [`Deadline::NEVER`] without a cap.
    pub cap: Deadline,
    /// The value's version.
    pub version: Version,
}

impl Header {
    /// When it really ends: the earlier of deadline and cap.
    #[must_use]
    #[inline]
    pub fn ends(&self) -> Deadline {
        self.deadline.min(self.cap)
    }

    /// Whether it is visible: `now < ends` (E1).
    #[must_use]
    #[inline]
    pub fn is_live(&self, now: impl Into<Now>) -> bool {
        !self.ends().is_expired(now)
    }
}

/// The entry that an operation meets: what is stored, if it is live.
#[must_use]
#[inline]
pub fn live(now: impl Into<Now>, stored: Option<&Header>) -> Option<&Header> {
    stored.filter(|header| header.is_live(now))
}

/// The creation of what a put or a creating patch stores at this instant, if it is wanted (V7): the millisecond that has
/// begun. A put over a live entry starts it anew; all that changes a live entry otherwise keeps it.
#[must_use]
#[inline]
pub fn created_at(now: impl Into<Now>, returning: Returning) -> Option<SystemTime> {
    returning.contains(Returning::CREATED_AT).then(|| now.into().whole_millisecond())
}

/// Where a refresh moves a live entry's deadline: never past the cap (R4), in `ExtendOnly` mode never sooner and
/// a persistent entry not at all (R2). The slack is not looked at: writes refresh without it (R5).
#[must_use]
#[inline]
pub fn refreshed(now: impl Into<Now>, entry: &Header, refresh: &Refresh) -> Deadline {
    let target = Deadline::after(now, refresh.ttl).min(entry.cap);
    match refresh.mode {
        RefreshMode::ExtendOnly => entry.ends().max(target),
        RefreshMode::Reset => target,
    }
}

/// Where a read's refresh moves a live entry's deadline; `None` if it moves it by nothing or by less than the
/// slack (R5).
#[must_use]
#[inline]
pub fn refresh_due(now: impl Into<Now>, entry: &Header, refresh: &Refresh) -> Option<Deadline> {
    let (from, to) = (entry.ends(), refreshed(now, entry, refresh));
    let moved = from.as_epoch_millis().abs_diff(to.as_epoch_millis());
    let slack = refresh.slack.map_or(0, crate::Ttl::as_millis);
    (moved != 0 && moved >= slack).then_some(to)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use super::*;
    use crate::Ttl;

    fn header(deadline: u64) -> Header {
        Header {
            kind: Kind::Blob,
            deadline: Deadline::from_epoch_millis(deadline),
            cap: Deadline::NEVER,
            version: Version::from_u128(1),
        }
    }

    fn at(millis: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(millis)
    }

    #[test]
    fn life_ends_on_the_millisecond() {
        assert!(live(at(99), Some(&header(100))).is_some());
        assert!(live(at(100), Some(&header(100))).is_none());
        let capped = Header { cap: Deadline::from_epoch_millis(50), ..header(100) };
        assert!(live(at(49), Some(&capped)).is_some() && live(at(50), Some(&capped)).is_none());
    }

    #[test]
    fn extend_only_never_shortens_and_reset_is_exact() {
        let (extend, reset) = (Refresh::extend_only(Ttl::millis(10)), Refresh::reset(Ttl::millis(10)));
        let millis = |header: &Header, refresh| refreshed(at(50), header, refresh).as_epoch_millis();
        assert_eq!((millis(&header(100), &extend), millis(&header(100), &reset)), (100, 60));
        assert_eq!((millis(&header(55), &extend), millis(&header(55), &reset)), (60, 60));
        assert_eq!(refreshed(at(50), &header(u64::MAX), &extend), Deadline::NEVER);
        assert_eq!(millis(&header(u64::MAX), &reset), 60);
        let capped = Header { cap: Deadline::from_epoch_millis(57), ..header(55) };
        assert_eq!((millis(&capped, &extend), millis(&capped, &reset)), (57, 57));
    }

    #[test]
    fn slack_skips_small_moves_in_both_modes() {
        let slack = Ttl::millis(5);
        for refresh in [Refresh::extend_only(Ttl::millis(10)), Refresh::reset(Ttl::millis(10))] {
            let due = |deadline| refresh_due(at(50), &header(deadline), &refresh.with_slack(slack));
            assert_eq!(due(56), None);
            assert_eq!(due(55), Some(Deadline::from_epoch_millis(60)));
            assert_eq!(refresh_due(at(50), &header(60), &refresh), None);
        }
        let reset = Refresh::reset(Ttl::millis(10)).with_slack(slack);
        assert_eq!(refresh_due(at(50), &header(64), &reset), None);
        assert_eq!(refresh_due(at(50), &header(65), &reset), Some(Deadline::from_epoch_millis(60)));
        assert!(refresh_due(at(50), &header(u64::MAX), &reset).is_some());
    }
}
