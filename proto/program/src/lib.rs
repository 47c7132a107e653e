//! What the three programs share: how they are set up, looked at by their doctors, and documented.

pub mod settings;

pub mod bug;
pub mod exit;
pub mod failure;
pub mod log;

pub mod doctor;

pub mod completions;
pub mod manual;

pub mod words;
