//! Results: which are kept, for how long, and how they are invalidated.

use std::time::Duration;

use serde::Serialize;
use ttl_cache::{CacheError, memoize};
use ttl_core::Ttl;

use crate::world::{AppError, Result, World};

/// Returns the name of a user.
#[memoize(cache = world.cache, skip(world))]
async fn user(world: World, id: u64, field: &str) -> Result<String> {
    Ok(format!("{field} of {id}, load {}", world.load()))
}

#[tokio::test]
async fn a_result_is_loaded_once_for_its_arguments() {
    let world = World::new();
    for _ in 0..2 {
        assert_eq!(user(world.clone(), 7, "name").await.unwrap(), "name of 7, load 1");
    }
    assert_eq!(user(world.clone(), 8, "name").await.unwrap(), "name of 8, load 2");
    assert_eq!(user(world.clone(), 7, "mail").await.unwrap(), "mail of 7, load 3");
    assert_eq!(world.loads(), 3);
}

#[tokio::test]
async fn one_call_is_invalidated() {
    let world = World::new();
    user(world.clone(), 7, "name").await.unwrap();
    user(world.clone(), 8, "name").await.unwrap();
    user_invalidate(world.clone(), 7, "name").await.unwrap();
    assert_eq!(user(world.clone(), 7, "name").await.unwrap(), "name of 7, load 3");
    assert_eq!(user(world.clone(), 8, "name").await.unwrap(), "name of 8, load 2");
}

mod other {
    use crate::world::{Result, World};

    #[ttl_cache::memoize(cache = &world.cache, skip(world))]
    pub(crate) async fn user(world: World, id: u64, field: &str) -> Result<String> {
        world.load();
        Ok(format!("other {field} of {id}"))
    }
}

#[memoize(cache = world.cache, skip(world))]
async fn account(world: World, id: u64, field: &str) -> Result<String> {
    world.load();
    Ok(format!("account {field} of {id}"))
}

#[tokio::test]
async fn functions_share_a_cache_without_collisions() {
    let world = World::new();
    assert_eq!(user(world.clone(), 7, "name").await.unwrap(), "name of 7, load 1");
    assert_eq!(other::user(world.clone(), 7, "name").await.unwrap(), "other name of 7");
    assert_eq!(account(world.clone(), 7, "name").await.unwrap(), "account name of 7");
    other::user_invalidate(world.clone(), 7, "name").await.unwrap();
    assert_eq!(user(world.clone(), 7, "name").await.unwrap(), "name of 7, load 1");
    assert_eq!(world.loads(), 3);
}

#[memoize(cache = world.cache, skip(world))]
async fn fallible(world: World, id: u64) -> Result<String> {
    match world.load() {
        1 => Err(AppError::NotFound),
        _ => Ok(id.to_string()),
    }
}

#[tokio::test]
async fn errors_are_not_kept() {
    let world = World::new();
    assert!(matches!(fallible(world.clone(), 7).await, Err(AppError::NotFound)));
    assert_eq!(fallible(world.clone(), 7).await.unwrap(), "7");
    assert_eq!(world.loads(), 2);
}

#[memoize(cache = world.cache, key(id))]
async fn find(world: World, id: u64) -> Result<Option<String>> {
    Ok((world.load() % 2 == 0).then(|| id.to_string()))
}

#[memoize(cache = world.cache, key(id), absent, ttl = "1m")]
async fn find_or_none(world: World, id: u64) -> Result<Option<String>> {
    Ok((world.load() % 2 == 0).then(|| id.to_string()))
}

#[tokio::test]
async fn none_is_kept_only_with_absent() {
    let world = World::new();
    assert_eq!(find(world.clone(), 7).await.unwrap(), None);
    for _ in 0..2 {
        assert_eq!(find(world.clone(), 7).await.unwrap().unwrap(), "7");
    }
    assert_eq!(world.loads(), 2);
    find_invalidate(world.clone(), 7).await.unwrap();
    assert_eq!(find(world.clone(), 7).await.unwrap(), None);

    let world = World::new();
    for _ in 0..2 {
        assert_eq!(find_or_none(world.clone(), 7).await.unwrap(), None);
    }
    assert_eq!(world.loads(), 1);
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(find_or_none(world.clone(), 7).await.unwrap().unwrap(), "7");
}

