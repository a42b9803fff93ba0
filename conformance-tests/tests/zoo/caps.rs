//! Animals with faults in caps as instants: not reported, reported wrongly, or not set.

use ttl_core::options::{GetOptions, PatchOptions, PutOptions};
use ttl_core::{Deadline, Entry, Expiry, Key, Lifespan, Patch, Ttl, Value};

use super::animal::{Got, Patched, Written, animals, now};
use super::den::Right;

/// Replaces the cap that a read reports, if it was requested.
fn report(mut got: Got, cap: impl FnOnce(&Entry, Deadline) -> Option<Deadline>) -> Got {
    if let Ok(Some(entry)) = &mut got
        && let Some(real) = entry.cap
    {
        entry.cap = cap(entry, real);
    }
    got
}

/// Limits the cap to the farthest one that is valid.
fn nearest(right: &Right, mut lifespan: Lifespan) -> Lifespan {
    let latest = Deadline::after(now(right), Ttl::MAX);
    if let Expiry::At(instant) = lifespan.cap
        && Deadline::at(instant) > latest
    {
        lifespan.cap = latest.into();
    }
    lifespan
}

/// Replaces an instant as the cap by none.
fn without_instant(mut lifespan: Lifespan) -> Lifespan {
    if matches!(lifespan.cap, Expiry::At(_)) {
        lifespan.cap = Expiry::Never;
    }
    lifespan
}

animals! {
    /// A read reports no cap although it was requested.
    ReportsNoCap breaks R10 {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            report(self.right.get(key, options).await, |_, _| None)
        }
    }

    /// A read reports the deadline as the cap.
    ReportsTheDeadlineAsTheCap breaks R10 {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            let deadline = super::animal::deadline(&self.right, key);
            report(self.right.get(key, options).await, |_, cap| deadline.filter(|_| !cap.is_never()).or(Some(cap)))
        }
    }

    /// A read without a value knows no cap, and reports that there is none.
    ForgetsTheCapWithoutAValue breaks R10 {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            report(self.right.get(key, options).await, |entry, cap| {
                Some(if entry.value.is_some() { cap } else { Deadline::NEVER })
            })
        }
    }

    /// A read that refreshes reports no cap.
    ForgetsTheCapOnARefresh breaks R10 {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            let refreshes = options.refresh.is_some();
            report(self.right.get(key, options).await, |_, cap| Some(cap).filter(|_| !refreshes))
        }
    }

    /// A read reports the cap although it was not requested.
    ReportsAnUnrequestedCap breaks R10 {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            self.right.get(key, options.with_cap()).await
        }
    }

    /// A batch does not report caps.
    ABatchReportsNoCaps breaks R10 {
        forwards capabilities now get put expire patch delete scan put_many delete_many;
        async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Got> {
            let results = self.right.get_many(keys, options).await;
            results.into_iter().map(|got| report(got, |_, _| None)).collect()
        }
    }

    /// A put ignores a cap that is an instant.
    APutIgnoresTheInstantOfACap breaks R10; also R4 E6: "the cap of a put is an instant in the past" {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, mut options: PutOptions) -> Written {
            if !matches!(options.lifespan.cap, Expiry::At(at) if Deadline::at(at) > Deadline::after(now(&self.right), Ttl::MAX)) {
                options.lifespan = without_instant(options.lifespan);
            }
            self.right.put(key, value, options).await
        }
    }

    /// A patch that creates a record ignores a cap that is an instant.
    APatchIgnoresTheInstantOfACap breaks R10; also R4 E8: "the cap is an instant in the far future" {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, mut options: PatchOptions) -> Patched {
            if let Some(create) = &mut options.create {
                create.lifespan = without_instant(create.lifespan);
            }
            self.right.patch(key, patch, options).await
        }
    }

    /// A put accepts a cap that is too far away.
    AcceptsACapTooFarAway breaks E8 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, mut options: PutOptions) -> Written {
            options.lifespan = nearest(&self.right, options.lifespan);
            self.right.put(key, value, options).await
        }
    }

    /// A put whose cap has passed is not made, so the old entry stays.
    ACapInThePastKeepsTheOldEntry breaks E6 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            if matches!(options.lifespan.cap, Expiry::At(at) if at <= now(&self.right)) {
                return Ok(ttl_core::Outcome::Applied(ttl_core::results::PutResult::new(false)));
            }
            self.right.put(key, value, options).await
        }
    }
}
