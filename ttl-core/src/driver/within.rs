//! The time limit of a future, without a runtime.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use futures_timer::Delay;

/// Waits for the result of a call; `None` if the limit passes first. The call is dropped then.
///
/// A call that is ready at once creates no timer. A call and a limit that are ready together result in the
/// call.
pub async fn within<T>(limit: Duration, call: impl Future<Output = T>) -> Option<T> {
    let mut call = pin!(call);
    let mut timer = None;
    poll_fn(|context| {
        if let Poll::Ready(result) = call.as_mut().poll(context) {
            return Poll::Ready(Some(result));
        }
        let timer = timer.get_or_insert_with(|| Delay::new(limit));
        Pin::new(timer).poll(context).map(|()| None)
    })
    .await
}
