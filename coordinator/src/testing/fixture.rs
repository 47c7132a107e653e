//! A core on real files in a directory of its own, for tests.

use std::{sync::Arc, time::Duration};

use swarm_engine::{
    command::{
        claim,
        complete::{self, Accepted, Reported},
        register,
        remove::{self, Remove},
        retry::{self, Retry},
        submit::{self, NewJob, NewTask, Submit, Submitted},
    },
    id::{AgentId, JobId, Number, Session, TaskId},
    noun::{
        lease::Proof,
        task::{Task, TaskState},
    },
    rejection::Rejection,
    state::direction::Direction,
};
use tempfile::TempDir;

use super::requests::{agent, claim_of, completion, id, proof, registration};
use crate::{
    core::{Core, budget::Budget, list::Listing, recall::Refused},
    journal,
    machine::data_dir::DataDir,
    start::{self, running::Running},
    upkeep::KeepEvents,
};

/// Longer than anything takes; a test that waits for it has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// See the module.
pub(crate) struct Fixture {
    pub(crate) core: Arc<Core>,
    running: Running,
    dir: DataDir,
    /// Removed with its files when the test ends.
    files: Arc<TempDir>,
}

impl Fixture {
    pub(crate) fn new() -> Fixture {
        Fixture::open(Arc::new(tempfile::tempdir().unwrap()))
    }

    pub(crate) fn open(files: Arc<TempDir>) -> Fixture {
        Fixture::open_with(files, journal::Options::default())
    }

    pub(crate) fn open_with(files: Arc<TempDir>, options: journal::Options) -> Fixture {
        let dir = DataDir::open(&files.path().join("data")).unwrap();
        let running =
            Running::start(start::open_with(&dir, options).unwrap(), false, Budget::default()).unwrap();
        Fixture {
            core: Arc::clone(&running.core),
            running,
            dir,
            files,
        }
    }

    pub(crate) fn keep_up(&mut self, keep: KeepEvents) {
        self.running.keep_up(&self.dir, keep).unwrap();
    }

