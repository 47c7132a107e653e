//! `swarmctl run`: runs a command on some agent, with its output and exit code here.

use std::{
    ffi::OsString,
    io::{self, IsTerminal as _},
};

use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::v1::{
    Attempt, AttemptOutcome, GetTaskRequest, Output as TaskOutput, SubmitTasksRequest, Task, TaskState,
};

use super::{answer, check, depended_job, doubts, source, spec::TaskFlags, stdin, unmatched};
use crate::{
    call::{
        awaited::{self, Awaited},
        client::Client,
        names,
    },
    jobfile::series::Written,
    output::{Output, inputs, state, task},
    program::{
        OF_TASKS, failure,
        globals::{Format, Globals},
        interrupt::unless_interrupted,
        terminal::{fault, hint, is_watched, note, speaks_json, task_stderr, task_stdout},
    },
    verb::look::{logs, wait},
};

/// The exit code of the shell's `timeout`.
const TIMED_OUT: u8 = 124;

/// Shells add this to the number of the signal that ended a command.
const SIGNALLED: i32 = 128;

const EXAMPLES: &str = "\
Examples:
  swarmctl run -- uname -a                     on whichever agent takes it
  swarmctl run --cwd \"$PWD\" -- make test       in this directory of its machine
  swarmctl run --timeout 10m -- sleep 1h       exits with 124 after ten minutes
  swarmctl run -q -- date                      prints what the command prints, and nothing else
  swarmctl run -- seq 1000000 > numbers        exits with 12: only the last 64 KiB of an output are kept
  sort -u names | swarmctl run -- 'wc -l'      with what is piped into it as its input";

