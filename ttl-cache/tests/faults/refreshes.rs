//! Faults 8 and 12 to 17: refreshes, and the stale values that they replace.

use std::time::Duration;

use ttl_core::Ttl;

use crate::caches::{Failure, Settings};
use crate::removals::{early, nearly_stale};
use crate::source::Source;
use crate::tap::{Moment, Op};
use crate::world::{Seen, World, begin, check, load, same, settle};

const STALE_AFTER: Ttl = Ttl::seconds(10);

fn stale_soon() -> Settings {
    Settings { fresh_for: Some(STALE_AFTER), ..Settings::default() }
}

pub(crate) async fn an_early_refresh_fails(world: World) -> Seen {
    let pause = Ttl::millis(1);
    let cache = world.cache(Settings { retry_pause: pause, ..early() });
    nearly_stale(&world, &cache, "first").await?;
    let failing = Source::failing();
    same("the value", &load(&cache, "k", &failing).await?, "first")?;
    world.until("the refresh begins", || failing.loads() == 1).await?;
    settle().await;
    world.clock.advance(Duration::from_millis(1));
    let second = Source::new("second");
    world
        .repeat_until("the value is refreshed after the pause", async || {
            load(&cache, "k", &second).await?;
            Ok(second.loads() > 0)
        })
        .await
}

pub(crate) async fn a_load_slower_than_the_interval(world: World) -> Seen {
    let cache = world.cache(stale_soon());
    load(&cache, "k", &Source::new("v1")).await?;
    for version in ["v2", "v3", "v4"] {
        world.advance(STALE_AFTER);
        let (slow, other) = (Source::held(version), Source::held("other"));
        load(&cache, "k", &slow).await?;
        world.until("the refresh begins", || slow.loads() == 1).await?;
        world.advance(STALE_AFTER);
        load(&cache, "k", &other).await?;
        settle().await;
        slow.open();
        settle().await;
        same("the value after a slow refresh", &cache.get("k").await?.as_deref(), Some(version))?;
    }
    Ok(())
}

pub(crate) async fn stale_at_once(world: World) -> Seen {
    let [refreshing, reading] = world.two(&stale_soon());
    load(&refreshing, "k", &Source::new("first")).await?;
    world.advance(STALE_AFTER);
    let source = Source::held("second");
    load(&refreshing, "k", &source).await?;
    world.until("the refresh begins", || source.loads() == 1).await?;
    let call = begin(&reading, "k", &Source::new("third"));
    settle().await;
    check(call.is_finished(), || "a stale value waits for the refresh of another process".to_owned())?;
    same("the stale value", &world.finish(call).await?, Ok("first".to_owned()))
}

pub(crate) async fn another_process_has_refreshed(world: World) -> Seen {
    let quick = world.cache(early());
    let (store, late) = world.process(early());
    nearly_stale(&world, &quick, "first").await?;
    let [source, unneeded] = [Source::new("second"), Source::new("third")];
    let read = store.hold(Op::Get, Moment::After);
    let call = begin(&late, "k", &unneeded);
    world.until("the late process has read", || read.is_reached()).await?;
    load(&quick, "k", &source).await?;
    world.until("the quick process refreshes", || source.loads() == 1).await?;
    settle().await;
    check(world.holds("second").await, || "the refresh is not stored".to_owned())?;
    read.release();
    same("the value of the late process", &world.finish(call).await?, Ok("first".to_owned()))?;
    settle().await;
    same("loads of the late process", &unneeded.loads(), 0)
}

pub(crate) async fn a_fallback_is_no_new_value(world: World) -> Seen {
    let [failing, writing] = world.two(&stale_soon());
    load(&failing, "k", &Source::new("old")).await?;
    world.advance(STALE_AFTER);
    let source = Source::failing_held();
    same("the stale value", &load(&failing, "k", &source).await?, "old")?;
    world.until("the refresh begins", || source.loads() == 1).await?;
    writing.insert("k", "newer").await?;
    source.open();
    settle().await;
    for cache in [&writing, &failing] {
        same("the value after the failure", &cache.get("k").await?.as_deref(), Some("newer"))?;
    }
    world.advance(Ttl::hours(9));
    same("the value near its deadline", &writing.get("k").await?.as_deref(), Some("newer"))?;
    world.advance(Ttl::hours(1));
    same("the value at its deadline", &writing.get("k").await?, None)
}

pub(crate) async fn failures_prolong_nothing(world: World) -> Seen {
    let retry_pause = Ttl::millis(1);
    let cache = world.cache(Settings { ttl: Ttl::minutes(1), retry_pause, ..stale_soon() });
    load(&cache, "k", &Source::new("old")).await?;
    let failing = Source::failing();
    for attempt in 1..=5 {
        world.advance(STALE_AFTER);
        // The pause of this process is one of real time.
        world
            .repeat_until("another attempt is made", async || {
                same("the value during the outage", &load(&cache, "k", &failing).await?, "old")?;
                Ok(failing.loads() >= attempt)
            })
            .await?;
        settle().await;
    }
    world.advance(STALE_AFTER);
    same("the value at its deadline", &cache.get("k").await?, None)?;
    same("a call at the deadline", &load(&cache, "k", &failing).await, Err(Failure::Loader))
}

pub(crate) async fn a_get_keeps_the_fallback(world: World) -> Seen {
    let cache = world.cache(stale_soon());
    load(&cache, "k", &Source::new("old")).await?;
    world.advance(STALE_AFTER);
    let _ = cache.get("k").await?;
    same("the value during the outage", &load(&cache, "k", &Source::failing()).await, Ok("old".to_owned()))
}