    /// The data directory.
    pub(crate) fn path(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// Ends the coordinator and starts it again.
    pub(crate) fn restart(self) -> Fixture {
        Fixture::open(self.stop())
    }

    pub(crate) fn stop(self) -> Arc<TempDir> {
        let Fixture {
            core,
            running,
            dir,
            files,
        } = self;
        assert!(running.stop_threads());
        assert_eq!(Arc::strong_count(&core), 1, "somebody still uses the core");
        drop((core, dir));
        files
    }

    /// Waits until the store has everything and every task that may be forgotten is.
    pub(crate) async fn settle(&self) {
        self.until(|| self.core.is_settled()).await;
    }

    pub(crate) async fn until(&self, holds: impl Fn() -> bool) {
        let waiting = async {
            while !holds() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .expect("it takes too long");
    }

    pub(crate) async fn submit(
        &self,
        job: Option<&str>,
        tasks: Vec<NewTask>,
    ) -> Result<Vec<Submitted>, Rejection> {
        let job = job.map(|id| NewJob {
            id: JobId::stored(id),
            name: id.into(),
            labels: [].into(),
        });
        let named = tasks
            .iter()
            .flat_map(|task| task.dependencies.iter().map(|(id, _)| id).chain([&task.id]));
        let named = named.cloned().collect();
        let request = Submit {
            job,
            tasks,
            ..Submit::default()
        };
        self.execute_naming(named, |draft| submit::decide(draft, request))
            .await
    }

    async fn execute_naming<T>(
        &self,
        named: std::collections::BTreeSet<TaskId>,
        decision: impl FnOnce(&mut swarm_engine::draft::Draft<'_>) -> Result<T, Rejection>,
    ) -> Result<T, Rejection> {
        match self.core.execute_naming(named, decision).await {
            Ok(answer) => Ok(answer.value),
            Err(Refused::Rejected(rejection)) => Err(rejection),
            Err(refused) => panic!("{refused:?}"),
        }
    }

    pub(crate) async fn register(&self) {
        self.register_as(agent()).await;
    }

    pub(crate) async fn register_as(&self, agent: AgentId) {
        let request = registration(agent);
        self.core
            .execute(|draft| register::decide(draft, request))
            .await
            .unwrap();
    }

    /// The newest session of an agent that is registered.
    pub(crate) fn session(&self, agent: &AgentId) -> Session {
        let known = self.core.peek(|state| state.agent(agent).cloned());
        known.unwrap().session
    }

    pub(crate) async fn claim(&self, most: usize) -> Vec<Proof> {
        let claim = claim_of(agent(), self.session(&agent()), most);
        let granted = self.core.execute(|draft| claim::decide(draft, claim)).await;
        let granted = granted.unwrap().value;
        granted.iter().map(|task| proof(task)).collect()
    }

    /// Reports the same for each of these leases.
    pub(crate) async fn complete(
        &self,
        proofs: &[Proof],
        result: Reported,
    ) -> Vec<Result<Accepted, Rejection>> {
        let request = completion(proofs.to_vec(), &result);
        let named = proofs.iter().map(|proof| proof.task.clone()).collect();
        let results = self.execute_naming(named, |draft| Ok(complete::decide(draft, request)));
        results.await.unwrap()
    }

    /// Runs every queued task to its success.
    pub(crate) async fn work(&self) -> Vec<Proof> {
        let mut done = Vec::new();
        loop {
            let granted = self.claim(100).await;
            if granted.is_empty() {
                return done;
            }
            for result in self.complete(&granted, Reported::Success).await {
                result.unwrap();
            }
            done.extend(granted);
        }
    }

    pub(crate) async fn retry(&self, task: &str) -> Result<TaskState, Rejection> {
        let task = id(task);
        let found = self.core.find(std::slice::from_ref(&task)).await.unwrap().value;
        let unmet = found.values().flat_map(|task| task.unmet_dependencies());
        let named = unmet.map(|each| each.task.clone()).chain([task.clone()]);
        let named = named.collect();
        let tasks = [Retry { task, revision: None }];
        let results = self.execute_naming(named, |draft| Ok(retry::decide(draft, &tasks)));
        results.await.unwrap().remove(0)
    }

    pub(crate) async fn remove(&self, task: &str) -> Result<TaskState, Rejection> {
        let task = id(task);
        let named = [task.clone()].into();
        let tasks = [Remove { task, revision: None }];
        let results = self.execute_naming(named, |draft| Ok(remove::decide(draft, &tasks)));
        results.await.unwrap().remove(0)
    }

    pub(crate) async fn task(&self, task: &str) -> Option<Arc<Task>> {
        let found = self.core.find(&[id(task)]).await.unwrap();
        found.value.into_values().next()
    }

    pub(crate) fn is_in_memory(&self, task: &str) -> bool {
        self.core.peek(|state| state.task(&id(task)).is_some())
    }

    pub(crate) fn tasks_in_memory(&self) -> usize {
        self.core.peek(|state| state.tasks_after(Number(0)).count())
    }

    pub(crate) fn check(&self) {
        self.core.peek(|state| state.check()).unwrap();
    }

    /// The numbers of all tasks of these states that a list shows, page by page; of any when there are none.
    pub(crate) async fn list(&self, job: Option<&str>, states: &[TaskState], size: usize) -> Vec<u64> {
        let mut wanted = everything(size);
        wanted.job = job.map(JobId::stored);
        if !states.is_empty() {
            wanted.states = states.to_vec();
        }
        self.list_all(wanted).await
    }

    /// The numbers of all tasks that a list shows, page by page.
    pub(crate) async fn list_all(&self, mut wanted: Listing) -> Vec<u64> {
        let mut numbers = Vec::new();
        loop {
            let page = self.core.list(&wanted).await.unwrap().value;
            assert!(page.tasks.len() <= wanted.size);
            numbers.extend(page.tasks.iter().map(|task| task.number.0));
            match page.next {
                Some(next) => wanted.cursor = next,
                None => return numbers,
            }
        }
    }
}

/// A list of all tasks, in pages of this size.
pub(crate) fn everything(size: usize) -> Listing {
    Listing {
        job: None,
        states: TaskState::ALL.to_vec(),
        queue: String::new(),
        agent: None,
        with_cut_inputs: false,
        from: None,
        before: None,
        spec: None,
        direction: Direction::OldestFirst,
        cursor: Direction::OldestFirst.start(),
        size,
    }
}
