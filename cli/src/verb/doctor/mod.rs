//! `swarmctl doctor`: faults of the coordinator, its agents and this machine, each with its remedy.

mod data_directory;
mod memory;

use std::{env, path::Path};

use prost_types::Timestamp;
use swarm_program::{
    doctor::{checkup, report::Report},
    exit::Exit,
    words::clean::clean_line,
};
use swarm_proto::{
    channel::Address,
    limits::MAX_PAGE_ITEMS,
    v1::{Agent, AgentState, GetStatusResponse, Hold, HoldKind, ListAgentsRequest},
};

use super::look::holds;
use crate::{
    call::client::Client,
    output::{
        Output, agent, change, hold,
        sheet::{Ink, Sheet},
        text,
    },
    program::{PROGRAM, globals::Globals},
};

const EXAMPLES: &str = "\
Examples:
  swarmctl doctor                              is there a coordinator, and does it work?
  swarmctl doctor --coordinator 10.0.0.5       the same about another one
  swarmctl doctor -o json                      for a script; exits 1 when something is wrong, 69 when none answers";

/// At most this many agents are named in one line.
const MOST_NAMES: usize = 5;

/// At most this many holds have a line.
const MOST_HOLDS: usize = 20;

/// The programs that a demo's commands need.
const TOOLS: [(&str, &str); 1] = [(
    "sh",
    "install a POSIX shell: `swarmctl dev` runs commands with it",
)];

/// No flags of its own.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES)]
pub struct Args {}

/// Checks everything and prints a report.
///
/// # Errors
///
/// When stdout is closed.
pub async fn run(_args: Args, globals: &Globals) -> anyhow::Result<Exit> {
    let output = Output::new(globals);
    let mut report = Report::default();
    check_settings(&mut report);
    let address = &globals.coordinator;
    let coordinator = checkup::coordinator(&mut report, address).await;
    if let Some(coordinator) = &coordinator {
        if let Some(status) = &coordinator.status {
            data_directory::check(&mut report, status);
            memory::check(&mut report, status);
            check_holds(&mut report, status, globals).await?;
        }
        match agents(globals).await {
            Ok(agents) => check_agents(&mut report, &agents, &coordinator.info.version, address),
            Err(error) => report.wrong(
                "agents",
                format!("the agents cannot be listed: {error:#}"),
                "see the error",
            ),
        }
        if let Some(status) = &coordinator.status {
            check_tasks(&mut report, status, globals);
        }
    }
    check_tools(&mut report);
    let troubled: Vec<&str> = report.troubled().collect();
    let page = marked(&report.page(output.width()));
    output.figures(&report.json(), &troubled.join("\n"), page)?;
    Ok(match (coordinator.is_some(), report.is_well()) {
        (false, _) => Exit::Unreachable,
        (true, false) => Exit::Failed,
        (true, true) => Exit::Done,
    })
}

/// The page with its marks in colour, and faint remedies.
fn marked(page: &str) -> Sheet {
    /// Further lines of a finding stand less far to the right.
    const REMEDY_INDENT: &str = "    ";
    let mut sheet = Sheet::default();
    for line in page.lines() {
        let mark = line.chars().next().unwrap_or_default();
        let ink = match mark {
            '✔' => Ink::Good,
            '!' => Ink::Notable,
            '✘' => Ink::Bad,
            _ => {
                let is_remedy = line.starts_with(REMEDY_INDENT);
                sheet.lines(if is_remedy { Ink::Faint } else { Ink::Plain }, line);
                continue;
            }
        };
        let (mark, text) = line.split_at(mark.len_utf8());
        sheet.line([(ink, mark.to_owned()), (Ink::Plain, text.to_owned())]);
    }
    sheet
}

fn check_settings(report: &mut Report) {
    match PROGRAM.user_file() {
        Some(path) if path.exists() => report.well("settings", format!("read from {}", path.display())),
        Some(path) => report.well(
            "settings",
            format!("there is no {}; it is not needed", path.display()),
        ),
        None => report.notable(
            "settings",
            "this user has no home directory, so no file of settings is looked for",
            "name one with --config FILE if you want one",
        ),
    }
}

