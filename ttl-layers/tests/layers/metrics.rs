//! A recorder of metrics that keeps those of this thread.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, LocalRecorderGuard, Metadata, Recorder,
    SharedString, Unit,
};

/// The name and the unit of a metric.
pub(crate) type Described = (String, Option<Unit>);

/// The metrics of this thread: counters, and the number of values of each histogram. A name is followed by
/// the values of the labels that differ between the calls of a store, sorted by the names of the labels.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    values: Arc<Mutex<BTreeMap<String, Arc<Cell>>>>,
    pub(crate) labels: Arc<Mutex<Vec<(String, String)>>>,
    pub(crate) described: Arc<Mutex<Vec<Described>>>,
}

#[derive(Debug, Default)]
struct Cell {
    count: AtomicU64,
    out_of_range: AtomicU64,
}

impl CounterFn for Cell {
    fn increment(&self, value: u64) {
        self.count.fetch_add(value, Ordering::Relaxed);
    }

    fn absolute(&self, _: u64) {
        panic!("a layer only counts up")
    }
}

impl HistogramFn for Cell {
    fn record(&self, seconds: f64) {
        self.count.fetch_add(1, Ordering::Relaxed);
        // Neither milliseconds nor a clock that runs backwards.
        self.out_of_range.fetch_add(u64::from(!(0.0..600.0).contains(&seconds)), Ordering::Relaxed);
    }
}

impl Metrics {
    pub(crate) fn begin(&'static self) -> LocalRecorderGuard<'static> {
        metrics::set_default_local_recorder(self)
    }

    fn cell(&self, key: &Key) -> Arc<Cell> {
        let mut labels: Vec<(String, String)> =
            key.labels().map(|label| (label.key().to_owned(), label.value().to_owned())).collect();
        labels.sort();
        self.labels.lock().unwrap().extend(labels.clone());
        let shown = labels.iter().filter(|(name, _)| name != "db.system.name" && name != "ttl_store.name");
        let shown = shown.map(|(_, value)| format!(" {value}")).collect::<String>();
        let name = format!("{}{shown}", key.name());
        Arc::clone(self.values.lock().unwrap().entry(name).or_default())
    }

    /// Returns the values since the last time, and forgets them.
    pub(crate) fn take(&self) -> Vec<(String, u64)> {
        let values = std::mem::take(&mut *self.values.lock().unwrap());
        for (name, cell) in &values {
            assert_eq!(cell.out_of_range.load(Ordering::Relaxed), 0, "{name}");
        }
        values.into_iter().map(|(name, cell)| (name, cell.count.load(Ordering::Relaxed))).collect()
    }
}

impl Recorder for Metrics {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.described.lock().unwrap().push((name.as_str().to_owned(), unit));
    }

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {
        panic!("no gauge is documented")
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.described.lock().unwrap().push((name.as_str().to_owned(), unit));
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.cell(key))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        panic!("no gauge is documented")
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.cell(key))
    }
}
