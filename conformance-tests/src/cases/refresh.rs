//! The effect of a refresh: extend only, reset, persistent entries, caps, ghosts, first expiries.

use std::time::Duration;

use serde_json::json;
use ttl_core::options::{
    Condition, Create, ExistingDeadline, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutOptions,
    Refresh,
};
use ttl_core::{Actions, Deadline, Expiry, Key, Lifespan, Patch, RefreshMode, RefreshPolicy, Ttl, Value};

use super::support::{LATER, SOONER, ensure_ahead, fields, put_fields, refresh_in};
use crate::test::{LONG, SHORT, applied, key, record};
use crate::{Check, Failure, Test, case_table, ensure, ensure_eq};

/// The three operations that refresh an entry.
#[derive(Clone, Copy, Debug)]
enum By {
    Get,
    Put,
    Patch,
}

impl By {
    /// Returns the values that this operation can refresh, each with its own key.
    fn entries(self) -> Vec<(Key, Value)> {
        let mut entries = vec![(key("record"), record().into())];
        if !matches!(self, Self::Patch) {
            entries.push((key("blob"), "v".into()));
        }
        entries
    }

    /// Refreshes a live entry.
    async fn run(self, t: &Test, key: &Key, value: &Value, refresh: Refresh) -> Check {
        match self {
            Self::Get => {
                let entry = t.store.get(key, GetOptions::new().with_refresh(refresh)).await?;
                ensure!(entry.is_some(), "a hit", "a miss");
            }
            Self::Put => {
                let options =
                    PutOptions::new(LONG).with_existing_deadline(ExistingDeadline::Refresh(refresh));
                t.put(key, value.clone(), options).await?;
            }
            Self::Patch => {
                let options = PatchOptions::new().with_refresh(refresh);
                applied(t.store.patch(key, &Patch::new().set("n", 2), options).await?)?;
            }
        }
        Ok(())
    }

    async fn never_shortens(self, t: &Test) -> Check {
        for (key, value) in self.entries() {
            t.put(&key, value.clone(), PutOptions::new(LONG)).await?;
            let before = t.deadline(&key).await?;
            self.run(t, &key, &value, Refresh::extend_only(SOONER)).await?;
            ensure_eq!(
                t.deadline(&key).await?,
                before,
                "the deadline of the {key} after a refresh to {SOONER}"
            );
        }
        Ok(())
    }

    async fn resets(self, t: &Test) -> Check {
        for (key, value) in self.entries() {
            for ttl in [SOONER, LATER] {
                t.put(&key, value.clone(), PutOptions::new(LONG)).await?;
                let started = t.store.now();
                self.run(t, &key, &value, Refresh::reset(ttl)).await?;
                ensure_ahead(t, t.deadline(&key).await?, started, ttl, &format!("a reset of the {key}"))?;
            }
        }
        Ok(())
    }

    async fn leaves_persistent(self, t: &Test) -> Check {
        for (key, value) in self.entries() {
            t.put(&key, value.clone(), PutOptions::new(Lifespan::persistent())).await?;
            self.run(t, &key, &value, Refresh::extend_only(LONG)).await?;
            ensure_eq!(t.deadline(&key).await?, Deadline::NEVER, "the deadline of the {key}");
        }
        Ok(())
    }

    async fn ends_persistence(self, t: &Test) -> Check {
        for (key, value) in self.entries() {
            t.put(&key, value.clone(), PutOptions::new(Lifespan::persistent())).await?;
            let started = t.store.now();
            self.run(t, &key, &value, Refresh::reset(LONG)).await?;
            let about = format!("a reset of the persistent {key}");
            ensure_ahead(t, t.deadline(&key).await?, started, LONG, &about)?;
        }
        Ok(())
    }

    async fn stops_at_the_cap(self, t: &Test, expiry: impl Into<Expiry>, mode: RefreshMode) -> Check {
        let lifespan = Lifespan::new(expiry).with_max_lifetime(LONG);
        for (key, value) in self.entries() {
            let created = t.store.now();
            t.put(&key, value.clone(), PutOptions::new(lifespan)).await?;
            let refresh = refresh_in(mode, LATER);
            self.run(t, &key, &value, refresh).await?;
            let capped = t.deadline(&key).await?;
            ensure_ahead(t, capped, created, LONG, &format!("a refresh of the {key} beyond its cap"))?;
            t.pass(Duration::from_millis(25)).await;
            self.run(t, &key, &value, refresh).await?;
            ensure_eq!(t.deadline(&key).await?, capped, "the deadline of the {key} after another refresh");
        }
        Ok(())
    }

