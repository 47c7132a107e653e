//! The keys of tasks: of the record, of the id, and of the sets that list ended tasks.

use crate::store::{SET_NUMBERS, SetMember, key::numbered};

/// Tasks that have to be in memory.
pub const LIVE: &[u8] = b"live/";
/// The other tasks, which have ended.
pub const DONE: &[u8] = b"done/";
/// Tasks by id.
pub const ID: &[u8] = b"id/";
/// Ended tasks by age.
pub const AGE: &[u8] = b"age/";
/// The ended tasks of jobs.
pub const JOB_TASK: &[u8] = b"jobtask/";

/// The key of a task that has to be in memory.
pub fn live(number: u64) -> Vec<u8> {
    numbered(LIVE, number)
}

/// The key of any other task, which has ended.
pub fn done(number: u64) -> Vec<u8> {
    numbered(DONE, number)
}

/// The key of a task's id, which has the task's number.
pub fn id(task: &str) -> Vec<u8> {
    [ID, task.as_bytes()].concat()
}

/// An ended task's place in the sets by age. `ended` is in milliseconds; tasks that ended within the same second are in
/// the order of their numbers.
pub fn age(ended: u64, number: u64) -> SetMember {
    let second = ended / 1000;
    let set = number / SET_NUMBERS;
    SetMember {
        key: [AGE, &second.to_be_bytes(), &set.to_be_bytes()].concat(),
        number,
    }
}

/// The second and the index of the set, out of a key by age.
pub fn split_age(key: &[u8]) -> Option<(u64, u64)> {
    let (second, set) = key.strip_prefix(AGE)?.split_first_chunk()?;
    Some((
        u64::from_be_bytes(*second),
        u64::from_be_bytes(set.try_into().ok()?),
    ))
}

/// The prefix of the sets of a job's ended tasks. No id has a NUL.
pub fn tasks_of(job: &str) -> Vec<u8> {
    [JOB_TASK, job.as_bytes(), &[0]].concat()
}

/// An ended task's place in the sets of its job.
pub fn task_of(job: &str, number: u64) -> SetMember {
    let set = number / SET_NUMBERS;
    SetMember {
        key: [tasks_of(job).as_slice(), &set.to_be_bytes()].concat(),
        number,
    }
}

/// The index of the set, out of a key of a job's set.
pub fn set_of_job(key: &[u8]) -> Option<u64> {
    key.last_chunk().map(|set| u64::from_be_bytes(*set))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::key::MAX_KEY_BYTES;

    #[test]
    fn numbers_sort_in_creation_order() {
        let mut keys: Vec<_> = [256, 1, u64::MAX, 255, 0].map(live).to_vec();
        keys.sort();
        assert_eq!(keys, [0, 1, 255, 256, u64::MAX].map(live));
    }

    #[test]
    fn ends_sort_by_time_and_jobs_do_not_mix() {
        assert!(age(1_999, 900).key < age(2_000, 1).key && age(2_000, 1).key < age(2_000, 256).key);
        assert_eq!(age(2_000, 1).key, age(2_999, 255).key);
        assert_eq!(split_age(&age(7_100, 600).key), Some((7, 2)));
        assert_eq!(split_age(b"age/short"), None);
        assert!(!task_of("job-10", 1).key.starts_with(&tasks_of("job-1")));
        assert_eq!(set_of_job(&task_of("job-10", 600).key), Some(2));
        assert!(id(&"x".repeat(128)).len() <= MAX_KEY_BYTES);
        assert!(task_of(&"x".repeat(128), 1).key.len() <= MAX_KEY_BYTES);
    }
}