async fn check_holds(
    report: &mut Report,
    status: &GetStatusResponse,
    globals: &Globals,
) -> anyhow::Result<()> {
    let named = holds::by_name(&Client::open(globals)?, &status.holds).await;
    if status.holds.is_empty() {
        report.well("holds", "nothing is paused, drained or stopped");
    }
    for (hold, named) in status.holds.iter().zip(&named).take(MOST_HOLDS) {
        report.notable(
            "hold",
            held(named),
            format!(
                "lift it with: {}",
                change::resume(&hold::Scope::of(hold), &globals.coordinator)
            ),
        );
    }
    let more = status.holds.len().saturating_sub(MOST_HOLDS) as u64 + status.more_holds;
    if more > 0 {
        report.notable(
            "hold",
            format!("and {} more", text::counted(more, "hold")),
            format!(
                "see: {} and {}",
                globals.next("queue list"),
                globals.next("agent list")
            ),
        );
    }
    Ok(())
}

/// `queue nightly is paused since … by ann@lab: too hot`.
fn held(hold: &Hold) -> String {
    let what = hold::Scope::of(hold).title();
    let how = match hold.kind() {
        HoldKind::Drain => "drained",
        HoldKind::Stop => "stopped",
        HoldKind::Pause | HoldKind::Unspecified => "paused",
    };
    let mut sentence = format!("{what} is {how} since {}", text::at(hold.place_time.as_ref()));
    if !hold.actor.is_empty() {
        sentence.push_str(&format!(" by {}", hold.actor));
    }
    if !hold.reason.is_empty() {
        sentence.push_str(&format!(": {}", hold.reason));
    }
    clean_line(&sentence)
}

async fn agents(globals: &Globals) -> anyhow::Result<Vec<Agent>> {
    let client = Client::open(globals)?;
    let request = ListAgentsRequest {
        page_size: MAX_PAGE_ITEMS as u32,
        ..ListAgentsRequest::default()
    };
    let listed = client.call(request).await;
    Ok(listed.map_err(client.failure("cannot list the agents"))?.agents)
}

fn check_agents(report: &mut Report, agents: &[Agent], version: &str, address: &Address) {
    let start = format!("start one with: {}", change::start_agent(address));
    let named = |wanted: &dyn Fn(&Agent) -> bool| -> Vec<&Agent> {
        agents.iter().filter(|agent| wanted(agent)).collect()
    };
    let online = named(&|agent| agent.state() == AgentState::Online);
    if agents.is_empty() {
        report.wrong("agents", "there is none: nothing can run", start);
    } else if online.is_empty() {
        report.wrong(
            "agents",
            format!("none of {} is online: nothing can run", agents.len()),
            start,
        );
    } else {
        let slots: u64 = online.iter().map(|agent| u64::from(agent.slots)).sum();
        report.well(
            "agents",
            format!("{} online with {}", online.len(), text::counted(slots, "slot")),
        );
    }
    let silent = named(&|agent| agent.silence.is_some());
    if !silent.is_empty() {
        report.notable(
            "agents silent",
            list(&silent, agent::silence),
            "see whether each still runs, and whether the network is between: agent doctor says which",
        );
    }
    let lost = named(&|agent| agent.state() == AgentState::Lost);
    if !lost.is_empty() {
        let seen = |agent: &Agent| match &agent.seen_time {
            _ if agent.lost_cause == "died" => "its process died".to_owned(),
            Some(time) => format!("last heard of {}", text::ago(Some(time as &Timestamp))),
            None => "not heard of since the coordinator started".to_owned(),
        };
        report.notable(
            "agents lost",
            list(&lost, |agent| seen(agent)),
            "start each again where it ran, or see whether the network is between: agent doctor says which",
        );
    }
    let other = named(&|agent| agent.state() == AgentState::Online && agent.version != version);
    if !other.is_empty() {
        report.notable(
            "agents' versions",
            format!(
                "the coordinator is {version}; {}",
                list(&other, |agent| agent.version.clone())
            ),
            "install the coordinator's version there when something is not understood",
        );
    }
    let copied = named(&agent::copied(agents));
    if !copied.is_empty() {
        report.notable(
            "agents copied",
            list(&copied, |agent| {
                format!("on {}, and a copy on {} was refused", agent.host, agent.twin_host)
            }),
            "give each agent a state directory of its own: empty the copied one before its agent starts",
        );
    }
    let slowed = named(&|agent| agent.slowed_until.is_some());
    if !slowed.is_empty() {
        report.notable(
            "agents slowed",
            list(&slowed, |agent| {
                format!("until {}", text::at(agent.slowed_until.as_ref()))
            }),
            "the machine failed what it was given: run agent doctor there",
        );
    }
}

