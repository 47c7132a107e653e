//! The status on one screen: how far the work is, what runs where, and what is in the way.

use swarm_program::words::{clean::clean_line, wrapped::wrapped};
use swarm_proto::{
    duration::read_duration,
    limits::MAX_PAGE_ITEMS,
    v1::{
        Agent, GetServerInfoResponse, GetStatusResponse, Hold, ListAgentsRequest, ListTasksRequest,
        StateCounts, Task, TaskState,
    },
};

use super::details;
use crate::{
    call::{client::Client, pages::Pages},
    output::{
        agent, bar, change, counts, hold,
        names::Names,
        sheet::{Ink, Sheet},
        table::Table,
        task, text,
    },
};

/// Characters of the bar of all tasks.
const BAR_WIDTH: usize = 20;

/// Characters of the longest bar of an agent.
const AGENT_BAR_WIDTH: usize = 10;

/// Running tasks that are asked for: no screen shows more.
const MOST_RUNNING: usize = 200;

/// Holds with a line of their own.
const MOST_HOLDS: usize = 2;

/// A store that is further behind than this is told of.
const NOTABLE_BACKLOG: u64 = 100_000;

/// Agents and running tasks.
pub(super) struct AtWork {
    agents: Vec<Agent>,
    has_more_agents: bool,
    /// Those that started first.
    running: Vec<Task>,
}

impl AtWork {
    /// Asks the coordinator.
    ///
    /// # Errors
    ///
    /// When it refuses or cannot be reached.
    pub(super) async fn look(client: &Client) -> anyhow::Result<AtWork> {
        let mut pages = Pages::new(client, ListAgentsRequest::default());
        let mut agents = pages.next(MAX_PAGE_ITEMS).await?.unwrap_or_default();
        agent::by_name(&mut agents);
        let has_more_agents = pages.next(1).await?.is_some();
        let running = ListTasksRequest {
            states: vec![TaskState::Running.into()],
            ..ListTasksRequest::default()
        };
        let mut pages = Pages::new(client, running);
        let mut running = Vec::new();
        while running.len() < MOST_RUNNING
            && let Some(page) = pages.next(MOST_RUNNING - running.len()).await?
        {
            running.extend(page);
        }
        running.sort_by_key(|task: &Task| task.start_time.map(|time| (time.seconds, time.nanos)));
        Ok(AtWork {
            agents,
            has_more_agents,
            running,
        })
    }
}

/// The parts of the page.
pub(super) struct Board<'a> {
    pub(super) client: &'a Client,
    pub(super) status: &'a GetStatusResponse,
    /// With the names of agents.
    pub(super) holds: &'a [Hold],
    pub(super) server: &'a GetServerInfoResponse,
    pub(super) at_work: &'a AtWork,
    pub(super) width: Option<usize>,
}

