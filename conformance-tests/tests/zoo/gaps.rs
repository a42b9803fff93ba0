//! The reports of changes over the network of the animals, and their faults in outages.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use ttl_core::driver::{ChangeSender, change_buffer};
use ttl_core::{ChangeStream, Result, StoreChange, TtlStore};

use super::den::Right;
use super::outages::Quirk;
use super::wire::ask;

/// The time between two checks of the connection.
const INTERVAL: Duration = Duration::from_millis(10);

/// Returns a stream of the changes that are reported while the server at this address answers.
pub(crate) async fn stream(right: &Right, address: SocketAddr, quirk: Quirk) -> Result<ChangeStream> {
    let (sender, receiver) = change_buffer(NonZeroUsize::new(1000).unwrap());
    let mut changes = right.changes().await?;
    let is = move |fault| quirk == fault;
    let gap = move |sender: &ChangeSender| {
        if !is(Quirk::KnowsNoGaps) {
            sender.send(StoreChange::Gap);
        }
    };
    tokio::spawn(async move {
        let mut is_connected = true;
        while !sender.is_closed() {
            tokio::time::sleep(INTERVAL).await;
            let answers = ask(address, !is(Quirk::WaitsForSilentServers), || async {}).await.is_ok();
            let waiting = std::iter::from_fn(|| changes.next().now_or_never().flatten());
            match (is_connected, answers) {
                (true, true) => waiting.for_each(|change| {
                    sender.send(change);
                }),
                (true, false) if is(Quirk::KnowsGapsLater) => {}
                (true, false) => gap(&sender),
                (false, false) if is(Quirk::KnowsGapsLater) || is(Quirk::KnowsOneGap) => {}
                (false, false) => gap(&sender),
                (false, true) if is(Quirk::NeverSubscribesAgain) => continue,
                (false, true) => {
                    waiting.for_each(drop);
                    if !is(Quirk::SubscribesAgainSilently) {
                        gap(&sender);
                    }
                }
            }
            is_connected = answers;
        }
    });
    Ok(Box::pin(receiver))
}
