//! The ttl-store driver for Redis and Valkey.
