//! Figures, not promises: how long a start takes when many tasks have ended. By hand, in a directory that
//! is kept, with the real programs started on it afterwards:
//!
//! ```text
//! SWARM_FIGURES_DIR=DIR SWARM_FIGURES_TASKS=1000000 \
//!     cargo test --release -p swarm-coordinator figures_of_a_filled -- --ignored --nocapture
//! coordinator --data-dir DIR
//! ```

use std::{path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use swarm_engine::{
    command::{
        claim::{self, Claim},
        complete::{self, Reported},
        register,
        start::{self, Start},
        submit::{self, NewJob, NewTask, Submit},
    },
    draft::{self, Draft},
    id::{JobId, Seq, Session},
    noun::task::Task,
    rejection::Rejection,
    state::{Records, State},
    time::{Clocks, Timestamp},
};

use crate::{
    core::view::View,
    journal::{self, Journal},
    machine::{
        clock::{Belief, Clock},
        data_dir::DataDir,
        random,
    },
    records::Entry,
    start::open_with,
    store::Store,
    stored,
    testing::requests::{agent, claim_of, completion, proof, registration, task},
};

const SUBMITTED_TOGETHER: usize = 10_000;
const CLAIMED_TOGETHER: usize = 100;
/// Events of one journal entry, about as under load.
const COMMIT_EVENTS: usize = 10_000;

/// A coordinator without threads: what decides, journals and stores, one after the other.
struct Filler {
    state: State,
    journal: Journal,
    store: Store,
    view: View,
    pending: Vec<Entry>,
}

impl Filler {
    fn decide<T>(&mut self, decision: impl FnOnce(&mut Draft<'_>) -> Result<T, Rejection>) -> T {
        let now = self.state.time() + Duration::from_millis(1);
        let (result, changes) = draft::decide(&mut self.state, now, decision);
        self.pending.extend(changes.into_iter().map(Entry::from));
        if self.pending.len() >= COMMIT_EVENTS {
            self.commit();
        }
        result.unwrap()
    }

    fn commit(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let entries = std::mem::take(&mut self.pending);
        let payloads: Vec<Bytes> = entries.iter().map(|entry| stored::encode(&entry.event)).collect();
        self.journal.append(1, &payloads).unwrap();
        for entry in entries {
            self.view.add(entry).unwrap();
        }
        self.view.flush().unwrap();
        let ended: Vec<Arc<Task>> = self
            .state
            .finished(Seq(self.store.applied_seq()))
            .cloned()
            .collect();
        for task in ended {
            self.state.forget(task.number);
        }
    }

    fn run(&mut self, from: usize, session: Session) {
        let tasks = (from..from + SUBMITTED_TOGETHER).map(|index| NewTask {
            spec: vec![b'x'; 300].into(),
            ..task(&format!("render-frame-{index:08}"), &[])
        });
        let id = format!("render-{from:08}");
        let request = Submit {
            job: Some(NewJob {
                id: JobId::stored(&id),
                name: id.as_str().into(),
                labels: [].into(),
            }),
            tasks: tasks.collect(),
            ..Submit::default()
        };
        self.decide(|draft| submit::decide(draft, request));
        loop {
            let claim = Claim {
                request_id: "request-id-of-16".into(),
                ..claim_of(agent(), session, CLAIMED_TOGETHER)
            };
            let granted = self.decide(|draft| claim::decide(draft, claim));
            if granted.is_empty() {
                return;
            }
            let proofs = granted.iter().map(|task| proof(task)).collect();
            let complete = completion(proofs, &Reported::Success);
            self.decide(|draft| Ok(complete::decide(draft, complete)));
        }
    }
}

fn seconds_since(clock: &Clock) -> f64 {
    clock.uptime().as_secs_f64()
}

#[test]
#[ignore = "a figure"]
fn figures_of_a_filled_directory() {
    let Some(path) = std::env::var_os("SWARM_FIGURES_DIR").map(PathBuf::from) else {
        return;
    };
    let count: usize = std::env::var("SWARM_FIGURES_TASKS").unwrap().parse().unwrap();
    let clock = Clock::start(Timestamp(0), None, Belief::Accepted).unwrap().0;
    let dir = DataDir::open(&path).unwrap();
    let opened = open_with(&dir, journal::Options::default()).unwrap();
    let mut filler = Filler {
        view: View::new(opened.store.clone()),
        state: opened.state,
        journal: opened.journal,
        store: opened.store,
        pending: Vec::new(),
    };
    // As of now: what ended long ago would be removed at the first start.
    filler.state = State::load(Records {
        time: clock.started(),
        ..Records::default()
    });
    let start = Start {
        version: "0.1.0".into(),
        cluster_id: random::name().into(),
        history: random::name().into(),
        new_history: None,
        clocks: Clocks::default(),
        set_back_to: None,
    };
    filler.decide(|draft| start::decide(draft, start));
    let register = registration(agent());
    let session = filler
        .decide(|draft| register::decide(draft, register))
        .unwrap()
        .session;
    for from in (0..count).step_by(SUBMITTED_TOGETHER) {
        filler.run(from, session);
        if (from / SUBMITTED_TOGETHER).is_multiple_of(10) {
            println!(
                "{} done after {:.1} s, store {} MiB",
                from + SUBMITTED_TOGETHER,
                seconds_since(&clock),
                filler.store.size_on_disk().unwrap() >> 20
            );
        }
    }
    filler.commit();
    filler.store.flush().unwrap();
    let bytes = filler.store.size_on_disk().unwrap();
    println!(
        "{count} ended tasks in {:.1} s: {} bytes of store for each",
        seconds_since(&clock),
        bytes / count as u64
    );
}
