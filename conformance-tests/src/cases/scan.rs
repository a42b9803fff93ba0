//! Scans: every live entry, no ghosts, full pages, literal prefixes, cursors, projections.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use serde_json::json;
use ttl_core::options::{DeleteOptions, Fields, Projection, PutItem, PutOptions, Returning, ScanOptions};
use ttl_core::{Cursor, CursorSecret, Key, Record, Value};

use super::support::{LATER, SOONER, json_of, keys_of, reported, scan_all};
use crate::test::{LONG, SHORT, applied, key, record};
use crate::{Check, Failure, Test, case_table, ensure, ensure_eq, ensure_kind};

/// Puts blobs under these keys for [`LONG`].
async fn put_all(t: &Test, names: impl IntoIterator<Item = String>) -> Check {
    let items: Vec<_> =
        names.into_iter().map(|name| PutItem::new(key(&name), "v", PutOptions::new(LONG))).collect();
    for result in t.store.put_many(items).await {
        applied(result?)?;
    }
    Ok(())
}

/// Returns this many keys with this prefix, sorted.
fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}{n:05}")).collect()
}

fn pages_of(prefix: &str, limit: usize) -> ScanOptions {
    ScanOptions::new(prefix).with_limit(NonZeroUsize::new(limit).unwrap_or(NonZeroUsize::MIN))
}

/// Scans the first of at least two pages. Returns the cursor of the second.
async fn first_cursor(t: &Test, prefix: &str) -> Check<Cursor> {
    let page = t.store.scan(pages_of(prefix, 1)).await?;
    page.next.ok_or_else(|| Failure::new("a second page", "none"))
}

case_table! {
    /// S1: A scan of an empty store returns one empty page.
    an_empty_store_has_one_empty_page: needs(scan),
    /// S1: A scan lists every live entry of both kinds, and no other key.
    a_scan_lists_every_live_entry: needs(scan),
    /// S1: Every page but the last has as many entries as the limit says.
    pages_hold_what_was_asked_for: needs(scan),
    /// S1: A scan ends even if the number of entries is a multiple of the limit.
    an_exact_multiple_of_the_limit_ends: needs(scan),
    /// S1: A scan lists more than a thousand entries completely.
    a_thousand_entries_are_listed: needs(scan),
    /// E3, S1: A scan omits ghosts, and fills pages even if ghosts are in between.
    ghosts_are_left_out: needs(scan),
    /// E3, S1: A scan over nothing but ghosts returns an empty page and ends.
    ghosts_alone_are_an_empty_page: needs(scan),
    /// E3, S1: A scan omits ghosts that were planted in the backend, and fills its pages.
    planted_ghosts_are_left_out: needs(scan, ghosts),
    /// E3: A scan omits deleted entries.
    deleted_entries_are_left_out: needs(scan),
    /// S2: A scan lists the keys that begin with the prefix, including the prefix itself.
    a_prefix_narrows_the_scan: needs(scan),
    /// S2: Pattern characters of other tools are literal in a prefix.
    a_prefix_is_literal: needs(scan),
    /// S2: A scan with a prefix longer than any key lists nothing.
    a_long_prefix_finds_nothing: needs(scan),
    /// S1: A scan with an empty projection returns keys only.
    a_scan_of_keys_hands_out_no_values: needs(scan),
    /// S1: A scan with a projection of the whole returns every value.
    a_scan_can_hand_out_values: needs(scan),
    /// S1: A scan with a projection of fields returns these fields of records, and no value for blobs.
    a_scan_can_hand_out_fields: needs(scan),
    /// S1: A scan returns the requested metadata of each entry.
    a_scan_can_tell_metadata: needs(scan),
    /// S1, R4: A scan returns a capped entry's effective deadline.
    a_scan_tells_capped_deadlines: needs(scan, caps),
    /// S1: A cursor can be stored as text, and continues the scan on another handle.
    a_cursor_can_be_kept_as_text: needs(scan),
    /// S3: A cursor of another prefix is refused.
    a_cursor_of_another_prefix_is_refused: needs(scan),
    /// S3: A cursor of another store on the same backend is refused.
    a_cursor_of_another_store_is_refused: needs(scan),
    /// S3: A damaged cursor is refused, wherever the damage is.
    a_damaged_cursor_is_refused: needs(scan),
    /// S1: An entry that is live throughout a scan is listed, even if others are put and deleted
    /// meanwhile.
    what_stays_appears_while_others_come_and_go: needs(scan),
    /// S1: A scan continues after the last key of a page, even if that key was deleted.
    a_scan_goes_on_after_its_last_key_is_gone: needs(scan),
}

