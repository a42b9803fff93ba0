//! Cases: what they are called, which clauses they check, what they need.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use ttl_core::Capabilities;

use crate::{Check, Test};

/// The future of a case.
#[doc(hidden)]
pub type CaseFuture = Pin<Box<dyn Future<Output = Check> + Send>>;

/// One behaviour that the contract demands.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Case {
    /// The file that it stands in, such as `"expiry"`.
    pub group: &'static str,
    /// That file's path in the project.
    pub file: &'static str,
    /// The behaviour, such as `"a_deadline_is_never_early"`. Unique among all cases.
    pub name: &'static str,
    /// The doc comment: clauses, a colon, what is demanded.
    pub doc: &'static str,
    /// What a store (or its harness) must offer for the case to mean anything.
    pub needs: &'static [Need],
    #[doc(hidden)]
    pub run: fn(Test) -> CaseFuture,
}

impl Case {
    /// The clauses that the case checks, such as `["E1", "E3"]`: what stands before the doc comment's colon.
    #[must_use]
    pub fn clauses(&self) -> Vec<&'static str> {
        let before = self.doc.split_once(':').map_or("", |(before, _)| before);
        before.split(',').map(str::trim).filter(|clause| !clause.is_empty()).collect()
    }

    /// What is demanded, in one sentence: what stands after the doc comment's colon.
    #[must_use]
    pub fn demand(&self) -> &'static str {
        self.doc.split_once(':').map_or(self.doc, |(_, after)| after).trim()
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::{}", self.group, self.name)
    }
}

/// A capability that a case needs; where it is missing, the case is skipped and the skip is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(non_camel_case_types)]
pub enum Need {
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
    /// [`Capabilities::unique_versions`].
    unique_versions,
    /// [`Capabilities::max_value_bytes`] of at most 64 MiB, so that the limit can be tried.
    size_limit,
    /// [`Capabilities::scan`] is denied.
    no_scan,
    /// [`Capabilities::conditions`] are denied.
    no_conditions,
    /// [`Capabilities::caps`] are denied.
    no_caps,
    /// [`Capabilities::patch`] is denied.
    no_patch,
    /// [`Capabilities::created_at`] is denied.
    no_created_at,
    /// [`Capabilities::resolution`] of a millisecond: every deadline has one right answer.
    exact_deadlines,
    /// [`Capabilities::reclaims_within`] is declared, and the harness can count what is stored.
    reclaims,
    /// The harness can plant ghosts beneath the store.
    ghosts,
    /// The harness can corrupt entries beneath the store.
    corruption,
    /// The harness moves a clock by hand.
    manual_clock,
    /// The harness puts a proxy between the store and its server.
    network,
}

impl Need {
    /// Whether a store with these capabilities offers it; what the harness must offer is asked when the case runs.
    #[must_use]
    pub fn is_met(self, capabilities: &Capabilities) -> bool {
        match self {
            Self::conditions => capabilities.conditions,
            Self::patch => capabilities.patch,
            Self::caps => capabilities.caps,
            Self::scan => capabilities.scan,
            Self::created_at => capabilities.created_at,
            Self::unique_versions => capabilities.unique_versions,
            Self::size_limit => capabilities.max_value_bytes <= 64 << 20,
            Self::no_scan => !capabilities.scan,
            Self::no_conditions => !capabilities.conditions,
            Self::no_caps => !capabilities.caps,
            Self::no_patch => !capabilities.patch,
            Self::no_created_at => !capabilities.created_at,
            Self::exact_deadlines => capabilities.resolution <= Duration::from_millis(1),
            Self::reclaims => capabilities.reclaims_within.is_some(),
            Self::ghosts | Self::corruption | Self::manual_clock | Self::network => true,
        }
    }
}

impl fmt::Display for Need {
    /// What is missing where a case is skipped for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::conditions => "the capability `conditions`",
            Self::patch => "the capability `patch`",
            Self::caps => "the capability `caps`",
            Self::scan => "the capability `scan`",
            Self::created_at => "the capability `created_at`",
            Self::unique_versions => "the capability `unique_versions`",
            Self::size_limit => "the capability `max_value_bytes` of at most 64 MiB",
            Self::no_scan => "a store that denies `scan`",
            Self::no_conditions => "a store that denies `conditions`",
            Self::no_caps => "a store that denies `caps`",
            Self::no_patch => "a store that denies `patch`",
            Self::no_created_at => "a store that denies `created_at`",
            Self::exact_deadlines => "a resolution of one millisecond",
            Self::reclaims => "the capability `reclaims_within`, and a harness that counts what is stored",
            Self::ghosts => "a harness that plants ghosts",
            Self::corruption => "a harness that corrupts entries",
            Self::manual_clock => "a clock that is moved by hand",
            Self::network => "a harness with a network",
        })
    }
}

/// Declares the cases of a file: `basics, each_basics ($);` and then async functions of a [`Test`](crate::Test), each
/// with a doc comment `/// E1, E3: what is demanded.` and, after it, what it needs: `#[needs(conditions, caps)]`.
///
/// The second name is that of a macro which hands the names of the cases to
/// [`conformance_tests!`](crate::conformance_tests); the dollar is what that macro is written with.
#[doc(hidden)]
#[macro_export]
macro_rules! cases {
    (
        $group:ident, $each:ident ($d:tt);
        $(
            $(#[doc = $doc:literal])+
            $(#[needs($($need:ident),+)])?
            async fn $name:ident($test:ident: Test) -> Check $body:block
        )+
    ) => {
        $(
            $(#[doc = $doc])+
            async fn $name($test: $crate::Test) -> $crate::Check $body
        )+

        /// The cases of this file.
        pub(crate) const CASES: &[$crate::Case] = &[$($crate::Case {
            group: stringify!($group),
            file: file!(),
            name: stringify!($name),
            doc: concat!($($doc),+),
            needs: &[$($($crate::Need::$need),+)?],
            run: |test| Box::pin($name(test)),
        }),+];

        #[doc(hidden)]
        #[macro_export]
        macro_rules! $each {
            ($d harness:expr, $d($d callback:tt)+) => {
                $d($d callback)+!($d harness; $group { $($name)+ });
            };
        }
    };
}
