//! Decodes the rows of a response.

use scylla::deserialize::row::{ColumnIterator, RawColumn};
use scylla::deserialize::value::DeserializeValue;
use scylla::response::query_result::{QueryResult, QueryRowsResult};
use ttl_core::Result;

use super::row::Row;
use crate::error::unexpected_response;

fn cell<'f, T: DeserializeValue<'f, 'f>>(column: &RawColumn<'f, 'f>) -> Result<Option<T>> {
    let kind = column.spec.typ();
    let checked = <Option<T>>::type_check(kind).map_err(|_| unexpected_response());
    checked.and_then(|()| <Option<T>>::deserialize(kind, column.slice).map_err(|_| unexpected_response()))
}

/// Returns the row of a read of one key; an empty row if there is none.
pub(crate) fn one_row(result: QueryResult) -> Result<Row> {
    let result = rows(result, "deadline")?;
    let columns = result.maybe_first_row::<ColumnIterator<'_, '_>>().map_err(|_| unexpected_response())?;
    columns.map_or_else(|| Ok(Row::default()), |columns| Ok(decode(columns)?.0))
}

/// Returns whether a transaction was applied, and, if not, the compared columns of the row.
pub(crate) fn transaction_row(result: QueryResult) -> Result<(Row, bool)> {
    let result = rows(result, "[applied]")?;
    let columns = result.first_row::<ColumnIterator<'_, '_>>().map_err(|_| unexpected_response())?;
    // Without a row, the response contains only the flag.
    if result.column_specs().len() > 1 && result.column_specs().get_by_name("deadline").is_none() {
        return Err(unexpected_response());
    }
    let (row, applied) = decode(columns)?;
    Ok((row, applied.ok_or_else(unexpected_response)?))
}

/// Returns the rows of a page.
pub(crate) fn page_rows(result: QueryResult) -> Result<Vec<Row>> {
    let result = rows(result, "position")?;
    let rows = result.rows::<ColumnIterator<'_, '_>>().map_err(|_| unexpected_response())?;
    rows.map(|columns| Ok(decode(columns.map_err(|_| unexpected_response())?)?.0)).collect()
}

/// Returns rows that have this column: rows of another statement would look like missing cells.
fn rows(result: QueryResult, column: &str) -> Result<QueryRowsResult> {
    let result = result.into_rows_result().map_err(|_| unexpected_response())?;
    if result.column_specs().get_by_name(column).is_none() {
        return Err(unexpected_response());
    }
    Ok(result)
}

fn decode(columns: ColumnIterator<'_, '_>) -> Result<(Row, Option<bool>)> {
    let (mut row, mut applied) = (Row::default(), None);
    for column in columns {
        applied = set(&mut row, &column.map_err(|_| unexpected_response())?)?.or(applied);
    }
    Ok((row, applied))
}

/// Reads a column by its name, because servers return different columns. Returns the value of `[applied]`, if
/// present.
fn set(row: &mut Row, column: &RawColumn<'_, '_>) -> Result<Option<bool>> {
    match column.spec.name() {
        "kind" => row.kind = cell(column)?,
        "deadline" => row.deadline = cell(column)?,
        "covers" => row.covers = cell(column)?,
        "cap" => row.cap = cell(column)?,
        "version" => row.version = cell(column)?,
        "created" => row.created = cell(column)?,
        "value" => row.value = cell(column)?,
        "deadline_written" | "version_written" => row.written = row.written.max(cell(column)?),
        "position" => row.token = cell(column)?,
        "key" => row.key = cell(column)?,
        "[applied]" => return cell(column),
        _ => {}
    }
    Ok(None)
}
