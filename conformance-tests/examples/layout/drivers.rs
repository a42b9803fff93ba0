//! The modules of the drivers, as `CONTRIBUTING.md` lists them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub(crate) const DRIVERS: [&str; 4] = ["ttl-memory", "ttl-redis", "ttl-dynamo", "ttl-scylla"];

/// Compares the table of modules with the files and folders of each driver. Returns the differences.
pub(crate) fn check(root: &Path, contributing: &str) -> Vec<String> {
    let listed = table(contributing);
    let mut found = Vec::new();
    for (column, driver) in DRIVERS.iter().enumerate() {
        let there = entries(&root.join(driver).join("src"));
        let expected: BTreeSet<String> = listed
            .iter()
            .filter(|(_, marks)| marks.get(column).is_some_and(|mark| mark == "x"))
            .map(|(module, _)| module.clone())
            .collect();
        found.extend(there.difference(&expected).map(|module| {
            format!("{driver}/src/{module} is missing in the table of modules in CONTRIBUTING.md")
        }));
        found.extend(expected.difference(&there).map(|module| {
            format!("{driver}/src/{module} is in the table of modules in CONTRIBUTING.md, but does not exist")
        }));
    }
    found
}

/// Returns the modules of the table, each with the marks of its columns: memory, Redis, DynamoDB, CQL.
fn table(contributing: &str) -> BTreeMap<String, Vec<String>> {
    let rows = contributing.lines().skip_while(|line| !line.starts_with("| module |")).skip(2);
    rows.take_while(|line| line.starts_with('|'))
        .map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            let module = cells.next().unwrap_or_default().trim_matches('`').to_owned();
            // The second column is the purpose.
            (module, cells.skip(1).map(str::to_owned).collect())
        })
        .collect()
}

/// Returns the names of the files and folders. A module is a file or, if it is large, a folder.
fn entries(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).expect("the folder of a driver can be read");
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        let name = entry.expect("an entry of the folder can be read").file_name();
        name.to_string_lossy().trim_end_matches(".rs").to_owned()
    };
    entries.map(name).collect()
}
