//! Counts complete messages in a stream of the Redis protocol, so that a request in several TCP segments counts once.

/// The data of the incomplete message at the end.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    pending: Vec<u8>,
}

impl Messages {
    /// Adds the next bytes. Returns the number of messages that they complete, except those pushed by the server.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> u64 {
        self.pending.extend_from_slice(bytes);
        let (mut at, mut count) = (0, 0);
        while let Some(end) = end_of_message(&self.pending, at) {
            count += u64::from(self.pending[at] != b'>');
            at = end;
        }
        self.pending.drain(..at);
        count
    }

    /// Returns whether the last message is complete.
    pub(crate) fn is_whole(&self) -> bool {
        self.pending.is_empty()
    }
}

/// Returns the end of the message that begins at `at`; `None` if it is incomplete.
fn end_of_message(bytes: &[u8], at: usize) -> Option<usize> {
    let line = bytes[at..].windows(2).position(|two| two == b"\r\n")? + at;
    let length = || std::str::from_utf8(&bytes[at + 1..line]).unwrap().parse::<i64>().unwrap();
    let parts = match bytes[at] {
        b'$' | b'=' | b'!' => {
            let Ok(length) = usize::try_from(length()) else { return Some(line + 2) };
            return Some(line + 2 + length + 2).filter(|end| *end <= bytes.len());
        }
        b'*' | b'~' | b'>' => length(),
        b'%' => 2 * length(),
        _ => 0,
    };
    (0..parts.max(0)).try_fold(line + 2, |at, _| end_of_message(bytes, at))
}

/// Tests the counter on both directions of a connection, cut at every position.
pub(crate) async fn counts_whatever_the_cuts() {
    let requests = b"*2\r\n$3\r\nGET\r\n$5\r\na\r\nbc\r\n*1\r\n$4\r\nPING\r\n";
    let answers = b"$-1\r\n>2\r\n+x\r\n:1\r\n%1\r\n+k\r\n*2\r\n_\r\n$0\r\n\r\n-ERR no\r\n";
    for (stream, expected) in [(&requests[..], 2), (&answers[..], 3)] {
        for cut in 0..=stream.len() {
            let mut messages = Messages::default();
            let (first, second) = stream.split_at(cut);
            assert_eq!(messages.take(first) + messages.take(second), expected, "cut at {cut}");
            assert!(messages.is_whole());
        }
    }
}
