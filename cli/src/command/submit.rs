//! `swarmctl submit`: a command, or the tasks of a job file.

use std::{
    ffi::OsString,
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use prost::Message as _;
use serde_json::{Value, json};
use swarm_proto::{
    MAX_MESSAGE_BYTES,
    reason::{Failure, Reason},
    v1::{
        GetStatusRequest, GetTaskRequest, Hold, Prompt, SubmitTasksRequest, SubmitTasksResponse,
        SubmittedTask, task_spec::Work,
    },
};

use super::{
    dry_run::DryRun,
    series::SeriesFlags,
    spec::{self, TaskFlags},
    unmatched, wait,
};
use crate::{
    awaited::Awaited,
    client::Client,
    exit::Exit,
    jobfile::{self, Faults, JobFile},
    output::{Listing, Output, hold, json, state, table::Table, text},
    program::{globals::Globals, terminal::note},
    trouble::Trouble,
};

/// What surrounds a message on its way; a request must leave room for it.
const ENVELOPE_BYTES: usize = 1024;

/// References of a faulty file that the coordinator is asked about, one by one.
const MAX_LOOKUPS: usize = 32;

/// Tasks that were there before and are named one by one.
const MAX_NAMED: usize = 10;

const EXAMPLES: &str = "\
Examples:
  swarmctl submit -- make -j2                  one command
  swarmctl submit --priority high --depends-on fetch -- 'sort data.csv | head'
  swarmctl submit -f tasks.yaml --wait         a job file; - reads it from stdin
  swarmctl submit --require 'gpu=a100,!spot' -- ./train
  swarmctl submit --each-line urls.txt -- 'curl -fsSO \"$ENTRY\"'
  swarmctl submit -f tasks.yaml --dry-run      checks everything, changes nothing";

/// What to submit.
#[derive(Debug, clap::Args)]
#[command(
    before_help = EXAMPLES,
    override_usage = "swarmctl submit [OPTIONS] -- CMD...\n       swarmctl submit [OPTIONS] --prompt TEXT\n       swarmctl submit [--wait | --follow | --dry-run] -f FILE\n       swarmctl submit [--wait | --follow | --dry-run] -"
)]
pub struct Args {
    #[command(flatten)]
    flags: TaskFlags,
    #[command(flatten)]
    series: SeriesFlags,
    /// A text for a language model, in place of a command
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["source", "file", "command", "env", "cwd", "stdin_file", "array", "each_line"])]
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
    /// Wait until all tasks have ended; exits with 1 if any did not succeed
    #[arg(long)]
    wait: bool,
    /// Wait, and print what happens to the tasks
    #[arg(long, alias = "watch")]
    follow: bool,
    /// End with exit code 9 when no live agent can run what was submitted; it stays submitted
    #[arg(long)]
    require_match: bool,
    /// Check what can be checked, print what would be submitted, and change nothing
    #[arg(long, conflicts_with_all = ["wait", "follow"])]
    dry_run: bool,
    /// The command; a single word with spaces or shell characters is run by sh -c
    #[arg(last = true, value_name = "CMD", required_unless_present_any = ["file", "source", "prompt"])]
    command: Vec<OsString>,
}

/// Submits, and waits if told to.
///
/// # Errors
///
/// When the job file has faults, or the coordinator refuses or cannot be reached.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<Exit> {
    let output = Output::new(globals);
    let client = Client::open(globals)?;
    let (request, file) = match args.file.as_ref().or(args.source.as_ref()) {
        Some(path) => {
            if args.flags != TaskFlags::default() || args.series != SeriesFlags::default() {
                let sentence =
                    "flags of a task go with a command after --; a job file says them for each task";
                return Err(Trouble::new(Exit::Usage, sentence).into());
            }
            let file = read(&client, path).await?;
            (file.request.clone(), Some(file))
        }
        None => (of_flags(&args)?, None),
    };
    check_size(&request)?;
    if args.dry_run {
        let dry_run = DryRun {
            client: &client,
            request: &request,
            file: file.as_ref(),
            require_match: args.require_match,
        };
        return dry_run.run(&output).await;
    }
    let job_id = request.job.as_ref().map(|job| job.job_id.clone());
    let answer = client
        .submit_tasks(request)
        .await
        .map_err(|failure| match &file {
            Some(file) => file_trouble(&client, file, failure),
            None => flag_trouble(&client, failure),
        })?;

    print(&answer, job_id.as_deref(), &output)?;
    tell_existing(&answer.tasks);
    let is_refused = args.require_match && !answer.unmatched.is_empty();
    let label = if is_refused { "error: " } else { "" };
    unmatched::tell(&client, &answer.tasks, &answer.unmatched, label);
    warn_without_agents(&client).await;
    if is_refused {
        return Ok(Exit::Unmatched);
    }
    let awaited = match (&job_id, answer.tasks.first()) {
        (Some(job_id), _) => Awaited::job(job_id),
        (None, Some(task)) => Awaited::task(&task.task_id),
        (None, None) => return Ok(Exit::Done),
    };
    if args.wait || args.follow {
        // Ids have been printed; what follows is for people, and the exit code for scripts.
        return wait::attached(&client.patiently(), awaited, args.follow, globals).await;
    }
    note(format!("next: {}", globals.next(&format!("wait {}", awaited.id))));
    let look = if awaited.is_job {
        format!("list --job {}", awaited.id)
    } else {
        format!("inspect {}", awaited.id)
    };
    note(format!("      {}", globals.next(&look)));
    Ok(Exit::Done)
}

