//! Clients whose clocks differ: each goes by its own, and nothing is lost or revived that the documents do not say.

use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::Trial;
use ttl_conformance::servers::ServerUrl;
use ttl_core::options::{
    Condition, DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutOptions, Refresh,
    Returning,
};
use ttl_core::{Clock, Deadline, Expiry, ManualClock, Patch, Ttl, TtlStore};
use ttl_scylla::{Mode, ScyllaConfig, ScyllaStore};

use crate::space::{Space, in_both, in_mode, millis};
use crate::states::record;
use crate::support::{LONG, applied, blob, key};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    let mut trials = Vec::new();
    trials.extend(in_both("clocks::each_client_goes_by_its_own", server, own));
    trials.extend(in_both("clocks::the_server_deletes_nothing_that_a_clock_still_sees", server, garbage));
    trials.push(in_mode(
        Mode::Strict,
        "clocks::what_is_over_for_one_is_not_taken_from_the_other",
        server,
        taken_over,
    ));
    trials.push(in_mode(Mode::Lww, "clocks::the_last_write_wins_whatever_the_clocks_say", server, last));
    trials.push(in_mode(Mode::Lww, "clocks::one_broken_clock_carries_no_other_entry_away", server, broken));
    trials
}

const SKEW: Duration = Duration::from_secs(30);

/// Two stores on one table; the second one's clock is ahead.
struct Pair {
    space: Space,
    ahead: ScyllaStore,
    clock: Arc<ManualClock>,
}

impl Pair {
    async fn new(space: Space) -> Self {
        let clock = Arc::new(ManualClock::starting_at(space.clock.now() + SKEW));
        let ahead = space.another(|config| config.with_clock(clock.clone())).await;
        Self { space, ahead, clock }
    }

    fn advance(&self, by: Duration) {
        self.space.clock.advance(by);
        self.clock.advance(by);
    }
}

async fn is_live(store: &ScyllaStore) -> bool {
    store.get(&key("k"), GetOptions::new()).await.unwrap().is_some()
}

async fn own(space: Space) {
    let pair = Pair::new(space).await;
    let (behind, ahead) = (&pair.space.store, &pair.ahead);
    let minute = || PutOptions::new(Ttl::minutes(1));

    // Written by the one behind, it ends 30 s early for the one ahead.
    applied(behind.put(&key("k"), blob("v"), minute()).await);
    assert!(is_live(behind).await && is_live(ahead).await);
    pair.advance(SKEW);
    assert!(is_live(behind).await && !is_live(ahead).await);
    pair.advance(SKEW);
    assert!(!is_live(behind).await && !is_live(ahead).await);

    // Written by the one ahead, it lives 30 s longer for the one behind.
    applied(ahead.put(&key("k"), blob("v"), minute()).await);
    pair.advance(2 * SKEW);
    assert!(is_live(behind).await && !is_live(ahead).await);
    pair.advance(SKEW);
    assert!(!is_live(behind).await && !is_live(ahead).await);

    // The same deadline for both.
    applied(ahead.put(&key("k"), blob("v"), minute()).await);
    let peek = || GetOptions::nothing().with_returning(Returning::DEADLINE);
    let seen = behind.get(&key("k"), peek()).await.unwrap().unwrap().deadline;
    assert_eq!(seen, ahead.get(&key("k"), peek()).await.unwrap().unwrap().deadline);
    // A refresh by the one behind moves nothing back.
    let refresh = GetOptions::new().with_refresh(Refresh::extend_only(Ttl::minutes(1)));
    let entry = behind.get(&key("k"), refresh.with_returning(Returning::DEADLINE)).await.unwrap().unwrap();
    assert_eq!(entry.deadline, seen);
}

