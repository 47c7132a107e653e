//! Agents in columns, and an agent on a page.

use std::collections::{BTreeMap, BTreeSet};

use swarm_proto::v1::{Agent, AgentState};

use super::{Listing, hold, names::Names, page::Page, sheet::Sheet, state, table::Table, text};

/// Labels that agents have by themselves. They stand behind those of the owner.
const BUILT_IN: &[&str] = &["os", "arch", "host", "name", "cpus", "memory"];

/// For how long a refused copy of an agent is told after its last try, in seconds, as the coordinator counts them.
const COPY_TOLD_SECONDS: i64 = 3600;

/// Puts agents into the order of their names, as people look for them.
pub fn by_name(agents: &mut [Agent]) {
    agents.sort_by(|one, other| (&one.name, &one.agent_id).cmp(&(&other.name, &other.agent_id)));
}

/// The state of an agent for people, who look for what is wrong with one that is online.
pub(crate) fn state_word(agent: &Agent, is_copied: bool) -> &'static str {
    match agent.state() {
        _ if agent.silence.is_some() => state::SILENT,
        AgentState::Online if agent.slowed_until.is_some() => state::SLOWED,
        AgentState::Online if is_copied => state::COPIED,
        state => state::agent(state),
    }
}

/// Agents as a list.
pub fn listing(agents: &[Agent]) -> Listing {
    let mut names = Names::default();
    for agent in agents {
        names.know_agent(&agent.agent_id, &agent.name);
    }
    let same = same_everywhere(agents);
    let are_named_apart = {
        let different: BTreeSet<&str> = agents.iter().map(|agent| agent.name.as_str()).collect();
        different.len() == agents.len() && !different.contains("")
    };
    let mut table = Table::new([
        "NAME", "STATE", "SLOTS", "BUSY", "SEEN", "LABELS", "HOLD", "HOST", "VERSION", "ID",
    ])
    .free_text(&["NAME", "LABELS", "HOLD"])
    .numbers(&["SLOTS", "BUSY"])
    .usual("VERSION", &[env!("CARGO_PKG_VERSION")])
    .dispensable(match are_named_apart {
        true => &["VERSION", "HOST", "ID", "HOLD", "LABELS"],
        false => &["VERSION", "HOST", "HOLD", "LABELS"],
    })
    .paths(&[("SEEN", "seen_time"), ("ID", "agent_id")]);
    let is_copied = copied(agents);
    for agent in agents {
        table.row([
            names.agent(&agent.agent_id).into_owned(),
            state_word(agent, is_copied(agent)).to_owned(),
            agent.slots.to_string(),
            busy(agent).to_string(),
            text::ago(agent.seen_time.as_ref()),
            labels(&agent.labels, &same),
            notable(agent),
            match agent.host == agent.name {
                true => String::new(),
                false => agent.host.clone(),
            },
            agent.version.clone(),
            agent.agent_id.clone(),
        ]);
        table.sort_by("SEEN", agent.seen_time.as_ref().map(text::seconds));
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

/// The slots with work in them.
pub fn busy(agent: &Agent) -> u64 {
    (agent.leases.len() as u64).min(agent.slots.into())
}

/// Leases beyond the slots: after a restore they are of attempts that nobody may be working on.
fn leases_over(agent: &Agent) -> u64 {
    agent.leases.len() as u64 - busy(agent)
}

/// The hold on an agent, and leases that it can have no slot for.
fn notable(agent: &Agent) -> String {
    let over = match leases_over(agent) {
        0 => String::new(),
        over => format!(
            "{} left from before, until they expire",
            text::counted(over, "lease")
        ),
    };
    let hold = hold::beside(agent.hold.as_ref());
    let parts = [silence(agent), lost(agent).to_owned(), hold, over];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("; ")
}

/// How long a silent agent has been silent, with the end of that; empty when it is not.
pub fn silence(agent: &Agent) -> String {
    let (Some(silence), Some(rest)) = (&agent.silence, &agent.lost_in) else {
        return String::new();
    };
    let [silence, rest] = [silence, rest].map(text::seconds_of);
    match agent.leases.len() {
        0 => format!("silent for {silence}, lost in {rest}"),
        _ => format!("silent for {silence}, its tasks go to others in {rest}"),
    }
}

/// Why a lost agent is lost, when it is not for its silence.
fn lost(agent: &Agent) -> &'static str {
    match agent.lost_cause.as_str() {
        "died" => "its process died",
        _ => "",
    }
}

/// Labels that several agents have and all of them alike.
fn same_everywhere(agents: &[Agent]) -> BTreeMap<String, String> {
    let Some((first, others)) = agents.split_first().filter(|(_, others)| !others.is_empty()) else {
        return BTreeMap::new();
    };
    let is_same = |(key, value): &(&String, &String)| {
        BUILT_IN.contains(&key.as_str()) && others.iter().all(|agent| agent.labels.get(*key) == Some(value))
    };
    let same = first.labels.iter().filter(is_same);
    same.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// The owner's labels, then the agent's own, without those that have columns or say the same of all agents.
fn labels(labels: &BTreeMap<String, String>, same: &BTreeMap<String, String>) -> String {
    let is_built_in = |key: &str| BUILT_IN.contains(&key);
    let shown = |key: &str| !["host", "name"].contains(&key) && !same.contains_key(key);
    let of = |built_in: bool| -> BTreeMap<String, String> {
        let some = labels
            .iter()
            .filter(|(key, _)| is_built_in(key) == built_in && shown(key));
        some.map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    let parts = [text::pairs(&of(false)), text::pairs(&of(true))];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(" ")
}

/// The commands that its owner allows; empty when they are all allowed.
fn commands(agent: &Agent) -> String {
    match &agent.rules {
        Some(rules) if rules.no_commands => "none, as its owner says (--no-command)".to_owned(),
        Some(rules) if !rules.programs.is_empty() => {
            let programs = rules.programs.join(", ");
            format!("only {programs}, as its owner says (--allow-command)")
        }
        Some(_) | None => String::new(),
    }
}

/// Everything about an agent that fits a page of this width.
pub fn page(agent: &Agent, width: Option<usize>) -> Sheet {
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
        .add("slowed until", text::at(agent.slowed_until.as_ref()))
        .add("slots", slots(agent))
        .add("labels", text::pairs(&agent.labels))
        .add("carries out", agent.executors.join(", "))
        .add("commands", commands(agent))
        .add("queues", agent.queues.join(", "))
        .add("shards", shards(agent))
        .add("version", &agent.version)
        .add("host", &agent.host)
        .add("copy refused", twin(agent))
        .add("registered", text::time_and_age(agent.register_time.as_ref()))
        .add("seen", text::time_and_age(agent.seen_time.as_ref()))
        .add("silence", silence(agent))
        .add("lost because", lost(agent));
    let mut page = page.sheet(width);
    if !agent.leases.is_empty() {
        let mut table = Table::new(["TASK", "ATTEMPT", "GRANTED", "EXPIRES"])
            .numbers(&["ATTEMPT"])
            .dispensable(&["GRANTED", "EXPIRES"]);
        for lease in &agent.leases {
            table.row([
                lease.task_id.clone(),
                lease.attempt.to_string(),
                text::ago(lease.grant_time.as_ref()),
                text::ago(lease.expire_time.as_ref()),
            ]);
        }
        page.section("leases").table(&table, &table.layout(width));
    }
    page
}

fn slots(agent: &Agent) -> String {
    let slots = format!("{}, {} busy", agent.slots, busy(agent));
    match leases_over(agent) {
        0 => slots,
        over => format!(
            "{slots}; {} left from before, until they expire",
            text::counted(over, "lease")
        ),
    }
}

/// The last copy of the agent that was refused; empty when there was none.
fn twin(agent: &Agent) -> String {
    if agent.twin_time.is_none() {
        return String::new();
    }
    format!(
        "on {}, {}",
        agent.twin_host,
        text::time_and_age(agent.twin_time.as_ref())
    )
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
