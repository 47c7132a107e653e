//! Everything dies and stops again and again under load: nothing acknowledged is lost, nothing ends twice,
//! and nothing is run again whose lease was not lost.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use swarm_proto::v1::{Event, NewTask, Retry, TaskState, event::Payload};

use crate::harness::{
    agent::RealAgent,
    client::{Client, duration, quoted, shell_task, with},
    coordinator::Coordinator,
    seeded::Seeded,
    wait_until,
};

/// Short, so that what is lost is lost soon; long enough that a busy machine renews in time.
const LEASE_TTL: &str = "2s";
/// The longest stop of the coordinator: past every lease.
const LONG_STOP: Duration = Duration::from_millis(2500);
const SHORT_STOP: Duration = Duration::from_millis(300);
const SUBMITTERS: usize = 3;
/// Submitters wait when so many are not begun: what is left at the end has to be done too.
const MOST_WAITING: usize = 30;
/// The whole of it on a slow machine.
const LIMIT: Duration = Duration::from_secs(180);

/// What is done to the programs, one after the other.
#[derive(Clone, Copy, Debug)]
enum Fault {
    KillCoordinator,
    KillAgent(usize),
    /// It comes back only when the coordinator has given it up.
    LoseAgent(usize),
    /// The coordinator is away while the agent starts again.
    KillBoth(usize),
    StopCoordinator(Duration),
    /// It goes on only when the coordinator has given it up.
    StopAgent(usize),
}

/// Fifty SIGKILLs, and eight SIGSTOPs between them.
fn schedule(chance: &mut Seeded) -> Vec<Fault> {
    let mut faults = vec![
        Fault::StopCoordinator(LONG_STOP),
        Fault::StopCoordinator(LONG_STOP),
        Fault::StopCoordinator(SHORT_STOP),
        Fault::StopCoordinator(SHORT_STOP),
        Fault::StopAgent(0),
        Fault::StopAgent(1),
        Fault::StopAgent(0),
        Fault::StopAgent(1),
        Fault::LoseAgent(0),
        Fault::LoseAgent(1),
    ];
    faults.extend((0..5).map(|n| Fault::KillBoth(n % 2)));
    faults.extend([Fault::KillCoordinator; 19]);
    faults.extend((0..19).map(|n| Fault::KillAgent(n % 2)));
    chance.shuffle(&mut faults);
    faults
}

#[test]
fn fifty_kills_and_some_stops_of_everything_lose_nothing_acknowledged_and_repeat_nothing_that_was_held() {
    let start = Instant::now();
    let mut chance = Seeded::new(3);
    let faults = schedule(&mut chance);
    println!("the schedule: {faults:?}");
    let mut swarm = Swarm::start();

    let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
    let enough = Arc::new(AtomicBool::new(false));
    let submitters: Vec<_> = (0..SUBMITTERS)
        .map(|submitter| {
            let (acknowledged, enough) = (acknowledged.clone(), enough.clone());
            let (address, begun) = (swarm.coordinator.address().to_owned(), swarm.begun());
            thread::spawn(move || submit(&address, submitter, &begun, &acknowledged, &enough))
        })
        .collect();
    for (number, &fault) in faults.iter().enumerate() {
        let wanted = attempts_begun(&swarm.begun()).len() + 1 + chance.index(6);
        wait_until(&format!("work goes on before fault {number}"), || {
            attempts_begun(&swarm.begun()).len() >= wanted
        });
        println!("{:?}: fault {number}, {fault:?}", start.elapsed());
        swarm.suffer(fault);
    }
    enough.store(true, Ordering::Relaxed);
    for submitter in submitters {
        submitter.join().unwrap();
    }

    let acknowledged = acknowledged.lock().unwrap().clone();
    assert!(acknowledged.len() > faults.len());
    let client = swarm.coordinator.client();
    for id in &acknowledged {
        let task = client.wait_for_state(id, TaskState::Succeeded);
        assert_eq!(
            task.tries.unwrap().failures,
            0,
            "a fault was charged to task {id}"
        );
    }
    let events = client.all_events();
    let begun = attempts_begun(&swarm.begun());
    println!(
        "{} tasks, {} attempts begun, {} events, {:?}",
        acknowledged.len(),
        begun.len(),
        events.len(),
        start.elapsed()
    );
    let begun_once: BTreeSet<_> = begun.iter().cloned().collect();
    assert_eq!(begun.len(), begun_once.len(), "an attempt was begun twice");
    let histories = histories(&events);
    assert_eq!(
        histories.keys().copied().collect::<Vec<_>>(),
        acknowledged.iter().map(String::as_str).collect::<Vec<_>>()
    );
    for (task, history) in &histories {
        history.check(task, &begun_once);
    }
    let lost: usize = histories.values().map(|history| history.lost.len()).sum();
    assert!(lost > 0, "no fault found work at hand");
    for agent in &mut swarm.agents {
        assert_eq!(agent.program().ended(), None, "an agent has ended");
    }
    assert!(start.elapsed() < LIMIT, "it took {:?}", start.elapsed());
}

