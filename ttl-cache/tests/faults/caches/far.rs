//! The entries of the obvious cache in the store.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use ttl_core::codec::{Codec, Json};
use ttl_core::options::{Condition, DeleteOptions, GetOptions, PutOptions, Returning, ScanOptions};
use ttl_core::{Expiry, Key, Lifespan, Result, Ttl, TtlStore, Value};

use super::{Failure, Shaped};

/// A stored value. All instants are in milliseconds since the Unix epoch, by the clock of the writer.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Stored<S> {
    pub(crate) value: S,
    pub(crate) fresh_until: u64,
    /// When it was stored.
    pub(crate) stamp: u64,
    /// The tags, with their versions if they have any.
    pub(crate) tags: Vec<(String, u64)>,
    pub(crate) schema: u32,
}

/// What a read found.
pub(crate) struct Read<S> {
    /// `None` if the entry cannot be decoded.
    pub(crate) stored: Option<Stored<S>>,
    /// What is left of its life.
    pub(crate) left: Option<Duration>,
}

pub(crate) fn millis(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

pub(crate) async fn read<S: Shaped>(store: &dyn TtlStore, key: &str) -> Result<Option<Read<S>>> {
    let options = GetOptions::new().with_returning(Returning::DEADLINE);
    let Some(entry) = store.get(&Key::new(key)?, options).await? else { return Ok(None) };
    let left = entry.deadline.and_then(|deadline| deadline.remaining(store.now()));
    let Some(Value::Blob(bytes)) = entry.value else { return Ok(Some(Read { stored: None, left })) };
    Ok(Some(Read { stored: Json.decode(bytes).ok(), left }))
}

pub(crate) async fn write<S: Shaped>(
    store: &dyn TtlStore,
    key: &str,
    stored: &Stored<S>,
    ttl: Ttl,
) -> Result<()> {
    store.put(&Key::new(key)?, Json.encode(stored)?.into(), PutOptions::new(ttl)).await.map(drop)
}

pub(crate) async fn delete(store: &dyn TtlStore, key: &str) -> Result<()> {
    store.delete(&Key::new(key)?, DeleteOptions::new()).await.map(drop)
}

pub(crate) async fn delete_prefix(store: &dyn TtlStore, prefix: &str) -> Result<()> {
    let keys: Vec<Key> = store.scan(ScanOptions::new(prefix)).await?.keys().cloned().collect();
    store.delete_many(&keys, DeleteOptions::new()).await.into_iter().try_for_each(|deleted| deleted.map(drop))
}

/// Writes a lock entry. Returns whether nobody else has the lock.
pub(crate) async fn lock(store: &dyn TtlStore, key: &str, life: Lifespan) -> Result<bool> {
    let options = PutOptions::new(life).with_condition(Condition::IfAbsent);
    Ok(store.put(&Key::new(key)?, "locked".into(), options).await?.is_applied())
}

pub(crate) async fn is_locked(store: &dyn TtlStore, key: &str) -> Result<bool> {
    Ok(store.get(&Key::new(key)?, GetOptions::nothing()).await?.is_some())
}

/// A lock that never expires.
pub(crate) fn for_ever() -> Lifespan {
    Expiry::Never.into()
}

pub(crate) fn cannot_parse() -> Failure {
    Failure::Other("the entry cannot be parsed".to_owned())
}
