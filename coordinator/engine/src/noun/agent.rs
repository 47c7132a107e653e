//! Agents: volunteers' programs.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    id::{AgentId, Session},
    noun::{
        needs::Executor,
        process::{Process, Twin},
        rules::Rules,
    },
    time::Timestamp,
};

/// An agent's record. The time of its last call is a soft fact: see [`crate::noun::presence`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Its id, made at its first start.
    pub id: AgentId,
    /// Its name, for people.
    pub name: Arc<str>,
    /// Labels that its owner gave it.
    pub labels: BTreeMap<String, String>,
    /// Attempts that it runs at a time.
    pub slots: u32,
    /// The kinds of tasks that it can carry out.
    pub executors: BTreeSet<Executor>,
    /// The commands that its owner lets it run.
    pub rules: Rules,
    /// The version of its program.
    pub version: Arc<str>,
    /// Its newest registration. Claims and heartbeats of older sessions are refused.
    pub session: Session,
    /// The history of events in which that session began; empty when an older program wrote the record.
    pub history: Arc<str>,
    /// The time of its last registration.
    pub registered: Timestamp,
    /// It said goodbye or was forgotten, and has not registered since.
    pub gone: bool,
    /// The time of its last registration or goodbye, or when it was forgotten.
    pub changed: Timestamp,
    /// The process of its session; `None` when it does not say where it runs.
    pub process: Option<Process>,
    /// The last process that was refused beside this one.
    pub twin: Option<Twin>,
}
