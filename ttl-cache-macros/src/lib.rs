//! The macro `memoize` of the crate `ttl-cache`, whose documentation describes it.
//!
//! Programs use the re-exports `ttl_cache::memoize` and `ttl_store::memoize`. Both are the same macro. They differ
//! in the path of the crate that the generated code uses, if the argument `crate` does not set it.

mod arguments;
mod expand;
mod key;
mod mentions;
mod signature;

use proc_macro::TokenStream;

// rustdoc would append the documentation of these functions to that of the re-exports.
#[expect(missing_docs, reason = "the re-export has the documentation")]
#[proc_macro_attribute]
pub fn memoize(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::memoized(arguments.into(), &item.into(), "::ttl_cache").into()
}

#[expect(missing_docs, reason = "the re-export has the documentation")]
#[proc_macro_attribute]
pub fn memoize_for_ttl_store(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::memoized(arguments.into(), &item.into(), "::ttl_store::cache").into()
}
