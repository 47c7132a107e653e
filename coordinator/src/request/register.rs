//! An agent introduces itself, and says goodbye.

use swarm_engine::{
    command::{
        deregister::{self, Deregister},
        register::{self, Register},
    },
    id::{AgentId, Session, SessionToken},
    limits::MAX_HELD_LEASES,
    noun::{needs::Executor, process::Process, rules::Rules},
    rejection::{Faults, Rejection},
};
use swarm_proto::{
    limits::{
        MAX_AGENT_LABELS_BYTES, MAX_EXECUTORS, MAX_NAME_BYTES, MAX_RULE_PATTERN_BYTES, MAX_RULE_PATTERNS,
        MAX_SLOTS,
    },
    v1,
};

use super::{Context, Refusal};
use crate::{
    machine::random,
    wire::{
        field::{self, Fields, unless_faulty},
        lease::{held, shown_again},
        time::duration,
    },
};

/// Registers an agent, whose earlier session ends with that.
///
/// # Errors
///
/// When a field is faulty, the agent is new and memory is full, or the process of the earlier session is alive
/// elsewhere.
pub(crate) async fn register(
    cx: &Context,
    request: v1::RegisterAgentRequest,
) -> Result<v1::RegisterAgentResponse, Refusal> {
    let missing = cx.missing(request.seen.as_ref());
    let token = SessionToken(random::bytes());
    let command = read(request, token, cx.settings.lease_ttl, random::number())?;
    let agent = command.agent.clone();
    if cx.core.budget().state.is_full() {
        // A known agent may have work under way, and takes no more memory than before.
        let known = cx.core.read(|state| state.agent(&command.agent).is_some()).await;
        if !known.value {
            cx.check_room()?;
        }
    }
    let answer = cx
        .core
        .execute(|draft| {
            let registered = register::decide(draft, command)?;
            let cluster = draft.identity().map(|identity| identity.cluster_id.clone());
            Ok((registered, cluster))
        })
        .await?;
    let as_of = cx.as_of(&answer);
    let (registered, cluster) = answer.value;
    let registered = registered?;
    if let Some(missing) = missing {
        cx.core.agent_saw(&agent, missing);
    }
    Ok(v1::RegisterAgentResponse {
        as_of,
        cluster_id: cluster.map(|cluster| cluster.to_string()).unwrap_or_default(),
        session: registered.session.0,
        lease_ttl: Some(duration(cx.settings.lease_ttl)),
        heartbeat_interval: Some(duration(cx.heartbeat_interval())),
        lost: registered.lost.iter().map(shown_again).collect(),
        session_token: token.0.to_vec(),
    })
}

/// Takes a goodbye: what the agent still holds is given to others at once.
///
/// # Errors
///
/// When the session is not the agent's newest.
pub(crate) async fn deregister(
    cx: &Context,
    request: v1::DeregisterAgentRequest,
) -> Result<v1::DeregisterAgentResponse, Refusal> {
    let command = Deregister {
        agent: field::agent_id("agent_id", &request.agent_id)?,
        session: Session(request.session),
        jitter: random::number(),
    };
    let answer = cx
        .core
        .execute(|draft| deregister::decide(draft, command))
        .await?;
    Ok(v1::DeregisterAgentResponse {
        as_of: cx.as_of(&answer),
    })
}

/// Reads a registration.
///
/// # Errors
///
/// [`Rejection::Invalid`] with every fault.
fn read(
    request: v1::RegisterAgentRequest,
    token: SessionToken,
    lease_ttl: std::time::Duration,
    jitter: u64,
) -> Result<Register, Rejection> {
    let mut faults = Faults::default();
    let mut fields = Fields::of_request(&mut faults);
    let agent = fields.name("agent_id", &request.agent_id, AgentId::parse);
    fields.text("name", &request.name, MAX_NAME_BYTES);
    fields.pairs("labels", &request.labels);
    let label_bytes = request.labels.iter().map(|(key, value)| key.len() + value.len());
    let label_bytes: usize = label_bytes.sum();
    if label_bytes > MAX_AGENT_LABELS_BYTES {
        fields.refuse(
            "labels",
            format!("have {label_bytes} bytes together, at most {MAX_AGENT_LABELS_BYTES} are allowed"),
        );
    }
    if !(1..=MAX_SLOTS).contains(&request.slots) {
        fields.refuse(
            "slots",
            format!("is {}, it must be between 1 and {MAX_SLOTS}", request.slots),
        );
    }
    fields.text("version", &request.version, MAX_NAME_BYTES);
    fields.count("executors", request.executors.len(), MAX_EXECUTORS);
    fields.count("held", request.held.len(), MAX_HELD_LEASES);
    if let Some(process) = &request.process {
        fields.text("process.host", &process.host, MAX_NAME_BYTES);
        fields.text("process.place", &process.place, MAX_NAME_BYTES);
    }
    if let Some(rules) = &request.rules {
        check_rules(rules, &mut fields.below("rules"));
    }
    let agent = unless_faulty(agent, faults)?;
    Ok(Register {
        agent,
        name: request.name.into(),
        labels: request.labels,
        slots: request.slots,
        // Those that only newer coordinators know are of no use to this one.
        executors: match request.executors.as_slice() {
            [] => [Executor::Command].into(),
            named => named.iter().filter_map(|name| Executor::named(name)).collect(),
        },
        rules: match request.rules {
            Some(rules) if rules.no_commands => Rules::NoCommands,
            Some(rules) if !rules.programs.is_empty() => Rules::programs(&rules.programs),
            Some(_) | None => Rules::Everything,
        },
        version: request.version.into(),
        held: request.held.iter().map(held).collect(),
        lease_ttl,
        jitter,
        token,
        // Without a place, nothing tells it from another process.
        process: request
            .process
            .filter(|process| !process.place.is_empty())
            .map(|process| Process {
                host: process.host.into(),
                place: process.place.into(),
            }),
    })
}

