//! Animals that check first and write later. Each loses one of two concurrent calls, which no sequential
//! case detects.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::task::yield_now;
use ttl_core::options::{
    Condition, DeleteOptions, ExistingDeadline, ExpireOptions, ExpiryChange, GetOptions, Guard, PatchOptions,
    Projection, PutItem, PutOptions, Returning, ScanOptions,
};
use ttl_core::{
    Deadline, Error, ErrorKind, Expiry, Key, Outcome, Page, Patch, RefreshMode, Result, Ttl, Value,
};

use super::animal::{Deleted, Expired, Got, Patched, Written, animals, is_ghost, now};
use super::den::Right;

static CALLS: AtomicU64 = AtomicU64::new(0);

/// Removes the stored entry of the key, like a late clean-up.
fn remove(right: &Right, key: &Key) {
    right.backend().meddle(key, |stored| *stored = None);
}

/// Returns the deadline that a simple put would keep.
fn kept(right: &Right, key: &Key, options: &PutOptions) -> Option<Deadline> {
    let plain =
        matches!(options.condition, Condition::Always) && options.lifespan.cap == ttl_core::Expiry::Never;
    right.backend().live(key).filter(|stored| plain && stored.cap.is_never()).map(|stored| stored.deadline)
}

/// Reads the deadline for a put with `Keep`, which restores it later.
async fn keep_later(right: &Right, key: &Key, mut options: PutOptions) -> Result<PutOptions> {
    options.lifespan.expiry.resolve(now(right))?;
    if let (ExistingDeadline::Keep, Some(deadline)) = (options.existing_deadline, kept(right, key, &options))
    {
        yield_now().await;
        options.existing_deadline = ExistingDeadline::Replace;
        options.lifespan.expiry = Expiry::from(deadline);
    }
    Ok(options)
}

