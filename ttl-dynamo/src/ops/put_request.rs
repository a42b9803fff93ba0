//! The requests of a put. The first one is correct for most states of the key, and rejected for the others.

use aws_sdk_dynamodb::types::AttributeValue;
use ttl_core::driver::Now;
use ttl_core::options::{Condition, ExistingDeadline, PutOptions, Refresh};
use ttl_core::rules::{self, Header, PutStep};
use ttl_core::{Deadline, Kind, RefreshMode, Result, Value};

use crate::layout::{self, Layout, deadline_attribute};
use crate::wire::{TEXT, Write};

/// Nothing is stored, or an entry of this driver other than a ghost with a cap, which would survive. An item
/// of another program is left alone.
const REPLACEABLE: &str = "attribute_not_exists(#k) OR (attribute_type(#v, :text) AND (attribute_not_exists(#m) OR (#d > :now AND #m > :now)))";
/// Nothing is stored, or an entry of this driver without a cap.
const UNCAPPED: &str = "attribute_not_exists(#k) OR (attribute_type(#v, :text) AND attribute_not_exists(#m))";
/// Nothing is stored, or a live entry.
const LIVE_OR_NOTHING: &str = "attribute_not_exists(#k) OR (attribute_type(#v, :text) AND (attribute_not_exists(#d) OR #d > :now) AND (attribute_not_exists(#m) OR #m > :now))";

/// The states besides a live entry for which an update is correct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OtherStates {
    None,
    /// Nothing is stored.
    Missing,
    /// Nothing is stored, or a ghost without a cap.
    MissingOrGhost,
}

/// The requests of a put.
pub(crate) struct PutRequests<'a> {
    pub(crate) layout: &'a Layout,
    pub(crate) value: &'a Value,
    pub(crate) options: &'a PutOptions,
    /// The token that the put leaves in the item.
    pub(crate) token: String,
}