/// The first few agents by name, each with a remark.
fn list(agents: &[&Agent], about: impl Fn(&Agent) -> String) -> String {
    let mut parts: Vec<String> = agents
        .iter()
        .take(MOST_NAMES)
        .map(|agent| {
            let name = if agent.name.is_empty() {
                &agent.agent_id
            } else {
                &agent.name
            };
            clean_line(&format!("{name} ({})", about(agent)))
        })
        .collect();
    if agents.len() > MOST_NAMES {
        parts.push(format!("and {} more", agents.len() - MOST_NAMES));
    }
    parts.join(", ")
}

fn check_tasks(report: &mut Report, status: &GetStatusResponse, globals: &Globals) {
    let queued = status.tasks.unwrap_or_default().queued;
    match status.unmatched {
        0 if queued == 0 => report.well("tasks", "none is queued"),
        0 => report.well(
            "tasks",
            format!(
                "{}, and for each there is an agent that can run it",
                text::counted(queued, "queued task")
            ),
        ),
        unmatched => report.wrong(
            "tasks",
            format!(
                "{} that no live agent can run as things are",
                text::counted(unmatched, "queued task")
            ),
            match status.unmatched_task_id.as_str() {
                "" => format!("{} shows them", globals.next("list --state queued")),
                id => format!(
                    "{} says what is missing",
                    change::explain(id, &globals.coordinator)
                ),
            },
        ),
    }
}

fn check_tools(report: &mut Report) {
    let path = env::var_os("PATH").unwrap_or_default();
    for (tool, fix) in TOOLS {
        match env::split_paths(&path)
            .map(|dir| dir.join(tool))
            .find(|file| is_program(file))
        {
            Some(file) => report.well("tool", format!("{tool} is {}", file.display())),
            None => report.notable("tool", format!("{tool} is not on PATH"), fix),
        }
    }
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_is_told_with_who_and_why_and_what_lifts_it() {
        let hold = Hold {
            scope: Some(swarm_proto::v1::hold::Scope::Queue("nightly".into())),
            kind: HoldKind::Pause.into(),
            actor: "ann@lab".into(),
            reason: "too hot".into(),
            place_time: Some(Timestamp {
                seconds: 1_700_000_000,
                nanos: 0,
            }),
            ..Hold::default()
        };
        assert_eq!(
            (
                held(&hold),
                change::resume(&hold::Scope::of(&hold), &"lab:7".parse().unwrap())
            ),
            (
                format!(
                    "queue nightly is paused since {} by ann@lab: too hot",
                    text::at(hold.place_time.as_ref())
                ),
                "swarmctl --coordinator lab:7 resume --queue nightly".to_owned()
            )
        );
    }

    #[test]
    fn an_agent_that_is_lost_is_named() {
        let mut report = Report::default();
        let lost = Agent {
            name: "lab-3".into(),
            state: AgentState::Lost.into(),
            ..Agent::default()
        };
        check_agents(&mut report, &[lost], "1", &"lab:7".parse().unwrap());
        let said = report.to_string();
        assert!(
            said.contains("✘ agents: none of 1 is online") && said.contains("agent --coordinator lab:7"),
            "{said}"
        );
        assert!(
            said.contains("! agents lost: lab-3 (not heard of since the coordinator started)"),
            "{said}"
        );
    }
}
