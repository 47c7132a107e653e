//! The end of a stream, and the length of the whole stream.

use std::collections::VecDeque;

use swarm_proto::limits::OUTPUT_TAIL_BYTES;

/// Keeps the last 64 KiB of what is pushed.
#[derive(Default)]
pub(super) struct Tail {
    end: VecDeque<u8>,
    total: u64,
}

impl Tail {
    pub(super) fn push(&mut self, chunk: &[u8]) {
        self.total += chunk.len() as u64;
        let chunk = &chunk[chunk.len().saturating_sub(OUTPUT_TAIL_BYTES)..];
        let surplus = (self.end.len() + chunk.len()).saturating_sub(OUTPUT_TAIL_BYTES);
        self.end.drain(..surplus);
        self.end.extend(chunk);
    }

    /// The kept bytes, and the number of all bytes.
    pub(super) fn into_parts(self) -> (Vec<u8>, u64) {
        (self.end.into(), self.total)
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
            .map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1])
            .collect();
        for size in [1, 1000, OUTPUT_TAIL_BYTES, OUTPUT_TAIL_BYTES + 1, whole.len()] {
            let mut tail = Tail::default();
            for chunk in whole.chunks(size) {
                tail.push(chunk);
            }
            let (end, total) = tail.into_parts();
            assert_eq!(
                (end.as_slice(), total),
                (&whole[whole.len() - OUTPUT_TAIL_BYTES..], 300_000)
            );
        }
    }
}
