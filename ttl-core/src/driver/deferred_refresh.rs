//! `DeferredRefresh`: a refresh that follows a read, after the entry was decoded (R1).

use crate::options::{ExpireOptions, ExpiryChange, GetOptions, Guard, Refresh, Returning};
use crate::rules::{self, Header};
use crate::{Deadline, Entry, Error, ErrorKind, Key, Kind, Outcome, RefreshMode, Result, TtlStore, Version};

/// The refresh of a read whose value may turn out to be undecodable, for wrappers that decode values.
///
/// An operation that fails must not refresh (R1). So the wrapper reads without the refresh, decodes, and then
/// sends the refresh for the version that it read (R6). Cost: a second request for a refresh that is due, none
/// for others.
///
/// ```
/// use ttl_core::driver::DeferredRefresh;
/// use ttl_core::options::GetOptions;
/// use ttl_core::{Entry, Key, Result, TtlStore};
///
/// async fn get(store: &dyn TtlStore, key: &Key, mut options: GetOptions) -> Result<Option<Entry>> {
///     let refresh = DeferredRefresh::take(&mut options);
///     let Some(mut entry) = store.get(key, options).await? else { return Ok(None) };
///     // Decode the value here, and return if it cannot be decoded.
///     if let Some(refresh) = refresh {
///         if refresh.is_due(store, &entry)? {
///             let _ = refresh.send(store, key, &mut entry).await?;
///         }
///         refresh.finish(&mut entry);
///     }
///     Ok(Some(entry))
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeferredRefresh {
    refresh: Refresh,
    /// The metadata that the caller requested.
    returning: Returning,
}

/// The result of a deferred refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the entry may have been replaced since it was read"]
pub enum RefreshStep {
    /// It was applied, or it failed and the entry carries its error (R9).
    Done,
    /// It was not applied: the entry was replaced, or is gone, since it was read (R6).
    Stale,
}

impl DeferredRefresh {
    /// Takes the refresh out of the options of a read, and adds the metadata that it needs. `None` if no
    /// refresh is requested; the options are unchanged then.
    #[must_use]
    pub fn take(options: &mut GetOptions) -> Option<Self> {
        let refresh = options.refresh.take()?;
        let returning = options.returning;
        options.returning |= Returning::DEADLINE | Returning::VERSION;
        Some(Self { refresh, returning })
    }

    /// Returns whether the refresh of an entry that was read is due.
    ///
    /// # Errors
    /// [`ErrorKind::Backend`] if the entry lacks the requested metadata.
    pub fn is_due(&self, store: &(impl TtlStore + ?Sized), entry: &Entry) -> Result<bool> {
        let (deadline, version) = reported(entry)?;
        // The cap is unknown here; the expire call applies it. The kind is not checked.
        let header = Header { kind: Kind::Blob, deadline, cap: Deadline::NEVER, version };
        let hit = rules::get(store.now(), Some(&header), &GetOptions::new().with_refresh(self.refresh))?;
        Ok(hit.is_some_and(|hit| hit.refresh.is_some()))
    }

    /// Returns whether the refresh has a slack.
    #[must_use]
    pub const fn has_slack(&self) -> bool {
        self.refresh.slack.is_some()
    }

    /// Refreshes an entry that was read and decoded, under the condition that its version has not changed. Call
    /// it if the refresh is due. Sets the deadline of the entry, or its [`Entry::refresh_error`].
    ///
    /// The cap is unknown when the slack is evaluated, so near the cap the deadline can move by less than the
    /// slack. [`DeferredRefresh::send_as_read`] is exact.
    ///
    /// On a store without [`conditions`](crate::Capabilities::conditions), a refresh cannot name a version. It
    /// then applies to the entry that is stored at that moment.
    ///
    /// # Errors
    /// [`ErrorKind::Backend`] if the entry lacks the requested metadata. A failed refresh is not an error: the
    /// entry carries it (R9).
    pub async fn send(
        &self,
        store: &(impl TtlStore + ?Sized),
        key: &Key,
        entry: &mut Entry,
    ) -> Result<RefreshStep> {
        let (_, version) = reported(entry)?;
        match self.send_for(store, key, version).await {
            Ok(Some(deadline)) => entry.deadline = Some(deadline),
            Ok(None) => return Ok(RefreshStep::Stale),
            Err(error) => entry.refresh_error = Some(error),
        }
        Ok(RefreshStep::Done)
    }

    /// Refreshes an entry that was read and decoded by a read of nothing, so that the store applies slack and
    /// cap exactly (R5). Call it if the refresh is due. Sets the deadline of the entry, or its
    /// [`Entry::refresh_error`].
    ///
    /// The refresh applies to the entry that is stored at that moment. If it is another one, the result is
    /// [`RefreshStep::Stale`]. Read that entry then, so that the operation has seen it (R6). A concurrent write
    /// of an undecodable entry can therefore be refreshed once.
    ///
    /// # Errors
    /// [`ErrorKind::Backend`] if the entry lacks the requested metadata. A failed refresh is not an error: the
    /// entry carries it (R9).
    pub async fn send_as_read(
        &self,
        store: &(impl TtlStore + ?Sized),
        key: &Key,
        entry: &mut Entry,
    ) -> Result<RefreshStep> {
        let (_, version) = reported(entry)?;
        let metadata = Returning::DEADLINE | Returning::VERSION;
        let options = GetOptions::nothing().with_returning(metadata).with_refresh(self.refresh);
        match store.get(key, options).await {
            Ok(Some(refreshed)) if refreshed.version == Some(version) => {
                entry.deadline = refreshed.deadline;
                entry.refresh_error = refreshed.refresh_error;
            }
            Ok(_) => return Ok(RefreshStep::Stale),
            Err(error) => entry.refresh_error = Some(error),
        }
        Ok(RefreshStep::Done)
    }

    /// Removes the metadata that the caller did not request.
    pub fn finish(&self, entry: &mut Entry) {
        entry.deadline = entry.deadline.filter(|_| self.returning.contains(Returning::DEADLINE));
        entry.version = entry.version.filter(|_| self.returning.contains(Returning::VERSION));
    }

    /// Refreshes the entry if it has this version. Returns its deadline, or `None` if it has another version
    /// or is gone.
    async fn send_for(
        &self,
        store: &(impl TtlStore + ?Sized),
        key: &Key,
        version: Version,
    ) -> Result<Option<Deadline>> {
        if !store.capabilities().conditions {
            let options =
                GetOptions::nothing().with_returning(Returning::DEADLINE).with_refresh(self.refresh);
            let Some(entry) = store.get(key, options).await? else { return Ok(None) };
            return entry.refresh_error.map_or(Ok(entry.deadline), Err);
        }
        let guard = match self.refresh.mode {
            RefreshMode::ExtendOnly => Guard::IfLater,
            RefreshMode::Reset => Guard::Always,
        };
        let options = ExpireOptions::new().with_guard(guard).with_if_version(version);
        match store.expire(key, ExpiryChange::Set(self.refresh.ttl.into()), options).await? {
            Outcome::Applied(done) => Ok(Some(done.deadline)),
            Outcome::Absent | Outcome::Refused(_) => Ok(None),
        }
    }
}

fn reported(entry: &Entry) -> Result<(Deadline, Version)> {
    entry.deadline.zip(entry.version).ok_or_else(|| {
        Error::new(
            ErrorKind::Backend,
            "the driver returned no deadline or no version although both were requested",
        )
    })
}
