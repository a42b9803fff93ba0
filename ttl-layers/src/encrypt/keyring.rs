//! `Keyring`: the secret keys, by name.

use std::fmt;

use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use ttl_core::Result;
use zeroize::Zeroizing;

use crate::layer::invalid;

/// The maximum length of the name of a key, in bytes. The overhead of a value assumes a name of this length,
/// so that a new key never makes a stored value too large.
pub(super) const MAX_ID_BYTES: usize = 32;

/// The length of a secret key.
const SECRET_BYTES: usize = 32;

/// The secret keys of [`Encrypt`](crate::Encrypt): one that writes, and others that only read.
///
/// Each has a name, its id, which is stored in every entry in the clear and named in errors. Never give
/// another secret the same id. The secrets are overwritten in memory when they are dropped, and `Debug` prints
/// only the ids.
///
/// ```
/// use ttl_layers::Keyring;
///
/// # let (new_secret, old_secret) = ([1; 32], [2; 32]);
/// // The key of 2026 encrypts, and entries of 2025 can still be read.
/// let keys = Keyring::new("2026", new_secret).with_read_key("2025", old_secret);
/// assert_eq!(format!("{keys:?}"), r#"Keyring { writes: "2026", reads: ["2025"] }"#);
/// ```
#[derive(Clone)]
pub struct Keyring(Vec<NamedKey>);

/// A key with its id. The first of a keyring writes.
#[derive(Clone)]
struct NamedKey {
    id: Box<str>,
    secret: Zeroizing<Vec<u8>>,
}

impl Keyring {
    /// Creates a keyring with the key that encrypts: an id of 1 to 32 bytes, and 32 random bytes.
    ///
    /// The secret must be random, such as the output of `openssl rand 32`, and never a password. Other lengths
    /// are refused when the layer is put around a store.
    #[must_use]
    pub fn new(id: impl Into<Box<str>>, secret: impl AsRef<[u8]>) -> Self {
        Self(Vec::new()).with_read_key(id, secret)
    }

    /// Adds a key that only decrypts, such as the one that was in use before.
    #[must_use]
    pub fn with_read_key(mut self, id: impl Into<Box<str>>, secret: impl AsRef<[u8]>) -> Self {
        let secret = Zeroizing::new(secret.as_ref().to_vec());
        self.0.push(NamedKey { id: id.into(), secret });
        self
    }

    /// Returns the ciphers of the keys, the one that writes first.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`](ttl_core::ErrorKind::InvalidConfig) for an invalid id or length, and for
    /// an id that is used twice.
    pub(super) fn ciphers(&self) -> Result<Ciphers> {
        let mut ciphers: Vec<Cipher> = Vec::with_capacity(self.0.len());
        for NamedKey { id, secret } in &self.0 {
            if !(1..=MAX_ID_BYTES).contains(&id.len()) {
                let expected = format!("1 to {MAX_ID_BYTES} bytes, found {}", id.len());
                return Err(invalid("Keyring", "id", &expected));
            }
            if ciphers.iter().any(|known| known.id == *id) {
                return Err(invalid(
                    "Keyring",
                    "id",
                    &format!("a different id for each key, found {id:?} twice"),
                ));
            }
            let cipher = XChaCha20Poly1305::new_from_slice(secret).map_err(|_| {
                let expected = format!("{SECRET_BYTES} bytes for the key {id:?}, found {}", secret.len());
                invalid("Keyring", "secret", &expected)
            })?;
            ciphers.push(Cipher { id: id.clone(), cipher });
        }
        Ok(Ciphers(ciphers))
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<&str> = self.0.iter().map(|key| &*key.id).collect();
        debug_ids(f, "Keyring", &ids)
    }
}

fn debug_ids(f: &mut fmt::Formatter<'_>, name: &str, ids: &[&str]) -> fmt::Result {
    let (writes, reads) = ids.split_first().map_or((None, ids), |(first, rest)| (Some(first), rest));
    let mut out = f.debug_struct(name);
    if let Some(writes) = writes {
        out.field("writes", writes);
    }
    out.field("reads", &reads).finish()
}

/// A cipher with the id of its key.
pub(super) struct Cipher {
    pub(super) id: Box<str>,
    pub(super) cipher: XChaCha20Poly1305,
}

/// The ciphers of a keyring. There is at least one.
pub(super) struct Ciphers(Vec<Cipher>);

impl Ciphers {
    /// Returns the cipher that encrypts.
    pub(super) fn writing(&self) -> &Cipher {
        &self.0[0]
    }

    /// Returns the cipher of a key.
    pub(super) fn find(&self, id: &str) -> Option<&Cipher> {
        self.0.iter().find(|cipher| &*cipher.id == id)
    }
}

impl fmt::Debug for Ciphers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<&str> = self.0.iter().map(|cipher| &*cipher.id).collect();
        debug_ids(f, "Ciphers", &ids)
    }
}
