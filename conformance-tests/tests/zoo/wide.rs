//! Animals with faults so severe that almost every case fails. They show that the simplest cases can
//! fail.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use ttl_core::driver::Stored;
use ttl_core::options::{GetOptions, PatchOptions, PutOptions};
use ttl_core::{Capabilities, Deadline, Entry, Error, ErrorKind, Key, Patch, Value, Version};

use super::animal::{Got, Patched, Written, animals};

/// The state that all stores of this kind share.
static SHARED: Mutex<BTreeMap<Key, Value>> = Mutex::new(BTreeMap::new());

static CALLS: AtomicU64 = AtomicU64::new(0);

animals! {
    /// Every get is a miss.
    FindsNothing breaks V1 V2 E1 R1; also any: "almost every case uses a get" {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, _: &Key, _: GetOptions) -> Got {
            Ok(None)
        }
    }

    /// Every miss is an empty blob.
    FindsEverything breaks E3 E1; also any: "most cases check a miss" {
        forwards capabilities now put expire patch delete scan put_many delete_many get_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            Ok(self.right.get(key, options).await?.or_else(|| Some(Entry::new(Value::from("")))))
        }
    }

    /// A get without a refresh extends the deadline.
    PeekRefreshes breaks R1; also any: "most cases read a deadline without a refresh" {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            let peeks = options.refresh.is_none();
            let entry = self.right.get(key, options).await;
            if peeks && matches!(entry, Ok(Some(_))) { super::refresh::prolong(&self.right, key) }
            entry
        }
    }

    /// All stores share their blobs.
    OneStoreForAll breaks K2; also any: "cases see the values of others" {
        forwards capabilities now expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            let entry = self.right.get(key, options).await?;
            let shared = || SHARED.lock().get(key).cloned().map(Entry::new);
            Ok(entry.or_else(shared))
        }
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            SHARED.lock().insert(key.clone(), value.clone());
            self.right.put(key, value, options).await
        }
    }

    /// The declared capabilities change with every call.
    DeclaresOneThingAndAnother breaks H1; also any: "the capabilities change within a case" {
        forwards now get put expire patch delete scan get_many put_many delete_many;
        fn capabilities(&self) -> Capabilities {
            let right = self.right.capabilities();
            right.with_max_value_bytes(right.max_value_bytes - CALLS.fetch_add(1, Ordering::SeqCst) % 3)
        }
    }

    /// The clock runs backwards.
    TimeRunsBackwards breaks H1; also any: "requested instants become wrong" {
        forwards capabilities get put expire patch delete scan get_many put_many delete_many;
        fn now(&self) -> std::time::SystemTime {
            self.right.now() - std::time::Duration::from_millis(CALLS.fetch_add(1, Ordering::SeqCst))
        }
    }

    /// The declared resolution is zero.
    ResolvesNothing breaks H1 {
        forwards now get put expire patch delete scan get_many put_many delete_many;
        fn capabilities(&self) -> Capabilities {
            self.right.capabilities().with_resolution(std::time::Duration::ZERO)
        }
    }

    /// The capabilities promise patches, but a patch cannot create an empty initial record.
    PromisesPatches breaks H1; also P2 P4 P5 E3 E4 E7 E2: "patches create" {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let plain = options.create.as_ref().is_some_and(|create| create.initial.is_empty() && create.lifespan.cap == ttl_core::Expiry::Never);
            if plain && options.refresh.is_none() && self.right.backend().live(key).is_none() {
                return Err(Error::new(ErrorKind::Unsupported, "records are not created by patches here"));
            }
            self.right.patch(key, patch, options).await
        }
    }

    /// A dropped call keeps its place until none is left.
    WearsOut breaks C4 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let places = &self.right.backend().memory;
            let ticket = Key::new(format!("place {}", CALLS.fetch_add(1, Ordering::SeqCst)))?;
            let taken = places.lock().len();
            if taken > 100 { return Err(Error::new(ErrorKind::Backend, "no place became free")) }
            let new = Stored::new(Value::from(""), Deadline::NEVER, Deadline::NEVER, Version::random());
            places.lock().insert(ticket.clone(), new);
            tokio::task::yield_now().await;
            let outcome = self.right.put(key, value, options).await;
            places.lock().remove(&ticket);
            outcome
        }
    }

    /// The `Debug` output of the store contains its values.
    PrintsWhatItHolds breaks H5 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            if let Value::Blob(bytes) = &value {
                self.right.backend().printed.lock().push(String::from_utf8_lossy(bytes).into_owned());
            }
            self.right.put(key, value, options).await
        }
    }
}
