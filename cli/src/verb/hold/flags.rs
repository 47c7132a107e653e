//! The flags shared by the verbs that place and lift holds.

use std::convert::Infallible;

use swarm_proto::limits::MAX_REASON_BYTES;

use crate::{
    call::{
        client::Client,
        subject::{Change, Finder},
    },
    output::hold::Scope,
};

/// The flags that name a hold's scope: everything without a flag.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ScopeFlags {
    /// Only the tasks of this queue
    #[arg(long, value_name = "QUEUE", conflicts_with = "agent")]
    queue: Option<String>,
    /// Only this agent, by id or name; the beginning of an id asks first
    #[arg(long, value_name = "AGENT")]
    agent: Option<String>,
    /// A bare name may be a queue's or an agent's, and is not guessed at.
    #[arg(hide = true, value_name = "NAME", value_parser = bare_name)]
    bare: Option<Infallible>,
}

/// The flag that gives the reason for a hold.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Reason {
    /// The reason, shown with the hold
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true, value_parser = short_reason)]
    pub(super) reason: String,
}

impl ScopeFlags {
    /// The scope, with an agent's id in place of its name. `verb` says what is done to it.
    ///
    /// # Errors
    ///
    /// When there is no such agent, or the coordinator cannot be asked.
    pub(super) async fn scope(self, client: &Client, verb: &'static str) -> anyhow::Result<Scope> {
        if let Some(never) = self.bare {
            match never {}
        }
        match (self.queue, self.agent) {
            (Some(queue), _) => Ok(Scope::Queue(queue)),
            (None, Some(agent)) => Ok(Scope::Agent(agent_id(client, &agent, verb).await?)),
            (None, None) => Ok(Scope::Everything),
        }
    }
}

fn bare_name(name: &str) -> Result<Infallible, String> {
    Err(format!("say what it is: --queue {name}, or --agent {name}"))
}

/// The id of an agent given by its id or name. `verb` says what is done to it.
///
/// # Errors
///
/// When there is no such agent, several have the name, or the coordinator cannot be asked.
pub(super) async fn agent_id(client: &Client, named: &str, verb: &'static str) -> anyhow::Result<String> {
    let finder = Finder::to_change(client, Change::of_it(verb));
    Ok(finder.agent(named).await?.agent_id)
}

fn short_reason(reason: &str) -> Result<String, String> {
    if reason.len() > MAX_REASON_BYTES {
        return Err(format!(
            "it has {} bytes; at most {MAX_REASON_BYTES} are kept",
            reason.len()
        ));
    }
    Ok(reason.to_owned())
}
