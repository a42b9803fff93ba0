//! Refresh: which operations extend the life of an entry, and by how much.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Actions, Error, ErrorKind, Result, Ttl};

/// The rule by which a refresh moves the deadline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefreshMode {
    /// Moves it to now plus the TTL if that is later. A persistent entry stays persistent (R2).
    #[default]
    ExtendOnly,
    /// Moves it to exactly now plus the TTL, even if that is sooner (R2).
    Reset,
}

/// The kinds of operation that refresh an entry's deadline (sliding expiration), and the way they do it.
///
/// A policy applies to a collection. [`RefreshPolicy::resolve`] turns it into the [`Refresh`] of one call.
///
/// In configuration it is either the actions alone, `"fetch|update"`, or a map:
/// `{ "on": "fetch|update", "mode": "extend-only", "slack": "30s" }`. Formats that are not human-readable
/// (`bincode`, `MessagePack`) always use the map.
///
/// ```
/// use ttl_core::{Actions, RefreshPolicy, Ttl};
///
/// let sliding = RefreshPolicy::on(Actions::FETCH | Actions::WRITES)?.with_slack(Ttl::seconds(30));
/// assert!(sliding.resolve(Actions::FETCH, Ttl::minutes(30)).is_some());
/// assert!(sliding.resolve(Actions::READ, Ttl::minutes(30)).is_none());
/// assert!(RefreshPolicy::on(Actions::DELETE).is_err());
/// # Ok::<(), ttl_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshPolicy {
    actions: Actions,
    mode: RefreshMode,
    slack: Option<Ttl>,
}

impl RefreshPolicy {
    /// Creates a policy under which nothing refreshes: an entry ends at its first deadline.
    #[must_use]
    pub const fn never() -> Self {
        Self { actions: Actions::empty(), mode: RefreshMode::ExtendOnly, slack: None }
    }

    /// Creates a policy under which these actions refresh. CREATE is allowed and has no effect (R7).
    ///
    /// # Errors
    /// [`ErrorKind::InvalidPolicy`] if the actions contain DELETE, because a deleted entry cannot be
    /// refreshed.
    pub fn on(actions: Actions) -> Result<Self> {
        if actions.contains(Actions::DELETE) {
            return Err(Error::new(
                ErrorKind::InvalidPolicy,
                format!("a deleted entry cannot be refreshed; leave delete out of {actions}"),
            ));
        }
        Ok(Self { actions, ..Self::never() })
    }

    /// Sets the mode; defaults to [`RefreshMode::ExtendOnly`].
    #[must_use]
    pub const fn with_mode(mut self, mode: RefreshMode) -> Self {
        self.mode = mode;
        self
    }

    /// Sets the slack: a read skips a refresh that would move the deadline by less than this (R5). This saves
    /// the write that each read would otherwise cost. The entry may then end up to `slack` earlier.
    #[must_use]
    pub const fn with_slack(mut self, slack: Ttl) -> Self {
        self.slack = Some(slack);
        self
    }

    /// Returns the actions that refresh.
    #[must_use]
    pub const fn actions(&self) -> Actions {
        self.actions
    }

    /// Returns the rule by which a refresh moves the deadline.
    #[must_use]
    pub const fn mode(&self) -> RefreshMode {
        self.mode
    }

    /// Returns the slack: a read skips a refresh that would move the deadline by less.
    #[must_use]
    pub const fn slack(&self) -> Option<Ttl> {
        self.slack
    }

    /// Returns the refresh of an operation with these actions, if the policy contains any of them.
    #[must_use]
    pub fn resolve(&self, actions: Actions, ttl: Ttl) -> Option<Refresh> {
        self.actions.intersects(actions).then_some(Refresh { ttl, mode: self.mode, slack: self.slack })
    }

    /// Checks the policy against the TTL that it will refresh to.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidPolicy`] if the slack is not shorter than the TTL: no refresh would ever be due in
    /// time.
    pub fn check(&self, ttl: Ttl) -> Result<()> {
        match self.slack {
            Some(slack) if slack >= ttl => Err(Error::new(
                ErrorKind::InvalidPolicy,
                format!(
                    "the slack ({slack}) must be shorter than the TTL ({ttl}), or no refresh is ever due"
                ),
            )),
            _ => Ok(()),
        }
    }
}

impl Default for RefreshPolicy {
    /// Returns `on(UPDATE)`: a write restarts the lifetime, a read does not.
    fn default() -> Self {
        Self { actions: Actions::UPDATE, ..Self::never() }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Full {
    on: Actions,
    #[serde(default)]
    mode: RefreshMode,
    #[serde(default)]
    slack: Option<Ttl>,
}

impl Serialize for RefreshPolicy {
    /// Writes the actions alone if they are sufficient and the format is human-readable, otherwise the map.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let short = self.mode == RefreshMode::ExtendOnly && self.slack.is_none();
        if short && serializer.is_human_readable() {
            return self.actions.serialize(serializer);
        }
        Full { on: self.actions, mode: self.mode, slack: self.slack }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RefreshPolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Formats that are not self-describing cannot distinguish the two notations, so they always use the
        // map.
        let full = if deserializer.is_human_readable() {
            deserializer.deserialize_any(Notation)?
        } else {
            Full::deserialize(deserializer)?
        };
        let policy = Self::on(full.on).map_err(serde::de::Error::custom)?;
        Ok(Self { mode: full.mode, slack: full.slack, ..policy })
    }
}

/// Distinguishes the notations by their form. An untagged enum would lose the error messages of both.
struct Notation;

impl<'de> Visitor<'de> for Notation {
    type Value = Full;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("actions such as \"fetch|update\", or a map of on, mode and slack")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Full, E> {
        let on = text.parse().map_err(E::custom)?;
        Ok(Full { on, mode: RefreshMode::ExtendOnly, slack: None })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Full, A::Error> {
        let on = Actions::deserialize(SeqAccessDeserializer::new(list))?;
        Ok(Full { on, mode: RefreshMode::ExtendOnly, slack: None })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Full, A::Error> {
        Full::deserialize(MapAccessDeserializer::new(map))
    }
}

/// A policy resolved for one call: how that call moves the deadline of a live entry.
///
/// It never revives an expired entry (R3) and never passes the cap (R4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refresh {
    /// The time from now to the new deadline.
    pub ttl: Ttl,
    /// Whether the new deadline may be sooner than the present one.
    pub mode: RefreshMode,
    /// The slack: a read skips a refresh that would move the deadline by less than this. Writes ignore it
    /// (R5).
    pub slack: Option<Ttl>,
}

impl Refresh {
    /// Creates a refresh to now plus `ttl`, never sooner than the present deadline, without slack.
    #[must_use]
    pub const fn extend_only(ttl: Ttl) -> Self {
        Self { ttl, mode: RefreshMode::ExtendOnly, slack: None }
    }

