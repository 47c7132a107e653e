//! `swarmctl submit`: a command, or the tasks of a job file.

use std::{ffi::OsString, path::PathBuf};

use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::{
    duration::format_duration,
    v1::{Prompt, SubmitTasksRequest, SubmittedTask, task_spec::Work},
};

use super::{
    answer, check, depended_job, doubts, dry_run::DryRun, series::SeriesFlags, source, spec::TaskFlags,
    unmatched,
};
use crate::{
    call::{awaited::Awaited, client::Client},
    jobfile::{JobFile, reference, series::Written},
    output::{Output, state, text},
    program::{
        globals::Globals,
        terminal::{follow, hint, note, write_stdout},
    },
    verb::look::wait,
};

const EXAMPLES: &str = "\
Examples:
  swarmctl submit --cwd \"$PWD\" -- make -j2     one command, in this directory of its machine
  swarmctl submit --priority high --depends-on fetch --cwd \"$PWD\" -- 'sort data.csv | head'
  swarmctl submit -f tasks.yaml --wait         a job file; - reads it from stdin
  swarmctl submit -f tasks.yaml --again        the same once more, under new ids
  swarmctl submit --require 'gpu=a100,!spot' --cwd \"$PWD\" -- ./train
  swarmctl submit --each-line urls.txt --cwd \"$PWD\" -- curl -fsSO {}
  sort -u names | swarmctl submit --stdin-file - -- wc -l
  swarmctl submit -f tasks.yaml --dry-run      checks everything, changes nothing
  swarmctl submit --example > tasks.yaml       a job file to begin with; swarmctl help jobfile";

const USAGE: &str = "\
swarmctl submit [OPTIONS] -- CMD...
       swarmctl submit [OPTIONS] --prompt TEXT
       swarmctl submit [--again | --prefix TEXT] [--wait | --follow | --dry-run] -f FILE
       swarmctl submit [--again | --prefix TEXT] [--wait | --follow | --dry-run] -";

const INPUT_AND_IDS: &str = "\
Only run gives a command what is piped into swarmctl. A submit leaves that alone, for in a shell's loop it is the
loop's: --stdin-file - takes it.

A task keeps its id until it is removed, 7 days after its end unless the coordinator says otherwise. So a repeated
submit is recognised and starts nothing: it ends with exit code 11, unless --wait or --follow find some of it at work
and wait for that. To run the same file again: --again, --prefix, or {date} and {time} in its ids. Tasks with a name
and no id get one from the job's id and their name, or a new one when the job has no id: a file with names alone runs
anew at each submit. {date} and {time} stand for the moment of the submit, such as
2026-03-01 and 043000 in your time zone; they may also be in --id, --name and --depends-on.";

/// What to submit.
#[derive(Debug, clap::Args)]
#[command(
    before_help = EXAMPLES,
    override_usage = USAGE,
    after_help = INPUT_AND_IDS,
)]
pub struct Args {
    #[command(flatten)]
    flags: TaskFlags,
    #[command(flatten)]
    series: SeriesFlags,
    /// A text for a language model, in place of a command; no agent of this version runs prompts: such a task waits
    #[arg(
        long,
        value_name = "TEXT",
        conflicts_with_all = [
            "source", "file", "command", "env", "cwd", "stdin_file", "array", "each_line"
        ]
    )]
    prompt: Option<String>,
    /// Which model; the agent's choice when not given
    #[arg(long, value_name = "NAME", requires = "prompt", conflicts_with_all = ["source", "file", "command"])]
    model: Option<String>,
    /// A job file
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["source", "command"])]
    file: Option<PathBuf>,
    /// - reads a job file from stdin
    #[arg(value_name = "-", value_parser = stdin_sign, conflicts_with = "command")]
    source: Option<PathBuf>,
    /// Submit the file under new ids: a made-up prefix stands before them
    #[arg(long, conflicts_with_all = ["prefix", "command", "prompt"])]
    again: bool,
    /// Put before every id of the file, such as tuesday:
    #[arg(long, value_name = "TEXT", value_parser = source::prefix, conflicts_with_all = ["command", "prompt"])]
    prefix: Option<String>,
    /// Wait until all tasks have ended; exits with 1 if any did not succeed
    #[arg(long)]
    wait: bool,
    /// Wait, and print what happens to the tasks
    #[arg(long, alias = "watch")]
    follow: bool,
    /// End with exit code 9 when no live agent can run what was submitted; it stays submitted
    #[arg(long)]
    require_match: bool,
    /// Print a job file to begin with, which can be submitted as it stands, and submit nothing
    #[arg(long, conflicts_with_all = ["file", "source", "command", "prompt", "dry_run", "schema"])]
    example: bool,
    /// Print the JSON schema of job files, for editors, and submit nothing
    #[arg(long, conflicts_with_all = ["file", "source", "command", "prompt", "dry_run"])]
    schema: bool,
    /// Check what can be checked, print what would be submitted, and change nothing
    #[arg(long, conflicts_with_all = ["wait", "follow"])]
    dry_run: bool,
    /// The command; a single word with spaces or shell characters is run by sh -c
    #[arg(
        last = true,
        value_name = "CMD",
        required_unless_present_any = ["file", "source", "prompt", "example", "schema"]
    )]
    command: Vec<OsString>,
}

