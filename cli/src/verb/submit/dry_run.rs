//! `submit --dry-run`: checks everything that can be checked without a change, and prints the tasks that would be
//! submitted.

use std::collections::{HashMap, HashSet};

use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::{
    call::CallFailure,
    mask::masked,
    reason::Reason,
    v1::{
        DependencyCondition, GetJobRequest, GetServerInfoRequest, GetServerInfoResponse, GetTaskRequest,
        NewTask, SubmitTasksRequest, SubmittedTask, Task, TaskSpec, TaskState, Unmatched,
    },
};

use super::{answer, check, needs, source, unmatched};
use crate::{
    call::client::Client,
    jobfile::{
        JobFile,
        fault::{External, Faults},
    },
    output::{Listing, Output, state, table::Table, task, text},
    program::terminal::{fault, hint, note},
};

/// At most this many ids are looked up on the coordinator.
const MAX_LOOKUPS: usize = 1_000;

/// A default of a coordinator that cannot be asked.
const UNKNOWN_DEFAULT: &str = "default";

/// The request that would be submitted.
pub(crate) struct DryRun<'a> {
    pub(crate) client: &'a Client,
    pub(crate) request: &'a SubmitTasksRequest,
    /// The job file that the request was read from.
    pub(crate) file: Option<&'a JobFile>,
    pub(crate) require_match: bool,
}

/// The coordinator's knowledge about the request.
struct Known {
    /// Faults with a place in the job file.
    located: Faults,
    /// Faults without a place in a file.
    faults: Vec<String>,
    /// Tasks that exist already, with equal specs.
    existing: Vec<SubmittedTask>,
    /// Dependencies whose end skips the task at once.
    hopeless: Vec<String>,
    unmatched: Vec<Unmatched>,
    /// The number of ids beyond the limit, which were not looked up.
    unchecked: usize,
}

