//! Somebody submits tasks: all or none.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use crate::{
    draft::Draft,
    event::Fact,
    id::{AttemptNumber, JobId, Number, Seq, TaskId},
    limits::{MAX_DEPENDENCIES, MAX_SPEC_BYTES, MAX_SUBMIT_DEPENDENCIES, MAX_SUBMIT_TASKS},
    noun::{
        counts::Counts,
        job::Job,
        lazy_box::LazyBox,
        needs::{Bucket, Needs},
        task::{Condition, Dependency, Phase, Task, TaskState, Times},
        tries::RetryPolicy,
    },
    rejection::{FaultKind, Faults, Rejection},
    rule::dependency::settle,
    state::State,
    time::{Millis, Timestamp},
};

/// Tasks to accept, and the job they form.
#[derive(Clone, Debug, Default)]
pub struct Submit {
    /// The job; `None` when the tasks form none.
    pub job: Option<NewJob>,
    /// The tasks; references may point forwards.
    pub tasks: Vec<NewTask>,
    /// Faults that the edge has found already, so that all are reported together.
    pub faults: Faults,
}

/// A job to accept.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Its id, chosen by the submitter.
    pub id: JobId,
    /// Its name, for people.
    pub name: Arc<str>,
    /// Labels, for people and filters.
    pub labels: BTreeMap<String, String>,
}

/// A task to accept.
#[derive(Clone, Debug)]
pub struct NewTask {
    /// Its id, chosen by the submitter.
    pub id: TaskId,
    /// The encoded spec as sent.
    pub spec: Arc<[u8]>,
    /// Its demands on an agent and on the moment.
    pub needs: Needs,
    /// The bucket that decides its shard.
    pub bucket: Bucket,
    /// Its priority: higher ones are granted first.
    pub priority: i16,
    /// Its dependencies, which must end first.
    pub dependencies: Vec<(TaskId, Condition)>,
    /// Its retries and backoffs.
    pub retry: RetryPolicy,
    /// The longest time that an attempt may run.
    pub timeout: Millis,
    /// Its earliest start.
    pub not_before: Option<Timestamp>,
    /// Its earliest start, as a time after the submit.
    pub delay: Option<Duration>,
    /// Its deadline: it fails when it has not ended by then.
    pub deadline: Option<Timestamp>,
}

/// The answer for a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// The task.
    pub id: TaskId,
    /// Its state now.
    pub state: TaskState,
    /// The task had been accepted before, with an equal spec.
    pub existed: bool,
}

/// Accepts all tasks or none. A known task with an equal spec is accepted again, so a repeat after a lost answer
/// changes nothing.
///
/// # Errors
///
/// [`Rejection::Invalid`] with every fault, [`Rejection::Full`] when the tasks would have too many different needs.
pub fn decide(draft: &mut Draft<'_>, request: Submit) -> Result<Vec<Submitted>, Rejection> {
    let Submit {
        job,
        tasks,
        mut faults,
    } = request;
    check(draft, job.as_ref(), &tasks, &mut faults);
    if !faults.is_empty() {
        return Err(Rejection::Invalid(faults));
    }

    let existed: Vec<bool> = tasks.iter().map(|task| draft.task(&task.id).is_some()).collect();
    let classes = tasks.iter().map(|task| &task.needs.class).zip(&existed);
    let classes = classes.filter(|(_, existed)| !**existed).map(|(class, _)| class);
    draft.check_new_classes(classes).map_err(Rejection::Full)?;
    let ids: Vec<TaskId> = tasks.iter().map(|task| task.id.clone()).collect();
    let fresh = existed.iter().filter(|existed| !**existed).count();
    let job = job.filter(|_| fresh > 0);
    let job_id = job.as_ref().map(|job| job.id.clone());
    if let Some(NewJob { id, name, labels }) = job {
        draft.emit(Fact::JobSubmitted(Arc::new(Job {
            number: Number(draft.seq().next().0),
            id,
            name,
            labels,
            task_count: u32::try_from(fresh).unwrap_or(u32::MAX),
            created: draft.now(),
            ended: Counts::default(),
        })));
    }
    for (task, existed) in tasks.into_iter().zip(&existed) {
        if !existed {
            let record = record(draft, task, job_id.clone());
            draft.emit(Fact::TaskSubmitted(Arc::new(record)));
        }
    }
    settle(draft);
    let state_of = |id: &TaskId| draft.task(id).map_or(TaskState::Queued, |task| task.state());
    Ok(ids
        .into_iter()
        .zip(existed)
        .map(|(id, existed)| Submitted {
            state: state_of(&id),
            id,
            existed,
        })
        .collect())
}

