//! Makes the page `docs/compatibility.md`, and the README's table, of what runs of the suite have written as JSON:
//! `matrix page|summary NAME=RUN.json ...`. `scripts/matrix` calls it.

mod page;
mod run;

use std::process::ExitCode;

use run::Run;

const USAGE: &str = "usage: matrix page|summary NAME=RUN.json ...";

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
    let make = match arguments.next().as_deref() {
        Some("page") => page::page,
        Some("summary") => page::summary,
        _ => return Err(USAGE.to_owned()),
    };
    let runs = arguments.map(|argument| Run::read(&argument)).collect::<Result<Vec<_>, _>>()?;
    if runs.is_empty() {
        return Err(USAGE.to_owned());
    }
    make(&runs)
}
