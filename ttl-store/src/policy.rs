//! The refresh policy of a running collection, shared by all of its clones.

use std::sync::atomic::{AtomicU64, Ordering};

use ttl_core::{Actions, RefreshMode, RefreshPolicy, Ttl};

const MODE_BIT: u64 = 1 << 8;
const SLACK_SHIFT: u32 = 9;

/// A policy in one word: 8 bits of actions, 1 of mode, and the slack in milliseconds (0: none), which 40 bits
/// hold. Because it is one word, a call always reads a policy that was set as a whole, without a lock.
#[derive(Debug)]
pub(crate) struct SharedPolicy(AtomicU64);

impl SharedPolicy {
    pub(crate) fn new(policy: RefreshPolicy) -> Self {
        Self(AtomicU64::new(pack(policy)))
    }

    pub(crate) fn load(&self) -> RefreshPolicy {
        // Acquire and Release: a caller that learns of a change by other means sees the change.
        unpack(self.0.load(Ordering::Acquire))
    }

    pub(crate) fn store(&self, policy: RefreshPolicy) {
        self.0.store(pack(policy), Ordering::Release);
    }
}

fn pack(policy: RefreshPolicy) -> u64 {
    let mode = if policy.mode() == RefreshMode::Reset { MODE_BIT } else { 0 };
    let slack = policy.slack().map_or(0, Ttl::as_millis);
    u64::from(policy.actions().bits()) | mode | slack << SLACK_SHIFT
}

fn unpack(word: u64) -> RefreshPolicy {
    // The low 8 bits. They never name DELETE, because they come from a policy.
    let actions = Actions::from_bits_truncate(word as u8);
    let mut policy = RefreshPolicy::on(actions).unwrap_or(RefreshPolicy::never());
    if word & MODE_BIT != 0 {
        policy = policy.with_mode(RefreshMode::Reset);
    }
    match word >> SLACK_SHIFT {
        0 => policy,
        slack => policy.with_slack(Ttl::millis(slack)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_survives() {
        for bits in 0..=u8::MAX {
            let Ok(plain) = RefreshPolicy::on(Actions::from_bits_retain(bits)) else { continue };
            for mode in [RefreshMode::ExtendOnly, RefreshMode::Reset] {
                let policy = plain.with_mode(mode);
                for policy in [policy, policy.with_slack(Ttl::MIN), policy.with_slack(Ttl::MAX)] {
                    assert_eq!(SharedPolicy::new(policy).load(), policy);
                }
            }
        }
    }
}
