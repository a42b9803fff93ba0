//! Expire in strict mode: one transaction if the row need not be read first.

use ttl_core::driver::{MAX_ATTEMPTS, contention};
use ttl_core::options::{ExpireOptions, ExpiryChange, Guard};
use ttl_core::results::ExpireResult;
use ttl_core::rules::{self, ExpireStep};
use ttl_core::{Key, Outcome, Result};

use super::mark::mark_expired;
use super::transaction::{Recovery, Unread, execute, wait_after_conflict};
use super::write::{Target, delete_seen, move_deadline};
use crate::connection::Transaction;
use crate::inner::Strict;
use crate::layout::{CellLifetime, NEVER, Row, now_column, to_column, to_uuid};
use crate::wire::{MoveVersion, MoveWithin};

pub(crate) async fn expire(
    strict: &Strict,
    key: &Key,
    change: ExpiryChange,
    options: &ExpireOptions,
) -> Result<Outcome<ExpireResult>> {
    strict.inner.capabilities.check_expire(options)?;
    let mut known = match move_within(strict, key, change, options).await? {
        Unread::Done(result) => return Ok(Outcome::Applied(result)),
        Unread::Undecided(row) => row,
    };
    for attempt in 0..MAX_ATTEMPTS {
        let (now, mut row) = match known.take() {
            Some(row) => (strict.inner.now(), row),
            None => strict.inner.read(key, false).await?,
        };
        let (to, ends) = match rules::expire(now, row.header(now)?.as_ref(), change, options)? {
            ExpireStep::Absent if mark_expired(strict, key, &mut row).await? => return Ok(Outcome::Absent),
            ExpireStep::Absent => {
                wait_after_conflict(attempt).await;
                continue;
            }
            ExpireStep::Refused => return Ok(Outcome::Refused(None)),
            ExpireStep::Keep(at) => return Ok(Outcome::Applied(ExpireResult::new(at, false))),
            ExpireStep::Move(to) => (to, false),
            ExpireStep::End(to) => (to, true),
        };
        let transaction = if ends {
            Some(delete_seen(strict, key, &row).await?)
        } else {
            let target = match change {
                ExpiryChange::Set(_) => Target::Instant(to_column(to)),
                ExpiryChange::Extend(_) => Target::Step(to_column(to)),
            };
            match move_deadline(strict, key, &row, target, None).await? {
                Some(transaction) => Some(transaction),
                None => move_whole(strict, key, &row, target).await?,
            }
        };
        if matches!(transaction, Some(Transaction::Applied)) {
            return Ok(Outcome::Applied(ExpireResult::new(to, true)));
        }
        wait_after_conflict(attempt).await;
    }
    Err(contention())
}

/// Moves the deadline to an instant in one transaction, if the row's cells last long enough.
async fn move_within(
    strict: &Strict,
    key: &Key,
    change: ExpiryChange,
    options: &ExpireOptions,
) -> Result<Unread<ExpireResult>> {
    let now = strict.inner.now();
    let ExpiryChange::Set(expiry) = change else { return Ok(Unread::Undecided(None)) };
    let deadline = expiry.resolve(now)?;
    if deadline.is_expired(now) {
        return Ok(Unread::Undecided(None));
    }
    let (to, present) = (to_column(deadline), now_column(now));
    let (deadline_above, deadline_at_most) = match options.guard {
        Guard::Always => (present, NEVER),
        Guard::IfLater => (present, to - 1),
        Guard::IfSooner => (present.max(to), NEVER),
        Guard::IfExpiring => (present, NEVER - 1),
        Guard::IfPersistent => (NEVER - 1, NEVER),
    };
    let lifetime = CellLifetime::until(to, now, strict.inner.clock_skew);
    // The other cells must last long enough, and must end if the deadline's cell does.
    let (covers_at_least, covers_at_most) =
        if lifetime.covers == NEVER { (NEVER, NEVER) } else { (to, NEVER - 1) };
    let binds = MoveWithin {
        key: key.as_str(),
        ttl: lifetime.ttl,
        new_deadline: to,
        deadline_above,
        deadline_at_most,
        covers_at_least,
        covers_at_most,
    };
    let statements = &strict.statements;
    let transaction = match &options.if_version {
        Some(version) => {
            let Some(seen_version) = to_uuid(version) else { return Ok(Unread::Undecided(None)) };
            let binds = MoveVersion { within: binds, seen_version };
            execute(strict, key, &statements.move_version, binds, Recovery::None).await?
        }
        None => execute(strict, key, &statements.move_within, binds, Recovery::None).await?,
    };
    Ok(match transaction {
        Transaction::Applied => Unread::Done(ExpireResult::new(deadline, true)),
        Transaction::Rejected(row) => Unread::Undecided(Some(row)),
    })
}

/// Moves the deadline by writing all cells, after reading the value. Returns `None` if the row has changed.
async fn move_whole(strict: &Strict, key: &Key, seen: &Row, target: Target) -> Result<Option<Transaction>> {
    let (now, mut row) = strict.inner.read(key, true).await?;
    if row.version != seen.version || row.deadline != seen.deadline || !row.is_live(now) {
        return Ok(None);
    }
    move_deadline(strict, key, seen, target, row.stored(now)?.as_ref()).await
}
