//! Animals with faults in patches.

use serde_json::{Number, Value as Json};
use ttl_core::driver::{Amount, Change};
use ttl_core::options::{Create, PatchOptions, PutOptions};
use ttl_core::{Effect, Error, ErrorKind, Key, Lifespan, Outcome, Patch, Record, Ttl, Value, Version};

use super::animal::{Patched, animals, now};
use super::den::Right;

/// Returns the record that a patch changes.
pub(crate) fn met(right: &Right, key: &Key) -> Option<Record> {
    right.backend().live(key).and_then(|stored| stored.value.into_record().ok())
}

/// Returns the same operations, some of them changed.
pub(crate) fn rewritten(patch: &Patch, rewrite: impl Fn(&str, &Change) -> Option<Change>) -> Patch {
    let Ok(operations) = patch.operations() else { return patch.clone() };
    operations.iter().fold(Patch::new(), |patch, operation| {
        let change = rewrite(&operation.field, &operation.change);
        with(patch, &operation.field, &change.unwrap_or_else(|| operation.change.clone()))
    })
}

/// Returns the patch with one more operation.
pub(crate) fn with(patch: Patch, field: &str, change: &Change) -> Patch {
    match change {
        Change::Set(value) => patch.set(field, value),
        Change::Append(element) => patch.append(field, element),
        Change::Prepend(element) => patch.prepend(field, element),
        Change::PopFront => patch.pop_front(field),
        Change::PopBack => patch.pop_back(field),
        Change::RemoveValue(element) => patch.remove_value(field, element),
        Change::Clear => patch.clear(field),
        Change::Unset => patch.unset(field),
        Change::Increment(by) => patch.increment(field, amount(by)),
        Change::IncrementWithin { by, bounds } => patch.increment_within(field, amount(by), *bounds),
    }
}

fn amount(by: &Number) -> Amount {
    by.as_i64().map_or_else(|| by.as_f64().unwrap_or_default().into(), Amount::from)
}

