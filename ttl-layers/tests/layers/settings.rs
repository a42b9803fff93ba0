//! Invalid settings are errors that name the setting, before any call.

use std::time::Duration;

use ttl_core::{ErrorKind, Ttl};
use ttl_layers::{
    CircuitBreaker, ClampTtl, Compress, Encrypt, FailOpen, Jitter, Keyring, Layer, LayerExt, LimitSize,
    Prefix, Retry, Timeout,
};

use crate::recorder::Recorder;

fn keys() -> Keyring {
    Keyring::new("key", [1; 32])
}

fn encrypt(keys: Keyring) -> Encrypt {
    Encrypt::new("context", keys)
}

#[test]
fn invalid_settings_are_named() {
    const DAY: Duration = Duration::from_secs(86_400);
    let too_long = DAY + Duration::from_nanos(1);
    let invalid: Vec<(&str, Box<dyn Layer>)> = vec![
        ("`prefix` of Prefix: expected 1 to 1023 bytes, found 0", Box::new(Prefix::new(""))),
        ("`prefix` of Prefix: expected 1 to 1023 bytes, found 1024", Box::new(Prefix::new("p".repeat(1024)))),
        ("`log_interval` of FailOpen", Box::new(FailOpen::new().with_log_interval(too_long))),
        ("`fraction` of Jitter: expected a number from 0 to 1", Box::new(Jitter::by_fraction(-0.1))),
        (
            "`fraction` of Jitter: expected a number from 0 to 1, found 1.1",
            Box::new(Jitter::by_fraction(1.1)),
        ),
        ("`fraction` of Jitter: expected a number from 0 to 1", Box::new(Jitter::by_fraction(f64::NAN))),
        (
            "`spread` of Jitter: expected a duration of at most 7300days",
            Box::new(Jitter::by_duration(Ttl::MAX.as_duration() + Duration::from_nanos(1))),
        ),
        #[cfg(feature = "observe")]
        ("`name` of Observe: expected at least 1 byte", Box::new(ttl_layers::Observe::new().with_name(""))),
        ("`max_value_bytes` of LimitSize: expected at least 1", Box::new(LimitSize::new(0))),
        ("`max` of ClampTtl: expected a bound", Box::new(ClampTtl::new())),
        (
            "`min` of ClampTtl: expected at most the `max` of 1s, found 2s",
            Box::new(ClampTtl::new().with_min(Ttl::seconds(2)).with_max(Ttl::seconds(1))),
        ),
        ("`limit` of Timeout: expected a duration above zero", Box::new(Timeout::new(Duration::ZERO))),
        ("`limit` of Timeout", Box::new(Timeout::new(too_long))),
        ("`attempts` of Retry: expected at least 1", Box::new(Retry::new().with_attempts(0))),
        ("`budget` of Retry", Box::new(Retry::new().with_budget(0, 1))),
        ("`calls_per_retry` of Retry", Box::new(Retry::new().with_budget(1, 0))),
        (
            "`backoff` of Retry: expected at most the `max_backoff`",
            Box::new(Retry::new().with_backoff(DAY, Duration::ZERO)),
        ),
        ("`max_backoff` of Retry", Box::new(Retry::new().with_backoff(Duration::ZERO, too_long))),
        ("`outages` of CircuitBreaker", Box::new(CircuitBreaker::new().with_outages(0))),
        ("`open_for` of CircuitBreaker", Box::new(CircuitBreaker::new().with_open_for(Duration::ZERO))),
        ("`open_for` of CircuitBreaker", Box::new(CircuitBreaker::new().with_open_for(too_long))),
        ("`level` of Compress: expected 0 to 9, found 10", Box::new(Compress::gzip().with_level(10))),
        ("`level` of Compress: expected 1 to 22, found 0", Box::new(Compress::zstd().with_level(0))),
        ("`max_expanded_bytes` of Compress", Box::new(Compress::zstd().with_max_expanded_bytes(0))),
        ("`context` of Encrypt: expected 1 to 255 bytes, found 0", Box::new(Encrypt::new("", keys()))),
        ("`context` of Encrypt", Box::new(Encrypt::new("c".repeat(256), keys()))),
        ("`id` of Keyring: expected 1 to 32 bytes, found 0", Box::new(encrypt(Keyring::new("", [1; 32])))),
        ("`id` of Keyring", Box::new(encrypt(Keyring::new("k".repeat(33), [1; 32])))),
        (
            "`id` of Keyring: expected a different id for each key, found \"key\" twice",
            Box::new(encrypt(keys().with_read_key("key", [2; 32]))),
        ),
        (
            "`secret` of Keyring: expected 32 bytes for the key \"old\", found 31",
            Box::new(encrypt(keys().with_read_key("old", [2; 31]))),
        ),
        (
            "`hashed_keys` of Encrypt: expected at least 32 bytes, found 31",
            Box::new(encrypt(keys()).with_hashed_keys([1; 31])),
        ),
        (
            "`accept_plaintext` of Encrypt: expected `false` with hashed keys",
            Box::new(encrypt(keys()).with_hashed_keys([1; 32]).with_accept_plaintext(true)),
        ),
    ];
    for (expected, layer) in invalid {
        let recorder = Recorder::new();
        let error = recorder.clone().layer(layer).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{expected}");
        assert!(error.message().starts_with(&format!("invalid value for {expected}")), "{error}");
        assert!(recorder.calls().is_empty(), "{expected}");
    }
}

#[test]
fn settings_at_their_limits_are_valid() {
    let day = Duration::from_secs(86_400);
    let valid: Vec<Box<dyn Layer>> = vec![
        Box::new(Prefix::new("p")),
        Box::new(Prefix::new("p".repeat(1023))),
        Box::new(LimitSize::new(1)),
        Box::new(ClampTtl::new().with_min(Ttl::MIN)),
        Box::new(ClampTtl::new().with_min(Ttl::MAX).with_max(Ttl::MAX)),
        Box::new(FailOpen::new().with_log_interval(day)),
        Box::new(Jitter::by_fraction(0.0)),
        Box::new(Jitter::by_fraction(1.0)),
        Box::new(Jitter::by_duration(Ttl::MAX.as_duration())),
        Box::new(Timeout::new(day)),
        Box::new(Retry::new().with_attempts(1).with_budget(1, 1).with_backoff(day, day)),
        Box::new(CircuitBreaker::new().with_outages(1).with_open_for(day)),
        Box::new(Compress::gzip().with_level(0).with_max_expanded_bytes(1)),
        Box::new(Compress::zstd().with_level(22).over(usize::MAX)),
        Box::new(Encrypt::new("c".repeat(255), Keyring::new("k".repeat(32), [1; 32]))),
        Box::new(encrypt(keys().with_read_key("old", vec![2; 32])).with_hashed_keys([1; 64])),
    ];
    for layer in valid {
        Recorder::new().layer(layer).unwrap();
    }
}

#[test]
fn debug_prints_no_prefix() {
    let text = format!("{:?}", Prefix::new("s3cret:"));
    assert!(text.contains("prefix_bytes: 7") && !text.contains("s3cret"), "{text}");
    let store = Recorder::new().layer(Prefix::new("s3cret:")).unwrap();
    assert!(!format!("{store:?}").contains("s3cret"));
}