impl Board<'_> {
    /// The page on at most so many lines.
    pub(super) fn page(&self, height: usize) -> Sheet {
        let mut page = self.head();
        let trouble = self.trouble();
        /// An empty line and a heading.
        const SECTION: usize = 2;
        let room =
            height.saturating_sub(page.height() + trouble.height() + usize::from(trouble.height() > 0));
        let (agents, running) = (self.at_work.agents.len(), self.running());
        let for_both = room.saturating_sub(2 * SECTION);
        // What one part does not need is the other's.
        let for_agents = agents.min((for_both / 2).max(for_both.saturating_sub(running)));
        let for_running = running.min(for_both.saturating_sub(for_agents));
        if for_agents > 0 {
            page.section("agents").append(self.agents(for_agents));
        }
        if for_running > 0 {
            page.section("running").append(self.running_tasks(for_running));
        }
        if trouble.height() > 0 {
            page.blank().append(trouble);
        }
        let left_out = page.height().saturating_sub(height);
        if left_out > 0 {
            // The line that tells so stands in place of one more.
            page.truncate(height.saturating_sub(1));
            let all = self.client.next("status -o wide");
            let left_out = text::counted(left_out as u64 + 1, "more line");
            page.lines(Ink::Faint, &format!("and {left_out}: {all}"));
        }
        page
    }

    fn running(&self) -> usize {
        let counted = self.status.tasks.unwrap_or_default().running;
        usize::try_from(counted)
            .unwrap_or(usize::MAX)
            .max(self.at_work.running.len())
    }

    fn head(&self) -> Sheet {
        let status = self.status;
        let tasks: StateCounts = status.tasks.unwrap_or_default();
        let agents = status.agents.unwrap_or_default();
        let busy: u64 = self.at_work.agents.iter().map(agent::busy).sum();
        let up = status.uptime.as_ref().and_then(read_duration).map(text::took);
        let up = up.unwrap_or_default();
        let mut parts = vec![
            format!("up {up}"),
            text::counted(agents.online, "agent") + " online",
        ];
        for (count, state) in [
            (agents.slowed, "slowed"),
            (agents.copied, "copied"),
            (agents.draining, "draining"),
            (agents.paused, "paused"),
            (agents.silent, "silent"),
            (agents.lost, "lost"),
        ] {
            if count > 0 {
                parts.push(format!("{count} {state}"));
            }
        }
        if status.slots > 0 {
            parts.push(format!("{busy} of {} busy", text::counted(status.slots, "slot")));
        }
        let mut head = Sheet::default();
        let mut first = vec![
            (Ink::Strong, self.client.address().to_string()),
            (Ink::Faint, format!("  {}", self.server.version)),
        ];
        for (place, part) in parts.into_iter().enumerate() {
            let before = if place == 0 { "  " } else { ", " };
            first.push((Ink::Plain, format!("{before}{part}")));
        }
        head.broken(first, self.width);
        head.broken(counts::bar(&tasks, BAR_WIDTH), self.width);
        let mut facts = Vec::new();
        if let Some(rates) = &status.rates
            && rates.submitted + rates.granted + rates.succeeded + rates.failed > 0.0
        {
            facts.push(format!("last minute: {}", details::rates(rates)));
        }
        if tasks.queued > 0 && status.oldest_queued_time.is_some() {
            let waits = text::elapsed(status.oldest_queued_time.as_ref());
            facts.push(format!("the oldest queued task waits for {waits}"));
        }
        for fact in facts {
            head.lines(Ink::Faint, wrapped("", &fact, self.width).trim_end());
        }
        head
    }

    fn agents(&self, lines: usize) -> Sheet {
        let mut names = Names::default();
        for agent in &self.at_work.agents {
            names.know_agent(&agent.agent_id, &agent.name);
        }
        let all = &self.at_work.agents;
        let shown = shown_of(all.len(), lines);
        let mut table = Table::new(["AGENT", "STATE", "BAR", "BUSY", "SEEN", "HOLD"])
            .without_dashes()
            .free_text(&["AGENT", "HOLD"])
            .dispensable(&["SEEN", "HOLD", "BAR"]);
        let is_copied = agent::copied(all);
        for agent in &all[..shown] {
            let (busy, slots) = (agent::busy(agent), u64::from(agent.slots));
            let cells = usize::try_from(slots).unwrap_or(usize::MAX).min(AGENT_BAR_WIDTH);
            table.row([
                names.agent(&agent.agent_id).into_owned(),
                agent::state_word(agent, is_copied(agent)).to_owned(),
                bar::of(busy, slots, cells),
                format!("{busy}/{slots}"),
                text::ago(agent.seen_time.as_ref()),
                hold::beside(agent.hold.as_ref()),
            ]);
        }
        let mut sheet = self.rows(&table);
        let (left, and_more) = (all.len() - shown, self.at_work.has_more_agents);
        if left > 0 || and_more {
            let more = if and_more {
                format!("more than {left}")
            } else {
                left.to_string()
            };
            let list = self.client.next("agent list");
            sheet.lines(Ink::Faint, &format!("  and {more} more: {list}"));
        }
        sheet
    }

    fn running_tasks(&self, lines: usize) -> Sheet {
        let mut names = Names::default();
        for agent in &self.at_work.agents {
            names.know_agent(&agent.agent_id, &agent.name);
        }
        let all = self.running();
        let shown = shown_of(all, lines).min(self.at_work.running.len());
        let mut table = Table::new(["WHAT", "AGENT", "TOOK", "ID"])
            .without_dashes()
            .free_text(&["WHAT", "AGENT"])
            .numbers(&["TOOK"]);
        for task in &self.at_work.running[..shown] {
            let agent = task.attempts.last().map(|newest| names.agent(&newest.agent_id));
            table.row([
                task::what(&task.spec.clone().unwrap_or_default()),
                agent.unwrap_or_default().into_owned(),
                task::took(task).map(text::took).unwrap_or_default(),
                task.task_id.clone(),
            ]);
        }
        let mut sheet = self.rows(&table);
        if all > shown {
            let list = self.client.next("list --state running");
            sheet.lines(Ink::Faint, &format!("  and {} more: {list}", all - shown));
        }
        sheet
    }

    /// The rows of a table without its headings, indented.
    fn rows(&self, table: &Table) -> Sheet {
        const INDENT: usize = 2;
        let layout = table.layout(self.width.map(|width| width.saturating_sub(INDENT)));
        let mut sheet = Sheet::default();
        sheet.indented(INDENT, table.lines(&layout, false).into());
        sheet
    }

    /// What is in the way, each with what to type.
    fn trouble(&self) -> Sheet {
        let (status, client) = (self.status, self.client);
        let tasks = status.tasks.unwrap_or_default();
        let online = status.agents.unwrap_or_default().online;
        let mut trouble = Vec::new();
        for told in [details::clock(status), details::history(status)] {
            if !told.is_empty() {
                trouble.push((told, String::new()));
            }
        }
        let agents = status.agents.unwrap_or_default();
        if agents.copied > 0 {
            let copied = text::counted(agents.copied, "agent");
            trouble.push((format!("a copy of {copied} was refused"), client.next("doctor")));
        }
        if agents.silent > 0 {
            trouble.push((silence(status), client.next("agent list")));
        }
        if status.disk_refuses_submits {
            let left = status
                .free_bytes
                .map_or_else(String::new, |free| format!(": {} left", text::bytes(free)));
            trouble.push((
                format!("the coordinator's disk is full{left}"),
                client.next("doctor"),
            ));
        }
        let behind = status.journal_seq.saturating_sub(status.store_seq);
        if behind > NOTABLE_BACKLOG {
            trouble.push((
                format!("the store has yet to take {}", text::counted(behind, "event")),
                client.next("doctor"),
            ));
        }
        for (named, held) in self.holds.iter().zip(&status.holds).take(MOST_HOLDS) {
            let resume = change::resume(&hold::Scope::of(held), client.address());
            trouble.push((hold::sentence(named), resume));
        }
        let more_holds = self.holds.len().saturating_sub(MOST_HOLDS) as u64 + status.more_holds;
        if more_holds > 0 {
            let held = format!("{} more", text::counted(more_holds, "hold"));
            trouble.push((
                held,
                format!("{} and {}", client.next("queue list"), client.next("agent list")),
            ));
        }
        if online == 0 && tasks.queued > 0 {
            trouble.push((
                format!(
                    "{} and no agent is online",
                    text::counted(tasks.queued, "queued task")
                ),
                change::start_agent(client.address()),
            ));
        } else if status.unmatched > 0 {
            let explain = match status.unmatched_task_id.as_str() {
                "" => client.next("list --state queued"),
                id => change::explain(id, client.address()),
            };
            let unmatched = text::counted(status.unmatched, "queued task");
            trouble.push((
                format!("{unmatched} that no live agent can run as things are"),
                explain,
            ));
        }
        let mut sheet = Sheet::default();
        for (what, next) in trouble {
            self.add_trouble(&mut sheet, &what, &next);
        }
        sheet
    }

    /// On one line where it fits there.
    fn add_trouble(&self, sheet: &mut Sheet, what: &str, next: &str) {
        let length = what.chars().count() + next.chars().count() + ": ".len();
        if next.is_empty() || self.width.is_some_and(|width| length > width) {
            sheet.lines(Ink::Notable, wrapped("", what, self.width).trim_end());
            if !next.is_empty() {
                sheet.lines(Ink::Faint, &format!("  {next}"));
            }
        } else {
            sheet.line([(Ink::Notable, what.to_owned()), (Ink::Faint, format!(": {next}"))]);
        }
    }
}

/// How many of so many things are shown on so many lines, one of which tells of the others.
fn shown_of(things: usize, lines: usize) -> usize {
    if things <= lines {
        things
    } else {
        lines.saturating_sub(1)
    }
}

/// `lab-3 has been silent for 49s`.
fn silence(status: &GetStatusResponse) -> String {
    let silent = status.agents.unwrap_or_default().silent;
    let silence = status.silence.as_ref().map(text::seconds_of).unwrap_or_default();
    let others = match silent.saturating_sub(1) {
        0 => String::new(),
        others => format!(", and {} too", text::counted(others, "other agent")),
    };
    clean_line(&format!(
        "{} has been silent for {silence}{others}",
        status.silent_agent
    ))
}
