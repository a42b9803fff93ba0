//! Refresh: which operations keep an entry alive, and how.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Actions, Error, ErrorKind, Result, Ttl};

/// Where a refresh moves the deadline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefreshMode {
    /// To now plus the TTL, if that is later; a persistent entry stays persistent (R2).
    #[default]
    ExtendOnly,
    /// To now plus the TTL exactly, even if that is sooner (R2).
    Reset,
}

/// Which kinds of operation refresh an entry's deadline (sliding expiration), and how.
///
/// A policy is a rule of a collection; [`RefreshPolicy::resolve`] turns it into the [`Refresh`] of one call.
///
/// In configuration it is either the actions alone, `"fetch|update"`, or a map:
/// `{ "on": "fetch|update", "mode": "extend-only", "slack": "30s" }`.
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
    /// Nothing refreshes: an entry ends when its first deadline says so.
    #[must_use]
    pub const fn never() -> Self {
        Self { actions: Actions::empty(), mode: RefreshMode::ExtendOnly, slack: None }
    }

    /// These actions refresh. CREATE may be named and changes nothing (R7).
    ///
    /// # Errors
    /// [`ErrorKind::InvalidPolicy`] if DELETE is among them: what is deleted cannot live on.
    pub fn on(actions: Actions) -> Result<Self> {
        if actions.contains(Actions::DELETE) {
            return Err(Error::new(
                ErrorKind::InvalidPolicy,
                format!("a deleted entry cannot be refreshed; leave delete out of {actions}"),
            ));
        }
        Ok(Self { actions, ..Self::never() })
    }

    /// With this mode instead of [`RefreshMode::ExtendOnly`].
    #[must_use]
    pub const fn with_mode(mut self, mode: RefreshMode) -> Self {
        self.mode = mode;
        self
    }

    /// Skips a read's refresh while it would move the deadline by less than this (R5), so that not every read
    /// costs a write. The entry may then end up to `slack` earlier than without.
    #[must_use]
    pub const fn with_slack(mut self, slack: Ttl) -> Self {
        self.slack = Some(slack);
        self
    }

    /// The actions that refresh.
    #[must_use]
    pub const fn actions(&self) -> Actions {
        self.actions
    }

    /// Where a refresh moves the deadline.
    #[must_use]
    pub const fn mode(&self) -> RefreshMode {
        self.mode
    }

    /// By how much less than this a read does not move the deadline.
    #[must_use]
    pub const fn slack(&self) -> Option<Ttl> {
        self.slack
    }

    /// The refresh that an operation with these actions asks for, if any of them is in the policy.
    #[must_use]
    pub fn resolve(&self, actions: Actions, ttl: Ttl) -> Option<Refresh> {
        self.actions.intersects(actions).then_some(Refresh { ttl, mode: self.mode, slack: self.slack })
    }

    /// Checks the policy against the TTL that it will refresh to.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidPolicy`] if the slack is not below the TTL: nothing would ever be refreshed in time.
    pub fn check(&self, ttl: Ttl) -> Result<()> {
        match self.slack {
            Some(slack) if slack >= ttl => Err(Error::new(
                ErrorKind::InvalidPolicy,
                format!(
                    "the slack ({slack}) must be shorter than the TTL ({ttl}), else no refresh is ever due"
                ),
            )),
            _ => Ok(()),
        }
    }
}

impl Default for RefreshPolicy {
    /// Writing again starts the lifetime again, reading does not: `on(UPDATE)`.
    fn default() -> Self {
        Self { actions: Actions::UPDATE, ..Self::never() }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Notation {
    Actions(Actions),
    Full(Full),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Full {
    on: Actions,
    #[serde(default)]
    mode: RefreshMode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    slack: Option<Ttl>,
}

impl Serialize for RefreshPolicy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.mode == RefreshMode::ExtendOnly && self.slack.is_none() {
            return self.actions.serialize(serializer);
        }
        Full { on: self.actions, mode: self.mode, slack: self.slack }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RefreshPolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let full = match Notation::deserialize(deserializer)? {
            Notation::Actions(on) => Full { on, mode: RefreshMode::ExtendOnly, slack: None },
            Notation::Full(full) => full,
        };
        let policy = Self::on(full.on).map_err(serde::de::Error::custom)?;
        Ok(Self { mode: full.mode, slack: full.slack, ..policy })
    }
}

/// A policy resolved for one call: how that call moves the deadline of the live entry that it meets.
///
/// It never revives the dead (R3) and never passes the hard cap (R4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refresh {
    /// How long after now the new deadline lies.
    pub ttl: Ttl,
    /// Whether it may come sooner than the present one.
    pub mode: RefreshMode,
    /// A read skips a refresh that would move the deadline by less than this; writes ignore it (R5).
    pub slack: Option<Ttl>,
}

impl Refresh {
    /// To now plus `ttl`, never sooner than the present deadline, without slack.
    #[must_use]
    pub const fn extend_only(ttl: Ttl) -> Self {
        Self { ttl, mode: RefreshMode::ExtendOnly, slack: None }
    }

    /// To now plus `ttl` exactly, without slack.
    #[must_use]
    pub const fn reset(ttl: Ttl) -> Self {
        Self { ttl, mode: RefreshMode::Reset, slack: None }
    }

    /// With a slack (R5).
    #[must_use]
    pub const fn with_slack(mut self, slack: Ttl) -> Self {
        self.slack = Some(slack);
        self
    }

    /// The slack as a duration, zero if there is none.
    #[must_use]
    pub fn slack_duration(&self) -> Duration {
        self.slack.map_or(Duration::ZERO, Ttl::as_duration)
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
        assert!(serde_json::from_str::<RefreshPolicy>(r#"{ "on": "read", "slak": "1s" }"#).is_err());
        assert!(serde_json::from_str::<RefreshPolicy>(r#"{ "on": "read", "slack": "0s" }"#).is_err());
    }

    #[test]
    fn slack_must_stay_below_the_ttl() {
        let policy = RefreshPolicy::default().with_slack(Ttl::seconds(10));
        assert!(policy.check(Ttl::seconds(11)).is_ok());
        assert_eq!(policy.check(Ttl::seconds(10)).unwrap_err().kind(), ErrorKind::InvalidPolicy);
    }
}
