//! The errors of the macro, as the compiler shows them.
//!
//! After a change, `TRYBUILD=overwrite cargo test -p ttl-cache-macros --test ui` writes the files in `tests/ui` again.

#[test]
fn errors_name_the_problem_and_a_remedy() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