    /// Fails unless an entry expires as a whole after a reset to a short TTL.
    async fn resets_to_a_short_life(self, t: &Test) -> Check {
        for (key, value) in self.entries() {
            t.put(&key, value.clone(), PutOptions::new(LONG)).await?;
            self.run(t, &key, &value, Refresh::reset(SHORT)).await?;
            t.outlive(SHORT).await;
            ensure_eq!(t.value(&key).await?, None, "the {key} after its new deadline");
        }
        Ok(())
    }

    /// Fails unless a refreshed entry outlives its first deadline.
    async fn outlives(self, t: &Test) -> Check {
        let (key, value) = (key("k"), Value::from(record()));
        for millis in [100, 1_000, 10_000] {
            let ttl = Ttl::millis(millis);
            let started = t.store.now();
            t.put(&key, value.clone(), PutOptions::new(ttl)).await?;
            let refreshed = self.run(t, &key, &value, Refresh::extend_only(LONG)).await;
            if t.store.now() >= started + ttl.as_duration() {
                // A stall: it is unknown whether the refresh came in time. Tries again with a longer TTL.
                continue;
            }
            refreshed?;
            t.outlive(ttl).await;
            ensure!(t.value(&key).await?.is_some(), "a hit after the first deadline", "a miss");
            return Ok(());
        }
        Err(Failure::new("a put and a refresh within ten seconds", "a stall in every attempt"))
    }
}

case_table! {
    /// R2: A read in `ExtendOnly` mode never shortens a deadline.
    a_read_never_shortens,
    /// R2: A put in `ExtendOnly` mode never shortens a deadline.
    a_put_never_shortens,
    /// R2: A patch in `ExtendOnly` mode never shortens a deadline.
    a_patch_never_shortens: needs(patch),
    /// R2: A read in `Reset` mode sets the exact deadline, earlier or later.
    a_read_resets_exactly,
    /// R2: A put in `Reset` mode sets the exact deadline, earlier or later.
    a_put_resets_exactly,
    /// R2: A patch in `Reset` mode sets the exact deadline, earlier or later.
    a_patch_resets_exactly: needs(patch),
    /// R2, E1: After a read resets an entry to a short TTL, the entry expires at the new deadline.
    a_read_can_reset_to_a_short_life,
    /// R2, E1: After a put resets an entry to a short TTL, the entry expires at the new deadline.
    a_put_can_reset_to_a_short_life,
    /// R2, E1, E7: After a patch resets a record to a short TTL, the record expires at the new deadline.
    a_patch_can_reset_to_a_short_life: needs(patch),
    /// R1, E2: An entry that a read has refreshed outlives its first deadline.
    a_read_keeps_an_entry_alive,
    /// R1, E2: An entry that a put has refreshed outlives its first deadline.
    a_put_keeps_an_entry_alive,
    /// R1, E2, E7: A record that a patch has refreshed outlives its first deadline.
    a_patch_keeps_a_record_alive: needs(patch),
    /// R2: A read in `ExtendOnly` mode keeps a persistent entry persistent.
    a_read_leaves_a_persistent_entry_persistent,
    /// R2: A put in `ExtendOnly` mode keeps a persistent entry persistent.
    a_put_leaves_a_persistent_entry_persistent,
    /// R2: A patch in `ExtendOnly` mode keeps a persistent entry persistent.
    a_patch_leaves_a_persistent_entry_persistent: needs(patch),
    /// R2: A read in `Reset` mode gives a persistent entry a deadline.
    a_read_can_end_persistence,
    /// R2: A put in `Reset` mode gives a persistent entry a deadline.
    a_put_can_end_persistence,
    /// R2: A patch in `Reset` mode gives a persistent entry a deadline.
    a_patch_can_end_persistence: needs(patch),
    /// R4: Reads in `ExtendOnly` mode can reach the cap and never pass it.
    a_read_stops_at_the_cap: needs(caps),
    /// R4: Reads in `Reset` mode can reach the cap and never pass it.
    a_resetting_read_stops_at_the_cap: needs(caps),
    /// R4: Puts in `ExtendOnly` mode can reach the cap and never pass it.
    a_put_stops_at_the_cap: needs(caps),
    /// R4: Puts in `Reset` mode can reach the cap and never pass it.
    a_resetting_put_stops_at_the_cap: needs(caps),
    /// R4: Patches in `ExtendOnly` mode can reach the cap and never pass it.
    a_patch_stops_at_the_cap: needs(caps, patch),
    /// R4: Patches in `Reset` mode can reach the cap and never pass it.
    a_resetting_patch_stops_at_the_cap: needs(caps, patch),
    /// R4, R2: A capped entry without an expiry has the cap as its deadline, and refreshes respect it.
    a_capped_entry_without_expiry_is_not_persistent_to_a_refresh: needs(caps),
    /// R3: A read with a refresh does not revive a ghost.
    reads_do_not_revive,
    /// R3, P2: A patch with a refresh does not revive a ghost. It returns `Absent`.
    a_patch_does_not_revive: needs(patch),
    /// R3, E3: A put with `IfPresent` and a refresh does not revive a ghost. It returns `Absent`.
    a_conditional_put_does_not_revive: needs(conditions),
    /// R7: A put over a ghost sets the expiry of the put, not that of the refresh.
    a_put_over_a_ghost_sets_the_first_expiry,
    /// R7: A put under the empty policy sets the first expiry.
    the_first_expiry_is_set_under_the_empty_policy,
    /// R7: CREATE in a policy does not change the first expiry of a put.
    create_in_a_policy_does_nothing_to_a_put,
    /// R7, P2: A refresh does not change the first expiry of a record that a patch creates.
    a_refresh_does_nothing_to_a_patch_that_creates: needs(patch),
    /// R8: A repeated put under a policy of CREATE only replaces the value and keeps the deadline.
    saving_again_under_create_alone_keeps_the_deadline,
    /// R2: A longer deadline that an expire has set is kept by reads with a shorter refresh.
    a_longer_expiry_set_by_hand_survives_reads,
    /// R1: A patch refreshes once, whatever the number of its operations.
    a_patch_of_many_operations_refreshes_once: needs(patch),
    /// R1: A patch whose pops find no element has succeeded on a live record, and refreshes.
    a_patch_that_finds_nothing_refreshes: needs(patch),
}