async fn an_empty_store_has_one_empty_page(t: Test) -> Check {
    for prefix in ["", "p"] {
        let page = t.store.scan(ScanOptions::new(prefix)).await?;
        ensure!(page.items.is_empty() && page.next.is_none(), "an empty last page", "{page:?}");
    }
    Ok(())
}

async fn a_scan_lists_every_live_entry(t: Test) -> Check {
    put_all(&t, names("blob", 20)).await?;
    for name in names("record", 20) {
        t.put(&key(&name), record(), PutOptions::new(SOONER)).await?;
    }
    t.put(&key("never"), "v", PutOptions::new(ttl_core::Lifespan::persistent())).await?;
    t.put(&key("empty"), Record::new(), PutOptions::new(LONG)).await?;
    let mut expected =
        [names("blob", 20), names("record", 20), vec!["empty".into(), "never".into()]].concat();
    expected.sort();
    ensure_eq!(keys_of(&t, ScanOptions::new("")).await?, expected, "the keys");
    Ok(())
}

async fn pages_hold_what_was_asked_for(t: Test) -> Check {
    put_all(&t, names("k", 30)).await?;
    for limit in [1, 2, 7, 29, 30, 31, 1_000] {
        ensure_eq!(keys_of(&t, pages_of("", limit)).await?, names("k", 30), "the keys in pages of {limit}");
    }
    Ok(())
}

async fn an_exact_multiple_of_the_limit_ends(t: Test) -> Check {
    put_all(&t, names("k", 20)).await?;
    let mut cursor = None;
    let mut pages = 0;
    loop {
        let page = t.store.scan(pages_of("k", 10).with_cursor(cursor)).await?;
        pages += 1;
        match page.next {
            Some(next) if pages < 3 => cursor = Some(next),
            Some(_) => {
                return Err(Failure::new("an end after two pages or an empty third page", "a fourth page"));
            }
            None => return Ok(()),
        }
    }
}

async fn a_thousand_entries_are_listed(t: Test) -> Check {
    put_all(&t, names("k", 1_200)).await?;
    ensure_eq!(keys_of(&t, ScanOptions::new("k")).await?, names("k", 1_200), "the keys");
    ensure_eq!(keys_of(&t, pages_of("", 1_000)).await?, names("k", 1_200), "the keys in pages of 1,000");
    Ok(())
}

async fn ghosts_are_left_out(t: Test) -> Check {
    let soon = PutOptions::new(SHORT);
    let dead =
        (0..200).filter(|n| n % 5 != 0).map(|n| PutItem::new(key(&format!("k{n:05}")), "dead", soon.clone()));
    for result in t.store.put_many(dead.collect()).await {
        applied(result?)?;
    }
    t.outlive(SHORT).await;
    let live: Vec<String> = (0..200).filter(|n| n % 5 == 0).map(|n| format!("k{n:05}")).collect();
    put_all(&t, live.clone()).await?;
    for limit in [1, 10, 40, 100] {
        ensure_eq!(keys_of(&t, pages_of("k", limit)).await?, live, "the keys in pages of {limit}");
    }
    Ok(())
}

async fn ghosts_alone_are_an_empty_page(t: Test) -> Check {
    let dead =
        names("k", 150).into_iter().map(|name| PutItem::new(key(&name), "dead", PutOptions::new(SHORT)));
    for result in t.store.put_many(dead.collect()).await {
        applied(result?)?;
    }
    t.outlive(SHORT).await;
    let page = t.store.scan(pages_of("k", 10)).await?;
    ensure!(page.items.is_empty() && page.next.is_none(), "an empty last page", "{page:?}");
    Ok(())
}

