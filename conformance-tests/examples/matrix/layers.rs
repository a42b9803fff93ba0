//! The results of the suite on layers, from the output of its tests: `test [KIND] NAME ... ok`.

use std::collections::BTreeMap;
use std::fmt::Write;

/// The numbers of trials that passed, failed and were skipped.
type Counts = [u64; 3];

/// Returns the section about layers. `outputs` are the files with the output of the tests.
pub(crate) fn section(outputs: &[String]) -> Result<String, String> {
    let mut kinds: BTreeMap<String, Counts> = BTreeMap::new();
    for path in outputs {
        let output = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
        let before = kinds.len();
        output.lines().filter_map(trial).for_each(|(kind, verdict)| {
            kinds.entry(kind.to_owned()).or_default()[verdict] += 1;
        });
        if kinds.len() == before {
            return Err(format!(
                "{path}: expected lines such as `test [stack] keys::empty ... ok`, found none"
            ));
        }
    }
    let mut text = "\n## Layers\n\nThe suite runs on each layer over memory, and on stacks of layers. [layers.md](layers.md) \
        names the exceptions of each layer. A prefix makes the five cases with keys of 1024 bytes impossible. They are \
        left out.\n\n| layer | passed | failed | skipped |\n| --- | --- | --- | --- |\n"
        .to_owned();
    for (kind, [passed, failed, skipped]) in kinds {
        let failed = if failed == 0 { "0".to_owned() } else { format!("**{failed} failed**") };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {kind} | {passed} | {failed} | {skipped} |");
    }
    Ok(text)
}

/// Returns the kind of a trial, and the index of its verdict.
fn trial(line: &str) -> Option<(&str, usize)> {
    let (kind, rest) = line.strip_prefix("test [")?.split_once(']')?;
    let (_, verdict) = rest.rsplit_once(" ... ")?;
    match verdict.split_whitespace().next()? {
        "ok" => Some((kind, 0)),
        "FAILED" => Some((kind, 1)),
        "ignored" => Some((kind, 2)),
        _ => None,
    }
}
