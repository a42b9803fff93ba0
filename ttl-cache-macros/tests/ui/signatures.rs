//! Functions that cannot be memoized.

use std::borrow::Cow;
use std::fmt::Display;

use ttl_cache_macros::memoize;

#[memoize(cache = users())]
fn not_async(id: u64) -> Result<u64, String> {
    Ok(id)
}

#[memoize(cache = users())]
async fn not_a_result(id: u64) -> u64 {
    id
}

#[memoize(cache = users())]
async fn nothing(_id: u64) {}

#[memoize(cache = users())]
async fn pattern((id, page): (u64, u64)) -> Result<u64, String> {
    Ok(id + page)
}

#[memoize(cache = users())]
async fn changed(ids: &mut Vec<u64>) -> Result<u64, String> {
    Ok(ids.remove(0))
}

#[memoize(cache = users())]
async fn optional_reference(name: Option<&str>) -> Result<usize, String> {
    Ok(name.map_or(0, str::len))
}

#[memoize(cache = users())]
async fn hidden_reference(name: Cow<'_, str>) -> Result<usize, String> {
    Ok(name.len())
}

#[memoize(cache = users())]
async fn trait_object(name: &(dyn Display + Sync)) -> Result<String, String> {
    Ok(name.to_string())
}

#[memoize(cache = users())]
async fn unnamed_type(name: impl Display) -> Result<String, String> {
    Ok(name.to_string())
}

#[memoize(cache = users())]
async unsafe fn unsafe_function(id: u64) -> Result<u64, String> {
    Ok(id)
}

struct Users;

impl Users {
    #[memoize(cache = users())]
    async fn changed(&mut self, id: u64) -> Result<u64, String> {
        Ok(id)
    }
}

#[memoize(cache = users())]
struct NoFunction;

fn main() {}
