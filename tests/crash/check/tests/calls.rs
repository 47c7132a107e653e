//! Stories in which what clients were told is not what happened.

use swarm_proto::v1::{
    Assignment, AttemptReport, CancelTasksRequest, CancelTasksResponse, ClaimRequest, ClaimResponse,
    CompleteRequest, CompleteResponse, Directive, Failure, GetTaskRequest, GetTaskResponse, HeartbeatRequest,
    HeartbeatResponse, LeaseDirective, LeaseRef, NewTask, Refusal, ReleaseLeaseRequest, ReleaseLeaseResponse,
    ReportResult, RetryTask, RetryTasksRequest, RetryTasksResponse, SubmitTasksRequest, Success, Task,
    TaskChange, TaskSpec, attempt_report::Outcome,
};

use super::{
    super::violations,
    SOUND, sound,
    story::{Story, as_of, at, call, submit},
};
use crate::crash::history::{Answer, Call, Exchange};

/// A part of the violation that must be found; none when all is well.
#[track_caller]
fn check(story: &str, calls: Vec<Call>, expected: &str) {
    let mut story = Story::of(story);
    story.history.calls.extend(calls);
    if expected.is_empty() {
        return sound(&story);
    }
    let found = violations(&story.history);
    assert!(
        found.iter().any(|violation| violation.contains(expected)),
        "'{expected}' is not among {found:#?}"
    );
}

/// A task as the stories submit it.
fn task(id: &str) -> NewTask {
    NewTask {
        task_id: id.to_owned(),
        spec: Some(TaskSpec::default()),
    }
}

fn other_task(id: &str) -> NewTask {
    let mut task = task(id);
    task.spec.get_or_insert_default().priority = 1;
    task
}

/// A submit that was refused, or whose answer was lost.
fn unlucky(tasks: Vec<NewTask>, refused: Option<&str>) -> Call {
    let answer = refused.map_or(Answer::Unknown, |reason| Answer::Refused(reason.to_owned()));
    call(
        "c",
        Exchange::Submit(SubmitTasksRequest { job: None, tasks }, answer),
    )
}

/// A submit that found these tasks there.
fn resent(ids: &[&str], seq: u64) -> Call {
    let mut call = submit(ids.iter().map(|id| task(id)).collect(), seq);
    if let Exchange::Submit(_, Answer::Given(response)) = &mut call.exchange {
        for task in &mut response.tasks {
            task.existed = true;
        }
    }
    call
}

