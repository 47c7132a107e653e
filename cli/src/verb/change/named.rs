//! The tasks that ids on a command line mean: tasks, and those of jobs, as they were found before anything is changed.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use swarm_program::exit::Exit;
use swarm_proto::{
    limits::MAX_ITEMS,
    v1::{ListTasksRequest, Task, TaskChange},
};

use super::{bulk::Action, changes};
use crate::{
    call::{
        client::Client,
        names,
        pages::Pages,
        subject::{Change, Finder, Subject},
    },
    output::{Output, state, task},
    program::{globals::Globals, terminal::note},
};

/// Ids that are asked for at the same time: over a slow line, thousands would take minutes one after the other.
const LOOKED_UP_TOGETHER: usize = 32;

/// Of so many ids, a person is told which a job has, too; of more nobody reads it.
const MAX_TOLD_APART: usize = 10;

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
        let finder = Finder::to_change(client, change);
        let mut named = Named::default();
        for together in ids.chunks(LOOKED_UP_TOGETHER) {
            let tasks = match ids.len() <= MAX_TOLD_APART {
                true => vec![None; together.len()],
                false => tasks_with(finder, together, action).await?,
            };
            for (id, task) in together.iter().zip(tasks) {
                match task {
                    Some(task) => named.add_task(task),
                    None => named.add(client, id, finder, action).await?,
                }
            }
        }
        // Two words may mean the same task.
        let mut seen = BTreeSet::new();
        named.tasks.retain(|task| seen.insert(task.task_id.clone()));
        Ok(named)
    }

    /// Lists the tasks that would be changed, and tells which would not.
    ///
    /// # Errors
    ///
    /// When nothing is known of an id, or stdout is closed.
    pub(super) async fn list(
        mut self,
        action: Action,
        client: &Client,
        globals: &Globals,
    ) -> anyhow::Result<Exit> {
        let output = Output::new(globals);
        self.tasks.retain(|task| {
            let (is_possible, word) = (action.possible.contains(&task.state()), state::word(task.state()));
            if !is_possible {
                note(format!("{} has {}: it is {word}", task.task_id, action.otherwise));
            }
            is_possible
        });
        output.list(&task::listing(
            &self.tasks,
            &names::for_people(client, &output).await,
        ))?;
        action.tell_dry_run(self.tasks.len());
        let doing = format!("cannot {}", action.verb);
        changes::tell_refusals(&self.unknown, self.tasks.len(), &doing, globals)
    }

    /// Adds what an id, a name or the beginning of an id means.
    async fn add(
        &mut self,
        client: &Client,
        id: &str,
        finder: Finder<'_>,
        action: Action,
    ) -> anyhow::Result<()> {
        match finder.find(id, &doing(action, id)).await? {
            Some((Subject::Task(task), _)) => self.add_task(*task),
            Some((Subject::Job(job), _)) => self.add_job(client, id, job.job_id, action).await?,
            Some((Subject::Agent(_), _)) | None => self.unknown.push(changes::unknown(id)),
        }
        Ok(())
    }

    fn add_task(&mut self, task: Task) {
        self.tasks.push(Task { result: None, ..task });
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

/// The tasks with these ids, asked for at the same time; none for what is no task's whole id.
async fn tasks_with(finder: Finder<'_>, ids: &[String], action: Action) -> anyhow::Result<Vec<Option<Task>>> {
    let asked = ids.iter().map(|id| async move {
        let found = finder.task_with_id(id, &doing(action, id)).await?;
        Ok(found.map(|(task, _)| task))
    });
    join_all(asked).await.into_iter().collect()
}

fn doing(action: Action, id: &str) -> String {
    format!("cannot {} {id}", action.verb)
}
