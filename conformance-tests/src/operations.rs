//! Every operation in its forms, for a driver's own tests of faults. Each result is a text that can be compared.

use std::fmt;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use ttl_core::options::{
    Condition, Create, DeleteOptions, ExistingDeadline, ExpireOptions, ExpiryChange, Fields, GetOptions,
    Guard, PatchOptions, Projection, PutItem, PutOptions, Refresh, Returning, ScanOptions,
};
use ttl_core::results::PutResult;
use ttl_core::{
    Entry, ErrorKind, Expiry, Key, Kind, Lifespan, Outcome, Patch, Record, Result, Ttl, TtlStore, Value,
    Version,
};

use crate::test::LONG;

/// The effect that an operation can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It changes nothing.
    Read,
    /// It reads, and moves the deadline. The read succeeds even if the refresh fails.
    Refresh,
    /// It changes the entry.
    Write,
}

/// The result of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The result in words. It does not contain versions, which are different in each run.
    pub text: String,
    /// The error of the refresh, if the read succeeded without it (R9).
    pub refresh_error: Option<ErrorKind>,
}

/// The future of an operation.
pub type Answer = Pin<Box<dyn Future<Output = Result<Seen>> + Send>>;

type Run = Box<dyn Fn(Arc<dyn TtlStore>, Key, Version) -> Answer + Send + Sync>;

/// One form of an operation.
pub struct Operation {
    /// The name of the form.
    pub name: &'static str,
    /// Its effect.
    pub class: Class,
    run: Run,
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Operation {
    /// Runs the operation on a key whose entry has this version.
    pub fn run<S: TtlStore + Clone>(&self, store: &S, key: &Key, version: Version) -> Answer {
        (self.run)(Arc::new(store.clone()), key.clone(), version)
    }
}

fn operation<F: Future<Output = Result<Seen>> + Send + 'static>(
    name: &'static str,
    class: Class,
    run: impl Fn(Arc<dyn TtlStore>, Key, Version) -> F + Send + Sync + 'static,
) -> Operation {
    Operation { name, class, run: Box::new(move |store, key, version| Box::pin(run(store, key, version))) }
}

fn value_text(value: Option<&Value>) -> String {
    match value {
        None => "nothing".to_owned(),
        Some(Value::Blob(bytes)) => format!("{bytes:?}"),
        Some(Value::Record(record)) => record.to_json_text(),
    }
}

/// Describes an entry without its version.
fn entry(entry: Option<Entry>) -> Seen {
    let Some(entry) = entry else { return Seen { text: "none".to_owned(), refresh_error: None } };
    let (value, deadline) = (value_text(entry.value.as_ref()), entry.deadline);
    Seen {
        text: format!("{value}, {deadline:?}, version: {}", entry.version.is_some()),
        refresh_error: entry.refresh_error.map(|error| error.kind()),
    }
}

fn outcome<T>(outcome: Outcome<T>, text: impl FnOnce(T) -> String) -> Seen {
    let text = match outcome {
        Outcome::Applied(done) => format!("applied: {}", text(done)),
        Outcome::Absent => "absent".to_owned(),
        Outcome::Refused(None) => "refused".to_owned(),
        Outcome::Refused(Some(there)) => format!("refused: {}", text(there)),
    };
    Seen { text, refresh_error: None }
}

fn meta(meta: &PutResult) -> String {
    let had = meta.previous.as_ref().map_or(String::new(), |had| format!(", had {}", value_text(Some(had))));
    format!("created: {}, {:?}, version: {}{had}", meta.created, meta.deadline, meta.version.is_some())
}

fn get(name: &'static str, options: GetOptions) -> Operation {
    let class = if options.refresh.is_some() { Class::Refresh } else { Class::Read };
    operation(name, class, move |store, key, _| {
        let options = options.clone().with_returning(Returning::all());
        async move { Ok(entry(store.get(&key, options).await?)) }
    })
}

