//! Requirements, exclusive groups, and prompts.

use swarm_proto::v1::{TaskSpec, task_spec::Work};

use super::{accepted, faults, parse, read, spec};

fn terms(spec: &TaskSpec) -> Vec<&str> {
    let requirements = spec.requirements.as_ref();
    requirements.map_or(Vec::new(), |requirements| {
        requirements.labels.iter().map(String::as_str).collect()
    })
}

#[test]
fn requirements_are_a_list_a_text_with_commas_or_a_map() {
    for requires in [
        "requires: [gpu=a100, '!spot', docker]",
        "requires: 'gpu=a100, !spot ,docker'",
        "requires: ['gpu=a100,!spot', docker]",
        "requirements: {labels: [gpu=a100, '!spot', docker]}",
    ] {
        let spec = spec(&format!("tasks: [{{run: x, {requires}}}]"));
        assert_eq!(terms(&spec), ["gpu=a100", "!spot", "docker"], "{requires}");
    }
    assert_eq!(
        terms(&spec(
            "tasks: [{run: x, requires: {gpu: a100, docker: , labels: x}}]"
        )),
        ["gpu=a100", "docker", "labels=x"]
    );
    assert!(spec("tasks: [{run: x, requires: []}]").requirements.is_none());
}

#[test]
fn a_tasks_own_requirements_take_the_place_of_the_defaults() {
    let text = "\
defaults: {requires: [os=linux], exclusive_group: db, shard_key: s, model: small}
tasks:
  - {id: a, run: x}
  - {id: b, run: x, requires: gpu, exclusive_group: '', shard_key: t}
  - {id: c, run: x, requires: []}
  - {id: d, prompt: Why?}
  - {id: e, prompt: {text: Why?, model: large}}
";
    let request = accepted(text).request;
    let spec = |index: usize| request.tasks[index].spec.clone().unwrap();
    assert_eq!(
        [terms(&spec(0)), terms(&spec(1)), terms(&spec(2))],
        [vec!["os=linux"], vec!["gpu"], vec![]]
    );
    assert_eq!(
        (spec(0).exclusive_group.as_str(), spec(1).exclusive_group.as_str()),
        ("db", "")
    );
    assert_eq!(
        (spec(0).shard_key.as_str(), spec(1).shard_key.as_str()),
        ("s", "t")
    );
    for (index, model) in [(3, "small"), (4, "large")] {
        let Some(Work::Prompt(prompt)) = spec(index).work else {
            panic!("no prompt")
        };
        assert_eq!((prompt.text.as_str(), prompt.model.as_str()), ("Why?", model));
    }
}

#[test]
fn tasks_that_are_not_parallel_safe_share_a_group_by_the_name_of_their_job_or_file() {
    let tasks = "tasks: [{id: a, run: x, parallel_safe: false}, {id: b, run: x, parallel_safe: true}, \
                 {id: c, run: x, parallel_safe: no, exclusive_group: own}]";
    let now = jiff::Timestamp::UNIX_EPOCH;
    for (text, origin, group) in [
        (format!("{tasks}\nname: nightly"), "dir/f.yaml", "nightly"),
        (format!("{tasks}\njob: {{name: late}}"), "dir/f.yaml", "late"),
        (tasks.to_owned(), "dir/night.ly.yaml", "night.ly"),
        (tasks.to_owned(), "stdin", "parallel-unsafe"),
    ] {
        let request = parse(&text, origin, now).unwrap().request;
        let groups: Vec<String> = request
            .tasks
            .iter()
            .map(|task| task.spec.clone().unwrap().exclusive_group)
            .collect();
        assert_eq!(groups, [group, "", "own"], "{origin}");
        // The field is kept, for an export of the file.
        assert_eq!(
            request.tasks[0].spec.as_ref().unwrap().metadata["parallel_safe"],
            "false"
        );
    }
}

#[test]
fn a_model_without_a_prompt_describes_the_task() {
    let spec = spec("tasks: [{run: x, model: large}]");
    assert_eq!(spec.metadata["model"], "large");
}

#[test]
fn faults_of_the_new_fields_have_their_places() {
    let text = "\
defaults: {prompt: x, requires: [a b]}
tasks:
  - {id: a, run: x, requires: [gpu=, =v, '!', [1]]}
  - {id: b, run: x, prompt: y, env: {A: b}, cwd: /}
  - {id: c, prompt: ' '}
  - {id: d, prompt: {text: x, modle: y}}
  - {id: e, run: x, requires: {'a b': c}, requirements: [x]}
  - {id: f, run: x, parallel_safe: maybe}
  - {id: g, command: [x], spec: {prompt: y}}
  - {id: h, prompt: {model: m}}
";
    let term = "is none of k=v, k!=v, k and !k, with letters, digits and . _ / - in key and value";
    assert_eq!(
        faults(text),
        [
            "1:12: `prompt` has no meaning in `defaults`".to_owned(),
            format!("1:34: `requires`: 'a b' {term}"),
            format!("3:38: `requires`: '=v' {term}"),
            format!("3:42: `requires`: '!' {term}"),
            "3:47: `requires` has to be a single value, and this is a list".to_owned(),
            "4:18: `run` is another kind of work than `prompt`: keep one of them".to_owned(),
            "4:37: `env` goes with a command, and this task is a prompt".to_owned(),
            "4:50: `cwd` goes with a command, and this task is a prompt".to_owned(),
            "5:21: `prompt` is empty".to_owned(),
            "6:31: unknown field `modle`".to_owned(),
            format!("7:32: `requires`: 'a b=c' {term}"),
            "7:43: `requirements` and `requires` say the same thing: keep one of them".to_owned(),
            "8:36: `parallel_safe`: 'maybe' is neither true nor false".to_owned(),
            "9:22: `command` is another kind of work than `prompt`: keep one of them".to_owned(),
            "10:13: `prompt` has no `text`".to_owned(),
        ]
    );
}

#[test]
fn a_requirement_that_is_a_task_was_meant_as_a_dependency() {
    let text = "tasks: [{name: build, run: x}, {name: t, run: x, requires: [build, build=1, other]}]";
    let printed = read(text).unwrap_err().to_string();
    assert_eq!(
        printed,
        "f:1:61: `requires` asks for a label of the agent, and 'build' is a task\n  \
         help: tasks that have to end first stand in `depends_on`"
    );
}
