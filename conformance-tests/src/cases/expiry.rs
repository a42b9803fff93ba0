//! An entry is visible exactly until its deadline, as a whole, and then stays absent.

use std::time::Duration;

use ttl_core::options::{
    Create, ExpiryChange, Fields, GetOptions, Guard, PatchOptions, Projection, PutOptions, Returning,
};
use ttl_core::{Deadline, Entry, Expiry, Key, Patch, Record, Ttl, TtlStore};

use crate::test::{LONG, SHORT, key, record};
use crate::{Check, Failure, Test, case_table, ensure, ensure_eq};

case_table! {
    /// E1, E2: A blob is visible until its deadline and no longer.
    a_blob_lives_until_its_deadline,
    /// E1, E2: A record is visible until its deadline and no longer.
    a_record_lives_until_its_deadline,
    /// E1, E2: Fields can be read until the deadline and no longer.
    fields_can_be_read_until_the_deadline,
    /// E1, E2: A read of nothing finds the entry until its deadline and no longer.
    an_entry_is_there_until_its_deadline,
    /// E1: A deadline is reported until it is reached and no longer.
    a_deadline_is_told_until_it_is_reached,
    /// E1, E2: Another handle sees the entry until its deadline and no longer.
    another_handle_sees_an_entry_until_its_deadline,
    /// E2: A TTL of one millisecond is neither truncated to zero nor rounded to a second.
    a_life_of_one_millisecond_is_kept,
    /// E2: A TTL of 999 ms is neither truncated to zero nor rounded to a second.
    a_life_below_a_second_is_kept,
    /// E2: The fraction of a TTL of 1.9 s is not lost.
    the_fraction_of_a_second_is_kept,
    /// E1, E2: An entry whose deadline was given as an instant is visible until that instant.
    an_instant_is_kept,
    /// E1: A read distinguishes a persistent entry from one that expires and from a miss.
    persistent_is_told_from_absent,
    /// E1: A persistent entry does not expire.
    a_persistent_entry_stays,
    /// E1: A deadline does not move by itself, whatever is read.
    a_deadline_does_not_move_by_itself,
    /// E5, E1: An entry that was put again with a longer TTL survives its first deadline.
    a_longer_life_outlives_the_first_deadline,
    /// E5, E1: An entry that was made persistent survives its first deadline.
    a_persistent_put_outlives_the_first_deadline,
    /// E5, E1: An entry that was put again with a shorter TTL expires at its second deadline.
    a_shorter_life_ends_sooner,
    /// E1, E3: An entry that replaces an expired one lives until its own deadline.
    what_replaces_the_dead_lives,
    /// R3, E1: An expired entry stays absent, whatever is read.
    the_dead_stay_dead,
    /// E7: A record whose fields were written at different times expires as a whole.
    a_patched_record_ends_as_a_whole: needs(patch),
    /// E7: A record that one patch created and others added to expires as a whole.
    a_record_made_by_patches_ends_as_a_whole: needs(patch),
    /// E7: A record that replaced another one expires as a whole and keeps no field of the first one.
    a_replaced_record_ends_as_a_whole,
    /// E7: A record whose deadline was moved expires as a whole at the last deadline.
    a_record_that_was_extended_ends_as_a_whole,
    /// E1: Each of many entries has its own deadline.
    each_entry_has_its_own_deadline,
}

async fn a_blob_lives_until_its_deadline(t: Test) -> Check {
    let deadline = put_until(&t, "blob", SHORT).await?;
    watch(&t, deadline, &GetOptions::new()).await
}

async fn a_record_lives_until_its_deadline(t: Test) -> Check {
    let deadline = put_until(&t, record(), SHORT).await?;
    watch(&t, deadline, &GetOptions::new()).await
}

async fn fields_can_be_read_until_the_deadline(t: Test) -> Check {
    let deadline = put_until(&t, record(), SHORT).await?;
    watch(&t, deadline, &GetOptions::new().with_projection(Projection::Fields(Fields::new(["n"])?))).await
}

async fn an_entry_is_there_until_its_deadline(t: Test) -> Check {
    let deadline = put_until(&t, "blob", SHORT).await?;
    watch(&t, deadline, &GetOptions::nothing()).await
}

async fn a_deadline_is_told_until_it_is_reached(t: Test) -> Check {
    let deadline = put_until(&t, "blob", SHORT).await?;
    watch(&t, deadline, &GetOptions::nothing().with_returning(Returning::DEADLINE | Returning::VERSION)).await
}

async fn another_handle_sees_an_entry_until_its_deadline(t: Test) -> Check {
    let deadline = put_until(&t, "blob", SHORT).await?;
    t.watch(deadline, || async { Ok(sees(&*t.second, &GetOptions::new()).await?.is_some()) }).await
}