impl PutRequests<'_> {
    /// Returns the first request. Applied to any item, it decides as [`rules::put`].
    pub(crate) fn first(&self, now: Now) -> Result<Write> {
        let (asked, cap) = self.options.lifespan.resolve(now)?;
        let cap = Some(cap).filter(|cap| !cap.is_never());
        let fresh = asked.min(cap.unwrap_or(Deadline::NEVER));
        let (always, version) = match &self.options.condition {
            Condition::IfAbsent if fresh.is_expired(now) => return Ok(Write::delete().demand_free(now)),
            Condition::IfAbsent => return Ok(self.whole(now, fresh, cap).demand_free(now)),
            Condition::IfVersion(version) => (false, Some(version)),
            condition => (*condition == Condition::Always, None),
        };
        if asked.is_expired(now) && self.options.existing_deadline == ExistingDeadline::Replace {
            return Ok(if always {
                Write::delete().demand("attribute_not_exists(#k) OR attribute_type(#v, :text)").of_type(TEXT)
            } else {
                Write::delete().demand_live(now, version)
            });
        }
        let mut write = self.content(now);
        if let Some(cap) = cap {
            write = write.set_value("#m = if_not_exists(#m, :m)", ":m", deadline_attribute(cap));
        } else if asked.is_never() && self.options.existing_deadline == ExistingDeadline::Replace {
            // An entry with a cap has a deadline, which is not known yet.
            let write = write.remove_deadline();
            return Ok(if always {
                write.demand(UNCAPPED).of_type(TEXT)
            } else {
                write.demand_live(now, version).demand("attribute_not_exists(#m)")
            });
        }
        let creates = always && !fresh.is_expired(now);
        let (write, others) = match self.options.existing_deadline {
            ExistingDeadline::Keep => self.keeping(write, now, asked, cap, creates),
            ExistingDeadline::Refresh(refresh) => {
                self.refreshing(write, now, &refresh, creates.then_some(asked))
            }
            ExistingDeadline::Replace => {
                (self.replacing(write, now, asked, cap), OtherStates::MissingOrGhost)
            }
        };
        Ok(match others {
            OtherStates::MissingOrGhost if creates => write.demand(REPLACEABLE).of_type(TEXT).now(now),
            OtherStates::Missing if creates => write.demand(LIVE_OR_NOTHING).of_type(TEXT).now(now),
            _ => write.demand_live(now, version),
        })
    }

    fn replacing(&self, write: Write, now: Now, asked: Deadline, cap: Option<Deadline>) -> Write {
        match cap {
            // The entry ends with its cap; this is correct as long as an older cap is not later.
            Some(cap) if asked.is_never() => {
                write.set_deadline(self.layout, now, cap).demand("attribute_not_exists(#m) OR #m <= :m")
            }
            _ => write.set_deadline(self.layout, now, asked),
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
    ) -> (Write, OtherStates) {
        let cap = cap.unwrap_or(Deadline::NEVER);
        // A persistent entry that gets a cap also gets a deadline.
        let missing = if creates { asked.min(cap) } else { cap };
        if missing.is_never() {
            return (write, OtherStates::Missing);
        }
        let write = write
            .set_value("#d = if_not_exists(#d, :d)", ":d", deadline_attribute(missing))
            .set_value("#e = if_not_exists(#e, :e)", ":e", self.layout.epoch_attribute(now, missing));
        if creates && !asked.is_never() {
            // A persistent entry would get the deadline of a new one. An entry without the TTL attribute
            // would get one, and DynamoDB would delete it.
            let both = "attribute_not_exists(#k) OR (attribute_exists(#d) AND attribute_exists(#e))";
            return (write.demand(both), OtherStates::Missing);
        }
        (write, OtherStates::Missing)
    }

    /// Moves the deadline according to the refresh, which is also valid for a new entry.
    fn refreshing(
        &self,
        write: Write,
        now: Now,
        refresh: &Refresh,
        asked: Option<Deadline>,
    ) -> (Write, OtherStates) {
        let to = Deadline::after(now, refresh.ttl);
        let others = if asked == Some(to) { OtherStates::MissingOrGhost } else { OtherStates::None };
        let write = write.set_deadline(self.layout, now, to);
        let write = match (refresh.mode, others) {
            (RefreshMode::Reset, _) => write,
            (RefreshMode::ExtendOnly, OtherStates::MissingOrGhost) => {
                write.demand("attribute_not_exists(#k) OR #d < :d")
            }
            (RefreshMode::ExtendOnly, _) => write.demand("#d < :d"),
        };
        (write, others)
    }

    /// Returns the request that creates the entry where nothing or only a ghost is stored.
    pub(crate) fn create(&self, now: Now) -> Result<Write> {
        Ok(match rules::put(now, None, self.options)? {
            PutStep::Write { deadline, cap, .. } => {
                self.whole(now, deadline, Some(cap).filter(|cap| !cap.is_never()))
            }
            PutStep::Erase { .. } => Write::delete(),
            PutStep::Absent | PutStep::Refused => return Ok(Write::nothing()),
        }
        .demand_free(now))
    }

    /// Returns the request that replaces a live entry, if it is unchanged since it was read.
    pub(crate) fn replace(&self, now: Now, seen: &Header) -> Result<Write> {
        let write = match rules::put(now, Some(seen), self.options)? {
            PutStep::Write { deadline, cap, created: false } => {
                let write = self.content(now);
                let write = match deadline.is_never() {
                    true => write.remove_deadline(),
                    false => write.set_deadline(self.layout, now, deadline),
                };
                if cap.is_never() { write } else { write.set_value("#m = :m", ":m", deadline_attribute(cap)) }
            }
            PutStep::Erase { .. } => Write::delete(),
            // The entry has expired meanwhile.
            _ => return Ok(Write::nothing()),
        };
        Ok(write.demand_live(now, Some(&seen.version)).demand_deadline(seen.deadline))
    }

    /// Returns an update of value, version and creation that removes the attribute of the other kind.
    fn content(&self, now: Now) -> Write {
        let (_, value) = layout::encode(self.value);
        let token = AttributeValue::S(self.token.clone());
        let write = match self.value.kind() {
            Kind::Blob => Write::update().set_value("#b = :b", ":b", value).remove("#f"),
            Kind::Record => Write::update().set_value("#f = :f", ":f", value).remove("#b"),
        };
        write.set_value("#v = :v", ":v", token).set_value("#c = :c", ":c", layout::now_attribute(now))
    }

    /// Returns a write of the complete item.
    fn whole(&self, now: Now, deadline: Deadline, cap: Option<Deadline>) -> Write {
        Write::put(self.layout.new_item(now, self.value, &self.token, deadline, cap))
    }
}
