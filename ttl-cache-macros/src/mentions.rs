//! Which names an expression mentions.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;

/// Returns whether these tokens mention the name, as an identifier or in the braces of a format text. The name of a
/// field or a method does not count.
pub(crate) fn mentions(tokens: &impl ToTokens, name: &Ident) -> bool {
    in_stream(tokens.to_token_stream(), &name.to_string())
}

/// Returns whether these tokens mention the type `Self`.
pub(crate) fn mentions_self_type(tokens: &impl ToTokens) -> bool {
    in_stream(tokens.to_token_stream(), "Self")
}

fn in_stream(tokens: TokenStream, name: &str) -> bool {
    let mut dots = 0;
    for token in tokens {
        let found = match &token {
            // One dot precedes a field, two are a range.
            TokenTree::Ident(ident) => dots != 1 && *ident == name,
            TokenTree::Group(group) => in_stream(group.stream(), name),
            TokenTree::Literal(text) => in_format(&text.to_string(), name),
            TokenTree::Punct(_) => false,
        };
        if found {
            return true;
        }
        dots = match token {
            TokenTree::Punct(punct) if punct.as_char() == '.' => dots + 1,
            _ => 0,
        };
    }
    false
}

/// Returns whether a text contains `{name}` or `{name:`.
fn in_format(text: &str, name: &str) -> bool {
    text.split('{')
        .skip(1)
        .any(|rest| rest.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with(['}', ':'])))
}

#[cfg(test)]
mod tests {
    use quote::{format_ident, quote};

    use super::*;

    #[test]
    fn names_and_format_texts_count_and_fields_do_not() {
        let id = format_ident!("id");
        for tokens in [
            quote!(id),
            quote!(self.user(id)),
            quote!((0..id)),
            quote!([format!("user:{id}")]),
            quote!([format!("user:{id:?}")]),
            quote!([format!("user:{}", id.get())]),
        ] {
            assert!(mentions(&tokens, &id), "{tokens}");
        }
        for tokens in [quote!(user.id), quote!(user.id()), quote!(identity), quote!(format!("{idea} id"))] {
            assert!(!mentions(&tokens, &id), "{tokens}");
        }
    }
}
