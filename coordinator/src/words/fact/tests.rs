//! Facts in sentences.

use swarm_engine::id::{AgentId, TaskId};

use super::*;
use crate::wire::sample;

#[test]
fn each_fact_reads_as_a_sentence() {
    let sentences: Vec<String> = sample::facts()
        .map(|fact| describe(&fact, &Names::default()).0)
        .collect();
    assert_eq!(
        sentences,
        [
            "coordinator 0.1.0 started, epoch 3",
            "job nightly (Ni\nghtly) was submitted with 2 tasks",
            "task build was submitted and is running",
            "task count-7 waits no longer for fetch-1; 1 left to wait for",
            "task count-7 is due",
            "task build started attempt 2 on agent k3x9",
            "task count-7 lost attempt 4 on agent lab-2: nothing was heard of its agent in time, \
             to be tried again at 2023-11-14T22:14:25Z",
            "task count-7 resumed attempt 4 on agent lab-2",
            "task count-7 was given back in attempt 4 by agent lab-2: the machine is needed",
            "task build failed attempt 2 on agent k3x9, \
             to be tried again at 1970-01-01T00:00:07Z: exit: it\nbroke",
            "task count-7 succeeded in attempt 4 on agent lab-2, reported after its lease had expired",
            "task count-7 failed: failed 3 times",
            "task count-7 is to be cancelled in attempt 4 on agent lab-2",
            "task count-7 was cancelled; attempt 4 had failed",
            "task count-7 was skipped because fetch-1 did not succeed",
            "task build began round 2 because fetch was retried",
            "task count-7 was removed: it is cancelled since 2023-11-03T08:26:40Z",
            "job survey was removed with its last task",
            "agent lab-2 was drained by ann@laptop (maintenance)",
            "work is given again: the hold on agent lab-2 was lifted, by bob@desk",
            "at most 4 tasks of queue nightly run at a time, by ann@laptop",
            "agent k3x9 (lab\u{1b}[2J) registered with 4 slots",
            "agent lab-2 said goodbye",
            "agent lab-2 was forgotten, by ann@laptop",
            "agent lab-2 was removed: nobody had heard of it for long",
            "a copy of agent lab-2 on lab-2-copy was refused: the agent is at work elsewhere",
            "agent lab-2 is lost: its process died",
            "agent lab-2 is back",
        ]
    );
}

#[test]
fn names_stand_where_the_fact_has_ids_and_nowhere_else() {
    let names = Names {
        tasks: [("build", "the build"), ("count-7", "count"), ("fetch-1", "fetch")]
            .map(|(id, name)| (TaskId::stored(id), name.to_owned()))
            .into(),
        agents: [(AgentId::stored("lab-2"), "attic".into())].into(),
    };
    let told = |kind: &str| {
        let fact = sample::facts().find(|fact| fact.kind() == kind).unwrap();
        describe(&fact, &names).0
    };
    for (kind, expected) in [
        (
            "dependency_met",
            "task count (count-7) waits no longer for fetch (fetch-1); 1 left to wait for",
        ),
        (
            "lease_resumed",
            "task count (count-7) resumed attempt 4 on agent attic (lab-2)",
        ),
        (
            "task_skipped",
            "task count (count-7) was skipped because fetch (fetch-1) did not succeed",
        ),
        ("agent_deregistered", "agent attic (lab-2) said goodbye"),
        (
            "hold_placed",
            "agent attic (lab-2) was drained by ann@laptop (maintenance)",
        ),
    ] {
        assert_eq!(told(kind), expected);
    }
    let failed = Fact::TaskFailed {
        task: sample::subject(),
        reason: "it waits for fetch-1 on agent lab-2".into(),
    };
    let sentence = describe(&failed, &names).0;
    assert!(
        sentence.ends_with(": it waits for fetch-1 on agent lab-2"),
        "{sentence}"
    );
}
