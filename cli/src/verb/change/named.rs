//! The tasks that ids on a command line mean: tasks, and those of jobs, as they were found before anything is changed.

use std::collections::BTreeSet;

use swarm_proto::{
    limits::MAX_ITEMS,
    v1::{ListTasksRequest, Task, TaskChange},
};

use super::{bulk::Action, changes};
use crate::{
    call::{
        client::Client,
        pages::Pages,
        subject::{Change, Finder, Subject},
    },
    program::terminal::note,
};

/// See the module.
#[derive(Default)]
pub(super) struct Named {
    /// With their revisions, so that a request can be sent again when its answer is lost.
    pub(super) tasks: Vec<Task>,
    /// The tasks that were not named themselves.
    pub(super) of_jobs: BTreeSet<String>,
    /// What nothing is known of.
    pub(super) unknown: Vec<TaskChange>,
}

impl Named {
    /// Asks for each task first. Of a job, the tasks in the action's usual states are meant; where there are none, that
    /// is told.
    ///
    /// # Errors
    ///
    /// When an id may mean several things, when nobody confirms the beginning of one, or when the coordinator cannot be
    /// reached.
    pub(super) async fn find(
        client: &Client,
        ids: &[String],
        action: Action,
        change: Change,
    ) -> anyhow::Result<Named> {
        let mut named = Named::default();
        for id in ids {
            let doing = format!("cannot {} {id}", action.verb);
            match Finder::to_change(client, change).find(id, &doing).await? {
                Some((Subject::Task(task), _)) => named.tasks.push(Task {
                    result: None,
                    ..*task
                }),
                Some((Subject::Job(job), _)) => named.add_job(client, id, job.job_id, action).await?,
                Some((Subject::Agent(_), _)) | None => named.unknown.push(changes::unknown(id)),
            }
        }
        // Two words may mean the same task.
        let mut seen = BTreeSet::new();
        named.tasks.retain(|task| seen.insert(task.task_id.clone()));
        Ok(named)
    }

    async fn add_job(
        &mut self,
        client: &Client,
        id: &str,
        job_id: String,
        action: Action,
    ) -> anyhow::Result<()> {
        let request = ListTasksRequest {
            job_id,
            states: action.usual.iter().map(|state| (*state).into()).collect(),
            ..ListTasksRequest::default()
        };
        let before = self.tasks.len();
        let mut pages = Pages::new(client, request);
        while let Some(page) = pages.next(MAX_ITEMS).await? {
            self.tasks.extend(page);
        }
        let found = &self.tasks[before..];
        if found.is_empty() {
            note(format!("job {id}: none of its tasks {}", action.usually));
        }
        self.of_jobs.extend(found.iter().map(|task| task.task_id.clone()));
        Ok(())
    }
}
