//! Checks whether a concurrent history has a sequential explanation, by the search of Wing and Gong with a
//! memory of the states that have been tried.

use std::collections::HashSet;
use std::hash::Hash;

/// The maximum number of operations of one search.
pub(super) const MOST: usize = 128;

/// One operation, with the times of its call and of its answer. The answer is `None` if it never came: the
/// operation may then have happened at any time since the call, or not at all.
#[derive(Clone, Debug)]
pub(super) struct Operation<O> {
    pub(super) what: O,
    pub(super) called: u64,
    pub(super) answered: Option<u64>,
}

/// The sequential effect of an operation.
pub(super) trait Meaning: Sized {
    type State: Clone + Eq + Hash;

    /// Returns the state after the operation, if this answer is possible in this state.
    fn after(&self, state: &Self::State) -> Option<Self::State>;
}

/// The longest partial explanation of a search that failed.
#[derive(Debug)]
pub(super) struct Stuck<S> {
    /// The positions of the explained operations, in the order of the explanation.
    pub(super) explained: Vec<usize>,
    pub(super) state: S,
}

/// Searches for an order of all answered operations that explains every answer. In this order, no operation
/// comes before an operation that was answered before its call.
pub(super) fn explain<O: Meaning>(history: &[Operation<O>], start: &O::State) -> Result<(), Stuck<O::State>> {
    let furthest = Stuck { explained: Vec::new(), state: start.clone() };
    let mut search = Search { history, tried: HashSet::new(), order: Vec::new(), furthest };
    if search.go_on(0, start) { Ok(()) } else { Err(search.furthest) }
}

struct Search<'a, O: Meaning> {
    history: &'a [Operation<O>],
    tried: HashSet<(u128, O::State)>,
    order: Vec<usize>,
    furthest: Stuck<O::State>,
}

impl<O: Meaning> Search<'_, O> {
    fn go_on(&mut self, done: u128, state: &O::State) -> bool {
        if self.order.len() > self.furthest.explained.len() {
            self.furthest = Stuck { explained: self.order.clone(), state: state.clone() };
        }
        let left = |at: &usize| done & (1 << at) == 0;
        let open = (0..self.history.len()).filter(left);
        // An operation that was called after this answer cannot come before it.
        let Some(first_answer) = open.clone().filter_map(|at| self.history[at].answered).min() else {
            return true;
        };
        if !self.tried.insert((done, state.clone())) {
            return false;
        }
        for at in open.filter(|at| self.history[*at].called <= first_answer).collect::<Vec<_>>() {
            if let Some(next) = self.history[at].what.after(state) {
                self.order.push(at);
                if self.go_on(done | (1 << at), &next) {
                    return true;
                }
                self.order.pop();
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A register of one number.
    #[derive(Clone, Debug)]
    enum Register {
        Write(u8),
        Read(u8),
    }

    impl Meaning for Register {
        type State = u8;

        fn after(&self, state: &u8) -> Option<u8> {
            match self {
                Self::Write(value) => Some(*value),
                Self::Read(value) => (value == state).then_some(*state),
            }
        }
    }

    fn explained(history: &[(Register, u64, Option<u64>)]) -> bool {
        let operation = |(what, called, answered): &(Register, u64, Option<u64>)| Operation {
            what: what.clone(),
            called: *called,
            answered: *answered,
        };
        explain(&history.iter().map(operation).collect::<Vec<_>>(), &0).is_ok()
    }

    #[test]
    fn overlapping_operations_may_stand_in_any_order() {
        use Register::{Read, Write};
        assert!(explained(&[(Write(1), 0, Some(9)), (Read(0), 1, Some(2)), (Read(1), 3, Some(4))]));
        assert!(!explained(&[(Write(1), 0, Some(9)), (Read(1), 1, Some(2)), (Read(0), 3, Some(4))]));
    }

    #[test]
    fn what_was_answered_counts_for_all_that_is_called_later() {
        use Register::{Read, Write};
        assert!(!explained(&[(Write(1), 0, Some(1)), (Read(0), 2, Some(3))]));
        assert!(explained(&[(Write(1), 0, Some(1)), (Write(2), 2, Some(5)), (Read(1), 3, Some(4))]));
    }

    #[test]
    fn what_was_not_answered_happened_or_not() {
        use Register::{Read, Write};
        assert!(explained(&[(Write(1), 0, None), (Read(0), 1, Some(2)), (Read(0), 3, Some(4))]));
        assert!(explained(&[(Write(1), 0, None), (Read(0), 1, Some(2)), (Read(1), 3, Some(4))]));
        assert!(!explained(&[(Write(1), 0, None), (Read(1), 1, Some(2)), (Read(0), 3, Some(4))]));
        assert!(!explained(&[(Write(1), 5, None), (Read(1), 1, Some(2))]));
    }
}
