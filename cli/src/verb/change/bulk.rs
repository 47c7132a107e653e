//! Changes to all tasks of a filter: counted, confirmed, and made in batches.

use std::collections::BTreeMap;

use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::{
    limits::MAX_PAGE_ITEMS,
    reason::Reason,
    v1::{ListTasksRequest, Task, TaskChange, TaskState},
};

use super::changes;
use crate::{
    call::{
        client::Client,
        names,
        pages::Pages,
        subject::{Change, Doubt, Purpose},
    },
    output::{Output, state, task, text},
    program::{
        confirmation::is_confirmed,
        globals::Globals,
        terminal::{fault, note},
    },
    verb::look::{
        filter::{Filter, State},
        listing,
    },
};

/// At most this many changed tasks are listed for people; the rest is counted.
const MAX_ROWS: usize = 100;

/// At most this many refused tasks are named for each reason.
const MAX_TOLD: usize = 3;

/// The flags that guard a change of many tasks.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "Many at once")]
pub(super) struct Caution {
    /// Do not ask. As ID, the beginning of an id is then enough; --job and --agent need a whole id or a name
    #[arg(short, long)]
    yes: bool,
    /// Only list the tasks that would be changed
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// A kind of change, with its words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Action {
    /// `cancel`.
    pub(super) verb: &'static str,
    /// `cancelled`.
    pub(super) done: &'static str,
    /// The states that allow the change.
    pub(super) possible: &'static [TaskState],
    /// What a task has done, or has not, in the other states.
    pub(super) otherwise: &'static str,
    /// The states that are meant when a filter names none, and of the tasks of a job.
    pub(super) usual: &'static [TaskState],
    /// What is said of none of a job's tasks when it has none in these states.
    pub(super) usually: &'static str,
    /// What a dry run cannot see of the tasks that it lists.
    pub(super) unless: &'static str,
}

/// A task as the filter found it.
#[derive(Clone, Debug)]
pub(super) struct FoundTask {
    pub(super) task_id: String,
    pub(super) revision: u64,
    pub(super) state: TaskState,
}

impl Caution {
    /// The change of a task or job that is named: the flags answer a doubt about it.
    pub(super) fn change(self, action: Action) -> Change {
        let is_answered = self.yes || self.dry_run;
        let doubt = if is_answered {
            Doubt::Answered
        } else {
            Doubt::Asked
        };
        Change::of_it(action.verb).with(doubt)
    }
}

impl From<Task> for FoundTask {
    fn from(task: Task) -> FoundTask {
        FoundTask {
            state: task.state(),
            revision: task.revision,
            task_id: task.task_id,
        }
    }
}

impl Action {
    /// Changes the tasks of a filter, or lists them in a dry run. `change` is handed the tasks as they were found, and
    /// hands back the answers, those before an error too.
    ///
    /// # Errors
    ///
    /// When the filter names a state that does not allow the change, nobody can be asked, any task was refused, or the
    /// coordinator cannot be asked.
    pub(super) async fn of_filter(
        self,
        filter: &Filter,
        caution: Caution,
        client: &Client,
        globals: &Globals,
        change: impl AsyncFnOnce(Vec<FoundTask>, &mut Vec<TaskChange>) -> anyhow::Result<()>,
    ) -> anyhow::Result<Exit> {
        let pages = Pages::new(client, self.request(filter, caution, client).await?);
        self.of_pages(pages, caution, client, globals, change).await
    }

    /// Changes these tasks, or lists them in a dry run. `change` is handed the tasks as they were found.
    ///
    /// # Errors
    ///
    /// When nobody can be asked, any task was refused, or the coordinator cannot be asked.
    pub(super) async fn of_pages(
        self,
        pages: Pages<'_, ListTasksRequest>,
        caution: Caution,
        client: &Client,
        globals: &Globals,
        change: impl AsyncFnOnce(Vec<FoundTask>, &mut Vec<TaskChange>) -> anyhow::Result<()>,
    ) -> anyhow::Result<Exit> {
        let output = Output::new(globals);
        if caution.dry_run {
            return self.list(pages, client, &output).await;
        }
        let found = match self.confirmed(pages, caution).await? {
            Ok(found) => found,
            Err(exit) => return Ok(exit),
        };
        let mut changes = Vec::with_capacity(found.len());
        if let Err(error) = change(found, &mut changes).await {
            self.tell_begun(&changes, &output)?;
            return Err(error);
        }
        self.tell(&changes, &output, globals)
    }

