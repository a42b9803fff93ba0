//! Items for the authors of codecs: checks of values, and errors without the content of values.

pub use crate::finite::{MAX_DEPTH, ReadBack, check_depth, check_json};
pub use crate::misfit::Misfit;
