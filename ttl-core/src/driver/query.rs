//! The options of a store's URL: the same syntax and errors for all drivers.

use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use crate::{CursorSecret, Error, ErrorKind, Result};

/// The units of sizes, and the empty unit for bytes.
const UNITS: [(&str, u64); 4] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("", 1)];

/// The options in the query of a store's URL, such as `timeout=2s&max_value_bytes=1MiB`.
///
/// A driver reads each option by the method of its type into a field of its configuration. A missing option
/// leaves the field at its default. [`finish`](Self::finish) refuses unknown options.
///
/// ```
/// use std::time::Duration;
/// use ttl_core::driver::QueryOptions;
///
/// let (mut timeout, mut bytes) = (Duration::from_secs(5), u64::MAX);
/// let mut query = QueryOptions::parse("files", "max_value_bytes=1MiB")?;
/// query.duration("timeout", &mut timeout)?;
/// query.byte_size("max_value_bytes", &mut bytes)?;
/// query.finish()?;
/// assert_eq!((timeout, bytes), (Duration::from_secs(5), 1 << 20));
///
/// let mut query = QueryOptions::parse("files", "timeuot=2s")?;
/// query.duration("timeout", &mut timeout)?;
/// let error = query.finish().unwrap_err();
/// assert!(error.to_string().contains("unknown option `timeuot`: expected one of timeout"));
/// # Ok::<(), ttl_core::Error>(())
/// ```
///
/// # Errors
/// Every method returns [`ErrorKind::InvalidConfig`]. The text names the option and the expected value. It
/// repeats a given value only if that is a short word, because a mistyped URL may contain a piece of a
/// password there.
#[derive(Debug)]
pub struct QueryOptions {
    backend: &'static str,
    /// The given options that have not been read yet.
    given: Vec<(String, String)>,
    /// The names of the options that the driver has read.
    known: Vec<&'static str>,
    /// Whether a secret is given. The text after an `&` may be a piece of it.
    has_secret: bool,
}

