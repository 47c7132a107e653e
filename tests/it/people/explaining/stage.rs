//! The stage for stories of explanations: a coordinator, an agent and one task.

use std::{collections::BTreeSet, fs, path::PathBuf, time::Duration};

use serde_json::Value;
use swarm_proto::v1::{
    Agent, AttemptReport, Blame, Cancelled, ClaimResponse, Failure, LeaseRef, ListAgentsRequest, NewTask,
    Released, Requirements, Retry, TaskState, agent_service_client::AgentServiceClient,
    attempt_report::Outcome,
};

use crate::harness::{
    agent::RealAgent,
    client::{Client, duration, quoted, shell_task, with},
    coordinator::Coordinator,
    fake_agent::{FakeAgent, success},
    wait_until,
};

/// A task that does not run, what is said of it, and how it ends when that is done.
pub(super) struct Story {
    /// The kind of its first obstacle.
    pub(super) obstacle: &'static str,
    /// The kind of the agent that comes nearest; empty when no agent is named.
    pub(super) agent: &'static str,
    /// The beginning of the change; empty when there is none.
    pub(super) change: &'static str,
    /// Words of the explanation.
    pub(super) says: &'static str,
    /// The task's end after the change; `None` when the change cannot be made here.
    pub(super) ends: Option<TaskState>,
    /// Makes it so, and gives the task's id.
    pub(super) arrange: fn(&mut Stage) -> String,
}

/// Plays a story: the explanation is as it says, its change is made as it is written, and the task ends. Only a
/// task without a change is helped by what happens by itself.
#[track_caller]
pub(super) fn play(story: Story) {
    let mut stage = Stage::new();
    let id = (story.arrange)(&mut stage);
    let explanation = stage.explain(&id);
    let kind = |list: &str| explanation[list][0]["kind"].as_str().unwrap_or_default();
    let kinds = (kind("obstacles"), kind("agents"));
    assert_eq!(kinds, (story.obstacle, story.agent), "{explanation:#}");
    assert!(explanation.to_string().contains(story.says), "{explanation:#}");
    // People can type it: it has the coordinator's address.
    let change = stage.change(&id).unwrap_or_default();
    let change = change.replace(stage.coordinator.address(), "HOST:PORT");
    let change = change.as_str();
    assert!(change.starts_with(story.change), "{change}: {explanation:#}");
    assert_eq!(
        change.is_empty(),
        story.change.is_empty(),
        "{change}: {explanation:#}"
    );
    assert_eq!(
        change.is_empty(),
        explanation.get("change").is_none(),
        "{explanation:#}"
    );
    let Some(end) = story.ends else { return };
    if change.is_empty() {
        if let Some(later) = stage.later.take() {
            later(&mut stage);
        }
        fs::write(&stage.gate, "").unwrap();
    } else {
        stage.follow(change);
    }
    stage.client().wait_for_state(&id, end);
    fs::write(&stage.gate, "").unwrap();
}

/// The kinds that a message of the protocol may have, from the words about them.
pub(super) fn kinds(message: &str) -> BTreeSet<String> {
    let file = include_str!("../../../../proto/swarm/v1/task_service.proto");
    let (_, message) = file.split_once(&format!("message {message} {{")).unwrap();
    let (before, _) = message.split_once("string kind =").unwrap();
    let (_, words) = before.split_once("A stable word: ").unwrap();
    let quoted = words.split('`').skip(1).step_by(2);
    quoted.map(str::to_owned).collect()
}

type Later = Box<dyn FnOnce(&mut Stage)>;

/// A coordinator with its agents.
pub(super) struct Stage {
    /// Its coordinator.
    pub(super) coordinator: Coordinator,
    /// A file that is not there yet.
    pub(super) gate: PathBuf,
    agents: Vec<RealAgent>,
    later: Option<Later>,
}

impl Stage {
    fn new() -> Stage {
        let coordinator = Coordinator::start();
        Stage {
            gate: coordinator.dir().join("gate"),
            coordinator,
            agents: Vec::new(),
            later: None,
        }
    }

    pub(super) fn client(&self) -> Client {
        self.coordinator.client()
    }

    /// Starts an agent, and waits until it is there.
    pub(super) fn agent(&mut self, name: &str, flags: &[&str]) {
        self.agents.push(RealAgent::start(&self.coordinator, name, flags));
        wait_until("the agent is there", || {
            self.agents_seen().iter().any(|agent| agent.name == name)
        });
    }

    pub(super) fn last_agent(&mut self) -> &mut RealAgent {
        self.agents.last_mut().unwrap()
    }

    /// Begins anew with leases of this length.
    pub(super) fn shorten_leases(&mut self, ttl: &str) {
        self.coordinator = Coordinator::with(&["--lease-ttl", ttl]);
        self.gate = self.coordinator.dir().join("gate");
    }

    /// Begins anew with an agent that was killed and counts as lost.
    pub(super) fn lose_agent(&mut self, flags: &[&str]) {
        self.shorten_leases("1s");
        self.agent("far", flags);
        self.last_agent().program().kill();
        wait_until("the agent counts as lost", || {
            self.client().status().agents.unwrap().lost == 1
        });
    }

