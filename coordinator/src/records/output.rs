//! What attempts printed.

use std::sync::Arc;

use swarm_engine::{
    id::{AttemptNumber, Number},
    noun::outcome::Output,
    touches::Touches,
};

/// The output that an event carries, with the attempt that printed it.
pub(crate) fn of<'a>(touched: &Touches<'a>) -> Option<(Number, AttemptNumber, &'a Arc<Output>)> {
    Some((touched.task?.number, touched.attempt?.number, touched.output?))
}
