//! Puts that hand back the value they met: of one instant with the write, in one call.

use ttl_core::{Condition, Key, Result, Value};

use super::Collection;
use crate::format::Format;
use crate::space::{done, met};

impl<T, F: Format<T>> Collection<T, F> {
    /// Stores the value and returns the one that it replaced; `None` if no live entry was there. The deadline goes as with
    /// [`Collection::put`]. Of values that many callers swap in, each is returned to one of them (C5).
    ///
    /// It costs no request more than a put in memory, on Redis and on DynamoDB, and a read on CQL.
    ///
    /// # Errors
    /// As [`Collection::put`]; [`ErrorKind::Unsupported`](ttl_core::ErrorKind::Unsupported) by a store without
    /// conditions; [`ErrorKind::Codec`](ttl_core::ErrorKind::Codec) if the old value does not fit the type: the new one is
    /// stored all the same.
    pub fn swap<K: AsRef<str>>(
        &self,
        key: K,
        value: &T,
    ) -> impl Future<Output = Result<Option<T>>> + Send + use<'_, K, T, F> {
        let put = self.encoded(key, value, self.put_options().with_previous());
        async move {
            let put = put?;
            let key = put.key.clone();
            let meta = done(self.write(Ok(put)).await?)?;
            self.decoded(&key, meta.previous)
        }
    }

    /// Stores the value if no live entry is there; returns the value that is there otherwise, and `None` if it was stored.
    /// Of many callers exactly one stores, and all others get its value (C1, C5): what idempotency keys need.
    ///
    /// ```
    /// # async fn show(answers: ttl_store::Blobs<String>, request_id: &str) -> ttl_store::Result<()> {
    /// if let Some(answer) = answers.create_or_get(request_id, &"pending".to_owned()).await? {
    ///     println!("this request was made before; its answer is {answer}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// It costs no request more than [`Collection::create`] in memory, on Redis and on DynamoDB, and a read on CQL.
    ///
    /// # Errors
    /// As [`Collection::create`]; [`ErrorKind::Codec`](ttl_core::ErrorKind::Codec) if the value that is there does not fit
    /// the type: nothing was stored.
    pub fn create_or_get<K: AsRef<str>>(
        &self,
        key: K,
        value: &T,
    ) -> impl Future<Output = Result<Option<T>>> + Send + use<'_, K, T, F> {
        let options = self.put_options().with_condition(Condition::IfAbsent).with_previous();
        let put = self.encoded(key, value, options);
        async move {
            let put = put?;
            let key = put.key.clone();
            let met = met(self.write(Ok(put)).await?)?;
            self.decoded(&key, met)
        }
    }

    fn decoded(&self, key: &Key, value: Option<Value>) -> Result<Option<T>> {
        let decoded = value.map(|value| self.shared.format.decode(value)).transpose();
        decoded.map_err(|error| self.shared.space.explain(error, "put", key))
    }
}
