//! The arguments of the scripts, as they expect them.

use std::time::{Duration, UNIX_EPOCH};

use redis::Cmd;
use ttl_core::options::{Fields, Projection};
use ttl_core::{Error, ErrorKind, Expiry, Kind, Lifespan, RefreshMode, Result, Ttl, Version};

use crate::layout::{Encoded, version_text};

/// The maximum number of fields of a record. A command with too many arguments would break the connection.
const MAX_FIELDS: usize = 250_000;

/// Checks that a command can hold a value.
pub(crate) fn check_field_count(value: &Encoded) -> Result<()> {
    match value {
        Encoded::Record { fields, .. } if fields.len() > MAX_FIELDS => Err(Error::new(
            ErrorKind::TooLarge,
            format!("the record has {} fields: expected at most {MAX_FIELDS}", fields.len()),
        )),
        Encoded::Blob(_) | Encoded::Record { .. } => Ok(()),
    }
}

/// Returns an expiry as the scripts expect it: its form, and its length or instant.
pub(crate) fn expiry_words(expiry: Expiry) -> (&'static str, u64) {
    match expiry {
        Expiry::Never => ("never", 0),
        Expiry::After(ttl) => ("after", ttl.as_millis()),
        Expiry::At(instant) => {
            // Finer than deadlines: the script decides whether the instant has passed before it rounds up.
            let since = instant.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
            ("at", u64::try_from(since.as_nanos().div_ceil(1000)).unwrap_or(u64::MAX))
        }
    }
}

/// Adds an expiry: its form and its length or instant.
pub(crate) fn add_expiry(cmd: &mut Cmd, expiry: Expiry) {
    let (form, length) = expiry_words(expiry);
    cmd.arg(form).arg(length);
}

/// Adds the expiry and the cap of a new entry.
pub(crate) fn add_lifespan(cmd: &mut Cmd, lifespan: Lifespan) {
    add_expiry(cmd, lifespan.expiry);
    add_expiry(cmd, lifespan.cap);
}

/// Adds the version that an entry must have.
pub(crate) fn add_version(cmd: &mut Cmd, version: Option<&Version>) {
    match version {
        Some(version) => cmd.arg(version_text(version)),
        None => cmd.arg(""),
    };
}

/// An argument of a script that may be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Text(&'static str),
    Ttl(Ttl),
    Number(i64),
}

/// Adds arguments. Empty arguments at the end are omitted: each costs the server 55 ns.
pub(crate) fn add_words(cmd: &mut Cmd, words: &[Word]) {
    let last = words.iter().rposition(|word| *word != Word::Text(""));
    for word in words.iter().take(last.map_or(0, |last| last + 1)) {
        match *word {
            Word::Text(text) => cmd.arg(text),
            Word::Ttl(ttl) => cmd.arg(ttl.as_millis()),
            Word::Number(number) => cmd.arg(number),
        };
    }
}

/// Adds names of fields.
pub(crate) fn add_fields(cmd: &mut Cmd, fields: Option<&Fields>) {
    for field in fields.into_iter().flat_map(Fields::iter) {
        cmd.arg(field);
    }
}

/// Returns the fields of a projection.
pub(crate) const fn projected_fields(projection: &Projection) -> Option<&Fields> {
    match projection {
        Projection::Fields(fields) => Some(fields),
        Projection::All | Projection::Nothing => None,
    }
}

/// Returns the kind that a request expects: fields are those of a record.
pub(crate) const fn expected_kind(projection: &Projection, kind: Option<Kind>) -> Option<Kind> {
    match projection {
        Projection::Fields(_) => Some(Kind::Record),
        Projection::All | Projection::Nothing => kind,
    }
}

/// Returns the word for a projection.
pub(crate) const fn projection_word(projection: &Projection) -> &'static str {
    match projection {
        Projection::All => "all",
        Projection::Fields(_) => "fields",
        Projection::Nothing => "nothing",
    }
}

/// Returns the letter of a kind in `ttl:version`; empty for either kind.
pub(crate) const fn kind_letter(kind: Option<Kind>) -> &'static str {
    match kind {
        None => "",
        Some(Kind::Blob) => "b",
        Some(Kind::Record) => "r",
    }
}

/// Returns the word for a refresh mode.
pub(crate) const fn refresh_word(mode: RefreshMode) -> &'static str {
    match mode {
        RefreshMode::ExtendOnly => "extend",
        RefreshMode::Reset => "reset",
    }
}
