//! Cases: their names, the clauses that they check, and their needs.

use std::fmt;
use std::pin::Pin;

use crate::{Check, Need, Test};

/// The future of a case.
pub(crate) type CaseFuture = Pin<Box<dyn Future<Output = Check> + Send>>;

/// A test of one behaviour that the contract requires.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Case {
    /// The name of the case's file, such as `"expiry"`.
    pub group: &'static str,
    /// The path of that file in the project.
    pub file: &'static str,
    /// The behaviour, such as `"a_deadline_is_never_early"`. Unique among all cases.
    pub name: &'static str,
    /// The doc comment: the clauses, a colon, the requirement.
    pub doc: &'static str,
    /// The capabilities that the case requires from a store or its harness.
    pub needs: &'static [Need],
    pub(crate) run: fn(Test) -> CaseFuture,
}

impl Case {
    /// Returns the clauses that the case checks, such as `["E1", "E3"]`: the part of the doc comment before
    /// the colon.
    #[must_use]
    pub fn clauses(&self) -> Vec<&'static str> {
        let before = self.doc.split_once(':').map_or("", |(before, _)| before);
        before.split(',').map(str::trim).filter(|clause| !clause.is_empty()).collect()
    }

    /// Returns the requirement in one sentence: the part of the doc comment after the colon.
    #[must_use]
    pub fn demand(&self) -> &'static str {
        self.doc.split_once(':').map_or(self.doc, |(_, after)| after).trim()
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::{}", self.group, self.name)
    }
}

/// Returns the name of a module from its path.
pub(crate) const fn group_of(path: &'static str) -> &'static str {
    let bytes = path.as_bytes();
    let mut start = bytes.len();
    while start > 0 && bytes[start - 1] != b':' {
        start -= 1;
    }
    path.split_at(start).1
}

/// Declares the table of a file's cases, `CASES`. Each row has a doc comment, `/// E1, E3: The
/// requirement.`, and the name of an async function that takes a [`Test`](crate::Test). The needs of the
/// case may follow: `name: needs(conditions, caps),`. The function may also be given explicitly: `name =
/// |test| check(test, 7),`.
macro_rules! case_table {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident $(: needs($($need:ident),+))? $(= $run:expr)?,
    )+) => {
        /// The cases of this file.
        pub(crate) const CASES: &[$crate::Case] = &[$($crate::Case {
            group: $crate::case::group_of(module_path!()),
            file: file!(),
            name: stringify!($name),
            doc: concat!($($doc),+),
            needs: &[$($($crate::Need::$need),+)?],
            run: case_table!(@run $name $(= $run)?),
        }),+];
    };
    (@run $name:ident = $run:expr) => { |test| Box::pin($run(test)) };
    (@run $name:ident) => { |test| Box::pin($name(test)) };
}
pub(crate) use case_table;
