//! Fine points of time: TTLs that start within a millisecond, and entries extended past a deadline.

use std::time::Duration;

use ttl_core::options::{ExpireOptions, ExpiryChange, GetOptions, Guard, PutOptions, Refresh};
use ttl_core::{Expiry, Key, Record, Ttl, Value};

use super::support::whole;
use crate::test::{LONG, SHORT, key};
use crate::{Check, Failure, Test, case_table, ensure_eq};

case_table! {
    /// E2: A TTL that starts within a millisecond results in a deadline rounded up, not down.
    a_life_that_starts_within_a_millisecond_is_rounded_up: needs(manual_clock),
    /// E7, X5: An entry that was extended outlives its first deadline as a whole.
    what_was_extended_outlives_its_first_deadline_whole,
}

async fn a_life_that_starts_within_a_millisecond_is_rounded_up(t: Test) -> Check {
    t.pass(Duration::from_nanos(1)).await;
    for (at, value) in [Value::from("v"), Record::new().with("n", 1).into()].into_iter().enumerate() {
        let key = key(&format!("k{at}"));
        t.put(&key, value, PutOptions::new(LONG)).await?;
        let end = |ttl: Ttl| t.local_now() + ttl.as_duration();
        t.expect_deadline(t.deadline(&key).await?, end(LONG), "the deadline of a put")?;
        t.expire(&key, ExpiryChange::Set(Expiry::After(Ttl::hours(2))), Guard::Always).await?;
        t.expect_deadline(t.deadline(&key).await?, end(Ttl::hours(2)), "the deadline of an expire")?;
        let refresh = Refresh::extend_only(Ttl::hours(3));
        t.store.get(&key, GetOptions::new().with_refresh(refresh)).await?;
        t.expect_deadline(t.deadline(&key).await?, end(Ttl::hours(3)), "the deadline of a refresh")?;
    }
    Ok(())
}

async fn what_was_extended_outlives_its_first_deadline_whole(t: Test) -> Check {
    let record = Record::new().with("first", 1).with("list", [1, 2]);
    for (at, value) in [Value::from("v"), record.into()].into_iter().enumerate() {
        let key = key(&format!("k{at}"));
        extended(&t, &key, &value).await?;
        t.outlive(SHORT).await;
        let (seen, _) = whole(&t, &key).await?.ok_or_else(|| Failure::new("a live entry", "a miss"))?;
        ensure_eq!(seen, value, "the value after its first deadline");
    }
    Ok(())
}

/// Puts the value for [`SHORT`] and extends its deadline. Retries if the entry expired before that.
async fn extended(t: &Test, key: &Key, value: &Value) -> Check {
    for _ in 0..20 {
        t.put(key, value.clone(), PutOptions::new(SHORT)).await?;
        let longer = t.store.expire(key, ExpiryChange::Extend(LONG), ExpireOptions::new()).await?;
        if longer.is_applied() {
            return Ok(());
        }
    }
    Err(Failure::new(format!("an entry of {SHORT} that can be extended in time"), "none in twenty attempts"))
}
