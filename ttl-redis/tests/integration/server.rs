//! Servers that the trials start as processes, to stop them, to limit them or to protect them with a password.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use libtest_mimic::{Completion, Trial};
use ttl_conformance::servers::{free_port, required};
use ttl_core::Version;

const PROGRAM: &str = "redis-server";

/// Returns whether the server's program is installed.
pub(crate) fn is_installed() -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(PROGRAM).is_file()))
}

/// Creates a trial that starts servers. Without the program it is ignored, or fails with `TTL_TEST_REQUIRE=1`.
pub(crate) fn with_own_servers<F: Future<Output = ()> + Send + 'static>(
    name: &str,
    test: impl FnOnce() -> F + Send + 'static,
) -> Trial {
    Trial::ignorable_test(name, move || {
        if !is_installed() {
            let why = format!("{PROGRAM} is not on PATH");
            return if required() { Err(why.into()) } else { Ok(Completion::ignored_with(why)) };
        }
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(test());
        Ok(Completion::Completed)
    })
}

/// A server. Dropping it stops the server.
pub(crate) struct OwnServer {
    pub(crate) port: u16,
    directory: PathBuf,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl OwnServer {
    /// Starts a server that saves nothing to disk.
    pub(crate) fn start<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Self {
        let port = free_port(&[Ipv4Addr::LOCALHOST]);
        let directory = std::env::temp_dir().join(format!("ttl-redis-trial-{}", Version::random()));
        std::fs::create_dir(&directory).unwrap();
        let arguments =
            arguments.into_iter().map(|argument| argument.as_ref().to_str().unwrap().to_owned()).collect();
        let mut server = Self { port, directory, arguments, child: None };
        server.start_again();
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Returns the server's own folder.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Starts the server, on the same port as before, and waits until it answers.
    pub(crate) fn start_again(&mut self) {
        let child = Command::new(PROGRAM)
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--dir"])
            .arg(&self.directory)
            .args(["--save", "", "--appendonly", "no", "--enable-debug-command", "yes"])
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        for _ in 0..1000 {
            if self.answers() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{PROGRAM} did not answer on port {} within 10 s", self.port);
    }

    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        let mut answer = [0; 1];
        // Any answer will do, a demand for a password too; a server that is loading says so.
        stream.write_all(b"PING\r\n").is_ok() && stream.read_exact(&mut answer).is_ok()
    }

    /// Kills the server, like a crash.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Sends a signal, such as STOP or CONT.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.as_ref().expect("a running server").id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
