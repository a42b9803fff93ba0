//! Requests: sent once, or again if that cannot apply a write twice.

use std::time::{Duration, Instant};

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use rand::RngExt;
use ttl_core::{Deadline, Error, Key, Now, Result};

use crate::codec::{self, Item};
use crate::error::{Failure, contention, failure, unknown};
use crate::expression::{Action, Write};
use crate::get::Attributes;
use crate::names::VERSION;
use crate::store::Inner;

macro_rules! conditional {
    ($request:expr, $condition:ident, $names:ident, $values:ident, $failed:ident) => {
        $request
            .set_condition_expression($condition)
            .set_expression_attribute_names($names)
            .set_expression_attribute_values($values)
            .return_values_on_condition_check_failure($failed)
    };
}

/// A response without the SDK's error: the error of a failed condition contains the item, and prints it.
macro_rules! reply {
    ($sent:expr, $errors:ident, $action:literal, $config:ident) => {
        match $sent {
            Ok(answer) => Ok(Reply::Done(answer.attributes)),
            Err(SdkError::ServiceError(answer)) if answer.err().is_conditional_check_failed_exception() => {
                match answer.into_err() {
                    $errors::ConditionalCheckFailedException(failed) => Ok(Reply::Failed(failed.item)),
                    _ => Ok(Reply::Failed(None)),
                }
            }
            Err(error) => Err(failure(&error, $action, $config)),
        }
    };
}

/// The outcome of a conditional write.
#[derive(Debug)]
pub(crate) enum Reply {
    /// The write was applied. Contains the item before the write, or after it if that was requested.
    Done(Option<Item>),
    /// The condition did not hold for this item.
    Failed(Option<Item>),
}

/// The outcome of a write without a response.
#[derive(Debug)]
pub(crate) enum Lost {
    /// Nothing was applied.
    Refused(Error),
    /// Nothing was applied: DynamoDB rejects this form of request.
    Invalid(Error),
    /// The write may have been applied, or may be applied later. It was built at this time.
    Unknown(Now, Error),
}

impl Lost {
    /// Returns the error if the outcome cannot be determined.
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Refused(error) | Self::Invalid(error) => error,
            Self::Unknown(_, error) => unknown(&error),
        }
    }
}

/// The outcome of a write that can be sent again.
#[derive(Debug)]
pub(crate) enum Pinned {
    Done(Option<Item>),
    Failed(Option<Item>),
    /// An attempt without a response was applied. Contains the item, and the times of such attempts.
    Own(Vec<Now>, Item),
}

/// The remaining attempts of one operation, and its time limit.
#[derive(Debug)]
pub(crate) struct Retries {
    made: u32,
    ends: Instant,
}

impl Retries {
    /// Restores the number of attempts, within the remaining time.
    pub(crate) fn anew(&self) -> Self {
        Self { made: 0, ends: self.ends }
    }
}

impl Inner {
    pub(crate) fn retries(&self) -> Retries {
        Retries { made: 0, ends: Instant::now() + self.config.timeout }
    }

