//! Every layer passes the checks, and each broken layer fails one.

use std::sync::Arc;
use std::time::Duration;

use ttl_core::options::{PutOptions, ScanOptions};
use ttl_core::results::PutResult;
use ttl_core::{Key, Outcome, Page, Result, Ttl, TtlStore, Value, async_trait, forward_ttl_store};
use ttl_layers::{CircuitBreaker, ClampTtl, Layer, LayerExt, LimitSize, Prefix, Retry, Timeout};

use crate::checks::{one_call_each, scans_list_the_callers_keys, unknown_writes_are_not_repeated};

struct Stack;

impl Layer for Stack {
    fn wrap(&self, inner: Arc<dyn TtlStore>) -> Result<Arc<dyn TtlStore>> {
        inner
            .layer(Prefix::new("tenant-7:"))?
            .layer(LimitSize::new(1 << 20))?
            .layer(ClampTtl::new().with_max(Ttl::days(1)))?
            .layer(Timeout::new(Duration::from_secs(3_600)))?
            .layer(CircuitBreaker::new().with_outages(100))?
            .layer(Retry::new().with_backoff(Duration::ZERO, Duration::ZERO))
    }
}

/// The layers that permit writes.
fn layers() -> Vec<(&'static str, Box<dyn Layer>)> {
    vec![
        #[cfg(feature = "observe")]
        ("Observe", Box::new(ttl_layers::Observe::new())),
        ("Prefix", Box::new(Prefix::new("tenant-7:"))),
        ("LimitSize", Box::new(LimitSize::new(1 << 20))),
        ("ClampTtl", Box::new(ClampTtl::new().with_min(Ttl::seconds(1)).with_max(Ttl::days(1)))),
        ("Timeout", Box::new(Timeout::new(Duration::from_secs(3_600)))),
        ("Retry", Box::new(Retry::new().with_backoff(Duration::ZERO, Duration::ZERO))),
        ("CircuitBreaker", Box::new(CircuitBreaker::new().with_outages(100))),
        ("a stack", Box::new(Stack)),
    ]
}

#[tokio::test]
async fn every_layer_passes_the_checks() {
    for (name, layer) in layers() {
        one_call_each(&*layer).await.unwrap_or_else(|fault| panic!("{name}: {fault}"));
        unknown_writes_are_not_repeated(&*layer).await.unwrap_or_else(|fault| panic!("{name}: {fault}"));
        scans_list_the_callers_keys(&*layer).await.unwrap_or_else(|fault| panic!("{name}: {fault}"));
    }
}

/// A layer that does not forward `get_many`, so that the provided one makes a call for each key.
struct ForgetsGetMany;

#[derive(Debug)]
struct ForgetfulStore(Arc<dyn TtlStore>);

impl Layer for ForgetsGetMany {
    fn wrap(&self, inner: Arc<dyn TtlStore>) -> Result<Arc<dyn TtlStore>> {
        Ok(Arc::new(ForgetfulStore(inner)))
    }
}

impl TtlStore for ForgetfulStore {
    forward_ttl_store!(self, self.0 => capabilities now get put expire patch delete scan put_many delete_many);
}

#[tokio::test]
async fn a_layer_that_forgets_a_batch_is_caught() {
    let fault = one_call_each(&ForgetsGetMany).await.unwrap_err();
    assert!(fault.contains(r#""put_many", "get", "get", "get", "scan""#), "{fault}");
}

/// A layer that repeats a put after any error.
struct RepeatsUnknownWrites;

#[derive(Debug)]
struct StubbornStore(Arc<dyn TtlStore>);

impl Layer for RepeatsUnknownWrites {
    fn wrap(&self, inner: Arc<dyn TtlStore>) -> Result<Arc<dyn TtlStore>> {
        Ok(Arc::new(StubbornStore(inner)))
    }
}

#[async_trait]
impl TtlStore for StubbornStore {
    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>> {
        match self.0.put(key, value.clone(), options.clone()).await {
            Err(_) => self.0.put(key, value, options).await,
            done => done,
        }
    }

    forward_ttl_store!(self, self.0 => capabilities now get expire patch delete scan get_many put_many delete_many);
}

#[tokio::test]
async fn a_layer_that_repeats_an_unknown_write_is_caught() {
    one_call_each(&RepeatsUnknownWrites).await.unwrap();
    let fault = unknown_writes_are_not_repeated(&RepeatsUnknownWrites).await.unwrap_err();
    assert_eq!(fault, "put: expected Some(OutcomeUnknown), seen None");
}

/// A layer that adds a prefix to the keys of gets, batches and scans, and lists the keys of the inner store.
struct LeaksThePrefix;

#[derive(Debug)]
struct LeakyStore {
    outer: Arc<dyn TtlStore>,
    inner: Arc<dyn TtlStore>,
}

impl Layer for LeaksThePrefix {
    fn wrap(&self, inner: Arc<dyn TtlStore>) -> Result<Arc<dyn TtlStore>> {
        Ok(Arc::new(LeakyStore { outer: inner.clone().layer(Prefix::new("tenant-7:"))?, inner }))
    }
}

#[async_trait]
impl TtlStore for LeakyStore {
    async fn scan(&self, mut options: ScanOptions) -> Result<Page> {
        options.prefix.insert_str(0, "tenant-7:");
        self.inner.scan(options).await
    }

    forward_ttl_store!(self, self.outer => capabilities now get put expire patch delete get_many put_many delete_many);
}

#[tokio::test]
async fn a_layer_that_leaks_its_prefix_in_scans_is_caught() {
    one_call_each(&LeaksThePrefix).await.unwrap();
    let fault = scans_list_the_callers_keys(&LeaksThePrefix).await.unwrap_err();
    assert!(fault.contains("tenant-7:user:1"), "{fault}");
}
