//! Reads, takes and scans: what they return is decoded.

use futures_timer::Delay;
use ttl_core::driver::{DeferredRefresh, MAX_ATTEMPTS, RefreshStep, back_off, contention};
use ttl_core::options::{DeleteOptions, GetOptions, Projection, Returning, ScanOptions};
use ttl_core::rules::{self, DeleteStep, Header};
use ttl_core::{
    Deadline, Entry, Error, ErrorKind, Key, Outcome, Page, PageItem, Result, TtlStore, Value, Version,
};

use super::store::TranslatedStore;
use super::translation::Translation;

impl<T: Translation> TranslatedStore<T> {
    /// Reads an entry under a key of the inner store. A refresh that is due is a second request, for the
    /// version that was decoded (R1).
    pub(super) async fn read(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>> {
        if options.projection == Projection::Nothing {
            return self.inner.get(key, options).await;
        }
        let mut sent = options.clone();
        sent.projection = self.stored_part(&options.projection)?;
        let refresh = DeferredRefresh::take(&mut sent);
        for attempt in 0..MAX_ATTEMPTS {
            let Some(stored) = self.inner.get(key, sent.clone()).await? else { return Ok(None) };
            let mut entry = self.decode(key, stored, &options.projection)?;
            let Some(refresh) = refresh else { return Ok(Some(entry)) };
            let step = self.refresh(refresh, key, &mut entry).await?;
            if step == RefreshStep::Done {
                return Ok(Some(entry));
            }
            if attempt + 1 == MAX_ATTEMPTS {
                // The read succeeded, but its refresh failed (R9).
                return Ok(Some(entry.with_refresh_error(contention())));
            }
            Delay::new(back_off(attempt)).await;
        }
        Err(contention())
    }

    /// Refreshes an entry that was decoded, if the refresh is due.
    pub(super) async fn refresh(
        &self,
        refresh: DeferredRefresh,
        key: &Key,
        entry: &mut Entry,
    ) -> Result<RefreshStep> {
        let mut step = RefreshStep::Done;
        if refresh.is_due(&*self.inner, entry)? {
            // Only the store knows the cap, so only it can evaluate a slack exactly (R5).
            step = if refresh.has_slack() {
                refresh.send_as_read(&*self.inner, key, entry).await?
            } else {
                refresh.send(&*self.inner, key, entry).await?
            };
        }
        refresh.finish(entry);
        Ok(step)
    }

    /// Puts the caller's key into the errors of a read.
    pub(super) fn outer_entry(&self, key: &Key, entry: Result<Option<Entry>>) -> Result<Option<Entry>> {
        let mut entry = self.with_context("get", key, entry)?;
        if let Some(entry) = &mut entry {
            entry.refresh_error = entry.refresh_error.take().map(|error| self.error("get", key, error));
        }
        Ok(entry)
    }

    /// Reads and decodes an entry, and deletes it under the condition that its version has not changed. An
    /// entry that cannot be decoded stays. `first` is the entry if it has already been read.
    pub(super) async fn take(
        &self,
        key: &Key,
        options: &DeleteOptions,
        mut first: Option<Result<Option<Entry>>>,
    ) -> Result<Outcome<Option<Entry>>> {
        self.capabilities().check_delete(options)?;
        for attempt in 0..MAX_ATTEMPTS {
            let read = match first.take() {
                Some(read) => read,
                None => self.inner.get(key, whole()).await,
            };
            let Some(entry) = read? else { return Ok(Outcome::Absent) };
            let (value, version) = reported(&entry)?;
            let header =
                Header { kind: value.kind(), deadline: Deadline::NEVER, cap: Deadline::NEVER, version };
            match rules::delete(self.inner.now(), Some(&header), options)? {
                DeleteStep::Remove => {}
                DeleteStep::Refused => return Ok(Outcome::Refused(None)),
                DeleteStep::Absent => return Ok(Outcome::Absent),
            }
            let value = self.translation.decode(key, value)?;
            let this = DeleteOptions::new().with_if_version(version);
            match self.inner.delete(key, this).await? {
                Outcome::Applied(_) => {
                    return Ok(Outcome::Applied(value.project(&options.projection).map(Entry::new)));
                }
                Outcome::Absent => return Ok(Outcome::Absent),
                Outcome::Refused(_) => Delay::new(back_off(attempt)).await,
            }
        }
        Err(contention())
    }

    /// Lists a page, and decodes its items.
    pub(super) async fn list(&self, mut options: ScanOptions) -> Result<Page> {
        self.capabilities().check_scan(&options)?;
        let projection = options.projection.clone();
        options.projection = self.stored_part(&projection)?;
        let page = self.inner.scan(options).await?;
        let items = page.items.into_iter().map(|PageItem { key, entry, .. }| {
            let entry = entry.and_then(|entry| self.decode(&key, entry, &projection));
            let entry = self.with_context("scan", &key, entry);
            PageItem::new(key, entry)
        });
        Ok(Page::new(items.collect(), page.next))
    }
}

/// Returns the options of a read before a conditional write.
pub(super) fn whole() -> GetOptions {
    GetOptions::new().with_returning(Returning::VERSION)
}

/// Returns the value and the version of an entry that was read with [`whole`].
pub(super) fn reported(entry: &Entry) -> Result<(Value, Version)> {
    entry.value.clone().zip(entry.version).ok_or_else(|| {
        Error::new(
            ErrorKind::Backend,
            "the inner store returned no value or no version although both were requested",
        )
    })
}
