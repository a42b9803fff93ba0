//! Prints the page `docs/compatibility.md` from the JSON reports of the suite, and from the output of its tests on
//! layers: `matrix NAME=RUN.json ... --layers OUTPUT ...`.
//! `scripts/matrix` calls it.

mod layers;
mod page;
mod run;

use std::process::ExitCode;

use run::Run;

const USAGE: &str = "usage: matrix NAME=RUN.json ... --layers OUTPUT ...";

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
    let mut arguments = std::env::args().skip(1);
    let reports = arguments.by_ref().take_while(|argument| argument != "--layers");
    let runs = reports.map(|argument| Run::read(&argument)).collect::<Result<Vec<_>, _>>()?;
    let outputs: Vec<String> = arguments.collect();
    if runs.is_empty() || outputs.is_empty() {
        return Err(USAGE.to_owned());
    }
    page::page(&runs, &layers::section(&outputs)?)
}
