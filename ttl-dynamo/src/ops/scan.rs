//! Scan: full pages, even if whole pages of DynamoDB contain only ghosts or nothing.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::try_join_all;
use ttl_core::{Cursor, Entry, Error, ErrorKind, Key, Now, Page, PageItem, Result, Returning, ScanOptions};

use crate::check::MAX_SEGMENTS;
use crate::codec::{self, Item};
use crate::error::failure;
use crate::store::Inner;

/// The minimum and maximum number of items that one request of a segment examines. DynamoDB stops at 1 MB.
const LEAST: usize = 16;
const MOST: usize = 10_000;

/// Items that have not certainly ended: live items, and items with an unreadable deadline.
const NOT_ENDED: &str = "NOT (#d <= :now OR #m <= :now)";

/// The position of a segment of the table.
#[derive(Clone, Debug, PartialEq)]
enum Place {
    Start,
    /// After the item of this stored key, which may be gone.
    After(String),
    End,
}

/// The result of one request: live and unreadable entries with their stored keys, and the segment's next
/// position.
struct Step {
    found: Vec<(String, PageItem)>,
    next: Place,
}

impl Inner {
    pub(crate) async fn scan_page(&self, options: &ScanOptions) -> Result<Page> {
        let config = &self.config;
        let scope = [crate::BACKEND, &*config.table, &*self.names.key, &*self.prefix, &*options.prefix];
        let mut places = match &options.cursor {
            Some(cursor) => decode(&cursor.open(&config.cursor_secret, &scope)?)?,
            None => vec![Place::Start; config.segments as usize],
        };
        let limit = options.limit.get();
        let mut items = Vec::new();
        let mut count = limit.div_ceil(places.len()).clamp(LEAST, MOST);
        while items.len() < limit && places.iter().any(|place| *place != Place::End) {
            let steps = places.iter().enumerate().map(|(segment, place)| {
                let segments = places.len();
                async move { self.scan_step(options, segment, segments, place, count).await }
            });
            let steps = try_join_all(steps).await?;
            for (place, step) in places.iter_mut().zip(steps) {
                let room = limit - items.len();
                // Entries that do not fit are found again by the next page, which starts after the last one
                // that did.
                *place = match step.found.len() {
                    found if found <= room => step.next,
                    _ => step.found[..room]
                        .last()
                        .map_or_else(|| place.clone(), |(at, ..)| Place::After(at.clone())),
                };
                items.extend(step.found.into_iter().take(room).map(|(_, item)| item));
            }
            // If few entries match, examine more at a time.
            count = (count * 2).min(MOST);
        }
        let more = places.iter().any(|place| *place != Place::End);
        Ok(Page::new(items, more.then(|| Cursor::seal(&config.cursor_secret, &scope, &encode(&places)))))
    }

    /// Sends one request, or none if the segment has ended.
    async fn scan_step(
        &self,
        options: &ScanOptions,
        segment: usize,
        segments: usize,
        place: &Place,
        count: usize,
    ) -> Result<Step> {
        let start = match place {
            Place::End => return Ok(Step { found: Vec::new(), next: Place::End }),
            Place::Start => None,
            Place::After(key) => {
                Some(HashMap::from([(self.names.key.clone(), AttributeValue::S(key.clone()))]))
            }
        };
        let prefix = [&*self.prefix, &*options.prefix].concat();
        let filter = if prefix.is_empty() {
            NOT_ENDED.to_owned()
        } else {
            format!("begins_with(#k, :p) AND {NOT_ENDED}")
        };
        // The kind of an entry does not matter; without values neither attribute is read.
        let attributes = self.attributes(&options.projection, None, options.returning);
        let (part, mut names) =
            attributes.map_or_else(Default::default, |part| (Some(part.expression), part.names));
        self.names.used_in(&filter, &mut names);
        let client = self.client.get(&self.config).await?;
        let mut retries = self.retries();
        loop {
            let now = self.now_millis();
            let mut values =
                HashMap::from([(":now".to_owned(), AttributeValue::N(now.as_epoch_millis().to_string()))]);
            if !prefix.is_empty() {
                values.insert(":p".to_owned(), AttributeValue::S(prefix.clone()));
            }
            let mut request = client
                .scan()
                .table_name(&self.config.table)
                .consistent_read(self.config.consistent_reads)
                .filter_expression(&filter)
                .set_projection_expression(part.clone())
                .set_expression_attribute_names(Some(names.clone()))
                .set_expression_attribute_values(Some(values))
                .set_exclusive_start_key(start.clone())
                .limit(count as i32);
            if segments > 1 {
                request = request.segment(segment as i32).total_segments(segments as i32);
            }
            match request.send().await {
                Ok(answer) => {
                    let next = match answer.last_evaluated_key {
                        None => Place::End,
                        Some(mut key) => Place::After(self.stored_key(&mut key).ok_or_else(unusable)?),
                    };
                    return Ok(Step { found: self.found(answer.items.unwrap_or_default(), options), next });
                }
                Err(error) => self.again(&mut retries, failure(&error, "Scan", &self.config)).await?,
            }
        }
    }

