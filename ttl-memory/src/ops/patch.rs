//! Changes fields of a record.

use std::sync::Arc;

use ttl_core::driver::Now;
use ttl_core::options::PatchOptions;
use ttl_core::results::PatchResult;
use ttl_core::rules::{self, PatchStep};
use ttl_core::{Deadline, Key, Outcome, Patch, Record, Result, Value};

use crate::engine::entry::Content;
use crate::engine::table::{At, Table, Trash};
use crate::inner::Inner;

impl Inner {
    pub(crate) fn patch(
        self: &Arc<Self>,
        key: &Key,
        patch: &Patch,
        options: &PatchOptions,
    ) -> Result<Outcome<PatchResult>> {
        patch.operations()?;
        self.write(key, |table, at, now, trash| table.patch(at, patch, options, now, trash))
    }
}

impl Table {
    fn patch(
        &mut self,
        at: At<'_>,
        patch: &Patch,
        options: &PatchOptions,
        now: Now,
        trash: &mut Trash,
    ) -> Result<Outcome<PatchResult>> {
        let place = self.place(at);
        let stored = self.header(place);
        let (deadline, cap, record) = match rules::patch(now, stored.as_ref(), options)? {
            PatchStep::Absent => return Ok(Outcome::Absent),
            PatchStep::Refused => return Ok(Outcome::Refused(None)),
            PatchStep::Change { deadline } => {
                let cap = stored.map_or(Deadline::NEVER, |stored| stored.cap);
                let entry = place.and_then(|place| self.entries.get_bucket(place));
                (deadline, cap, entry.map(|entry| entry.value().into_record()).transpose()?)
            }
            PatchStep::Create { deadline, cap } => (deadline, cap, None),
            PatchStep::CreateElapsed { deadline } => {
                let mut record = options.initial();
                let Some(effects) = rules::apply(&mut record, patch)? else {
                    return Ok(Outcome::Refused(None));
                };
                self.remove(place, trash);
                let meta = self.meta(true, options.returning, deadline, None);
                let fields = record.project(&patch.to_fields()?);
                return Ok(Outcome::Applied(PatchResult::new(&meta, fields, effects)));
            }
        };
        let created = record.is_none();
        let mut record = record.unwrap_or_else(|| options.initial());
        let Some(effects) = rules::apply(&mut record, patch)? else {
            let there = stored.filter(|_| !created).map(|stored| {
                let meta = self.there(place, &stored, options.returning);
                Ok(PatchResult::new(&meta, record.project(&patch.to_fields()?), Vec::new()))
            });
            return Ok(Outcome::Refused(there.transpose()?));
        };
        let fields = record.project(&patch.to_fields()?);
        let value = Value::Record(record);
        self.limits.check(at.key.len(), &value)?;
        let created_at = match place.and_then(|place| self.entries.get_bucket(place)) {
            Some(entry) if !created => entry.created_millis(),
            _ => now.as_epoch_millis(),
        };
        let content = Content { cap, version: self.version(), created_at, value };
        let meta = self.meta(created, options.returning, deadline, Some(&content));
        self.write(at, place, content, deadline, trash);
        Ok(Outcome::Applied(PatchResult::new(&meta, fields, effects)))
    }
}

trait Initial {
    fn initial(&self) -> Record;
}

impl Initial for PatchOptions {
    fn initial(&self) -> Record {
        self.create.as_ref().map_or_else(Record::new, |create| create.initial.clone())
    }
}
