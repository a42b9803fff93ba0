//! The first request of a put: correct for most states of the key, and rejected for the others.

use ttl_core::{Condition, Deadline, ExistingDeadline, Now, Refresh, RefreshMode, Result};

use crate::codec;
use crate::expression::Write;
use crate::put::Put;

/// Nothing is stored, or an entry of this driver other than a ghost with a cap, which would survive. An item
/// of another program is left alone.
const REPLACEABLE: &str = "attribute_not_exists(#k) OR (attribute_type(#v, :text) AND (attribute_not_exists(#m) OR (#d > :now AND #m > :now)))";
/// Nothing is stored, or an entry of this driver without a cap.
const UNCAPPED: &str = "attribute_not_exists(#k) OR (attribute_type(#v, :text) AND attribute_not_exists(#m))";
/// Nothing is stored, or a live entry.
const LIVE_OR_NOTHING: &str = "attribute_not_exists(#k) OR (attribute_type(#v, :text) AND (attribute_not_exists(#d) OR #d > :now) AND (attribute_not_exists(#m) OR #m > :now))";

/// The states besides a live entry for which an update is correct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Elsewhere {
    Nowhere,
    /// Nothing is stored.
    Nothing,
    /// Nothing is stored, or a ghost without a cap.
    Ghosts,
}

impl Put<'_> {
    /// Returns the request. Applied to any item, it decides as [`rules::put`](ttl_core::rules::put).
    pub(crate) fn first_request(&self, now: Now) -> Result<Write> {
        let asked = self.options.lifespan.expiry.resolve(now)?;
        let cap = self.options.lifespan.max_lifetime.map(|max| Deadline::after(now, max));
        let fresh = asked.min(cap.unwrap_or(Deadline::NEVER));
        let (always, version) = match &self.options.condition {
            Condition::IfAbsent if fresh.is_expired(now) => return Ok(Write::delete().demand_free(now)),
            Condition::IfAbsent => return Ok(self.whole(now, fresh, cap).demand_free(now)),
            Condition::IfVersion(version) => (false, Some(version)),
            condition => (*condition == Condition::Always, None),
        };
        if asked.is_expired(now) && self.options.existing_deadline == ExistingDeadline::Replace {
            return Ok(if always {
                Write::delete().demand("attribute_not_exists(#k) OR attribute_type(#v, :text)")
            } else {
                Write::delete().demand_live(now, version)
            });
        }
        let mut write = self.content(now);
        if let Some(cap) = cap {
            write = write.set_value("#m = if_not_exists(#m, :m)", ":m", codec::deadline_attribute(cap));
        } else if asked.is_never() && self.options.existing_deadline == ExistingDeadline::Replace {
            // An entry with a cap has a deadline, which is not known yet.
            let write = write.remove("#d").remove("#e");
            return Ok(if always {
                write.demand(UNCAPPED)
            } else {
                write.demand_live(now, version).demand("attribute_not_exists(#m)")
            });
        }
        let creates = always && !fresh.is_expired(now);
        let (write, elsewhere) = match self.options.existing_deadline {
            ExistingDeadline::Keep => self.keeping(write, now, asked, cap, creates),
            ExistingDeadline::Refresh(refresh) => {
                self.refreshing(write, now, &refresh, creates.then_some(asked))
            }
            ExistingDeadline::Replace => (self.replacing(write, now, asked, cap), Elsewhere::Ghosts),
        };
        Ok(match elsewhere {
            Elsewhere::Ghosts if creates => write.demand(REPLACEABLE).now(now),
            Elsewhere::Nothing if creates => write.demand(LIVE_OR_NOTHING).now(now),
            _ => write.demand_live(now, version),
        })
    }

    fn replacing(&self, write: Write, now: Now, asked: Deadline, cap: Option<Deadline>) -> Write {
        match cap {
            // The entry ends with its cap; this is correct as long as an older cap is not later.
            Some(cap) if asked.is_never() => {
                self.store.set_deadline(write, now, cap).demand("attribute_not_exists(#m) OR #m <= :m")
            }
            _ => self.store.set_deadline(write, now, asked),
        }
    }

    /// Leaves the deadline of a live entry, and sets the deadline of a new one.
    fn keeping(
        &self,
        write: Write,
        now: Now,
        asked: Deadline,
        cap: Option<Deadline>,
        creates: bool,
    ) -> (Write, Elsewhere) {
        let cap = cap.unwrap_or(Deadline::NEVER);
        // A persistent entry that gets a cap also gets a deadline.
        let missing = if creates { asked.min(cap) } else { cap };
        if missing.is_never() {
            return (write, Elsewhere::Nothing);
        }
        let write = write
            .set_value("#d = if_not_exists(#d, :d)", ":d", codec::deadline_attribute(missing))
            .set_value("#e = if_not_exists(#e, :e)", ":e", self.store.epoch(now, missing));
        if creates && !asked.is_never() {
            // A persistent entry would get the deadline of a new one. An entry without the TTL attribute
            // would get one, and DynamoDB would delete it.
            let both = "attribute_not_exists(#k) OR (attribute_exists(#d) AND attribute_exists(#e))";
            return (write.demand(both), Elsewhere::Nothing);
        }
        (write, Elsewhere::Nothing)
    }

    /// Moves the deadline according to the refresh, which is also valid for a new entry.
    fn refreshing(
        &self,
        write: Write,
        now: Now,
        refresh: &Refresh,
        asked: Option<Deadline>,
    ) -> (Write, Elsewhere) {
        let to = Deadline::after(now, refresh.ttl);
        let elsewhere = if asked == Some(to) { Elsewhere::Ghosts } else { Elsewhere::Nowhere };
        let write = self.store.set_deadline(write, now, to);
        let write = match (refresh.mode, elsewhere) {
            (RefreshMode::Reset, _) => write,
            (RefreshMode::ExtendOnly, Elsewhere::Ghosts) => {
                write.demand("attribute_not_exists(#k) OR #d < :d")
            }
            (RefreshMode::ExtendOnly, _) => write.demand("#d < :d"),
        };
        (write, elsewhere)
    }
}
