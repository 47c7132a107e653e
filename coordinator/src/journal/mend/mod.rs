//! For the operator: a journal is inspected, copied, and repaired when it is damaged. `reseal` is for fuzzing.

mod behind;
pub mod inspect;
pub(crate) mod live;
pub mod reseal;
pub(crate) mod salvage;
