//! The trait of a layer, and the method that puts one around a store.

use std::sync::Arc;
use std::time::Duration;

use ttl_core::{Error, ErrorKind, Result, TtlStore};

/// The settings of a layer, which can wrap stores.
///
/// The stores that the same settings wrap can share state, such as the circuit of a
/// [`CircuitBreaker`](crate::CircuitBreaker). Each layer documents it.
///
/// ```
/// use std::sync::Arc;
/// use ttl_core::{Capabilities, Result, TtlStore, forward_ttl_store};
/// use ttl_layers::{Layer, LayerExt};
/// use ttl_memory::MemoryStore;
///
/// /// A layer that hides the name of the backend.
/// #[derive(Debug)]
/// struct Anonymous;
///
/// #[derive(Debug)]
/// struct AnonymousStore(Arc<dyn TtlStore>);
///
/// impl TtlStore for AnonymousStore {
///     fn capabilities(&self) -> Capabilities {
///         let mut capabilities = self.0.capabilities();
///         capabilities.backend = "a store";
///         capabilities
///     }
///
///     forward_ttl_store!(self, self.0 => now get put expire patch delete scan get_many put_many delete_many changes);
/// }
///
/// impl Layer for Anonymous {
///     fn wrap(&self, inner: Arc<dyn TtlStore>) -> Result<Arc<dyn TtlStore>> {
///         Ok(Arc::new(AnonymousStore(inner)))
///     }
/// }
///
/// let store = Arc::new(MemoryStore::default()).layer(Anonymous)?;
/// assert_eq!(store.capabilities().backend, "a store");
/// # Ok::<(), ttl_core::Error>(())
/// ```
pub trait Layer {
    /// Wraps a store in this layer.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if a setting is invalid. The error names it. Nothing was sent.
    fn wrap(&self, inner: Arc<dyn TtlStore>) -> Result<Arc<dyn TtlStore>>;
}

impl<L: Layer + ?Sized> Layer for &L {
    fn wrap(&self, inner: Arc<dyn TtlStore>) -> Result<Arc<dyn TtlStore>> {
        (**self).wrap(inner)
    }
}

impl<L: Layer + ?Sized> Layer for Box<L> {
    fn wrap(&self, inner: Arc<dyn TtlStore>) -> Result<Arc<dyn TtlStore>> {
        (**self).wrap(inner)
    }
}

/// Adds the method `layer` to a shared store.
///
/// The first layer is the innermost. The last one is the outermost: it sees a call first and its result last.
pub trait LayerExt {
    /// Wraps this store in a layer, which is passed by value or by reference.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if a setting of the layer is invalid. The error names it. Nothing was
    /// sent.
    fn layer(self, layer: impl Layer) -> Result<Arc<dyn TtlStore>>;
}

impl LayerExt for Arc<dyn TtlStore> {
    fn layer(self, layer: impl Layer) -> Result<Arc<dyn TtlStore>> {
        layer.wrap(self)
    }
}

impl<S: TtlStore> LayerExt for Arc<S> {
    fn layer(self, layer: impl Layer) -> Result<Arc<dyn TtlStore>> {
        layer.wrap(self)
    }
}

/// Creates the error for an invalid setting of a layer.
pub(crate) fn invalid(layer: &str, setting: &str, expected: &str) -> Error {
    Error::new(
        ErrorKind::InvalidConfig,
        format!("invalid value for `{setting}` of {layer}: expected {expected}"),
    )
}

/// Checks that no layer below compresses values. `reason` completes the error.
#[cfg(any(feature = "compress-gzip", feature = "compress-zstd", feature = "encrypt"))]
pub(crate) fn refuse_compression_below(layer: &str, reason: &str, inner: &dyn TtlStore) -> Result<()> {
    if inner.capabilities().compresses_values {
        let text = format!("invalid order of layers: {layer} is around a store that compresses, {reason}");
        return Err(Error::new(ErrorKind::InvalidConfig, text));
    }
    Ok(())
}

/// The longest duration in the settings of a layer.
pub(crate) const LONGEST: Duration = Duration::from_secs(86_400);