fn get_many(name: &'static str, options: GetOptions) -> Operation {
    let class = if options.refresh.is_some() { Class::Refresh } else { Class::Read };
    operation(name, class, move |store, key, _| {
        let options = options.clone();
        async move {
            let mut results = store.get_many(&[key], options).await;
            assert_eq!(results.len(), 1);
            Ok(entry(results.remove(0)?))
        }
    })
}

fn put(name: &'static str, value: Value, options: PutOptions) -> Operation {
    operation(name, Class::Write, move |store, key, _| {
        let (value, options) = (value.clone(), options.clone().with_returning(Returning::all()));
        async move {
            Ok(match store.put(&key, value, options).await? {
                Outcome::Refused(Some(met)) => {
                    Seen { text: format!("refused: {}", meta(&met)), refresh_error: None }
                }
                other => outcome(other, |done| meta(&done)),
            })
        }
    })
}

fn patch(name: &'static str, patch: Patch, options: PatchOptions) -> Operation {
    operation(name, Class::Write, move |store, key, version| {
        let (patch, mut options) = (patch.clone(), options.clone().with_returning(Returning::all()));
        // A form with a version uses that of the entry.
        if options.if_version.is_some() {
            options = options.with_if_version(version);
        }
        async move {
            let done = store.patch(&key, &patch, options).await?;
            Ok(outcome(done, |done| {
                let popped: Vec<_> = done.popped().collect();
                format!(
                    "created: {}, {:?}, version: {}, {}, {popped:?}, {:?}",
                    done.created,
                    done.deadline,
                    done.version.is_some(),
                    done.fields.to_json_text(),
                    done.effects
                )
            }))
        }
    })
}

fn expire(name: &'static str, change: ExpiryChange, options: ExpireOptions) -> Operation {
    operation(name, Class::Write, move |store, key, version| {
        let mut options = options.clone();
        if options.if_version.is_some() {
            options = options.with_if_version(version);
        }
        async move { Ok(outcome(store.expire(&key, change, options).await?, |done| format!("{done:?}"))) }
    })
}

fn delete(name: &'static str, options: DeleteOptions) -> Operation {
    operation(name, Class::Write, move |store, key, version| {
        let mut options = options.clone();
        if options.if_version.is_some() {
            options = options.with_if_version(version);
        }
        async move { Ok(outcome(store.delete(&key, options).await?, |taken| entry(taken).text)) }
    })
}

fn fields(names: &[&str]) -> Projection {
    Projection::Fields(Fields::new(names.iter().copied()).expect("the names are valid"))
}

/// Returns a version that no entry has. A form with it uses the version of the entry instead.
fn any_version() -> Version {
    Version::from_u128(0)
}

/// Returns the reads, with and without a refresh.
#[must_use]
pub fn reads() -> Vec<Operation> {
    let (longer, shorter) = (Refresh::extend_only(Ttl::hours(2)), Refresh::reset(Ttl::minutes(30)));
    vec![
        get("get", GetOptions::new()),
        get("get a record", GetOptions::new().with_kind(Kind::Record)),
        get("get fields", GetOptions::new().with_projection(fields(&["n", "missing"]))),
        get("get nothing", GetOptions::nothing()),
        get_many("get_many", GetOptions::new()),
        operation("scan", Class::Read, |store, key, _| async move {
            let options = ScanOptions::new(key.as_str())
                .with_projection(Projection::All)
                .with_returning(Returning::DEADLINE);
            let page = store.scan(options.with_limit(NonZeroUsize::MIN)).await?;
            Ok(entry(page.into_entries()?.into_iter().next().map(|(_, entry)| entry)))
        }),
        get("get, later", GetOptions::new().with_refresh(longer)),
        get("get, later and due", GetOptions::new().with_refresh(longer.with_slack(Ttl::minutes(1)))),
        get("get, not due", GetOptions::new().with_refresh(longer.with_slack(Ttl::minutes(119)))),
        get("get, reset", GetOptions::new().with_refresh(shorter)),
        get("get fields, later", GetOptions::new().with_projection(fields(&["n"])).with_refresh(longer)),
        get("get nothing, reset", GetOptions::nothing().with_refresh(shorter)),
        get_many("get_many, later", GetOptions::new().with_refresh(longer)),
    ]
}

