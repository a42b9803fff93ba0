//! Animals that confuse keys, with faults in the lookup of keys.

use std::sync::Arc;
use std::time::SystemTime;

use ttl_core::driver::{CasBackend, CasStore, Stored};
use ttl_core::{Capabilities, Error, ErrorKind, Key, Result, async_trait};

use super::animal::Animal;
use super::den::{Den, Right};

/// A backend that changes keys before it looks them up.
#[derive(Debug)]
struct Folding {
    right: Right,
    fold: fn(&str) -> Result<String>,
}

impl Folding {
    fn fold(&self, key: &Key) -> Result<Key> {
        Ok(Key::new((self.fold)(key.as_str())?).unwrap_or_else(|_| key.clone()))
    }
}

#[async_trait]
impl CasBackend for Folding {
    type Stamp = <Den as CasBackend>::Stamp;

    fn capabilities(&self) -> Capabilities {
        self.right.backend().capabilities()
    }

    fn now(&self) -> SystemTime {
        self.right.backend().now()
    }

    fn identity(&self) -> &str {
        self.right.backend().identity()
    }

    async fn load(&self, key: &Key) -> Result<Option<(Stored, Self::Stamp)>> {
        self.right.backend().load(&self.fold(key)?).await
    }

    async fn swap(&self, key: &Key, seen: Option<&Self::Stamp>, next: Option<&Stored>) -> Result<bool> {
        self.right.backend().swap(&self.fold(key)?, seen, next).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Result<Stored>)>> {
        self.right.backend().list(prefix, after, limit).await
    }

    async fn discard(&self, key: &Key) -> Result<bool> {
        self.right.backend().discard(&self.fold(key)?).await
    }
}

macro_rules! folding {
    ($($(#[doc = $fault:literal])+ $name:ident breaks $($clause:ident)+ $(; also $($more:ident)+: $why:literal)? { $fold:expr })+) => {
        /// The animals of this file.
        pub(crate) const ANIMALS: &[Animal] = &[$(Animal {
            name: stringify!($name),
            fault: concat!($($fault),+),
            breaks: &[$(stringify!($clause)),+],
            also: &[$($(stringify!($more)),+)?],
            why: concat!("", $($why)?),
            make: |right| Arc::new(CasStore::new(Folding { right, fold: $fold })),
            quirk: None,
        }),+];
    };
}

folding! {
    /// Spaces around a key are removed.
    TrimsKeys breaks K2; also S2: "prefixes apply to changed keys" { |key| Ok(key.trim().to_owned()) }

    /// Upper and lower case are equal.
    FoldsCase breaks K2; also S2: "prefixes apply to changed keys" { |key| Ok(key.to_lowercase()) }

    /// A key ends at its first NUL.
    KeysEndAtNul breaks K2 { |key| Ok(key.split('\0').next().unwrap_or_default().to_owned()) }

    /// Keys are truncated to 255 bytes.
    CutsLongKeys breaks K2; also S2: "a long key is listed short" {
        |key| Ok(key.char_indices().take_while(|(at, c)| at + c.len_utf8() <= 255).map(|(_, c)| c).collect())
    }

    /// Characters outside ASCII are replaced.
    KeysAreAscii breaks K2; also S2: "prefixes apply to changed keys" { |key| Ok(key.replace(|c: char| !c.is_ascii(), "?")) }

    /// Long keys are refused.
    RefusesLongKeys breaks K1; also K2 S2: "long keys are distinguished and listed" {
        |key| match key.len() {
            0..=512 => Ok(key.to_owned()),
            _ => Err(Error::new(ErrorKind::InvalidKey, "too long")),
        }
    }

    /// Keys that look like numbers are read as numbers.
    KeysAreNumbers breaks K2 { |key| Ok(key.parse::<f64>().map_or(key.to_owned(), |n| n.to_string())) }

    /// Keys are paths: empty segments and dots are removed.
    KeysArePaths breaks K2 {
        |key| {
            let mut path = key.replace("/./", "/");
            while path.contains("//") { path = path.replace("//", "/") }
            Ok(path)
        }
    }

    /// A slash at the beginning is removed.
    CutsTheFirstSlash breaks K2 { |key| Ok(key.strip_prefix('/').unwrap_or(key).to_owned()) }

    /// URL escapes are decoded.
    DecodesUrls breaks K2 { |key| Ok(key.replace("%41", "A").replace("%20", " ").replace("%2F", "/")) }

    /// Invisible characters are ignored, as in some collations.
    LeavesOutWhatIsNotShown breaks K2; also S1 S2: "prefixes apply to changed keys" {
        |key| Ok(key.replace(['\u{1}', '\u{7f}', '\u{85}', '\u{ad}', '\u{200d}', '\u{2060}', '\u{fe0f}'], ""))
    }
}
