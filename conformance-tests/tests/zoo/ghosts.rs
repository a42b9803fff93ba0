//! Animals that do not treat ghosts as absent.

use ttl_core::driver::Stored;
use ttl_core::options::{
    Condition, DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, Projection, PutItem,
    PutOptions, Returning, ScanOptions,
};
use ttl_core::{Deadline, Entry, Key, Outcome, Page, PageItem, Patch, Record, Result, Ttl, Value, Version};

use super::animal::{
    Deleted, Expired, Got, Patched, Written, animals, deadline, is_ghost, now, remember_deleted, set_deadline,
};

animals! {
    /// A touch of a ghost revives it.
    RevivesOnTouch breaks R3 X4 E3; also E8: "ghosts are touched with far deadlines" {
        forwards capabilities now get put patch delete scan get_many put_many delete_many;
        async fn expire(&self, key: &Key, to: ExpiryChange, options: ExpireOptions) -> Expired {
            if is_ghost(&self.right, key) && options.if_version.is_none() {
                set_deadline(&self.right, key, Deadline::after(now(&self.right), Ttl::millis(1)));
            }
            self.right.expire(key, to, options).await
        }
    }

    /// A touch of an absent key creates an entry.
    TouchCreates breaks X4 {
        forwards capabilities now get put patch delete scan get_many put_many delete_many;
        async fn expire(&self, key: &Key, to: ExpiryChange, options: ExpireOptions) -> Expired {
            if self.right.backend().peek(key).is_none() && !self.right.backend().is_damaged(key) {
                let new = PutOptions::new(Ttl::hours(1));
                let _ = self.right.put(key, Value::from(""), new).await?;
            }
            self.right.expire(key, to, options).await
        }
    }

    /// A delete only hides the entry, and a touch restores it.
    DeletedEntriesRevive breaks X4 {
        forwards capabilities now get put patch scan get_many put_many delete_many;
        async fn delete(&self, key: &Key, options: DeleteOptions) -> Deleted {
            remember_deleted(&self.right, key, options).await
        }
        async fn expire(&self, key: &Key, to: ExpiryChange, options: ExpireOptions) -> Expired {
            if let Some(old) = self.right.backend().memory.lock().remove(key) {
                self.right.backend().meddle(key, |stored| { stored.get_or_insert(old); });
            }
            self.right.expire(key, to, options).await
        }
    }

    /// A miss with a refresh revives the ghost.
    MissRefreshes breaks R3 {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            let refresh = options.refresh;
            let entry = self.right.get(key, options).await?;
            if let (None, Some(refresh)) = (&entry, refresh) {
                set_deadline(&self.right, key, Deadline::after(now(&self.right), refresh.ttl));
            }
            Ok(entry)
        }
    }

    /// A delete of a ghost returns `Applied`.
    DeleteFindsGhosts breaks E3 {
        forwards capabilities now get put expire patch scan get_many put_many delete_many;
        async fn delete(&self, key: &Key, options: DeleteOptions) -> Deleted {
            if is_ghost(&self.right, key) && options.if_version.is_none() && options.kind.is_none() {
                let ghost = self.right.backend().meddle(key, Option::take);
                let taken = ghost.filter(|_| options.projection != Projection::Nothing);
                return Ok(Outcome::Applied(taken.map(|ghost| Entry::new(ghost.value))));
            }
            self.right.delete(key, options).await
        }
    }

    /// A put over a ghost reports that it replaced an entry.
    GhostsWereThere breaks E3 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let ghost = is_ghost(&self.right, key);
            let outcome = self.right.put(key, value, options).await?;
            Ok(outcome.map(|mut meta| { meta.created &= !ghost; meta }))
        }
    }

    /// A batch of puts over ghosts reports that it replaced entries.
    GhostsWereThereInBatches breaks E3 {
        forwards capabilities now get put expire patch delete scan get_many delete_many;
        async fn put_many(&self, items: Vec<PutItem>) -> Vec<Written> {
            let mut results = Vec::new();
            for item in items {
                let ghost = is_ghost(&self.right, &item.key);
                let outcome = self.right.put(&item.key, item.value, item.options).await;
                results.push(outcome.map(|outcome| outcome.map(|mut meta| { meta.created &= !ghost; meta })));
            }
            results
        }
    }

    /// A ghost causes `IfAbsent` to be refused.
    GhostsBlockCreation breaks E3 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            if options.condition == Condition::IfAbsent && is_ghost(&self.right, key) {
                return Ok(Outcome::Refused(None));
            }
            self.right.put(key, value, options).await
        }
    }

    /// `IfPresent` accepts a ghost.
    GhostsArePresent breaks E3 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let fooled = options.condition == Condition::IfPresent && is_ghost(&self.right, key);
            let options = if fooled { options.with_condition(Condition::Always) } else { options };
            self.right.put(key, value, options).await
        }
    }

    /// A put with a version over a ghost returns `Refused` instead of `Absent`.
    GhostsHaveVersions breaks E3 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            if let Condition::IfVersion(version) = options.condition
                && let Some(ghost) = self.right.backend().peek(key).filter(|_| is_ghost(&self.right, key))
            {
                if ghost.version != version { return Ok(Outcome::Refused(None)) }
                return self.right.put(key, value, options.with_condition(Condition::Always)).await;
            }
            self.right.put(key, value, options).await
        }
    }

    /// A scan lists ghosts.
    GhostsInScan breaks S1 E3 {
        forwards capabilities now get put expire patch delete get_many put_many delete_many;
        async fn scan(&self, options: ScanOptions) -> Result<Page> {
            let mut page = self.right.scan(options.clone()).await?;
            if page.next.is_none() && options.cursor.is_none() {
                for (key, ghost) in self.right.backend().ghosts(&options.prefix) {
                    let entry = Entry::new(Some(ghost.value).filter(|_| options.projection == Projection::All));
                    page.items.push(PageItem::new(key, Ok(entry)));
                }
            }
            Ok(page)
        }
    }

    /// A batch of gets returns ghosts.
    GhostsInGetMany breaks E3; also R1 R3: "batches read ghosts" {
        forwards capabilities now get put expire patch delete scan put_many delete_many;
        async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Got> {
            let mut results = self.right.get_many(keys, options).await;
            for (key, result) in keys.iter().zip(&mut results) {
                if matches!(result, Ok(None)) {
                    *result = Ok(self.right.backend().peek(key).map(|ghost| Entry::new(ghost.value)));
                }
            }
            results
        }
    }

    /// A patch that creates over a ghost keeps the ghost's fields.
    GhostFieldsLeak breaks E3; also P2 E7: "patches create over expired records" {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, mut options: PatchOptions) -> Patched {
            if let (Some(create), Some(Stored { value: Value::Record(ghost), .. })) =
                (&mut options.create, self.right.backend().peek(key).filter(|_| is_ghost(&self.right, key)))
            {
                let fields = ghost.iter().chain(create.initial.iter());
                let fields: Vec<_> = fields.map(|(name, value)| (name.to_owned(), value.clone())).collect();
                create.initial = Record::from_fields(fields)?;
            }
            self.right.patch(key, patch, options).await
        }
    }

    /// A patch of a ghost changes and revives it.
    PatchRevives breaks E3; also R3: "ghosts must stay absent" {
        forwards capabilities now get put expire delete scan get_many put_many delete_many;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            if is_ghost(&self.right, key) && options.create.is_none() {
                set_deadline(&self.right, key, Deadline::after(now(&self.right), Ttl::minutes(1)));
            }
            self.right.patch(key, patch, options).await
        }
    }

    /// A get of nothing reports the deadline of a ghost.
    GhostsTellTheirDeadline breaks E3; also E1 E8: "metadata of ghosts is read" {
        forwards capabilities now put expire patch delete scan get_many put_many delete_many;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            if options.projection == Projection::Nothing && options.returning.contains(Returning::DEADLINE) && is_ghost(&self.right, key) {
                let version = Version::from_u128(1);
                return Ok(Some(Entry::new(None).with_deadline(deadline(&self.right, key)).with_version(version)));
            }
            self.right.get(key, options).await
        }
    }
}
