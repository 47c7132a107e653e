//! explain.

use serde_json::Value;
use swarm_proto::v1::{
    Agent, AgentFit, Attempt, AttemptOutcome, Change, ExplainTaskRequest, Explanation, Job, Obstacle, Output,
    ResumeRequest, StartAgent, TaskResult, TaskState, Tries, UndrainAgentRequest, change::What,
    resume_request::Scope, task_spec::Work,
};

use crate::{
    fake::{Fake, World, at},
    terminal::on_a_terminal,
};

/// Resumes a queue.
fn resume(queue: &str) -> Change {
    let request = ResumeRequest {
        scope: Some(Scope::Queue(queue.into())),
        ..ResumeRequest::default()
    };
    Change {
        what: Some(What::Resume(request)),
        ..Change::default()
    }
}

fn explain(task_id: &str) -> Change {
    let task_id = task_id.to_owned();
    Change {
        what: Some(What::ExplainTask(ExplainTaskRequest { task_id })),
        ..Change::default()
    }
}

fn undrain(agent_id: &str) -> Change {
    let request = UndrainAgentRequest {
        agent_id: agent_id.into(),
        ..UndrainAgentRequest::default()
    };
    Change {
        what: Some(What::UndrainAgent(request)),
        ..Change::default()
    }
}

/// Starts an agent with a label.
fn start(key: &str, value: &str) -> Change {
    let agent = StartAgent {
        labels: [(key.to_owned(), value.to_owned())].into(),
        ..StartAgent::default()
    };
    Change {
        what: Some(What::StartAgent(agent)),
        ..Change::default()
    }
}

fn blocked(world: &mut World) {
    let fit = |name: &str, kind: &str, message: &str, change: Change| AgentFit {
        agent_id: format!("{name}-id"),
        name: name.into(),
        kind: kind.into(),
        message: message.into(),
        change: Some(change),
        until: None,
    };
    let obstacle = |kind: &str, depth, message: &str, change: Option<Change>| Obstacle {
        kind: kind.into(),
        message: message.into(),
        depth,
        change,
        ..Obstacle::default()
    };
    world.held.explanations.push(Explanation {
        task_id: "test".into(),
        state: TaskState::Blocked.into(),
        summary: "it waits for build, which waits for fetch".into(),
        change: Some(resume("slow")),
        obstacles: vec![
            obstacle("dependency", 0, "it waits for build, which is blocked", None),
            obstacle("dependency", 1, "build waits for fetch, which is delayed", None),
            Obstacle {
                until: at(30),
                ..obstacle(
                    "backoff",
                    2,
                    "fetch failed once and is tried again after a delay",
                    None,
                )
            },
            obstacle(
                "queue_paused",
                0,
                "ann@desk paused queue slow: the disk is full",
                Some(resume("slow")),
            ),
            obstacle(
                "exclusive_group",
                0,
                "task other runs in its group",
                Some(explain("other")),
            ),
        ],
        agents: vec![
            fit(
                "lab-1",
                "label",
                "it lacks the label docker, which the task requires",
                start("docker", "yes"),
            ),
            fit(
                "a-name-that-is-longer-than-a-column",
                "draining",
                "ann@desk drains it",
                undrain("x"),
            ),
        ],
        agent_count: 2,
        ..Explanation::default()
    });
}

