//! Lines of waiting claims.

use std::collections::{BTreeMap, BTreeSet};

use swarm_engine::{
    id::{LeaseToken, Session},
    noun::{
        needs::{Buckets, Executor, Needs},
        rules::Rules,
    },
};

use super::*;
use crate::testing::requests::claim_of;

fn queues(names: &[&str]) -> BTreeSet<QueueName> {
    names.iter().map(|name| QueueName::stored(name)).collect()
}

fn offer(names: &[&str]) -> Arc<Offer> {
    Arc::new(Offer {
        queues: queues(names),
        buckets: Buckets::ALL,
        executors: [Executor::Command].into(),
        labels: BTreeMap::new(),
        rules: Rules::Everything,
    })
}

/// Lets an agent wait for tasks of these queues, of all when there are none.
fn enlist(waiters: &mut Waiters, agent: &str, names: &[&str]) -> u64 {
    let mut claim = claim_of(AgentId::stored(agent), Session(1), 1);
    claim.wants.queues = queues(names);
    let (ticket, _) = waiters.enlist(claim, offer(names)).expect("there is room");
    ticket
}

fn oldest(waiters: &Waiters, queue: &str) -> Option<u64> {
    let oldest = waiters.oldest(&QueueName::stored(queue), |_| true);
    oldest.map(|(ticket, _)| ticket)
}

#[test]
fn the_oldest_waiter_for_a_queue_is_found_whether_it_named_the_queue_or_not() {
    let mut waiters = Waiters::default();
    let other = enlist(&mut waiters, "a", &["other"]);
    let named = enlist(&mut waiters, "b", &["day", "night"]);
    let all = enlist(&mut waiters, "c", &[]);
    let also = enlist(&mut waiters, "d", &["day", "night"]);
    assert_eq!(oldest(&waiters, "day"), Some(named));
    assert_eq!(oldest(&waiters, "other"), Some(other));
    assert_eq!(oldest(&waiters, "third"), Some(all));

    let waiter = waiters.leave(&offer(&["day", "night"]), named).unwrap();
    assert_eq!(oldest(&waiters, "night"), Some(all));
    waiters.put_back(offer(&["day", "night"]), waiter);
    assert_eq!(oldest(&waiters, "night"), Some(named));

    for (names, ticket) in [(&["day", "night"][..], named), (&[], all)] {
        waiters.leave(&offer(names), ticket);
    }
    assert_eq!(oldest(&waiters, "day"), Some(also));
    waiters.leave(&offer(&["day", "night"]), also);
    waiters.leave(&offer(&["other"]), other);
    assert_eq!(
        (oldest(&waiters, "other"), waiters.len(), waiters.bytes),
        (None, 0, 0)
    );
    assert!(waiters.firsts.is_empty() && waiters.lines.is_empty());
}

#[test]
fn a_class_that_no_line_suits_is_looked_for_again_when_another_line_comes() {
    let mut waiters = Waiters::default();
    let class = Needs::command(QueueName::stored("day")).class;
    enlist(&mut waiters, "a", &["other"]);
    assert!(waiters.oldest_suited(&class, |_| true).is_none());
    assert_eq!(waiters.unsuited.len(), 1);
    enlist(&mut waiters, "b", &["night"]);
    assert!(
        waiters
            .oldest_suited(&class, |_| panic!("no line is looked at"))
            .is_none()
    );
    let all = enlist(&mut waiters, "c", &[]);
    let found = waiters.oldest_suited(&class, |_| true);
    assert_eq!(found.map(|(ticket, _)| ticket), Some(all));
    // A line that suits and has no task of its own shards may have one soon.
    assert!(waiters.oldest_suited(&class, |_| false).is_none());
    assert!(waiters.unsuited.is_empty());
}

#[test]
fn claims_wait_only_while_there_is_memory_for_what_they_say() {
    let mut waiters = Waiters::default();
    let mut claim = claim_of(AgentId::stored("a"), Session(1), 1);
    claim.tokens = vec![LeaseToken([0; 16]); MAX_WAITERS_BYTES / 16];
    assert!(waiters.enlist(claim.clone(), offer(&[])).is_some());
    claim.agent = AgentId::stored("b");
    assert!(waiters.enlist(claim, offer(&[])).is_none());
}

#[test]
fn agents_with_the_same_rules_are_asked_for_once() {
    let day = Needs::command(QueueName::stored("day")).class;
    let night = Needs::command(QueueName::stored("night")).class;
    let with_rules = |host: usize, rules: Rules| Offer {
        labels: [("host".to_owned(), host.to_string())].into(),
        rules,
        ..(*offer(&[])).clone()
    };
    let git = Rules::programs(&["git"]);
    let (mut asked, mut times) = (Asked::default(), 0);
    for (class, rules) in [(&day, &git), (&day, &Rules::NoCommands), (&night, &git)] {
        for host in 0..10 {
            let has_task = asked.once(class, &with_rules(host, rules.clone()), || {
                times += 1;
                *rules == git
            });
            assert_eq!(has_task, *rules == git);
        }
    }
    assert_eq!(times, 3);
}
