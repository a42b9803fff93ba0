//! Delete, and take: one `DeleteItem`.

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

/// Anything that has not ended: what is not ours can be deleted, though not taken.
const UNENDED: &str = "attribute_exists(#k) AND (attribute_not_exists(#d) OR #d > :now OR NOT attribute_type(#d, :number)) AND (attribute_not_exists(#m) OR #m > :now OR NOT attribute_type(#m, :number))";

impl Inner {
    pub(crate) async fn delete(&self, key: &Key, options: &DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        let mut retries = self.retries();
        let build = |now| Ok(request(now, options));
        for round in 0..ROUNDS {
            let (now, reply) = match options.if_version {
                None => self.write(key, &mut retries, build).await.map_err(Lost::into_error)?,
                // A version does not come back, so this cannot delete what came after it.
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
                        .map_err(|_| answer_lost("what it took, a damaged field"));
                }
                Reply::Failed(item) => {
                    match rules::delete(now, codec::met(now, item.as_ref())?.as_ref(), options)? {
                        DeleteStep::Absent => return Ok(Outcome::Absent),
                        DeleteStep::Refused => return Ok(Outcome::Refused(None)),
                        // It cannot be read, or became what it is only after another condition had failed.
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
    // What is not handed out must not be taken away.
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

/// What was selected of the entry that is gone.
fn taken(item: Option<Item>, projection: &Projection) -> Result<Option<Entry>> {
    match (projection, item) {
        (Projection::Nothing, _) | (_, None) => Ok(None),
        (projection, Some(mut item)) => Ok(Some(Entry::new(codec::value(&mut item, projection)?))),
    }
}
