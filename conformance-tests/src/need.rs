//! The needs of cases.

use std::fmt;
use std::time::Duration;

use ttl_core::Capabilities;

/// A capability that a case requires. If it is missing, the suite skips the case and prints the skip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(non_camel_case_types)]
pub enum Need {
    /// [`Capabilities::stores`]. Every case needs it that does not need [`Need::no_storage`].
    stores,
    /// [`Capabilities::conditions`].
    conditions,
    /// [`Capabilities::patch`].
    patch,
    /// [`Capabilities::caps`].
    caps,
    /// [`Capabilities::scan`].
    scan,
    /// [`Capabilities::created_at`].
    created_at,
    /// [`Capabilities::changes`].
    changes,
    /// [`Capabilities::unique_versions`].
    unique_versions,
    /// [`Capabilities::max_value_bytes`] of at most 64 MiB, so that the limit can be tested.
    size_limit,
    /// No [`Capabilities::stores`].
    no_storage,
    /// No [`Capabilities::scan`].
    no_scan,
    /// No [`Capabilities::conditions`].
    no_conditions,
    /// No [`Capabilities::caps`].
    no_caps,
    /// No [`Capabilities::patch`].
    no_patch,
    /// No [`Capabilities::created_at`].
    no_created_at,
    /// No [`Capabilities::changes`].
    no_changes,
    /// A [`Capabilities::resolution`] of one millisecond: every deadline has one correct value.
    exact_deadlines,
    /// A declared [`Capabilities::reclaims_within`], and a harness that can count the stored entries.
    reclaims,
    /// A harness that can plant ghosts in the backend.
    ghosts,
    /// A harness that can corrupt entries in the backend.
    corruption,
    /// A harness with a manual clock.
    manual_clock,
    /// A harness that can place a proxy between the store and its server.
    network,
}

impl Need {
    /// Returns whether a store with these capabilities satisfies the need. Needs of the harness are checked
    /// when the case runs.
    #[must_use]
    pub fn is_met(self, capabilities: &Capabilities) -> bool {
        match self {
            Self::stores => capabilities.stores,
            Self::no_storage => !capabilities.stores,
            Self::conditions => capabilities.conditions,
            Self::patch => capabilities.patch,
            Self::caps => capabilities.caps,
            Self::scan => capabilities.scan,
            Self::created_at => capabilities.created_at,
            Self::changes => capabilities.changes,
            Self::unique_versions => capabilities.unique_versions,
            Self::size_limit => capabilities.max_value_bytes <= 64 << 20,
            Self::no_scan => !capabilities.scan,
            Self::no_conditions => !capabilities.conditions,
            Self::no_caps => !capabilities.caps,
            Self::no_patch => !capabilities.patch,
            Self::no_created_at => !capabilities.created_at,
            Self::no_changes => !capabilities.changes,
            Self::exact_deadlines => capabilities.resolution <= Duration::from_millis(1),
            Self::reclaims => capabilities.reclaims_within.is_some(),
            Self::ghosts | Self::corruption | Self::manual_clock | Self::network => true,
        }
    }
}

impl fmt::Display for Need {
    /// Writes the missing capability, for a skipped case.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::stores => "the capability `stores`",
            Self::no_storage => "a store that denies `stores`",
            Self::conditions => "the capability `conditions`",
            Self::patch => "the capability `patch`",
            Self::caps => "the capability `caps`",
            Self::scan => "the capability `scan`",
            Self::created_at => "the capability `created_at`",
            Self::changes => "the capability `changes`",
            Self::unique_versions => "the capability `unique_versions`",
            Self::size_limit => "the capability `max_value_bytes` of at most 64 MiB",
            Self::no_scan => "a store that denies `scan`",
            Self::no_conditions => "a store that denies `conditions`",
            Self::no_caps => "a store that denies `caps`",
            Self::no_patch => "a store that denies `patch`",
            Self::no_created_at => "a store that denies `created_at`",
            Self::no_changes => "a store that denies `changes`",
            Self::exact_deadlines => "a resolution of one millisecond",
            Self::reclaims => "the capability `reclaims_within`, and a harness that counts entries",
            Self::ghosts => "a harness that plants ghosts",
            Self::corruption => "a harness that corrupts entries",
            Self::manual_clock => "a manual clock",
            Self::network => "a harness with a network",
        })
    }
}
