//! Files of tasks, ours and those of other systems.

use jiff::Timestamp;
use prost::Message as _;
use swarm_proto::limits::{MAX_MESSAGE_BYTES, MAX_SUBMIT_TASKS};
use swarmctl::jobfile::{self, JobFile, fault::Faults};

pub(super) fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    check(jobfile::parse(&text, "input", Timestamp::UNIX_EPOCH));
    for read in swarmctl::read_in_every_format(&text, Timestamp::UNIX_EPOCH) {
        check(read);
    }
}

fn check(read: Result<JobFile, Faults>) {
    match read {
        Ok(file) => {
            let tasks = &file.request.tasks;
            assert!(tasks.len() <= MAX_SUBMIT_TASKS);
            assert!(
                tasks
                    .iter()
                    .all(|task| !task.task_id.is_empty() && task.spec.is_some())
            );
            assert!(file.request.encoded_len() <= MAX_MESSAGE_BYTES);
        }
        Err(faults) => {
            assert!(!faults.faults.is_empty() || !faults.external.is_empty());
            assert!(faults.faults.iter().all(|fault| fault.position.line > 0));
            assert!(!faults.to_string().is_empty() || faults.faults.is_empty());
        }
    }
}
