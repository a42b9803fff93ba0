//! Prints the page `docs/compatibility.md` from the JSON reports of the suite: `matrix NAME=RUN.json ...`.
//! `scripts/matrix` calls it.

mod page;
mod run;

use std::process::ExitCode;

use run::Run;

const USAGE: &str = "usage: matrix NAME=RUN.json ...";

fn main() -> ExitCode {
    match made() {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(text) => {
            eprintln!("error: {text}");
            ExitCode::FAILURE
        }
    }
}

fn made() -> Result<String, String> {
    let runs =
        std::env::args().skip(1).map(|argument| Run::read(&argument)).collect::<Result<Vec<_>, _>>()?;
    if runs.is_empty() {
        return Err(USAGE.to_owned());
    }
    page::page(&runs)
}
