//! Get: `GetItem`, or `UpdateItem` if the read refreshes the entry.

use std::collections::HashMap;

use ttl_core::rules::{self, Hit};
use ttl_core::{
    Entry, Error, GetOptions, Key, Kind, Now, Projection, Refresh, RefreshMode, Result, Returning, Version,
};

use crate::codec::{self, Item};
use crate::expression::Write;
use crate::send::{Lost, Reply, Retries};
use crate::store::Inner;

/// The maximum number of fields in a projection. With more, the expression could exceed DynamoDB's limit.
const MAX_NAMED: usize = 300;

/// The part of an item that a read requests.
#[derive(Clone, Debug)]
pub(crate) struct Attributes {
    pub(crate) expression: String,
    pub(crate) names: HashMap<String, String>,
}

impl Inner {
    /// Returns the part of an item that a get needs; `None` is the whole item.
    pub(crate) fn attributes(
        &self,
        projection: &Projection,
        kind: Option<Kind>,
        returning: Returning,
    ) -> Option<Attributes> {
        let mut expression = "#k, #d, #m, #v".to_owned();
        if returning.contains(Returning::CREATED_AT) {
            expression.push_str(", #c");
        }
        let mut names = HashMap::new();
        match projection {
            Projection::All => return None,
            Projection::Fields(fields) if fields.len() > MAX_NAMED => return None,
            Projection::Fields(fields) => {
                // The bytes distinguish a blob from a record without any of the fields.
                expression.push_str(", #b");
                for (number, field) in fields.iter().enumerate() {
                    let placeholder = format!("#{number}");
                    expression.push_str(", #f.");
                    expression.push_str(&placeholder);
                    names.insert(placeholder, field.to_owned());
                }
            }
            Projection::Nothing if kind.is_some() => expression.push_str(", #b"),
            Projection::Nothing => {}
        }
        self.names.used_in(&expression, &mut names);
        Some(Attributes { expression, names })
    }

    pub(crate) async fn get(&self, key: &Key, options: &GetOptions) -> Result<Option<Entry>> {
        match &options.refresh {
            None => self.peek(key, options).await,
            Some(refresh) if refresh.slack.is_some() => self.look_and_refresh(key, options, refresh).await,
            // An entry that could not be read the last time is not kept alive by reading it.
            Some(refresh) if self.unreadable.has(key) => {
                let entry = self.look_and_refresh(key, options, refresh).await?;
                self.unreadable.forget(key);
                Ok(entry)
            }
            // One request: the condition checks whether the refresh is due.
            Some(refresh) => self.get_refreshing(key, options, refresh).await,
        }
    }

    /// Reads without a refresh.
    async fn peek(&self, key: &Key, options: &GetOptions) -> Result<Option<Entry>> {
        let (now, item) = self.look_at(key, options, &mut self.retries()).await?;
        let hit = judge(now, item.as_ref(), options)?;
        answer(hit, item, options)
    }

    /// Reads an item, and returns the time at which to judge it. This is after the response, so a slow read
    /// returns no expired entry. An entry that ended meanwhile may have been extended in time, and is read
    /// again.
    async fn look_at(
        &self,
        key: &Key,
        options: &GetOptions,
        retries: &mut Retries,
    ) -> Result<(Now, Option<Item>)> {
        let attributes = self.attributes(&options.projection, options.kind, options.returning);
        let consistent = self.config.consistent_reads;
        let before = self.now_millis();
        let item = self.read(key, attributes.as_ref(), consistent, retries).await?;
        let now = self.now_millis();
        let live = |now| Ok(codec::met(now, item.as_ref())?.is_some());
        if now == before || live(now)? || !live(before)? {
            return Ok((now, item));
        }
        let item = self.read(key, attributes.as_ref(), consistent, retries).await?;
        Ok((self.now_millis(), item))
    }

    async fn get_refreshing(
        &self,
        key: &Key,
        options: &GetOptions,
        refresh: &Refresh,
    ) -> Result<Option<Entry>> {
        let build = |now| Ok(self.refresh(now, refresh, None, options).answering_new());
        let mut retries = self.retries();
        match self.write(key, &mut retries, build).await {
            Ok((now, Reply::Done(item))) => {
                let hit = judge(now, item.as_ref(), options)?;
                answer(hit, item, options).inspect_err(|_| self.unreadable.note(key))
            }
            // The refresh is not due, or the entry does not match: the result follows from the returned item.
            Ok((now, Reply::Failed(item))) => {
                let hit = judge(now, item.as_ref(), options)?;
                answer(hit, item, options)
            }
            Err(lost) => {
                let (now, item) = self.look_at(key, options, &mut retries.anew()).await?;
                let hit = judge(now, item.as_ref(), options)?;
                let due = hit.is_some_and(|hit| hit.refresh.is_some());
                let entry = answer(hit, item, options)?;
                Ok(entry.map(|entry| if due { entry.with_refresh_error(failed(lost)) } else { entry }))
            }
        }
    }

