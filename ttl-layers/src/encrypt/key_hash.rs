//! `KeyHash`: keys hashed by HMAC-SHA256.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use ttl_core::{Key, Result};

use super::envelope::push_part;
use crate::layer::invalid;

/// The minimum length of the secret.
const MIN_SECRET_BYTES: usize = 32;

/// Hashes the keys of a context. The keyed state is overwritten in memory when it is dropped.
#[derive(Clone)]
pub(super) struct KeyHash(Hmac<Sha256>);

impl KeyHash {
    /// # Errors
    /// [`ErrorKind::InvalidConfig`](ttl_core::ErrorKind::InvalidConfig) if the secret is too short.
    pub(super) fn new(secret: &[u8], context: &str) -> Result<Self> {
        let short = || {
            let expected = format!("at least {MIN_SECRET_BYTES} bytes, found {}", secret.len());
            invalid("Encrypt", "hashed_keys", &expected)
        };
        if secret.len() < MIN_SECRET_BYTES {
            return Err(short());
        }
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).map_err(|_| short())?;
        let mut scope = Vec::new();
        push_part(&mut scope, b"ttl-store key 1");
        push_part(&mut scope, context.as_bytes());
        mac.update(&scope);
        Ok(Self(mac))
    }

    /// Returns the key under which the entry is stored: 43 characters.
    pub(super) fn hash(&self, key: &Key) -> Key {
        let mac = self.0.clone().chain_update(key.as_bytes());
        let text = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        Key::new(text).expect("43 characters are a valid key")
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(secret: u8, context: &str, key: &str) -> String {
        KeyHash::new(&[secret; 32], context).unwrap().hash(&Key::new(key).unwrap()).into_string()
    }

    #[test]
    fn the_text_is_pinned() {
        // Computed by another implementation.
        assert_eq!(hash(7, "sessions", "user:1"), "LUjonpBv6zQG2m4DilnOS5GafLdylRThn0q2iex5k9Q");
    }

    #[test]
    fn secret_context_and_key_matter() {
        let all = [hash(7, "a", "bc"), hash(7, "ab", "c"), hash(8, "a", "bc"), hash(7, "a", "bd")];
        let distinct: std::collections::BTreeSet<&String> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }
}
