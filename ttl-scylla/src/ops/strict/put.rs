//! Put in strict mode: one transaction if nothing is stored or the version is known, otherwise two.

use ttl_core::rules::{self, Header, PutStep};
use ttl_core::{
    Condition, Deadline, ExistingDeadline, Key, Outcome, PutOptions, PutResult, Result, Value, Version,
};

use crate::connection::client::Swap;
use crate::error;
use crate::layout::lifetime::{Reach, now_column};
use crate::layout::row::{Cells, Row, to_uuid};
use crate::ops::strict::transaction::Lost;
use crate::ops::strict::write::{ATTEMPTS, Strict};

impl Strict {
    pub(crate) async fn put(
        &self,
        key: &Key,
        value: &Value,
        options: &PutOptions,
    ) -> Result<Outcome<PutResult>> {
        self.common.capabilities.check_put(options)?;
        self.common.capabilities.check_size(value.size_bytes())?;
        let version = Version::random();
        // The expected row, if it is known or worth a guess. A transaction that finds another row returns it.
        let mut known = match options.condition {
            // A value that is returned must be read first.
            _ if options.previous => None,
            Condition::Always | Condition::IfAbsent => Some(Row::default()),
            Condition::IfVersion(seen) if options.existing_deadline == ExistingDeadline::Replace => {
                match self.put_over_version(key, value, options, &seen, version).await? {
                    Ok(outcome) => return Ok(outcome),
                    Err(row) => row,
                }
            }
            Condition::IfPresent | Condition::IfVersion(_) => None,
        };
        for attempt in 0..ATTEMPTS {
            let guessed = attempt == 0 && known.as_ref().is_some_and(Row::is_empty);
            let (now, mut row) = match known.take() {
                Some(row) => (self.common.now(), row),
                None => self.common.read(key, options.previous).await?,
            };
            // An unreadable value is not replaced: it could not be returned.
            let met = if options.previous && row.is_live(now) { row.stored(now)? } else { None };
            let swap = match rules::put(now, row.header(now)?.as_ref(), options)? {
                PutStep::Absent if self.confirm_ended(key, &mut row).await? => return Ok(Outcome::Absent),
                // The deadline was moved while the entry was live.
                PutStep::Absent => {
                    self.pause(attempt).await;
                    continue;
                }
                PutStep::Refused => {
                    let refused = met.map(|met| {
                        let ends = met.deadline.min(met.cap);
                        let meta = PutResult::returning(options.returning, false, ends, Some(met.version));
                        Ok(meta.with_created_at(row.created_at(options.returning)?).with_previous(met.value))
                    });
                    return Ok(Outcome::Refused(refused.transpose()?));
                }
                PutStep::Write { deadline, cap, created } => {
                    let cells = Cells::fresh(now, value, deadline, cap, &version);
                    let reach = Reach::until(cells.deadline, now, self.common.skew);
                    let meta = PutResult::returning(options.returning, created, deadline, Some(version))
                        .with_created_at(rules::created_at(now, options.returning));
                    (self.replace(key, &row, &cells, reach).await?, meta)
                }
                // The put leaves no entry. A read must show whether there was one.
                PutStep::Erase { .. } if guessed => continue,
                PutStep::Erase { deadline, created } => {
                    let meta = PutResult::returning(options.returning, created, deadline, None);
                    if row.is_empty() {
                        return Ok(Outcome::Applied(meta));
                    }
                    (self.delete_seen(key, &row).await?, meta)
                }
            };
            match swap {
                (Swap::Done, meta) => {
                    return Ok(Outcome::Applied(meta.with_previous(met.map(|met| met.value))));
                }
                (Swap::Refused(row), _) => known = Some(row),
            }
            if !guessed {
                self.pause(attempt).await;
                // The row in the rejection is outdated by now.
                known = None;
            }
        }
        Err(error::contention())
    }

    /// Puts over one version, as if it had no cap. If that is impossible, returns the stored row, where it is
    /// known.
    async fn put_over_version(
        &self,
        key: &Key,
        value: &Value,
        options: &PutOptions,
        seen: &Version,
        version: Version,
    ) -> Result<std::result::Result<Outcome<PutResult>, Option<Row>>> {
        let now = self.common.now();
        let expected =
            Header { kind: value.kind(), deadline: Deadline::NEVER, cap: Deadline::NEVER, version: *seen };
        let PutStep::Write { deadline, cap, created } = rules::put(now, Some(&expected), options)? else {
            return Ok(Err(None));
        };
        let Some(seen) = to_uuid(seen) else { return Ok(Err(None)) };
        let cells = Cells::fresh(now, value, deadline, cap, &version);
        let Reach { covers, ttl } = Reach::until(cells.deadline, now, self.common.skew);
        let Cells { kind, value, deadline: at, cap: cap_at, version: token, created: since } = &cells;
        let values = |present| {
            (ttl, kind, value, at, covers, cap_at, token, since, key.as_str(), seen, present, present)
        };
        let own = |row: &Row| row.version == Some(*token);
        let again = || Some(values(now_column(self.common.now())));
        let lost = Lost::Again(&own, &again);
        let first = values(now_column(now));
        Ok(match self.swap(key, &self.writes.replace_version, first, lost).await? {
            Swap::Done => {
                let meta = PutResult::returning(options.returning, created, deadline, Some(version));
                Ok(Outcome::Applied(meta.with_created_at(rules::created_at(now, options.returning))))
            }
            Swap::Refused(row) => Err(Some(row)),
        })
    }
}