#[memoize(cache = world.cache, key(), fresh_for = "1m")]
async fn found_once(world: World) -> Result<Option<String>> {
    Ok((world.load() == 1).then(|| "found".to_owned()))
}

#[tokio::test]
async fn a_refresh_that_finds_nothing_ends_the_stale_result() {
    let world = World::new();
    assert_eq!(found_once(world.clone()).await.unwrap().unwrap(), "found");
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(found_once(world.clone()).await.unwrap().unwrap(), "found");
    for _ in 0..10_000 {
        world.clock.advance(Duration::from_millis(1));
        if found_once(world.clone()).await.unwrap().is_none() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("the stale result was returned until its deadline");
}

const HALF_A_MINUTE: Ttl = Ttl::seconds(30);

#[memoize(cache = world.cache, skip(world), ttl = "1m 500us")]
async fn for_a_minute(world: World, id: u64) -> Result<String> {
    Ok(format!("{id}, load {}", world.load()))
}

#[memoize(cache = world.cache, skip(world), ttl = HALF_A_MINUTE * factor)]
async fn for_some_time(world: World, factor: Factor) -> Result<String> {
    Ok(format!("{factor:?}, load {}", world.load()))
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Factor(u64);

impl std::ops::Mul<Factor> for Ttl {
    type Output = Self;

    fn mul(self, factor: Factor) -> Self {
        Self::millis(self.as_millis() * factor.0)
    }
}

#[tokio::test]
async fn the_lifetime_is_that_of_the_function() {
    let world = World::new();
    for (advance, load) in [(0, 1), (60_000, 1), (1, 2)] {
        world.clock.advance(Duration::from_millis(advance));
        assert_eq!(for_a_minute(world.clone(), 7).await.unwrap(), format!("7, load {load}"));
    }
    let world = World::new();
    for (advance, load) in [(0, 1), (89_999, 1), (1, 2)] {
        world.clock.advance(Duration::from_millis(advance));
        let found = for_some_time(world.clone(), Factor(3)).await.unwrap();
        assert_eq!(found, format!("Factor(3), load {load}"));
    }
}

#[memoize(cache = world.cache, skip(world), tags = [format!("user:{id}"), "users".to_owned()])]
async fn tagged(world: World, id: u64) -> Result<String> {
    Ok(format!("{id}, load {}", world.load()))
}

#[tokio::test]
async fn tags_invalidate() {
    let world = World::new();
    for tag in ["user:7", "users"] {
        let before = tagged(world.clone(), 7).await.unwrap();
        assert_eq!(tagged(world.clone(), 7).await.unwrap(), before);
        world.cache.invalidate_tag("user:8").await.unwrap();
        assert_eq!(tagged(world.clone(), 7).await.unwrap(), before);
        world.cache.invalidate_tag(tag).await.unwrap();
        assert_ne!(tagged(world.clone(), 7).await.unwrap(), before);
    }
}

#[memoize(cache = world.cache, skip(world))]
async fn unserializable(world: World, key: &Unserializable) -> Result<String> {
    let Unserializable = key;
    Ok(world.load().to_string())
}

#[derive(Clone)]
struct Unserializable;

impl Serialize for Unserializable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> std::result::Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("no"))
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_serialized_is_an_error() {
    let world = World::new();
    let error = unserializable(world.clone(), &Unserializable).await.unwrap_err();
    let AppError::Cache(CacheError::Store(error)) = error else { panic!("{error}") };
    assert_eq!(error.kind(), ttl_core::ErrorKind::InvalidKey);
    assert_eq!(world.loads(), 0);
}

#[tokio::test]
async fn the_futures_are_send_and_concurrent_calls_share_a_load() {
    let world = World::new();
    let calls: Vec<_> = (0..8).map(|_| tokio::spawn(user(world.clone(), 7, "name"))).collect();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap(), "name of 7, load 1");
    }
}
