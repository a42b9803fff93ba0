//! Eight processes with 64 tasks each on one cold key. The test starts this program again as each of them.

use std::io::Write as _;
use std::process::{ExitCode, Stdio};
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{Semaphore, mpsc};
use ttl_store::cache::Cache;
use ttl_store::{Json, Ttl, connect};

/// The URL of the store. A process with this variable is a child.
const URL: &str = "TTL_TEST_CACHE_CHILD_URL";
/// The load timeout of a child, in seconds.
const LOAD_TIMEOUT: &str = "TTL_TEST_CACHE_CHILD_LOAD_TIMEOUT";
const PROCESSES: usize = 8;
const TASKS: usize = 64;

/// Runs a child, if this process is one.
pub(crate) fn run_child() -> Option<ExitCode> {
    let url = std::env::var(URL).ok()?;
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(child(&url));
    Some(ExitCode::SUCCESS)
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).unwrap();
}

/// Says when it is ready, begins at the first line of its input, says when its loader is called, and ends that load at
/// the second line.
async fn child(url: &str) {
    let store = connect(url).await.unwrap();
    let load_timeout = Ttl::seconds(std::env::var(LOAD_TIMEOUT).unwrap().parse().unwrap());
    let users: Cache<String, String> =
        store.cache("users", Ttl::minutes(10), Json).load_timeout(load_timeout).build().unwrap();
    let finish = Arc::new(Semaphore::new(0));
    say("READY");
    let mut input = BufReader::new(tokio::io::stdin()).lines();
    input.next_line().await.unwrap();
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (users, finish) = (users.clone(), Arc::clone(&finish));
            tokio::spawn(async move {
                let loader = |_| async move {
                    say("LOAD");
                    finish.acquire().await.unwrap().forget();
                    Ok::<_, std::io::Error>(std::process::id().to_string())
                };
                users.get_or_load("ada", loader).await.unwrap()
            })
        })
        .collect();
    tokio::spawn(async move {
        while input.next_line().await.unwrap().is_some() {
            finish.add_permits(1);
        }
    });
    for task in tasks {
        say(&format!("VALUE {}", task.await.unwrap()));
    }
    let stats = users.stats();
    assert_eq!((stats.store_errors, stats.overtaken), (0, 0), "{stats:?}");
    say("END");
}

/// A started child.
struct Process {
    child: Child,
    input: ChildStdin,
}

impl Process {
    async fn tell(&mut self) {
        self.input.write_all(b"\n").await.unwrap();
    }
}

/// Starts the children and lets them begin together. Returns them, and their lines with their numbers.
async fn start(url: &str, load_timeout: u64) -> (Vec<Process>, mpsc::UnboundedReceiver<(usize, String)>) {
    // So that the children find the place.
    drop(connect(url).await.unwrap());
    let (said, mut lines) = mpsc::unbounded_channel();
    let mut processes = Vec::with_capacity(PROCESSES);
    for number in 0..PROCESSES {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env(URL, url)
            .env(LOAD_TIMEOUT, load_timeout.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output: Lines<BufReader<ChildStdout>> = BufReader::new(child.stdout.take().unwrap()).lines();
        tokio::spawn(forward(number, output, said.clone()));
        processes.push(Process { child, input });
    }
    for _ in 0..PROCESSES {
        assert_eq!(lines.recv().await.unwrap().1, "READY");
    }
    for process in &mut processes {
        process.tell().await;
    }
    (processes, lines)
}

async fn forward(
    number: usize,
    mut output: Lines<BufReader<ChildStdout>>,
    said: mpsc::UnboundedSender<(usize, String)>,
) {
    while let Ok(Some(line)) = output.next_line().await {
        if said.send((number, line)).is_err() {
            return;
        }
    }
}

/// Reads the lines until so many children have ended. Returns the values that their calls returned, and the numbers
/// of those that loaded. `loaded` is called with each of the latter.
async fn all_values(
    processes: &mut [Process],
    lines: &mut mpsc::UnboundedReceiver<(usize, String)>,
    children: usize,
) -> (Vec<String>, Vec<usize>) {
    let (mut values, mut loads, mut ended) = (Vec::new(), Vec::new(), 0);
    while ended < children {
        let (number, line) = lines.recv().await.unwrap();
        match line.split_once(' ') {
            Some(("VALUE", value)) => values.push(value.to_owned()),
            _ if line == "LOAD" => {
                loads.push(number);
                processes[number].tell().await;
            }
            _ if line == "END" => ended += 1,
            _ => panic!("unexpected line {line:?}"),
        }
    }
    (values, loads)
}

fn assert_all_equal(values: &[String], expected: &str, count: usize) {
    assert_eq!(values.len(), count);
    assert!(values.iter().all(|value| value == expected), "not all are {expected}: {values:?}");
}

pub(crate) async fn eight_processes_load_once(url: String) {
    // Longer than a busy machine needs.
    let (mut processes, mut lines) = start(&url, 60).await;
    let (values, loads) = all_values(&mut processes, &mut lines, PROCESSES).await;
    assert_eq!(loads.len(), 1, "{loads:?}");
    let loader = processes[loads[0]].child.id().unwrap().to_string();
    assert_all_equal(&values, &loader, PROCESSES * TASKS);
}

pub(crate) async fn another_loads_after_kill_9(url: String) {
    // The others wait for it.
    let (mut processes, mut lines) = start(&url, 10).await;
    let (first, line) = lines.recv().await.unwrap();
    assert_eq!(line, "LOAD");
    processes[first].child.kill().await.unwrap();
    let (values, loads) = all_values(&mut processes, &mut lines, PROCESSES - 1).await;
    assert_eq!(loads.len(), 1, "{loads:?}");
    assert_ne!(loads[0], first);
    let loader = processes[loads[0]].child.id().unwrap().to_string();
    assert_all_equal(&values, &loader, (PROCESSES - 1) * TASKS);
}