#[test]
fn an_explanation_is_a_page_with_the_summary_first_and_the_change_last() {
    let fake = Fake::start(blocked);
    let ended = fake.ctl(&["explain", "test"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    assert_eq!(
        ended.stdout.replace(&fake.address.to_string(), "ADDRESS"),
        "\
◌ blocked: it waits for build, which waits for fetch

in the way
  - it waits for build, which is blocked
    - build waits for fetch, which is delayed
      - fetch failed once and is tried again after a delay (until 03:04:30 UTC)
  - ann@desk paused queue slow: the disk is full
  - task other runs in its group
    change: swarmctl explain other

agents
  lab-1                 label     it lacks the label docker, which the task requires
                                  change: agent --coordinator ADDRESS --label docker=yes
  a-name-that-is-long…  draining  ann@desk drains it
                                  change: swarmctl undrain x

change: swarmctl resume --queue slow
"
    );
}

#[test]
fn a_narrow_terminal_breaks_sentences_between_words_and_commands_nowhere() {
    let fake = Fake::start(blocked);
    let shown = on_a_terminal(fake.command(&["explain", "test", "--color", "never"]), Some(60));
    let lines: Vec<&str> = shown.lines().collect();
    let mut sentences = lines.iter().filter(|line| !line.contains("change: "));
    assert!(sentences.all(|line| line.chars().count() <= 60), "{shown}");
    let agent = format!(
        "    change: agent --coordinator {} --label docker=yes",
        fake.address
    );
    assert!(lines.contains(&agent.as_str()), "{shown}");
    let sentence = [
        "      - fetch failed once and is tried again after a delay",
        "        (until 03:04:30 UTC)",
    ];
    assert!(lines.windows(2).any(|pair| pair == sentence), "{shown}");
    assert!(lines.contains(&"change: swarmctl resume --queue slow"), "{shown}");
}

#[test]
fn an_explanation_is_one_json_object() {
    let fake = Fake::start(blocked);
    let ended = fake.ctl(&["explain", "test", "-o", "json"]);
    let answer: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(answer["state"], "blocked");
    assert_eq!(answer["obstacles"][2]["until"], "2026-01-02T03:04:30Z");
    assert_eq!(answer["agents"][0]["kind"], "label");
    assert_eq!(
        answer["agents"][0]["change"]["start_agent"]["labels"]["docker"],
        "yes"
    );
    assert_eq!(answer["change"]["resume"]["queue"], "slow");
    assert_eq!(answer["obstacles"][0].get("change"), None, "waiting is enough");
    assert_eq!(fake.ctl(&["explain", "test", "-q"]).stdout, "test\n");
}

#[test]
fn what_says_it_all_is_one_line() {
    let fake = Fake::start(|world| {
        world.held.explanations.push(Explanation {
            task_id: "t".into(),
            state: TaskState::Succeeded.into(),
            summary: "it has ended: succeeded".into(),
            obstacles: vec![Obstacle {
                kind: "ended".into(),
                message: "it has ended: succeeded".into(),
                until: at(30),
                ..Obstacle::default()
            }],
            ..Explanation::default()
        });
    });
    assert_eq!(
        fake.ctl(&["explain", "t"]).stdout,
        "✔ succeeded: it has ended: succeeded (until 03:04:30 UTC)\n"
    );
}

#[test]
fn many_agents_are_counted_by_their_reasons() {
    let fake = Fake::start(|world| {
        let fit = |number: usize, kind: &str| AgentFit {
            agent_id: format!("a{number}"),
            kind: kind.into(),
            message: "no".into(),
            ..AgentFit::default()
        };
        world.held.explanations.push(Explanation {
            task_id: "t".into(),
            state: TaskState::Queued.into(),
            summary: "nobody can run it".into(),
            agents: (0..60)
                .map(|n| fit(n, if n < 50 { "busy" } else { "label" }))
                .collect(),
            agent_count: 75,
            ..Explanation::default()
        });
    });
    let page = fake.ctl(&["explain", "t"]).stdout;
    assert_eq!(
        page.lines().filter(|line| line.ends_with("no")).count(),
        20,
        "{page}"
    );
    assert!(
        page.ends_with("\n  and 55 more: 30 busy, 10 label, 15 not looked at\n"),
        "{page}"
    );
}

#[test]
fn an_unknown_task_is_not_found_and_a_job_is_told_apart() {
    let fake = Fake::start(|world| {
        world.jobs.push(Job {
            job_id: "j1".into(),
            name: "nightly".into(),
            ..Job::default()
        });
    });
    let ended = fake.ctl(&["explain", "nosuch"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (4, ""));
    assert_eq!(
        ended.stderr,
        "error: cannot explain nosuch: there is no task 'nosuch'\nhelp: swarmctl list shows the tasks there are, \
         swarmctl list --text 'nosuch' those with that in their name\n"
    );
    let ended = fake.ctl(&["explain", "nightly"]);
    assert_eq!(ended.code, 4);
    assert!(
        ended.stderr.ends_with(
            "error: nightly is a job, and only a task can be explained\nhelp: its tasks: swarmctl list j1\n"
        ),
        "{}",
        ended.stderr
    );
}

#[test]
fn an_explanation_has_nothing_to_steer_a_terminal_with() {
    let hostile = "a\u{1b}[2J\u{9b}2Jb\rc\nd";
    let fake = Fake::start(|world| {
        blocked(world);
        let told = &mut world.held.explanations[0];
        told.summary = hostile.into();
        told.change = Some(resume(hostile));
        told.obstacles[0].message = hostile.into();
        told.agents[0].name = hostile.into();
        told.agents[0].kind = hostile.into();
        told.agents[0].change = Some(start(hostile, hostile));
    });
    let page = fake.ctl(&["explain", "test"]).stdout;
    assert!(page.chars().all(|c| !c.is_control() || c == '\n'), "{page:?}");
}

/// A task whose program was looked for in the directory of an attempt, three times.
fn lost_program(world: &mut World) {
    let task = world.task("thumb", TaskState::Failed);
    let Some(Work::Command(command)) = &mut task.spec.as_mut().unwrap().work else {
        panic!("no command")
    };
    command.argv = ["./thumb.sh", "a.jpg"].map(str::to_owned).into();
    task.reason = "failed 3 times".into();
    task.end_time = at(30);
    task.attempt_count = 3;
    task.tries = Some(Tries {
        failures: 3,
        max_retries: 2,
        ..Tries::default()
    });
    task.attempts = vec![Attempt {
        attempt: 3,
        agent_id: "k3v7q2".into(),
        outcome: AttemptOutcome::Failed.into(),
        failure_reason: "spawn".into(),
        message: "cannot start './thumb.sh': there is no such file".into(),
        ..Attempt::default()
    }];
    task.result = Some(TaskResult {
        attempt: 3,
        output: Some(Output::default()),
    });
    world.agents.push(Agent {
        agent_id: "k3v7q2".into(),
        name: "lab-1".into(),
        ..Agent::default()
    });
    world.held.explanations.push(Explanation {
        task_id: "thumb".into(),
        state: TaskState::Failed.into(),
        summary: "it failed: failed 3 times".into(),
        obstacles: vec![Obstacle {
            kind: "ended".into(),
            message: "it failed: failed 3 times".into(),
            ..Obstacle::default()
        }],
        ..Explanation::default()
    });
}

#[test]
fn a_failed_task_says_why_wherever_people_look() {
    let fake = Fake::start(lost_program);
    let why = "cannot start './thumb.sh': there is no such file (3 tries)";
    assert_eq!(
        fake.ctl(&["explain", "thumb"]).stdout,
        format!(
            "✘ failed: {why}, on lab-1, 30s ago\n\n\
             a task runs in a fresh, empty directory, where ./thumb.sh is not: submit it with --cwd \"$PWD\" if its \
             agent has this directory too\n"
        )
    );
    for words in [&["list"][..], &["inspect", "thumb"], &["wait", "thumb"]] {
        let told = fake.ctl(words).stdout;
        assert!(told.contains(why), "{words:?}: {told}");
    }
    assert_eq!(
        fake.ctl(&["logs", "thumb"]).stderr,
        "thumb was never started: cannot start './thumb.sh': there is no such file\n"
    );

    {
        let mut world = fake.world();
        let task = &mut world.tasks[0];
        let last = &mut task.attempts[0];
        (last.failure_reason, last.exit_code) = ("exit".into(), Some(3));
        last.message = String::new();
        let output = task.result.as_mut().unwrap().output.as_mut().unwrap();
        output.stderr = (1..=20).map(|n| format!("line {n}\n")).collect::<String>().into();
    }
    let told = fake.ctl(&["explain", "thumb"]).stdout;
    assert!(
        told.starts_with(
            "✘ failed: exit 3 (3 tries), on lab-1, 30s ago\n\nthe last 10 lines of its stderr\n  line 11\n"
        ),
        "{told}"
    );
    assert!(told.ends_with("  line 20\n"), "{told}");
    let waited = fake.ctl(&["wait", "thumb"]);
    assert!(
        waited
            .stderr
            .contains("./thumb.sh a.jpg: exit 3 (3 tries)\nthe last 10 lines of its stderr\n  line 11\n"),
        "{}",
        waited.stderr
    );
}