/// One coordinator and two agents. A third could make one task be lost on three, and fail.
struct Swarm {
    agents: Vec<RealAgent>,
    coordinator: Coordinator,
}

impl Swarm {
    fn start() -> Swarm {
        let coordinator = Coordinator::with(&["--lease-ttl", LEASE_TTL]);
        let agents = ["a", "b"].map(|name| RealAgent::start(&coordinator, name, &["--slots", "3"]));
        let swarm = Swarm {
            agents: agents.into(),
            coordinator,
        };
        fs::write(swarm.begun(), "").unwrap();
        swarm
    }

    /// The file with one line for each attempt that was begun.
    fn begun(&self) -> std::path::PathBuf {
        self.coordinator.dir().join("begun")
    }

    fn suffer(&mut self, fault: Fault) {
        match fault {
            Fault::KillCoordinator => {
                self.coordinator.kill();
                self.coordinator.start_again();
            }
            Fault::KillAgent(which) => {
                self.agents[which].program().kill();
                self.agents[which].start_again(&self.coordinator);
            }
            Fault::LoseAgent(which) => {
                self.agents[which].program().kill();
                self.until_given_up();
                self.agents[which].start_again(&self.coordinator);
            }
            Fault::KillBoth(which) => {
                self.coordinator.kill();
                self.agents[which].program().kill();
                self.agents[which].start_again(&self.coordinator);
                self.coordinator.start_again();
            }
            Fault::StopCoordinator(length) => {
                self.coordinator.program().signal(Signal::SIGSTOP);
                let stopped = Instant::now();
                wait_until("the stop is over", || stopped.elapsed() >= length);
                self.coordinator.program().signal(Signal::SIGCONT);
            }
            Fault::StopAgent(which) => {
                self.agents[which].program().signal(Signal::SIGSTOP);
                self.until_given_up();
                self.agents[which].program().signal(Signal::SIGCONT);
            }
        }
    }

    /// Waits until the coordinator takes one of the two agents for lost.
    fn until_given_up(&self) {
        let client = self.coordinator.client();
        wait_until("an agent is given up", || {
            client.status().agents.unwrap().lost > 0
        });
    }
}

/// What happened to one task, from its events.
#[derive(Default)]
struct History {
    granted: Vec<u32>,
    lost: Vec<u32>,
    live: Option<u32>,
    succeeded: usize,
    /// What must not happen, in words.
    faults: Vec<String>,
}

