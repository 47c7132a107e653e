//! Agents in columns, and an agent on a page.

use swarm_proto::v1::{Agent, AgentState};

use super::{Listing, hold, page::Page, state, table::Table, text};

/// For how long a refused copy of an agent is told after its last try, in seconds, as the coordinator counts them.
const COPY_TOLD_SECONDS: i64 = 3600;

/// Agents as a list.
pub fn listing(agents: &[Agent]) -> Listing {
    let mut table = Table::new([
        "ID", "NAME", "HOST", "STATE", "SLOTS", "BUSY", "LABELS", "SEEN", "VERSION", "HOLD",
    ])
    .free_text(&["NAME", "LABELS", "HOLD"])
    .dispensable(&["HOST", "VERSION", "SEEN", "LABELS", "HOLD"]);
    let is_copied = copied(agents);
    for agent in agents {
        table.row([
            agent.agent_id.clone(),
            agent.name.clone(),
            agent.host.clone(),
            match agent.state() {
                AgentState::Online if agent.slowed_until.is_some() => state::SLOWED,
                AgentState::Online if is_copied(agent) => state::COPIED,
                state => state::agent(state),
            }
            .to_owned(),
            agent.slots.to_string(),
            agent.leases.len().to_string(),
            text::pairs(&agent.labels),
            text::time(agent.seen_time.as_ref()),
            agent.version.clone(),
            hold::beside(agent.hold.as_ref()),
        ]);
    }
    Listing::of_messages("agents", agents, |agent| &agent.agent_id, table)
}

/// Tells the agents of which a copy was refused lately. By the coordinator's clock: the newest call of an agent was a
/// moment ago.
pub fn copied(agents: &[Agent]) -> impl Fn(&Agent) -> bool {
    let calls = agents.iter().filter_map(|agent| agent.seen_time);
    let last_call = calls.map(|time| time.seconds).max();
    move |agent| {
        let refused = agent.twin_time.map(|time| time.seconds);
        refused.is_some_and(|at| last_call.is_none_or(|call| call - at <= COPY_TOLD_SECONDS))
    }
}

/// Everything about an agent that fits a page of this width.
pub fn page(agent: &Agent, width: Option<usize>) -> String {
    let mut page = Page::default();
    page.add("agent", &agent.agent_id)
        .add("name", &agent.name)
        .add("state", state::agent(agent.state()))
        .add(
            "hold",
            agent
                .hold
                .as_ref()
                .map(|held| format!("{} {}", hold::word(held.kind()), hold::beside(Some(held))))
                .unwrap_or_default(),
        )
        .add("slowed until", text::time(agent.slowed_until.as_ref()))
        .add("slots", format!("{}, {} busy", agent.slots, agent.leases.len()))
        .add("labels", text::pairs(&agent.labels))
        .add("carries out", agent.executors.join(", "))
        .add("queues", agent.queues.join(", "))
        .add("shards", shards(agent))
        .add("version", &agent.version)
        .add("host", &agent.host)
        .add("copy refused", twin(agent))
        .add("registered", text::time(agent.register_time.as_ref()))
        .add("seen", text::time(agent.seen_time.as_ref()));
    let mut page = page.to_string();
    if !agent.leases.is_empty() {
        let mut table =
            Table::new(["TASK", "ATTEMPT", "GRANTED", "EXPIRES"]).dispensable(&["GRANTED", "EXPIRES"]);
        for lease in &agent.leases {
            table.row([
                lease.task_id.clone(),
                lease.attempt.to_string(),
                text::time(lease.grant_time.as_ref()),
                text::time(lease.expire_time.as_ref()),
            ]);
        }
        page.push_str("\nleases\n");
        page.push_str(&table.within(width));
    }
    page
}

/// The last copy of the agent that was refused; empty when there was none.
fn twin(agent: &Agent) -> String {
    if agent.twin_time.is_none() {
        return String::new();
    }
    format!("on {}, {}", agent.twin_host, text::time(agent.twin_time.as_ref()))
}

/// The agent's shard of all tasks; empty when it takes all of them.
fn shards(agent: &Agent) -> String {
    let Some(shard) = &agent.shard else {
        return String::new();
    };
    match shard.index {
        Some(index) => format!("{index} of {}", shard.count),
        None if agent.shards.is_empty() => format!("none of {}", shard.count),
        None => {
            let given: Vec<String> = agent.shards.iter().map(u32::to_string).collect();
            format!(
                "{} of {}, given by the coordinator",
                given.join(", "),
                shard.count
            )
        }
    }
}
