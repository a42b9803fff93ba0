//! The steps of a random sequence. They contain no instants, versions or keys, so that they can shrink.

use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value as Json, json};
use ttl_core::options::{Guard, Refresh, Returning};
use ttl_core::{Bounds, Kind, RefreshMode, Ttl};

/// The number of keys of a sequence: small, so that its steps interact.
pub(super) const KEYS: usize = 3;

/// The endings of the keys. One is a prefix of another, and one ends with a glob character.
pub(super) const NAMES: [&str; KEYS] = ["a", "ab", "a*"];

#[derive(Clone, Debug)]
pub(super) enum Step {
    Pass(Duration),
    Get(usize, Read),
    GetMany(Vec<usize>, Read),
    Put(Write),
    PutMany(Vec<Write>),
    Patch {
        key: usize,
        edits: Vec<Edit>,
        create: Option<(Life, Json)>,
        refresh: Option<Refresh>,
        version: Option<Pick>,
        returning: Returning,
    },
    Expire {
        key: usize,
        to: To,
        guard: Guard,
        version: Option<Pick>,
    },
    Delete {
        key: usize,
        part: Part,
        kind: Option<Kind>,
        version: Option<Pick>,
    },
    DeleteMany {
        keys: Vec<usize>,
        part: Part,
    },
    Scan {
        prefix: &'static str,
        limit: usize,
        part: Part,
        returning: Returning,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Read {
    pub(super) part: Part,
    pub(super) kind: Option<Kind>,
    pub(super) returning: Returning,
    pub(super) cap: bool,
    pub(super) refresh: Option<Refresh>,
}

#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) key: usize,
    pub(super) value: Content,
    pub(super) life: Life,
    pub(super) existing_deadline: Live,
    pub(super) when: When,
    pub(super) returning: Returning,
    /// Whether it requests the previous value.
    pub(super) previous: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    Blob(&'static str),
    Record(Json),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    pub(super) ends: Ends,
    pub(super) cap: Ends,
}

/// An expiry, with instants relative to that of the call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ends {
    Never,
    After(Ttl),
    In {
        nanos: i64,
    },
    /// An offset in milliseconds from the latest allowed instant.
    NearLimit {
        millis: i64,
    },
    Epoch,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum To {
    Set(Ends),
    Extend(Ttl),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Live {
    Replace,
    Keep,
    Refresh(Refresh),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum When {
    Always,
    IfAbsent,
    IfPresent,
    IfVersion(Pick),
}

/// The version that a conditional step names.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pick {
    Current,
    /// An earlier version of this key.
    Earlier,
    Foreign,
}

#[derive(Clone, Debug)]
pub(super) enum Part {
    All,
    Fields(Vec<&'static str>),
    Nothing,
}

#[derive(Clone, Debug)]
pub(super) enum Edit {
    Set(&'static str, Json),
    Append(&'static str, Json),
    Prepend(&'static str, Json),
    PopFront(&'static str),
    PopBack(&'static str),
    RemoveValue(&'static str, Json),
    Clear(&'static str),
    Unset(&'static str),
    Add(&'static str, i64),
    /// Fractions whose binary and decimal sums are equal.
    AddQuarters(&'static str, i8),
    AddWithin(&'static str, i64, Bounds),
    AddQuartersWithin(&'static str, i8, Bounds),
}

/// The TTLs and waits for a kind of time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    ttls: &'static [Ttl],
    waits: &'static [Duration],
}

impl Pace {
    /// For a manual clock: deadlines are reached to the nanosecond.
    pub(super) const MANUAL: Self = Self {
        ttls: &[
            Ttl::MIN,
            Ttl::millis(2),
            Ttl::millis(999),
            Ttl::seconds(1),
            Ttl::millis(1_900),
            Ttl::minutes(1),
            Ttl::hours(1),
            Ttl::MAX,
        ],
        waits: &[
            Duration::from_nanos(1),
            Duration::from_nanos(999_999),
            Duration::from_millis(1),
            Duration::from_millis(998),
            Duration::from_secs(1),
            Duration::from_millis(58_100),
            Duration::from_secs(3_600),
        ],
    };

    /// For real time: short waits.
    pub(super) const REAL: Self = Self {
        ttls: &[Ttl::millis(25), Ttl::millis(60), Ttl::hours(1), Ttl::hours(2), Ttl::MAX],
        waits: &[Duration::from_millis(2), Duration::from_millis(30), Duration::from_millis(62)],
    };
}

/// Returns a strategy for sequences of at most this number of steps.
pub(super) fn sequences(pace: Pace, steps: usize) -> impl Strategy<Value = Vec<Step>> {
    vec(step(pace), 1..=steps)
}

fn step(pace: Pace) -> impl Strategy<Value = Step> {
    let keys = || vec(key(), 0..=5);
    let patch =
        (key(), vec(edit(), 0..=4), option::of((life(pace), fields())), refresh(pace), pick(), want());
    prop_oneof![
        2 => select(pace.waits).prop_map(Step::Pass),
        3 => (key(), read(pace)).prop_map(|(key, read)| Step::Get(key, read)),
        1 => (keys(), read(pace)).prop_map(|(keys, read)| Step::GetMany(keys, read)),
        5 => write(pace).prop_map(Step::Put),
        1 => vec(write(pace), 0..=4).prop_map(Step::PutMany),
        4 => patch.prop_map(|(key, edits, create, refresh, version, returning)| Step::Patch {
            key, edits, create, refresh, version, returning,
        }),
        3 => (key(), to(pace), guard(), pick())
            .prop_map(|(key, to, guard, version)| Step::Expire { key, to, guard, version }),
        1 => (key(), part(), kind(), pick())
            .prop_map(|(key, part, kind, version)| Step::Delete { key, part, kind, version }),
        1 => (keys(), part()).prop_map(|(keys, part)| Step::DeleteMany { keys, part }),
        1 => (select(&["", "a", "ab", "a*", "b"][..]), 1..=4_usize, part(), want())
            .prop_map(|(prefix, limit, part, returning)| Step::Scan { prefix, limit, part, returning }),
    ]
}

fn key() -> impl Strategy<Value = usize> + Clone {
    // The first key is the most frequent, so that it gets a long history.
    prop_oneof![3 => Just(0), 1 => 1..KEYS]
}

fn want() -> impl Strategy<Value = Returning> {
    let both = Returning::DEADLINE | Returning::VERSION;
    select(vec![
        Returning::empty(),
        Returning::DEADLINE,
        Returning::VERSION,
        both,
        Returning::CREATED_AT,
        Returning::all(),
    ])
}

fn kind() -> impl Strategy<Value = Option<Kind>> {
    prop_oneof![4 => Just(None), 1 => Just(Some(Kind::Blob)), 2 => Just(Some(Kind::Record))]
}

fn part() -> impl Strategy<Value = Part> {
    let names = vec(select(&["i", "f", "l", "x", "none"][..]), 0..=3);
    prop_oneof![3 => Just(Part::All), 1 => names.prop_map(Part::Fields), 2 => Just(Part::Nothing)]
}

fn read(pace: Pace) -> impl Strategy<Value = Read> {
    (part(), kind(), want(), any::<bool>(), refresh(pace)).prop_map(
        |(part, kind, returning, cap, refresh)| {
            // Fields of a blob are meaningless, whatever the answer.
            let kind = if matches!(part, Part::Fields(_)) {
                kind.filter(|kind| *kind == Kind::Record)
            } else {
                kind
            };
            Read { part, kind, returning, cap, refresh }
        },
    )
}

fn a_refresh(pace: Pace) -> impl Strategy<Value = Refresh> {
    let mode = prop_oneof![Just(RefreshMode::ExtendOnly), Just(RefreshMode::Reset)];
    (select(pace.ttls), mode, option::weighted(0.3, select(pace.ttls))).prop_map(|(ttl, mode, slack)| {
        let refresh = match mode {
            RefreshMode::ExtendOnly => Refresh::extend_only(ttl),
            RefreshMode::Reset => Refresh::reset(ttl),
        };
        slack.map_or(refresh, |slack| refresh.with_slack(slack))
    })
}

fn refresh(pace: Pace) -> impl Strategy<Value = Option<Refresh>> {
    option::of(a_refresh(pace))
}

fn pick() -> impl Strategy<Value = Option<Pick>> {
    prop_oneof![4 => Just(None), 2 => Just(Some(Pick::Current)), 1 => Just(Some(Pick::Earlier)), 1 => Just(Some(Pick::Foreign))]
}

fn ends(pace: Pace) -> impl Strategy<Value = Ends> {
    prop_oneof![
        1 => Just(Ends::Never),
        6 => select(pace.ttls).prop_map(Ends::After),
        1 => select(&[-3_600_000_000_000, -1, 0, 1, 1_000_000, 25_000_001][..]).prop_map(|nanos| Ends::In { nanos }),
        1 => select(&[-1_000, 0, 1, 1_000][..]).prop_map(|millis| Ends::NearLimit { millis }),
        1 => Just(Ends::Epoch),
    ]
}

fn life(pace: Pace) -> impl Strategy<Value = Life> {
    let cap = prop_oneof![
        7 => Just(Ends::Never),
        2 => select(pace.ttls).prop_map(Ends::After),
        1 => ends(pace),
    ];
    (ends(pace), cap).prop_map(|(ends, cap)| Life { ends, cap })
}

fn to(pace: Pace) -> impl Strategy<Value = To> {
    prop_oneof![2 => ends(pace).prop_map(To::Set), 1 => select(pace.ttls).prop_map(To::Extend)]
}

fn guard() -> impl Strategy<Value = Guard> {
    let all = [Guard::Always, Guard::IfLater, Guard::IfSooner, Guard::IfExpiring, Guard::IfPersistent];
    select(all.to_vec())
}

fn write(pace: Pace) -> impl Strategy<Value = Write> {
    let content = prop_oneof![
        1 => select(&["", "blob", "\0\u{1f511}"][..]).prop_map(Content::Blob),
        2 => fields().prop_map(Content::Record),
    ];
    let existing_deadline = prop_oneof![2 => Just(Live::Replace), 1 => Just(Live::Keep), 1 => a_refresh(pace).prop_map(Live::Refresh)];
    let when = prop_oneof![
        4 => Just(When::Always),
        1 => Just(When::IfAbsent),
        1 => Just(When::IfPresent),
        2 => pick().prop_map(|pick| pick.map_or(When::Always, When::IfVersion)),
    ];
    (key(), content, life(pace), existing_deadline, when, want(), any::<bool>()).prop_map(
        |(key, value, life, existing_deadline, when, returning, previous)| Write {
            key,
            value,
            life,
            existing_deadline,
            when,
            returning,
            previous,
        },
    )
}

fn fields() -> impl Strategy<Value = Json> {
    let records = [
        json!({}),
        json!({ "i": 1 }),
        json!({ "i": i64::MAX, "f": 0.5 }),
        json!({ "l": [1, "two", 1], "x": null }),
        json!({ "f": -0.25, "l": [], "x": { "deep": [1.5, { "er": true }] } }),
    ];
    select(records.to_vec())
}

fn bounds() -> impl Strategy<Value = Bounds> {
    let most = Bounds::LARGEST;
    select(vec![
        (..=2).into(),
        (0..).into(),
        (-1..=1).into(),
        (..=most).into(),
        Bounds::from(-most..),
        (2..=most).into(),
    ])
}

fn edit() -> impl Strategy<Value = Edit> {
    // Mostly, each operation has a field of a suitable type. Others are errors, of which a patch needs only
    // one. The field of the fractions never contains large integers, whose sums with fractions are not exact.
    let name =
        |usual: &'static str| prop_oneof![9 => Just(usual), 1 => select(&["i", "l", "x", "ttl:x"][..])];
    let element = || select(vec![json!(1), json!("two"), json!([2]), json!(null), json!(1.0)]);
    let integers = select(vec![json!(7), json!(u64::MAX), json!(i64::MIN)]);
    let any = select(vec![json!("text"), json!(null), json!({ "o": -0.0 }), json!([1])]);
    prop_oneof![
        1 => (name("i"), integers).prop_map(|(name, value)| Edit::Set(name, value)),
        1 => (prop_oneof![3 => name("x"), 1 => Just("f")], any).prop_map(|(name, value)| Edit::Set(name, value)),
        1 => (name("l"), element()).prop_map(|(name, value)| Edit::Append(name, value)),
        1 => (name("l"), element()).prop_map(|(name, value)| Edit::Prepend(name, value)),
        1 => name("l").prop_map(Edit::PopFront),
        1 => name("l").prop_map(Edit::PopBack),
        1 => (name("l"), element()).prop_map(|(name, value)| Edit::RemoveValue(name, value)),
        1 => name("l").prop_map(Edit::Clear),
        1 => name("x").prop_map(Edit::Unset),
        2 => (name("i"), select(&[1, -1, i64::MAX, i64::MIN][..])).prop_map(|(name, by)| Edit::Add(name, by)),
        2 => select(&[1, -2, 4][..]).prop_map(|quarters| Edit::AddQuarters("f", quarters)),
        2 => (name("i"), select(&[1, -1, 5, i64::MAX, i64::MIN][..]), bounds())
            .prop_map(|(name, by, bounds)| Edit::AddWithin(name, by, bounds)),
        1 => (select(&[1, -2, 4][..]), bounds())
            .prop_map(|(quarters, bounds)| Edit::AddQuartersWithin("f", quarters, bounds)),
    ]
}
