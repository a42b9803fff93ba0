//! The code that replaces a memoized function.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Error, GenericParam, ItemFn, Result};

use crate::arguments::{Arguments, Lifetime};
use crate::key::{KeyOf, parameter_name};
use crate::mentions::{mentions, mentions_self_type};
use crate::signature::{Argument, Shape};

/// Returns the functions that replace the item, or an error beside the item.
pub(crate) fn memoized(arguments: TokenStream, item: &TokenStream, krate: &str) -> TokenStream {
    expand(arguments, item, krate).unwrap_or_else(|error| {
        // The function stays, so that its callers cause no further errors.
        let error = error.into_compile_error();
        quote!(#error #item)
    })
}

fn expand(arguments: TokenStream, item: &TokenStream, krate: &str) -> Result<TokenStream> {
    let Ok(function) = syn::parse2::<ItemFn>(item.clone()) else {
        return Err(Error::new(Span::call_site(), "expected an async function or method with a body"));
    };
    let arguments = Arguments::parse(arguments, krate)?;
    let shape = Shape::new(&function.sig)?;
    let key = KeyOf::new(&arguments, &shape)?;
    if let Some(span) = arguments.absent.filter(|_| !shape.returns.is_option) {
        return Err(Error::new(
            span,
            "`absent` is for functions that return an `Option` in their result: `Result<Option<T>, E>`",
        ));
    }
    let memo = Memo { function: &function, arguments: &arguments, shape: &shape, key: &key };
    let (memoized, body, invalidate) = (memo.memoized(), memo.body(), memo.invalidate());
    Ok(quote!(#memoized #body #invalidate))
}

struct Memo<'a> {
    function: &'a ItemFn,
    arguments: &'a Arguments,
    shape: &'a Shape,
    key: &'a KeyOf,
}

impl Memo<'_> {
    /// Returns the function that callers use.
    fn memoized(&self) -> TokenStream {
        let Self { function, arguments, shape, .. } = self;
        let krate = &arguments.krate;
        let returns = &shape.returns.ty;
        // The errors of types that do not fit lead to the type that the function returns.
        let place = returns.span();
        let local = |name| local(name, place);
        let (cache, key, error, value) = (local("cache"), local("key"), local("error"), local("value"));
        let (options, keep, load, this) = (local("options"), local("keep"), local("load"), local("this"));

        let attributes = function.attrs.iter().map(allowed);
        let (visibility, name) = (&function.vis, &function.sig.ident);
        let inputs = self.inputs(|_| true);
        let (generics, _, bounds) = function.sig.generics.split_for_impl();

        let cache_value = self.cache();
        let key_value = self.key_value();
        let tags = arguments.tags.as_ref().map(|tags| quote_spanned!(tags.span()=> .with_tags(#tags)));
        let ttl = lifetime(arguments.ttl.as_ref(), krate);
        let fresh_for = lifetime(arguments.fresh_for.as_ref(), krate);
        let own_this = shape.this.as_ref().map(|own| {
            let receiver = own.receiver.self_token;
            match &own.referent {
                Some(ty) => {
                    let clone = quote_spanned!(own.receiver.span()=> <#ty as ::core::clone::Clone>::clone);
                    quote!(let #this = #clone(#receiver);)
                }
                None => quote!(let #this = #receiver;),
            }
        });
        let own_arguments = shape.arguments.iter().filter_map(|argument| {
            let (passed, ty) = (&argument.passed, argument.referent.as_ref()?);
            let owned = quote_spanned!(ty.span()=> <#ty as ::std::borrow::ToOwned>::to_owned);
            Some(quote!(let #passed = #owned(#passed);))
        });
        let body = self.body_call(&this);
        let loading = quote_spanned!(place=> async move { #body.await });
        let call = match (shape.returns.is_option, arguments.absent) {
            (false, _) => quote!(get),
            (true, None) => quote!(find_some),
            (true, Some(_)) => quote!(find),
        };
        // The errors of types that do not fit lead to the type that the function returns.
        let call =
            quote_spanned!(returns.span()=> #krate::__private::#call(&#cache, &#key, #options, #keep, #load));
        let failed = quote_spanned!(place=> ::core::convert::From::from(#error));
        quote! {
            #(#attributes)*
            #visibility async fn #name #generics(#(#inputs),*) -> #returns #bounds {
                let #cache = #cache_value;
                let #key = match #key_value {
                    ::core::result::Result::Ok(#key) => #key,
                    ::core::result::Result::Err(#error) => {
                        let #error = #krate::CacheError::Store(#error);
                        return ::core::result::Result::Err(#failed);
                    }
                };
                let #options = #krate::LoadOptions::new() #tags;
                let #keep = #krate::__private::Keep { ttl: #ttl, fresh_for: #fresh_for };
                #own_this
                #(#own_arguments)*
                let #load = #loading;
                match #call.await {
                    ::core::result::Result::Ok(#value) => ::core::result::Result::Ok(#value),
                    ::core::result::Result::Err(#error) => ::core::result::Result::Err(#failed),
                }
            }
        }
    }

    /// Returns the function with the original body.
    fn body(&self) -> TokenStream {
        let mut signature = self.function.sig.clone();
        signature.ident = self.body_name();
        let attributes = self.function.attrs.iter().filter(|attribute| is_lint(attribute));
        let block = &self.function.block;
        quote! {
            #[doc(hidden)]
            #[allow(dead_code, clippy::unused_async)]
            #(#attributes)*
            #signature #block
        }
    }

    /// Returns the function that invalidates the result of a call.
    fn invalidate(&self) -> TokenStream {
        let (function, krate) = (self.function, &self.arguments.krate);
        let (visibility, name) = (&function.vis, &function.sig.ident);
        let place = self.arguments.place();
        let inputs = self.inputs(|argument| {
            let name = &argument.passed;
            self.key.names.contains(name) || argument.name.is_some() && mentions(&place, name)
        });
        let (generics, _, bounds) = function.sig.generics.split_for_impl();
        let (cache, key) = (local("cache", name.span()), local("key", name.span()));
        let (cache_value, key_value) = (self.cache(), self.key_value());
        let invalidate = format_ident!("{}_invalidate", name.unraw(), span = name.span());
        let link = if self.is_associated() { format!("Self::{name}") } else { name.to_string() };
        let lines = [
            format!(
                " Invalidates the result of [`{name}`]({link}) for these arguments. After this call has returned,"
            ),
            " no later call returns a result whose load began before.".to_owned(),
            String::new(),
            " # Errors".to_owned(),
            " Those of the store, and of arguments that cannot be serialized.".to_owned(),
        ];
        quote! {
            #(#[doc = #lines])*
            #[allow(dead_code, unused_variables, clippy::all, clippy::pedantic)]
            #visibility async fn #invalidate #generics(#(#inputs),*) -> #krate::__private::Result<()> #bounds {
                let #cache = #cache_value;
                let #key = #key_value?;
                #cache.invalidate(&#key).await
            }
        }
    }

    /// Returns the declarations of the receiver and of these arguments.
    fn inputs(&self, is_taken: impl Fn(&Argument) -> bool) -> Vec<TokenStream> {
        let receiver = self.shape.this.iter().map(|this| {
            let mut receiver = this.receiver.clone();
            if receiver.reference.is_none() {
                receiver.mutability = None;
            }
            receiver.into_token_stream()
        });
        let taken = self.shape.arguments.iter().filter(|argument| is_taken(argument));
        let arguments = taken.map(|argument| {
            let (passed, ty) = (&argument.passed, &argument.ty);
            quote!(#passed: #ty)
        });
        receiver.chain(arguments).collect()
    }

    /// Returns a clone of the cache, so that nothing which the expression borrows lives until the end of the load.
    fn cache(&self) -> TokenStream {
        let (krate, cache) = (&self.arguments.krate, &self.arguments.cache);
        let borrowed = quote_spanned!(cache.span()=> &#cache);
        let value = self.shape.returns.value.as_ref().map_or_else(|| quote!(_), ToTokens::to_token_stream);
        quote!(<#krate::Cache<#krate::MemoKey, #value> as ::core::clone::Clone>::clone(#borrowed))
    }

    /// Returns the result of making the key.
    fn key_value(&self) -> TokenStream {
        let (krate, value) = (&self.arguments.krate, &self.key.value);
        let name = self.key_name();
        let value = quote_spanned!(value.span()=> &#value);
        quote!(#krate::__private::key(#name, #value))
    }

    /// Returns the name of the function in keys.
    fn key_name(&self) -> TokenStream {
        if let Some(name) = &self.arguments.name {
            return name.to_token_stream();
        }
        let krate = &self.arguments.krate;
        let function = self.function.sig.ident.unraw().to_string();
        let module = quote!(::core::env!("CARGO_PKG_NAME"), "::", ::core::module_path!());
        let this = self.is_associated().then(|| quote!(::core::any::type_name::<Self>()));
        let parameters: Vec<_> =
            self.function.sig.generics.params.iter().filter_map(parameter_name).collect();
        if this.is_none() && parameters.is_empty() {
            return quote!(::core::concat!(#module, "::", #function));
        }
        let this = this.map_or_else(
            || quote!(::core::option::Option::None),
            |this| quote!(::core::option::Option::Some(#this)),
        );
        quote!(#krate::__private::name(::core::concat!(#module), #this, #function, &[#(#parameters),*]))
    }

    fn body_name(&self) -> Ident {
        let name = &self.function.sig.ident;
        format_ident!("__{}_uncached", name.unraw(), span = name.span())
    }

    /// Returns the call of the original body.
    fn body_call(&self, this: &Ident) -> TokenStream {
        let name = self.body_name();
        let path = if self.is_associated() { quote!(Self::#name) } else { name.into_token_stream() };
        let parameters = self.function.sig.generics.params.iter().filter_map(|parameter| match parameter {
            GenericParam::Lifetime(_) => None,
            GenericParam::Type(parameter) => Some(&parameter.ident),
            GenericParam::Const(parameter) => Some(&parameter.ident),
        });
        let receiver = self.shape.this.iter().map(|own| match own.referent {
            Some(_) => quote!(&#this),
            None => quote!(#this),
        });
        let arguments = self.shape.arguments.iter().map(|argument| {
            let passed = &argument.passed;
            match argument.referent {
                Some(_) => quote!(&#passed),
                None => quote!(#passed),
            }
        });
        let all = receiver.chain(arguments);
        quote!(#path::<#(#parameters),*>(#(#all),*))
    }

    /// Returns whether the function is in an `impl`. One without `self` is if it mentions `Self`.
    fn is_associated(&self) -> bool {
        self.shape.this.is_some()
            || mentions_self_type(&self.function.sig)
            || mentions_self_type(&self.arguments.place())
            || mentions_self_type(&self.arguments.tags)
    }
}

/// Returns the name of a local variable that the expressions of the attribute cannot see.
fn local(name: &str, place: Span) -> Ident {
    Ident::new(name, Span::mixed_site().located_at(place))
}

fn lifetime(lifetime: Option<&Lifetime>, krate: &syn::Path) -> TokenStream {
    match lifetime {
        None => quote!(::core::option::Option::None),
        // In a constant, a TTL that is out of range does not compile.
        Some(Lifetime::Millis(millis)) => {
            let ttl = quote_spanned!(millis.span()=> {
                const TTL: #krate::__private::Ttl = #krate::__private::Ttl::millis(#millis);
                TTL
            });
            quote!(::core::option::Option::Some(#ttl))
        }
        Some(Lifetime::Expression(ttl)) => quote!(::core::option::Option::Some(#ttl)),
    }
}

fn is_lint(attribute: &Attribute) -> bool {
    ["allow", "deny", "expect", "forbid", "warn"].iter().any(|lint| attribute.path().is_ident(lint))
}

/// Returns the attribute for the function that callers use. A lint that is expected is one of the body.
fn allowed(attribute: &Attribute) -> TokenStream {
    match (attribute.path().is_ident("expect"), attribute.meta.require_list()) {
        (true, Ok(list)) => {
            let lints = &list.tokens;
            quote!(#[allow(#lints)])
        }
        _ => attribute.to_token_stream(),
    }
}

#[cfg(test)]
mod tests {
    use syn::{File, Item};

    use super::*;

    /// Returns the names of the attributes of each generated function.
    fn attributes(item: &TokenStream) -> Vec<(String, Vec<String>)> {
        let file: File = syn::parse2(memoized(quote!(cache = users()), item, "::ttl_cache")).unwrap();
        let functions = file.items.into_iter().map(|item| match item {
            Item::Fn(function) => function,
            other => panic!("not a function: {}", other.into_token_stream()),
        });
        functions
            .map(|function| {
                let attributes = function.attrs.iter().map(|attribute| {
                    attribute.path().get_ident().map_or_else(String::new, ToString::to_string)
                });
                (function.sig.ident.to_string(), attributes.collect())
            })
            .collect()
    }

    #[test]
    fn attributes_stay_on_the_function_and_lints_reach_its_body() {
        let found = attributes(&quote! {
            /// Returns a user.
            #[must_use]
            #[expect(clippy::unused_async)]
            #[warn(unused)]
            pub(crate) async fn r#type(id: u64) -> Result<u64, E> {
                Ok(id)
            }
        });
        let own = |name: &str, attributes: &[&str]| {
            (name.to_owned(), attributes.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(found[0], own("r#type", &["doc", "must_use", "allow", "warn"]));
        assert_eq!(found[1], own("__type_uncached", &["doc", "allow", "expect", "warn"]));
        assert_eq!(found[2], own("type_invalidate", &["doc", "doc", "doc", "doc", "doc", "allow"]));
    }

    #[test]
    fn an_error_leaves_the_function() {
        let item = quote!(
            fn user(id: u64) -> Result<u64, E> {
                Ok(id)
            }
        );
        let tokens = memoized(quote!(cache = users()), &item, "::ttl_cache").to_string();
        assert!(tokens.ends_with(&item.to_string()), "{tokens}");
    }

    #[test]
    fn an_invalidation_takes_what_finds_the_entry() {
        let item = quote! {
            async fn user(client: Client, id: u64, page: u64, &verbose: &bool) -> Result<u64, E> {
                Ok(id)
            }
        };
        let inputs = |arguments: TokenStream| {
            let file: File = syn::parse2(memoized(arguments, &item, "::ttl_cache")).unwrap();
            match file.items.into_iter().nth(2) {
                Some(Item::Fn(function)) => function.sig.inputs.into_token_stream().to_string(),
                _ => panic!("no function"),
            }
        };
        assert_eq!(inputs(quote!(cache = users(), key(id))), "id : u64");
        assert_eq!(inputs(quote!(cache = client.users, key(id))), "client : Client , id : u64");
        assert_eq!(inputs(quote!(cache = users(), key = (id, page))), "id : u64 , page : u64");
        assert_eq!(
            inputs(quote!(cache = users(), key(id), name = format!("{page}"))),
            "id : u64 , page : u64"
        );
        assert_eq!(inputs(quote!(cache = users(), key(), tags = [id])), "");
    }
}
