//! `swarmctl import`: the tasks of other systems' files, and of ours.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::{
    limits::MAX_NAME_BYTES,
    reason::Reason,
    v1::{GetTaskRequest, Task},
};

use crate::{
    call::client::Client,
    exchange::{self, Format, Import, Options, execution_log},
    output::{Output, text},
    program::{
        clock,
        globals::Globals,
        terminal::{hint, note},
        value,
    },
    verb::submit::{answer, dry_run::DryRun, source, unmatched},
};

const EXAMPLES: &str = "\
Examples:
  swarmctl import queue.json --dry-run         what would be submitted
  swarmctl import queue.json --log execution_log.jsonl
  curl -s http://agentvine:8000/api/v1/tasks | swarmctl import - --prefix vine:";

const FORMATS: &str = "\
A file is recognised by what is in it: our job file; queue.json of Vivarium and Black Swarm; the YAML of Amplifier
Swarm; JSON of AgentVine, one task or a list. Ids are the file's, so importing a file twice submits nothing new.
Nothing is submitted when the file has a fault; every fault is named with its line and column.

Status in the file:
  pending, not_started, queued                 submitted
  claimed, in_progress, failed                 submitted, to begin anew
  completed                                    left out; dependencies on it are met
  cancelled                                    left out; a dependency on it is a fault
With --all everything is submitted, whatever its status.

A text for a language model becomes a prompt, which no agent of this version runs: it waits in its queue.
`parallel_safe: false` becomes an exclusive group. What has no meaning here yet is kept in the metadata of the task,
such as seed.min_budget, amplifier.phase or agentvine.task_type, and export puts it back. What a format has no place
for is read from `swarm:` in a task, with the fields of our job file; export writes it there.";

/// What to import.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES, after_help = FORMATS)]
pub struct Args {
    /// The file; - is stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The format, whatever the file looks like
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,
    /// Put before every id of the file, such as team-a:
    #[arg(long, value_name = "TEXT", value_parser = source::prefix)]
    prefix: Option<String>,
    /// Take the tasks' statuses from this execution_log.jsonl
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Submit completed and cancelled tasks too
    #[arg(long)]
    all: bool,
    /// End with exit code 9 when no live agent can run what was submitted; it stays submitted
    #[arg(long)]
    require_match: bool,
    /// Check what can be checked, print what would be submitted, and change nothing; -o json prints the request
    #[arg(long)]
    dry_run: bool,
}

/// Reads a file, and submits its tasks.
///
/// # Errors
///
/// When the file has faults, or the coordinator refuses or cannot be reached.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<Exit> {
    let output = Output::new(globals);
    let client = Client::open(globals)?;
    let (origin, text) = source::text_of(&args.file, "the file")?;
    if args.format.is_none() && execution_log::is_log(&text) {
        let sentence = format!("{origin} is a log of what happened, with no tasks in it");
        let help = format!("give it with the tasks: swarmctl import queue.json --log {origin}");
        return Err(Failure::new(Exit::Usage, sentence).help(help).into());
    }
    let mut options = Options {
        format: args.format,
        prefix: args.prefix.unwrap_or_default(),
        all: args.all,
        statuses: match &args.log {
            Some(log) => statuses(log)?,
            None => Default::default(),
        },
        job_name: job_name(&args.file),
        ..Options::default()
    };
    let mut import = read(&client, &text, &origin, &options).await?;
    options.known = known(&client, &import.met, &options.prefix).await?;
    if options.all || !options.known.is_empty() {
        options.met_before = met_before(&client, &import, &options.prefix).await?;
        import = read(&client, &text, &origin, &options).await?;
    }
    let what = format!("{origin} (format {})", import.format.title());
    let Some(file) = import.file else {
        import.notes.iter().for_each(note);
        note(format!("nothing to submit of {what}"));
        return Ok(Exit::Done);
    };
    source::check_size(&file.request)?;
    file.remarks().iter().for_each(note);
    if args.dry_run {
        let dry_run = DryRun {
            client: &client,
            request: &file.request,
            file: Some(&file),
            require_match: args.require_match,
        };
        let exit = dry_run.run(&output).await?;
        import.notes.iter().for_each(note);
        return Ok(exit);
    }
    let job_id = file.request.job.as_ref().map(|job| job.job_id.clone());
    let words = answer::in_words(&file.request.tasks);
    let answer = client
        .call(file.request.clone())
        .await
        .map_err(|failure| source::file_failure(&client, &file, failure))?;
    answer::remember(&client, job_id.as_deref(), &answer);
    answer::print(&answer, &words, job_id.as_deref(), &output)?;
    import.notes.iter().for_each(note);
    answer::tell_existing(&answer.tasks);
    let new = answer.tasks.iter().filter(|task| !task.existed).count();
    let count = text::counted(answer.tasks.len() as u64, "task");
    note(format!("submitted {new} of {count} of {what}"));
    if args.require_match && !answer.unmatched.is_empty() {
        return Err(unmatched::failure(&client, &answer.tasks, &answer.unmatched).into());
    }
    unmatched::tell(&client, &answer.tasks, &answer.unmatched);
    if new > 0 {
        answer::warn_without_agents(&client).await;
        if let Some(job_id) = job_id {
            hint(format!("next: {}", globals.next(&format!("list --job {job_id}"))));
        }
    }
    Ok(Exit::Done)
}

