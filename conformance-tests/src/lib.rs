//! The ttl-store contract as a library of named cases, and a program that runs them.

#[cfg(feature = "servers")]
pub mod servers;
