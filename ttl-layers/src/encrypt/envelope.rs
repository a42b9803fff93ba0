//! The envelope of a value: a header in the clear, a nonce, and the encrypted bytes with their tag.

use chacha20poly1305::XNonce;
use chacha20poly1305::aead::{Aead, Payload};
use rand::TryRng;
use rand::rngs::SysRng;
use ttl_core::{Error, ErrorKind, Key, Kind, Result};

use super::keyring::{Ciphers, MAX_ID_BYTES};

/// The first bytes of an envelope. The first one never occurs in UTF-8.
const MAGIC: [u8; 3] = [0xF5, b't', b'e'];

const VERSION: u8 = 1;

/// XChaCha20-Poly1305.
const METHOD: u8 = 1;

/// The magic bytes, version, method, and the length of the id.
const FIXED_BYTES: usize = MAGIC.len() + 3;

/// The length of a nonce, which is long enough for random nonces.
const NONCE_BYTES: usize = 24;

const TAG_BYTES: usize = 16;

/// The most bytes that an envelope adds to a value.
pub(super) const MAX_OVERHEAD: usize = FIXED_BYTES + MAX_ID_BYTES + NONCE_BYTES + TAG_BYTES;

/// The place of a value, to which its envelope is bound.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) context: &'a str,
    /// The key in the inner store.
    pub(super) key: &'a Key,
    pub(super) kind: Kind,
}

impl Place<'_> {
    /// Returns the associated data: the place and the header.
    fn associated_data(&self, header: &[u8]) -> Vec<u8> {
        let mut data = Vec::new();
        push_part(&mut data, b"ttl-store value 1");
        push_part(&mut data, self.context.as_bytes());
        push_part(&mut data, self.key.as_bytes());
        data.push(match self.kind {
            Kind::Blob => b'b',
            Kind::Record => b'r',
        });
        data.extend_from_slice(header);
        data
    }
}

/// Appends a part with its length, so that ("ab", "c") differs from ("a", "bc").
pub(super) fn push_part(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
    bytes.extend_from_slice(part);
}

/// Returns whether the bytes begin like an envelope.
pub(super) fn is_envelope(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// Encrypts bytes with the key that writes.
pub(super) fn seal(ciphers: &Ciphers, place: Place<'_>, plain: &[u8]) -> Result<Vec<u8>> {
    // From the operating system: a generator of this process would repeat its numbers after a fork or in a copy of
    // a virtual machine, and a repeated nonce reveals values.
    let mut nonce = [0; NONCE_BYTES];
    SysRng.try_fill_bytes(&mut nonce).map_err(|error| {
        Error::new(ErrorKind::Unavailable, "the operating system provides no random numbers")
            .with_source(error)
    })?;
    seal_with(ciphers, place, plain, nonce)
}

fn seal_with(ciphers: &Ciphers, place: Place<'_>, plain: &[u8], nonce: [u8; NONCE_BYTES]) -> Result<Vec<u8>> {
    let writing = ciphers.writing();
    let mut envelope = Vec::with_capacity(MAX_OVERHEAD + plain.len());
    envelope.extend_from_slice(&MAGIC);
    // The length of an id is at most 32.
    envelope.extend_from_slice(&[VERSION, METHOD, writing.id.len() as u8]);
    envelope.extend_from_slice(writing.id.as_bytes());
    let payload = Payload { msg: plain, aad: &place.associated_data(&envelope) };
    let sealed = writing.cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| {
        Error::new(ErrorKind::TooLarge, "the value is too large to be encrypted: expected at most 256 GiB")
    })?;
    envelope.extend_from_slice(&nonce);
    envelope.extend_from_slice(&sealed);
    Ok(envelope)
}

/// The header of an envelope, and what follows it.
#[derive(Debug)]
struct Opened<'a> {
    header: &'a [u8],
    id: &'a str,
    nonce: [u8; NONCE_BYTES],
    sealed: &'a [u8],
}

impl<'a> Opened<'a> {
    fn parse(envelope: &'a [u8]) -> Option<Self> {
        let (fixed, rest) = envelope.split_first_chunk::<FIXED_BYTES>()?;
        let [first, second, third, VERSION, METHOD, id_bytes] = *fixed else { return None };
        if [first, second, third] != MAGIC {
            return None;
        }
        let id_bytes = usize::from(id_bytes);
        if !(1..=MAX_ID_BYTES).contains(&id_bytes) {
            return None;
        }
        let (id, rest) = rest.split_at_checked(id_bytes)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>()?;
        let header = &envelope[..FIXED_BYTES + id_bytes];
        Some(Self { header, id: std::str::from_utf8(id).ok()?, nonce: *nonce, sealed })
    }
}

/// Returns the id of the key of an envelope; `None` if the bytes are no envelope.
pub(super) fn key_id(envelope: &[u8]) -> Option<&str> {
    Opened::parse(envelope).map(|opened| opened.id)
}

