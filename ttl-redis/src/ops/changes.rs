//! The stream of changes: the task that keeps it subscribed, and its gaps.

use std::num::NonZeroUsize;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::Stream;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};
use ttl_core::driver::{ChangeReceiver, ChangeSender, change_buffer};
use ttl_core::{ChangeStream, Result, StoreChange};

use crate::connection::{PING_INTERVAL, Tracked, Tracker, back_off};
use crate::inner::Inner;

/// The number of changes that wait for a slow reader.
const BUFFERED: NonZeroUsize = NonZeroUsize::new(8192).unwrap();

/// The longest wait between two attempts to connect. It is shorter than the interval of PINGs, so gaps are
/// reported at least as often as a loss is noticed.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// Subscribes to the changes of the namespace.
pub(crate) async fn changes(inner: &Inner) -> Result<ChangeStream> {
    let tracker = inner.link.tracker(&inner.prefix)?;
    let (sender, receiver) = change_buffer(BUFFERED);
    let tracked = tracker.connect(&sender).await?;
    let task = tokio::spawn(follow(tracker.clone(), Some(tracked), sender)).abort_handle();
    Ok(Box::pin(Changes { tracker, receiver, task, is_subscribed: true }))
}

/// Reports changes until the task is aborted: over this connection, then over others.
async fn follow(tracker: Tracker, mut tracked: Option<Tracked>, changes: ChangeSender) {
    let mut failures = 0;
    loop {
        let made = Instant::now();
        if let Some(tracked) = tracked.take() {
            tracked.lost().await;
        }
        changes.send(StoreChange::Gap);
        // A server that accepts connections and ends them at once must not be stormed.
        if made.elapsed() >= PING_INTERVAL {
            failures = 0;
        }
        tracked = Some(reconnect(&tracker, &changes, &mut failures).await);
        changes.send(StoreChange::Gap);
    }
}

/// Connects, however many attempts it takes. Each failure is one more gap, because a reader may have made
/// copies since the last one.
async fn reconnect(tracker: &Tracker, changes: &ChangeSender, failures: &mut u32) -> Tracked {
    let mut is_first = true;
    loop {
        sleep(back_off(*failures, LONGEST_WAIT)).await;
        *failures = failures.saturating_add(1);
        match tracker.connect(changes).await {
            Ok(tracked) => return tracked,
            Err(error) => {
                if std::mem::take(&mut is_first) {
                    tracing::warn!(
                        backend = crate::BACKEND,
                        "a stream of changes has lost its connection, and reports gaps until it has another one: {error}"
                    );
                }
                changes.send(StoreChange::Gap);
            }
        }
    }
}

/// The stream. Dropping it ends the task, and with it the connection.
struct Changes {
    tracker: Tracker,
    receiver: ChangeReceiver,
    task: AbortHandle,
    /// Whether the task still runs, as far as the reader knows.
    is_subscribed: bool,
}

impl Changes {
    /// Starts the task on the present runtime. Returns whether there is one.
    fn restart(&mut self) -> bool {
        let Ok(runtime) = Handle::try_current() else { return false };
        let (sender, receiver) = change_buffer(BUFFERED);
        self.receiver = receiver;
        self.task = runtime.spawn(follow(self.tracker.clone(), None, sender)).abort_handle();
        true
    }
}

impl Stream for Changes {
    type Item = StoreChange;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<StoreChange>> {
        if !self.is_subscribed {
            if !self.restart() {
                return Poll::Ready(None);
            }
            self.is_subscribed = true;
            // Not ready at once: the present runtime may be shutting down too.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        match ready!(Pin::new(&mut self.receiver).poll_next(context)) {
            Some(change) => Poll::Ready(Some(change)),
            // The runtime of the task has ended.
            None => {
                self.is_subscribed = false;
                Poll::Ready(Some(StoreChange::Gap))
            }
        }
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.task.abort();
    }
}
