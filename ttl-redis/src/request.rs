//! Requests: the commands of an operation at each step, the meaning of the answers, and the execution.

use redis::{Cmd, Pipeline, Value as Reply};
use ttl_core::Result;

use crate::connection::Link;
use crate::error::{Decoded, Fault, RequestKind, is_no_script};
use crate::scripts::Form;
use crate::slot::Live;

/// A step of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Plain commands.
    Plain,
    /// A script, because plain commands do not suffice, or have failed.
    Script(Form),
}

/// Commands that are sent together.
#[derive(Debug)]
pub(crate) enum Commands {
    One(Cmd),
    Two(Cmd, Cmd),
    Three(Cmd, Cmd, Cmd),
}

/// The answers to [`Commands`].
#[derive(Debug)]
pub(crate) enum Replies {
    One(Reply),
    Two(Reply, Reply),
    Three(Reply, Reply, Reply),
}

/// The approximate size of a request without key and value, in bytes.
pub(crate) const OVERHEAD: usize = 128;

/// The meaning of the answers to a step.
#[derive(Debug)]
pub(crate) enum Answer<T> {
    Done(T),
    /// Done, but the answer shows that another server may have taken over the address.
    Displaced(T),
    /// Nothing was done at this step; the request continues with that one.
    Next(Step),
}

/// An operation on one key.
pub(crate) trait Request: Sync {
    type Output: Send;

    fn kind(&self) -> RequestKind;

    /// Returns the approximate size of the request in bytes.
    fn bytes(&self) -> usize;

    /// Returns the first step.
    fn first(&self) -> Step;

    fn commands(&self, step: Step) -> Commands;

    /// Reads the replies, including server errors other than NOSCRIPT.
    fn read(&self, step: Step, replies: Replies) -> Decoded<Answer<Self::Output>>;
}

impl Commands {
    /// Adds the commands to a pipeline and returns their number.
    pub(crate) fn add_to(self, pipeline: &mut Pipeline) -> usize {
        match self {
            Self::One(cmd) => {
                pipeline.add_command(cmd);
                1
            }
            Self::Two(first, second) => {
                pipeline.add_command(first).add_command(second);
                2
            }
            Self::Three(first, second, third) => {
                pipeline.add_command(first).add_command(second).add_command(third);
                3
            }
        }
    }
}

impl Replies {
    /// Takes `count` replies from the answers of a pipeline.
    pub(crate) fn take(count: usize, replies: &mut impl Iterator<Item = Reply>) -> Decoded<Self> {
        let mut next = || replies.next().ok_or(Fault::UnknownForm("a pipeline"));
        Ok(match count {
            1 => Self::One(next()?),
            2 => Self::Two(next()?, next()?),
            _ => Self::Three(next()?, next()?, next()?),
        })
    }
}

impl Link {
    /// Runs a request: one round trip for each step.
    pub(crate) async fn run<R: Request>(&self, request: &R) -> Result<R::Output> {
        let (mut step, kind) = (request.first(), request.kind());
        loop {
            let live = self.ready().await?;
            let replies = match request.commands(step) {
                Commands::One(cmd) => Ok(Replies::One(self.send(&live, &cmd, kind).await?)),
                commands => {
                    let mut pipeline = Pipeline::with_capacity(3);
                    let count = commands.add_to(&mut pipeline);
                    // Boxed, to keep the future of the common case small.
                    let replies = Box::pin(self.send_all(&live, &pipeline, kind)).await?;
                    Replies::take(count, &mut replies.into_iter())
                }
            };
            match self.read(&live, request, step, replies)? {
                Answer::Done(output) | Answer::Displaced(output) => return Ok(output),
                Answer::Next(next) => step = next,
            }
        }
    }

    /// Reads the answers. A script that the server does not know was not run, and is sent again as text.
    pub(crate) fn read<R: Request>(
        &self,
        live: &Live,
        request: &R,
        step: Step,
        replies: Decoded<Replies>,
    ) -> Result<Answer<R::Output>> {
        let answer = replies.and_then(|replies| match &replies {
            Replies::One(Reply::ServerError(error))
                if is_no_script(error) && step == Step::Script(Form::Sha) =>
            {
                Ok(Answer::Next(Step::Script(Form::Text)))
            }
            _ => request.read(step, replies),
        });
        match answer {
            Ok(answer) => {
                match &answer {
                    Answer::Displaced(_) => self.displace(live),
                    Answer::Done(_) => self.serves(request.kind()),
                    Answer::Next(_) => {}
                }
                Ok(answer)
            }
            Err(fault) => Err(self.settle(live, fault, request.kind())),
        }
    }
}
