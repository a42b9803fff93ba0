//! Animals with faults in the bounds of increments.

use serde_json::{Number, Value as Json};
use tokio::task::yield_now;
use ttl_core::driver::Change;
use ttl_core::options::{PatchOptions, PutOptions, Returning};
use ttl_core::results::{PatchResult, PutResult};
use ttl_core::{Bounds, Deadline, ErrorKind, Key, Outcome, Patch, Record, rules};

use super::animal::{Patched, animals, now};
use super::patch::{met, rewritten, with};

/// Returns the patch without its bounds.
fn unbounded(patch: &Patch) -> Patch {
    rewritten(patch, |_, change| match change {
        Change::IncrementWithin { by, .. } => Some(Change::Increment(by.clone())),
        _ => None,
    })
}

/// Returns only the operations with bounds, or only those without.
fn only(patch: &Patch, bounded: bool) -> Patch {
    let Ok(operations) = patch.operations() else { return patch.clone() };
    let chosen = operations
        .iter()
        .filter(|operation| matches!(operation.change, Change::IncrementWithin { .. }) == bounded);
    chosen.fold(Patch::new(), |patch, operation| with(patch, &operation.field, &operation.change))
}

/// Returns the value of a field and the amount, as floats; a missing field is zero.
fn parts(record: Option<&Record>, field: &str, by: &Number) -> Option<(f64, f64)> {
    let old = record?.get(field).map_or(Some(0.0), Json::as_f64)?;
    Some((old, by.as_f64()?))
}

fn contain(bounds: Bounds, float: f64) -> bool {
    Number::from_f64(float).is_some_and(|number| bounds.contain(&number))
}

fn is_refused(record: &Record, patch: &Patch) -> bool {
    matches!(rules::apply(&mut record.clone(), patch), Ok(None))
}

