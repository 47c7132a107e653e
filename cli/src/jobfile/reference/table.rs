//! The table of the fields. A field that is not in it is unknown to the parser.

use swarm_proto::limits::MAX_RETRIES;

use super::{Field, Form, Section};

/// A row of the table: a field with neither other names nor a default.
const fn field(name: &'static str, form: Form, meaning: &'static str, example: &'static str) -> Field {
    Field {
        name,
        also: &[],
        form,
        default: "",
        meaning,
        example,
    }
}

impl Field {
    const fn or(mut self, also: &'static [&'static str]) -> Field {
        self.also = also;
        self
    }

    const fn without(mut self, default: &'static str) -> Field {
        self.default = default;
        self
    }
}

const JOB_ID: Field = field(
    "id",
    Form::Id,
    "The job's id. A repeated submit of the same ids starts nothing and ends with code 11; {date} and {time} in \
     it, or submit --again, make each run a job of its own.",
    "nightly-2026-03-01",
)
.or(&["job_id"])
.without("made out of the tasks' ids where all are written, else made up");
const JOB_NAME: Field = field(
    "name",
    Form::Text,
    "The job's name for people, and for every verb that takes a job.",
    "nightly",
);
const JOB_LABELS: Field = field(
    "labels",
    Form::Pairs,
    "The job's labels, for people: `job show` has them.",
    "{team: search}",
);

pub(crate) static FILE: Section = Section {
    title: "The file",
    about: "YAML, or JSON, in UTF-8: one map. Only `tasks` has to be there.",
    fields: &[
        field(
            "tasks",
            Form::Tasks,
            "The tasks of the job, at most 10,000. They are submitted together, all or none, as one job.",
            "[{run: make}]",
        ),
        JOB_NAME,
        JOB_ID,
        JOB_LABELS,
        field(
            "defaults",
            Form::MapOf(&[&SHARED, &DESCRIPTIVE]),
            "What holds for every task that does not say otherwise: every field of a task but those of its own. \
             Maps such as env are joined.",
            "{timeout: 10m, retries: 2}",
        ),
        field(
            "job",
            Form::Map(&JOB),
            "The job's own fields in a map of their own, as the protocol has them.",
            "{name: nightly}",
        ),
    ],
};

pub(crate) static JOB: Section = Section {
    title: "job",
    about: "The same fields as at the top of the file.",
    fields: &[JOB_NAME, JOB_ID, JOB_LABELS],
};

pub(crate) static OWN: Section = Section {
    title: "A task: what is its own",
    about: "A task needs `run`, or another kind of work. None of these stands in `defaults`.",
    fields: &[
        field(
            "run",
            Form::Command,
            "The command. A text is a line for sh -c; a list is a program with its arguments, which no shell reads.",
            "make -j2 && make check",
        ),
        field(
            "name",
            Form::Text,
            "A name that is unique in the file. Other tasks refer to it, and people see it.",
            "build",
        ),
        field(
            "id",
            Form::Id,
            "The task's id on the coordinator, where each id is used once: a repeated submit starts nothing. A file \
             that is meant to run again has names instead, or {date} and {time} in its ids.",
            "build-17",
        )
        .or(&["task_id"])
        .without("made out of the job's id and the name in a job with an id, else made up"),
        field(
            "depends_on",
            Form::References,
            "Tasks that have to succeed first, by name or id: of this file, or already on the coordinator. \
             At most 1,000. The name of a series means all of its tasks.",
            "[fetch, {task: clean, condition: finished}]",
        )
        .or(&["dependencies"]),
        field(
            "array",
            Form::Numbers,
            "Makes a task for each number. It has its number in ARRAY_INDEX and in place of {} in the command, \
             where \\{} stays as a {}; its id and name are those of this entry with the number behind.",
            "1-5",
        ),
        field(
            "each_line",
            Form::Lines,
            "Makes a task for each text of a list, or for each line of a file that is not empty. It has its line \
             in ENTRY and in place of {} in the command, where \\{} stays as a {}, and the number of the line in \
             ARRAY_INDEX.",
            "[a.jpg, b.jpg]",
        ),
        field(
            "command",
            Form::CommandOr(&COMMAND),
            "The command as the protocol has it; without fields of its own it is the same as run.",
            "{argv: [sort, -n], stdin: \"2 1\"}",
        ),
        field(
            "prompt",
            Form::TextOr(&PROMPT),
            "A text for a language model in place of a command. No agent of this version runs prompts: such a \
             task waits.",
            "Summarise the changes",
        ),
        field(
            "spec",
            Form::MapOf(&[&OWN, &SHARED, &DESCRIPTIVE]),
            "The fields of the task in a map of their own, as the protocol has them.",
            "{queue: slow}",
        ),
    ],
};

