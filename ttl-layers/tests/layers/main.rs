//! The behaviour of each layer, on a store that records its calls and fails on request.

mod changes;
mod checks;
mod circuit_breaker;
mod clamp_ttl;
mod compress;
mod encrypt;
mod fail_open;
mod fallback;
mod jitter;
mod limit_size;
#[cfg(feature = "observe")]
mod metrics;
#[cfg(feature = "observe")]
mod observe;
mod prefix;
mod re_encrypt;
mod read_only;
mod recorder;
mod retry;
mod settings;
mod stack;
mod timeout;
mod traces;
mod translate;
mod zoo;
