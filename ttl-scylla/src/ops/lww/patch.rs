//! Patch in lww mode, which is unsupported.

use ttl_core::options::PatchOptions;
use ttl_core::results::PatchResult;
use ttl_core::{Outcome, Patch, Result};

use crate::error::not_in_lww;
use crate::inner::Lww;

pub(crate) fn patch(lww: &Lww, patch: &Patch, options: &PatchOptions) -> Result<Outcome<PatchResult>> {
    lww.inner.capabilities.check_patch(patch, options).map(|()| Outcome::Absent).map_err(not_in_lww)
}
