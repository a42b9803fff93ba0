//! `docs/contract.md` shows the clauses and cases that the suite has.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use ttl_conformance::clauses::{Clause, SECTIONS};
use ttl_conformance::{Case, all};

/// The test generates the text after this line. The text before it is written by hand.
const MARK: &str = "<!-- From here on the page is made of the suite:";

/// The variable that makes the test write the page.
const WRITE: &str = "TTL_WRITE_DOCS";

#[test]
fn the_page_shows_the_suite_as_it_is() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/contract.md");
    let page = std::fs::read_to_string(&path).expect("the page can be read");
    let mark = page.find(MARK).expect("the page has the mark");
    let start = mark + page[mark..].find('\n').expect("the mark is a line") + 1;
    let expected = clauses_and_cases();
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, format!("{}{expected}", &page[..start])).expect("the page can be written");
        return;
    }
    let differs = page[start..].lines().zip(expected.lines()).find(|(shown, has)| shown != has);
    assert!(
        page[start..] == expected,
        "docs/contract.md is stale (first at {differs:?}): {WRITE}=1 cargo test -p ttl-conformance --test contract"
    );
}

fn clauses_and_cases() -> String {
    let cases = all();
    let mut page = String::new();
    for section in SECTIONS {
        let _ = write!(page, "\n## {}\n", section.title);
        for clause in section.clauses {
            write_clause(&mut page, clause, &cases);
        }
    }
    // The links to the files of the groups.
    page.push('\n');
    for (group, file) in cases.iter().map(|case| (case.group, case.file)).collect::<BTreeMap<_, _>>() {
        let _ = writeln!(page, "[{group}]: ../{file}");
    }
    page
}

fn write_clause(page: &mut String, clause: &Clause, cases: &[Case]) {
    let _ = write!(page, "\n### {}\n\n{}\n", clause.id, clause.text);
    let own: Vec<&Case> = cases.iter().filter(|case| case.clauses().contains(&clause.id)).collect();
    if let Some(place) = clause.elsewhere {
        let _ = write!(page, "\nChecked elsewhere: {place}.\n");
    }
    if own.is_empty() {
        return;
    }
    let plural = if own.len() == 1 { "" } else { "s" };
    let _ = write!(page, "\n<details><summary>{} case{plural}</summary>\n\n", own.len());
    for case in own {
        let _ = writeln!(page, "* [`{case:?}`][{}]: {}", case.group, case.demand());
    }
    page.push_str("\n</details>\n");
}
