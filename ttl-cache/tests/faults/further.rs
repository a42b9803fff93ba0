//! Faults that are not of the list: ttl-cache had them.

use std::time::Duration;

use ttl_cache::LoadOptions;
use ttl_core::Ttl;

use crate::caches::Settings;
use crate::source::Source;
use crate::tap::{Moment, Op};
use crate::world::{Seen, World, begin_with, load, same, settle};

/// A generation that cannot be read is made anew, and names the value like any other.
pub(crate) async fn an_unreadable_generation(world: World) -> Seen {
    let cache = world.cache(Settings::default());
    let options = LoadOptions::new().with_tags(["t"]);
    cache.get_or_load("k", options.clone(), &Source::new("first")).await?;
    world.overwrite("@c:things:t:t", "not a generation").await;
    same("the value without a generation", &cache.get("k").await?, None)?;
    cache.get_or_load("k", options.clone(), &Source::new("second")).await?;
    let again = Source::new("never needed");
    same("the value with a new one", &cache.get_or_load("k", options, &again).await?, "second")?;
    cache.invalidate_tag("t").await?;
    same("the value after an invalidation", &cache.get("k").await?, None)
}

/// A failed refresh leads to the stale value at once, also if the loader was that of another call.
pub(crate) async fn a_refresh_panics(world: World) -> Seen {
    let cache = world.cache(Settings { fresh_for: Some(Ttl::seconds(10)), ..Settings::default() });
    load(&cache, "k", &Source::new("old")).await?;
    world.advance(Ttl::seconds(10));
    let source = Source::panicking_held();
    let options = LoadOptions::new().with_soft_timeout(Duration::from_secs(3_600));
    let first = begin_with(&cache, "k", options.clone(), &source);
    world.until("the refresh begins", || source.loads() == 1).await?;
    let second = begin_with(&cache, "k", options, &Source::new("own"));
    settle().await;
    source.open();
    same("the value of the first caller", &world.finish(first).await?, Ok("old".to_owned()))?;
    same("the value of the other caller", &world.finish(second).await?, Ok("old".to_owned()))
}

/// The refresh of a batch looks whether another process has refreshed already, as that of one key does.
pub(crate) async fn another_process_has_refreshed_a_batch(world: World) -> Seen {
    let settings = Settings { fresh_for: Some(Ttl::seconds(10)), ..Settings::default() };
    let quick = world.cache(settings.clone());
    let (store, late) = world.process(settings);
    quick.get_many_or_load(&["a", "b"], &Source::new("first")).await?;
    world.advance(Ttl::seconds(10));
    let (source, unneeded) = (Source::new("second"), Source::new("third"));
    let read = store.hold(Op::Get, Moment::After);
    let call = tokio::spawn({
        let (late, unneeded) = (late.clone(), unneeded.clone());
        async move { late.get_many_or_load(&["a", "b"], &unneeded).await.map(|values| values.join(" ")) }
    });
    world.until("the late process has read", || read.is_reached()).await?;
    quick.get_many_or_load(&["a", "b"], &source).await?;
    world.until("the quick process refreshes", || source.loads() == 1).await?;
    settle().await;
    read.release();
    same("the values of the late process", &world.finish(call).await?, Ok("first first".to_owned()))?;
    settle().await;
    same("loads of the late process", &unneeded.loads(), 0)?;
    same("the value afterwards", &late.get("a").await?.as_deref(), Some("second"))
}
