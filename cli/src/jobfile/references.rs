//! Ids, names, dependencies between the tasks of a file, and cycles of them.

use std::{collections::HashMap, slice};

use swarm_program::words::nearest::nearest;
use swarm_proto::{limits::MAX_DEPENDENCIES, v1::Dependency};

use super::{
    draft::Draft,
    fault::{External, Faults, Position},
    places::Places,
    requirement::bare_key,
};
use crate::program::value;

/// At most this many unknown references get a suggestion, because each is compared with every task.
const MAX_SUGGESTIONS: usize = 32;

/// At most this many cycles are named; more are rarely independent of these.
const MAX_NAMED_CYCLES: usize = 32;

/// At most this many members of a cycle are named.
const MAX_NAMED_MEMBERS: usize = 12;

/// The ids and names of a file's tasks.
pub(super) struct Ids {
    /// Each task's id, written or generated, in the order of the tasks.
    pub(super) task_ids: Vec<String>,
    by_id: HashMap<String, usize>,
    by_name: HashMap<String, Named>,
    /// The entries of the tasks of every series, and their ids, by their ids and names.
    members: HashMap<String, (usize, String)>,
    /// The ids of each entry's series; none for a task alone.
    series: Vec<Vec<String>>,
}

/// The meaning of a name.
enum Named {
    One(usize),
    /// Several tasks with written ids share the name, which is no fault until a reference uses it.
    Several,
}

/// Gives every task its id. Two tasks with the same id or local name are a fault.
///
/// In a job with a written id, the other ids are derived from it, so that a repeated submit is the same job with the
/// same tasks.
pub(super) fn assign_ids(tasks: &[Draft], job_id: Option<&str>, faults: &mut Faults) -> Ids {
    let mut ids = Ids {
        task_ids: Vec::new(),
        by_id: HashMap::new(),
        by_name: HashMap::new(),
        members: HashMap::new(),
        series: Vec::new(),
    };
    for (index, task) in tasks.iter().enumerate() {
        let Some((id, position)) = &task.written_id else {
            continue;
        };
        match ids.by_id.get(id) {
            Some(&earlier) => {
                let line = tasks[earlier].place_of_id().line;
                faults.push(
                    *position,
                    format!("the id '{id}' is that of the task in line {line} too"),
                );
            }
            None => {
                ids.by_id.insert(id.clone(), index);
            }
        }
    }
    for (index, task) in tasks.iter().enumerate() {
        let Some((name, position)) = &task.name else {
            continue;
        };
        if task.written_id.is_none()
            && let Some(&other) = ids.by_id.get(name)
        {
            let line = tasks[other].place_of_id().line;
            faults.push(
                *position,
                format!("the name '{name}' is the id of the task in line {line}"),
            );
        }
        match ids.by_name.get(name) {
            None => {
                ids.by_name.insert(name.clone(), Named::One(index));
            }
            Some(Named::One(earlier))
                if task.written_id.is_none() || tasks[*earlier].written_id.is_none() =>
            {
                let line = tasks[*earlier]
                    .name
                    .as_ref()
                    .map_or(0, |(_, position)| position.line);
                faults.push(
                    *position,
                    format!("the name '{name}' is that of the task in line {line} too"),
                );
            }
            Some(_) => {
                ids.by_name.insert(name.clone(), Named::Several);
            }
        }
    }
    for (index, task) in tasks.iter().enumerate() {
        let id = match (&task.written_id, job_id) {
            (Some((id, _)), _) => Ok(id.clone()),
            (None, Some(job_id)) => Ok(derived_id(job_id, index, task)),
            (None, None) => value::generate_id(),
        };
        match id {
            Ok(id) => ids.task_ids.push(id),
            Err(error) => {
                faults.push(task.position, error);
                break;
            }
        }
    }
    ids.name_series(tasks, faults);
    ids
}

/// The id of a job's task by its name, or else by its place among the tasks.
fn derived_id(job_id: &str, index: usize, task: &Draft) -> String {
    match &task.name {
        Some((name, _)) => value::derive_id([job_id, "name", name].into_iter()),
        None => value::derive_id([job_id, "place", &index.to_string()].into_iter()),
    }
}

/// Refuses labels in `requires` that are names of tasks. Other systems call dependencies so, and the task would wait
/// for ever.
pub(super) fn check_requires(tasks: &[Draft], ids: &Ids, faults: &mut Faults) {
    for term in tasks.iter().flat_map(|task| &task.requires) {
        let names_a_task = |key| ids.by_id.contains_key(key) || ids.by_name.contains_key(key);
        if bare_key(&term.text).is_some_and(names_a_task) {
            let message = format!(
                "`requires` asks for a label of the agent, and '{}' is a task",
                term.text
            );
            let help = "tasks that have to end first stand in `depends_on`".to_owned();
            faults.push_with_help(term.position, message, Some(help));
        }
    }
}

