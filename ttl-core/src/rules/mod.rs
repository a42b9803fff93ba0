//! The contract as pure functions of the time, the stored entry and the request. They are the single
//! definition of its meaning.
//!
//! They perform no I/O and are independent of the backend. A driver that decides in the client calls them
//! atomically between reading and writing (under a lock, or with a compare-and-swap). A driver that lets the
//! server decide implements the same rules in the server's language, and the conformance suite verifies them.
//!
//! Each function takes the stored entry as a [`Header`], ghosts included. Ghosts, which are expired entries
//! that the backend has not deleted yet, count as absent (E1, E3). A driver therefore cannot forget to check
//! for them.

mod expire;
mod patch;
pub mod perform;
mod put;
mod read;
mod stored;

pub use self::expire::{ExpireStep, expire};
pub use self::patch::{PatchStep, apply, patch};
pub use self::put::{PutStep, put};
pub(crate) use self::read::check_kind;
pub use self::read::{DeleteStep, Hit, delete, get};
pub use self::stored::Stored;
use std::time::SystemTime;

use crate::driver::Now;
use crate::options::{Refresh, Returning};
use crate::{Deadline, Kind, RefreshMode, Version};

/// The metadata that a store keeps for an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The kind: blob or record.
    pub kind: Kind,
    /// The deadline; [`Deadline::NEVER`] if the entry is persistent.
    pub deadline: Deadline,
    /// The cap, which the deadline may never pass; [`Deadline::NEVER`] without a cap.
    pub cap: Deadline,
    /// The value's version.
    pub version: Version,
}

impl Header {
    /// Returns the effective end: the earlier of deadline and cap.
    #[must_use]
    #[inline]
    pub fn ends(&self) -> Deadline {
        self.deadline.min(self.cap)
    }

    /// Returns whether the entry is visible: `now < ends` (E1).
    #[must_use]
    #[inline]
    pub fn is_live(&self, now: impl Into<Now>) -> bool {
        !self.ends().is_expired(now)
    }
}

/// Returns the stored entry if it is live.
#[must_use]
#[inline]
pub fn live(now: impl Into<Now>, stored: Option<&Header>) -> Option<&Header> {
    stored.filter(|header| header.is_live(now))
}

/// Returns the creation time of an entry that a put or a creating patch stores now, if it is requested (V7).
/// It is the start of the current millisecond. A put over a live entry resets it; all other changes of a live
/// entry keep it.
#[must_use]
#[inline]
pub fn created_at(now: impl Into<Now>, returning: Returning) -> Option<SystemTime> {
    returning.contains(Returning::CREATED_AT).then(|| now.into().whole_millisecond())
}

/// Returns the deadline to which a refresh moves that of a live entry. It never passes the cap (R4). In
/// `ExtendOnly` mode it is never sooner than the present one, and a persistent entry stays persistent (R2).
/// The slack is ignored, because writes refresh without it (R5).
#[must_use]
#[inline]
pub fn refreshed(now: impl Into<Now>, entry: &Header, refresh: &Refresh) -> Deadline {
    let target = Deadline::after(now, refresh.ttl).min(entry.cap);
    match refresh.mode {
        RefreshMode::ExtendOnly => entry.ends().max(target),
        RefreshMode::Reset => target,
    }
}

/// Returns the deadline to which a read's refresh moves that of a live entry. `None` if the deadline would
/// not move, or would move by less than the slack (R5).
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
