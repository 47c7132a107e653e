//! Durable events, commits and calls, counted since the start for the page of metrics.

use std::{
    collections::BTreeMap,
    sync::{
        LazyLock, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use swarm_engine::{event::Fact, time::Timestamp};
use swarm_proto::{FILE_DESCRIPTOR_SET, reason::Reason};

/// The canonical codes of gRPC, by number.
pub(crate) const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// The name under which calls of other protocols are counted: strangers can make up any number of names.
pub(crate) const OTHER_METHODS: &str = "other";

/// Every method of the protocol, such as `swarm.v1.TaskService/GetTask`, in order.
static METHODS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let schema = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("the compiled schema is whole");
    let mut methods = Vec::new();
    for file in &schema.file {
        for service in &file.service {
            let name = |method: &str| format!("{}.{}/{method}", file.package(), service.name());
            methods.extend(service.method.iter().map(|method| name(method.name())));
        }
    }
    methods.sort_unstable();
    methods
});

/// See the module.
pub(crate) struct Meters {
    events: BTreeMap<&'static str, AtomicU64>,
    pub(crate) commits: Commits,
    /// One for each of `METHODS`, and one for all others.
    calls: Vec<Calls>,
    /// By the reason's place in [`Reason::ALL`].
    refusals: [AtomicU64; Reason::ALL.len()],
    snapshot: Mutex<Option<SnapshotTaken>>,
}

/// Group commits of the journal.
pub(crate) struct Commits {
    pub(crate) seconds: Histogram,
    pub(crate) events: Histogram,
    pub(crate) bytes: Histogram,
}

/// Calls of one method.
pub(crate) struct Calls {
    pub(crate) seconds: Histogram,
    codes: [AtomicU64; CODES.len()],
}

/// The newest snapshot since the start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SnapshotTaken {
    pub(crate) at: Timestamp,
    pub(crate) took: Duration,
}

/// Where the calls of a method are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meter(usize);

impl Meter {
    /// That of the method with this path.
    pub(crate) fn of(path: &str) -> Meter {
        let name = path.strip_prefix('/').unwrap_or(path);
        let place = METHODS.binary_search_by(|method| method.as_str().cmp(name));
        Meter(place.unwrap_or(METHODS.len()))
    }
}

impl Default for Meters {
    fn default() -> Meters {
        Meters {
            events: Fact::KINDS.map(|kind| (kind, AtomicU64::new(0))).into(),
            commits: Commits {
                // From 0.1 ms, which is a fast disk, to 3 s.
                seconds: Histogram::new(exponential_buckets(0.0001, 2.0, 16)),
                events: Histogram::new(exponential_buckets(1.0, 4.0, 9)),
                bytes: Histogram::new(exponential_buckets(256.0, 4.0, 10)),
            },
            calls: (0..=METHODS.len()).map(|_| Calls::default()).collect(),
            refusals: [const { AtomicU64::new(0) }; _],
            snapshot: Mutex::new(None),
        }
    }
}

impl Default for Calls {
    fn default() -> Calls {
        Calls {
            // From 0.25 ms to above the longest a call may take, which is a minute.
            seconds: Histogram::new(exponential_buckets(0.00025, 4.0, 10)),
            codes: [const { AtomicU64::new(0) }; _],
        }
    }
}

impl Meters {
    /// A group commit of events of these kinds is on disk.
    pub(crate) fn committed(&self, took: Duration, kinds: impl Iterator<Item = &'static str>, bytes: usize) {
        let mut events: u32 = 0;
        for kind in kinds {
            events += 1;
            if let Some(count) = self.events.get(kind) {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.commits.seconds.observe(took.as_secs_f64());
        self.commits.events.observe(events.into());
        self.commits.bytes.observe(bytes as f64);
    }

    /// The answer to a call has begun, with a code of `CODES`, or the call has ended without one.
    pub(crate) fn answered(&self, meter: Meter, code: usize, reason: Option<Reason>, took: Duration) {
        let calls = &self.calls[meter.0];
        if let Some(count) = calls.codes.get(code) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        calls.seconds.observe(took.as_secs_f64());
        if let Some(reason) = reason {
            self.refusals[reason as usize].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A snapshot is on disk.
    pub(crate) fn snapshot_taken(&self, at: Timestamp, took: Duration) {
        *self.snapshot.lock().unwrap_or_else(PoisonError::into_inner) = Some(SnapshotTaken { at, took });
    }

    /// Events by kind.
    pub(crate) fn events(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.events.iter().map(|(kind, count)| (*kind, read(count)))
    }

    /// Calls by method, of those that were called.
    pub(crate) fn calls(&self) -> impl Iterator<Item = (&str, &Calls)> {
        let names = METHODS.iter().map(String::as_str).chain([OTHER_METHODS]);
        names
            .zip(&self.calls)
            .filter(|(_, calls)| calls.by_code().next().is_some())
    }

    /// Refused calls by reason.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let words = Reason::ALL.iter().map(|reason| reason.as_str());
        words.zip(self.refusals.iter().map(read))
    }

    /// The newest snapshot since the start, if there is one.
    pub(crate) fn snapshot(&self) -> Option<SnapshotTaken> {
        *self.snapshot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Calls {
    /// How many calls ended with each code that occurred.
    pub(crate) fn by_code(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = CODES.into_iter().zip(self.codes.iter().map(read));
        counts.filter(|(_, count)| *count > 0)
    }
}

fn read(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_own_count() {
        let meters = Meters::default();
        for (times, reason) in (1..).zip(Reason::ALL) {
            for _ in 0..times {
                meters.answered(Meter::of("/x/Y"), 8, Some(*reason), Duration::ZERO);
            }
        }
        for ((word, count), (times, reason)) in meters.refusals().zip((1..).zip(Reason::ALL)) {
            assert_eq!((word, count), (reason.as_str(), times));
        }
    }

    #[test]
    fn made_up_methods_share_one_name() {
        let meters = Meters::default();
        let known = "/swarm.v1.TaskService/GetTask";
        for path in ["/a/B", "", "/", "/swarm.v1.TaskService/GetTas", known] {
            meters.answered(Meter::of(path), 0, None, Duration::from_millis(1));
        }
        let counts: Vec<_> = meters
            .calls()
            .map(|(name, calls)| (name, calls.by_code().collect::<Vec<_>>()))
            .collect();
        assert_eq!(
            counts,
            [(&known[1..], vec![("OK", 1)]), (OTHER_METHODS, vec![("OK", 4)])]
        );
    }
}
