//! One run of the suite, as `ttl-conformance --json` writes it: a column of the table.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value as Json;

/// A column of the tables.
#[derive(Debug)]
pub(crate) struct Run {
    /// The heading of the column.
    pub(crate) name: String,
    json: Json,
}

/// The result of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict<'a> {
    Passed,
    Failed,
    /// Holds the missing capability.
    Skipped(&'a str),
}

impl Run {
    /// Reads the run that `NAME=FILE` names.
    ///
    /// # Errors
    /// A text, if the file cannot be read or does not contain all cases.
    pub(crate) fn read(argument: &str) -> Result<Self, String> {
        let (name, file) = argument
            .split_once('=')
            .ok_or_else(|| format!("invalid argument {argument:?}: expected NAME=FILE"))?;
        let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
        let json: Json = serde_json::from_str(&text).map_err(|error| format!("{file}: {error}"))?;
        let ran = json["cases"].as_array().map_or(0, Vec::len);
        let all = ttl_conformance::all().len();
        if ran != all {
            return Err(format!("{file}: {ran} cases ran, expected all {all}"));
        }
        Ok(Self { name: name.to_owned(), json })
    }

    /// Returns the server with its major and minor version, so that a patch release does not change the page.
    pub(crate) fn server(&self) -> String {
        let told = self.json["server"].as_str().unwrap_or("unknown");
        let Some((name, version)) = told.rsplit_once(' ') else { return told.to_owned() };
        let short: Vec<&str> = version.split('.').take(2).collect();
        format!("{name} {}", short.join("."))
    }

    /// Returns the driver's crate, and its client library with the version in `Cargo.lock`.
    pub(crate) fn crates(&self) -> Result<(String, String), String> {
        let (driver, client) = match self.json["backend"].as_str() {
            Some("memory") => ("ttl-memory", None),
            Some("redis") => ("ttl-redis", Some("redis")),
            Some("dynamodb") => ("ttl-dynamo", Some("aws-sdk-dynamodb")),
            Some("scylla") => ("ttl-scylla", Some("scylla")),
            other => {
                return Err(format!("unknown backend {other:?}: expected memory, redis, dynamodb or scylla"));
            }
        };
        let locked = locked()?;
        let client = match client {
            Some(client) => format!("{client} {}", locked.get(client).map_or("?", String::as_str)),
            None => "none".to_owned(),
        };
        Ok((driver.to_owned(), client))
    }

    pub(crate) fn count(&self, what: &str) -> u64 {
        self.json[what].as_u64().unwrap_or(0)
    }

    pub(crate) fn capability(&self, name: &str) -> &Json {
        &self.json["capabilities"][name]
    }

    /// Returns the verdicts by case; with a clause, only of the cases that check it.
    pub(crate) fn verdicts(&self, clause: Option<&str>) -> BTreeMap<&str, Verdict<'_>> {
        let cases = self.json["cases"].as_array().into_iter().flatten();
        let of_clause = |case: &&Json| {
            let clauses = case["clauses"].as_array().into_iter().flatten();
            clause.is_none_or(|clause| clauses.into_iter().any(|of| of == clause))
        };
        cases.filter(of_clause).filter_map(|case| Some((case["name"].as_str()?, verdict(case)))).collect()
    }
}

fn verdict(case: &Json) -> Verdict<'_> {
    match case["verdict"].as_str() {
        Some("passed") => Verdict::Passed,
        Some("skipped") => Verdict::Skipped(case["missing"].as_str().unwrap_or("?")),
        _ => Verdict::Failed,
    }
}

/// Returns the versions in the workspace's `Cargo.lock`.
fn locked() -> Result<BTreeMap<String, String>, String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let quoted = |line: &str, key: &str| Some(line.strip_prefix(key)?.trim_matches('"').to_owned());
    let lines: Vec<&str> = text.lines().collect();
    let pairs = lines
        .windows(2)
        .filter_map(|pair| Some((quoted(pair[0], "name = ")?, quoted(pair[1], "version = ")?)));
    Ok(pairs.collect())
}
