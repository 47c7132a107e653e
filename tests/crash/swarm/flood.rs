//! A flood of calls to a coordinator that has little memory.

use std::thread;

use prost::Message as _;
use swarm_proto::v1::ListTasksRequest;

use super::Swarm;
use crate::harness::{
    cgroup::Cgroup,
    raw_http2::{RawHttp2, with_prefix},
};

/// The memory of a coordinator that has little, as in the tests of each thing that wants all of it.
const LITTLE_MEMORY: u64 = 600_000_000;
/// A flood is bounded in all that it asks for.
const FLOOD_CONNECTIONS: usize = 2;
const FLOOD_STREAMS: usize = 150;
const FLOOD_BODIES: usize = 40;
const FLOOD_BYTES: usize = 1 << 20;

impl Swarm {
    /// Starts the coordinator with little memory until its next start, and wants all of it.
    pub(super) fn flood_with_little_memory(&mut self) -> bool {
        if self.cgroup.is_none() {
            self.cgroup = Cgroup::with_memory(LITTLE_MEMORY);
        }
        let Some(cgroup) = &self.cgroup else { return false };
        let enter = cgroup.enter();
        self.coordinator.kill();
        self.coordinator.change_before(Some(enter));
        self.start_coordinator();
        self.coordinator.change_before(None);
        self.has_little_memory = true;
        let address = self.coordinator.address().to_owned();
        // It ends when it has sent everything, or with the coordinator.
        thread::spawn(move || flood(&address));
        true
    }
}

/// Asks for lists that are never taken, and sends requests that never end.
fn flood(address: &str) {
    let list = ListTasksRequest {
        page_size: 1_000,
        ..Default::default()
    };
    let mut message = with_prefix(&vec![0; FLOOD_BYTES]);
    message[4] = 0xff;
    for _ in 0..FLOOD_CONNECTIONS {
        let connection = RawHttp2::connect(address, 0);
        for _ in 0..FLOOD_STREAMS {
            connection.call("TaskService/ListTasks", &list.encode_to_vec());
        }
        for _ in 0..FLOOD_BODIES {
            if !connection.data(connection.begin("TaskService/SubmitTasks"), &message, false) {
                return;
            }
        }
    }
}