    /// Waits until the next attempt, or returns the error if no attempt is left.
    pub(crate) async fn again(&self, retries: &mut Retries, failure: Failure) -> Result<()> {
        retries.made += 1;
        if !failure.again || retries.made >= self.config.attempts {
            return Err(failure.error);
        }
        let pause = self.pause(retries.made - 1);
        if Instant::now() + pause >= retries.ends {
            return Err(failure.error);
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// Waits for other writers if there are many conflicts, as long as the operation has time left.
    pub(crate) async fn step_aside(&self, round: u32, retries: &Retries) -> Result<()> {
        let pause = if round > 0 { self.pause(round.min(4) - 1) } else { Duration::ZERO };
        if Instant::now() + pause >= retries.ends {
            return Err(contention());
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// Returns a random wait with a doubling bound, so that callers in conflict do not collide again.
    pub(crate) fn pause(&self, attempt: u32) -> Duration {
        let longest = self.config.backoff.saturating_mul(1 << attempt.min(16)).min(self.config.max_backoff);
        longest.mul_f64(rand::rng().random())
    }

    pub(crate) fn now_millis(&self) -> Now {
        Now::from(self.time())
    }

    /// Returns the partition key of an item.
    pub(crate) fn item_key(&self, key: &Key) -> AttributeValue {
        AttributeValue::S([&*self.prefix, key.as_str()].concat())
    }

    /// Reads an item, or the part of it in the expression.
    pub(crate) async fn read(
        &self,
        key: &Key,
        part: Option<&Attributes>,
        consistent: bool,
        retries: &mut Retries,
    ) -> Result<Option<Item>> {
        let client = self.client.get(&self.config).await?;
        loop {
            let mut request = client
                .get_item()
                .table_name(&self.config.table)
                .key(&self.names.key, self.item_key(key))
                .consistent_read(consistent);
            if let Some(part) = part {
                request = request
                    .projection_expression(&part.expression)
                    .set_expression_attribute_names(Some(part.names.clone()));
            }
            match request.send().await {
                Ok(answer) => return Ok(answer.item),
                Err(error) => self.again(retries, failure(&error, "GetItem", &self.config)).await?,
            }
        }
    }

    /// Waits for the client, which the first request builds. A request is therefore no older than its
    /// attempt.
    async fn ready(&self) -> Result<()> {
        self.client.get(&self.config).await.map(|_| ())
    }

    /// Sends a write until it is executed. Each attempt is rebuilt with the current time. A retry happens
    /// only if the write was certainly not executed.
    pub(crate) async fn write(
        &self,
        key: &Key,
        retries: &mut Retries,
        build: impl Fn(Now) -> Result<Write>,
    ) -> Result<(Now, Reply), Lost> {
        loop {
            self.ready().await.map_err(Lost::Refused)?;
            let now = self.now_millis();
            let write = build(now).map_err(Lost::Refused)?;
            match self.send(key, write).await {
                Ok(reply) => return Ok((now, reply)),
                Err(failure) if failure.maybe => return Err(Lost::Unknown(now, failure.error)),
                Err(failure) if failure.invalid => return Err(Lost::Invalid(failure.error)),
                Err(failure) => self.again(retries, failure).await.map_err(Lost::Refused)?,
            }
        }
    }

    /// Sends a write whose condition contains a version that was read, and which replaces that version by
    /// this token. It cannot apply twice, so it is also retried after a lost response.
    pub(crate) async fn write_pinned(
        &self,
        key: &Key,
        token: &str,
        retries: &mut Retries,
        build: impl Fn(Now) -> Result<Write>,
    ) -> Result<(Now, Pinned), Lost> {
        // The last error of an attempt that may have been applied, and the times of all such attempts.
        let mut lost: Option<Error> = None;
        let mut sent = Vec::new();
        self.ready().await.map_err(Lost::Refused)?;
        loop {
            let now = self.now_millis();
            let write = match (build(now), &lost) {
                (Ok(write), _) => write,
                (Err(error), None) => return Err(Lost::Refused(error)),
                (Err(_), Some(lost)) => return Err(Lost::Unknown(now, lost.clone())),
            };
            let failure = match (self.send(key, write).await, lost.take()) {
                (Ok(Reply::Done(item)), _) => return Ok((now, Pinned::Done(item))),
                (Ok(Reply::Failed(item)), None) => return Ok((now, Pinned::Failed(item))),
                (Ok(Reply::Failed(Some(item))), Some(_)) if is_own(&item, token) => {
                    return Ok((now, Pinned::Own(sent, item)));
                }
                (Ok(Reply::Failed(_)), Some(error)) => return Err(Lost::Unknown(now, error)),
                (Err(failure), None) if failure.invalid => return Err(Lost::Invalid(failure.error)),
                (Err(failure), before) => {
                    if failure.maybe {
                        sent.push(now);
                    }
                    lost = if failure.maybe { Some(failure.error.clone()) } else { before };
                    failure
                }
            };
            let again = Failure { again: failure.again || lost.is_some(), ..failure };
            if let Err(error) = self.again(retries, again).await {
                let Some(lost) = lost else { return Err(Lost::Refused(error)) };
                return match self.look(key, token, retries).await {
                    Some(item) => Ok((now, Pinned::Own(sent, item))),
                    None => Err(Lost::Unknown(now, lost)),
                };
            }
        }
    }

    /// Returns the item, if it was written with this token.
    pub(crate) async fn look(&self, key: &Key, token: &str, retries: &Retries) -> Option<Item> {
        let item = self.read(key, None, true, &mut retries.anew()).await;
        item.ok().flatten().filter(|item| is_own(item, token))
    }

    /// Sends a write once.
    pub(crate) async fn send(&self, key: &Key, mut write: Write) -> Result<Reply, Failure> {
        let config = &self.config;
        let client = self.client.get(config).await.map_err(Failure::never)?;
        let names = Some(write.take_names(&self.names)).filter(|names| !names.is_empty());
        let values = Some(write.values).filter(|values| !values.is_empty());
        let condition = Some(write.condition).filter(|condition| !condition.is_empty());
        let failed = ReturnValuesOnConditionCheckFailure::AllOld;
        let (name, value) = (&self.names.key, self.item_key(key));
        match write.action {
            Action::Put(mut item) => {
                item.insert(name.clone(), value);
                let request = client.put_item().table_name(&config.table).set_item(Some(item));
                let request = conditional!(request, condition, names, values, failed);
                reply!(request.send().await, PutItemError, "PutItem", config)
            }
            Action::Update { set, remove } => {
                let update = match (&*set, &*remove) {
                    (set, "") => ["SET ", set].concat(),
                    ("", remove) => ["REMOVE ", remove].concat(),
                    (set, remove) => ["SET ", set, " REMOVE ", remove].concat(),
                };
                let answer = if write.answer_new { ReturnValue::AllNew } else { ReturnValue::AllOld };
                let request = client.update_item().table_name(&config.table).key(name, value);
                let request = conditional!(request, condition, names, values, failed);
                let request = request.update_expression(update).return_values(answer);
                reply!(request.send().await, UpdateItemError, "UpdateItem", config)
            }
            Action::Delete => {
                let request = client.delete_item().table_name(&config.table).key(name, value);
                let request = conditional!(request, condition, names, values, failed);
                let request = request.return_values(ReturnValue::AllOld);
                reply!(request.send().await, DeleteItemError, "DeleteItem", config)
            }
        }
    }
}

/// The deadline that an attempt without a response wrote, if it was applied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    pub(crate) deadline: Deadline,
    /// The attempt wrote this deadline, or left the existing one, if there was one.
    pub(crate) certain: bool,
}

/// Returns the deadline after the write that left this item. Another operation may have moved it since, so it
/// is known only if all attempts that may have been applied wrote the same one.
pub(crate) fn deadline_of(written: &[Written], item: &Item) -> Result<Option<Deadline>> {
    let found = codec::header(item)?.ends();
    if written.iter().any(|written| written.deadline == found) {
        return Ok(Some(found));
    }
    Ok(match written {
        [first, rest @ ..] => {
            let same = |other: &Written| other.certain && other.deadline == first.deadline;
            (first.certain && rest.iter().all(same)).then_some(first.deadline)
        }
        [] => None,
    })
}

fn is_own(item: &Item, token: &str) -> bool {
    matches!(item.get(VERSION), Some(AttributeValue::S(version)) if version == token)
}
