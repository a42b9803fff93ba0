//! `Migrate`: moves between two stores, interrupted and overtaken at every step.

mod gate;
mod interleavings;
mod moves;
mod random;
mod stores;
mod zoo;
