//! Every key works, and different keys are never confused.

use ttl_core::options::{ExpiryChange, GetOptions, Guard, PutOptions};
use ttl_core::{Key, Ttl};

use crate::test::{LONG, key};
use crate::{Check, Test, case_table, ensure, ensure_eq};

case_table! {
    /// K1: A key of one byte works.
    the_shortest_key_works,
    /// K1: A key of 1024 bytes works.
    the_longest_key_works,
    /// K1: The length of a key is counted in bytes of UTF-8: 512 characters of two bytes fit, and 256 of
    /// four.
    the_longest_key_may_be_of_wide_characters,
    /// K2: A NUL is an ordinary character and does not end a key.
    a_nul_is_a_character,
    /// K2: Glob characters are literal.
    glob_characters_stand_for_themselves,
    /// K2: White space and line ends are significant, even at the ends of a key.
    white_space_counts,
    /// K2: Keys are case-sensitive.
    capitals_count,
    /// K2: Unicode is not normalised: keys that look the same but are encoded differently are different keys.
    unicode_is_not_normalised,
    /// K2: A key that looks like a number is text.
    keys_that_look_like_numbers_are_text,
    /// K2: Separators are ordinary characters.
    separators_are_characters,
    /// K2: Keys are not paths: slashes and dots are kept, and nothing is decoded.
    keys_are_no_paths,
    /// K2: Invisible characters are significant.
    characters_that_are_not_shown_count,
    /// K2: A key may be the prefix of another key.
    a_key_may_begin_another,
    /// K2: Long keys that differ only in their last byte are different keys.
    long_keys_differ_by_their_tails,
    /// K2: Long keys that differ only in their first byte are different keys.
    long_keys_differ_by_their_heads,
    /// K2: Names that stores use internally are ordinary keys.
    names_of_a_layout_are_keys_too,
    /// K1: Text of protocols and query languages is an ordinary key.
    no_character_is_a_command,
    /// K2: Separate stores share nothing, whatever their keys.
    stores_of_their_own_share_nothing,
}

async fn the_shortest_key_works(t: Test) -> Check {
    all_apart(&t, ["k", "0", " ", "\0", "*"].map(key)).await
}

async fn the_longest_key_works(t: Test) -> Check {
    all_apart(&t, ["k", ":", "*", "\0"].map(|text| key(&text.repeat(Key::MAX_BYTES)))).await
}

async fn the_longest_key_may_be_of_wide_characters(t: Test) -> Check {
    all_apart(&t, [key(&"é".repeat(512)), key(&"\u{1F511}".repeat(256))]).await
}

async fn a_nul_is_a_character(t: Test) -> Check {
    all_apart(&t, ["a", "a\0", "a\0b", "a\0c", "\0a", "a\0\0b"].map(key)).await
}

async fn glob_characters_stand_for_themselves(t: Test) -> Check {
    all_apart(&t, ["a*", "ab", "a?", "a[b]", "a[^b]", "a%", "a_", "a\\*", "a\\", "*", "%", "[a-z]*"].map(key))
        .await
}

async fn white_space_counts(t: Test) -> Check {
    all_apart(&t, ["a", " a", "a ", "a  ", "a\t", "a\n", "a\r\n", "\na", "a\u{a0}", "a b", "a  b"].map(key))
        .await
}

async fn capitals_count(t: Test) -> Check {
    all_apart(&t, ["key", "Key", "KEY", "straße", "STRASSE", "ı", "i", "İ"].map(key)).await
}

async fn unicode_is_not_normalised(t: Test) -> Check {
    all_apart(&t, ["\u{e9}", "e\u{301}", "\u{212b}", "\u{c5}", "ﬁ", "fi", "\u{feff}a", "a\u{200b}"].map(key))
        .await
}

async fn keys_that_look_like_numbers_are_text(t: Test) -> Check {
    all_apart(&t, ["1", "01", "+1", "1.0", "1e0", "0x1", "-0", "0", "1 ", "null", "true"].map(key)).await
}

async fn separators_are_characters(t: Test) -> Check {
    all_apart(
        &t,
        ["a:b", "a::b", ":a:b", "a:b:", "a/b", "a.b", "a|b", "a,b", "a", "b", ":", "/", "..", "../a"]
            .map(key),
    )
    .await
}