    /// Reads, and then refreshes the entry if that is due.
    async fn look_and_refresh(
        &self,
        key: &Key,
        options: &GetOptions,
        refresh: &Refresh,
    ) -> Result<Option<Entry>> {
        let mut retries = self.retries();
        let (now, item) = self.look_at(key, options, &mut retries).await?;
        let hit = judge(now, item.as_ref(), options)?;
        let (Some(Hit { refresh: Some(_), .. }), Some(header)) = (hit, codec::met(now, item.as_ref())?)
        else {
            return answer(hit, item, options);
        };
        let entry = answer(hit, item, options)?;
        let build = |now| {
            let write = self.refresh(now, refresh, Some(&header.version), options);
            Ok(match refresh.mode {
                RefreshMode::ExtendOnly => write,
                RefreshMode::Reset => write.demand_deadline(header.deadline),
            })
        };
        let written = self.write(key, &mut retries.anew(), build).await;
        let wanted = options.returning.contains(Returning::DEADLINE);
        Ok(entry.map(|entry| match written {
            Ok((now, Reply::Done(_))) if wanted => {
                entry.with_deadline(rules::refreshed(now, &header, refresh))
            }
            // Another caller was faster with the same value: its refresh counts.
            Ok((now, Reply::Failed(Some(item)))) => match codec::met(now, Some(&item)) {
                Ok(Some(found)) if found.version == header.version && wanted => {
                    entry.with_deadline(found.ends())
                }
                // The item is the one that was read.
                _ => entry,
            },
            Ok(_) => entry,
            Err(lost) => entry.with_refresh_error(failed(lost)),
        }))
    }

    /// Moves the deadline of a live entry, if that is due. Never moves that of another version than the one
    /// that was read (R6).
    fn refresh(&self, now: Now, refresh: &Refresh, seen: Option<&Version>, options: &GetOptions) -> Write {
        let write = self.set_deadline(Write::update(), now, ttl_core::Deadline::after(now, refresh.ttl));
        let write = write.demand_live(now, seen);
        let write = match refresh.mode {
            RefreshMode::Reset => write,
            // A deadline at the cap cannot be extended.
            RefreshMode::ExtendOnly => write.demand("#d < :d AND (attribute_not_exists(#m) OR #d < #m)"),
        };
        // An unreadable entry is not kept alive by reading it.
        let write = if options.projection == Projection::Nothing { write } else { write.demand_readable() };
        let write = write.demand_created_at(options.returning);
        match expected(options) {
            None => write,
            Some(kind) => write.demand(of_kind(kind)),
        }
    }
}

/// Returns the condition for a kind.
pub(crate) fn of_kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Blob => "attribute_exists(#b)",
        Kind::Record => "attribute_not_exists(#b)",
    }
}

fn expected(options: &GetOptions) -> Option<Kind> {
    if matches!(options.projection, Projection::Fields(_)) { Some(Kind::Record) } else { options.kind }
}

/// Judges an item for a get: [`rules::get`].
pub(crate) fn judge(now: Now, item: Option<&Item>, options: &GetOptions) -> Result<Option<Hit>> {
    rules::get(now, codec::met(now, item)?.as_ref(), options)
}

/// Returns the entry of a hit.
pub(crate) fn answer(hit: Option<Hit>, item: Option<Item>, options: &GetOptions) -> Result<Option<Entry>> {
    let (Some(hit), Some(mut item)) = (hit, item) else { return Ok(None) };
    let returning = options.returning;
    let version =
        if returning.contains(Returning::VERSION) { Some(codec::header(&item)?.version) } else { None };
    let created_at = codec::created_at(returning, &item)?;
    let entry = Entry::new(codec::value(&mut item, &options.projection)?)
        .with_deadline(returning.contains(Returning::DEADLINE).then_some(hit.deadline))
        .with_version(version)
        .with_created_at(created_at);
    Ok(Some(entry))
}

fn failed(lost: Lost) -> Error {
    lost.into_error().with_operation("refresh")
}
