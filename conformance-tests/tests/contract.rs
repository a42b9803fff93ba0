//! `docs/contract.md` shows the clauses of the suite, and `docs/cases.md` their cases.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use ttl_conformance::clauses::{Clause, SECTIONS};
use ttl_conformance::{Case, all};

/// The test generates the text after the line with this mark. The text before it is written by hand.
const MARK: &str = "<!-- Generated from here on:";

/// The variable that makes the test write the pages.
const WRITE: &str = "TTL_WRITE_DOCS";

#[test]
fn the_contract_shows_the_clauses() {
    check("contract.md", &clauses());
}

#[test]
fn the_list_shows_the_cases() {
    check("cases.md", &cases());
}

/// Compares the generated part of a page, or writes it.
fn check(name: &str, expected: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    let page = std::fs::read_to_string(&path).expect("the page can be read");
    let mark = page.find(MARK).expect("the page has the mark");
    let start = mark + page[mark..].find('\n').expect("the mark is a line") + 1;
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, format!("{}{expected}", &page[..start])).expect("the page can be written");
        return;
    }
    let differs = page[start..].lines().zip(expected.lines()).find(|(shown, has)| shown != has);
    assert!(
        page[start..] == *expected,
        "docs/{name} is out of date (first at {differs:?}): run {WRITE}=1 cargo test -p ttl-conformance --test contract"
    );
}

fn of<'a>(clause: &Clause, cases: &'a [Case]) -> Vec<&'a Case> {
    cases.iter().filter(|case| case.clauses().contains(&clause.id)).collect()
}

fn clauses() -> String {
    let cases = all();
    let mut page = String::new();
    for section in SECTIONS {
        let _ = write!(page, "\n## {}\n", section.title);
        for clause in section.clauses {
            let _ = write!(page, "\n### {}\n\n{}\n", clause.id, clause.text);
            let count = of(clause, &cases).len();
            let plural = if count == 1 { "" } else { "s" };
            let own = match count {
                0 => String::new(),
                _ => format!("[{count} case{plural}](cases.md#{}).", clause.id.to_lowercase()),
            };
            let elsewhere =
                clause.elsewhere.map_or(String::new(), |place| format!("Checked elsewhere: {place}."));
            let checked = [own, elsewhere].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>();
            let _ = write!(page, "\n{}\n", checked.join(" "));
        }
    }
    page
}

fn cases() -> String {
    let cases = all();
    let mut page = String::new();
    for section in SECTIONS {
        let _ = write!(page, "\n## {}\n", section.title);
        for clause in section.clauses {
            let own = of(clause, &cases);
            if own.is_empty() {
                continue;
            }
            let _ = write!(page, "\n### {}\n\n", clause.id);
            for case in own {
                let _ = writeln!(page, "* [`{case:?}`][{}]: {}", case.group, case.demand());
            }
        }
    }
    // The links of the groups.
    page.push('\n');
    for (group, file) in cases.iter().map(|case| (case.group, case.file)).collect::<BTreeMap<_, _>>() {
        let _ = writeln!(page, "[{group}]: ../{file}");
    }
    page
}
