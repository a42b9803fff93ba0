//! A sliding session, a reset token that does not slide, and a login throttle, in 11 seconds.
//!
//! ```text
//! cargo run --example sessions
//! cargo run --example sessions --features redis -- redis://127.0.0.1:6379
//! cargo run --example sessions --features dynamodb -- 'dynamodb://sessions?region=eu-central-1&table=ensure'
//! cargo run --example sessions --features scylla -- 'scylla://127.0.0.1/shop/sessions?ensure_schema=true&replication=1'
//! ```

use std::process::ExitCode;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep_until};
use ttl_store::{Actions, Patch, Raw, RefreshPolicy, Result, Store, Ttl, Version};

#[derive(Debug, Serialize, Deserialize)]
struct Session {
    user: String,
    page: String,
    cart: Vec<String>,
    views: u32,
}

/// Shows a session that lives for 2 s after its last use, and for at most 12 h altogether.
async fn session(store: &Store, run: &str) -> Result<()> {
    let sessions = store
        .records::<Session>(format!("example/{run}/sessions"), Ttl::seconds(2))
        .refresh(RefreshPolicy::on(Actions::FETCH | Actions::WRITES)?)
        .max_lifetime(Ttl::hours(12))
        .build()?;
    let left = async || sessions.remaining("s1").await.map(rounded);
    let start = Instant::now();

    println!("A session that ends 2 s after its last use");
    let new = Session { user: "ada".into(), page: "/".into(), cart: vec![], views: 1 };
    sessions.put("s1", &new).await?;
    println!("  0 s  ada signs in: {}", left().await?);

    wait(start, 1).await;
    let before = left().await?;
    sessions.patch("s1", Patch::new().set("page", "/books").increment("views", 1)).await?;
    println!("  1 s  she opens a page: {before}, then {}", left().await?);

    wait(start, 2).await;
    let before = left().await?;
    let patch = Patch::new().set("page", "/cart").append("cart", "Middlemarch").increment("views", 1);
    sessions.patch("s1", patch).await?;
    println!("  2 s  she fills her cart: {before}, then {}", left().await?);
    if let Some(session) = sessions.get("s1").await? {
        println!("       {session:?}");
    }

    wait(start, 5).await;
    let found = sessions.get("s1").await?;
    println!("  5 s  she comes back too late: {}\n", if found.is_some() { "still there" } else { "ended" });
    Ok(())
}

/// Shows a token that lives for 2 s regardless of its use, and can be taken once.
async fn reset_token(store: &Store, run: &str) -> Result<()> {
    let tokens =
        store.blobs::<String, _>(format!("example/{run}/reset-tokens"), Ttl::seconds(2), Raw).build()?;
    let start = Instant::now();

    println!("A reset token that ends after 2 s, used or not");
    tokens.put("t1", &"ada".to_owned()).await?;
    tokens.put("t2", &"bob".to_owned()).await?;
    println!("  0 s  two are sent: {}", rounded(tokens.remaining("t1").await?));

    wait(start, 1).await;
    tokens.get("t1").await?;
    println!("  1 s  ada's is looked at: {}", rounded(tokens.remaining("t1").await?));
    println!("       it is used: {:?}", tokens.take("t1").await?);
    println!("       it is used again: {:?}", tokens.take("t1").await?);

    wait(start, 3).await;
    println!("  3 s  bob's is used too late: {:?}\n", tokens.take("t2").await?);
    Ok(())
}

/// Shows a throttle: three attempts in a window of 2 s that begins with the first.
async fn throttle(store: &Store, run: &str) -> Result<()> {
    let attempts = store.counters(format!("example/{run}/logins"), Ttl::seconds(2)).build()?;
    let attempt = async || -> Result<String> {
        Ok(match attempts.increment("203.0.113.7").await? {
            1..=3 => "allowed".to_owned(),
            _ => format!("refused, {}", rounded(attempts.remaining("203.0.113.7").await?)),
        })
    };
    let start = Instant::now();

    println!("Three logins in 2 s");
    for number in 1..=4 {
        println!("  0 s  attempt {number}: {}", attempt().await?);
    }
    wait(start, 1).await;
    println!("  1 s  attempt 5: {}", attempt().await?);
    wait(start, 3).await;
    println!("  3 s  attempt 6: {}", attempt().await?);
    Ok(())
}

fn rounded(left: Option<Duration>) -> String {
    left.map_or_else(|| "ended".to_owned(), |left| format!("{:.0} s left", left.as_secs_f64()))
}

async fn wait(start: Instant, seconds: u64) {
    sleep_until(start + Duration::from_secs(seconds)).await;
}

async fn run(url: &str) -> Result<()> {
    let store = ttl_store::connect(url).await?;
    // Each run has unique names, and all of its entries expire.
    let run = Version::random().to_string();
    session(&store, &run).await?;
    reset_token(&store, &run).await?;
    throttle(&store, &run).await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let url = std::env::args().nth(1).unwrap_or_else(|| "memory:".to_owned());
    match run(&url).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
