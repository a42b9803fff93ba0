//! A subscriber that keeps the spans and events of this thread.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, LazyLock, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};

/// The fields of a span or an event, as text.
pub(crate) type Fields = BTreeMap<String, String>;

/// The spans and events of a thread, until the guard is dropped.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traces(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    spans: Vec<Fields>,
    events: Vec<(Level, Fields)>,
}

impl Traces {
    /// Begins to keep the spans and events of this thread.
    pub(crate) fn begin() -> (Self, DefaultGuard) {
        // With a single subscriber, a callsite that another thread reaches first is disabled for all threads.
        static OTHER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(Traces::default()));
        LazyLock::force(&OTHER);
        let traces = Self::default();
        let guard = tracing::subscriber::set_default(traces.clone());
        (traces, guard)
    }

    /// Returns the spans in the order of their creation.
    #[cfg(feature = "observe")]
    pub(crate) fn spans(&self) -> Vec<Fields> {
        self.0.lock().unwrap().spans.clone()
    }

    /// Returns the events of this level.
    pub(crate) fn events(&self, level: Level) -> Vec<Fields> {
        let kept = self.0.lock().unwrap();
        kept.events.iter().filter(|(at, _)| *at == level).map(|(_, fields)| fields.clone()).collect()
    }
}

struct Texts<'a>(&'a mut Fields);

impl Visit for Texts<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}

/// Drivers and layers only; other crates trace too.
fn is_of_this_project(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("ttl_")
}

impl Subscriber for Traces {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_of_this_project(metadata)
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut kept = self.0.lock().unwrap();
        let mut fields = Fields::new();
        span.record(&mut Texts(&mut fields));
        kept.spans.push(fields);
        Id::from_u64(kept.spans.len() as u64)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let at = usize::try_from(span.into_u64()).unwrap() - 1;
        values.record(&mut Texts(&mut self.0.lock().unwrap().spans[at]));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::new();
        event.record(&mut Texts(&mut fields));
        self.0.lock().unwrap().events.push((*event.metadata().level(), fields));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
