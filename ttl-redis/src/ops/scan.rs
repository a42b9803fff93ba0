//! Scan: full pages, however many keys SCAN returns at a time.

use std::collections::{HashSet, VecDeque};

use redis::Value as Reply;
use ttl_core::options::{GetOptions, ScanOptions};
use ttl_core::{Cursor, Error, ErrorKind, Key, Page, PageItem, Result};

use super::get::Get;
use super::scan_position::Position;
use crate::BACKEND;
use crate::error::{Decoded, Fault};
use crate::inner::Inner;
use crate::layout::key_of;
use crate::wire::reply::{array, bulk};

/// The minimum and the maximum COUNT of a SCAN, which is one round trip.
const MIN_COUNT: usize = 16;
const MAX_COUNT: usize = 4096;

pub(crate) async fn scan(inner: &Inner, options: &ScanOptions) -> Result<Page> {
    inner.capabilities.check_scan(options)?;
    // A cursor of SCAN is invalid on another server, and on this one after a restart.
    inner.link.reprobe(options.cursor.is_some()).await?;
    let run_id = run_id(inner);
    let scope = [BACKEND, &run_id, &inner.prefix, &options.prefix];
    let mut position = match &options.cursor {
        Some(cursor) => Position::decode(&cursor.open(&inner.cursor_secret, &scope)?, &options.prefix)?,
        None => Position { cursor: Some(0), left: VecDeque::new() },
    };
    let limit = options.limit.get();
    let pattern = glob(&inner.prefix, &options.prefix);
    let (mut items, mut seen) = (Vec::new(), HashSet::new());
    let mut wider = 1;
    // Continues until the page is full and it is known whether another page follows.
    loop {
        while items.len() < limit && !position.left.is_empty() {
            let batch = position.left.len().min(limit - items.len());
            let keys: Vec<String> =
                position.left.drain(..batch).filter(|key| seen.insert(key.clone())).collect();
            read_items(inner, keys, options, &mut items).await?;
        }
        let (Some(cursor), true) = (position.cursor, position.left.is_empty()) else { break };
        let count = (count(limit - items.len()) * wider).min(MAX_COUNT);
        let (next, keys) = scan_step(inner, cursor, &pattern, count).await?;
        if self::run_id(inner) != run_id {
            return Err(restarted());
        }
        // If few keys match, more of them are examined at a time.
        wider = if keys.is_empty() { (wider * 2).min(MAX_COUNT) } else { 1 };
        position.cursor = Some(next).filter(|next| *next != 0);
        position.left.extend(keys.into_iter().filter(|key| !seen.contains(key)));
    }
    let more = !position.left.is_empty();
    Ok(Page::new(items, more.then(|| Cursor::seal(&inner.cursor_secret, &scope, &position.encode()))))
}

fn run_id(inner: &Inner) -> String {
    inner.link.facts().map(|facts| facts.run_id.clone()).unwrap_or_default()
}

async fn scan_step(inner: &Inner, cursor: u64, pattern: &[u8], count: usize) -> Result<(u64, Vec<String>)> {
    let mut cmd = redis::cmd("SCAN");
    cmd.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(count);
    inner.link.ask(&cmd, |reply| read_step(reply, &inner.prefix)).await
}

fn read_step(reply: Reply, namespace: &str) -> Decoded<(u64, Vec<String>)> {
    let mut parts = array(reply)?.into_iter();
    let mut part = || parts.next().ok_or(Fault::UnknownForm("SCAN"));
    let next = bulk(part()?)?.and_then(|next| String::from_utf8(next).ok()?.parse().ok());
    let next = next.ok_or(Fault::UnknownForm("SCAN"))?;
    let mut keys = Vec::new();
    for key in array(part()?)? {
        keys.extend(bulk(key)?.and_then(|key| key_of(namespace, key)).map(Key::into_string));
    }
    Ok((next, keys))
}

/// Appends an item for each key whose entry is live or cannot be read.
async fn read_items(
    inner: &Inner,
    keys: Vec<String>,
    options: &ScanOptions,
    items: &mut Vec<PageItem>,
) -> Result<()> {
    let read =
        GetOptions::new().with_projection(options.projection.clone()).with_returning(options.returning);
    let keys: Vec<Key> = keys.into_iter().map(Key::new).collect::<Result<_>>()?;
    let gets: Vec<Get<'_>> = keys.iter().map(|key| Get::listed(inner, key, &read)).collect();
    let results = inner.link.run_many(&gets).await;
    drop(gets);
    for (key, result) in keys.into_iter().zip(results) {
        match result {
            Ok(Some(entry)) => items.push(PageItem::new(key, Ok(entry))),
            Ok(None) => {}
            Err(error) if error.kind() == ErrorKind::Corrupt => items.push(PageItem::new(key, Err(error))),
            Err(error) => return Err(error.with_key(&key)),
        }
    }
    Ok(())
}

fn restarted() -> Error {
    Error::new(ErrorKind::Unavailable, "the server restarted during the scan; start the scan again")
        .with_backend(BACKEND)
}

/// Returns the COUNT of a SCAN if so many items are missing. SCAN may return a few more, and the surplus goes
/// into the cursor. So the count is rather too small, and the next SCAN gets the rest.
const fn count(missing: usize) -> usize {
    let count = missing - missing / 8;
    if count < MIN_COUNT {
        MIN_COUNT
    } else if count > MAX_COUNT {
        MAX_COUNT
    } else {
        count
    }
}

/// Returns the glob pattern for keys that begin with these two, literally (S2).
fn glob(namespace: &str, prefix: &str) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(namespace.len() + prefix.len() + 1);
    for byte in namespace.bytes().chain(prefix.bytes()) {
        if matches!(byte, b'*' | b'?' | b'[' | b']' | b'\\' | b'^' | b'-') {
            pattern.push(b'\\');
        }
        pattern.push(byte);
    }
    pattern.push(b'*');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_are_literal() {
        assert_eq!(glob("app:", "a*b?[c]\\"), b"app:a\\*b\\?\\[c\\]\\\\*");
        assert_eq!(glob("app:", ""), b"app:*");
    }
}
