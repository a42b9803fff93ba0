//! Get in lww mode: one read, and a write if a refresh is due.

use ttl_core::options::GetOptions;
use ttl_core::{Entry, Key, Result, rules};

use super::write::move_deadline;
use crate::CONTEXT;
use crate::error::not_in_lww;
use crate::inner::Lww;
use crate::layout::to_column;
use crate::ops::entry::{entry, needs_value};
use crate::timestamps::REFRESH;

pub(crate) async fn get(lww: &Lww, key: &Key, options: &GetOptions) -> Result<Option<Entry>> {
    lww.inner.capabilities.check_get(options).map_err(not_in_lww)?;
    let whole = needs_value(&options.projection);
    let (now, mut row) = lww.inner.read(key, whole).await?;
    let header = row.header(now)?;
    let (Some(header), Some(hit)) = (header, rules::get(now, header.as_ref(), options)?) else {
        return Ok(None);
    };
    let value = if whole { Some(row.take_value(header.kind)?) } else { None };
    let selected = value.as_ref().and_then(|value| value.project(&options.projection));
    let entry = entry(&row, &header, selected, hit.deadline, options.returning)?.with_cap(hit.cap);
    let Some(to) = hit.refresh else { return Ok(Some(entry)) };
    let stored = value.map(|value| row.entry(value, &header));
    let moved = move_deadline(lww, key, &row, to_column(to), stored, REFRESH).await;
    Ok(Some(match CONTEXT.with_key("get", key, moved) {
        Ok(true) => {
            let shown = entry.deadline.map(|_| to);
            entry.with_deadline(shown)
        }
        // Another writer has changed the entry meanwhile: there is nothing to refresh.
        Ok(false) => entry,
        Err(error) => entry.with_refresh_error(error),
    }))
}
