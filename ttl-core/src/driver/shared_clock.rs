//! The clock of a driver's configuration.

use std::ops::Deref;
use std::sync::Arc;

use crate::Clock;

/// A clock in a configuration. Two are equal if they are the same clock, so that a configuration can
/// implement `PartialEq`.
#[derive(Clone, Debug)]
pub struct SharedClock(pub Arc<dyn Clock>);

impl PartialEq for SharedClock {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for SharedClock {}

impl Deref for SharedClock {
    type Target = dyn Clock;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ManualClock;

    #[test]
    fn a_clock_equals_itself_only() {
        let clock = SharedClock(Arc::new(ManualClock::new()));
        assert_eq!(clock, clock.clone());
        assert_ne!(clock, SharedClock(Arc::new(ManualClock::new())));
    }
}
