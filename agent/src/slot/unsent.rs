//! An outcome on its way to the coordinator.

use std::{io, time::SystemTime};

use swarm_proto::v1::{AttemptReport, attempt_report::Outcome};

use crate::attempt_key::AttemptKey;

/// An outcome that is not confirmed.
pub(super) struct Unsent {
    pub(super) key: AttemptKey,
    pub(super) report: AttemptReport,
    /// When the attempt ended.
    pub(super) since: SystemTime,
    /// A delivery of this outcome with others was refused as a whole, so it is sent alone.
    pub(super) alone: bool,
    /// The lease was lost, and the result is set aside already.
    pub(super) lost: bool,
    /// Why the outcome could not be written to the disk.
    pub(super) unwritten: Option<io::Error>,
}

impl Unsent {
    pub(super) fn new(report: AttemptReport, since: SystemTime) -> Unsent {
        let key = report.lease.as_ref().map(AttemptKey::of).unwrap_or(AttemptKey {
            task_id: String::new(),
            attempt: 0,
        });
        Unsent {
            key,
            report,
            since,
            alone: false,
            lost: false,
            unwritten: None,
        }
    }

    pub(super) fn is_released(&self) -> bool {
        matches!(self.report.outcome, Some(Outcome::Released(_)))
    }
}
