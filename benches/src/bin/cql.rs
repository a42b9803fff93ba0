//! The CQL driver beside the library `scylla`: throughput and processor time of the client.
//!
//! The library sends what a program would write for the same purpose: conditional writes and serial reads as the strict
//! mode of the driver, and plain ones as its other mode. All share a session.

use std::process::ExitCode;
use std::sync::Arc;

use scylla::client::session::Session;
use scylla::errors::{DbError, ExecutionError, RequestAttemptError};
use scylla::response::query_result::QueryResult;
use scylla::statement::prepared::PreparedStatement;
use scylla::statement::{Consistency, SerialConsistency};
use ttl_benches::arguments::Scale;
use ttl_benches::callers::{drive, named, runtime, server};
use ttl_benches::report::{Measured, Report};
use ttl_benches::rounds::Rounds;
use ttl_benches::workload::Workload;
use ttl_core::options::{GetOptions, PutOptions};
use ttl_core::{Key, Ttl, TtlStore, Value};
use ttl_scylla::{Mode, ScyllaConfig, ScyllaStore};

const PURPOSE: &str = "requests to a CQL server, by ttl-store and the library scylla";
const TTL: Ttl = Ttl::hours(1);
const KEYS: usize = 256;
const MOST_CALLERS: usize = 32;
const TABLES: [&str; 3] = ["bench", "bench_lww", "bench_peer"];
const NAMES: [&str; 4] = ["ttl-store", "scylla, conditional", "ttl-store, lww", "scylla, plain"];

#[derive(Clone, Copy)]
enum Request {
    Put,
    Get,
}

struct Clients {
    strict: Arc<dyn TtlStore>,
    lww: Arc<dyn TtlStore>,
    session: Arc<Session>,
    serial: Statements,
    plain: Statements,
    /// The names of the tables, which are dropped at the end.
    tables: [String; 3],
}

/// The statements of a peer, on a table of its own.
struct Statements {
    select: PreparedStatement,
    write: PreparedStatement,
}

impl Clients {
    async fn connect(url: &str) -> Result<Self, Box<dyn std::error::Error>> {
        let config = ScyllaConfig::from_url(url)?.with_ensure_schema();
        let tables = TABLES.map(|table| config.clone().with_table(table).table_name());
        let strict = ScyllaStore::connect(&config.clone().with_table(TABLES[0])).await?;
        let session = strict.session();
        let lww = config.clone().with_table(TABLES[1]).with_mode(Mode::Lww);
        let lww = ScyllaStore::from_session(Arc::clone(&session), &lww).await?;
        let peer = &tables[2];
        let create = format!("CREATE TABLE IF NOT EXISTS {peer} (key text PRIMARY KEY, value blob)");
        session.query_unpaged(create, ()).await?;
        session.await_schema_agreement().await?;
        let select = session.prepare(format!("SELECT value FROM {peer} WHERE key = ?")).await?;
        let update = format!("UPDATE {peer} USING TTL ? SET value = ? WHERE key = ?");
        let write = session.prepare(update.as_str()).await?;
        let mut serial = Statements {
            select: select.clone(),
            write: session.prepare(format!("{update} IF EXISTS")).await?,
        };
        serial.select.set_consistency(Consistency::LocalSerial);
        serial.write.set_serial_consistency(Some(SerialConsistency::LocalSerial));
        let plain = Statements { select, write };
        Ok(Self { strict: Arc::new(strict), lww: Arc::new(lww), session, serial, plain, tables })
    }

    /// Drops the tables.
    async fn clean(&self) -> Result<(), ExecutionError> {
        for table in &self.tables {
            self.session.query_unpaged(format!("DROP TABLE IF EXISTS {table}"), ()).await?;
        }
        Ok(())
    }

    async fn call(&self, contestant: usize, request: Request, key: &Key, value: &Value, bytes: &[u8]) {
        match contestant {
            0 => ours(&*self.strict, request, key, value).await,
            1 => self.raw(&self.serial, request, key, bytes).await,
            2 => ours(&*self.lww, request, key, value).await,
            _ => self.raw(&self.plain, request, key, bytes).await,
        }
    }

