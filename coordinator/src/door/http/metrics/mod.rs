//! The page of metrics, in the text format that Prometheus reads.
//!
//! Names end with their unit. Labels are states, kinds, codes, reasons, methods of the protocol and a bounded number
//! of queues, never ids of tasks, jobs or agents: each value of a label is a series that somebody's disk keeps.

mod agents;
mod calls;
mod disk;
mod process;
mod tasks;

mod sheet;

use std::{fmt, sync::Arc, time::Duration};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, text},
    registry::Registry,
};
use swarm_engine::time::Timestamp;

use self::sheet::Sheet;
use crate::core::{Answer, Core, overview::Overview};

/// Everything as it is now, and durable.
pub(crate) async fn page(core: &Arc<Core>, lease_ttl: Duration) -> String {
    let page = Page {
        overview: core.overview(lease_ttl).await,
        now: core.clock().now(),
        core: Arc::clone(core),
    };
    let mut registry = Registry::default();
    registry.register_collector(Box::new(page));
    let mut text = String::new();
    text::encode_registry(&mut text, &registry).expect("a string takes every text");
    text
}

struct Page {
    overview: Answer<Overview>,
    now: Timestamp,
    core: Arc<Core>,
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page").finish_non_exhaustive()
    }
}

impl Collector for Page {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut sheet = Sheet(encoder);
        self.tasks(&mut sheet)?;
        self.agents(&mut sheet)?;
        self.events(&mut sheet)?;
        self.journal(&mut sheet)?;
        self.store(&mut sheet)?;
        self.memory(&mut sheet)?;
        self.calls(&mut sheet)?;
        self.process(&mut sheet)
    }
}
