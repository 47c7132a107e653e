//! People's side: `TaskService`.

use std::collections::{BTreeMap, BTreeSet};

use swarm_engine::{
    command::{cancel, retry, submit},
    id::{Seq, TaskId},
    limits::{MAX_EXPLAINED_DEPTH, MAX_FOLLOWED, MAX_ITEMS, MAX_VISITED},
    noun::{needs::Class, task::TaskState},
    rejection::Rejection,
    rule::{
        explain::{EndedTasks, explain},
        fit::Liveness,
    },
    state::State,
};
use swarm_proto::{
    limits::{MAX_UNMATCHED, MAX_UNMATCHED_IDS},
    v1::{self, task_service_server::TaskService},
};
use tonic::{Request, Response, Status};

use crate::{admission::Load, limits::MAX_CLASSES_VISITED};
use crate::{
    door::grpc::{
        Service, invalid,
        status::{refusal_of, status_of, status_of_refused},
    },
    wire::{field, job::job_message, state::state_message, submit as convert, task::task_message},
    words::explanation::{explanation_message, unmatched_in_words},
};

#[tonic::async_trait]
impl TaskService for Service {
    async fn submit_tasks(
        &self,
        request: Request<v1::SubmitTasksRequest>,
    ) -> Result<Response<v1::SubmitTasksResponse>, Status> {
        self.admit(Load::Submit)?;
        let defaults = convert::Defaults {
            timeout: self.settings.default_timeout,
            max_retries: self.settings.default_retries,
        };
        let command = convert::submit(request.into_inner(), defaults, self.core.clock.now());
        let named = named_in(&command);
        let liveness = self.liveness();
        let answer = self
            .core
            .execute_naming(named, |draft| {
                let submitted = submit::decide(draft, command)?;
                let unmatched = unmatched(draft, &submitted, liveness);
                Ok((submitted, unmatched))
            })
            .await
            .map_err(|refused| status_of_refused(&refused))?;
        let as_of = self.as_of(&answer);
        let (submitted_tasks, unmatched) = answer.value;
        let submitted = |task: submit::Submitted| v1::SubmittedTask {
            task_id: task.id.to_string(),
            state: state_message(task.state).into(),
            existed: task.existed,
        };
        Ok(Response::new(v1::SubmitTasksResponse {
            as_of,
            tasks: submitted_tasks.into_iter().map(submitted).collect(),
            unmatched,
        }))
    }

    async fn get_task(
        &self,
        request: Request<v1::GetTaskRequest>,
    ) -> Result<Response<v1::GetTaskResponse>, Status> {
        let id = field::task_id("task_id", &request.into_inner().task_id)
            .map_err(|rejection| status_of(&rejection))?;
        let answer = self
            .core
            .find(std::slice::from_ref(&id))
            .await
            .map_err(|error| status_of_refused(&error.into()))?;
        let as_of = self.as_of(&answer);
        let task = answer
            .value
            .into_values()
            .next()
            .ok_or_else(|| status_of(&Rejection::TaskNotFound(id)))?;
        let output = self.output_of(&task).await?;
        let output = output
            .as_ref()
            .map(|(attempt, output)| (*attempt, output.as_ref()));
        Ok(Response::new(v1::GetTaskResponse {
            as_of,
            task: Some(task_message(&task, output)),
        }))
    }

    async fn list_tasks(
        &self,
        request: Request<v1::ListTasksRequest>,
    ) -> Result<Response<v1::ListTasksResponse>, Status> {
        self.tasks_listed(request.into_inner()).await.map(Response::new)
    }

    async fn cancel_tasks(
        &self,
        request: Request<v1::CancelTasksRequest>,
    ) -> Result<Response<v1::CancelTasksResponse>, Status> {
        self.admit(Load::Other)?;
        let ids = request.into_inner().task_ids;
        check_count("task_ids", ids.len())?;
        let tasks = ids
            .iter()
            .enumerate()
            .map(|(index, id)| field::task_id(format!("task_ids[{index}]"), id))
            .collect::<Result<Vec<TaskId>, Rejection>>()
            .map_err(|rejection| status_of(&rejection))?;
        let answer = self
            .core
            .execute_naming(tasks.iter().cloned().collect(), |draft| {
                Ok(cancel::decide(draft, &tasks))
            })
            .await
            .map_err(|refused| status_of_refused(&refused))?;
        Ok(Response::new(v1::CancelTasksResponse {
            as_of: self.as_of(&answer),
            results: changes(ids, answer.value),
        }))
    }

