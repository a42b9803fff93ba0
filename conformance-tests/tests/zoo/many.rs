//! Animals with faults in scans, batches and declared capabilities.

use std::num::NonZeroUsize;
use std::time::Duration;

use ttl_core::driver::CasBackend;
use ttl_core::options::{
    DeleteOptions, ExpireOptions, ExpiryChange, GetOptions, PatchOptions, PutItem, PutOptions, Returning,
    ScanOptions,
};
use ttl_core::{
    Capabilities, Cursor, CursorSecret, Error, ErrorKind, Key, Outcome, Page, PageItem, Patch, Result, Value,
};

use super::animal::{Deleted, Expired, Got, Patched, Written, animals};

fn naming(key: &Key, error: &Error) -> Error {
    Error::new(error.kind(), format!("{}: {error}", key.as_str()))
}

fn matches_glob(pattern: &[char], text: &[char]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        (['*', rest @ ..], _) => {
            matches_glob(rest, text)
                || text.split_first().is_some_and(|(_, text)| matches_glob(pattern, text))
        }
        (['?' | '_', rest @ ..], [_, text @ ..]) => matches_glob(rest, text),
        ([p, rest @ ..], [t, text @ ..]) => p == t && matches_glob(rest, text),
        _ => false,
    }
}

animals! {
    /// The prefix of a scan is a glob.
    PrefixIsAGlob breaks S2 {
        forwards capabilities now get put expire patch delete get_many put_many delete_many;
        async fn scan(&self, options: ScanOptions) -> Result<Page> {
            if !options.prefix.contains(['*', '?', '_']) { return self.right.scan(options).await }
            let pattern: Vec<char> = options.prefix.chars().chain(['*']).collect();
            let all = ScanOptions::new("").with_limit(NonZeroUsize::MAX).with_projection(options.projection);
            let mut page = self.right.scan(all.with_returning(options.returning)).await?;
            page.items.retain(|item| matches_glob(&pattern, &item.key.as_str().chars().collect::<Vec<_>>()));
            Ok(page)
        }
    }

    /// A scan ignores its prefix.
    PrefixIsIgnored breaks S2; also S3 H5: "a cursor belongs to its prefix" {
        forwards capabilities now get put expire patch delete get_many put_many delete_many;
        async fn scan(&self, mut options: ScanOptions) -> Result<Page> {
            options.prefix.clear();
            self.right.scan(options).await
        }
    }

    /// A page with ghosts is not filled.
    PagesAreNotFilled breaks S1 {
        forwards capabilities now get put expire patch delete get_many put_many delete_many;
        async fn scan(&self, options: ScanOptions) -> Result<Page> {
            let ghosts = self.right.backend().ghosts(&options.prefix);
            let mut page = self.right.scan(options.clone()).await?;
            let limit = options.limit.get();
            let some = page.next.is_some() && !ghosts.is_empty() && limit > 1;
            if some {
                let fewer = options.with_limit(NonZeroUsize::new(limit - 1).unwrap_or(NonZeroUsize::MIN));
                page = self.right.scan(fewer).await?;
            }
            Ok(page)
        }
    }

    /// A scan omits its last entry.
    LosesTheLastEntry breaks S1; also S2 E3 R1 H1 S4: "scans must list entries" {
        forwards capabilities now get put expire patch delete get_many put_many delete_many;
        async fn scan(&self, options: ScanOptions) -> Result<Page> {
            let mut page = self.right.scan(options).await?;
            if page.next.is_none() { page.items.pop(); }
            Ok(page)
        }
    }

    /// A scan ends after its first page.
    ScansOnePage breaks S1; also S3 S4 H5: "there is no cursor to test" {
        forwards capabilities now get put expire patch delete get_many put_many delete_many;
        async fn scan(&self, options: ScanOptions) -> Result<Page> {
            let page = self.right.scan(options).await?;
            Ok(Page::new(page.items, None))
        }
    }

    /// A page has more entries than its limit.
    PagesAreTooLarge breaks S1; also S3 S4 H5: "there is no cursor to test" {
        forwards capabilities now get put expire patch delete get_many put_many delete_many;
        async fn scan(&self, options: ScanOptions) -> Result<Page> {
            self.right.scan(options.with_limit(NonZeroUsize::MAX)).await
        }
    }

    /// A scan returns no values.
    ScansShowNoValues breaks S1; also S4: "a scan past a damaged entry must return the other values" {
        forwards capabilities now get put expire patch delete get_many put_many delete_many;
        async fn scan(&self, options: ScanOptions) -> Result<Page> {
            self.right.scan(options.with_projection(ttl_core::options::Projection::Nothing)).await
        }
    }

    /// A scan reports no deadlines and versions.
    ScansTellNoDeadlines breaks S1 {
        forwards capabilities now get put expire patch delete get_many put_many delete_many;
        async fn scan(&self, options: ScanOptions) -> Result<Page> {
            self.right.scan(options.with_returning(Returning::empty())).await
        }
    }

    /// A scan ends at an unreadable entry.
    ScanEndsAtDamage breaks S4 {
        forwards capabilities now get put expire patch delete get_many put_many delete_many;
        async fn scan(&self, options: ScanOptions) -> Result<Page> {
            let page = self.right.scan(options).await?;
            let next = page.next.clone();
            let entries = page.into_entries()?;
            Ok(Page::new(entries.into_iter().map(|(key, entry)| PageItem::new(key, Ok(entry))).collect(), next))
        }
    }

    /// A scan omits unreadable entries.
    ScanHidesDamage breaks S4 {
        forwards capabilities now get put expire patch delete get_many put_many delete_many;
        async fn scan(&self, options: ScanOptions) -> Result<Page> {
            let mut page = self.right.scan(options).await?;
            page.items.retain(|item| item.entry.is_ok());
            Ok(page)
        }
    }

    /// A bad cursor restarts the scan.
    BadCursorsStartAgain breaks S3; also H5: "there is no error to print" {
        forwards capabilities now get put expire patch delete get_many put_many delete_many;
        async fn scan(&self, options: ScanOptions) -> Result<Page> {
            match self.right.scan(options.clone()).await {
                Err(error) if error.kind() == ErrorKind::InvalidCursor => {
                    self.right.scan(options.with_cursor(None)).await
                }
                other => other,
            }
        }
    }

    /// A bad cursor ends the scan.
    BadCursorsEndTheScan breaks S3; also H5: "there is no error to print" {
        forwards capabilities now get put expire patch delete get_many put_many delete_many;
        async fn scan(&self, options: ScanOptions) -> Result<Page> {
            match self.right.scan(options).await {
                Err(error) if error.kind() == ErrorKind::InvalidCursor => Ok(Page::default()),
                other => other,
            }
        }
    }

    /// A cursor of another prefix is accepted.
    ForeignCursorsAreTaken breaks S3; also H5: "there is no error to print" {
        forwards capabilities now get put expire patch delete get_many put_many delete_many;
        async fn scan(&self, options: ScanOptions) -> Result<Page> {
            let (backend, identity) = (self.right.capabilities().backend, self.right.backend().identity());
            let Some(cursor) = options.cursor.clone() else { return self.right.scan(options).await };
            let secret = CursorSecret::of_process();
            for length in 0..=options.prefix.len() {
                let Some(prefix) = options.prefix.get(..length) else { continue };
                if let Ok(position) = cursor.open(&secret, &[backend, identity, prefix]) {
                    let own = Cursor::seal(&secret, &[backend, identity, &options.prefix], &position);
                    return self.right.scan(options.with_cursor(own)).await;
                }
            }
            self.right.scan(options).await
        }
    }

    /// A batch of gets returns its results in the order of the keys.
    GetManyIsOutOfOrder breaks B1; also B2: "large batches keep their order" {
        forwards capabilities now get put expire patch delete scan put_many delete_many;
        async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Got> {
            let mut sorted = keys.to_vec();
            sorted.sort();
            self.right.get_many(&sorted, options).await
        }
    }

    /// An empty batch of gets has a result.
    EmptyBatchesAnswer breaks B1 {
        forwards capabilities now get put expire patch delete scan put_many delete_many;
        async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Got> {
            let mut results = self.right.get_many(keys, options).await;
            if keys.is_empty() { results.push(Ok(None)) }
            results
        }
    }

    /// A batch of gets of nothing always misses.
    GetManyOfNothingMisses breaks B1; also R1: "a batch that selects nothing refreshes" {
        forwards capabilities now get put expire patch delete scan put_many delete_many;
        async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Got> {
            if options.projection != ttl_core::options::Projection::Nothing { return self.right.get_many(keys, options).await }
            keys.iter().map(|_| Ok(None)).collect()
        }
    }

    /// A batch of gets returns one result for duplicate keys.
    GetManyDropsDuplicates breaks B1; also R2: "a batch with duplicates refreshes" {
        forwards capabilities now get put expire patch delete scan put_many delete_many;
        async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Got> {
            let mut once: Vec<Key> = Vec::new();
            keys.iter().for_each(|key| if !once.contains(key) { once.push(key.clone()) });
            self.right.get_many(&once, options).await
        }
    }

    /// One unreadable entry fails a whole batch of gets.
    GetManyFailsAsAWhole breaks B1 {
        forwards capabilities now get put expire patch delete scan put_many delete_many;
        async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Got> {
            let results = self.right.get_many(keys, options).await;
            match results.iter().find_map(|result| result.as_ref().err()) {
                Some(error) => keys.iter().map(|_| Err(error.clone())).collect(),
                None => results,
            }
        }
    }

    /// A batch reads a hundred keys; the others are misses.
    GetManyStopsAtAHundred breaks B2 {
        forwards capabilities now get put expire patch delete scan put_many delete_many;
        async fn get_many(&self, keys: &[Key], options: GetOptions) -> Vec<Got> {
            let mut results = self.right.get_many(&keys[..keys.len().min(100)], options).await;
            results.resize_with(keys.len(), || Ok(None));
            results
        }
    }

    /// One bad item fails a whole batch of puts.
    PutManyIsAllOrNothing breaks B1 {
        forwards capabilities now get put expire patch delete scan get_many delete_many;
        async fn put_many(&self, items: Vec<PutItem>) -> Vec<Written> {
            let far = |item: &PutItem| item.options.lifespan.expiry.resolve(self.right.now()).is_err();
            if items.iter().any(far) {
                let error = Error::new(ErrorKind::InvalidExpiry, "one of the items is bad");
                return items.iter().map(|_| Err(error.clone())).collect();
            }
            self.right.put_many(items).await
        }
    }

    /// A batch of puts is applied in reverse order.
    PutManyIsBackwards breaks B1 {
        forwards capabilities now get put expire patch delete scan get_many delete_many;
        async fn put_many(&self, mut items: Vec<PutItem>) -> Vec<Written> {
            items.reverse();
            let mut results = self.right.put_many(items).await;
            results.reverse();
            results
        }
    }

    /// A batch of puts applies the first item's options to every item.
    PutManyHasOneLifespan breaks B1 {
        forwards capabilities now get put expire patch delete scan get_many delete_many;
        async fn put_many(&self, mut items: Vec<PutItem>) -> Vec<Written> {
            let first = items.first().map(|item| item.options.clone());
            for item in &mut items {
                if let Some(first) = &first { item.options = first.clone() }
            }
            self.right.put_many(items).await
        }
    }

    /// A batch of puts writes 25 items and reports that it wrote all.
    PutManyStopsAtTwentyFive breaks B2; also B1 S1 S2: "many entries are put by batches" {
        forwards capabilities now get put expire patch delete scan get_many delete_many;
        async fn put_many(&self, mut items: Vec<PutItem>) -> Vec<Written> {
            let count = items.len();
            items.truncate(25);
            let mut results = self.right.put_many(items).await;
            results.resize_with(count, || Ok(Outcome::Applied(ttl_core::results::PutResult::new(true))));
            results
        }
    }

    /// A batch of deletes ends at the first absent key.
    DeleteManyEndsAtAMiss breaks B1 {
        forwards capabilities now get put expire patch delete scan get_many put_many;
        async fn delete_many(&self, keys: &[Key], options: DeleteOptions) -> Vec<Deleted> {
            let mut results = Vec::new();
            for key in keys {
                if matches!(results.last(), Some(Ok(Outcome::Absent))) {
                    results.push(Ok(Outcome::Absent));
                } else {
                    results.push(self.right.delete(key, options.clone()).await);
                }
            }
            results
        }
    }

    /// A batch of deletes ignores its version.
    DeleteManyIgnoresOptions breaks B1; also B2: "large batches take too" {
        forwards capabilities now get put expire patch delete scan get_many put_many;
        async fn delete_many(&self, keys: &[Key], options: DeleteOptions) -> Vec<Deleted> {
            let plain = DeleteOptions::new();
            let _ = options;
            self.right.delete_many(keys, plain).await
        }
    }

    /// The capabilities deny scans, but scans work.
    DeniesScansAndScans breaks H1 {
        forwards now get put expire patch delete scan get_many put_many delete_many;
        fn capabilities(&self) -> Capabilities {
            self.right.capabilities().with_scan(false)
        }
    }

    /// The capabilities deny storage, but the store keeps entries.
    DeniesStorageAndStores breaks H1; also B1: "the entries of a batch stay, too" {
        forwards now get put expire patch delete scan get_many put_many delete_many;
        fn capabilities(&self) -> Capabilities {
            self.right.capabilities().with_stores(false)
        }
    }

    /// A store that keeps nothing, which accepts a deadline that is too far away.
    KeepsNothingAndAcceptsAnything breaks E8 H1; also P3 B1: "they are in the same case, and batches forward" {
        forwards now get expire patch delete scan get_many delete_many;
        fn capabilities(&self) -> Capabilities {
            self.right.capabilities().with_stores(false).with_conditions(false)
        }
        async fn put(&self, _: &Key, _: Value, _: PutOptions) -> Written {
            Ok(Outcome::Applied(ttl_core::results::PutResult::new(true)))
        }
        async fn put_many(&self, items: Vec<PutItem>) -> Vec<Written> {
            items.iter().map(|_| Ok(Outcome::Applied(ttl_core::results::PutResult::new(true)))).collect()
        }
    }

    /// The capabilities deny conditions, but conditions work.
    DeniesConditionsAndObeys breaks H1 {
        forwards now get put expire patch delete scan get_many put_many delete_many;
        fn capabilities(&self) -> Capabilities {
            self.right.capabilities().with_conditions(false)
        }
    }

    /// The capabilities deny caps, but caps work.
    DeniesCapsAndKeepsThem breaks H1 {
        forwards now get put expire patch delete scan get_many put_many delete_many;
        fn capabilities(&self) -> Capabilities {
            self.right.capabilities().with_caps(false)
        }
    }

    /// The capabilities deny patches, but patches work.
    DeniesPatchesAndPatches breaks H1 {
        forwards now get put expire patch delete scan get_many put_many delete_many;
        fn capabilities(&self) -> Capabilities {
            self.right.capabilities().with_patch(false)
        }
    }

    /// The capabilities deny conditions, and the error reveals the key and the value.
    PrintsWhatItDenies breaks H5 {
        forwards now get scan get_many;
        fn capabilities(&self) -> Capabilities {
            self.right.capabilities().with_conditions(false)
        }
        async fn put(&self, key: &Key, value: Value, options: PutOptions) -> Written {
            self.capabilities().check_put(&options).map_err(|error| naming(key, &error))?;
            self.right.put(key, value, options).await
        }
        async fn expire(&self, key: &Key, change: ExpiryChange, options: ExpireOptions) -> Expired {
            self.capabilities().check_expire(&options).map_err(|error| naming(key, &error))?;
            self.right.expire(key, change, options).await
        }
        async fn patch(&self, key: &Key, patch: &Patch, options: PatchOptions) -> Patched {
            self.capabilities().check_patch(patch, &options).map_err(|error| naming(key, &error))?;
            self.right.patch(key, patch, options).await
        }
        async fn delete(&self, key: &Key, options: DeleteOptions) -> Deleted {
            self.capabilities().check_delete(&options).map_err(|error| naming(key, &error))?;
            self.right.delete(key, options).await
        }
    }

    /// The capabilities promise to reclaim space, but every entry is kept.
    PromisesToReclaim breaks H1 {
        forwards now get put expire patch delete scan get_many put_many delete_many;
        fn capabilities(&self) -> Capabilities {
            self.right.capabilities().with_reclaims_within(Duration::from_millis(100))
        }
    }

    /// The capabilities promise scans, but scans fail.
    PromisesScans breaks S1 S2 S3; also R1 E3 H1 S4 H5: "scans must work" {
        forwards capabilities now get put expire patch delete get_many put_many delete_many;
        async fn scan(&self, _: ScanOptions) -> Result<Page> {
            Err(Error::new(ErrorKind::Unsupported, "no scans here"))
        }
    }

}