/// Turns references into dependencies, finds cycles, and returns the references to tasks outside the file.
pub(super) fn resolve(
    tasks: &mut [Draft],
    ids: &Ids,
    faults: &mut Faults,
    places: &mut Places,
) -> Vec<External> {
    let mut external: Vec<External> = Vec::new();
    let mut edges: Vec<Vec<Edge>> = Vec::with_capacity(tasks.len());
    for (index, task) in tasks.iter_mut().enumerate() {
        let written = task.references.len();
        let mut local = Vec::new();
        let mut seen: HashMap<String, usize> = HashMap::new();
        for (place, reference) in std::mem::take(&mut task.references).into_iter().enumerate() {
            let position = reference.position;
            places.record(format!("tasks[{index}].spec.depends_on[{place}]"), position);
            let targets = match ids.find(&reference.target) {
                Ok(Some(found)) => {
                    local.push(Edge {
                        target: found.entry,
                        position,
                    });
                    found.task_ids
                }
                Ok(None) => {
                    let nearest = if external.len() < MAX_SUGGESTIONS {
                        ids.nearest(&reference.target)
                    } else {
                        None
                    };
                    external.push(External {
                        task_id: reference.target.clone(),
                        position,
                        nearest,
                    });
                    vec![reference.target.clone()]
                }
                Err((message, help)) => {
                    faults.push_with_help(position, message, help);
                    continue;
                }
            };
            let before = targets.iter().find_map(|target| seen.get(target));
            if let Some(line) = before {
                faults.push(
                    position,
                    format!("'{}' is listed before, in line {line}", reference.target),
                );
            }
            seen.extend(targets.iter().map(|target| (target.clone(), position.line)));
            let condition = reference.condition.into();
            let dependency = |task_id| Dependency { task_id, condition };
            task.spec.depends_on.extend(targets.into_iter().map(dependency));
        }
        if written <= MAX_DEPENDENCIES {
            check_count(task, faults);
        }
        edges.push(local);
    }
    find_cycles(tasks, &edges, faults);
    external
}

/// Checks the number of dependencies of a task that names few: a series stands for many.
fn check_count(task: &Draft, faults: &mut Faults) {
    let count = task.spec.depends_on.len();
    if count > MAX_DEPENDENCIES {
        let message = format!(
            "{} depends on {count} tasks; at most {MAX_DEPENDENCIES}: put tasks in between that collect them",
            task.title()
        );
        faults.push(task.position, message);
    }
}

/// The tasks behind a reference.
struct Found {
    /// Their entry in the file.
    entry: usize,
    task_ids: Vec<String>,
}

impl Ids {
    /// Names the tasks of every series. No other task of the file can have their ids or names.
    fn name_series(&mut self, tasks: &[Draft], faults: &mut Faults) {
        for (entry, (task, base)) in tasks.iter().zip(&self.task_ids).enumerate() {
            let mut ids = Vec::new();
            for item in task.series.iter().flatten() {
                let id = item.id(base);
                if let Err(why) = value::check_id(&id) {
                    faults.push(task.place_of_id(), why);
                    break;
                }
                let name = task.name.as_ref().map(|(name, _)| item.name(name));
                for key in [task.written_id.is_some().then(|| id.clone()), name]
                    .into_iter()
                    .flatten()
                {
                    if self.by_id.contains_key(&key) || self.by_name.contains_key(&key) {
                        let message = format!("'{key}' is both a task of its own and one of this series");
                        faults.push(task.place_of_id(), message);
                    }
                    self.members.insert(key, (entry, id.clone()));
                }
                ids.push(id);
            }
            self.series.push(ids);
        }
    }

    /// The tasks of an entry: itself, or those of its series.
    fn of_entry(&self, entry: usize) -> Found {
        let task_ids = match self.series.get(entry) {
            Some(ids) if !ids.is_empty() => ids.clone(),
            // Absent only when no id could be generated, which is a fault already.
            Some(_) | None => vec![self.task_ids.get(entry).cloned().unwrap_or_default()],
        };
        Found { entry, task_ids }
    }

