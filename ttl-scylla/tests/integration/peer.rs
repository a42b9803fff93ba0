//! A store and the client library on the same session: what the driver adds to a request.

use std::cell::Cell;
use std::sync::Arc;

use scylla::client::session::Session;
use scylla::deserialize::row::ColumnIterator;
use scylla::errors::{DbError, ExecutionError, RequestAttemptError};
use scylla::response::query_result::QueryResult;
use scylla::statement::prepared::PreparedStatement;
use scylla::statement::{Consistency, SerialConsistency};
use tokio::runtime::Runtime;
use ttl_core::options::{Condition, GetOptions, PutOptions, Returning};
use ttl_core::{Key, Ttl, TtlStore, Value, Version};
use ttl_scylla::{ScyllaConfig, ScyllaStore};
use uuid::Uuid;

type Row = (Option<i8>, Option<i64>, Option<i64>, Option<i64>, Option<Uuid>, Option<i64>, Vec<u8>);

/// Both, and the entry that they read and write, of 100 bytes. All runs on the thread that asks for it.
pub(crate) struct Pair {
    runtime: Runtime,
    store: Arc<dyn TtlStore>,
    session: Arc<Session>,
    select: PreparedStatement,
    update: PreparedStatement,
    key: Key,
    version: Cell<Version>,
}

impl Pair {
    /// In strict mode.
    pub(crate) fn new(config: &ScyllaConfig) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let key = Key::new("session:000000000000000000000001").unwrap();
        let (store, session, select, update) = runtime.block_on(async {
            let store = ScyllaStore::connect(config).await.unwrap();
            let (session, table) = (store.session(), config.table_name());
            let select = "SELECT kind, deadline, covers, cap, version, created, value FROM";
            let mut select = session.prepare(format!("{select} {table} WHERE key = ?")).await.unwrap();
            select.set_consistency(Consistency::LocalSerial);
            select.set_is_idempotent(true);
            let mut update = session
                .prepare(format!(
                    "UPDATE {table} USING TTL ? SET kind = ?, value = ?, deadline = ?, covers = ?, cap = ?, \
                     version = ?, created = ? WHERE key = ? IF version = ? AND deadline > ? AND covers > ? AND cap = {} AND \
                     kind != 0",
                    i64::MAX
                ))
                .await
                .unwrap();
            update.set_serial_consistency(Some(SerialConsistency::LocalSerial));
            let put = store.put(&key, Value::from(vec![7; 100]), PutOptions::new(Ttl::hours(1))).await;
            assert!(put.unwrap().is_applied());
            (Arc::new(store), session, select, update)
        });
        let pair =
            Self { runtime, store, session, select, update, key, version: Cell::new(Version::random()) };
        let wanted = GetOptions::nothing().with_returning(Returning::VERSION);
        let entry = pair.runtime.block_on(pair.store.get(&pair.key, wanted)).unwrap().unwrap();
        pair.version.set(entry.version.unwrap());
        pair
    }

    pub(crate) fn get(&self, times: usize) {
        self.runtime.block_on(async {
            for _ in 0..times {
                let entry = self.store.get(&self.key, GetOptions::new()).await.unwrap().unwrap();
                assert_eq!(entry.value.unwrap().into_blob().unwrap().len(), 100);
            }
        });
    }

    /// What [`get`](Self::get) sends, without the driver.
    pub(crate) fn raw_get(&self, times: usize) {
        self.runtime.block_on(async {
            for _ in 0..times {
                let result =
                    answered(|| self.session.execute_unpaged(&self.select, (self.key.as_str(),))).await;
                let result = result.into_rows_result().unwrap();
                let (kind, .., value): Row = result.first_row().unwrap();
                assert_eq!((kind, value.len()), (Some(1), 100));
            }
        });
    }

    /// A put over the version that is there.
    pub(crate) fn swap(&self, times: usize) {
        self.runtime.block_on(async {
            for _ in 0..times {
                let options = PutOptions::new(Ttl::hours(1)).with_returning(Returning::VERSION);
                let options = options.with_condition(Condition::IfVersion(self.version.get()));
                let put = self.store.put(&self.key, Value::from(vec![7; 100]), options).await;
                self.version.set(put.unwrap().applied().unwrap().version.unwrap());
            }
        });
    }

    /// What [`swap`](Self::swap) sends, without the driver.
    pub(crate) fn raw_swap(&self, times: usize) {
        self.runtime.block_on(async {
            for _ in 0..times {
                let (seen, new) =
                    (Uuid::from_slice(self.version.get().as_bytes()).unwrap(), Version::random());
                let (far, uuid) = (i64::MAX - 1, Uuid::from_slice(new.as_bytes()).unwrap());
                let (kind, value, key) = (1_i8, vec![7_u8; 100], self.key.as_str());
                let values = (3_600, kind, value, far, far, i64::MAX, uuid, 7_i64, key, seen, 0_i64, 0_i64);
                let result = answered(|| self.session.execute_unpaged(&self.update, &values)).await;
                let result = result.into_rows_result().unwrap();
                let applied = result.first_row::<ColumnIterator<'_, '_>>().unwrap().next().unwrap().unwrap();
                assert_eq!(applied.slice.unwrap().as_slice(), [1]);
                self.version.set(new);
            }
        });
    }
}

/// The answer to a statement. One that the server has forgotten before it could be executed is sent again: its store of
/// statements may be full of those of others.
pub(crate) async fn answered<F: Future<Output = Result<QueryResult, ExecutionError>>>(
    send: impl Fn() -> F,
) -> QueryResult {
    for _ in 0..100 {
        match send().await {
            Err(ExecutionError::LastAttemptError(RequestAttemptError::DbError(
                DbError::Unprepared { .. },
                _,
            ))) => {}
            answer => return answer.unwrap(),
        }
    }
    panic!("the server forgets every statement");
}
