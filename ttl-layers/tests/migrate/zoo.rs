//! A migration built the obvious way, which the interleavings must catch.

use std::sync::Arc;

use ttl_core::options::{
    Condition, DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutOptions, Returning,
};
use ttl_core::results::{ExpireResult, PatchResult, PutResult};
use ttl_core::{
    Entry, Key, Lifespan, Outcome, Patch, Result, TtlStore, Value, async_trait, forward_ttl_store,
};

use crate::interleavings::all;

/// Copies an entry if the new store has none, and deletes from both stores.
#[derive(Debug)]
struct Obvious {
    old: Arc<dyn TtlStore>,
    new: Arc<dyn TtlStore>,
}

impl Obvious {
    async fn copy(&self, key: &Key) -> Result<()> {
        let read = GetOptions::new().with_returning(Returning::DEADLINE).with_cap();
        let Some(entry) = self.old.get(key, read).await? else { return Ok(()) };
        let (Some(value), Some(deadline), Some(cap)) = (entry.value, entry.deadline, entry.cap) else {
            return Ok(());
        };
        let put = PutOptions::new(Lifespan::new(deadline).with_cap(cap)).with_condition(Condition::IfAbsent);
        let _ = self.new.put(key, value, put).await?;
        let _ = self.old.delete(key, DeleteOptions::new()).await?;
        Ok(())
    }
}

#[async_trait]
impl TtlStore for Obvious {
    async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>> {
        self.copy(key).await?;
        self.new.get(key, options).await
    }

    async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Result<Outcome<PutResult>> {
        self.copy(key).await?;
        self.new.put(key, value, options).await
    }

    async fn expire(
        &self,
        key: &Key,
        change: ExpiryChange,
        options: ExpireOptions,
    ) -> Result<Outcome<ExpireResult>> {
        self.copy(key).await?;
        self.new.expire(key, change, options).await
    }

    async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Result<Outcome<PatchResult>> {
        self.copy(key).await?;
        self.new.patch(key, patch, options).await
    }

    async fn delete(&self, key: &Key, options: DeleteOptions) -> Result<Outcome<Option<Entry>>> {
        self.copy(key).await?;
        self.new.delete(key, options).await
    }

    forward_ttl_store!(self, self.new => capabilities now scan get_many put_many delete_many changes);
}

#[tokio::test]
async fn the_obvious_migration_is_caught() {
    let (count, faults) = all(|old, new| Arc::new(Obvious { old, new })).await;
    let of = |name: &str| faults.iter().filter(|fault| fault.contains(name)).count();
    println!("{} of {count} interleavings fail", faults.len());
    assert!(of("Delete meanwhile") > 0 && of("Take meanwhile") > 0 && of("End meanwhile") > 0, "{faults:#?}");
}