impl DryRun<'_> {
    /// Checks and prints.
    ///
    /// # Errors
    ///
    /// When the coordinator would refuse the request, or stdout cannot be written. An unreachable coordinator is no
    /// error.
    pub(crate) async fn run(&self, output: &Output) -> anyhow::Result<Exit> {
        check::check(self.request, self.file)?;
        let known = match self.ask().await {
            Ok(known) => Some(known),
            Err(failure) => {
                let why = failure.plain_cause();
                fault(format!(
                    "not checked with the coordinator at {}: {why}",
                    self.client.address()
                ));
                None
            }
        };
        if let Some(failure) = known.as_ref().and_then(|known| self.failure(known)) {
            return Err(failure.into());
        }
        if output.format.is_one_value() {
            output.one(self.request, "", "")?;
        } else {
            // Who could not be asked before is not waited for again.
            let defaults = match known {
                Some(_) => self.client.call(GetServerInfoRequest {}).await.ok(),
                None => None,
            };
            let shown = answer::shown_rows(output);
            output.list(&self.listing(defaults.as_ref(), shown))?;
            answer::tell_left(self.request.tasks.len(), shown);
        }
        let unmatched = known.map(|known| self.tell(&known)).transpose();
        hint(format!(
            "nothing was submitted; without --dry-run: {}",
            self.title()
        ));
        unmatched?;
        Ok(Exit::Done)
    }

    /// The coordinator's refusal, if it would refuse the request.
    fn failure(&self, known: &Known) -> Option<Failure> {
        let count = known.located.faults.len() + known.faults.len();
        if count == 0 {
            return None;
        }
        let origin = self.file.map_or("the command line", |file| &file.origin);
        let count = text::counted(count as u64, "fault");
        let mut failure = Failure::new(
            Exit::Usage,
            format!("{origin} has {count}; nothing was submitted"),
        );
        if !known.located.is_empty() {
            failure.faults = source::lines(&known.located);
        }
        failure.faults.extend_from_slice(&known.faults);
        Some(failure)
    }

    /// Tells what the coordinator knows. That no agent can run some of the tasks is a failure for who asks for a match.
    fn tell(&self, known: &Known) -> Result<(), Failure> {
        answer::tell_existing(&known.existing);
        known.hopeless.iter().for_each(note);
        if known.unchecked > 0 {
            note(format!(
                "{} were not looked up",
                text::counted(known.unchecked as u64, "id")
            ));
        }
        let tasks: Vec<SubmittedTask> = self
            .request
            .tasks
            .iter()
            .map(|task| SubmittedTask {
                task_id: task.task_id.clone(),
                state: state_at_first(task).into(),
                existed: false,
            })
            .collect();
        if self.require_match && !known.unmatched.is_empty() {
            return Err(unmatched::failure_without_help(&tasks, &known.unmatched));
        }
        unmatched::tell_without_help(&tasks, &known.unmatched);
        Ok(())
    }

    fn title(&self) -> String {
        let tasks = text::counted(self.request.tasks.len() as u64, "task");
        match &self.request.job {
            Some(job) if job.name.is_empty() => format!("{tasks} as a job"),
            Some(job) => format!("{tasks} as job {}", job.name),
            None => tasks,
        }
    }

    fn listing(&self, defaults: Option<&GetServerInfoResponse>, shown: usize) -> Listing {
        let tasks = &self.request.tasks;
        let specs = || tasks.iter().filter_map(|task| Some((task, task.spec.as_ref()?)));
        let names: HashMap<&str, &str> = specs()
            .filter(|(_, spec)| !spec.name.is_empty())
            .map(|(task, spec)| (task.task_id.as_str(), spec.name.as_str()))
            .collect();
        let mut table = Table::new([
            "NAME",
            "ID",
            "COMMAND",
            "QUEUE",
            "PRIORITY",
            "TIMEOUT",
            "RETRIES",
            "STARTS AFTER",
            "DEADLINE",
            "DEPENDS ON",
            "REQUIRES",
        ])
        .free_text(&["NAME", "COMMAND", "DEPENDS ON", "REQUIRES"])
        .numbers(&["PRIORITY", "TIMEOUT", "RETRIES"])
        .dispensable(&["PRIORITY", "QUEUE", "RETRIES"]);
        for (new, spec) in specs().take(shown) {
            let depends_on = spec.depends_on.iter().map(|on| {
                let id = on.task_id.as_str();
                *names.get(id).unwrap_or(&id)
            });
            table.row([
                spec.name.clone(),
                new.task_id.clone(),
                task::command_line(spec),
                task::queue(spec).to_owned(),
                spec.priority.to_string(),
                timeout(spec, defaults),
                retries(spec, defaults),
                start(spec),
                text::time(spec.deadline.as_ref()),
                depends_on.collect::<Vec<_>>().join(", "),
                needs::terms(spec).join(", "),
            ]);
        }
        Listing::of_messages("tasks", tasks, |task| &task.task_id, table)
    }

    /// Asks the coordinator about every id, the job, and the needs of the tasks.
    async fn ask(&self) -> Result<Known, Box<CallFailure>> {
        let mut known = Known {
            located: self.file.map_or_else(|| Faults::new(""), JobFile::no_faults),
            faults: Vec::new(),
            existing: Vec::new(),
            hopeless: Vec::new(),
            unmatched: Vec::new(),
            unchecked: 0,
        };
        let mut asked: HashMap<&str, Option<Task>> = HashMap::new();
        for (index, task) in self.request.tasks.iter().enumerate() {
            let Some(there) = self.look_up(&task.task_id, &mut asked, &mut known).await? else {
                continue;
            };
            let spec = there.spec.clone().unwrap_or_default();
            if spec == masked(task.spec.clone().unwrap_or_default()) {
                known.existing.push(SubmittedTask {
                    task_id: task.task_id.clone(),
                    state: there.state,
                    existed: true,
                });
            } else {
                let state = state::word(there.state());
                let fault = format!("a task {} with another spec exists; it is {state}", task.task_id);
                match self
                    .file
                    .and_then(|file| file.locate(&format!("tasks[{index}].task_id")))
                {
                    Some(position) => known.located.push(position, fault),
                    None => known.faults.push(format!("  --id: {fault}")),
                }
            }
        }
        self.check_job(&mut known).await?;
        self.check_dependencies(&mut asked, &mut known).await?;
        known.unmatched = needs::unmatched(self.client, &self.request.tasks).await?;
        Ok(known)
    }

    async fn check_job(&self, known: &mut Known) -> Result<(), Box<CallFailure>> {
        let Some(job) = self
            .request
            .job
            .as_ref()
            .filter(|_| known.existing.len() < self.request.tasks.len())
        else {
            return Ok(());
        };
        let job_id = job.job_id.clone();
        match self.client.call(GetJobRequest { job_id }).await {
            Ok(_) => {
                let fault = format!("a job {} with other tasks exists", job.job_id);
                match self.file.and_then(|file| file.locate("job.job_id")) {
                    Some(position) => known.located.push(position, fault),
                    None => known.faults.push(format!("  {fault}")),
                }
                Ok(())
            }
            Err(failure) if failure.reason() == Some(Reason::JobNotFound) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    async fn check_dependencies<'r>(
        &'r self,
        asked: &mut HashMap<&'r str, Option<Task>>,
        known: &mut Known,
    ) -> Result<(), Box<CallFailure>> {
        let own: HashSet<&str> = self
            .request
            .tasks
            .iter()
            .map(|task| task.task_id.as_str())
            .collect();
        let external: HashMap<&str, &External> = self.file.map_or_else(HashMap::new, |file| {
            file.external
                .iter()
                .map(|external| (external.task_id.as_str(), external))
                .collect()
        });
        let mut told = HashSet::new();
        for task in &self.request.tasks {
            for on in task.spec.iter().flat_map(|spec| &spec.depends_on) {
                let id = on.task_id.as_str();
                if own.contains(id) || (asked.len() >= MAX_LOOKUPS && !asked.contains_key(id)) {
                    continue;
                }
                match self.look_up(id, asked, known).await? {
                    None => match external.get(id) {
                        _ if !told.insert(id) => {}
                        Some(external) => known.located.push_unknown_task(external),
                        None => known
                            .faults
                            .push(format!("  --depends-on: there is no task '{id}'")),
                    },
                    Some(there) if is_hopeless(there.state(), on.condition()) => {
                        let state = state::word(there.state());
                        known.hopeless.push(format!(
                            "{} would be skipped at once: {id} is {state}",
                            task.task_id
                        ));
                    }
                    Some(_) => {}
                }
            }
        }
        Ok(())
    }

    /// The task with this id. Each id is looked up once.
    async fn look_up<'r>(
        &self,
        id: &'r str,
        asked: &mut HashMap<&'r str, Option<Task>>,
        known: &mut Known,
    ) -> Result<Option<Task>, Box<CallFailure>> {
        if let Some(task) = asked.get(id) {
            return Ok(task.clone());
        }
        if asked.len() >= MAX_LOOKUPS {
            known.unchecked += 1;
            return Ok(None);
        }
        let request = GetTaskRequest {
            task_id: id.to_owned(),
        };
        let task = match self.client.call(request).await {
            Ok(answer) => answer.task.map(|task| Task { result: None, ..task }),
            Err(failure)
                if matches!(
                    failure.reason(),
                    Some(Reason::TaskNotFound | Reason::FieldInvalid)
                ) =>
            {
                None
            }
            Err(failure) => return Err(failure),
        };
        asked.insert(id, task.clone());
        Ok(task)
    }
}

