//! Every layer passes the checks, and each broken layer fails one.

use std::sync::Arc;
use std::time::Duration;

use chacha20poly1305::aead::Aead;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use ttl_core::options::{GetOptions, PutOptions, ScanOptions};
use ttl_core::results::PutResult;
use ttl_core::{
    Entry, Error, ErrorKind, Key, Outcome, Page, Result, Ttl, TtlStore, Value, async_trait, forward_ttl_store,
};
use ttl_layers::{
    CircuitBreaker, ClampTtl, Compress, Encrypt, FailOpen, Fallback, Jitter, Keyring, Layer, LayerExt,
    LimitSize, Prefix, Retry, SecondaryScope, Timeout,
};

use crate::checks::{
    entries_of_an_outage_do_not_return, one_call_each, other_errors_reach_the_caller, plaintext_is_corrupt,
    scans_list_the_callers_keys, swapped_ciphertexts_are_corrupt,
    unknown_writes_after_reads_are_not_repeated, unknown_writes_are_not_repeated,
    what_cannot_be_decoded_is_not_refreshed,
};
use crate::recorder::Recorder;

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
pub(crate) fn layers() -> Vec<(&'static str, Box<dyn Layer>)> {
    vec![
        #[cfg(feature = "observe")]
        ("Observe", Box::new(ttl_layers::Observe::new())),
        ("Prefix", Box::new(Prefix::new("tenant-7:"))),
        ("LimitSize", Box::new(LimitSize::new(1 << 20))),
        ("ClampTtl", Box::new(ClampTtl::new().with_min(Ttl::seconds(1)).with_max(Ttl::days(1)))),
        ("Jitter", Box::new(Jitter::by_fraction(0.5))),
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
        other_errors_reach_the_caller(&*layer).await.unwrap_or_else(|fault| panic!("{name}: {fault}"));
        unknown_writes_are_not_repeated(&*layer).await.unwrap_or_else(|fault| panic!("{name}: {fault}"));
        scans_list_the_callers_keys(&*layer).await.unwrap_or_else(|fault| panic!("{name}: {fault}"));
    }
}

#[tokio::test]
async fn layers_that_answer_for_an_outage_pass_the_other_checks() {
    let layers: [Box<dyn Layer>; 2] = [Box::new(FailOpen::new()), Box::new(Fallback::new(Recorder::new()))];
    for layer in layers {
        one_call_each(&*layer).await.unwrap();
        other_errors_reach_the_caller(&*layer).await.unwrap();
        scans_list_the_callers_keys(&*layer).await.unwrap();
        let fault = unknown_writes_are_not_repeated(&*layer).await.unwrap_err();
        assert_eq!(fault, "put: expected Some(OutcomeUnknown), seen None");
    }
}

/// Defines layers that each forward all methods but one, so that the provided method takes its place.
macro_rules! forgetful {
    ($($name:ident forgets $forgotten:literal, forwards $($method:ident)*;)*) => {
        $(
            #[derive(Debug)]
            struct $name(Arc<dyn TtlStore>);

            impl TtlStore for $name {
                forward_ttl_store!(self, self.0 => $($method)*);
            }
        )*

        fn forgetful_layers() -> Vec<(&'static str, Wrap)> {
            vec![$(($forgotten, Wrap(|inner| Arc::new($name(inner))))),*]
        }
    };
}

/// A layer without settings.
struct Wrap(fn(Arc<dyn TtlStore>) -> Arc<dyn TtlStore>);

impl Layer for Wrap {
    fn wrap(&self, inner: Arc<dyn TtlStore>) -> Result<Arc<dyn TtlStore>> {
        Ok(self.0(inner))
    }
}

forgetful! {
    ForgetsNow forgets "now",
        forwards capabilities get put expire patch delete scan get_many put_many delete_many changes;
    ForgetsPatch forgets "patch",
        forwards capabilities now get put expire delete scan get_many put_many delete_many changes;
    ForgetsDelete forgets "delete",
        forwards capabilities now get put expire patch scan get_many put_many delete_many changes;
    ForgetsScan forgets "scan",
        forwards capabilities now get put expire patch delete get_many put_many delete_many changes;
    ForgetsGetMany forgets "get_many",
        forwards capabilities now get put expire patch delete scan put_many delete_many changes;
    ForgetsPutMany forgets "put_many",
        forwards capabilities now get put expire patch delete scan get_many delete_many changes;
    ForgetsChanges forgets "changes",
        forwards capabilities now get put expire patch delete scan get_many put_many delete_many;
    ForgetsDeleteMany forgets "delete_many",
        forwards capabilities now get put expire patch delete scan get_many put_many changes;
}

