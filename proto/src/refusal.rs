//! The details of a refusal, over any transport.

use std::{collections::BTreeMap, time::Duration};

/// A bad field of a request, such as `tasks[3].spec.priority`, with its fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFault {
    /// The field's path in the request.
    pub field: String,
    /// The fault, for people.
    pub description: String,
}

/// The parts of a refusal besides its reason and message.
#[derive(Clone, Debug, Default)]
pub struct Details {
    /// Bad fields of the request. A transport leaves out the last ones when all of them do not fit.
    pub faults: Vec<FieldFault>,
    /// The caller may try again after this long.
    pub retry_after: Option<Duration>,
    /// Facts for programs, such as `oldest_seq`.
    pub metadata: BTreeMap<&'static str, String>,
}
