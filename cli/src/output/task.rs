//! Tasks in columns, and a task on a page.

use std::time::Duration;

use swarm_proto::v1::{
    Attempt, AttemptOutcome, CancelledWork, Command, GetServerInfoResponse, Output as TaskOutput, Task,
    TaskSpec, TaskState, task_spec::Work,
};

use super::{
    Listing, inputs,
    names::Names,
    page::Page,
    sheet::{Ink, Sheet},
    state,
    table::Table,
    text,
};

/// What a task has and a list of tasks has not, for it may be large.
const NOT_LISTED: &[(&str, &str)] = &[(
    "result",
    "logs ID prints what a task printed, and inspect ID -o json has its whole result",
)];

/// Tasks as a list.
pub fn listing(tasks: &[Task], names: &Names) -> Listing {
    let mut names = names.clone();
    for task in tasks {
        names.know_task(&task.task_id, task.spec.as_ref().map_or("", |spec| &spec.name));
    }
    let mut table = Table::new([
        "WHAT",
        "ID",
        "STATE",
        "AGENT",
        "TOOK",
        "SUBMITTED",
        "QUEUE",
        "PRIORITY",
        "ATTEMPTS",
        "STARTED",
        "ENDED",
        "JOB",
        "LABELS",
        "REASON",
    ])
    .free_text(&["WHAT", "AGENT", "LABELS", "REASON"])
    .numbers(&["TOOK", "PRIORITY", "ATTEMPTS"])
    .usual("QUEUE", &["default"])
    .usual("PRIORITY", &["0"])
    .usual("ATTEMPTS", &["0", "1"])
    .dispensable(&["PRIORITY", "ATTEMPTS", "QUEUE", "SUBMITTED"])
    .last_to_go(&["AGENT", "TOOK", "REASON"])
    .extra(&["STARTED", "ENDED", "JOB", "LABELS"])
    .paths(&[
        ("ID", "task_id"),
        ("SUBMITTED", "create_time"),
        ("QUEUE", "spec.queue"),
        ("PRIORITY", "spec.priority"),
        ("STARTED", "start_time"),
        ("ENDED", "end_time"),
        ("JOB", "job_id"),
        ("LABELS", "spec.labels"),
    ]);
    for task in tasks {
        let spec = task.spec.clone().unwrap_or_default();
        let took = took(task);
        table.row([
            what(&spec),
            task.task_id.clone(),
            task_state(task),
            task.attempts
                .last()
                .map_or_else(String::new, |newest| names.agent(&newest.agent_id).into_owned()),
            took.map(text::took).unwrap_or_default(),
            text::ago(task.create_time.as_ref()),
            queue(&spec).to_owned(),
            spec.priority.to_string(),
            task.attempt_count.to_string(),
            text::ago(task.start_time.as_ref()),
            text::ago(task.end_time.as_ref()),
            task.job_id.clone(),
            text::pairs(&spec.labels),
            why(task, &names),
        ]);
        table.sort_by("TOOK", took.map(|took| took.as_secs_f64()));
        for (heading, time) in [
            ("SUBMITTED", &task.create_time),
            ("STARTED", &task.start_time),
            ("ENDED", &task.end_time),
        ] {
            table.sort_by(heading, time.as_ref().map(text::seconds));
        }
    }
    Listing::of_messages("tasks", tasks, |task| &task.task_id, table).without(NOT_LISTED)
}

/// `left 1 file (12 B), removed; --cwd DIR keeps what it writes there`; nothing when no file was removed.
pub fn removed(output: &TaskOutput) -> Option<String> {
    if output.removed_files == 0 {
        return None;
    }
    let files = text::counted(output.removed_files, "file");
    let bytes = text::bytes(output.removed_bytes);
    Some(format!(
        "left {files} ({bytes}), removed; --cwd DIR keeps what it writes there"
    ))
}