/// Returns the puts.
#[must_use]
pub fn puts() -> Vec<Operation> {
    let new = || Value::from(Record::new().with("new", [1, 2]));
    let to = || PutOptions::new(Ttl::minutes(20));
    let capped = Lifespan::from(Ttl::minutes(20)).with_max_lifetime(Ttl::hours(3));
    let long_ago = Expiry::At(UNIX_EPOCH + Duration::from_secs(1));
    vec![
        put("put", new(), to()),
        put("put a blob", Value::from("new"), to()),
        put("put for ever", new(), PutOptions::new(Expiry::Never)),
        put("put with a cap", new(), PutOptions::new(capped)),
        put("put a blob with a cap", Value::from("new"), PutOptions::new(capped)),
        put("put, keep", new(), to().with_existing_deadline(ExistingDeadline::Keep)),
        put(
            "put, refresh",
            new(),
            to().with_existing_deadline(ExistingDeadline::Refresh(Refresh::extend_only(Ttl::hours(2)))),
        ),
        put(
            "put, reset",
            new(),
            to().with_existing_deadline(ExistingDeadline::Refresh(Refresh::reset(Ttl::minutes(5)))),
        ),
        put("put if absent", new(), to().with_condition(Condition::IfAbsent)),
        put("put, handing back", new(), to().with_previous()),
        put("put if absent, handing back", new(), to().with_condition(Condition::IfAbsent).with_previous()),
        put("put if present", new(), to().with_condition(Condition::IfPresent)),
        put("put what has passed", new(), PutOptions::new(long_ago)),
        operation("put if version", Class::Write, |store, key, version| async move {
            let options = PutOptions::new(LONG).with_condition(Condition::IfVersion(version));
            let done =
                store.put(&key, Value::from("swapped"), options.with_returning(Returning::all())).await?;
            Ok(outcome(done, |done| meta(&done)))
        }),
        operation("put_many", Class::Write, |store, key, _| async move {
            let options = PutOptions::new(LONG).with_returning(Returning::all());
            let mut results = store.put_many(vec![PutItem::new(key, Value::from("one"), options)]).await;
            assert_eq!(results.len(), 1);
            Ok(outcome(results.remove(0)?, |done| meta(&done)))
        }),
    ]
}