impl QueryOptions {
    /// Parses the part of a URL after the `?`, which has the format of an HTML form. Errors name `backend`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] for an option that is given twice.
    pub fn parse(backend: &'static str, query: &str) -> Result<Self> {
        let mut options = Self { backend, given: Vec::new(), known: Vec::new(), has_secret: false };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if options.given.iter().any(|(given, _)| *given == name) {
                return Err(options.invalid(format!("option {} is given twice", quoted(&name))));
            }
            options.given.push((name.into_owned(), value.into_owned()));
        }
        Ok(options)
    }

    /// Reads text.
    pub fn text(&mut self, name: &'static str, into: &mut impl From<String>) {
        if let Some(text) = self.take(name) {
            *into = text.into();
        }
    }

    /// Reads text that must not appear in errors, such as a password.
    pub fn secret(&mut self, name: &'static str, into: &mut impl From<String>) {
        if let Some(secret) = self.take(name) {
            self.has_secret = true;
            *into = secret.into();
        }
    }

    /// Reads a duration, such as `2s`, `500ms` or `1h`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] for any other text.
    pub fn duration(&mut self, name: &'static str, into: &mut impl From<Duration>) -> Result<()> {
        self.read(name, into, "a duration such as 2s or 500ms", |text| humantime::parse_duration(text).ok())
    }

    /// Reads a number.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] for text that is not such a number.
    pub fn number<T: FromStr>(&mut self, name: &'static str, into: &mut T) -> Result<()> {
        self.read(name, into, "a whole number", |text| text.parse().ok())
    }

    /// Reads a size in bytes: a whole number, alone or with `KiB`, `MiB` or `GiB`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] for any other text and for a size above `u64::MAX`.
    pub fn byte_size(&mut self, name: &'static str, into: &mut impl From<u64>) -> Result<()> {
        let expected = "a whole number of bytes, alone or with KiB, MiB or GiB, such as 1048576 or 1MiB";
        self.read(name, into, expected, byte_size)
    }

    /// Reads `true` or `false`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] for any other text.
    pub fn flag(&mut self, name: &'static str, into: &mut bool) -> Result<()> {
        self.choice(name, into, &[("true", true), ("false", false)])
    }

    /// Reads one of a few words.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] for any other word; the message lists them.
    pub fn choice<T: Copy>(
        &mut self,
        name: &'static str,
        into: &mut impl From<T>,
        words: &[(&str, T)],
    ) -> Result<()> {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let meaning = |text: &str| words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        self.read(name, into, &format!("one of {}", known.join(", ")), meaning)
    }

    /// Reads the file at the given path.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if the file cannot be read; the source gives the reason.
    pub fn file(&mut self, name: &'static str, into: &mut impl From<Vec<u8>>) -> Result<()> {
        if let Some(path) = self.take(name) {
            let read = std::fs::read(&path);
            *into = read
                .map_err(|error| {
                    let text = format!("cannot read the file {path:?} of option `{name}`");
                    self.invalid(text).with_source(error)
                })?
                .into();
        }
        Ok(())
    }

    /// Reads the files of a client's certificate chain and of its key, which are given together or not at all.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if only one is given, or if a file cannot be read.
    pub fn file_pair(
        &mut self,
        chain: &'static str,
        key: &'static str,
        into: &mut Option<(Vec<u8>, Vec<u8>)>,
    ) -> Result<()> {
        let mut files: (Option<Vec<u8>>, Option<Vec<u8>>) = (None, None);
        self.file(chain, &mut files.0)?;
        self.file(key, &mut files.1)?;
        *into = match files {
            (Some(chain), Some(key)) => Some((chain, key)),
            (None, None) => return Ok(()),
            _ => {
                let text = format!("options `{chain}` and `{key}` go together: expected both or neither");
                return Err(self.invalid(text));
            }
        };
        Ok(())
    }

    /// Reads the secret of scan cursors.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if the secret is too short; the message does not repeat it.
    pub fn cursor_secret(&mut self, name: &'static str, into: &mut impl From<CursorSecret>) -> Result<()> {
        if let Some(secret) = self.take(name) {
            self.has_secret = true;
            *into = CursorSecret::new(secret).map_err(|error| error.with_backend(self.backend))?.into();
        }
        Ok(())
    }

    /// Reads an option with a custom parser; `expected` describes the valid values.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if the parser returns `None`.
    pub fn read<T>(
        &mut self,
        name: &'static str,
        into: &mut impl From<T>,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<()> {
        if let Some(text) = self.take(name) {
            let read = parse(&text).ok_or_else(|| {
                let value = quoted(&text);
                self.invalid(format!("invalid value {value} for option `{name}`: expected {expected}"))
            })?;
            *into = read.into();
        }
        Ok(())
    }

    /// Checks that every given option was read.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] for the first option that was not read; the message lists the known
    /// options.
    pub fn finish(self) -> Result<()> {
        let Some((name, _)) = self.given.first() else { return Ok(()) };
        let (known, name) = (self.known.join(", "), if self.has_secret { NOT_SHOWN } else { &quoted(name) });
        Err(self
            .invalid(format!("unknown option {name}: expected one of {known}; write '&' in a value as %26")))
    }

    fn take(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        let at = self.given.iter().position(|(given, _)| given == name)?;
        Some(self.given.remove(at).1)
    }

    fn invalid(&self, text: String) -> Error {
        Error::new(ErrorKind::InvalidConfig, text).with_backend(self.backend)
    }
}

const NOT_SHOWN: &str = "(not shown)";

/// Returns the text in backquotes if it is a short word, otherwise a placeholder.
fn quoted(text: &str) -> String {
    let is_word = text.len() <= 32 && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.:".contains(c));
    if is_word { format!("`{text}`") } else { NOT_SHOWN.to_owned() }
}

fn byte_size(text: &str) -> Option<u64> {
    UNITS.iter().find_map(|(unit, bytes)| {
        let number = text.strip_suffix(unit)?;
        // `parse` accepts a sign; a size has none.
        if !number.starts_with(|first: char| first.is_ascii_digit()) {
            return None;
        }
        number.parse::<u64>().ok()?.checked_mul(*bytes)
    })
}

