//! Sets the environment variables that a driver needs, by restarting the process: a running process can
//! change its environment only with unsafe code.

use std::{
    env,
    process::{Command, ExitCode},
};

use super::{ServerKind, kind::Source};

/// Restarts the process with the missing variables; does not return if that succeeds. With a URL it adds
/// none: the server may be a real one, and its owner provides the credentials.
pub(super) fn complete(kind: ServerKind) -> Result<(), ExitCode> {
    let environment = |name: &str| env::var(name).ok();
    let lacks = kind.lacks(environment);
    if lacks.is_empty() || matches!(kind.source(environment), Source::Url(_)) {
        return Ok(());
    }
    let program = env::current_exe().map_err(|error| failed(&error))?;
    let mut again = Command::new(program);
    again.args(env::args_os().skip(1)).envs(lacks);
    Err(replace(&mut again))
}

/// Replaces the process under the same process id, so that signals reach it.
#[cfg(unix)]
fn replace(again: &mut Command) -> ExitCode {
    failed(&std::os::unix::process::CommandExt::exec(again))
}

#[cfg(not(unix))]
fn replace(again: &mut Command) -> ExitCode {
    match again.status() {
        Ok(status) => status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(101).into(),
        Err(error) => failed(&error),
    }
}

fn failed(error: &std::io::Error) -> ExitCode {
    eprintln!("error: the tests could not be restarted with another environment: {error}");
    ExitCode::from(101)
}
