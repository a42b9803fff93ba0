//! Puts a value.

use std::sync::Arc;

use ttl_core::driver::Now;
use ttl_core::options::{Projection, PutOptions};
use ttl_core::results::PutResult;
use ttl_core::rules::{self, Header, PutStep};
use ttl_core::{Key, Outcome, Result, Value};

use crate::engine::entry::Content;
use crate::engine::table::{At, Table, Trash};
use crate::engine::weight;
use crate::inner::Inner;

impl Inner {
    pub(crate) fn put(
        self: &Arc<Self>,
        key: &Key,
        value: Value,
        options: &PutOptions,
    ) -> Result<Outcome<PutResult>> {
        let value = weight::own(value);
        self.limits.check(key.as_bytes().len(), &value)?;
        self.write(key, |table, at, now, trash| table.put(at, value, options, now, trash))
    }
}

impl Table {
    pub(crate) fn put(
        &mut self,
        at: At<'_>,
        value: Value,
        options: &PutOptions,
        now: Now,
        trash: &mut Trash,
    ) -> Result<Outcome<PutResult>> {
        let place = self.place(at);
        let stored = self.header(place);
        let previous = if options.previous { self.live_value(place, stored.as_ref(), now) } else { None };
        let outcome = match rules::put(now, stored.as_ref(), options) {
            Ok(PutStep::Write { deadline, cap, created }) => {
                let created_at = now.as_epoch_millis();
                let content = Content { cap, version: self.version(), created_at, value };
                let meta = self.meta(created, options.returning, deadline, Some(&content));
                self.write(at, place, content, deadline, trash);
                return Ok(Outcome::Applied(meta.with_previous(previous)));
            }
            Ok(PutStep::Erase { deadline, created }) => {
                self.remove(place, trash);
                let meta = self.meta(created, options.returning, deadline, None);
                Ok(Outcome::Applied(meta.with_previous(previous)))
            }
            Ok(PutStep::Absent) => Ok(Outcome::Absent),
            Ok(PutStep::Refused) => Ok(Outcome::Refused(match (previous, stored) {
                (Some(previous), Some(stored)) => {
                    Some(self.there(place, &stored, options.returning).with_previous(previous))
                }
                _ => None,
            })),
            Err(error) => Err(error),
        };
        trash.value = Some(value);
        outcome
    }

    /// Returns the value of the entry, if it is live.
    fn live_value(&self, place: Option<usize>, stored: Option<&Header>, now: Now) -> Option<Value> {
        rules::live(now, stored)?;
        let entry = self.entries.get_bucket(place?)?;
        self.note_share(entry, &Projection::All);
        Some(entry.value())
    }
}