async fn a_read_never_shortens(t: Test) -> Check {
    By::Get.never_shortens(&t).await
}

async fn a_put_never_shortens(t: Test) -> Check {
    By::Put.never_shortens(&t).await
}

async fn a_patch_never_shortens(t: Test) -> Check {
    By::Patch.never_shortens(&t).await
}

async fn a_read_resets_exactly(t: Test) -> Check {
    By::Get.resets(&t).await
}

async fn a_put_resets_exactly(t: Test) -> Check {
    By::Put.resets(&t).await
}

async fn a_patch_resets_exactly(t: Test) -> Check {
    By::Patch.resets(&t).await
}

async fn a_read_can_reset_to_a_short_life(t: Test) -> Check {
    By::Get.resets_to_a_short_life(&t).await
}

async fn a_put_can_reset_to_a_short_life(t: Test) -> Check {
    By::Put.resets_to_a_short_life(&t).await
}

async fn a_patch_can_reset_to_a_short_life(t: Test) -> Check {
    By::Patch.resets_to_a_short_life(&t).await
}

async fn a_read_keeps_an_entry_alive(t: Test) -> Check {
    By::Get.outlives(&t).await
}

async fn a_put_keeps_an_entry_alive(t: Test) -> Check {
    By::Put.outlives(&t).await
}

async fn a_patch_keeps_a_record_alive(t: Test) -> Check {
    By::Patch.outlives(&t).await
}

async fn a_read_leaves_a_persistent_entry_persistent(t: Test) -> Check {
    By::Get.leaves_persistent(&t).await
}

async fn a_put_leaves_a_persistent_entry_persistent(t: Test) -> Check {
    By::Put.leaves_persistent(&t).await
}

async fn a_patch_leaves_a_persistent_entry_persistent(t: Test) -> Check {
    By::Patch.leaves_persistent(&t).await
}

async fn a_read_can_end_persistence(t: Test) -> Check {
    By::Get.ends_persistence(&t).await
}