animals! {
    /// The operations before a failing one remain applied.
    PatchAppliesHalf breaks P1; also P3 E8: "a failed patch must change nothing" {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let before = met(&self.right, key);
            let outcome = self.right.patch(key, patch, options).await;
            if let (Err(_), Some(_), Ok([first, ..])) = (&outcome, before, patch.operations()) {
                let half = with(Patch::new(), &first.field, &first.change);
                let _ = self.right.patch(key, &half, PatchOptions::new()).await;
            }
            outcome
        }
    }

    /// The operations are applied in reverse order.
    PatchAppliesBackwards breaks P1; also P3 P5: "the order shows in pops and sums" {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let back = patch.operations()?.iter().rev().fold(Patch::new(), |patch, operation| {
                with(patch, &operation.field, &operation.change)
            });
            let outcome = self.right.patch(key, &back, options).await?;
            Ok(outcome.map(|mut done| { done.effects.reverse(); done }))
        }
    }

    /// An append to a field that is not a list replaces it by a list.
    AppendReplacesWhatIsNoList breaks P3; also P1 H5: "such a failure must undo the patch" {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let before = met(&self.right, key);
            let patch = rewritten(patch, |field, change| match (change, before.as_ref()?.get(field)?) {
                (Change::Append(_), Json::Array(_)) => None,
                (Change::Append(element), _) => Some(Change::Set(Json::Array(vec![element.clone()]))),
                _ => None,
            });
            self.right.patch(key, &patch, options).await
        }
    }

    /// An error about a field of the wrong type does not name the field.
    WrongTypesAreNotNamed breaks P3 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            self.right.patch(key, patch, options).await.map_err(|error| match error.kind() {
                kind @ ErrorKind::WrongFieldType => Error::new(kind, "a field is of another type; nothing was changed"),
                _ => error,
            })
        }
    }

    /// An increment of a field that is not a number starts at zero.
    IncrementReplacesWhatIsNoNumber breaks P3; also P1 C2 H5: "such a failure must undo the patch" {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let before = met(&self.right, key);
            let patch = rewritten(patch, |field, change| match (change, before.as_ref()?.get(field)?) {
                (_, Json::Number(_)) => None,
                (Change::Increment(by) | Change::IncrementWithin { by, .. }, _) => {
                    Some(Change::Set(Json::Number(by.clone())))
                }
                _ => None,
            });
            self.right.patch(key, &patch, options).await
        }
    }

    /// Integers are added as `f64`.
    IncrementsAsFloat breaks P3; also P1 P5 H5: "fields are changed twice in one patch" {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let before = met(&self.right, key);
            let patch = rewritten(patch, |field, change| {
                let Change::Increment(by) = change else { return None };
                let sum = before.as_ref()?.get(field)?.as_f64()? + by.as_f64()?;
                Some(Change::Set(Json::Number(Number::from_f64(sum)?)))
            });
            self.right.patch(key, &patch, options).await
        }
    }

    /// Sums beyond `i64` wrap around.
    IncrementsWrap breaks P3; also P1 P5 H5: "fields are changed twice in one patch" {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let before = met(&self.right, key);
            let patch = rewritten(patch, |field, change| {
                let Change::Increment(by) = change else { return None };
                let sum = before.as_ref()?.get(field)?.as_i64()?.wrapping_add(by.as_i64()?);
                Some(Change::Set(Json::from(sum)))
            });
            self.right.patch(key, &patch, options).await
        }
    }

    /// A patch creates without `create`.
    PatchCreatesUnasked breaks P2; also P1: "an empty patch creates nothing either" {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, mut options: PatchOptions) -> Patched {
            if options.if_version.is_none() {
                options.create.get_or_insert_with(|| Create::new(Ttl::hours(1)));
            }
            self.right.patch(key, patch, options).await
        }
    }

    /// A patch with invalid input on an absent key returns `Absent`.
    BadPatchesOfNothingAreAbsent breaks P2 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let nothing = options.create.is_none() && self.right.backend().peek(key).is_none();
            if nothing && !self.right.backend().is_damaged(key) { return Ok(Outcome::Absent) }
            self.right.patch(key, patch, options).await
        }
    }

    /// A patch that creates ignores the initial record.
    PatchForgetsTheInitialRecord breaks P2 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, mut options: PatchOptions) -> Patched {
            options.create = options.create.map(|create| Create::new(create.lifespan));
            self.right.patch(key, patch, options).await
        }
    }

    /// A patch with `create` of a live record starts from the initial record.
    PatchCreatesOverTheLiving breaks P2; also E8: "it writes beneath the patch before the input is checked" {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            if let (Some(create), Some(_)) = (&options.create, met(&self.right, key)) {
                self.right.backend().meddle(key, |stored| {
                    if let Some(stored) = stored {
                        stored.value = create.initial.clone().into();
                    }
                });
            }
            self.right.patch(key, patch, options).await
        }
    }

    /// A clear of a missing field leaves an empty list.
    ClearCreatesAList breaks P4 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let before = met(&self.right, key);
            let patch = rewritten(patch, |field, change| {
                let missing = before.as_ref()?.get(field).is_none();
                (missing && *change == Change::Clear).then(|| Change::Set(Json::Array(Vec::new())))
            });
            self.right.patch(key, &patch, options).await
        }
    }

    /// An append to a missing field does nothing.
    AppendNeedsAList breaks P4; also P1: "each operation is run on missing fields with odd names" {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let before = met(&self.right, key);
            let patch = rewritten(patch, |field, change| {
                let missing = before.as_ref()?.get(field).is_none();
                (missing && matches!(change, Change::Append(_))).then_some(Change::Unset)
            });
            self.right.patch(key, &patch, options).await
        }
    }

    /// A field with the value `null` counts as missing.
    NullIsMissing breaks P3 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let before = met(&self.right, key);
            let patch = rewritten(patch, |field, change| match (change, before.as_ref()?.get(field)?) {
                (Change::Append(element), Json::Null) => Some(Change::Set(Json::Array(vec![element.clone()]))),
                (Change::Increment(by), Json::Null) => Some(Change::Set(Json::Number(by.clone()))),
                _ => None,
            });
            self.right.patch(key, &patch, options).await
        }
    }

    /// Popped elements are not returned.
    PopsTellNothing breaks P5; also P1 P2: "popped elements are checked there too" {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let outcome = self.right.patch(key, patch, options).await?;
            Ok(outcome.map(|mut done| {
                for effect in &mut done.effects {
                    if matches!(effect, Effect::Popped(_)) { *effect = Effect::Popped(None) }
                }
                done
            }))
        }
    }

    /// The number of removed elements is reported as at most one.
    RemovalsAreNotCounted breaks P5 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let outcome = self.right.patch(key, patch, options).await?;
            Ok(outcome.map(|mut done| {
                for effect in &mut done.effects {
                    if let Effect::Removed(count) = effect { *count = (*count).min(1) }
                }
                done
            }))
        }
    }

    /// The outcome has all fields instead of the touched ones.
    TellsUntouchedFields breaks P5; also P1 P2 P4 P7: "touched fields are checked there too" {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let outcome = self.right.patch(key, patch, options).await?;
            let whole = met(&self.right, key);
            Ok(outcome.map(|mut done| { done.fields = whole.unwrap_or(done.fields); done }))
        }
    }

    /// A patch reads, lets others write, and overwrites their changes.
    IncrementsLoseUpdates breaks P6; also R3: "a concurrent delete is overwritten too" {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let before = self.right.backend().live(key);
            tokio::task::yield_now().await;
            if options.if_version.is_none() && before.as_ref().is_some_and(|old| old.value.clone().into_record().is_ok()) {
                self.right.backend().meddle(key, |stored| *stored = before);
            }
            self.right.patch(key, patch, options).await
        }
    }

    /// A patch ignores its version.
    PatchIgnoresTheVersion breaks C2; also C3: "such a refusal is an outcome" {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, mut options: PatchOptions) -> Patched {
            if self.right.backend().live(key).is_some() {
                options.if_version = None;
            }
            self.right.patch(key, patch, options).await
        }
    }

    /// A patch that changes the value keeps the version.
    PatchKeepsTheVersion breaks C2 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let before = self.right.backend().live(key);
            let outcome = self.right.patch(key, patch, options).await?;
            let old = before.map_or(Version::from_u128(1), |before| before.version);
            if outcome.is_applied() {
                self.right.backend().meddle(key, |stored| {
                    if let Some(stored) = stored { stored.version = old }
                });
            }
            Ok(outcome.map(|mut done| { done.version = done.version.map(|_| old); done }))
        }
    }

    /// A patch of a blob replaces it by a record.
    PatchReplacesBlobs breaks V3; also H5: "the text of this error is checked" {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let outcome = self.right.patch(key, patch, options.clone()).await;
            if matches!(&outcome, Err(error) if error.kind() == ErrorKind::WrongKind) {
                let empty = PutOptions::new(Ttl::hours(1));
                let _ = self.right.put(key, Value::Record(Record::new()), empty).await?;
                return self.right.patch(key, patch, options).await;
            }
            outcome
        }
    }

    /// A record without its last field is removed.
    EmptiedRecordsDie breaks P1; also P2 R4: "records are created empty" {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let outcome = self.right.patch(key, patch, options).await;
            if met(&self.right, key).is_some_and(|record| record.is_empty()) {
                self.right.backend().meddle(key, |stored| *stored = None);
            }
            outcome
        }
    }

    /// A patch that creates with a deadline in the past creates a persistent entry.
    ElapsedCreationLivesOn breaks E6 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, mut options: PatchOptions) -> Patched {
            if let Some(create) = &mut options.create
                && matches!(create.lifespan.expiry, ttl_core::Expiry::At(instant) if instant <= now(&self.right))
            {
                create.lifespan = Lifespan::persistent();
            }
            self.right.patch(key, patch, options).await
        }
    }

    /// A patch stores a record that is too large.
    PatchIgnoresTheSizeLimit breaks V4 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let outcome = self.right.patch(key, patch, options.clone()).await;
            if matches!(&outcome, Err(error) if error.kind() == ErrorKind::TooLarge) && patch.operations().is_ok() {
                let small = Patch::new();
                return self.right.patch(key, &small, options).await;
            }
            outcome
        }
    }

    /// The outcome always reports a creation.
    PatchSaysCreated breaks P2; also P5: "the metadata of a patch is checked" {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let outcome = self.right.patch(key, patch, options).await?;
            Ok(match outcome {
                Outcome::Applied(mut done) => { done.created = true; Outcome::Applied(done) }
                other => other,
            })
        }
    }
}