    /// Returns the items that are live now that they have arrived, or that cannot be read.
    fn found(&self, items: Vec<Item>, options: &ScanOptions) -> Vec<(String, PageItem)> {
        let now = self.now_millis();
        let mut found = Vec::with_capacity(items.len());
        for mut item in items {
            let Some(stored) = self.stored_key(&mut item) else { continue };
            let Some(key) = stored.strip_prefix(&*self.prefix).and_then(|key| Key::new(key).ok()) else {
                continue;
            };
            if let Some(entry) = entry(now, item, options).transpose() {
                let entry = entry.map_err(|error| error.with_backend(crate::BACKEND));
                found.push((stored, PageItem::new(key, entry)));
            }
        }
        found
    }

    fn stored_key(&self, item: &mut Item) -> Option<String> {
        match item.remove(&self.names.key) {
            Some(AttributeValue::S(key)) => Some(key),
            _ => None,
        }
    }
}

/// Returns the scan's result for an item; `None` for an expired one.
fn entry(now: Now, mut item: Item, options: &ScanOptions) -> Result<Option<Entry>> {
    let Some(header) = codec::met(now, Some(&item))? else { return Ok(None) };
    let created_at = codec::created_at(options.returning, &item)?;
    let entry = Entry::new(codec::value(&mut item, &options.projection)?)
        .with_deadline(
            options.returning.contains(Returning::DEADLINE).then(|| header.deadline.min(header.cap)),
        )
        .with_version(options.returning.contains(Returning::VERSION).then_some(header.version))
        .with_created_at(created_at);
    Ok(Some(entry))
}

fn unusable() -> Error {
    Error::new(ErrorKind::Backend, "DynamoDB returned a scan position that is not a key of this table")
}

/// The number of segments, and the position of each.
fn encode(places: &[Place]) -> Vec<u8> {
    let mut bytes = vec![places.len() as u8];
    for place in places {
        match place {
            Place::Start => bytes.push(0),
            Place::After(key) => {
                bytes.push(1);
                // At most 2048 bytes long.
                bytes.extend_from_slice(&(key.len() as u16).to_be_bytes());
                bytes.extend_from_slice(key.as_bytes());
            }
            Place::End => bytes.push(2),
        }
    }
    bytes
}

fn decode(bytes: &[u8]) -> Result<Vec<Place>> {
    parse(bytes).ok_or_else(|| {
        Error::new(ErrorKind::InvalidCursor, "invalid cursor: it has no position; start the scan again")
    })
}

fn parse(bytes: &[u8]) -> Option<Vec<Place>> {
    let (&segments, mut rest) = bytes.split_first()?;
    if u32::from(segments) > MAX_SEGMENTS {
        return None;
    }
    let mut places = Vec::new();
    for _ in 0..segments {
        let (place, more) = rest.split_first()?;
        rest = more;
        places.push(match place {
            0 => Place::Start,
            1 => {
                let (length, more) = rest.split_first_chunk::<2>()?;
                let (key, more) = more.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
                rest = more;
                Place::After(String::from_utf8(key.to_vec()).ok().filter(|key| !key.is_empty())?)
            }
            2 => Place::End,
            _ => return None,
        });
    }
    (rest.is_empty() && !places.is_empty()).then_some(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_survive_and_nonsense_does_not() {
        let after = |key: &str| Place::After(key.to_owned());
        for places in [
            vec![Place::Start],
            vec![after("app:\0ä")],
            vec![after(&"k".repeat(2048)), Place::End, Place::Start, after("b")],
        ] {
            assert_eq!(decode(&encode(&places)).unwrap(), places);
        }
        for bytes in [
            &b""[..],
            b"\0",
            b"\x01",
            b"\x01\x03",
            b"\x01\x01\0",
            b"\x01\x01\0\x02a",
            b"\x01\x01\0\0",
            b"\x01\0\0",
        ] {
            assert_eq!(decode(bytes).unwrap_err().kind(), ErrorKind::InvalidCursor, "{bytes:?}");
        }
    }
}
