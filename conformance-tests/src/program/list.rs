//! The output of `--list` and `--clauses`.

use std::fmt::Write;

use crate::{Case, clauses};

/// Returns the cases, one per line: name, clauses, requirement, needs.
pub(crate) fn cases(cases: &[Case]) -> String {
    let mut text = String::new();
    for case in cases {
        // Writing to a string cannot fail.
        let _ = write!(text, "{case:?} [{}] {}", case.clauses().join(", "), case.demand());
        for need in case.needs {
            let _ = write!(text, " (needs {need})");
        }
        text.push('\n');
    }
    let _ = writeln!(text, "{} cases", cases.len());
    text
}

/// Returns the clauses, one per line, with the number of these cases that check each.
pub(crate) fn clauses(cases: &[Case]) -> String {
    let mut text = String::new();
    for clause in clauses::clauses() {
        let count = cases.iter().filter(|case| case.clauses().contains(&clause.id)).count();
        let _ = writeln!(text, "{:3} {count:4} cases  {}", clause.id, clause.text);
    }
    text
}
