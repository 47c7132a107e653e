//! States of tasks, and how many tasks are in each.

use swarm_engine::noun::{counts::Counts, task::TaskState};
use swarm_proto::v1;

use super::field::Fields;

/// A state as it goes out.
pub(crate) fn state_message(state: TaskState) -> v1::TaskState {
    match state {
        TaskState::Blocked => v1::TaskState::Blocked,
        TaskState::Delayed => v1::TaskState::Delayed,
        TaskState::Queued => v1::TaskState::Queued,
        TaskState::Running => v1::TaskState::Running,
        TaskState::Succeeded => v1::TaskState::Succeeded,
        TaskState::Failed => v1::TaskState::Failed,
        TaskState::Cancelled => v1::TaskState::Cancelled,
        TaskState::Skipped => v1::TaskState::Skipped,
    }
}

/// Counts as they go out.
pub(crate) fn counts_message(counts: &Counts) -> v1::StateCounts {
    v1::StateCounts {
        blocked: counts.of(TaskState::Blocked),
        delayed: counts.of(TaskState::Delayed),
        queued: counts.of(TaskState::Queued),
        running: counts.of(TaskState::Running),
        waiting: 0,
        succeeded: counts.of(TaskState::Succeeded),
        failed: counts.of(TaskState::Failed),
        cancelled: counts.of(TaskState::Cancelled),
        skipped: counts.of(TaskState::Skipped),
    }
}

/// The states that a list is to show: every one when the filter is empty or has the unspecified one. A state
/// that no task can be in yet is nobody's, so the answer may be empty.
pub(crate) fn read_states(wanted: &[i32], fields: &mut Fields<'_>) -> Vec<TaskState> {
    let mut any = wanted.is_empty();
    let mut values = Vec::new();
    for (index, value) in wanted.iter().enumerate() {
        match v1::TaskState::try_from(*value) {
            Ok(v1::TaskState::Unspecified) => any = true,
            Ok(state) => values.push(state),
            Err(_) => {
                let field = format_args!("states[{index}]");
                fields.refuse(field, format!("{value} is no state that this coordinator knows"));
            }
        }
    }
    let wanted = |state: &TaskState| any || values.contains(&state_message(*state));
    TaskState::ALL.into_iter().filter(wanted).collect()
}

#[cfg(test)]
mod tests {
    use swarm_engine::rejection::Faults;

    use super::*;

    fn read(wanted: &[i32]) -> (Vec<TaskState>, Faults) {
        let mut faults = Faults::default();
        let states = read_states(wanted, &mut Fields::of_request(&mut faults));
        (states, faults)
    }

    #[test]
    fn each_state_has_its_own_word_on_the_wire() {
        for state in TaskState::ALL {
            let word = state_message(state).as_str_name().to_lowercase();
            assert_eq!(word, format!("task_state_{state}"));
        }
    }

    #[test]
    fn a_filter_names_states() {
        use v1::TaskState::{Queued, Running, Unspecified, Waiting};
        let filter = |wanted: &[v1::TaskState]| {
            let (states, faults) = read(&wanted.iter().map(|state| *state as i32).collect::<Vec<_>>());
            assert!(faults.is_empty());
            states
        };
        assert_eq!(filter(&[]), TaskState::ALL);
        assert_eq!(filter(&[Queued, Unspecified]), TaskState::ALL);
        assert_eq!(
            filter(&[Running, Queued]),
            [TaskState::Queued, TaskState::Running]
        );
        assert_eq!(filter(&[Waiting]), []);
    }

    #[test]
    fn what_is_no_state_is_refused_with_its_place() {
        let (_, faults) = read(&[1, 99, -1]);
        let paths: Vec<&str> = faults.named().iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(paths, ["states[1]", "states[2]"]);
    }
}