    /// The request for the filter's tasks, in states that allow the change.
    ///
    /// # Errors
    ///
    /// When the filter names a state that does not allow the change, there is no such job or agent, or the coordinator
    /// cannot be asked.
    pub(super) async fn request(
        self,
        filter: &Filter,
        caution: Caution,
        client: &Client,
    ) -> anyhow::Result<ListTasksRequest> {
        let impossible = |state: &&State| !self.possible.contains(&TaskState::from(**state));
        if let Some(state) = filter.states.iter().find(impossible) {
            let word = state::word((*state).into());
            let sentence = format!(
                "cannot {} tasks that are {word}: they have {}",
                self.verb, self.otherwise
            );
            return Err(Failure::new(Exit::Usage, sentence).into());
        }
        // A script gives --yes to every filter, and has not thought of beginnings.
        let doubt = match (caution.dry_run, caution.yes) {
            (true, _) => Doubt::Answered,
            (false, true) => Doubt::Refused,
            (false, false) => Doubt::Asked,
        };
        let change = Change {
            verb: self.verb,
            object: "its tasks",
            doubt,
        };
        let mut request = filter.request(client, Purpose::Change(change)).await?;
        if request.states.is_empty() {
            request.states = self.usual.iter().map(|state| (*state).into()).collect();
        }
        Ok(request)
    }

    /// The listed tasks, if a person or a flag agrees; otherwise the exit code.
    async fn confirmed(
        self,
        mut pages: Pages<'_, ListTasksRequest>,
        caution: Caution,
    ) -> anyhow::Result<Result<Vec<FoundTask>, Exit>> {
        let mut found: Vec<FoundTask> = Vec::new();
        while let Some(page) = pages.next(MAX_PAGE_ITEMS).await? {
            found.extend(page.into_iter().map(FoundTask::from));
        }
        if found.is_empty() {
            note(format!("nothing to {}", self.verb));
            return Ok(Err(Exit::Done));
        }
        if !is_confirmed(&format!("{} {}", self.verb, counted(&found)), caution.yes)? {
            note(format!("nothing was {}", self.done));
            return Ok(Err(Exit::Failed));
        }
        Ok(Ok(found))
    }

    /// Lists the tasks that would be changed.
    ///
    /// # Errors
    ///
    /// When stdout cannot be written, or the coordinator cannot be asked.
    async fn list(
        self,
        pages: Pages<'_, ListTasksRequest>,
        client: &Client,
        output: &Output,
    ) -> anyhow::Result<Exit> {
        let names = names::for_people(client, output).await;
        let describe = |tasks: &[Task]| task::listing(tasks, &names);
        let listed = listing::print_all(pages, &describe, output).await?;
        self.tell_dry_run(listed);
        Ok(Exit::Done)
    }

    /// Tells how many tasks would have been changed.
    pub(super) fn tell_dry_run(self, listed: usize) {
        let tasks = text::counted(listed as u64, "task");
        note(format!("dry run: {tasks} would be {}{}", self.done, self.unless));
    }