#[tokio::test]
async fn a_layer_that_forgets_a_method_is_caught() {
    for (forgotten, layer) in forgetful_layers() {
        let fault = one_call_each(&layer).await.unwrap_err();
        let expected = match forgotten {
            "now" => "now: expected",
            "scan" => "scan: scan on memory: unsupported",
            "changes" => "changes: changes on memory: unsupported",
            "patch" => r#"seen ["put", "get", "put", "expire""#,
            "delete" => r#""scan", "get", "expire", "delete_many""#,
            "get_many" => r#""put_many", "get", "get", "get", "scan""#,
            "put_many" => r#""get", "put", "put", "get_many""#,
            "delete_many" => r#""delete", "delete", "delete""#,
            other => panic!("no expected fault for {other}"),
        };
        assert!(fault.contains(expected), "{forgotten}: {fault}");
    }
}

/// A layer that turns every error of a get into a miss.
#[derive(Debug)]
struct HidesEveryError(Arc<dyn TtlStore>);

#[async_trait]
impl TtlStore for HidesEveryError {
    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>> {
        Ok(self.0.get(key, options).await.unwrap_or_default())
    }

    forward_ttl_store!(self, self.0 => capabilities now put expire patch delete scan get_many put_many delete_many changes);
}

#[tokio::test]
async fn a_layer_that_hides_errors_of_the_caller_is_caught() {
    let layer = Wrap(|inner| Arc::new(HidesEveryError(inner)));
    one_call_each(&layer).await.unwrap();
    let fault = other_errors_reach_the_caller(&layer).await.unwrap_err();
    assert_eq!(fault, "get: expected Some(TooLarge), seen None");
}

#[tokio::test]
async fn the_fallback_forgets_what_is_written() {
    entries_of_an_outage_do_not_return(|secondary| Box::new(Fallback::new(secondary))).await.unwrap();
    let shared = |secondary| Box::new(Fallback::new(secondary).with_scope(SecondaryScope::Shared)) as Box<_>;
    entries_of_an_outage_do_not_return(shared).await.unwrap();
}

/// A fallback that never removes a key from its secondary store.
#[derive(Clone)]
struct NeverRemoves(Arc<dyn TtlStore>);

#[derive(Debug)]
struct NeverRemovesStore {
    primary: Arc<dyn TtlStore>,
    secondary: Arc<dyn TtlStore>,
}

impl Layer for NeverRemoves {
    fn wrap(&self, primary: Arc<dyn TtlStore>) -> Result<Arc<dyn TtlStore>> {
        Ok(Arc::new(NeverRemovesStore { primary, secondary: Arc::clone(&self.0) }))
    }
}

#[async_trait]
impl TtlStore for NeverRemovesStore {
    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>> {
        match self.primary.get(key, options.clone()).await {
            Err(_) => self.secondary.get(key, options).await,
            done => done,
        }
    }

    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>> {
        match self.primary.put(key, value.clone(), options.clone()).await {
            Err(_) => self.secondary.put(key, value, options).await,
            done => done,
        }
    }

    forward_ttl_store!(self, self.primary => capabilities now expire patch delete scan get_many put_many delete_many changes);
}

#[tokio::test]
async fn a_fallback_that_forgets_to_remove_a_key_is_caught() {
    one_call_each(&NeverRemoves(Recorder::new())).await.unwrap();
    let layer = |secondary| Box::new(NeverRemoves(secondary)) as Box<dyn Layer>;
    let fault = entries_of_an_outage_do_not_return(layer).await.unwrap_err();
    assert_eq!(fault, "get after put: expected false, seen true");
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

    forward_ttl_store!(self, self.0 => capabilities now get expire patch delete scan get_many put_many delete_many changes);
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

    forward_ttl_store!(self, self.outer => capabilities now get put expire patch delete get_many put_many delete_many changes);
}

#[tokio::test]
async fn a_layer_that_leaks_its_prefix_in_scans_is_caught() {
    one_call_each(&LeaksThePrefix).await.unwrap();
    let fault = scans_list_the_callers_keys(&LeaksThePrefix).await.unwrap_err();
    assert!(fault.contains("tenant-7:user:1"), "{fault}");
}

