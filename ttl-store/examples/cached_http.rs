//! An HTTP service whose answers are cached. Start it twice in front of one Redis, and ask both:
//!
//! ```text
//! cargo run --example cached_http --features cache,redis -- redis://127.0.0.1:6379 127.0.0.1:8081
//! cargo run --example cached_http --features cache,redis -- redis://127.0.0.1:6379 127.0.0.1:8082
//! curl -i http://127.0.0.1:8081/users/7              # slow; the header `x-loaded-by` names the process
//! curl -i http://127.0.0.1:8082/users/7              # fast, from the other process
//! curl -X DELETE http://127.0.0.1:8082/users/7       # invalidates in both
//! curl http://127.0.0.1:8081/stats
//! ```

use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};
use ttl_store::cache::{Cache, CacheError, Near, OnOutage};
use ttl_store::{Json, Ttl};

#[derive(Serialize, Deserialize)]
struct User {
    name: String,
    loaded_by: u32,
}

type Users = Cache<u64, User>;

/// A slow query. There are users up to 1,000.
async fn load(id: u64) -> std::io::Result<Option<User>> {
    tokio::time::sleep(Duration::from_millis(500)).await;
    let name = format!("user {id}");
    Ok((id <= 1_000).then(|| User { name, loaded_by: std::process::id() }))
}

/// An error, as an answer: the store or the source is out, or the load takes too long.
struct Failed(CacheError);

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let status = match &self.0 {
            CacheError::WaitTimeout | CacheError::LoadTimeout => StatusCode::GATEWAY_TIMEOUT,
            CacheError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_GATEWAY,
        };
        (status, self.0.to_string()).into_response()
    }
}

async fn show(State(users): State<Users>, Path(id): Path<u64>) -> Result<Response, Failed> {
    let user = users.find_or_load(&id, move |_| load(id)).await.map_err(Failed)?;
    Ok(match user {
        Some(user) => ([("x-loaded-by", user.loaded_by.to_string())], user.name.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    })
}

async fn invalidate(State(users): State<Users>, Path(id): Path<u64>) -> Result<StatusCode, Failed> {
    users.invalidate(&id).await.map_err(|error| Failed(error.into()))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn stats(State(users): State<Users>) -> String {
    format!("{:#?}\n", users.stats())
}

async fn run(url: &str, address: &str) -> Result<(), Box<dyn std::error::Error>> {
    let store = ttl_store::connect(url).await?;
    let users: Users = store
        .cache("example/users", Ttl::minutes(10), Json)
        .fresh_for(Ttl::minutes(1))
        .absent_ttl(Ttl::seconds(10))
        .hard_timeout(Duration::from_secs(5))
        .near(Near::new(10_000))
        .on_outage(OnOutage::ServeStaleOrLoad)
        .build()?;
    if store.capabilities().changes {
        users.follow_changes().await?;
    }
    let service = Router::new()
        .route("/users/{id}", get(show).delete(invalidate))
        .route("/stats", get(stats))
        .with_state(users);
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, service).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "memory:".to_owned());
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8081".to_owned());
    match run(&url, &address).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
