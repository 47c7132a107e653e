//! The store is a view of the journal: deleted or damaged, it is built anew, and everybody is told the same.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use swarm_proto::v1::{
    GetJobRequest, Job, ListTasksRequest, NewJob, Retry, StateCounts, SubmitTasksRequest, Task, TaskState,
};

use crate::harness::{
    agent::RealAgent,
    client::{Client, after, duration, shell_task, with},
    coordinator::Coordinator,
    seeded::Seeded,
};

const JOB: &str = "job";
const FINISHED: [(&str, TaskState); 6] = [
    ("prints-1", TaskState::Succeeded),
    ("prints-2", TaskState::Succeeded),
    ("gathers", TaskState::Succeeded),
    ("fails", TaskState::Failed),
    ("skipped", TaskState::Skipped),
    ("cancelled", TaskState::Cancelled),
];
/// Bits that are flipped, each in a copy of its own.
const FLIPS: usize = 12;
/// A damaged store can make reading it hang; it is given up after half a minute.
const LIMIT: Duration = Duration::from_secs(60);

/// Everything that people are told about tasks and jobs.
#[derive(Debug, PartialEq)]
struct Answers {
    listed: Vec<Task>,
    tasks: Vec<Task>,
    job: Option<Job>,
    counts: Option<StateCounts>,
}

fn answers(client: &Client) -> Answers {
    let listed = listed(client);
    let tasks = listed.iter().map(|task| client.task(&task.task_id)).collect();
    let request = GetJobRequest {
        job_id: JOB.to_owned(),
    };
    let job = client.call(client.task_service().get_job(request)).unwrap();
    Answers {
        listed,
        tasks,
        job: job.into_inner().job,
        counts: client.status().tasks,
    }
}

fn listed(client: &Client) -> Vec<Task> {
    let mut listed = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListTasksRequest {
            page_size: 3,
            page_token,
            ..Default::default()
        };
        let page = client.call(client.task_service().list_tasks(request)).unwrap();
        let page = page.into_inner();
        listed.extend(page.tasks);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return listed;
        }
    }
}

/// A coordinator, without agents, whose tasks ended in every way; some wait.
fn with_history() -> Coordinator {
    let coordinator = Coordinator::start();
    let client = coordinator.client();
    let agent = RealAgent::start(&coordinator, "a", &["--slots", "2"]);
    let depends = |id: &str, line: &str, on: &[&str]| {
        with(shell_task(id, line), |spec| {
            spec.depends_on = after(on.iter().copied())
        })
    };
    let mut tasks = vec![
        shell_task("prints-1", "echo one; echo two >&2"),
        shell_task("prints-2", "seq 2000"),
        depends(
            "gathers",
            "cat $SWARM_INPUTS/* | wc -l",
            &["prints-1", "prints-2"],
        ),
        with(shell_task("fails", "echo no >&2; exit 7"), |spec| {
            spec.retry = Some(Retry {
                max_retries: Some(1),
                initial_backoff: Some(duration(Duration::from_millis(1))),
                ..Default::default()
            });
        }),
        depends("skipped", "true", &["fails"]),
        with(shell_task("cancelled", "true"), |spec| {
            spec.delay = Some(duration(Duration::from_secs(3600)))
        }),
    ];
    for task in &mut tasks {
        let spec = task.spec.as_mut().unwrap();
        spec.labels.insert("kind".to_owned(), task.task_id.clone());
    }
    let request = SubmitTasksRequest {
        job: Some(NewJob {
            job_id: JOB.to_owned(),
            ..Default::default()
        }),
        tasks,
    };
    client.call(client.task_service().submit_tasks(request)).unwrap();
    for (id, state) in FINISHED {
        if state == TaskState::Cancelled {
            client.cancel(id);
        }
        client.wait_for_state(id, state);
    }
    drop(agent);
    client.submit(vec![
        shell_task("queued", "true"),
        depends("blocked", "true", &["queued", "gathers"]),
    ]);
    coordinator
}

fn store(data: &Path) -> PathBuf {
    let store = data.join("store");
    assert!(store.is_dir(), "there is no store in {}", data.display());
    store
}

