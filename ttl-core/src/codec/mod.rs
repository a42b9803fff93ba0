//! Codecs, and items for their authors: checks of values, and errors without the content of values.

mod codecs;
mod errors;
mod misfit;

pub use self::codecs::{Codec, Json, Raw};
pub use self::errors::{cannot_decode, cannot_encode, cannot_read_back};
pub use self::misfit::Misfit;
pub use crate::finite::{MAX_DEPTH, ReadBack, check_depth, check_json};
