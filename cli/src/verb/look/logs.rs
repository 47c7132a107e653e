//! `swarmctl logs`: the output of a task.

use clap::ValueEnum;
use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::v1::{AttemptOutcome, Output as TaskOutput, Task, TaskResult};

use super::wait;
use crate::{
    call::{
        awaited::{self, Awaited},
        client::Client,
        subject::{self, Finder},
    },
    output::{Output, state, task, text},
    program::{
        OF_TASKS,
        globals::{Format, Globals},
        interrupt::unless_interrupted,
        terminal::{fault, hint, note, task_stderr, task_stdout},
    },
};

const EXAMPLES: &str = "\
Examples:
  swarmctl logs k3v7q2mzdh                     its stdout to stdout, its stderr to stderr
  swarmctl logs k3v7q2mzdh --stream stderr --tail 20
  swarmctl logs k3v7q2mzdh -f                  waits for its end first";

/// What to print.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES, after_help = OF_TASKS)]
pub struct Args {
    /// The task; the beginning of its id will do; last is what you submitted last; - reads the id from stdin
    #[arg(value_name = "ID")]
    task: String,
    /// The attempt; only the last one that reported is kept
    #[arg(long, default_value = "latest", value_name = "N", value_parser = which_attempt)]
    attempt: Which,
    /// Which stream
    #[arg(long, value_enum, default_value_t = Stream::Both)]
    stream: Stream,
    /// Only this many lines from the end of each stream
    #[arg(long, value_name = "N")]
    tail: Option<usize>,
    /// Wait until the task has ended
    #[arg(short, long)]
    follow: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Stream {
    /// What it wrote to its standard output
    Stdout,
    /// What it wrote to its standard error
    Stderr,
    /// Each to its own
    Both,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    Latest,
    Number(u32),
}

/// Prints a task's output.
///
/// # Errors
///
/// When there is no such task or attempt, or the coordinator refuses or cannot be reached.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<Exit> {
    let output = Output::new(globals);
    let mut client = Client::open(globals)?;
    let mut task = get(&client, &subject::one_id(&args.task, "logs")?).await?;
    let id = task.task_id.clone();
    if args.follow && !state::is_final(task.state()) {
        client = client.patiently();
        let mut awaited = [Awaited::task(&id)];
        match unless_interrupted(awaited::until_ended(&client, &mut awaited, false)).await {
            Ok(result) => result?,
            Err(signal) => return Ok(wait::detached(globals, std::slice::from_ref(&id), signal)),
        }
        task = get(&client, &id).await?;
    }
    let Some(result) = &task.result else {
        return nothing_yet(&task, &output, globals);
    };
    if let Which::Number(number) = args.attempt
        && number != result.attempt
    {
        let sentence = format!("the output of attempt {number} of {} is not kept", id);
        let help = format!(
            "only the last attempt that reported has its output: --attempt {}",
            result.attempt
        );
        return Err(Failure::new(Exit::NotFound, sentence).help(help).into());
    }
    match output.format {
        Format::Table | Format::Wide if output.fields().is_everything() => {
            let printed = result.output.clone().unwrap_or_default();
            if args.stream != Stream::Stderr {
                task_stdout(last_lines(&printed.stdout, args.tail))?;
            }
            if args.stream != Stream::Stdout {
                task_stderr(last_lines(&printed.stderr, args.tail));
            }
            tell_cuts(&printed, args.stream);
            if printed.stdout.is_empty() && printed.stderr.is_empty() {
                note(nothing_printed(&task));
            }
        }
        _ => output.one(result, &id, "")?,
    }
    Ok(Exit::Done)
}

/// Tells how much is missing at the beginning of both streams.
pub(crate) fn tell_all_cuts(printed: &TaskOutput) {
    tell_cuts(printed, Stream::Both);
}

/// Whether the beginning of its standard output is missing.
pub(crate) fn is_cut(printed: &TaskOutput) -> bool {
    (printed.stdout.len() as u64) < printed.stdout_bytes
}

fn tell_cuts(printed: &TaskOutput, stream: Stream) {
    for (name, shown, kept, whole) in [
        (
            "stdout",
            stream != Stream::Stderr,
            printed.stdout.len() as u64,
            printed.stdout_bytes,
        ),
        (
            "stderr",
            stream != Stream::Stdout,
            printed.stderr.len() as u64,
            printed.stderr_bytes,
        ),
    ] {
        if shown && kept < whole {
            let (kept, whole) = (text::bytes(kept), text::bytes(whole));
            fault(format!(
                "{name} was cut: of {whole} only the last {kept} are kept"
            ));
        }
    }
}

async fn get(client: &Client, id: &str) -> anyhow::Result<Task> {
    Finder::to_look(client)
        .task(id, &format!("cannot show the output of {id}"))
        .await
}

fn nothing_yet(task: &Task, output: &Output, globals: &Globals) -> anyhow::Result<Exit> {
    let id = &task.task_id;
    let state = state::word(task.state());
    if state::is_final(task.state()) {
        note(format!(
            "{id} printed nothing: it is {state}, and no attempt of it reported"
        ));
    } else {
        note(format!(
            "no output of {id} yet: it is {state}, and output comes with the end of an attempt"
        ));
        hint(format!(
            "help: {} waits for it",
            globals.next(&format!("logs -f {id}"))
        ));
    }
    // A script gets valid JSON: a result without an output.
    match output.format {
        Format::Table | Format::Wide | Format::Name => {}
        Format::Json | Format::Jsonl | Format::Yaml => {
            output.one(&TaskResult::default(), id, "")?;
        }
    }
    Ok(Exit::Done)
}

/// Why there is nothing to show: a command that was never started had no chance to print.
fn nothing_printed(task: &Task) -> String {
    let id = &task.task_id;
    let last = task.attempts.last();
    match last.filter(|last| last.outcome() == AttemptOutcome::Failed && last.failure_reason == "spawn") {
        Some(last) => format!("{id} was never started: {}", task::ending(last)),
        None => format!("{id} printed nothing"),
    }
}

fn last_lines(bytes: &[u8], lines: Option<usize>) -> &[u8] {
    let Some(lines) = lines else { return bytes };
    let without_end = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if lines == 0 {
        return &[];
    }
    let breaks = without_end
        .iter()
        .enumerate()
        .rev()
        .filter(|(_, byte)| **byte == b'\n');
    match breaks.map(|(index, _)| index).nth(lines - 1) {
        Some(index) => &bytes[index + 1..],
        None => bytes,
    }
}

fn which_attempt(text: &str) -> Result<Which, String> {
    match text {
        "latest" => Ok(Which::Latest),
        text => text
            .parse()
            .map(Which::Number)
            .map_err(|_| format!("'{text}' is neither a number nor latest")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_whole_lines() {
        for (text, lines, expected) in [
            ("a\nb\nc\n", Some(2), "b\nc\n"),
            ("a\nb\nc", Some(1), "c"),
            ("a\nb\n", Some(9), "a\nb\n"),
            ("a\n", Some(0), ""),
            ("", Some(3), ""),
            ("a\nb\n", None, "a\nb\n"),
        ] {
            assert_eq!(
                last_lines(text.as_bytes(), lines),
                expected.as_bytes(),
                "{text:?} {lines:?}"
            );
        }
    }
}
