//! Complete scenarios, named after typical programs that use a store.

use std::time::Duration;

use serde_json::{Value as Json, json};
use ttl_core::options::{
    Condition, Create, DeleteOptions, ExistingDeadline, ExpireOptions, ExpiryChange, Fields, GetOptions,
    Guard, PatchOptions, Projection, PutItem, PutOptions,
};
use ttl_core::{Actions, Expiry, Key, Kind, Lifespan, Patch, Record, RefreshPolicy, Ttl, Value};

use super::support::{ensure_ahead, fields, json_of, record_of, reported};
use crate::test::{LONG, SHORT, applied, key};
use crate::{Check, Failure, Test, case_table, ensure, ensure_eq};

/// The TTL of a session.
const SESSION: Ttl = Ttl::minutes(30);

/// Reads like a collection with this policy. Returns whether it was a hit.
async fn used(t: &Test, key: &Key, policy: RefreshPolicy, ttl: Ttl) -> Check<bool> {
    let refresh = policy.resolve(Actions::FETCH, ttl);
    Ok(t.store.get(key, GetOptions::new().with_refresh(refresh)).await?.is_some())
}

/// Reads a page from the cache, or creates it and increments `made`.
async fn read_through(t: &Test, key: &Key, made: &mut u32) -> Check<Value> {
    let refresh = RefreshPolicy::default().resolve(Actions::FETCH, SESSION);
    if let Some(entry) =
        t.store.get(key, GetOptions::new().with_kind(Kind::Blob).with_refresh(refresh)).await?
    {
        return reported(entry.value);
    }
    *made += 1;
    let page = Value::from(format!("page {made}"));
    t.put(key, page.clone(), PutOptions::new(SHORT)).await?;
    Ok(page)
}

case_table! {
    /// R1, E1: A sliding session stays live while it is used, and for half an hour afterwards.
    sliding_session: needs(manual_clock),
    /// R1, R4: A sliding session ends at its cap, even if it is always in use.
    sliding_session_with_an_end: needs(manual_clock, caps),
    /// R1: Each use moves the deadline of a sliding session to half an hour later.
    sliding_session_by_its_deadlines,
    /// R1, E1: A reset token expires an hour after its creation, however often it is read, and works
    /// once.
    fixed_token: needs(conditions),
    /// E1, E3: An expired reset token cannot be taken.
    fixed_token_too_late: needs(conditions),
    /// P1, R1: An active session counts, adds and removes fields, and each use refreshes the whole
    /// session.
    active_session_with_fields: needs(patch),
    /// E1, R1: A cached result is created once for each TTL, and again after it expires, however often it
    /// is read.
    cached_result,
    /// E1, K2: A result that is cached in two tiers can be read from both. It expires in the first tier
    /// earlier than in the second.
    cached_result_in_two_tiers,
    /// B1, B2, V2: Batches store, read, patch and delete 150 JSON documents.
    documents_in_bulk: needs(patch),
    /// C1, X8: A lock is acquired once, renewed by its holder, and released by its holder only.
    lock_with_a_lease: needs(conditions),
    /// C1, E3, X8: An expired lease is free for others, and its former holder can no longer renew or
    /// release it.
    lock_that_ran_out: needs(conditions),
    /// P6, R7: A login throttle counts within a window that does not slide, and starts again after it.
    login_throttle: needs(patch),
    /// R8, X2, E5: A repeated put of a profile restarts its TTL. With `Keep`, a deadline set by an expire
    /// is kept.
    profile_saved_again,
}

async fn sliding_session(t: Test) -> Check {
    let policy = RefreshPolicy::on(Actions::FETCH | Actions::WRITES)?;
    t.put(&key("s"), "session", PutOptions::new(SESSION)).await?;
    for _ in 0..20 {
        t.pass(Duration::from_secs(29 * 60)).await;
        ensure!(used(&t, &key("s"), policy, SESSION).await?, "a session in use", "a miss");
    }
    t.pass(SESSION.as_duration() - Duration::from_nanos(1)).await;
    t.expect_value(&key("s"), "session", "the session after almost half an hour without a use").await?;
    t.pass(Duration::from_nanos(1)).await;
    ensure!(
        !used(&t, &key("s"), policy, SESSION).await?,
        "no session after half an hour without a use",
        "a hit"
    );
    Ok(())
}

