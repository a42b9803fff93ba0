//! Delete in lww mode: a read and a write.

use ttl_core::options::DeleteOptions;
use ttl_core::rules::{self, DeleteStep};
use ttl_core::{Entry, Key, Outcome, Result};

use super::write::erase;
use crate::error::not_in_lww;
use crate::inner::Lww;

pub(crate) async fn delete(lww: &Lww, key: &Key, options: &DeleteOptions) -> Result<Outcome<Option<Entry>>> {
    lww.inner.capabilities.check_delete(options).map_err(not_in_lww)?;
    let (now, row) = lww.inner.read(key, false).await?;
    // A row of another program can also be deleted.
    if let Ok(header) = row.header(now)
        && rules::delete(now, header.as_ref(), options)? == DeleteStep::Absent
    {
        return Ok(Outcome::Absent);
    }
    erase(lww, key, &row).await?;
    Ok(Outcome::Applied(None))
}
