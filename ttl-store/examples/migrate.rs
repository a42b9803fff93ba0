//! Moves all entries of one store to another, with a progress bar. The programs that use them go on, if they use both
//! stores through the layer `Migrate`.
//!
//! ```text
//! cargo run --example migrate --features layers,redis,dynamodb -- \
//!     redis://127.0.0.1:6379 'dynamodb://sessions?region=eu-central-1&table=ensure'
//! ```

use std::process::ExitCode;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use ttl_store::Result;
use ttl_store::layers::Migrate;

async fn migrate(from: &str, to: &str) -> Result<bool> {
    let (old, new) = (ttl_store::connect(from).await?, ttl_store::connect(to).await?);
    let migrate = Migrate::new(Arc::clone(old.driver()));
    let before = migrate.verify().await?;
    let bar = ProgressBar::new(before.entries + before.unreadable);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} entries, {per_sec}, {eta} left") {
        bar.set_style(style);
    }
    let migrated =
        migrate.copy(new.driver(), |so_far| bar.set_position(so_far.moved + so_far.gone + so_far.failed));
    let migrated = migrated.await?;
    bar.abandon();
    println!("{} moved, {} gone meanwhile, {} failed", migrated.moved, migrated.gone, migrated.failed);
    if let Some((_, reason)) = migrated.first_failure {
        println!("the first failure: {reason:?}");
    }
    let left = migrate.verify().await?;
    println!("{} left in the old store", left.entries + left.unreadable);
    Ok(left.is_complete())
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [from, to] = arguments.as_slice() else {
        eprintln!("usage: migrate OLD_URL NEW_URL");
        return ExitCode::from(2);
    };
    match migrate(from, to).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