async fn sliding_session_with_an_end(t: Test) -> Check {
    let policy = RefreshPolicy::on(Actions::FETCH)?;
    let lifespan = Lifespan::new(SESSION).with_max_lifetime(Ttl::hours(12));
    t.put(&key("s"), "session", PutOptions::new(lifespan)).await?;
    let mut minutes = 0;
    while used(&t, &key("s"), policy, SESSION).await? {
        t.pass(Duration::from_secs(60)).await;
        minutes += 1;
        ensure!(minutes <= 24 * 60, "an end after twelve hours", "a live session after a day");
    }
    ensure_eq!(minutes, 12 * 60, "the minutes until the session ended");
    Ok(())
}

async fn sliding_session_by_its_deadlines(t: Test) -> Check {
    let policy = RefreshPolicy::on(Actions::FETCH)?;
    t.put(&key("s"), "session", PutOptions::new(SESSION)).await?;
    for _ in 0..5 {
        t.pass(Duration::from_millis(25)).await;
        let started = t.store.now();
        ensure!(used(&t, &key("s"), policy, SESSION).await?, "a hit", "a miss");
        ensure_ahead(&t, t.deadline(&key("s")).await?, started, SESSION, "the deadline after a use")?;
    }
    Ok(())
}

async fn fixed_token(t: Test) -> Check {
    let policy = RefreshPolicy::never();
    t.put(&key("reset"), "ada", PutOptions::new(LONG)).await?;
    let deadline = t.deadline(&key("reset")).await?;
    for _ in 0..5 {
        t.pass(Duration::from_millis(5)).await;
        ensure!(used(&t, &key("reset"), policy, LONG).await?, "a hit", "a miss");
    }
    ensure_eq!(t.deadline(&key("reset")).await?, deadline, "the deadline");
    let taken = applied(t.store.delete(&key("reset"), DeleteOptions::take()).await?)?;
    ensure_eq!(taken.and_then(|entry| entry.value), Some(Value::from("ada")), "the value of the token");
    let again = t.store.delete(&key("reset"), DeleteOptions::take()).await?;
    ensure!(again.is_absent(), "Absent for the second take", "{again:?}");
    Ok(())
}

async fn fixed_token_too_late(t: Test) -> Check {
    t.put(&key("reset"), "ada", PutOptions::new(SHORT)).await?;
    t.outlive(SHORT).await;
    let late = t.store.delete(&key("reset"), DeleteOptions::take()).await?;
    ensure!(late.is_absent(), "Absent", "{late:?}");
    Ok(())
}

async fn active_session_with_fields(t: Test) -> Check {
    let policy = RefreshPolicy::on(Actions::WRITES)?;
    let initial = record_of(&json!({ "user": "ada", "cart": [], "visits": 0 }))?;
    let started = t.store.now();
    let steps = [
        Patch::new().set("page", "/").increment("visits", 1),
        Patch::new()
            .set("page", "/book")
            .increment("visits", 1)
            .append("cart", json!({ "sku": "b-1", "count": 2 })),
        Patch::new()
            .set("page", "/lamp")
            .increment("visits", 1)
            .append("cart", json!({ "sku": "l-7", "count": 1 })),
        Patch::new()
            .set("page", "/cart")
            .increment("visits", 1)
            .remove_value("cart", json!({ "count": 2, "sku": "b-1" })),
    ];
    for (number, step) in steps.iter().enumerate() {
        let create = Create::new(SESSION).with_initial(initial.clone());
        let options =
            PatchOptions::new().with_create(create).with_refresh(policy.resolve(step.actions(), LONG));
        let outcome = applied(t.store.patch(&key("s"), step, options).await?)?;
        ensure_eq!(outcome.created, number == 0, "the creation in step {number}");
        let ttl = if number == 0 { SESSION } else { LONG };
        ensure_ahead(&t, t.deadline(&key("s")).await?, started, ttl, "the deadline")?;
    }
    let expected = json!({
        "user": "ada", "page": "/cart", "visits": 4, "cart": [{ "count": 1, "sku": "l-7" }],
    });
    ensure_eq!(fields(&t, &key("s")).await?, expected, "the session");
    let projection = Projection::Fields(Fields::new(["page", "visits", "theme"])?);
    let entry = t.store.get(&key("s"), GetOptions::new().with_projection(projection)).await?;
    let part = entry.and_then(|entry| entry.value).ok_or_else(|| Failure::new("a hit", "a miss"))?;
    ensure_eq!(json_of(part)?, json!({ "page": "/cart", "visits": 4 }), "the fields of the session");
    applied(t.store.delete(&key("s"), DeleteOptions::new()).await?)?;
    t.expect_miss(&key("s"), "the session after the logout").await
}

