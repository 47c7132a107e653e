//! Which events are kept: younger ones than an age, as long as they take no more than a number of bytes.

use std::time::Duration;

use swarm_engine::time::Timestamp;

use crate::journal::SegmentFacts;

/// The age and the bytes: an event that exceeds either is removed. Segments are removed whole, and the newest never.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeepEvents {
    pub(crate) age: Duration,
    pub(crate) bytes: u64,
}

impl KeepEvents {
    /// From which seq on events are kept when they take too many bytes; `None` when they do not. A quarter is removed
    /// at once, so that this happens seldom.
    pub(crate) fn trimmed_to_bytes(&self, segments: &[SegmentFacts]) -> Option<u64> {
        let mut left: u64 = segments.iter().map(|segment| segment.bytes).sum();
        if left <= self.bytes {
            return None;
        }
        let target = self.bytes / 4 * 3;
        let mut keep_from = None;
        for pair in segments.windows(2) {
            if left <= target {
                break;
            }
            left -= pair[0].bytes;
            keep_from = Some(pair[1].first_seq);
        }
        keep_from
    }

    /// How urgent it is to remove events when all of them take so many bytes: a snapshot that comes first may take its
    /// time until they are twice as many as are kept, and takes none when they are three times as many.
    pub(crate) fn haste(&self, bytes: u64) -> f64 {
        (bytes as f64 / self.bytes.max(1) as f64 - 2.0).clamp(0.0, 1.0)
    }

    /// From which seq on events are kept when some are too old; `None` when none are. A segment is removed when the
    /// event after it is too old as well. `time_of` gives the time of an event.
    pub(crate) fn trimmed_to_age<E>(
        &self,
        segments: &[SegmentFacts],
        now: Timestamp,
        time_of: impl Fn(u64) -> Result<Timestamp, E>,
    ) -> Result<Option<u64>, E> {
        let mut keep_from = None;
        for next in segments.iter().skip(1) {
            let is_empty = next.last_seq < next.first_seq;
            if is_empty || time_of(next.first_seq)? + self.age > now {
                break;
            }
            keep_from = Some(next.first_seq);
        }
        Ok(keep_from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP: KeepEvents = KeepEvents {
        age: Duration::from_secs(100),
        bytes: 1_000,
    };

    /// Ten events each.
    fn segments(count: u64, bytes: u64) -> Vec<SegmentFacts> {
        let segment = |index| SegmentFacts {
            first_seq: index * 10 + 1,
            last_seq: index * 10 + 10,
            bytes,
        };
        (0..count).map(segment).collect()
    }

    #[test]
    fn beyond_the_bytes_a_quarter_goes() {
        assert_eq!(KEEP.trimmed_to_bytes(&segments(10, 100)), None);
        // 1,100 bytes are there, 700 stay.
        assert_eq!(KEEP.trimmed_to_bytes(&segments(11, 100)), Some(41));
        assert_eq!(KEEP.trimmed_to_bytes(&segments(1, 5_000)), None);
        assert_eq!(KEEP.trimmed_to_bytes(&segments(2, 5_000)), Some(11));
    }

    #[test]
    fn a_snapshot_takes_its_time_until_there_are_twice_as_many_events() {
        let haste = [900, 2_000, 2_500, 3_000, 9_000].map(|bytes| KEEP.haste(bytes));
        assert_eq!(haste, [0.0, 0.0, 0.5, 1.0, 1.0]);
    }

    #[test]
    fn a_segment_goes_when_all_of_it_is_too_old() {
        let segments = segments(4, 100);
        // Each event has its seq as its second.
        let time_of = |seq| Ok::<_, ()>(Timestamp(seq * 1_000));
        let trimmed = |now: u64| KEEP.trimmed_to_age(&segments, Timestamp(now * 1_000), time_of);
        assert_eq!(trimmed(110), Ok(None));
        assert_eq!(trimmed(111), Ok(Some(11)));
        assert_eq!(trimmed(130), Ok(Some(21)));
        assert_eq!(trimmed(10_000), Ok(Some(31)));
    }

    #[test]
    fn a_segment_without_events_has_no_age() {
        let mut segments = segments(2, 100);
        segments[1].last_seq = 10;
        let never = |_| Err("there is no event");
        assert_eq!(
            KEEP.trimmed_to_age(&segments, Timestamp(u64::MAX / 2), never),
            Ok(None)
        );
    }
}
