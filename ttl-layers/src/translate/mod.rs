//! Stores whose inner store holds another form of the values: what `Compress` and `Encrypt` have in common.

mod batch;
mod change;
mod envelope_field;
mod read;
mod store;
mod translation;

pub(crate) use self::envelope_field::EnvelopeField;
pub(crate) use self::store::TranslatedStore;
pub(crate) use self::translation::{Rewrite, Translation};