    async fn retry_tasks(
        &self,
        request: Request<v1::RetryTasksRequest>,
    ) -> Result<Response<v1::RetryTasksResponse>, Status> {
        self.admit(Load::Other)?;
        let requested = request.into_inner().tasks;
        check_count("tasks", requested.len())?;
        let tasks = requested
            .iter()
            .enumerate()
            .map(|(index, each)| {
                let task = field::task_id(format!("tasks[{index}].task_id"), &each.task_id)?;
                Ok(retry::Retry {
                    task,
                    revision: each.revision.map(Seq),
                })
            })
            .collect::<Result<Vec<retry::Retry>, Rejection>>()
            .map_err(|rejection| status_of(&rejection))?;
        let named = self.named_in_retry(&tasks).await?;
        let answer = self
            .core
            .execute_naming(named, |draft| Ok(retry::decide(draft, &tasks)))
            .await
            .map_err(|refused| status_of_refused(&refused))?;
        let ids = requested.into_iter().map(|each| each.task_id).collect();
        Ok(Response::new(v1::RetryTasksResponse {
            as_of: self.as_of(&answer),
            results: changes(ids, answer.value),
        }))
    }

    async fn get_job(
        &self,
        request: Request<v1::GetJobRequest>,
    ) -> Result<Response<v1::GetJobResponse>, Status> {
        let id = field::job_id("job_id", &request.into_inner().job_id)
            .map_err(|rejection| status_of(&rejection))?;
        let answer = self
            .core
            .read(|state| state.job(&id).map(|job| (job.clone(), state.job_counts(&id))))
            .await;
        let as_of = self.as_of(&answer);
        let (job, counts) = answer
            .value
            .ok_or_else(|| status_of(&Rejection::JobNotFound(id)))?;
        Ok(Response::new(v1::GetJobResponse {
            as_of,
            job: Some(job_message(&job, &counts)),
        }))
    }

    async fn explain_task(
        &self,
        request: Request<v1::ExplainTaskRequest>,
    ) -> Result<Response<v1::ExplainTaskResponse>, Status> {
        let id = field::task_id("task_id", &request.into_inner().task_id)
            .map_err(|rejection| status_of(&rejection))?;
        let mut found = self
            .core
            .find(std::slice::from_ref(&id))
            .await
            .map_err(|error| status_of_refused(&error.into()))?
            .value;
        self.find_ended_dependencies(&mut found).await;
        let liveness = self.liveness();
        let answer = self
            .core
            .read(|state| {
                // What memory has is newer than what was found a moment ago.
                let task = state.task(&id).or_else(|| found.get(&id))?;
                Some(explain(state, task, &found, liveness))
            })
            .await;
        let as_of = self.as_of(&answer);
        let explanation = answer
            .value
            .ok_or_else(|| status_of(&Rejection::TaskNotFound(id)))?;
        Ok(Response::new(v1::ExplainTaskResponse {
            as_of,
            explanation: Some(explanation_message(&explanation, liveness)),
        }))
    }

    async fn find_ids(
        &self,
        request: Request<v1::FindIdsRequest>,
    ) -> Result<Response<v1::FindIdsResponse>, Status> {
        self.ids_found(request.into_inner()).await.map(Response::new)
    }

    async fn list_jobs(
        &self,
        request: Request<v1::ListJobsRequest>,
    ) -> Result<Response<v1::ListJobsResponse>, Status> {
        self.jobs_listed(request.into_inner()).await.map(Response::new)
    }
}

