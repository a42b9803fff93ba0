//! The move of one entry from the old store to the new one.
//!
//! The order of the steps makes the move safe against every other operation and against an end at any point:
//!
//! 1. A claim is put into the new store, if it has no entry.
//! 2. The entry is read from the old store.
//! 3. The entry replaces the claim, if the claim is still there.
//! 4. The entry is deleted from the old store.
//!
//! Every write first moves the entry, and then writes to the new store alone. So if the old store has an entry,
//! no write has been made since. A delete removes the claim of a move that is under way, which then fails in
//! step 3 and finds nothing in the old store. No clock is involved.

use std::sync::Arc;
use std::time::Instant;

use futures_timer::Delay;
use ttl_core::driver::{MAX_ATTEMPTS, back_off, contention};
use ttl_core::options::{Condition, DeleteOptions, GetOptions, PutOptions, Returning};
use ttl_core::{
    CursorSecret, Deadline, Entry, Error, ErrorKind, Key, Lifespan, Outcome, Result, Ttl, TtlStore, Value,
    Version,
};

use super::claim;

/// The old store and the new one.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) old: Arc<dyn TtlStore>,
    pub(super) new: Arc<dyn TtlStore>,
    pub(super) cursor_secret: CursorSecret,
}

/// The result of a move.
#[derive(Debug)]
pub(super) enum Brought {
    /// The old store has no entry.
    Nothing,
    /// The entry is in the new store only.
    Moved,
    /// The entry is in the new store, but could not be deleted from the old one.
    Copied(Error),
}

/// The result of a claim.
enum Claim {
    /// This caller has the claim, of this version.
    Own(Version),
    /// The new store has an entry.
    Entry,
    /// Another caller has the claim, of this version.
    Foreign(Version),
    /// The claim of another caller ended meanwhile.
    Gone,
}

impl Pair {
    /// Moves the entry of a key to the new store, if the old store has one.
    ///
    /// # Errors
    /// Nothing was changed that a caller can see:
    /// * the errors of both stores; an unknown outcome becomes [`ErrorKind::Unavailable`]
    /// * an error for which [`is_immovable`] holds if the entry cannot be moved
    /// * [`ErrorKind::Contention`]
    pub(super) async fn bring(&self, key: &Key) -> Result<Brought> {
        let mut waiting: Option<(Version, Instant)> = None;
        // Each further claim gets more time, so that a slow move ends in spite of many waiting callers.
        let mut patience = claim::PATIENCE;
        for attempt in 0..MAX_ATTEMPTS {
            let seen = match self.old_entry(key).await {
                Ok(Some(entry)) => entry,
                // A key that the old store does not accept has no entry there.
                Err(error) if error.kind() == ErrorKind::InvalidKey => return Ok(Brought::Nothing),
                Ok(None) => return Ok(Brought::Nothing),
                Err(error) => return Err(error),
            };
            // Without a claim, so that many readers of an entry that cannot be moved do not wait for each other.
            self.check_fit(&seen)?;
            let foreign = match waiting {
                Some((version, since)) if since.elapsed() >= patience => Some(version),
                _ => None,
            };
            match self.claim(key, foreign).await? {
                Claim::Own(version) => {
                    if let Some(brought) = self.fill(key, version).await? {
                        return Ok(brought);
                    }
                }
                Claim::Entry => return Ok(self.discard(key, seen.version).await),
                Claim::Foreign(version) if waiting.is_none_or(|(other, _)| other != version) => {
                    if waiting.is_some() {
                        patience *= 2;
                    }
                    waiting = Some((version, Instant::now()));
                }
                Claim::Foreign(_) | Claim::Gone => {}
            }
            Delay::new(back_off(attempt)).await;
        }
        Err(contention())
    }

    /// Checks that the new store can hold an entry.
    fn check_fit(&self, entry: &Entry) -> Result<()> {
        let capabilities = self.new.capabilities();
        if capabilities.max_value_bytes != u64::MAX {
            capabilities.check_size(entry.value.as_ref().map_or(0, Value::size_bytes))?;
        }
        let is_capped = entry.cap.is_some_and(|cap| !cap.is_never());
        if is_capped && !capabilities.caps {
            return Err(Error::new(ErrorKind::Unsupported, "the new store does not offer caps"));
        }
        Ok(())
    }

