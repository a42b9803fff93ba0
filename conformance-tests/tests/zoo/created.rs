//! Animals with faults in the creation time: wrong, missing, or not requested.

use std::time::{Duration, SystemTime};

use ttl_core::driver::Now;
use ttl_core::options::{
    ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutItem, PutOptions, Returning, ScanOptions,
};
use ttl_core::results::PutResult;
use ttl_core::{Capabilities, Entry, Key, Outcome, Page, Patch, Value};

use super::animal::{Expired, Got, Patched, Written, animals, is_ghost, now};
use super::den::Right;

fn set_created_at(right: &Right, key: &Key, created_at: Option<SystemTime>) {
    right.backend().meddle(key, |stored| {
        if let Some(stored) = stored {
            stored.created_at = created_at;
        }
    });
}

/// Returns the creation time of a live entry.
fn created_at(right: &Right, key: &Key) -> Option<SystemTime> {
    right.backend().live(key).and_then(|stored| stored.created_at)
}

fn present(right: &Right) -> SystemTime {
    Now::from(now(right)).whole_millisecond()
}

fn unasked(mut entry: Entry) -> Entry {
    entry.created_at = entry.created_at.or(Some(SystemTime::UNIX_EPOCH));
    entry
}

/// Restores the creation time from before a put over a live entry.
fn keep(
    right: &Right,
    key: &Key,
    before: Option<SystemTime>,
    outcome: Outcome<PutResult>,
) -> Outcome<PutResult> {
    let (Some(before), true) = (before, outcome.is_applied()) else { return outcome };
    set_created_at(right, key, Some(before));
    outcome.map(|meta| {
        let told = meta.created_at.map(|_| before);
        meta.with_created_at(told)
    })
}