/// Returns the patches.
#[must_use]
pub fn patches() -> Vec<Operation> {
    let plain = PatchOptions::new;
    let create = || {
        let initial = Record::new().with("n", 100).with("list", ["first"]);
        plain().with_create(Create::new(Ttl::minutes(20)).with_initial(initial))
    };
    let long_text = "x".repeat(5000);
    vec![
        patch("set", Patch::new().set("text", "y"), plain()),
        patch("increment", Patch::new().increment("n", 5), plain()),
        patch("increment a new field", Patch::new().increment("m", 5), plain()),
        patch("append", Patch::new().append("list", "c"), plain()),
        patch("prepend", Patch::new().prepend("list", "c"), plain()),
        patch("pop_front", Patch::new().pop_front("list"), plain()),
        patch("pop_back", Patch::new().pop_back("list"), plain()),
        patch("remove_value", Patch::new().remove_value("list", "a"), plain()),
        patch("clear", Patch::new().clear("list"), plain()),
        patch("clear what is missing", Patch::new().clear("missing"), plain()),
        patch("unset", Patch::new().unset("text"), plain()),
        patch("a field twice", Patch::new().increment("n", 1).increment("n", 2), plain()),
        patch("several", Patch::new().increment("n", 1).append("list", "c").set("long", long_text), plain()),
        patch("increment a text", Patch::new().set("m", 1).increment("text", 1), plain()),
        patch("overflow", Patch::new().append("list", "c").increment("n", i64::MAX), plain()),
        patch("increment or create", Patch::new().increment("n", 5).append("list", "c"), create()),
        patch("pop_back or create", Patch::new().pop_back("list"), create()),
        patch(
            "increment, later",
            Patch::new().increment("n", 5),
            plain().with_refresh(Refresh::extend_only(Ttl::hours(2))),
        ),
        patch(
            "increment, not later",
            Patch::new().increment("n", 5),
            plain().with_refresh(Refresh::extend_only(Ttl::minutes(1))),
        ),
        patch(
            "increment, reset",
            Patch::new().increment("n", 5),
            plain().with_refresh(Refresh::reset(Ttl::minutes(5))),
        ),
        patch("increment within", Patch::new().increment_within("n", 5, ..=1000), plain()),
        patch("increment beyond", Patch::new().set("text", "y").increment_within("n", 5, ..=5), plain()),
        patch("increment beyond or create", Patch::new().increment_within("n", 5, ..=5), create()),
        patch(
            "increment beyond, not later",
            Patch::new().increment_within("n", 5, ..=5),
            plain().with_refresh(Refresh::extend_only(Ttl::minutes(1))),
        ),
        patch(
            "increment beyond if version",
            Patch::new().increment_within("n", 5, ..=5),
            plain().with_if_version(any_version()),
        ),
        patch("a fraction within", Patch::new().increment_within("n", 0.5, ..=1000), plain()),
        patch("increment if version", Patch::new().increment("n", 5), plain().with_if_version(any_version())),
        patch("pop_back if version", Patch::new().pop_back("list"), plain().with_if_version(any_version())),
    ]
}

/// Returns the changes of the deadline, and the deletes.
#[must_use]
pub fn changes() -> Vec<Operation> {
    let (plain, set) = (ExpireOptions::new, |expiry: Ttl| ExpiryChange::Set(expiry.into()));
    let guard = |guard| plain().with_guard(guard);
    vec![
        expire("expire later", set(Ttl::hours(2)), plain()),
        expire("expire sooner", set(Ttl::minutes(5)), plain()),
        expire("expire now", ExpiryChange::Set(UNIX_EPOCH.into()), plain()),
        expire("persist", ExpiryChange::Set(Expiry::Never), plain()),
        expire("extend", ExpiryChange::Extend(LONG), plain()),
        expire("expire if later", set(Ttl::hours(2)), guard(Guard::IfLater)),
        expire("expire if sooner", set(Ttl::hours(2)), guard(Guard::IfSooner)),
        expire("expire if expiring", set(Ttl::hours(2)), guard(Guard::IfExpiring)),
        expire("expire if persistent", set(Ttl::hours(2)), guard(Guard::IfPersistent)),
        expire("extend if version", ExpiryChange::Extend(LONG), plain().with_if_version(any_version())),
        expire("expire if version", set(Ttl::hours(2)), plain().with_if_version(any_version())),
        delete("delete", DeleteOptions::new()),
        delete("take", DeleteOptions::take()),
        delete("take fields", DeleteOptions::new().with_projection(fields(&["n"]))),
        delete("delete a record", DeleteOptions::new().with_kind(Kind::Record)),
        delete("delete if version", DeleteOptions::new().with_if_version(any_version())),
        operation("delete_many", Class::Write, |store, key, _| async move {
            let mut results = store.delete_many(&[key], DeleteOptions::take()).await;
            assert_eq!(results.len(), 1);
            Ok(outcome(results.remove(0)?, |taken| entry(taken).text))
        }),
    ]
}

/// Returns all forms of all operations.
#[must_use]
pub fn all() -> Vec<Operation> {
    [reads(), puts(), patches(), changes()].into_iter().flatten().collect()
}
