//! Puts that return the previous value: read and written in one atomic call.

use ttl_core::options::Condition;
use ttl_core::{Key, Result, Value};

use super::Collection;
use crate::format::Format;
use crate::space::{done, met};

impl<T, F: Format<T>> Collection<T, F> {
    /// Stores the value and returns the replaced value, or `None` if there was no live entry. The deadline
    /// changes as with [`Collection::put`]. If many callers swap at once, each replaced value is returned to
    /// exactly one of them (C5).
    ///
    /// Cost: the requests of a put in memory, on Redis and on DynamoDB; one more read on CQL.
    ///
    /// # Errors
    /// * The errors of [`Collection::put`].
    /// * [`ErrorKind::Unsupported`](ttl_core::ErrorKind::Unsupported) if the store does not support
    ///   conditions.
    /// * [`ErrorKind::Codec`](ttl_core::ErrorKind::Codec) if the old value does not fit the type. The new
    ///   value is stored nevertheless.
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

    /// Stores the value if there is no live entry, and returns `None`. Otherwise returns the existing value.
    /// Of many callers, exactly one stores its value, and all others receive it (C1, C5), as idempotency keys
    /// require.
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
    /// Cost: the requests of [`Collection::create`] in memory, on Redis and on DynamoDB; one more read on
    /// CQL.
    ///
    /// # Errors
    /// * The errors of [`Collection::create`].
    /// * [`ErrorKind::Codec`](ttl_core::ErrorKind::Codec) if the existing value does not fit the type.
    ///   Nothing was stored.
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
