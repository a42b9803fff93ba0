//! The driver, through `Arc<dyn TtlStore>`.

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use ttl_core::options::{Create, ExistingDeadline, GetOptions, PatchOptions, PutOptions, Refresh};
use ttl_core::{Kind, Patch, Record, TtlStore, Value};
use ttl_redis::{RedisConfig, RedisStore};

use super::request::{KEYS, NAMESPACE, Request, TTL};

pub(super) struct Ours {
    store: Arc<dyn TtlStore>,
    value: Bytes,
}

impl Ours {
    pub(super) async fn connect(url: &str, value: &str) -> ttl_core::Result<Self> {
        let config = RedisConfig::from_url(url)?.with_namespace(NAMESPACE);
        let store: Arc<dyn TtlStore> = Arc::new(RedisStore::connect(&config).await?);
        let ours = Self { store, value: Bytes::copy_from_slice(value.as_bytes()) };
        for n in 0..KEYS {
            ours.call(Request::Put, n).await;
            ours.call(Request::Increment, n).await;
            let record = Record::new().with("count", 0).with("page", "/cart");
            let key = &Request::IncrementField.keys(n)[0];
            let _ = ours.store.put(key, record.into(), PutOptions::new(TTL)).await?;
        }
        Ok(ours)
    }

    pub(super) async fn call(&self, request: Request, n: usize) {
        let keys = request.keys(n);
        let blob = GetOptions::new().with_kind(Kind::Blob);
        match request {
            Request::Get => self.get(&keys[0], blob).await,
            Request::GetAny => self.get(&keys[0], GetOptions::new()).await,
            Request::GetRefresh => self.get(&keys[0], blob.with_refresh(Refresh::extend_only(TTL))).await,
            Request::Put => {
                self.put(&keys[0], PutOptions::new(TTL).with_existing_deadline(ExistingDeadline::Replace))
                    .await;
            }
            Request::PutDefault => {
                let refresh = ExistingDeadline::Refresh(Refresh::extend_only(TTL));
                self.put(&keys[0], PutOptions::new(TTL).with_existing_deadline(refresh)).await;
            }
            Request::Increment => {
                self.patch(&keys[0], PatchOptions::new().with_create(Create::new(TTL))).await;
            }
            Request::IncrementField => self.patch(&keys[0], PatchOptions::new()).await,
            Request::GetMany => {
                for answer in self.store.get_many(&keys, blob).await {
                    assert!(black_box(answer).expect("the driver reads").is_some());
                }
            }
        }
    }

    async fn get(&self, key: &ttl_core::Key, options: GetOptions) {
        assert!(black_box(self.store.get(key, options).await).expect("the driver reads").is_some());
    }

    async fn put(&self, key: &ttl_core::Key, options: PutOptions) {
        let put = self.store.put(key, Value::Blob(self.value.clone()), options).await;
        assert!(put.expect("the driver writes").is_applied());
    }

    async fn patch(&self, key: &ttl_core::Key, options: PatchOptions) {
        let patch = Patch::new().increment("count", 1);
        assert!(self.store.patch(key, &patch, options).await.expect("the driver patches").is_applied());
    }
}
