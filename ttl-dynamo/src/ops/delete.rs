//! Delete and take: one `DeleteItem`.

use ttl_core::driver::Now;
use ttl_core::driver::{MAX_ATTEMPTS, contention};
use ttl_core::options::{DeleteOptions, Projection};
use ttl_core::rules::{self, DeleteStep};
use ttl_core::{Entry, Key, Kind, Outcome, Result};

use super::get::kind_condition;
use crate::error::{FailedWrite, applied_unread};
use crate::inner::Inner;
use crate::layout::{self, Item};
use crate::wire::{NO_TOKEN, Reply, TokenReply, Write};

/// Any item, also a ghost and one of another program. Without this condition, DynamoDB Local can return the same
/// item to two deletes.
const EXISTS: &str = "attribute_exists(#k)";

impl Inner {
    pub(crate) async fn delete(&self, key: &Key, options: &DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        let mut retries = self.retries();
        let needs_nothing = options.kind.is_none() && options.if_version.is_none();
        if options.projection == Projection::Nothing && needs_nothing {
            let (now, reply) = self
                .write(key, &mut retries, |_| Ok(Write::delete().demand(EXISTS)))
                .await
                .map_err(FailedWrite::into_error)?;
            return Ok(deleted(now, reply));
        }
        let build = |now| Ok(request(now, options));
        for round in 0..MAX_ATTEMPTS {
            let sent = match options.if_version {
                None => self.write(key, &mut retries, build).await.map(|(now, reply)| (now, reply.into())),
                // A version never recurs, so this cannot delete a later entry.
                Some(_) => self.write_pinned(key, NO_TOKEN, &mut retries, build).await,
            };
            let (now, item) = match sent.map_err(FailedWrite::into_error)? {
                (_, TokenReply::Applied(item)) => {
                    let taken = taken(item, &options.projection);
                    return taken
                        .map(Outcome::Applied)
                        .map_err(|_| applied_unread("the taken entry, which has a damaged field"));
                }
                (now, TokenReply::ConditionFailed(item)) => (now, item),
                (now, TokenReply::Recovered(_, item)) => (now, Some(item)),
            };
            match rules::delete(now, layout::live_header(now, item.as_ref())?.as_ref(), options)? {
                DeleteStep::Absent => return Ok(Outcome::Absent),
                DeleteStep::Refused => return Ok(Outcome::Refused(None)),
                // The item cannot be read, or became live only after another condition had failed.
                DeleteStep::Remove => {
                    taken(item, &options.projection)?;
                    self.back_off(round, &retries).await?;
                }
            }
        }
        Err(contention())
    }
}

/// Returns the outcome of a delete without conditions. It also removes a ghost, so that a write which another
/// client sent before the entry ended is not applied later. It removes items of other programs, which cannot be
/// taken.
fn deleted(now: Now, reply: Reply) -> Outcome<Option<Entry>> {
    let (Reply::Applied(item) | Reply::ConditionFailed(item)) = reply;
    match layout::live_header(now, item.as_ref()) {
        Ok(None) => Outcome::Absent,
        Ok(Some(_)) | Err(_) => Outcome::Applied(None),
    }
}

fn request(now: Now, options: &DeleteOptions) -> Write {
    let expected =
        if matches!(options.projection, Projection::Fields(_)) { Some(Kind::Record) } else { options.kind };
    let write = Write::delete().demand_live(now, options.if_version.as_ref());
    // A value that is not returned must not be removed.
    let write = match options.projection {
        Projection::Nothing => write,
        _ => write.demand_readable(),
    };
    match expected {
        None => write,
        Some(kind) => write.demand(kind_condition(kind)),
    }
}

/// Returns the selected part of the removed entry.
fn taken(item: Option<Item>, projection: &Projection) -> Result<Option<Entry>> {
    match (projection, item) {
        (Projection::Nothing, _) | (_, None) => Ok(None),
        (projection, Some(mut item)) => Ok(Some(Entry::new(layout::value(&mut item, projection)?))),
    }
}
