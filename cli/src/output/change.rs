//! Changes as command lines: of swarmctl, or of an agent to start.

use swarm_program::words::clean::clean_line;
use swarm_proto::{
    channel::Address,
    v1::{Change, RetryTask, StartAgent, change::What, resume_request},
};

use super::{hold::Scope, text::shell_word};
use crate::program::next::next;

/// Said instead of a command line when the coordinator is newer and advises a change of a new kind.
const UNKNOWN: &str = "one that this version of swarmctl does not know";

/// The label that is an agent's name.
const NAME: &str = "name";

/// The command line that makes a change. It has nothing to steer a terminal with.
pub fn command(change: &Change, coordinator: &Address) -> String {
    match &change.what {
        Some(What::StartAgent(agent)) => start(agent, coordinator),
        Some(What::Resume(request)) => {
            let scope = match &request.scope {
                Some(resume_request::Scope::Queue(queue)) => Scope::Queue(queue.clone()),
                Some(resume_request::Scope::AgentId(agent)) => Scope::Agent(agent.clone()),
                None => Scope::Everything,
            };
            resume(&scope, coordinator)
        }
        Some(What::UndrainAgent(request)) => undrain(&request.agent_id, coordinator),
        Some(What::LimitQueue(request)) => {
            let limit = request.max_running.map(|limit| limit.to_string());
            let limit = limit.as_deref().unwrap_or("none");
            swarmctl("queue limit", [&request.queue, limit], coordinator)
        }
        Some(What::RetryTasks(request)) => {
            let ids = request.tasks.iter().map(|RetryTask { task_id, .. }| task_id);
            swarmctl("retry", ids, coordinator)
        }
        Some(What::ExplainTask(request)) => swarmctl("explain", [&request.task_id], coordinator),
        Some(What::ReleaseLease(request)) => {
            let mut words = vec![request.task_id.clone()];
            if request.attempt > 0 {
                words.extend(["--attempt".to_owned(), request.attempt.to_string()]);
            }
            swarmctl("lease release", words, coordinator)
        }
        None => UNKNOWN.to_owned(),
    }
}

/// Lifts the hold of a scope.
pub fn resume(scope: &Scope, coordinator: &Address) -> String {
    match scope {
        Scope::Everything => swarmctl("resume", [""; 0], coordinator),
        Scope::Queue(queue) => swarmctl("resume --queue", [queue], coordinator),
        Scope::Agent(agent) => swarmctl("resume --agent", [agent], coordinator),
    }
}

/// Lifts the drain of an agent.
pub fn undrain(agent_id: &str, coordinator: &Address) -> String {
    swarmctl("undrain", [agent_id], coordinator)
}

/// Asks about a task.
pub fn explain(task_id: &str, coordinator: &Address) -> String {
    swarmctl("explain", [task_id], coordinator)
}

/// Starts an agent with no more said than its coordinator.
pub fn start_agent(coordinator: &Address) -> String {
    start(&StartAgent::default(), coordinator)
}

fn start(agent: &StartAgent, coordinator: &Address) -> String {
    let mut command = format!("agent --coordinator {coordinator}");
    for (key, value) in &agent.labels {
        if key == NAME {
            command += &format!(" --name {}", shell_word(value));
            continue;
        }
        command += &format!(" --label {}", shell_word(&format!("{key}={value}")));
    }
    if !agent.queues.is_empty() {
        command += &format!(" --queues {}", shell_word(&agent.queues.join(",")));
    }
    if let Some(shard) = &agent.shard {
        command += &format!(" --shard-count {}", shard.count);
        if let Some(index) = shard.index {
            command += &format!(" --shard-id {index}");
        }
    }
    if agent.slots > 0 {
        command += &format!(" --slots {}", agent.slots);
    }
    if !agent.machine.is_empty() {
        command += &format!("  # on a machine with {}", agent.machine.join(", "));
    }
    clean_line(&command)
}

/// A command line of swarmctl with words from outside.
fn swarmctl<W: AsRef<str>>(verb: &str, words: impl IntoIterator<Item = W>, coordinator: &Address) -> String {
    let mut command = verb.to_owned();
    for word in words {
        command += &format!(" {}", shell_word(word.as_ref()));
    }
    clean_line(&next(coordinator, &command))
}

#[cfg(test)]
mod tests {
    use swarm_proto::v1::{
        ExplainTaskRequest, LimitQueueRequest, ReleaseLeaseRequest, ResumeRequest, RetryTasksRequest, Shard,
        UndrainAgentRequest,
    };

    use super::*;

    /// The command line for a coordinator that needs to be named.
    fn of(what: What) -> String {
        let change = Change {
            what: Some(what),
            ..Change::default()
        };
        command(&change, &"lab:7".parse().unwrap())
    }

