//! The example `observed` as a program, and the metrics that it serves over HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;

/// A running program, which ends with this value.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().ok()?.modified().ok()
}

/// Returns the path of the example. `cargo test` builds it with the tests, unless a test is selected by name.
fn example() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let example = profile.join("examples").join(format!("observed{}", std::env::consts::EXE_SUFFIX));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/observed.rs");
    if modified(&example) < modified(&source) {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--package", "ttl-store", "--example", "observed"]);
        build.args(["--features", "observe", "--target-dir"]).arg(profile.parent().unwrap());
        assert!(build.status().unwrap().success());
    }
    example
}

fn start(address: SocketAddr) -> Program {
    let mut command = Command::new(example());
    let child = command.args(["memory:", &address.to_string()]).stdout(Stdio::piped()).spawn().unwrap();
    Program(child)
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    response
}

/// Returns the value of the sample with this name and all of these labels.
fn sample(text: &str, name: &str, labels: &[(&str, &str)]) -> Option<u64> {
    let mut values = text.lines().filter_map(|line| {
        let (sample, value) = line.rsplit_once(' ')?;
        let (found, all) = sample.split_once('{')?;
        let matches = |(label, value): &(&str, &str)| all.contains(&format!("{label}=\"{value}\""));
        (found == name && labels.iter().all(matches)).then(|| value.parse().unwrap())
    });
    let value = values.next();
    assert_eq!(values.next(), None, "{name}: expected one sample with {labels:?}");
    value
}

#[test]
fn the_program_serves_its_counts() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut program = start(address);
    let mut printed = BufReader::new(program.0.stdout.take().unwrap()).lines();
    // It prints the address after its last call.
    let last = format!("http://{address}/metrics");
    let ready = printed.find(|line| line.as_ref().is_ok_and(|line| *line == last));
    assert!(ready.is_some(), "the program ended before it printed its address");
    let text = get(address, "/metrics");
    let operations = |operation, outcome| {
        let labels = [
            ("db_system_name", "memory"),
            ("ttl_store_name", "sessions"),
            ("db_operation_name", operation),
            ("ttl_store_outcome", outcome),
        ];
        sample(&text, "ttl_store_operations", &labels)
    };
    let of = |name, operation| sample(&text, name, &[("db_operation_name", operation)]);
    assert_eq!(operations("put", "applied"), Some(2), "{text}");
    assert_eq!(operations("get", "hit"), Some(3), "{text}");
    assert_eq!(operations("get", "miss"), Some(1), "{text}");
    assert_eq!(operations("delete", "applied"), Some(1), "{text}");
    assert_eq!(operations("get", "error"), None, "{text}");
    assert_eq!(of("db_client_operation_duration_count", "get"), Some(4), "{text}");
    assert_eq!(of("ttl_store_refreshes", "get"), Some(3), "{text}");
    assert_eq!(of("ttl_store_written_bytes", "put"), Some(6), "{text}");
    assert_eq!(of("ttl_store_read_bytes", "get"), Some(9), "{text}");
    let bucket = [("db_operation_name", "put"), ("le", "10")];
    assert_eq!(sample(&text, "db_client_operation_duration_bucket", &bucket), Some(2), "{text}");
    assert!(text.contains("# HELP ttl_store_operations Operations by outcome"), "{text}");
    assert!(!text.contains("s1") && !text.contains("ada"), "no key and no value: {text}");
}