async fn planted_ghosts_are_left_out(t: Test) -> Check {
    for n in 0..30 {
        t.planted_ghost(
            &key(&format!("k{n:05}")),
            if n % 2 == 0 { "dead".into() } else { Value::from(record()) },
        )
        .await?;
    }
    let live: Vec<String> = (0..30).step_by(10).map(|n| format!("k{n:05}")).collect();
    put_all(&t, live.clone()).await?;
    ensure_eq!(keys_of(&t, pages_of("k", 2)).await?, live, "the keys");
    Ok(())
}

async fn deleted_entries_are_left_out(t: Test) -> Check {
    put_all(&t, names("k", 20)).await?;
    let (gone, left) = (names("k", 10), names("k", 20).split_off(10));
    let gone: Vec<Key> = gone.iter().map(|name| key(name)).collect();
    for result in t.store.delete_many(&gone, DeleteOptions::new()).await {
        applied(result?)?;
    }
    ensure_eq!(keys_of(&t, ScanOptions::new("")).await?, left, "the keys");
    Ok(())
}

async fn a_prefix_narrows_the_scan(t: Test) -> Check {
    let all = ["a", "a:", "a:1", "a:10", "a:2", "aa:1", "b:1", "A:1", " a:1"];
    put_all(&t, all.map(str::to_owned)).await?;
    let listed = async |prefix: &str| keys_of(&t, ScanOptions::new(prefix)).await;
    ensure_eq!(listed("a:").await?, ["a:", "a:1", "a:10", "a:2"], "the keys with the prefix `a:`");
    ensure_eq!(listed("a").await?, ["a", "a:", "a:1", "a:10", "a:2", "aa:1"], "the keys with the prefix `a`");
    ensure_eq!(listed("a:1").await?, ["a:1", "a:10"], "the keys with the prefix `a:1`");
    ensure_eq!(listed("c").await?, [""; 0], "the keys with the prefix `c`");
    ensure_eq!(listed("a:100").await?, [""; 0], "the keys with the prefix `a:100`");
    ensure_eq!(listed("").await?.len(), all.len(), "the number of keys");
    Ok(())
}

async fn a_prefix_is_literal(t: Test) -> Check {
    let prefixes = [
        "*", "?", "[", "]", "[ab]", "[^a]", "[a-z]", "\\", "\\*", "^", "-", "%", "_", "a%", "a_", ".*", "$",
        "{", "(", "|", "+", "'", "\"", "\n", "\0", "é", "😀", "a*b",
    ];
    put_all(&t, ["a", "b", "ab", "aab", "axb", "abc", "az", "\\\\"].map(str::to_owned)).await?;
    put_all(&t, prefixes.map(|prefix| format!("{prefix}tail"))).await?;
    for prefix in prefixes {
        let mut expected: Vec<String> = prefixes
            .iter()
            .map(|other| format!("{other}tail"))
            .filter(|name| name.starts_with(prefix))
            .collect();
        expected.extend(["\\\\"].iter().filter(|name| name.starts_with(prefix)).map(ToString::to_string));
        expected.sort();
        ensure_eq!(
            keys_of(&t, ScanOptions::new(prefix)).await?,
            expected,
            "the keys with the prefix {prefix:?}"
        );
    }
    Ok(())
}

async fn a_long_prefix_finds_nothing(t: Test) -> Check {
    let longest = "k".repeat(Key::MAX_BYTES);
    put_all(&t, [longest.clone()]).await?;
    let listed = keys_of(&t, ScanOptions::new(longest.clone())).await?;
    ensure!(listed == std::slice::from_ref(&longest), "only the longest key", "{} keys", listed.len());
    ensure_eq!(keys_of(&t, ScanOptions::new(longest + "k")).await?, [""; 0], "the keys with a longer prefix");
    Ok(())
}

async fn a_scan_of_keys_hands_out_no_values(t: Test) -> Check {
    t.put(&key("blob"), "v", PutOptions::new(LONG)).await?;
    t.put(&key("record"), record(), PutOptions::new(LONG)).await?;
    for (key, entry) in scan_all(&t, ScanOptions::new("")).await? {
        let bare = entry.value.is_none() && entry.deadline.is_none() && entry.version.is_none();
        ensure!(bare, format!("the key {key} only"), "{entry:?}");
    }
    Ok(())
}

