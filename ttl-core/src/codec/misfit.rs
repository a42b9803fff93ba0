//! `Misfit`: serde's message about a value that does not fit a type, without the value.

use std::fmt;

/// The reason why a value does not fit a type. It has serde's wording without the quoted values, because
/// stored values may be secret and errors are logged. Codecs use it as the source of an error.
///
/// ```
/// use ttl_core::codec::Misfit;
///
/// let error = serde_json::from_str::<u8>(r#""s3cret""#).unwrap_err();
/// assert!(Misfit::new(&error).to_string().starts_with(r#"invalid type: string "..", expected u8"#));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit(String);

impl Misfit {
    /// Creates the message of this error, with two dots for each quoted value. Names of fields are kept.
    ///
    /// It cannot remove values that a custom `Deserialize` puts into its messages without quotes.
    #[must_use]
    pub fn new(error: &dyn std::error::Error) -> Self {
        let text = error.to_string();
        let mut kept = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(start) = rest.find(['"', '`']) {
            let (before, quoted) = rest.split_at(start);
            let quote = if quoted.starts_with('"') { '"' } else { '`' };
            kept.push_str(before);
            let end = if quote == '`' && kept.ends_with("unknown variant ") {
                end_of_variant(quoted)
            } else {
                closing(quoted, quote)
            };
            // The expected names come after the value, and are not secret.
            let named = quote == '`' && (kept.ends_with("field ") || kept.contains("expected "));
            if named {
                kept.push_str(&quoted[..end]);
            } else {
                kept.extend([quote, '.', '.', quote]);
            }
            rest = &quoted[end..];
        }
        kept.push_str(rest);
        Self(kept)
    }
}

/// Returns the end of the quoted part at the start of the text. Quotes inside it are escaped.
fn closing(quoted: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, char) in quoted.char_indices().skip(1) {
        if char == quote && !escaped {
            return at + 1;
        }
        escaped = char == '\\' && !escaped;
    }
    quoted.len()
}

/// Returns the end of the name of an unknown variant. The name is the raw value, with unescaped quotes. Its
/// end is therefore before the last occurrence of the words that serde appends.
fn end_of_variant(quoted: &str) -> usize {
    let end =
        ["`, expected ", "`, there are no variants"].iter().filter_map(|words| quoted.rfind(words)).max();
    end.map_or(quoted.len(), |end| end + 1)
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misfit {}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde::de::DeserializeOwned;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    enum Colour {
        Red,
    }

    #[derive(Debug, Deserialize)]
    enum Void {}

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Session {
        #[serde(rename = "user")]
        _user: String,
    }

    fn told<T: DeserializeOwned + fmt::Debug>(json: serde_json::Value) -> String {
        Misfit::new(&serde_json::from_value::<T>(json).unwrap_err()).to_string()
    }

    #[test]
    fn values_are_left_out_and_names_stay() {
        assert_eq!(
            told::<u8>(json!("s3\\\"cret, expected `x`")),
            r#"invalid type: string "..", expected u8"#
        );
        // The words for numbers depend on serde_json's features.
        for text in [told::<u8>(json!(73_519)), told::<String>(json!(73_519)), told::<String>(json!(73.519))]
        {
            assert!(text.starts_with("invalid ") && !text.contains("73"), "{text}");
        }
        let error = serde::de::Error::invalid_value(serde::de::Unexpected::Unsigned(73_519), &"u8");
        let error: serde::de::value::Error = error;
        assert_eq!(Misfit::new(&error).to_string(), "invalid value: integer `..`, expected u8");
        assert_eq!(told::<Colour>(json!("s3cret")), "unknown variant `..`, expected `Red`");
        for variant in ["`s3cret", "a`s3cret", "`, expected `s3cret", "", "``"] {
            assert_eq!(told::<Colour>(json!(variant)), "unknown variant `..`, expected `Red`", "{variant}");
        }
        assert_eq!(told::<Void>(json!("a`s3cret`")), "unknown variant `..`, there are no variants");
        assert_eq!(told::<Session>(json!({})), "missing field `user`");
        assert_eq!(told::<Session>(json!({ "usr": 1 })), "unknown field `usr`, expected `user`");
        let _ = Colour::Red;
    }

    #[test]
    fn an_open_quote_hides_the_rest() {
        let error = std::io::Error::other("invalid \"s3cret");
        assert_eq!(Misfit::new(&error).to_string(), "invalid \"..\"");
    }
}
