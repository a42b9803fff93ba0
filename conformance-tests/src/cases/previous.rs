//! Puts that return the previous value: the one that they replaced, or the one that caused their refusal.

use ttl_core::options::{Condition, ExistingDeadline, GetOptions, PutItem, PutOptions, Refresh, Returning};
use ttl_core::results::PutResult;
use ttl_core::{Expiry, Key, Outcome, Record, Ttl, Value};

use super::elapsed::past;
use super::support::{LATER, record_of};
use super::together::together;
use crate::test::{LONG, SHORT, key, record};
use crate::{Check, Failure, Test, case_table, ensure, ensure_eq};

/// Returns the options of a put that requests everything that a put can report.
fn asking() -> PutOptions {
    asking_until(LATER)
}

fn asking_until(expiry: impl Into<Expiry>) -> PutOptions {
    PutOptions::new(expiry.into()).with_returning(Returning::DEADLINE | Returning::VERSION).with_previous()
}

/// Returns values of both kinds, including empty and long ones.
fn values() -> Check<Vec<Value>> {
    let long =
        record_of(&serde_json::json!({"text": "x".repeat(5_000), "list": [1, {"a": null}], "n": -0.5}))?;
    let blobs = [Value::from("old"), "".into(), vec![0, 255].into(), "x".repeat(20_000).into()];
    Ok(blobs.into_iter().chain([record().into(), Record::new().into(), long.into()]).collect())
}

async fn applied(t: &Test, key: &Key, value: Value, options: PutOptions) -> Check<PutResult> {
    crate::test::applied(t.store.put(key, value, options).await?)
}

/// Returns the report of a refused put about the stored entry.
fn told(outcome: Outcome<PutResult>) -> Check<PutResult> {
    match outcome {
        Outcome::Refused(Some(meta)) => Ok(meta),
        other => Err(Failure::new("Refused with the stored entry", format!("{other:?}"))),
    }
}

case_table! {
    /// C5: A put over a live entry returns the value that it replaced, whatever the two kinds are.
    a_put_hands_back_what_it_replaced: needs(conditions),
    /// C5, E1, E3, E9: A put that creates returns no previous value, whether the key was never used,
    /// deleted or expired.
    a_put_that_creates_hands_back_nothing: needs(conditions),
    /// C5, C1, C3: A put without the request returns no previous value.
    who_does_not_ask_is_handed_nothing: needs(conditions),
    /// C5, C1, C2, C3: A refused put with `IfAbsent` returns the stored value, deadline and version, and
    /// changes nothing.
    a_refused_create_hands_back_what_is_there: needs(conditions),
    /// C5, C2: A put with a version returns the value that it replaced. If the version differs, it
    /// returns the stored value.
    a_put_over_a_version_hands_back_what_it_met: needs(conditions, unique_versions),
    /// C5, C3: A put with `IfPresent` returns the value that it replaced, and nothing if the key is
    /// absent.
    a_put_if_present_hands_back_what_it_replaced: needs(conditions),
    /// C5, E5, E6, R2: The previous value does not depend on the new deadline, even if the put ends the
    /// entry.
    every_form_of_put_hands_back_what_it_replaced: needs(conditions),
    /// C5, C1, C3, R4: A capped entry is returned like any other.
    a_capped_entry_is_handed_back: needs(conditions, caps),
    /// C5, B1: In a batch, each put with the request returns its previous value, in order and for
    /// duplicate keys.
    a_batch_hands_back_what_each_put_met: needs(conditions),
    /// C5: If tasks overwrite each other's values, each value is returned once or is the last one stored.
    of_racing_puts_each_value_is_handed_back_once: needs(conditions),
    /// C5, C1: If tasks create one key concurrently, all but one receive the winner's value.
    who_loses_a_create_is_handed_the_winners_value: needs(conditions),
}

async fn a_put_hands_back_what_it_replaced(t: Test) -> Check {
    for (n, old) in values()?.into_iter().enumerate() {
        for (m, new) in [Value::from("new"), record().into()].into_iter().enumerate() {
            let key = key(&format!("k{n}-{m}"));
            t.put(&key, old.clone(), PutOptions::new(LONG)).await?;
            let meta = applied(&t, &key, new.clone(), asking()).await?;
            ensure_eq!(meta.previous, Some(old.clone()), "the old value");
        }
    }
    Ok(())
}

