//! Requests: the commands of an operation at each step, and the meaning of the answers.

use redis::{Cmd, Pipeline, Value as Reply};

use super::scripts::Form;
use crate::error::{Decoded, Fault, RequestKind};

/// A step of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Plain commands.
    Plain,
    /// Other plain commands, because the first ones were a wrong guess.
    OtherPlain,
    /// A script, because plain commands do not suffice, or have failed.
    Script(Form),
}

impl Step {
    /// Returns the form of the script at this step.
    pub(crate) const fn form(self) -> Form {
        match self {
            Self::Script(form) => form,
            Self::Plain | Self::OtherPlain => Form::Sha,
        }
    }
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

impl<T> Answer<T> {
    /// Plain commands do not suffice: the request continues with its script.
    pub(crate) const BY_SCRIPT: Self = Self::Next(Step::Script(Form::Sha));
}

/// An operation on one key.
pub(crate) trait Request: Sync {
    type Output: Send;

    fn kind(&self) -> RequestKind {
        RequestKind::Write
    }

    /// Returns the approximate size of the request in bytes.
    fn bytes(&self) -> usize;

    /// Returns the first step.
    fn first(&self) -> Step {
        Step::Script(Form::Sha)
    }

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