async fn cached_result(t: Test) -> Check {
    let mut made = 0;
    let mut last = read_through(&t, &key("page"), &mut made).await?;
    for _ in 0..10 {
        let before = made;
        let page = read_through(&t, &key("page"), &mut made).await?;
        // With a real clock the page may have expired meanwhile. Then the page is a new one.
        ensure!(!t.is_manual() || made == before, "a page from the cache", "a new one");
        ensure_eq!(page == last, made == before, "whether the page is the previous one");
        last = page;
    }
    let before = made;
    t.outlive(SHORT).await;
    let page = read_through(&t, &key("page"), &mut made).await?;
    ensure_eq!(made, before + 1, "the number of created pages");
    ensure!(page != last, "a new page", "the old one");
    Ok(())
}

async fn cached_result_in_two_tiers(t: Test) -> Check {
    let (near, far) = (key("near:page"), key("far:page"));
    t.put(&far, "page", PutOptions::new(LONG)).await?;
    for round in 0..3 {
        let hit = t.value(&near).await?;
        ensure!(round > 0 || hit.is_none(), "a miss in the first tier", "{hit:?}");
        let page = match hit {
            Some(page) => page,
            None => t.value(&far).await?.ok_or_else(|| Failure::new("a hit in the second tier", "a miss"))?,
        };
        ensure_eq!(page, Value::from("page"), "the page");
        t.put(&near, page, PutOptions::new(SHORT)).await?;
    }
    t.outlive(SHORT).await;
    t.expect_miss(&near, "the first tier").await?;
    t.expect_value(&far, "page", "the second tier").await
}

async fn documents_in_bulk(t: Test) -> Check {
    let document = |n: usize| {
        json!({
            "id": n, "title": format!("Document \"{n}\" \u{1F4C4}"), "tags": ["a", "b", n.to_string()],
            "author": { "name": "Ada", "address": { "city": "London", "lines": [null, "1, \\ Street"] } },
            "score": 0.1 * 3.0, "big": u64::MAX - 1, "draft": n.is_multiple_of(2),
        })
    };
    let names: Vec<Key> = (0..150).map(|n| key(&format!("doc:{n}"))).collect();
    let mut items = Vec::new();
    for (n, name) in names.iter().enumerate() {
        items.push(PutItem::new(name.clone(), record_of(&document(n))?, PutOptions::new(LONG)));
    }
    for result in t.store.put_many(items).await {
        ensure!(applied(result?)?.created, "a creation", "an overwrite");
    }
    for n in (0..150).step_by(50) {
        applied(
            t.store
                .patch(&names[n], &Patch::new().set("draft", "no").append("tags", "c"), PatchOptions::new())
                .await?,
        )?;
    }
    let read = t.store.get_many(&names, GetOptions::new().with_kind(Kind::Record)).await;
    ensure_eq!(read.len(), 150, "the number of results");
    for (n, result) in read.into_iter().enumerate() {
        let value = result?.and_then(|entry| entry.value).ok_or_else(|| Failure::new("a hit", "a miss"))?;
        let mut expected = document(n);
        if n % 50 == 0 {
            expected["draft"] = json!("no");
            expected["tags"] = json!(["a", "b", n.to_string(), "c"]);
        }
        ensure_eq!(json_of(value)?, expected, "document {n}");
    }
    for outcome in t.store.delete_many(&names, DeleteOptions::new()).await {
        applied(outcome?)?;
    }
    Ok(())
}

