//! Agents: volunteers' programs.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    id::{AgentId, Session, SessionToken},
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
    /// Proves that a caller has this session; `None` when an older coordinator opened it.
    pub token: Option<SessionToken>,
    /// The time of its last registration.
    pub registered: Timestamp,
    /// It said goodbye, was forgotten or died, and has not registered since.
    pub gone: bool,
    /// The loss that was told last; `None` when it was heard of since, said goodbye or was forgotten.
    pub lost: Option<AgentLoss>,
    /// The time of its last registration, goodbye or death, or when it was forgotten.
    pub changed: Timestamp,
    /// The process of its session; `None` when it does not say where it runs.
    pub process: Option<Process>,
    /// The last process that was refused beside this one.
    pub twin: Option<Twin>,
}

/// The cause for which an agent is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentLoss {
    /// It has not called for longer than a TTL. It may call again.
    Silent,
    /// Its process ended without a goodbye, as its guard says. Its session is over.
    Died,
}

impl Agent {
    /// Whether it may come back: nobody meant it to leave.
    pub fn is_expected(&self) -> bool {
        !self.gone || self.lost.is_some()
    }

    /// Whether its process died, and no other one has registered since.
    pub fn has_died(&self) -> bool {
        self.lost == Some(AgentLoss::Died)
    }
}