animals! {
    /// Bounds have no effect.
    IncrementsBeyondBounds breaks P7 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let patch = if patch.operations().is_ok() { unbounded(patch) } else { patch.clone() };
            self.right.patch(key, &patch, options).await
        }
    }

    /// A sum out of bounds becomes the nearest bound.
    IncrementsClamp breaks P7 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let before = met(&self.right, key);
            let patch = rewritten(patch, |field, change| {
                let Change::IncrementWithin { by, bounds } = change else { return None };
                let (old, by) = parts(before.as_ref(), field, by)?;
                let high = bounds.max().filter(|max| old + by > *max as f64);
                let low = bounds.min().filter(|min| old + by < *min as f64);
                high.or(low).map(|bound| Change::Set(bound.into()))
            });
            self.right.patch(key, &patch, options).await
        }
    }

    /// Bounds are compared with the stored value instead of the sum.
    BoundsLookBeforeTheAdd breaks P7 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let before = met(&self.right, key);
            let patch = rewritten(patch, |field, change| {
                let Change::IncrementWithin { by, bounds } = change else { return None };
                let (old, _) = parts(before.as_ref(), field, by)?;
                Some(if contain(*bounds, old) {
                    Change::Increment(by.clone())
                } else {
                    Change::IncrementWithin { by: 0.into(), bounds: *bounds }
                })
            });
            self.right.patch(key, &patch, options).await
        }
    }

    /// Bounds are exclusive.
    BoundsAreExclusive breaks P7 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let patch = rewritten(patch, |_, change| {
                let Change::IncrementWithin { by, bounds } = change else { return None };
                let bounds = match (bounds.min(), bounds.max()) {
                    (None, Some(max)) => (..=max - 1).into(),
                    (Some(min), None) => (min + 1..).into(),
                    _ => return None,
                };
                Some(Change::IncrementWithin { by: by.clone(), bounds })
            });
            self.right.patch(key, &patch, options).await
        }
    }

    /// Only the integral part of a sum is compared with the bounds.
    BoundsCutFractions breaks P7 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let before = met(&self.right, key);
            let patch = rewritten(patch, |field, change| {
                let Change::IncrementWithin { by, bounds } = change else { return None };
                let (old, amount) = parts(before.as_ref(), field, by)?;
                let sum = old + amount;
                (sum != sum.trunc() && contain(*bounds, sum.trunc())).then(|| Change::Increment(by.clone()))
            });
            self.right.patch(key, &patch, options).await
        }
    }

    /// Bounds do not apply to a missing field.
    NewFieldsHaveNoBounds breaks P7 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let before = met(&self.right, key);
            let patch = rewritten(patch, |field, change| match change {
                Change::IncrementWithin { by, .. } if !before.as_ref()?.contains(field) => {
                    Some(Change::Increment(by.clone()))
                }
                _ => None,
            });
            self.right.patch(key, &patch, options).await
        }
    }

    /// Bounds do not apply to a patch that creates.
    CreationHasNoBounds breaks P7 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let creates = options.create.is_some() && self.right.backend().live(key).is_none();
            let patch = if creates && patch.operations().is_ok() { unbounded(patch) } else { patch.clone() };
            self.right.patch(key, &patch, options).await
        }
    }

    /// A patch that bounds refuse still creates the initial record.
    RefusedCreationLeavesTheInitialRecord breaks P7 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let outcome = self.right.patch(key, patch, options.clone()).await?;
            if let (Outcome::Refused(_), None, Some(create)) = (&outcome, self.right.backend().live(key), options.create) {
                let _ = self.right.put(key, create.initial.into(), PutOptions::new(create.lifespan)).await?;
            }
            Ok(outcome)
        }
    }

    /// A refusal by bounds reports the ghost's record.
    RefusalsShowGhosts breaks P7 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let outcome = self.right.patch(key, patch, options.clone()).await?;
            let ghost = self.right.backend().peek(key).and_then(|stored| stored.value.into_record().ok());
            Ok(match (outcome, ghost) {
                (Outcome::Refused(None), Some(ghost)) if options.if_version.is_none() => {
                    Outcome::Refused(Some(PatchResult::new(&PutResult::new(false), ghost, Vec::new())))
                }
                (outcome, _) => outcome,
            })
        }
    }

    /// A refused patch refreshes like an applied one.
    RefusedPatchesRefresh breaks P7 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let refresh = options.refresh;
            let outcome = self.right.patch(key, patch, options).await?;
            if let (Outcome::Refused(Some(_)), Some(refresh)) = (&outcome, refresh) {
                let only = PatchOptions::new().with_refresh(refresh);
                let version = self.right.backend().live(key).map(|stored| stored.version);
                let _ = self.right.patch(key, &Patch::new(), only).await?;
                self.right.backend().meddle(key, |stored| {
                    if let (Some(stored), Some(version)) = (stored, version) { stored.version = version }
                });
            }
            Ok(outcome)
        }
    }

    /// A refusal reports the deadline that the refresh would have set.
    RefusalsShowALaterDeadline breaks P7 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let refresh = options.refresh;
            let outcome = self.right.patch(key, patch, options).await?;
            Ok(match (outcome, refresh) {
                (Outcome::Refused(Some(mut there)), Some(refresh)) => {
                    let later = Deadline::after(now(&self.right), refresh.ttl);
                    there.deadline = there.deadline.map(|_| later);
                    Outcome::Refused(Some(there))
                }
                (outcome, _) => outcome,
            })
        }
    }

    /// A refused patch applies its other operations.
    RefusalsApplyTheRest breaks P7 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let outcome = self.right.patch(key, patch, options).await?;
            let rest = only(patch, false);
            if matches!(outcome, Outcome::Refused(Some(_))) && !rest.operations()?.is_empty() {
                let _ = self.right.patch(key, &rest, PatchOptions::new()).await;
            }
            Ok(outcome)
        }
    }

    /// A refusal reports the sum that was refused.
    RefusalsShowTheSum breaks P7 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let outcome = self.right.patch(key, patch, options).await?;
            Ok(match outcome {
                Outcome::Refused(Some(mut there)) => {
                    let _ = rules::apply(&mut there.fields, &unbounded(patch));
                    Outcome::Refused(Some(there))
                }
                outcome => outcome,
            })
        }
    }

    /// A refusal by bounds has no report.
    RefusalsShowNothing breaks P7 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let outcome = self.right.patch(key, patch, options).await?;
            Ok(if outcome.is_refused() { Outcome::Refused(None) } else { outcome })
        }
    }

    /// A refusal because of a version reports the stored entry.
    RefusalsByVersionShowWhatIsThere breaks P7 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let outcome = self.right.patch(key, patch, options.clone()).await?;
            Ok(match (outcome, met(&self.right, key)) {
                (Outcome::Refused(None), Some(there)) if options.if_version.is_some() => {
                    let there = there.project(&patch.to_fields()?);
                    Outcome::Refused(Some(PatchResult::new(&PutResult::new(false), there, Vec::new())))
                }
                (outcome, _) => outcome,
            })
        }
    }

    /// A field that is not a number, and an overflow, are refused like a sum out of bounds.
    BoundsHideErrors breaks P7 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            match self.right.patch(key, patch, options).await {
                Err(error) if matches!(error.kind(), ErrorKind::WrongFieldType | ErrorKind::Overflow) && patch.has_bounds() => {
                    Ok(Outcome::Refused(None))
                }
                result => result,
            }
        }
    }

    /// Bounds are checked before all other operations.
    BoundsComeFirst breaks P7 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            if let (Ok(_), Some(record), Some(stored)) = (patch.operations(), met(&self.right, key), self.right.backend().live(key))
                && options.if_version.is_none_or(|version| version == stored.version)
                && is_refused(&record, &only(patch, true))
            {
                let meta = PutResult::new(false)
                    .with_deadline(options.returning.contains(Returning::DEADLINE).then_some(stored.deadline))
                    .with_version(options.returning.contains(Returning::VERSION).then_some(stored.version));
                let there = record.project(&patch.to_fields()?);
                return Ok(Outcome::Refused(Some(PatchResult::new(&meta, there, Vec::new()))));
            }
            self.right.patch(key, patch, options).await
        }
    }

    /// Another writer can change the entry between the check of the bounds and the increment.
    BoundsLookFirst breaks P7 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            let fits = met(&self.right, key).is_some_and(|record| matches!(rules::apply(&mut record.clone(), patch), Ok(Some(_))));
            yield_now().await;
            let patch = if fits { unbounded(patch) } else { patch.clone() };
            self.right.patch(key, &patch, options).await
        }
    }
}