/// What the flags and the command describe: one task, or a series of them as a job.
fn of_flags(args: &Args) -> anyhow::Result<SubmitTasksRequest> {
    let work = match &args.prompt {
        Some(text) => Work::Prompt(Prompt {
            text: text.clone(),
            model: args.model.clone().unwrap_or_default(),
        }),
        None => args.flags.command(&args.command)?,
    };
    let task = args.flags.task(work)?;
    Ok(match args.series.expand(&task)? {
        Some(request) => request,
        None => SubmitTasksRequest {
            job: None,
            tasks: vec![task],
        },
    })
}

/// What a refused submit of a command means, with the faults named by their flags.
pub(super) fn flag_trouble(client: &Client, failure: Box<Failure>) -> anyhow::Error {
    let faults = match &*failure {
        Failure::Refused { faults, .. } => {
            let mut lines: Vec<String> = faults.iter().map(spec::flag_fault).collect();
            // The tasks of a series have the same faults.
            lines.dedup();
            lines
        }
        Failure::Lost { .. } => Vec::new(),
    };
    with_faults(client.trouble("cannot submit")(failure), faults)
}

/// Says which tasks were there before, and how they are.
pub(super) fn tell_existing(tasks: &[SubmittedTask]) {
    let existed: Vec<&SubmittedTask> = tasks.iter().filter(|task| task.existed).collect();
    if existed.is_empty() {
        return;
    }
    let mut named: Vec<String> = existed
        .iter()
        .take(MAX_NAMED)
        .map(|task| format!("{} ({})", task.task_id, state::word(task.state())))
        .collect();
    if existed.len() > MAX_NAMED {
        named.push(format!("{} more", existed.len() - MAX_NAMED));
    }
    note(format!(
        "already there, and not submitted again: {}",
        named.join(", ")
    ));
}

/// "Nothing happens and nothing says why" is the worst answer: an empty swarm is named.
pub(super) async fn warn_without_agents(client: &Client) {
    // What was asked for is done; a failure here is not worth a word.
    let Ok(status) = client.get_status(GetStatusRequest {}).await else {
        return;
    };
    let Some(agents) = status.agents.filter(|agents| agents.online == 0) else {
        return;
    };
    // Another agent would be held by a hold on everything. Those on agents outlive them.
    let is_one_held = agents.paused + agents.draining > 0;
    let is_in_the_way = |hold: &&Hold| match hold::Scope::of(hold) {
        hold::Scope::Queue(_) => false,
        hold::Scope::Agent(_) => is_one_held,
        hold::Scope::Everything => true,
    };
    note(match status.holds.iter().find(is_in_the_way) {
        Some(hold) => format!(
            "no agent takes work: {}; to give work again: {}",
            hold::sentence(hold),
            client.next(&hold::Scope::of(hold).resume())
        ),
        None => format!(
            "no agent is online yet; start one with: agent --coordinator {}",
            client.address()
        ),
    });
}

/// Prints what became of the tasks of a submit.
///
/// # Errors
///
/// When stdout cannot be written.
pub(super) fn print(
    answer: &SubmitTasksResponse,
    job_id: Option<&str>,
    output: &Output,
) -> anyhow::Result<()> {
    let tasks = &answer.tasks;
    let mut table = Table::new(["ID", "STATE", "SUBMITTED"]);
    for task in tasks {
        let submitted = if task.existed { "before" } else { "now" };
        table.row([
            task.task_id.clone(),
            state::task(task.state()).to_owned(),
            submitted.to_owned(),
        ]);
    }
    let listing = Listing {
        key: "tasks",
        message: Some("SubmittedTask"),
        values: tasks.iter().map(|task| json::of("SubmittedTask", task)).collect(),
        names: tasks.iter().map(|task| task.task_id.clone()).collect(),
        table,
    };
    if output.format.is_one_value() {
        output.check_fields(&listing)?;
        let tasks: Value = listing
            .values
            .iter()
            .map(|task| output.fields().of(task))
            .collect();
        let unmatched: Value = answer
            .unmatched
            .iter()
            .map(|group| json::of("Unmatched", group))
            .collect();
        let mut whole = json!({ "tasks": tasks, "unmatched": unmatched });
        if let (Some(job_id), Value::Object(whole)) = (job_id, &mut whole) {
            whole.shift_insert(0, "job_id".to_owned(), job_id.into());
        }
        output.value(&whole)?;
    } else {
        output.list(&listing)?;
    }
    if let Some(job_id) = job_id {
        note(format!(
            "job {job_id}: {}",
            text::counted(tasks.len() as u64, "task")
        ));
    }
    Ok(())
}

