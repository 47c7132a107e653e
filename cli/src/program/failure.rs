//! A failed call as a failure of the program, with the next command to type.

use serde_json::json;
use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::{
    call::CallFailure, channel::Address, json::escape, probe::Peer, reason::Reason, refusal::FieldFault,
};

use super::{
    next::next,
    terminal::{faults, speaks_json},
};

/// What a failed call means to people. `doing` says what was tried: `cannot list the tasks`.
///
/// `reached` says whether this coordinator has answered anything before.
pub fn of_call(doing: &str, failure: &CallFailure, address: &Address, reached: bool) -> Failure {
    let exit = Exit::of_failure(failure);
    match failure {
        CallFailure::Lost { unsent, .. } if exit == Exit::Unreachable && !reached => {
            let unreached = unreachable(address, &failure.plain_cause());
            if is_unknown_name(&failure.plain_cause()) {
                unreached.help(format!(
                    "nobody knows a machine of that name here: look it up with getent hosts {}, or give \
                     another coordinator with --coordinator HOST:PORT",
                    address.host()
                ))
            } else if *unsent {
                unreached.help(how_to_start(address))
            } else {
                unreached.help(
                    "is that the gRPC port of a coordinator? \
                     another one is given with --coordinator HOST:PORT",
                )
            }
        }
        CallFailure::Lost { .. } if exit == Exit::Unreachable => Failure::new(
            exit,
            format!(
                "{doing}: lost the coordinator at {address}: {}",
                failure.plain_cause()
            ),
        )
        .help(format!(
            "whether the request was carried out is not known: look with {} once it is back",
            next(address, "list")
        )),
        CallFailure::Lost { message, .. } => Failure::new(exit, format!("{doing}: {message}")).help(format!(
            "are coordinator and swarmctl of the same version? see: {}",
            next(address, "status")
        )),
        CallFailure::Refused {
            reason,
            message,
            faults,
            metadata,
            ..
        } => {
            let mut refused = Failure::new(exit, format!("{doing}: {}", without_faults(message, faults)));
            refused.faults = faults.iter().map(fault_line).collect();
            let oldest = metadata.get("oldest_seq").map(String::as_str);
            refused
                .help
                .extend(reason.and_then(|reason| advice(reason, oldest, address)));
            refused
        }
    }
}

/// Somebody answers at the address of the coordinator, and is none.
pub fn of_stranger(peer: Peer, address: &Address) -> Failure {
    let mut unreached = unreachable(
        address,
        peer.fault().unwrap_or("what answers there is no coordinator"),
    );
    unreached.help.extend(
        peer.help()
            .map(|help| format!("{help}; another one is given with --coordinator HOST:PORT")),
    );
    unreached
}

/// What clap says of a wrong command line.
pub fn of_usage(error: &clap::Error) -> Failure {
    let text = error.render().to_string();
    let (first, rest) = text.split_once("\n\n").unwrap_or((&text, ""));
    let words: Vec<&str> = first.split_whitespace().collect();
    let sentence = words.join(" ");
    let sentence = sentence.strip_prefix("error: ").unwrap_or(&sentence);
    let mut failure = Failure::new(Exit::Usage, sentence);
    let help = rest.lines().map(str::trim).filter(|line| !line.is_empty());
    let help = help.map(|line| line.strip_prefix("tip: ").unwrap_or(line));
    failure.help.extend(help.map(str::to_owned));
    failure
}

/// Says a failure on stderr; as a line of JSON where a program reads JSON.
pub fn tell(failure: &Failure) {
    if !speaks_json() {
        return faults(failure.to_string());
    }
    let value = json!({
        "error": failure.sentence,
        "exit_code": failure.exit.code(),
        "faults": failure.faults.iter().map(|fault| fault.trim()).collect::<Vec<_>>(),
        "help": failure.help,
    });
    faults(escape(&value.to_string()));
}

fn unreachable(address: &Address, why: &str) -> Failure {
    Failure::new(
        Exit::Unreachable,
        format!("cannot reach the coordinator at {address}: {why}"),
    )
}

/// Whether the cause is that no machine has the name. Only its words tell.
fn is_unknown_name(cause: &str) -> bool {
    [
        "does not resolve",
        "failed to lookup",
        "dns error",
        "Name or service not known",
        "nodename nor servname",
    ]
    .iter()
    .any(|words| cause.contains(words))
}

