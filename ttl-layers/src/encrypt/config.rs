//! The settings of `Encrypt`.

use std::fmt;

use ttl_core::Result;
use zeroize::Zeroizing;

use super::encryption::Encryption;
use super::key_hash::KeyHash;
use super::keyring::Keyring;
use crate::layer::invalid;

/// The maximum length of a context, in bytes.
const MAX_CONTEXT_BYTES: usize = 255;

/// A layer that encrypts values with XChaCha20-Poly1305, so that the backend can neither read nor change them
/// unnoticed.
///
/// * An encrypted blob is stored as a blob, and an encrypted record as a record with the single field `~e`.
///   `docs/layouts.md` describes the format. The header names the key, so several keys can read.
/// * Each envelope is bound to its key, its kind and the `context`. An entry that was copied to another place
///   is [`ErrorKind::Corrupt`](ttl_core::ErrorKind::Corrupt), and so is one with any changed bit, one with an
///   unknown key, and plaintext. The text of the error names the id of the key.
/// * Give every collection of entries that must not be mixed up a context of its own.
///
/// # What it does not hide
///
/// The backend still sees the keys, unless they are [hashed](Self::with_hashed_keys). It sees the kinds of
/// values and their approximate lengths, the deadlines and caps, the ids of secret keys, and which entries are
/// used when. It can delete an entry, change its deadline, and put back an older value of the same entry. It can
/// also make up an entry: its value is [`Corrupt`](ttl_core::ErrorKind::Corrupt), but calls that do not read the
/// value find it, such as a check of its existence or a put if absent. Do not let the existence of an entry alone
/// prove anything.
///
/// # Cost
///
/// | call | requests |
/// |---|---|
/// | a read whose refresh is due | two: the entry is decoded first, and a refresh must not follow a failure (R1) |
/// | a take | two: a read, and a delete of the version that was read; the take of many keys is a batch of reads and a delete for each |
/// | a patch | two, and two more for each conflict |
/// | all others | one |
///
/// A read of some fields of a record transfers the whole record. An envelope has at most 78 bytes more than
/// its value, and a record a third more for its text. The layer lowers
/// [`Capabilities::max_value_bytes`](ttl_core::Capabilities::max_value_bytes) accordingly, for blobs too.
///
/// # Exceptions
///
/// Patches need the capabilities `patch` and `conditions` of the inner store. With hashed keys there are no
/// scans. A scan that selects nothing does not decode the entries, so it lists those that cannot be decoded
/// (S4). A put that requests the previous value and replaces an entry that cannot be decoded fails with
/// [`ErrorKind::OutcomeUnknown`](ttl_core::ErrorKind::OutcomeUnknown) (C5).
///
/// Put `Compress` around this layer, not below it: encrypted values do not compress, so this layer refuses to
/// wrap a store that compresses. The length of a compressed value also depends on its content.
///
/// ```
/// use std::sync::Arc;
/// use ttl_core::options::{GetOptions, PutOptions};
/// use ttl_core::{Key, Ttl, TtlStore};
/// use ttl_layers::{Encrypt, Keyring, LayerExt};
/// use ttl_memory::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ttl_core::Result<()> {
/// # let secret = [7; 32];
/// let inner: Arc<dyn TtlStore> = Arc::new(MemoryStore::default());
/// let store = inner.clone().layer(Encrypt::new("sessions", Keyring::new("2026", secret)))?;
/// let key = Key::new("user:1")?;
/// let _ = store.put(&key, "ada".into(), PutOptions::new(Ttl::hours(1))).await?;
///
/// let stored = inner.get(&key, GetOptions::new()).await?.and_then(|entry| entry.value);
/// assert_ne!(stored, Some("ada".into()));
/// let user = store.get(&key, GetOptions::new()).await?.and_then(|entry| entry.value);
/// assert_eq!(user, Some("ada".into()));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Encrypt {
    context: String,
    keys: Keyring,
    accept_plaintext: bool,
    hashed_keys: Option<Zeroizing<Vec<u8>>>,
}

impl Encrypt {
    /// Creates the layer with the name of the context, 1 to 255 bytes, and the secret keys.
    ///
    /// The context is not stored, but entries can only be read with the same one. An example is the name of
    /// the program and of the collection.
    #[must_use]
    pub fn new(context: impl Into<String>, keys: Keyring) -> Self {
        Self { context: context.into(), keys, accept_plaintext: false, hashed_keys: None }
    }

    /// Sets whether entries that are not encrypted can be read; `false` by default.
    ///
    /// Only for a migration: every program that can write to the backend can then forge entries. Writes always encrypt,
    /// and [`Encrypt::re_encrypt`] encrypts the entries that are left. Not with hashed keys, under which no
    /// such entry is found. A record of more than 999 fields gets a new creation time with its first patch.
    #[must_use]
    pub const fn with_accept_plaintext(mut self, accept: bool) -> Self {
        self.accept_plaintext = accept;
        self
    }

    /// Stores each entry under the HMAC-SHA256 of its key, so that the backend does not see the key. The
    /// secret has at least 32 random bytes.
    ///
    /// Scans are then [`ErrorKind::Unsupported`](ttl_core::ErrorKind::Unsupported). Errors show the caller's
    /// keys. Entries can only be found with the same secret and context, so the secret cannot be changed later.
    #[must_use]
    pub fn with_hashed_keys(mut self, secret: impl AsRef<[u8]>) -> Self {
        self.hashed_keys = Some(Zeroizing::new(secret.as_ref().to_vec()));
        self
    }

    /// Checks the settings.
    pub(super) fn encryption(&self) -> Result<Encryption> {
        if !(1..=MAX_CONTEXT_BYTES).contains(&self.context.len()) {
            let expected = format!("1 to {MAX_CONTEXT_BYTES} bytes, found {}", self.context.len());
            return Err(invalid("Encrypt", "context", &expected));
        }
        if self.accept_plaintext && self.hashed_keys.is_some() {
            let expected = "`false` with hashed keys, under which no plaintext entry is found";
            return Err(invalid("Encrypt", "accept_plaintext", expected));
        }
        let key_hash = self.hashed_keys.as_ref().map(|secret| KeyHash::new(secret, &self.context));
        Ok(Encryption {
            context: self.context.clone(),
            ciphers: self.keys.ciphers()?,
            accept_plaintext: self.accept_plaintext,
            key_hash: key_hash.transpose()?,
        })
    }
}

impl fmt::Debug for Encrypt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encrypt")
            .field("context", &self.context)
            .field("keys", &self.keys)
            .field("accept_plaintext", &self.accept_plaintext)
            .field("hashed_keys", &self.hashed_keys.is_some())
            .finish()
    }
}
