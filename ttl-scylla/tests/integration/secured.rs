//! A node that asks for TLS, a user and a password, and lets users do only what they may.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use libtest_mimic::Trial;
use ttl_core::options::{DeleteOptions, GetOptions, PutOptions, Refresh};
use ttl_core::{Error, ErrorKind, Ttl, TtlStore};
use ttl_scylla::{Replication, ScyllaConfig, ScyllaStore};

use crate::node::{Node, with_own_nodes};
use crate::raw::Raw;
use crate::secrets::texts;
use crate::space::{PATIENCE, eventually};
use crate::support::{LONG, applied, blob, key};

pub(crate) fn trials() -> Vec<Trial> {
    vec![with_own_nodes("secured::tls_users_and_their_rights", secured)]
}

const PASSWORD: &str = "s3cret:/@?";

/// A certificate for a node at 127.0.0.1 and its key, in this folder; the certificate as PEM too.
fn certificate(directory: &Path, name: &str) -> Vec<u8> {
    let keytool = |arguments: &[&str]| {
        let output = Command::new("keytool")
            .args(arguments)
            .args(["-alias", "node", "-storepass", "of-no-secret", "-keystore"])
            .arg(directory.join(format!("{name}.p12")))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        output.stdout
    };
    let pair = ["-genkeypair", "-keyalg", "EC", "-groupname", "secp256r1", "-storetype", "PKCS12"];
    keytool(&[&pair[..], &["-dname", "CN=node", "-ext", "san=ip:127.0.0.1", "-validity", "30"]].concat());
    keytool(&["-exportcert", "-rfc"])
}

async fn refused(config: &ScyllaConfig) -> Error {
    let error = ScyllaStore::connect(config).await.unwrap_err();
    let text = texts(&error);
    assert!(!text.contains("s3cret"), "{text}");
    error
}

async fn secured() {
    let directory = std::env::temp_dir().join(format!("ttl-scylla-trial-{}", ttl_core::Version::random()));
    std::fs::create_dir(&directory).unwrap();
    let (roots, others) = (certificate(&directory, "node"), certificate(&directory, "other"));
    let node = Node::start_with(&format!(
        "authenticator: PasswordAuthenticator\nauthorizer: CassandraAuthorizer\nclient_encryption_options:\n  enabled: true\n  \
         optional: false\n  keystore: {}\n  keystore_password: of-no-secret\n  store_type: PKCS12\n",
        directory.join("node.p12").display()
    ))
    .await;
    let plain = ScyllaConfig::new(node.address(), "ttl_secured", "entries")
        .with_ensure_schema()
        .with_replication(Replication::everywhere(1))
        .with_timeout(PATIENCE);
    let trusting = plain.clone().with_tls().with_root_certificates(roots.clone());
    let admin_config = trusting.clone().with_credentials("cassandra", "cassandra");
    // The first user is made a moment after the node has started.
    eventually("the first user", || async { ScyllaStore::connect(&admin_config).await.is_ok() }).await;
    let admin = ScyllaStore::connect(&admin_config).await.unwrap();
    applied(admin.put(&key("k"), blob("v"), PutOptions::new(LONG)).await);
    let raw =
        Raw { session: admin.session(), table: admin_config.table_name(), mode: ttl_scylla::Mode::Strict };
    raw.run(&format!("CREATE ROLE app WITH LOGIN = true AND PASSWORD = '{PASSWORD}'")).await;

    // By URL, with what is special in URLs.
    let file = directory.join("roots.pem");
    std::fs::write(&file, &roots).unwrap();
    let url = format!(
        "scylla://app:s3cret%3A%2F%40%3F@{}/ttl_secured/entries?tls=true&root_certificates={}&timeout=20s",
        node.address(),
        file.display()
    );
    let app_config = ScyllaConfig::from_url(&url).unwrap();
    assert!(!format!("{app_config:?}").contains("s3cret"));

    let hasty = |config: &ScyllaConfig| config.clone().with_timeout(Duration::from_secs(3));
    for config in [
        trusting.clone(),
        trusting.clone().with_credentials("app", "s3cret"),
        trusting.clone().with_credentials("nobody", PASSWORD),
    ] {
        let error = refused(&config).await;
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::PermissionDenied, false), "{error}");
    }
    let with_others =
        plain.clone().with_tls().with_root_certificates(others).with_credentials("app", PASSWORD);
    for config in [hasty(&plain.with_credentials("app", PASSWORD)), hasty(&with_others)] {
        // A certificate that is not trusted is named; who speaks no TLS may just be cut off.
        let error = refused(&config).await;
        assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::InvalidConfig), "{error}");
        assert!(error.to_string().contains("TLS"), "{error}");
    }

    let app = ScyllaStore::connect(&app_config).await.unwrap();
    assert!(!format!("{app:?} {app:#?}").contains("s3cret"));
    let denied = |error: Error| {
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::PermissionDenied, false), "{error}");
        assert!(!texts(&error).contains("s3cret"));
    };
    denied(app.get(&key("k"), GetOptions::new()).await.unwrap_err());
    denied(app.put(&key("k"), blob("w"), PutOptions::new(LONG)).await.unwrap_err());
    raw.run("GRANT SELECT ON {} TO app").await;
    eventually("the right to read", || async { app.get(&key("k"), GetOptions::new()).await.is_ok() }).await;
    // R9: a refresh that is not allowed fails no read.
    let refresh = GetOptions::new().with_refresh(Refresh::extend_only(Ttl::hours(2)));
    let entry = app.get(&key("k"), refresh).await.unwrap().unwrap();
    assert_eq!(entry.value, Some(blob("v")));
    denied(entry.refresh_error.unwrap());
    denied(app.delete(&key("k"), DeleteOptions::new()).await.unwrap_err());
    raw.run("GRANT MODIFY ON {} TO app").await;
    eventually("the right to write", || async {
        app.put(&key("k"), blob("w"), PutOptions::new(LONG)).await.is_ok()
    })
    .await;
    std::fs::remove_dir_all(&directory).unwrap();
}