/// What to type so that a coordinator listens at the address.
fn how_to_start(address: &Address) -> String {
    let there = if address.is_loopback() { "" } else { " there" };
    format!(
        "is it running? start one{there} with: coordinator {}, or try everything with: swarmctl dev",
        address.listen_flags()
    )
}

/// The beginning of a message that goes on with the faults; they get lines of their own.
fn without_faults<'m>(message: &'m str, faults: &[FieldFault]) -> &'m str {
    let first = faults
        .first()
        .and_then(|fault| message.find(&format!(": {}: ", fault.field)));
    first.map_or(message, |start| &message[..start])
}

fn fault_line(fault: &FieldFault) -> String {
    format!("  {}: {}", fault.field, fault.description)
}

/// What to do about a refusal; nothing when its message says it all.
fn advice(reason: Reason, oldest_seq: Option<&str>, address: &Address) -> Option<String> {
    let next = |rest| next(address, rest);
    let advice = match reason {
        Reason::TaskNotFound => return Some(format!("{} shows the tasks there are", next("list"))),
        Reason::JobNotFound => return Some(format!("{} shows the jobs there are", next("job list"))),
        Reason::AgentNotFound => return Some(format!("{} shows the agents there are", next("agent list"))),
        Reason::DependencyUnknown => {
            return Some(format!(
                "submit that task first, or in the same job file; {} shows the tasks there are",
                next("list")
            ));
        }
        Reason::TaskExists => {
            return Some(format!(
                "the id belongs to a task with another spec: choose another id, let {} give a job file new ids, or \
                 take the ended task away with {}; {} shows that task",
                next("submit --again -f FILE"),
                next("remove ID"),
                next("inspect ID")
            ));
        }
        Reason::JobExists => {
            return Some(format!(
                "the id belongs to a job with other tasks: choose another id, leave it out, or let {} give the \
                 job file new ids",
                next("submit --again -f FILE")
            ));
        }
        Reason::TaskNotRunning => return Some(format!("{} says where it is", next("explain ID"))),
        Reason::RevisionMismatch => return Some(format!("look at it again with: {}", next("inspect ID"))),
        Reason::DependencyFailed => {
            "retry the dependency instead; it brings back what was skipped because of it"
        }
        Reason::Busy => "try again in a while, or wait for longer with --retry-for 5m",
        Reason::QueueFull => {
            return Some(format!(
                "wait until tasks have ended, cancel some, or start the coordinator with a larger --memory; \
                 {} shows what is there",
                next("status")
            ));
        }
        Reason::DiskFull => "free some space where the coordinator keeps its data",
        Reason::HistoryChanged => "its data were restored or replaced: begin again with --from 0",
        Reason::EventsTrimmed => match oldest_seq {
            Some(oldest) => return Some(format!("the oldest kept event is {oldest}: --from {oldest}")),
            None => "begin with the oldest kept event: --from 0",
        },
        Reason::ShuttingDown => "try again when it is back, or wait for longer with --retry-for 5m",
        Reason::FieldInvalid
        | Reason::DependencyCycle
        | Reason::SpecTooLarge
        | Reason::LeaseLost
        | Reason::AgentReplaced
        | Reason::AgentElsewhere
        | Reason::SessionUnproven
        | Reason::TaskFinished
        | Reason::TaskNotFinished
        | Reason::TaskNeeded => return None,
    };
    Some(advice.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_not_told_twice() {
        let faults = [FieldFault {
            field: "tasks[0].spec.queue".into(),
            description: "is bad".into(),
        }];
        assert_eq!(
            without_faults("1 fault: tasks[0].spec.queue: is bad", &faults),
            "1 fault"
        );
        assert_eq!(without_faults("nothing was named", &faults), "nothing was named");
        assert_eq!(without_faults("nothing was named", &[]), "nothing was named");
    }

    #[test]
    fn what_to_start_can_be_typed() {
        for (address, expected) in [
            ("127.0.0.1:7", "start one with: coordinator --listen 127.0.0.1:7,"),
            ("localhost:7", "start one with: coordinator --listen 127.0.0.1:7,"),
            ("[::1]:7", "start one with: coordinator --listen [::1]:7,"),
            (
                "lab-3:7",
                "start one there with: coordinator --listen 0.0.0.0:7 --insecure,",
            ),
        ] {
            let help = how_to_start(&address.parse().unwrap());
            assert!(help.contains(expected), "{help}");
        }
    }
}
