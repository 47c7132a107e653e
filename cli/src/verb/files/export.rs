//! `swarmctl export`: tasks in the formats of other systems, and in ours.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::ValueEnum;
use swarm_program::{exit::Exit, failure::Failure};
use swarm_proto::{
    limits::MAX_PAGE_ITEMS,
    v1::{Job, StreamEventsRequest},
};
use tempfile::NamedTempFile;

use crate::{
    call::{
        client::Client,
        follow::Follower,
        pages::Pages,
        subject::{Finder, Purpose},
    },
    exchange::{self, document::Document, execution_log::Lines},
    output::text,
    program::{
        clock,
        globals::Globals,
        interrupt::unless_interrupted,
        terminal::{fault, note},
    },
    verb::look::filter::Filter,
};

const EXAMPLES: &str = "\
Examples:
  swarmctl export tasks.yaml                   every task, as a job file
  swarmctl export completed.yaml --format amplifier --state succeeded
  swarmctl export --format execution_log.jsonl | grep failed";

const FORMATS: &str = "\
Status in the file, for a task that is here blocked, delayed, queued or waiting / running / succeeded / \
failed or skipped:
  queue.json                                   pending / in_progress / completed / failed
  amplifier                                    not_started / in_progress / completed / failed
  agentvine                                    queued / in_progress / completed / failed
A cancelled task is cancelled for AgentVine and failed for the others. A job file has no status.

What the format has no place for is written under `swarm:` in a task, where import reads it; nothing is lost but the
values of environment variables, which a coordinator tells to nobody. The file appears when it is whole.";

/// What to export.
#[derive(Debug, clap::Args)]
#[command(before_help = EXAMPLES, after_help = FORMATS)]
pub struct Args {
    /// The file to write or replace; - is stdout
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// How to write it
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Jobfile)]
    format: Format,
    /// Of one job, a job file has the job, too.
    #[command(flatten)]
    filter: Filter,
}

/// What can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Our own job file, as submit -f takes it
    #[value(alias = "yaml")]
    Jobfile,
    /// The queue of Vivarium and Black Swarm
    #[value(name = "queue.json")]
    QueueJson,
    /// The task file of Amplifier Swarm
    Amplifier,
    /// A list of AgentVine's tasks
    Agentvine,
    /// The events, as Vivarium and Black Swarm log them
    #[value(name = "execution_log.jsonl")]
    ExecutionLog,
}

/// Writes tasks, or their events.
///
/// # Errors
///
/// When there is no such job, the coordinator refuses or cannot be reached, or the file cannot be written.
pub async fn run(args: Args, globals: &Globals) -> anyhow::Result<Exit> {
    if args.format == Format::ExecutionLog && !args.filter.is_at_most_a_job() {
        let sentence = "an execution log has events: of what chooses tasks, only --job works for it";
        return Err(Failure::new(Exit::Usage, sentence).into());
    }
    let client = Client::open(globals)?;
    match unless_interrupted(write(&client, &args)).await {
        Ok(result) => result.map(|()| Exit::Done),
        Err(signal) => {
            fault("interrupted; nothing was written in place of a file");
            Ok(signal)
        }
    }
}

async fn write(client: &Client, args: &Args) -> anyhow::Result<()> {
    let job = match &args.filter.job {
        Some(id) => Some(Finder::to_look(client).job(id).await?),
        None => None,
    };
    let mut target = Target::open(&args.file)?;
    let format = match args.format {
        Format::Jobfile => exchange::Format::Jobfile,
        Format::QueueJson => exchange::Format::QueueJson,
        Format::Amplifier => exchange::Format::Amplifier,
        Format::Agentvine => exchange::Format::Agentvine,
        Format::ExecutionLog => {
            let lines = write_log(client, job, &mut target).await?;
            return target.finish(&text::counted(lines, "event"));
        }
    };
    let (tasks, notes) = write_tasks(client, args, job, format, &mut target).await?;
    target.finish(&text::counted(tasks, "task"))?;
    notes.iter().for_each(note);
    Ok(())
}

