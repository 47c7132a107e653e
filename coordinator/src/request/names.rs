//! The names of the tasks and agents that events are about, and of inputs.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use swarm_engine::{
    event::{Event, Fact},
    id::{AgentId, TaskId},
    noun::task::Task,
};

use swarm_proto::v1;

use crate::{core::Core, program::limits::RECALL_STEP, wire::spec, words::names::Names};

/// The names of what these events are about. Where a record cannot be read, or is no longer there, the id stands alone.
pub(super) async fn names_of(core: &Arc<Core>, events: &[Arc<Event>]) -> Names {
    let mut tasks: BTreeSet<TaskId> = BTreeSet::new();
    let mut agents: BTreeSet<AgentId> = BTreeSet::new();
    for event in events {
        let touched = event.fact.touches();
        tasks.extend(touched.task.map(|task| task.id.clone()));
        tasks.extend(dependency_of(&event.fact).cloned());
        agents.extend(touched.agent_id().cloned());
    }
    let mut names = Names::default();
    if !tasks.is_empty() {
        // Names are for people: however many of them read events, the store has room for requests.
        let _turn = core.names.acquire().await;
        names.tasks = task_names(core, tasks).await;
    }
    let found = core.read(|state| {
        let here = agents.iter().filter_map(|id| state.agent(id));
        here.map(|agent| (agent.id.clone(), Arc::clone(&agent.name)))
            .collect::<BTreeMap<_, _>>()
    });
    names.agents = found.await.value;
    names
}

/// Puts names to the cut inputs of these tasks, and answers whether there are any.
pub(super) async fn name_cut_inputs(core: &Core, tasks: &mut [v1::Task]) -> bool {
    let inputs = || tasks.iter().flat_map(|task| &task.cut_inputs);
    let ids: BTreeSet<TaskId> = inputs().map(|input| TaskId::stored(&input.task_id)).collect();
    if ids.is_empty() {
        return false;
    }
    let names = task_names(core, ids).await;
    for input in tasks.iter_mut().flat_map(|task| &mut task.cut_inputs) {
        if let Some(name) = names.get(input.task_id.as_str()) {
            name.clone_into(&mut input.name);
        }
    }
    true
}

async fn task_names(core: &Core, ids: BTreeSet<TaskId>) -> BTreeMap<TaskId, String> {
    let ids: Vec<TaskId> = ids.into_iter().collect();
    let mut names = BTreeMap::new();
    for some in ids.chunks(RECALL_STEP) {
        let Ok(found) = core.find(some).await else {
            continue;
        };
        // Specs of megabytes are read here.
        let read = tokio::task::spawn_blocking(move || {
            let name = |task: &Arc<Task>| (task.id.clone(), spec::whole(&task.spec).name);
            found.value.values().map(name).collect::<BTreeMap<_, _>>()
        });
        names.extend(read.await.unwrap_or_default());
    }
    names
}

/// The other task in the sentence of a fact.
fn dependency_of(fact: &Fact) -> Option<&TaskId> {
    match fact {
        Fact::DependencyMet { dependency, .. } => Some(dependency),
        Fact::TaskSkipped { because, .. } => Some(because),
        Fact::TaskRetried { because, .. } => because.as_ref(),
        Fact::CoordinatorStarted { .. }
        | Fact::JobSubmitted(_)
        | Fact::TaskSubmitted(_)
        | Fact::TaskDue { .. }
        | Fact::LeaseGranted { .. }
        | Fact::LeaseExpired { .. }
        | Fact::LeaseResumed { .. }
        | Fact::LeaseReleased { .. }
        | Fact::AttemptFailed { .. }
        | Fact::TaskSucceeded { .. }
        | Fact::TaskFailed { .. }
        | Fact::CancelRequested { .. }
        | Fact::TaskCancelled { .. }
        | Fact::TaskRemoved { .. }
        | Fact::JobRemoved { .. }
        | Fact::HoldPlaced(_)
        | Fact::HoldLifted { .. }
        | Fact::QueueLimited { .. }
        | Fact::AgentRegistered(_)
        | Fact::AgentDeregistered { .. }
        | Fact::AgentForgotten { .. }
        | Fact::AgentRemoved { .. }
        | Fact::AgentLost { .. }
        | Fact::AgentReturned { .. }
        | Fact::TwinRefused { .. } => None,
    }
}