animals! {
    /// A read of a ghost deletes the key later, whatever is stored then.
    LateDeleteAfterReads breaks E3 {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            let ghost = is_ghost(&self.right, key);
            let read = self.right.get(key, options).await;
            if ghost { yield_now().await; remove(&self.right, key) }
            read
        }
    }

    /// A batch read of ghosts deletes their keys later, whatever is stored then.
    LateDeleteAfterBatches breaks E3 B1 {
        forwards capabilities now get put expire patch delete scan put_many delete_many;
        async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Got> {
            let ghosts: Vec<&Key> = keys.iter().filter(|key| is_ghost(&self.right, key)).collect();
            let read = self.right.get_many(keys, options).await;
            if !ghosts.is_empty() { yield_now().await }
            ghosts.into_iter().for_each(|key| remove(&self.right, key));
            read
        }
    }

    /// A scan over ghosts deletes their keys later, whatever is stored then.
    LateDeleteAfterScans breaks E3 S1 {
        forwards capabilities now get put expire patch delete get_many put_many delete_many;
        async fn scan(&self, options: ScanOptions) -> Result<Page> {
            let ghosts = self.right.backend().ghosts(&options.prefix);
            let page = self.right.scan(options).await;
            if !ghosts.is_empty() { yield_now().await }
            ghosts.iter().for_each(|(key, _)| remove(&self.right, key));
            page
        }
    }

    /// `IfPresent` checks first and writes later.
    IfPresentLooksFirst breaks C3 R3 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            if !matches!(options.condition, Condition::IfPresent) {
                return self.right.put(key, value, options).await;
            }
            options.lifespan.expiry.resolve(now(&self.right))?;
            if self.right.backend().live(key).is_none() { return Ok(Outcome::Absent) }
            yield_now().await;
            let options = options.with_condition(Condition::Always);
            Ok(self.right.put(key, value, options).await?.map(|mut meta| { meta.created = false; meta }))
        }
    }

    /// A delete with a version checks first and deletes later, whatever is stored then.
    DeleteByVersionLooksFirst breaks C2 {
        forwards capabilities now get put expire patch scan get_many put_many delete_many;
        async fn delete(&self, key: &Key, mut options: DeleteOptions) -> Deleted {
            if let (Some(version), Some(stored)) = (options.if_version, self.right.backend().live(key)) {
                if stored.version != version { return Ok(Outcome::Refused(None)) }
                yield_now().await;
                options.if_version = None;
            }
            self.right.delete(key, options).await
        }
    }

    /// A patch with a version checks first and patches later, whatever is stored then.
    PatchByVersionLooksFirst breaks C2 P1 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, mut options: PatchOptions) -> Patched {
            if let (Some(version), Some(stored)) = (options.if_version, self.right.backend().live(key)) {
                if stored.version != version { return Ok(Outcome::Refused(None)) }
                yield_now().await;
                options.if_version = None;
            }
            self.right.patch(key, patch, options).await
        }
    }

    /// A renewal with a version checks first and moves the deadline later, whatever is stored then.
    RenewalLooksFirst breaks X8 {
        forwards capabilities now get put patch delete scan get_many put_many delete_many;
        async fn expire(&self, key: &Key, to: ExpiryChange, mut options: ExpireOptions) -> Expired {
            if let (Some(version), Some(stored)) = (options.if_version, self.right.backend().live(key)) {
                if let ExpiryChange::Set(expiry) = to { expiry.resolve(now(&self.right))?; }
                if stored.version != version { return Ok(Outcome::Refused(None)) }
                yield_now().await;
                options.if_version = None;
            }
            self.right.expire(key, to, options).await
        }
    }

    /// `IfVersion` in a batch checks first and writes later.
    BatchSwapsLookFirst breaks C2 B1 {
        forwards capabilities now get put expire patch delete scan get_many delete_many;
        async fn put_many(&self, items: Vec<PutItem>) -> Vec<Written> {
            let mut results = Vec::new();
            for mut item in items {
                if let (Condition::IfVersion(version), Some(stored)) =
                    (item.options.condition, self.right.backend().live(&item.key))
                {
                    if stored.version != version { results.push(Ok(Outcome::Refused(None))); continue }
                    yield_now().await;
                    item.options.condition = Condition::IfPresent;
                }
                results.push(self.right.put(&item.key, item.value, item.options).await);
            }
            results
        }
    }

    /// A take in a batch checks first, so several callers get the value.
    BatchTakesLookFirst breaks C1 B1 {
        forwards capabilities now get put expire patch delete scan get_many put_many;
        async fn delete_many(&self, keys: &[Key], options: DeleteOptions) -> Vec<Deleted> {
            if options.projection == Projection::Nothing || options.kind.is_some() || options.if_version.is_some() {
                return self.right.delete_many(keys, options).await;
            }
            let mut results = Vec::new();
            for key in keys {
                let read = GetOptions::new().with_projection(options.projection.clone());
                results.push(match self.right.get(key, read).await {
                    Ok(Some(entry)) => {
                        yield_now().await;
                        let _ = self.right.delete(key, DeleteOptions::new()).await;
                        Ok(Outcome::Applied(Some(entry)))
                    }
                    Ok(None) => Ok(Outcome::Absent),
                    Err(error) => Err(error),
                });
            }
            results
        }
    }

    /// Guards check first, so the wrong one of two expires may win.
    GuardsLookFirst breaks X2 {
        forwards capabilities now get put patch delete scan get_many put_many delete_many;
        async fn expire(&self, key: &Key, to: ExpiryChange, mut options: ExpireOptions) -> Expired {
            if let (ExpiryChange::Set(expiry), Some(stored)) = (to, self.right.backend().live(key)) {
                let (new, old) = (expiry.resolve(now(&self.right))?.min(stored.cap), stored.deadline.min(stored.cap));
                let lets = matches!(options.guard, Guard::IfLater if new > old) || matches!(options.guard, Guard::IfSooner if new < old);
                if lets && options.if_version.is_none() {
                    yield_now().await;
                    options.guard = Guard::Always;
                }
            }
            self.right.expire(key, to, options).await
        }
    }

    /// An extension reads the deadline first, so two concurrent extensions count once.
    ExtendLooksFirst breaks X1 {
        forwards capabilities now get put patch delete scan get_many put_many delete_many;
        async fn expire(&self, key: &Key, to: ExpiryChange, options: ExpireOptions) -> Expired {
            if let (ExpiryChange::Extend(by), Some(stored)) = (to, self.right.backend().live(key)) {
                let ends = stored.deadline.min(stored.cap);
                let to = ends.plus(by).min(stored.cap);
                let allowed = to <= Deadline::after(now(&self.right), Ttl::MAX);
                if !ends.is_never() && allowed && options.guard == Guard::Always {
                    yield_now().await;
                    return self.right.expire(key, ExpiryChange::Set(Expiry::from(to)), options).await;
                }
            }
            self.right.expire(key, to, options).await
        }
    }

    /// A put with `Keep` reads the deadline first and restores it later, so a concurrent expire is lost.
    KeepLooksFirst breaks E5 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let options = keep_later(&self.right, key, options).await?;
            self.right.put(key, value, options).await
        }
    }

    /// A put that only extends reads the deadline first and restores it later.
    PutRefreshLooksFirst breaks R2 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, mut options: PutOptions) -> Written {
            options.lifespan.expiry.resolve(now(&self.right))?;
            if let (ExistingDeadline::Refresh(refresh), Some(deadline)) = (options.existing_deadline, kept(&self.right, key, &options))
                && refresh.mode == RefreshMode::ExtendOnly
            {
                yield_now().await;
                options.existing_deadline = ExistingDeadline::Replace;
                options.lifespan.expiry = Expiry::from(deadline.max(Deadline::after(now(&self.right), refresh.ttl)));
            }
            self.right.put(key, value, options).await
        }
    }

    /// A read that only extends checks first and sets its deadline later.
    ReadRefreshLooksFirst breaks R2 {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, mut options: GetOptions) -> Got {
            if let (Some(refresh), Some(stored)) = (&mut options.refresh, self.right.backend().live(key))
                && refresh.slack.is_none()
                && Deadline::after(now(&self.right), refresh.ttl) > stored.deadline
            {
                yield_now().await;
                refresh.mode = RefreshMode::Reset;
            }
            self.right.get(key, options).await
        }
    }

    /// A patch that only extends checks first and sets its deadline later.
    PatchRefreshLooksFirst breaks R2 P1 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, mut options: PatchOptions) -> Patched {
            if let (Some(refresh), Some(stored)) = (&mut options.refresh, self.right.backend().live(key))
                && Deadline::after(now(&self.right), refresh.ttl) > stored.deadline
            {
                yield_now().await;
                refresh.mode = RefreshMode::Reset;
            }
            self.right.patch(key, patch, options).await
        }
    }

    /// The refresh of a batch touches the current entry, even if the batch read an older one.
    BatchRefreshTouchesNewer breaks R6 B1 {
        forwards capabilities now get put expire patch delete scan put_many delete_many;
        async fn get_many(&self, keys: &[Key], mut options: GetOptions) -> Vec<Got> {
            let refresh = options.refresh.take();
            let mut results = self.right.get_many(keys, options).await;
            let Some(refresh) = refresh else { return results };
            yield_now().await;
            for (key, result) in keys.iter().zip(&mut results) {
                let Ok(Some(entry)) = result else { continue };
                let touch = GetOptions::nothing().with_refresh(refresh).with_returning(Returning::DEADLINE);
                if let (Ok(Some(touched)), Some(_)) = (self.right.get(key, touch).await, entry.deadline) {
                    entry.deadline = touched.deadline;
                }
            }
            results
        }
    }

    /// Of concurrent patches, every second one fails with `Contention`.
    ContendsOften breaks P6 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let version = || self.right.backend().live(key).map(|stored| stored.version);
            let before = version();
            tokio::task::yield_now().await;
            if version() != before && CALLS.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
                return Err(Error::new(ErrorKind::Contention, "others were faster"));
            }
            self.right.patch(key, patch, options).await
        }
    }
}