    /// Puts a claim into the new store, over nothing or over the claim of this version.
    async fn claim(&self, key: &Key, over: Option<Version>) -> Result<Claim> {
        let condition = over.map_or(Condition::IfAbsent, Condition::IfVersion);
        let put = PutOptions::new(claim::TTL)
            .with_condition(condition)
            .with_returning(Returning::VERSION)
            .with_previous();
        Ok(match self.new.put(key, claim::create(), put).await.map_err(unmoved)? {
            Outcome::Applied(meta) => Claim::Own(meta.version.ok_or_else(unreported)?),
            Outcome::Refused(Some(meta)) => match (meta.previous, meta.version) {
                (Some(value), Some(version)) if claim::is_claim(&value) => Claim::Foreign(version),
                (Some(_), _) => Claim::Entry,
                (None, _) => return Err(unreported()),
            },
            Outcome::Refused(None) => return Err(unreported()),
            Outcome::Absent => Claim::Gone,
        })
    }

    /// Replaces the own claim by the entry of the old store. Returns `None` if the claim is lost.
    async fn fill(&self, key: &Key, claim: Version) -> Result<Option<Brought>> {
        let entry = match self.old_entry(key).await {
            Ok(Some(entry)) => entry,
            Ok(None) => {
                self.withdraw(key, claim).await;
                return Ok(Some(Brought::Nothing));
            }
            Err(error) => {
                self.withdraw(key, claim).await;
                return Err(error);
            }
        };
        let seen = entry.version;
        let (value, lifespan) = self.parts(entry)?;
        let put = PutOptions::new(lifespan).with_condition(Condition::IfVersion(claim));
        match self.new.put(key, value, put).await {
            Ok(Outcome::Applied(_)) => Ok(Some(self.discard(key, seen).await)),
            Ok(Outcome::Absent | Outcome::Refused(_)) => Ok(None),
            Err(error) => {
                self.withdraw(key, claim).await;
                Err(unmoved(error))
            }
        }
    }

    async fn old_entry(&self, key: &Key) -> Result<Option<Entry>> {
        let capabilities = self.old.capabilities();
        let mut read = GetOptions::new().with_returning(Returning::DEADLINE);
        if capabilities.conditions {
            read.returning |= Returning::VERSION;
        }
        if capabilities.caps {
            read = read.with_cap();
        }
        self.old.get(key, read).await
    }

    /// Returns the value of an entry, and its deadline and cap as the new store accepts them.
    fn parts(&self, entry: Entry) -> Result<(Value, Lifespan)> {
        let (Some(value), Some(deadline)) = (entry.value, entry.deadline) else { return Err(unreported()) };
        // The clocks of the stores may differ.
        let latest = Deadline::after(self.new.now(), Ttl::MAX);
        let within = |deadline: Deadline| if deadline.is_never() { deadline } else { deadline.min(latest) };
        let cap = within(entry.cap.unwrap_or(Deadline::NEVER));
        Ok((value, Lifespan::new(within(deadline)).with_cap(cap)))
    }

    /// Removes the own claim. If that fails, another caller takes it over, or it expires.
    async fn withdraw(&self, key: &Key, claim: Version) {
        let removed = self.new.delete(key, DeleteOptions::new().with_if_version(claim)).await;
        if let Err(error) = removed {
            tracing::debug!(%error, "a claim was not withdrawn; it expires by itself");
        }
    }

    /// Deletes the entry from the old store, which is in the new store.
    async fn discard(&self, key: &Key, version: Option<Version>) -> Brought {
        let mut options = DeleteOptions::new();
        options.if_version = version;
        match self.old.delete(key, options).await {
            // Another program has changed the entry of the old store.
            Ok(Outcome::Refused(_)) => Brought::Copied(contention()),
            Ok(Outcome::Applied(_) | Outcome::Absent) => Brought::Moved,
            Err(error) => Brought::Copied(unmoved(error)),
        }
    }
}

/// Returns whether an error means that the entry of the old store cannot be moved: it is damaged, or the new
/// store cannot hold it.
pub(super) fn is_immovable(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Codec
            | ErrorKind::Corrupt
            | ErrorKind::InvalidExpiry
            | ErrorKind::InvalidField
            | ErrorKind::TooLarge
            | ErrorKind::Unsupported
    )
}

/// Converts an unknown outcome of a step. The move can be repeated, and the caller's operation was not made.
fn unmoved(error: Error) -> Error {
    if error.kind() != ErrorKind::OutcomeUnknown {
        return error;
    }
    Error::new(
        ErrorKind::Unavailable,
        "it is unknown whether the entry was moved; nothing else was changed, retry",
    )
    .with_source(error)
}

/// Creates the error for a store that returned less than was requested.
pub(super) fn unreported() -> Error {
    Error::new(ErrorKind::Backend, "the store did not return the requested value, deadline or version")
}
