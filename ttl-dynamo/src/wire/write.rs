//! Writes: sent once, or again if that cannot apply a write twice.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use ttl_core::driver::Now;
use ttl_core::{Error, Key, Result};

use super::expression::{Action, Write};
use super::retry::Retries;
use crate::error::{FailedWrite, Failure, classify};
use crate::inner::Inner;
use crate::layout::{Item, is_written_with};

/// A token that no item has, for writes that leave none.
pub(crate) const NO_TOKEN: &str = "";

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
            Ok(response) => Ok(Reply::Applied(response.attributes)),
            Err(SdkError::ServiceError(response))
                if response.err().is_conditional_check_failed_exception() =>
            {
                match response.into_err() {
                    $errors::ConditionalCheckFailedException(failed) => {
                        Ok(Reply::ConditionFailed(failed.item))
                    }
                    _ => Ok(Reply::ConditionFailed(None)),
                }
            }
            Err(error) => Err(classify(&error, $action, $config)),
        }
    };
}

/// The reply to a conditional write.
#[derive(Debug)]
pub(crate) enum Reply {
    /// The write was applied. Contains the item before the write, or after it if that was requested.
    Applied(Option<Item>),
    /// The condition did not hold for this item.
    ConditionFailed(Option<Item>),
}

/// The reply to a conditional write that leaves a token in the item, by which an applied write is recognized.
#[derive(Debug)]
pub(crate) enum TokenReply {
    /// As [`Reply::Applied`].
    Applied(Option<Item>),
    /// As [`Reply::ConditionFailed`].
    ConditionFailed(Option<Item>),
    /// An attempt without a response was applied. Contains the times of such attempts, and the item.
    Recovered(Vec<Now>, Item),
}

impl From<Reply> for TokenReply {
    fn from(reply: Reply) -> Self {
        match reply {
            Reply::Applied(item) => Self::Applied(item),
            Reply::ConditionFailed(item) => Self::ConditionFailed(item),
        }
    }
}

impl Inner {
    /// Sends a write until it is executed. Each attempt is rebuilt with the current time. A retry happens
    /// only if the write was certainly not executed.
    pub(crate) async fn write(
        &self,
        key: &Key,
        retries: &mut Retries,
        build: impl Fn(Now) -> Result<Write>,
    ) -> Result<(Now, Reply), FailedWrite> {
        let (now, sent) = self.send_executed(key, retries, build).await.map_err(FailedWrite::not_applied)?;
        sent.map(|reply| (now, reply)).map_err(FailedWrite::from)
    }

    /// Sends a write as [`Inner::write`] does. If there is no response, reads the item once to determine
    /// whether the write left this token.
    pub(crate) async fn write_with_token(
        &self,
        key: &Key,
        token: &str,
        retries: &mut Retries,
        build: impl Fn(Now) -> Result<Write>,
    ) -> Result<(Now, TokenReply), FailedWrite> {
        let (now, sent) = self.send_executed(key, retries, build).await.map_err(FailedWrite::not_applied)?;
        match sent {
            Ok(reply) => Ok((now, reply.into())),
            Err(failure) if failure.may_have_applied => match self.reprobe(key, token, retries).await {
                Some(item) => Ok((now, TokenReply::Recovered(vec![now], item))),
                None => Err(failure.into()),
            },
            Err(failure) => Err(failure.into()),
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
    ) -> Result<(Now, TokenReply), FailedWrite> {
        // The last error of an attempt that may have been applied, and the times of all such attempts.
        let mut unknown: Option<Error> = None;
        let mut sent = Vec::new();
        self.ready().await.map_err(FailedWrite::not_applied)?;
        loop {
            let now = self.now();
            let write = match (build(now), &unknown) {
                (Ok(write), _) => write,
                (Err(error), None) => return Err(FailedWrite::not_applied(error)),
                (Err(_), Some(error)) => return Err(FailedWrite::unknown(error.clone())),
            };
            let failure = match (self.send(key, write).await, unknown.take()) {
                (Ok(Reply::ConditionFailed(Some(item))), Some(_)) if is_written_with(&item, token) => {
                    return Ok((now, TokenReply::Recovered(sent, item)));
                }
                (Ok(Reply::ConditionFailed(_)), Some(error)) => return Err(FailedWrite::unknown(error)),
                (Ok(reply), _) => return Ok((now, reply.into())),
                (Err(failure), None) if failure.invalid_request => return Err(failure.into()),
                (Err(failure), before) => {
                    unknown = if failure.may_have_applied {
                        sent.push(now);
                        Some(failure.error.clone())
                    } else {
                        before
                    };
                    failure
                }
            };
            let failure = Failure { retryable: failure.retryable || unknown.is_some(), ..failure };
            if let Err(error) = self.retry(retries, failure).await {
                let Some(unknown) = unknown else { return Err(FailedWrite::not_applied(error)) };
                return match self.reprobe(key, token, retries).await {
                    Some(item) => Ok((now, TokenReply::Recovered(sent, item))),
                    None => Err(FailedWrite::unknown(unknown)),
                };
            }
        }
    }

    /// Sends a write until it may have been executed, or is invalid. Returns the time of the last attempt.
    async fn send_executed(
        &self,
        key: &Key,
        retries: &mut Retries,
        build: impl Fn(Now) -> Result<Write>,
    ) -> Result<(Now, Result<Reply, Failure>)> {
        loop {
            self.ready().await?;
            let now = self.now();
            match self.send(key, build(now)?).await {
                Err(failure) if !failure.may_have_applied && !failure.invalid_request => {
                    self.retry(retries, failure).await?;
                }
                sent => return Ok((now, sent)),
            }
        }
    }

    /// Waits for the client, which the first request builds. A request is therefore no older than its
    /// attempt.
    async fn ready(&self) -> Result<()> {
        self.client.get(&self.config).await.map(|_| ())
    }

    /// Returns the item, if it was written with this token.
    async fn reprobe(&self, key: &Key, token: &str, retries: &Retries) -> Option<Item> {
        let item = self.read(key, None, true, &mut retries.fresh()).await;
        item.ok().flatten().filter(|item| is_written_with(item, token))
    }

    /// Sends a write once.
    async fn send(&self, key: &Key, mut write: Write) -> Result<Reply, Failure> {
        let config = &self.config;
        let client = self.client.get(config).await.map_err(Failure::permanent)?;
        let names = Some(write.take_names(&self.layout)).filter(|names| !names.is_empty());
        let values = Some(write.values).filter(|values| !values.is_empty());
        let condition = Some(write.condition).filter(|condition| !condition.is_empty());
        let failed = ReturnValuesOnConditionCheckFailure::AllOld;
        let (name, value) = (&self.layout.key, AttributeValue::S(self.stored_key(key)));
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
                let returned = if write.return_new { ReturnValue::AllNew } else { ReturnValue::AllOld };
                let request = client.update_item().table_name(&config.table).key(name, value);
                let request = conditional!(request, condition, names, values, failed);
                let request = request.update_expression(update).return_values(returned);
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
