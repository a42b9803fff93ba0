//! The ttl-store driver for the memory of this process.
