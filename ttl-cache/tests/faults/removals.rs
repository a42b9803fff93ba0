//! Faults 1 to 4: values that were removed or replaced while a load was under way.

use std::time::Duration;

use ttl_cache::LoadOptions;
use ttl_core::Ttl;

use crate::caches::Settings;
use crate::source::Source;
use crate::tap::{Moment, Op};
use crate::world::{Cache, Seen, World, begin, begin_with, check, load, same, settle};

const HOUR: Duration = Duration::from_secs(3_600);

pub(crate) async fn during_a_load(world: World) -> Seen {
    let cache = world.cache(Settings::default());
    let source = Source::held("old");
    let call = begin(&cache, "k", &source);
    world.until("the load begins", || source.loads() == 1).await?;
    cache.invalidate("k").await?;
    source.open();
    let _ = world.finish(call).await?;
    check(!world.holds("old").await, || "the store holds the old value".to_owned())?;
    world.replaced(&cache, "k", "old").await
}

pub(crate) async fn before_the_write(world: World) -> Seen {
    let (store, cache) = world.process(Settings::default());
    let other = world.cache(Settings::default());
    let source = Source::held("old");
    let call = begin(&cache, "k", &source);
    world.until("the load begins", || source.loads() == 1).await?;
    let write = store.hold(Op::Put, Moment::Before);
    source.open();
    world.until("the value is to be written", || write.is_reached()).await?;
    other.invalidate("k").await?;
    write.release();
    let _ = world.finish(call).await?;
    check(!world.holds("old").await, || "the store holds the old value".to_owned())?;
    world.replaced(&cache, "k", "old").await
}

/// Tags of the call, and tags that only the loader knows.
pub(crate) async fn by_tag(world: World) -> Seen {
    for (key, own, loaded) in [("call", &["t"][..], &[][..]), ("loader", &[], &["t"])] {
        let cache = world.cache(Settings { tags: true, ..Settings::default() });
        let source = Source::fresh("old", loaded, None, true);
        let call = begin_with(&cache, key, LoadOptions::new().with_tags(own.iter().copied()), &source);
        world.until("the load begins", || source.loads() == 1).await?;
        cache.invalidate_tag("t").await?;
        world.advance(Ttl::seconds(1));
        source.open();
        let _ = world.finish(call).await?;
        world.replaced(&cache, key, "old").await.map_err(|seen| format!("tag of the {key}: {seen}"))?;
    }
    Ok(())
}

pub(crate) async fn by_clear(world: World) -> Seen {
    let cache = world.cache(Settings::default());
    let source = Source::held("old");
    let call = begin(&cache, "k", &source);
    world.until("the load begins", || source.loads() == 1).await?;
    cache.clear().await?;
    source.open();
    let _ = world.finish(call).await?;
    world.replaced(&cache, "k", "old").await
}

pub(crate) async fn during_a_background_refresh(world: World) -> Seen {
    let cache = world.cache(Settings { fresh_for: Some(Ttl::seconds(10)), ..Settings::default() });
    load(&cache, "k", &Source::new("first")).await?;
    world.advance(Ttl::seconds(11));
    removed_during_a_refresh(&world, &cache).await
}

pub(crate) async fn during_an_early_refresh(world: World) -> Seen {
    let cache = world.cache(early());
    nearly_stale(&world, &cache, "first").await?;
    removed_during_a_refresh(&world, &cache).await
}

async fn removed_during_a_refresh(world: &World, cache: &Cache) -> Seen {
    let source = Source::held("old");
    same("the value during the refresh", &load(cache, "k", &source).await?, "first")?;
    world.until("the refresh begins", || source.loads() == 1).await?;
    cache.invalidate("k").await?;
    source.open();
    settle().await;
    check(!world.holds("old").await, || "the store holds the old value".to_owned())?;
    world.replaced(cache, "k", "old").await
}

/// Returns the settings of a cache that refreshes early.
pub(crate) fn early() -> Settings {
    let (fresh_for, load_timeout) = (Some(Ttl::hours(2)), Ttl::hours(3));
    Settings { fresh_for, load_timeout, refreshes_early: true, ..Settings::default() }
}

/// Loads a value and waits until it is refreshed early: a load that takes an hour, 10 ms before the end of its two
/// hours.
pub(crate) async fn nearly_stale(world: &World, cache: &Cache, text: &str) -> Seen {
    same("the first value", &load(cache, "k", &Source::slow(text, &world.clock, HOUR)).await?, text)?;
    world.clock.advance(HOUR - Duration::from_millis(10));
    Ok(())
}

pub(crate) async fn lifetimes_begin_before_the_load(world: World) -> Seen {
    let cache = world.cache(Settings { ttl: Ttl::minutes(1), ..Settings::default() });
    load(&cache, "k", &Source::slow("old", &world.clock, Duration::from_secs(40))).await?;
    world.clock.advance(Duration::from_millis(19_999));
    same("the value at the end of its life", &cache.get("k").await?.as_deref(), Some("old"))?;
    world.clock.advance(Duration::from_millis(1));
    same("the value a minute after its load began", &cache.get("k").await?, None)
}

pub(crate) async fn the_claim_expires(world: World) -> Seen {
    let settings = Settings::default();
    older_data_arrives_last(&world, settings.clone(), async |_| world.advance(settings.load_timeout)).await
}

pub(crate) async fn the_claim_is_deleted(world: World) -> Seen {
    older_data_arrives_last(&world, Settings::default(), async |other| {
        // Its failure would be seen in what follows.
        let _ = other.invalidate("k").await;
    })
    .await
}

async fn older_data_arrives_last(world: &World, settings: Settings, end: impl AsyncFn(&Cache)) -> Seen {
    let [slow, quick] = world.two(&settings);
    let source = Source::held("older");
    let call = begin(&slow, "k", &source);
    world.until("the load begins", || source.loads() == 1).await?;
    end(&quick).await;
    let newer = begin(&quick, "k", &Source::new("newer"));
    same("the value of the quick process", &world.finish(newer).await?, Ok("newer".to_owned()))?;
    source.open();
    let _ = world.finish(call).await?;
    for cache in [&quick, &slow] {
        same("the value afterwards", &cache.get("k").await?.as_deref(), Some("newer"))?;
    }
    check(!world.holds("older").await, || "the store holds the older value".to_owned())
}
