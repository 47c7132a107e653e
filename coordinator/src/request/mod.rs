//! What the coordinator is asked, one file for each noun.

mod admin;
mod agent;
mod coordinator;
mod events;
mod lookup;
mod nothing;
mod page;
mod queue;
mod task;
