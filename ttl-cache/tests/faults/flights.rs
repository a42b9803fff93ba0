//! Faults 5 to 7 and 9 to 11: what one call does to the next ones, and to those that wait for the same load.

use std::time::Duration;

use ttl_cache::LoadOptions;
use ttl_core::Ttl;

use crate::caches::{Failure, Settings};
use crate::source::Source;
use crate::tap::{Moment, Op};
use crate::world::{Seen, World, begin, begin_with, check, load, same, settle};

pub(crate) async fn the_write_lands_first(world: World) -> Seen {
    let (store, cache) = world.process(Settings::default());
    let source = Source::held("value");
    let call = begin(&cache, "k", &source);
    world.until("the load begins", || source.loads() == 1).await?;
    let write = store.hold(Op::Put, Moment::Before);
    source.open();
    world.until("the value is to be written", || write.is_reached()).await?;
    settle().await;
    if !call.is_finished() {
        write.release();
    }
    same("the value", &world.finish(call).await?, Ok("value".to_owned()))?;
    check(world.holds("value").await, || "a call has returned, and its value is not stored".to_owned())?;
    let again = Source::new("again");
    same("the value of the next call", &load(&cache, "k", &again).await?, "value")?;
    same("loads of the next call", &again.loads(), 0)
}

pub(crate) async fn the_first_caller_is_dropped(world: World) -> Seen {
    let cache = world.cache(Settings::default());
    let (source, own) = (Source::held("value"), Source::new("own"));
    let first = begin(&cache, "k", &source);
    world.until("the load begins", || source.loads() == 1).await?;
    let second = begin(&cache, "k", &own);
    settle().await;
    first.abort();
    settle().await;
    source.open();
    same("the value of the other caller", &world.finish(second).await?, Ok("value".to_owned()))?;
    same("loads", &(source.loads(), own.loads()), (1, 0))
}

pub(crate) async fn the_loader_panics(world: World) -> Seen {
    let cache = world.cache(Settings::default());
    let (source, own) = (Source::panicking_held(), Source::new("own"));
    let first = begin(&cache, "k", &source);
    world.until("the load begins", || source.loads() == 1).await?;
    let second = begin(&cache, "k", &own);
    settle().await;
    source.open();
    same("the value of the other caller", &world.finish(second).await?, Ok("own".to_owned()))?;
    same("the caller whose loader panicked", &world.finish(first).await?, Err(Failure::Panicked))?;
    let third = Source::new("third");
    same("the value of a third call", &load(&cache, "k", &third).await?, "own")?;
    same("loads of the third call", &third.loads(), 0)
}

pub(crate) async fn a_load_hangs(world: World) -> Seen {
    let world = world.in_real_time();
    let limit = Duration::from_millis(80);
    let (load_timeout, hard_timeout) = (Ttl::millis(80), Some(Duration::from_secs(60)));
    let cache = world.cache(Settings { load_timeout, hard_timeout, ..Settings::default() });
    let (hanging, own) = (Source::held("never"), Source::new("own"));
    let options = LoadOptions::new();
    let first = begin_with(&cache, "k", options.clone(), &hanging);
    world.until("the load begins", || hanging.loads() == 1).await?;
    let second = begin_with(&cache, "k", options.clone().with_hard_timeout(limit), &own);
    // The second call may also find the key free, after the load timeout and before its own.
    let second = world.finish(second).await?;
    check(matches!(second.as_deref(), Err(Failure::Timeout) | Ok("own")), || {
        format!("the call that waits ends with {second:?}")
    })?;
    let next = begin_with(&cache, "k", options, &own);
    same("the value of the next call", &world.finish(next).await?, Ok("own".to_owned()))?;
    same("the call whose load hangs", &world.finish(first).await?, Err(Failure::Timeout))
}

pub(crate) async fn a_caller_gives_up(world: World) -> Seen {
    let cache = world.cache(Settings { hard_timeout: Some(Duration::from_secs(60)), ..Settings::default() });
    let (source, own) = (Source::held("value"), Source::new("own"));
    let short = LoadOptions::new().with_hard_timeout(Duration::from_millis(50));
    let first = begin_with(&cache, "k", short, &source);
    world.until("the load begins", || source.loads() == 1).await?;
    let second = begin(&cache, "k", &own);
    same("the caller that gives up", &world.finish(first).await?, Err(Failure::Timeout))?;
    settle().await;
    source.open();
    same("the value of the other caller", &world.finish(second).await?, Ok("value".to_owned()))?;
    same("loads of the other caller", &own.loads(), 0)
}

pub(crate) async fn the_loser_of_a_lock(world: World) -> Seen {
    let [winner, loser] = world.two(&Settings::default());
    let (source, own) = (Source::held("value"), Source::new("own"));
    let first = begin(&winner, "k", &source);
    world.until("the load begins", || source.loads() == 1).await?;
    let second = begin(&loser, "k", &own);
    settle().await;
    source.open();
    same("the value of the winner", &world.finish(first).await?, Ok("value".to_owned()))?;
    same("the value of the loser", &world.finish(second).await?, Ok("value".to_owned()))?;
    same("loads of the loser", &own.loads(), 0)
}

pub(crate) async fn the_owner_of_a_lock_dies(world: World) -> Seen {
    let settings = Settings::default();
    let [dead, alive] = world.two(&settings);
    let never = Source::held("never");
    let _first = begin(&dead, "k", &never);
    world.until("the load begins", || never.loads() == 1).await?;
    world.advance(settings.load_timeout);
    let second = begin(&alive, "k", &Source::new("own"));
    same("the value after the deadline of the lock", &world.finish(second).await?, Ok("own".to_owned()))
}
