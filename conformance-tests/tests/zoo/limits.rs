//! Animals with limits of their own in keys, rows, seconds or bits.

use std::num::NonZeroUsize;

use serde_json::Value as Json;
use ttl_core::driver::Change;
use ttl_core::driver::Stored;
use ttl_core::options::{
    DeleteOptions, ExistingDeadline, ExpireOptions, ExpiryChange, GetOptions, Guard, PatchOptions,
    Projection, PutItem, PutOptions, ScanOptions,
};
use ttl_core::{
    Deadline, Error, ErrorKind, Expiry, Key, Outcome, Page, Patch, RefreshMode, Result, Ttl, TtlStore, Value,
    Version,
};

use super::animal::{Deleted, Expired, Got, Patched, Written, animals, deadline, now, set_deadline};
use super::den::Right;

/// Removes a key whose expiry in the backend has passed.
fn purge(right: &Right, key: &Key) {
    let now = now(right);
    let over = right.backend().memory.lock().get(key).is_some_and(|own| own.deadline.is_expired(now));
    if over {
        right.backend().memory.lock().remove(key);
        right.backend().meddle(key, |stored| *stored = None);
    }
}

/// Sets the expiry of a key in the backend to its deadline.
fn follow(right: &Right, key: &Key) {
    let own = deadline(right, key);
    let mut memory = right.backend().memory.lock();
    match own {
        Some(own) => {
            memory.insert(key.clone(), Stored::new("".into(), own, Deadline::NEVER, Version::random()))
        }
        None => memory.remove(key),
    };
}

/// Puts an entry, and starts a new cap over a capped entry.
async fn restart_cap(right: &Right, key: &Key, value: Value, options: PutOptions, restarts: bool) -> Written {
    let cap = options.lifespan.cap;
    let capped = right.backend().live(key).is_some_and(|stored| !stored.cap.is_never());
    let outcome = right.put(key, value, options).await;
    if let (true, true, Expiry::After(max), Ok(Outcome::Applied(_))) = (restarts, capped, cap, &outcome) {
        let cap = Deadline::after(now(right), max);
        right.backend().meddle(key, |stored| {
            if let Some(stored) = stored {
                stored.cap = cap;
            }
        });
    }
    outcome
}

/// Treats a TTL of more than 30 days as an instant since the epoch, like memcached.
fn since_the_epoch(expiry: Expiry) -> Expiry {
    match expiry {
        Expiry::After(ttl) if ttl > Ttl::days(30) => Expiry::At(std::time::UNIX_EPOCH + ttl.as_duration()),
        other => other,
    }
}