async fn a_put_that_creates_hands_back_nothing(t: Test) -> Check {
    for value in [Value::from("v"), record().into()] {
        t.put(&key("deleted"), value.clone(), PutOptions::new(LONG)).await?;
        t.delete(&key("deleted")).await?;
        t.put(&key("expired"), value.clone(), PutOptions::new(SHORT)).await?;
        t.ghost(&key("ghost"), value.clone()).await?;
        t.outlive(SHORT).await;
        for name in ["never", "deleted", "expired", "ghost"] {
            for condition in [Condition::Always, Condition::IfAbsent] {
                let put = asking().with_condition(condition);
                let meta = applied(&t, &key(name), value.clone(), put).await?;
                ensure!(
                    meta.created && meta.previous.is_none(),
                    format!("{name}: no previous value"),
                    "{meta:?}"
                );
                t.delete(&key(name)).await?;
            }
        }
    }
    Ok(())
}

async fn who_does_not_ask_is_handed_nothing(t: Test) -> Check {
    t.put(&key("k"), "old", PutOptions::new(LONG)).await?;
    let meta = applied(&t, &key("k"), "new".into(), PutOptions::new(LONG)).await?;
    ensure!(meta.previous.is_none(), "no previous value", "{meta:?}");
    let refused =
        t.store.put(&key("k"), "x".into(), PutOptions::new(LONG).with_condition(Condition::IfAbsent)).await?;
    ensure!(matches!(refused, Outcome::Refused(None)), "Refused without a report", "{refused:?}");
    Ok(())
}

async fn a_refused_create_hands_back_what_is_there(t: Test) -> Check {
    for (n, old) in values()?.into_iter().enumerate() {
        let key = key(&format!("k{n}"));
        t.put(&key, old.clone(), PutOptions::new(LONG)).await?;
        let before = t.state(&key).await?;
        for new in [Value::from("new"), record().into()] {
            for returning in [
                Returning::empty(),
                Returning::VERSION,
                Returning::DEADLINE,
                Returning::DEADLINE | Returning::VERSION,
            ] {
                let put = asking().with_condition(Condition::IfAbsent).with_returning(returning);
                let meta = told(t.store.put(&key, new.clone(), put).await?)?;
                ensure_eq!(meta.previous, Some(old.clone()), "the stored value");
                ensure!(!meta.created, "no creation", "{meta:?}");
                ensure_eq!(
                    meta.version,
                    returning.contains(Returning::VERSION).then_some(before.version),
                    "the stored version"
                );
                ensure_eq!(
                    meta.deadline,
                    returning.contains(Returning::DEADLINE).then_some(before.deadline),
                    "the stored deadline"
                );
            }
        }
        ensure_eq!(t.state(&key).await?, before, "the entry after the refused puts");
    }
    Ok(())
}

async fn a_put_over_a_version_hands_back_what_it_met(t: Test) -> Check {
    for old in [Value::from("old"), record().into()] {
        let version = t.put_version(&key("k"), old.clone(), PutOptions::new(LONG)).await?;
        let put = asking().with_condition(Condition::IfVersion(version));
        let meta = applied(&t, &key("k"), "new".into(), put.clone()).await?;
        ensure_eq!(meta.previous, Some(old), "the value of that version");
        let now = t.state(&key("k")).await?;
        let meta = told(t.store.put(&key("k"), "late".into(), put).await?)?;
        ensure_eq!(
            (meta.previous, meta.version),
            (Some(now.value.clone()), Some(now.version)),
            "the stored value and version"
        );
        ensure_eq!(t.state(&key("k")).await?, now, "the entry after the refused put");
    }
    Ok(())
}

async fn a_put_if_present_hands_back_what_it_replaced(t: Test) -> Check {
    let put = asking().with_condition(Condition::IfPresent);
    for old in [Value::from("old"), record().into()] {
        let outcome = t.store.put(&key("absent"), "new".into(), put.clone()).await?;
        ensure!(outcome.is_absent(), "Absent", "{outcome:?}");
        t.put(&key("k"), old.clone(), PutOptions::new(LONG)).await?;
        let meta = applied(&t, &key("k"), old.clone(), put.clone()).await?;
        ensure_eq!(meta.previous, Some(old), "the old value");
    }
    Ok(())
}

