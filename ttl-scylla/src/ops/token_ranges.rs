//! The ranges of tokens that a scan requests.

/// The number of times a range is halved before the scan fails.
const MAX_HALVINGS: u32 = 16;

/// The ranges of tokens that a scan requests: the complete rest, unless that is too much for the servers.
pub(super) struct TokenRanges {
    /// `None` when all ranges are done.
    from: Option<i64>,
    width: u64,
    halvings: u32,
}

impl TokenRanges {
    pub(super) const fn new(from: i64) -> Self {
        Self { from: Some(from), width: u64::MAX, halvings: 0 }
    }

    pub(super) fn next(&self) -> Option<(i64, i64)> {
        self.from.map(|from| (from, from.saturating_add_unsigned(self.width)))
    }

    /// Continues after a range, with twice its width.
    pub(super) fn done(&mut self, to: i64) {
        self.from = to.checked_add(1);
        self.halvings = self.halvings.saturating_sub(1);
        self.width = self.width.saturating_mul(2).saturating_add(1);
    }

    pub(super) fn halve(&mut self, times: u32) -> bool {
        if self.halvings == MAX_HALVINGS {
            return false;
        }
        let times = times.min(MAX_HALVINGS - self.halvings);
        // The rest may be narrower than the width.
        if let Some(from) = self.from {
            self.width = self.width.min(i64::MAX.abs_diff(from));
        }
        self.width >>= times;
        self.halvings += times;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_every_token_once_however_often_they_are_halved() {
        let mut ranges = TokenRanges::new(i64::MIN);
        assert_eq!(ranges.next(), Some((i64::MIN, i64::MAX)));
        let (mut expected, mut halvings) = (Some(i64::MIN), 0);
        while let Some((from, to)) = ranges.next() {
            assert_eq!(Some(from), expected);
            assert!(from <= to);
            if halvings < 40 && ranges.halve(1 + halvings % 4) {
                halvings += 1;
                continue;
            }
            ranges.done(to);
            expected = to.checked_add(1);
        }
        assert_eq!((expected, halvings > MAX_HALVINGS), (None, true));
    }
}
