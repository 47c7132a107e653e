//! The records of the store: what each event changes there, how they are loaded at a start, and how they are found.

pub(crate) mod key;

pub(crate) mod output;
pub(crate) mod task;

pub(crate) mod load;

pub(crate) mod aging;
pub(crate) mod find;

use crate::store::Layout;

/// What the store's checks have to know about the keys.
pub(crate) const LAYOUT: Layout = Layout {
    start: &[key::LIVE, key::JOB, key::AGENT, key::HOLD, key::LIMIT],
    ids: key::ID,
    sampled: &[key::DONE, key::ID, key::AGE, key::JOB_TASK, key::OUTPUT],
    numbered: &[key::DONE, key::OUTPUT],
};

/// The name, in `meta/`, of the layout of the records.
pub(crate) const FORMAT: &str = "format";

/// Their layout now. A store of another one is set aside and built anew.
pub(crate) const STORE_FORMAT: &[u8] = &[3];

/// The names, in `meta/`, of the event that the last start wrote, and of its seq.
pub(crate) const IDENTITY: &str = "identity";
pub(crate) const STARTED: &str = "started_seq";

/// The names, in `meta/`, of the time of the last event, and of how many tasks have ended.
pub(crate) const LAST_TIME: &str = "last_time";
pub(crate) const ENDED: &str = "ended";
