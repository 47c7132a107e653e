//! The store's keys: how each is made, and how it is named in a message.

use super::number_set::SET_NUMBERS;

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
/// Jobs.
pub const JOB: &[u8] = b"job/";
/// Agents.
pub const AGENT: &[u8] = b"agent/";
/// Holds.
pub const HOLD: &[u8] = b"hold/";
/// Limits of queues.
pub const LIMIT: &[u8] = b"limit/";
/// What attempts printed.
pub const OUTPUT: &[u8] = b"output/";
/// Facts about the store itself.
pub const META: &[u8] = b"meta/";

/// Bytes of a key: an id and a prefix fit easily, and an index page of 256 keys stays well under the
/// size at which sled moves a page into a file of its own. A leaf says it in a byte.
pub const MAX_KEY_BYTES: usize = 200;

/// The name, in `meta/`, of the seq that the store reflects.
pub(super) const APPLIED_SEQ: &str = "applied_seq";

/// Begins the keys of chunks and sorts them behind all others; no name begins so.
pub(super) const CHUNK: u8 = 0xFF;

/// No chunk's key sorts before this one: names begin with a letter.
pub(super) const FIRST_CHUNK: &[u8] = &[CHUNK, 1];

/// What a key begins with, through its first slash. Where a range ends there may be none.
pub(super) fn kind_of(key: &[u8]) -> &[u8] {
    let slash = key.iter().position(|byte| *byte == b'/');
    slash.map_or(key, |slash| &key[..=slash])
}

/// The key of a task that has to be in memory.
pub fn live(number: u64) -> Vec<u8> {
    numbered(LIVE, number)
}

/// The key of another task.
pub fn done(number: u64) -> Vec<u8> {
    numbered(DONE, number)
}

/// Where the number of the task with this id is.
pub fn id(task: &str) -> Vec<u8> {
    [ID, task.as_bytes()].concat()
}

/// A number in a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where the set is.
    pub key: Vec<u8>,
    /// The number.
    pub number: u64,
}

/// The place of an ended task in the order of ends, which are in milliseconds; tasks that ended within the same
/// second are in the order of their numbers.
pub fn age(ended: u64, number: u64) -> Place {
    let second = ended / 1000;
    let set = number / SET_NUMBERS;
    Place {
        key: [AGE, &second.to_be_bytes(), &set.to_be_bytes()].concat(),
        number,
    }
}

/// The second and the index of the set in such a key.
pub fn split_age(key: &[u8]) -> Option<(u64, u64)> {
    let (second, set) = key.strip_prefix(AGE)?.split_first_chunk()?;
    Some((
        u64::from_be_bytes(*second),
        u64::from_be_bytes(set.try_into().ok()?),
    ))
}

/// The prefix of the ended tasks of a job. No id has a NUL.
pub fn tasks_of(job: &str) -> Vec<u8> {
    [JOB_TASK, job.as_bytes(), &[0]].concat()
}

/// The place of an ended task among those of its job.
pub fn task_of(job: &str, number: u64) -> Place {
    let set = number / SET_NUMBERS;
    Place {
        key: [tasks_of(job).as_slice(), &set.to_be_bytes()].concat(),
        number,
    }
}

/// The index of the set in such a key.
pub fn set_of_job(key: &[u8]) -> Option<u64> {
    key.last_chunk().map(|set| u64::from_be_bytes(*set))
}

/// The key of a job.
pub fn job(number: u64) -> Vec<u8> {
    numbered(JOB, number)
}

/// The key of an agent.
pub fn agent(id: &str) -> Vec<u8> {
    [AGENT, id.as_bytes()].concat()
}

/// The key of a hold; a scope is one word or two.
pub fn hold(scope: &str) -> Vec<u8> {
    [HOLD, scope.as_bytes()].concat()
}

/// The key of a queue's limit.
pub fn limit(queue: &str) -> Vec<u8> {
    [LIMIT, queue.as_bytes()].concat()
}

/// The key of what an attempt of a task printed.
pub fn output(number: u64, attempt: u32) -> Vec<u8> {
    [OUTPUT, &number.to_be_bytes(), &attempt.to_be_bytes()].concat()
}

/// The prefix of what all attempts of a task printed.
pub fn outputs_of(number: u64) -> Vec<u8> {
    numbered(OUTPUT, number)
}

/// The key of a fact about the store itself.
pub fn meta(name: &str) -> Vec<u8> {
    [META, name.as_bytes()].concat()
}

/// A key as messages name it: `live/42`, `output/42/1`, `agent/north`.
pub fn name(key: &[u8]) -> String {
    for prefix in [LIVE, DONE, JOB, OUTPUT] {
        let Some(rest) = key.strip_prefix(prefix) else {
            continue;
        };
        let Some((number, attempt)) = rest.split_first_chunk() else {
            continue;
        };
        let task = format!("{}{}", prefix.escape_ascii(), u64::from_be_bytes(*number));
        match <[u8; 4]>::try_from(attempt) {
            Ok(attempt) if prefix == OUTPUT => return format!("{task}/{}", u32::from_be_bytes(attempt)),
            _ if attempt.is_empty() => return task,
            _ => {}
        }
    }
    key.escape_ascii().to_string()
}

/// Whether a key may be written; any other would be lost among the leaves, or taken for a chunk's.
pub(crate) fn is_valid(key: &[u8]) -> bool {
    key.len() <= MAX_KEY_BYTES && key.contains(&b'/') && key[0] != CHUNK
}

pub(super) fn assert_valid(key: &[u8]) {
    assert!(is_valid(key), "{} is no key", name(key));
}

/// The first key behind all that begin with `prefix`, chunks left out.
pub(super) fn end_of(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    vec![CHUNK]
}

fn numbered(prefix: &[u8], number: u64) -> Vec<u8> {
    [prefix, &number.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_sort_in_creation_order() {
        let mut keys: Vec<_> = [256, 1, u64::MAX, 255, 0].map(live).to_vec();
        keys.sort();
        assert_eq!(keys, [0, 1, 255, 256, u64::MAX].map(live));
        assert!(output(1, 256) < output(2, 1) && output(1, 2) < output(1, 256));
        assert!(output(7, 3).starts_with(&outputs_of(7)));
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

    #[test]
    fn messages_name_keys_in_words() {
        assert_eq!(name(&live(42)), "live/42");
        assert_eq!(name(&output(42, 3)), "output/42/3");
        assert_eq!(name(&agent("north")), "agent/north");
        assert_eq!(name(&meta("history")), "meta/history");
        assert_eq!(name(b"odd\x00"), "odd\\x00");
    }

    #[test]
    fn a_prefix_ends_before_the_next_one_and_before_the_chunks() {
        assert_eq!(end_of(b"live/"), b"live0");
        assert_eq!(end_of(b"a\xFF"), b"b");
        assert_eq!(end_of(b""), [CHUNK]);
    }
}
