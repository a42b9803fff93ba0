//! Clients whose clocks differ: each goes by its own, and nothing is lost or revived that the documents do not say.

use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::Trial;
use ttl_conformance::servers::ServerUrl;
use ttl_core::options::{
    Condition, DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutOptions, Refresh,
    Returning,
};
use ttl_core::{Clock, Lifespan, ManualClock, Patch, Ttl, TtlStore};
use ttl_dynamo::DynamoStore;

use crate::support::{LONG, Space, applied, blob, key, record, with_server};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    vec![
        with_server("clocks::each_client_goes_by_its_own", server, own),
        with_server("clocks::an_entry_that_is_over_for_one_client_is_not_taken_from_it", server, taken_over),
        with_server("clocks::a_delete_also_ends_an_entry_that_is_over", server, ended),
        with_server("clocks::no_clock_makes_garbage_of_what_another_still_sees", server, garbage),
    ]
}

const SKEW: Duration = Duration::from_secs(30);

/// Two stores on one table; the second one's clock is ahead.
struct Pair {
    space: Space,
    ahead: DynamoStore,
    clock: Arc<ManualClock>,
}

impl Pair {
    async fn new(endpoint: String) -> Self {
        let space = Space::new(endpoint).await;
        let clock = Arc::new(ManualClock::starting_at(space.clock.now() + SKEW));
        let (ahead, _) = space.another(|config| config.with_clock(clock.clone()));
        Self { space, ahead, clock }
    }

    fn advance(&self, by: Duration) {
        self.space.clock.advance(by);
        self.clock.advance(by);
    }
}

async fn is_live(store: &DynamoStore) -> bool {
    store.get(&key("k"), GetOptions::new()).await.unwrap().is_some()
}

async fn own(endpoint: String) {
    let pair = Pair::new(endpoint).await;
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

async fn ended(endpoint: String) {
    let pair = Pair::new(endpoint).await;
    let (behind, ahead) = (&pair.space.store, &pair.ahead);
    let put = PutOptions::new(Ttl::seconds(10)).with_returning(Returning::VERSION);
    let old = applied(behind.put(&key("k"), blob("v"), put).await);
    // Over for the one ahead. Its delete is absent, and no later write of the other one revives the entry.
    assert!(ahead.delete(&key("k"), DeleteOptions::new()).await.unwrap().is_absent());
    let swap = PutOptions::new(LONG).with_condition(Condition::IfVersion(old.version.unwrap()));
    assert!(behind.put(&key("k"), blob("late"), swap).await.unwrap().is_absent());
    assert_eq!(pair.space.raw.get("k").await, None);
}

async fn taken_over(endpoint: String) {
    let pair = Pair::new(endpoint).await;
    let (behind, ahead) = (&pair.space.store, &pair.ahead);
    let absent =
        || PutOptions::new(LONG).with_condition(Condition::IfAbsent).with_returning(Returning::VERSION);
    let old = applied(
        behind
            .put(&key("k"), record(), PutOptions::new(Ttl::seconds(10)).with_returning(Returning::VERSION))
            .await,
    );

    // Over for the one ahead: no operation of it takes anything from the entry, and none touches it.
    let before = pair.space.raw.get("k").await;
    assert!(ahead.delete(&key("k"), DeleteOptions::take()).await.unwrap().is_absent());
    assert!(
        ahead.expire(&key("k"), ExpiryChange::Extend(LONG), ExpireOptions::new()).await.unwrap().is_absent()
    );
    let increment = Patch::new().increment("n", 1);
    assert!(ahead.patch(&key("k"), &increment, PatchOptions::new()).await.unwrap().is_absent());
    let after = pair.space.raw.get("k").await;
    assert!(after == before || after.is_none());

    // Its successor is seen by both, and the old version is refused.
    let new = applied(ahead.put(&key("k"), blob("new"), absent()).await);
    assert!(behind.put(&key("k"), blob("late"), absent()).await.unwrap().is_refused());
    let swap = PutOptions::new(LONG).with_condition(Condition::IfVersion(old.version.unwrap()));
    assert!(behind.put(&key("k"), blob("late"), swap).await.unwrap().is_refused());
    let peek = GetOptions::nothing().with_returning(Returning::VERSION);
    assert_eq!(behind.get(&key("k"), peek).await.unwrap().unwrap().version, new.version);
}

async fn garbage(endpoint: String) {
    let pair = Pair::new(endpoint).await;
    let grace = ttl_dynamo::DynamoConfig::DEFAULT_GRACE;
    let capped = || PutOptions::new(Lifespan::from(Ttl::seconds(10)).with_max_lifetime(Ttl::minutes(2)));
    for (number, writer) in [&pair.space.store, &pair.ahead].into_iter().enumerate() {
        let mut earliest = 0;
        let mut check = async |what: &str| {
            let item = pair.space.raw.get("k").await.unwrap();
            let number_of =
                |name: &str| item.get(name).map(|value| value.as_n().unwrap().parse::<u64>().unwrap());
            let end = number_of("ttl:deadline").into_iter().chain(number_of("ttl:cap")).min().unwrap();
            let collected = number_of("ttl:epoch").unwrap() * 1000;
            let grace = u64::try_from(grace.as_millis()).unwrap();
            assert!(collected >= end + grace, "{what} by {number}: {collected} < {end} + {grace}");
            // Nor does a clock that is behind bring it nearer than its own present allows.
            assert!(collected > pair.space.now_millis());
            earliest = collected.max(earliest);
        };
        applied(writer.put(&key("k"), record(), capped()).await);
        check("put").await;
        let refresh = GetOptions::new().with_refresh(Refresh::reset(Ttl::seconds(5)));
        assert!(writer.get(&key("k"), refresh).await.unwrap().is_some());
        check("get").await;
        let change = ExpiryChange::Extend(Ttl::hours(5));
        assert!(writer.expire(&key("k"), change, ExpireOptions::new()).await.unwrap().is_applied());
        check("expire").await;
        let patch = PatchOptions::new().with_refresh(Refresh::reset(Ttl::seconds(7)));
        assert!(writer.patch(&key("k"), &Patch::new().increment("n", 1), patch).await.unwrap().is_applied());
        check("patch").await;
        pair.space.raw.delete("k").await;
    }
}
