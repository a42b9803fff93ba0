//! Nodes of Apache Cassandra of the trials' own, as processes: those that are stopped, looked into, or shut with a
//! password.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::{Completion, Trial};
use tokio::sync::OnceCell;
use ttl_conformance::servers::{free_port, required};
use ttl_core::Version;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/cassandra");

/// Three of them fit on a small machine; and on a busy one it takes its time until others answer one that joins.
const JAVA_OPTIONS: &str = "-Xmx384m -Dcassandra.ring_delay_ms=60000";

/// What the script and the trials need; `scripts/test` installs them, `keytool` with `java`.
const PROGRAMS: [&str; 4] = ["bash", "java", "keytool", "mvn"];

/// The first of them that is not there.
pub(crate) fn missing() -> Option<&'static str> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |program: &&str| std::env::split_paths(&path).any(|dir| dir.join(program).is_file());
    PROGRAMS.into_iter().find(|program| !is_there(program))
}

/// A trial that starts nodes; where that cannot be done it is ignored, or fails where nothing may be missing.
pub(crate) fn with_own_nodes<F: Future<Output = ()> + Send + 'static>(
    name: &str,
    test: impl FnOnce() -> F + Send + 'static,
) -> Trial {
    Trial::ignorable_test(name, move || {
        if let Some(program) = missing() {
            let why = format!("{program} is not on PATH");
            return if required() { Err(why.into()) } else { Ok(Completion::ignored_with(why)) };
        }
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(test());
        Ok(Completion::Completed)
    })
}

/// A node for several trials: the first of them starts it, and it ends when the last has ended.
pub(crate) struct SharedNode {
    settings: &'static str,
    node: OnceCell<Node>,
}

impl SharedNode {
    pub(crate) fn with(settings: &'static str) -> Arc<Self> {
        Arc::new(Self { settings, node: OnceCell::new() })
    }

    pub(crate) async fn get(&self) -> &Node {
        self.node.get_or_init(|| Node::start_with(self.settings)).await
    }
}

/// A node; it ends when this is dropped, and what it wrote is removed.
pub(crate) struct Node {
    address: Ipv4Addr,
    ports: Ports,
    seeds: String,
    settings: String,
    directory: PathBuf,
    child: Option<Child>,
}

/// The nodes of a cluster listen on the same ones.
#[derive(Clone, Copy)]
struct Ports {
    native: u16,
    storage: u16,
    jmx: u16,
}

impl Node {
    /// A cluster of one.
    pub(crate) async fn start_one() -> Self {
        Self::start_with("").await
    }

    /// The same, with these lines in its cassandra.yaml.
    pub(crate) async fn start_with(settings: &str) -> Self {
        Self::cluster(1, settings).await.remove(0)
    }

    /// A cluster of so many on loopback addresses, each of which knows all others.
    pub(crate) async fn cluster(count: u8, settings: &str) -> Vec<Self> {
        let addresses: Vec<_> = (1..=count).map(|last| Ipv4Addr::new(127, 0, 0, last)).collect();
        let ports = Ports { native: free_port(&addresses), storage: free_port(&addresses), jmx: 0 };
        let mut nodes = Vec::new();
        for address in &addresses {
            let directory = std::env::temp_dir().join(format!("ttl-scylla-trial-{}", Version::random()));
            fs::create_dir(&directory).unwrap();
            nodes.push(Self {
                address: *address,
                ports: Ports { jmx: free_port(&[Ipv4Addr::LOCALHOST]), ..ports },
                seeds: format!("{}:{}", addresses[0], ports.storage),
                settings: settings.to_owned(),
                directory,
                child: None,
            });
        }
        // One after another: of nodes that join at the same time one may have to try again.
        for node in &mut nodes {
            node.start_again().await;
        }
        nodes
    }

    pub(crate) fn address(&self) -> String {
        format!("{}:{}", self.address, self.ports.native)
    }

    /// Keyspace and table are made on the first connection, with so many copies.
    pub(crate) fn url(&self, keyspace: &str, table: &str) -> String {
        format!("scylla://{}/{keyspace}/{table}?ensure_schema=true&replication=1", self.address())
    }

    /// A folder of the node's own.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Starts it with what it wrote before, and returns when it takes clients. The first time it may be downloaded.
    pub(crate) async fn start_again(&mut self) {
        let log = self.directory.join("log");
        let output = File::create(&log).unwrap();
        let Ports { native, storage, jmx } = self.ports;
        let child = Command::new(SCRIPT)
            .arg("node")
            .arg(&self.directory)
            .args([self.address.to_string(), self.seeds.clone(), native.to_string(), storage.to_string()])
            .env("CASSANDRA_JMX_PORT", jmx.to_string())
            .env("CASSANDRA_SETTINGS", &self.settings)
            .env("_JAVA_OPTIONS", JAVA_OPTIONS)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let child = self.child.insert(child);
        for _ in 0..6_000 {
            let text = fs::read_to_string(&log).unwrap();
            if text.contains("Startup complete") {
                return;
            }
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "the node did not start:\n{text}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the node did not start within 10 minutes:\n{}", fs::read_to_string(&log).unwrap());
    }

    /// Asks it to end, and returns when it has.
    pub(crate) async fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        signal("TERM", &child);
        tokio::task::spawn_blocking(move || child.wait()).await.unwrap().unwrap();
    }

    /// Lets it hang: its connections stand, and nobody answers on them.
    pub(crate) fn hang(&self) {
        signal("STOP", self.child.as_ref().unwrap());
    }

    pub(crate) fn go_on(&self) {
        signal("CONT", self.child.as_ref().unwrap());
    }

    /// Cassandra's own nodetool.
    pub(crate) async fn nodetool(&self, command: &[&str]) -> String {
        let mut nodetool = Command::new(SCRIPT);
        nodetool.arg("nodetool").arg(&self.directory).arg(self.ports.jmx.to_string()).args(command);
        let output = tokio::task::spawn_blocking(move || nodetool.stdin(Stdio::null()).output());
        let output = output.await.unwrap().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{command:?}: {text} {}", String::from_utf8_lossy(&output.stderr));
        text
    }
}

/// By the shell, which is there where the program `kill` is not.
fn signal(name: &str, child: &Child) {
    let command = format!("kill -{name} {}", child.id());
    assert!(Command::new("bash").args(["-c", &command]).status().unwrap().success(), "{command}");
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}
