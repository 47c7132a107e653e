//! A submit: every fault with its path, beside what could be read.

use std::{collections::BTreeSet, time::Duration};

use swarm_engine::{
    command::submit::{self, NewJob, NewTask, Submit, Submitted},
    id::{JobId, TaskId},
    limits::MAX_SUBMIT_TASKS,
    rejection::Faults,
    time::Timestamp,
};
use swarm_proto::{limits::MAX_NAME_BYTES, refusal::FieldFault, v1};

use super::{Context, Refusal, unmatched::unmatched};
use crate::wire::{
    field::Fields,
    spec::{self, Defaults},
    state::state_message,
};

/// Takes tasks on.
///
/// # Errors
///
/// When anything in it is faulty: then nothing of it was taken.
pub(crate) async fn submit(
    cx: &Context,
    request: v1::SubmitTasksRequest,
) -> Result<v1::SubmitTasksResponse, Refusal> {
    let defaults = Defaults {
        timeout: cx.settings.default_timeout,
        max_retries: cx.settings.default_retries,
    };
    let command = read(request, defaults, cx.core.clock().now());
    let named = named_in(&command);
    let liveness = cx.liveness();
    let answer = cx
        .core
        .execute_naming(named, |draft| {
            let submitted = submit::decide(draft, command)?;
            let unmatched = unmatched(draft, &submitted, liveness);
            Ok((submitted, unmatched))
        })
        .await?;
    let as_of = cx.as_of(&answer);
    let (submitted_tasks, unmatched) = answer.value;
    let submitted = |task: Submitted| v1::SubmittedTask {
        task_id: task.id.to_string(),
        state: state_message(task.state).into(),
        existed: task.existed,
    };
    Ok(v1::SubmitTasksResponse {
        as_of,
        tasks: submitted_tasks.into_iter().map(submitted).collect(),
        unmatched,
    })
}

/// The faults of a submit that can be seen without looking at any task. swarmctl asks the same before it submits, and
/// for a dry run.
pub fn faults(request: v1::SubmitTasksRequest, now_ms: u64) -> Vec<FieldFault> {
    // What stands in for absent fields is never at fault.
    let defaults = Defaults {
        timeout: Duration::from_secs(1),
        max_retries: 0,
    };
    let command = read(request, defaults, Timestamp(now_ms));
    let faults = command.faults.named().iter();
    faults
        .map(|fault| FieldFault {
            field: fault.field.clone(),
            description: fault.description.clone(),
        })
        .collect()
}

/// Reads a submit. The faults found here go along, so that the engine reports them together with its own; the
/// engine accepts nothing while there is one.
///
/// Whether a request is faulty never gets worse with time: a repeat after a lost answer is not refused for a
/// deadline that has passed meanwhile.
fn read(request: v1::SubmitTasksRequest, defaults: Defaults, now: Timestamp) -> Submit {
    let mut faults = Faults::default();
    let job = request.job.and_then(|job| new_job(job, &mut faults));
    if request.tasks.len() > MAX_SUBMIT_TASKS {
        let count = request.tasks.len();
        let fault = format!("has {count} tasks, at most {MAX_SUBMIT_TASKS} are allowed");
        Fields::of_request(&mut faults).refuse("tasks", fault);
        return Submit {
            job,
            tasks: Vec::new(),
            faults,
        };
    }
    let tasks = request
        .tasks
        .into_iter()
        .enumerate()
        .map(|(index, task)| new_task(index, task, defaults, now, &mut faults))
        .collect();
    Submit { job, tasks, faults }
}

fn new_job(job: v1::NewJob, faults: &mut Faults) -> Option<NewJob> {
    let mut fields = Fields::at("job", faults);
    fields.text("name", &job.name, MAX_NAME_BYTES);
    fields.pairs("labels", &job.labels);
    let id = client_made_id(&mut fields, "job_id", &job.job_id, JobId::parse)?;
    Some(NewJob {
        id,
        name: job.name.into(),
        labels: job.labels,
    })
}

/// A task with a fault still gets its place, so that the engine's faults name the right ones.
fn new_task(
    index: usize,
    task: v1::NewTask,
    defaults: Defaults,
    now: Timestamp,
    faults: &mut Faults,
) -> NewTask {
    let mut fields = Fields::at(format!("tasks[{index}]"), faults);
    let id = client_made_id(&mut fields, "task_id", &task.task_id, TaskId::parse)
        // No caller can mean this one: it is no valid id, and no two places have the same.
        .unwrap_or_else(|| TaskId::stored(&format!("tasks[{index}]")));
    let Some(spec) = task.spec else {
        fields.refuse("spec", "is missing: it says what is to be done");
        // That the empty spec in its place has faults too is nothing to tell.
        return spec::read(
            id,
            v1::TaskSpec::default(),
            defaults,
            now,
            &mut Fields::at("", &mut Faults::default()),
        );
    };
    spec::read(
        id,
        spec,
        defaults,
        now,
        &mut Fields::at(format!("tasks[{index}].spec"), faults),
    )
}

fn client_made_id<T>(
    fields: &mut Fields<'_>,
    field: &str,
    text: &str,
    parse: fn(&str) -> Result<T, String>,
) -> Option<T> {
    if text.is_empty() {
        fields.refuse(
            field,
            "is missing: ids are made by the client, so that a repeat is recognised",
        );
        return None;
    }
    fields.name(field, text, parse)
}

