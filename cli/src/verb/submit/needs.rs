//! The needs of tasks, and whether an online agent meets them, as far as a client can tell before a submit.

use std::collections::{BTreeMap, HashMap};

use swarm_proto::{
    call::CallFailure,
    limits::{MAX_PAGE_ITEMS, MAX_UNMATCHED, MAX_UNMATCHED_IDS},
    rules,
    v1::{Agent, AgentState, Command, ListAgentsRequest, NewTask, TaskSpec, Unmatched, task_spec::Work},
};

use crate::{call::client::Client, output::task};

/// The executor of an agent that names none.
const DEFAULT_EXECUTOR: &str = "command";

/// The tasks that no online agent can run, grouped by their needs.
pub(crate) async fn unmatched(
    client: &Client,
    tasks: &[NewTask],
) -> Result<Vec<Unmatched>, Box<CallFailure>> {
    let mut groups: BTreeMap<Needs, Vec<&NewTask>> = BTreeMap::new();
    for task in tasks {
        groups.entry(Needs::of(task)).or_default().push(task);
    }
    let mut found: HashMap<Vec<String>, Vec<Agent>> = HashMap::new();
    let mut unmatched = Vec::new();
    for (needs, tasks) in groups.iter().take(MAX_UNMATCHED) {
        let agents = match found.get(&needs.terms) {
            Some(agents) => agents,
            None => {
                let agents = online(client, &needs.terms).await?;
                found.entry(needs.terms.clone()).or_insert(agents)
            }
        };
        let mut meet = agents.iter().filter(|agent| needs.is_met_by(agent));
        if !meet.any(|agent| needs.is_allowed_by(agent)) {
            unmatched.push(Unmatched {
                task_ids: tasks
                    .iter()
                    .take(MAX_UNMATCHED_IDS)
                    .map(|task| task.task_id.clone())
                    .collect(),
                tasks: tasks.len() as u64,
                message: needs.message(agents),
            });
        }
    }
    Ok(unmatched)
}

/// The online agents whose labels meet the terms.
async fn online(client: &Client, labels: &[String]) -> Result<Vec<Agent>, Box<CallFailure>> {
    let mut request = ListAgentsRequest {
        labels: labels.to_vec(),
        page_size: MAX_PAGE_ITEMS as u32,
        ..ListAgentsRequest::default()
    };
    let mut agents = Vec::new();
    loop {
        let page = client.call(request.clone()).await?;
        agents.extend(
            page.agents
                .into_iter()
                .filter(|agent| agent.state() == AgentState::Online),
        );
        if page.next_page_token.is_empty() {
            return Ok(agents);
        }
        request.page_token = page.next_page_token;
    }
}
/// The needs of a task, which an agent meets or not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Needs {
    terms: Vec<String>,
    queue: String,
    executor: &'static str,
    /// The program of a command, and whether the task sets a PATH of its own: owners' rules go by both.
    program: Option<(String, bool)>,
}

impl Needs {
    fn of(task: &NewTask) -> Needs {
        let spec = task.spec.clone().unwrap_or_default();
        Needs {
            queue: task::queue(&spec).to_owned(),
            executor: match &spec.work {
                Some(Work::Prompt(_)) => "prompt",
                Some(Work::Command(_)) | None => DEFAULT_EXECUTOR,
            },
            terms: terms(&spec).to_vec(),
            program: match &spec.work {
                Some(Work::Command(command)) => {
                    let program = command.argv.first().cloned().unwrap_or_default();
                    Some((program, command.env.contains_key("PATH")))
                }
                Some(Work::Prompt(_)) | None => None,
            },
        }
    }

    fn is_met_by(&self, agent: &Agent) -> bool {
        let carries_out = agent.executors.iter().any(|executor| executor == self.executor);
        let serves = agent.queues.is_empty() || agent.queues.contains(&self.queue);
        let carries_out = carries_out || (agent.executors.is_empty() && self.executor == DEFAULT_EXECUTOR);
        carries_out && serves
    }

    /// Whether the rules of the agent's owner allow the command.
    fn is_allowed_by(&self, agent: &Agent) -> bool {
        let (Some(rules), Some((program, has_own_path))) = (&agent.rules, &self.program) else {
            return true;
        };
        let path = has_own_path.then(|| ("PATH".to_owned(), String::new()));
        let command = Command {
            argv: vec![program.clone()],
            env: path.into_iter().collect(),
            ..Command::default()
        };
        rules::allow(rules, &command).is_ok()
    }

    /// Why none of these agents can run it.
    fn message(&self, agents: &[Agent]) -> String {
        let with = if self.terms.is_empty() {
            String::new()
        } else {
            format!(" with {}", self.terms.join(", "))
        };
        let (executor, queue) = (self.executor, &self.queue);
        match &self.program {
            Some((program, _)) if agents.iter().any(|agent| self.is_met_by(agent)) => format!(
                "the owners of all agents that are online and run {executor}s of queue {queue}{with} do not allow \
                 the command '{program}'"
            ),
            _ => format!("no agent that is online runs {executor}s of queue {queue}{with}"),
        }
    }
}

/// The terms that an agent's labels must meet.
pub(crate) fn terms(spec: &TaskSpec) -> &[String] {
    spec.requirements
        .as_ref()
        .map_or(&[], |requirements| &requirements.labels)
}
