//! Changes the deadline.

use std::sync::Arc;

use ttl_core::driver::Now;
use ttl_core::options::{ExpireOptions, ExpiryChange};
use ttl_core::results::ExpireResult;
use ttl_core::rules::{self, ExpireStep};
use ttl_core::{Key, Outcome, Result};

use crate::engine::table::{At, Table, Trash};
use crate::inner::Inner;

impl Inner {
    pub(crate) fn expire(
        self: &Arc<Self>,
        key: &Key,
        change: ExpiryChange,
        options: &ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        self.write(key, |table, at, now, trash| table.expire(at, change, options, now, trash))
    }
}

impl Table {
    fn expire(
        &mut self,
        at: At<'_>,
        change: ExpiryChange,
        options: &ExpireOptions,
        now: Now,
        trash: &mut Trash,
    ) -> Result<Outcome<ExpireResult>> {
        let place = self.place(at);
        Ok(match rules::expire(now, self.header(place).as_ref(), change, options)? {
            ExpireStep::Absent => Outcome::Absent,
            ExpireStep::Refused => Outcome::Refused(None),
            ExpireStep::Keep(deadline) => Outcome::Applied(ExpireResult::new(deadline, false)),
            ExpireStep::Move(deadline) => {
                self.set_deadline(at, deadline);
                Outcome::Applied(ExpireResult::new(deadline, true))
            }
            ExpireStep::End(deadline) => {
                self.remove(place, trash);
                Outcome::Applied(ExpireResult::new(deadline, true))
            }
        })
    }
}
