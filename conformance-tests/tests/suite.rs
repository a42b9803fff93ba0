//! Checks of the suite itself: names, clauses, lists, and the generated page.

use std::collections::{BTreeMap, BTreeSet};

use ttl_conformance::clauses::{SECTIONS, clauses};
use ttl_conformance::{Case, all};

#[test]
fn names_are_unique_and_say_something() {
    let mut seen = BTreeMap::new();
    for case in all() {
        let other = seen.insert(case.name, case.group);
        assert!(other.is_none(), "{case:?} and {other:?} have the same name");
        assert!(case.name.matches('_').count() >= 1, "{case:?} says too little");
    }
    assert!(seen.len() >= 200, "{} cases", seen.len());
}

#[test]
fn every_case_names_clauses_that_exist() {
    let known: BTreeSet<&str> = clauses().map(|clause| clause.id).collect();
    for case in all() {
        let names = case.clauses();
        assert!(!names.is_empty(), "{case:?} names no clause");
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{case:?} names a clause twice");
        for name in names {
            assert!(known.contains(name), "{case:?} names {name:?}, which is not a clause");
        }
    }
}

#[test]
fn every_case_says_what_it_demands() {
    for case in all() {
        let demand = case.demand();
        assert!(demand.ends_with('.') && demand.len() > 10, "{case:?}: {demand:?}");
        assert!(!demand.contains("  ") && !demand.contains('\n'), "{case:?}: {demand:?}");
    }
}

#[test]
fn every_clause_has_a_case_or_says_where_it_is_checked() {
    let checked: BTreeSet<&str> = all().iter().flat_map(Case::clauses).collect();
    let silent: Vec<&str> = clauses()
        .filter(|clause| clause.elsewhere.is_none() && !checked.contains(clause.id))
        .map(|clause| clause.id)
        .collect();
    assert!(silent.is_empty(), "no case checks {silent:?}");
}

#[test]
fn clauses_are_listed_once_and_in_order() {
    for section in SECTIONS {
        for (at, clause) in section.clauses.iter().enumerate() {
            let letter = section.clauses[0].id.chars().next();
            assert_eq!(
                clause.id[1..].parse::<usize>().ok(),
                Some(next_number(section.clauses, at)),
                "{clause:?}"
            );
            assert!(clause.text.ends_with('.'), "{clause:?}");
            if section.title != "Batches and scans" {
                assert_eq!(clause.id.chars().next(), letter, "{clause:?}");
            }
        }
    }
    let all: Vec<&str> = clauses().map(|clause| clause.id).collect();
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "a clause is listed twice");
}

/// Returns the number of this clause: one more than that of the previous clause with the same letter.
fn next_number(clauses: &[ttl_conformance::clauses::Clause], at: usize) -> usize {
    let letter = clauses[at].id.chars().next();
    clauses[..at].iter().filter(|clause| clause.id.chars().next() == letter).count() + 1
}
