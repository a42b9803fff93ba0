//! Delete and take: one `DeleteItem`.

use aws_sdk_dynamodb::types::AttributeValue;
use ttl_core::rules::{self, DeleteStep};
use ttl_core::{DeleteOptions, Entry, Key, Kind, Now, Outcome, Projection, Result};

use crate::codec::{self, Item};
use crate::error::{answer_lost, contention};
use crate::expression::Write;
use crate::get::of_kind;
use crate::put::ROUNDS;
use crate::send::{Lost, Pinned, Reply};
use crate::store::Inner;

/// Any item that has not ended: an item of another program can be deleted, but not taken.
const UNENDED: &str = "attribute_exists(#k) AND (attribute_not_exists(#d) OR #d > :now OR NOT attribute_type(#d, :number)) AND (attribute_not_exists(#m) OR #m > :now OR NOT attribute_type(#m, :number))";

impl Inner {
    pub(crate) async fn delete(&self, key: &Key, options: &DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        let mut retries = self.retries();
        let build = |now| Ok(request(now, options));
        for round in 0..ROUNDS {
            let (now, reply) = match options.if_version {
                None => self.write(key, &mut retries, build).await.map_err(Lost::into_error)?,
                // A version never recurs, so this cannot delete a later entry.
                Some(_) => {
                    let sent = self.write_pinned(key, "", &mut retries, build).await;
                    match sent.map_err(Lost::into_error)? {
                        (now, Pinned::Done(item)) => (now, Reply::Done(item)),
                        (now, Pinned::Failed(item)) => (now, Reply::Failed(item)),
                        (now, Pinned::Own(_, item)) => (now, Reply::Failed(Some(item))),
                    }
                }
            };
            match reply {
                Reply::Done(item) => {
                    let taken = taken(item, &options.projection);
                    return taken
                        .map(Outcome::Applied)
                        .map_err(|_| answer_lost("the taken entry, which has a damaged field"));
                }
                Reply::Failed(item) => {
                    match rules::delete(now, codec::met(now, item.as_ref())?.as_ref(), options)? {
                        DeleteStep::Absent => return Ok(Outcome::Absent),
                        DeleteStep::Refused => return Ok(Outcome::Refused(None)),
                        // The item cannot be read, or became live only after another condition had failed.
                        DeleteStep::Remove => {
                            taken(item, &options.projection)?;
                            self.step_aside(round, &retries).await?;
                        }
                    }
                }
            }
        }
        Err(contention())
    }
}

fn request(now: Now, options: &DeleteOptions) -> Write {
    let expected =
        if matches!(options.projection, Projection::Fields(_)) { Some(Kind::Record) } else { options.kind };
    let plain =
        options.projection == Projection::Nothing && expected.is_none() && options.if_version.is_none();
    let write = if plain {
        Write::delete().demand(UNENDED).now(now).value(":number", of_type("N"))
    } else {
        Write::delete().demand_live(now, options.if_version.as_ref())
    };
    // A value that is not returned must not be removed.
    let write = match options.projection {
        Projection::Nothing => write,
        _ => write.demand_readable(),
    };
    match expected {
        None => write,
        Some(kind) => write.demand(of_kind(kind)),
    }
}

fn of_type(name: &str) -> AttributeValue {
    AttributeValue::S(name.to_owned())
}

/// Returns the selected part of the removed entry.
fn taken(item: Option<Item>, projection: &Projection) -> Result<Option<Entry>> {
    match (projection, item) {
        (Projection::Nothing, _) | (_, None) => Ok(None),
        (projection, Some(mut item)) => Ok(Some(Entry::new(codec::value(&mut item, projection)?))),
    }
}