    async fn raw(&self, statements: &Statements, request: Request, key: &Key, value: &[u8]) {
        let key = key.as_str();
        match request {
            Request::Put => {
                let seconds = i32::try_from(TTL.as_millis() / 1_000).expect("an hour");
                answered(|| self.session.execute_unpaged(&statements.write, (seconds, value, key))).await;
            }
            Request::Get => {
                let result = answered(|| self.session.execute_unpaged(&statements.select, (key,))).await;
                let rows = result.into_rows_result().expect("there are rows");
                let (value,): (Option<Vec<u8>>,) = rows.first_row().expect("there is a row");
                assert!(value.is_some());
            }
        }
    }
}

/// Sends a statement again while the server has forgotten it, because others have prepared many: up to eight times, as
/// the driver does. Any other error ends the program, as it does for the driver.
async fn answered<F: Future<Output = Result<QueryResult, ExecutionError>>>(
    send: impl Fn() -> F,
) -> QueryResult {
    let mut resends = 1..8;
    loop {
        let result = send().await;
        let forgotten = matches!(
            result,
            Err(ExecutionError::LastAttemptError(RequestAttemptError::DbError(
                DbError::Unprepared { .. },
                _
            )))
        );
        if !forgotten || resends.next().is_none() {
            return result.expect("the server answers");
        }
    }
}

async fn ours(store: &dyn TtlStore, request: Request, key: &Key, value: &Value) {
    match request {
        Request::Put => {
            let put = store.put(key, value.clone(), PutOptions::new(TTL)).await;
            assert!(put.expect("the driver writes").is_applied());
        }
        Request::Get => {
            assert!(store.get(key, GetOptions::new()).await.expect("the driver reads").is_some());
        }
    }
}

fn main() -> ExitCode {
    let scale = Scale::from_arguments(PURPOSE);
    let url = server("TTL_TEST_SCYLLA_URL");
    let mut report = Report::begin("cql", PURPOSE, scale);
    let runtime = runtime();
    report.say("connecting, and filling");
    let clients = match runtime.block_on(Clients::connect(&url)) {
        Ok(clients) => clients,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let workload = Workload::new(KEYS);
    let (keys, bytes): (Vec<Key>, _) = (workload.all().collect(), workload.value());
    let value = Value::Blob(bytes.clone());
    let call = |contestant: usize, request: Request, n: usize| {
        clients.call(contestant, request, &keys[n], &value, &bytes)
    };
    // A plain write before the conditional ones, which need a row.
    for contestant in [3, 0, 2] {
        drive(&runtime, 1, KEYS, |n| call(contestant, Request::Put, n));
    }
    for callers in [1, MOST_CALLERS] {
        for (request, name) in [(Request::Put, "put"), (Request::Get, "get")] {
            let each = (scale.pick(64, 2_000) / callers).max(2);
            let mut rounds = Rounds::new(NAMES.len());
            // Each caller has keys of its own, because conditional writes of one key wait for each other.
            let key = |n: usize| n / each + MOST_CALLERS * (n % each % (KEYS / MOST_CALLERS));
            for _ in 0..scale.rounds() {
                for at in rounds.order() {
                    rounds.record(at, drive(&runtime, callers, each, |n| call(at, request, key(n))));
                }
            }
            let workload = format!("{}, values 100 B", named(callers));
            let measured = |metric| Measured { operation: name, workload: &workload, metric, unit: "us" };
            report.compared(measured("wall"), &NAMES, &rounds.compared(|sample| sample.wall / 1e3));
            report.compared(measured("cpu"), &NAMES, &rounds.compared(|sample| sample.cpu / 1e3));
        }
    }
    report.finish();
    if let Err(error) = runtime.block_on(clients.clean()) {
        eprintln!("error: the tables {} remain: {error}", TABLES.join(", "));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
