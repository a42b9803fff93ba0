//! Batches of a collection: one result for each input, in order.

use std::borrow::Borrow;

use ttl_core::options::{DeleteOptions, PutItem};
use ttl_core::results::PutResult;

use super::Collection;
use super::write::Put;
use crate::batch::{Batch, BatchResults};
use crate::format::Format;
use crate::space::{done, found};

impl<T, F: Format<T>> Collection<T, F> {
    /// Reads many values. Returns one result for each key, in order, duplicates included (B1). Each hit is
    /// refreshed as by a separate [`Collection::get`]. An invalid key or entry fails individually.
    ///
    /// ```
    /// # use ttl_store::{Counters, Result};
    /// # async fn show(counters: Counters) -> Result<()> {
    /// let counts: Vec<Option<i64>> =
    ///     counters.get_many(["a", "b", "c"]).await.into_iter().collect::<Result<_>>()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_many(
        &self,
        keys: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> impl Future<Output = BatchResults<Option<T>>> + Send {
        let (sent, batch) = Batch::split(keys.into_iter().map(|key| self.key(key)));
        let options = self.get_options();
        async move {
            let items = self.fetch_many(&sent, options).await;
            batch.merge(items.into_iter().map(|item| Ok(item?.map(Self::value_of))))
        }
    }

    /// Stores many values, each as [`Collection::put`] does. Returns one result for each item, in order (B1).
    /// Items that cannot be stored fail individually. Items with the same key are applied in order.
    pub fn put_many<I, K, V>(
        &self,
        items: I,
    ) -> impl Future<Output = BatchResults<PutResult>> + Send + use<'_, I, K, V, T, F>
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<str>,
        V: Borrow<T>,
    {
        let options = self.put_options();
        let (sent, batch) = Batch::split(items.into_iter().map(|(key, value)| {
            let Put { key, value, options } = self.encoded(key, value.borrow(), options.clone())?;
            Ok(PutItem::new(key, value, options))
        }));
        async move {
            let answers = self.shared.space.driver.put_many(sent).await;
            batch.merge(answers.into_iter().map(|outcome| done(outcome?)))
        }
    }

    /// Deletes many entries. Returns for each key, in order, whether there was a live entry (B1). An invalid
    /// key fails individually.
    pub fn delete_many(
        &self,
        keys: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> impl Future<Output = BatchResults<bool>> + Send {
        let (sent, batch) = Batch::split(keys.into_iter().map(|key| self.key(key)));
        async move {
            let answers = self.shared.space.driver.delete_many(&sent, DeleteOptions::new()).await;
            batch.merge(answers.into_iter().map(|outcome| Ok(found(outcome?)?.is_some())))
        }
    }
}
