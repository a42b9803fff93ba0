//! What can stand under a key before an operation: nothing, live entries, ghosts of every kind, and what is not ours.

use ttl_core::{Record, Version};
use uuid::Uuid;

use crate::raw::{Cells, Found, NEVER};
use crate::space::Space;

const HOUR: i64 = 3_600_000;
const MINUTE: i64 = 60_000;

/// How long the server keeps what is planted, in seconds: longer than any trial takes.
const KEPT: i32 = 7_200;

/// A state of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Nothing,
    Record,
    Blob,
    /// Its cap is three hours away.
    Capped,
    /// Its cells reach as far as its deadline can be moved.
    Covered,
    Persistent,
    Ghost(Ghost),
    Foreign(Foreign),
}

/// What ended an entry that the server still keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ghost {
    Record,
    Blob,
    Capped,
    /// Ended to the millisecond.
    JustNow,
    /// The deadline is to come, and the cells may be gone.
    Uncovered,
    UncoveredJustNow,
    /// The deadline's cell alone is left.
    Deadline,
    /// All but the deadline's cell are left.
    NoDeadline,
    /// Nobody can read it any more, and nobody has to.
    Unreadable,
}

/// What lives and was not written by this driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Foreign {
    Kind,
    NoKind,
    NoVersion,
    NoCap,
    /// Its kind says that it has no cap.
    CapAgainstKind,
    KindAgainstCap,
}

/// What lives, is ours by all but its value, and has none that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    Valueless,
    HalfJson,
    Array,
}

pub(crate) const GHOSTS: [Ghost; 9] = [
    Ghost::Record,
    Ghost::Blob,
    Ghost::Capped,
    Ghost::JustNow,
    Ghost::Uncovered,
    Ghost::UncoveredJustNow,
    Ghost::Deadline,
    Ghost::NoDeadline,
    Ghost::Unreadable,
];

pub(crate) const FOREIGN: [Foreign; 6] = [
    Foreign::Kind,
    Foreign::NoKind,
    Foreign::NoVersion,
    Foreign::NoCap,
    Foreign::CapAgainstKind,
    Foreign::KindAgainstCap,
];

pub(crate) const DAMAGES: [Damage; 3] = [Damage::Valueless, Damage::HalfJson, Damage::Array];

/// When planted entries were created.
const CREATED: i64 = 1_767_225_600_000;

pub(crate) fn record() -> Record {
    Record::new().with("n", 1).with("list", ["a", "b"]).with("text", "x")
}

fn ghost(cells: Cells, ghost: Ghost, now: i64) -> Cells {
    let (past, ahead) = (Some(now - MINUTE), Some(now + MINUTE));
    let ended = Cells { deadline: past, covers: past, ..cells };
    match ghost {
        Ghost::Record => ended,
        Ghost::Blob => Cells { kind: Some(1), value: Some(b"ghost".to_vec()), ..ended },
        Ghost::Capped => Cells { kind: Some(4), cap: ahead, covers: ahead, ..ended },
        Ghost::JustNow => Cells { deadline: Some(now), covers: ahead, ..ended },
        Ghost::Uncovered => Cells { deadline: ahead, ..ended },
        Ghost::UncoveredJustNow => Cells { deadline: ahead, covers: Some(now), ..ended },
        Ghost::Deadline => Cells { deadline: ahead, ..Cells::default() },
        Ghost::NoDeadline => Cells { deadline: None, covers: ahead, ..ended },
        Ghost::Unreadable => Cells { kind: Some(99), value: Some(b"{".to_vec()), version: None, ..ended },
    }
}

fn foreign(cells: Cells, foreign: Foreign) -> Cells {
    let deadline = cells.deadline;
    match foreign {
        Foreign::Kind => Cells { kind: Some(5), ..cells },
        Foreign::NoKind => Cells { kind: None, ..cells },
        Foreign::NoVersion => Cells { version: None, ..cells },
        Foreign::NoCap => Cells { cap: None, ..cells },
        Foreign::CapAgainstKind => Cells { cap: deadline, ..cells },
        Foreign::KindAgainstCap => Cells { kind: Some(4), ..cells },
    }
}

impl Space {
    fn cells(&self) -> Cells {
        let until = Some(self.now_millis() + HOUR);
        Cells {
            kind: Some(2),
            value: Some(record().to_json_text().into_bytes()),
            deadline: until,
            covers: until,
            cap: Some(NEVER),
            version: Some(Uuid::from_u128(7)),
            created: Some(CREATED),
        }
    }

    /// Puts this state under a name that nothing stood under, around the driver.
    pub(crate) async fn prepare(&self, name: &str, state: State) {
        let (cells, now) = (self.cells(), self.now_millis());
        let cells = match state {
            State::Nothing => return,
            State::Record => cells,
            State::Blob => Cells { kind: Some(1), value: Some(b"old".to_vec()), ..cells },
            State::Capped => Cells { kind: Some(4), cap: Some(now + 3 * HOUR), ..cells },
            State::Covered => Cells { covers: Some(now + 9 * HOUR), ..cells },
            State::Persistent => Cells { deadline: Some(NEVER), covers: Some(NEVER), ..cells },
            State::Ghost(kind) => ghost(cells, kind, now),
            State::Foreign(kind) => foreign(cells, kind),
        };
        let ttl = match state {
            State::Persistent => 0,
            State::Covered => 10 * 3_600,
            _ => KEPT,
        };
        self.raw.write(name, &cells, ttl).await;
    }

    /// An entry that lives and whose value nobody can read.
    pub(crate) async fn damage(&self, name: &str, damage: Damage) {
        let value = match damage {
            Damage::Valueless => None,
            Damage::HalfJson => Some(b"{\"n\":".to_vec()),
            Damage::Array => Some(b"[1]".to_vec()),
        };
        self.raw.write(name, &Cells { value, ..self.cells() }, KEPT).await;
    }

    /// The row under a key, so that it can be compared with another one: of version and creation only whether they are still
    /// those that were planted, and of native TTLs whether there are any.
    pub(crate) async fn row(&self, name: &str) -> Option<Found> {
        let mut row = self.raw.find(name).await?;
        row.cells.version = row.cells.version.map(|version| {
            let planted = version == Uuid::from_u128(7);
            Uuid::from_u128(if planted { 7 } else { u128::MAX })
        });
        row.cells.created =
            row.cells.created.map(|created| if created == CREATED { CREATED } else { i64::MAX });
        row.ttls = row.ttls.map(|ttl| ttl.map(|_| 1));
        Some(row)
    }
}

/// What planted entries have.
pub(crate) fn planted() -> Version {
    Version::from_u128(7)
}