/// Writes tasks page by page. Returns their number, and notes for a person.
async fn write_tasks(
    client: &Client,
    args: &Args,
    job: Option<Job>,
    format: exchange::Format,
    target: &mut Target,
) -> anyhow::Result<(u64, Vec<String>)> {
    let mut filter = args.filter.clone();
    filter.job = job.as_ref().map(|job| job.job_id.clone());
    let filter = filter.request(client, Purpose::Look).await?;
    let mut pages = Pages::new(client, filter);
    let cannot = target.cannot();
    let now = clock::now();
    let mut document = Document::begin(target, format, job.as_ref(), now).context(cannot.clone())?;
    while let Some(page) = pages.next(MAX_PAGE_ITEMS).await? {
        for task in &page {
            document.task(task).context(cannot.clone())?;
        }
    }
    let tasks = document.tasks();
    Ok((tasks, document.end().context(cannot)?))
}

/// Writes events from the oldest kept to the newest. Returns the number of lines.
async fn write_log(client: &Client, job: Option<Job>, target: &mut Target) -> anyhow::Result<u64> {
    let request = StreamEventsRequest {
        from_seq: Some(0),
        job_ids: job.map(|job| job.job_id).into_iter().collect(),
        ..StreamEventsRequest::default()
    };
    let failed = || client.failure("cannot read events");
    let mut follower = Follower::open(client, request).await.map_err(failed())?;
    let (mut lines, mut written) = (Lines::default(), 0);
    while let Some(event) = follower.next().await.map_err(|failure| failed()(failure))? {
        if let Some(line) = lines.line(&event) {
            writeln!(target, "{line}").context(target.cannot())?;
            written += 1;
        }
    }
    target.flush().context(target.cannot())?;
    Ok(written)
}

/// The target of an export. A file is written beside its path and renamed to it when complete.
enum Target {
    Stdout(io::BufWriter<io::Stdout>),
    File {
        out: io::BufWriter<NamedTempFile>,
        path: PathBuf,
    },
    /// An existing path that is no regular file, such as a pipe.
    Other {
        out: io::BufWriter<fs::File>,
        path: PathBuf,
    },
}

impl Target {
    fn open(path: &Path) -> anyhow::Result<Target> {
        if path == Path::new("-") {
            return Ok(Target::Stdout(io::BufWriter::new(io::stdout())));
        }
        let cannot = || format!("cannot write {}", path.display());
        match fs::metadata(path) {
            Ok(there) if !there.is_file() => {
                let file = fs::OpenOptions::new()
                    .write(true)
                    .open(path)
                    .with_context(cannot)?;
                let (out, path) = (io::BufWriter::new(file), path.to_owned());
                return Ok(Target::Other { out, path });
            }
            Ok(_) | Err(_) => {}
        }
        // A link's target is replaced, not the link.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let file = tempfile::Builder::new()
            .prefix(".export-")
            .permissions(fs::Permissions::from_mode(0o666))
            .tempfile_in(directory.unwrap_or(Path::new(".")))
            .with_context(cannot)?;
        let out = io::BufWriter::new(file);
        Ok(Target::File { out, path })
    }

    /// The beginning of a message about a failed write.
    fn cannot(&self) -> String {
        match self {
            Target::Stdout(_) => "cannot write to standard output".to_owned(),
            Target::File { path, .. } | Target::Other { path, .. } => {
                format!("cannot write {}", path.display())
            }
        }
    }

    /// Renames a file to its path, and tells its contents.
    fn finish(self, what: &str) -> anyhow::Result<()> {
        let cannot = self.cannot();
        match self {
            Target::Stdout(mut out) => out.flush().context(cannot)?,
            Target::Other { mut out, .. } => out.flush().context(cannot)?,
            Target::File { out, path } => {
                let file = out.into_inner().map_err(io::IntoInnerError::into_error);
                let file = file.context(cannot.clone())?;
                file.as_file().sync_all().context(cannot.clone())?;
                file.persist(&path).map_err(|error| error.error).context(cannot)?;
                note(format!("wrote {what} to {}", path.display()));
            }
        }
        Ok(())
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Target::Stdout(out) => out.write(bytes),
            Target::File { out, .. } => out.write(bytes),
            Target::Other { out, .. } => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Target::Stdout(out) => out.flush(),
            Target::File { out, .. } => out.flush(),
            Target::Other { out, .. } => out.flush(),
        }
    }
}
