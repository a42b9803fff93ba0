//! Faults 20 and 25 to 28: writes that fail, values that are empty or cannot be read, batches and options.

use std::time::Duration;

use ttl_cache::LoadOptions;
use ttl_core::{ErrorKind, Ttl};

use crate::caches::{Failure, Settings, Shape};
use crate::source::Source;
use crate::tap::Op;
use crate::world::{Seen, World, begin_with, check, load, same};

pub(crate) async fn a_write_fails(world: World) -> Seen {
    for (key, kind) in [("lost", ErrorKind::Unavailable), ("unknown", ErrorKind::OutcomeUnknown)] {
        let (store, cache) = world.process(Settings::default());
        // The store fails from the load on.
        let failing = store.clone();
        let source = Source::with("value", move || failing.fail(Op::Put, kind));
        same("the value", &load(&cache, key, &source).await, Ok("value".to_owned()))?;
        same("counted errors", &cache.counts().store_errors, 1)?;
        store.heal();
        let next = load(&cache, key, &Source::new("value")).await;
        same("the value after the outage", &next, Ok("value".to_owned()))?;
        same("the value that is stored then", &cache.get(key).await?.as_deref(), Some("value"))?;
    }
    Ok(())
}

pub(crate) async fn an_empty_value(world: World) -> Seen {
    let cache = world.cache(Settings::default());
    let source = Source::new("");
    for call in 1..=2 {
        same(&format!("the value of call {call}"), &load(&cache, "k", &source).await?, "")?;
    }
    same("loads", &source.loads(), 1)?;
    same("the value of get", &cache.get("k").await?.as_deref(), Some(""))
}

pub(crate) async fn a_negative_result(world: World) -> Seen {
    let cache = world.cache(Settings::default());
    let source = Source::nothing();
    for call in 1..=2 {
        same(&format!("the answer of call {call}"), &cache.find_or_load("k", &source).await, Ok(None))?;
    }
    same("loads", &source.loads(), 1)?;
    same("the answer of get", &cache.get("k").await, Ok(None))
}

/// The old and the new program of a deployment, with another type of value.
fn old_and_new(schemas: [u32; 2]) -> [Settings; 2] {
    let [old, new] = schemas;
    [
        Settings { shape: Shape::OldUser, schema: old, ..Settings::default() },
        Settings { shape: Shape::NewUser, schema: new, ..Settings::default() },
    ]
}

pub(crate) async fn a_type_changes(world: World) -> Seen {
    for schemas in [[0, 0], [1, 2]] {
        let [old, new] = old_and_new(schemas).map(|settings| world.cache(settings));
        load(&old, "k", &Source::new("ada")).await?;
        for cache in [&new, &old, &new] {
            same("the value", &load(cache, "k", &Source::new("ada")).await, Ok("ada".to_owned()))?;
            let got = cache.get("k").await;
            check(matches!(got.as_ref().map(Option::as_deref), Ok(None | Some("ada"))), || {
                format!("get returns {got:?}")
            })?;
        }
        old.invalidate("k").await?;
    }
    Ok(())
}

pub(crate) async fn two_types_do_not_fight(world: World) -> Seen {
    fight(&world, [0, 0]).await
}

pub(crate) async fn two_schema_versions_do_not_fight(world: World) -> Seen {
    fight(&world, [1, 2]).await
}

async fn fight(world: &World, schemas: [u32; 2]) -> Seen {
    const CALLS: usize = 50;
    let processes = old_and_new(schemas).map(|settings| world.process(settings));
    for (_, cache) in processes.iter().cycle().take(CALLS) {
        same("the value", &load(cache, "k", &Source::new("ada")).await, Ok("ada".to_owned()))?;
    }
    let writes: usize = processes.iter().map(|(store, _)| store.puts()).sum();
    // Claims and generations are writes too.
    check(writes <= 10, || format!("{CALLS} calls of two programs write {writes} times"))
}

pub(crate) async fn batches_are_counted(world: World) -> Seen {
    let cache = world.cache(Settings::default());
    let (keys, source) = (["a", "b", "c"], Source::new("value"));
    cache.get_many_or_load(&keys, &source).await?;
    let before = cache.counts().hits;
    same("the values", &cache.get_many_or_load(&keys, &source).await?, ["value"; 3].to_vec())?;
    same("loads", &source.loads(), 1)?;
    same("counted hits", &(cache.counts().hits - before), 3)
}

pub(crate) async fn a_hard_timeout_of_a_call(world: World) -> Seen {
    let cache = world.cache(Settings::default());
    let options = LoadOptions::new().with_hard_timeout(Duration::from_millis(30));
    let call = begin_with(&cache, "k", options, &Source::held("never"));
    same("the call", &world.finish(call).await?, Err(Failure::Timeout))
}

pub(crate) async fn a_soft_timeout_of_a_call(world: World) -> Seen {
    let cache = world.cache(Settings { fresh_for: Some(Ttl::seconds(10)), ..Settings::default() });
    load(&cache, "k", &Source::new("old")).await?;
    world.advance(Ttl::seconds(10));
    let options = LoadOptions::new().with_soft_timeout(Duration::from_secs(60));
    let call = begin_with(&cache, "k", options, &Source::new("new"));
    same("the value that the call waits for", &world.finish(call).await?, Ok("new".to_owned()))
}

pub(crate) async fn tags_of_a_call(world: World) -> Seen {
    let cache = world.cache(Settings::default());
    let options = LoadOptions::new().with_tags(["t"]);
    cache.get_or_load("k", options, &Source::new("old")).await?;
    world.advance(Ttl::seconds(1));
    cache.invalidate_tag("t").await?;
    same("the value after the invalidation", &cache.get("k").await?, None)
}