async fn a_scan_can_hand_out_values(t: Test) -> Check {
    t.put(&key("blob"), "v", PutOptions::new(LONG)).await?;
    t.put(&key("empty"), "", PutOptions::new(LONG)).await?;
    t.put(&key("record"), Record::new().with("a", 1).with("b", json!([])), PutOptions::new(LONG)).await?;
    t.put(&key("bare"), Record::new(), PutOptions::new(LONG)).await?;
    let entries = scan_all(&t, ScanOptions::new("").with_projection(Projection::All)).await?;
    ensure_eq!(entries.len(), 4, "the number of entries");
    for (key, entry) in entries {
        ensure_eq!(entry.value, t.value(&key).await?, "the value of {key}");
    }
    Ok(())
}

async fn a_scan_can_hand_out_fields(t: Test) -> Check {
    t.put(&key("blob"), "v", PutOptions::new(LONG)).await?;
    t.put(&key("both"), Record::new().with("a", 1).with("b", 2), PutOptions::new(LONG)).await?;
    t.put(&key("none"), Record::new().with("b", 2), PutOptions::new(LONG)).await?;
    let projection = Projection::Fields(Fields::new(["a"])?);
    let entries = scan_all(&t, ScanOptions::new("").with_projection(projection)).await?;
    ensure_eq!(entries.len(), 3, "the number of entries");
    for (key, entry) in entries {
        let seen = entry.value.map(json_of).transpose()?;
        let expected = match key.as_str() {
            "both" => Some(json!({ "a": 1 })),
            "none" => Some(json!({})),
            _ => None,
        };
        ensure_eq!(seen, expected, "the fields of {key}");
    }
    Ok(())
}

async fn a_scan_can_tell_metadata(t: Test) -> Check {
    t.put(&key("blob"), "v", PutOptions::new(SOONER)).await?;
    t.put(&key("record"), record(), PutOptions::new(LATER)).await?;
    t.put(&key("never"), "w", PutOptions::new(ttl_core::Lifespan::persistent())).await?;
    t.put(&key("bare"), Record::new(), PutOptions::new(ttl_core::Lifespan::persistent())).await?;
    for projection in [Projection::Nothing, Projection::All] {
        let options = ScanOptions::new("")
            .with_projection(projection)
            .with_returning(Returning::DEADLINE | Returning::VERSION);
        let entries = scan_all(&t, options).await?;
        ensure_eq!(entries.len(), 4, "the number of entries");
        for (key, entry) in entries {
            let state = t.state(&key).await?;
            ensure_eq!(reported(entry.deadline)?, state.deadline, "the deadline of {key}");
            ensure_eq!(reported(entry.version)?, state.version, "the version of {key}");
        }
    }
    Ok(())
}

async fn a_scan_tells_capped_deadlines(t: Test) -> Check {
    let lifespan = ttl_core::Lifespan::persistent().with_max_lifetime(LONG);
    t.put(&key("blob"), "v", PutOptions::new(lifespan)).await?;
    t.put(&key("record"), record(), PutOptions::new(lifespan)).await?;
    let options = ScanOptions::new("").with_projection(Projection::All).with_returning(Returning::DEADLINE);
    let entries = scan_all(&t, options).await?;
    ensure_eq!(entries.len(), 2, "the number of entries");
    for (key, entry) in entries {
        ensure_eq!(reported(entry.deadline)?, t.deadline(&key).await?, "the deadline of the {key}");
        ensure_eq!(entry.value, t.value(&key).await?, "the {key}");
    }
    Ok(())
}

async fn a_cursor_can_be_kept_as_text(t: Test) -> Check {
    put_all(&t, names("k", 10)).await?;
    let first = t.store.scan(pages_of("k", 4)).await?;
    let text =
        first.next.as_ref().map(ToString::to_string).ok_or_else(|| Failure::new("a cursor", "none"))?;
    let cursor: Cursor = text.parse().map_err(|_| Failure::new("a cursor", "none"))?;
    let second = t.second.scan(pages_of("k", 100).with_cursor(cursor)).await?;
    let mut keys: Vec<_> = first.keys().chain(second.keys()).map(ToString::to_string).collect();
    keys.sort();
    keys.dedup();
    ensure_eq!(keys, names("k", 10), "the keys of both pages");
    Ok(())
}

