//! The servers of the suite, on a real one: it responds, and its container is removed however the run
//! ends.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, ExitCode, Stdio},
    time::Duration,
};

use libtest_mimic::{Completion, Trial};
use ttl_conformance::servers::{Server, ServerKind, run_tests, trial};

/// The variable with which a test starts this program again. Its value says how the child ends.
const CHILD: &str = "TTL_TEST_SERVERS_CHILD";

fn main() -> ExitCode {
    if let Ok(end) = std::env::var(CHILD) {
        return child(&end);
    }
    run_tests(ServerKind::REDIS, |server| {
        vec![
            trial("the_server_answers", async move { ping(address(server.url())) }),
            gone_after("a_return", |_| {}),
            gone_after("a_panic", |_| {}),
            gone_after("sigint", |child| signal(child, "INT")),
            gone_after("sigterm", |child| signal(child, "TERM")),
        ]
    })
}

fn child(end: &str) -> ExitCode {
    let server = Server::start(ServerKind::REDIS).expect("the parent has found a server");
    println!("{}", server.url());
    match end {
        "a_return" => {}
        "a_panic" => panic!("on purpose"),
        _ => std::thread::sleep(Duration::from_secs(60)),
    }
    ExitCode::SUCCESS
}

fn gone_after(end: &'static str, how: impl FnOnce(&Child) + Send + 'static) -> Trial {
    Trial::ignorable_test(format!("its_container_is_gone_after_{end}"), move || {
        if std::env::var(ServerKind::REDIS.url_variable()).is_ok_and(|url| !url.is_empty()) {
            return Ok(Completion::ignored_with("the server is not a container"));
        }
        let mut child = Command::new(std::env::current_exe()?)
            .env(CHILD, end)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut url = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut url)?;
        let address = address(url.trim()).to_owned();
        if end.starts_with("sig") {
            ping(&address);
        }
        how(&child);
        child.wait()?;
        match TcpStream::connect(&address) {
            Ok(_) => Err(format!("{address} still accepts connections").into()),
            Err(_) => Ok(Completion::Completed),
        }
    })
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &child.id().to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()));
}

fn ping(address: &str) {
    let mut stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}"));
    stream.write_all(b"PING\r\n").expect("written");
    let mut answer = [0; 7];
    stream.read_exact(&mut answer).expect("read");
    assert_eq!(&answer, b"+PONG\r\n");
}

/// Host and port of `scheme://host:port`, with or without user, password and database.
fn address(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or(rest)
}
