//! What stands in place of the values of a task's environment variables, wherever it is shown.

use crate::v1::{Command, TaskSpec, task_spec::Work};

/// The variable with the number of a task in its series, of `submit --array` and `--each-line`.
pub const INDEX_VARIABLE: &str = "ARRAY_INDEX";

/// The variable with the line of a task in its series.
pub const LINE_VARIABLE: &str = "ENTRY";

/// What is shown in place of a value.
pub const MASK: &str = "***";

/// Masks the values of environment variables. A task's place in its series is no secret, and tells it from the others.
pub fn mask(command: &mut Command) {
    for (name, value) in &mut command.env {
        if name != INDEX_VARIABLE && name != LINE_VARIABLE {
            MASK.clone_into(value);
        }
    }
}

/// A spec as others see it.
pub fn masked(mut spec: TaskSpec) -> TaskSpec {
    if let Some(Work::Command(command)) = &mut spec.work {
        mask(command);
    }
    spec
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_masked_but_for_the_place_in_a_series() {
        let pairs = |pairs: &[(&str, &str)]| -> std::collections::BTreeMap<String, String> {
            pairs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect()
        };
        let mut command = Command {
            env: pairs(&[("TOKEN", "x"), ("ENTRY", "a.jpg"), ("ARRAY_INDEX", "3")]),
            ..Command::default()
        };
        mask(&mut command);
        assert_eq!(
            command.env,
            pairs(&[("TOKEN", "***"), ("ENTRY", "a.jpg"), ("ARRAY_INDEX", "3")])
        );
    }
}