#[test]
fn a_store_that_was_deleted_between_two_runs_is_built_anew_and_tells_the_same() {
    let mut coordinator = with_history();
    let before = answers(&coordinator.client());
    assert_eq!(before.listed.len(), FINISHED.len() + 2);
    let gathered = before.tasks[2].result.clone().unwrap().output.unwrap();
    assert_eq!(gathered.stdout.trim_ascii(), b"2001");

    assert_eq!(coordinator.stop(Duration::from_secs(10)), 0);
    fs::remove_dir_all(store(&coordinator.data_dir())).unwrap();
    coordinator.start_again();
    assert_eq!(answers(&coordinator.client()), before);

    coordinator.kill();
    fs::remove_dir_all(store(&coordinator.data_dir())).unwrap();
    coordinator.start_again();
    assert_eq!(answers(&coordinator.client()), before);

    // Work goes on with the store that was built anew.
    let client = coordinator.client();
    let _agent = RealAgent::start(&coordinator, "b", &["--slots", "1"]);
    client.wait_for_state("blocked", TaskState::Succeeded);
}

#[test]
fn a_store_with_a_flipped_bit_tells_the_same_or_is_built_anew() {
    let start = Instant::now();
    let mut coordinator = with_history();
    let before = answers(&coordinator.client());
    assert_eq!(coordinator.stop(Duration::from_secs(10)), 0);
    let data = coordinator.data_dir();
    let files = files(&store(&data));
    let mut chance = Seeded::new(11);
    let anywhere: Vec<Flip> = (0..FLIPS).map(|_| Flip::anywhere(&files, &mut chance)).collect();
    let in_records = FINISHED
        .iter()
        .filter_map(|(id, _)| Flip::in_record(&files, id, &mut chance));
    let flips: Vec<Flip> = anywhere.into_iter().chain(in_records).collect();
    assert!(flips.len() > FLIPS, "no record was found in {files:?}");

    thread::scope(|scope| {
        // A hang of one costs half a minute: they wait together.
        for flip in &flips {
            let (data, before) = (&data, &before);
            scope.spawn(move || {
                let mut coordinator = Coordinator::with_copy(data, |copy| flip.apply(data, copy));
                assert_eq!(&answers(&coordinator.client()), before, "{flip:?}");
                let rebuilt = coordinator.program().log().contains("set aside");
                println!("{flip:?}: {}", if rebuilt { "built anew" } else { "not noticed" });
            });
        }
    });
    assert!(start.elapsed() < LIMIT, "it took {:?}", start.elapsed());
}

/// The files of the store that hold anything.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && path.metadata().unwrap().len() > 0 {
            files.push(path);
        }
    }
    files.sort();
    assert!(files.len() >= 2, "{files:?}");
    files
}

/// One wrong bit.
#[derive(Debug)]
struct Flip {
    file: PathBuf,
    byte: usize,
    bit: u64,
}

impl Flip {
    fn anywhere(files: &[PathBuf], chance: &mut Seeded) -> Flip {
        let file = files[chance.index(files.len())].clone();
        let content = fs::read(&file).unwrap();
        // Space that was never written to is read by nobody.
        let used = content
            .iter()
            .rposition(|&byte| byte != 0)
            .map_or(1, |last| last + 1);
        Flip {
            byte: chance.index(used),
            bit: chance.below(8),
            file,
        }
    }

    /// One in the newest of the places that name a task: older ones are no longer read by anybody.
    fn in_record(files: &[PathBuf], id: &str, chance: &mut Seeded) -> Option<Flip> {
        files.iter().find_map(|file| {
            let content = fs::read(file).unwrap();
            let place = content
                .windows(id.len())
                .rposition(|window| window == id.as_bytes())?;
            Some(Flip {
                byte: place + chance.index(id.len()),
                bit: chance.below(8),
                file: file.clone(),
            })
        })
    }

    /// Applies it to the same file of a copy.
    fn apply(&self, data: &Path, copy: &Path) {
        let file = copy.join(self.file.strip_prefix(data).unwrap());
        let mut content = fs::read(&file).unwrap();
        content[self.byte] ^= 1 << self.bit;
        fs::write(file, content).unwrap();
    }
}
