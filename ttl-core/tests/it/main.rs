//! Tests of the public API of ttl-core: stores made of its parts, and the rules as tables.

mod cas_store;
mod deferred_refresh;
mod forward;
mod provided;
mod rules;
mod rules_properties;
#[allow(unreachable_pub, missing_docs)]
#[path = "../../examples/toy/mod.rs"]
mod toy;
mod vocabulary;