/// The same behind the task's name; `None` when no file was removed.
pub fn removed_line(task: &Task) -> Option<String> {
    let removed = removed(task.result.as_ref()?.output.as_ref()?)?;
    Some(format!(
        "{}: {removed}",
        what(&task.spec.clone().unwrap_or_default())
    ))
}

/// Everything about a task that fits a page of this width, without its output and attempts. `defaults` has what the
/// coordinator does unless a task says otherwise.
pub fn page(task: &Task, names: &Names, defaults: &GetServerInfoResponse, width: Option<usize>) -> Sheet {
    let spec = task.spec.clone().unwrap_or_default();
    let mut page = Page::default();
    page.add("task", &task.task_id)
        .add("name", &spec.name)
        .add("state", task_state(task))
        .add("reason", reason(task, names))
        .add("job", names.job(&task.job_id))
        .add(
            if matches!(spec.work, Some(Work::Prompt(_))) {
                "prompt"
            } else {
                "command"
            },
            command_line(&spec),
        )
        .add("model", model(&spec))
        .add(
            "files",
            task.result
                .as_ref()
                .and_then(|result| removed(result.output.as_ref()?))
                .unwrap_or_default(),
        )
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
                .map(|on| names.task(&on.task_id))
                .collect::<Vec<_>>()
                .join(", "),
        )
        .add("waits for", unmet(task, names))
        .add("inputs", inputs::cut(task))
        .add("timeout", timeout(&spec, defaults))
        .add("retries", retries(&spec, task, defaults))
        .add("not before", text::time(spec.not_before.as_ref()))
        .add("deadline", text::time(spec.deadline.as_ref()))
        .add("submitted", text::time_and_age(task.create_time.as_ref()))
        .add("due", text::time_and_age(task.due_time.as_ref()))
        .add("started", text::time_and_age(task.start_time.as_ref()))
        .add("ended", text::time_and_age(task.end_time.as_ref()))
        .add("took", took(task).map(text::took).unwrap_or_default())
        .add("tries", tries(task))
        .add(
            "round",
            if task.round > 1 {
                task.round.to_string()
            } else {
                String::new()
            },
        );
    page.sheet(width)
}

fn timeout(spec: &TaskSpec, defaults: &GetServerInfoResponse) -> String {
    match (&spec.timeout, &defaults.default_timeout) {
        (Some(own), _) => text::duration(own),
        (None, Some(usual)) => format!("{} (the coordinator's default)", text::duration(usual)),
        (None, None) => String::new(),
    }
}

fn retries(spec: &TaskSpec, task: &Task, defaults: &GetServerInfoResponse) -> String {
    let own = spec.retry.as_ref().and_then(|retry| retry.max_retries);
    match (own, &task.tries) {
        (Some(own), _) => own.to_string(),
        (None, Some(tries)) => format!("{} (the coordinator's default)", tries.max_retries),
        (None, None) if defaults.default_timeout.is_some() => {
            format!("{} (the coordinator's default)", defaults.default_retries)
        }
        (None, None) => String::new(),
    }
}

/// How long the newest attempt took, or has been running.
pub fn took(task: &Task) -> Option<Duration> {
    let newest = task.attempts.last()?;
    match newest.outcome() {
        AttemptOutcome::Running => text::since(newest.start_time.as_ref()),
        _ => text::between(newest.start_time.as_ref(), newest.end_time.as_ref()),
    }
}