async fn a_cursor_of_another_prefix_is_refused(t: Test) -> Check {
    put_all(&t, names("a", 5)).await?;
    put_all(&t, names("b", 5)).await?;
    let cursor = first_cursor(&t, "a").await?;
    for prefix in ["b", "", "a0", "A"] {
        let options = ScanOptions::new(prefix).with_cursor(cursor.clone());
        ensure_kind!(
            t.store.scan(options).await,
            InvalidCursor,
            "a cursor of `a` with the prefix {prefix:?}"
        );
    }
    Ok(())
}

async fn a_cursor_of_another_store_is_refused(t: Test) -> Check {
    put_all(&t, names("k", 5)).await?;
    let another = t.another_store().await?;
    let options = pages_of("k", 1).with_cursor(first_cursor(&t, "k").await?);
    ensure_kind!(another.scan(options).await, InvalidCursor, "a cursor of the other store");
    let sealed = Cursor::seal(&CursorSecret::of_process(), &["elsewhere", "", "k"], b"k00001");
    let options = ScanOptions::new("k").with_cursor(sealed);
    ensure_kind!(t.store.scan(options).await, InvalidCursor, "a cursor of another backend");
    Ok(())
}

async fn a_damaged_cursor_is_refused(t: Test) -> Check {
    put_all(&t, names("k", 5)).await?;
    let text = first_cursor(&t, "k").await?.to_string();
    let mut damaged =
        vec![String::new(), text[1..].to_owned(), text.clone() + "A", "nonsense".into(), "*\0é".into()];
    for at in 0..text.len() {
        let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
        damaged.push([&text[..at], other, &text[at + 1..]].concat());
    }
    for text in damaged {
        let cursor: Cursor = text.parse().map_err(|_| Failure::new("a cursor", "none"))?;
        let options = ScanOptions::new("k").with_cursor(cursor);
        ensure_kind!(t.store.scan(options).await, InvalidCursor, "the cursor {text:?}");
    }
    Ok(())
}

async fn what_stays_appears_while_others_come_and_go(t: Test) -> Check {
    put_all(&t, names("stays", 100)).await?;
    put_all(&t, names("goes", 100)).await?;
    let mut seen = BTreeSet::new();
    let mut cursor = None;
    for round in 0..10_000 {
        let page = t.store.scan(pages_of("", 5).with_cursor(cursor)).await?;
        seen.extend(page.items.into_iter().map(|item| item.key.into_string()));
        if round < 50 {
            for n in [2 * round, 2 * round + 1] {
                let _ = t.second.delete(&key(&format!("goes{n:05}")), DeleteOptions::new()).await?;
                applied(
                    t.second.put(&key(&format!("comes{n:05}")), "v".into(), PutOptions::new(LONG)).await?,
                )?;
            }
        }
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    let missing: Vec<_> = names("stays", 100).into_iter().filter(|name| !seen.contains(name)).collect();
    ensure!(missing.is_empty(), "all one hundred lasting entries", "all but {missing:?}");
    Ok(())
}

async fn a_scan_goes_on_after_its_last_key_is_gone(t: Test) -> Check {
    put_all(&t, names("k", 40)).await?;
    let mut seen = BTreeSet::new();
    let mut cursor = None;
    for _ in 0..100 {
        let page = t.store.scan(pages_of("k", 4).with_cursor(cursor)).await?;
        for item in page.items {
            let _ = t.store.delete(&item.key, DeleteOptions::new()).await?;
            seen.insert(item.key.into_string());
        }
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    ensure_eq!(
        seen.into_iter().collect::<Vec<_>>(),
        names("k", 40),
        "the keys, each deleted after it was listed"
    );
    ensure_eq!(keys_of(&t, ScanOptions::new("")).await?, [""; 0], "the remaining keys");
    Ok(())
}
