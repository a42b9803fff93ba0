//! Requests: what an operation sends at each step, what the answers mean, and how one or many of them are run.

use redis::{Cmd, Pipeline, Value as Reply};
use ttl_core::Result;

use crate::connection::Link;
use crate::error::{Fate, is_no_script, unexpected};
use crate::scripts::Form;

/// How a request is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// By plain commands.
    Plain,
    /// By a script, because plain commands cannot do it, or could not.
    Script(Form),
}

/// One or two commands that are sent together.
#[derive(Debug)]
pub(crate) enum Commands {
    One(Cmd),
    Two(Cmd, Cmd),
}

/// The answers to [`Commands`].
#[derive(Debug)]
pub(crate) enum Replies {
    One(Reply),
    Two(Reply, Reply),
}

/// What answers mean.
#[derive(Debug)]
pub(crate) enum Answer<T> {
    Done(T),
    /// Nothing was done at this step: go on with that one.
    Next(Step),
}

/// An operation on one key.
pub(crate) trait Request: Sync {
    type Output: Send;

    const FATE: Fate;

    /// How to begin.
    fn first(&self) -> Step;

    fn commands(&self, step: Step) -> Commands;

    /// Server errors among the replies are this method's to judge, except NOSCRIPT.
    fn read(&self, step: Step, replies: Replies) -> Result<Answer<Self::Output>>;
}

/// The keys that one pipeline holds: a round trip for each so many.
const CHUNK: usize = 10_000;

impl Link {
    /// Runs a request: one round trip, unless a step has to be followed by another.
    pub(crate) async fn run<R: Request>(&self, request: &R) -> Result<R::Output> {
        let mut step = request.first();
        loop {
            let replies = match request.commands(step) {
                Commands::One(cmd) => Replies::One(self.send(&cmd, R::FATE).await?),
                Commands::Two(first, second) => {
                    let mut pipeline = Pipeline::with_capacity(2);
                    pipeline.add_command(first).add_command(second);
                    // Boxed: the common case need not have room for it.
                    let mut replies = Box::pin(self.send_all(&pipeline, R::FATE)).await?.into_iter();
                    two(&mut replies)?
                }
            };
            match read(request, step, replies)? {
                Answer::Done(output) => return Ok(output),
                Answer::Next(next) => step = next,
            }
        }
    }

    /// Runs requests together, in order, each answered on its own.
    pub(crate) async fn run_many<R: Request>(&self, requests: &[R]) -> Vec<Result<R::Output>> {
        let mut results: Vec<Option<Result<R::Output>>> = requests.iter().map(|_| None).collect();
        for (chunk, results) in requests.chunks(CHUNK).zip(results.chunks_mut(CHUNK)) {
            let mut open: Vec<(usize, Step)> = chunk.iter().map(Request::first).enumerate().collect();
            while !open.is_empty() {
                open = self.round(chunk, open, results).await;
            }
        }
        results.into_iter().map(|result| result.unwrap_or_else(|| Err(unexpected("a pipeline")))).collect()
    }

    /// One round trip of a chunk: answers what it can, and says what is left to do.
    async fn round<R: Request>(
        &self,
        requests: &[R],
        open: Vec<(usize, Step)>,
        results: &mut [Option<Result<R::Output>>],
    ) -> Vec<(usize, Step)> {
        let mut pipeline = Pipeline::with_capacity(open.len());
        let mut pairs = Vec::with_capacity(open.len());
        for (at, step) in &open {
            match requests[*at].commands(*step) {
                Commands::One(cmd) => {
                    pipeline.add_command(cmd);
                    pairs.push(false);
                }
                Commands::Two(first, second) => {
                    pipeline.add_command(first).add_command(second);
                    pairs.push(true);
                }
            }
        }
        let mut replies = match self.send_all(&pipeline, R::FATE).await {
            Ok(replies) => replies.into_iter(),
            Err(error) => {
                for (at, _) in open {
                    results[at] = Some(Err(error.clone()));
                }
                return Vec::new();
            }
        };
        let mut left = Vec::new();
        for ((at, step), pair) in open.into_iter().zip(pairs) {
            let reply = if pair { two(&mut replies) } else { one(&mut replies) };
            match reply.and_then(|reply| read(&requests[at], step, reply)) {
                Ok(Answer::Done(output)) => results[at] = Some(Ok(output)),
                Ok(Answer::Next(next)) => left.push((at, next)),
                Err(error) => results[at] = Some(Err(error)),
            }
        }
        left
    }
}

/// A script that the server does not know was not run, and is sent by its text.
fn read<R: Request>(request: &R, step: Step, replies: Replies) -> Result<Answer<R::Output>> {
    match &replies {
        Replies::One(Reply::ServerError(error)) if is_no_script(error) && step == Step::Script(Form::Sha) => {
            Ok(Answer::Next(Step::Script(Form::Text)))
        }
        _ => request.read(step, replies),
    }
}

fn one(replies: &mut impl Iterator<Item = Reply>) -> Result<Replies> {
    replies.next().map(Replies::One).ok_or_else(|| unexpected("a pipeline"))
}

fn two(replies: &mut impl Iterator<Item = Reply>) -> Result<Replies> {
    match (replies.next(), replies.next()) {
        (Some(first), Some(second)) => Ok(Replies::Two(first, second)),
        _ => Err(unexpected("a pipeline")),
    }
}
