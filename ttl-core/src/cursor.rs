//! Scan cursors: opaque, encrypted, and bound to their scan.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Error, ErrorKind, Result};

/// The length of an `XChaCha20` nonce, which is long enough for random nonces.
const NONCE_BYTES: usize = 24;

/// The secret that encrypts and authenticates [`Cursor`]s.
///
/// The secret of a store defaults to one that is random in each process ([`CursorSecret::of_process`]). A
/// cursor then works only in the process that created it. Give every process the same secret if a cursor may
/// return to another process, or to this one after a restart.
///
/// `Debug` does not print the secret. Equality compares secrets.
///
/// ```
/// use ttl_core::CursorSecret;
///
/// let secret = CursorSecret::new("f3wOq0cWb2nL8vYt")?;
/// assert!(!format!("{secret:?}").contains("f3wO"));
/// assert!(CursorSecret::new("short").is_err());
/// # Ok::<(), ttl_core::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CursorSecret([u8; 32]);

impl CursorSecret {
    /// The minimum length of a secret, in bytes.
    pub const MIN_BYTES: usize = 16;

    /// Creates a secret from at least 16 bytes that cannot be guessed, such as 16 random bytes in base64.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if there are fewer bytes.
    pub fn new(secret: impl AsRef<[u8]>) -> Result<Self> {
        let secret = secret.as_ref();
        if secret.len() < Self::MIN_BYTES {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                format!(
                    "invalid value for `cursor_secret`: expected at least {} bytes, found {}",
                    Self::MIN_BYTES,
                    secret.len()
                ),
            ));
        }
        Ok(Self(Sha256::new().chain_update("ttl-store cursor secret").chain_update(secret).finalize().into()))
    }

    /// Returns the random secret of this process, the same for every call.
    #[must_use]
    pub fn of_process() -> Self {
        static SECRET: LazyLock<CursorSecret> = LazyLock::new(|| CursorSecret(rand::random()));
        *SECRET
    }
}

impl Default for CursorSecret {
    /// Returns [`CursorSecret::of_process`].
    fn default() -> Self {
        Self::of_process()
    }
}

impl fmt::Debug for CursorSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CursorSecret(..)")
    }
}

/// The position at which a scan continues. It is opaque text that an application can keep, and pass later to
/// the same store with the same prefix.
///
/// The text is encrypted and authenticated with the store's [`CursorSecret`], because on some backends a
/// position contains keys. An application can therefore pass a cursor to its own clients: they can neither
/// read keys from it nor forge one. A cursor that was changed, or that belongs to another store, prefix or
/// secret, is refused with [`ErrorKind::InvalidCursor`] (S3).
///
/// `Debug` prints only the length.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(String);

impl Cursor {
    /// Encrypts the position of a driver. The scope names the scan to which it belongs: backend, store and
    /// prefix.
    #[must_use]
    pub fn seal(secret: &CursorSecret, scope: &[&str], position: &[u8]) -> Self {
        let nonce: [u8; NONCE_BYTES] = rand::random();
        let payload = Payload { msg: position, aad: &authenticated(scope) };
        let sealed = cipher(secret)
            .encrypt(&XNonce::from(nonce), payload)
            .expect("a position is far shorter than the 256 GiB that the cipher can encrypt");
        Self(URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat()))
    }

    /// Decrypts the position, given the secret and the scope of [`Cursor::seal`].
    ///
    /// # Errors
    /// [`ErrorKind::InvalidCursor`] if secret or scope differ, or if the cursor was changed.
    pub fn open(&self, secret: &CursorSecret, scope: &[&str]) -> Result<Vec<u8>> {
        let open = || {
            let bytes = URL_SAFE_NO_PAD.decode(&self.0).ok()?;
            let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>()?;
            let payload = Payload { msg: sealed, aad: &authenticated(scope) };
            cipher(secret).decrypt(&XNonce::from(*nonce), payload).ok()
        };
        open().ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidCursor,
                "the cursor is damaged, or belongs to another store, prefix or `cursor_secret` (which is random in \
                 each process unless it is set); restart the scan without a cursor",
            )
        })
    }

    /// Returns the text, which can be kept.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn cipher(secret: &CursorSecret) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&secret.0.into())
}

/// Encodes the scope with lengths, which distinguish ("ab", "c") from ("a", "bc").
fn authenticated(scope: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in scope {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cursor({} bytes)", self.0.len())
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Cursor {
    type Err = std::convert::Infallible;

    /// Accepts any text. The store that receives the cursor checks it.
    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> CursorSecret {
        CursorSecret::new([7; 16]).unwrap()
    }

    #[test]
    fn a_cursor_opens_with_its_secret_and_scope_only() {
        let scope = ["redis", "app:", "user:"];
        let cursor = Cursor::seal(&secret(), &scope, b"\0position");
        assert_eq!(cursor.open(&secret(), &scope).unwrap(), b"\0position");
        for other in
            [&["redis", "app:", "use"][..], &["redis", "app", ":user:"], &["redis", "app:user:"], &[]]
        {
            assert_eq!(cursor.open(&secret(), other).unwrap_err().kind(), ErrorKind::InvalidCursor);
        }
        for other in [CursorSecret::of_process(), CursorSecret::new([8; 16]).unwrap()] {
            assert_eq!(cursor.open(&other, &scope).unwrap_err().kind(), ErrorKind::InvalidCursor);
        }
        assert_eq!(CursorSecret::default(), CursorSecret::of_process());
    }

    #[test]
    fn damage_is_found() {
        let cursor = Cursor::seal(&secret(), &["memory"], b"abc");
        for at in 0..cursor.as_str().len() {
            let mut text = cursor.as_str().as_bytes().to_vec();
            text[at] = if text[at] == b'A' { b'B' } else { b'A' };
            let damaged: Cursor = String::from_utf8(text).unwrap().parse().unwrap();
            assert!(damaged.open(&secret(), &["memory"]).is_err());
        }
        for text in ["", "A", "not base64!", "AAAAAA", &"A".repeat(200)] {
            assert!(text.parse::<Cursor>().unwrap().open(&secret(), &["memory"]).is_err(), "{text}");
        }
    }

    #[test]
    fn neither_the_text_nor_debug_shows_the_position() {
        let position = b"session:s3cret-token";
        let cursor = Cursor::seal(&secret(), &["redis"], position);
        let bytes = URL_SAFE_NO_PAD.decode(cursor.as_str()).unwrap();
        assert!(!bytes.windows(4).any(|found| position.windows(4).any(|window| window == found)));
        assert_eq!(format!("{cursor:?}"), format!("Cursor({} bytes)", cursor.as_str().len()));
        assert_ne!(
            cursor,
            Cursor::seal(&secret(), &["redis"], position),
            "the same position looks different"
        );
    }

    #[test]
    fn short_secrets_are_refused() {
        assert_eq!(CursorSecret::new([1; 15]).unwrap_err().kind(), ErrorKind::InvalidConfig);
    }
}
