//! The contract of ttl-store: the trait, its vocabulary, its errors and its clock.