    /// Creates a refresh to exactly now plus `ttl`, without slack.
    #[must_use]
    pub const fn reset(ttl: Ttl) -> Self {
        Self { ttl, mode: RefreshMode::Reset, slack: None }
    }

    /// Sets the slack (R5).
    #[must_use]
    pub const fn with_slack(mut self, slack: Ttl) -> Self {
        self.slack = Some(slack);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delete_is_refused_in_every_combination() {
        for bits in 0..=u8::MAX {
            let actions = Actions::from_bits_retain(bits);
            let refused = actions.contains(Actions::DELETE);
            assert_eq!(RefreshPolicy::on(actions).is_err(), refused, "{actions}");
            for config in [
                serde_json::json!(actions),
                serde_json::json!({ "on": actions }),
                serde_json::json!({ "on": actions, "mode": "reset", "slack": "1s" }),
            ] {
                assert_eq!(serde_json::from_value::<RefreshPolicy>(config).is_err(), refused, "{actions}");
            }
        }
    }

    #[test]
    fn configuration_round_trips() {
        for policy in [
            RefreshPolicy::never(),
            RefreshPolicy::default(),
            RefreshPolicy::on(Actions::all() - Actions::DELETE).unwrap().with_mode(RefreshMode::Reset),
            RefreshPolicy::on(Actions::READ).unwrap().with_slack(Ttl::seconds(30)),
        ] {
            let json = serde_json::to_string(&policy).unwrap();
            assert_eq!(serde_json::from_str::<RefreshPolicy>(&json).unwrap(), policy, "{json}");
        }
    }

    #[test]
    fn both_notations_are_read() {
        let read = |json: &str| serde_json::from_str::<RefreshPolicy>(json).unwrap();
        let expected = RefreshPolicy::on(Actions::READ | Actions::FETCH).unwrap();
        for json in [
            r#""read|fetch""#,
            r#"["read", "fetch"]"#,
            r#"{ "on": ["fetch", "read"] }"#,
            r#"{"on":"read|fetch"}"#,
        ] {
            assert_eq!(read(json), expected, "{json}");
        }
        let full = expected.with_mode(RefreshMode::Reset).with_slack(Ttl::seconds(1));
        assert_eq!(read(r#"{ "on": "read|fetch", "mode": "reset", "slack": "1s" }"#), full);
    }

    #[test]
    fn bad_configuration_says_what_is_wrong() {
        for (json, reason) in [
            (
                r#"{ "on": "read", "slak": "1s" }"#,
                "unknown field `slak`, expected one of `on`, `mode`, `slack`",
            ),
            (r#"{ "on": "read", "slack": "0s" }"#, "a TTL is at least 1 ms"),
            (r#"{ "on": "read", "mode": "slide" }"#, "unknown variant `slide`"),
            (r#"{ "slack": "1s" }"#, "missing field `on`"),
            (r#""read|touch""#, "unknown action \"touch\""),
            (r#"["read", "touch"]"#, "unknown action \"touch\""),
            (r#"["delete"]"#, "leave delete out"),
            ("7", "expected actions such as"),
        ] {
            let error = serde_json::from_str::<RefreshPolicy>(json).unwrap_err().to_string();
            assert!(error.contains(reason), "{json}: {error}");
        }
    }

    #[test]
    fn formats_for_machines_round_trip() {
        for policy in [RefreshPolicy::default(), RefreshPolicy::never().with_slack(Ttl::MIN)] {
            let compact = rmp_serde::to_vec(&policy).unwrap();
            assert_eq!(rmp_serde::from_slice::<RefreshPolicy>(&compact).unwrap(), policy);
            let named = rmp_serde::to_vec_named(&policy).unwrap();
            assert_eq!(rmp_serde::from_slice::<RefreshPolicy>(&named).unwrap(), policy);
        }
        let delete = rmp_serde::to_vec(&("delete", RefreshMode::Reset, None::<Ttl>)).unwrap();
        assert!(rmp_serde::from_slice::<RefreshPolicy>(&delete).is_err());
    }

    #[test]
    fn slack_must_stay_below_the_ttl() {
        let policy = RefreshPolicy::default().with_slack(Ttl::seconds(10));
        assert!(policy.check(Ttl::seconds(11)).is_ok());
        assert_eq!(policy.check(Ttl::seconds(10)).unwrap_err().kind(), ErrorKind::InvalidPolicy);
    }
}
