//! Tasks in columns, and a task on a page.

use std::fmt::Write as _;

use swarm_proto::v1::{CancelledWork, Command, Task, TaskSpec, task_spec::Work};

use super::{Listing, page::Page, state, table::Table, text};

/// Tasks as a list.
pub fn listing(tasks: &[Task]) -> Listing {
    let mut table = Table::new([
        "ID",
        "STATE",
        "WHAT",
        "QUEUE",
        "PRIORITY",
        "ATTEMPTS",
        "SUBMITTED",
        "STARTED",
        "ENDED",
        "JOB",
        "AGENT",
        "LABELS",
        "REASON",
    ])
    .free_text(&["WHAT", "LABELS", "REASON"])
    .dispensable(&["PRIORITY", "ATTEMPTS", "QUEUE", "SUBMITTED", "REASON"])
    .extra(&["STARTED", "ENDED", "JOB", "AGENT", "LABELS"]);
    for task in tasks {
        let spec = task.spec.clone().unwrap_or_default();
        table.row([
            task.task_id.clone(),
            task_state(task),
            what(&spec),
            queue(&spec).to_owned(),
            spec.priority.to_string(),
            task.attempt_count.to_string(),
            text::time(task.create_time.as_ref()),
            text::time(task.start_time.as_ref()),
            text::time(task.end_time.as_ref()),
            task.job_id.clone(),
            task.attempts
                .last()
                .map_or_else(String::new, |newest| newest.agent_id.clone()),
            text::pairs(&spec.labels),
            reason(task),
        ]);
    }
    Listing::of_messages("tasks", tasks, |task| &task.task_id, table)
}

/// Everything about a task that fits a page of this width, without its output.
pub fn page(task: &Task, width: Option<usize>) -> String {
    let spec = task.spec.clone().unwrap_or_default();
    let mut page = Page::default();
    page.add("task", &task.task_id)
        .add("name", &spec.name)
        .add("state", task_state(task))
        .add("reason", &task.reason)
        .add("job", &task.job_id)
        .add(
            if matches!(spec.work, Some(Work::Prompt(_))) {
                "prompt"
            } else {
                "command"
            },
            command_line(&spec),
        )
        .add("model", model(&spec))
        .add("directory", command(&spec).map_or("", |command| &command.cwd))
        .add(
            "environment",
            command(&spec).map_or_else(String::new, |command| text::pairs(&command.env)),
        )
        .add("queue", queue(&spec))
        .add("priority", spec.priority.to_string())
        .add("labels", text::pairs(&spec.labels))
        .add(
            "requires",
            spec.requirements
                .as_ref()
                .map(|asked| asked.labels.join(", "))
                .unwrap_or_default(),
        )
        .add("exclusive", &spec.exclusive_group)
        .add("shard key", &spec.shard_key)
        .add("metadata", text::pairs(&spec.metadata))
        .add(
            "depends on",
            spec.depends_on
                .iter()
                .map(|on| on.task_id.as_str())
                .collect::<Vec<_>>()
                .join(", "),
        )
        .add("waits for", unmet(task))
        .add(
            "timeout",
            spec.timeout.as_ref().map(text::duration).unwrap_or_default(),
        )
        .add("not before", text::time(spec.not_before.as_ref()))
        .add("deadline", text::time(spec.deadline.as_ref()))
        .add("submitted", text::time(task.create_time.as_ref()))
        .add("due", text::time(task.due_time.as_ref()))
        .add("started", text::time(task.start_time.as_ref()))
        .add("ended", text::time(task.end_time.as_ref()))
        .add("tries", tries(task))
        .add(
            "round",
            if task.round > 1 {
                task.round.to_string()
            } else {
                String::new()
            },
        );
    let mut page = page.to_string();
    if !task.attempts.is_empty() {
        page.push_str("\nattempts\n");
        page.push_str(&attempts(task).within(width));
        let left_out = task.attempt_count as usize - task.attempts.len().min(task.attempt_count as usize);
        if left_out > 0 {
            let _ = writeln!(
                page,
                "({} in between not kept)",
                text::counted(left_out as u64, "attempt")
            );
        }
    }
    page
}

