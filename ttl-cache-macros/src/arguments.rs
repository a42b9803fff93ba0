//! The arguments of the attribute.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Expr, ExprLit, Lit, LitInt, LitStr, Path, Result, Token, parenthesized};

const KNOWN: &str = "`cache`, `ttl`, `fresh_for`, `key`, `skip`, `tags`, `absent`, `name`, `crate`";

/// The arguments of `#[memoize(...)]`.
pub(crate) struct Arguments {
    pub(crate) cache: Expr,
    pub(crate) ttl: Option<Lifetime>,
    pub(crate) fresh_for: Option<Lifetime>,
    pub(crate) key: Selection,
    pub(crate) tags: Option<Expr>,
    /// The place of `absent`.
    pub(crate) absent: Option<Span>,
    pub(crate) name: Option<Expr>,
    pub(crate) krate: Path,
}

/// The parts of a key.
pub(crate) enum Selection {
    /// All arguments but these.
    AllBut(Vec<Ident>),
    Only(Vec<Ident>),
    Expression(Expr),
}

/// A TTL: its milliseconds, or an expression.
pub(crate) enum Lifetime {
    Millis(LitInt),
    Expression(Expr),
}

impl Arguments {
    /// Parses the arguments. `krate` is the default of `crate`.
    pub(crate) fn parse(tokens: TokenStream, krate: &str) -> Result<Self> {
        let given: Given = syn::parse2(tokens)?;
        let Some(cache) = given.cache else {
            return Err(Error::new(
                Span::call_site(),
                "missing argument `cache`: expected the cache of the results, such as `#[memoize(cache = users())]`",
            ));
        };
        let key = match (given.key, given.skip) {
            (None, skip) => Selection::AllBut(skip.unwrap_or_default()),
            (Some(key), None) => key,
            (Some(_), Some(skip)) => {
                let place = skip.first().map_or_else(Span::call_site, Ident::span);
                return Err(Error::new(place, "`skip` has no effect beside `key`: use one of them"));
            }
        };
        let krate = given.krate.map_or_else(|| syn::parse_str(krate), Ok)?;
        let Given { ttl, fresh_for, tags, absent, name, .. } = given;
        Ok(Self { cache, ttl, fresh_for, key, tags, absent, name, krate })
    }

    /// Returns the expressions that are evaluated to find the entry of a call.
    pub(crate) fn place(&self) -> TokenStream {
        let (cache, name) = (&self.cache, &self.name);
        let key = match &self.key {
            Selection::Expression(key) => Some(key),
            Selection::AllBut(_) | Selection::Only(_) => None,
        };
        quote!(#cache, #name, #key)
    }
}

#[derive(Default)]
struct Given {
    cache: Option<Expr>,
    ttl: Option<Lifetime>,
    fresh_for: Option<Lifetime>,
    key: Option<Selection>,
    skip: Option<Vec<Ident>>,
    tags: Option<Expr>,
    absent: Option<Span>,
    name: Option<Expr>,
    krate: Option<Path>,
}

impl Parse for Given {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut given = Self::default();
        while !input.is_empty() {
            let name = input.call(Ident::parse_any)?;
            match name.to_string().as_str() {
                "cache" => set(&name, &mut given.cache, value(&name, input)?)?,
                "ttl" => set(&name, &mut given.ttl, lifetime(&name, input)?)?,
                "fresh_for" => set(&name, &mut given.fresh_for, lifetime(&name, input)?)?,
                "key" => set(&name, &mut given.key, selection(&name, input)?)?,
                "skip" => set(&name, &mut given.skip, names(&name, input)?)?,
                "tags" => set(&name, &mut given.tags, value(&name, input)?)?,
                "absent" => set(&name, &mut given.absent, name.span())?,
                "name" => set(&name, &mut given.name, value(&name, input)?)?,
                "crate" => set(&name, &mut given.krate, path(&name, input)?)?,
                unknown => {
                    return Err(Error::new(
                        name.span(),
                        format!("unknown argument `{unknown}`: expected one of {KNOWN}"),
                    ));
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(given)
    }
}

fn set<T>(name: &Ident, place: &mut Option<T>, value: T) -> Result<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Error::new(name.span(), format!("the argument `{name}` is given twice"))),
    }
}

fn value(name: &Ident, input: ParseStream<'_>) -> Result<Expr> {
    if !input.peek(Token![=]) {
        return Err(Error::new(name.span(), format!("expected a value: `{name} = ...`")));
    }
    input.parse::<Token![=]>()?;
    input.parse()
}

/// Parses a TTL. Text has the grammar of `ttl_core::Ttl`, which also checks the range.
fn lifetime(name: &Ident, input: ParseStream<'_>) -> Result<Lifetime> {
    let invalid = |value: &dyn ToTokens| {
        Error::new_spanned(
            value.to_token_stream(),
            format!(
                "invalid value for `{name}`: expected a duration such as \"10m\", \"1h30m\" or \"250ms\", or an \
                 expression of the type `Ttl`"
            ),
        )
    };
    match value(name, input)? {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => {
            let duration = humantime::parse_duration(&text.value()).map_err(|_| invalid(&text))?;
            let millis = u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
            Ok(Lifetime::Millis(LitInt::new(&format!("{millis}u64"), text.span())))
        }
        literal @ Expr::Lit(_) => Err(invalid(&literal)),
        expression => Ok(Lifetime::Expression(expression)),
    }
}

fn selection(name: &Ident, input: ParseStream<'_>) -> Result<Selection> {
    if input.peek(Token![=]) {
        return value(name, input).map(Selection::Expression);
    }
    names(name, input).map(Selection::Only)
}

/// Parses names in parentheses.
fn names(name: &Ident, input: ParseStream<'_>) -> Result<Vec<Ident>> {
    if !input.peek(syn::token::Paren) {
        return Err(Error::new(
            name.span(),
            format!("expected the names of arguments of the function: `{name}(id, ...)`"),
        ));
    }
    let list;
    parenthesized!(list in input);
    let names = Punctuated::<Ident, Token![,]>::parse_terminated_with(&list, |input| {
        if input.peek(Token![self]) {
            return Err(input.error(
                "`self` is not an argument of the key: use an expression, such as `key = (self.tenant, id)`",
            ));
        }
        input.parse()
    })?;
    Ok(names.into_iter().collect())
}

/// Parses a path, also in quotes as for serde.
fn path(name: &Ident, input: ParseStream<'_>) -> Result<Path> {
    if !input.peek(Token![=]) {
        return Err(Error::new(name.span(), "expected a path: `crate = path::to::ttl_cache`"));
    }
    input.parse::<Token![=]>()?;
    match input.peek(LitStr) {
        true => input.parse::<LitStr>()?.parse_with(Path::parse_mod_style),
        false => input.call(Path::parse_mod_style),
    }
}
