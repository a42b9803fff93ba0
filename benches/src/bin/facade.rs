//! The typed collections of `ttl_store::Store` beside calls of the trait with `serde_json`, on the same memory store.

use std::hint::black_box;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use ttl_benches::arguments::Scale;
use ttl_benches::report::{Measured, Report};
use ttl_benches::rounds::{Rounds, Sample};
use ttl_benches::wait::wait;
use ttl_benches::workload::{Distribution, Workload, power};
use ttl_core::options::{Create, ExistingDeadline, GetOptions, PatchOptions, PutOptions, Refresh};
use ttl_core::{Key, Kind, Patch, Record, Ttl, TtlStore, Value};
use ttl_memory::{MemoryConfig, MemoryStore};
use ttl_store::{Collection, Json, Store};

const PURPOSE: &str = "typed collections beside the trait with serde_json, on one memory store";
const TTL: Ttl = Ttl::hours(6);

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

/// The same requests to the trait. The text of a record's JSON is a blob here, which is what a program would store without
/// collections.
fn plain(store: &Arc<dyn TtlStore>, operation: Operation, key: &str, session: &Session) {
    // The key of a program has a prefix as well.
    let name = |prefix: &str| Key::new(format!("{prefix}{key}")).expect("the key is valid");
    let put = |key: Key, value: Value| {
        let refresh = ExistingDeadline::Refresh(Refresh::extend_only(TTL));
        let options = PutOptions::new(TTL).with_existing_deadline(refresh);
        assert!(black_box(wait(store.put(&key, value, options))).expect("it writes").is_applied());
    };
    match operation {
        Operation::RecordGet | Operation::BlobGet => {
            let options = GetOptions::new().with_kind(Kind::Blob);
            let entry = wait(store.get(&name("plain:b:"), options)).expect("it reads").expect("a hit");
            let bytes = entry.value.expect("a value").into_blob().expect("a blob");
            black_box(serde_json::from_slice::<Session>(&bytes).expect("JSON"));
        }
        Operation::RecordPut | Operation::BlobPut => {
            put(name("plain:b:"), serde_json::to_vec(session).expect("JSON").into());
        }
        Operation::Count => {
            let patch = Patch::new().increment("count", 1);
            let options = PatchOptions::new().with_create(Create::new(TTL).with_initial(Record::new()));
            let patched = wait(store.patch(&name("plain:c:"), &patch, options)).expect("it writes");
            let patched = patched.applied().expect("it is applied");
            let count = patched.fields.get("count").and_then(serde_json::Value::as_i64);
            black_box(count.expect("a number"));
        }
    }
}

fn main() -> ttl_store::Result<()> {
    let scale = Scale::from_arguments(PURPOSE);
    let mut report = Report::begin("facade", PURPOSE, scale);
    let driver: Arc<dyn TtlStore> = Arc::new(MemoryStore::new(&MemoryConfig::new()));
    let store = Store::from(driver.clone());
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
            plain(&driver, operation, key.as_str(), &session);
        }
    }
    for (operation, name) in OPERATIONS {
        let mut rounds = Rounds::new(2);
        for round in 0..scale.rounds() {
            let keys = workload.stored(Distribution::Uniform, round as u64, scale.pick(10_000, 100_000));
            for at in rounds.order() {
                let sample = Sample::of_thread(keys.len(), || {
                    for key in &keys {
                        if at == 0 {
                            collections.run(operation, key.as_str(), &session);
                        } else {
                            plain(&driver, operation, key.as_str(), &session);
                        }
                    }
                });
                rounds.record(at, sample);
            }
        }
        let workload = format!("{} entries, a struct of five fields", power(workload.entries));
        let measured = Measured { operation: name, workload: &workload, metric: "cpu", unit: "ns" };
        report.compared(measured, &["ttl-store", "trait"], &rounds.compared(|sample| sample.cpu));
    }
    report.finish();
    Ok(())
}