async fn read(client: &Client, text: &str, origin: &str, options: &Options) -> anyhow::Result<Import> {
    match exchange::read(text, origin, options, clock::now()) {
        Ok(import) => Ok(import),
        Err(mut faults) => {
            source::look_up_external(client, &mut faults).await;
            Err(source::faults_failure(&faults).into())
        }
    }
}

/// The file's completed tasks that the coordinator has too. Dependencies on them are kept, so that dependents are the
/// same tasks as in the import that submitted them.
async fn known(client: &Client, ids: &BTreeSet<String>, prefix: &str) -> anyhow::Result<BTreeSet<String>> {
    let mut known = BTreeSet::new();
    for id in ids {
        if task_there(client, format!("{prefix}{id}")).await?.is_some() {
            known.insert(id.clone());
        }
    }
    Ok(known)
}

/// The dependencies that an earlier import of the same tasks left out because they were met. They stay left out, so
/// that a task which is there is the same task.
async fn met_before(
    client: &Client,
    import: &Import,
    prefix: &str,
) -> anyhow::Result<BTreeMap<String, BTreeSet<String>>> {
    let mut met_before = BTreeMap::new();
    for id in &import.leaning {
        let task_id = format!("{prefix}{id}");
        let Some(task) = task_there(client, task_id).await? else {
            continue;
        };
        let met = exchange::met_in(import.format, &task.spec.unwrap_or_default().metadata);
        let own = |id: String| id.strip_prefix(prefix).map(str::to_owned).unwrap_or(id);
        met_before.insert(id.clone(), met.into_iter().map(own).collect());
    }
    Ok(met_before)
}

/// The task with this id; `None` when there is none, or no task can have it.
async fn task_there(client: &Client, task_id: String) -> anyhow::Result<Option<Task>> {
    let doing = format!("cannot look for task {task_id}");
    match client.call(GetTaskRequest { task_id }).await {
        Ok(answer) => Ok(answer.task),
        Err(failure)
            if matches!(
                failure.reason(),
                Some(Reason::TaskNotFound | Reason::FieldInvalid)
            ) =>
        {
            Ok(None)
        }
        Err(failure) => Err(client.failure(doing)(failure)),
    }
}

fn statuses(log: &Path) -> anyhow::Result<exchange::Statuses> {
    let (origin, text) = source::text_of(log, "the log")?;
    let unreadable = |why| Failure::new(Exit::Usage, format!("cannot read the log {origin}: {why}"));
    Ok(execution_log::statuses(&text).map_err(unreadable)?)
}

/// The name of the file without its ending, if a job can be called so.
fn job_name(file: &Path) -> String {
    let stem = file
        .file_stem()
        .filter(|stem| file != Path::new("-") && *stem != value::LAST);
    let name = stem.map_or_else(|| "import".to_owned(), |stem| stem.to_string_lossy().into_owned());
    name[..name.floor_char_boundary(MAX_NAME_BYTES)].to_owned()
}