    /// Prints the changed tasks, and sums them up. A task that had ended before its cancellation counts as done, and
    /// one that others need stays without a fault.
    ///
    /// # Errors
    ///
    /// When any was refused, or stdout is closed.
    fn tell(self, changes: &[TaskChange], output: &Output, globals: &Globals) -> anyhow::Result<Exit> {
        let (accepted, refused) = changes::split(changes);
        print(changes, &accepted, output)?;
        let (ended, refused): (Vec<&TaskChange>, Vec<&TaskChange>) = refused
            .into_iter()
            .partition(|change| changes::reason(change) == Some(Reason::TaskFinished));
        let (needed, refused): (Vec<&TaskChange>, Vec<&TaskChange>) = refused
            .into_iter()
            .partition(|change| changes::reason(change) == Some(Reason::TaskNeeded));
        note(self.summary(&accepted, &ended));
        if !needed.is_empty() {
            note(changes::stayed(needed.len()));
        }
        if refused.is_empty() {
            return Ok(Exit::Done);
        }
        let mut failure =
            changes::failure(&refused, changes.len(), &format!("cannot {}", self.verb), globals);
        failure.faults = by_reason(&refused)
            .iter()
            .map(|line| format!("  {line}"))
            .collect();
        Err(failure.into())
    }

    /// Prints the tasks that were changed before an error, for they stay so, and tells what was refused.
    ///
    /// # Errors
    ///
    /// When stdout is closed.
    pub(super) fn tell_begun(self, changes: &[TaskChange], output: &Output) -> anyhow::Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let (accepted, refused) = changes::split(changes);
        print(changes, &accepted, output)?;
        if !accepted.is_empty() {
            let (tasks, were) = (
                text::counted(accepted.len() as u64, "task"),
                if accepted.len() == 1 { "was" } else { "were" },
            );
            note(format!("{tasks} {were} {} before it failed", self.done));
        }
        for line in by_reason(&refused) {
            fault(format!("cannot {} {line}", self.verb));
        }
        Ok(())
    }

    /// `98 tasks cancelled, of which 20 run until their agents have ended them; 2 had ended`.
    fn summary(self, accepted: &[&TaskChange], ended: &[&TaskChange]) -> String {
        let mut summary = format!("{} {}", text::counted(accepted.len() as u64, "task"), self.done);
        let running = accepted
            .iter()
            .filter(|change| change.state() == TaskState::Running)
            .count();
        match running {
            0 => {}
            1 => summary.push_str(", of which 1 runs until its agent has ended it"),
            _ => summary.push_str(&format!(
                ", of which {running} run until their agents have ended them"
            )),
        }
        if !ended.is_empty() {
            summary.push_str(&format!("; {} had ended meanwhile", ended.len()));
        }
        summary
    }
}

/// Prints the changed tasks; for people no more than they read.
fn print(changes: &[TaskChange], accepted: &[&TaskChange], output: &Output) -> anyhow::Result<()> {
    let most = if output.format.is_for_people() {
        MAX_ROWS
    } else {
        usize::MAX
    };
    let shown = &accepted[..accepted.len().min(most)];
    output.list(&changes::listing(changes, shown, output))?;
    if shown.len() < accepted.len() {
        note(format!("and {} more", accepted.len() - shown.len()));
    }
    Ok(())
}

/// `120 tasks (100 queued, 20 running)`.
fn counted(found: &[FoundTask]) -> String {
    let mut counts: BTreeMap<i32, (TaskState, usize)> = BTreeMap::new();
    for task in found {
        counts.entry(task.state.into()).or_insert((task.state, 0)).1 += 1;
    }
    let counts: Vec<String> = counts
        .into_values()
        .map(|(state, count)| format!("{count} {}", state::word(state)))
        .collect();
    let tasks = text::counted(found.len() as u64, "task");
    format!("{tasks} ({})", counts.join(", "))
}

/// A line for each reason of refusals.
fn by_reason(refused: &[&TaskChange]) -> Vec<String> {
    let mut reasons: BTreeMap<&str, Vec<&TaskChange>> = BTreeMap::new();
    for change in refused {
        let word = change
            .refusal
            .as_ref()
            .map_or("", |refusal| refusal.reason.as_str());
        reasons.entry(word).or_default().push(change);
    }
    let lines = reasons.into_values().map(|of_reason| {
        let ids: Vec<&str> = of_reason
            .iter()
            .take(MAX_TOLD)
            .map(|change| change.task_id.as_str())
            .collect();
        let more = match of_reason.len() - ids.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("{}{more}: {}", ids.join(", "), changes::why(of_reason[0]))
    });
    lines.collect()
}
