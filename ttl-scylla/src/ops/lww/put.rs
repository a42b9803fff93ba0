//! Put in lww mode: a read and a write.

use ttl_core::options::PutOptions;
use ttl_core::results::PutResult;
use ttl_core::rules::{self, PutStep};
use ttl_core::{Key, Outcome, Result, Value, Version};

use super::write::{erase, next_timestamp, write};
use crate::error::not_in_lww;
use crate::inner::Lww;
use crate::layout::{CellLifetime, Cells};

pub(crate) async fn put(
    lww: &Lww,
    key: &Key,
    value: &Value,
    options: &PutOptions,
) -> Result<Outcome<PutResult>> {
    lww.inner.capabilities.check_put(options).map_err(not_in_lww)?;
    lww.inner.capabilities.check_size(value.size_bytes())?;
    // The read shows whether the put creates, and the timestamp of the overwritten row.
    let (now, row) = lww.inner.read(key, false).await?;
    match rules::put(now, row.header(now)?.as_ref(), options)? {
        PutStep::Absent => Ok(Outcome::Absent),
        PutStep::Refused => Ok(Outcome::Refused(None)),
        PutStep::Erase { deadline, created } => {
            if !row.is_empty() {
                erase(lww, key, &row).await?;
            }
            Ok(Outcome::Applied(PutResult::returning(options.returning, created, deadline, None)))
        }
        PutStep::Write { deadline, cap, created } => {
            let version = Version::random();
            let cells = Cells::fresh(now, value, deadline, cap, &version);
            let lifetime = CellLifetime::until(cells.deadline, now, lww.inner.clock_skew);
            write(lww, key, &cells, lifetime, next_timestamp(lww, &row), || true).await?;
            let meta = PutResult::returning(options.returning, created, deadline, Some(version));
            Ok(Outcome::Applied(meta.with_created_at(rules::created_at(now, options.returning))))
        }
    }
}
