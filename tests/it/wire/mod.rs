//! What comes over the ports: the stream of events, the page of metrics, other people's tools, and bytes of strangers.

mod full_memory;
mod many_queues;
mod metrics;
mod schema;
mod stream;

mod fuzzing;
mod hostile;
mod memory;
