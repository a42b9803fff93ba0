//! The settings of `Observe`.

use std::sync::{Arc, Once};

use ttl_core::Result;

use super::names::describe;
use crate::layer::invalid;

/// A layer that makes a span and metrics of every call. The feature `observe` enables it.
///
/// Spans are those of the crate `tracing`, and metrics go to the recorder of the crate `metrics`. Names follow
/// OpenTelemetry's conventions for database clients where they exist. The others begin with `ttl_store.`.
///
/// | metric | unit | labels besides those of every metric | meaning |
/// |---|---|---|---|
/// | `db.client.operation.duration` | seconds | `error.type` if the call failed or was dropped | histogram of the time from the first poll of a call to its result; a batch is one call |
/// | `ttl_store.operations` | | `ttl_store.outcome`, and its `error.type` | counter of operations, one for each key of a batch |
/// | `ttl_store.refreshes` | | | counter of refreshes that were requested for a live entry and did not fail; `ExtendOnly` or a slack can have left the deadline unchanged. An expire that changed the deadline counts too, because collections refresh with it |
/// | `ttl_store.refresh_errors` | | `error.type` | counter of refreshes that failed although the read succeeded (R9) |
/// | `ttl_store.read_bytes` | bytes | | counter of the size of returned values: by gets, scans, takes and puts with `previous` |
/// | `ttl_store.written_bytes` | bytes | | counter of the size of values that were put; patches are not measured |
/// | `ttl_store.scanned_entries` | | | counter of the entries on the pages of scans |
///
/// | label, also a field of the span | values |
/// |---|---|
/// | `db.system.name` | the backend: `memory`, `redis`, `aws.dynamodb`, `scylla`, or the name of another driver; on every metric |
/// | `db.operation.name` | `get`, `put`, `expire`, `patch`, `delete`, `scan`, `BATCH get`, `BATCH put`, `BATCH delete`; on every metric. A batch of one key counts as a single operation |
/// | `ttl_store.name` | the name of [`Observe::with_name`]; on every metric, if it is set |
/// | `ttl_store.outcome` | `hit`, `miss` (gets); `applied`, `absent`, `refused` (writes); `page` (scans); `error`; `cancelled` (the call was dropped before its result) |
/// | `error.type` | the [`ErrorKind`](ttl_core::ErrorKind) in lower case, such as `outcome_unknown`; `cancelled`. For a call: that of its first item that failed |
///
/// A span has the name `ttl_store`, the level `INFO` and the fields of the labels. It also has `otel.name`
/// (the operation), `otel.kind` (`client`), `otel.status_code` (`error` after an error), and for a batch
/// `db.operation.batch.size` in place of an outcome.
///
/// No label and no span contains a value. Keys are in spans only if [`Observe::with_keys`] requests it, and
/// never in labels. So the number of label values is bounded by the tables, whatever the traffic.
///
/// The position of the layer decides what it sees. Outermost, it measures the calls of the program. Below
/// [`Retry`](crate::Retry), it measures the attempts. Two layers with different names can do both.
///
/// Install the recorder before the first store is wrapped: that is when the metrics are described, once for
/// these settings and their clones. The values reach whichever recorder is installed at the time of the call.
///
/// The capabilities and the results are those of the inner store.
///
/// Cost: no request. A call reads the monotonic clock twice. It looks up two metrics in the recorder, and one
/// more for each other count that is not zero. Each lookup allocates a list of labels. A record is serialized
/// once to measure it, unless [`MeasuredValues::Blobs`] is set. A span that no subscriber wants costs almost
/// nothing.
///
/// ```
/// use std::sync::Arc;
/// use ttl_core::options::GetOptions;
/// use ttl_core::{Key, TtlStore};
/// use ttl_layers::{LayerExt, Observe};
/// use ttl_memory::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ttl_core::Result<()> {
/// // Install a recorder of `metrics` first, such as that of `metrics-exporter-prometheus`.
/// let store = Arc::new(MemoryStore::default()).layer(Observe::new().with_name("sessions"))?;
/// assert!(store.get(&Key::new("none")?, GetOptions::new()).await?.is_none());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Observe {
    pub(super) name: Option<Arc<str>>,
    pub(super) keys: KeysInSpans,
    pub(super) measured: MeasuredValues,
    described: Arc<Once>,
}

/// Whether the spans of [`Observe`] contain keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeysInSpans {
    /// Spans contain no key.
    #[default]
    Hidden,
    /// The span of a call on one key contains it as `ttl_store.key`. The spans of batches and scans contain
    /// none. Keys are often secrets, such as session ids.
    Shown,
}

/// The values whose sizes [`Observe`] counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MeasuredValues {
    /// Blobs and records. A record is serialized once to measure it.
    #[default]
    All,
    /// Blobs only, whose size is known. Records count as no bytes.
    Blobs,
}

impl Observe {
    /// Creates the layer without a name, without keys in spans, and with the sizes of all values.
    #[must_use]
    pub fn new() -> Self {
        Self {
            name: None,
            keys: KeysInSpans::default(),
            measured: MeasuredValues::default(),
            described: Arc::new(Once::new()),
        }
    }

    /// Sets the name of the store, which becomes the label `ttl_store.name`; none by default. Use a fixed
    /// name, because each name creates its own series of every metric.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets whether spans contain keys; defaults to [`KeysInSpans::Hidden`].
    #[must_use]
    pub fn with_keys(mut self, keys: KeysInSpans) -> Self {
        self.keys = keys;
        self
    }

    /// Sets the values whose sizes are counted; defaults to [`MeasuredValues::All`].
    #[must_use]
    pub fn with_measured_values(mut self, measured: MeasuredValues) -> Self {
        self.measured = measured;
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.name.as_deref() == Some("") {
            return Err(invalid("Observe", "name", "at least 1 byte, found 0"));
        }
        Ok(())
    }

    /// Describes the metrics, once for these settings and their clones.
    pub(super) fn describe(&self) {
        self.described.call_once(describe);
    }
}

impl Default for Observe {
    fn default() -> Self {
        Self::new()
    }
}
