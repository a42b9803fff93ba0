//! The signature of a memoized function: what its load can own, and what it returns.

use proc_macro2::{Ident, Span};
use quote::{ToTokens, format_ident};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{
    Error, FnArg, GenericArgument, Lifetime, ParenthesizedGenericArguments, Pat, PathArguments, PathSegment,
    Receiver, Result, ReturnType, Signature, Type, TypeBareFn, TypeImplTrait, TypeReference,
};

/// An argument of the function.
pub(crate) struct Argument {
    /// `None` for a pattern.
    pub(crate) name: Option<Ident>,
    /// The name in the generated function.
    pub(crate) passed: Ident,
    pub(crate) ty: Type,
    /// The type behind the reference that the argument is. The load owns a copy.
    pub(crate) referent: Option<Type>,
    span: Span,
}

/// `self`.
pub(crate) struct This {
    pub(crate) receiver: Receiver,
    /// The type behind the reference that the receiver is. The load owns a clone.
    pub(crate) referent: Option<Type>,
}

/// The result type of the function: `Result<T, E>` or `Result<Option<T>, E>`.
pub(crate) struct Returns {
    pub(crate) ty: Type,
    /// `T`, unless an alias hides it.
    pub(crate) value: Option<Type>,
    pub(crate) is_option: bool,
}

/// The arguments and the result of a memoized function.
pub(crate) struct Shape {
    pub(crate) this: Option<This>,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) returns: Returns,
}

impl Shape {
    pub(crate) fn new(signature: &Signature) -> Result<Self> {
        if signature.asyncness.is_none() {
            return Err(Error::new_spanned(
                signature.fn_token,
                format!("a memoized function must be async: `async fn {}`", signature.ident),
            ));
        }
        if let Some(token) = &signature.unsafety {
            return Err(Error::new_spanned(
                token,
                "an unsafe function cannot be memoized: the cache would call it without its conditions",
            ));
        }
        let returns = Returns::new(&signature.output, &signature.ident)?;
        let mut this = None;
        let mut arguments = Vec::new();
        for input in &signature.inputs {
            match input {
                FnArg::Receiver(receiver) => this = Some(This::new(receiver)?),
                FnArg::Typed(typed) => {
                    arguments.push(Argument::new(&typed.pat, &typed.ty, arguments.len())?);
                }
            }
        }
        Ok(Self { this, arguments, returns })
    }

    /// Returns the argument with this name. `attribute` is the part of the attribute that names it.
    pub(crate) fn named(&self, name: &Ident, attribute: &str) -> Result<&Argument> {
        let found = self.arguments.iter().find(|argument| argument.name.as_ref() == Some(name));
        found.ok_or_else(|| {
            let known: Vec<String> = self
                .arguments
                .iter()
                .filter_map(|known| Some(format!("`{}`", known.name.as_ref()?)))
                .collect();
            let known = if known.is_empty() { "no named argument".to_owned() } else { known.join(", ") };
            Error::new(
                name.span(),
                format!("unknown argument `{name}` in `{attribute}`: the function has {known}"),
            )
        })
    }
}

impl This {
    fn new(receiver: &Receiver) -> Result<Self> {
        let referent = match peeled(&receiver.ty) {
            Type::Reference(reference) => {
                if reference.mutability.is_some() {
                    return Err(Error::new_spanned(
                        receiver,
                        "a memoized method cannot change `self`, because most calls do not run it: use `&self`",
                    ));
                }
                Some((*reference.elem).clone())
            }
            _ => None,
        };
        Ok(Self { receiver: receiver.clone(), referent })
    }
}

impl Argument {
    fn new(pattern: &Pat, ty: &Type, index: usize) -> Result<Self> {
        let name = match pattern {
            Pat::Ident(pattern) if pattern.by_ref.is_none() && pattern.subpat.is_none() => {
                Some(pattern.ident.clone())
            }
            _ => None,
        };
        let passed =
            name.clone().unwrap_or_else(|| format_ident!("argument_{index}", span = Span::mixed_site()));
        let described = name.as_ref().map_or_else(|| "this argument".to_owned(), |name| format!("`{name}`"));
        let referent = match peeled(ty) {
            Type::Reference(reference) if !is_static(reference.lifetime.as_ref()) => {
                Some(referent(reference, &described)?.clone())
            }
            _ => {
                check_owned(ty, &described)?;
                None
            }
        };
        Ok(Self { name, passed, ty: ty.clone(), referent, span: pattern.span() })
    }

