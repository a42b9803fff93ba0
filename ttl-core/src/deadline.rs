//! The end of an entry: as callers request it (`Expiry`, `Lifespan`), and as a store reports it (`Deadline`).

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::{Error, ErrorKind, Result, Ttl};

/// The instant at which an entry stops being visible, in whole milliseconds since the Unix epoch.
///
/// An entry is visible if and only if `now < deadline` (E1). [`Deadline::NEVER`] is the largest value, so a
/// later deadline always compares greater.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use ttl_core::{Deadline, Ttl};
///
/// let now = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
/// let deadline = Deadline::after(now, Ttl::seconds(5));
/// assert_eq!(deadline.remaining(now), Some(Duration::from_secs(5)));
/// assert!(!deadline.is_expired(now));
/// assert!(deadline.is_expired(now + Duration::from_secs(5)));
/// assert!(Deadline::NEVER > deadline);
/// assert_eq!(Deadline::NEVER.remaining(now), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deadline(u64);

impl Deadline {
    /// No deadline: the entry is persistent.
    pub const NEVER: Self = Self(u64::MAX);

    /// Creates a deadline from milliseconds since the Unix epoch.
    #[must_use]
    #[inline]
    pub const fn from_epoch_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Returns the milliseconds since the Unix epoch; `u64::MAX` for [`Deadline::NEVER`].
    #[must_use]
    #[inline]
    pub const fn as_epoch_millis(self) -> u64 {
        self.0
    }

    /// Returns the deadline of an entry that lives for `ttl` from now. It is rounded up to the next
    /// millisecond, or to the resolution of `now` ([`Now::with_resolution`]).
    #[must_use]
    #[inline]
    pub fn after(now: impl Into<Now>, ttl: Ttl) -> Self {
        let now = now.into();
        now.round_up(Self::end_of(now).plus(ttl))
    }

    /// Returns the deadline at this instant, rounded up to the next millisecond. Instants before 1970 count
    /// as 1970.
    #[must_use]
    #[inline]
    pub fn at(instant: SystemTime) -> Self {
        Self::end_of(instant.into())
    }

    /// Returns the end of the current millisecond.
    #[inline]
    fn end_of(now: Now) -> Self {
        Self(now.millis.saturating_add(u64::from(now.nanos != 0)).min(u64::MAX - 1))
    }

    /// Returns the deadline moved later by `ttl`. [`Deadline::NEVER`] is unchanged, and no other deadline
    /// becomes [`Deadline::NEVER`].
    #[must_use]
    #[inline]
    pub const fn plus(self, ttl: Ttl) -> Self {
        if self.is_never() {
            return self;
        }
        let millis = self.0.saturating_add(ttl.as_millis());
        Self(if millis == u64::MAX { u64::MAX - 1 } else { millis })
    }

    /// Returns whether this is [`Deadline::NEVER`].
    #[must_use]
    #[inline]
    pub const fn is_never(self) -> bool {
        self.0 == u64::MAX
    }

    /// Returns whether an entry with this deadline has expired: `deadline <= now`.
    #[must_use]
    #[inline]
    pub fn is_expired(self, now: impl Into<Now>) -> bool {
        !self.is_never() && self.0 <= now.into().millis
    }

    /// Returns the time left until the deadline: `None` for [`Deadline::NEVER`], zero if the deadline has
    /// passed.
    #[must_use]
    pub fn remaining(self, now: SystemTime) -> Option<Duration> {
        self.to_system_time().map(|at| at.duration_since(now).unwrap_or(Duration::ZERO))
    }

    /// Returns the instant; `None` for [`Deadline::NEVER`] and for instants that the platform's `SystemTime`
    /// cannot hold.
    #[must_use]
    pub fn to_system_time(self) -> Option<SystemTime> {
        if self.is_never() { None } else { UNIX_EPOCH.checked_add(Duration::from_millis(self.0)) }
    }
}

/// The current time as deadlines and [`rules`](crate::rules) use it: milliseconds since the Unix epoch, and
/// the remaining nanoseconds. Functions that take it also accept a [`SystemTime`]. A driver that measures
/// time in numbers can create it without that conversion.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use ttl_core::driver::Now;
///
/// let instant = SystemTime::UNIX_EPOCH + Duration::from_nanos(7_000_001);
/// assert_eq!(Now::from_epoch_nanos(7_000_001), Now::from(instant));
/// assert_eq!(Now::from(instant).as_epoch_millis(), 7);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    millis: u64,
    nanos: u32,
    /// The resolution of deadlines, in milliseconds.
    resolution: u32,
}

impl Now {
    /// Creates the instant from milliseconds since the Unix epoch.
    #[must_use]
    #[inline]
    pub const fn from_epoch_millis(millis: u64) -> Self {
        Self { millis, nanos: 0, resolution: 1 }
    }

    /// Creates the instant from nanoseconds since the Unix epoch.
    #[must_use]
    #[inline]
    pub const fn from_epoch_nanos(nanos: u64) -> Self {
        Self { millis: nanos / 1_000_000, nanos: (nanos % 1_000_000) as u32, resolution: 1 }
    }

