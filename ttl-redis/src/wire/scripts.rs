//! The scripts and their calls. Four cover every case. Three of them have shorter variants for the common cases,
//! which continue with the whole script otherwise.

use redis::Cmd;
use sha1::{Digest, Sha1};

use crate::layout::{FullKey, hex};

/// One of the scripts. Each accesses a single key.
#[derive(Debug)]
pub(crate) struct Script {
    text: &'static str,
    sha: String,
}

/// All scripts.
#[derive(Debug)]
pub(crate) struct Scripts {
    pub(crate) get: Script,
    pub(crate) refresh_blob: Script,
    pub(crate) timed_blob: Script,
    pub(crate) put: Script,
    pub(crate) put_blob: Script,
    pub(crate) alter: Script,
    pub(crate) patch: Script,
    pub(crate) increment: Script,
}

/// The form of a script in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Its SHA-1, which the server may not know any more.
    Sha,
    /// Its text, which the server keeps from then on.
    Text,
}

macro_rules! script {
    ($($name:literal),+) => {
        Script::new(concat!($(include_str!(concat!("scripts/", $name, ".lua"))),+))
    };
}

impl Scripts {
    pub(crate) fn new() -> Self {
        Self {
            get: script!("common", "get"),
            refresh_blob: script!("refresh_blob", "common", "get"),
            timed_blob: script!("timed_blob", "common", "get"),
            put: script!("common", "put"),
            put_blob: script!("put_blob", "common", "put"),
            alter: script!("common", "alter"),
            patch: script!("common", "patch"),
            increment: script!("increment", "common", "patch"),
        }
    }

    /// Returns the commands that load the scripts.
    pub(crate) fn load(&self) -> impl Iterator<Item = Cmd> {
        let Self { get, refresh_blob, timed_blob, put, put_blob, alter, patch, increment } = self;
        [get, refresh_blob, timed_blob, put, put_blob, alter, patch, increment].into_iter().map(|script| {
            let mut cmd = redis::cmd("SCRIPT");
            cmd.arg("LOAD").arg(script.text);
            cmd
        })
    }
}

impl Script {
    fn new(text: &'static str) -> Self {
        Self { text, sha: hex(&Sha1::digest(text)) }
    }

    /// Returns a call with capacity for so many arguments and bytes, which the caller adds.
    pub(crate) fn call(&self, form: Form, key: FullKey<'_>, arguments: usize, bytes: usize) -> Cmd {
        let (name, script) = match form {
            Form::Sha => ("EVALSHA", self.sha.as_str()),
            Form::Text => ("EVAL", self.text),
        };
        let mut cmd = Cmd::with_capacity(4 + arguments, script.len() + key.len() + 16 + bytes);
        cmd.arg(name).arg(script).arg("1").arg(key);
        cmd
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_named_by_the_digest_of_its_text() {
        assert_eq!(Script::new("return 1").sha, "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
        assert_eq!(Scripts::new().load().count(), 8);
    }
}