async fn a_life_of_one_millisecond_is_kept(t: Test) -> Check {
    for _ in 0..10 {
        let deadline = put_until(&t, "blob", Ttl::MIN).await?;
        watch(&t, deadline, &GetOptions::new()).await?;
    }
    Ok(())
}

async fn a_life_below_a_second_is_kept(t: Test) -> Check {
    let deadline = put_until(&t, "blob", Ttl::millis(999)).await?;
    watch(&t, deadline, &GetOptions::new()).await
}

async fn the_fraction_of_a_second_is_kept(t: Test) -> Check {
    let deadline = put_until(&t, record(), Ttl::millis(1_900)).await?;
    watch(&t, deadline, &GetOptions::new()).await
}

async fn an_instant_is_kept(t: Test) -> Check {
    let instant = t.instant(Ttl::millis(250));
    let put = PutOptions::new(Expiry::At(instant)).with_returning(Returning::DEADLINE);
    let deadline = t.put_meta(&key("k"), "blob", put).await?.deadline.unwrap_or(Deadline::NEVER);
    t.expect_deadline(deadline, instant, "the instant")?;
    watch(&t, deadline, &GetOptions::new()).await
}

async fn persistent_is_told_from_absent(t: Test) -> Check {
    t.put(&key("k"), "blob", PutOptions::new(Expiry::Never)).await?;
    ensure_eq!(t.deadline(&key("k")).await?, Deadline::NEVER, "the deadline of a persistent entry");
    let absent = t.peek(&key("absent")).await?;
    ensure!(absent.is_none(), "a miss", "{absent:?}");
    Ok(())
}

async fn a_persistent_entry_stays(t: Test) -> Check {
    t.put(&key("k"), "blob", PutOptions::new(Expiry::Never)).await?;
    t.outlive(SHORT).await;
    t.expect_value(&key("k"), "blob", "the persistent entry").await?;
    if t.is_manual() {
        t.pass(Ttl::MAX.as_duration() * 2).await;
        t.expect_value(&key("k"), "blob", "the persistent entry after 40 years").await?;
    }
    Ok(())
}

async fn a_deadline_does_not_move_by_itself(t: Test) -> Check {
    t.put(&key("k"), record(), PutOptions::new(LONG)).await?;
    let before = t.state(&key("k")).await?;
    for _ in 0..5 {
        t.pass(Duration::from_millis(7)).await;
        sees(&*t.store, &GetOptions::nothing()).await?;
        sees(&*t.store, &GetOptions::new().with_projection(Projection::Fields(Fields::new(["n"])?))).await?;
        ensure_eq!(t.state(&key("k")).await?, before, "the entry after it was read");
    }
    Ok(())
}

async fn a_longer_life_outlives_the_first_deadline(t: Test) -> Check {
    t.put(&key("k"), "first", PutOptions::new(SHORT)).await?;
    t.put(&key("k"), "second", PutOptions::new(LONG)).await?;
    let deadline = t.deadline(&key("k")).await?;
    t.outlive(SHORT).await;
    t.expect_value(&key("k"), "second", "the entry after its first deadline").await?;
    ensure_eq!(t.deadline(&key("k")).await?, deadline, "its second deadline");
    Ok(())
}

async fn a_persistent_put_outlives_the_first_deadline(t: Test) -> Check {
    t.put(&key("k"), record(), PutOptions::new(SHORT)).await?;
    t.put(&key("k"), record(), PutOptions::new(Expiry::Never)).await?;
    t.outlive(SHORT).await;
    t.expect_value(&key("k"), record(), "the entry after its first deadline").await
}

async fn a_shorter_life_ends_sooner(t: Test) -> Check {
    t.put(&key("k"), "first", PutOptions::new(LONG)).await?;
    let deadline = put_until(&t, "second", SHORT).await?;
    watch(&t, deadline, &GetOptions::new()).await
}

async fn what_replaces_the_dead_lives(t: Test) -> Check {
    t.ghost(&key("k"), "dead").await?;
    t.put(&key("k"), "alive", PutOptions::new(LONG)).await?;
    // A clean-up of the first entry has the time to hit the second one.
    for _ in 0..4 {
        t.pass(SHORT.as_duration()).await;
        t.expect_value(&key("k"), "alive", "the second entry").await?;
    }
    Ok(())
}

async fn the_dead_stay_dead(t: Test) -> Check {
    t.ghost(&key("k"), record()).await?;
    for _ in 0..4 {
        for options in [
            GetOptions::new(),
            GetOptions::nothing().with_returning(Returning::DEADLINE | Returning::VERSION),
        ] {
            let seen = sees(&*t.store, &options).await?;
            ensure!(seen.is_none(), "a miss", "{seen:?}");
            let seen = sees(&*t.second, &options).await?;
            ensure!(seen.is_none(), "a miss on the other handle", "{seen:?}");
        }
        t.pass(Duration::from_millis(10)).await;
    }
    Ok(())
}

