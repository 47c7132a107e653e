//! What is done about a journal that is not whole: it is looked at, cut and sealed anew.

mod behind;
pub mod inspect;
pub(crate) mod live;
pub mod reseal;
pub(crate) mod salvage;
