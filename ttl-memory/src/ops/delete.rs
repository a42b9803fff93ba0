//! Deletes and takes.

use std::sync::Arc;

use ttl_core::driver::Now;
use ttl_core::options::{DeleteOptions, Projection};
use ttl_core::rules::{self, DeleteStep};
use ttl_core::{Entry as Answer, Key, Outcome, Result};

use super::get::select;
use crate::engine::entry::Entry;
use crate::engine::table::{At, Table, Trash};
use crate::inner::Inner;

impl Inner {
    pub(crate) fn delete(
        self: &Arc<Self>,
        key: &Key,
        options: &DeleteOptions,
    ) -> Result<Outcome<Option<Answer>>> {
        let outcome = self.write(key, |table, at, now, trash| table.delete(at, options, now, trash))?;
        Ok(outcome
            .map(|taken| taken.map(|entry| Answer::new(select(entry.into_value(), &options.projection)))))
    }
}

impl Table {
    pub(crate) fn delete(
        &mut self,
        at: At<'_>,
        options: &DeleteOptions,
        now: Now,
        trash: &mut Trash,
    ) -> Result<Outcome<Option<Entry>>> {
        let place = self.place(at);
        Ok(match rules::delete(now, self.header(place).as_ref(), options)? {
            DeleteStep::Absent => Outcome::Absent,
            DeleteStep::Refused => Outcome::Refused(None),
            DeleteStep::Remove => {
                self.remove(place, trash);
                let taken = trash.entries.pop();
                if options.projection == Projection::Nothing {
                    trash.entries.extend(taken);
                    Outcome::Applied(None)
                } else {
                    Outcome::Applied(taken)
                }
            }
        })
    }
}
