//! Animals whose entries expire at the wrong time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ttl_core::options::{
    DeleteOptions, ExistingDeadline, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutOptions,
};
use ttl_core::{Deadline, Entry, Expiry, Key, Lifespan, Outcome, Patch, Ttl, Value};

use super::animal::{
    Deleted, Expired, Got, Patched, Written, animals, deadline, is_ghost, now, remember_deleted, set_deadline,
};

/// Returns whether an instant is not a whole millisecond.
fn within_a_millisecond(instant: SystemTime) -> bool {
    !instant.duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos().is_multiple_of(1_000_000)
}

animals! {
    /// An entry expires one millisecond before its deadline.
    EarlyByAMillisecond breaks E2; also E1 E7: "entries are watched until they end" {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            let left = deadline(&self.right, key).and_then(|deadline| deadline.remaining(now(&self.right)));
            if left.is_some_and(|left| left <= Duration::from_millis(1)) { return Ok(None) }
            self.right.get(key, options).await
        }
    }

    /// Reads return an entry for a second after its deadline.
    LateByASecond breaks E1 E3; also E2 E7 E8 P2 R1 R3: "ghosts are read" {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            let over = deadline(&self.right, key).and_then(Deadline::to_system_time);
            let over = over.and_then(|over| now(&self.right).duration_since(over).ok());
            if over.is_some_and(|over| over < Duration::from_secs(1)) {
                return Ok(self.right.backend().peek(key).map(|stored| Entry::new(stored.value)));
            }
            self.right.get(key, options).await
        }
    }

    /// The fractional second of a longer TTL is truncated.
    LosesTheFractionalSecond breaks E2; also R5: "slacks are exact to the millisecond" {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, mut options: PutOptions) -> Written {
            if let Expiry::After(ttl) = options.lifespan.expiry
                && ttl > Ttl::seconds(1)
            {
                options.lifespan.expiry = Expiry::After(Ttl::seconds(ttl.as_millis() / 1_000));
            }
            self.right.put(key, value, options).await
        }
    }

    /// Instants are rounded down to the millisecond.
    RoundsInstantsDown breaks E2 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, mut options: PutOptions) -> Written {
            if let Expiry::At(instant) = options.lifespan.expiry
                && within_a_millisecond(instant)
            {
                options.lifespan.expiry = Expiry::At(instant - Duration::from_millis(1));
            }
            self.right.put(key, value, options).await
        }
    }

    /// A TTL counts from the start of the current millisecond.
    RoundsDown breaks E2 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let outcome = self.right.put(key, value, options).await;
            if within_a_millisecond(now(&self.right))
                && let Some(deadline) = deadline(&self.right, key).filter(|deadline| !deadline.is_never())
            {
                set_deadline(&self.right, key, Deadline::from_epoch_millis(deadline.as_epoch_millis() - 1));
            }
            outcome
        }
    }

    /// A put without an expiry keeps the stored deadline.
    NeverKeepsTheOldDeadline breaks E5; also E2 R4 X1 X2: "entries are made persistent by a put" {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let never = options.lifespan.expiry == Expiry::Never && options.existing_deadline == ExistingDeadline::Replace;
            let options = if never { options.with_existing_deadline(ExistingDeadline::Keep) } else { options };
            self.right.put(key, value, options).await
        }
    }

    /// A put with `Keep` replaces the deadline.
    KeepReplaces breaks E5; also C2 R8: "repeated puts keep the deadline there" {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let keeps = options.existing_deadline == ExistingDeadline::Keep;
            let options = if keeps { options.with_existing_deadline(ExistingDeadline::Replace) } else { options };
            self.right.put(key, value, options).await
        }
    }

    /// A put with `Keep` creates entries without an expiry.
    KeepCreatesImmortals breaks E5; also E6 R7: "`Keep` creates there" {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, mut options: PutOptions) -> Written {
            if options.existing_deadline == ExistingDeadline::Keep && self.right.backend().live(key).is_none() {
                options.lifespan.expiry = Expiry::Never;
            }
            self.right.put(key, value, options).await
        }
    }

    /// A put whose deadline has passed does nothing, so the old value remains.
    ElapsedPutKeepsTheOldValue breaks E6 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let old = self.right.backend().live(key);
            let outcome = self.right.put(key, value, options).await;
            if matches!(outcome, Ok(Outcome::Applied(_))) && self.right.backend().peek(key).is_none() {
                self.right.backend().meddle(key, |stored| *stored = old);
            }
            outcome
        }
    }

    /// An instant in the past counts as no expiry.
    PastIsNever breaks E6 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, mut options: PutOptions) -> Written {
            if matches!(options.lifespan.expiry, Expiry::At(instant) if instant <= now(&self.right)) {
                options.lifespan.expiry = Expiry::Never;
            }
            self.right.put(key, value, options).await
        }
    }

    /// An expiry too far in the future is reduced to the maximum.
    ClampsTheFarFuture breaks E8; also H5: "the text of this error is checked" {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, mut options: PutOptions) -> Written {
            if let Expiry::At(instant) = options.lifespan.expiry {
                let latest = now(&self.right) + Ttl::MAX.as_duration();
                options.lifespan.expiry = Expiry::At(instant.min(latest));
            }
            self.right.put(key, value, options).await
        }
    }

    /// Deadlines are stored in 32 bits of seconds and overflow in the year 2038.
    EndsIn2038 breaks E8 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let outcome = self.right.put(key, value, options).await;
            if let Some(deadline) = deadline(&self.right, key).filter(|deadline| !deadline.is_never()) {
                let wrapped = deadline.as_epoch_millis() % ((1 << 31) * 1_000);
                set_deadline(&self.right, key, Deadline::from_epoch_millis(wrapped));
            }
            outcome
        }
    }

    /// A put after a delete gets the deleted entry's deadline.
    InheritsTheDeadlineAfterDelete breaks E9 {
        forwards capabilities now get expire patch scan get_many put_many delete_many;
        async fn delete(&self, key: &Key, options: DeleteOptions) -> Deleted {
            remember_deleted(&self.right, key, options).await
        }
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let outcome = self.right.put(key, value, options).await;
            if let Some(old) = self.right.backend().memory.lock().remove(key) {
                set_deadline(&self.right, key, old.deadline);
            }
            outcome
        }
    }

    /// A put after a delete gets the deleted entry's cap.
    InheritsTheCapAfterDelete breaks E9 {
        forwards capabilities now get expire patch scan get_many put_many delete_many;
        async fn delete(&self, key: &Key, options: DeleteOptions) -> Deleted {
            remember_deleted(&self.right, key, options).await
        }
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let outcome = self.right.put(key, value, options).await;
            if let Some(old) = self.right.backend().memory.lock().remove(key) {
                self.right.backend().meddle(key, |stored| {
                    if let Some(stored) = stored {
                        stored.cap = old.cap;
                    }
                });
            }
            outcome
        }
    }

    /// A put over a ghost gets the ghost's cap.
    InheritsTheCapOfGhosts breaks E3; also R4 V6: "a cap passes before a put" {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let ghost = self.right.backend().peek(key).filter(|_| is_ghost(&self.right, key));
            let outcome = self.right.put(key, value, options).await;
            self.right.backend().meddle(key, |stored| {
                if let (Some(stored), Some(ghost)) = (stored, ghost.filter(|ghost| !ghost.cap.is_never())) {
                    stored.cap = ghost.cap;
                }
            });
            outcome
        }
    }

    /// Fields that were written before an extension expire at the old deadline.
    DiesInParts breaks E7 {
        forwards capabilities now put patch delete scan get_many put_many delete_many;
        async fn expire(&self, key: &Key, to: ExpiryChange, options: ExpireOptions) -> Expired {
            if let Some(old) = self.right.backend().live(key) {
                self.right.backend().memory.lock().entry(key.clone()).or_insert(old);
            }
            self.right.expire(key, to, options).await
        }
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            let kept = self.right.backend().memory.lock().get(key).cloned();
            let half = kept.is_some_and(|kept| kept.deadline.is_expired(now(&self.right)));
            let mut entry = self.right.get(key, options).await?;
            if let Some(Value::Record(record)) = entry.as_mut().and_then(|entry| entry.value.as_mut()).filter(|_| half) {
                *record = ttl_core::Record::new();
            }
            Ok(entry)
        }
    }

    /// A put writes the value first and its deadline later.
    LandsInTwoSteps breaks C4 E4 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let outcome = self.right.put(key, value, options).await;
            if let Some(deadline) = deadline(&self.right, key) {
                set_deadline(&self.right, key, Deadline::NEVER);
                tokio::task::yield_now().await;
                set_deadline(&self.right, key, deadline);
            }
            outcome
        }
    }

    /// A patch that creates ignores its lifespan.
    PatchCreatesImmortals breaks P2; also E4 E2 R1 R4 R10 E8: "a created record has its deadline and its cap at once" {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, mut options: PatchOptions) -> Patched {
            if let Some(create) = &mut options.create {
                create.lifespan = Lifespan::persistent();
            }
            self.right.patch(key, patch, options).await
        }
    }

    /// A patch of a live entry removes its deadline.
    PatchForgetsTheDeadline breaks R1 P1; also R2 R4 R5 P2 E7: "patched records are watched" {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let lived = self.right.backend().live(key).is_some();
            let outcome = self.right.patch(key, patch, options).await;
            if lived && matches!(outcome, Ok(Outcome::Applied(_))) {
                set_deadline(&self.right, key, Deadline::NEVER);
            }
            outcome
        }
    }
}