async fn a_patched_record_ends_as_a_whole(t: Test) -> Check {
    t.put(&key("k"), Record::new().with("a", 1).with("b", [1]), PutOptions::new(LONG)).await?;
    for patch in [Patch::new().set("c", 1), Patch::new().append("b", 2), Patch::new().increment("a", 1)] {
        let outcome = t.store.patch(&key("k"), &patch, PatchOptions::new()).await?;
        ensure!(outcome.is_applied(), "Applied", "{outcome:?}");
    }
    ends_whole(&t, &["a", "b", "c"]).await
}

async fn a_record_made_by_patches_ends_as_a_whole(t: Test) -> Check {
    let options = PatchOptions::new().with_create(Create::new(LONG));
    for patch in [Patch::new().set("a", 1), Patch::new().append("b", 2), Patch::new().increment("c", 1)] {
        let outcome = t.store.patch(&key("k"), &patch, options.clone()).await?;
        ensure!(outcome.is_applied(), "Applied", "{outcome:?}");
    }
    ends_whole(&t, &["a", "b", "c"]).await
}

async fn a_replaced_record_ends_as_a_whole(t: Test) -> Check {
    t.put(&key("k"), Record::new().with("a", 1).with("b", 1), PutOptions::new(Expiry::Never)).await?;
    t.put(&key("k"), Record::new().with("b", 2).with("c", 2), PutOptions::new(LONG)).await?;
    ends_whole(&t, &["a", "b", "c"]).await
}

async fn a_record_that_was_extended_ends_as_a_whole(t: Test) -> Check {
    t.put(&key("k"), Record::new().with("a", 1).with("b", 1), PutOptions::new(LONG)).await?;
    t.expire(&key("k"), ExpiryChange::Extend(LONG), Guard::Always).await?;
    t.expire(&key("k"), ExpiryChange::Set(Expiry::Never), Guard::Always).await?;
    ends_whole(&t, &["a", "b"]).await
}

async fn each_entry_has_its_own_deadline(t: Test) -> Check {
    let base = t.instant(LONG);
    let instant = |n: u64| base + Duration::from_millis(n * 1_001);
    let name = |n: u64| key(&format!("k{n}"));
    for n in 0..50 {
        t.put(&name(n), "v", PutOptions::new(Expiry::At(instant(n)))).await?;
    }
    for n in (0..50).rev() {
        t.expect_deadline(t.deadline(&name(n)).await?, instant(n), &format!("the deadline of entry {n}"))?;
    }
    Ok(())
}

/// Puts the value under `k` with this TTL and returns the deadline that the put reports.
async fn put_until(t: &Test, value: impl Into<ttl_core::Value>, ttl: Ttl) -> Check<Deadline> {
    let put = PutOptions::new(ttl).with_returning(Returning::DEADLINE);
    let (meta, span) = t.span(t.put_meta(&key("k"), value, put)).await;
    let deadline = meta?.deadline.ok_or_else(|| Failure::new("a deadline", "none reported"))?;
    span.check(deadline, ttl, "the deadline that the put reports")?;
    Ok(deadline)
}

/// Watches the entry under `k`.
async fn watch(t: &Test, deadline: Deadline, options: &GetOptions) -> Check {
    t.watch(deadline, || async { Ok(sees(&*t.store, options).await?.is_some()) }).await
}

/// Returns the entry that this handle sees under `k`.
async fn sees(store: &dyn TtlStore, options: &GetOptions) -> Check<Option<Entry>> {
    Ok(store.get(&key("k"), options.clone()).await?)
}

/// Moves the deadline of the record under `k` to [`SHORT`] from now. Fails if any part of it is visible
/// after that.
async fn ends_whole(t: &Test, fields: &[&str]) -> Check {
    let k: Key = key("k");
    let soon = ExpiryChange::Set(Expiry::After(SHORT));
    let deadline = t.expire(&k, soon, Guard::Always).await?.deadline;
    watch(t, deadline, &GetOptions::new()).await?;
    for name in fields {
        let projection = Projection::Fields(Fields::new([*name])?);
        let seen = sees(&*t.store, &GetOptions::new().with_projection(projection)).await?;
        ensure!(seen.is_none(), format!("no field {name:?} of an expired record"), "{seen:?}");
    }
    let seen = sees(&*t.store, &GetOptions::nothing()).await?;
    ensure!(seen.is_none(), "no expired record", "{seen:?}");
    Ok(())
}