pub(crate) static SHARED: Section = Section {
    title: "A task: where, when and how often",
    about: "These stand in `defaults` as well.",
    fields: &[
        field("queue", Form::Id, "The queue it waits in.", "slow").without("default"),
        field(
            "priority",
            Form::Priority,
            "Higher goes first. Queues take turns among equal ones, and in a queue the older goes first.",
            "high",
        )
        .without("normal, which is 0"),
        field(
            "timeout",
            Form::Duration,
            "How long one attempt may run; at most 30d. The attempt is ended then, and counts as failed.",
            "10m",
        )
        .without("the coordinator's --default-timeout, which is 1h"),
        field(
            "retries",
            Form::Number(0..=MAX_RETRIES),
            "Further tries after the first failure. The loss of a machine uses up none.",
            "3",
        )
        .without("the coordinator's --default-retries, which is 2"),
        field(
            "env",
            Form::Pairs,
            "Variables of its environment. Their values are shown to nobody but the agent.",
            "{LANG: C, DEPTH: 3}",
        ),
        field(
            "cwd",
            Form::Directory,
            "Where it runs, on the agent's machine.",
            "/srv/data",
        )
        .without("a fresh directory, removed when the task succeeds"),
        field(
            "requires",
            Form::Terms,
            "What the labels of its agent have to meet, all of it; at most 16 terms.",
            "[gpu=a100, '!spot']",
        )
        .or(&["requirements"]),
        field(
            "labels",
            Form::Pairs,
            "Labels for people and filters; at most 64.",
            "{stage: two}",
        ),
        field(
            "deadline",
            Form::Deadline,
            "The task fails unless it has ended by then.",
            "6h",
        ),
        field(
            "not_before",
            Form::Time,
            "It is not started before this time.",
            "2026-03-01T02:00:00+01:00",
        ),
        field(
            "delay",
            Form::Duration,
            "It is not started before this long after the submit.",
            "90s",
        ),
        field(
            "stdin",
            Form::Text,
            "Its standard input. A task has at most 64 KiB in all.",
            "hello",
        )
        .without("empty"),
        field(
            "stdin_base64",
            Form::Base64,
            "The same for input that is no text.",
            "aGVsbG8K",
        ),
        field(
            "exclusive_group",
            Form::Text,
            "Of the tasks with the same group at most one runs at a time.",
            "deploy",
        ),
        field(
            "retry",
            Form::Map(&RETRY),
            "How often it is tried again, and after which pause.",
            "{max_retries: 5, initial_backoff: 1m}",
        ),
        field(
            "shard_key",
            Form::Text,
            "A text whose hash chooses the shard.",
            "customer-7",
        )
        .without("the exclusive group, or else the id"),
        field(
            "metadata",
            Form::Values,
            "Kept, shown and given back, and never interpreted; at most 64 entries.",
            "{ticket: 7}",
        ),
        field(
            "model",
            Form::Text,
            "Which model a prompt is for. A task with a command keeps it in its metadata.",
            "llama-3.1-8b-instant",
        ),
    ],
};

pub(crate) static DESCRIPTIVE: Section = Section {
    title: "A task: for people",
    about: "Other systems have these. They are kept in the task's metadata and change nothing but what is said below.",
    fields: &[
        field(
            "description",
            Form::Text,
            "What it is about.",
            "Build the release",
        ),
        field(
            "parallel_safe",
            Form::Switch,
            "When false, at most one such task of the job runs at a time.",
            "false",
        )
        .without("true"),
        field("phase", Form::Anything, "A stage of the work.", "analysis"),
        field("files", Form::Anything, "Files it is about.", "[src/main.rs]"),
        field(
            "estimated_hours",
            Form::Anything,
            "How long it may take people.",
            "1.5",
        ),
        field(
            "acceptance_criteria",
            Form::Anything,
            "When it is done well.",
            "[it works]",
        ),
        field(
            "design_docs",
            Form::Anything,
            "Documents it follows.",
            "[design.md]",
        ),
        field(
            "intensity",
            Form::Anything,
            "How much effort it deserves.",
            "high",
        ),
        field(
            "budget",
            Form::Anything,
            "What it may cost. Nothing watches over it yet.",
            "{max: 0.10}",
        ),
        field("min_budget", Form::Anything, "What it costs at least.", "0.05"),
        field(
            "max_budget",
            Form::Anything,
            "What it may cost. Nothing watches over it yet.",
            "0.10",
        ),
    ],
};

pub(crate) static DEPENDENCY: Section = Section {
    title: "An entry of depends_on",
    about: "A name or an id alone means that the task has to succeed.",
    fields: &[
        field("task", Form::Text, "The name or id of the other task.", "fetch").or(&["task_id"]),
        field(
            "condition",
            Form::Text,
            "succeeded, or finished: then its end is enough, whatever it is.",
            "finished",
        )
        .without("succeeded"),
    ],
};

pub(crate) static RETRY: Section = Section {
    title: "retry",
    about: "The pause before a try is random, and doubles with each failure.",
    fields: &[
        field(
            "max_retries",
            Form::Number(0..=MAX_RETRIES),
            "The same as retries.",
            "3",
        )
        .without("the coordinator's --default-retries, which is 2"),
        field(
            "initial_backoff",
            Form::Duration,
            "The longest first pause; at most 1d.",
            "10s",
        )
        .without("5s"),
        field(
            "max_backoff",
            Form::Duration,
            "The longest pause of all; at most 1d.",
            "1h",
        )
        .without("5m"),
    ],
};

pub(crate) static COMMAND: Section = Section {
    title: "command",
    about: "The fields other than argv may stand in the task itself.",
    fields: &[
        field(
            "argv",
            Form::Words,
            "The program and its arguments.",
            "[sort, -n]",
        ),
        field("cwd", Form::Directory, "As in the task.", "/srv/data"),
        field("env", Form::Pairs, "As in the task.", "{LANG: C}"),
        field("stdin", Form::Text, "As in the task.", "hello"),
        field("stdin_base64", Form::Base64, "As in the task.", "aGVsbG8K"),
    ],
};

pub(crate) static PROMPT: Section = Section {
    title: "prompt",
    about: "No agent of this version runs prompts.",
    fields: &[
        field("text", Form::Text, "What to ask.", "Summarise the changes"),
        field("model", Form::Text, "Which model.", "llama-3.1-8b-instant").without("the agent's choice"),
    ],
};