    /// The tasks of the file behind a reference; `None` when only the coordinator may have one.
    fn find(&self, target: &str) -> Result<Option<Found>, (String, Option<String>)> {
        let named = self.by_name.get(target);
        match (self.by_id.get(target), named, self.members.get(target)) {
            (Some(&entry), _, _) | (None, Some(&Named::One(entry)), _) => Ok(Some(self.of_entry(entry))),
            (None, Some(Named::Several), _) => Err((
                format!("'{target}' is the name of several tasks"),
                Some("refer to one of them by its id".to_owned()),
            )),
            (None, None, Some((entry, id))) => Ok(Some(Found {
                entry: *entry,
                task_ids: vec![id.clone()],
            })),
            (None, None, None) if value::check_id(target).is_ok() => Ok(None),
            (None, None, None) => Err((
                format!("no task of this file is named '{target}', and it cannot be an id"),
                self.nearest(target).map(|near| format!("did you mean '{near}'?")),
            )),
        }
    }

    /// The id of every task, those of series included.
    pub(super) fn each(&self) -> impl Iterator<Item = &str> {
        let entries = self.task_ids.iter().zip(&self.series);
        entries.flat_map(|(id, series)| match series.as_slice() {
            [] => slice::from_ref(id).iter().map(String::as_str),
            series => series.iter().map(String::as_str),
        })
    }

    fn nearest(&self, target: &str) -> Option<String> {
        let known = self.by_id.keys().chain(self.by_name.keys()).map(String::as_str);
        nearest(target, known).map(str::to_owned)
    }
}

/// A dependency on another task of the file.
struct Edge {
    target: usize,
    position: Position,
}

/// Removes tasks without dependencies again and again, until only cycles and their dependents remain. Every remaining
/// task leads into a cycle, which is named and removed.
fn find_cycles(tasks: &[Draft], edges: &[Vec<Edge>], faults: &mut Faults) {
    let mut dependents: Vec<Vec<usize>> = edges.iter().map(|_| Vec::new()).collect();
    let mut unmet: Vec<usize> = edges.iter().map(Vec::len).collect();
    for (index, edges) in edges.iter().enumerate() {
        for edge in edges {
            dependents[edge.target].push(index);
        }
    }
    let mut left: Vec<bool> = edges.iter().map(|_| true).collect();
    let mut free: Vec<usize> = (0..edges.len()).filter(|index| unmet[*index] == 0).collect();
    let mut next = 0;
    for _ in 0..MAX_NAMED_CYCLES {
        while let Some(index) = free.pop() {
            if !std::mem::replace(&mut left[index], false) {
                continue;
            }
            for &dependent in &dependents[index] {
                unmet[dependent] -= 1;
                if unmet[dependent] == 0 {
                    free.push(dependent);
                }
            }
        }
        let Some(start) = (next..left.len()).find(|index| left[*index]) else {
            return;
        };
        next = start;
        let cycle = walk(start, edges, &left);
        report(&cycle, tasks, edges, faults);
        free.extend(cycle);
    }
}

/// Follows dependencies among the remaining tasks until a task repeats. The cycle begins with its first task in the
/// file.
fn walk(start: usize, edges: &[Vec<Edge>], left: &[bool]) -> Vec<usize> {
    let mut path = vec![start];
    let mut place = HashMap::from([(start, 0)]);
    let mut at = start;
    while let Some(edge) = edges[at].iter().find(|edge| left[edge.target]) {
        if let Some(&begin) = place.get(&edge.target) {
            let mut cycle = path.split_off(begin);
            let first = cycle
                .iter()
                .enumerate()
                .min_by_key(|(_, index)| **index)
                .map_or(0, |(at, _)| at);
            cycle.rotate_left(first);
            return cycle;
        }
        at = edge.target;
        place.insert(at, path.len());
        path.push(at);
    }
    path
}

fn report(cycle: &[usize], tasks: &[Draft], edges: &[Vec<Edge>], faults: &mut Faults) {
    let Some(&first) = cycle.first() else { return };
    let second = cycle.get(1).copied().unwrap_or(first);
    let position = edges[first]
        .iter()
        .find(|edge| edge.target == second)
        .map_or(tasks[first].position, |edge| edge.position);
    if cycle.len() == 1 {
        faults.push(position, format!("{} depends on itself", tasks[first].title()));
        return;
    }
    let mut members: Vec<String> = cycle
        .iter()
        .take(MAX_NAMED_MEMBERS)
        .map(|index| tasks[*index].title())
        .collect();
    if cycle.len() > MAX_NAMED_MEMBERS {
        members.push(format!("… {} more …", cycle.len() - MAX_NAMED_MEMBERS));
    }
    members.push(tasks[first].title());
    faults.push(
        position,
        format!("tasks depend on each other: {}", members.join(" → ")),
    );
}
