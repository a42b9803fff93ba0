//! Places: how the keys of collections and plain keys are kept apart (K2).

use std::fmt;
use std::sync::Arc;

use ttl_core::driver::check_name;
use ttl_core::{Error, ErrorKind, Key, Result};

/// The first character of every collection's keys. A leading one in a plain key is doubled.
const MARK: char = '@';

/// The terminator of a collection's name; a name may not contain it.
const END: char = ':';

/// The kind of a collection. Each has separate keys, so a lease and a record may share a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Records,
    Blobs,
    Counters,
    Leases,
}

impl Shape {
    const fn letter(self) -> char {
        match self {
            Self::Records => 'r',
            Self::Blobs => 'b',
            Self::Counters => 'n',
            Self::Leases => 'l',
        }
    }
}

/// The keys of one collection, or the plain keys.
///
/// Plain keys are stored unchanged, except that a leading `@` is doubled. A collection's keys are stored as
/// `@`, the shape's letter, `:`, name, `:`, key. The name contains no `:`, so no such prefix begins another
/// one. The letter is never `@`, so no plain key begins with such a prefix.
#[derive(Clone)]
pub(crate) enum Place {
    Plain,
    Collection(Arc<str>),
}

impl Place {
    pub(crate) fn collection(shape: Shape, name: &str) -> Result<Self> {
        check_name("collection", name)?;
        Ok(Self::Collection(format!("{MARK}{}{END}{name}{END}", shape.letter()).into()))
    }

    /// Returns the key as it is stored.
    pub(crate) fn seal(&self, key: &str) -> Result<Key> {
        let room = Key::MAX_BYTES - self.overhead(key);
        if key.is_empty() || key.len() > room {
            return Err(Error::new(
                ErrorKind::InvalidKey,
                format!("expected 1 to {room} bytes here, found {}", key.len()),
            ));
        }
        match self {
            Self::Plain if key.starts_with(MARK) => Key::new(self.prefix(key)),
            Self::Plain => Key::new(key),
            Self::Collection(prefix) => Key::new([prefix, key].concat()),
        }
    }

    fn overhead(&self, key: &str) -> usize {
        match self {
            Self::Plain => usize::from(key.starts_with(MARK)),
            Self::Collection(prefix) => prefix.len(),
        }
    }

    /// Returns the program's key, or `None` if the stored one belongs to another place.
    pub(crate) fn open(&self, stored: &Key) -> Option<String> {
        let stored = stored.as_str();
        match self {
            Self::Plain => match stored.strip_prefix(MARK) {
                Some(key) if key.starts_with(MARK) => Some(key.to_owned()),
                Some(_) => None,
                None => Some(stored.to_owned()),
            },
            Self::Collection(prefix) => stored.strip_prefix(&**prefix).map(str::to_owned),
        }
    }

    /// Returns the prefix of the stored keys whose program keys begin with `prefix`.
    pub(crate) fn prefix(&self, prefix: &str) -> String {
        match self {
            Self::Plain if prefix.starts_with(MARK) => format!("{MARK}{prefix}"),
            Self::Plain => prefix.to_owned(),
            Self::Collection(place) => [place, prefix].concat(),
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain => f.write_str("plain"),
            Self::Collection(prefix) => fmt::Debug::fmt(prefix, f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(name: &str) -> Place {
        Place::collection(Shape::Records, name).unwrap()
    }

    #[test]
    fn the_layout_is_stable() {
        let stored = |place: &Place| place.seal("abc").unwrap().into_string();
        assert_eq!(stored(&Place::Plain), "abc");
        assert_eq!(Place::Plain.seal("@abc").unwrap().as_str(), "@@abc");
        assert_eq!(stored(&records("sessions")), "@r:sessions:abc");
        for (shape, expected) in
            [(Shape::Blobs, "@b:s:abc"), (Shape::Counters, "@n:s:abc"), (Shape::Leases, "@l:s:abc")]
        {
            assert_eq!(stored(&Place::collection(shape, "s").unwrap()), expected);
        }
    }

    #[test]
    fn no_two_places_share_a_stored_key() {
        let names = ["a", "ab", "b", "@", "@r", "a@", "*", "a/b", " ", "\0", "é", "r", "@@"];
        let keys = ["a", ":", "a:", ":a", "@", "@@", "@r:a:", "@r:a:a", "b:a", "a:b:c", "@@r:a:a", "r:a:a"];
        let shapes = [Shape::Records, Shape::Blobs, Shape::Counters, Shape::Leases];
        let mut places = vec![Place::Plain];
        for name in names {
            places.extend(shapes.map(|shape| Place::collection(shape, name).unwrap()));
        }
        let mut seen = std::collections::HashMap::new();
        for (at, place) in places.iter().enumerate() {
            for key in keys {
                let stored = place.seal(key).unwrap();
                assert_eq!(place.open(&stored).as_deref(), Some(key));
                for (other_at, other) in places.iter().enumerate() {
                    assert_eq!(
                        other.open(&stored).is_some(),
                        other_at == at,
                        "{key:?} of {place:?} in {other:?}"
                    );
                }
                assert_eq!(seen.insert(stored, (at, key)), None);
            }
        }
    }

    #[test]
    fn prefixes_find_what_they_should() {
        assert_eq!(Place::Plain.prefix("@"), "@@");
        assert_eq!(Place::Plain.prefix("a"), "a");
        assert_eq!(records("a").prefix("k"), "@r:a:k");
    }

    #[test]
    fn bad_names_and_keys_are_refused() {
        for name in ["", "a:b", ":", &"n".repeat(129)] {
            let error = Place::collection(Shape::Records, name).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{name}");
        }
        let place = records("abc");
        assert!(place.seal(&"k".repeat(1024 - 7)).is_ok());
        for key in [String::new(), "k".repeat(1024 - 6)] {
            assert_eq!(place.seal(&key).unwrap_err().kind(), ErrorKind::InvalidKey);
        }
        assert!(Place::Plain.seal(&"k".repeat(1024)).is_ok());
        assert!(Place::Plain.seal(&format!("@{}", "k".repeat(1023))).is_err());
    }
}
