//! The clauses of the contract: one list for the suite, for `--list` and for `docs/contract.md`.

/// A promise of the contract. Cases refer to it by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Clause {
    /// A letter and a number, such as `"E1"`. An id is never reused for another promise.
    pub id: &'static str,
    /// The promise.
    pub text: &'static str,
    /// Where the clause is checked if no case can check it, for example because it needs a failing server.
    pub elsewhere: Option<&'static str>,
}

/// A group of related clauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Section {
    /// The subject of the clauses.
    pub title: &'static str,
    /// The clauses, in order.
    pub clauses: &'static [Clause],
}

/// Returns every clause, in order.
pub fn clauses() -> impl Iterator<Item = &'static Clause> {
    SECTIONS.iter().flat_map(|section| section.clauses)
}

const fn clause(id: &'static str, text: &'static str) -> Clause {
    Clause { id, text, elsewhere: None }
}

const fn elsewhere(id: &'static str, text: &'static str, place: &'static str) -> Clause {
    Clause { id, text, elsewhere: Some(place) }
}

/// The sections of the contract.
pub const SECTIONS: &[Section] = &[
    Section {
        title: "Keys",
        clauses: &[
            clause(
                "K1",
                "Every key of 1 to 1024 bytes of UTF-8 works, whatever characters it contains. `Key` \
                 refuses all others before they reach a store.",
            ),
            clause(
                "K2",
                "Different keys name different entries. Keys are compared byte for byte. Stores with \
                 different namespaces share nothing.",
            ),
        ],
    },
    Section {
        title: "Values",
        clauses: &[
            clause("V1", "A blob is returned byte for byte. An empty blob is a value."),
            clause(
                "V2",
                "A record is returned equal as JSON, in one normal form (`1.0` is `1`, `-0.0` is `0`). \
                 Every `i64` and `u64` is exact, and every finite `f64` is equal bit for bit. An empty \
                 record is a value. Fields can be read by name. The result omits fields that the record \
                 does not have.",
            ),
            clause(
                "V3",
                "An operation that requires a record and finds a blob, or the reverse, fails with \
                 `WrongKind`, and nothing changes. A put replaces an entry of either kind with a value of \
                 either kind.",
            ),
            clause(
                "V4",
                "A write of a value larger than the declared size fails with `TooLarge`. Nothing is \
                 written, and the stored entry stays.",
            ),
            clause(
                "V5",
                "A store keeps a copy of the value. Later changes to the caller's value, or to a value \
                 that was read, do not affect it.",
            ),
            clause(
                "V6",
                "An entry that cannot be decoded results in `Corrupt`, never in a panic or a miss. A \
                 delete that does not read the entry removes it.",
            ),
            clause(
                "V7",
                "If requested, `created_at` is the whole millisecond in which the entry was created, by \
                 the clock that decides about visibility. A put creates an entry, even if it replaces a \
                 live one. A patch creates one if there is no live record. Patches, refreshes and expire \
                 calls on a live entry keep the creation time.",
            ),
        ],
    },
    Section {
        title: "Expiry",
        clauses: &[
            clause(
                "E1",
                "An entry is visible if and only if `now < deadline`, by the clock that decides about \
                 visibility.",
            ),
            clause(
                "E2",
                "Deadlines are whole milliseconds, rounded up. An entry never expires early. It expires \
                 late by at most the declared resolution.",
            ),
            clause(
                "E3",
                "An expired entry is absent on every path, whether or not the backend has deleted it. No \
                 part of it leaks into an entry that replaces it.",
            ),
            clause("E4", "A value and its deadline are written together or not at all."),
            clause(
                "E5",
                "A put specifies its expiry and replaces the existing deadline. With `Keep`, a live entry \
                 keeps its deadline, and the put uses its expiry only if it creates an entry.",
            ),
            clause(
                "E6",
                "A write whose deadline has passed is applied and leaves nothing visible, in particular \
                 not the old value.",
            ),
            clause("E7", "A record expires as a whole, however its fields were written."),
            clause(
                "E8",
                "A deadline or a cap more than 20 years away fails with `InvalidExpiry` on every backend, \
                 whatever is stored. Nothing changes.",
            ),
            clause("E9", "An entry put after a delete inherits nothing: no deadline, no cap, no field."),
        ],
    },
    Section {
        title: "Refresh",
        clauses: &[
            clause(
                "R1",
                "An operation refreshes an entry only if it requests a refresh and succeeds on a live \
                 entry. Misses, refused conditions, failures and peeks refresh nothing.",
            ),
            clause(
                "R2",
                "`ExtendOnly` never moves a deadline to an earlier time and leaves a persistent entry \
                 persistent. `Reset` sets the deadline exactly.",
            ),
            clause(
                "R3",
                "No refresh and no expire call revives an expired entry. Where the client's clock \
                 decides, a request that is under way when its entry expires may be applied late. Each \
                 driver documents the bound.",
            ),
            clause(
                "R4",
                "No deadline passes the cap. Once set, a cap is fixed: overwriting, patching and \
                 extending an entry do not change it. A put can set a cap on a live entry that has none. \
                 Only a delete followed by a put replaces a cap.",
            ),
            clause(
                "R5",
                "With a slack, the refresh of a read is skipped if it would move the deadline by less \
                 than the slack. Refreshes of writes ignore the slack.",
            ),
            clause("R6", "A refresh affects the entry that the operation saw, never a newer one."),
            clause(
                "R7",
                "An entry that an operation creates gets its first expiry, regardless of the refresh.",
            ),
            clause("R8", "A write to an existing entry moves the deadline only if the write requests it."),
            elsewhere(
                "R9",
                "If a refresh fails, the read that requested it still succeeds. The entry carries the \
                 error.",
                "in the drivers' own tests, because it needs a backend that can read but not write",
            ),
            clause(
                "R10",
                "A write can set the cap as an instant. A read reports the cap of the entry if it is requested, or \
                 that the entry has none. So an entry can be copied with its deadline and its cap.",
            ),
        ],
    },
    Section {
        title: "Expire",
        clauses: &[
            clause(
                "X1",
                "A deadline can be set relative to now, set to an instant, extended from its present \
                 value, or removed.",
            ),
            clause(
                "X2",
                "A guard (`IfLater`, `IfSooner`, `IfExpiring`, `IfPersistent`) allows a change or leaves \
                 the entry unchanged. A persistent entry counts as infinitely late. A guard that does not \
                 hold is not a refusal.",
            ),
            clause("X3", "Extending a persistent entry changes nothing."),
            clause("X4", "On an absent or expired key, expire returns `Absent` and creates nothing."),
            clause("X5", "A change of the deadline keeps the value and the version."),
            clause("X6", "Expire stops at the cap."),
            clause("X7", "The outcome reports the deadline after the call and whether it changed."),
            clause(
                "X8",
                "With `if_version`, expire renews a lease. If the version differs, it returns `Refused`.",
            ),
        ],
    },
    Section {
        title: "Patch",
        clauses: &[
            clause("P1", "A patch applies all of its operations in order, or none of them."),
            clause(
                "P2",
                "A patch of an absent key returns `Absent`, unless it specifies the lifespan and the \
                 initial record of an entry to create.",
            ),
            clause(
                "P3",
                "A list operation on a field that is not a list, an increment of a field that is not a \
                 number, and a sum outside `i64` are errors. They name the field and change nothing. \
                 Integers are added exactly, fractions as `f64`.",
            ),
            clause(
                "P4",
                "An operation that adds to a missing field starts from an empty list or from zero. An \
                 operation that removes from a missing field does nothing.",
            ),
            clause(
                "P5",
                "The outcome holds the fields that the patch names, the popped elements and the number of \
                 removed elements.",
            ),
            clause(
                "P6",
                "All acknowledged increments count. `Contention` means that nothing was applied. The call \
                 may be retried.",
            ),
            clause(
                "P7",
                "If the sum of an increment would leave its bounds, the whole patch is refused: nothing \
                 changes, and no deadline moves. `Refused` then holds the stored values of the fields \
                 that the patch names, with the deadline and the version, all as of one instant. If the \
                 patch would have created an entry, nothing is created, and `Refused` holds nothing. If a \
                 patch meets both its bounds and an error, the first operation that does not fit decides. \
                 Bounds are inclusive, whole, and within 2^53 - 1 of zero.",
            ),
        ],
    },
    Section {
        title: "Conditions",
        clauses: &[
            clause(
                "C1",
                "Of many puts of one key with `IfAbsent`, exactly one is applied. Of many takes, exactly \
                 one gets the entry.",
            ),
            clause(
                "C2",
                "Equal versions mean equal values. Of many writers with the same `IfVersion` whose writes \
                 change the value, exactly one is applied.",
            ),
            clause(
                "C3",
                "A refusal is an outcome, not an error: `Absent` if there is no live entry, `Refused` if \
                 the condition does not hold. Nothing changes.",
            ),
            clause(
                "C4",
                "A cancelled call leaves the entry whole: either as it was before the call or as it would \
                 be after it.",
            ),
            clause(
                "C5",
                "A put that requests the previous value returns the value of the live entry that it \
                 found. That is the entry that it replaced, or the one that caused its refusal, in that \
                 case with the deadline and the version. If puts replace each other's values, each value \
                 is returned once. A value that cannot be read is not replaced, or the put fails with \
                 `OutcomeUnknown`.",
            ),
        ],
    },
    Section {
        title: "Batches and scans",
        clauses: &[
            clause(
                "B1",
                "A batch returns one result for each input, in order. A bad item fails without affecting \
                 the others, and nothing is lost silently.",
            ),
            clause("B2", "A batch may be larger than the backend accepts at once."),
            clause(
                "S1",
                "A scan lists every entry that is live throughout the scan, and no expired one. Every \
                 page except the last is full, even if ghosts lie between its entries.",
            ),
            clause("S2", "A prefix is literal."),
            clause(
                "S3",
                "A cursor that is damaged, or that belongs to another store or prefix, fails with \
                 `InvalidCursor`.",
            ),
            clause(
                "S4",
                "An entry that cannot be read is an item of its page that carries `Corrupt` and its key, \
                 whatever the scan selects. The scan continues.",
            ),
        ],
    },
    Section {
        title: "Changes",
        clauses: &[
            clause(
                "N1",
                "Once `changes` has returned, its stream reports every change of a key of the store, by any \
                 process: puts, patches, deletes, and refreshes and expire calls that move a deadline. A report \
                 arrives after its change can be read, with the delay of the network. A stream may report more \
                 than the changes. It need not report that an entry expires.",
            ),
            clause(
                "N2",
                "A change that may have been missed is reported as a gap: as soon as the loss is known, again \
                 and again while changes cannot be reported, and once more when they are reported again. The \
                 loss of a connection, a server that is silent and a reader that is too slow are such losses. \
                 Each driver documents how long a loss can remain unknown.",
            ),
            clause(
                "N3",
                "A stream does not end while its store exists, whatever happens to the server and to other \
                 streams. Dropping it ends the subscription.",
            ),
        ],
    },
    Section {
        title: "Honesty",
        clauses: &[
            clause(
                "H1",
                "Everything that `capabilities()` declares works. Everything that it denies fails with \
                 `Unsupported` and changes nothing.",
            ),
            clause(
                "H2",
                "If the backend is down, calls fail with `Unavailable` or `Timeout`. They never return a \
                 miss.",
            ),
            clause(
                "H3",
                "A write with an unknown result fails with `OutcomeUnknown`, and a driver retries only \
                 writes that cannot be applied twice. After `Timeout`, every value is as it was. The \
                 refresh of a read that timed out may have been applied.",
            ),
            clause("H4", "After an outage, the same handle works again."),
            clause("H5", "Errors and `Debug` output never print keys, values or credentials."),
        ],
    },
];
