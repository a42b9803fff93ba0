//! Animals with faults in changes of the deadline.

use ttl_core::options::{ExpireOptions, ExpiryChange, Guard};
use ttl_core::results::ExpireResult;
use ttl_core::{Deadline, ErrorKind, Expiry, Key, Outcome, Ttl, Version};

use super::animal::{Expired, animals, deadline, now, set_deadline};

animals! {
    /// `IfLater` and `IfSooner` are swapped.
    GuardsAreInverted breaks X2 {
        forwards capabilities now get put patch delete scan get_many put_many delete_many;
        async fn expire(&self, key: &Key, to: ExpiryChange, mut options: ExpireOptions) -> Expired {
            options.guard = match options.guard {
                Guard::IfLater => Guard::IfSooner,
                Guard::IfSooner => Guard::IfLater,
                other => other,
            };
            self.right.expire(key, to, options).await
        }
    }

    /// Guards are ignored.
    GuardsAreIgnored breaks X2 {
        forwards capabilities now get put patch delete scan get_many put_many delete_many;
        async fn expire(&self, key: &Key, to: ExpiryChange, options: ExpireOptions) -> Expired {
            self.right.expire(key, to, options.with_guard(Guard::Always)).await
        }
    }

    /// A persistent entry counts as the earliest instead of the latest.
    PersistentCountsAsShort breaks X2 {
        forwards capabilities now get put patch delete scan get_many put_many delete_many;
        async fn expire(&self, key: &Key, to: ExpiryChange, mut options: ExpireOptions) -> Expired {
            if deadline(&self.right, key).is_some_and(Deadline::is_never) {
                options.guard = match options.guard {
                    Guard::IfLater => Guard::Always,
                    Guard::IfSooner => Guard::IfExpiring,
                    other => other,
                };
            }
            self.right.expire(key, to, options).await
        }
    }

    /// A guard that does not hold is a refusal.
    GuardsRefuse breaks X2; also X6: "a guard meets the cap" {
        forwards capabilities now get put patch delete scan get_many put_many delete_many;
        async fn expire(&self, key: &Key, to: ExpiryChange, options: ExpireOptions) -> Expired {
            let guarded = options.guard != Guard::Always;
            let outcome = self.right.expire(key, to, options).await?;
            let refused = guarded && matches!(outcome, Outcome::Applied(done) if !done.changed);
            Ok(if refused { Outcome::Refused(None) } else { outcome })
        }
    }

    /// An extension counts from the present instead of the deadline.
    ExtendsFromNow breaks X1; also X2 X6 K1 K2 V3 E8: "entries are extended in passing" {
        forwards capabilities now get put patch delete scan get_many put_many delete_many;
        async fn expire(&self, key: &Key, mut to: ExpiryChange, options: ExpireOptions) -> Expired {
            if let ExpiryChange::Extend(by) = to
                && deadline(&self.right, key).is_some_and(|deadline| !deadline.is_never())
            {
                to = ExpiryChange::Set(Expiry::After(by));
            }
            self.right.expire(key, to, options).await
        }
    }

    /// A persist does nothing.
    PersistsNothing breaks X1; also X2 X6 R4: "caps and guards are checked with persistent entries" {
        forwards capabilities now get put patch delete scan get_many put_many delete_many;
        async fn expire(&self, key: &Key, to: ExpiryChange, options: ExpireOptions) -> Expired {
            let to = if to == ExpiryChange::Set(Expiry::Never) { ExpiryChange::Extend(Ttl::MIN) } else { to };
            self.right.expire(key, to, options).await
        }
    }

    /// An instant in the past is ignored instead of ending the entry.
    PastInstantsAreIgnored breaks E6 {
        forwards capabilities now get put patch delete scan get_many put_many delete_many;
        async fn expire(&self, key: &Key, mut to: ExpiryChange, options: ExpireOptions) -> Expired {
            if matches!(to, ExpiryChange::Set(Expiry::At(instant)) if instant <= now(&self.right)) {
                to = ExpiryChange::Extend(Ttl::millis(1));
            }
            self.right.expire(key, to, options).await
        }
    }

    /// An extension of a persistent entry gives it a deadline.
    ExtendingEndsPersistence breaks X3 {
        forwards capabilities now get put patch delete scan get_many put_many delete_many;
        async fn expire(&self, key: &Key, mut to: ExpiryChange, options: ExpireOptions) -> Expired {
            if let ExpiryChange::Extend(by) = to
                && deadline(&self.right, key).is_some_and(Deadline::is_never)
            {
                to = ExpiryChange::Set(Expiry::After(by));
            }
            self.right.expire(key, to, options).await
        }
    }

    /// A change of the deadline changes the version.
    ExtendingMakesAVersion breaks X5; also X8 H1: "a lease is renewed twice" {
        forwards capabilities now get put patch delete scan get_many put_many delete_many;
        async fn expire(&self, key: &Key, to: ExpiryChange, options: ExpireOptions) -> Expired {
            let outcome = self.right.expire(key, to, options).await;
            if matches!(outcome, Ok(Outcome::Applied(done)) if done.changed) {
                self.right.backend().meddle(key, |stored| {
                    if let Some(stored) = stored {
                        stored.version = Version::random();
                    }
                });
            }
            outcome
        }
    }

    /// An extension passes the cap.
    ExtendingPassesTheCap breaks X6; also R4: "the cap is checked by extensions" {
        forwards capabilities now get put patch delete scan get_many put_many delete_many;
        async fn expire(&self, key: &Key, to: ExpiryChange, options: ExpireOptions) -> Expired {
            self.right.backend().meddle(key, |stored| {
                if let Some(stored) = stored {
                    stored.cap = Deadline::NEVER;
                }
            });
            self.right.expire(key, to, options).await
        }
    }

    /// The outcome always reports a changed deadline.
    AlwaysReportsAChange breaks X7; also X2 X3: "the outcome reports the change" {
        forwards capabilities now get put patch delete scan get_many put_many delete_many;
        async fn expire(&self, key: &Key, to: ExpiryChange, options: ExpireOptions) -> Expired {
            let outcome = self.right.expire(key, to, options).await?;
            Ok(outcome.map(|done| ExpireResult::new(done.deadline, true)))
        }
    }

    /// The outcome reports the deadline before the change.
    ReportsTheOldDeadline breaks X7; also X1 X2 X6 X8 E7 E8 R2 R4: "cases rely on the reported deadline"
    {
        forwards capabilities now get put patch delete scan get_many put_many delete_many;
        async fn expire(&self, key: &Key, to: ExpiryChange, options: ExpireOptions) -> Expired {
            let before = deadline(&self.right, key);
            let outcome = self.right.expire(key, to, options).await?;
            Ok(outcome.map(|done| ExpireResult::new(before.unwrap_or(done.deadline), done.changed)))
        }
    }

    /// A renewal ignores its version.
    RenewsWhateverTheVersion breaks X8 {
        forwards capabilities now get put patch delete scan get_many put_many delete_many;
        async fn expire(&self, key: &Key, to: ExpiryChange, mut options: ExpireOptions) -> Expired {
            options.if_version = None;
            self.right.expire(key, to, options).await
        }
    }

    /// An expiry too far in the future is reduced to the maximum.
    ClampsTheFarExtension breaks E8 {
        forwards capabilities now get put patch delete scan get_many put_many delete_many;
        async fn expire(&self, key: &Key, to: ExpiryChange, options: ExpireOptions) -> Expired {
            let outcome = self.right.expire(key, to, options.clone()).await;
            if matches!(&outcome, Err(error) if error.kind() == ErrorKind::InvalidExpiry) {
                return self.right.expire(key, ExpiryChange::Set(Expiry::After(Ttl::MAX)), options).await;
            }
            outcome
        }
    }

    /// A change of the deadline removes the old one before it sets the new one.
    ExpireLandsInTwoSteps breaks C4 {
        forwards capabilities now get put patch delete scan get_many put_many delete_many;
        async fn expire(&self, key: &Key, to: ExpiryChange, options: ExpireOptions) -> Expired {
            let outcome = self.right.expire(key, to, options).await;
            if let Some(deadline) = deadline(&self.right, key) {
                set_deadline(&self.right, key, Deadline::NEVER);
                tokio::task::yield_now().await;
                set_deadline(&self.right, key, deadline);
            }
            outcome
        }
    }

    /// An extension adds twice the requested time.
    ExtendsTwice breaks X1; also X2 E8: "entries are extended in passing" {
        forwards capabilities now get put patch delete scan get_many put_many delete_many;
        async fn expire(&self, key: &Key, to: ExpiryChange, options: ExpireOptions) -> Expired {
            let outcome = self.right.expire(key, to, options).await;
            if let (ExpiryChange::Extend(by), Ok(Outcome::Applied(done))) = (to, &outcome)
                && done.changed
            {
                set_deadline(&self.right, key, done.deadline.plus(by));
            }
            outcome
        }
    }
}
