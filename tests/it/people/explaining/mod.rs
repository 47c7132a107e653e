//! Every task that is not running has an explanation that is true: its change is made, as it is written, and the
//! task runs. There is a story for each kind of obstacle, and each of an agent's, that the protocol names.

mod stage;

use std::{fs, time::Duration};

use nix::sys::signal::Signal;
use swarm_proto::v1::{Prompt, TaskState, task_spec::Work};

use self::stage::{Stage, Story, gated, never_retried, play, requiring};
use crate::harness::{
    client::{after, duration, shell_task, with},
    fake_agent::FakeAgent,
    wait_until,
};

/// The agent that any machine may start.
const ANY: &str = "agent --coordinator HOST:PORT";

/// Each story is a test, and all of them are known by their kinds.
macro_rules! stories {
    ($($name:ident: $story:expr;)*) => {
        $(#[test] fn $name() { play($story); })*
        const STORIES: &[Story] = &[$($story),*];
    };
}

#[test]
fn there_is_a_story_for_each_kind_that_the_protocol_names() {
    let told = |kind: fn(&Story) -> &'static str| STORIES.iter().map(kind).filter(|kind| !kind.is_empty());
    assert_eq!(
        stage::kinds("Obstacle"),
        told(|story| story.obstacle).map(str::to_owned).collect()
    );
    assert_eq!(
        stage::kinds("AgentFit"),
        told(|story| story.agent).map(str::to_owned).collect()
    );
}

stories! {
    without_an_agent_one_is_to_be_started: Story {
        obstacle: "no_agent", agent: "", change: ANY, says: "no agent is connected",
        ends: Some(TaskState::Succeeded),
        arrange: |stage| stage.submit(shell_task("a", "true")),
    };

    a_label_that_every_agent_lacks_is_named_and_can_be_given: Story {
        obstacle: "no_match", agent: "label", change: "agent --coordinator HOST:PORT --label disk=yes",
        says: "1 lacks label disk",
        ends: Some(TaskState::Succeeded),
        arrange: |stage| {
            stage.agent("plain", &[]);
            stage.submit(requiring("disk", shell_task("a", "true")))
        },
    };

    a_label_of_another_value_is_named_and_can_be_given: Story {
        obstacle: "no_match", agent: "label", change: "agent --coordinator HOST:PORT --label gpu=a100",
        says: "its label gpu=h100 does not meet gpu=a100",
        ends: Some(TaskState::Succeeded),
        arrange: |stage| {
            stage.agent("plain", &["--label", "gpu=h100"]);
            stage.submit(requiring("gpu=a100", shell_task("a", "true")))
        },
    };

    an_agent_with_the_name_that_a_task_asks_for_is_to_be_started: Story {
        obstacle: "no_match", agent: "label", change: "agent --coordinator HOST:PORT --name far",
        says: "its label name=near does not meet name=far",
        ends: None,
        arrange: |stage| {
            stage.agent("near", &[]);
            stage.submit(requiring("name=far", shell_task("a", "true")))
        },
    };

    a_label_that_a_task_shuns_is_named: Story {
        obstacle: "no_match", agent: "label", change: ANY, says: "1 has label spot",
        ends: Some(TaskState::Succeeded),
        arrange: |stage| {
            stage.agent("cheap", &["--label", "spot=yes"]);
            stage.submit(requiring("!spot", shell_task("a", "true")))
        },
    };

    labels_that_exclude_each_other_have_no_change: Story {
        obstacle: "no_match", agent: "label", change: "", says: "no labels meet all of a=1, a!=1",
        ends: None,
        arrange: |stage| {
            stage.agent("plain", &[]);
            stage.submit(requiring("a=1", requiring("a!=1", shell_task("a", "true"))))
        },
    };

    a_label_that_every_agent_has_cannot_be_shunned: Story {
        obstacle: "no_match", agent: "label", change: "", says: "every agent has a label os",
        ends: None,
        arrange: |stage| {
            stage.agent("plain", &[]);
            stage.submit(requiring("!os", shell_task("a", "true")))
        },
    };

    another_kind_of_machine_is_asked_for_in_words: Story {
        obstacle: "no_match", agent: "label",
        change: "agent --coordinator HOST:PORT  # on a machine with os!=linux", says: "1 has label os=linux",
        ends: None,
        arrange: |stage| {
            stage.agent("plain", &["--label", "os=linux"]);
            stage.submit(requiring("os!=linux", shell_task("a", "true")))
        },
    };

    a_queue_that_nobody_serves_is_named_and_can_be_served: Story {
        obstacle: "no_match", agent: "queue", change: "agent --coordinator HOST:PORT --queues night",
        says: "it does not take tasks of queue night",
        ends: Some(TaskState::Succeeded),
        arrange: |stage| {
            stage.agent("plain", &["--queues", "default"]);
            wait_until("the agent has claimed", || !stage.agents_seen()[0].queues.is_empty());
            stage.submit(with(shell_task("a", "true"), |spec| spec.queue = "night".to_owned()))
        },
    };

    a_shard_that_nobody_takes_is_named_and_can_be_taken: Story {
        obstacle: "no_match", agent: "shard",
        change: "agent --coordinator HOST:PORT --shard-count 2 --shard-id 1", says: "shard 1 of 2",
        ends: Some(TaskState::Succeeded),
        arrange: |stage| {
            stage.agent("half", &["--shard-count", "2", "--shard-id", "0"]);
            wait_until("the agent has claimed", || !stage.agents_seen()[0].shards.is_empty());
            let ids = (0..16).map(|n| stage.submit(shell_task(&format!("t{n}"), "true")));
            let ids: Vec<String> = ids.collect();
            let waits = |id: &String| stage.explain(id)["obstacles"][0]["kind"] == "no_match";
            ids.into_iter().find(waits).expect("some of sixteen are of the other shard")
        },
    };

    what_is_paused_says_what_lifts_it: Story {
        obstacle: "paused", agent: "fits", change: "swarmctl resume", says: "(a test)",
        ends: Some(TaskState::Succeeded),
        arrange: |stage| {
            stage.agent("one", &[]);
            stage.swarmctl(&["pause", "--reason", "a test"]);
            stage.submit(shell_task("a", "true"))
        },
    };

    what_is_stopped_says_what_lifts_it: Story {
        obstacle: "stopped", agent: "fits", change: "swarmctl resume", says: "everything was stopped",
        ends: Some(TaskState::Succeeded),
        arrange: |stage| {
            stage.agent("one", &[]);
            stage.swarmctl(&["stop", "--yes"]);
            stage.submit(shell_task("a", "true"))
        },
    };

    a_paused_queue_says_what_lifts_it: Story {
        obstacle: "queue_paused", agent: "fits", change: "swarmctl resume --queue default",
        says: "queue default was paused",
        ends: Some(TaskState::Succeeded),
        arrange: |stage| {
            stage.agent("one", &[]);
            stage.swarmctl(&["pause", "--queue", "default"]);
            stage.submit(shell_task("a", "true"))
        },
    };

    a_delayed_task_names_its_paused_queue: Story {
        obstacle: "time", agent: "fits", change: "swarmctl resume --queue default", says: "it could run the task",
        ends: Some(TaskState::Succeeded),
        arrange: |stage| {
            stage.agent("one", &[]);
            stage.swarmctl(&["pause", "--queue", "default"]);
            stage.submit(delayed("a"))
        },
    };

    a_paused_agent_says_what_lifts_it: Story {
        obstacle: "no_match", agent: "paused", change: "swarmctl resume --agent ", says: "it was paused",
        ends: Some(TaskState::Succeeded),
        arrange: |stage| {
            stage.agent("one", &[]);
            let id = stage.agents_seen().remove(0).agent_id;
            stage.swarmctl(&["pause", "--agent", &id]);
            stage.submit(shell_task("a", "true"))
        },
    };

    a_drained_agent_says_what_lifts_it: Story {
        obstacle: "no_match", agent: "draining", change: "swarmctl undrain ", says: "it was drained",
        ends: Some(TaskState::Succeeded),
        arrange: |stage| {
            stage.agent("one", &[]);
            let id = stage.agents_seen().remove(0).agent_id;
            stage.swarmctl(&["drain", &id, "--timeout", "1h"]);
            stage.submit(shell_task("a", "true"))
        },
    };

    when_the_only_agent_leaves_another_one_is_to_be_started: Story {
        obstacle: "no_match", agent: "draining", change: "agent --coordinator HOST:PORT --label disk=ssd",
        says: "it finishes what it holds and ends",
        ends: Some(TaskState::Succeeded),
        arrange: |stage| {
            stage.agent("leaving", &["--label", "disk=ssd"]);
            stage.run(gated("holder", stage));
            stage.last_agent().program().signal(Signal::SIGTERM);
            wait_until("the coordinator knows of the drain", || {
                stage.client().status().agents.unwrap().draining == 1
            });
            stage.submit(requiring("disk=ssd", shell_task("a", "true")))
        },
    };

    a_lost_agent_is_named_and_another_one_takes_its_place: Story {
        obstacle: "no_match", agent: "lost", change: "agent --coordinator HOST:PORT --label disk=ssd",
        says: "1 is lost",
        ends: Some(TaskState::Succeeded),
        arrange: |stage| {
            stage.lose_agent(&["--label", "disk=ssd"]);
            stage.submit(requiring("disk=ssd", shell_task("a", "true")))
        },
    };

    a_lost_agent_is_replaced_by_one_that_has_what_the_task_requires: Story {
        obstacle: "no_match", agent: "lost", change: "agent --coordinator HOST:PORT --label gpu=a100",
        says: "it died",
        ends: Some(TaskState::Succeeded),
        arrange: |stage| {
            stage.lose_agent(&["--label", "disk=ssd"]);
            stage.submit(requiring("gpu=a100", shell_task("a", "true")))
        },
    };

    a_prompt_says_that_no_agent_runs_prompts: Story {
        obstacle: "no_match", agent: "executor", change: "", says: "; no agent of this version runs prompts",
        ends: None,
        arrange: |stage| {
            stage.agent("one", &[]);
            stage.submit(with(shell_task("a", "true"), |spec| {
                spec.work = Some(Work::Prompt(Prompt { text: "Why?".to_owned(), model: String::new() }));
            }))
        },
    };

    the_limit_of_a_queue_is_named_and_can_be_raised: Story {
        obstacle: "queue_limit", agent: "fits", change: "swarmctl queue limit night 2",
        says: "1 task of queue night runs",
        ends: Some(TaskState::Succeeded),
        arrange: |stage| {
            let night = |task| with(task, |spec| spec.queue = "night".to_owned());
            stage.agent("one", &["--slots", "2"]);
            stage.swarmctl(&["queue", "limit", "night", "1"]);
            stage.run(night(gated("holder", stage)));
            stage.submit(night(shell_task("a", "true")))
        },
    };

    when_every_agent_is_busy_another_one_is_to_be_started: Story {
        obstacle: "turn", agent: "busy", change: ANY, says: "agent one has 1 slot; 2 tasks come before it",
        ends: Some(TaskState::Succeeded),
        arrange: |stage| {
            stage.agent("one", &["--slots", "1"]);
            stage.run(gated("holder", stage));
            stage.submit(shell_task("first", "true"));
            stage.submit(shell_task("second", "true"));
            stage.submit(shell_task("a", "true"))
        },
    };

    when_every_agent_with_a_label_is_busy_one_with_it_is_to_be_started: Story {
        obstacle: "turn", agent: "busy", change: "agent --coordinator HOST:PORT --label gpu=a100",
        says: "agent one has 2 slots",
        ends: Some(TaskState::Succeeded),
        arrange: |stage| {
            stage.agent("one", &["--slots", "2", "--label", "gpu=a100"]);
            stage.run(gated("holder", stage));
            stage.run(gated("other", stage));
            stage.submit(requiring("gpu=a100", shell_task("a", "true")))
        },
    };

    an_idle_agent_is_given_it_with_its_next_claim: Story {
        obstacle: "turn", agent: "fits", change: "", says: "agent idle is given it with its next claim",
        ends: Some(TaskState::Succeeded),
        arrange: |stage| {
            let idle = FakeAgent::register(&stage.coordinator, "idle");
            stage.later(move |_| stage::work_off(idle));
            stage.submit(shell_task("a", "true"))
        },
    };

    an_agent_whose_machine_fails_is_given_nothing_for_a_while: Story {
        obstacle: "turn", agent: "slowed", change: "", says: "its machine failed what it was given last",
        ends: Some(TaskState::Succeeded),
        arrange: |stage| {
            let mut broken = FakeAgent::register(&stage.coordinator, "broken");
            stage.submit(shell_task("first", "true"));
            stage.submit(shell_task("second", "true"));
            let leases = stage::leases(broken.claim_now(2));
            stage::fail_by_machine(&broken, &leases[0]);
            stage.later(move |_| {
                // One success makes up for everything.
                assert!(broken.succeed(&leases[1], "").accepted);
                stage::work_off(broken);
            });
            stage.submit(shell_task("a", "true"))
        },
    };

    an_agent_that_refuses_says_why_and_another_one_is_to_be_started: Story {
        obstacle: "turn", agent: "avoided", change: ANY, says: "the owner does not allow this today",
        ends: Some(TaskState::Succeeded),
        arrange: |stage| {
            let mut picky = FakeAgent::register(&stage.coordinator, "picky");
            let id = stage.submit(shell_task("a", "true"));
            let lease = stage::leases(picky.claim_now(1)).remove(0);
            stage::refuse(&picky, &lease, "the owner does not allow this today");
            id
        },
    };

    a_command_that_the_owner_does_not_allow_is_named_before_it_is_given: Story {
        obstacle: "no_match", agent: "command", change: ANY,
        says: "1 does not allow the command 'sh' (a command that is one text is run by sh: write it as a list",
        ends: Some(TaskState::Succeeded),
        arrange: |stage| {
            stage.agent("picky", &["--allow-command", "git"]);
            stage.submit(shell_task("a", "true"))
        },
    };

    an_owner_who_allows_no_commands_is_named: Story {
        obstacle: "no_match", agent: "command", change: ANY, says: "its owner allows no commands (--no-command)",
        ends: Some(TaskState::Succeeded),
        arrange: |stage| {
            stage.agent("shut", &["--no-command"]);
            stage.submit(shell_task("a", "true"))
        },
    };

    a_path_of_the_tasks_own_hides_which_program_it_is: Story {
        obstacle: "no_match", agent: "command", change: ANY, says: "1 does not allow commands with a PATH of their own",
        ends: Some(TaskState::Succeeded),
        arrange: |stage| {
            stage.agent("picky", &["--allow-command", "sh"]);
            stage.submit(with(shell_task("a", "true"), |spec| {
                let Some(Work::Command(command)) = &mut spec.work else { unreachable!() };
                command.env.insert("PATH".to_owned(), "/usr/bin:/bin".to_owned());
            }))
        },
    };

    a_delayed_task_says_when_its_time_comes: Story {
        obstacle: "time", agent: "fits", change: "", says: "it is not started before its time",
        ends: Some(TaskState::Succeeded),
        arrange: |stage| {
            stage.agent("one", &[]);
            stage.submit(delayed("a"))
        },
    };

    a_task_that_failed_says_when_it_is_tried_again: Story {
        obstacle: "backoff", agent: "fits", change: "", says: "attempt 1 failed (rate_limited)",
        ends: Some(TaskState::Succeeded),
        arrange: |stage| {
            let mut limited = FakeAgent::register(&stage.coordinator, "limited");
            let id = stage.submit(shell_task("a", "true"));
            let lease = stage::leases(limited.claim_now(1)).remove(0);
            stage::fail_by_provider(&limited, &lease, Duration::from_secs(2));
            stage.later(|stage| stage.agent("one", &[]));
            id
        },
    };

    another_task_of_its_exclusive_group_is_named: Story {
        obstacle: "exclusive_group", agent: "fits", change: "", says: "holder",
        ends: Some(TaskState::Succeeded),
        arrange: |stage| {
            let grouped = |task| with(task, |spec| spec.exclusive_group = "repo".to_owned());
            stage.agent("one", &["--slots", "2"]);
            stage.run(grouped(gated("holder", stage)));
            stage.submit(grouped(shell_task("a", "true")))
        },
    };

    a_running_task_says_where_it_runs: Story {
        obstacle: "running", agent: "", change: "", says: "attempt 1 runs on agent one",
        ends: Some(TaskState::Succeeded),
        arrange: |stage| {
            stage.agent("one", &[]);
            stage.run(gated("a", stage))
        },
    };

    a_task_whose_agent_is_silent_is_released_if_the_machine_is_gone: Story {
        obstacle: "running", agent: "", change: "swarmctl lease release ",
        says: "the agent has been silent for",
        ends: Some(TaskState::Succeeded),
        arrange: |stage| {
            stage.shorten_leases("12s");
            let mut gone = FakeAgent::register(&stage.coordinator, "gone");
            let id = stage.submit(shell_task("a", "true"));
            assert_eq!(stage::leases(gone.claim_now(1)).len(), 1);
            stage.agent("helper", &[]);
            wait_until("its agent is silent", || stage.explain("a")["change"].is_object());
            id
        },
    };

    a_task_that_is_being_cancelled_runs_until_its_agent_has_ended_it: Story {
        obstacle: "cancelling", agent: "", change: "", says: "somebody cancelled it",
        ends: Some(TaskState::Cancelled),
        arrange: |stage| {
            let mut slow = FakeAgent::register(&stage.coordinator, "slow");
            let id = stage.submit(shell_task("a", "true"));
            let lease = stage::leases(slow.claim_now(1)).remove(0);
            stage.client().cancel("a");
            stage.later(move |_| stage::end_as_cancelled(&slow, &lease));
            id
        },
    };

    a_blocked_task_names_what_it_waits_for_down_to_what_runs: Story {
        obstacle: "dependency", agent: "fits", change: "", says: "attempt 1 runs on agent one",
        ends: Some(TaskState::Succeeded),
        arrange: |stage| {
            stage.agent("one", &["--slots", "4"]);
            stage.run(gated("holder", stage));
            stage.submit(with(shell_task("blocked", "true"), |spec| spec.depends_on = after(["holder"])));
            let id = stage.submit(with(shell_task("a", "true"), |spec| spec.depends_on = after(["blocked"])));
            let explanation = stage.explain(&id);
            let obstacles = explanation["obstacles"].as_array().unwrap();
            let told = obstacles.iter().map(|each| (&each["kind"], each["depth"].as_u64().unwrap_or(0)));
            let told: Vec<String> = told.map(|(kind, depth)| format!("{kind} {depth}")).collect();
            assert_eq!(told, ["\"dependency\" 0", "\"dependency\" 1", "\"running\" 2"], "{explanation:#}");
            id
        },
    };

    what_a_dependency_lacks_is_named_and_can_be_given: Story {
        obstacle: "dependency", agent: "fits", change: "agent --coordinator HOST:PORT --label disk=yes",
        says: "1 lacks label disk",
        ends: Some(TaskState::Succeeded),
        arrange: |stage| {
            stage.agent("one", &[]);
            stage.submit(requiring("disk", shell_task("needy", "true")));
            stage.submit(with(shell_task("a", "true"), |spec| spec.depends_on = after(["needy"])))
        },
    };

    that_a_dependency_is_not_allowed_is_said_with_what_helps: Story {
        obstacle: "dependency", agent: "command", change: ANY, says: "does not allow the command 'sh'",
        ends: Some(TaskState::Succeeded),
        arrange: |stage| {
            stage.agent("picky", &["--allow-command", "git"]);
            stage.submit(shell_task("forbidden", "true"));
            stage.submit(with(shell_task("a", "true"), |spec| spec.depends_on = after(["forbidden"])))
        },
    };

    what_has_succeeded_says_so: Story {
        obstacle: "ended", agent: "", change: "", says: "it has succeeded",
        ends: Some(TaskState::Succeeded),
        arrange: |stage| {
            stage.agent("one", &[]);
            let id = stage.submit(shell_task("a", "true"));
            stage.client().wait_for_state("a", TaskState::Succeeded);
            id
        },
    };

    what_failed_can_be_retried: Story {
        obstacle: "ended", agent: "", change: "swarmctl retry a", says: "it failed",
        ends: Some(TaskState::Succeeded),
        arrange: |stage| {
            stage.agent("one", &[]);
            let id = stage.submit(fails_before_the_gate("a", stage));
            stage.client().wait_for_state("a", TaskState::Failed);
            fs::write(&stage.gate, "").unwrap();
            id
        },
    };

    what_was_skipped_comes_back_with_the_one_that_failed: Story {
        obstacle: "ended", agent: "", change: "swarmctl retry c1", says: "because task c2 did not succeed",
        ends: Some(TaskState::Succeeded),
        arrange: |stage| {
            stage.agent("one", &[]);
            stage.submit(fails_before_the_gate("c1", stage));
            stage.submit(with(shell_task("c2", "true"), |spec| spec.depends_on = after(["c1"])));
            let id = stage.submit(with(shell_task("c3", "true"), |spec| spec.depends_on = after(["c2"])));
            stage.client().wait_for_state("c3", TaskState::Skipped);
            fs::write(&stage.gate, "").unwrap();
            id
        },
    };

    what_was_cancelled_is_retried_after_what_it_depends_on: Story {
        obstacle: "ended", agent: "", change: "swarmctl retry d1 d2", says: "somebody cancelled it",
        ends: Some(TaskState::Succeeded),
        arrange: |stage| {
            stage.submit(shell_task("d1", "true"));
            let id = stage.submit(with(shell_task("d2", "true"), |spec| spec.depends_on = after(["d1"])));
            for task in ["d2", "d1"] {
                stage.client().cancel(task);
            }
            // After a start neither is in memory.
            stage.coordinator.kill();
            stage.coordinator.start_again();
            stage.agent("one", &[]);
            id
        },
    };
}

fn delayed(id: &str) -> swarm_proto::v1::NewTask {
    with(shell_task(id, "true"), |spec| {
        spec.delay = Some(duration(Duration::from_secs(2)));
    })
}

fn fails_before_the_gate(id: &str, stage: &Stage) -> swarm_proto::v1::NewTask {
    let line = format!("test -e {}", crate::harness::client::quoted(&stage.gate));
    never_retried(shell_task(id, &line))
}
