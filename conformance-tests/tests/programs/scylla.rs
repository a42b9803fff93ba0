//! Programs on a real ScyllaDB or Cassandra, with both spellings of the URL. Each scenario has its own
//! table.

mod cache;
mod shared;

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use ttl_conformance::servers::{ServerKind, run_tests, trial};
use ttl_scylla::{ScyllaConfig, ScyllaStore};
use ttl_store::{Version, connect};

/// The tables of this run, by their URLs. They are dropped with the last trial.
#[derive(Default)]
struct Tables(Mutex<Vec<String>>);

impl Tables {
    /// Returns the URL of a table that is created with the first connection.
    fn add(&self, url: &str, name: &str) -> String {
        let (place, query) = url.split_once('?').unwrap_or((url, ""));
        let (keyspace, _) = place.rsplit_once('/').unwrap();
        let ensure = if query.contains("ensure_schema=") { "" } else { "&ensure_schema=true" };
        // Long enough for a busy machine.
        let table = format!("{keyspace}/facade_{}?{query}", &name[..16]);
        let url = shared::with_query(&table, &format!("timeout=20s{ensure}"));
        self.0.lock().unwrap().push(url.clone());
        url
    }
}

impl Drop for Tables {
    fn drop(&mut self) {
        let urls = std::mem::take(self.0.get_mut().unwrap_or_else(PoisonError::into_inner));
        // On its own thread, because the last trial may drop this value within its runtime.
        let dropped = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(drop_all(urls))
        });
        if !matches!(dropped.join(), Ok(Ok(()))) {
            eprintln!("some tables remain; their names begin with facade_");
        }
    }
}

async fn drop_all(urls: Vec<String>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    for url in urls {
        let config = ScyllaConfig::from_url(&url)?;
        let session = ScyllaStore::connect(&config).await?.session();
        session.query_unpaged(format!("DROP TABLE {}", config.table_name()), ()).await?;
    }
    Ok(())
}

async fn cassandra_is_another_spelling(url: String) {
    let cassandra = connect(&url.replacen("scylla:", "cassandra:", 1)).await.unwrap();
    cassandra.put("k", "v", ttl_store::Ttl::seconds(60)).await.unwrap();
    assert!(connect(&url).await.unwrap().delete("k").await.unwrap());
}

fn main() -> ExitCode {
    if let Some(end) = cache::run_child() {
        return end;
    }
    run_tests(ServerKind::SCYLLA, |server| {
        let tables = Arc::new(Tables::default());
        let another = Arc::clone(&tables);
        let place = move |url: &str, name: &str| tables.add(url, name);
        let mut trials = shared::trials(&server, place.clone());
        trials.extend(cache::trials(&server, cache::Extent::Some, place));
        trials.push(trial("cassandra_is_another_spelling", async move {
            cassandra_is_another_spelling(another.add(server.url(), &Version::random().to_string())).await;
        }));
        trials
    })
}