    /// Returns the milliseconds since the Unix epoch, rounded down.
    #[must_use]
    #[inline]
    pub const fn as_epoch_millis(self) -> u64 {
        self.millis
    }

    /// Sets the resolution, for a backend that stores whole seconds, say. Every deadline made from this
    /// instant is rounded up to a multiple of `resolution` since the Unix epoch. The resolution is in whole
    /// milliseconds, at least one and at most 49 days.
    ///
    /// ```
    /// use std::time::Duration;
    /// use ttl_core::driver::Now;
    /// use ttl_core::{Deadline, Ttl};
    ///
    /// let now = Now::from_epoch_nanos(7_400_000_000).with_resolution(Duration::from_secs(1));
    /// assert_eq!(Deadline::after(now, Ttl::millis(100)), Deadline::from_epoch_millis(8_000));
    /// ```
    #[must_use]
    #[inline]
    pub const fn with_resolution(mut self, resolution: Duration) -> Self {
        let millis = resolution.as_millis();
        self.resolution = match millis {
            0 => 1,
            1..=0xFFFF_FFFF => millis as u32,
            _ => u32::MAX,
        };
        self
    }

    /// Rounds the deadline up to the resolution.
    #[inline]
    pub(crate) const fn round_up(self, deadline: Deadline) -> Deadline {
        if self.resolution == 1 || deadline.is_never() {
            return deadline;
        }
        match deadline.0.checked_next_multiple_of(self.resolution as u64) {
            Some(millis) if millis != u64::MAX => Deadline(millis),
            _ => deadline,
        }
    }

    /// Returns the start of the current millisecond.
    #[must_use]
    pub fn whole_millisecond(self) -> SystemTime {
        // Every instant that was converted from a `SystemTime` fits into one.
        UNIX_EPOCH.checked_add(Duration::from_millis(self.millis)).unwrap_or(UNIX_EPOCH)
    }
}

impl From<SystemTime> for Now {
    /// Converts the instant. Instants before 1970 count as 1970.
    #[inline]
    fn from(instant: SystemTime) -> Self {
        let since = instant.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let millis = since.as_secs().saturating_mul(1_000).saturating_add(u64::from(since.subsec_millis()));
        Self { millis, nanos: since.subsec_nanos() % 1_000_000, resolution: 1 }
    }
}

impl fmt::Debug for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_never() { f.write_str("Deadline(never)") } else { write!(f, "Deadline({} ms)", self.0) }
    }
}

/// The requested end of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// The entry lives until it is deleted, or until its cap.
    Never,
    /// This long after the write, by the clock that decides about visibility
    /// ([`TtlStore::now`](crate::TtlStore::now)).
    After(Ttl),
    /// At this instant, rounded up to the next millisecond. An instant that is not in the future leaves no
    /// visible entry (E6), not even for the rest of the current millisecond.
    At(SystemTime),
}

impl Expiry {
    /// Returns the requested deadline, without regard to a cap.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidExpiry`] if an instant is more than [`Ttl::MAX`] after `now` (E8).
    #[inline]
    pub fn resolve(self, now: impl Into<Now>) -> Result<Deadline> {
        let now = now.into();
        match self {
            Self::Never => Ok(Deadline::NEVER),
            Self::After(ttl) => Ok(Deadline::after(now, ttl)),
            // Rounded up, an instant within the current millisecond would be in the future.
            Self::At(instant) if Now::from(instant) <= now => {
                Ok(Deadline::at(instant).min(Deadline(now.millis)))
            }
            Self::At(instant) => {
                let deadline = now.round_up(Deadline::at(instant));
                if deadline > Deadline::after(now, Ttl::MAX) { Err(Self::too_far()) } else { Ok(deadline) }
            }
        }
    }

    /// Creates the error for a deadline more than [`Ttl::MAX`] away, which is the same on every backend (E8).
    /// For drivers whose server detects this.
    #[must_use]
    pub fn too_far() -> Error {
        Error::new(
            ErrorKind::InvalidExpiry,
            "a deadline is at most 20 years of 365 days (630,720,000 s) away; for no expiry use Expiry::Never",
        )
    }
}

impl From<Ttl> for Expiry {
    fn from(ttl: Ttl) -> Self {
        Self::After(ttl)
    }
}

impl From<SystemTime> for Expiry {
    fn from(instant: SystemTime) -> Self {
        Self::At(instant)
    }
}

impl From<Deadline> for Expiry {
    /// Requests the same deadline. [`Deadline::NEVER`] becomes [`Expiry::Never`].
    fn from(deadline: Deadline) -> Self {
        deadline.to_system_time().map_or(Self::Never, Self::At)
    }
}

