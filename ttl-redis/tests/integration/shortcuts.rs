//! The short scripts do what the whole ones do: each operation runs by both, on entries in the same state, including
//! entries written by other clients.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use libtest_mimic::Trial;
use ttl_conformance::servers::ServerUrl;
use ttl_core::options::{
    Condition, Create, ExistingDeadline, GetOptions, PatchOptions, PutOptions, Refresh, Returning,
};
use ttl_core::{Bounds, ErrorKind, Expiry, Kind, Lifespan, Outcome, Patch, Ttl, TtlStore};

use crate::support::{LONG, Namespace, blob, key, with_server};

pub(crate) fn trials(server: &ServerUrl) -> Vec<Trial> {
    vec![
        with_server("shortcuts::a_refresh_is_that_of_the_whole_script", server, refreshes),
        with_server("shortcuts::a_put_is_that_of_the_whole_script", server, puts),
        with_server("shortcuts::an_increment_is_that_of_the_whole_script", server, increments),
    ]
}

const TOKEN: &str = "0123456789abcdefghij_-";
const HOUR: i64 = 3_600_000;
/// The texts of a number, canonical and not, and of other values.
const NUMBERS: [&str; 23] = [
    "5",
    "0",
    "-3",
    "9",
    "99",
    "-1",
    "-10",
    "-100",
    "999999999999999",
    "1000000000000000",
    "9007199254740993",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "1.5",
    "1e3",
    "01",
    "-0",
    "+1",
    " 1",
    "0x10",
    "\"5\"",
    "[5]",
];

/// The content of a key, and its remaining time in milliseconds, if it expires.
#[derive(Clone, Debug)]
struct State {
    command: Vec<String>,
    left: Option<i64>,
}

impl State {
    fn new(command: &[&str], left: Option<i64>) -> Self {
        Self { command: command.iter().map(|word| (*word).to_owned()).collect(), left }
    }

    async fn plant(&self, space: &mut Namespace, name: &str) {
        let full = space.full(name);
        redis::cmd("DEL").arg(&full).exec_async(&mut space.raw).await.unwrap();
        let Some((command, arguments)) = self.command.split_first() else { return };
        redis::cmd(command).arg(&full).arg(arguments).exec_async(&mut space.raw).await.unwrap();
        if let Some(left) = self.left {
            redis::cmd("PEXPIRE").arg(&full).arg(left).exec_async(&mut space.raw).await.unwrap();
        }
    }
}

/// The state on which both must agree: the content without random characters, and the remaining time in minutes.
async fn content(space: &mut Namespace, name: &str) -> (String, i64) {
    let full = space.full(name);
    let left: i64 = redis::cmd("PTTL").arg(&full).query_async(&mut space.raw).await.unwrap();
    let kind: String = redis::cmd("TYPE").arg(&full).query_async(&mut space.raw).await.unwrap();
    let mut text = kind.clone();
    match kind.as_str() {
        "string" => {
            text += &redis::cmd("GET").arg(&full).query_async::<String>(&mut space.raw).await.unwrap();
        }
        "hash" => {
            let mut cmd = redis::cmd("HGETALL");
            let mut fields: BTreeMap<String, String> =
                cmd.arg(&full).query_async(&mut space.raw).await.unwrap();
            if let Some(mark) = fields.get_mut("ttl:version")
                && mark.len() > TOKEN.len()
            {
                // The token follows the letter of the kind.
                mark.replace_range(1..=TOKEN.len(), "");
            }
            text += &format!("{fields:?}");
        }
        _ => {}
    }
    (text, if left < 0 { left } else { (left + 30_000) / 60_000 })
}

