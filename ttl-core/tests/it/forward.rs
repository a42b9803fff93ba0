//! The forwarding macro: each method calls only the same method of the inner store, once.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use crate::toy::Toy;

/// Records the calls of its methods. Uses full paths, like a crate without these imports.
#[derive(Debug)]
struct Recorder {
    inner: ttl_core::driver::CasStore<Toy>,
    calls: Mutex<Vec<&'static str>>,
}

impl Recorder {
    fn new() -> Self {
        Self { inner: ttl_core::driver::CasStore::new(Toy::default()), calls: Mutex::default() }
    }

    fn note(&self, method: &'static str) -> &ttl_core::driver::CasStore<Toy> {
        self.calls.lock().unwrap().push(method);
        &self.inner
    }

    fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }
}

#[deny(clippy::missing_trait_methods)]
impl ttl_core::TtlStore for Recorder {
    ttl_core::forward_ttl_store!(self, *self.note("capabilities") => capabilities);
    ttl_core::forward_ttl_store!(self, *self.note("now") => now);
    ttl_core::forward_ttl_store!(self, *self.note("as_sync") => as_sync);
    ttl_core::forward_ttl_store!(self, *self.note("get") => get);
    ttl_core::forward_ttl_store!(self, *self.note("put") => put);
    ttl_core::forward_ttl_store!(self, *self.note("expire") => expire);
    ttl_core::forward_ttl_store!(self, *self.note("patch") => patch);
    ttl_core::forward_ttl_store!(self, *self.note("delete") => delete);
    ttl_core::forward_ttl_store!(self, *self.note("scan") => scan);
    ttl_core::forward_ttl_store!(self, *self.note("get_many") => get_many);
    ttl_core::forward_ttl_store!(self, *self.note("put_many") => put_many);
    ttl_core::forward_ttl_store!(self, *self.note("delete_many") => delete_many);
    ttl_core::forward_ttl_store!(self, *self.note("changes") => changes);
}

/// A generic wrapper with one method of its own among the forwarded ones.
#[derive(Debug)]
struct Wrapper<S> {
    inner: S,
}

#[deny(clippy::missing_trait_methods)]
#[ttl_core::async_trait]
impl<S: ttl_core::TtlStore> ttl_core::TtlStore for Wrapper<S> {
    async fn get(
        &self,
        key: &ttl_core::Key,
        options: ttl_core::options::GetOptions,
    ) -> ttl_core::Result<Option<ttl_core::Entry>> {
        self.inner.get(key, options).await
    }

    ttl_core::forward_ttl_store!(self, self.inner => capabilities now no_sync put expire patch delete scan get_many put_many delete_many changes);
}

/// Calls every method once, in the order of the trait, and checks the answers.
async fn call_all(store: &dyn ttl_core::TtlStore) {
    use ttl_core::options::{
        DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutItem, PutOptions,
        ScanOptions,
    };
    use ttl_core::{Key, Patch, Record, Ttl};
    let keys = [Key::new("a").unwrap(), Key::new("b").unwrap()];
    let hour = PutOptions::new(Ttl::hours(1));
    assert_eq!(store.capabilities().backend, "toy");
    assert!(store.now() > SystemTime::UNIX_EPOCH);
    assert!(store.as_sync().is_none());
    assert!(store.get(&keys[0], GetOptions::new()).await.unwrap().is_none());
    assert!(store.put(&keys[0], Record::new().into(), hour.clone()).await.unwrap().is_applied());
    let extend = ExpiryChange::Extend(Ttl::hours(1));
    assert!(store.expire(&keys[0], extend, ExpireOptions::new()).await.unwrap().is_applied());
    let patch = Patch::new().set("f", 1);
    assert!(store.patch(&keys[0], &patch, PatchOptions::new()).await.unwrap().is_applied());
    assert!(store.delete(&keys[1], DeleteOptions::new()).await.unwrap().is_absent());
    assert_eq!(store.scan(ScanOptions::new("")).await.unwrap().items.len(), 1);
    assert_eq!(store.get_many(&keys, GetOptions::new()).await.len(), 2);
    let items = keys.iter().map(|key| PutItem::new(key.clone(), "v", hour.clone())).collect();
    assert_eq!(store.put_many(items).await.len(), 2);
    assert_eq!(store.delete_many(&keys, DeleteOptions::new()).await.len(), 2);
    assert_eq!(store.changes().await.err().unwrap().kind(), ttl_core::ErrorKind::Unsupported);
}

const ALL: [&str; 13] = [
    "capabilities",
    "now",
    "as_sync",
    "get",
    "put",
    "expire",
    "patch",
    "delete",
    "scan",
    "get_many",
    "put_many",
    "delete_many",
    "changes",
];

#[tokio::test]
async fn every_method_is_forwarded_once_through_every_wrapper() {
    let recorder = Arc::new(Recorder::new());
    call_all(&*recorder).await;
    assert_eq!(recorder.calls(), ALL);

    let shared: Arc<dyn ttl_core::TtlStore> = recorder.clone();
    let boxed: Box<dyn ttl_core::TtlStore> = Box::new(Arc::clone(&shared));
    call_all(&shared).await;
    assert_eq!(recorder.calls(), ALL, "Arc");
    call_all(&boxed).await;
    assert_eq!(recorder.calls(), ALL, "Box of Arc");
    call_all(&Wrapper { inner: Wrapper { inner: boxed } }).await;
    let without_sync: Vec<_> = ALL.into_iter().filter(|method| *method != "as_sync").collect();
    assert_eq!(recorder.calls(), without_sync, "wrappers");
}

#[test]
fn stores_errors_and_options_cross_threads() {
    fn crosses<T: Send + Sync + 'static>() {}
    crosses::<Arc<dyn ttl_core::TtlStore>>();
    crosses::<Arc<dyn ttl_core::Clock>>();
    crosses::<ttl_core::driver::CasStore<Toy>>();
    crosses::<ttl_core::Error>();
    crosses::<ttl_core::Entry>();
    crosses::<ttl_core::Page>();
    crosses::<ttl_core::Patch>();
    crosses::<ttl_core::options::PutItem>();
    crosses::<ttl_core::options::ScanOptions>();
}