/// The lifetime of a new entry: its first expiry, and an optional cap on the whole lifetime.
///
/// ```
/// use ttl_core::{Expiry, Lifespan, Ttl};
///
/// // Slides by half an hour, but never past twelve hours after its creation.
/// let session = Lifespan::from(Ttl::minutes(30)).with_max_lifetime(Ttl::hours(12));
/// assert_eq!(session.expiry, Expiry::After(Ttl::minutes(30)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lifespan {
    /// The first deadline.
    pub expiry: Expiry,
    /// The cap: no deadline of this entry is ever later (R4). [`Expiry::After`] counts from the entry's
    /// creation. Once set, the cap is fixed. Overwriting, patching and extending keep it. A new cap requires a
    /// delete and a put.
    pub cap: Expiry,
}

impl Lifespan {
    /// Creates a lifespan with this first expiry and no cap.
    #[must_use]
    pub fn new(expiry: impl Into<Expiry>) -> Self {
        Self { expiry: expiry.into(), cap: Expiry::Never }
    }

    /// Creates a lifespan without expiry or cap.
    #[must_use]
    pub const fn persistent() -> Self {
        Self { expiry: Expiry::Never, cap: Expiry::Never }
    }

    /// Sets the cap, counted from the entry's creation.
    #[must_use]
    pub const fn with_max_lifetime(mut self, max: Ttl) -> Self {
        self.cap = Expiry::After(max);
        self
    }

    /// Sets the cap, such as the one that a read of another entry reported.
    #[must_use]
    pub fn with_cap(mut self, cap: impl Into<Expiry>) -> Self {
        self.cap = cap.into();
        self
    }

    /// Returns the deadline without regard to the cap, and the cap, of an entry that is created now.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidExpiry`] if one of them is more than [`Ttl::MAX`] after `now` (E8).
    #[inline]
    pub fn resolve(&self, now: impl Into<Now>) -> Result<(Deadline, Deadline)> {
        let now = now.into();
        Ok((self.expiry.resolve(now)?, self.cap.resolve(now)?))
    }
}

impl<E: Into<Expiry>> From<E> for Lifespan {
    fn from(expiry: E) -> Self {
        Self::new(expiry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_round_up_and_expiry_rounds_down() {
        let now = UNIX_EPOCH + Duration::from_micros(10_400);
        assert_eq!(Deadline::at(now).as_epoch_millis(), 11);
        assert_eq!(Deadline::after(now, Ttl::millis(1)).as_epoch_millis(), 12);
        let deadline = Deadline::from_epoch_millis(11);
        assert!(!deadline.is_expired(UNIX_EPOCH + Duration::from_nanos(10_999_999)));
        assert!(deadline.is_expired(UNIX_EPOCH + Duration::from_millis(11)));
    }

    #[test]
    fn never_is_last_and_does_not_expire() {
        assert!(Deadline::NEVER > Deadline::at(UNIX_EPOCH + Duration::from_secs(1 << 40)));
        assert!(!Deadline::NEVER.is_expired(UNIX_EPOCH + Duration::from_secs(1 << 40)));
        assert_eq!(Deadline::NEVER.plus(Ttl::MAX), Deadline::NEVER);
    }

    #[test]
    fn no_overflow_makes_a_deadline_never() {
        let last = Deadline::from_epoch_millis(u64::MAX - 1);
        for deadline in [last, Deadline::from_epoch_millis(u64::MAX - 2)] {
            assert_eq!(deadline.plus(Ttl::MIN), last);
            assert_eq!(deadline.plus(Ttl::MAX), last);
        }
        if let Some(end_of_time) = UNIX_EPOCH.checked_add(Duration::from_secs(i64::MAX as u64)) {
            assert_eq!(Deadline::at(end_of_time), last);
            assert_eq!(Deadline::after(end_of_time, Ttl::MAX), last);
        }
    }

    #[test]
    fn an_instant_within_the_present_millisecond_is_past_until_now() {
        let at = |micros| UNIX_EPOCH + Duration::from_micros(micros);
        let now = at(10_400);
        for past in [at(10_000), at(10_399), now] {
            assert!(Expiry::At(past).resolve(now).unwrap().is_expired(now), "{past:?}");
        }
        assert_eq!(Expiry::At(at(10_401)).resolve(now).unwrap().as_epoch_millis(), 11);
        // Instants before the current millisecond are rounded up like all others.
        assert_eq!(Expiry::At(at(8_001)).resolve(now).unwrap().as_epoch_millis(), 9);
    }

    #[test]
    fn instants_before_the_epoch_are_past() {
        let long_ago = UNIX_EPOCH - Duration::from_secs(1);
        assert!(Expiry::At(long_ago).resolve(SystemTime::now()).unwrap().is_expired(SystemTime::now()));
    }

    #[test]
    fn the_maximum_is_reached_and_not_passed() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000);
        assert!(Expiry::At(now + Ttl::MAX.as_duration()).resolve(now).is_ok());
        let beyond = now + Ttl::MAX.as_duration() + Duration::from_millis(1);
        assert_eq!(Expiry::At(beyond).resolve(now).unwrap_err().kind(), ErrorKind::InvalidExpiry);
    }
}