async fn a_put_can_end_persistence(t: Test) -> Check {
    By::Put.ends_persistence(&t).await
}

async fn a_patch_can_end_persistence(t: Test) -> Check {
    By::Patch.ends_persistence(&t).await
}

async fn a_read_stops_at_the_cap(t: Test) -> Check {
    By::Get.stops_at_the_cap(&t, SOONER, RefreshMode::ExtendOnly).await
}

async fn a_resetting_read_stops_at_the_cap(t: Test) -> Check {
    By::Get.stops_at_the_cap(&t, SOONER, RefreshMode::Reset).await
}

async fn a_put_stops_at_the_cap(t: Test) -> Check {
    By::Put.stops_at_the_cap(&t, SOONER, RefreshMode::ExtendOnly).await
}

async fn a_resetting_put_stops_at_the_cap(t: Test) -> Check {
    By::Put.stops_at_the_cap(&t, SOONER, RefreshMode::Reset).await
}

async fn a_patch_stops_at_the_cap(t: Test) -> Check {
    By::Patch.stops_at_the_cap(&t, SOONER, RefreshMode::ExtendOnly).await
}

async fn a_resetting_patch_stops_at_the_cap(t: Test) -> Check {
    By::Patch.stops_at_the_cap(&t, SOONER, RefreshMode::Reset).await
}

async fn a_capped_entry_without_expiry_is_not_persistent_to_a_refresh(t: Test) -> Check {
    By::Get.stops_at_the_cap(&t, Expiry::Never, RefreshMode::ExtendOnly).await
}

async fn reads_do_not_revive(t: Test) -> Check {
    t.ghost(&key("k"), record()).await?;
    for mode in [Refresh::extend_only(LONG), Refresh::reset(LONG)] {
        let options = GetOptions::new().with_refresh(mode);
        let whole = t.store.get(&key("k"), options.clone()).await?;
        ensure!(whole.is_none(), "a miss", "{whole:?}");
        let nothing = t.store.get(&key("k"), GetOptions::nothing().with_refresh(mode)).await?;
        ensure!(nothing.is_none(), "a miss of a contains", "{nothing:?}");
        let many = t.store.get_many(&[key("k")], options).await;
        ensure!(matches!(many[..], [Ok(None)]), "a miss in a batch", "{many:?}");
    }
    ensure_eq!(t.value(&key("k")).await?, None, "the value afterwards");
    Ok(())
}

async fn a_patch_does_not_revive(t: Test) -> Check {
    t.ghost(&key("k"), record()).await?;
    for mode in [Refresh::extend_only(LONG), Refresh::reset(LONG)] {
        let options = PatchOptions::new().with_refresh(mode);
        let outcome = t.store.patch(&key("k"), &Patch::new().set("n", 2), options).await?;
        ensure!(outcome.is_absent(), "Absent", "{outcome:?}");
    }
    ensure_eq!(t.value(&key("k")).await?, None, "the value afterwards");
    Ok(())
}

async fn a_conditional_put_does_not_revive(t: Test) -> Check {
    t.ghost(&key("k"), "old").await?;
    let options = PutOptions::new(LONG)
        .with_existing_deadline(ExistingDeadline::Refresh(Refresh::extend_only(LONG)))
        .with_condition(Condition::IfPresent);
    let outcome = t.store.put(&key("k"), "new".into(), options).await?;
    ensure!(outcome.is_absent(), "Absent", "{outcome:?}");
    ensure_eq!(t.value(&key("k")).await?, None, "the value afterwards");
    Ok(())
}

async fn a_put_over_a_ghost_sets_the_first_expiry(t: Test) -> Check {
    t.ghost(&key("k"), record()).await?;
    let started = t.store.now();
    By::Put.run(&t, &key("k"), &record().into(), Refresh::extend_only(LATER)).await?;
    ensure_ahead(&t, t.deadline(&key("k")).await?, started, LONG, "the first expiry")
}

async fn the_first_expiry_is_set_under_the_empty_policy(t: Test) -> Check {
    let refresh = RefreshPolicy::never().resolve(Actions::CREATE, LATER);
    let existing_deadline = refresh.map_or(ExistingDeadline::Keep, ExistingDeadline::Refresh);
    let started = t.store.now();
    t.put(&key("k"), record(), PutOptions::new(LONG).with_existing_deadline(existing_deadline)).await?;
    ensure_ahead(&t, t.deadline(&key("k")).await?, started, LONG, "the first expiry")
}

