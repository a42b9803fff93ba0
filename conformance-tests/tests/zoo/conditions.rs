//! Animals with faults in conditions.

use ttl_core::options::{Condition, DeleteOptions, Projection, PutItem, PutOptions};
use ttl_core::{Entry, Error, ErrorKind, Key, Outcome, Value, Version};

use super::animal::{Deleted, Written, animals};

animals! {
    /// `IfAbsent` checks first and writes later, so several puts win.
    TwoWinnersOfIfAbsent breaks C1; also E8 V4: "invalid input is checked before the condition" {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            if options.condition != Condition::IfAbsent {
                return self.right.put(key, value, options).await;
            }
            if self.right.backend().live(key).is_some() { return Ok(Outcome::Refused(None)) }
            tokio::task::yield_now().await;
            let outcome = self.right.put(key, value, options.with_condition(Condition::Always)).await?;
            Ok(outcome.map(|mut meta| { meta.created = true; meta }))
        }
    }

    /// `IfAbsent` in a batch checks first and writes later.
    TwoWinnersInBatches breaks C1 {
        forwards capabilities now get put expire patch delete scan get_many delete_many;
        async fn put_many(&self, items: Vec<PutItem>) -> Vec<Written> {
            let mut results = Vec::new();
            for PutItem { key, value, options, .. } in items {
                let looks = options.condition == Condition::IfAbsent;
                if !looks || self.right.backend().live(&key).is_some() {
                    results.push(self.right.put(&key, value, options).await);
                    continue;
                }
                tokio::task::yield_now().await;
                results.push(self.right.put(&key, value, options.with_condition(Condition::Always)).await);
            }
            results
        }
    }

    /// `IfVersion` checks first and writes later, so several puts win.
    TwoWinnersOfIfVersion breaks C2; also V4: "the size is checked before the condition" {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let Condition::IfVersion(version) = options.condition else {
                return self.right.put(key, value, options).await;
            };
            match self.right.backend().live(key) {
                None => return Ok(Outcome::Absent),
                Some(stored) if stored.version != version => return Ok(Outcome::Refused(None)),
                Some(_) => {}
            }
            tokio::task::yield_now().await;
            self.right.put(key, value, options.with_condition(Condition::IfPresent)).await
        }
    }

    /// `IfVersion` is ignored.
    IgnoresTheVersion breaks C2; also R1 E6: "a refused put must change nothing" {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let versioned = matches!(options.condition, Condition::IfVersion(_));
            let options = if versioned { options.with_condition(Condition::IfPresent) } else { options };
            self.right.put(key, value, options).await
        }
    }

    /// `IfAbsent` overwrites.
    IfAbsentOverwrites breaks C1; also C2 C3: "a lock is taken by it; a refusal is an outcome" {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let absent = options.condition == Condition::IfAbsent;
            let options = if absent { options.with_condition(Condition::Always) } else { options };
            self.right.put(key, value, options).await
        }
    }

    /// `IfPresent` creates.
    IfPresentCreates breaks C3; also E9 R3: "ghosts are not present" {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let present = options.condition == Condition::IfPresent;
            let options = if present { options.with_condition(Condition::Always) } else { options };
            self.right.put(key, value, options).await
        }
    }

    /// `IfVersion` on an absent key returns `Refused` instead of `Absent`.
    VersionOfNothingIsRefused breaks C3; also C2: "a version outlives its entry" {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let versioned = matches!(options.condition, Condition::IfVersion(_));
            match self.right.put(key, value, options).await? {
                Outcome::Absent if versioned => Ok(Outcome::Refused(None)),
                other => Ok(other),
            }
        }
    }

    /// A refusal is an error.
    RefusalsAreErrors breaks C3; also C1 C2: "every refusal is an error then" {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            match self.right.put(key, value, options).await? {
                Outcome::Refused(_) => Err(Error::new(ErrorKind::Backend, "the condition does not hold")),
                other => Ok(other),
            }
        }
    }

    /// A refused put returns `Absent`.
    AbsentInsteadOfRefused breaks C3; also C1 C2: "every refusal is then wrong" {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            match self.right.put(key, value, options).await? {
                Outcome::Refused(_) => Ok(Outcome::Absent),
                other => Ok(other),
            }
        }
    }

    /// A refused put writes the value.
    RefusedPutsWrite breaks C3; also C1 C2: "losers write" {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let outcome = self.right.put(key, value.clone(), options).await?;
            if outcome.is_refused() {
                self.right.backend().meddle(key, |stored| {
                    if let Some(stored) = stored { stored.value = value }
                });
            }
            Ok(outcome)
        }
    }

    /// A put that changes the value keeps the version.
    PutKeepsTheVersion breaks C2; also X8 R6 C5: "a lost lease or race is detected by the version" {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let before = self.right.backend().live(key);
            let outcome = self.right.put(key, value, options).await?;
            let (true, Some(before)) = (outcome.is_applied(), before) else { return Ok(outcome) };
            self.right.backend().meddle(key, |stored| {
                if let Some(stored) = stored { stored.version = before.version }
            });
            Ok(outcome.map(|mut meta| { meta.version = meta.version.map(|_| before.version); meta }))
        }
    }

    /// Versions depend on the value only, although they are declared unique.
    VersionsRecur breaks H1 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let Value::Blob(bytes) = value.clone() else { return self.right.put(key, value, options).await };
            let sum = bytes.iter().fold(7_u128, |sum, byte| sum.wrapping_mul(0x0100_0000_01b3) ^ u128::from(*byte));
            let outcome = self.right.put(key, value, options).await?;
            if !outcome.is_applied() { return Ok(outcome) }
            self.right.backend().meddle(key, |stored| {
                if let Some(stored) = stored { stored.version = Version::from_u128(sum) }
            });
            Ok(outcome.map(|mut meta| { meta.version = meta.version.map(|_| Version::from_u128(sum)); meta }))
        }
    }

    /// A put reports a version that differs from that of reads.
    PutTellsAnotherVersion breaks C2; also X8 B1 E6 H1: "reported versions are used as conditions" {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let outcome = self.right.put(key, value, options).await?;
            Ok(outcome.map(|mut meta| { meta.version = meta.version.map(|_| Version::random()); meta }))
        }
    }

    /// A take checks first and deletes later, so several callers get the value.
    TakeHandsOutTwice breaks C1 {
        forwards capabilities now get put expire patch scan get_many put_many delete_many;
        async fn delete(&self, key: &Key, options: DeleteOptions) -> Deleted {
            let seen = self.right.backend().live(key);
            let take = options == DeleteOptions::take();
            if !take { return self.right.delete(key, options).await }
            let Some(seen) = seen else { return self.right.delete(key, options).await };
            tokio::task::yield_now().await;
            let _ = self.right.delete(key, DeleteOptions::new()).await?;
            Ok(Outcome::Applied(Some(Entry::new(seen.value))))
        }
    }

    /// A take empties the entry before it deletes it.
    TakeLandsInTwoSteps breaks C4 {
        forwards capabilities now get put expire patch scan get_many put_many delete_many;
        async fn delete(&self, key: &Key, options: DeleteOptions) -> Deleted {
            let live = self.right.backend().live(key);
            if options != DeleteOptions::take() || live.is_none() { return self.right.delete(key, options).await }
            let outcome = self.right.delete(key, options).await;
            let empty = live.map(|stored| { let mut empty = stored; empty.value = Value::from(""); empty });
            self.right.backend().meddle(key, |stored| *stored = empty);
            tokio::task::yield_now().await;
            self.right.backend().meddle(key, |stored| *stored = None);
            outcome
        }
    }

    /// A delete ignores its version.
    DeleteIgnoresTheVersion breaks C2; also C3: "such a refusal is an outcome" {
        forwards capabilities now get put expire patch scan get_many put_many delete_many;
        async fn delete(&self, key: &Key, mut options: DeleteOptions) -> Deleted {
            options.if_version = None;
            self.right.delete(key, options).await
        }
    }

    /// A delete of an absent key returns `Applied`.
    DeleteAlwaysApplies breaks E3; also C2: "a delete with a version of an absent key is absent" {
        forwards capabilities now get put expire patch scan get_many put_many delete_many;
        async fn delete(&self, key: &Key, options: DeleteOptions) -> Deleted {
            match self.right.delete(key, options).await? {
                Outcome::Absent => Ok(Outcome::Applied(None)),
                other => Ok(other),
            }
        }
    }

    /// A delete without a projection returns the entry.
    DeleteHandsOut breaks E3 {
        forwards capabilities now get put expire patch scan get_many put_many delete_many;
        async fn delete(&self, key: &Key, options: DeleteOptions) -> Deleted {
            let quiet = options.projection == Projection::Nothing;
            let outcome = self.right.delete(key, options).await?;
            Ok(outcome.map(|taken| taken.or_else(|| quiet.then(|| Entry::new(Value::from(""))))))
        }
    }

    /// A take returns no value.
    TakeHandsOutNothing breaks C1; also C2 R4 V3 E7 V6: "taken values are checked" {
        forwards capabilities now get put expire patch scan get_many put_many delete_many;
        async fn delete(&self, key: &Key, options: DeleteOptions) -> Deleted {
            self.right.delete(key, options.with_projection(Projection::Nothing)).await
        }
    }

    /// A delete does nothing.
    DeleteDoesNothing breaks E3; also any: "cases clean up and start again with a delete" {
        forwards capabilities now get put expire patch scan get_many put_many delete_many;
        async fn delete(&self, key: &Key, options: DeleteOptions) -> Deleted {
            let before = self.right.backend().live(key);
            let outcome = self.right.delete(key, options).await;
            if matches!(outcome, Ok(Outcome::Applied(_))) {
                self.right.backend().meddle(key, |stored| *stored = before);
            }
            outcome
        }
    }
}