/// Submits; with `--wait` or `--follow`, waits for the end.
///
/// # Errors
///
/// When the job file has faults, or the coordinator refuses or cannot be reached.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<Exit> {
    if args.example {
        write_stdout(reference::example().as_bytes())?;
        return Ok(Exit::Done);
    }
    if args.schema {
        write_stdout(format!("{:#}\n", reference::schema()).as_bytes())?;
        return Ok(Exit::Done);
    }
    let output = Output::new(globals);
    let client = Client::open(globals)?;
    let mut written = Vec::new();
    let (request, file) = match args.file.as_ref().or(args.source.as_ref()) {
        Some(path) => {
            if args.flags != TaskFlags::default() || args.series != SeriesFlags::default() {
                let sentence =
                    "flags of a task go with a command after --; a job file says them for each task";
                let mut failure = Failure::new(Exit::Usage, sentence);
                if let (true, Some(timeout)) = (args.wait || args.follow, args.flags.timeout) {
                    failure = failure.help(format!(
                        "--timeout ends an attempt; to wait for at most so long, submit without it and then: {}",
                        client.next(&format!(
                            "wait last --timeout {}",
                            text::shell_word(&format_duration(timeout))
                        ))
                    ));
                }
                return Err(failure.into());
            }
            let prefix = match (&args.prefix, args.again) {
                (Some(prefix), _) => prefix.clone(),
                (None, true) => source::made_up_prefix()?,
                (None, false) => String::new(),
            };
            let file = source::job_file(&client, path, &prefix).await?;
            (file.request.clone(), Some(file))
        }
        None => {
            let (request, command) = of_flags(&args)?;
            written.extend(command);
            (request, None)
        }
    };
    source::check_size(&request)?;
    doubts::tell(&request, file.as_ref().map_or(&written, JobFile::written));
    if let Some(file) = &file {
        file.remarks().iter().for_each(note);
    }
    if args.dry_run {
        let dry_run = DryRun {
            client: &client,
            request: &request,
            file: file.as_ref(),
            require_match: args.require_match,
        };
        return dry_run.run(&output).await;
    }
    check::check(&request, file.as_ref())?;
    let job_id = request.job.as_ref().map(|job| job.job_id.clone());
    let words = answer::in_words(&request.tasks);
    let answer = match client.call(request).await {
        Ok(answer) => answer,
        Err(failure) => {
            let suspects = depended_job::suspects(&args.flags.depends_on, file.as_ref(), &failure);
            let error = match &file {
                Some(file) => source::file_failure(&client, file, failure),
                None => source::flag_failure(&client, failure),
            };
            return Err(depended_job::explained(&client, &suspects, file.is_some(), error).await);
        }
    };

    answer::remember(&client, job_id.as_deref(), &answer);
    answer::print(&answer, &words, job_id.as_deref(), &output)?;
    if answer::is_nothing_new(&client, &answer.tasks) {
        let is_at_work = answer.tasks.iter().any(|task| !state::is_final(task.state()));
        if is_at_work && (args.wait || args.follow) {
            answer::tell_existing(&answer.tasks);
        } else {
            let again = help_again(&client, &args, &answer.tasks);
            return Err(answer::nothing_new(&answer.tasks, again).into());
        }
    } else {
        answer::tell_existing(&answer.tasks);
    }
    if args.require_match && !answer.unmatched.is_empty() {
        return Err(unmatched::failure(&client, &answer.tasks, &answer.unmatched).into());
    }
    unmatched::tell(&client, &answer.tasks, &answer.unmatched);
    answer::warn_without_agents(&client).await;
    let awaited = match (&job_id, answer.tasks.first()) {
        (Some(job_id), _) => Awaited::job(job_id).submitted(&answer),
        (None, Some(task)) => Awaited::task(&task.task_id).submitted(&answer),
        (None, None) => return Ok(Exit::Done),
    };
    if args.wait || args.follow {
        if args.follow {
            follow();
        }
        // Scripts have the ids by now, and get the exit code later; the rest is for people.
        return wait::attached(&client.patiently(), awaited, args.follow, globals).await;
    }
    hint(format!("next: {}", globals.next(&format!("wait {}", awaited.id))));
    let look = if awaited.is_job {
        format!("list --job {}", awaited.id)
    } else {
        format!("inspect {}", awaited.id)
    };
    hint(format!("      {}", globals.next(&look)));
    Ok(Exit::Done)
}

/// The request of the flags and the command, one task or a series as a job; and the command as it was written.
fn of_flags(args: &Args) -> anyhow::Result<(SubmitTasksRequest, Option<Written>)> {
    let work = match &args.prompt {
        Some(text) => Work::Prompt(Prompt {
            text: text.clone(),
            model: args.model.clone().unwrap_or_default(),
        }),
        None if args.series.reads_stdin() && args.flags.reads_stdin() => {
            let sentence = "standard input cannot be both the lines of --each-line and --stdin-file";
            return Err(Failure::new(Exit::Usage, sentence).into());
        }
        None => args.flags.command(&args.command)?,
    };
    let task = args.flags.task(work)?;
    let written = Written::of(&task.spec.clone().unwrap_or_default(), args.series.variable());
    let request = match args.series.expand(&task)? {
        Some(request) => request,
        None => SubmitTasksRequest {
            job: None,
            tasks: vec![task],
        },
    };
    Ok((request, written))
}

/// How to run what is there once more.
fn help_again(client: &Client, args: &Args, tasks: &[SubmittedTask]) -> String {
    match (args.file.as_ref().or(args.source.as_ref()), tasks) {
        (Some(path), _) => {
            let path = text::shell_word(&path.display().to_string());
            let again = client.next(&format!("submit --again -f {path}"));
            format!("to run it once more, under new ids: {again}")
        }
        (None, [task]) => answer::another_id(client, task),
        (None, _) => "give other ids; for a job file --again makes them up".to_owned(),
    }
}

fn stdin_sign(text: &str) -> Result<PathBuf, String> {
    match text {
        "-" => Ok(PathBuf::from(text)),
        _ => Err(format!(
            "'{text}' is not understood: a command goes after --, a job file with -f FILE, - is stdin"
        )),
    }
}
