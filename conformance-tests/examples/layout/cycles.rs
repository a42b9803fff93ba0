//! Cycles in the graph of imports.

use std::collections::{BTreeMap, BTreeSet};

/// The imports of each file, by the paths of the files.
pub(crate) type Imports = BTreeMap<String, BTreeSet<String>>;

/// Returns the groups of files that import each other, directly or through others.
pub(crate) fn cycles(imports: &Imports) -> Vec<Vec<String>> {
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        imports.keys().map(|file| (file.as_str(), reachable(imports, file))).collect();
    let mut cycles: BTreeSet<Vec<String>> = BTreeSet::new();
    for (file, reached) in &reach {
        let others = reached.iter().filter(|other| reach.get(*other).is_some_and(|back| back.contains(file)));
        let cycle: Vec<String> = others.map(|other| (*other).to_owned()).collect();
        if cycle.len() > 1 {
            cycles.insert(cycle);
        }
    }
    cycles.into_iter().collect()
}

/// Returns the files that a file imports, directly or through others.
fn reachable<'a>(imports: &'a Imports, file: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&str> = vec![file];
    while let Some(next) = open.pop() {
        for imported in imports.get(next).into_iter().flatten() {
            if reached.insert(imported.as_str()) {
                open.push(imported);
            }
        }
    }
    reached
}

/// Returns whether a paragraph of the document explains the cycle: it names all files.
pub(crate) fn is_explained(decisions: &str, paths: &[String]) -> bool {
    decisions
        .split("\n\n")
        .filter(|paragraph| paragraph.starts_with("**Cycle:"))
        .any(|paragraph| paths.iter().all(|path| paragraph.contains(path.as_str())))
}
