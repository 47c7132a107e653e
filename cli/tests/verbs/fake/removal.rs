//! Removal of the fake coordinator's tasks.

use swarm_proto::v1::{Refusal, RemoveTask, TaskChange, TaskState};

use super::{World, no_task};

/// The final states.
const ENDED: [TaskState; 4] = [
    TaskState::Succeeded,
    TaskState::Failed,
    TaskState::Cancelled,
    TaskState::Skipped,
];

pub fn remove(world: &mut World, RemoveTask { task_id, revision }: RemoveTask) -> TaskChange {
    let Some(place) = world.tasks.iter().position(|task| task.task_id == task_id) else {
        return TaskChange {
            refusal: Some(no_task(&task_id)),
            task_id,
            ..Default::default()
        };
    };
    let task = &world.tasks[place];
    let has_changed = world.changed_meanwhile.contains(&task_id);
    let refusal = if has_changed || revision.is_some_and(|seen| seen != task.revision) {
        Some(("REVISION_MISMATCH", "it changed meanwhile"))
    } else if !ENDED.contains(&task.state()) {
        Some(("TASK_NOT_FINISHED", "it has not ended"))
    } else if world.needed.contains(&task_id) {
        Some(("TASK_NEEDED", "it is needed"))
    } else {
        None
    };
    let state = task.state;
    if refusal.is_none() {
        world.tasks.remove(place);
    }
    TaskChange {
        task_id,
        state,
        refusal: refusal.map(|(reason, message)| Refusal {
            reason: reason.into(),
            message: message.into(),
        }),
    }
}