#[test]
fn an_acknowledged_submit_that_is_lost_halved_or_doubled_is_found() {
    const T: &str = "t submitted\nt cancelled 0";
    let new = |id: &str, seq| submit(vec![task(id)], seq);
    // Without an answer it may be there or not; a repeat finds it; another spec does not get its id.
    check(
        T,
        vec![unlucky(vec![task("x")], None), unlucky(vec![task("t")], None)],
        "",
    );
    check(T, vec![resent(&["t"], 2)], "");
    check(T, vec![unlucky(vec![other_task("t")], Some("TASK_EXISTS"))], "");
    check(
        T,
        vec![
            unlucky(vec![task("x")], Some("BUSY")),
            unlucky(vec![task("t")], Some("BUSY")),
        ],
        "",
    );
    // Half of it was there before.
    check(T, vec![unlucky(vec![task("t"), task("x")], None)], "");

    check(
        T,
        vec![new("x", 2)],
        "task x of c was acknowledged at 2s and is lost",
    );
    check(T, vec![new("t", 2)], "2 submits were each told that it is new");
    check(
        "t submitted\nt submitted\nt cancelled 0",
        vec![],
        "task t is there twice",
    );
    check(
        "t submitted\nt cancelled 0\nu submitted\nu cancelled 0",
        vec![submit(vec![other_task("u")], 4)],
        "is not the spec that was acknowledged",
    );
    check(
        T,
        vec![unlucky(vec![task("t")], Some("TASK_EXISTS"))],
        "none of its tasks is there with another spec",
    );

    let mut story = Story::of("t submitted\nu submitted\nt cancelled 0\nu cancelled 0");
    story
        .history
        .calls
        .retain(|call| call.exchange.name() != "submit");
    let found = |calls: Vec<Call>| {
        let mut history = story.history.clone();
        history.calls.extend(calls);
        violations(&history)
    };
    assert!(
        found(vec![])
            .concat()
            .contains("task t is there, and nobody submitted it")
    );
    let both = || vec![task("t"), task("u")];
    assert_eq!(found(vec![unlucky(both(), None)]), [""; 0]);
    assert!(
        found(vec![unlucky(both(), Some("DISK_FULL"))])
            .concat()
            .contains("every submit of it was refused")
    );
    let three = vec![task("t"), task("u"), task("x")];
    assert!(
        found(vec![unlucky(three, None)])
            .concat()
            .contains(r#"{"t", "u"} are there, and {"x"} are not"#)
    );
    let late = submit(both(), 1);
    assert!(
        found(vec![late])
            .concat()
            .contains("task u was acknowledged with seq 1, and submitted with 2")
    );
    let mut early = resent(&["t", "u"], 2);
    early.returned = std::time::Duration::from_secs(1);
    let fresh = submit(both(), 4);
    assert!(
        found(vec![early, fresh])
            .concat()
            .contains("it had existed at 1s, and was new at 4s")
    );
}

#[test]
fn a_position_that_is_taken_back_is_found() {
    let seen = |second: u64, seq: u64| {
        let response = CancelTasksResponse {
            as_of: as_of(seq),
            results: Vec::new(),
        };
        at(
            "c",
            second,
            Exchange::Cancel(CancelTasksRequest::default(), Answer::Given(response)),
        )
    };
    check(SOUND, vec![seen(30, 20), seen(31, 20)], "");
    check(
        SOUND,
        vec![seen(30, 99)],
        "reflected seq 99, and the log ends with 20",
    );
    check(
        SOUND,
        vec![seen(30, 19), seen(31, 18)],
        "reflects seq 18, and c had been told of 19",
    );
    let mut other = seen(30, 20);
    if let Exchange::Cancel(_, Answer::Given(response)) = &mut other.exchange {
        response.as_of.get_or_insert_default().history = "other".to_owned();
    }
    check(SOUND, vec![other], "more than one history");
}

fn lease(attempt: u32, token: u8) -> LeaseRef {
    LeaseRef {
        task_id: "t".to_owned(),
        attempt,
        lease_token: vec![token],
        run_time: None,
    }
}

/// An agent is given an attempt of `t` as of this seq.
fn claim(agent: &str, lease: LeaseRef, seq: u64) -> Call {
    let request = ClaimRequest {
        agent_id: agent.to_owned(),
        ..Default::default()
    };
    let response = ClaimResponse {
        as_of: as_of(seq),
        assignments: vec![Assignment {
            lease: Some(lease),
            ..Default::default()
        }],
        ..Default::default()
    };
    call(agent, Exchange::Claim(request, Answer::Given(response)))
}

#[derive(Clone, Copy)]
enum Said {
    First,
    Repeat,
    Lost,
}

fn reported(agent: &str, lease: LeaseRef, outcome: Outcome, said: Said, seq: u64) -> Call {
    let request = CompleteRequest {
        agent_id: agent.to_owned(),
        results: vec![AttemptReport {
            lease: Some(lease),
            outcome: Some(outcome),
            output: None,
        }],
        claim_next: None,
    };
    let result = ReportResult {
        task_id: "t".to_owned(),
        accepted: !matches!(said, Said::Lost),
        already_completed: matches!(said, Said::Repeat),
        refusal: matches!(said, Said::Lost).then(|| Refusal {
            reason: "LEASE_LOST".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let response = CompleteResponse {
        as_of: as_of(seq),
        results: vec![result],
        ..Default::default()
    };
    call(agent, Exchange::Complete(request, Answer::Given(response)))
}

fn success() -> Outcome {
    Outcome::Success(Success {})
}

fn failure() -> Outcome {
    Outcome::Failure(Failure::default())
}

#[test]
fn a_report_that_is_accepted_twice_or_from_a_stranger_is_found() {
    const DONE: &str = "t submitted\nt granted 1 a\nt succeeded 1 a";
    const LOST: &str = "t submitted\nt granted 1 a\nt expired 1 a silent\nt granted 2 b\nt succeeded 2 b";
    let given = || claim("a", lease(1, 1), 2);
    let done = |said, seq| reported("a", lease(1, 1), success(), said, seq);

    check(
        DONE,
        vec![given(), given(), done(Said::First, 3), done(Said::Repeat, 3)],
        "",
    );
    let forged = reported("b", lease(1, 9), success(), Said::Lost, 3);
    check(DONE, vec![given(), done(Said::First, 3), forged], "");
    let other = reported("a", lease(1, 1), failure(), Said::Lost, 3);
    check(DONE, vec![given(), done(Said::First, 3), other], "");
    check(LOST, vec![given(), done(Said::Lost, 4)], "");

    check(
        DONE,
        vec![given(), done(Said::First, 3), done(Said::First, 3)],
        "2 reports were each accepted as the first",
    );
    check(
        DONE,
        vec![given(), done(Said::Repeat, 3)],
        "it was confirmed as a repeat, and is the first",
    );
    check(
        DONE,
        vec![done(Said::First, 3)],
        "a had not been given that lease",
    );
    let forged = reported("a", lease(1, 9), success(), Said::First, 3);
    check(DONE, vec![given(), forged], "a had not been given that lease");
    let stranger = reported("b", lease(1, 1), success(), Said::First, 3);
    check(DONE, vec![given(), stranger], "b had not been given that lease");
    let other = reported("a", lease(1, 1), failure(), Said::First, 3);
    check(DONE, vec![given(), other], "and the log has Succeeded at 3");
    let other = reported("a", lease(1, 1), failure(), Said::Repeat, 3);
    check(
        DONE,
        vec![given(), done(Said::First, 3), other],
        "two different reports were accepted",
    );
    check(
        DONE,
        vec![given(), done(Said::First, 2)],
        "accepted as of seq 2, and the log has Succeeded at 3",
    );
    check(
        LOST,
        vec![given(), done(Said::First, 3)],
        "the log has no report of it",
    );
    check(
        DONE,
        vec![given(), done(Said::Lost, 2)],
        "and held the lease then",
    );
    let late = at("a", 4, done(Said::Lost, 3).exchange);
    check(
        DONE,
        vec![given(), done(Said::First, 3), late],
        "it had been accepted before, and was refused then",
    );

    check(
        DONE,
        vec![given(), claim("a", lease(1, 2), 2)],
        "two leases of it were given out",
    );
    check(
        DONE,
        vec![claim("b", lease(1, 1), 2)],
        "given to b as of seq 2, and the log has Some",
    );
    check(
        DONE,
        vec![claim("a", lease(1, 1), 1)],
        "given to a as of seq 1, and the log has Some",
    );
    check(
        DONE,
        vec![claim("a", lease(2, 1), 3)],
        "given to a as of seq 3, and the log has None",
    );
}

#[test]
fn a_lease_that_is_renewed_when_it_is_over_is_found() {
    const LOST: &str = "t submitted\nt granted 1 a\nt expired 1 a silent\nt granted 2 b\nt succeeded 2 b";
    let told = |agent: &str, directive: Directive, attempt: u32, seq: u64| {
        let response = HeartbeatResponse {
            as_of: as_of(seq),
            directives: vec![LeaseDirective {
                task_id: "t".to_owned(),
                attempt,
                directive: directive.into(),
            }],
            ..Default::default()
        };
        let request = HeartbeatRequest {
            agent_id: agent.to_owned(),
            ..Default::default()
        };
        vec![call(agent, Exchange::Heartbeat(request, Answer::Given(response)))]
    };
    check(LOST, told("a", Directive::Continue, 1, 2), "");
    check(LOST, told("a", Directive::Lost, 1, 4), "");
    check(LOST, told("b", Directive::Cancel, 2, 4), "");
    for (agent, attempt, seq) in [("a", 1, 4), ("b", 2, 5), ("a", 2, 4), ("b", 3, 5)] {
        check(
            LOST,
            told(agent, Directive::Continue, attempt, seq),
            "was told to go on",
        );
    }
}

fn change(refused: Option<&str>) -> TaskChange {
    TaskChange {
        task_id: "t".to_owned(),
        refusal: refused.map(|reason| Refusal {
            reason: reason.to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn cancel(refused: Option<&str>, seq: u64) -> Call {
    let request = CancelTasksRequest {
        task_ids: vec!["t".to_owned()],
    };
    let response = CancelTasksResponse {
        as_of: as_of(seq),
        results: vec![change(refused)],
    };
    call("c", Exchange::Cancel(request, Answer::Given(response)))
}

fn retry(id: &str) -> RetryTasksRequest {
    let task = RetryTask {
        task_id: id.to_owned(),
        revision: None,
    };
    RetryTasksRequest { tasks: vec![task] }
}

/// A retry of a task of which nobody heard what became.
pub(super) fn unanswered_retry(id: &str) -> Call {
    call("c", Exchange::Retry(retry(id), Answer::Unknown))
}

fn retried(refused: Option<&str>, seq: u64) -> Call {
    let response = RetryTasksResponse {
        as_of: as_of(seq),
        results: vec![change(refused)],
    };
    call("c", Exchange::Retry(retry("t"), Answer::Given(response)))
}

fn read(revision: u64, seq: u64) -> Call {
    let request = GetTaskRequest {
        task_id: "t".to_owned(),
    };
    let response = GetTaskResponse {
        as_of: as_of(seq),
        task: Some(Task {
            revision,
            ..Default::default()
        }),
    };
    call("c", Exchange::Get(request, Answer::Given(response)))
}

#[test]
fn a_cancel_a_retry_or_a_read_that_the_log_does_not_bear_out_is_found() {
    const DONE: &str = "t submitted\nt granted 1 a\nt succeeded 1 a";
    const CANCELLED: &str = "t submitted\nt cancelled 0\nu submitted\nu cancelled 0";
    const BACK: &str = "t submitted\nt cancelled 0\nt retried 2\nt cancelled 0";
    check(
        CANCELLED,
        vec![cancel(None, 2), cancel(None, 4), read(2, 4), read(1, 1)],
        "",
    );
    check(DONE, vec![cancel(Some("TASK_FINISHED"), 3)], "");
    check(BACK, vec![retried(None, 3)], "");
    check(BACK, vec![retried(Some("TASK_NOT_FINISHED"), 4)], "");
    assert_eq!(Story::of(BACK).last(), 4);

    check(
        DONE,
        vec![cancel(None, 3)],
        "a cancel of c was accepted as of seq 3, and the log has []",
    );
    check(
        CANCELLED,
        vec![cancel(None, 1)],
        "accepted as of seq 1, and the log has [2]",
    );
    check(
        DONE,
        vec![retried(None, 3)],
        "its retries were accepted as of [3]",
    );
    check(
        BACK,
        vec![retried(None, 2)],
        "its retries were accepted as of [2]",
    );
    check(
        BACK,
        vec![retried(None, 3), retried(None, 4)],
        "its retries were accepted as of [3, 4]",
    );
    check(
        DONE,
        vec![read(2, 3)],
        "with revision 2, and its newest event then was Some(3)",
    );
    check(
        DONE,
        vec![cancel(Some("TASK_NOT_FOUND"), 3)],
        "a cancel of c at 3s did not find it",
    );
    check(
        DONE,
        vec![retried(Some("TASK_NOT_FOUND"), 3)],
        "a retry of c at 3s did not find it",
    );
    let request = GetTaskRequest {
        task_id: "t".to_owned(),
    };
    let unknown = at(
        "c",
        5,
        Exchange::Get(request, Answer::Refused("TASK_NOT_FOUND".to_owned())),
    );
    check(DONE, vec![unknown], "a get of c at 5s did not find it");

    // Nobody had asked.
    let mut story = Story::of(BACK);
    story.history.calls.retain(|call| call.exchange.name() != "retry");
    assert!(
        violations(&story.history)
            .concat()
            .contains("its retries were accepted as of [], 0 had no answer")
    );
}

#[test]
fn a_release_that_is_not_in_the_log_or_that_nobody_asked_for_is_found() {
    const T: &str = "t submitted\nt granted 1 a\nt expired 1 a given_up\nt cancelled 0";
    let release = |answer| {
        let request = ReleaseLeaseRequest {
            task_id: "t".to_owned(),
            attempt: 0,
        };
        call("c", Exchange::Release(request, answer))
    };
    let given = |attempt, seq| {
        release(Answer::Given(ReleaseLeaseResponse {
            as_of: as_of(seq),
            attempt,
            ..Default::default()
        }))
    };
    check(T, vec![given(1, 3)], "");
    check(T, vec![release(Answer::Unknown)], "");
    check(T, vec![], "0 releases had no answer");
    check(T, vec![given(2, 3)], "its leases were released as of [(2, 3)]");
    check(T, vec![given(1, 2)], "its leases were released as of [(1, 2)]");
}
