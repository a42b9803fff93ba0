//! The execution of one request.

use redis::{Pipeline, Value as Reply};
use ttl_core::Result;

use super::link::Link;
use super::live::Live;
use crate::error::{Decoded, is_no_script};
use crate::wire::{Answer, Commands, Form, Replies, Request, Step};

impl Link {
    /// Runs a request: one round trip for each step.
    pub(crate) async fn run<R: Request>(&self, request: &R) -> Result<R::Output> {
        let (mut step, kind) = (request.first(), request.kind());
        loop {
            let mut live = self.ready().await?;
            let replies = match request.commands(step) {
                Commands::One(cmd) => Ok(Replies::One(self.send(&mut live, &cmd, kind).await?)),
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
                    Answer::Done(_) => self.note_served(request.kind()),
                    Answer::Next(_) => {}
                }
                Ok(answer)
            }
            Err(fault) => Err(self.fail(live, fault, request.kind())),
        }
    }
}