animals! {
    /// A batch reads 999 keys; the others are misses.
    ReadsAtMost999 breaks B2 {
        forwards capabilities now get put expire patch delete scan put_many delete_many;
        async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Got> {
            let mut results = self.right.get_many(&keys[..keys.len().min(999)], options).await;
            results.resize_with(keys.len(), || Ok(None));
            results
        }
    }

    /// A batch deletes 500 keys and reports that it deleted all.
    DeletesAtMost500 breaks B2 {
        forwards capabilities now get put expire patch delete scan get_many put_many;
        async fn delete_many(&self, keys: &[Key], options: DeleteOptions) -> Vec<Deleted> {
            let mut results = self.right.delete_many(&keys[..keys.len().min(500)], options).await;
            results.resize_with(keys.len(), || Ok(Outcome::Applied(None)));
            results
        }
    }

    /// A batch of puts is split into hundreds, and the last hundred is written first.
    ChunksLandBackwards breaks B1 {
        forwards capabilities now get put expire patch delete scan get_many delete_many;
        async fn put_many(&self, items: Vec<PutItem>) -> Vec<Written> {
            let mut chunks = Vec::new();
            for chunk in items.chunks(100).rev() {
                chunks.push(self.right.put_many(chunk.to_vec()).await);
            }
            chunks.into_iter().rev().flatten().collect()
        }
    }

    /// A scan stops after a thousand ghosts.
    GivesUpAfterManyGhosts breaks S1; also E3: "ghosts hide live entries" {
        forwards capabilities now get put expire patch delete get_many put_many delete_many;
        async fn scan(&self, options: ScanOptions) -> Result<Page> {
            let ghosts = self.right.backend().ghosts(&options.prefix);
            if ghosts.len() > 1_000 { return Ok(Page::new(Vec::new(), None)) }
            self.right.scan(options).await
        }
    }

    /// A scan panics if its limit does not fit in 32 bits.
    LimitsOf32Bits breaks S1 {
        forwards capabilities now get put expire patch delete get_many put_many delete_many;
        async fn scan(&self, options: ScanOptions) -> Result<Page> {
            assert!(i32::try_from(options.limit.get()).is_ok_and(|limit| limit < i32::MAX), "attempt to add with overflow");
            self.right.scan(options).await
        }
    }

    /// A page has at most a thousand entries, whatever its limit.
    PagesOfAThousand breaks S1 {
        forwards capabilities now get put expire patch delete get_many put_many delete_many;
        async fn scan(&self, options: ScanOptions) -> Result<Page> {
            let most = NonZeroUsize::new(1_000).expect("it is not zero");
            let limit = options.limit.min(most);
            self.right.scan(options.with_limit(limit)).await
        }
    }

    /// The refresh of a partial read does not change the backend's own expiry.
    PartialRefreshForgetsTheBackend breaks E7; also E1 R1: "refreshed entries end early" {
        forwards capabilities now scan;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            purge(&self.right, key);
            let whole = options.projection == Projection::All;
            let read = self.right.get(key, options).await;
            if whole { follow(&self.right, key) }
            read
        }
        async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Got> {
            keys.iter().for_each(|key| purge(&self.right, key));
            self.right.get_many(keys, options).await
        }
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            purge(&self.right, key);
            let done = self.right.put(key, value, options).await;
            follow(&self.right, key);
            done
        }
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            purge(&self.right, key);
            let done = self.right.patch(key, patch, options).await;
            follow(&self.right, key);
            done
        }
        async fn expire(&self, key: &Key, to: ExpiryChange, options: ExpireOptions) -> Expired {
            purge(&self.right, key);
            let done = self.right.expire(key, to, options).await;
            follow(&self.right, key);
            done
        }
        async fn delete(&self, key: &Key, options: DeleteOptions) -> Deleted {
            purge(&self.right, key);
            let done = self.right.delete(key, options).await;
            follow(&self.right, key);
            done
        }
        async fn put_many(&self, items: Vec<PutItem>) -> Vec<Written> {
            let mut results = Vec::new();
            for item in items { results.push(self.put(&item.key, item.value, item.options).await) }
            results
        }
        async fn delete_many(&self, keys: &[Key], options: DeleteOptions) -> Vec<Deleted> {
            let mut results = Vec::new();
            for key in keys { results.push(self.delete(key, options.clone()).await) }
            results
        }
    }

    /// A put with `Keep` starts a new cap.
    KeepRestartsTheCap breaks R4 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let keeps = matches!(options.existing_deadline, ExistingDeadline::Keep);
            restart_cap(&self.right, key, value, options, keeps).await
        }
    }

    /// A put with a refresh starts a new cap.
    RefreshRestartsTheCap breaks R4 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let refreshes = matches!(options.existing_deadline, ExistingDeadline::Refresh(_));
            restart_cap(&self.right, key, value, options, refreshes).await
        }
    }

    /// The refresh of a batch shortens deadlines.
    BatchRefreshShortens breaks R2 {
        forwards capabilities now get put expire patch delete scan put_many delete_many;
        async fn get_many(&self, keys: &[Key], mut options: GetOptions) -> Vec<Got> {
            if let Some(refresh) = &mut options.refresh { refresh.mode = RefreshMode::Reset }
            self.right.get_many(keys, options).await
        }
    }

    /// The refresh of a batch passes the cap.
    BatchRefreshPassesTheCap breaks R4 {
        forwards capabilities now get put expire patch delete scan put_many delete_many;
        async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Got> {
            let refresh = options.refresh;
            let results = self.right.get_many(keys, options).await;
            for key in keys {
                let Some(refresh) = refresh else { break };
                let to = Deadline::after(now(&self.right), refresh.ttl);
                self.right.backend().meddle(key, |stored| {
                    if let Some(stored) = stored && !stored.cap.is_never() {
                        (stored.deadline, stored.cap) = (to, stored.cap.max(to));
                    }
                });
            }
            results
        }
    }

    /// The TTL of a refresh has 32 bits of milliseconds.
    RefreshesOf32Bits breaks E2 R1 {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, mut options: GetOptions) -> Got {
            if let Some(refresh) = &mut options.refresh {
                refresh.ttl = Ttl::millis((refresh.ttl.as_millis() % (1 << 32)).max(1));
            }
            self.right.get(key, options).await
        }
    }

    /// A patch that creates treats a TTL of more than 30 days as an instant since the epoch.
    CreatesSinceTheEpoch breaks E2 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, mut options: PatchOptions) -> Patched {
            if let Some(create) = &mut options.create { create.lifespan.expiry = since_the_epoch(create.lifespan.expiry) }
            self.right.patch(key, patch, options).await
        }
    }

    /// TTLs of more than a day are truncated to whole seconds.
    LongLivesInSeconds breaks E2; also E8 E5: "the longest TTL is one" {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let day = Deadline::after(now(&self.right), Ttl::days(1));
            let outcome = self.right.put(key, value, options).await;
            if let Some(long) = deadline(&self.right, key).filter(|ends| *ends > day && !ends.is_never()) {
                let cut = long.as_epoch_millis() / 1_000 * 1_000;
                set_deadline(&self.right, key, Deadline::from_epoch_millis(cut));
            }
            outcome
        }
    }

    /// `IfLater` compares whole seconds, and accepts a deadline in the same second.
    GuardsCompareSeconds breaks X2 {
        forwards capabilities now get put patch delete scan get_many put_many delete_many;
        async fn expire(&self, key: &Key, to: ExpiryChange, mut options: ExpireOptions) -> Expired {
            if let (Guard::IfLater, ExpiryChange::Set(expiry), Some(stored)) = (options.guard, to, self.right.backend().live(key))
                && let Ok(new) = expiry.resolve(now(&self.right))
                && new != stored.deadline
                && new.as_epoch_millis() / 1_000 == stored.deadline.as_epoch_millis() / 1_000
            {
                options.guard = Guard::Always;
            }
            self.right.expire(key, to, options).await
        }
    }

    /// A slack counts in whole seconds.
    SlackInSeconds breaks R5 {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, mut options: GetOptions) -> Got {
            if let Some(refresh) = &mut options.refresh {
                refresh.slack = refresh.slack.map(|slack| slack.as_millis() / 1_000).filter(|seconds| *seconds > 0).map(Ttl::seconds);
            }
            self.right.get(key, options).await
        }
    }

    /// A patch without operations does not refresh.
    EmptyPatchesDoNothing breaks R1 P1 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, mut options: PatchOptions) -> Patched {
            if patch.operations().is_ok_and(<[_]>::is_empty) { options.refresh = None }
            self.right.patch(key, patch, options).await
        }
    }

    /// A patch that changes nothing keeps the version.
    IdlePatchesKeepTheVersion breaks H1 C2 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let before = self.right.backend().live(key);
            let outcome = self.right.patch(key, patch, options).await?;
            let (Some(before), Some(after)) = (before, self.right.backend().live(key)) else { return Ok(outcome) };
            if before.value != after.value { return Ok(outcome) }
            self.right.backend().meddle(key, |stored| {
                if let Some(stored) = stored { stored.version = before.version }
            });
            Ok(outcome.map(|mut done| { done.version = done.version.map(|_| before.version); done }))
        }
    }

    /// At most 128 equal elements are removed, but all are counted.
    RemovesAtMost128 breaks P5 P3 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let before = self.right.backend().live(key);
            let outcome = self.right.patch(key, patch, options).await?;
            let operations = patch.operations()?;
            let [operation] = operations else { return Ok(outcome) };
            if let (Change::RemoveValue(value), Some(Stored { value: Value::Record(old), .. })) = (&operation.change, before) {
                let equal = |element: &&Json| serde_json::json!(element) == serde_json::json!(value);
                let list = old.get(&operation.field).and_then(Json::as_array).cloned().unwrap_or_default();
                let left: Vec<Json> = list.iter().filter(equal).skip(128).cloned().collect();
                self.right.backend().meddle(key, |stored| {
                    if let Some(Stored { value: Value::Record(record), .. }) = stored && !left.is_empty() {
                        let _ = record.insert(operation.field.to_string(), left);
                    }
                });
            }
            Ok(outcome)
        }
    }

    /// A dropped delete leaves the key locked for deletes.
    DroppedDeletesLock breaks C4 {
        forwards capabilities now get put expire patch scan get_many put_many delete_many;
        async fn delete(&self, key: &Key, options: DeleteOptions) -> Deleted {
            if self.right.backend().memory.lock().contains_key(key) {
                return Err(Error::new(ErrorKind::Backend, "the key is locked"));
            }
            let lock = Stored::new("".into(), Deadline::NEVER, Deadline::NEVER, Version::random());
            self.right.backend().memory.lock().insert(key.clone(), lock);
            tokio::task::yield_now().await;
            let outcome = self.right.delete(key, options).await;
            self.right.backend().memory.lock().remove(key);
            outcome
        }
    }
}
