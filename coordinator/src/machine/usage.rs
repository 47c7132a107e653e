//! The processor time and memory that this process takes.

use std::{fs, time::Duration};

use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeVal,
};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// Time that its threads have spent on processors since its start.
    pub(crate) cpu: Duration,
    /// Bytes of memory that it has now.
    pub(crate) resident_bytes: u64,
    /// The most bytes of memory that it had since its start.
    pub(crate) peak_resident_bytes: u64,
}

impl Usage {
    /// The usage now; `None` where the system does not say.
    pub(crate) fn now() -> Option<Usage> {
        // Not from getrusage: its peak is also that of the process from which this one was started.
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let times = getrusage(UsageWho::RUSAGE_SELF).ok()?;
        Some(Usage {
            cpu: length(times.user_time()) + length(times.system_time()),
            resident_bytes: bytes(&status, "VmRSS:")?,
            peak_resident_bytes: bytes(&status, "VmHWM:")?,
        })
    }
}

fn length(time: TimeVal) -> Duration {
    let micros = time.tv_sec().saturating_mul(1_000_000) + time.tv_usec();
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// A line such as `VmRSS:     1234 kB`.
fn bytes(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_status_are_read() {
        let status = "Name:\tcoordinator\nVmHWM:\t   2048 kB\nVmRSS:\t    512 kB\nThreads:\t7\n";
        assert_eq!(bytes(status, "VmRSS:"), Some(512 * 1024));
        assert_eq!(bytes(status, "VmHWM:"), Some(2048 * 1024));
        assert_eq!(bytes(status, "VmSwap:"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_memory() {
        let usage = Usage::now().unwrap();
        assert!(0 < usage.resident_bytes && usage.resident_bytes <= usage.peak_resident_bytes);
    }
}