impl History {
    fn add(&mut self, event: &Event) {
        let attempt = event.attempt;
        match event.payload.as_ref() {
            Some(Payload::LeaseGranted(_)) => {
                if self.live.is_some() || self.succeeded > 0 {
                    self.faults.push(format!(
                        "attempt {attempt} was granted while {:?} lived",
                        self.live
                    ));
                }
                self.granted.push(attempt);
                self.live = Some(attempt);
            }
            Some(Payload::LeaseExpired(_)) => {
                self.lost.push(attempt);
                self.live = None;
            }
            Some(Payload::LeaseResumed(_)) => {
                if self.live.is_some() {
                    self.faults
                        .push(format!("attempt {attempt} was resumed beside another"));
                }
                self.live = Some(attempt);
            }
            // Given back before it was begun; whoever has begun it is seen by its line.
            Some(Payload::LeaseReleased(_)) => self.live = None,
            Some(Payload::TaskSucceeded(success)) => {
                self.succeeded += 1;
                if self.live != Some(attempt) && !success.late {
                    self.faults
                        .push(format!("attempt {attempt} ended the task without its lease"));
                }
                self.live = None;
            }
            Some(Payload::TaskSubmitted(_) | Payload::TaskDue(_)) => {}
            other => self.faults.push(format!("{other:?}")),
        }
    }

    #[track_caller]
    fn check(&self, task: &str, begun: &BTreeSet<(String, u32)>) {
        assert!(self.faults.is_empty(), "{task}: {:?}", self.faults);
        assert_eq!(self.succeeded, 1, "outcomes of {task}");
        let begun: Vec<u32> = begun
            .iter()
            .filter(|(id, _)| id == task)
            .map(|&(_, attempt)| attempt)
            .collect();
        for attempt in &begun {
            assert!(
                self.granted.contains(attempt),
                "{task} ran without a lease: {attempt}"
            );
        }
        // Whatever was begun before the last time it ran had lost its lease.
        for attempt in begun.iter().rev().skip(1) {
            assert!(
                self.lost.contains(attempt),
                "{task} ran as attempts {begun:?}, lost were {:?}",
                self.lost
            );
        }
    }
}

fn histories(events: &[Event]) -> BTreeMap<&str, History> {
    let mut histories: BTreeMap<&str, History> = BTreeMap::new();
    for event in events.iter().filter(|event| !event.task_id.is_empty()) {
        histories.entry(&event.task_id).or_default().add(event);
    }
    histories
}

/// The tasks and attempts that wrote their line.
fn attempts_begun(file: &Path) -> Vec<(String, u32)> {
    let text = fs::read_to_string(file).unwrap();
    let attempt = |line: &str| {
        let (task, attempt) = line.split_once(' ').unwrap();
        (task.to_owned(), attempt.parse().unwrap())
    };
    text.lines().map(attempt).collect()
}

/// A task that says it has begun, and takes long enough for a fault to find it at work.
fn task(id: &str, begun: &Path) -> NewTask {
    let line = format!(
        "echo $SWARM_TASK_ID $SWARM_ATTEMPT >> {}; sleep 0.1",
        quoted(begun)
    );
    with(shell_task(id, &line), |spec| {
        spec.retry = Some(Retry {
            initial_backoff: Some(duration(Duration::from_millis(200))),
            max_backoff: Some(duration(Duration::from_millis(500))),
            ..Default::default()
        });
    })
}

/// Submits task after task, each again and again until it is acknowledged.
fn submit(
    address: &str,
    submitter: usize,
    begun: &Path,
    acknowledged: &Mutex<BTreeSet<String>>,
    enough: &AtomicBool,
) {
    let client = Client::connect(address);
    for n in 0.. {
        wait_until("there is room for another task", || {
            let submitted = acknowledged.lock().unwrap().len();
            enough.load(Ordering::Relaxed) || submitted < attempts_begun(begun).len() + MOST_WAITING
        });
        if enough.load(Ordering::Relaxed) {
            return;
        }
        let id = format!("task-{submitter}-{n}");
        wait_until("a submit is acknowledged", || {
            client.try_submit(vec![task(&id, begun)]).is_ok()
        });
        acknowledged.lock().unwrap().insert(id);
    }
}
