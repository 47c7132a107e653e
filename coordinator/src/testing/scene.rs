//! A data directory with real events, in small journal segments, for tests.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use bytes::Bytes;
use swarm_engine::{
    command::{
        claim,
        complete::{self, Reported},
        register,
        start::{self, Start},
        submit::{self, NewTask, Submit},
    },
    draft::{self, Draft},
    id::{Seq, Session},
    rejection::Rejection,
    state::State,
};
use swarm_program::failure::Failure;
use tempfile::TempDir;

use super::requests::{agent, claim_of, completion, proof, registration, task};
use crate::{
    core::view::View,
    journal::{Journal, Options},
    machine::data_dir::DataDir,
    records::Entry,
    snapshot::{Origin, Snapshot},
    start::{Opened, open_with},
    store::Store,
    stored,
};

pub(crate) const OPTIONS: Options = Options { segment_bytes: 4096 };

/// See the module.
pub(crate) struct Scene {
    files: TempDir,
}

/// The data directory while somebody works on it.
pub(crate) struct Work {
    pub(crate) state: State,
    pub(crate) journal: Journal,
    pub(crate) store: Store,
    view: View,
    dir: DataDir,
}

pub(crate) type Contents = BTreeMap<Vec<u8>, Vec<u8>>;

impl Scene {
    pub(crate) fn new() -> Scene {
        Scene {
            files: tempfile::tempdir().unwrap(),
        }
    }

    /// A scene with so many tasks that ran, over several segments.
    pub(crate) fn with_tasks(count: u64) -> Scene {
        let scene = Scene::new();
        let mut work = scene.open();
        work.start();
        work.run_tasks(count);
        scene
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.files.path().join("data")
    }

    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path().join("store")
    }

    pub(crate) fn segments(&self) -> Vec<PathBuf> {
        let mut segments: Vec<PathBuf> = fs::read_dir(self.path().join("journal"))
            .unwrap()
            .map(|item| item.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "seg"))
            .collect();
        segments.sort();
        segments
    }

    pub(crate) fn open(&self) -> Work {
        self.try_open().unwrap()
    }

    pub(crate) fn try_open(&self) -> Result<Work, Failure> {
        let dir = DataDir::open(&self.path())?;
        let Opened {
            state,
            journal,
            store,
            ..
        } = open_with(&dir, OPTIONS)?;
        Ok(Work {
            state,
            journal,
            view: View::new(store.clone()),
            store,
            dir,
        })
    }

    /// Everything in the store, and the state's last seq, once it was opened.
    pub(crate) fn contents(&self) -> (Contents, u64) {
        let work = self.open();
        work.state.check().unwrap();
        (work.contents(), work.state.seq().0)
    }
}

impl Work {
    pub(crate) fn contents(&self) -> Contents {
        self.store.scan(&[], &[]).map(Result::unwrap).collect()
    }

    pub(crate) fn start(&mut self) {
        self.start_as("first");
    }

    /// Starts with this history.
    pub(crate) fn start_as(&mut self, history: &str) {
        let start = Start {
            version: "1.0.0".into(),
            cluster_id: "cluster".into(),
            history: history.into(),
            new_history: None,
            clocks: swarm_engine::time::Clocks::default(),
            set_back_to: None,
        };
        self.decide(|draft| start::decide(draft, start));
    }

    /// Submits so many tasks, one after the other, and runs them; every third stays where it is.
    pub(crate) fn run_tasks(&mut self, count: u64) {
        let register = registration(agent());
        let session = self
            .decide(|draft| register::decide(draft, register))
            .unwrap()
            .session;
        for index in 0..count {
            self.submit(&format!("task-{}-{index}", self.state.seq().0));
            if index % 3 != 2 {
                self.work(session);
            }
        }
        self.view.flush().unwrap();
        self.store.flush().unwrap();
    }

    fn submit(&mut self, name: &str) {
        let task = NewTask {
            spec: name.repeat(20).into_bytes().into(),
            ..task(name, &[])
        };
        let submit = Submit {
            tasks: vec![task],
            ..Submit::default()
        };
        self.decide(|draft| submit::decide(draft, submit));
    }

    fn work(&mut self, session: Session) {
        let claim = claim_of(agent(), session, 1);
        let granted = self.decide(|draft| claim::decide(draft, claim));
        let proofs = granted.iter().map(|task| proof(task)).collect();
        let complete = completion(proofs, &Reported::Success);
        for result in self.decide(|draft| Ok(complete::decide(draft, complete))) {
            result.unwrap();
        }
    }

    fn decide<T>(&mut self, decision: impl FnOnce(&mut Draft<'_>) -> Result<T, Rejection>) -> T {
        let now = self.state.time() + Duration::from_secs(60);
        let (result, changes) = draft::decide(&mut self.state, now, decision);
        let entries: Vec<Entry> = changes.into_iter().map(Entry::from).collect();
        let payloads: Vec<Bytes> = entries.iter().map(|entry| stored::encode(&entry.event)).collect();
        self.journal.append(1, &payloads).unwrap();
        for entry in entries {
            self.view.add(entry).unwrap();
        }
        result.unwrap()
    }

    /// Takes a snapshot of the store, which has everything.
    pub(crate) fn snapshot(&mut self) -> Snapshot {
        self.view.flush().unwrap();
        let origin = Origin {
            seq: self.state.seq().0,
            chain: self.journal.reader().chain_after(self.state.seq().0).unwrap(),
            history: "first".to_owned(),
        };
        assert_eq!(Seq(self.store.applied_seq()), self.state.seq());
        Snapshot::take(&self.store, &self.dir.snapshots(), &origin).unwrap()
    }

    /// Takes a snapshot, and removes the events before it.
    pub(crate) fn snapshot_and_trim(&mut self) {
        let seq = self.snapshot().origin().seq;
        self.journal.upkeep().trim(seq + 1).unwrap();
        assert!(self.journal.reader().oldest_seq() > 1, "nothing was trimmed");
    }
}