/// Decrypts an envelope with the key that its header names.
///
/// # Errors
/// [`ErrorKind::Corrupt`] if the envelope is damaged or of another place, or if its key is unknown or another
/// one.
pub(super) fn open(ciphers: &Ciphers, place: Place<'_>, envelope: &[u8]) -> Result<Vec<u8>> {
    let corrupt = |text: String| Error::new(ErrorKind::Corrupt, text);
    let Some(Opened { header, id, nonce, sealed }) = Opened::parse(envelope) else {
        return Err(corrupt(
            "the entry has no valid header of the layer Encrypt: it was changed, or another program wrote it; put \
             it again, or delete it"
                .to_owned(),
        ));
    };
    let Some(cipher) = ciphers.find(id) else {
        return Err(corrupt(format!(
            "the entry is encrypted with the key {id:?}, which is not in the keyring; add it, or delete the entry"
        )));
    };
    let payload = Payload { msg: sealed, aad: &place.associated_data(header) };
    cipher.cipher.decrypt(&XNonce::from(nonce), payload).map_err(|_| {
        corrupt(format!(
            "the entry cannot be decrypted with the key {id:?}: the secret of that key differs, or the entry was \
             changed, or it belongs to another key, kind or context; put it again, or delete it"
        ))
    })
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::super::keyring::Keyring;
    use super::*;

    fn ciphers() -> Ciphers {
        Keyring::new("2026", [1; 32]).with_read_key("2025", [2; 32]).ciphers().unwrap()
    }

    fn place(key: &Key) -> Place<'_> {
        Place { context: "sessions", key, kind: Kind::Blob }
    }

    #[test]
    fn the_bytes_are_pinned() {
        let key = Key::new("user:1").unwrap();
        let envelope = seal_with(&ciphers(), place(&key), b"ada", [3; NONCE_BYTES]).unwrap();
        assert_eq!(&envelope[..10], b"\xF5te\x01\x01\x042026");
        assert_eq!(&envelope[10..34], [3; NONCE_BYTES]);
        // Computed by another implementation.
        assert_eq!(STANDARD.encode(&envelope[34..]), "L2RuaucKR9FDH4UuAf6Jb5W3Cw==");
        assert_eq!(envelope.len(), 34 + 3 + TAG_BYTES);
        assert_eq!(open(&ciphers(), place(&key), &envelope).unwrap(), b"ada");
        assert_eq!(key_id(&envelope), Some("2026"));
    }

    #[test]
    fn every_changed_bit_is_found() {
        let key = Key::new("user:1").unwrap();
        let envelope = seal(&ciphers(), place(&key), b"ada").unwrap();
        for bit in 0..8 * envelope.len() {
            let mut changed = envelope.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let error = open(&ciphers(), place(&key), &changed).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "bit {bit}");
        }
        for len in 0..envelope.len() {
            assert!(open(&ciphers(), place(&key), &envelope[..len]).is_err(), "{len}");
        }
        assert!(open(&ciphers(), place(&key), &[&envelope[..], b"x"].concat()).is_err());
    }

    #[test]
    fn the_place_matters() {
        let [key, other] = ["ab", "b"].map(|key| Key::new(key).unwrap());
        let sealed = seal(&ciphers(), place(&key), b"ada").unwrap();
        for place in [
            Place { key: &other, ..place(&key) },
            Place { key: &other, context: "sessionsa", ..place(&key) },
            Place { kind: Kind::Record, ..place(&key) },
            Place { context: "tokens", ..place(&key) },
            Place { context: "", ..place(&key) },
        ] {
            let error = open(&ciphers(), place, &sealed).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{place:?}");
            assert!(error.message().contains(r#"with the key "2026""#), "{error}");
        }
    }

    #[test]
    fn keys_are_found_by_their_ids() {
        let key = Key::new("k").unwrap();
        let old = Keyring::new("2025", [2; 32]).ciphers().unwrap();
        let sealed = seal(&old, place(&key), b"ada").unwrap();
        assert_eq!(open(&ciphers(), place(&key), &sealed).unwrap(), b"ada");
        let unknown = Keyring::new("2026", [1; 32]).ciphers().unwrap();
        let error = open(&unknown, place(&key), &sealed).unwrap_err();
        assert!(error.message().contains(r#"the key "2025", which is not in the keyring"#), "{error}");
        let impostor = Keyring::new("2025", [9; 32]).ciphers().unwrap();
        let error = open(&impostor, place(&key), &sealed).unwrap_err();
        assert!(error.message().contains("the secret of that key differs"), "{error}");
    }

    #[test]
    fn equal_values_have_different_envelopes() {
        let key = Key::new("k").unwrap();
        let [one, two] = [(); 2].map(|()| seal(&ciphers(), place(&key), b"ada").unwrap());
        assert_ne!(one[10..], two[10..]);
    }
}
