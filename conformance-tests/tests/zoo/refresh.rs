//! Animals with faults in refreshes.

use ttl_core::options::{
    DeleteOptions, ExistingDeadline, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, Projection,
    PutOptions, Refresh, ScanOptions,
};
use ttl_core::{
    Deadline, ErrorKind, Expiry, Key, Outcome, Page, Patch, RefreshMode, Result, Ttl, Value, Version,
};

use super::animal::{Deleted, Expired, Got, Patched, Written, animals, deadline, now, set_deadline};
use super::den::Right;

/// Moves the deadline of a live entry, if it has one, to ten years from now.
pub(crate) fn prolong(right: &Right, key: &Key) {
    if right.backend().live(key).is_some_and(|stored| !stored.deadline.is_never()) {
        set_deadline(right, key, Deadline::after(now(right), Ttl::days(3_650)));
    }
}

animals! {
    /// A get never refreshes.
    GetNeverRefreshes breaks R1; also R2 R4 R5 E2: "refreshes must be visible" {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            self.right.get(key, options.with_refresh(None)).await
        }
    }

    /// A miss with a refresh creates an entry.
    MissCreates breaks R1; also R6: "reads race with deletes" {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            let refresh = options.refresh;
            let entry = self.right.get(key, options).await?;
            if let (None, Some(refresh), None) = (&entry, refresh, self.right.backend().peek(key)) {
                let _ = self.right.put(key, Value::from(""), PutOptions::new(refresh.ttl)).await?;
            }
            Ok(entry)
        }
    }

    /// A batch of gets without a refresh extends deadlines.
    PeekManyRefreshes breaks R1; also B1 E4: "batches report deadlines" {
        forwards capabilities now get put expire patch delete scan put_many delete_many;
        async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Got> {
            let peeks = options.refresh.is_none();
            let entries = self.right.get_many(keys, options).await;
            if peeks { keys.iter().for_each(|key| prolong(&self.right, key)) }
            entries
        }
    }

    /// A batch of gets never refreshes.
    GetManyForgetsToRefresh breaks R1; also R5: "batches apply the slack" {
        forwards capabilities now get put expire patch delete scan put_many delete_many;
        async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Got> {
            self.right.get_many(keys, options.with_refresh(None)).await
        }
    }

    /// A scan extends deadlines.
    ScanRefreshes breaks R1; also S1: "scans report deadlines" {
        forwards capabilities now get put expire patch delete get_many put_many delete_many;
        async fn scan(&self, options: ScanOptions) -> Result<Page> {
            let page = self.right.scan(options).await?;
            page.keys().for_each(|key| prolong(&self.right, key));
            Ok(page)
        }
    }

    /// A get of the wrong kind refreshes.
    WrongKindRefreshes breaks R1 {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            let refresh = options.refresh;
            let entry = self.right.get(key, options).await;
            if matches!(&entry, Err(error) if error.kind() == ErrorKind::WrongKind)
                && let Some(refresh) = refresh
            {
                let _ = self.right.get(key, GetOptions::nothing().with_refresh(refresh)).await;
            }
            entry
        }
    }

    /// A refused put refreshes.
    RefusedPutRefreshes breaks R1 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let existing_deadline = options.existing_deadline;
            let outcome = self.right.put(key, value, options).await;
            if let (Ok(Outcome::Refused(_)), ExistingDeadline::Refresh(refresh)) = (&outcome, existing_deadline) {
                let _ = self.right.get(key, GetOptions::nothing().with_refresh(refresh)).await;
            }
            outcome
        }
    }

    /// A failed or refused patch refreshes.
    FailedPatchRefreshes breaks R1; also C2 V3: "failed patches must change nothing" {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let refresh = options.refresh;
            let outcome = self.right.patch(key, patch, options).await;
            if !matches!(outcome, Ok(Outcome::Applied(_)))
                && let Some(refresh) = refresh
            {
                let _ = self.right.get(key, GetOptions::nothing().with_refresh(refresh)).await;
            }
            outcome
        }
    }

    /// A refused expire moves the deadline slightly.
    RefusedExpireRefreshes breaks R1; also X8: "a refused renewal must change nothing" {
        forwards capabilities now get put patch delete scan get_many put_many delete_many;
        async fn expire(&self, key: &Key, to: ExpiryChange, options: ExpireOptions) -> Expired {
            let outcome = self.right.expire(key, to, options).await;
            if matches!(outcome, Ok(Outcome::Refused(_))) { prolong(&self.right, key) }
            outcome
        }
    }

    /// A refused delete extends the deadline.
    RefusedDeleteRefreshes breaks R1; also C2: "a refused delete must change nothing" {
        forwards capabilities now get put expire patch scan get_many put_many delete_many;
        async fn delete(&self, key: &Key, options: DeleteOptions) -> Deleted {
            let outcome = self.right.delete(key, options).await;
            if matches!(outcome, Ok(Outcome::Refused(_))) { prolong(&self.right, key) }
            outcome
        }
    }

    /// A patch without a refresh refreshes.
    PatchAlwaysRefreshes breaks R1; also P1 P2 R4 E7: "a patch keeps the deadline" {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let quiet = options.refresh.is_none();
            let outcome = self.right.patch(key, patch, options).await;
            if quiet && matches!(&outcome, Ok(Outcome::Applied(done)) if !done.created) {
                prolong(&self.right, key);
            }
            outcome
        }
    }

    /// A patch never refreshes.
    PatchNeverRefreshes breaks R1; also R2 R4 R5: "refreshes must be visible" {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            self.right.patch(key, patch, options.with_refresh(None)).await
        }
    }

    /// A put with a refresh keeps the deadline.
    PutNeverRefreshes breaks R1; also R2 R4 R5 C2 E6: "refreshes must be visible" {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let refreshes = matches!(options.existing_deadline, ExistingDeadline::Refresh(_));
            let options = if refreshes { options.with_existing_deadline(ExistingDeadline::Keep) } else { options };
            self.right.put(key, value, options).await
        }
    }

    /// Partial reads do not refresh.
    PartialReadsDoNotRefresh breaks R1 {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            let whole = options.projection == Projection::All;
            let options = if whole { options } else { options.with_refresh(None) };
            self.right.get(key, options).await
        }
    }

    /// A read with `ExtendOnly` shortens the deadline.
    RefreshShortens breaks R2 {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, mut options: GetOptions) -> Got {
            if deadline(&self.right, key).is_some_and(|deadline| !deadline.is_never())
                && let Some(refresh) = &mut options.refresh
            {
                refresh.mode = RefreshMode::Reset;
            }
            self.right.get(key, options).await
        }
    }

    /// A patch with `ExtendOnly` shortens the deadline.
    PatchRefreshShortens breaks R2 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, mut options: PatchOptions) -> Patched {
            if deadline(&self.right, key).is_some_and(|deadline| !deadline.is_never())
                && let Some(refresh) = &mut options.refresh
            {
                refresh.mode = RefreshMode::Reset;
            }
            self.right.patch(key, patch, options).await
        }
    }

    /// A put with `ExtendOnly` shortens the deadline.
    PutRefreshShortens breaks R2 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, mut options: PutOptions) -> Written {
            if deadline(&self.right, key).is_some_and(|deadline| !deadline.is_never())
                && let ExistingDeadline::Refresh(refresh) = &mut options.existing_deadline
            {
                refresh.mode = RefreshMode::Reset;
            }
            self.right.put(key, value, options).await
        }
    }

    /// A refresh with `Reset` only extends.
    ResetOnlyExtends breaks R2; also R1 R5: "the matrix tries both modes" {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, mut options: GetOptions) -> Got {
            if let Some(refresh) = &mut options.refresh {
                refresh.mode = RefreshMode::ExtendOnly;
            }
            self.right.get(key, options).await
        }
    }

    /// A refresh with `ExtendOnly` gives a persistent entry a deadline.
    RefreshEndsPersistence breaks R2 {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, mut options: GetOptions) -> Got {
            if deadline(&self.right, key).is_some_and(Deadline::is_never)
                && let Some(refresh) = &mut options.refresh
            {
                refresh.mode = RefreshMode::Reset;
            }
            self.right.get(key, options).await
        }
    }

    /// The refresh of a read passes the cap.
    RefreshPassesTheCap breaks R4; also R10: "the cap is gone after the read" {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            if options.refresh.is_some() { forget_cap(&self.right, key) }
            self.right.get(key, options).await
        }
    }

    /// The refresh of a patch passes the cap.
    PatchPassesTheCap breaks R4 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            if options.refresh.is_some() { forget_cap(&self.right, key) }
            self.right.patch(key, patch, options).await
        }
    }

    /// The first deadline of a new entry passes its cap.
    FirstDeadlinePassesTheCap breaks R4; also H1: "declared caps are checked" {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, mut options: PutOptions) -> Written {
            if self.right.backend().live(key).is_none()
                && matches!((options.lifespan.expiry, options.lifespan.cap), (Expiry::After(ttl), Expiry::After(max)) if ttl > max)
            {
                options.lifespan.cap = Expiry::Never;
            }
            self.right.put(key, value, options).await
        }
    }

    /// An overwrite starts a new cap.
    OverwritingRestartsTheCap breaks R4 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            if options.lifespan.cap != Expiry::Never { forget_cap(&self.right, key) }
            self.right.put(key, value, options).await
        }
    }

    /// An overwrite without a cap removes the existing cap.
    OverwritingForgetsTheCap breaks R4; also V6: "it writes beneath the put, over damage too" {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            if options.lifespan.cap == Expiry::Never { forget_cap(&self.right, key) }
            self.right.put(key, value, options).await
        }
    }

    /// A put with a cap over a live entry without one does not start a cap.
    OverwritingStartsNoCap breaks R4; also E6 E8: "the cap of a put over an entry is not looked at" {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, mut options: PutOptions) -> Written {
            if self.right.backend().live(key).is_some_and(|stored| stored.cap.is_never()) {
                options.lifespan.cap = Expiry::Never;
            }
            self.right.put(key, value, options).await
        }
    }

    /// The slack of a read is ignored.
    IgnoresSlack breaks R5 {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, mut options: GetOptions) -> Got {
            if let Some(refresh) = &mut options.refresh {
                refresh.slack = None;
            }
            self.right.get(key, options).await
        }
    }

    /// The slack applies in one mode only.
    IgnoresSlackOfReset breaks R5 {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, mut options: GetOptions) -> Got {
            if let Some(refresh) = options.refresh.as_mut().filter(|refresh| refresh.mode == RefreshMode::Reset) {
                refresh.slack = None;
            }
            self.right.get(key, options).await
        }
    }

    /// A patch applies the slack.
    PatchMindsSlack breaks R5 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, mut options: PatchOptions) -> Patched {
            options.refresh = options.refresh.filter(|refresh| is_due(&self.right, key, refresh));
            self.right.patch(key, patch, options).await
        }
    }

    /// A put applies the slack.
    PutMindsSlack breaks R5 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, mut options: PutOptions) -> Written {
            if matches!(&options.existing_deadline, ExistingDeadline::Refresh(refresh) if !is_due(&self.right, key, refresh)) {
                options.existing_deadline = ExistingDeadline::Keep;
            }
            self.right.put(key, value, options).await
        }
    }

    /// The refresh of a read touches the current entry, even if the read returned an older one.
    RefreshTouchesNewerEntries breaks R6 {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            let refresh = options.refresh;
            let entry = self.right.get(key, options).await?;
            if let (Some(_), Some(refresh)) = (&entry, refresh) {
                let before = self.right.backend().peek(key);
                tokio::task::yield_now().await;
                if self.right.backend().peek(key).map(|stored| stored.version) != before.map(|stored| stored.version) {
                    set_deadline(&self.right, key, Deadline::after(now(&self.right), refresh.ttl));
                }
            }
            Ok(entry)
        }
    }

    /// The refresh of a read restores the entry that it read, even if it was deleted meanwhile.
    RefreshUndoesDeletes breaks R6 {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            let read = self.right.backend().live(key).filter(|_| options.refresh.is_some());
            let entry = self.right.get(key, options).await?;
            tokio::task::yield_now().await;
            if let (Some(read), Some(_)) = (read, &entry) {
                self.right.backend().meddle(key, |stored| { stored.get_or_insert(read); });
            }
            Ok(entry)
        }
    }

    /// A refresh changes the version.
    RefreshMakesAVersion breaks X5; also R1 C2: "whole states are compared" {
        forwards capabilities now put patch expire delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            let refreshes = options.refresh.is_some();
            let entry = self.right.get(key, options).await;
            if refreshes {
                self.right.backend().meddle(key, |stored| {
                    if let Some(stored) = stored {
                        stored.version = Version::random();
                    }
                });
            }
            entry
        }
    }
}

fn forget_cap(right: &Right, key: &Key) {
    right.backend().meddle(key, |stored| {
        if let Some(stored) = stored {
            stored.deadline = stored.deadline.min(stored.cap);
            stored.cap = Deadline::NEVER;
        }
    });
}

fn is_due(right: &Right, key: &Key, refresh: &Refresh) -> bool {
    let Some(deadline) = deadline(right, key) else { return true };
    let to = Deadline::after(now(right), refresh.ttl);
    let moved = to.as_epoch_millis().abs_diff(deadline.as_epoch_millis());
    moved >= refresh.slack.map_or(0, Ttl::as_millis)
}
