//! Cancellation of the fake coordinator's tasks.

use swarm_proto::v1::{Refusal, TaskChange, TaskState};

use super::{World, no_task};

pub fn cancel(world: &mut World, task_id: String) -> TaskChange {
    let has_ended = world.changed_meanwhile.contains(&task_id);
    let Some(task) = world.tasks.iter_mut().find(|task| task.task_id == task_id) else {
        return TaskChange {
            refusal: Some(no_task(&task_id)),
            task_id,
            ..Default::default()
        };
    };
    let refusal = (has_ended || task.state() == TaskState::Succeeded).then(|| Refusal {
        reason: "TASK_FINISHED".into(),
        message: "it has succeeded".into(),
    });
    let runs_on = task.state() == TaskState::Running && world.agents_are_slow_to_end;
    if refusal.is_none() && !runs_on {
        task.set_state(TaskState::Cancelled);
    }
    TaskChange {
        task_id,
        state: task.state,
        refusal,
    }
}
