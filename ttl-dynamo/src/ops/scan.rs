//! Scan: full pages, even if whole pages of DynamoDB contain only ghosts or nothing.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::try_join_all;
use ttl_core::driver::Now;
use ttl_core::options::ScanOptions;
use ttl_core::{Cursor, Entry, Error, ErrorKind, Key, Page, PageItem, Result};

use super::result;
use crate::BACKEND;
use crate::config::DynamoConfig;
use crate::error::{classify, new};
use crate::inner::Inner;
use crate::layout::{self, Item, now_attribute};

/// The minimum and maximum number of items that one request of a segment examines. DynamoDB stops at 1 MB.
const MIN_COUNT: usize = 16;
const MAX_COUNT: usize = 10_000;

const FOREIGN_POSITION: &str = "DynamoDB returned a scan position that is not a key of this table";

/// Items that have not certainly ended: live items, and items with an unreadable deadline.
const NOT_ENDED: &str = "NOT (#d <= :now OR #m <= :now)";

/// The position of a segment of the table.
#[derive(Clone, Debug, PartialEq)]
enum Position {
    Start,
    /// After the item of this stored key, which may be gone.
    After(String),
    End,
}

/// The result of one request: live and unreadable entries with their stored keys, and the segment's next
/// position.
struct Step {
    found: Vec<(String, PageItem)>,
    next: Position,
}

impl Inner {
    pub(crate) async fn scan_page(&self, options: &ScanOptions) -> Result<Page> {
        let config = &self.config;
        let scope = [BACKEND, &*config.table, &*self.layout.key, &*self.prefix, &*options.prefix];
        let mut positions = match &options.cursor {
            Some(cursor) => decode(&cursor.open(&config.cursor_secret, &scope)?)?,
            None => vec![Position::Start; config.segments as usize],
        };
        let limit = options.limit.get();
        let mut items = Vec::new();
        let mut count = limit.div_ceil(positions.len()).clamp(MIN_COUNT, MAX_COUNT);
        while items.len() < limit && positions.iter().any(|position| *position != Position::End) {
            let steps = positions.iter().enumerate().map(|(segment, position)| {
                let segments = positions.len();
                async move { self.scan_step(options, segment, segments, position, count).await }
            });
            let steps = try_join_all(steps).await?;
            for (position, step) in positions.iter_mut().zip(steps) {
                let room = limit - items.len();
                // Entries that do not fit are found again by the next page, which starts after the last one
                // that did.
                *position = match step.found.len() {
                    found if found <= room => step.next,
                    _ => step.found[..room]
                        .last()
                        .map_or_else(|| position.clone(), |(at, ..)| Position::After(at.clone())),
                };
                items.extend(step.found.into_iter().take(room).map(|(_, item)| item));
            }
            // If few entries match, examine more at a time.
            count = (count * 2).min(MAX_COUNT);
        }
        let more = positions.iter().any(|position| *position != Position::End);
        Ok(Page::new(items, more.then(|| Cursor::seal(&config.cursor_secret, &scope, &encode(&positions)))))
    }

    /// Sends one request, or none if the segment has ended.
    async fn scan_step(
        &self,
        options: &ScanOptions,
        segment: usize,
        segments: usize,
        position: &Position,
        count: usize,
    ) -> Result<Step> {
        let start = match position {
            Position::End => return Ok(Step { found: Vec::new(), next: Position::End }),
            Position::Start => None,
            Position::After(key) => {
                Some(HashMap::from([(self.layout.key.clone(), AttributeValue::S(key.clone()))]))
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
        self.layout.add_names(&filter, &mut names);
        let client = self.client.get(&self.config).await?;
        let mut retries = self.retries();
        loop {
            let now = self.now();
            let mut values = HashMap::from([(":now".to_owned(), now_attribute(now))]);
            if !prefix.is_empty() {
                values.insert(":p".to_owned(), AttributeValue::S(prefix.clone()));
            }
            let mut request = client
                .scan()
                .table_name(&self.config.table)
                .consistent_read(self.config.has_consistent_reads())
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
                Ok(response) => {
                    let next = match response.last_evaluated_key {
                        None => Position::End,
                        Some(mut key) => Position::After(
                            self.take_key(&mut key)
                                .ok_or_else(|| new(ErrorKind::Backend, FOREIGN_POSITION))?,
                        ),
                    };
                    return Ok(Step { found: self.found(response.items.unwrap_or_default(), options), next });
                }
                Err(error) => self.retry(&mut retries, classify(&error, "Scan", &self.config)).await?,
            }
        }
    }

    /// Returns the items that are live now that they have arrived, or that cannot be read.
    fn found(&self, items: Vec<Item>, options: &ScanOptions) -> Vec<(String, PageItem)> {
        let now = self.now();
        let mut found = Vec::with_capacity(items.len());
        for mut item in items {
            let Some(stored) = self.take_key(&mut item) else { continue };
            let Some(key) = stored.strip_prefix(&*self.prefix).and_then(|key| Key::new(key).ok()) else {
                continue;
            };
            if let Some(entry) = entry(now, item, options).transpose() {
                let entry = entry.map_err(|error| error.with_backend(BACKEND));
                found.push((stored, PageItem::new(key, entry)));
            }
        }
        found
    }

    fn take_key(&self, item: &mut Item) -> Option<String> {
        match item.remove(&self.layout.key) {
            Some(AttributeValue::S(key)) => Some(key),
            _ => None,
        }
    }
}

/// Returns the scan's result for an item; `None` for an expired one.
fn entry(now: Now, item: Item, options: &ScanOptions) -> Result<Option<Entry>> {
    let Some(header) = layout::live_header(now, Some(&item))? else { return Ok(None) };
    result::entry(item, header.ends(), &options.projection, options.returning).map(Some)
}

/// The number of segments, and the position of each.
fn encode(positions: &[Position]) -> Vec<u8> {
    let mut bytes = vec![positions.len() as u8];
    for position in positions {
        match position {
            Position::Start => bytes.push(0),
            Position::After(key) => {
                bytes.push(1);
                // At most 2048 bytes long.
                bytes.extend_from_slice(&(key.len() as u16).to_be_bytes());
                bytes.extend_from_slice(key.as_bytes());
            }
            Position::End => bytes.push(2),
        }
    }
    bytes
}

fn decode(bytes: &[u8]) -> Result<Vec<Position>> {
    parse(bytes).ok_or_else(|| {
        Error::new(ErrorKind::InvalidCursor, "invalid cursor: it has no position; start the scan again")
    })
}

fn parse(bytes: &[u8]) -> Option<Vec<Position>> {
    let (&segments, mut rest) = bytes.split_first()?;
    if u32::from(segments) > DynamoConfig::MAX_SEGMENTS {
        return None;
    }
    let mut positions = Vec::new();
    for _ in 0..segments {
        let (position, more) = rest.split_first()?;
        rest = more;
        positions.push(match position {
            0 => Position::Start,
            1 => {
                let (length, more) = rest.split_first_chunk::<2>()?;
                let (key, more) = more.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
                rest = more;
                Position::After(String::from_utf8(key.to_vec()).ok().filter(|key| !key.is_empty())?)
            }
            2 => Position::End,
            _ => return None,
        });
    }
    (rest.is_empty() && !positions.is_empty()).then_some(positions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_survive_and_nonsense_does_not() {
        let after = |key: &str| Position::After(key.to_owned());
        for positions in [
            vec![Position::Start],
            vec![after("app:\0ä")],
            vec![after(&"k".repeat(2048)), Position::End, Position::Start, after("b")],
        ] {
            assert_eq!(decode(&encode(&positions)).unwrap(), positions);
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
