//! The layer `Encrypt`.

mod config;
mod encryption;
mod envelope;
mod key_hash;
mod keyring;
mod re_encrypt;
mod store;

pub use self::config::Encrypt;
pub use self::keyring::Keyring;
pub use self::re_encrypt::{ReEncrypt, ReEncrypted};