    /// Returns the name, for a key that all arguments are in.
    pub(crate) fn name_in_key(&self) -> Result<&Ident> {
        self.name.as_ref().ok_or_else(|| {
            Error::new(
                self.span,
                "this argument has no name, so it cannot be in the key: name it, or choose the arguments of the key, \
                 such as `key(id)`",
            )
        })
    }
}

fn referent<'a>(reference: &'a TypeReference, described: &str) -> Result<&'a Type> {
    if reference.mutability.is_some() {
        return Err(Error::new_spanned(
            reference,
            format!("{described} cannot be `&mut`, because most calls do not run the function"),
        ));
    }
    match peeled(&reference.elem) {
        Type::TraitObject(_) => Err(Error::new_spanned(
            reference,
            format!(
                "the load outlives the call, so it must own {described}, and a trait object cannot be copied: use an \
                 `Arc`"
            ),
        )),
        referent => check_owned(referent, described).map(|()| referent),
    }
}

/// Checks that a load can own a value of this type.
fn check_owned(ty: &Type, described: &str) -> Result<()> {
    let mut borrowed = Borrowed { described, error: None };
    borrowed.visit_type(ty);
    borrowed.error.map_or(Ok(()), Err)
}

/// Looks for the first part of a type that a load cannot own.
struct Borrowed<'a> {
    described: &'a str,
    error: Option<Error>,
}

impl Borrowed<'_> {
    fn found(&mut self, tokens: &impl ToTokens, problem: &str) {
        let described = self.described;
        self.error.get_or_insert_with(|| Error::new_spanned(tokens, problem.replace("{}", described)));
    }
}

const REFERENCE: &str = "the load outlives the call, so {} cannot contain a reference: use an owned type, `&str`, or \
                         `&T` of an owned type";

impl<'ast> Visit<'ast> for Borrowed<'_> {
    fn visit_type_reference(&mut self, reference: &'ast TypeReference) {
        if is_static(reference.lifetime.as_ref()) {
            return visit::visit_type_reference(self, reference);
        }
        self.found(reference, REFERENCE);
    }

    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        if !is_static(Some(lifetime)) {
            self.found(lifetime, REFERENCE);
        }
    }

    fn visit_type_impl_trait(&mut self, ty: &'ast TypeImplTrait) {
        self.found(ty, "{} needs a type with a name: use a generic parameter, `fn name<T: ...>`");
    }

    // The references in the signature of a function are not those of a value.
    fn visit_type_bare_fn(&mut self, _: &'ast TypeBareFn) {}

    fn visit_parenthesized_generic_arguments(&mut self, _: &'ast ParenthesizedGenericArguments) {}
}

fn is_static(lifetime: Option<&Lifetime>) -> bool {
    lifetime.is_some_and(|lifetime| lifetime.ident == "static")
}

impl Returns {
    fn new(output: &ReturnType, function: &Ident) -> Result<Self> {
        let expected = "a memoized function returns a `Result`, because its cache can fail: `-> Result<T, E>`, where \
                        `E` implements `From<CacheError>`";
        let ty = match output {
            ReturnType::Type(_, ty) => ty,
            ReturnType::Default => return Err(Error::new_spanned(function, expected)),
        };
        let Some(result) = last_segment(ty).filter(|segment| segment.ident == "Result") else {
            return Err(Error::new_spanned(ty, expected));
        };
        let value = first_argument(result);
        let option = value.and_then(last_segment).filter(|segment| segment.ident == "Option");
        let value = option.map_or(value, first_argument);
        Ok(Self { ty: (**ty).clone(), value: value.cloned(), is_option: option.is_some() })
    }
}

fn last_segment(ty: &Type) -> Option<&PathSegment> {
    let Type::Path(path) = peeled(ty) else { return None };
    path.path.segments.last()
}

fn first_argument(segment: &PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// Returns the type in parentheses, or in the invisible ones of a macro.
fn peeled(ty: &Type) -> &Type {
    match ty {
        Type::Paren(paren) => peeled(&paren.elem),
        Type::Group(group) => peeled(&group.elem),
        ty => ty,
    }
}
