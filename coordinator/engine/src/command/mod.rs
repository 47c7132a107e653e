//! Requests, one a file: its type, its decision and its answer.

pub mod start;
pub mod submit;

pub mod death;
pub mod deregister;
pub mod register;

pub mod claim;
pub mod complete;
pub mod renew;

pub mod cancel;
pub mod remove;
pub mod retry;

pub mod hold;
pub mod limit;

pub mod forget;
pub mod release;

pub mod expire;
pub mod prune;
pub mod prune_agents;
