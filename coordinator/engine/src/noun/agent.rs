//! Agents: volunteers' programs.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    id::{AgentId, Session},
    noun::needs::Executor,
    time::Timestamp,
};

/// An agent's record. When it was heard of last is soft and lives in [`crate::state::soft::Soft`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// What it calls itself.
    pub id: AgentId,
    /// For people.
    pub name: Arc<str>,
    /// What its owner says about it.
    pub labels: BTreeMap<String, String>,
    /// How many attempts it runs at a time.
    pub slots: u32,
    /// How it can carry out tasks.
    pub executors: BTreeSet<Executor>,
    /// The version of its program.
    pub version: Arc<str>,
    /// Its newest registration; claims and heartbeats of older ones are refused.
    pub session: Session,
    /// When it registered last.
    pub registered: Timestamp,
    /// It said goodbye and has not registered since.
    pub gone: bool,
}