fn states() -> Vec<State> {
    let mark = format!("r{TOKEN}.9");
    let unsized_mark = format!("r{TOKEN}");
    let blob_mark = format!("b{TOKEN}");
    let far = "4102444800000";
    let mut states = vec![State::new(&[], None)];
    for left in [None, Some(HOUR / 2), Some(3 * HOUR)] {
        for command in [
            &["SET", "value"][..],
            &["SET", ""],
            &["HSET", "ttl:version", &mark, "n", "5"],
            &["HSET", "ttl:version", &unsized_mark, "n", "5"],
            &["HSET", "ttl:version", &mark, "ttl:cap", far, "n", "5"],
            &["HSET", "ttl:version", &mark, "ttl:cap", "1000", "n", "5"],
            &["HSET", "ttl:version", &mark, "ttl:cap", "soon", "n", "5"],
            &["HSET", "ttl:version", &blob_mark, "ttl:cap", far, "ttl:value", "value"],
            &["HSET", "ttl:version", "r123.9", "n", "5"],
            &["HSET", "ttl:version", "r0123456789abcdefghijklm.9", "n", "5"],
            &["HSET", "n", "5"],
            &["RPUSH", "5"],
        ] {
            states.push(State::new(command, left));
        }
    }
    states
}

fn kind_of<T>(result: &ttl_core::Result<T>) -> Option<ErrorKind> {
    result.as_ref().err().map(ttl_core::Error::kind)
}

async fn refreshes(url: String) {
    let mut space = Namespace::new(&url).await;
    for state in states() {
        for kind in [None, Some(Kind::Blob)] {
            for (ttl, slack) in
                [(1, None), (1, Some(1)), (2, Some(59)), (2, Some(100)), (4, None), (4, Some(90))]
            {
                let mut refresh = Refresh::extend_only(Ttl::hours(ttl));
                refresh.slack = slack.map(Ttl::minutes);
                for version in [Returning::empty(), Returning::VERSION] {
                    let mut options = GetOptions::new().with_refresh(refresh).with_returning(version);
                    options.kind = kind;
                    state.plant(&mut space, "short").await;
                    state.plant(&mut space, "whole").await;
                    let short = space.store.get(&key("short"), options.clone()).await;
                    // A refresh that reports its deadline is done by the whole script.
                    let whole = options.clone().with_returning(version | Returning::DEADLINE);
                    let whole = space.store.get(&key("whole"), whole).await;
                    let about = format!("{state:?} {options:?}");
                    assert_eq!(kind_of(&short), kind_of(&whole), "{about}");
                    let left = [content(&mut space, "short").await, content(&mut space, "whole").await];
                    assert_eq!(left[0], left[1], "{about}");
                    if let (Ok(short), Ok(whole)) = (short, whole) {
                        let seen = |entry: Option<ttl_core::Entry>| {
                            entry.map(|entry| (entry.value, entry.version, entry.refresh_error.is_some()))
                        };
                        assert_eq!(seen(short), seen(whole), "{about}");
                    }
                    // A read with its deadline and no refresh is a short script too.
                    let timed = GetOptions::new().with_returning(version | Returning::DEADLINE);
                    if let Ok(Some(entry)) = space.store.get(&key("short"), timed).await {
                        let full = space.full("short");
                        let cmd = redis::cmd("PEXPIRETIME").arg(&full).to_owned();
                        let expiry: i64 = cmd.query_async(&mut space.raw).await.unwrap();
                        let deadline = entry.deadline.unwrap();
                        if !state.command.iter().any(|word| word == "ttl:cap") {
                            let expiry = u64::try_from(expiry + 1).ok().filter(|_| expiry >= 0);
                            assert_eq!(deadline.is_never(), expiry.is_none(), "{about}");
                            assert!(
                                expiry.is_none_or(|expiry| expiry == deadline.as_epoch_millis()),
                                "{about}"
                            );
                        }
                        assert_eq!(entry.version.is_some(), !version.is_empty(), "{about}");
                    }
                }
            }
        }
    }
}

