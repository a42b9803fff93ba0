//! Checks the layout of the source code: no cycles between files, and the same modules in every driver.
//!
//! `scripts/layout` runs it. It prints each violation, and ends with status 1 if there are any:
//!
//! * files that import each other, directly or through others, unless `docs/decisions.md` names all of them in one
//!   paragraph that begins with `**Cycle:`
//! * an import of a driver's `store.rs`
//! * a module (a file or folder) of a driver that differs from the table in `CONTRIBUTING.md`
//!
//! Only imports between the files of one crate count. Re-exports (`pub use`, `pub(crate) use`) lead to the file that
//! defines the name. Tests are ignored.

mod cycles;
mod drivers;
mod modules;

use std::path::Path;
use std::process::ExitCode;

const CRATES: [&str; 11] = [
    "ttl-core",
    "ttl-memory",
    "ttl-redis",
    "ttl-dynamo",
    "ttl-scylla",
    "ttl-layers",
    "ttl-cache",
    "ttl-cache-macros",
    "ttl-store",
    "conformance-tests",
    "benches",
];

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect("the document can be read");
    let mut found = drivers::check(&root, &read("CONTRIBUTING.md"));
    let decisions = read("docs/decisions.md");
    for name in CRATES {
        let imports = modules::imports(&root.join(name).join("src"));
        for cycle in cycles::cycles(&imports) {
            let paths: Vec<String> = cycle.iter().map(|file| format!("{name}/src/{file}")).collect();
            if !cycles::is_explained(&decisions, &paths) {
                found.push(format!("a cycle: {}", paths.join(", ")));
            }
        }
        if drivers::DRIVERS.contains(&name) {
            let importers = imports.iter().filter(|(_, imported)| imported.contains("store.rs"));
            found.extend(importers.map(|(file, _)| format!("{name}/src/{file} imports store.rs")));
        }
    }
    for violation in &found {
        println!("{violation}");
    }
    if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
