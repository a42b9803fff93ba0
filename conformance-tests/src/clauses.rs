//! The clauses of the contract: one list for the suite, for `--list` and for `docs/contract.md`.

/// A promise of the contract, under the name that cases refer to it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Clause {
    /// A letter and a number, such as `"E1"`. Never given to another promise.
    pub id: &'static str,
    /// The promise.
    pub text: &'static str,
    /// Where it is checked if no case can: what it needs happens outside of a store, such as a server that fails.
    pub elsewhere: Option<&'static str>,
}

/// Clauses that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Section {
    /// What they are about.
    pub title: &'static str,
    /// Its clauses, in order.
    pub clauses: &'static [Clause],
}

/// Every clause, in order.
pub fn clauses() -> impl Iterator<Item = &'static Clause> {
    SECTIONS.iter().flat_map(|section| section.clauses)
}

const fn clause(id: &'static str, text: &'static str) -> Clause {
    Clause { id, text, elsewhere: None }
}

const fn elsewhere(id: &'static str, text: &'static str, place: &'static str) -> Clause {
    Clause { id, text, elsewhere: Some(place) }
}

/// The contract.
pub const SECTIONS: &[Section] = &[
    Section {
        title: "Keys",
        clauses: &[
            clause(
                "K1",
                "Every key of 1 to 1024 bytes of UTF-8 works, whatever its characters. `Key` refuses all others before a store sees them.",
            ),
            clause(
                "K2",
                "Keys that differ name different entries, byte for byte. Stores with different namespaces share nothing.",
            ),
        ],
    },
    Section {
        title: "Values",
        clauses: &[
            clause("V1", "A blob comes back byte for byte. An empty blob is a value."),
            clause(
                "V2",
                "A record comes back equal as JSON: every `i64` and `u64` exact, every finite `f64` bit for bit, in one normal form (`1.0` is `1`, `-0.0` is `0`). An empty record is a value. Fields can be read by name; those that are missing are left out.",
            ),
            clause(
                "V3",
                "A blob where a record is asked for, or the other way round, is `WrongKind`, and nothing changes. A put replaces either kind by either.",
            ),
            clause(
                "V4",
                "A value above the declared size is `TooLarge`. Nothing is written, and what was stored stays.",
            ),
            clause(
                "V5",
                "What is stored is a copy: it follows neither the caller's value nor what was read.",
            ),
            clause(
                "V6",
                "What cannot be decoded is `Corrupt`: no panic, no miss. A delete that looks at nothing removes it.",
            ),
            clause(
                "V7",
                "Where it is wanted, `created_at` is the whole millisecond in which an entry was created, by the clock that decides. A put creates, also where it replaces a live entry; a patch creates where no live record is. Patches, refreshes and expires of a live entry keep it.",
            ),
        ],
    },
    Section {
        title: "Expiry",
        clauses: &[
            clause("E1", "An entry is visible if and only if `now < deadline`, by the clock that decides."),
            clause(
                "E2",
                "Deadlines are whole milliseconds, rounded up. An entry never ends early, and late by the declared resolution at most.",
            ),
            clause(
                "E3",
                "An expired entry is absent on every path, whether or not the backend has deleted it, and nothing of it leaks into what replaces it.",
            ),
            clause("E4", "A value and its deadline land together or not at all."),
            clause(
                "E5",
                "A put says its expiry, and replaces the deadline that is there. With `Keep` a live deadline stays, and the expiry serves only what the put creates.",
            ),
            clause(
                "E6",
                "A write whose deadline has passed is applied and leaves nothing visible, the old value least of all.",
            ),
            clause("E7", "A record ends as a whole, however its fields were written."),
            clause(
                "E8",
                "A deadline more than 20 years away is `InvalidExpiry`, the same on every backend, whatever is stored. Nothing changes.",
            ),
            clause("E9", "What is put after a delete inherits nothing: no deadline, no cap, no field."),
        ],
    },
    Section {
        title: "Refresh",
        clauses: &[
            clause(
                "R1",
                "Only an operation that succeeded on a live entry refreshes it, and only if it asks to. Misses, refused conditions, failures and peeks refresh nothing.",
            ),
            clause(
                "R2",
                "`ExtendOnly` never shortens and leaves a persistent entry persistent. `Reset` sets exactly.",
            ),
            clause(
                "R3",
                "The dead stay dead: no refresh and no expire revives an entry. Where the client's clock decides, a request that is under way when its entry ends may be applied late; each driver documents the bound.",
            ),
            clause(
                "R4",
                "No deadline passes the cap. A cap once set is fixed, through overwriting, patching and extending; a put may start one on a live entry that has none. Only delete and put starts a new one.",
            ),
            clause(
                "R5",
                "With a slack a read's refresh is skipped while it would move the deadline by less. Writes refresh without it.",
            ),
            clause("R6", "A refresh touches the entry that the operation saw, never a newer one."),
            clause("R7", "What an operation creates gets its first expiry, whatever the refresh says."),
            clause("R8", "Writing again moves the deadline only if the write asks for it."),
            elsewhere(
                "R9",
                "A failed refresh does not fail the read that asked for it: the entry carries the error.",
                "needs a backend that reads and cannot write: the drivers' own tests",
            ),
        ],
    },
    Section {
        title: "Expire",
        clauses: &[
            clause(
                "X1",
                "A deadline can be set from now, to an instant, moved by so much from where it is, or taken away.",
            ),
            clause(
                "X2",
                "A guard (`IfLater`, `IfSooner`, `IfExpiring`, `IfPersistent`) lets a change through or leaves the entry as it is; persistent counts as infinitely late. A guard that does not hold is no refusal.",
            ),
            clause("X3", "Extending a persistent entry changes nothing."),
            clause("X4", "On an absent or expired key expire is `Absent` and creates nothing."),
            clause("X5", "Value and version survive a change of the deadline."),
            clause("X6", "Expire stops at the cap."),
            clause("X7", "The outcome reports the deadline afterwards, and whether it changed."),
            clause("X8", "With `if_version` an expire renews a lease: another version is `Refused`."),
        ],
    },
    Section {
        title: "Patch",
        clauses: &[
            clause("P1", "A patch applies all of its operations in order, or none."),
            clause(
                "P2",
                "A patch of an absent key is `Absent`, unless it says with which lifespan and from which record to create.",
            ),
            clause(
                "P3",
                "A list operation on a field that is not a list, an increment of a field that is not a number, and a sum outside `i64` are errors. They name the field and change nothing. Integers add exactly, fractions as `f64`.",
            ),
            clause(
                "P4",
                "A missing field starts as an empty list or as zero where something is added to it. Taking from a missing field does nothing.",
            ),
            clause(
                "P5",
                "The outcome holds the fields that the patch names, what was popped and how many elements were removed.",
            ),
            clause(
                "P6",
                "Acknowledged increments all count. `Contention` means that nothing was applied, and may be retried.",
            ),
            clause(
                "P7",
                "An increment whose sum would leave its bounds refuses the whole patch: nothing changes, and no deadline \
                 moves. `Refused` then holds the fields that the patch names, as they are stored, with the deadline and \
                 the version, all as of one instant; where the patch would have created, nothing is made, and it holds \
                 nothing. Between this and an error the first of the patch's operations that does not fit decides. \
                 Bounds are inclusive, whole, and within 2^53 - 1 of zero.",
            ),
        ],
    },
    Section {
        title: "Conditions",
        clauses: &[
            clause(
                "C1",
                "Of many puts with `IfAbsent` of one key exactly one is applied; of many takes exactly one gets the entry.",
            ),
            clause(
                "C2",
                "Equal versions mean equal values. Of many writers with one `IfVersion` whose writes change the value exactly one is applied.",
            ),
            clause(
                "C3",
                "A refusal is an outcome, not an error: `Absent` where no live entry is, `Refused` where the condition does not hold. Nothing changes.",
            ),
            clause("C4", "A call that is cancelled leaves the entry whole: as it was, or as it was to be."),
            clause(
                "C5",
                "A put that asks for it hands back the value of the live entry that it met: the one that it replaced, or the one that refused it, then with that entry's deadline and version. Of values put over each other each is handed back once. A value that cannot be read is not replaced, or the put says `OutcomeUnknown`.",
            ),
        ],
    },
    Section {
        title: "Batches and scans",
        clauses: &[
            clause(
                "B1",
                "A batch answers one result for each input, in order. A bad item fails alone, and nothing is lost silently.",
            ),
            clause("B2", "A batch may be larger than what the backend takes at once."),
            clause(
                "S1",
                "A scan lists every entry that is live throughout it and no expired one. Every page but the last is full, although ghosts lie between.",
            ),
            clause("S2", "A prefix is literal."),
            clause("S3", "A cursor that is damaged, or of another store or prefix, is `InvalidCursor`."),
            clause(
                "S4",
                "An entry that cannot be read is an item of its page that carries `Corrupt` and its key, whatever is \
                 selected. The scan goes on.",
            ),
        ],
    },
    Section {
        title: "Honesty",
        clauses: &[
            clause(
                "H1",
                "What `capabilities()` declares works. What it denies is `Unsupported` and changes nothing.",
            ),
            clause("H2", "A backend that is down is `Unavailable` or a `Timeout`, never a miss."),
            clause(
                "H3",
                "A write whose fate is unknown says `OutcomeUnknown`, and a driver replays only what cannot apply twice. \
                 `Timeout` leaves every value as it was; the refresh of a read that timed out may have been applied.",
            ),
            clause("H4", "After an outage the same handle works again."),
            clause("H5", "Neither errors nor `Debug` print keys, values or credentials."),
        ],
    },
];