async fn lock_with_a_lease(t: Test) -> Check {
    let acquire = async |holder: &'static str| {
        let options = PutOptions::new(SESSION).with_condition(Condition::IfAbsent);
        let token = Record::new().with("holder", holder);
        Ok::<_, Failure>(t.store.put(&key("lock"), token.into(), options).await?.is_applied())
    };
    ensure!(acquire("first").await?, "an acquired lock", "refused");
    ensure!(!acquire("second").await?, "no second holder of the lock", "acquired");
    let mine = t.version(&key("lock")).await?;
    let renew = ExpireOptions::new().with_if_version(mine);
    let started = t.store.now();
    let renewed = t.store.expire(&key("lock"), ExpiryChange::Set(Expiry::After(LONG)), renew.clone()).await?;
    ensure_ahead(&t, applied(renewed)?.deadline, started, LONG, "the renewed lease")?;
    let theirs =
        t.put_version(&key("other"), Record::new().with("holder", "second"), PutOptions::new(LONG)).await?;
    let stolen = t.store.delete(&key("lock"), DeleteOptions::new().with_if_version(theirs)).await?;
    ensure!(stolen.is_refused(), "a refused release by another holder", "{stolen:?}");
    let released = t.store.delete(&key("lock"), DeleteOptions::new().with_if_version(mine)).await?;
    ensure!(released.is_applied(), "an applied release", "{released:?}");
    ensure!(acquire("second").await?, "an acquired lock after its release", "refused");
    let late = t.store.expire(&key("lock"), ExpiryChange::Set(Expiry::After(LONG)), renew).await?;
    ensure!(late.is_refused(), "a refused renewal by the former holder", "{late:?}");
    Ok(())
}

async fn lock_that_ran_out(t: Test) -> Check {
    let options = |ttl| PutOptions::new(ttl).with_condition(Condition::IfAbsent);
    let first = Record::new().with("holder", "first");
    let meta = applied(
        t.store
            .put(
                &key("lock"),
                first.into(),
                options(SHORT).with_returning(ttl_core::options::Returning::VERSION),
            )
            .await?,
    )?;
    let mine = reported(meta.version)?;
    t.outlive(SHORT).await;
    let renew = ExpireOptions::new().with_if_version(mine);
    let late = t.store.expire(&key("lock"), ExpiryChange::Set(Expiry::After(LONG)), renew.clone()).await?;
    ensure!(late.is_absent(), "Absent", "{late:?}");
    let second = Record::new().with("holder", "second");
    applied(t.store.put(&key("lock"), second.clone().into(), options(LONG)).await?)?;
    let late = t.store.expire(&key("lock"), ExpiryChange::Set(Expiry::After(LONG)), renew).await?;
    ensure!(late.is_refused(), "Refused", "{late:?}");
    let late = t.store.delete(&key("lock"), DeleteOptions::new().with_if_version(mine)).await?;
    ensure!(late.is_refused(), "Refused", "{late:?}");
    t.expect_value(&key("lock"), second, "the second holder's token").await
}

async fn login_throttle(t: Test) -> Check {
    let window = Ttl::millis(400);
    let attempt = async || {
        let options = PatchOptions::new().with_create(Create::new(window));
        let outcome = t.store.patch(&key("ada"), &Patch::new().increment("tries", 1), options).await?;
        let tries = applied(outcome)?.fields.get("tries").and_then(Json::as_i64);
        reported(tries)
    };
    let first = attempt().await?;
    ensure_eq!(first, 1, "the first try");
    let deadline = t.peek(&key("ada")).await?.and_then(|entry| entry.deadline);
    let second = attempt().await?;
    if t.peek(&key("ada")).await?.and_then(|entry| entry.deadline) == deadline && deadline.is_some() {
        ensure_eq!(second, 2, "the second try in the same window");
    }
    ensure!(!t.is_manual() || second == 2, "the second try in the window", "{second}");
    t.outlive(window).await;
    ensure_eq!(attempt().await?, 1, "the first try after the window");
    Ok(())
}

async fn profile_saved_again(t: Test) -> Check {
    let policy = RefreshPolicy::default();
    let save = |refresh: Option<ttl_core::options::Refresh>| {
        PutOptions::new(SESSION)
            .with_existing_deadline(refresh.map_or(ExistingDeadline::Keep, ExistingDeadline::Refresh))
    };
    t.put(&key("p"), "one", save(policy.resolve(Actions::UPDATE, SESSION))).await?;
    let by_hand = t.expire(&key("p"), ExpiryChange::Set(Expiry::After(LONG)), Guard::IfLater).await?;
    ensure!(by_hand.changed, "a change", "{by_hand:?}");
    t.put(&key("p"), "two", save(policy.resolve(Actions::UPDATE, SESSION))).await?;
    ensure_eq!(t.deadline(&key("p")).await?, by_hand.deadline, "the deadline that the expire set");
    let started = t.store.now();
    t.put(&key("p"), "three", PutOptions::new(SESSION)).await?;
    ensure_ahead(&t, t.deadline(&key("p")).await?, started, SESSION, "the deadline of a put that replaces")
}
