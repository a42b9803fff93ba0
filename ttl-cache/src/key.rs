//! Keys: how the keys of a cache become keys of the store.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ron::ser::PrettyConfig;
use serde::Serialize;
use sha2::{Digest, Sha256};
use ttl_core::codec::Misfit;
use ttl_core::driver::check_name;
use ttl_core::{Error, ErrorKind, Key, Result};

/// The maximum length of a tag, in bytes.
const MAX_TAG_BYTES: usize = 256;

/// The longest text of a key that is stored unchanged, in bytes. It leaves room for the longest name.
const MAX_TEXT_BYTES: usize = 800;

/// The keys of one cache in the store. `docs/layouts.md` lists them.
#[derive(Clone)]
pub(crate) struct Keys {
    /// `@c:name:`
    prefix: Arc<str>,
}

impl Keys {
    pub(crate) fn new(name: &str) -> Result<Self> {
        check_name("cache", name)?;
        Ok(Self { prefix: format!("@c:{name}:").into() })
    }

    /// Returns the key of an entry: the key as RON text, or its hash if the text is long.
    pub(crate) fn entry<Q: Serialize + ?Sized>(&self, key: &Q) -> Result<Key> {
        let text = text(key)?;
        if text.len() <= MAX_TEXT_BYTES {
            return Key::new([&self.prefix, "k:", &text].concat());
        }
        let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(&text));
        Key::new(format!("{}h:{}:{hash}", self.prefix, text.len()))
    }

    /// Returns the key of the claim of a refresh, beside the entry of that key.
    pub(crate) fn refresh(&self, entry: &Key) -> Result<Key> {
        let own = entry.as_str().strip_prefix(&*self.prefix).unwrap_or(entry.as_str());
        Key::new([&self.prefix, "r:", own].concat())
    }

    /// Returns what a stored key belongs to; `None` for other caches, collections and the claims of refreshes.
    pub(crate) fn subject<'a>(&self, key: &'a Key) -> Option<Subject<'a>> {
        match key.as_str().strip_prefix(&*self.prefix)?.split_once(':')? {
            ("k" | "h", _) => Some(Subject::Entry),
            ("t", tag) => Some(Subject::Tag(tag)),
            _ => None,
        }
    }

    /// Returns the key of a tag's generation. The tag without a name is that of the whole cache.
    pub(crate) fn generation(&self, tag: &str) -> Result<Key> {
        Key::new([&self.prefix, "t:", tag].concat())
    }
}

/// Returns a key as text. Different keys have different texts.
pub(crate) fn text<Q: Serialize + ?Sized>(key: &Q) -> Result<String> {
    ron::ser::to_string_pretty(key, format()).map_err(|error| {
        Error::new(
            ErrorKind::InvalidKey,
            "the key of a cache cannot be serialized: expected text, numbers and composites of them",
        )
        .with_source(Misfit::new(&error))
    })
}

/// Returns the format of keys: on one line, and with raw strings. Escapes would depend on the Unicode tables of the
/// compiler, so that two programs could store the same key in two places.
fn format() -> PrettyConfig {
    PrettyConfig::new().depth_limit(0).separator("").escape_strings(false)
}

/// What a stored key belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject<'a> {
    /// A key of the program.
    Entry,
    /// A tag; without a name, the whole cache.
    Tag(&'a str),
}

/// Checks the name of a tag.
pub(crate) fn check_tag(tag: &str) -> Result<()> {
    if tag.is_empty() || tag.len() > MAX_TAG_BYTES {
        return Err(Error::new(
            ErrorKind::InvalidKey,
            format!("a tag of a cache has {} bytes: expected 1 to {MAX_TAG_BYTES}", tag.len()),
        ));
    }
    Ok(())
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.prefix, f)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;

    use super::*;

    #[derive(Serialize)]
    struct Point {
        x: i8,
        y: i8,
    }

    #[derive(Serialize)]
    enum Shape {
        Circle { radius: u8 },
    }

    fn stored(key: &(impl Serialize + ?Sized)) -> String {
        Keys::new("users").unwrap().entry(key).unwrap().into_string()
    }

    #[test]
    fn the_layout_is_stable() {
        assert_eq!(stored("ada"), r#"@c:users:k:"ada""#);
        assert_eq!(stored(&"ada".to_owned()), stored("ada"));
        assert_eq!(stored(&7_u64), "@c:users:k:7");
        assert_eq!(stored(&("ada", Some(7), true)), r#"@c:users:k:("ada",Some(7),true)"#);
        assert_eq!(stored("a\"b\n\u{378}"), "@c:users:k:r#\"a\"b\n\u{378}\"#");
        assert_eq!(stored(&vec![Point { x: 1, y: -2 }]), "@c:users:k:[(x:1,y:-2)]");
        assert_eq!(stored(&Shape::Circle { radius: 2 }), "@c:users:k:Circle(radius:2)");
        assert_eq!(stored(&BTreeMap::from([('a', 1)])), "@c:users:k:{'a':1}");
        let keys = Keys::new("users").unwrap();
        let entry = keys.entry("ada").unwrap();
        assert_eq!(keys.refresh(&entry).unwrap().as_str(), r#"@c:users:r:k:"ada""#);
        assert_eq!(keys.generation("").unwrap().as_str(), "@c:users:t:");
        assert_eq!(keys.generation("team 7").unwrap().as_str(), "@c:users:t:team 7");
    }

    #[test]
    fn a_long_key_is_hashed_with_its_length() {
        assert_eq!(stored(&"a".repeat(799)), "@c:users:h:801:y0OTtwvzoi1ycLgp8BcJWJ85hEDHplH65ORZCrA9eIw");
        assert!(stored(&"a".repeat(798)).starts_with("@c:users:k:"));
        // The longest name and the longest text fit, with the claim of a refresh beside them.
        let keys = Keys::new(&"n".repeat(128)).unwrap();
        keys.refresh(&keys.entry(&"a".repeat(798)).unwrap()).unwrap();
        keys.generation(&"t".repeat(256)).unwrap();
    }

    #[test]
    fn different_keys_are_stored_apart() {
        #[derive(Serialize)]
        #[serde(untagged)]
        enum Any {
            Number(i64),
            Text(&'static str),
            List(Vec<&'static str>),
            Maybe(Option<Option<()>>),
            Float(f64),
        }
        let keys = [
            Any::Number(1),
            Any::Text("1"),
            Any::Text("[\"1\"]"),
            Any::List(vec!["1"]),
            Any::List(vec!["1\",\"1"]),
            Any::List(vec!["1", "1"]),
            Any::Text(""),
            Any::Text("\""),
            Any::Text("\\\""),
            Any::Maybe(None),
            Any::Maybe(Some(None)),
            Any::Maybe(Some(Some(()))),
            Any::Float(f64::NAN),
            Any::Float(f64::INFINITY),
            Any::Float(f64::NEG_INFINITY),
            Any::Float(0.0),
            Any::Float(-0.0),
        ];
        let stored: std::collections::BTreeSet<_> = keys.iter().map(stored).collect();
        assert_eq!(stored.len(), keys.len(), "{stored:?}");
    }

    #[test]
    fn bad_names_and_tags_are_refused() {
        for name in ["", "a:b", &"n".repeat(129)] {
            assert_eq!(Keys::new(name).unwrap_err().kind(), ErrorKind::InvalidConfig, "{name}");
        }
        for tag in ["", &"t".repeat(257)] {
            assert_eq!(check_tag(tag).unwrap_err().kind(), ErrorKind::InvalidKey, "{tag}");
        }
    }
}
