//! The macro that forwards the methods of a wrapper.

/// Implements methods of [`TtlStore`](crate::TtlStore) by calling the same method of another store.
///
/// A wrapper that only implemented some methods would inherit the trait's provided ones for the rest, and
/// turn one round trip of the inner store into many. This macro forwards methods by name. It has no cost: it
/// returns the inner store's future unchanged. Put `#[deny(clippy::missing_trait_methods)]` on the impl, and
/// the lint reports every method that is neither written nor named.
///
/// `self.inner` may be any expression that is a `TtlStore` (for a reference to one, write `*self.inner()`).
/// It is evaluated once for each call. `all` forwards every method. No names need to be imported.
///
/// `no_sync` implements [`TtlStore::as_sync`](crate::TtlStore::as_sync) as `None`. A wrapper that changes any operation
/// uses it: the synchronous form of the inner store would bypass the wrapper.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use ttl_core::options::GetOptions;
/// use ttl_core::{Entry, Key, Result, TtlStore, async_trait, forward_ttl_store};
///
/// #[derive(Debug)]
/// struct Counted {
///     gets: AtomicU64,
///     inner: Arc<dyn TtlStore>,
/// }
///
/// #[deny(clippy::missing_trait_methods)]
/// #[async_trait]
/// impl TtlStore for Counted {
///     async fn get(&self, key: &Key, options: GetOptions) -> Result<Option<Entry>> {
///         self.gets.fetch_add(1, Ordering::Relaxed);
///         self.inner.get(key, options).await
///     }
///
///     forward_ttl_store!(self, self.inner => capabilities now no_sync put expire patch delete scan get_many put_many delete_many changes);
/// }
/// ```
#[macro_export]
macro_rules! forward_ttl_store {
    ($self:ident, $inner:expr => all) => {
        $crate::forward_ttl_store!(
            $self,
            $inner => capabilities now as_sync get put expire patch delete scan get_many put_many delete_many changes
        );
    };
    ($self:ident, $inner:expr => $($method:ident)*) => {
        $( $crate::__forward_one!($method, $self, $inner); )*
    };
}

/// Forwards one method for [`forward_ttl_store!`]. The signatures are those that `async_trait` generates for
/// the trait.
#[doc(hidden)]
#[macro_export]
macro_rules! __forward_one {
    (capabilities, $self:ident, $inner:expr) => {
        fn capabilities(&$self) -> $crate::Capabilities {
            $crate::TtlStore::capabilities(&$inner)
        }
    };
    (now, $self:ident, $inner:expr) => {
        fn now(&$self) -> ::std::time::SystemTime {
            $crate::TtlStore::now(&$inner)
        }
    };
    (no_sync, $self:ident, $inner:expr) => {
        fn as_sync(&$self) -> ::std::option::Option<&dyn $crate::driver::SyncStore> {
            ::std::option::Option::None
        }
    };
    (as_sync, $self:ident, $inner:expr) => {
        fn as_sync(&$self) -> ::std::option::Option<&dyn $crate::driver::SyncStore> {
            $crate::TtlStore::as_sync(&$inner)
        }
    };
    (get, $self:ident, $inner:expr) => {
        $crate::__forward_keyed!($self, $inner, get, key: &'life1 $crate::Key, options: $crate::options::GetOptions
            => $crate::Result<::std::option::Option<$crate::Entry>>);
    };
    (put, $self:ident, $inner:expr) => {
        $crate::__forward_keyed!($self, $inner, put, key: &'life1 $crate::Key, value: $crate::Value,
            options: $crate::options::PutOptions => $crate::Result<$crate::Outcome<$crate::results::PutResult>>);
    };
    (expire, $self:ident, $inner:expr) => {
        $crate::__forward_keyed!($self, $inner, expire, key: &'life1 $crate::Key, change: $crate::options::ExpiryChange,
            options: $crate::options::ExpireOptions => $crate::Result<$crate::Outcome<$crate::results::ExpireResult>>);
    };
    (patch, $self:ident, $inner:expr) => {
        fn patch<'life0, 'life1, 'life2, 'async_trait>(
            &'life0 $self,
            key: &'life1 $crate::Key,
            patch: &'life2 $crate::Patch,
            options: $crate::options::PatchOptions,
        ) -> $crate::driver::BoxFuture<'async_trait, $crate::Result<$crate::Outcome<$crate::results::PatchResult>>>
        where
            'life0: 'async_trait,
            'life1: 'async_trait,
            'life2: 'async_trait,
            Self: 'async_trait,
        {
            $crate::TtlStore::patch(&$inner, key, patch, options)
        }
    };
    (delete, $self:ident, $inner:expr) => {
        $crate::__forward_keyed!($self, $inner, delete, key: &'life1 $crate::Key, options: $crate::options::DeleteOptions
            => $crate::Result<$crate::Outcome<::std::option::Option<$crate::Entry>>>);
    };
    (scan, $self:ident, $inner:expr) => {
        $crate::__forward_plain!($self, $inner, scan, options: $crate::options::ScanOptions
            => $crate::Result<$crate::Page>);
    };
    (get_many, $self:ident, $inner:expr) => {
        $crate::__forward_keyed!($self, $inner, get_many, keys: &'life1 [$crate::Key], options: $crate::options::GetOptions
            => ::std::vec::Vec<$crate::Result<::std::option::Option<$crate::Entry>>>);
    };
    (put_many, $self:ident, $inner:expr) => {
        $crate::__forward_plain!($self, $inner, put_many, items: ::std::vec::Vec<$crate::options::PutItem>
            => ::std::vec::Vec<$crate::Result<$crate::Outcome<$crate::results::PutResult>>>);
    };
    (delete_many, $self:ident, $inner:expr) => {
        $crate::__forward_keyed!($self, $inner, delete_many, keys: &'life1 [$crate::Key],
            options: $crate::options::DeleteOptions
            => ::std::vec::Vec<$crate::Result<$crate::Outcome<::std::option::Option<$crate::Entry>>>>);
    };
    (changes, $self:ident, $inner:expr) => {
        $crate::__forward_plain!($self, $inner, changes, => $crate::Result<$crate::ChangeStream>);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __forward_keyed {
    ($self:ident, $inner:expr, $method:ident, $($argument:ident: $type:ty),* => $result:ty) => {
        fn $method<'life0, 'life1, 'async_trait>(
            &'life0 $self,
            $($argument: $type),*
        ) -> $crate::driver::BoxFuture<'async_trait, $result>
        where
            'life0: 'async_trait,
            'life1: 'async_trait,
            Self: 'async_trait,
        {
            $crate::TtlStore::$method(&$inner, $($argument),*)
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __forward_plain {
    ($self:ident, $inner:expr, $method:ident, $($argument:ident: $type:ty),* => $result:ty) => {
        fn $method<'life0, 'async_trait>(
            &'life0 $self,
            $($argument: $type),*
        ) -> $crate::driver::BoxFuture<'async_trait, $result>
        where
            'life0: 'async_trait,
            Self: 'async_trait,
        {
            $crate::TtlStore::$method(&$inner, $($argument),*)
        }
    };
}

/// The future of a call, as boxed by `async_trait`.
#[doc(hidden)]
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

#[deny(clippy::missing_trait_methods)]
impl<T: crate::TtlStore + ?Sized> crate::TtlStore for std::sync::Arc<T> {
    forward_ttl_store!(self, **self => all);
}

#[deny(clippy::missing_trait_methods)]
impl<T: crate::TtlStore + ?Sized> crate::TtlStore for Box<T> {
    forward_ttl_store!(self, **self => all);
}
