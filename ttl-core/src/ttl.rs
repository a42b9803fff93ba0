//! `Ttl`: a time to live in whole milliseconds.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;
use std::time::Duration;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, ErrorKind, Result};

/// A time to live in whole milliseconds, from 1 ms to 20 years of 365 days.
///
/// Zero cannot be represented, so that "expires at once" is never mistaken for "never expires". The upper
/// limit is that of CQL's native TTL. It applies to every backend, so that applications behave the same on
/// all of them (E8).
///
/// In text and in configuration files it is written as `"1h30m"`.
///
/// ```
/// use std::time::Duration;
/// use ttl_core::Ttl;
///
/// const SESSION: Ttl = Ttl::minutes(30);
/// assert_eq!(SESSION.as_millis(), 1_800_000);
/// assert_eq!("1h 30m".parse::<Ttl>()?, Ttl::minutes(90));
/// // Durations round up to the next millisecond, so an entry never expires early.
/// assert_eq!(Ttl::try_from(Duration::from_micros(1500))?, Ttl::millis(2));
/// assert!(Ttl::try_from(Duration::ZERO).is_err());
/// # Ok::<(), ttl_core::Error>(())
/// ```
///
/// In a `const`, a TTL that is out of range does not compile:
///
/// ```compile_fail
/// const NEVER: ttl_core::Ttl = ttl_core::Ttl::seconds(0);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ttl(NonZeroU64);

const MAX_MILLIS: u64 = 630_720_000_000;
const SECONDS_A_DAY: u64 = 86_400;

impl Ttl {
    /// The shortest TTL: 1 ms.
    pub const MIN: Self = Self::millis(1);

    /// The longest TTL: 20 years of 365 days, 630,720,000 seconds.
    pub const MAX: Self = Self::millis(MAX_MILLIS);

    /// Creates a TTL of `n` milliseconds.
    ///
    /// # Panics
    /// If `n` is zero or above [`Ttl::MAX`]. In a `const` this is a compile error. For input, use
    /// [`TryFrom<Duration>`](#impl-TryFrom<Duration>-for-Ttl) or [`FromStr`].
    #[must_use]
    pub const fn millis(n: u64) -> Self {
        Self::times(n, 1)
    }

    /// Creates a TTL of `n` seconds.
    ///
    /// # Panics
    /// Under the same conditions as [`Ttl::millis`].
    #[must_use]
    pub const fn seconds(n: u64) -> Self {
        Self::times(n, 1_000)
    }

    /// Creates a TTL of `n` minutes.
    ///
    /// # Panics
    /// Under the same conditions as [`Ttl::millis`].
    #[must_use]
    pub const fn minutes(n: u64) -> Self {
        Self::times(n, 60_000)
    }

    /// Creates a TTL of `n` hours.
    ///
    /// # Panics
    /// Under the same conditions as [`Ttl::millis`].
    #[must_use]
    pub const fn hours(n: u64) -> Self {
        Self::times(n, 3_600_000)
    }

    /// Creates a TTL of `n` days of 24 hours.
    ///
    /// # Panics
    /// Under the same conditions as [`Ttl::millis`].
    #[must_use]
    pub const fn days(n: u64) -> Self {
        Self::times(n, 86_400_000)
    }

    /// Creates a TTL of `n` weeks of 7 days.
    ///
    /// # Panics
    /// Under the same conditions as [`Ttl::millis`].
    #[must_use]
    pub const fn weeks(n: u64) -> Self {
        Self::times(n, 604_800_000)
    }

    const fn times(n: u64, unit: u64) -> Self {
        match n.checked_mul(unit) {
            Some(millis) if millis <= MAX_MILLIS => match NonZeroU64::new(millis) {
                Some(millis) => Self(millis),
                None => panic!("a TTL is at least 1 ms; for no expiry use Expiry::Never"),
            },
            _ => panic!(
                "a TTL is at most 20 years of 365 days (630,720,000 s); for no expiry use Expiry::Never"
            ),
        }
    }

    /// Returns the length in milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0.get()
    }

    /// Returns the length as a duration.
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        Duration::from_millis(self.0.get())
    }
}

impl TryFrom<Duration> for Ttl {
    type Error = Error;

