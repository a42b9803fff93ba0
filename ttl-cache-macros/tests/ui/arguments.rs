//! The arguments of the attribute.

use ttl_cache_macros::memoize;

#[memoize]
async fn without_a_cache(id: u64) -> Result<u64, String> {
    Ok(id)
}

#[memoize(cache = users(), expires = "10m")]
async fn unknown_argument(id: u64) -> Result<u64, String> {
    Ok(id)
}

#[memoize(cache = users(), ttl = "10 parsecs")]
async fn bad_duration(id: u64) -> Result<u64, String> {
    Ok(id)
}

#[memoize(cache = users(), fresh_for = 10)]
async fn number_without_a_unit(id: u64) -> Result<u64, String> {
    Ok(id)
}

#[memoize(cache = users(), ttl = "1m", ttl = "2m")]
async fn given_twice(id: u64) -> Result<u64, String> {
    Ok(id)
}

#[memoize(cache, ttl = "1m")]
async fn no_value(id: u64) -> Result<u64, String> {
    Ok(id)
}

#[memoize(cache = users(), key(id), skip(page))]
async fn key_and_skip(id: u64, page: u64) -> Result<u64, String> {
    Ok(id + page)
}

#[memoize(cache = users(), skip(identity))]
async fn unknown_name(id: u64, page: u64) -> Result<u64, String> {
    Ok(id + page)
}

#[memoize(cache = users(), key(self, id))]
async fn key_of_self(id: u64) -> Result<u64, String> {
    Ok(id)
}

#[memoize(cache = users(), key)]
async fn key_of_nothing(id: u64) -> Result<u64, String> {
    Ok(id)
}

#[memoize(cache = users(), absent)]
async fn never_absent(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
