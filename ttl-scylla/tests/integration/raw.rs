//! Rows as they stand in the table, read and written around the driver.

use std::sync::Arc;

use scylla::client::session::Session;
use scylla::statement::unprepared::Statement;
use scylla::statement::{Consistency, SerialConsistency};
use scylla::value::Row;
use ttl_scylla::Mode;
use uuid::Uuid;

use crate::peer::answered;

/// What stands for "never".
pub(crate) const NEVER: i64 = i64::MAX;

/// Every cell of a row but its key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cells {
    pub(crate) kind: Option<i8>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) deadline: Option<i64>,
    pub(crate) covers: Option<i64>,
    pub(crate) cap: Option<i64>,
    pub(crate) version: Option<Uuid>,
    pub(crate) created: Option<i64>,
}

/// A row that was found: its cells, and for how many seconds the server keeps each of them yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) cells: Cells,
    pub(crate) ttls: [Option<i32>; 7],
}

/// A table without the driver.
#[derive(Clone)]
pub(crate) struct Raw {
    pub(crate) session: Arc<Session>,
    /// As CQL names it.
    pub(crate) table: String,
    pub(crate) mode: Mode,
}

impl Raw {
    /// Runs CQL in which `{}` stands for the table.
    pub(crate) async fn run(&self, cql: &str) -> Vec<Row> {
        let mut statement = Statement::new(cql.replace("{}", &self.table));
        statement.set_consistency(Consistency::Quorum);
        let result = self.session.query_unpaged(statement, ()).await.unwrap();
        if !result.is_rows() {
            return Vec::new();
        }
        result.into_rows_result().unwrap().rows::<Row>().unwrap().map(Result::unwrap).collect()
    }

    /// In strict mode by a lightweight transaction: plain writes are not in one order with them.
    pub(crate) async fn write(&self, key: &str, cells: &Cells, ttl: i32) {
        let always = if self.mode == Mode::Strict { " IF kind != 0" } else { "" };
        let mut statement = Statement::new(format!(
            "UPDATE {} USING TTL ? SET kind = ?, value = ?, deadline = ?, covers = ?, cap = ?, version = ?, \
             created = ? WHERE key = ?{always}",
            self.table
        ));
        statement.set_consistency(Consistency::Quorum);
        statement.set_serial_consistency(Some(SerialConsistency::LocalSerial));
        let Cells { kind, value, deadline, covers, cap, version, created } = cells;
        let values = (ttl, kind, value, deadline, covers, cap, version, created, key);
        answered(|| self.session.query_unpaged(statement.clone(), &values)).await;
    }

    pub(crate) async fn find(&self, key: &str) -> Option<Found> {
        let columns = ["kind", "value", "deadline", "covers", "cap", "version", "created"];
        let ttls = columns.map(|column| format!("TTL({column})")).join(", ");
        let cql = format!("SELECT {}, {ttls} FROM {} WHERE key = ?", columns.join(", "), self.table);
        let mut statement = Statement::new(cql);
        // Whatever is under way in strict mode is completed first.
        let serial = self.mode == Mode::Strict;
        statement.set_consistency(if serial { Consistency::LocalSerial } else { Consistency::Quorum });
        let result = answered(|| self.session.query_unpaged(statement.clone(), (key,))).await;
        let result = result.into_rows_result().unwrap();
        type Ttl = Option<i32>;
        type Columns = (
            Option<i8>,
            Option<Vec<u8>>,
            Option<i64>,
            Option<i64>,
            Option<i64>,
            Option<Uuid>,
            Option<i64>,
            Ttl,
            Ttl,
            Ttl,
            Ttl,
            Ttl,
            Ttl,
            Ttl,
        );
        let (kind, value, deadline, covers, cap, version, created, a, b, c, d, e, f, g) =
            result.maybe_first_row::<Columns>().unwrap()?;
        let cells = Cells { kind, value, deadline, covers, cap, version, created };
        Some(Found { cells, ttls: [a, b, c, d, e, f, g] })
    }
}
