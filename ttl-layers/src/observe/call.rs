//! One observed call: its span, its duration and its metrics.

use std::time::Instant;

use metrics::{Label, SharedString, counter, histogram};
use tracing::field::Empty;
use tracing::{Instrument, Span, info_span};
use ttl_core::Key;

use super::config::{KeysInSpans, Observe};
use super::names;
use super::tally::Tally;

/// The parts of a store that all of its calls share.
#[derive(Debug)]
pub(super) struct Observer {
    settings: Observe,
    system: &'static str,
    /// The labels of every metric: the system, and the name of the store.
    labels: Vec<Label>,
}

impl Observer {
    pub(super) fn new(settings: &Observe, backend: &'static str) -> Self {
        let system = names::system(backend);
        let mut labels = vec![Label::from_static_parts(names::SYSTEM, system)];
        labels.extend(settings.name.clone().map(|name| Label::new(names::NAME, SharedString::from(name))));
        Self { settings: settings.clone(), system, labels }
    }

    pub(super) const fn settings(&self) -> &Observe {
        &self.settings
    }

    /// Begins a call on one key.
    pub(super) fn keyed(&self, operation: &'static str, key: &Key) -> Call<'_> {
        let call = self.call(operation, 1);
        if self.settings.keys == KeysInSpans::Shown {
            call.span.record("ttl_store.key", key.as_str());
        }
        call
    }

    /// Begins a call on this many keys, or on none in particular.
    pub(super) fn call(&self, operation: &'static str, keys: usize) -> Call<'_> {
        let span = info_span!(
            "ttl_store",
            "otel.name" = operation,
            "otel.kind" = "client",
            "otel.status_code" = Empty,
            "db.system.name" = self.system,
            "db.operation.name" = operation,
            "db.operation.batch.size" = Empty,
            "error.type" = Empty,
            "ttl_store.name" = self.settings.name.as_deref(),
            "ttl_store.outcome" = Empty,
            "ttl_store.key" = Empty,
        );
        if keys != 1 {
            span.record("db.operation.batch.size", keys);
        }
        Call { observer: self, operation, keys, span, start: Instant::now(), reported: false }
    }
}

/// A call that is under way. If it is dropped before its result, it counts as cancelled.
#[derive(Debug)]
pub(super) struct Call<'a> {
    observer: &'a Observer,
    operation: &'static str,
    keys: usize,
    span: Span,
    start: Instant,
    reported: bool,
}

impl Call<'_> {
    /// Makes the call within its span, and reports what `count` finds in its result.
    pub(super) async fn observe<T>(
        mut self,
        call: impl Future<Output = T>,
        count: impl FnOnce(&mut Tally, &T),
    ) -> T {
        let result = call.instrument(self.span.clone()).await;
        self.reported = true;
        let seconds = self.start.elapsed().as_secs_f64();
        let mut tally = Tally::new(self.observer.settings.measured);
        count(&mut tally, &result);
        self.report(seconds, &tally);
        result
    }

    /// Returns the labels of this call with one more.
    fn labels(&self, more: Option<(&'static str, &'static str)>) -> Vec<Label> {
        let mut labels = Vec::with_capacity(self.observer.labels.len() + 3);
        labels.extend_from_slice(&self.observer.labels);
        labels.push(Label::from_static_parts(names::OPERATION, self.operation));
        labels.extend(more.map(|(name, value)| Label::from_static_parts(name, value)));
        labels
    }

    fn count(&self, name: &'static str, count: u64) {
        if count > 0 {
            counter!(name, self.labels(None)).increment(count);
        }
    }

    fn count_outcome(&self, outcome: &'static str, error_type: Option<&'static str>, count: u64) {
        let mut labels = self.labels(Some((names::OUTCOME, outcome)));
        labels.extend(error_type.map(|kind| Label::from_static_parts(names::ERROR_TYPE, kind)));
        counter!(names::OPERATIONS, labels).increment(count);
    }

    fn end(&self, seconds: f64, error_type: Option<&'static str>) {
        let labels = self.labels(error_type.map(|kind| (names::ERROR_TYPE, kind)));
        histogram!(names::DURATION, labels).record(seconds);
        if let Some(kind) = error_type {
            self.span.record("error.type", kind);
            self.span.record("otel.status_code", "error");
        }
    }

    fn report(&self, seconds: f64, tally: &Tally) {
        self.end(seconds, tally.error_type());
        for (ending, count) in &tally.endings {
            self.count_outcome(ending.outcome(), ending.error_type(), *count);
        }
        if let ([(ending, _)], 1) = (tally.endings.as_slice(), self.keys) {
            self.span.record("ttl_store.outcome", ending.outcome());
        }
        self.count(names::REFRESHES, tally.refreshes);
        for (kind, count) in &tally.refresh_errors {
            let labels = self.labels(Some((names::ERROR_TYPE, names::error_type(*kind))));
            counter!(names::REFRESH_ERRORS, labels).increment(*count);
        }
        self.count(names::READ_BYTES, tally.read_bytes);
        self.count(names::WRITTEN_BYTES, tally.written_bytes);
        self.count(names::SCANNED_ENTRIES, tally.scanned_entries);
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if self.reported {
            return;
        }
        self.end(self.start.elapsed().as_secs_f64(), Some(names::CANCELLED));
        if self.keys > 0 {
            self.count_outcome(names::CANCELLED, Some(names::CANCELLED), self.keys as u64);
        }
        self.span.record("ttl_store.outcome", names::CANCELLED);
    }
}
