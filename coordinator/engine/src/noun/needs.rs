//! Needs: what a task asks of its agent and of the moment. Offers: what an agent has for it.

use std::{collections::BTreeSet, fmt};

use crate::{
    id::{GroupName, QueueName},
    noun::{
        rules::{Program, Rules},
        selector::Selector,
    },
};

/// Everything that decides which agent may be given a task and when. Tasks with equal needs share one value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Needs {
    /// The demands on its agent.
    pub class: Class,
    /// The program of its command, which its agent's owner has to allow.
    pub program: Program,
    /// Its exclusive group: at most one task of the group runs at a time.
    pub group: Option<GroupName>,
}

impl Needs {
    /// The needs of a command that any agent of its queue may run.
    pub fn command(queue: QueueName) -> Needs {
        Needs {
            class: Class {
                queue,
                executor: Executor::Command,
                selector: Selector::default(),
            },
            program: Program::Unnamed,
            group: None,
        }
    }
}

/// A class of tasks: the demands on an agent that all of them share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Class {
    /// The queue of its tasks.
    pub queue: QueueName,
    /// The kind of program that carries them out.
    pub executor: Executor,
    /// The terms that the agent's labels must meet.
    pub selector: Selector,
}

/// The kind of program that carries a task out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Executor {
    /// A command line.
    Command,
    /// A text for a language model.
    Prompt,
}

impl Executor {
    /// Its name, as agents send it.
    pub fn name(self) -> &'static str {
        match self {
            Executor::Command => "command",
            Executor::Prompt => "prompt",
        }
    }

    /// The executor with this name; `None` when only newer agents know it.
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

/// A hash of the task's shard key. Agents share the work by buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bucket(pub u8);

/// The tasks that an agent asks for with a claim.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wants {
    /// Only tasks of these queues; of all queues when empty.
    pub queues: BTreeSet<QueueName>,
    /// Only tasks of this shard; of all shards when `None`.
    pub shard: Option<Shard>,
    /// Tasks that a claim looks at; all when 0.
    pub scan_limit: u32,
}

/// A shard: one of the equal parts of all tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shard {
    /// The number of parts, from 1 to 256.
    pub count: u16,
    /// The part, from 0; when `None`, the coordinator gives parts to the agent.
    pub index: Option<u16>,
}

impl Shard {
    /// The index of the shard with this bucket.
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

    /// Adds a bucket.
    pub fn insert(&mut self, bucket: Bucket) {
        self.0[usize::from(bucket.0 >> 6)] |= 1 << (bucket.0 & 63);
    }

    /// Whether this bucket is in the set.
    pub fn has(&self, bucket: Bucket) -> bool {
        self.0[usize::from(bucket.0 >> 6)] & (1 << (bucket.0 & 63)) != 0
    }

    /// The buckets of one shard.
    pub fn of(count: u16, index: u16) -> Buckets {
        let mut buckets = Buckets::NONE;
        for bucket in (index..=u16::from(u8::MAX)).step_by(usize::from(count.max(1))) {
            buckets.insert(Bucket(bucket as u8));
        }
        buckets
    }

    /// The union of both sets.
    #[must_use]
    pub fn plus(mut self, other: Buckets) -> Buckets {
        for (own, more) in self.0.iter_mut().zip(other.0) {
            *own |= more;
        }
        self
    }
}

/// An agent's offer at this moment: the tasks that it asks for, and its own executors and labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offer {
    /// Only tasks of these queues; of all queues when empty.
    pub queues: BTreeSet<QueueName>,
    /// Only tasks of these buckets.
    pub buckets: Buckets,
    /// The kinds of tasks that it can carry out.
    pub executors: BTreeSet<Executor>,
    /// Labels that its owner gave it.
    pub labels: std::collections::BTreeMap<String, String>,
    /// The rules of its owner.
    pub rules: Rules,
}

impl Offer {
    /// Whether the offer meets the demands of a class, whatever the bucket and the program.
    pub fn suits(&self, class: &Class) -> bool {
        self.serves(&class.queue)
            && self.executors.contains(&class.executor)
            && class.selector.matches(&self.labels)
    }

    /// Whether the owner lets the agent run the tasks of a class with this program.
    pub fn allows(&self, class: &Class, program: &Program) -> bool {
        self.rules.allow(class, program)
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