async fn create_in_a_policy_does_nothing_to_a_put(t: Test) -> Check {
    for mode in [RefreshMode::ExtendOnly, RefreshMode::Reset] {
        for (number, ttl) in [SOONER, LATER].into_iter().enumerate() {
            let refresh = RefreshPolicy::on(Actions::CREATE)?.with_mode(mode).resolve(Actions::CREATE, ttl);
            let existing_deadline = refresh.map_or(ExistingDeadline::Keep, ExistingDeadline::Refresh);
            let key = key(&format!("{mode:?}{number}"));
            let started = t.store.now();
            t.put(&key, record(), PutOptions::new(LONG).with_existing_deadline(existing_deadline)).await?;
            ensure_ahead(&t, t.deadline(&key).await?, started, LONG, "the first expiry")?;
        }
    }
    Ok(())
}

async fn a_refresh_does_nothing_to_a_patch_that_creates(t: Test) -> Check {
    for refresh in [Refresh::extend_only(LATER), Refresh::reset(SOONER)] {
        let key = key(&format!("{:?}", refresh.mode));
        let options = PatchOptions::new().with_create(Create::new(LONG)).with_refresh(refresh);
        let started = t.store.now();
        applied(t.store.patch(&key, &Patch::new().set("n", 1), options).await?)?;
        ensure_ahead(&t, t.deadline(&key).await?, started, LONG, "the first expiry")?;
    }
    Ok(())
}

async fn saving_again_under_create_alone_keeps_the_deadline(t: Test) -> Check {
    let refresh = RefreshPolicy::on(Actions::CREATE)?.resolve(Actions::UPDATE, LATER);
    let save = PutOptions::new(LATER)
        .with_existing_deadline(refresh.map_or(ExistingDeadline::Keep, ExistingDeadline::Refresh));
    t.put(&key("k"), "one", PutOptions::new(LONG)).await?;
    let before = t.deadline(&key("k")).await?;
    t.put(&key("k"), "two", save).await?;
    ensure_eq!(t.value(&key("k")).await?, Some(Value::from("two")), "the value");
    ensure_eq!(t.deadline(&key("k")).await?, before, "the deadline");
    Ok(())
}

async fn a_longer_expiry_set_by_hand_survives_reads(t: Test) -> Check {
    t.put(&key("k"), record(), PutOptions::new(SOONER)).await?;
    let by_hand = ExpiryChange::Set(Expiry::After(LATER));
    let set = applied(t.store.expire(&key("k"), by_hand, ExpireOptions::new()).await?)?.deadline;
    for _ in 0..3 {
        By::Get.run(&t, &key("k"), &record().into(), Refresh::extend_only(SOONER)).await?;
    }
    ensure_eq!(t.deadline(&key("k")).await?, set, "the deadline");
    Ok(())
}

async fn a_patch_of_many_operations_refreshes_once(t: Test) -> Check {
    put_fields(&t, &key("k"), &json!({})).await?;
    let patch = (0..50).fold(Patch::new(), |patch, n| patch.increment("n", 1).append("list", n));
    let started = t.store.now();
    let options = PatchOptions::new().with_refresh(Refresh::extend_only(LATER));
    applied(t.store.patch(&key("k"), &patch, options).await?)?;
    ensure_ahead(&t, t.deadline(&key("k")).await?, started, LATER, "one refresh")
}

async fn a_patch_that_finds_nothing_refreshes(t: Test) -> Check {
    let nothing = [
        Patch::new().pop_front("none").remove_value("none", 1).clear("none").unset("none"),
        Patch::new().remove_value("list", "other").set("n", 1),
    ];
    for patch in nothing {
        put_fields(&t, &key("k"), &json!({ "n": 1, "list": [] })).await?;
        let started = t.store.now();
        let options = PatchOptions::new().with_refresh(Refresh::extend_only(LATER));
        applied(t.store.patch(&key("k"), &patch, options).await?)?;
        ensure_eq!(fields(&t, &key("k")).await?, json!({ "n": 1, "list": [] }), "the record");
        ensure_ahead(&t, t.deadline(&key("k")).await?, started, LATER, "the refresh")?;
    }
    Ok(())
}
