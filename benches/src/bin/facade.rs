//! The typed collections of `ttl_store::Store` beside calls of the trait with `serde_json`, on the same memory store.

use std::hint::black_box;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use ttl_benches::arguments::Scale;
use ttl_benches::report::{Measured, Report};
use ttl_benches::rounds::{Rounds, Sample};
use ttl_benches::wait::wait;
use ttl_benches::workload::{Distribution, Workload, power};
use ttl_core::driver::SyncStore;
use ttl_core::options::{Create, ExistingDeadline, GetOptions, PatchOptions, PutOptions, Refresh};
use ttl_core::{Key, Kind, Patch, Record, Ttl, TtlStore};
use ttl_memory::{MemoryConfig, MemoryStore};
use ttl_store::{Collection, Json, Store};

const PURPOSE: &str = "typed collections beside the trait with serde_json, on one memory store";
const TTL: Ttl = Ttl::hours(6);
const NAMES: [&str; 3] = ["ttl-store", "trait", "trait, futures"];

#[derive(Clone, Serialize, Deserialize)]
struct Session {
    user: String,
    page: String,
    hits: u32,
    admin: bool,
    cart: Vec<u32>,
}

fn session() -> Session {
    Session { user: "ada".to_owned(), page: "/cart".to_owned(), hits: 7, admin: false, cart: vec![3, 5, 8] }
}

#[derive(Clone, Copy)]
enum Operation {
    RecordGet,
    RecordPut,
    BlobGet,
    BlobPut,
    Count,
}

const OPERATIONS: [(Operation, &str); 5] = [
    (Operation::RecordGet, "records, get"),
    (Operation::RecordPut, "records, put"),
    (Operation::BlobGet, "blobs, get"),
    (Operation::BlobPut, "blobs, put"),
    (Operation::Count, "counters, increment"),
];

struct Collections {
    records: Collection<Session, ttl_store::AsRecord>,
    blobs: Collection<Session, ttl_store::AsBlob<Json>>,
    counters: Collection<i64, ttl_store::AsCount>,
}

impl Collections {
    fn run(&self, operation: Operation, key: &str, session: &Session) {
        match operation {
            Operation::RecordGet => {
                drop(black_box(wait(self.records.get(key))).expect("it reads").expect("a hit"));
            }
            Operation::RecordPut => drop(black_box(wait(self.records.put(key, session))).expect("it writes")),
            Operation::BlobGet => {
                drop(black_box(wait(self.blobs.get(key))).expect("it reads").expect("a hit"));
            }
            Operation::BlobPut => drop(black_box(wait(self.blobs.put(key, session))).expect("it writes")),
            Operation::Count => {
                black_box(wait(self.counters.increment(key))).expect("it writes");
            }
        }
    }
}

/// Requests to the trait.
#[derive(Clone, Copy)]
enum Calls {
    /// Through `TtlStore::as_sync`, as collections do.
    Sync,
    /// Through the async methods, whose futures are boxed.
    Futures,
}

/// The trait, as a program would call it without collections.
struct Plain {
    store: Arc<dyn TtlStore>,
}

impl Plain {
    fn sync(&self) -> &dyn SyncStore {
        self.store.as_sync().expect("the memory driver never waits")
    }

    /// Makes the same request as the collections. The text of a record's JSON is a blob here, which is what a program would
    /// store.
    fn run(&self, calls: Calls, operation: Operation, key: &str, session: &Session) {
        // The key of a program has a prefix as well.
        let name = |prefix: &str| Key::new(format!("{prefix}{key}")).expect("the key is valid");
        match operation {
            Operation::RecordGet | Operation::BlobGet => {
                let (key, options) = (name("plain:b:"), GetOptions::new().with_kind(Kind::Blob));
                let entry = match calls {
                    Calls::Sync => self.sync().get(&key, &options),
                    Calls::Futures => wait(self.store.get(&key, options)),
                };
                let entry = entry.expect("it reads").expect("a hit");
                let bytes = entry.value.expect("a value").into_blob().expect("a blob");
                black_box(serde_json::from_slice::<Session>(&bytes).expect("JSON"));
            }
            Operation::RecordPut | Operation::BlobPut => {
                let (key, value) = (name("plain:b:"), serde_json::to_vec(session).expect("JSON").into());
                let refresh = ExistingDeadline::Refresh(Refresh::extend_only(TTL));
                let options = PutOptions::new(TTL).with_existing_deadline(refresh);
                let put = match calls {
                    Calls::Sync => self.sync().put(&key, value, &options),
                    Calls::Futures => wait(self.store.put(&key, value, options)),
                };
                assert!(black_box(put).expect("it writes").is_applied());
            }
            Operation::Count => {
                let (key, patch) = (name("plain:c:"), Patch::new().increment("count", 1));
                let options = PatchOptions::new().with_create(Create::new(TTL).with_initial(Record::new()));
                let patched = match calls {
                    Calls::Sync => self.sync().patch(&key, &patch, &options),
                    Calls::Futures => wait(self.store.patch(&key, &patch, options)),
                };
                let patched = patched.expect("it writes").applied().expect("it is applied");
                let count = patched.fields.get("count").and_then(serde_json::Value::as_i64);
                black_box(count.expect("a number"));
            }
        }
    }
}

fn main() -> ttl_store::Result<()> {
    let scale = Scale::from_arguments(PURPOSE);
    let mut report = Report::begin("facade", PURPOSE, scale);
    let driver: Arc<dyn TtlStore> = Arc::new(MemoryStore::new(&MemoryConfig::new()));
    let store = Store::from(driver.clone());
    let plain = Plain { store: driver };
    let collections = Collections {
        records: store.records("sessions", TTL).build()?,
        blobs: store.blobs("pages", TTL, Json).build()?,
        counters: store.counters("hits", TTL).build()?,
    };
    let workload = Workload::new(scale.pick(10_000, 100_000));
    report.say(format_args!(
        "filling collections and plain keys with {} entries each",
        power(workload.entries)
    ));
    let session = session();
    for key in workload.all() {
        for operation in [Operation::RecordPut, Operation::BlobPut, Operation::Count] {
            collections.run(operation, key.as_str(), &session);
            plain.run(Calls::Sync, operation, key.as_str(), &session);
        }
    }
    for (operation, name) in OPERATIONS {
        let mut rounds = Rounds::new(NAMES.len());
        for round in 0..scale.rounds() {
            let keys = workload.stored(Distribution::Uniform, round as u64, scale.pick(10_000, 100_000));
            for at in rounds.order() {
                let sample = Sample::of_thread(keys.len(), || {
                    for key in &keys {
                        match at {
                            0 => collections.run(operation, key.as_str(), &session),
                            1 => plain.run(Calls::Sync, operation, key.as_str(), &session),
                            _ => plain.run(Calls::Futures, operation, key.as_str(), &session),
                        }
                    }
                });
                rounds.record(at, sample);
            }
        }
        let workload = format!("{} entries, a struct of five fields", power(workload.entries));
        let measured = Measured { operation: name, workload: &workload, metric: "cpu", unit: "ns" };
        report.compared(measured, &NAMES, &rounds.compared(|sample| sample.cpu));
    }
    report.finish();
    Ok(())
}
