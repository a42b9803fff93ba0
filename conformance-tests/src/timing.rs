//! Checks of time. They use instants taken before and after a call, and never assume that a call is fast.

use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

use ttl_core::{Deadline, Ttl};

use crate::{Check, Failure, Test, Time};

/// The maximum error of a store's estimate of a server's clock.
const CLOCK_ERROR: Duration = Duration::from_millis(5);

/// The maximum time for which a case watches an entry.
const WATCH_LIMIT: Duration = Duration::from_secs(60);

/// The interval in which a call was decided, including the clock error.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    from: SystemTime,
    to: SystemTime,
    /// The time by which a store may set a deadline later than requested.
    rounding: Duration,
    /// The maximum error of the reading of the clock that decides.
    error: Duration,
}

impl Span {
    /// Returns the deadlines that the call may have set with this TTL.
    #[must_use]
    pub fn after(&self, ttl: Ttl) -> RangeInclusive<Deadline> {
        Deadline::after(self.from, ttl)..=Deadline::after(self.to + self.rounding, ttl)
    }

    /// Fails unless the deadline is `ttl` after the call.
    pub fn check(&self, deadline: Deadline, ttl: Ttl, about: &str) -> Check {
        let expected = self.after(ttl);
        if expected.contains(&deadline) {
            return Ok(());
        }
        let took = self.to.duration_since(self.from).unwrap_or_default();
        Err(Failure::new(
            format!(
                "{about}: {ttl:?} after the call, from {:?} to {:?} (a window of {took:?}, with a clock error of {:?} at \
                 both ends, and {:?} of rounding)",
                expected.start(),
                expected.end(),
                self.error,
                self.rounding,
            ),
            format!("{deadline:?}"),
        ))
    }
}

impl Test {
    /// Returns the maximum difference between the time of the store and the clock that decides; zero on a
    /// manual clock.
    #[must_use]
    pub fn clock_error(&self) -> Duration {
        if self.is_manual() { Duration::ZERO } else { CLOCK_ERROR }
    }

    /// Returns the instant at this TTL from now, on a whole millisecond, so that every store can set it
    /// exactly.
    #[must_use]
    pub fn instant(&self, ttl: Ttl) -> SystemTime {
        let deadline = Deadline::after(self.store.now(), ttl);
        deadline.to_system_time().unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// Makes a call, and returns its result with the interval in which it was decided.
    pub async fn span<T>(&self, call: impl Future<Output = T>) -> (T, Span) {
        let from = self.store.now() - self.clock_error();
        let answer = call.await;
        let to = self.store.now() + self.clock_error();
        (answer, Span { from, to, rounding: self.rounding(), error: self.clock_error() })
    }

    /// Fails unless the deadline is the requested one, rounded up by less than the store's resolution.
    pub fn expect_deadline(&self, seen: Deadline, asked: SystemTime, about: &str) -> Check {
        self.expect_rounded(seen, Deadline::at(asked), about)
    }

    /// Fails unless the deadline is this one, rounded up by less than the store's resolution.
    pub fn expect_rounded(&self, seen: Deadline, first: Deadline, about: &str) -> Check {
        let rounding = u64::try_from(self.rounding().as_millis()).unwrap_or(u64::MAX);
        let last = Deadline::from_epoch_millis(first.as_epoch_millis().saturating_add(rounding));
        if (first..=last).contains(&seen) {
            return Ok(());
        }
        let allowed = if rounding == 0 { String::new() } else { format!(", or up to {last:?}") };
        Err(Failure::new(format!("{about}: {first:?}{allowed}"), format!("{seen:?}")))
    }

    /// Watches an entry until it is no longer visible. `look` returns whether the entry is visible. Each
    /// result is compared with the time before and after the look. An entry may be visible only before the
    /// deadline, or within the resolution after it. It may be invisible only from the deadline on.
    pub async fn watch<L>(&self, deadline: Deadline, look: impl Fn() -> L) -> Check
    where
        L: Future<Output = Check<bool>>,
    {
        let ends = deadline
            .to_system_time()
            .ok_or_else(|| Failure::new("an entry that ends", "one that is persistent"))?;
        match &self.time {
            Time::Manual(_) => self.watch_by_hand(ends, look).await,
            Time::Real => {
                let watching = self.watch_and_wait(ends, look);
                tokio::time::timeout(WATCH_LIMIT, watching).await.unwrap_or_else(|_| {
                    Err(Failure::new(format!("no entry after {deadline:?}"), "still there"))
                })
            }
        }
    }

    async fn watch_by_hand<L>(&self, ends: SystemTime, look: impl Fn() -> L) -> Check
    where
        L: Future<Output = Check<bool>>,
    {
        let until = |instant: SystemTime| instant.duration_since(self.local_now()).unwrap_or_default();
        self.pass(until(ends - Duration::from_nanos(1))).await;
        if !look().await? {
            return Err(Failure::new("a live entry just before its deadline", "a miss"));
        }
        self.pass(until(ends + self.rounding())).await;
        if look().await? {
            return Err(Failure::new("a miss at the deadline", "a live entry"));
        }
        Ok(())
    }

    async fn watch_and_wait<L>(&self, ends: SystemTime, look: impl Fn() -> L) -> Check
    where
        L: Future<Output = Check<bool>>,
    {
        let (error, resolution) = (self.clock_error(), self.capabilities().resolution);
        loop {
            let before = self.store.now();
            let visible = look().await?;
            let after = self.store.now();
            if !visible {
                let early = ends.duration_since(after + error).unwrap_or_default();
                return if early.is_zero() {
                    Ok(())
                } else {
                    Err(Failure::new(
                        "a live entry until its deadline",
                        format!("a miss {early:?} before it, {error:?} of clock error left out"),
                    ))
                };
            }
            let late = before.duration_since(ends + resolution + error).unwrap_or_default();
            if !late.is_zero() {
                return Err(Failure::new(
                    format!(
                        "a miss from the deadline on, or {resolution:?} later, with a clock error of {error:?}"
                    ),
                    format!("a live entry {:?} later", late + resolution + error),
                ));
            }
            // Rarely at first, every millisecond near the end.
            let left = ends.duration_since(after).unwrap_or_default();
            self.pass((left / 2).max(Duration::from_millis(1))).await;
        }
    }

    /// Returns the time by which the store may set a deadline later than requested; zero for a resolution of
    /// 1 ms.
    fn rounding(&self) -> Duration {
        self.capabilities().resolution.saturating_sub(Duration::from_millis(1))
    }
}
