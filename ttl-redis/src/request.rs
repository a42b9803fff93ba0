//! Requests: what an operation sends at each step, what the answers mean, and how one is run.

use redis::{Cmd, Pipeline, Value as Reply};
use ttl_core::Result;

use crate::connection::Link;
use crate::error::{is_no_script, unexpected};
use crate::fault::{Fate, Read};
use crate::scripts::Form;
use crate::slot::Live;

/// How a request is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// By plain commands.
    Plain,
    /// By a script, because plain commands cannot do it, or could not.
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

/// About what a request has beside key and value, in bytes.
pub(crate) const OVERHEAD: usize = 128;

/// What answers mean.
#[derive(Debug)]
pub(crate) enum Answer<T> {
    Done(T),
    /// Done, but the server shows that another one has replaced it.
    Displaced(T),
    /// Nothing was done at this step: go on with that one.
    Next(Step),
}

/// An operation on one key.
pub(crate) trait Request: Sync {
    type Output: Send;

    fn fate(&self) -> Fate;

    /// Returns about how many bytes it sends.
    fn bytes(&self) -> usize;

    /// How to begin.
    fn first(&self) -> Step;

    fn commands(&self, step: Step) -> Commands;

    /// Server errors among the replies are this method's to judge, except NOSCRIPT.
    fn read(&self, step: Step, replies: Replies) -> Read<Answer<Self::Output>>;
}

impl Commands {
    /// Adds them to a pipeline; returns how many they are.
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
    /// Takes so many from the answers of a pipeline.
    pub(crate) fn take(count: usize, replies: &mut impl Iterator<Item = Reply>) -> Read<Self> {
        let mut next = || replies.next().ok_or_else(|| unexpected("a pipeline"));
        Ok(match count {
            1 => Self::One(next()?),
            2 => Self::Two(next()?, next()?),
            _ => Self::Three(next()?, next()?, next()?),
        })
    }
}

impl Link {
    /// Runs a request: one round trip, unless a step has to be followed by another.
    pub(crate) async fn run<R: Request>(&self, request: &R) -> Result<R::Output> {
        let (mut step, fate) = (request.first(), request.fate());
        loop {
            let live = self.ready().await?;
            let replies = match request.commands(step) {
                Commands::One(cmd) => Ok(Replies::One(self.send(&live, &cmd, fate).await?)),
                commands => {
                    let mut pipeline = Pipeline::with_capacity(3);
                    let count = commands.add_to(&mut pipeline);
                    // Boxed: the common case need not have room for it.
                    let replies = Box::pin(self.send_all(&live, &pipeline, fate)).await?;
                    Replies::take(count, &mut replies.into_iter())
                }
            };
            match self.read(&live, request, step, replies)? {
                Answer::Done(output) | Answer::Displaced(output) => return Ok(output),
                Answer::Next(next) => step = next,
            }
        }
    }

    /// Reads the answers. A script that the server does not know was not run, and is sent by its text.
    pub(crate) fn read<R: Request>(
        &self,
        live: &Live,
        request: &R,
        step: Step,
        replies: Read<Replies>,
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
                    Answer::Done(_) => self.serves(request.fate()),
                    Answer::Next(_) => {}
                }
                Ok(answer)
            }
            Err(fault) => Err(self.settle(live, fault, request.fate())),
        }
    }
}
