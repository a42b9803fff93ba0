//! Sources: what loaders load from. They count loads, and can be slow, fail, panic or hang.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use ttl_core::{ManualClock, Ttl};

/// What a load returns.
#[derive(Clone, Debug)]
pub(crate) struct Fresh {
    pub(crate) text: String,
    pub(crate) ttl: Option<Ttl>,
    pub(crate) tags: Vec<String>,
}

enum Answer {
    Value(Fresh),
    Nothing,
    Failure,
    Panic,
}

/// A source with one answer.
pub(crate) struct Source {
    answer: Answer,
    /// Closed sources answer after they were opened.
    closed: bool,
    gate: Semaphore,
    loads: AtomicUsize,
    /// What happens during the load.
    during: Option<Box<dyn Fn() + Send + Sync>>,
}

impl Source {
    fn of(answer: Answer) -> Self {
        Self { answer, closed: false, gate: Semaphore::new(0), loads: AtomicUsize::new(0), during: None }
    }

    fn value(text: &str) -> Self {
        Self::of(Answer::Value(Fresh { text: text.to_owned(), ttl: None, tags: Vec::new() }))
    }

    /// Creates a source that answers at once.
    pub(crate) fn new(text: &str) -> Arc<Self> {
        Arc::new(Self::value(text))
    }

    /// Creates a source that answers after it was opened.
    pub(crate) fn held(text: &str) -> Arc<Self> {
        Arc::new(Self { closed: true, ..Self::value(text) })
    }

    /// Creates a source during whose loads this time passes.
    pub(crate) fn slow(text: &str, clock: &Arc<ManualClock>, by: Duration) -> Arc<Self> {
        let clock = Arc::clone(clock);
        Self::with(text, move || clock.advance(by))
    }

    /// Creates a source during whose loads this happens.
    pub(crate) fn with(text: &str, during: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { during: Some(Box::new(during)), ..Self::value(text) })
    }

    /// Creates a source whose value has tags or a lifetime of its own.
    pub(crate) fn fresh(text: &str, tags: &[&str], ttl: Option<Ttl>, closed: bool) -> Arc<Self> {
        let tags = tags.iter().map(ToString::to_string).collect();
        Arc::new(Self { closed, ..Self::of(Answer::Value(Fresh { text: text.to_owned(), ttl, tags })) })
    }

    /// Creates a source without a value.
    pub(crate) fn nothing() -> Arc<Self> {
        Arc::new(Self::of(Answer::Nothing))
    }

    pub(crate) fn failing() -> Arc<Self> {
        Arc::new(Self::of(Answer::Failure))
    }

    /// Creates a source that fails after it was opened.
    pub(crate) fn failing_held() -> Arc<Self> {
        Arc::new(Self { closed: true, ..Self::of(Answer::Failure) })
    }

    /// Creates a source that panics after it was opened.
    pub(crate) fn panicking_held() -> Arc<Self> {
        Arc::new(Self { closed: true, ..Self::of(Answer::Panic) })
    }

    pub(crate) fn open(&self) {
        self.gate.close();
    }

    /// Returns how many loads have begun.
    pub(crate) fn loads(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
    }

    /// Loads: the loader of every cache under test.
    pub(crate) async fn load(&self) -> Result<Option<Fresh>, String> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        if self.closed {
            // Fails when the gate is opened for good.
            let _ = self.gate.acquire().await;
        }
        if let Some(during) = &self.during {
            during();
        }
        match &self.answer {
            Answer::Value(fresh) => Ok(Some(fresh.clone())),
            Answer::Nothing => Ok(None),
            Answer::Failure => Err("the source is out".to_owned()),
            // Without the message of the panic hook.
            Answer::Panic => std::panic::resume_unwind(Box::new("the loader panics")),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("loads", &self.loads()).finish_non_exhaustive()
    }
}