/// Decodes a percent-encoded part of a URL, such as the user name. `part` is its name in errors.
///
/// # Errors
/// [`ErrorKind::InvalidConfig`] if the decoded text is not UTF-8.
pub fn percent_decode(backend: &'static str, part: &str, text: &str) -> Result<String> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(Into::into).map_err(|_| {
        Error::new(ErrorKind::InvalidConfig, format!("the {part} in the URL is not UTF-8"))
            .with_backend(backend)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> QueryOptions {
        QueryOptions::parse("files", text).unwrap()
    }

    fn refused(result: Result<()>) -> String {
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.backend()), (ErrorKind::InvalidConfig, Some("files")));
        error.to_string()
    }

    #[test]
    fn every_type_is_read() {
        let mut query = query(
            "name=a%2Bb+c&wait=250ms&count=7&limit=1MiB&tls=true&mode=slow&secret=0123456789abcdef&odd=3",
        );
        let (mut name, mut wait, mut count, mut limit) = (String::new(), None, 0_u32, 0_u64);
        let (mut tls, mut mode, mut odd) = (false, 0, 0_u8);
        let mut secret = CursorSecret::of_process();
        query.text("name", &mut name);
        query.duration("wait", &mut wait).unwrap();
        query.number("count", &mut count).unwrap();
        query.byte_size("limit", &mut limit).unwrap();
        query.flag("tls", &mut tls).unwrap();
        query.choice("mode", &mut mode, &[("fast", 1), ("slow", 2)]).unwrap();
        query.cursor_secret("secret", &mut secret).unwrap();
        let is_odd = |text: &str| text.parse().ok().filter(|number: &u8| number % 2 == 1);
        query.read("odd", &mut odd, "an odd number", is_odd).unwrap();
        query.finish().unwrap();
        assert_eq!((&*name, wait, count, limit), ("a+b c", Some(Duration::from_millis(250)), 7, 1 << 20));
        assert_eq!((tls, mode, odd), (true, 2, 3));
        assert_eq!(secret, CursorSecret::new("0123456789abcdef").unwrap());
    }

    #[test]
    fn what_is_not_given_keeps_its_default() {
        let (mut query, mut wait, mut name) = (query(""), Duration::from_secs(1), Some("x".to_owned()));
        query.duration("wait", &mut wait).unwrap();
        query.text("name", &mut name);
        query.finish().unwrap();
        assert_eq!((wait, name.as_deref()), (Duration::from_secs(1), Some("x")));
    }

    #[test]
    fn errors_name_the_option_and_what_is_expected() {
        let text = refused(query("wait=2").duration("wait", &mut None::<Duration>));
        assert!(
            text.contains("invalid value `2` for option `wait`: expected a duration such as 2s"),
            "{text}"
        );
        let text = refused(query("n=x").number("n", &mut 0_u32));
        assert!(text.contains("invalid value `x` for option `n`: expected a whole number"), "{text}");
        let text = refused(query("m=b").choice("m", &mut 0, &[("fast", 1), ("slow", 2)]));
        assert!(text.contains("expected one of fast, slow"), "{text}");
        let text = refused(query("f=/nowhere/x").file("f", &mut Vec::new()));
        assert!(text.contains("cannot read the file \"/nowhere/x\" of option `f`"), "{text}");
        let text = refused(QueryOptions::parse("files", "a=1&a=2").map(drop));
        assert!(text.contains("option `a` is given twice"), "{text}");
    }

    #[test]
    fn unknown_options_list_the_known_ones() {
        let mut query = query("b=1&namspace=x&c=2");
        query.text("namespace", &mut String::new());
        query.text("b", &mut String::new());
        query.text("c", &mut String::new());
        let text = refused(query.finish());
        assert!(text.contains("unknown option `namspace`: expected one of namespace, b, c"), "{text}");
    }

    #[test]
    fn what_may_be_a_piece_of_a_password_is_not_repeated() {
        let text = refused(query("s3cret@host/x=1").finish());
        assert!(!text.contains("s3cret") && text.contains("%26"), "{text}");
        let text = refused(query("wait=s3cret@host").duration("wait", &mut None::<Duration>));
        assert!(!text.contains("s3cret") && text.contains("`wait`"), "{text}");
        let mut words = query("password=12&s3cret&x=1");
        words.secret("password", &mut String::new());
        let text = refused(words.finish());
        assert!(!text.contains("s3cret") && text.contains("expected one of password"), "{text}");
        let text = refused(query("secret=s3cret").cursor_secret("secret", &mut CursorSecret::of_process()));
        assert!(!text.contains("s3cret"), "{text}");
    }

    #[test]
    fn sizes_have_units_or_none() {
        for (text, bytes) in [
            ("0", 0),
            ("10", 10),
            ("007", 7),
            ("2KiB", 2048),
            ("1MiB", 1 << 20),
            ("3GiB", 3 << 30),
            ("18446744073709551615", u64::MAX),
            ("17179869183GiB", u64::MAX - (1 << 30) + 1),
        ] {
            assert_eq!(byte_size(text), Some(bytes), "{text}");
        }
        for text in [
            "",
            "KiB",
            "1MB",
            "1 MiB",
            "+1",
            "-1",
            "1.5KiB",
            "1kib",
            "18446744073709551616",
            "17179869184GiB",
        ] {
            assert_eq!(byte_size(text), None, "{text}");
        }
    }
}