    /// Rounds up to whole milliseconds.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidExpiry`] for zero and for more than [`Ttl::MAX`].
    fn try_from(duration: Duration) -> Result<Self> {
        let millis = duration.as_nanos().div_ceil(1_000_000);
        match u64::try_from(millis).ok().filter(|millis| *millis <= MAX_MILLIS).map(NonZeroU64::new) {
            Some(Some(millis)) => Ok(Self(millis)),
            Some(None) => Err(Error::new(
                ErrorKind::InvalidExpiry,
                "a TTL is at least 1 ms; for no expiry use Expiry::Never, to remove an entry delete it",
            )),
            None => Err(Error::new(
                ErrorKind::InvalidExpiry,
                format!(
                    "a TTL is at most 20 years of 365 days (630,720,000 s), this one is {} s; for no expiry use Expiry::Never",
                    duration.as_secs()
                ),
            )),
        }
    }
}

impl From<Ttl> for Duration {
    fn from(ttl: Ttl) -> Self {
        ttl.as_duration()
    }
}

impl FromStr for Ttl {
    type Err = Error;

    /// Parses text such as `"90s"`, `"1h30m"` or `"250ms"`. In text, a month has 30.44 days and a year 365.25
    /// days.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidExpiry`] if the text is not a duration, or is out of range.
    fn from_str(text: &str) -> Result<Self> {
        let duration = humantime::parse_duration(text).map_err(|error| {
            Error::new(
                ErrorKind::InvalidExpiry,
                format!("invalid TTL {text:?}: expected a duration such as \"1h30m\" or \"250ms\""),
            )
            .with_source(error)
        })?;
        Self::try_from(duration)
    }
}

impl fmt::Display for Ttl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Prints days, because humantime would print months of 30.44 days.
        let duration = self.as_duration();
        let days = duration.as_secs() / SECONDS_A_DAY;
        let rest = duration - Duration::from_secs(days * SECONDS_A_DAY);
        if days > 0 {
            write!(f, "{days}day{}", if days == 1 { "" } else { "s" })?;
            if rest.is_zero() {
                return Ok(());
            }
            f.write_str(" ")?;
        }
        humantime::format_duration(rest).fmt(f)
    }
}

impl fmt::Debug for Ttl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ttl({self})")
    }
}

impl Serialize for Ttl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Ttl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Ttl;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a TTL as text, such as \"1h30m\" or \"250ms\"")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Ttl, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_round_up_and_stay_in_range() {
        let kind = |duration: Duration| Ttl::try_from(duration).unwrap_err().kind();
        assert_eq!(Ttl::try_from(Duration::from_nanos(1)).unwrap(), Ttl::MIN);
        assert_eq!(Ttl::try_from(Duration::from_micros(1001)).unwrap(), Ttl::millis(2));
        assert_eq!(Ttl::try_from(Duration::from_secs(630_720_000)).unwrap(), Ttl::MAX);
        assert_eq!(kind(Duration::ZERO), ErrorKind::InvalidExpiry);
        assert_eq!(kind(Ttl::MAX.as_duration() + Duration::from_nanos(1)), ErrorKind::InvalidExpiry);
        assert_eq!(kind(Duration::MAX), ErrorKind::InvalidExpiry);
    }

    #[test]
    fn text_and_serde_agree() {
        for text in ["1h 30m", "250ms", "2s", "1day", "20days", "365days", "7300days", "31days 1h 5ms"] {
            let ttl: Ttl = text.parse().unwrap();
            assert_eq!(ttl.to_string(), text);
            assert_eq!(serde_json::to_value(ttl).unwrap(), serde_json::json!(ttl.to_string()));
            assert_eq!(serde_json::from_value::<Ttl>(serde_json::json!(text)).unwrap(), ttl);
        }
        for text in ["", "0s", "1 parsec", "21years", "-1s", "10"] {
            assert_eq!(text.parse::<Ttl>().unwrap_err().kind(), ErrorKind::InvalidExpiry, "{text}");
        }
    }

    #[test]
    fn a_number_without_a_unit_is_refused_with_an_example() {
        let error = serde_json::from_str::<Ttl>("30").unwrap_err().to_string();
        assert!(error.contains("expected a TTL as text, such as \"1h30m\""), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn every_ttl_comes_back_from_its_text(millis in 1..=MAX_MILLIS, short in 1_u64..200_000_000) {
            for ttl in [Ttl::millis(millis), Ttl::millis(short)] {
                proptest::prop_assert_eq!(ttl.to_string().parse::<Ttl>().unwrap(), ttl);
            }
        }
    }

    #[test]
    #[should_panic(expected = "at least 1 ms")]
    fn zero_panics() {
        let _ = Ttl::hours(0);
    }

    #[test]
    #[should_panic(expected = "at most 20 years")]
    fn overflow_panics() {
        let _ = Ttl::weeks(u64::MAX);
    }
}
