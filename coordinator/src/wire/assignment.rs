//! What an agent is told with a lease: the one message with tokens and environment values.

use std::sync::Arc;

use swarm_engine::{
    id::TaskId,
    noun::{
        outcome::Output,
        task::{Task, TaskState},
    },
};
use swarm_proto::v1;

use super::{lease, spec, state::state_message, time::duration};

/// How a dependency of a granted task ended.
#[derive(Clone, Debug)]
pub(crate) struct DependencyEnd {
    /// The dependency.
    pub(crate) task: TaskId,
    /// Its name, for people.
    pub(crate) name: String,
    /// How it ended; `None` when it cannot be looked up.
    pub(crate) state: Option<TaskState>,
    /// Bytes that it printed in all.
    pub(crate) stdout_bytes: u64,
    /// The end of what it printed; `None` when there is nothing, or when it was left out.
    pub(crate) output: Option<Arc<Output>>,
    /// It was not even looked up: it is too long, or cannot be read.
    pub(crate) left_out: bool,
}

/// A granted task as its agent needs it. `room` is how many bytes of dependencies' names and outputs the answer still
/// takes. Where the names do not all fit, there are none: the ids name the files then. An output that does not fit is
/// left out, and said to be.
///
/// # Panics
///
/// When the task holds no lease: a grant is a task with its lease.
pub(crate) fn assignment(task: &Task, dependencies: &[DependencyEnd], room: &mut usize) -> v1::Assignment {
    let held = task.lease().expect("a granted task holds its lease");
    let names: usize = dependencies.iter().map(|dependency| dependency.name.len()).sum();
    let left = room.checked_sub(names);
    let is_named = left.is_some();
    *room = left.unwrap_or(*room);
    v1::Assignment {
        lease: Some(lease::secret(&task.id, held)),
        spec: Some(spec::whole(&task.spec)),
        lease_ttl: Some(duration(held.ttl)),
        timeout: Some(duration(held.time_limit())),
        job_id: task.job.as_ref().map(ToString::to_string).unwrap_or_default(),
        dependencies: dependencies
            .iter()
            .map(|dependency| dependency_message(dependency, is_named, room))
            .collect(),
    }
}

fn dependency_message(dependency: &DependencyEnd, is_named: bool, room: &mut usize) -> v1::DependencyOutput {
    let stdout = dependency
        .output
        .as_ref()
        .map_or(&[][..], |output| &output.stdout);
    let left = room.checked_sub(stdout.len());
    *room = left.unwrap_or(*room);
    v1::DependencyOutput {
        task_id: dependency.task.to_string(),
        state: dependency
            .state
            .map_or(v1::TaskState::Unspecified, state_message)
            .into(),
        stdout: if left.is_some() {
            stdout.to_vec()
        } else {
            Vec::new()
        },
        omitted: left.is_none() || dependency.left_out,
        name: if is_named {
            dependency.name.clone()
        } else {
            String::new()
        },
        stdout_bytes: dependency.stdout_bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::sample;

    #[test]
    fn an_agent_is_told_its_token_and_the_environment() {
        let task = sample::running();
        let message = assignment(&task, &[], &mut 0);
        let lease = message.lease.unwrap();
        assert_eq!((lease.task_id.as_str(), lease.attempt), ("build", 2));
        assert_eq!(lease.lease_token, sample::TOKEN.0);
        let Some(v1::task_spec::Work::Command(command)) = message.spec.unwrap().work else {
            panic!("the sample is a command")
        };
        assert_eq!(command.env[sample::ENV_NAME], sample::ENV_VALUE);
        assert_eq!(
            (message.job_id.as_str(), message.lease_ttl.unwrap().seconds),
            ("nightly", 90)
        );
        assert_eq!(message.timeout, Some(duration(task.timeout.into())));
    }

    #[test]
    fn outputs_that_do_not_fit_are_said_to_be_left_out() {
        let printed = |size| {
            Some(Arc::new(Output {
                stdout: vec![b'x'; size],
                ..Output::default()
            }))
        };
        let dependencies: Vec<DependencyEnd> = [printed(6), printed(5), printed(4), None]
            .into_iter()
            .map(|output| DependencyEnd {
                task: TaskId::stored("d"),
                name: "dee".to_owned(),
                state: Some(TaskState::Failed),
                stdout_bytes: 9,
                output,
                left_out: false,
            })
            .collect();
        // Twelve for the names.
        let mut room = 12 + 10;
        let message = assignment(&sample::running(), &dependencies, &mut room);
        let sent: Vec<(usize, bool)> = message
            .dependencies
            .iter()
            .map(|dependency| (dependency.stdout.len(), dependency.omitted))
            .collect();
        assert_eq!(sent, [(6, false), (0, true), (4, false), (0, false)]);
        assert_eq!(
            (room, message.dependencies[0].state()),
            (0, v1::TaskState::Failed)
        );
        assert_eq!(message.dependencies[0].name, "dee");
        // Also of what is left out, whose length says whether it is cut.
        assert!(message.dependencies.iter().all(|each| each.stdout_bytes == 9));
    }

    #[test]
    fn names_that_do_not_all_fit_are_left_out_together() {
        let named = |name: &str| DependencyEnd {
            task: TaskId::stored("d"),
            name: name.to_owned(),
            state: None,
            stdout_bytes: 0,
            output: None,
            left_out: true,
        };
        let dependencies = [named("four"), named("letters")];
        let names = |mut room| {
            let message = assignment(&sample::running(), &dependencies, &mut room);
            let names = message.dependencies.into_iter().map(|dependency| dependency.name);
            (names.collect::<Vec<_>>(), room)
        };
        assert_eq!(names(11), (vec!["four".to_owned(), "letters".to_owned()], 0));
        assert_eq!(names(10), (vec![String::new(), String::new()], 10));
    }
}
