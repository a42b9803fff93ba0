//! TLS by rustls.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use ttl_core::{Error, Result};

use crate::config::{Certificates, invalid};

/// Builds the TLS configuration. Trusts the configured authorities, or the system's if there are none.
pub(super) fn context(certificates: &Certificates) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    match &certificates.roots {
        Some(pem) => {
            for certificate in chain(pem, "root_certificates")? {
                roots.add(certificate).map_err(|_| invalid_pem("root_certificates"))?;
            }
        }
        None => {
            // Some of the system's certificates may be unusable. If all are, connecting fails.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    // The provider of the process, if one is installed.
    let provider = CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(rustls::crypto::ring::default_provider()));
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| invalid("the process's TLS provider has no usable version").with_source(error))?
        .with_root_certificates(roots);
    let config = match &certificates.client {
        None => builder.with_no_client_auth(),
        Some((pem, key)) => {
            let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| invalid_pem("client_key"))?;
            builder
                .with_client_auth_cert(chain(pem, "client_certificate")?, key)
                .map_err(|_| invalid_pem("client_certificate or client_key"))?
        }
    };
    Ok(Arc::new(config))
}

fn chain(pem: &[u8], option: &str) -> Result<Vec<CertificateDer<'static>>> {
    let all: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        _ => Err(invalid_pem(option)),
    }
}

/// Returns the error for an invalid PEM text. The text is not quoted, because it may be a secret.
fn invalid_pem(option: &str) -> Error {
    invalid(format!("invalid value for {option}: expected a certificate or a key in PEM"))
}

#[cfg(test)]
mod tests {
    use ttl_core::ErrorKind;

    use super::*;

    #[test]
    fn what_is_no_certificate_is_refused_unquoted() {
        for certificates in [
            Certificates { roots: Some(b"s3cret".to_vec()), client: None },
            Certificates { roots: None, client: Some((b"s3cret".to_vec(), b"s3cret".to_vec())) },
        ] {
            let error = context(&certificates).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            assert!(!format!("{error} {error:?}").contains("s3cret"));
        }
        context(&Certificates::default()).unwrap();
    }
}