async fn garbage(space: Space) {
    let pair = Pair::new(space).await;
    // The slowest clock that there may be sees an entry so long after the fastest one.
    let allowed = i64::try_from(ScyllaConfig::DEFAULT_CLOCK_SKEW.as_millis()).unwrap();
    for (number, writer) in [&pair.space.store, &pair.ahead].into_iter().enumerate() {
        let (name, now) = (format!("k{number}"), millis(&writer_clock(&pair, number)));
        let check = async |step: &str| {
            let found = pair.space.raw.find(&name).await.unwrap();
            let deadline = found.cells.deadline.unwrap();
            for ttl in found.ttls {
                let gone = now + i64::from(ttl.unwrap()) * 1_000;
                // Read a moment after it was written.
                assert!(gone + 20_000 >= deadline + allowed, "{name}, {step}: {found:?}");
                assert!(found.cells.covers.unwrap() >= deadline, "{name}, {step}: {found:?}");
            }
        };
        applied(writer.put(&key(&name), blob("v"), PutOptions::new(Ttl::seconds(10))).await);
        check("put").await;
        let refresh = GetOptions::new().with_refresh(Refresh::extend_only(Ttl::minutes(2)));
        assert!(writer.get(&key(&name), refresh).await.unwrap().unwrap().refresh_error.is_none());
        check("refreshed").await;
        let change = ExpiryChange::Set(Expiry::from(Ttl::seconds(5)));
        applied(writer.expire(&key(&name), change, ExpireOptions::new()).await);
        check("sooner").await;
    }
}

fn writer_clock(pair: &Pair, number: usize) -> ManualClock {
    ManualClock::starting_at(if number == 0 { pair.space.clock.now() } else { pair.clock.now() })
}

async fn taken_over(space: Space) {
    let pair = Pair::new(space).await;
    let (behind, ahead) = (&pair.space.store, &pair.ahead);
    let absent =
        || PutOptions::new(LONG).with_condition(Condition::IfAbsent).with_returning(Returning::VERSION);
    let short = PutOptions::new(Ttl::seconds(10)).with_returning(Returning::VERSION);
    let old = applied(behind.put(&key("k"), record().into(), short).await);

    // Over for the one ahead: no operation of it takes anything from the entry, and none moves it.
    let seen = async || {
        let peek = GetOptions::new().with_returning(Returning::DEADLINE);
        behind.get(&key("k"), peek).await.unwrap().map(|entry| (entry.value, entry.deadline))
    };
    let before = seen().await;
    assert!(before.is_some());
    assert!(ahead.delete(&key("k"), DeleteOptions::new()).await.unwrap().is_absent());
    assert!(ahead.delete(&key("k"), DeleteOptions::take()).await.unwrap().is_absent());
    let longer =
        [ExpiryChange::Extend(LONG), ExpiryChange::Set(LONG.into()), ExpiryChange::Set(Expiry::Never)];
    for change in longer {
        assert!(ahead.expire(&key("k"), change, ExpireOptions::new()).await.unwrap().is_absent());
    }
    let increment = Patch::new().increment("n", 1);
    assert!(ahead.patch(&key("k"), &increment, PatchOptions::new()).await.unwrap().is_absent());
    let refresh = GetOptions::new().with_refresh(Refresh::extend_only(LONG));
    assert!(ahead.get(&key("k"), refresh).await.unwrap().is_none());
    // It may be a millisecond shorter.
    let millisecond = |deadline: Deadline| deadline.as_epoch_millis() + 1;
    let (value, deadline) = seen().await.unwrap();
    assert_eq!(
        (value, deadline.map(millisecond)),
        before.map(|(value, at)| (value, at.map(Deadline::as_epoch_millis))).unwrap()
    );

    // Its successor is seen by both, and the old version is refused.
    let new = applied(ahead.put(&key("k"), blob("new"), absent()).await);
    assert!(behind.put(&key("k"), blob("late"), absent()).await.unwrap().is_refused());
    let swap = PutOptions::new(LONG).with_condition(Condition::IfVersion(old.version.unwrap()));
    assert!(behind.put(&key("k"), blob("late"), swap).await.unwrap().is_refused());
    let peek = GetOptions::nothing().with_returning(Returning::VERSION);
    assert_eq!(behind.get(&key("k"), peek).await.unwrap().unwrap().version, new.version);
}

