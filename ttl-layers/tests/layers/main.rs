//! The behaviour of each layer, on a store that records its calls and fails on request.

mod clamp_ttl;
mod limit_size;
mod prefix;
mod read_only;
mod recorder;