    /// The agents as everybody sees them.
    pub(super) fn agents_seen(&self) -> Vec<Agent> {
        let client = self.client();
        let mut service = AgentServiceClient::new(client.channel());
        let answer = client.call(service.list_agents(ListAgentsRequest::default()));
        answer.unwrap().into_inner().agents
    }

    /// Submits a task; gives its id.
    pub(super) fn submit(&self, task: NewTask) -> String {
        let id = task.task_id.clone();
        self.client().submit(vec![task]);
        id
    }

    /// Submits a task and waits until it runs; gives its id.
    pub(super) fn run(&self, task: NewTask) -> String {
        let id = self.submit(task);
        self.client().wait_for_state(&id, TaskState::Running);
        id
    }

    #[track_caller]
    pub(super) fn swarmctl(&self, words: &[&str]) {
        let ended = self.coordinator.swarmctl(words);
        assert_eq!(ended.code, 0, "{words:?}: {}", ended.stderr);
    }

    /// The event that comes by itself after a while, if the explanation has no change.
    pub(super) fn later(&mut self, what: impl FnOnce(&mut Stage) + 'static) {
        self.later = Some(Box::new(what));
    }

    /// The explanation of a task as a script sees it. It always says something, and nothing that only a shell knows.
    #[track_caller]
    pub(super) fn explain(&self, task: &str) -> Value {
        let ended = self.coordinator.swarmctl(&["explain", task, "-o", "json"]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        let explanation: Value = serde_json::from_str(&ended.stdout).unwrap();
        let summary = explanation["summary"].as_str().unwrap_or_default();
        assert!(!summary.is_empty(), "{explanation:#}");
        for shell in ["swarmctl ", "agent --", "HOST:PORT"] {
            assert!(!ended.stdout.contains(shell), "{explanation:#}");
        }
        explanation
    }

    /// The one change of a task's explanation, as swarmctl writes it for people.
    fn change(&self, task: &str) -> Option<String> {
        let ended = self.coordinator.swarmctl(&["explain", task]).expect(0);
        let mut changes = ended.stdout.lines().filter_map(|line| {
            let waits = line.strip_prefix("wait, or add an agent: ");
            line.strip_prefix("change: ").or(waits)
        });
        changes.next().map(str::to_owned)
    }

    /// Does what a change says: runs swarmctl with these words, or starts an agent with these flags.
    fn follow(&mut self, change: &str) {
        let words = change.split_whitespace().take_while(|word| *word != "#");
        let words: Vec<&str> = words.collect();
        match words.as_slice() {
            ["swarmctl", words @ ..] => self.swarmctl(words),
            ["agent", "--coordinator", "HOST:PORT", flags @ ..] => self.agent("helper", flags),
            _ => panic!("nothing to do: {change}"),
        }
    }
}

/// The task with one more thing that its agent's labels have to meet.
pub(super) fn requiring(term: &str, task: NewTask) -> NewTask {
    with(task, |spec| {
        let requirements = spec.requirements.get_or_insert_with(Requirements::default);
        requirements.labels.push(term.to_owned());
    })
}

/// A task that runs until the gate is there.
pub(super) fn gated(id: &str, stage: &Stage) -> NewTask {
    let gate = quoted(&stage.gate);
    shell_task(id, &format!("until test -e {gate}; do sleep 0.02; done"))
}

/// The task, which fails for good when it fails once.
pub(super) fn never_retried(task: NewTask) -> NewTask {
    with(task, |spec| {
        spec.retry = Some(Retry {
            max_retries: Some(0),
            ..Retry::default()
        });
    })
}

/// The answer to a claim.
pub(super) fn leases(claimed: ClaimResponse) -> Vec<LeaseRef> {
    let leases = claimed.assignments.into_iter().map(|one| one.lease.unwrap());
    leases.collect()
}

/// Takes whatever there is, and succeeds with it.
pub(super) fn work_off(mut agent: FakeAgent) {
    for lease in leases(agent.claim_now(10)) {
        assert!(agent.succeed(&lease, "").accepted);
    }
}

pub(super) fn fail_by_machine(agent: &FakeAgent, lease: &LeaseRef) {
    let failure = Failure {
        reason: "workspace".to_owned(),
        blame: Blame::Machine.into(),
        ..Failure::default()
    };
    report(agent, lease, Outcome::Failure(failure));
}

pub(super) fn fail_by_provider(agent: &FakeAgent, lease: &LeaseRef, wait: Duration) {
    let failure = Failure {
        reason: "rate_limited".to_owned(),
        blame: Blame::Provider.into(),
        retry_after: Some(duration(wait)),
        ..Failure::default()
    };
    report(agent, lease, Outcome::Failure(failure));
}

pub(super) fn refuse(agent: &FakeAgent, lease: &LeaseRef, reason: &str) {
    let released = Released {
        reason: reason.to_owned(),
        refused: true,
    };
    report(agent, lease, Outcome::Released(released));
}

pub(super) fn end_as_cancelled(agent: &FakeAgent, lease: &LeaseRef) {
    report(agent, lease, Outcome::Cancelled(Cancelled {}));
}

fn report(agent: &FakeAgent, lease: &LeaseRef, outcome: Outcome) {
    let report = AttemptReport {
        outcome: Some(outcome),
        ..success(lease, "")
    };
    assert!(agent.report(vec![report])[0].accepted);
}