fn attempts(task: &Task) -> Table {
    let mut table = Table::new(["#", "OUTCOME", "AGENT", "STARTED", "TOOK", "WHY"])
        .free_text(&["WHY"])
        .dispensable(&["STARTED", "TOOK", "AGENT"]);
    for attempt in &task.attempts {
        let ending = match (attempt.exit_code, attempt.signal) {
            (_, Some(signal)) => format!("signal {signal}"),
            (Some(code), None) => format!("exit code {code}"),
            (None, None) => attempt.failure_reason.clone(),
        };
        let why = [ending.as_str(), attempt.message.as_str()];
        table.row([
            attempt.attempt.to_string(),
            state::attempt(attempt.outcome()).to_owned(),
            attempt.agent_id.clone(),
            text::time(attempt.start_time.as_ref()),
            text::span(attempt.start_time.as_ref(), attempt.end_time.as_ref()),
            why.into_iter()
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join(": "),
        ]);
    }
    table
}

fn task_state(task: &Task) -> String {
    let shown = state::task(task.state());
    let beside = match task.cancelled_work() {
        CancelledWork::Unspecified if task.cancel_requested && !state::is_final(task.state()) => "cancelling",
        CancelledWork::Unspecified => return shown.to_owned(),
        CancelledWork::NotStarted => "not started",
        CancelledWork::Ended => "ended",
        CancelledWork::Succeeded => "had succeeded",
        CancelledWork::Failed => "had failed",
        CancelledWork::Unknown => "lost",
    };
    format!("{shown} ({beside})")
}

fn reason(task: &Task) -> String {
    if task.reason.is_empty() && task.unmet_dependency_count > 0 {
        format!("waits for {}", unmet(task))
    } else {
        task.reason.clone()
    }
}

fn unmet(task: &Task) -> String {
    const SHOWN: usize = 5;
    let mut shown: Vec<String> = task.unmet_dependencies.iter().take(SHOWN).cloned().collect();
    let left = (task.unmet_dependency_count as usize).saturating_sub(shown.len());
    if left > 0 {
        shown.push(format!("{left} more"));
    }
    shown.join(", ")
}

fn tries(task: &Task) -> String {
    let Some(tries) = &task.tries else {
        return String::new();
    };
    let mut parts = vec![format!(
        "{} of {} failures",
        tries.failures,
        tries.max_retries + 1
    )];
    for (count, what) in [
        (tries.losses, "lost with their machine"),
        (tries.provider_limits, "met a provider's limit"),
        (tries.undelivered, "never delivered"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    parts.join(", ")
}

/// A task in a few words: its name, or else its work.
pub fn what(spec: &TaskSpec) -> String {
    if spec.name.is_empty() {
        command_line(spec)
    } else {
        spec.name.clone()
    }
}

fn command(spec: &TaskSpec) -> Option<&Command> {
    match &spec.work {
        Some(Work::Command(command)) => Some(command),
        Some(Work::Prompt(_)) | None => None,
    }
}

fn model(spec: &TaskSpec) -> &str {
    match &spec.work {
        Some(Work::Prompt(prompt)) => &prompt.model,
        Some(Work::Command(_)) | None => "",
    }
}

/// The command as a person would type it. A command for a shell is its script alone, and a prompt is its text.
fn command_line(spec: &TaskSpec) -> String {
    match command(spec).map(|command| command.argv.as_slice()) {
        Some([sh, c, script]) if sh == "sh" && c == "-c" => script.clone(),
        Some(argv) => argv
            .iter()
            .map(|word| text::shell_word(word))
            .collect::<Vec<_>>()
            .join(" "),
        None => match &spec.work {
            Some(Work::Prompt(prompt)) => prompt.text.clone(),
            Some(Work::Command(_)) | None => String::new(),
        },
    }
}

/// The task's queue.
pub fn queue(spec: &TaskSpec) -> &str {
    if spec.queue.is_empty() {
        "default"
    } else {
        &spec.queue
    }
}
