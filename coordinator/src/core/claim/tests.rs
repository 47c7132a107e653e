//! Claims that wait, on real files.

use swarm_engine::{
    command::{
        complete::Reported,
        hold::{self, PlaceHold, Wanted},
        register,
        submit::{self, NewTask, Submit},
    },
    id::AgentId,
    noun::{
        hold::Scope,
        outcome::{Blame, Failure},
        rules::{Program, Rules},
    },
};

use super::*;
use crate::testing::{
    fixture::Fixture,
    requests::{agent, claim_of, id, registration, task},
};

fn claim_one(core: &Core, agent: AgentId) -> Claim {
    let session = core.peek(|state| state.agent(&agent).unwrap().session);
    claim_of(agent, session, 1)
}

fn machine_failure() -> Reported {
    Reported::Failure {
        failure: Failure {
            reason: "disk-full".into(),
            blame: Blame::Machine,
            message: "".into(),
            exit_code: None,
            signal: None,
        },
        retry_after: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slowed_agent_does_not_wait_and_takes_nothing_from_those_who_do() {
    const WAIT: Duration = Duration::from_secs(30);
    let swarm = Fixture::new();
    let other = AgentId::stored("other");
    swarm.register().await;
    swarm.register_as(other.clone()).await;
    swarm.submit(None, vec![task("a", &[])]).await.unwrap();
    let granted = swarm.claim(1).await;

    let mut waiting = Vec::new();
    for claimant in [agent(), other] {
        let core = Arc::clone(&swarm.core);
        waiting.push(tokio::spawn(async move {
            core.claim(claim_one(&core, claimant), WAIT).await.unwrap().value
        }));
        swarm
            .until(|| swarm.core.lock().waiters.len() == waiting.len())
            .await;
    }
    swarm.complete(&granted, machine_failure()).await[0]
        .as_ref()
        .unwrap();
    let at_once = swarm
        .core
        .claim(claim_one(&swarm.core, agent()), WAIT)
        .await
        .unwrap()
        .value;
    assert!(at_once.is_empty());
    let now = swarm.core.clock.now();
    assert!(swarm.core.lock().state.slowed_until(&agent(), now).is_some());

    swarm.submit(None, vec![task("b", &[])]).await.unwrap();
    let taken = waiting.pop().unwrap().await.unwrap();
    assert_eq!(taken[0].id, id("b"));
    let slowed = waiting.pop().unwrap().await.unwrap();
    assert!(slowed.is_empty(), "the machine failed, and was given {slowed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_waits_alone_is_given_what_comes() {
    const WAIT: Duration = Duration::from_secs(5);
    let swarm = Fixture::new();
    swarm.register().await;
    let core = Arc::clone(&swarm.core);
    let waiting =
        tokio::spawn(async move { core.claim(claim_one(&core, agent()), WAIT).await.unwrap().value });
    swarm.until(|| swarm.core.lock().waiters.len() > 0).await;
    swarm.submit(None, vec![task("a", &[])]).await.unwrap();
    let granted = waiting.await.unwrap();
    let granted: Vec<_> = granted.iter().map(|task| &task.id).collect();
    assert_eq!(granted, [&id("a")], "a claim waited in vain");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_has_its_consequences_whoever_forgets_to_ask_for_them() {
    const WAIT: Duration = Duration::from_secs(5);
    let swarm = Fixture::new();
    swarm.register().await;
    let core = Arc::clone(&swarm.core);
    let waiting =
        tokio::spawn(async move { core.claim(claim_one(&core, agent()), WAIT).await.unwrap().value });
    swarm.until(|| swarm.core.lock().waiters.len() > 0).await;
    let request = Submit {
        tasks: vec![task("a", &[])],
        ..Submit::default()
    };
    // The lock is dropped, and not released.
    let submitted = swarm.core.lock().decide(|draft| submit::decide(draft, request));
    submitted.unwrap();
    let granted = waiting.await.unwrap();
    assert_eq!(granted.len(), 1, "a claim waited in vain");
}

/// Tasks with so many programs that none of the first can be given to an agent that may run another one.
fn programs(range: std::ops::Range<usize>) -> Vec<NewTask> {
    let tasks = range.map(|index| {
        let name = format!("t{index:05}");
        let mut task = task(&name, &[]);
        task.needs.program = Program::named(&name);
        task
    });
    tasks.collect()
}

/// An agent that may run only the last of very many programs.
async fn one_of_many_programs() -> Fixture {
    let swarm = Fixture::new();
    let mut request = registration(agent());
    request.rules = Rules::programs(&["t10999"]);
    swarm
        .core
        .execute(|draft| register::decide(draft, request))
        .await
        .unwrap();
    for range in [0..10_000, 10_000..11_000] {
        swarm.submit(None, programs(range)).await.unwrap();
    }
    swarm
}

#[tokio::test]
async fn a_claim_that_looks_at_all_tasks_leaves_the_thread_to_others() {
    let swarm = one_of_many_programs().await;
    tokio::select! {
        biased;
        answer = swarm.core.claim(claim_one(&swarm.core, agent()), Duration::ZERO) => {
            panic!("nobody else was asked before {answer:?}")
        }
        () = std::future::ready(()) => {}
    }
    let claim = claim_one(&swarm.core, agent());
    let granted = swarm.core.claim(claim, Duration::ZERO).await.unwrap().value;
    assert_eq!(granted[0].id, id("t10999"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_agent_waits_in_the_middle_of_its_round() {
    let swarm = one_of_many_programs().await;
    let claim = claim_one(&swarm.core, agent());
    let decided = claim.clone();
    swarm
        .core
        .execute(|draft| claim::decide(draft, decided))
        .await
        .unwrap();
    assert!(swarm.core.peek(|state| state.is_in_a_round(&agent())));
    let pause = PlaceHold {
        scope: Scope::Agent(agent()),
        kind: Wanted::Pause,
        actor: "ann".into(),
        reason: "".into(),
    };
    swarm
        .core
        .execute(|draft| hold::place(draft, pause))
        .await
        .unwrap();
    let core = Arc::clone(&swarm.core);
    let waiting = tokio::spawn(async move { core.claim(claim, Duration::from_secs(30)).await });
    swarm.until(|| swarm.core.lock().waiters.len() == 1).await;
    waiting.abort();
}
