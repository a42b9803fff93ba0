//! Faults 21 to 23: tags and clear.

use std::time::Duration;

use ttl_cache::LoadOptions;
use ttl_core::Ttl;

use crate::caches::{Failure, Settings};
use crate::source::Source;
use crate::tap::Skew;
use crate::world::{Cache, Seen, World, check, load, same};

fn tagged() -> Settings {
    Settings { tags: true, ..Settings::default() }
}

async fn load_tagged(cache: &Cache, key: &str, tags: &[&str], text: &str) -> Result<String, Failure> {
    let options = LoadOptions::new().with_tags(tags.iter().copied());
    cache.get_or_load(key, options, &Source::new(text)).await
}

pub(crate) async fn clocks_differ(world: World) -> Seen {
    let hour = Duration::from_secs(3_600);
    for skew in [Skew::Behind(hour), Skew::Ahead(hour)] {
        let cache = world.cache(tagged());
        let (_, other) = world.skewed_process(tagged(), skew);
        load_tagged(&cache, "k", &["t"], "old").await?;
        world.advance(Ttl::seconds(1));
        other.invalidate_tag("t").await?;
        world.advance(Ttl::seconds(1));
        let about = format!("with a clock {skew:?}");
        for (call, text) in [("first", "new"), ("second", "never needed")] {
            let seen = load_tagged(&cache, "k", &["t"], text).await?;
            same(&format!("the {call} value after the invalidation, {about}"), &seen, "new")?;
        }
        cache.invalidate("k").await?;
    }
    Ok(())
}

pub(crate) async fn tags_are_read_each_time(world: World) -> Seen {
    let [reading, invalidating] = world.two(&tagged());
    for round in ["first", "second"] {
        load_tagged(&reading, "k", &["t"], round).await?;
        same("the value", &reading.get("k").await?.as_deref(), Some(round))?;
        world.advance(Ttl::seconds(1));
        invalidating.invalidate_tag("t").await?;
        world.advance(Ttl::seconds(1));
        same("the value after the invalidation", &reading.get("k").await?, None)?;
    }
    Ok(())
}

pub(crate) async fn another_number_of_tags(world: World) -> Seen {
    let [cache, other] = world.two(&tagged());
    load_tagged(&cache, "k", &["a", "b", "c"], "value").await?;
    for tags in [&[][..], &["a", "b"], &["b"], &["c", "b", "a"]] {
        let seen = load_tagged(&other, "k", tags, "never needed").await?;
        same(&format!("the value of a call with the tags {tags:?}"), &seen, "value")?;
    }
    Ok(())
}

/// The cache keeps values for ten hours by default, and this one for a thousand.
pub(crate) async fn an_invalidation_lasts(world: World) -> Seen {
    let [cache, other] = world.two(&tagged());
    let source = Source::fresh("old", &[], Some(Ttl::hours(1_000)), false);
    let options = LoadOptions::new().with_tags(["t"]);
    cache.get_or_load("k", options.clone(), &source).await?;
    world.advance(Ttl::hours(500));
    let kept = cache.get_or_load("k", options, &Source::new("never needed")).await?;
    same("the value after 500 hours", &kept, "old")?;
    other.invalidate_tag("t").await?;
    for hours in [0, 11, 50] {
        world.advance(Ttl::hours(hours + 1));
        same("the invalidated value", &cache.get("k").await?, None)?;
    }
    Ok(())
}

pub(crate) async fn a_marker_is_made_anew(world: World) -> Seen {
    let cache = world.cache(tagged());
    let long = |text: &str| Source::fresh(text, &[], Some(Ttl::hours(1_000)), false);
    for (key, tags) in [("a", &["a"][..]), ("b", &["b"]), ("both", &["a", "b"]), ("none", &[])] {
        let options = LoadOptions::new().with_tags(tags.iter().copied());
        cache.get_or_load(key, options, &long("value")).await?;
    }
    cache.invalidate_tag("a").await?;
    world.advance(Ttl::seconds(1));
    load_tagged(&cache, "a", &["a"], "new").await?;
    for (key, expected) in [("a", Some("new")), ("b", Some("value")), ("both", None), ("none", Some("value"))]
    {
        same(&format!("the value of {key:?}"), &cache.get(key).await?.as_deref(), expected)?;
    }
    // Longer than a marker lasts that nothing extends.
    world.advance(Ttl::hours(500));
    for key in ["b", "none"] {
        let seen = cache.get(key).await?;
        same(&format!("the value of {key:?} after 500 hours"), &seen.as_deref(), Some("value"))?;
    }
    Ok(())
}

pub(crate) async fn clear_and_names(world: World) -> Seen {
    let names = ["users", "usersAbc", "users2"];
    let caches = names.map(|name| world.cache(Settings { name, ..Settings::default() }));
    for cache in &caches {
        load(cache, "k", &Source::new("value")).await?;
    }
    caches[0].clear().await?;
    for (name, cache) in names.iter().zip(&caches) {
        let kept = cache.get("k").await?.is_some();
        check(kept == (*name != "users"), || {
            format!("after clear of \"users\", {name:?} has {} values", u8::from(kept))
        })?;
    }
    Ok(())
}