async fn puts(url: String) {
    let mut space = Namespace::new(&url).await;
    for state in states() {
        for condition in [Condition::Always, Condition::IfPresent] {
            for existing in [
                ExistingDeadline::Keep,
                ExistingDeadline::Refresh(Refresh::extend_only(LONG)),
                ExistingDeadline::Refresh(Refresh::reset(LONG)),
            ] {
                let options = PutOptions::new(Ttl::hours(2))
                    .with_condition(condition)
                    .with_existing_deadline(existing)
                    .with_returning(Returning::VERSION);
                state.plant(&mut space, "short").await;
                state.plant(&mut space, "whole").await;
                let short = space.store.put(&key("short"), blob("new"), options.clone()).await;
                // A put that reports its deadline is done by the whole script.
                let whole = options.clone().with_returning(Returning::VERSION | Returning::DEADLINE);
                let whole = space.store.put(&key("whole"), blob("new"), whole).await;
                let about = format!("{state:?} {options:?}");
                assert_eq!(kind_of(&short), kind_of(&whole), "{about}");
                let left = [content(&mut space, "short").await, content(&mut space, "whole").await];
                assert_eq!(left[0], left[1], "{about}");
                if let (Ok(short), Ok(whole)) = (short, whole) {
                    let is_hash = left[0].0.starts_with("hash");
                    // The version of a hash is random.
                    let seen = |put: Outcome<ttl_core::results::PutResult>| {
                        put.map(|put| {
                            (put.created, put.version.map(|of| if is_hash { None } else { Some(of) }))
                        })
                    };
                    assert_eq!(seen(short), seen(whole), "{about}");
                }
            }
        }
    }
}

async fn increments(url: String) {
    let mut space = Namespace::new(&url).await;
    let mut states = states();
    for text in NUMBERS {
        for (mark, left) in
            [(format!("r{TOKEN}.{}", 5 + text.len()), Some(HOUR / 2)), (format!("r{TOKEN}.1"), None)]
        {
            states.push(State::new(&["HSET", "ttl:version", &mark, "n", text], left));
        }
    }
    let large = format!("r{TOKEN}.1048575");
    states.push(State::new(&["HSET", "ttl:version", &large, "n", "9"], None));
    states.push(State::new(&["HSET", "ttl:version", &large, "n", "99"], None));
    // Refused whatever is stored (E8), also as a cap.
    let far = Expiry::At(SystemTime::now() + Ttl::MAX.as_duration() + Duration::from_secs(157_680_000));
    let capped = Lifespan::from(LONG).with_cap(far);
    let bounds = [None, Some(Bounds::from(..=5)), Some(Bounds::from(6..)), Some(Bounds::from(-2..=100))];
    for state in states {
        for by in [1, -1, 0, 95, 1 << 52, -(1 << 52), i64::MAX] {
            for bounds in bounds {
                let refreshes =
                    [None, Some(Refresh::extend_only(LONG)), Some(Refresh::reset(LONG)), None, None];
                for (n, refresh) in refreshes.into_iter().enumerate() {
                    let mut options = PatchOptions::new().with_refresh(refresh);
                    options.create = match n {
                        0 | 1 => Some(Create::new(LONG)),
                        2 => None,
                        3 => Some(Create::new(far)),
                        _ => Some(Create::new(capped)),
                    };
                    if n > 0 {
                        options.returning = Returning::DEADLINE | Returning::VERSION;
                    }
                    let patch = match bounds {
                        Some(bounds) => Patch::new().increment_within("n", by, bounds),
                        None => Patch::new().increment("n", by),
                    };
                    state.plant(&mut space, "short").await;
                    state.plant(&mut space, "whole").await;
                    let short = space.store.patch(&key("short"), &patch, options.clone()).await;
                    // Two operations are done by the whole script.
                    let whole = patch.clone().unset("other");
                    let whole = space.store.patch(&key("whole"), &whole, options.clone()).await;
                    let about = format!("{state:?} {by} {bounds:?} {options:?}");
                    assert_eq!(kind_of(&short), kind_of(&whole), "{about}");
                    assert!(n < 3 || short.is_err(), "an instant too far away: {about}");
                    let left = [content(&mut space, "short").await, content(&mut space, "whole").await];
                    assert_eq!(left[0], left[1], "{about}");
                    if let (Ok(short), Ok(whole)) = (short, whole) {
                        let seen = |patched: Outcome<ttl_core::results::PatchResult>| {
                            patched.map(|patched| {
                                let minutes =
                                    |deadline: ttl_core::Deadline| deadline.as_epoch_millis() / 600_000;
                                let deadline = patched.deadline.map(minutes);
                                (patched.created, patched.fields, deadline, patched.version.is_some())
                            })
                        };
                        assert_eq!(seen(short), seen(whole), "{about}");
                    }
                }
            }
        }
    }
}