/// The tasks of a submit, and what they depend on.
fn named_in(submit: &Submit) -> BTreeSet<TaskId> {
    let tasks = submit.tasks.iter();
    let own = tasks.clone().map(|task| &task.id);
    own.chain(tasks.flat_map(|task| task.dependencies.iter().map(|(id, _)| id)))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use swarm_engine::{
        command::{register, submit::decide},
        draft,
        noun::rules::Rules,
        rejection::Rejection,
        rule::fit::Liveness,
        state::State,
    };
    use swarm_proto::v1::task_spec::Work;

    use super::*;
    use crate::{
        testing::requests::{TTL, agent, registration},
        wire::sample,
    };

    const DEFAULTS: Defaults = Defaults {
        timeout: std::time::Duration::from_secs(3600),
        max_retries: 2,
    };
    const NOW: Timestamp = Timestamp(1_764_000_000_000);

    fn paths(submit: &Submit) -> Vec<&str> {
        submit
            .faults
            .named()
            .iter()
            .map(|fault| fault.field.as_str())
            .collect()
    }

    fn request(tasks: Vec<v1::NewTask>) -> v1::SubmitTasksRequest {
        v1::SubmitTasksRequest { job: None, tasks }
    }

    fn task(id: &str) -> v1::NewTask {
        v1::NewTask {
            task_id: id.to_owned(),
            spec: Some(sample::spec()),
        }
    }

    #[test]
    fn a_plain_submit_is_accepted() {
        let job = v1::NewJob {
            job_id: "nightly".into(),
            ..v1::NewJob::default()
        };
        let submit = read(
            v1::SubmitTasksRequest {
                job: Some(job),
                tasks: vec![task("a"), task("b")],
            },
            DEFAULTS,
            NOW,
        );
        assert!(submit.faults.is_empty(), "{}", submit.faults);
        let mut state = State::default();
        let (answer, changes) = draft::decide(&mut state, NOW, |draft| decide(draft, submit));
        assert_eq!(answer.map(|tasks| tasks.len()), Ok(2));
        assert_eq!(changes.len(), 3);
    }

    #[test]
    fn the_faults_of_conversion_and_engine_are_told_together_with_the_right_places() {
        let mut bad_priority = task("b");
        bad_priority.spec.as_mut().unwrap().priority = 101;
        let mut stranger = task("d");
        stranger.spec.as_mut().unwrap().depends_on = ["b", "nobody"]
            .map(|id| v1::Dependency {
                task_id: id.into(),
                condition: 0,
            })
            .into();
        let submit = read(
            v1::SubmitTasksRequest {
                job: Some(v1::NewJob {
                    job_id: "../x".into(),
                    name: "n".repeat(201),
                    ..v1::NewJob::default()
                }),
                tasks: vec![
                    task("../a"),
                    bad_priority,
                    v1::NewTask {
                        task_id: "c".into(),
                        spec: None,
                    },
                    stranger,
                    task("d"),
                    task(""),
                    task(""),
                ],
            },
            DEFAULTS,
            NOW,
        );
        let mut state = State::default();
        let (answer, changes) = draft::decide(&mut state, NOW, |draft| decide(draft, submit));
        let Err(Rejection::Invalid(faults)) = answer else {
            panic!("accepted")
        };
        assert!(changes.is_empty());
        let paths: Vec<&str> = faults.named().iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(
            paths,
            [
                "job.name",
                "job.job_id",
                "tasks[0].task_id",
                "tasks[1].spec.priority",
                "tasks[2].spec",
                "tasks[5].task_id",
                "tasks[6].task_id",
                "tasks[4].task_id",
                "tasks[3].spec.depends_on[1].task_id",
            ]
        );
        assert!(faults.to_string().contains("ids are made by the client"));
    }

    #[test]
    fn too_many_tasks_are_one_fault_and_not_looked_at() {
        let many = vec![v1::NewTask::default(); MAX_SUBMIT_TASKS + 1];
        let submit = read(request(many), DEFAULTS, NOW);
        assert_eq!(paths(&submit), ["tasks"]);
        let (answer, _) = draft::decide(&mut State::default(), NOW, |draft| decide(draft, submit));
        let Err(Rejection::Invalid(faults)) = answer else {
            panic!("accepted")
        };
        assert_eq!(faults.named().len(), 1);
    }

    #[test]
    fn many_faults_are_named_up_to_a_limit_and_counted_beyond() {
        let submit = read(request(vec![task("a b"); 100]), DEFAULTS, NOW);
        assert_eq!((submit.faults.named().len(), submit.faults.more()), (32, 68));
    }
    #[test]
    fn a_program_that_no_owner_allows_is_told_behind_however_many_others() {
        let program = |index: usize| match index {
            299 => "./forbidden.sh".to_owned(),
            index => format!("./{index}.sh"),
        };
        let mut state = State::default();
        let (registered, _) = draft::decide(&mut state, NOW, |draft| {
            let mut request = registration(agent());
            request.rules = Rules::programs(&["./?.sh", "./??.sh", "./???.sh"]);
            register::decide(draft, request)
        });
        registered.unwrap().unwrap();
        let tasks = (0..300).map(|index| {
            let mut task = task(&format!("t{index}"));
            let spec = task.spec.as_mut().unwrap();
            let argv = vec![program(index)];
            spec.work = Some(Work::Command(v1::Command {
                argv,
                ..sample::command()
            }));
            task
        });
        let submit = read(request(tasks.collect()), DEFAULTS, NOW);
        let (answer, _) = draft::decide(&mut state, NOW, |draft| decide(draft, submit));
        let liveness = Liveness {
            now: NOW,
            ttl: TTL,
            started: NOW,
        };
        let told = unmatched(&state, &answer.unwrap(), liveness);
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(
            (told[0].tasks, told[0].task_ids.as_slice()),
            (1, &["t299".to_owned()][..])
        );
        let expected = "the one agent cannot run it: 1 does not allow the command './forbidden.sh'";
        assert_eq!(told[0].message, expected);
    }
}