    #[test]
    fn an_agent_is_started_with_what_is_said_of_it() {
        let of = |agent| of(What::StartAgent(agent));
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(of(StartAgent::default()), "agent --coordinator lab:7");
        assert_eq!(
            start_agent(&"lab:7".parse().unwrap()),
            "agent --coordinator lab:7"
        );
        assert_eq!(
            of(StartAgent {
                labels: [pair("gpu", "a100"), pair("disk", "yes")].into(),
                slots: 3,
                ..StartAgent::default()
            }),
            "agent --coordinator lab:7 --label disk=yes --label gpu=a100 --slots 3"
        );
        assert_eq!(
            of(StartAgent {
                labels: [pair("name", "l1")].into(),
                ..StartAgent::default()
            }),
            "agent --coordinator lab:7 --name l1"
        );
        assert_eq!(
            of(StartAgent {
                queues: vec!["night".into(), "slow".into()],
                ..StartAgent::default()
            }),
            "agent --coordinator lab:7 --queues night,slow"
        );
        assert_eq!(
            of(StartAgent {
                shard: Some(Shard {
                    count: 2,
                    index: Some(0)
                }),
                ..StartAgent::default()
            }),
            "agent --coordinator lab:7 --shard-count 2 --shard-id 0"
        );
        assert_eq!(
            of(StartAgent {
                machine: vec!["arch=arm64".into(), "os!=linux".into()],
                ..StartAgent::default()
            }),
            "agent --coordinator lab:7  # on a machine with arch=arm64, os!=linux"
        );
    }

    #[test]
    fn a_hold_is_lifted_by_its_scope() {
        use resume_request::Scope::{AgentId, Queue};
        for (scope, expected) in [
            (None, "swarmctl --coordinator lab:7 resume"),
            (
                Some(Queue("slow".into())),
                "swarmctl --coordinator lab:7 resume --queue slow",
            ),
            (
                Some(AgentId("a1".into())),
                "swarmctl --coordinator lab:7 resume --agent a1",
            ),
        ] {
            let actor = String::new();
            assert_eq!(of(What::Resume(ResumeRequest { scope, actor })), expected);
        }
    }

    #[test]
    fn an_agent_is_undrained() {
        let request = UndrainAgentRequest {
            agent_id: "a1".into(),
            ..UndrainAgentRequest::default()
        };
        assert_eq!(
            of(What::UndrainAgent(request)),
            "swarmctl --coordinator lab:7 undrain a1"
        );
    }

    #[test]
    fn a_queue_is_given_another_limit_or_none() {
        for (max_running, said) in [(Some(2), "2"), (None, "none")] {
            let request = LimitQueueRequest {
                queue: "slow".into(),
                max_running,
                ..LimitQueueRequest::default()
            };
            assert_eq!(
                of(What::LimitQueue(request)),
                format!("swarmctl --coordinator lab:7 queue limit slow {said}")
            );
        }
    }

    #[test]
    fn tasks_are_retried_in_their_order() {
        let task = |id: &str| RetryTask {
            task_id: id.into(),
            revision: None,
        };
        let request = RetryTasksRequest {
            tasks: vec![task("d2"), task("d1")],
        };
        assert_eq!(
            of(What::RetryTasks(request)),
            "swarmctl --coordinator lab:7 retry d2 d1"
        );
    }

    #[test]
    fn another_task_is_asked_about() {
        let request = ExplainTaskRequest {
            task_id: "far".into(),
        };
        assert_eq!(
            of(What::ExplainTask(request)),
            "swarmctl --coordinator lab:7 explain far"
        );
    }

    #[test]
    fn a_lease_is_released() {
        for (attempt, said) in [(0, "t"), (3, "t --attempt 3")] {
            let request = ReleaseLeaseRequest {
                task_id: "t".into(),
                attempt,
            };
            assert_eq!(
                of(What::ReleaseLease(request)),
                format!("swarmctl --coordinator lab:7 lease release {said}")
            );
        }
    }

    #[test]
    fn a_change_of_a_later_version_is_told_apart() {
        let coordinator = "lab:7".parse().unwrap();
        assert_eq!(command(&Change::default(), &coordinator), UNKNOWN);
    }

    #[test]
    fn words_from_outside_are_quoted_and_cleaned() {
        let hostile = "a; rm -rf ~\u{1b}[2J\n";
        let request = ExplainTaskRequest {
            task_id: hostile.into(),
        };
        let agent = StartAgent {
            labels: [("k".to_owned(), hostile.to_owned())].into(),
            ..StartAgent::default()
        };
        assert_eq!(
            of(What::ExplainTask(request)),
            "swarmctl --coordinator lab:7 explain 'a; rm -rf ~ '"
        );
        assert_eq!(
            of(What::StartAgent(agent)),
            "agent --coordinator lab:7 --label 'k=a; rm -rf ~ '"
        );
    }
}
