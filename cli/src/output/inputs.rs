//! Inputs that are cut, in words: of what a dependency printed, a task was given only the end.

use swarm_proto::v1::{CutInput, Task};

use super::{task, text};

/// At most this many are named.
const NAMED: usize = 3;

/// `its input fetch was cut: of 575.1 KiB the last 63.9 KiB are there`; empty when every input is whole.
pub fn cut(task: &Task) -> String {
    let sizes = |input: &CutInput| (text::bytes(input.stdout_bytes), text::bytes(input.kept_bytes));
    match task.cut_inputs.as_slice() {
        [] => String::new(),
        [input] => {
            let (whole, kept) = sizes(input);
            format!(
                "its input {} was cut: of {whole} the last {kept} are there",
                name(input)
            )
        }
        inputs => {
            let named = inputs.iter().take(NAMED).map(|input| {
                let (whole, kept) = sizes(input);
                format!("{} ({kept} of {whole})", name(input))
            });
            let mut named = named.collect::<Vec<_>>().join(", ");
            let more = (task.cut_input_count as usize).saturating_sub(inputs.len().min(NAMED));
            if more > 0 {
                named += &format!(" and {more} more");
            }
            format!("its inputs were cut: {named}")
        }
    }
}

/// The same behind the task's name; `None` when every input is whole.
pub fn line(task: &Task) -> Option<String> {
    let spec = task.spec.clone().unwrap_or_default();
    (!task.cut_inputs.is_empty()).then(|| format!("{}: {}", task::what(&spec), cut(task)))
}

fn name(input: &CutInput) -> &str {
    match input.name.as_str() {
        "" => &input.task_id,
        name => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_inputs_are_told_with_what_is_left_of_them() {
        let told = |names: &[&str], count| {
            let inputs = names.iter().map(|name| CutInput {
                task_id: "k3v7".to_owned(),
                name: (*name).to_owned(),
                stdout_bytes: 588_895,
                kept_bytes: 65_530,
            });
            cut(&Task {
                cut_inputs: inputs.collect(),
                cut_input_count: count,
                ..Task::default()
            })
        };
        assert_eq!(told(&[], 0), "");
        assert_eq!(
            told(&["fetch"], 1),
            "its input fetch was cut: of 575.0 KiB the last 63.9 KiB are there"
        );
        let sizes = "(63.9 KiB of 575.0 KiB)";
        assert_eq!(
            told(&["a", ""], 2),
            format!("its inputs were cut: a {sizes}, k3v7 {sizes}")
        );
        assert_eq!(
            told(&["a", "b", "c", "d"], 40),
            format!("its inputs were cut: a {sizes}, b {sizes}, c {sizes} and 37 more")
        );
    }
}
