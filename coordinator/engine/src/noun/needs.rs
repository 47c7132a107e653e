//! What a task needs of the agent that is given it, and of the moment.

use std::{collections::BTreeSet, fmt};

use crate::{
    id::{GroupName, QueueName},
    noun::selector::Selector,
};

/// Everything that decides who may be given a task and when. Tasks that need the same share it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Needs {
    /// What its agent must offer.
    pub class: Class,
    /// Of the tasks of one group at most one runs at a time.
    pub group: Option<GroupName>,
}

impl Needs {
    /// Those of a command that any agent may run which serves its queue.
    pub fn command(queue: QueueName) -> Needs {
        Needs {
            class: Class {
                queue,
                executor: Executor::Command,
                selector: Selector::default(),
            },
            group: None,
        }
    }
}

/// What an agent must offer to be given a task of a class.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Class {
    /// The line that its tasks wait in.
    pub queue: QueueName,
    /// How they are carried out.
    pub executor: Executor,
    /// What the agent's labels have to meet.
    pub selector: Selector,
}

/// How a task is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Executor {
    /// A command line.
    Command,
    /// A text for a language model.
    Prompt,
}

impl Executor {
    /// Its name, as agents say it.
    pub fn name(self) -> &'static str {
        match self {
            Executor::Command => "command",
            Executor::Prompt => "prompt",
        }
    }

    /// The one with this name; `None` for one that only newer agents know.
    pub fn named(name: &str) -> Option<Executor> {
        [Executor::Command, Executor::Prompt]
            .into_iter()
            .find(|executor| executor.name() == name)
    }
}

impl fmt::Display for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The part of the task that a bucket is: a hash of its shard key. Agents share the work by buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bucket(pub u8);

/// What an agent asks for with a claim.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wants {
    /// Only tasks of these queues; of all when empty.
    pub queues: BTreeSet<QueueName>,
    /// Only tasks of these buckets; of all when `None`.
    pub shard: Option<Shard>,
    /// How many tasks are looked at that the agent should not be given for a while.
    pub scan_limit: u32,
}

/// A part of all tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shard {
    /// Into how many parts the tasks are cut; 1 to 256.
    pub count: u16,
    /// Which part, from 0; when `None`, those that the coordinator gives to the agent.
    pub index: Option<u16>,
}

impl Shard {
    /// The shard of this count that has a bucket.
    pub fn index_of(self, bucket: Bucket) -> u16 {
        u16::from(bucket.0) % self.count.max(1)
    }
}

/// A set of buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Buckets([u64; 4]);

impl Buckets {
    /// Every bucket.
    pub const ALL: Buckets = Buckets([u64::MAX; 4]);
    /// No bucket.
    pub const NONE: Buckets = Buckets([0; 4]);

    /// Adds one.
    pub fn insert(&mut self, bucket: Bucket) {
        self.0[usize::from(bucket.0 >> 6)] |= 1 << (bucket.0 & 63);
    }

    /// Whether it has this one.
    pub fn has(&self, bucket: Bucket) -> bool {
        self.0[usize::from(bucket.0 >> 6)] & (1 << (bucket.0 & 63)) != 0
    }

    /// Those of one shard.
    pub fn of(count: u16, index: u16) -> Buckets {
        let mut buckets = Buckets::NONE;
        for bucket in (index..=u16::from(u8::MAX)).step_by(usize::from(count.max(1))) {
            buckets.insert(Bucket(bucket as u8));
        }
        buckets
    }

    /// Both together.
    #[must_use]
    pub fn plus(mut self, other: Buckets) -> Buckets {
        for (own, more) in self.0.iter_mut().zip(other.0) {
            *own |= more;
        }
        self
    }
}

/// What an agent offers at this moment: what it asked for, and what it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offer {
    /// Only tasks of these queues; of all when empty.
    pub queues: BTreeSet<QueueName>,
    /// Only tasks of these buckets.
    pub buckets: Buckets,
    /// How it can carry out tasks.
    pub executors: BTreeSet<Executor>,
    /// What its owner says about it.
    pub labels: std::collections::BTreeMap<String, String>,
}

impl Offer {
    /// Whether it is enough for a class, whatever the bucket.
    pub fn suits(&self, class: &Class) -> bool {
        self.serves(&class.queue)
            && self.executors.contains(&class.executor)
            && class.selector.matches(&self.labels)
    }

    /// Whether the agent takes tasks of this queue.
    pub fn serves(&self, queue: &QueueName) -> bool {
        self.queues.is_empty() || self.queues.contains(queue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_of_a_count_have_every_bucket_once() {
        for count in [1, 2, 3, 4, 7, 255, 256] {
            for bucket in 0..=u8::MAX {
                let shards = (0..count).filter(|index| Buckets::of(count, *index).has(Bucket(bucket)));
                let shard = Shard { count, index: None };
                assert_eq!(shards.collect::<Vec<_>>(), [shard.index_of(Bucket(bucket))]);
            }
            let all = (0..count).fold(Buckets::NONE, |all, index| all.plus(Buckets::of(count, index)));
            assert_eq!(all, Buckets::ALL);
        }
    }

    #[test]
    fn executors_are_known_by_their_names() {
        assert_eq!(Executor::named("prompt"), Some(Executor::Prompt));
        assert_eq!(Executor::named("container"), None);
    }
}
