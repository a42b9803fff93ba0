//! The requests to Redis, and their keys.

use ttl_core::{Key, Ttl};

pub(super) const TTL: Ttl = Ttl::hours(1);
pub(super) const NAMESPACE: &str = "ttl-bench";
/// The namespace of the keys that the driver does not have.
pub(super) const PEERS: &str = "ttl-bench-peer";
/// The number of keys of each kind.
pub(super) const KEYS: usize = 1_000;
const BATCH: usize = 100;

/// The operation of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// A blob, requested as a blob, as by typed collections.
    Get,
    /// A value of any kind.
    GetAny,
    /// A put that replaces the deadline.
    Put,
    /// A put under the default policy of collections, which never shortens a life.
    PutDefault,
    /// A get that extends the lifetime.
    GetRefresh,
    /// Adds 1 to a counter that is created with a TTL.
    Increment,
    /// Adds 1 to a field of a record.
    IncrementField,
    /// A batch of 100 gets.
    GetMany,
}

impl Request {
    /// All requests.
    pub const ALL: [Self; 8] = [
        Self::Get,
        Self::GetAny,
        Self::Put,
        Self::PutDefault,
        Self::GetRefresh,
        Self::Increment,
        Self::IncrementField,
        Self::GetMany,
    ];

    /// Returns the name in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::GetAny => "get of any kind",
            Self::Put => "put, replacing the deadline",
            Self::PutDefault => "put",
            Self::GetRefresh => "get + refresh",
            Self::Increment => "increment",
            Self::IncrementField => "increment of a field",
            Self::GetMany => "get of 100",
        }
    }

    /// Returns the keys of the call with this number.
    pub(super) fn keys(self, n: usize) -> Vec<Key> {
        let kind = match self {
            Self::Increment => 'c',
            Self::IncrementField => 'r',
            _ => 'b',
        };
        let count = if self == Self::GetMany { BATCH } else { 1 };
        // A prime, so that neighbours in time are not neighbours in the server.
        let key = |at: usize| Key::new(format!("session:{kind}{:023}", (n * count + at) * 7_919 % KEYS));
        (0..count).map(|at| key(at).expect("the key is valid")).collect()
    }

    /// Returns the keys of other clients, as the server sees them. Blobs are the entries of the driver. It stores numbers
    /// in records, so the others have numbers of their own.
    pub(super) fn peer_keys(self, n: usize) -> Vec<String> {
        let prefix = if matches!(self, Self::Increment | Self::IncrementField) { PEERS } else { NAMESPACE };
        self.keys(n).iter().map(|key| format!("{prefix}:{}", key.as_str())).collect()
    }
}