fn record(draft: &Draft<'_>, task: NewTask, job: Option<JobId>) -> Task {
    let dependencies: Vec<Dependency> = task
        .dependencies
        .into_iter()
        .map(|(id, condition)| {
            let known = draft.task(&id);
            let end = known.and_then(|dependency| dependency.end());
            let met = end.is_some_and(|end| condition.is_met_by(end));
            let cut = known
                .filter(|_| met)
                .and_then(|dependency| dependency.stdout_cut());
            Dependency {
                task: id,
                condition,
                met,
                cut: cut.map(Box::new),
            }
        })
        .collect();
    let unmet = dependencies.iter().filter(|dependency| !dependency.met).count();
    let calendar = draft.calendar(draft.now());
    let not_before = task.delay.map(|delay| calendar + delay).max(task.not_before);
    let seq = draft.seq().next();
    Task {
        number: Number(seq.0),
        id: task.id,
        job,
        spec: task.spec,
        needs: draft.ready().shared(task.needs),
        bucket: task.bucket,
        priority: task.priority,
        unmet: u32::try_from(unmet).unwrap_or(u32::MAX),
        dependencies: dependencies.into(),
        retry: task.retry,
        timeout: task.timeout,
        times: LazyBox::from(Times {
            not_before,
            deadline: task.deadline,
        }),
        created: draft.now(),
        revision: Seq(seq.0),
        round: 1,
        attempts: LazyBox::default(),
        attempt_count: AttemptNumber(0),
        tries: LazyBox::default(),
        phase: Phase::Pending {
            due: not_before.filter(|due| *due > calendar),
        },
    }
}

fn check(state: &State, job: Option<&NewJob>, tasks: &[NewTask], faults: &mut Faults) {
    if tasks.is_empty() && faults.is_empty() {
        faults.add(FaultKind::Field, "tasks", "must have at least one task");
    }
    if tasks.len() > MAX_SUBMIT_TASKS {
        let count = tasks.len();
        faults.add(
            FaultKind::Field,
            "tasks",
            format!("has {count} tasks, at most {MAX_SUBMIT_TASKS} are allowed"),
        );
        return;
    }
    let count: usize = tasks.iter().map(|task| task.dependencies.len()).sum();
    if count > MAX_SUBMIT_DEPENDENCIES {
        faults.add(
            FaultKind::Field,
            "tasks",
            format!(
                "have {count} dependencies together, at most {MAX_SUBMIT_DEPENDENCIES} are allowed: \
                 put tasks in between"
            ),
        );
        return;
    }
    let mut places: BTreeMap<&TaskId, usize> = BTreeMap::new();
    for (index, task) in tasks.iter().enumerate() {
        if let Some(first) = places.insert(&task.id, index) {
            let field = format!("tasks[{index}].task_id");
            faults.add(
                FaultKind::Field,
                field,
                format!("{} is also the id of tasks[{first}]", task.id),
            );
        }
        check_task(state, index, task, faults);
    }
    for (index, task) in tasks.iter().enumerate() {
        check_references(state, index, task, &places, faults);
    }
    if let Some(job) = job.filter(|job| state.job(&job.id).is_some()) {
        // A job takes only the new tasks of its request, so a repeat may name tasks of other jobs.
        let all_known = tasks.iter().all(|task| state.task(&task.id).is_some());
        let has_some = tasks
            .iter()
            .filter_map(|task| state.task(&task.id))
            .any(|task| task.job.as_ref() == Some(&job.id));
        if !(all_known && has_some) {
            faults.add(
                FaultKind::JobExists,
                "job.job_id",
                format!("a job {} with other tasks exists", job.id),
            );
        }
    }
    check_cycles(tasks, &places, faults);
}

