//! Exclusive groups: at most one task of a group holds a lease.

use std::collections::BTreeMap;

use swarm_proto::v1::Event;

/// The task of each group that holds a lease.
#[derive(Default)]
pub(super) struct Groups<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Groups<'a> {
    /// Follows an event of a task, which holds a lease for the attempt `live` now.
    pub(super) fn follow(
        &mut self,
        id: &'a str,
        live: Option<u32>,
        group: &'a str,
        event: &Event,
    ) -> Result<(), String> {
        if group.is_empty() {
            return Ok(());
        }
        match (live, self.0.get(group).copied()) {
            (Some(_), Some(other)) if other != id => {
                return Err(format!(
                    "it was given to {} while {other} of its group {group} ran",
                    event.agent_id
                ));
            }
            (Some(_), _) => {
                self.0.insert(group, id);
            }
            (None, Some(other)) if other == id => {
                self.0.remove(group);
            }
            (None, _) => {}
        }
        Ok(())
    }
}