async fn read(client: &Client, path: &Path) -> anyhow::Result<JobFile> {
    let (origin, text) = text_of(path, "the job file")?;
    match jobfile::parse(&text, &origin, jiff::Timestamp::now()) {
        Ok(file) => Ok(file),
        Err(mut faults) => {
            look_up_external(client, &mut faults).await;
            Err(faults_trouble(&faults).into())
        }
    }
}

/// What stands in a file, or on standard input when its name is `-`; and what to call it. `what` names it in a sentence.
///
/// # Errors
///
/// When it cannot be read, or is no UTF-8.
pub(super) fn text_of(path: &Path, what: &str) -> anyhow::Result<(String, String)> {
    let (origin, place, text) = if path == Path::new("-") {
        (
            "stdin".to_owned(),
            "from standard input".to_owned(),
            bounded(io::stdin().lock()),
        )
    } else {
        let origin = path.display().to_string();
        let file = fs::File::open(path).map_err(|error| error.to_string());
        (origin.clone(), origin, file.and_then(bounded))
    };
    let unreadable = |why| Trouble::new(Exit::Usage, format!("cannot read {what} {place}: {why}"));
    Ok((origin, text.map_err(unreadable)?))
}

/// Asks for the tasks that a faulty file refers to, so that a person hears of everything at once.
pub(super) async fn look_up_external(client: &Client, faults: &mut Faults) {
    for external in std::mem::take(&mut faults.external).iter().take(MAX_LOOKUPS) {
        match client
            .get_task(GetTaskRequest {
                task_id: external.task_id.clone(),
            })
            .await
        {
            Ok(_) => {}
            Err(failure) if failure.reason() == Some(Reason::TaskNotFound) => {
                faults.push_unknown_task(external)
            }
            // Without a coordinator the file's own faults are still worth telling.
            Err(_) => return,
        }
    }
}

/// A text of at most as many bytes as a job file may have, and one more for the parser to complain about.
fn bounded(reader: impl io::Read) -> Result<String, String> {
    let mut bytes = Vec::new();
    reader
        .take(jobfile::MAX_FILE_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    String::from_utf8(bytes).or_else(|error| {
        let valid = error.utf8_error().valid_up_to();
        // The bound may have cut a character in two.
        if error.as_bytes().len() > jobfile::MAX_FILE_BYTES && error.utf8_error().error_len().is_none() {
            let mut bytes = error.into_bytes();
            bytes.truncate(valid);
            return String::from_utf8(bytes).map_err(|error| error.to_string());
        }
        let line = 1 + error.as_bytes()[..valid]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        Err(format!("it is not UTF-8: see line {line}"))
    })
}

pub(super) fn check_size(request: &SubmitTasksRequest) -> anyhow::Result<()> {
    let size = request.encoded_len();
    if size + ENVELOPE_BYTES <= MAX_MESSAGE_BYTES {
        return Ok(());
    }
    let (size, most) = (text::bytes(size as u64), text::bytes(MAX_MESSAGE_BYTES as u64));
    let sentence = format!(
        "cannot submit {}: they are {size}, and one submit takes {most}",
        text::counted(request.tasks.len() as u64, "task")
    );
    Err(Trouble::new(Exit::Usage, sentence)
        .help("submit them in several files; tasks may depend on tasks that were submitted before")
        .into())
}

/// What a refused submit of a job file means, with the faults named by their places.
pub(super) fn file_trouble(client: &Client, file: &JobFile, failure: Box<Failure>) -> anyhow::Error {
    let mut located = file.no_faults();
    let mut elsewhere = Vec::new();
    if let Failure::Refused { faults, .. } = &*failure {
        for fault in faults {
            match file.locate(&fault.field) {
                Some(position) => located.push(position, &fault.description),
                None => elsewhere.push(format!("  {}: {}", fault.field, fault.description)),
            }
        }
    }
    let mut lines: Vec<String> = if located.is_empty() {
        Vec::new()
    } else {
        vec![located.to_string()]
    };
    lines.extend(elsewhere);
    with_faults(
        client.trouble(format!("cannot submit {}", file.origin))(failure),
        lines,
    )
}

pub(super) fn faults_trouble(faults: &Faults) -> Trouble {
    let count = text::counted(faults.faults.len() as u64, "fault");
    let mut trouble = Trouble::new(
        Exit::Usage,
        format!("{} has {count}; nothing was submitted", faults.origin),
    );
    trouble.faults.push(faults.to_string());
    trouble
}

fn with_faults(error: anyhow::Error, faults: Vec<String>) -> anyhow::Error {
    match error.downcast::<Trouble>() {
        Ok(mut trouble) => {
            trouble.faults = faults;
            trouble.into()
        }
        Err(error) => error,
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
