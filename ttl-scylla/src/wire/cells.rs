//! The binds of statements that write every cell of a row.

use scylla::SerializeRow;

use crate::layout::{CellLifetime, Cells};

/// The assignments of all cells, whose binds are [`WriteCells`] without `ttl` and `key`.
pub(super) const SET_CELLS: &str = "SET kind = :kind, value = :value, deadline = :deadline, covers = :covers, \
                                    cap = :cap, version = :version, created = :created";

/// Every cell of a row, and their native TTL.
#[derive(SerializeRow)]
pub(crate) struct WriteCells<'a> {
    pub(crate) key: &'a str,
    #[scylla(flatten)]
    pub(crate) lifetime: CellLifetime,
    #[scylla(flatten)]
    pub(crate) cells: &'a Cells,
}
