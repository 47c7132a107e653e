//! What a refusal says besides its reason and message, however it travels.

use std::{collections::BTreeMap, time::Duration};

/// A bad field of a request: its path, such as `tasks[3].spec.priority`, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFault {
    /// The field's path in the request.
    pub field: String,
    /// What is wrong, for people.
    pub description: String,
}

/// What a refusal carries besides its reason and message.
#[derive(Clone, Debug, Default)]
pub struct Details {
    /// Bad fields of the request; a carrier leaves out the last ones when they are too many for it.
    pub faults: Vec<FieldFault>,
    /// The caller may try again after this long.
    pub retry_after: Option<Duration>,
    /// Facts for programs, such as `oldest_seq`.
    pub metadata: BTreeMap<&'static str, String>,
}
