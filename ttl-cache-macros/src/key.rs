//! The key of a call: which arguments it contains.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Error, GenericParam, Result};

use crate::arguments::{Arguments, Selection};
use crate::signature::{Argument, Shape};

/// The longest key: the longest tuple that serde serializes.
const MAX_KEY_ARGUMENTS: usize = 16;

/// The key of a call.
pub(crate) struct KeyOf {
    /// The value to serialize.
    pub(crate) value: TokenStream,
    /// The arguments in it, unless it is an expression.
    pub(crate) names: Vec<Ident>,
}

impl KeyOf {
    pub(crate) fn new(arguments: &Arguments, shape: &Shape) -> Result<Self> {
        let names: Vec<Ident> = match &arguments.key {
            Selection::Expression(value) => {
                return Ok(Self { value: value.to_token_stream(), names: Vec::new() });
            }
            Selection::Only(names) => {
                names.iter().try_for_each(|name| shape.named(name, "key").map(|_| ()))?;
                names.clone()
            }
            Selection::AllBut(skipped) => {
                skipped.iter().try_for_each(|name| shape.named(name, "skip").map(|_| ()))?;
                let names = shape.arguments.iter().map(Argument::name_in_key).collect::<Result<Vec<_>>>()?;
                names.into_iter().filter(|name| !skipped.contains(name)).cloned().collect()
            }
        };
        if let Some(name) = names.get(MAX_KEY_ARGUMENTS) {
            return Err(Error::new(
                name.span(),
                format!("a key has at most {MAX_KEY_ARGUMENTS} arguments: choose them by `key(...)`"),
            ));
        }
        // The error of an argument that cannot be serialized leads to the arguments.
        let span = names.first().map_or_else(Span::call_site, Ident::span);
        Ok(Self { value: quote_spanned!(span=> (#(&#names,)*)), names })
    }
}

/// Returns the text of a generic parameter in keys.
pub(crate) fn parameter_name(parameter: &GenericParam) -> Option<TokenStream> {
    match parameter {
        GenericParam::Lifetime(_) => None,
        GenericParam::Type(parameter) => {
            let name = &parameter.ident;
            Some(quote!(&::core::any::type_name::<#name>()))
        }
        GenericParam::Const(parameter) => {
            let name = &parameter.ident;
            Some(quote!(&#name))
        }
    }
}
