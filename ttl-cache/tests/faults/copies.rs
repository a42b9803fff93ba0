//! Faults 18, 19 and 24: near copies and the entries that they are copies of.

use std::sync::Arc;
use std::time::Duration;

use ttl_core::Ttl;

use crate::caches::{Bus, Settings};
use crate::source::Source;
use crate::world::{Cache, Seen, World, load, same};

const MAX_STALENESS: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(100 * 3_600);

fn near(max_staleness: Duration) -> Settings {
    Settings { ttl: Ttl::minutes(1), near: Some(max_staleness), ..Settings::default() }
}

/// Stores a value, and copies it when this is left of its life.
async fn copied_late(world: &World, left: Duration) -> Result<Cache, String> {
    let [writing, copying] = world.two(&near(LONG));
    load(&writing, "k", &Source::new("value")).await?;
    world.clock.advance(Duration::from_secs(60) - left);
    let unneeded = Source::new("unneeded");
    same("the copied value", &load(&copying, "k", &unneeded).await?, "value")?;
    same("the near copy", &load(&copying, "k", &unneeded).await?, "value")?;
    Ok(copying)
}

pub(crate) async fn the_lifetime_of_a_copy(world: World) -> Seen {
    let cache = copied_late(&world, Duration::from_secs(1)).await?;
    world.clock.advance(Duration::from_millis(999));
    same("the copy before the deadline", &cache.get("k").await?.as_deref(), Some("value"))?;
    world.clock.advance(Duration::from_millis(1));
    same("the copy at the deadline", &cache.get("k").await?, None)
}

pub(crate) async fn a_remainder_below_a_millisecond(world: World) -> Seen {
    let cache = copied_late(&world, Duration::from_micros(500)).await?;
    world.clock.advance(Duration::from_micros(500));
    same("the copy at the deadline", &cache.get("k").await?, None)?;
    world.advance(Ttl::hours(10));
    same("the copy ten hours later", &cache.get("k").await?, None)
}

/// The entry is deleted, replaced or expires sooner, by another process.
pub(crate) async fn near_outlives_far(world: World) -> Seen {
    let [copying, changing] = world.two(&near(MAX_STALENESS));
    for (key, change) in [("deleted", "delete"), ("replaced", "put"), ("expired", "expire")] {
        for _ in 0..2 {
            load(&copying, key, &Source::new("value")).await?;
        }
        let expected = match change {
            "delete" => {
                changing.invalidate(key).await?;
                None
            }
            "put" => {
                changing.insert(key, "newer").await?;
                Some("newer")
            }
            _ => {
                world.expire("value", Ttl::millis(1)).await;
                None
            }
        };
        world.clock.advance(MAX_STALENESS);
        let seen = copying.get(key).await?;
        same(&format!("the value of the {key} entry"), &seen.as_deref(), expected)?;
    }
    Ok(())
}

/// No change is seen later than after the maximum staleness, whatever carries the changes.
///
/// The store of this world reports no changes, so the bound alone holds. `follow.rs` of the other tests has a stream of
/// changes and its gaps, and the tests of programs cut the one of a real Redis.
pub(crate) async fn the_stream_of_changes_ends(world: World) -> Seen {
    let bus = Arc::new(Bus::default());
    let settings = Settings { bus: Some(Arc::clone(&bus)), ..near(MAX_STALENESS) };
    let [copying, writing] = world.two(&settings);
    load(&copying, "k", &Source::new("first")).await?;
    for (is_lost, text) in [(false, "second"), (true, "third")] {
        if is_lost {
            bus.lose_connection();
        }
        writing.insert("k", text).await?;
        world.clock.advance(MAX_STALENESS);
        same("the value in the other process", &copying.get("k").await?.as_deref(), Some(text))?;
    }
    Ok(())
}