/// What to run.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES, after_help = OF_TASKS)]
pub struct Args {
    #[command(flatten)]
    flags: TaskFlags,
    /// Give the command no input, also when something is piped into swarmctl: in a loop over a pipe, or in a script
    /// that a shell reads from one, the command would get the rest of it
    #[arg(short = 'n', long, conflicts_with = "stdin_file")]
    no_stdin: bool,
    /// The command; a single word with spaces or shell characters is run by sh -c
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// Submits a command, waits for its end, prints its output, and exits with its code.
///
/// # Errors
///
/// When the coordinator refuses or cannot be reached, or stdout is closed.
pub async fn run(mut args: Args, globals: &Globals) -> anyhow::Result<Exit> {
    let output = Output::new(globals);
    // A person waits: a failure is shown at once instead of being tried again.
    args.flags.retries.get_or_insert(0);
    let work = if args.flags.stdin_file.is_some() || args.no_stdin {
        args.flags.command(&args.command)?
    } else {
        args.flags.command_with(&args.command, stdin::piped()?)?
    };
    let task = args.flags.task(work)?;
    let task_id = task.task_id.clone();
    let client = Client::open(globals)?;
    let request = SubmitTasksRequest {
        job: None,
        tasks: vec![task],
    };
    check::check(&request, None)?;
    let written = request.tasks.iter().filter_map(|task| task.spec.as_ref());
    let written: Vec<Written> = written.filter_map(|spec| Written::of(spec, None)).collect();
    doubts::tell(&request, &written);
    let answer = match client.call(request).await {
        Ok(answer) => answer,
        Err(failure) => {
            let suspects = depended_job::suspects(&args.flags.depends_on, None, &failure);
            let error = source::flag_failure(&client, failure);
            return Err(depended_job::explained(&client, &suspects, false, error).await);
        }
    };
    answer::remember(&client, None, &answer);
    if let [task] = answer.tasks.as_slice()
        && answer::is_nothing_new(&client, &answer.tasks)
        && state::is_final(task.state())
    {
        let again = answer::another_id(&client, task);
        let printed = client.next(&format!("logs {task_id}"));
        let nothing_new = answer::nothing_new(&answer.tasks, again);
        return Err(nothing_new
            .help(format!("what it printed then: {printed}"))
            .into());
    }
    answer::tell_existing(&answer.tasks);
    unmatched::tell(&client, &answer.tasks, &answer.unmatched);

    let client = client.patiently();
    let mut awaited = [Awaited::task(&task_id)];
    let ending = async {
        answer::warn_without_agents(&client).await;
        awaited::until_ended(&client, &mut awaited, false).await?;
        let answer = client
            .call(GetTaskRequest {
                task_id: task_id.clone(),
            })
            .await;
        anyhow::Ok(
            answer
                .map_err(client.failure(format!("cannot show the output of {task_id}")))?
                .task,
        )
    };
    let ended = match unless_interrupted(ending).await {
        Ok(ended) => ended,
        Err(signal) => {
            hint(format!(
                "to end it: {}",
                globals.next(&format!("cancel {task_id}"))
            ));
            return Ok(wait::detached(globals, std::slice::from_ref(&task_id), signal));
        }
    };
    let task = ended?.unwrap_or_default();
    let agent = match task.attempts.last() {
        Some(last) if task.state() == TaskState::Failed => names::of_agent(&client, &last.agent_id).await,
        _ => String::new(),
    };
    let (exit, whose) = exit_of(&task, &agent);
    let is_told = match exit {
        // The code is not the task's, and somebody has to know why.
        Exit::Failed | Exit::OutputCut => true,
        // Scripts and cron hear nothing of what went well.
        Exit::Task(0) => is_watched(),
        _ => output.format.is_for_people(),
    };
    let written = match output.format {
        Format::Table | Format::Wide | Format::Name if output.fields().is_everything() => {
            let printed = task
                .result
                .as_ref()
                .and_then(|result| result.output.clone())
                .unwrap_or_default();
            let written = task_stdout(&printed.stdout);
            task_stderr(&printed.stderr);
            if is_told {
                end_line(&printed);
            }
            logs::tell_all_cuts(&printed);
            if let Some(removed) = task::removed(&printed) {
                note(removed);
            }
            written.map_err(anyhow::Error::from)
        }
        _ => output.one(&task, &task_id, ""),
    };
    if let Some(line) = inputs::line(&task) {
        fault(line);
    }
    match exit {
        Exit::Failed | Exit::OutputCut if speaks_json() => failure::tell(&Failure::new(exit, whose)),
        _ if is_told => fault(whose),
        _ => {}
    }
    match written {
        // The exit code is the task's, even if our stdout is closed or cannot be written.
        Err(error) if is_broken_pipe(&error) || exit != Exit::Task(0) => {
            fault(error.to_string());
            Ok(exit)
        }
        Err(error) => Err(error),
        Ok(()) => Ok(exit),
    }
}

/// Ends the line that the command began, so that what is told next has a line of its own.
fn end_line(printed: &TaskOutput) {
    let is_open = |bytes: &[u8]| bytes.last().is_some_and(|last| *last != b'\n');
    let (stdout, stderr) = (io::stdout().is_terminal(), io::stderr().is_terminal());
    let last = match (printed.stderr.as_slice(), printed.stdout.as_slice()) {
        ([], bytes) if stdout && stderr => bytes,
        ([], _) => return,
        (bytes, _) => bytes,
    };
    if is_open(last) {
        task_stderr(b"\n");
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    kind == Some(io::ErrorKind::BrokenPipe)
}

/// The exit code, and a line that tells whether it is the task's or swarmctl's. `agent` is the last attempt's.
fn exit_of(task: &Task, agent: &str) -> (Exit, String) {
    let id = &task.task_id;
    match (
        task.state(),
        task.attempts
            .last()
            .filter(|last| last.outcome() == AttemptOutcome::Failed),
    ) {
        (TaskState::Succeeded, _) if is_cut(task) => (
            Exit::OutputCut,
            format!(
                "task {id} succeeded, but not all of its standard output is here: exit code {} is swarmctl's",
                Exit::OutputCut.code()
            ),
        ),
        (TaskState::Succeeded, _) => (
            Exit::Task(0),
            format!("task {id} succeeded: exit code 0 is the task's"),
        ),
        (TaskState::Failed, Some(last)) => match code_of(last, &task.reason) {
            Some((code, how)) => (
                Exit::Task(code),
                format!("task {id} failed on {agent}: exit code {code} is the task's{how}"),
            ),
            None => {
                let why = if last.message.is_empty() {
                    &last.failure_reason
                } else {
                    &last.message
                };
                (
                    Exit::Failed,
                    format!("task {id} failed on {agent}: {why}; exit code 1 is swarmctl's"),
                )
            }
        },
        (state, _) => {
            let why = if task.reason.is_empty() {
                String::new()
            } else {
                format!(": {}", task.reason)
            };
            (
                Exit::Failed,
                format!(
                    "task {id} ended as {}{why}; exit code 1 is swarmctl's",
                    state::word(state)
                ),
            )
        }
    }
}

fn is_cut(task: &Task) -> bool {
    let printed = task.result.as_ref().and_then(|result| result.output.as_ref());
    printed.is_some_and(logs::is_cut)
}

/// The code of a failed attempt as a shell would give it, with its cause.
fn code_of(attempt: &Attempt, why_failed: &str) -> Option<(u8, String)> {
    if attempt.failure_reason == "timeout" {
        // A deadline shortens an attempt's timeout; only the task's reason tells which of the two ended it.
        let limit = if why_failed.contains("deadline") {
            "deadline"
        } else {
            "timeout"
        };
        return Some((TIMED_OUT, format!(", which ran into its {limit}")));
    }
    if let Some(signal) = attempt.signal {
        let code = u8::try_from(SIGNALLED + signal).unwrap_or(u8::MAX);
        return Some((code, format!(", which was ended by signal {signal}")));
    }
    let code = u8::try_from(attempt.exit_code?).ok().filter(|code| *code != 0)?;
    Some((code, String::new()))
}

#[cfg(test)]
mod tests {
    use swarm_proto::v1::{Output as TaskOutput, TaskResult};

    use super::*;

    fn failed(attempt: Attempt) -> Task {
        let attempt = Attempt {
            outcome: AttemptOutcome::Failed.into(),
            agent_id: "lab".into(),
            ..attempt
        };
        Task {
            task_id: "t".into(),
            state: TaskState::Failed.into(),
            attempts: vec![attempt],
            ..Task::default()
        }
    }

    /// A task that printed more than is kept.
    fn printed(task: Task) -> Task {
        let output = TaskOutput {
            stdout: b"99\n100\n".to_vec(),
            stdout_bytes: 70_000,
            ..TaskOutput::default()
        };
        let result = TaskResult {
            attempt: 1,
            output: Some(output),
        };
        Task {
            result: Some(result),
            ..task
        }
    }

    #[test]
    fn run_exits_as_the_task_did_unless_its_output_was_cut() {
        for (task, code) in [
            (
                Task {
                    state: TaskState::Succeeded.into(),
                    ..Task::default()
                },
                0,
            ),
            (
                failed(Attempt {
                    exit_code: Some(3),
                    ..Attempt::default()
                }),
                3,
            ),
            (
                failed(Attempt {
                    signal: Some(9),
                    ..Attempt::default()
                }),
                137,
            ),
            (
                failed(Attempt {
                    failure_reason: "timeout".into(),
                    signal: Some(15),
                    ..Attempt::default()
                }),
                124,
            ),
            (
                failed(Attempt {
                    failure_reason: "spawn".into(),
                    ..Attempt::default()
                }),
                1,
            ),
            (
                Task {
                    state: TaskState::Cancelled.into(),
                    ..Task::default()
                },
                1,
            ),
            (
                printed(Task {
                    state: TaskState::Succeeded.into(),
                    ..Task::default()
                }),
                12,
            ),
            // The task's own code says more.
            (
                printed(failed(Attempt {
                    exit_code: Some(3),
                    ..Attempt::default()
                })),
                3,
            ),
        ] {
            let (exit, whose) = exit_of(&task, "lab");
            assert_eq!(exit.code(), code, "{whose}");
            assert!(whose.contains(&format!("exit code {code} is")), "{whose}");
        }
    }

    #[test]
    fn a_timeout_that_the_deadline_made_is_told_as_one() {
        let timed_out = failed(Attempt {
            failure_reason: "timeout".into(),
            ..Attempt::default()
        });
        for (reason, expected) in [
            ("its deadline has passed", "which ran into its deadline"),
            ("failed 1 time", "which ran into its timeout"),
        ] {
            let task = Task {
                reason: reason.into(),
                ..timed_out.clone()
            };
            let (exit, whose) = exit_of(&task, "lab");
            assert!(exit == Exit::Task(124) && whose.ends_with(expected), "{whose}");
        }
    }
}
