//! Batches: many requests on one connection, in groups. Each group has its own answers, timeout and errors.

use std::sync::atomic::Ordering;

use futures_util::stream::{FuturesUnordered, StreamExt};
use redis::{Pipeline, Value as Reply};
use ttl_core::{Error, Result};

use super::link::Link;
use super::live::Live;
use crate::error::{Fault, RequestKind, abandoned, not_sent};
use crate::wire::{Answer, Replies, Request, Step};

/// The maximum size of a pipeline. Groups are sent one after the other without waiting, so they cost no extra
/// round trips. The time limit applies to a group, and after a failure only the outcome of the sent groups is
/// unknown.
const GROUP_KEYS: usize = 32;
const GROUP_BYTES: usize = 1 << 20;
/// The maximum number of bytes in flight. The rest is sent as answers arrive.
const WINDOW_BYTES: usize = 8 << 20;

/// Requests that are sent together: the position of each in the batch, and its step.
struct Group {
    items: Vec<(usize, Step)>,
    bytes: usize,
}

impl Link {
    /// Runs requests together, in order, and returns a result for each.
    pub(crate) async fn run_many<R: Request>(&self, requests: &[R]) -> Vec<Result<R::Output>> {
        let mut results: Vec<Option<Result<R::Output>>> = requests.iter().map(|_| None).collect();
        let mut open: Vec<(usize, Step)> = requests.iter().map(Request::first).enumerate().collect();
        while !open.is_empty() {
            open = self.round(requests, open, &mut results).await;
        }
        let missing = || Err(Fault::UnknownForm("a pipeline").into_error(RequestKind::Write));
        results.into_iter().map(|result| result.unwrap_or_else(missing)).collect()
    }

    /// Sends one step of each request. Stores the results that are complete, and returns the remaining steps.
    async fn round<R: Request>(
        &self,
        requests: &[R],
        open: Vec<(usize, Step)>,
        results: &mut [Option<Result<R::Output>>],
    ) -> Vec<(usize, Step)> {
        // One connection for all, so that requests on the same key keep their order.
        let live = match self.ready().await {
            Ok(live) => live,
            Err(error) => {
                open.into_iter().for_each(|(at, _)| results[at] = Some(Err(error.clone())));
                return Vec::new();
            }
        };
        let mut waiting = groups(requests, open).into_iter().peekable();
        let mut running = FuturesUnordered::new();
        let (mut bytes, mut left) = (0, Vec::new());
        let mut failure: Option<Error> = None;
        loop {
            while failure.is_none()
                && let Some(group) =
                    waiting.next_if(|group| running.is_empty() || bytes + group.bytes <= WINDOW_BYTES)
            {
                bytes += group.bytes;
                running.push(self.send_group(&live, requests, group));
            }
            let Some((group, counts, replies)) = running.next().await else { break };
            bytes -= group.bytes;
            let mut replies = match replies {
                Ok(replies) => replies.into_iter(),
                Err(error) => {
                    group.items.into_iter().for_each(|(at, _)| results[at] = Some(Err(error.clone())));
                    failure = Some(error);
                    continue;
                }
            };
            let mut answers = Vec::with_capacity(group.items.len());
            for ((at, step), count) in group.items.into_iter().zip(counts) {
                let replies = Replies::take(count, &mut replies);
                answers.push((at, self.read(&live, &requests[at], step, replies)));
            }
            let suspect = live.state.suspect.load(Ordering::Acquire);
            for (at, answer) in answers {
                match answer {
                    // One answer of the group has an unknown form, so the others may be in the wrong places.
                    _ if suspect => results[at] = Some(Err(abandoned(requests[at].kind()))),
                    Ok(Answer::Done(output) | Answer::Displaced(output)) => results[at] = Some(Ok(output)),
                    Ok(Answer::Next(next)) => left.push((at, next)),
                    Err(error) => results[at] = Some(Err(error)),
                }
            }
            if suspect && failure.is_none() {
                failure = Some(abandoned(RequestKind::Read));
            }
        }
        if let Some(failure) = failure {
            for (at, _) in waiting.flat_map(|group| group.items) {
                results[at] = Some(Err(not_sent().with_source(failure.clone())));
            }
        }
        left.sort_unstable_by_key(|(at, _)| *at);
        left
    }

    async fn send_group<R: Request>(
        &self,
        live: &Live,
        requests: &[R],
        group: Group,
    ) -> (Group, Vec<usize>, Result<Vec<Reply>>) {
        let mut pipeline = Pipeline::with_capacity(group.items.len());
        let mut counts = Vec::with_capacity(group.items.len());
        let mut kind = RequestKind::Read;
        for (at, step) in &group.items {
            counts.push(requests[*at].commands(*step).add_to(&mut pipeline));
            kind = requests[*at].kind();
        }
        let replies = self.send_all(live, &pipeline, kind).await;
        (group, counts, replies)
    }
}

fn groups<R: Request>(requests: &[R], open: Vec<(usize, Step)>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::with_capacity(open.len() / GROUP_KEYS + 1);
    for (at, step) in open {
        let bytes = requests[at].bytes();
        match groups.last_mut() {
            Some(group) if group.items.len() < GROUP_KEYS && group.bytes + bytes <= GROUP_BYTES => {
                group.items.push((at, step));
                group.bytes += bytes;
            }
            _ => groups.push(Group { items: vec![(at, step)], bytes }),
        }
    }
    groups
}
