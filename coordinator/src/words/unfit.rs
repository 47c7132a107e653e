//! Why agents cannot run tasks, counted: for a task that none can run, and for an agent that was given none.

use swarm_engine::{
    noun::rules::Program,
    rule::{
        fit::Passed,
        unmatched::{Reason, Unmatched},
    },
};
use swarm_proto::v1;

use super::hold::describe_hold;
use crate::wire::text::quoted;

/// `none of 3 agents can run it: 2 lack label docker, 1 is draining`.
pub(crate) fn unmatched_in_words(unmatched: &Unmatched) -> String {
    if let Some(hold) = &unmatched.hold {
        return describe_hold(hold);
    }
    if unmatched.agents == 0 {
        return "no agent is connected".to_owned();
    }
    let mut reasons = unmatched.reasons.clone();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let told: Vec<String> = reasons
        .iter()
        .map(|(reason, count)| reason_in_words(reason, *count))
        .collect();
    let agents = match unmatched.agents {
        1 => "the one agent cannot run it".to_owned(),
        count => format!("none of {count} agents can run it"),
    };
    format!("{agents}: {}", told.join(", "))
}

fn reason_in_words(reason: &Reason, count: usize) -> String {
    let one = count == 1;
    let is = if one { "is" } else { "are" };
    match reason {
        Reason::Lost => format!("{count} {is} lost"),
        Reason::Draining => format!("{count} {is} draining"),
        Reason::Paused => format!("{count} {is} paused"),
        Reason::Executor(executor) => {
            format!(
                "{count} {} run {executor}s",
                if one { "does not" } else { "do not" }
            )
        }
        Reason::Label(term) => match term.forbidden() {
            Some(label) => format!("{count} {} label {label}", if one { "has" } else { "have" }),
            None => format!("{count} {} label {term}", if one { "lacks" } else { "lack" }),
        },
        Reason::Rules(Program::Named(program)) => {
            let list = as_a_list(program);
            let program = quoted(program);
            format!(
                "{count} {} not allow the command {program}{list}",
                if one { "does" } else { "do" }
            )
        }
        Reason::Rules(Program::Unnamed) => {
            format!(
                "{count} {} not allow commands with a PATH of their own",
                if one { "does" } else { "do" }
            )
        }
        Reason::Queue(queue) => {
            format!(
                "{count} {} serve queue {queue}",
                if one { "does not" } else { "do not" }
            )
        }
        Reason::Shard => format!("{count} {} other shards", if one { "takes" } else { "take" }),
    }
}

/// What to write when the shell of a one-line command is not allowed; nothing for other programs.
pub(crate) fn as_a_list(program: &str) -> &'static str {
    match program {
        "sh" => " (a command that is one text is run by sh: write it as a list, run: [git, --version])",
        _ => "",
    }
}

/// What a claim passed over: `12 tasks need label gpu`.
pub(crate) fn passed_message(passed: &Passed, tasks: u64) -> v1::Passed {
    let many = if tasks == 1 {
        "1 task".to_owned()
    } else {
        format!("{tasks} tasks")
    };
    let (need, run, wait, belong, was) = if tasks == 1 {
        ("needs", "runs", "waits", "belongs", "was")
    } else {
        ("need", "run", "wait", "belong", "were")
    };
    let (kind, rest) = match passed {
        Passed::Executor(executor) => ("executor", format!("{need} an agent that runs {executor}s")),
        Passed::Label(term) => match term.forbidden() {
            Some(label) => ("label", format!("{need} an agent without label {label}")),
            None => ("label", format!("{need} label {term}")),
        },
        Passed::Rules => ("command", format!("{run} commands that the owner does not allow")),
        Passed::Queue(queue) => ("queue", format!("{wait} in queue {queue}")),
        Passed::PausedQueue(queue, actor) if actor.is_empty() => (
            "queue_paused",
            format!("{wait} in queue {queue}, which is paused"),
        ),
        Passed::PausedQueue(queue, actor) => (
            "queue_paused",
            format!("{wait} in queue {queue}, which {actor} paused"),
        ),
        Passed::QueueLimit(queue) => (
            "queue_limit",
            format!("{wait} in queue {queue}, which is at its limit"),
        ),
        Passed::Group => (
            "exclusive_group",
            format!("{wait} for another task of the same exclusive group"),
        ),
        Passed::Shard => ("shard", format!("{belong} to other shards")),
        Passed::Avoided => (
            "avoided",
            format!("failed or {was} refused here a short while ago"),
        ),
    };
    v1::Passed {
        kind: kind.to_owned(),
        message: format!("{many} {rest}"),
        tasks,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_that_is_not_allowed_comes_with_what_to_write() {
        let told = |program: &str| reason_in_words(&Reason::Rules(Program::named(program)), 2);
        assert_eq!(
            told("sh"),
            "2 do not allow the command 'sh' (a command that is one text is run by sh: write it as a list, run: \
             [git, --version])"
        );
        assert_eq!(told("ls"), "2 do not allow the command 'ls'");
    }
}