/// How long an attempt may run: as the spec says, or else the coordinator.
fn timeout(spec: &TaskSpec, defaults: Option<&GetServerInfoResponse>) -> String {
    let default = || defaults.and_then(|info| info.default_timeout.as_ref());
    spec.timeout
        .as_ref()
        .or_else(default)
        .map_or_else(|| UNKNOWN_DEFAULT.to_owned(), text::duration)
}

/// Further tries after the first failure: as the spec says, or else the coordinator.
fn retries(spec: &TaskSpec, defaults: Option<&GetServerInfoResponse>) -> String {
    let own = spec.retry.as_ref().and_then(|retry| retry.max_retries);
    let retries = own.or_else(|| defaults.map(|info| info.default_retries));
    retries.map_or_else(|| UNKNOWN_DEFAULT.to_owned(), |retries| retries.to_string())
}

/// When it may begin.
fn start(spec: &TaskSpec) -> String {
    let delay = spec.delay.as_ref().map(text::duration);
    let not_before = spec.not_before.as_ref().map(|time| text::time(Some(time)));
    [delay, not_before]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(", ")
}

/// Whether a dependency has ended in a way that does not meet its condition.
fn is_hopeless(state: TaskState, condition: DependencyCondition) -> bool {
    state::is_final(state) && state != TaskState::Succeeded && condition != DependencyCondition::Finished
}

/// The first state of a task, as far as its spec tells.
fn state_at_first(task: &NewTask) -> TaskState {
    match &task.spec {
        Some(spec) if !spec.depends_on.is_empty() => TaskState::Blocked,
        Some(spec) if spec.delay.is_some() || spec.not_before.is_some() => TaskState::Delayed,
        Some(_) | None => TaskState::Queued,
    }
}
