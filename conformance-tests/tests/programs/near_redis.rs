//! Near copies over a real Redis, and caches while it is stopped: a proxy stands before it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use libtest_mimic::Trial;
use ttl_conformance::servers::{ServerUrl, trial};
use ttl_conformance::{Fault, FaultProxy};
use ttl_core::options::{ExpireOptions, ExpiryChange};
use ttl_store::cache::{Cache, CacheError, Loaded, Near, OnOutage};
use ttl_store::{Json, Key, Store, Ttl, connect};

/// The stored key of "ada" in these caches.
const STORED: &str = "@c:users:k:\"ada\"";
const HOUR: Duration = Duration::from_secs(3_600);

/// Waits until an expression holds, at most 20 seconds.
macro_rules! until {
    ($holds:expr) => {
        let mut left = 2_000;
        while !$holds {
            left -= 1;
            assert!(left > 0, "{} did not hold within 20 seconds", stringify!($holds));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
}

type Users = Cache<String, String>;

pub(crate) fn trials(
    server: &ServerUrl,
    place: impl Fn(&str) -> String + Clone + Send + 'static,
) -> Vec<Trial> {
    let mut trials = Vec::new();
    macro_rules! push {
        ($($test:ident)*) => {
            $({
                let (server, place) = (server.clone(), place.clone());
                trials.push(trial(concat!("cache_", stringify!($test)), async move {
                    $test(&place(server.url())).await;
                }));
            })*
        };
    }
    push!(
        near_copies_end_with_their_entries
        near_copies_follow_the_changes_of_another_process
        a_cut_stream_leaves_no_old_copies
        a_flush_removes_near_copies
        a_stopped_redis_leads_to_what_the_mode_says
    );
    trials
}

/// Two processes: one with a near cache behind a proxy that follows changes, and one without.
struct Pair {
    proxy: FaultProxy,
    near: Users,
    far: Users,
    store: Store,
}

impl Pair {
    async fn new(url: &str) -> Self {
        let (proxy, through) = behind_proxy(url).await;
        let near = connect(&through).await.unwrap();
        let near = near
            .cache("users", Ttl::hours(1), Json)
            .near(Near::new(100).max_staleness(HOUR))
            .build()
            .unwrap();
        near.follow_changes().await.unwrap();
        let store = connect(url).await.unwrap();
        let far = store.cache("users", Ttl::hours(1), Json).build().unwrap();
        Self { proxy, near, far, store }
    }

    /// Loads a value in the other process, and makes a near copy of it.
    async fn copy(&self, value: &str) {
        self.far.insert("ada", value.to_owned()).await.unwrap();
        until!(get(&self.near).await == Ok(Some(value.to_owned())));
        // The report of the insert may have arrived after the copy was made.
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(get(&self.near).await.unwrap().as_deref(), Some(value));
    }
}

async fn behind_proxy(url: &str) -> (FaultProxy, String) {
    let address = url.trim_start_matches("redis://").split(['/', '?']).next().unwrap().to_owned();
    let proxy = FaultProxy::start(address.clone()).await.unwrap();
    let through = url.replacen(&address, &proxy.address().to_string(), 1);
    (proxy, through)
}

async fn get(users: &Users) -> Result<Option<String>, ttl_store::ErrorKind> {
    users.get("ada").await.map(|value| value.map(|value| (*value).clone())).map_err(|error| error.kind())
}

async fn near_copies_end_with_their_entries(url: &str) {
    let pair = Pair::new(url).await;
    let short = Loaded::new("short".to_owned()).with_ttl(Ttl::seconds(1));
    pair.far.insert("ada", short).await.unwrap();
    // The copies are made with less than the whole lifetime left, and each hit costs no request.
    let hits = pair.near.stats().near_hits;
    until!(get(&pair.near).await == Ok(None));
    assert!(pair.near.stats().near_hits > hits);
    assert_eq!(get(&pair.far).await, Ok(None));
}

async fn near_copies_follow_the_changes_of_another_process(url: &str) {
    let pair = Pair::new(url).await;
    pair.copy("one").await;
    pair.far.insert("ada", "two".to_owned()).await.unwrap();
    until!(get(&pair.near).await == Ok(Some("two".to_owned())));

    pair.copy("three").await;
    pair.far.invalidate("ada").await.unwrap();
    until!(get(&pair.near).await == Ok(None));

    pair.copy("four").await;
    let shorter = ExpiryChange::Set(Ttl::millis(300).into());
    let key = Key::new(STORED).unwrap();
    assert!(pair.store.driver().expire(&key, shorter, ExpireOptions::new()).await.unwrap().is_applied());
    until!(get(&pair.near).await == Ok(None));

    pair.copy("five").await;
    pair.far.clear().await.unwrap();
    until!(get(&pair.near).await == Ok(None));
}

async fn a_cut_stream_leaves_no_old_copies(url: &str) {
    for fault in [Fault::Refuse, Fault::Stall] {
        let pair = Pair::new(url).await;
        pair.copy("old").await;
        pair.proxy.set(fault);
        pair.far.insert("ada", "new".to_owned()).await.unwrap();
        // The store is out, so there is an error instead of the copy.
        until!(get(&pair.near).await.is_err());
        pair.proxy.heal();
        until!(get(&pair.near).await.is_ok());
        assert_eq!(get(&pair.near).await, Ok(Some("new".to_owned())), "{fault:?}");
        // The subscription works again.
        pair.copy("old").await;
        pair.far.insert("ada", "new".to_owned()).await.unwrap();
        until!(get(&pair.near).await == Ok(Some("new".to_owned())));
    }
}

async fn a_flush_removes_near_copies(url: &str) {
    let pair = Pair::new(url).await;
    pair.copy("old").await;
    // A flush of any database clears the copies of all clients. This one is used by nothing else.
    let server = url.split('?').next().unwrap().trim_end_matches('/');
    let mut other =
        redis::Client::open(format!("{server}/9")).unwrap().get_multiplexed_async_connection().await.unwrap();
    let hits = pair.near.stats().hits;
    let () = redis::cmd("FLUSHDB").query_async(&mut other).await.unwrap();
    until!({
        get(&pair.near).await.unwrap();
        pair.near.stats().hits > hits
    });
}

async fn a_stopped_redis_leads_to_what_the_mode_says(url: &str) {
    for mode in [OnOutage::Fail, OnOutage::Load, OnOutage::ServeStale, OnOutage::ServeStaleOrLoad] {
        let (proxy, through) = behind_proxy(url).await;
        let near = Near::new(100).max_staleness(Duration::ZERO);
        let store = connect(&through).await.unwrap();
        let users: Users = store
            .cache("users", Ttl::hours(1), Json)
            .near(near)
            .on_outage(mode)
            .outage_loads(2)
            .build()
            .unwrap();
        // The outage also cuts the reports of changes.
        users.follow_changes().await.unwrap();
        users.insert("ada", "stored".to_owned()).await.unwrap();
        assert_eq!(get(&users).await, Ok(Some("stored".to_owned())));
        // The report of the insert may have removed the first copy.
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(get(&users).await, Ok(Some("stored".to_owned())));
        proxy.set(Fault::Refuse);

        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let calls = (0..32).map(|n| {
            let (users, running, most) = (users.clone(), Arc::clone(&running), Arc::clone(&most));
            let key = if n % 2 == 0 { "ada".to_owned() } else { format!("other {n}") };
            async move {
                let loader = move |_| async move {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    running.fetch_sub(1, Ordering::SeqCst);
                    Ok::<_, std::io::Error>("loaded".to_owned())
                };
                let value = users.get_or_load(&key, loader).await;
                (n % 2 == 0, value.map(|value| (*value).clone()))
            }
        });
        let (stale, loads) = match mode {
            OnOutage::Fail => (false, false),
            OnOutage::Load => (false, true),
            OnOutage::ServeStale => (true, false),
            OnOutage::ServeStaleOrLoad => (true, true),
        };
        for (is_stored, value) in futures_util::future::join_all(calls).await {
            let is_served = stale && is_stored;
            match value {
                Ok(value) if value == "stored" => assert!(is_served, "{mode:?}"),
                Ok(_) => assert!(loads && !is_served, "{mode:?}"),
                Err(CacheError::Store(error)) if error.is_outage() => {
                    assert!(!loads && !is_served, "{mode:?}");
                }
                Err(error) => panic!("{mode:?}: {error}"),
            }
        }
        assert!(most.load(Ordering::SeqCst) <= 2, "{mode:?}");
        assert_eq!(most.load(Ordering::SeqCst) > 0, loads, "{mode:?}");
    }
}
