//! The guides of the crate, as pages.
//!
//! This module exists only in the documentation.

// The pages are files of the folder `docs`, and their links lead to files of the repository. The definitions
// here come first, so they win in the documentation, where they lead to items.

/// [guide]: crate::docs::guide
/// [Caching]: crate::docs::caching
/// [`BatchResults`]: crate::BatchResults
/// [`Collection::compare_and_swap`]: crate::Collection::compare_and_swap
/// [`Collection::contains`]: crate::Collection::contains
/// [`Collection::create`]: crate::Collection::create
/// [`Collection::create_or_get`]: crate::Collection::create_or_get
/// [`Collection::deadline`]: crate::Collection::deadline
/// [`Collection::delete`]: crate::Collection::delete
/// [`Collection::delete_if`]: crate::Collection::delete_if
/// [`Collection::delete_many`]: crate::Collection::delete_many
/// [`Collection::extend_by`]: crate::Collection::extend_by
/// [`Collection::get`]: crate::Collection::get
/// [`Collection::get_item`]: crate::Collection::get_item
/// [`Collection::get_many`]: crate::Collection::get_many
/// [`Collection::items`]: crate::Collection::items
/// [`Collection::keys`]: crate::Collection::keys
/// [`Collection::peek`]: crate::Collection::peek
/// [`Collection::persist`]: crate::Collection::persist
/// [`Collection::put`]: crate::Collection::put
/// [`Collection::put_many`]: crate::Collection::put_many
/// [`Collection::put_with_expiry`]: crate::Collection::put_with_expiry
/// [`Collection::remaining`]: crate::Collection::remaining
/// [`Collection::replace`]: crate::Collection::replace
/// [`Collection::set_expiry`]: crate::Collection::set_expiry
/// [`Collection::set_refresh_policy`]: crate::Collection::set_refresh_policy
/// [`Collection::swap`]: crate::Collection::swap
/// [`Collection::take`]: crate::Collection::take
/// [`Collection::touch`]: crate::Collection::touch
/// [`Collection::with_ttl`]: crate::Collection::with_ttl
/// [`CollectionBuilder::max_lifetime`]: crate::CollectionBuilder::max_lifetime
/// [`CollectionBuilder::refresh`]: crate::CollectionBuilder::refresh
/// [`Counters::add`]: crate::Collection::add
/// [`Counters::add_within`]: crate::Collection::add_within
/// [`Counters::increment`]: crate::Collection::increment
/// [`ItemPages::next_page`]: crate::ItemPages::next_page
/// [`KeyPages::count`]: crate::KeyPages::count
/// [`KeyPages::delete_all`]: crate::KeyPages::delete_all
/// [`KeyPages::next_page`]: crate::KeyPages::next_page
/// [`KeyPages::with_prefix`]: crate::KeyPages::with_prefix
/// [`Lease::is_held`]: crate::Lease::is_held
/// [`Lease::release`]: crate::Lease::release
/// [`Lease::renew`]: crate::Lease::renew
/// [`Leases`]: crate::Leases
/// [`Leases::acquire`]: crate::Leases::acquire
/// [`Records`]: crate::Records
/// [`Records::get_fields`]: crate::Collection::get_fields
/// [`Records::patch`]: crate::Collection::patch
/// [`Records::patch_if`]: crate::Collection::patch_if
/// [`Records::patch_or_create`]: crate::Collection::patch_or_create
/// [`Records::patch_within`]: crate::Collection::patch_within
/// [`Records::patch_within_or_create`]: crate::Collection::patch_within_or_create
/// [`Store::create`]: crate::Store::create
/// [`Store::get`]: crate::Store::get
/// [`Store::put`]: crate::Store::put
/// [`Store::take`]: crate::Store::take
#[doc = include_str!("../docs/which-method.md")]
pub mod which_method {}

/// [Which method do I use?]: crate::docs::which_method
/// [Caching]: crate::docs::caching
/// [Testing a program]: crate::docs::testing_programs
#[doc = include_str!("../docs/guide.md")]
pub mod guide {}

/// [guide]: crate::docs::guide
/// [Testing a program]: crate::docs::testing_programs
// The examples need the feature.
#[cfg(any(not(doctest), feature = "cache-memoize"))]
#[doc = include_str!("../docs/caching.md")]
pub mod caching {}

#[doc = include_str!("../docs/testing-programs.md")]
pub mod testing_programs {}