animals! {
    /// A put over a live entry keeps the creation time.
    OverwritingKeepsTheCreation breaks V7 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let before = created_at(&self.right, key);
            let outcome = self.right.put(key, value, options).await?;
            Ok(keep(&self.right, key, before, outcome))
        }
    }

    /// A put with `Keep` keeps the creation time too.
    KeepKeepsTheCreation breaks V7 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let keeps = options.existing_deadline == ttl_core::options::ExistingDeadline::Keep;
            let before = created_at(&self.right, key).filter(|_| keeps);
            let outcome = self.right.put(key, value, options).await?;
            Ok(keep(&self.right, key, before, outcome))
        }
    }

    /// A batch of puts keeps the creation times.
    BatchesKeepTheCreation breaks V7 B1 {
        forwards capabilities now get put expire patch delete scan get_many delete_many;
        async fn put_many(&self, items: Vec<PutItem>) -> Vec<Written> {
            let before: Vec<_> = items.iter().map(|item| created_at(&self.right, &item.key)).collect();
            let keys: Vec<_> = items.iter().map(|item| item.key.clone()).collect();
            let outcomes = self.right.put_many(items).await;
            let outcomes = outcomes.into_iter().zip(keys.iter().zip(before));
            outcomes.map(|(outcome, (key, before))| Ok(keep(&self.right, key, before, outcome?))).collect()
        }
    }

    /// A put reports a creation time that is not a whole millisecond.
    TellsNanoseconds breaks V7 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let outcome = self.right.put(key, value, options).await?;
            let at = present(&self.right) + Duration::from_nanos(1);
            set_created_at(&self.right, key, Some(at));
            Ok(outcome.map(|meta| {
                let told = meta.created_at.map(|_| at);
                meta.with_created_at(told)
            }))
        }
    }

    /// A patch of a live record changes its creation time to the present.
    PatchesStartTheCreation breaks V7 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let outcome = self.right.patch(key, patch, options).await?;
            if outcome.is_applied() {
                set_created_at(&self.right, key, Some(present(&self.right)));
            }
            Ok(outcome)
        }
    }

    /// A patch that bounds refuse reports the present time.
    RefusedPatchesTellThePresent breaks V7 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            Ok(match self.right.patch(key, patch, options).await? {
                Outcome::Refused(Some(mut there)) => {
                    there.created_at = there.created_at.map(|_| present(&self.right));
                    Outcome::Refused(Some(there))
                }
                other => other,
            })
        }
    }

    /// A record that a patch creates has the Unix epoch as its creation time.
    PatchesCreateInThePast breaks V7 P2 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let mut outcome = self.right.patch(key, patch, options).await?;
            if let Outcome::Applied(done) = &mut outcome
                && done.created
                && done.created_at.is_some()
            {
                done.created_at = Some(SystemTime::UNIX_EPOCH);
                set_created_at(&self.right, key, Some(SystemTime::UNIX_EPOCH));
            }
            Ok(outcome)
        }
    }

    /// An expire changes the creation time to the present.
    ExpireStartsTheCreation breaks V7 X5 {
        forwards capabilities now get put patch delete scan get_many put_many delete_many;
        async fn expire(&self, key: &Key, change: ExpiryChange, options: ExpireOptions) -> Expired {
            let outcome = self.right.expire(key, change, options).await?;
            if outcome.applied().is_some_and(|done| done.changed) {
                set_created_at(&self.right, key, Some(present(&self.right)));
            }
            Ok(outcome)
        }
    }

    /// The refresh of a read changes the creation time to the present.
    RefreshesStartTheCreation breaks V7 R1 {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            let refreshes = options.refresh.is_some();
            let entry = self.right.get(key, options).await?;
            if refreshes && entry.is_some() {
                set_created_at(&self.right, key, Some(present(&self.right)));
            }
            Ok(entry)
        }
    }

    /// A put over a ghost keeps the ghost's creation time.
    GhostsLeaveTheirCreation breaks V7 E3 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let ghost = is_ghost(&self.right, key);
            let before = self.right.backend().peek(key).filter(|_| ghost).map(|stored| stored.created_at);
            let outcome = self.right.put(key, value, options).await?;
            if let Some(before) = before {
                set_created_at(&self.right, key, before.or(Some(SystemTime::UNIX_EPOCH)));
            }
            Ok(outcome)
        }
    }

    /// A refused put reports the present as the creation time of the stored entry.
    RefusedPutsTellThePresent breaks V7 C5 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            Ok(match self.right.put(key, value, options).await? {
                Outcome::Refused(Some(mut meta)) => {
                    meta.created_at = meta.created_at.map(|_| present(&self.right));
                    Outcome::Refused(Some(meta))
                }
                other => other,
            })
        }
    }

    /// A put of an expired entry reports a creation time.
    TellsTheCreationOfNothing breaks V7 E6 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let wanted = options.returning.contains(Returning::CREATED_AT);
            let outcome = self.right.put(key, value, options).await?;
            Ok(outcome.map(|meta| {
                let told = meta.created_at.or_else(|| wanted.then(|| present(&self.right)));
                meta.with_created_at(told)
            }))
        }
    }

    /// A batch of gets reports no creation time.
    GetManyTellsNoCreation breaks V7 {
        forwards capabilities now get put expire patch delete scan put_many delete_many;
        async fn get_many(&self, keys: &[Key], mut options: GetOptions) -> Vec<Got> {
            options.returning -= Returning::CREATED_AT;
            self.right.get_many(keys, options).await
        }
    }

    /// A scan reports no creation time.
    ScansTellNoCreation breaks V7 S1 {
        forwards capabilities now get put expire patch delete get_many put_many delete_many;
        async fn scan(&self, mut options: ScanOptions) -> ttl_core::Result<Page> {
            options.returning -= Returning::CREATED_AT;
            self.right.scan(options).await
        }
    }

    /// A get reports a creation time, whether or not it is requested.
    TellsTheCreationUnasked breaks V7 {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            Ok(self.right.get(key, options).await?.map(unasked))
        }
    }

    /// The capabilities deny the creation time, but it is reported.
    DeniesTheCreationAndTellsIt breaks V7 H1 {
        forwards now get put expire patch delete scan get_many put_many delete_many;
        fn capabilities(&self) -> Capabilities {
            self.right.capabilities().with_created_at(false)
        }
    }
}