async fn every_form_of_put_hands_back_what_it_replaced(t: Test) -> Check {
    let forms = [
        asking().with_existing_deadline(ExistingDeadline::Keep),
        asking().with_existing_deadline(ExistingDeadline::Refresh(Refresh::extend_only(LATER))),
        asking().with_existing_deadline(ExistingDeadline::Refresh(Refresh::reset(Ttl::minutes(1)))),
        asking_until(Expiry::Never),
        asking_until(past(&t)),
    ];
    for (n, form) in forms.into_iter().enumerate() {
        for (old, new) in [(Value::from("old"), Value::from("new")), (record().into(), record().into())] {
            for expiry in [Expiry::from(LONG), Expiry::Never] {
                let key = key(&format!("k{n}"));
                t.put(&key, old.clone(), PutOptions::new(expiry)).await?;
                let meta = applied(&t, &key, new.clone(), form.clone()).await?;
                ensure!(
                    !meta.created && meta.previous.as_ref() == Some(&old),
                    "the old value",
                    "{n}: {meta:?}"
                );
            }
        }
    }
    Ok(())
}

async fn a_capped_entry_is_handed_back(t: Test) -> Check {
    let capped = ttl_core::Lifespan::from(LONG).with_max_lifetime(LATER);
    for old in [Value::from("old"), record().into()] {
        t.put(&key("k"), old.clone(), PutOptions::new(capped)).await?;
        let refused = asking().with_condition(Condition::IfAbsent);
        ensure_eq!(
            told(t.store.put(&key("k"), "x".into(), refused).await?)?.previous,
            Some(old.clone()),
            "the value that caused the refusal"
        );
        let meta = applied(&t, &key("k"), "new".into(), asking()).await?;
        ensure_eq!(meta.previous, Some(old), "the replaced value");
        t.delete(&key("k")).await?;
    }
    Ok(())
}

async fn a_batch_hands_back_what_each_put_met(t: Test) -> Check {
    t.put(&key("a"), "one", PutOptions::new(LONG)).await?;
    t.put(&key("r"), record(), PutOptions::new(LONG)).await?;
    let items = vec![
        PutItem::new(key("a"), "two", asking()),
        PutItem::new(key("b"), "new", asking()),
        PutItem::new(key("a"), "three", asking()),
        PutItem::new(key("a"), "four", PutOptions::new(LONG)),
        PutItem::new(key("r"), "five", asking()),
        PutItem::new(key("a"), record(), asking().with_condition(Condition::IfAbsent)),
    ];
    let mut met = Vec::new();
    for outcome in t.store.put_many(items).await {
        met.push(match outcome? {
            Outcome::Applied(meta) | Outcome::Refused(Some(meta)) => meta.previous,
            other => {
                return Err(Failure::new("Applied, or Refused with the stored entry", format!("{other:?}")));
            }
        });
    }
    let expected =
        vec![Some("one".into()), None, Some("two".into()), None, Some(record().into()), Some("four".into())];
    ensure_eq!(met, expected, "the previous values of the batch");
    Ok(())
}

async fn of_racing_puts_each_value_is_handed_back_once(t: Test) -> Check {
    for round in 0..3 {
        let key = key(&format!("k{round}"));
        let puts = key.clone();
        let handed = together(&t, 16, move |number, store| {
            let key = puts.clone();
            async move {
                let mut handed = Vec::new();
                for round in 0..8 {
                    let value = Value::from(format!("{number} {round}"));
                    let meta = crate::test::applied(store.put(&key, value, asking()).await?)?;
                    handed.extend(meta.previous);
                }
                Ok(handed)
            }
        })
        .await?;
        let mut all: Vec<String> = Vec::new();
        let last = t.store.get(&key, GetOptions::new()).await?.and_then(|entry| entry.value);
        for value in handed.into_iter().flatten().chain(last) {
            all.push(String::from_utf8_lossy(&value.into_blob()?).into_owned());
        }
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        ensure_eq!((count, all.len()), (16 * 8, 16 * 8), "the number of values, and of distinct ones");
    }
    Ok(())
}

async fn who_loses_a_create_is_handed_the_winners_value(t: Test) -> Check {
    for kind in ["blob", "record"] {
        let tried = together(&t, 24, move |number, store| async move {
            let value: Value = match kind {
                "blob" => format!("{number}").into(),
                _ => Record::new().with("n", number).into(),
            };
            let put = asking().with_condition(Condition::IfAbsent);
            Ok(match store.put(&key(kind), value.clone(), put).await? {
                Outcome::Applied(_) => (true, value),
                outcome => (false, told(outcome)?.previous.ok_or_else(|| Failure::new("a value", "none"))?),
            })
        })
        .await?;
        let winners = tried.iter().filter(|(won, _)| *won).count();
        ensure_eq!(winners, 1, "the number of winners");
        ensure!(
            tried.windows(2).all(|two| two[0].1 == two[1].1),
            "the winner's value for every task",
            "{tried:?}"
        );
    }
    Ok(())
}
