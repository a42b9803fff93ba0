//! The layer `CircuitBreaker`.

mod circuit;
mod config;
mod store;

pub use self::circuit::CircuitState;
pub use self::config::CircuitBreaker;
