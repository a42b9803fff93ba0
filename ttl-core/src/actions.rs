//! `Actions`: the kinds of operation that a refresh policy can select.

use std::fmt;
use std::str::FromStr;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, ErrorKind, Result};

bitflags::bitflags! {
    /// Kinds of operation, as a set of flags.
    ///
    /// | operation | its actions |
    /// |---|---|
    /// | get of the whole value | `FETCH` |
    /// | get of some fields, or of nothing (contains) | `READ` |
    /// | put | `CREATE` on an absent key, `UPDATE` on a live one |
    /// | patch | by its operations: `set` is `UPDATE`; `append`, `prepend` are `APPEND`; `pop_front`, `pop_back`, `remove_value`, `clear`, `unset` are `ERASE`; `increment` is `ARITHMETIC` |
    /// | delete | `DELETE` |
    /// | expire, scan, peek | none |
    ///
    /// In text and configuration they are written `"fetch|update"` or `["fetch", "update"]`. Formats that are
    /// not human-readable use the text form only. The name `"writes"` means [`Actions::WRITES`], and `"none"`
    /// the empty set.
    ///
    /// ```
    /// use ttl_core::Actions;
    ///
    /// let actions: Actions = "fetch | update".parse()?;
    /// assert_eq!(actions, Actions::FETCH | Actions::UPDATE);
    /// assert_eq!(actions.to_string(), "fetch|update");
    /// # Ok::<(), ttl_core::Error>(())
    /// ```
    #[derive(Clone, Copy, PartialEq, Eq, Hash)]
    pub struct Actions: u8 {
        /// Reads a part of a value, or checks whether the entry exists.
        const READ = 1;
        /// Reads the whole value.
        const FETCH = 1 << 1;
        /// Creates an entry. Allowed in a policy, but without effect, because the first expiry is always set
        /// (R7).
        const CREATE = 1 << 2;
        /// Replaces a value, or sets a field.
        const UPDATE = 1 << 3;
        /// Adds to a list.
        const APPEND = 1 << 4;
        /// Removes from a list, or removes a field.
        const ERASE = 1 << 5;
        /// Adds to a number.
        const ARITHMETIC = 1 << 6;
        /// Removes an entry. Not allowed in a policy.
        const DELETE = 1 << 7;
        /// All actions that change a live value: `UPDATE | APPEND | ERASE | ARITHMETIC`.
        const WRITES = Self::UPDATE.bits() | Self::APPEND.bits() | Self::ERASE.bits() | Self::ARITHMETIC.bits();
    }
}

impl Actions {
    /// Returns all actions that are allowed in a policy: all except DELETE.
    ///
    /// ```
    /// use ttl_core::{Actions, RefreshPolicy};
    ///
    /// assert!(RefreshPolicy::on(Actions::all_refreshable()).is_ok());
    /// assert!(RefreshPolicy::on(Actions::all()).is_err());
    /// ```
    #[must_use]
    pub const fn all_refreshable() -> Self {
        Self::all().difference(Self::DELETE)
    }
}

const NAMES: [(&str, Actions); 8] = [
    ("read", Actions::READ),
    ("fetch", Actions::FETCH),
    ("create", Actions::CREATE),
    ("update", Actions::UPDATE),
    ("append", Actions::APPEND),
    ("erase", Actions::ERASE),
    ("arithmetic", Actions::ARITHMETIC),
    ("delete", Actions::DELETE),
];

impl Actions {
    fn by_name(name: &str) -> Result<Self> {
        let name = name.trim();
        if name.eq_ignore_ascii_case("writes") {
            return Ok(Self::WRITES);
        }
        if name.eq_ignore_ascii_case("none") {
            return Ok(Self::empty());
        }
        NAMES
            .iter()
            .find(|(known, _)| name.eq_ignore_ascii_case(known))
            .map(|(_, action)| *action)
            .ok_or_else(|| {
                let known: Vec<&str> = NAMES.iter().map(|(known, _)| *known).collect();
                Error::new(
                    ErrorKind::InvalidPolicy,
                    format!("unknown action {name:?}: expected one of {}, writes, none", known.join(", ")),
                )
            })
    }
}

impl fmt::Display for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        let mut separator = "";
        for (name, action) in NAMES {
            if self.contains(action) {
                write!(f, "{separator}{name}")?;
                separator = "|";
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Actions({self})")
    }
}

impl FromStr for Actions {
    type Err = Error;

    /// Parses names joined by `|`, in any case. The empty text is the empty set.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidPolicy`] for an unknown name; the text lists the known ones.
    fn from_str(text: &str) -> Result<Self> {
        if text.trim().is_empty() {
            return Ok(Self::empty());
        }
        text.split('|').try_fold(Self::empty(), |all, name| Ok(all | Self::by_name(name)?))
    }
}

impl Serialize for Actions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Actions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrList;

        impl<'de> Visitor<'de> for TextOrList {
            type Value = Actions;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("actions as \"fetch|update\" or [\"fetch\", \"update\"]")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Actions, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Actions, A::Error> {
                let mut all = Actions::empty();
                while let Some(name) = list.next_element::<std::borrow::Cow<'de, str>>()? {
                    all |= Actions::by_name(&name).map_err(serde::de::Error::custom)?;
                }
                Ok(all)
            }
        }

        // Formats that are not self-describing cannot distinguish the two notations, so they always use the
        // text.
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(TextOrList)
        } else {
            deserializer.deserialize_str(TextOrList)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_survives_text_and_serde() {
        for bits in 0..=u8::MAX {
            let actions = Actions::from_bits_retain(bits);
            assert_eq!(actions.to_string().parse::<Actions>().unwrap(), actions);
            let json = serde_json::to_string(&actions).unwrap();
            assert_eq!(serde_json::from_str::<Actions>(&json).unwrap(), actions);
        }
    }

    #[test]
    fn both_notations_are_read() {
        let expected = Actions::FETCH | Actions::UPDATE;
        assert_eq!(serde_json::from_str::<Actions>(r#""FETCH | Update""#).unwrap(), expected);
        assert_eq!(serde_json::from_str::<Actions>(r#"["fetch", "update"]"#).unwrap(), expected);
        assert_eq!("".parse::<Actions>().unwrap(), Actions::empty());
        assert_eq!("writes".parse::<Actions>().unwrap(), Actions::WRITES);
    }

    #[test]
    fn formats_for_machines_round_trip() {
        for actions in [Actions::empty(), Actions::READ, Actions::all()] {
            let bytes = rmp_serde::to_vec(&actions).unwrap();
            assert_eq!(rmp_serde::from_slice::<Actions>(&bytes).unwrap(), actions);
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = "fetch|touch".parse::<Actions>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidPolicy);
        assert!(
            error.to_string().contains("unknown action \"touch\": expected one of read, fetch,"),
            "{error}"
        );
    }
}
