//! Metrics of a store, served for Prometheus until the program is stopped.
//!
//! ```text
//! cargo run --example observed --features observe
//! cargo run --example observed --features observe,redis -- redis://127.0.0.1:6379 127.0.0.1:9000
//! curl http://127.0.0.1:9000/metrics
//! ```

use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use ttl_store::layers::{LayerExt, Observe};
use ttl_store::{Actions, Bytes, Raw, RefreshPolicy, Result, Store, Ttl, Version};

/// The bounds that OpenTelemetry recommends for the duration of database calls, in seconds.
const SECONDS: [f64; 9] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

/// Serves the metrics of this process at `http://ADDRESS/metrics`.
fn serve(address: SocketAddr) -> Result<(), Box<dyn Error>> {
    PrometheusBuilder::new()
        .with_http_listener(address)
        .set_buckets_for_metric(Matcher::Full("db.client.operation.duration".into()), &SECONDS)?
        .install()?;
    Ok(())
}

/// Signs two users in, and looks for three.
async fn visit(store: &Store, run: &str) -> Result<()> {
    let sessions = store
        .blobs::<Bytes, _>(format!("example/{run}/sessions"), Ttl::minutes(1), Raw)
        .refresh(RefreshPolicy::on(Actions::FETCH)?)
        .build()?;
    sessions.put("s1", &"ada".into()).await?;
    sessions.put("s2", &"bob".into()).await?;
    for key in ["s1", "s2", "s1", "s3"] {
        println!("{key}: {:?}", sessions.get(key).await?);
    }
    let deleted = sessions.delete("s2").await?;
    println!("s2 signs out: {deleted}");
    Ok(())
}

async fn run(url: &str, address: &str) -> Result<(), Box<dyn Error>> {
    let address = address.parse()?;
    // The recorder comes first: the layer describes its metrics to it.
    serve(address)?;
    let connected = ttl_store::connect(url).await?;
    let driver = Arc::clone(connected.driver()).layer(Observe::new().with_name("sessions"))?;
    // Each run has unique names, and all of its entries expire.
    visit(&Store::from(driver), &Version::random().to_string()).await?;
    println!("http://{address}/metrics");
    std::future::pending().await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "memory:".to_owned());
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:9000".to_owned());
    match run(&url, &address).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
