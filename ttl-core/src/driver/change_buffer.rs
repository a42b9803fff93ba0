//! The bounded buffer between the backend's reports of changes and the stream of a reader.

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;

use crate::StoreChange;

/// Creates a buffer for at most `capacity` changes that were not read yet (N2).
///
/// A change that does not fit turns the whole buffer into one [`StoreChange::Gap`]. A gap that was not read yet
/// stands for every change before and after it, so nothing is added to it.
///
/// ```
/// use std::num::NonZeroUsize;
/// use futures_util::StreamExt;
/// use ttl_core::driver::change_buffer;
/// use ttl_core::{Key, StoreChange};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ttl_core::Result<()> {
/// let (sender, mut changes) = change_buffer(NonZeroUsize::MIN);
/// sender.send(StoreChange::Changed(Key::new("a")?));
/// assert_eq!(changes.next().await, Some(StoreChange::Changed(Key::new("a")?)));
/// sender.send(StoreChange::Changed(Key::new("b")?));
/// sender.send(StoreChange::Changed(Key::new("c")?));
/// drop(sender);
/// assert_eq!(changes.next().await, Some(StoreChange::Gap));
/// assert_eq!(changes.next().await, None);
/// # Ok(()) }
/// ```
#[must_use]
pub fn change_buffer(capacity: NonZeroUsize) -> (ChangeSender, ChangeReceiver) {
    let state = State { pending: VecDeque::new(), reader: None, senders: 1, is_read: true };
    let shared = Arc::new(Shared { capacity: capacity.get(), state: Mutex::new(state) });
    (ChangeSender { shared: Arc::clone(&shared) }, ChangeReceiver { shared })
}

struct Shared {
    capacity: usize,
    state: Mutex<State>,
}

struct State {
    /// The changes that were not read yet. A gap is always alone.
    pending: VecDeque<StoreChange>,
    reader: Option<Waker>,
    senders: usize,
    is_read: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, change: StoreChange, capacity: usize) {
        if self.pending.front() == Some(&StoreChange::Gap) {
            return;
        }
        let fits = self.pending.len() < capacity;
        match change {
            StoreChange::Changed(_) if fits => {}
            // Each of them says more than the changes before it.
            StoreChange::Changed(_) | StoreChange::Cleared | StoreChange::Gap => self.pending.clear(),
        }
        let is_whole = fits || change == StoreChange::Cleared;
        self.pending.push_back(if is_whole { change } else { StoreChange::Gap });
    }
}

/// The end of a [`change_buffer`] that a driver writes to. The stream ends when the last clone is dropped.
pub struct ChangeSender {
    shared: Arc<Shared>,
}

impl ChangeSender {
    /// Adds a change, without waiting. Returns whether the stream still exists.
    #[expect(clippy::must_use_candidate, reason = "a driver may learn of the end elsewhere")]
    pub fn send(&self, change: StoreChange) -> bool {
        let mut state = self.shared.state();
        if !state.is_read {
            return false;
        }
        state.add(change, self.shared.capacity);
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
        true
    }

    /// Returns whether the stream was dropped, so that the subscription can end.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        !self.shared.state().is_read
    }
}

impl Clone for ChangeSender {
    fn clone(&self) -> Self {
        self.shared.state().senders += 1;
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl Drop for ChangeSender {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.senders -= 1;
        let reader = if state.senders == 0 { state.reader.take() } else { None };
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

impl fmt::Debug for ChangeSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangeSender").field("pending", &self.shared.state().pending.len()).finish()
    }
}

/// The end of a [`change_buffer`] that the reader of a store's changes holds.
pub struct ChangeReceiver {
    shared: Arc<Shared>,
}

impl Stream for ChangeReceiver {
    type Item = StoreChange;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<StoreChange>> {
        let mut state = self.shared.state();
        if let Some(change) = state.pending.pop_front() {
            return Poll::Ready(Some(change));
        }
        if state.senders == 0 {
            return Poll::Ready(None);
        }
        state.reader = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for ChangeReceiver {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.is_read = false;
        state.pending = VecDeque::new();
    }
}

impl fmt::Debug for ChangeReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangeReceiver").field("pending", &self.shared.state().pending.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use futures_util::StreamExt;

    use super::*;
    use crate::Key;
    use StoreChange::{Cleared, Gap};

    fn changed(name: &str) -> StoreChange {
        StoreChange::Changed(Key::new(name).unwrap())
    }

    /// Returns what a reader finds that reads only after all of these changes.
    fn read(capacity: usize, changes: &[StoreChange]) -> Vec<StoreChange> {
        let (sender, receiver) = change_buffer(NonZeroUsize::new(capacity).unwrap());
        changes.iter().for_each(|change| assert!(sender.send(change.clone())));
        drop(sender);
        receiver.collect().now_or_never().unwrap()
    }

    #[test]
    fn a_slow_reader_finds_a_gap_in_place_of_what_did_not_fit() {
        let [a, b, c] = ["a", "b", "c"].map(changed);
        let of =
            |changes: &[&StoreChange]| changes.iter().map(|change| (*change).clone()).collect::<Vec<_>>();
        assert_eq!(read(2, &of(&[&a, &b])), of(&[&a, &b]));
        assert_eq!(read(2, &of(&[&a, &b, &c])), [Gap]);
        assert_eq!(read(2, &of(&[&a, &Gap, &b, &Cleared, &Gap, &c])), [Gap]);
        assert_eq!(read(2, &of(&[&a, &b, &Cleared, &c])), of(&[&Cleared, &c]));
        assert_eq!(read(1, &of(&[&a, &Cleared])), [Cleared]);
        assert_eq!(read(1, &of(&[&Cleared, &a])), [Gap]);
    }

    #[test]
    fn changes_after_a_read_gap_are_reported_again() {
        let (sender, mut receiver) = change_buffer(NonZeroUsize::MIN);
        assert!(receiver.next().now_or_never().is_none());
        sender.send(Gap);
        assert_eq!(receiver.next().now_or_never(), Some(Some(Gap)));
        sender.send(changed("a"));
        assert_eq!(receiver.next().now_or_never(), Some(Some(changed("a"))));
        assert!(!sender.is_closed());
        drop(receiver);
        assert!(sender.is_closed() && !sender.send(Gap));
    }

    #[tokio::test]
    async fn a_waiting_reader_is_woken() {
        let (sender, mut receiver) = change_buffer(NonZeroUsize::MIN);
        let other = sender.clone();
        let reader = tokio::spawn(async move { (receiver.next().await, receiver.next().await) });
        tokio::task::yield_now().await;
        assert!(other.send(changed("a")));
        drop(other);
        tokio::task::yield_now().await;
        drop(sender);
        assert_eq!(reader.await.unwrap(), (Some(changed("a")), None));
    }

    #[test]
    fn no_key_is_printed() {
        let (sender, receiver) = change_buffer(NonZeroUsize::MIN);
        sender.send(changed("s3cret"));
        assert!(!format!("{sender:?} {receiver:?} {:?}", changed("s3cret")).contains("s3cret"));
    }
}
