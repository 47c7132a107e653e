//! Leases: one at a time, for attempts whose numbers rise, and one accepted report for each attempt.

use std::collections::BTreeMap;

use swarm_proto::v1::Event;

/// The attempts of one task, and who holds its lease.
#[derive(Clone, Debug, Default)]
pub(super) struct Leases {
    attempts: BTreeMap<u32, Attempt>,
    live: Option<u32>,
    /// The attempt that was lost, while nothing has happened since.
    untouched: Option<u32>,
}

/// One attempt.
#[derive(Clone, Debug)]
pub(in super::super) struct Attempt {
    pub(in super::super) agent: String,
    pub(in super::super) granted: u64,
    /// When its lease was lost, if it was, whatever came later.
    pub(in super::super) lost: Option<u64>,
    /// The report that was accepted, and when.
    pub(in super::super) reported: Option<(u64, Report)>,
}

/// The outcome in an accepted report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Report {
    Succeeded,
    Failed,
    Released,
    /// The agent had to end it in the coordinator's silence, maybe between its last line and its exit.
    Silenced,
    /// The task was to be cancelled; the report may have said anything.
    Cancelled,
}

/// From which lease an accepted report came.
#[derive(PartialEq, Eq)]
pub(super) enum Standing {
    Held,
    /// A lease that was lost, when nothing has happened since.
    Lost,
}

impl Leases {
    pub(super) fn attempts(&self) -> &BTreeMap<u32, Attempt> {
        &self.attempts
    }

    /// The attempt that holds the lease.
    pub(super) fn live(&self) -> Option<u32> {
        self.live
    }

    /// Notes that something happens; gives the attempt that was lost when nothing has happened since.
    pub(super) fn touch(&mut self) -> Option<u32> {
        self.untouched.take()
    }

    /// Takes back a [`Leases::touch`]: the event does not count.
    pub(super) fn leave_untouched(&mut self, untouched: Option<u32>) {
        self.untouched = untouched;
    }

    pub(super) fn grant(&mut self, event: &Event) -> Result<(), String> {
        let attempt = event.attempt;
        let newest = self.attempts.keys().next_back().copied().unwrap_or(0);
        let held = self.live.replace(attempt);
        self.attempts.insert(
            attempt,
            Attempt {
                agent: event.agent_id.clone(),
                granted: event.seq,
                lost: None,
                reported: None,
            },
        );
        if let Some(held) = held {
            return Err(format!(
                "attempt {attempt} was granted while {held} held the lease"
            ));
        }
        if attempt <= newest {
            return Err(format!("attempt {attempt} was granted after {newest}"));
        }
        Ok(())
    }

    /// Ends the lease of this attempt.
    pub(super) fn give_up(&mut self, attempt: u32) -> Result<(), String> {
        match self.live.take() {
            Some(held) if held == attempt => Ok(()),
            held => {
                self.live = held;
                Err(format!("attempt {attempt} lost a lease that {held:?} holds"))
            }
        }
    }

    /// The attempt was lost at this seq.
    pub(super) fn lose(&mut self, attempt: u32, seq: u64) -> Result<(), String> {
        self.untouched = Some(attempt);
        self.attempt(attempt)?.lost = Some(seq);
        Ok(())
    }

    /// The lost attempt has its lease again.
    pub(super) fn resume(&mut self, attempt: u32, untouched: Option<u32>) -> Result<(), String> {
        if untouched != Some(attempt) || self.live.is_some() {
            return Err(format!(
                "attempt {attempt} was resumed, and something had happened since its loss"
            ));
        }
        self.live = Some(attempt);
        Ok(())
    }

    /// A report is accepted from the live lease, or from one that is lost while nothing has happened since.
    pub(super) fn accept(
        &mut self,
        attempt: u32,
        untouched: Option<u32>,
        report: Report,
    ) -> Result<Standing, String> {
        if self.live == Some(attempt) {
            self.live = None;
            return Ok(Standing::Held);
        }
        if self.live.is_none() && untouched == Some(attempt) {
            return Ok(Standing::Lost);
        }
        Err(format!(
            "a report of attempt {attempt} was accepted ({report:?}), and {:?} holds the lease",
            self.live
        ))
    }

    /// Keeps the report that was accepted at this seq: there is one for each attempt.
    pub(super) fn keep(&mut self, attempt: u32, seq: u64, report: Report) -> Result<(), String> {
        match self.attempt(attempt)?.reported.replace((seq, report)) {
            None => Ok(()),
            Some((before, first)) => Err(format!(
                "attempt {attempt} was completed twice: {first:?} at seq {before}, {report:?} now"
            )),
        }
    }

    fn attempt(&mut self, attempt: u32) -> Result<&mut Attempt, String> {
        self.attempts
            .get_mut(&attempt)
            .ok_or_else(|| format!("attempt {attempt} was never granted"))
    }
}