/// The attempts of a task under a heading; nothing before the first.
pub fn attempts(task: &Task, names: &Names, width: Option<usize>) -> Sheet {
    let mut sheet = Sheet::default();
    if task.attempts.is_empty() {
        return sheet;
    }
    let mut table = Table::new(["#", "OUTCOME", "AGENT", "STARTED", "TOOK", "WHY"])
        .free_text(&["AGENT", "WHY"])
        .numbers(&["#", "TOOK"])
        .dispensable(&["STARTED", "TOOK", "AGENT"]);
    for attempt in &task.attempts {
        table.row([
            attempt.attempt.to_string(),
            state::attempt(attempt.outcome()).to_owned(),
            names.agent(&attempt.agent_id).into_owned(),
            text::ago(attempt.start_time.as_ref()),
            match attempt.outcome() {
                AttemptOutcome::Running => text::elapsed(attempt.start_time.as_ref()),
                _ => text::span(attempt.start_time.as_ref(), attempt.end_time.as_ref()),
            },
            ending(attempt),
        ]);
    }
    sheet.lines(Ink::Faint, "attempts");
    sheet.table(&table, &table.layout(width));
    let left_out = (task.attempt_count as usize).saturating_sub(task.attempts.len());
    if left_out > 0 {
        let left_out = text::counted(left_out as u64, "attempt");
        sheet.lines(Ink::Faint, &format!("({left_out} in between not kept)"));
    }
    sheet
}

/// How an attempt ended, in words: `exit 3: make: *** [all] Error 2`, `cannot start './thumb.sh': there is …`.
pub fn ending(attempt: &Attempt) -> String {
    let message = text::with_local_times(&attempt.message);
    match (short_ending(attempt), message.as_str()) {
        (Some(short), "") => short,
        (Some(short), message) if !short.contains(message) => format!("{short}: {message}"),
        (Some(short), _) => short,
        (None, "") => attempt.failure_reason.clone(),
        (None, message) => message.to_owned(),
    }
}

/// `exit 3`, `signal 9` or `timeout`; nothing for an ending that only a sentence tells.
fn short_ending(attempt: &Attempt) -> Option<String> {
    match (attempt.failure_reason.as_str(), attempt.exit_code, attempt.signal) {
        ("timeout", _, _) => Some("timeout".to_owned()),
        (_, _, Some(signal)) => Some(format!("signal {signal}")),
        (_, Some(code), None) => Some(format!("exit {code}")),
        (_, None, None) => None,
    }
}

/// What a table says beside a task's state: why it is in it, or else that its inputs were cut.
pub fn why(task: &Task, names: &Names) -> String {
    let reason = reason(task, names);
    if reason.is_empty() {
        inputs::cut(task)
    } else {
        reason
    }
}

/// Why a task is in its state, as short as a table wants it: `exit 3 (3 tries)`, `waits for fetch`.
fn reason(task: &Task, names: &Names) -> String {
    let named = |sentence: &str| {
        let ids = task.spec.iter().flat_map(|spec| &spec.depends_on);
        let sentence = text::with_local_times(sentence);
        names.in_sentence(&sentence, ids.map(|on| on.task_id.as_str()))
    };
    let failed = task
        .attempts
        .last()
        .filter(|last| task.state() == TaskState::Failed && last.outcome() == AttemptOutcome::Failed);
    match failed {
        // A deadline is a reason beside what the last attempt came to.
        Some(last) if !task.reason.contains("deadline") => {
            let ending = short_ending(last).unwrap_or_else(|| ending(last));
            let tries = task.tries.as_ref().map_or(0, |tries| tries.failures);
            match (ending.as_str(), tries) {
                ("", _) => named(&task.reason),
                (_, 0 | 1) => ending,
                (_, tries) => format!("{ending} ({tries} tries)"),
            }
        }
        Some(_) | None if task.reason.is_empty() && task.unmet_dependency_count > 0 => {
            format!("waits for {}", unmet(task, names))
        }
        Some(_) | None => named(&task.reason),
    }
}

/// The task's state, with what beside it matters.
pub fn task_state(task: &Task) -> String {
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

fn unmet(task: &Task, names: &Names) -> String {
    const SHOWN: usize = 5;
    let first = task.unmet_dependencies.iter().take(SHOWN);
    let mut shown: Vec<String> = first.map(|id| names.task(id).to_owned()).collect();
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
    let most = text::counted(u64::from(tries.max_retries) + 1, "failure");
    let mut parts = vec![format!("{} of {most}", tries.failures)];
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
pub fn command_line(spec: &TaskSpec) -> String {
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