impl Service {
    /// Adds what ended tasks waited for: it may have left memory. An explanation does without what cannot be read.
    async fn find_ended_dependencies(&self, found: &mut EndedTasks) {
        let mut last: Vec<TaskId> = found.keys().cloned().collect();
        for _ in 0..MAX_EXPLAINED_DEPTH {
            let ended = last.iter().filter_map(|id| found.get(id));
            let waited_for = ended
                .filter(|task| task.is_finished())
                .flat_map(|task| task.unmet_dependencies())
                .take(MAX_FOLLOWED);
            let new = waited_for.map(|dependency| &dependency.task);
            let new: BTreeSet<TaskId> = new.filter(|id| !found.contains_key(*id)).cloned().collect();
            if new.is_empty() || found.len() + new.len() > MAX_VISITED {
                return;
            }
            last = new.into_iter().collect();
            let Ok(more) = self.core.find(&last).await else {
                return;
            };
            found.extend(more.value);
        }
    }

    /// The tasks, and what they wait for as soon as they are back. An ended task's dependencies stay as they
    /// are until somebody retries it, and are in memory from then on.
    async fn named_in_retry(&self, tasks: &[retry::Retry]) -> Result<BTreeSet<TaskId>, Status> {
        let ids: Vec<TaskId> = tasks.iter().map(|each| each.task.clone()).collect();
        let found = self
            .core
            .find(&ids)
            .await
            .map_err(|error| status_of_refused(&error.into()))?;
        let unmet = found.value.values().flat_map(|task| task.unmet_dependencies());
        let unmet = unmet.map(|dependency| dependency.task.clone());
        Ok(ids.into_iter().chain(unmet).collect())
    }
}

/// The tasks of a submit, and what they depend on.
fn named_in(submit: &submit::Submit) -> BTreeSet<TaskId> {
    let tasks = submit.tasks.iter();
    let own = tasks.clone().map(|task| &task.id);
    own.chain(tasks.flat_map(|task| task.dependencies.iter().map(|(id, _)| id)))
        .cloned()
        .collect()
}

fn check_count(field: &str, count: usize) -> Result<(), Status> {
    if (1..=MAX_ITEMS).contains(&count) {
        return Ok(());
    }
    Err(invalid(
        field,
        format!("has {count} tasks, it must have 1 to {MAX_ITEMS}"),
    ))
}

fn changes(ids: Vec<String>, results: Vec<Result<TaskState, Rejection>>) -> Vec<v1::TaskChange> {
    ids.into_iter()
        .zip(results)
        .map(|(task_id, result)| match result {
            Ok(state) => v1::TaskChange {
                task_id,
                state: state_message(state).into(),
                refusal: None,
            },
            Err(rejection) => v1::TaskChange {
                task_id,
                state: v1::TaskState::Unspecified.into(),
                refusal: Some(refusal_of(&rejection)),
            },
        })
        .collect()
}

/// The submitted tasks that no live agent can run as things are, together where the reason is the same.
fn unmatched(state: &State, submitted: &[submit::Submitted], liveness: Liveness) -> Vec<v1::Unmatched> {
    let mut known: BTreeMap<&Class, Option<usize>> = BTreeMap::new();
    let mut unmatched: Vec<v1::Unmatched> = Vec::new();
    for task in submitted.iter().filter_map(|task| state.task(&task.id)) {
        if task.end().is_some() || task.lease().is_some() {
            continue;
        }
        let class = &task.needs.class;
        let place = match known.get(class) {
            Some(place) => *place,
            None if known.len() >= MAX_CLASSES_VISITED || unmatched.len() >= MAX_UNMATCHED => None,
            None => {
                let place = state.unmatched(class, None, liveness).map(|why| {
                    let message = unmatched_in_words(&why);
                    let same = unmatched.iter().position(|other| other.message == message);
                    same.unwrap_or_else(|| {
                        unmatched.push(v1::Unmatched {
                            message,
                            ..v1::Unmatched::default()
                        });
                        unmatched.len() - 1
                    })
                });
                known.insert(class, place);
                place
            }
        };
        if let Some(entry) = place.map(|place| &mut unmatched[place]) {
            entry.tasks += 1;
            if entry.task_ids.len() < MAX_UNMATCHED_IDS {
                entry.task_ids.push(task.id.to_string());
            }
        }
    }
    unmatched
}
