//! The amounts that the results of a call add to the metrics.

use ttl_core::options::{ExistingDeadline, PutOptions};
use ttl_core::results::{ExpireResult, PatchResult, PutResult};
use ttl_core::{Entry, ErrorKind, Outcome, Page, Result, Value};

use super::config::MeasuredValues;
use super::names::error_type;

/// The end of an operation on one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Hit,
    Miss,
    Applied,
    Absent,
    Refused,
    Page,
    Error(ErrorKind),
}

impl Ending {
    pub(super) const fn outcome(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Applied => "applied",
            Self::Absent => "absent",
            Self::Refused => "refused",
            Self::Page => "page",
            Self::Error(_) => "error",
        }
    }

    pub(super) fn error_type(self) -> Option<&'static str> {
        if let Self::Error(kind) = self { Some(error_type(kind)) } else { None }
    }
}

/// The sums over the keys of one call.
#[derive(Debug)]
pub(super) struct Tally {
    measured: MeasuredValues,
    /// The different endings with their counts, in the order of their first occurrence.
    pub(super) endings: Vec<(Ending, u64)>,
    pub(super) refreshes: u64,
    pub(super) refresh_errors: Vec<(ErrorKind, u64)>,
    pub(super) read_bytes: u64,
    pub(super) written_bytes: u64,
    pub(super) scanned_entries: u64,
}

/// The parts of a put that its result does not contain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Put {
    bytes: u64,
    refreshes: bool,
}

impl Put {
    pub(super) fn new(measured: MeasuredValues, value: &Value, options: &PutOptions) -> Self {
        let refreshes = matches!(options.existing_deadline, ExistingDeadline::Refresh(_));
        Self { bytes: measured.size(value), refreshes }
    }
}

impl MeasuredValues {
    fn size(self, value: &Value) -> u64 {
        match (self, value) {
            (Self::Blobs, Value::Record(_)) => 0,
            (Self::Blobs, Value::Blob(_)) | (Self::All, _) => value.size_bytes() as u64,
        }
    }
}

/// Adds one to the count of `what`.
fn count<T: PartialEq>(counts: &mut Vec<(T, u64)>, what: T) {
    match counts.iter_mut().find(|(counted, _)| *counted == what) {
        Some((_, count)) => *count += 1,
        None => counts.push((what, 1)),
    }
}

impl Tally {
    pub(super) const fn new(measured: MeasuredValues) -> Self {
        Self {
            measured,
            endings: Vec::new(),
            refreshes: 0,
            refresh_errors: Vec::new(),
            read_bytes: 0,
            written_bytes: 0,
            scanned_entries: 0,
        }
    }

    /// Returns the type of the first error among the keys of the call.
    pub(super) fn error_type(&self) -> Option<&'static str> {
        self.endings.iter().find_map(|(ending, _)| ending.error_type())
    }

    fn read(&mut self, value: Option<&Value>) {
        self.read_bytes += value.map_or(0, |value| self.measured.size(value));
    }

    fn end<T>(&mut self, result: &Result<T>, ending: impl FnOnce(&T) -> Ending) {
        let ending = result.as_ref().map_or_else(|error| Ending::Error(error.kind()), ending);
        count(&mut self.endings, ending);
    }

    /// Counts the outcome of a write.
    fn write<T>(&mut self, result: &Result<Outcome<T>>) {
        self.end(result, |outcome| match outcome {
            Outcome::Applied(_) => Ending::Applied,
            Outcome::Absent => Ending::Absent,
            Outcome::Refused(_) => Ending::Refused,
        });
    }

    pub(super) fn get(&mut self, result: &Result<Option<Entry>>, refreshes: bool) {
        self.end(result, |entry| if entry.is_some() { Ending::Hit } else { Ending::Miss });
        let Ok(Some(entry)) = result else { return };
        self.read(entry.value.as_ref());
        match &entry.refresh_error {
            Some(error) => count(&mut self.refresh_errors, error.kind()),
            None => self.refreshes += u64::from(refreshes),
        }
    }

    pub(super) fn put(&mut self, result: &Result<Outcome<PutResult>>, put: Put) {
        self.write(result);
        match result {
            Ok(Outcome::Applied(done)) => {
                self.written_bytes += put.bytes;
                self.refreshes += u64::from(put.refreshes && !done.created);
                self.read(done.previous.as_ref());
            }
            Ok(Outcome::Refused(Some(there))) => self.read(there.previous.as_ref()),
            Ok(Outcome::Absent | Outcome::Refused(None)) | Err(_) => {}
        }
    }

    pub(super) fn patch(&mut self, result: &Result<Outcome<PatchResult>>, refreshes: bool) {
        self.write(result);
        if let Ok(Outcome::Applied(done)) = result {
            self.refreshes += u64::from(refreshes && !done.created);
        }
    }

    pub(super) fn expire(&mut self, result: &Result<Outcome<ExpireResult>>) {
        self.write(result);
        if let Ok(Outcome::Applied(done)) = result {
            self.refreshes += u64::from(done.changed);
        }
    }

    pub(super) fn delete(&mut self, result: &Result<Outcome<Option<Entry>>>) {
        self.write(result);
        if let Ok(Outcome::Applied(Some(entry))) = result {
            self.read(entry.value.as_ref());
        }
    }

    pub(super) fn scan(&mut self, result: &Result<Page>) {
        self.end(result, |_| Ending::Page);
        let Ok(page) = result else { return };
        self.scanned_entries += page.items.len() as u64;
        for entry in page.items.iter().filter_map(|item| item.entry.as_ref().ok()) {
            self.read(entry.value.as_ref());
        }
    }
}