async fn keys_are_no_paths(t: Test) -> Check {
    let paths = ["a/b", "a//b", "a/./b", "a/b/", "/a/b", "//a/b", "a/c/../b", "a", "a/", "/a", "./a"];
    all_apart(&t, paths.map(key)).await?;
    all_apart(
        &t,
        ["A", "%41", "%2541", "%61", " ", "%20", "+", "%2B", "/", "%2F", "%2f", "&#65;", "\\u0041"].map(key),
    )
    .await
}

async fn characters_that_are_not_shown_count(t: Test) -> Check {
    let hidden = [
        "ab",
        "a\u{ad}b",
        "a\u{2060}b",
        "a\u{fe0f}b",
        "a\u{200d}b",
        "a\u{1}b",
        "a\u{7f}b",
        "a\u{85}b",
        "a\u{2028}b",
        "a\u{200e}b",
        "\u{1}ab",
        "ab\u{1}",
    ];
    all_apart(&t, hidden.map(key)).await
}

async fn a_key_may_begin_another(t: Test) -> Check {
    all_apart(&t, ["u", "us", "user", "user:", "user:1", "user:10", "user:100"].map(key)).await
}

async fn long_keys_differ_by_their_tails(t: Test) -> Check {
    let body = "k".repeat(Key::MAX_BYTES - 1);
    all_apart(&t, [key(&body), key(&format!("{body}a")), key(&format!("{body}b"))]).await
}

async fn long_keys_differ_by_their_heads(t: Test) -> Check {
    let body = "k".repeat(Key::MAX_BYTES - 1);
    all_apart(&t, [key(&body), key(&format!("a{body}")), key(&format!("b{body}"))]).await
}

async fn names_of_a_layout_are_keys_too(t: Test) -> Check {
    let names = [
        "ttl:",
        "ttl:key",
        "ttl:value",
        "ttl:version",
        "ttl:cap",
        "ttl:fields",
        "key",
        "value",
        "{a}b",
        "{a}c",
        "{}",
    ];
    all_apart(&t, names.map(key)).await
}

async fn no_character_is_a_command(t: Test) -> Check {
    let texts = [
        "'; DROP TABLE entries; --",
        "\" OR \"\"=\"",
        "*1\r\n$7\r\nFLUSHDB\r\n",
        "${key}",
        ":now",
        "#x",
        "$(id)",
        "%00",
        "\u{1b}[2J",
        "\u{7f}",
    ];
    all_apart(&t, texts.map(key)).await
}

async fn stores_of_their_own_share_nothing(t: Test) -> Check {
    let other = t.another_store().await?;
    t.put(&key("k"), "mine", PutOptions::new(LONG)).await?;
    let seen = other.get(&key("k"), GetOptions::new()).await?;
    ensure!(seen.is_none(), "a miss in the other store", "{seen:?}");
    let outcome = other.put(&key("k"), "theirs".into(), PutOptions::new(LONG)).await?;
    ensure!(outcome.is_applied(), "Applied in the other store", "{outcome:?}");
    t.expect_value(&key("k"), "mine", "the value in this store").await?;
    t.delete(&key("k")).await?;
    let seen = other.get(&key("k"), GetOptions::nothing()).await?;
    ensure!(seen.is_some(), "the other store's entry after this store's delete", "{seen:?}");
    Ok(())
}

/// Puts, expires and deletes under each of these keys. Fails if that affects another one.
async fn all_apart<const N: usize>(t: &Test, keys: [Key; N]) -> Check {
    let value = |at: usize| format!("value {at}");
    for (at, key) in keys.iter().enumerate() {
        t.expect_miss(key, "a key before its put").await?;
        t.put(key, value(at), PutOptions::new(LONG)).await?;
    }
    for (at, key) in keys.iter().enumerate() {
        t.expect_value(key, value(at), "each key with its own value").await?;
    }
    // Every second key gets another deadline and is then deleted.
    let before = t.deadline(&keys[N - 1]).await?;
    for key in keys.iter().step_by(2) {
        t.expire(key, ExpiryChange::Extend(Ttl::hours(1)), Guard::Always).await?;
    }
    for (at, key) in keys.iter().enumerate() {
        let moved = t.deadline(key).await?.as_epoch_millis() > before.as_epoch_millis() + 1_800_000;
        ensure_eq!(moved, at % 2 == 0, "whether the deadline of key {at} moved");
    }
    for key in keys.iter().step_by(2) {
        t.delete(key).await?;
    }
    for (at, key) in keys.iter().enumerate() {
        if at % 2 == 0 {
            t.expect_miss(key, "a deleted key").await?;
        } else {
            t.expect_value(key, value(at), "a key whose neighbours were deleted").await?;
        }
    }
    Ok(())
}