/// Somebody's clock was seconds ahead when it wrote: what is written after it stands, a delete and a refresh too.
async fn last(space: Space) {
    let store = &space.store;
    let micros = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros();
    let until = space.now_millis() + 60_000;
    let write = async |name: &str, ahead: u128| {
        let timestamp = micros + ahead * 1_000_000;
        let cql = format!(
            "UPDATE {{}} USING TTL 300 AND TIMESTAMP {timestamp} SET kind = 1, value = 0x61, deadline = {until}, covers = \
             {until}, cap = {}, version = 00000000-0000-4000-8000-000000000007 WHERE key = '{name}'",
            i64::MAX
        );
        space.raw.run(&cql).await;
    };
    for (number, ahead) in [0_u128, 5, 30].into_iter().enumerate() {
        let name = format!("k{number}");
        write(&name, ahead).await;
        let meta = applied(store.put(&key(&name), blob("new"), PutOptions::new(Ttl::minutes(1))).await);
        assert!(!meta.created);
        let entry = store.get(&key(&name), GetOptions::new()).await.unwrap().unwrap();
        assert_eq!(entry.value, Some(blob("new")), "a put over a write {ahead} s ahead");
        for to in [Ttl::minutes(10), Ttl::minutes(5), Ttl::minutes(1)] {
            let change = ExpiryChange::Set(to.into());
            let done = applied(store.expire(&key(&name), change, ExpireOptions::new()).await);
            assert!(done.changed, "{to:?} after a write {ahead} s ahead");
            let seen = store
                .get(&key(&name), GetOptions::nothing().with_returning(Returning::DEADLINE))
                .await
                .unwrap()
                .unwrap();
            assert_eq!(seen.deadline, Some(ttl_core::Deadline::after(store.now(), to)), "{ahead} s ahead");
        }
        assert!(store.delete(&key(&name), DeleteOptions::new()).await.unwrap().is_applied());
        assert!(store.get(&key(&name), GetOptions::new()).await.unwrap().is_none(), "{ahead} s ahead");
        assert!(space.raw.find(&name).await.is_none(), "{ahead} s ahead");
        // What has been deleted can be there again.
        assert!(applied(store.put(&key(&name), blob("again"), PutOptions::new(LONG)).await).created);
        let entry = store.get(&key(&name), GetOptions::new()).await.unwrap().unwrap();
        assert_eq!(entry.value, Some(blob("again")), "a put after a delete of a write {ahead} s ahead");
        // A refresh loses against a newer write, whoever is ahead.
        write(&name, ahead + 40).await;
        let refresh = GetOptions::new().with_refresh(Refresh::extend_only(LONG));
        assert!(store.get(&key(&name), refresh).await.unwrap().unwrap().refresh_error.is_none());
        write(&name, ahead + 41).await;
        assert_eq!(space.raw.find(&name).await.unwrap().cells.deadline, Some(until));
    }
}

/// Somebody's clock was off by hours when it wrote: what it wrote can be replaced, and no other entry is written as late
/// as that.
async fn broken(space: Space) {
    let micros = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros();
    let far = micros + 3 * 3_600_000_000;
    let until = space.now_millis() + 60_000;
    space
        .raw
        .run(&format!(
            "UPDATE {{}} USING TTL 300 AND TIMESTAMP {far} SET kind = 1, value = 0x61, deadline = {until}, covers = {until}, \
             cap = {}, version = 00000000-0000-4000-8000-000000000007 WHERE key = 'far'",
            i64::MAX
        ))
        .await;
    for name in ["far", "other"] {
        applied(space.store.put(&key(name), blob("new"), PutOptions::new(LONG)).await);
        let entry = space.store.get(&key(name), GetOptions::new()).await.unwrap().unwrap();
        assert_eq!(entry.value, Some(blob("new")), "{name}");
    }
    let written = async |name: &str| {
        let rows = space.raw.run(&format!("SELECT WRITETIME(value) FROM {{}} WHERE key = '{name}'")).await;
        let at = rows[0].columns[0].as_ref().unwrap().as_bigint().unwrap();
        u128::try_from(at).unwrap()
    };
    assert!(written("far").await > far);
    assert!(written("other").await < far - 3_600_000_000, "it goes by the clock");
}
