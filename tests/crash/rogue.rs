//! An agent that runs nothing and reports as it likes: twice, late, with old and with forged tokens, and one thing
//! after the other about the same attempt.

use std::{sync::Arc, time::Duration};

use swarm_proto::v1::{
    AttemptReport, Blame, ClaimRequest, CompleteRequest, Failure, HeartbeatRequest, LeaseRef, Output,
    RegisterAgentRequest, Released, Success, attempt_report::Outcome,
};

use super::{caller::Caller, history::Answer, load::Board};
use crate::harness::{client::duration, seeded::Seeded};

/// Between two claims.
const PAUSE_MS: u64 = 200;
const CLAIM_WAIT: Duration = Duration::from_millis(300);
/// Leases that it has not reported, or has and will report again; older ones are forgotten.
const MOST_KEPT: usize = 12;

struct Rogue {
    caller: Caller,
    chance: Seeded,
    board: Arc<Board>,
    session: u64,
    claims: u64,
    /// Leases with what was said about them before, if anything.
    kept: Vec<(LeaseRef, Option<AttemptReport>)>,
}

pub(crate) async fn run(caller: Caller, chance: Seeded, board: Arc<Board>) {
    let mut rogue = Rogue {
        caller,
        chance,
        board,
        session: 0,
        claims: 0,
        kept: Vec::new(),
    };
    rogue.register().await;
    while !rogue.board.is_over() {
        if rogue.chance.percent(3) {
            rogue.register().await;
        }
        rogue.work().await;
        rogue.dig_up().await;
        let pause = Duration::from_millis(rogue.chance.below(PAUSE_MS));
        rogue.board.pause(pause).await;
    }
    // The leases that it holds would have to expire first.
    for (lease, said) in std::mem::take(&mut rogue.kept) {
        let report = said.unwrap_or_else(|| success(&lease));
        rogue.report(report).await;
    }
}

impl Rogue {
    /// Opens a session. It says that it holds some of what it holds.
    async fn register(&mut self) {
        let held: Vec<LeaseRef> = self.kept.iter().map(|(lease, _)| lease.clone()).collect();
        let held = if self.chance.percent(60) { held } else { Vec::new() };
        let request = RegisterAgentRequest {
            agent_id: self.caller.name().to_owned(),
            name: self.caller.name().to_owned(),
            slots: 4,
            version: "rogue".to_owned(),
            held,
            ..Default::default()
        };
        while !self.board.is_over() {
            if let Answer::Given(response) = self.caller.register(request.clone()).await {
                self.session = response.session;
                return;
            }
            self.board.pause(Duration::from_millis(50)).await;
        }
    }

    /// Claims, and does one thing or another with what it is given.
    async fn work(&mut self) {
        self.claims += 1;
        let request = ClaimRequest {
            agent_id: self.caller.name().to_owned(),
            session: self.session,
            max_tasks: 2,
            wait: Some(duration(CLAIM_WAIT)),
            request_id: format!("{}-{}", self.session, self.claims),
            ..Default::default()
        };
        let mut answer = self.caller.claim(request.clone()).await;
        // The answer may be lost, or the agent may not have read it.
        if answer == Answer::Unknown || self.chance.percent(15) {
            answer = self.caller.claim(request).await;
        }
        let given = match answer {
            Answer::Given(response) => response.assignments,
            Answer::Refused(_) => return self.register().await,
            Answer::Unknown => return,
        };
        for lease in given.into_iter().filter_map(|given| given.lease) {
            self.deal_with(lease).await;
        }
    }

    async fn deal_with(&mut self, lease: LeaseRef) {
        let deed = self.chance.below(100);
        if (20..40).contains(&deed) {
            self.renew(vec![lease.clone()]).await;
        }
        match deed {
            0..=44 => self.report(success(&lease)).await,
            // The same again, and then something else.
            45..=59 => {
                self.report(success(&lease)).await;
                self.report(success(&lease)).await;
                self.report(failure(&lease)).await;
            }
            60..=63 => self.report(failure(&lease)).await,
            64..=67 => self.report(not_started(&lease)).await,
            68..=77 => self.report(released(&lease)).await,
            78..=87 => {
                let forged = LeaseRef {
                    lease_token: vec![7; 16],
                    ..lease.clone()
                };
                self.report(success(&forged)).await;
                let ahead = LeaseRef {
                    attempt: lease.attempt + 1,
                    ..lease.clone()
                };
                self.report(success(&ahead)).await;
                self.report(success(&lease)).await;
            }
            // It falls silent about it, and comes back to it some time later.
            _ => self.keep(lease, None),
        }
    }

    /// Reports something about an old lease: for the first time, once more, or something else than before.
    async fn dig_up(&mut self) {
        if self.kept.is_empty() || !self.chance.percent(35) {
            return;
        }
        let at = self.chance.index(self.kept.len());
        let (lease, said) = self.kept[at].clone();
        match (self.chance.below(4), said) {
            (0, _) => self.renew(vec![lease]).await,
            (1, _) => self.report(failure(&lease)).await,
            (2, Some(said)) => self.report(said).await,
            _ => self.report(success(&lease)).await,
        }
    }

    async fn renew(&mut self, leases: Vec<LeaseRef>) {
        let request = HeartbeatRequest {
            agent_id: self.caller.name().to_owned(),
            session: self.session,
            leases,
            ..Default::default()
        };
        self.caller.heartbeat(request).await;
    }

    async fn report(&mut self, report: AttemptReport) {
        let request = CompleteRequest {
            agent_id: self.caller.name().to_owned(),
            results: vec![report.clone()],
            claim_next: None,
        };
        let mut answer = self.caller.complete(request.clone()).await;
        if answer == Answer::Unknown && self.chance.percent(70) {
            answer = self.caller.complete(request).await;
        }
        if let Some(lease) = report.lease.clone()
            && (answer == Answer::Unknown || self.chance.percent(20))
        {
            self.keep(lease, Some(report));
        }
    }

    fn keep(&mut self, lease: LeaseRef, said: Option<AttemptReport>) {
        self.kept.retain(|(other, _)| *other != lease);
        self.kept.push((lease, said));
        if self.kept.len() > MOST_KEPT {
            self.kept.remove(0);
        }
    }
}

fn report(lease: &LeaseRef, outcome: Outcome) -> AttemptReport {
    AttemptReport {
        lease: Some(lease.clone()),
        outcome: Some(outcome),
        output: Some(Output::default()),
    }
}

fn success(lease: &LeaseRef) -> AttemptReport {
    report(lease, Outcome::Success(Success {}))
}

/// A failure as of a machine that lacks the program.
fn not_started(lease: &LeaseRef) -> AttemptReport {
    let failure = Failure {
        reason: "spawn".to_owned(),
        blame: Blame::Machine.into(),
        ..Default::default()
    };
    report(lease, Outcome::Failure(failure))
}

fn failure(lease: &LeaseRef) -> AttemptReport {
    let failure = Failure {
        reason: "exit".to_owned(),
        exit_code: Some(1),
        ..Default::default()
    };
    report(lease, Outcome::Failure(failure))
}

fn released(lease: &LeaseRef) -> AttemptReport {
    let released = Released {
        reason: "it feels like it".to_owned(),
        refused: false,
    };
    report(lease, Outcome::Released(released))
}
