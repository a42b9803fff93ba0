//! Expire in lww mode: a read and a write.

use ttl_core::driver::contention;
use ttl_core::options::{ExpireOptions, ExpiryChange};
use ttl_core::results::ExpireResult;
use ttl_core::rules::{self, ExpireStep};
use ttl_core::{Key, Outcome, Result};

use super::write::{erase, move_deadline};
use crate::error::not_in_lww;
use crate::inner::Lww;
use crate::layout::to_column;
use crate::timestamps::EXPIRE;

pub(crate) async fn expire(
    lww: &Lww,
    key: &Key,
    change: ExpiryChange,
    options: &ExpireOptions,
) -> Result<Outcome<ExpireResult>> {
    lww.inner.capabilities.check_expire(options).map_err(not_in_lww)?;
    let (now, row) = lww.inner.read(key, false).await?;
    let to = match rules::expire(now, row.header(now)?.as_ref(), change, options)? {
        ExpireStep::Absent => return Ok(Outcome::Absent),
        ExpireStep::Refused => return Ok(Outcome::Refused(None)),
        ExpireStep::Keep(at) => return Ok(Outcome::Applied(ExpireResult::new(at, false))),
        ExpireStep::End(to) => {
            erase(lww, key, &row).await?;
            to
        }
        ExpireStep::Move(to) if move_deadline(lww, key, &row, to_column(to), None, EXPIRE).await? => to,
        // The entry ended or was replaced while its value was read: the newer write counts.
        ExpireStep::Move(_) => return Err(contention()),
    };
    Ok(Outcome::Applied(ExpireResult::new(to, true)))
}