fn check_task(state: &State, index: usize, task: &NewTask, faults: &mut Faults) {
    if task.spec.len() > MAX_SPEC_BYTES {
        let (field, size) = (format!("tasks[{index}].spec"), task.spec.len());
        faults.add(
            FaultKind::SpecTooLarge,
            field,
            format!("has {size} bytes, at most {MAX_SPEC_BYTES} are allowed: put large input into files"),
        );
    }
    if let Some(known) = state.task(&task.id).filter(|known| known.spec != task.spec) {
        faults.add(
            FaultKind::TaskExists,
            format!("tasks[{index}].task_id"),
            format!(
                "a task {} with another spec exists; it is {}",
                known.id,
                known.state()
            ),
        );
    }
}

fn check_references(
    state: &State,
    index: usize,
    task: &NewTask,
    places: &BTreeMap<&TaskId, usize>,
    faults: &mut Faults,
) {
    let count = task.dependencies.len();
    if count > MAX_DEPENDENCIES {
        faults.add(
            FaultKind::Field,
            format!("tasks[{index}].spec.depends_on"),
            format!("has {count} dependencies, at most {MAX_DEPENDENCIES} are allowed: put tasks in between"),
        );
        return;
    }
    let mut seen = BTreeSet::new();
    for (position, (id, _)) in task.dependencies.iter().enumerate() {
        let field = || format!("tasks[{index}].spec.depends_on[{position}].task_id");
        if !seen.insert(id) {
            faults.add(FaultKind::Field, field(), format!("{id} is named twice"));
        } else if *id == task.id {
            faults.add(
                FaultKind::DependencyCycle,
                field(),
                format!("{id} depends on itself"),
            );
        } else if !places.contains_key(id) && state.task(id).is_none() {
            faults.add(
                FaultKind::DependencyUnknown,
                field(),
                format!("{id} is neither in this request nor known to the coordinator"),
            );
        }
    }
}

/// Adds a fault for each knot of new tasks that wait for each other. Known tasks can't depend on new ones.
fn check_cycles(tasks: &[NewTask], places: &BTreeMap<&TaskId, usize>, faults: &mut Faults) {
    let inner = |index: usize| {
        let own = &tasks[index].id;
        tasks[index]
            .dependencies
            .iter()
            .filter(move |(id, _)| id != own)
            .filter_map(|(id, _)| places.get(id).copied())
    };
    let mut waits_for: Vec<usize> = (0..tasks.len()).map(|index| inner(index).count()).collect();
    let mut dependents: Vec<Vec<usize>> = vec![Vec::new(); tasks.len()];
    for index in 0..tasks.len() {
        for dependency in inner(index) {
            dependents[dependency].push(index);
        }
    }
    let mut free: Vec<usize> = (0..tasks.len()).filter(|index| waits_for[*index] == 0).collect();
    while let Some(index) = free.pop() {
        for dependent in &dependents[index] {
            waits_for[*dependent] -= 1;
            if waits_for[*dependent] == 0 {
                free.push(*dependent);
            }
        }
    }
    // Each task that is left waits for a cycle or is in one, so a walk along dependencies ends in a cycle.
    let mut visited = vec![false; tasks.len()];
    for start in 0..tasks.len() {
        if waits_for[start] == 0 || visited[start] {
            continue;
        }
        let mut path = Vec::new();
        let mut at = start;
        while !visited[at] {
            visited[at] = true;
            path.push(at);
            match inner(at).find(|dependency| waits_for[*dependency] > 0) {
                Some(next) => at = next,
                None => break,
            }
        }
        if let Some(begin) = path
            .iter()
            .position(|index| *index == at)
            .filter(|_| path.len() > 1)
        {
            let mut names: Vec<&str> = path[begin..]
                .iter()
                .map(|index| tasks[*index].id.as_str())
                .collect();
            names.push(tasks[at].id.as_str());
            faults.add(
                FaultKind::DependencyCycle,
                format!("tasks[{at}].spec.depends_on"),
                format!("these tasks wait for each other: {}", shorten(&names).join(" → ")),
            );
        }
    }
}

/// A cycle can have ten thousand members; a person needs its beginning and its end.
fn shorten<'a>(names: &[&'a str]) -> Vec<&'a str> {
    const SHOWN: usize = 10;
    if names.len() <= SHOWN {
        return names.to_vec();
    }
    let (head, tail) = (&names[..SHOWN - 2], &names[names.len() - 2..]);
    head.iter().chain(&["…"]).chain(tail).copied().collect()
}
