//! The client that makes connections, with its credentials and certificates.

use redis::{Client, ConnectionAddr, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo};
use ttl_core::Result;

use crate::config::{Address, RedisConfig};
use crate::error;

/// Creates the client for this configuration.
pub(super) fn build_client(config: &RedisConfig) -> Result<Client> {
    let mut settings = RedisConnectionInfo::default()
        .set_protocol(ProtocolVersion::RESP3)
        .set_db(i64::from(config.database));
    if let Some(username) = &config.username {
        settings = settings.set_username(username);
    }
    if let Some(password) = &config.password {
        settings = settings.set_password(password);
    }
    let address = match &config.address {
        Address::Tcp { host, port } => ConnectionAddr::Tcp(host.clone(), *port),
        Address::Tls { host, port } => {
            ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: false, tls_params: None }
        }
        Address::Unix(path) => ConnectionAddr::Unix(path.clone()),
    };
    let info = address.into_connection_info().map_err(|error| error::invalid_settings(&error))?;
    open(info.set_redis_settings(settings), config)
}

#[cfg(feature = "tls")]
fn open(info: redis::ConnectionInfo, config: &RedisConfig) -> Result<Client> {
    if !matches!(config.address, Address::Tls { .. }) {
        return Client::open(info).map_err(|error| error::invalid_settings(&error));
    }
    // rustls uses the crypto provider of the process, and panics if there is none. The provider that is
    // installed first stays.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    let client_tls = config.certificates.client.clone();
    let certificates = redis::TlsCertificates {
        client_tls: client_tls
            .map(|(client_cert, client_key)| redis::ClientTlsConfig { client_cert, client_key }),
        root_cert: config.certificates.roots.clone(),
    };
    Client::build_with_tls(info, certificates).map_err(|error| {
        crate::config::invalid("invalid certificates: expected PEM texts").with_source(error)
    })
}

#[cfg(not(feature = "tls"))]
fn open(info: redis::ConnectionInfo, _: &RedisConfig) -> Result<Client> {
    Client::open(info).map_err(|error| error::invalid_settings(&error))
}