fn encrypt() -> Encrypt {
    Encrypt::new("zoo", Keyring::new("key", [7; 32]))
}

#[tokio::test]
async fn the_layers_that_decode_pass_the_checks() {
    for layer in [
        Box::new(Compress::gzip().over(0)) as Box<dyn Layer>,
        Box::new(Compress::zstd().over(0)),
        Box::new(encrypt()),
    ] {
        unknown_writes_after_reads_are_not_repeated(&*layer).await.unwrap();
        scans_list_the_callers_keys(&*layer).await.unwrap();
        what_cannot_be_decoded_is_not_refreshed(&*layer).await.unwrap();
    }
    for layer in [encrypt(), Encrypt::new("zoo", Keyring::new("k", [8; 32]))] {
        swapped_ciphertexts_are_corrupt(&layer).await.unwrap();
        plaintext_is_corrupt(&layer).await.unwrap();
    }
}

/// A layer that encrypts blobs, and does not bind them to their keys.
struct WithoutAssociatedData;

#[derive(Debug)]
struct UnboundStore(Arc<dyn TtlStore>);

impl Layer for WithoutAssociatedData {
    fn wrap(&self, inner: Arc<dyn TtlStore>) -> Result<Arc<dyn TtlStore>> {
        Ok(Arc::new(UnboundStore(inner)))
    }
}

const NONCE: [u8; 24] = [5; 24];

fn cipher() -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&[7; 32].into())
}

fn seal(value: Value) -> Value {
    let bytes = value.into_blob().unwrap();
    cipher().encrypt(&XNonce::from(NONCE), &*bytes).unwrap().into()
}

#[async_trait]
impl TtlStore for UnboundStore {
    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>> {
        let Some(entry) = self.0.get(key, options).await? else { return Ok(None) };
        let Some(Value::Blob(sealed)) = entry.value else { return Ok(Some(entry)) };
        let opened = cipher().decrypt(&XNonce::from(NONCE), &*sealed);
        let opened = opened.map_err(|_| Error::new(ErrorKind::Corrupt, "damaged"))?;
        Ok(Some(Entry::new(Value::from(opened))))
    }

    async fn put_many(&self, mut items: Vec<ttl_core::options::PutItem>) -> Vec<Result<Outcome<PutResult>>> {
        for item in &mut items {
            item.value = seal(item.value.clone());
        }
        self.0.put_many(items).await
    }

    forward_ttl_store!(self, self.0 => capabilities now put expire patch delete scan get_many delete_many changes);
}

#[tokio::test]
async fn a_layer_without_associated_data_is_caught() {
    let fault = swapped_ciphertexts_are_corrupt(&WithoutAssociatedData).await.unwrap_err();
    assert_eq!(fault, "a swapped entry: expected Some(Corrupt), seen None");
}

#[tokio::test]
async fn a_layer_that_accepts_plaintext_is_caught() {
    let layer = encrypt().with_accept_plaintext(true);
    swapped_ciphertexts_are_corrupt(&layer).await.unwrap();
    let fault = plaintext_is_corrupt(&layer).await.unwrap_err();
    assert_eq!(fault, "blob: expected Some(Corrupt), seen None");
}

/// A layer that encrypts, and that refreshes an entry before it decodes it.
struct RefreshesFirst;

#[derive(Debug)]
struct HastyStore {
    outer: Arc<dyn TtlStore>,
    inner: Arc<dyn TtlStore>,
}

impl Layer for RefreshesFirst {
    fn wrap(&self, inner: Arc<dyn TtlStore>) -> Result<Arc<dyn TtlStore>> {
        Ok(Arc::new(HastyStore { outer: inner.clone().layer(encrypt())?, inner }))
    }
}

#[async_trait]
impl TtlStore for HastyStore {
    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>> {
        let _ = self.inner.get(key, GetOptions::nothing().with_refresh(options.refresh)).await?;
        self.outer.get(key, options.with_refresh(None)).await
    }

    forward_ttl_store!(self, self.outer => capabilities now put expire patch delete scan get_many put_many delete_many changes);
}

#[tokio::test]
async fn a_layer_that_refreshes_before_it_decodes_is_caught() {
    swapped_ciphertexts_are_corrupt(&RefreshesFirst).await.unwrap();
    let fault = what_cannot_be_decoded_is_not_refreshed(&RefreshesFirst).await.unwrap_err();
    assert_eq!(fault, "the time left: expected Some(3600s), seen Some(32400s)");
}
