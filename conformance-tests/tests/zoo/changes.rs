//! Animals with faults in the reports of changes.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::ready;
use ttl_core::options::{
    DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutItem, PutOptions,
};
use ttl_core::{ChangeStream, Key, Patch, Result, StoreChange, Value};

use super::animal::{Animal, Deleted, Expired, Got, Patched, Written, animals};
use super::den::Right;

/// Makes a call without a report to the streams.
async fn quietly<T>(right: &Right, call: impl Future<Output = T>) -> T {
    right.backend().is_quiet.store(true, Ordering::Relaxed);
    let answer = call.await;
    right.backend().is_quiet.store(false, Ordering::Relaxed);
    answer
}

/// The store that must pass.
pub(crate) const HEALTHY: Animal = Animal {
    name: "Reporting",
    fault: "",
    breaks: &["N1"],
    also: &[],
    why: "",
    make: |right| right,
    quirk: None,
};

animals! {
    /// A put of a new entry is not reported.
    LosesCreations breaks N1 H1; also N3 B1: "they put new entries" {
        forwards capabilities now get expire patch delete scan get_many delete_many changes;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            if self.right.backend().live(key).is_some() {
                return self.right.put(key, value, options).await;
            }
            quietly(&self.right, self.right.put(key, value, options)).await
        }
        async fn put_many(&self, items: Vec<PutItem>) -> Vec<Written> {
            self.right.put_many(items).await
        }
    }
    /// A put that replaces an entry is not reported.
    LosesOverwrites breaks N1 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many changes;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            if self.right.backend().live(key).is_none() {
                return self.right.put(key, value, options).await;
            }
            quietly(&self.right, self.right.put(key, value, options)).await
        }
    }
    /// A patch is not reported.
    LosesPatches breaks N1 {
        forwards capabilities now get put expire delete scan get_many put_many delete_many changes;
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            quietly(&self.right, self.right.patch(key, patch, options)).await
        }
    }
    /// A moved deadline is not reported.
    LosesMovedDeadlines breaks N1 {
        forwards capabilities now get put patch delete scan get_many put_many delete_many changes;
        async fn expire(&self, key: &Key, change: ExpiryChange, options: ExpireOptions) -> Expired {
            quietly(&self.right, self.right.expire(key, change, options)).await
        }
    }
    /// A refresh of a read is not reported.
    LosesRefreshes breaks N1 {
        forwards capabilities now put expire patch delete scan put_many delete_many changes;
        async fn get(&self, key: &Key, options: GetOptions) -> Got {
            quietly(&self.right, self.right.get(key, options)).await
        }
        async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Got> {
            quietly(&self.right, self.right.get_many(keys, options)).await
        }
    }
    /// A delete is not reported.
    LosesDeletes breaks N1 {
        forwards capabilities now get put expire patch scan get_many put_many delete_many changes;
        async fn delete(&self, key: &Key, options: DeleteOptions) -> Deleted {
            quietly(&self.right, self.right.delete(key, options)).await
        }
    }
    /// Only the first key of a batch is reported.
    LosesKeysOfBatches breaks N1 B1 {
        forwards capabilities now get put expire patch delete scan get_many delete_many changes;
        async fn put_many(&self, mut items: Vec<PutItem>) -> Vec<Written> {
            let rest = items.split_off(items.len().min(1));
            let mut answers = self.right.put_many(items).await;
            answers.extend(quietly(&self.right, self.right.put_many(rest)).await);
            answers
        }
    }
    /// The changes of another process only are reported.
    LosesItsOwnWrites breaks N1; also N3: "one handle writes there and another one watches" {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many;
        async fn changes(&self) -> Result<ChangeStream> {
            self.right.backend().printed.lock().push(format!("{self:p}"));
            self.right.changes().await
        }
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            let watches = self.right.backend().printed.lock().contains(&format!("{self:p}"));
            if !watches {
                return self.right.put(key, value, options).await;
            }
            quietly(&self.right, self.right.put(key, value, options)).await
        }
    }
    /// One change of ten is dropped.
    LosesAFew breaks N1 {
        forwards capabilities now get put expire patch delete scan get_many put_many delete_many;
        async fn changes(&self) -> Result<ChangeStream> {
            let kept = self.right.changes().await?.enumerate();
            Ok(Box::pin(kept.filter_map(|(number, change)| ready((number % 10 != 9).then_some(change)))))
        }
    }
    /// Every change is a gap.
    KnowsNoKeys breaks N1 N3 H1; also B1: "its keys are reported" {
        forwards capabilities now get put expire patch delete scan get_many put_many delete_many;
        async fn changes(&self) -> Result<ChangeStream> {
            Ok(Box::pin(self.right.changes().await?.map(|_| StoreChange::Gap)))
        }
    }
    /// A put is reported before it is applied.
    ReportsTooEarly breaks N1 {
        forwards capabilities now get expire patch delete scan get_many put_many delete_many changes;
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            self.right.backend().report(key);
            tokio::time::sleep(Duration::from_millis(2)).await;
            quietly(&self.right, self.right.put(key, value, options)).await
        }
    }
    /// Only the first stream of a store reports.
    HasOneStream breaks N3; also N1 B1 H1: "the streams of several attempts are made there" {
        forwards capabilities now get put expire patch delete scan get_many put_many delete_many;
        async fn changes(&self) -> Result<ChangeStream> {
            let is_first = self.right.backend().printed.lock().is_empty();
            self.right.backend().printed.lock().push(String::new());
            if is_first {
                return self.right.changes().await;
            }
            Ok(Box::pin(futures_util::stream::pending()))
        }
    }
    /// A stream ends after one change.
    EndsAfterOneChange breaks N3; also N1 B1: "several changes are reported there" {
        forwards capabilities now get put expire patch delete scan get_many put_many delete_many;
        async fn changes(&self) -> Result<ChangeStream> {
            Ok(Box::pin(self.right.changes().await?.take(1)))
        }
    }
    /// The capability is denied, and the call returns a stream.
    DeniesAndReports breaks H1 {
        forwards capabilities now get put expire patch delete scan get_many put_many delete_many;
        async fn changes(&self) -> Result<ChangeStream> {
            Ok(Box::pin(futures_util::stream::pending()))
        }
    }
}
