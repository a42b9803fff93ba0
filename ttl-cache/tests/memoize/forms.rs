//! Forms of functions: methods, generic functions, and the kinds of arguments and caches.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use serde::Serialize;
use ttl_cache::{Cache, MemoKey, memoize};
use ttl_core::Ttl;

use crate::world::{Result, World};

#[derive(Clone)]
struct Repository {
    world: World,
    tenant: String,
}

impl Repository {
    /// Returns the name of a user of the tenant.
    #[memoize(cache = self.world.cache, key = (&self.tenant, id))]
    pub(crate) async fn user(&self, id: u64) -> Result<String> {
        Ok(format!("{} {id}, load {}", self.tenant, self.world.load()))
    }

    #[memoize(cache = self.world.cache)]
    async fn shared(self: Arc<Self>, mut ids: Vec<u64>, path: &Path, factors: &[u64]) -> Result<String> {
        self.world.load();
        ids.sort_unstable();
        Ok(format!("{ids:?} {} {factors:?}", path.display()))
    }

    #[memoize(cache = Self::cache(&world), skip(world))]
    async fn associated(world: World, id: u64) -> Result<String> {
        world.load();
        Ok(format!("repository {id}"))
    }

    fn cache(world: &World) -> Cache<MemoKey, String> {
        world.cache.clone()
    }
}

#[derive(Clone)]
struct OtherRepository(World);

impl OtherRepository {
    #[memoize(cache = self.0.cache, key = ("a", id))]
    async fn user(&self, id: u64) -> Result<String> {
        self.0.load();
        Ok(format!("other {id}"))
    }
}

#[tokio::test]
async fn methods_are_memoized() {
    let world = World::new();
    let repository = |tenant: &str| Repository { world: world.clone(), tenant: tenant.to_owned() };
    let (a, b) = (repository("a"), repository("b"));
    for _ in 0..2 {
        assert_eq!(a.user(7).await.unwrap(), "a 7, load 1");
        assert_eq!(b.user(7).await.unwrap(), "b 7, load 2");
        assert_eq!(OtherRepository(world.clone()).user(7).await.unwrap(), "other 7");
    }
    a.user_invalidate(7).await.unwrap();
    assert_eq!(a.user(7).await.unwrap(), "a 7, load 4");
    assert_eq!(b.user(7).await.unwrap(), "b 7, load 2");
    let shared = Arc::new(a);
    for _ in 0..2 {
        let found = Arc::clone(&shared).shared(vec![2, 1], Path::new("p"), &[3]).await;
        assert_eq!(found.unwrap(), "[1, 2] p [3]");
        assert_eq!(Repository::associated(world.clone(), 7).await.unwrap(), "repository 7");
    }
    assert_eq!(world.loads(), 6);
}

trait Entity: Send + Sync + 'static {
    const KIND: &'static str;
}

struct Cat;
struct Dog;

impl Entity for Cat {
    const KIND: &'static str = "cat";
}

impl Entity for Dog {
    const KIND: &'static str = "dog";
}

#[memoize(cache = world.cache, skip(world))]
async fn entity<T: Entity, K, const N: usize>(world: World, key: K) -> Result<String>
where
    K: Serialize + fmt::Debug + Send + Sync + 'static,
{
    world.load();
    Ok(format!("{} {key:?} {N}", T::KIND))
}

#[memoize(cache = world.cache, skip(world), name = format!("named::{}", T::KIND))]
async fn named<T: Entity>(world: World, id: u64) -> Result<String> {
    Ok(format!("{} {id}, load {}", T::KIND, world.load()))
}

#[tokio::test]
async fn type_parameters_are_in_the_key() {
    let world = World::new();
    for _ in 0..2 {
        assert_eq!(entity::<Cat, _, 1>(world.clone(), 7_u8).await.unwrap(), "cat 7 1");
        assert_eq!(entity::<Dog, _, 1>(world.clone(), 7_u8).await.unwrap(), "dog 7 1");
        assert_eq!(entity::<Dog, _, 2>(world.clone(), 7_u8).await.unwrap(), "dog 7 2");
        assert_eq!(entity::<Dog, _, 2>(world.clone(), 7_u16).await.unwrap(), "dog 7 2");
    }
    assert_eq!(world.loads(), 4);
    assert_eq!(named::<Cat>(world.clone(), 7).await.unwrap(), "cat 7, load 5");
    assert_eq!(named::<Dog>(world.clone(), 7).await.unwrap(), "dog 7, load 6");
    named_invalidate::<Cat>(world.clone(), 7).await.unwrap();
    assert_eq!(named::<Cat>(world.clone(), 7).await.unwrap(), "cat 7, load 7");
    assert_eq!(named::<Dog>(world.clone(), 7).await.unwrap(), "dog 7, load 6");
}

static SQUARES: LazyLock<Cache<MemoKey, u64>> = LazyLock::new(|| World::new().cache);

/// Names of the attribute, of generated code and of keywords are names of arguments.
#[memoize(cache = SQUARES, crate = "ttl_cache", key(r#type, cache, key), ttl = ttl, tags = [r#type])]
async fn square(
    r#type: &'static str,
    (_left, _right): (u64, u64),
    cache: u64,
    key: Box<u64>,
    ttl: Ttl,
    options: &str,
) -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
    Ok(cache * *key + r#type.len() as u64 + options.len() as u64 + ttl.as_millis())
}

#[tokio::test]
async fn a_cache_can_be_a_static_and_names_are_free() {
    let ttl = Ttl::seconds(1);
    for options in ["a", "not in the key"] {
        assert_eq!(square("x", (1, 2), 3, Box::new(4), ttl, options).await.unwrap(), 1_014);
    }
    square_invalidate("x", 3, Box::new(4)).await.unwrap();
    assert_eq!(square("x", (1, 2), 3, Box::new(4), ttl, "abc").await.unwrap(), 1_016);
}

/// Attributes are those of the function that callers use, and lints are those of its body too.
#[memoize(cache = world.cache, key(id))]
#[deprecated = "kept by the macro"]
#[expect(unused_variables, unreachable_code)]
async fn deprecated(world: World, id: u64) -> Result<String> {
    let unused = 7;
    return Ok(id.to_string());
    Ok(String::new())
}

#[tokio::test]
#[expect(deprecated)]
async fn attributes_are_kept() {
    assert_eq!(deprecated(World::new(), 7).await.unwrap(), "7");
}
