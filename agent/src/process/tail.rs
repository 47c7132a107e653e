//! The end of a stream, and the length of the whole stream.

use std::collections::VecDeque;

use swarm_proto::{limits::OUTPUT_TAIL_BYTES, output::first_line};

/// Keeps the last 64 KiB of what is pushed.
#[derive(Default)]
pub(super) struct Tail {
    end: VecDeque<u8>,
    /// The byte before the end, once something was cut off.
    before: Option<u8>,
    total: u64,
}

impl Tail {
    pub(super) fn push(&mut self, chunk: &[u8]) {
        self.total += chunk.len() as u64;
        let (skipped, chunk) = chunk.split_at(chunk.len().saturating_sub(OUTPUT_TAIL_BYTES));
        let surplus = (self.end.len() + chunk.len()).saturating_sub(OUTPUT_TAIL_BYTES);
        let last_cut = skipped
            .last()
            .copied()
            .or_else(|| self.end.drain(..surplus).next_back());
        self.before = last_cut.or(self.before);
        if !skipped.is_empty() {
            self.end.clear();
        }
        self.end.extend(chunk);
    }

    /// The kept bytes, from the first whole line on if something was cut off, and the number of all bytes.
    pub(super) fn into_parts(self) -> (Vec<u8>, u64) {
        let mut kept: Vec<u8> = self.end.into();
        if let Some(before) = self.before {
            let cut = first_line(before, &kept);
            kept.drain(..cut);
        }
        (kept, self.total)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.end.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_sequence_of_chunks_leaves_the_end_of_the_whole() {
        let whole: Vec<u8> = (0..300_000_u32)
            .map(|n| (n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).max(b' '))
            .collect();
        let cut = &whole[whole.len() - OUTPUT_TAIL_BYTES..];
        for size in [1, 1000, OUTPUT_TAIL_BYTES, OUTPUT_TAIL_BYTES + 1, whole.len()] {
            let mut tail = Tail::default();
            for chunk in whole.chunks(size) {
                tail.push(chunk);
            }
            let (end, total) = tail.into_parts();
            assert_eq!((end.as_slice(), total), (cut, 300_000));
        }
    }

    #[test]
    fn a_cut_stream_begins_with_the_line_that_follows_the_cut() {
        let lines: String = (0..100_000).map(|number| format!("{number}\n")).collect();
        // Of each of these beginnings the last 64 KiB begin somewhere else: in a line, with one, with a line's end.
        for length in 500_000..500_007 {
            let whole = &lines.as_bytes()[..length];
            let mut tail = Tail::default();
            whole.chunks(1000).for_each(|chunk| tail.push(chunk));
            let (end, total) = tail.into_parts();
            let begin = length - end.len();
            assert!(whole.ends_with(&end) && total == length as u64);
            assert!(
                whole[begin - 1] == b'\n' && (OUTPUT_TAIL_BYTES - 6..=OUTPUT_TAIL_BYTES).contains(&end.len())
            );
        }
        let mut tail = Tail::default();
        tail.push(b"whole\nlines\n");
        assert_eq!(tail.into_parts().0, b"whole\nlines\n");
    }
}
