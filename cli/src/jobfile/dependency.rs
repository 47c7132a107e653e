//! The dependencies of a task, as they are written.

use swarm_proto::{limits::MAX_DEPENDENCIES, v1::DependencyCondition};

use super::{
    draft::{Draft, Reference},
    fields,
    reference::DEPENDENCY,
    task::Reader,
    tree::{Content, Entry, Node},
};

impl Reader<'_> {
    pub(super) fn read_references(&mut self, field: &str, entry: &Entry, draft: &mut Draft) {
        let node = &entry.value;
        self.begin("spec.depends_on", field, entry);
        let items = fields::items(node);
        if items.len() > MAX_DEPENDENCIES {
            let message = format!(
                "`{field}` has {} tasks; at most {MAX_DEPENDENCIES}: put tasks in between that collect them",
                items.len()
            );
            self.faults.push(node.position, message);
        }
        for item in items {
            let reference = match &item.content {
                Content::Map(entries) => self.read_reference(field, item, entries),
                _ => fields::text(item, field, self.faults).map(|target| Reference {
                    target: target.to_owned(),
                    condition: DependencyCondition::Succeeded,
                    position: item.position,
                }),
            };
            draft.references.extend(reference);
        }
    }

    /// `{task: build, condition: finished}`.
    fn read_reference(&mut self, field: &str, item: &Node, entries: &[Entry]) -> Option<Reference> {
        let mut target = None;
        let mut condition = DependencyCondition::Succeeded;
        for Entry { key, position, value } in entries {
            match key.as_str() {
                "task" | "task_id" => {
                    let text = fields::text(value, key, self.faults);
                    // A bad value has its fault already.
                    target = Some((text.map(str::to_owned), value.position));
                }
                "condition" => {
                    let known = |text: &str| match text.to_ascii_lowercase().as_str() {
                        "succeeded" => Ok(DependencyCondition::Succeeded),
                        "finished" => Ok(DependencyCondition::Finished),
                        _ => Err(format!("'{text}' is neither succeeded nor finished")),
                    };
                    condition = fields::read(value, key, self.faults, known).unwrap_or(condition);
                }
                _ => fields::unknown(key, *position, &[&DEPENDENCY], self.faults),
            }
        }
        let Some((target, position)) = target else {
            self.faults.push(
                item.position,
                format!("an item of `{field}` names no task: `task: …`"),
            );
            return None;
        };
        target.map(|target| Reference {
            target,
            condition,
            position,
        })
    }
}