fn check_rules(rules: &v1::OwnerRules, fields: &mut Fields<'_>) {
    fields.count("programs", rules.programs.len(), MAX_RULE_PATTERNS);
    for (index, pattern) in rules.programs.iter().enumerate().take(MAX_RULE_PATTERNS) {
        if pattern.is_empty() {
            fields.refuse(format_args!("programs[{index}]"), "is empty: it names no program");
        }
        fields.text(format_args!("programs[{index}]"), pattern, MAX_RULE_PATTERN_BYTES);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use swarm_engine::{id::TaskId, limits::MAX_PROGRAM_BYTES, time::Timestamp};
    use swarm_proto::v1::task_spec::Work;

    use super::*;
    use crate::wire::spec::{self, Defaults};

    const TTL: Duration = Duration::from_secs(90);
    const TOKEN: SessionToken = SessionToken([7; 16]);

    fn paths<T>(answer: Result<T, Rejection>) -> Vec<String> {
        match answer {
            Ok(_) => Vec::new(),
            Err(Rejection::Invalid(faults)) => {
                faults.named().iter().map(|fault| fault.field.clone()).collect()
            }
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn agents_and_the_engine_read_owners_rules_alike() {
        let long = "x".repeat(MAX_PROGRAM_BYTES + 1);
        for (patterns, program, has_path, is_allowed) in [
            (&[][..], "sh", false, true),
            (&[], "sh", true, true),
            (&[], long.as_str(), false, true),
            (&["git"], "git", false, true),
            (&["git"], "gitk", false, false),
            (&["git"], "/usr/bin/git", false, false),
            (&["git"], "git", true, false),
            (&["ls", "g?t"], "gut", false, true),
            (&["/opt/*/bin/?"], "/opt/a/b/bin/x", false, true),
            (&["/opt/*/bin/?"], "/opt/a/b/bin/xy", false, false),
            (&["/opt/*"], "/opt/x", true, true),
            (&["*"], "sh", true, false),
            (&["*"], "", false, false),
            (&["*"], long.as_str(), false, false),
            (&["no-commands"], "sh", false, false),
        ] {
            let no_commands = patterns == ["no-commands"];
            let told = v1::OwnerRules {
                programs: patterns.iter().map(|text| (*text).to_owned()).collect(),
                no_commands,
            };
            let path = has_path.then(|| ("PATH".to_owned(), "/tmp".to_owned()));
            let command = v1::Command {
                argv: vec![program.to_owned()],
                env: path.into_iter().collect(),
                ..Default::default()
            };
            let by_agent = swarm_proto::rules::allow(&told, &command).is_ok();
            let spec = v1::TaskSpec {
                work: Some(Work::Command(command)),
                ..Default::default()
            };
            let defaults = Defaults {
                timeout: TTL,
                max_retries: 0,
            };
            let mut faults = Faults::default();
            let fields = &mut Fields::of_request(&mut faults);
            let task = spec::read(TaskId::stored("t"), spec, defaults, Timestamp(0), fields);
            let request = v1::RegisterAgentRequest {
                agent_id: "k3x9".into(),
                slots: 1,
                rules: Some(told),
                ..Default::default()
            };
            let rules = read(request, TOKEN, TTL, 7).unwrap().rules;
            let by_engine = rules.allow(&task.needs.class, &task.needs.program);
            let program = program.get(..20).unwrap_or(program);
            assert_eq!(
                (by_agent, by_engine),
                (is_allowed, is_allowed),
                "{patterns:?} {program}"
            );
        }
    }

    #[test]
    fn a_registration_tells_all_its_faults() {
        let good = v1::RegisterAgentRequest {
            agent_id: "k3x9".into(),
            slots: 2,
            ..Default::default()
        };
        assert!(read(good.clone(), TOKEN, TTL, 7).is_ok());
        let bad = v1::RegisterAgentRequest {
            agent_id: "a b".into(),
            name: "n".repeat(201),
            labels: [(String::new(), String::new())].into(),
            slots: 0,
            version: "v".repeat(201),
            held: vec![v1::LeaseRef::default(); MAX_HELD_LEASES + 1],
            executors: Vec::new(),
            process: None,
            seen: None,
            rules: Some(v1::OwnerRules {
                programs: vec!["git".into(), String::new()],
                no_commands: false,
            }),
        };
        let expected = [
            "agent_id",
            "name",
            "labels",
            "slots",
            "version",
            "held",
            "rules.programs[1]",
        ];
        assert_eq!(paths(read(bad, TOKEN, TTL, 7)), expected);
        let labels = (0..5)
            .map(|index| (format!("{index}"), "v".repeat(1_000)))
            .collect();
        let labelled = v1::RegisterAgentRequest {
            labels,
            ..good.clone()
        };
        assert_eq!(paths(read(labelled, TOKEN, TTL, 7)), ["labels"]);
        assert_eq!(
            paths(read(
                v1::RegisterAgentRequest { slots: 1001, ..good },
                TOKEN,
                TTL,
                7
            )),
            ["slots"]
        );
    }
}
