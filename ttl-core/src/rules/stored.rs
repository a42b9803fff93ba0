//! `Stored`: an entry as a backend stores it.

use std::time::SystemTime;

use super::Header;
use crate::options::Returning;
use crate::{Deadline, Error, ErrorKind, Result, Value, Version};

/// An entry as a [`CasBackend`](crate::driver::CasBackend) stores it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Stored {
    /// The value.
    pub value: Value,
    /// The deadline; [`Deadline::NEVER`] if the entry is persistent.
    pub deadline: Deadline,
    /// The cap, which the deadline may never pass; [`Deadline::NEVER`] without a cap.
    pub cap: Deadline,
    /// The value's version. A swap that keeps the version changes only the deadline.
    pub version: Version,
    /// The creation time: the millisecond in which the value was put, or its record created (V7). `None` if
    /// the backend does not store it, which its capabilities must declare, or if it cannot be read.
    pub created_at: Option<SystemTime>,
}

impl Stored {
    /// Creates an entry from its parts, for a backend that decodes it.
    #[must_use]
    pub const fn new(value: Value, deadline: Deadline, cap: Deadline, version: Version) -> Self {
        Self { value, deadline, cap, version, created_at: None }
    }

    /// Sets the creation time, if the backend stores it.
    #[must_use]
    pub fn with_created_at(mut self, created_at: impl Into<Option<SystemTime>>) -> Self {
        self.created_at = created_at.into();
        self
    }

    /// Returns the effective end: the earlier of deadline and cap. A backend's native expiry and a sweep must
    /// not remove the entry before it.
    #[must_use]
    pub fn ends(&self) -> Deadline {
        self.deadline.min(self.cap)
    }

    /// Returns the creation time if `returning` requests it.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] if it is requested and cannot be read.
    pub fn created_at(&self, returning: Returning) -> Result<Option<SystemTime>> {
        if !returning.contains(Returning::CREATED_AT) {
            return Ok(None);
        }
        let unreadable = || {
            Error::new(
                ErrorKind::Corrupt,
                "the creation time of the entry is missing or unreadable; put the entry again",
            )
        };
        self.created_at.ok_or_else(unreadable).map(Some)
    }

    pub(crate) fn header(&self) -> Header {
        Header { kind: self.value.kind(), deadline: self.deadline, cap: self.cap, version: self.version }
    }
}
